//! Inviting, and taking that back.

use super::*;

#[tokio::test]
async fn an_email_is_invited_listed_and_taken_back() {
    let house = TestPlane::new().await;
    let token = house.sign_in("root").await;
    let reply = house
        .post(
            &token,
            "/v1/invitations",
            &json!({ "email": "Dora@example.org" }),
        )
        .await;
    assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
    let invitation = reply.json()["invitation"].clone();
    assert_eq!(
        (&reply.json()["mail"], &invitation["by"]),
        (&json!("sent"), &json!("root"))
    );
    assert_eq!(
        (&invitation["email"], &invitation["attempts_left"]),
        (&json!("Dora@example.org"), &json!(5))
    );
    let ends: Timestamp = invitation["expires_at"].as_str().unwrap().parse().unwrap();
    let expected = house.now.get() + SignedDuration::from_hours(7 * 24);
    assert_eq!(ends.as_second(), expected.as_second());
    assert!(
        house
            .last_entry()
            .await
            .starts_with("invite Dora@example.org allowed: until ")
    );
    let mail = house.mail_with("To: Dora@example.org").await;
    assert!(
        mail.contains("Subject: You are invited to Rookery"),
        "{mail}"
    );
    let is_code = |line: &&str| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit());
    let code = mail
        .lines()
        .find(is_code)
        .expect("a code alone on its line")
        .to_owned();
    assert!(
        !format!("{:?}", house.trail().await).contains(&code),
        "a code is a secret"
    );
    assert!(!reply.text.contains(&code));

    let list = house.get(&token, "/v1/invitations").await.json();
    assert_eq!(list, json!({ "invitations": [invitation], "next": null }));
    let path = format!("/v1/invitations/{}", invitation["id"]);
    assert_eq!(
        house.delete(&token, &path).await.json()["invitation"]["email"],
        "Dora@example.org"
    );
    assert!(
        house
            .last_entry()
            .await
            .ends_with(" allowed: Dora@example.org")
    );
    assert_eq!(
        house.delete(&token, &path).await.problem(),
        "/problems/no-such-invitation"
    );
    assert_eq!(
        house.get(&token, "/v1/invitations").await.json()["invitations"],
        json!([])
    );
}

#[tokio::test]
async fn the_same_email_is_invited_again_after_a_minute() {
    let house = TestPlane::new().await;
    let token = house.sign_in("root").await;
    let invite = || async {
        house
            .post(
                &token,
                "/v1/invitations",
                &json!({ "email": "dora@example.org" }),
            )
            .await
    };
    let first = invite().await.json()["invitation"]["id"].clone();
    let reply = invite().await;
    assert_eq!(reply.problem(), "/problems/too-many-attempts");
    let wait: u64 = reply.headers[header::RETRY_AFTER]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((55..=61).contains(&wait), "{wait}");
    assert!(
        house
            .last_entry()
            .await
            .starts_with("invite dora@example.org refused: ")
    );
    house.pass(SignedDuration::from_secs(61));
    let second = invite().await.json()["invitation"]["id"].clone();
    assert_ne!(first, second);
    assert_eq!(
        house.get(&token, "/v1/invitations").await.json()["invitations"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn invitations_are_listed_page_by_page_while_they_are_good() {
    let house = TestPlane::new().await;
    let token = house.sign_in("root").await;
    for name in ["a", "b", "c"] {
        house
            .post(
                &token,
                "/v1/invitations",
                &json!({ "email": format!("{name}@example.org") }),
            )
            .await;
    }
    let first = house.get(&token, "/v1/invitations?limit=2").await.json();
    assert_eq!(first["invitations"].as_array().unwrap().len(), 2);
    let rest = house
        .get(
            &token,
            &format!("/v1/invitations?limit=2&after={}", first["next"]),
        )
        .await
        .json();
    assert_eq!(
        (&rest["invitations"][0]["email"], &rest["next"]),
        (&json!("c@example.org"), &Value::Null)
    );
    for bad in ["limit=0", "limit=1001", "after=x", "before=1"] {
        let reply = house.get(&token, &format!("/v1/invitations?{bad}")).await;
        assert_eq!(reply.problem(), "/problems/bad-request", "{bad}");
    }
    house.pass(SignedDuration::from_hours(7 * 24));
    let token = house.session_of("root").await;
    assert_eq!(
        house.get(&token, "/v1/invitations").await.json()["invitations"],
        json!([])
    );
}

#[tokio::test]
async fn nobody_is_invited_who_has_an_account_or_without_a_record() {
    let house = TestPlane::new().await;
    let token = house.sign_in("root").await;
    house.add_account("alice").await;
    let reply = house
        .post(
            &token,
            "/v1/invitations",
            &json!({ "email": "ALICE@example.org" }),
        )
        .await;
    assert_eq!(
        (reply.status, reply.problem().as_str()),
        (StatusCode::CONFLICT, "/problems/account-exists")
    );
    for bad in [
        json!({}),
        json!({ "email": "nobody" }),
        json!({ "email": "a@example.org", "code": 1 }),
    ] {
        assert_eq!(
            house.post(&token, "/v1/invitations", &bad).await.problem(),
            "/problems/invalid",
            "{bad}"
        );
        assert!(house.last_entry().await.contains(" refused: "), "{bad}");
    }
    let mails = house.mails().len();
    house.break_trail();
    let reply = house
        .post(
            &token,
            "/v1/invitations",
            &json!({ "email": "bob@example.org" }),
        )
        .await;
    assert_eq!(reply.problem(), "/problems/audit-unavailable");
    assert_eq!(house.mails().len(), mails, "nothing was mailed");
    let none = house
        .database
        .read(|store| store.invitations(Timestamp::UNIX_EPOCH, rookery_record::InvitationId(0), 9));
    assert!(none.await.unwrap().is_empty());
}
