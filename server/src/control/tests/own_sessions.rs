//! An admin's own sessions and password.

use super::*;

const NEW_PASSWORD: &str = "lantern kettle marble ox";

#[tokio::test]
async fn a_session_ends_when_it_is_idle() {
    let house = House::new().await;
    let token = house.sign_in("root").await;
    house.pass(SignedDuration::from_secs(15 * 60 - 1));
    assert_eq!(house.get(&token, "/v1/bans").await.status, StatusCode::OK);
    house.pass(SignedDuration::from_secs(15 * 60 - 1));
    assert_eq!(
        house.get(&token, "/v1/bans").await.status,
        StatusCode::OK,
        "each use begins anew"
    );
    house.pass(SignedDuration::from_mins(15));
    assert_eq!(
        house.get(&token, "/v1/bans").await.problem(),
        "/problems/not-signed-in"
    );
    assert!(
        house
            .last_entry()
            .await
            .ends_with("the session was idle for too long")
    );
}

#[tokio::test]
async fn admins_see_and_end_their_own_sessions_and_owners_everyones() {
    let house = House::new().await;
    house.add_admin_as("vera", Role::Auditor).await;
    let root = house.sign_in("root").await;
    house.pass(SignedDuration::from_secs(1));
    let (vera, other) = (house.sign_in("vera").await, house.session_of("vera").await);
    let own = house.get(&vera, "/v1/sessions").await.json()["sessions"].clone();
    assert_eq!(own.as_array().unwrap().len(), 2, "{own}");
    assert!(
        own.as_array()
            .unwrap()
            .iter()
            .all(|session| session["admin"] == "vera")
    );
    assert_eq!(
        own.as_array()
            .unwrap()
            .iter()
            .filter(|session| session["current"] == true)
            .count(),
        1
    );
    let all = house.get(&root, "/v1/sessions").await.json()["sessions"].clone();
    assert_eq!(all.as_array().unwrap().len(), 3, "{all}");
    assert_eq!(
        (&all[0]["admin"], &all[0]["address"]),
        (&json!("root"), &json!("192.0.2.1:50000"))
    );
    assert!(
        !all.to_string().contains("rka1_"),
        "a token is shown to nobody"
    );

    let path = format!("/v1/sessions/{}", all[0]["id"].as_str().unwrap());
    assert_eq!(
        house.delete(&vera, &path).await.problem(),
        "/problems/no-such-session",
        "an owner's"
    );
    let not_current = own
        .as_array()
        .unwrap()
        .iter()
        .find(|session| session["current"] == false)
        .unwrap();
    let id = not_current["id"].as_str().unwrap();
    let reply = house.delete(&vera, &format!("/v1/sessions/{id}")).await;
    assert_eq!(reply.json(), json!({ "sessions": [id] }));
    assert_eq!(
        house.last_entry().await,
        format!("session end {id} allowed: of vera, from 192.0.2.1:50000")
    );
    assert_eq!(
        house.get(&other, "/v1/bans").await.problem(),
        "/problems/not-signed-in"
    );
    let left = own
        .as_array()
        .unwrap()
        .iter()
        .find(|session| session["current"] == true)
        .unwrap();
    house
        .delete(
            &root,
            &format!("/v1/sessions/{}", left["id"].as_str().unwrap()),
        )
        .await;
    assert_eq!(
        house.get(&vera, "/v1/bans").await.problem(),
        "/problems/not-signed-in"
    );
    assert_eq!(house.get(&root, "/v1/bans").await.status, StatusCode::OK);
}

#[tokio::test]
async fn all_of_ones_own_sessions_end_at_once() {
    let house = House::new().await;
    house.add_admin("other").await;
    let (one, two) = (
        house.session_of("root").await,
        house.session_of("root").await,
    );
    let other = house.session_of("other").await;
    let reply = house.delete(&one, "/v1/sessions").await;
    assert_eq!(
        reply.json()["sessions"].as_array().unwrap().len(),
        2,
        "{reply:?}"
    );
    for token in [one, two] {
        assert_eq!(
            house.get(&token, "/v1/bans").await.problem(),
            "/problems/not-signed-in"
        );
    }
    assert_eq!(house.get(&other, "/v1/bans").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_changed_password_ends_every_session_and_is_told() {
    let house = House::new().await;
    let (token, other) = (house.sign_in("root").await, house.session_of("root").await);
    let (challenge, code) = house.challenge("root").await;
    let change = json!({ "old": PASSWORD, "new": NEW_PASSWORD });
    let reply = house.put(&token, "/v1/password", &change).await;
    assert_eq!(
        reply.json()["sessions"].as_array().unwrap().len(),
        2,
        "{reply:?}"
    );
    assert_eq!(
        house.last_entry().await,
        "password  allowed: all sessions of the admin end"
    );
    house.mail_with("the password of root was changed").await;
    for token in [token, other] {
        assert_eq!(
            house.get(&token, "/v1/bans").await.problem(),
            "/problems/not-signed-in"
        );
    }
    assert_eq!(
        house.verify(&challenge, &code).await.problem(),
        "/problems/challenge-expired"
    );
    assert_eq!(
        house.login("root", PASSWORD).await.problem(),
        "/problems/login-failed"
    );
    assert_eq!(
        house.login("root", NEW_PASSWORD).await.status,
        StatusCode::ACCEPTED
    );
}

#[tokio::test]
async fn a_password_that_will_not_do_is_refused_and_changes_nothing() {
    let house = House::new().await;
    let token = house.sign_in("root").await;
    for (old, new, kind) in [
        ("wrong", NEW_PASSWORD, "wrong-password"),
        (PASSWORD, PASSWORD, "invalid"),
        (PASSWORD, "short", "invalid"),
        (PASSWORD, "qwerty123456", "invalid"),
        (PASSWORD, "root@example.org", "invalid"),
    ] {
        let reply = house
            .put(&token, "/v1/password", &json!({ "old": old, "new": new }))
            .await;
        assert_eq!(reply.problem(), format!("/problems/{kind}"), "{new}");
        assert!(
            house.last_entry().await.starts_with("password  refused: "),
            "{new}"
        );
    }
    assert_eq!(house.get(&token, "/v1/bans").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_token_is_no_way_to_guess_the_password() {
    let house = House::new().await;
    let token = house.session_of("root").await;
    let guess = json!({ "old": "guess", "new": NEW_PASSWORD });
    for _ in 0..10 {
        assert_eq!(
            house.put(&token, "/v1/password", &guess).await.problem(),
            "/problems/wrong-password"
        );
    }
    let reply = house
        .put(
            &token,
            "/v1/password",
            &json!({ "old": PASSWORD, "new": NEW_PASSWORD }),
        )
        .await;
    assert_eq!(reply.problem(), "/problems/too-many-attempts");
    assert_eq!(reply.headers[header::RETRY_AFTER], "5");
}
