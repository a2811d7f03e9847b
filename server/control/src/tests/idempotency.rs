//! Requests that are repeated with an idempotency key.

use super::*;
use rookery_control_api::PATHS_WITHOUT_KEY;

/// Sends a request with a key.
async fn keyed(plane: &TestPlane, token: &str, key: &str, path: &str, body: &Value) -> Reply {
    let request = Request::post(path)
        .header("Authorization", format!("Bearer {token}"))
        .header("Content-Type", "application/json")
        .header("Idempotency-Key", key);
    plane.send(request, body.to_string()).await
}

#[tokio::test]
async fn a_request_repeated_with_its_key_runs_once_and_gets_the_same_answer() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let alice = plane.connect("alice").await;
    let kick = json!({ "reason": "enough" });
    let first = keyed(&plane, &token, "one", "/v1/users/alice/kick", &kick).await;
    assert_eq!(
        (first.status, first.json()["sessions"].as_u64()),
        (StatusCode::OK, Some(1)),
        "{first:?}"
    );
    alice.await.unwrap();
    let _reconnected = plane.connect("alice").await;
    let again = keyed(&plane, &token, "one", "/v1/users/alice/kick", &kick).await;
    assert_eq!((again.status, &again.text), (first.status, &first.text));
    assert_eq!(
        again.headers[header::CONTENT_TYPE],
        first.headers[header::CONTENT_TYPE]
    );
    assert!(plane.last_entry().await.starts_with(
        "request POST /v1/users/alice/kick allowed: repeated with its idempotency key"
    ));
    let online = plane.get(&token, "/v1/users").await.json();
    assert_eq!(online["users"][0]["nick"], "alice", "not kicked again");

    let refused = keyed(&plane, &token, "two", "/v1/users/nobody/kick", &kick).await;
    assert_eq!(refused.problem(), "/problems/not-online");
    let again = keyed(&plane, &token, "two", "/v1/users/nobody/kick", &kick).await;
    assert_eq!(
        (again.problem(), &again.text),
        (refused.problem(), &refused.text)
    );

    plane.set_clock(plane.origin().at + SignedDuration::from_mins(12));
    keyed(&plane, &token, "one", "/v1/users/alice/kick", &kick).await;
    let online = plane.get(&token, "/v1/users").await.json();
    assert_eq!(online["users"][0]["nick"], "alice", "not by the clock");
    plane.advance(SignedDuration::from_mins(10));
    plane.set_clock(plane.origin().at - SignedDuration::from_mins(12));
    let later = keyed(&plane, &token, "one", "/v1/users/alice/kick", &kick).await;
    assert_eq!(
        later.json()["sessions"],
        1,
        "after ten minutes it is a new request"
    );
}

#[tokio::test]
async fn a_key_belongs_to_one_request_and_one_session() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let ban = |target: &str| json!({ "target": target });
    assert_eq!(
        keyed(&plane, &token, "key", "/v1/bans", &ban("mallory"))
            .await
            .status,
        StatusCode::CREATED
    );
    let other_body = keyed(&plane, &token, "key", "/v1/bans", &ban("eve")).await;
    assert_eq!(
        (other_body.status.as_u16(), other_body.problem().as_str()),
        (422, "/problems/idempotency-key-reused")
    );
    let other_path = keyed(
        &plane,
        &token,
        "key",
        "/v1/users/mallory/kick",
        &ban("mallory"),
    )
    .await;
    assert_eq!(other_path.problem(), "/problems/idempotency-key-reused");
    assert_eq!(plane.bans().await.len(), 1);

    let other = plane.sign_in("root").await;
    assert_eq!(
        keyed(&plane, &other, "key", "/v1/bans", &ban("eve"))
            .await
            .status,
        StatusCode::CREATED
    );
    let unauthenticated = keyed(&plane, "not a token", "key", "/v1/bans", &ban("mallory")).await;
    assert_eq!(unauthenticated.problem(), "/problems/not-signed-in");
    plane.post(&token, "/v1/logout", &json!({})).await;
    let second = keyed(&plane, &token, "key", "/v1/bans", &ban("mallory")).await;
    assert_eq!(
        second.problem(),
        "/problems/not-signed-in",
        "an answer requires a session"
    );
}

#[tokio::test]
async fn nothing_is_remembered_of_a_request_with_a_password() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let change = async |new: &str| {
        let request = Request::put("/v1/password")
            .header("Authorization", format!("Bearer {token}"))
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", "key");
        let body = json!({ "old": "not the password", "new": new });
        plane.send(request, body.to_string()).await.problem()
    };
    for new in [
        "correct horse battery staple",
        "another horse, another staple",
    ] {
        assert_eq!(change(new).await, "/problems/wrong-password");
    }
    let description = plane.get(&token, "/v1/openapi.json").await.json();
    for path in PATHS_WITHOUT_KEY {
        let operations = description["paths"][path].as_object().unwrap();
        let mut operations = operations.values();
        assert!(
            operations.all(|operation| operation["parameters"].is_null()),
            "{path} has no key"
        );
    }
}

#[tokio::test]
async fn a_failed_request_can_be_repeated_with_its_key() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let ban = json!({ "target": "mallory" });
    plane.break_trail();
    let refused = keyed(&plane, &token, "key", "/v1/bans", &ban).await;
    assert_eq!(refused.problem(), "/problems/audit-unavailable");
    let connection = rusqlite::Connection::open(plane.data().join("rookery.db")).unwrap();
    connection.execute_batch("DROP TRIGGER full").unwrap();
    assert_eq!(
        keyed(&plane, &token, "key", "/v1/bans", &ban).await.status,
        StatusCode::CREATED
    );
}

#[tokio::test]
async fn an_invalid_key_is_refused_and_the_body_limit_applies() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let ban = json!({ "target": "mallory" });
    for bad in ["", &"x".repeat(256), "ä"] {
        let reply = keyed(&plane, &token, bad, "/v1/bans", &ban).await;
        assert_eq!(reply.problem(), "/problems/bad-request", "{bad:?}");
    }
    let big = json!({ "target": "x".repeat(64 * 1024) });
    assert_eq!(
        keyed(&plane, &token, "key", "/v1/bans", &big)
            .await
            .problem(),
        "/problems/body-too-large"
    );
    assert_eq!(
        keyed(&plane, &token, "key", "/v1/bans", &ban).await.status,
        StatusCode::CREATED
    );
    let list = Request::get("/v1/bans").header("Authorization", format!("Bearer {token}"));
    let list = plane.send(list.header("Idempotency-Key", "key"), "").await;
    assert_eq!(
        list.status,
        StatusCode::OK,
        "a key has no effect on a safe request"
    );
}
