//! An admin's own sessions and password.

use super::*;
use rookery_store::Store;

const NEW_PASSWORD: &str = "lantern kettle marble ox";

#[tokio::test]
async fn a_session_ends_when_it_is_idle() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    plane.advance(SignedDuration::from_secs(15 * 60 - 1));
    assert_eq!(plane.get(&token, "/v1/bans").await.status, StatusCode::OK);
    plane.advance(SignedDuration::from_secs(15 * 60 - 1));
    assert_eq!(
        plane.get(&token, "/v1/bans").await.status,
        StatusCode::OK,
        "each use resets the idle time"
    );
    plane.advance(SignedDuration::from_mins(15));
    assert_eq!(
        plane.get(&token, "/v1/bans").await.problem(),
        "/problems/not-signed-in"
    );
    assert!(
        plane
            .last_entry()
            .await
            .ends_with("the session was idle for too long")
    );
}

#[tokio::test]
async fn a_session_that_was_used_while_the_clock_was_ahead_ends_once_it_is_right() {
    let plane = TestPlane::new().await;
    let now = plane.origin().at;
    plane.set_clock(now + SignedDuration::from_hours(24));
    let token = plane.sign_in("root").await;
    plane.set_clock(now);
    assert_eq!(
        plane.get(&token, "/v1/bans").await.problem(),
        "/problems/not-signed-in"
    );
    plane.sign_in("root").await;
}

#[tokio::test]
async fn admins_list_and_end_their_own_sessions_and_owners_all_sessions() {
    let plane = TestPlane::new().await;
    plane.add_admin_as("vera", Role::Auditor).await;
    let root = plane.sign_in("root").await;
    plane.advance(SignedDuration::from_secs(1));
    let (vera, other) = (
        plane.sign_in("vera").await,
        plane.open_session("vera").await,
    );
    let own = plane.get(&vera, "/v1/sessions").await.json()["sessions"].clone();
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
    let all = plane.get(&root, "/v1/sessions").await.json()["sessions"].clone();
    assert_eq!(all.as_array().unwrap().len(), 3, "{all}");
    assert_eq!(
        (&all[0]["admin"], &all[0]["address"]),
        (&json!("root"), &json!("192.0.2.1:50000"))
    );
    assert!(!all.to_string().contains("rka1_"), "tokens are not listed");

    let path = format!("/v1/sessions/{}", all[0]["id"].as_str().unwrap());
    assert_eq!(
        plane.delete(&vera, &path).await.problem(),
        "/problems/no-such-session",
        "the session of an owner"
    );
    let not_current = own
        .as_array()
        .unwrap()
        .iter()
        .find(|session| session["current"] == false)
        .unwrap();
    let id = not_current["id"].as_str().unwrap();
    let reply = plane.delete(&vera, &format!("/v1/sessions/{id}")).await;
    assert_eq!(reply.json(), json!({ "sessions": [id] }));
    assert_eq!(
        plane.last_entry().await,
        format!("session end {id} allowed: of vera, from 192.0.2.1:50000")
    );
    assert_eq!(
        plane.get(&other, "/v1/bans").await.problem(),
        "/problems/not-signed-in"
    );
    let left = own
        .as_array()
        .unwrap()
        .iter()
        .find(|session| session["current"] == true)
        .unwrap();
    plane
        .delete(
            &root,
            &format!("/v1/sessions/{}", left["id"].as_str().unwrap()),
        )
        .await;
    assert_eq!(
        plane.get(&vera, "/v1/bans").await.problem(),
        "/problems/not-signed-in"
    );
    assert_eq!(plane.get(&root, "/v1/bans").await.status, StatusCode::OK);
}

#[tokio::test]
async fn all_of_an_admins_sessions_end_together() {
    let plane = TestPlane::new().await;
    plane.add_admin("other").await;
    let (one, two) = (
        plane.open_session("root").await,
        plane.open_session("root").await,
    );
    let other = plane.open_session("other").await;
    let reply = plane.delete(&one, "/v1/sessions").await;
    assert_eq!(
        reply.json()["sessions"].as_array().unwrap().len(),
        2,
        "{reply:?}"
    );
    for token in [one, two] {
        assert_eq!(
            plane.get(&token, "/v1/bans").await.problem(),
            "/problems/not-signed-in"
        );
    }
    assert_eq!(plane.get(&other, "/v1/bans").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_changed_password_ends_every_session_and_is_notified() {
    let plane = TestPlane::new().await;
    let (token, other) = (
        plane.sign_in("root").await,
        plane.open_session("root").await,
    );
    let (challenge, code) = plane.challenge("root").await;
    let change = json!({ "old": PASSWORD, "new": NEW_PASSWORD });
    let reply = plane.put(&token, "/v1/password", &change).await;
    assert_eq!(
        reply.json()["sessions"].as_array().unwrap().len(),
        2,
        "{reply:?}"
    );
    assert_eq!(
        plane.last_entry().await,
        "password  allowed: all sessions of the admin end"
    );
    plane.mail_with("The password of root was changed").await;
    for token in [token, other] {
        assert_eq!(
            plane.get(&token, "/v1/bans").await.problem(),
            "/problems/not-signed-in"
        );
    }
    assert_eq!(
        plane.verify(&challenge, &code).await.problem(),
        "/problems/challenge-expired"
    );
    assert_eq!(
        plane.login("root", PASSWORD).await.problem(),
        "/problems/login-failed"
    );
    assert_eq!(
        plane.login("root", NEW_PASSWORD).await.status,
        StatusCode::ACCEPTED
    );
}

#[tokio::test]
async fn an_unsuitable_password_is_refused_and_changes_nothing() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    for (old, new, kind) in [
        ("wrong", NEW_PASSWORD, "wrong-password"),
        (PASSWORD, PASSWORD, "invalid"),
        (PASSWORD, "short", "invalid"),
        (PASSWORD, "qwerty123456", "invalid"),
        (PASSWORD, "root@example.org", "invalid"),
    ] {
        let reply = plane
            .put(&token, "/v1/password", &json!({ "old": old, "new": new }))
            .await;
        assert_eq!(reply.problem(), format!("/problems/{kind}"), "{new}");
        assert!(
            plane.last_entry().await.starts_with("password  refused: "),
            "{new}"
        );
    }
    assert_eq!(plane.get(&token, "/v1/bans").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_token_does_not_help_to_guess_the_password() {
    let plane = TestPlane::new().await;
    let token = plane.open_session("root").await;
    let guess = json!({ "old": "guess", "new": NEW_PASSWORD });
    for _ in 0..10 {
        assert_eq!(
            plane.put(&token, "/v1/password", &guess).await.problem(),
            "/problems/wrong-password"
        );
    }
    let reply = plane
        .put(
            &token,
            "/v1/password",
            &json!({ "old": PASSWORD, "new": NEW_PASSWORD }),
        )
        .await;
    assert_eq!(reply.problem(), "/problems/too-many-attempts");
    assert_eq!(reply.headers[header::RETRY_AFTER], "5");
}

/// Each has proved the password that it replaces, which only the first still can.
#[tokio::test]
async fn of_two_changes_of_the_own_password_at_once_only_one_is_made() {
    let plane = TestPlane::new().await;
    let (one, two) = (
        plane.open_session("root").await,
        plane.open_session("root").await,
    );
    let new = ["lantern kettle marble ox", "thistle anchor violet drum"];
    let [first, second] = new.map(|new| json!({ "old": PASSWORD, "new": new }));
    let (first, second) = tokio::join!(
        plane.put(&one, "/v1/password", &first),
        plane.put(&two, "/v1/password", &second)
    );
    let (changed, refused) = if first.status == StatusCode::OK {
        (new[0], second)
    } else {
        assert_eq!(second.status, StatusCode::OK, "{first:?} {second:?}");
        (new[1], first)
    };
    assert_eq!(refused.problem(), "/problems/not-signed-in");
    assert!(refused.field("detail").contains("in the meantime"));
    assert!(plane.last_entry().await.contains("in the meantime"));
    let reply = plane.login("root", changed).await;
    assert_eq!(reply.status, StatusCode::ACCEPTED, "{reply:?}");
}

/// The body of a request may arrive long after its head, with which the session is checked.
#[tokio::test]
async fn what_ends_while_the_body_of_a_request_arrives_allows_no_act() {
    let plane = TestPlane::new().await;
    plane.add_account("mallory").await;
    let csv = "target,reason\n192.0.2.9,spam\n".to_owned();
    let json = |body: Value| body.to_string();
    let ban = json(json!({ "target": "192.0.2.8", "reason": "spam" }));
    let acts = [
        ("/v1/bans", "application/json", ban),
        (
            "/v1/accounts/mallory/disable",
            "application/json",
            json(json!({ "reason": "spam" })),
        ),
        (
            "/v1/announcements",
            "application/json",
            json(json!({ "text": "hello" })),
        ),
        ("/v1/import/bans", "text/csv", csv),
    ];
    for is_removed in [false, true] {
        for (path, content_type, body) in acts.clone() {
            let name = format!("vera-{is_removed}{}", path.len());
            plane.add_admin(&name).await;
            let token = plane.open_session(&name).await;
            let (state, database) = (Arc::clone(&plane.state), plane.database.clone());
            let arrives = async move {
                if is_removed {
                    let remove = move |store: &mut Store| store.remove_admin(&name);
                    database.write(Durability::Record, remove).await.unwrap();
                } else {
                    state.sessions.lock().end_all_of(&name);
                }
                Ok::<_, std::convert::Infallible>(body)
            };
            let request = Request::post(path)
                .header("Authorization", format!("Bearer {token}"))
                .header("Content-Type", content_type);
            let body = Body::from_stream(futures_util::stream::once(arrives));
            let reply = plane.send(request, body).await;
            assert_eq!(reply.problem(), "/problems/not-signed-in", "{path}");
            let recorded = plane.last_entry().await;
            assert!(recorded.contains(" refused: "), "{recorded}");
        }
    }
    assert!(plane.bans().await.is_empty());
}
