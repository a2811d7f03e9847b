//! Requests that come twice under one key.

use super::*;

/// A request with a key.
async fn keyed(house: &TestPlane, token: &str, key: &str, path: &str, body: &Value) -> Reply {
    let request = Request::post(path)
        .header("Authorization", format!("Bearer {token}"))
        .header("Content-Type", "application/json")
        .header("Idempotency-Key", key);
    house.send(request, body.to_string()).await
}

#[tokio::test]
async fn the_same_request_under_the_same_key_is_done_once_and_answered_alike() {
    let house = TestPlane::new().await;
    let token = house.sign_in("root").await;
    let alice = house.come_online("alice").await;
    let kick = json!({ "reason": "enough" });
    let first = keyed(&house, &token, "one", "/v1/users/alice/kick", &kick).await;
    assert_eq!(
        (first.status, first.json()["sessions"].as_u64()),
        (StatusCode::OK, Some(1)),
        "{first:?}"
    );
    alice.await.unwrap();
    let _back = house.come_online("alice").await;
    let again = keyed(&house, &token, "one", "/v1/users/alice/kick", &kick).await;
    assert_eq!((again.status, &again.text), (first.status, &first.text));
    assert_eq!(
        again.headers[header::CONTENT_TYPE],
        first.headers[header::CONTENT_TYPE]
    );
    assert!(house.last_entry().await.starts_with(
        "request POST /v1/users/alice/kick allowed: repeated with its idempotency key"
    ));
    let online = house.get(&token, "/v1/users").await.json();
    assert_eq!(online["users"][0]["nick"], "alice", "not kicked again");

    let refused = keyed(&house, &token, "two", "/v1/users/nobody/kick", &kick).await;
    assert_eq!(refused.problem(), "/problems/not-online");
    let again = keyed(&house, &token, "two", "/v1/users/nobody/kick", &kick).await;
    assert_eq!(
        (again.problem(), &again.text),
        (refused.problem(), &refused.text)
    );

    house.pass(SignedDuration::from_mins(10));
    let later = keyed(&house, &token, "one", "/v1/users/alice/kick", &kick).await;
    assert_eq!(
        later.json()["sessions"],
        1,
        "after ten minutes it is a new request"
    );
}

#[tokio::test]
async fn a_key_of_another_request_is_refused_and_one_of_another_sign_in_is_not_known() {
    let house = TestPlane::new().await;
    let token = house.sign_in("root").await;
    let ban = |target: &str| json!({ "target": target });
    assert_eq!(
        keyed(&house, &token, "key", "/v1/bans", &ban("mallory"))
            .await
            .status,
        StatusCode::CREATED
    );
    let other_body = keyed(&house, &token, "key", "/v1/bans", &ban("eve")).await;
    assert_eq!(
        (other_body.status.as_u16(), other_body.problem().as_str()),
        (422, "/problems/idempotency-key-reused")
    );
    let other_path = keyed(
        &house,
        &token,
        "key",
        "/v1/users/mallory/kick",
        &ban("mallory"),
    )
    .await;
    assert_eq!(other_path.problem(), "/problems/idempotency-key-reused");
    assert_eq!(house.bans().await.len(), 1);

    let other = house.sign_in("root").await;
    assert_eq!(
        keyed(&house, &other, "key", "/v1/bans", &ban("eve"))
            .await
            .status,
        StatusCode::CREATED
    );
    let stranger = keyed(
        &house,
        "no token of ours",
        "key",
        "/v1/bans",
        &ban("mallory"),
    )
    .await;
    assert_eq!(stranger.problem(), "/problems/not-signed-in");
    house.post(&token, "/v1/logout", &json!({})).await;
    let gone = keyed(&house, &token, "key", "/v1/bans", &ban("mallory")).await;
    assert_eq!(
        gone.problem(),
        "/problems/not-signed-in",
        "an answer is for those who are signed in"
    );
}

#[tokio::test]
async fn what_could_not_be_done_is_tried_again() {
    let house = TestPlane::new().await;
    let token = house.sign_in("root").await;
    let ban = json!({ "target": "mallory" });
    house.break_trail();
    let refused = keyed(&house, &token, "key", "/v1/bans", &ban).await;
    assert_eq!(refused.problem(), "/problems/audit-unavailable");
    let connection = rusqlite::Connection::open(house.data().join("rookery.db")).unwrap();
    connection.execute_batch("DROP TRIGGER full").unwrap();
    assert_eq!(
        keyed(&house, &token, "key", "/v1/bans", &ban).await.status,
        StatusCode::CREATED
    );
}

#[tokio::test]
async fn a_key_that_makes_no_sense_is_refused_and_bodies_stay_bounded() {
    let house = TestPlane::new().await;
    let token = house.sign_in("root").await;
    let ban = json!({ "target": "mallory" });
    for bad in ["", &"x".repeat(256), "ä"] {
        let reply = keyed(&house, &token, bad, "/v1/bans", &ban).await;
        assert_eq!(reply.problem(), "/problems/bad-request", "{bad:?}");
    }
    let big = json!({ "target": "x".repeat(64 * 1024) });
    assert_eq!(
        keyed(&house, &token, "key", "/v1/bans", &big)
            .await
            .problem(),
        "/problems/body-too-large"
    );
    assert_eq!(
        keyed(&house, &token, "key", "/v1/bans", &ban).await.status,
        StatusCode::CREATED
    );
    let list = Request::get("/v1/bans").header("Authorization", format!("Bearer {token}"));
    let list = house.send(list.header("Idempotency-Key", "key"), "").await;
    assert_eq!(
        list.status,
        StatusCode::OK,
        "where nothing changes, a key means nothing"
    );
}
