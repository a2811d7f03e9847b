//! Adding, listing and revoking invitations.

use super::*;

#[tokio::test]
async fn an_invitation_is_added_listed_and_revoked() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let reply = plane
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
    let expected = plane.now.get() + SignedDuration::from_hours(7 * 24);
    assert_eq!(ends.as_second(), expected.as_second());
    assert!(
        plane
            .last_entry()
            .await
            .starts_with("invite Dora@example.org allowed: until ")
    );
    let mail = plane.mail_with("To: Dora@example.org").await;
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
        !format!("{:?}", plane.trail().await).contains(&code),
        "a code is a secret"
    );
    assert!(!reply.text.contains(&code));

    let list = plane.get(&token, "/v1/invitations").await.json();
    assert_eq!(list, json!({ "invitations": [invitation], "next": null }));
    let path = format!("/v1/invitations/{}", invitation["id"]);
    assert_eq!(
        plane.delete(&token, &path).await.json()["invitation"]["email"],
        "Dora@example.org"
    );
    assert!(
        plane
            .last_entry()
            .await
            .ends_with(" allowed: Dora@example.org")
    );
    assert_eq!(
        plane.delete(&token, &path).await.problem(),
        "/problems/no-such-invitation"
    );
    assert_eq!(
        plane.get(&token, "/v1/invitations").await.json()["invitations"],
        json!([])
    );
}

#[tokio::test]
async fn the_same_email_is_invited_again_after_a_minute() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let invite = || async {
        plane
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
        plane
            .last_entry()
            .await
            .starts_with("invite dora@example.org refused: ")
    );
    plane.advance(SignedDuration::from_secs(61));
    let second = invite().await.json()["invitation"]["id"].clone();
    assert_ne!(first, second);
    assert_eq!(
        plane.get(&token, "/v1/invitations").await.json()["invitations"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn who_was_invited_while_the_clock_was_ahead_can_be_invited_again() {
    let plane = TestPlane::new().await;
    let now = plane.origin().at;
    let invitation = json!({ "email": "dora@example.org" });
    for ahead in [24, 0] {
        plane.set_clock(now + SignedDuration::from_hours(ahead));
        let token = plane.sign_in("root").await;
        let reply = plane.post(&token, "/v1/invitations", &invitation).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
    }
}

#[tokio::test]
async fn valid_invitations_are_listed_page_by_page() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    for name in ["a", "b", "c"] {
        plane
            .post(
                &token,
                "/v1/invitations",
                &json!({ "email": format!("{name}@example.org") }),
            )
            .await;
    }
    let first = plane.get(&token, "/v1/invitations?limit=2").await.json();
    assert_eq!(first["invitations"].as_array().unwrap().len(), 2);
    let rest = plane
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
        let reply = plane.get(&token, &format!("/v1/invitations?{bad}")).await;
        assert_eq!(reply.problem(), "/problems/bad-request", "{bad}");
    }
    plane.advance(SignedDuration::from_hours(7 * 24));
    let token = plane.open_session("root").await;
    assert_eq!(
        plane.get(&token, "/v1/invitations").await.json()["invitations"],
        json!([])
    );
}

#[tokio::test]
async fn an_invitation_of_an_email_with_an_account_or_without_a_record_is_refused() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    plane.add_account("alice").await;
    let reply = plane
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
        json!({ "email": "b%c!d@example.org" }),
        json!({ "email": "a@example.org", "code": 1 }),
    ] {
        assert_eq!(
            plane.post(&token, "/v1/invitations", &bad).await.problem(),
            "/problems/invalid",
            "{bad}"
        );
        assert!(plane.last_entry().await.contains(" refused: "), "{bad}");
    }
    let mails = plane.mails().len();
    plane.break_trail();
    let reply = plane
        .post(
            &token,
            "/v1/invitations",
            &json!({ "email": "bob@example.org" }),
        )
        .await;
    assert_eq!(reply.problem(), "/problems/audit-unavailable");
    assert_eq!(plane.mails().len(), mails, "nothing was mailed");
    let none = plane
        .database
        .read(|store| store.invitations(Timestamp::UNIX_EPOCH, rookery_record::InvitationId(0), 9));
    assert!(none.await.unwrap().is_empty());
}
