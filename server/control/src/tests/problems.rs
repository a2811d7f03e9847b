//! Problem documents, the headers of every answer, and the OpenAPI document.

use super::*;

/// Checks the headers that every answer has.
fn check_headers(reply: &Reply) {
    assert_eq!(
        reply.headers[header::CACHE_CONTROL],
        "no-store",
        "{reply:?}"
    );
    assert_eq!(
        reply.headers[header::X_CONTENT_TYPE_OPTIONS],
        "nosniff",
        "{reply:?}"
    );
    assert_eq!(
        reply.headers[header::STRICT_TRANSPORT_SECURITY],
        "max-age=2592000",
        "{reply:?}"
    );
}

#[tokio::test]
async fn every_error_is_a_problem_document() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let bearer = format!("Bearer {token}");
    let post = |path: &str| Request::post(path).header("Authorization", &bearer);
    let json_post = |path: &str| post(path).header("Content-Type", "application/json");
    let delete = |path: &str| Request::delete(path).header("Authorization", &bearer);
    let big = format!(r#"{{"target":"{}"}}"#, "x".repeat(64 * 1024));
    for (request, body, status, kind) in [
        (Request::get("/"), "", 404, "not-found"),
        (Request::get("/v1/nothing"), "", 404, "not-found"),
        (Request::get("/v1/login"), "", 405, "method-not-allowed"),
        (Request::put("/v1/bans"), "", 405, "method-not-allowed"),
        (post("/v1/bans"), "{}", 415, "not-json"),
        (
            post("/v1/bans").header("Content-Type", "text/plain"),
            "{}",
            415,
            "not-json",
        ),
        (json_post("/v1/bans"), "{", 400, "bad-request"),
        (json_post("/v1/bans"), "", 400, "bad-request"),
        (json_post("/v1/bans"), "\u{0}", 400, "bad-request"),
        (json_post("/v1/bans"), "[]", 422, "invalid"),
        (json_post("/v1/bans"), r#"{"target":7}"#, 422, "invalid"),
        (json_post("/v1/bans"), &big, 413, "body-too-large"),
        (json_post("/v1/users/a%ff/kick"), "{}", 400, "bad-request"),
        (delete("/v1/bans/x"), "", 400, "bad-request"),
        (
            delete("/v1/bans/99999999999999999999"),
            "",
            400,
            "bad-request",
        ),
        (Request::post("/v1/login"), "{}", 415, "not-json"),
        (
            Request::post("/v1/login").header("Content-Type", "application/json"),
            "{}",
            422,
            "invalid",
        ),
    ] {
        let reply = plane.send(request, body.to_owned()).await;
        assert_eq!(reply.status.as_u16(), status, "{reply:?}");
        assert_eq!(reply.problem(), format!("/problems/{kind}"), "{reply:?}");
        assert!(!reply.field("title").is_empty() && !reply.field("detail").is_empty());
        check_headers(&reply);
    }
    let allowed = plane.send(Request::put("/v1/bans"), "").await.headers[header::ALLOW].clone();
    assert_eq!(allowed, "GET,HEAD,POST");
}

#[tokio::test]
async fn the_health_is_answered_without_a_sign_in() {
    let plane = TestPlane::new().await;
    let reply = plane.send(Request::get("/healthz"), "").await;
    assert_eq!(
        (reply.status, reply.json()),
        (StatusCode::OK, json!({ "status": "ok" }))
    );
    check_headers(&reply);
    assert!(plane.trail().await.is_empty(), "it is not recorded");
}

#[tokio::test]
async fn a_lock_of_another_program_is_answered_and_makes_no_request_wait_for_long() {
    let plane = TestPlane::new().await;
    let token = plane.open_session("root").await;
    let other = rusqlite::Connection::open(plane.data().join("rookery.db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let (health, list) = tokio::join!(
        plane.send(Request::get("/healthz"), ""),
        plane.get(&token, "/v1/users")
    );
    assert_eq!(health.problem(), "/problems/store-unavailable");
    assert_eq!(list.problem(), "/problems/audit-unavailable");
    assert!(list.field("detail").contains("locked"), "{list:?}");
    // Nothing waits any longer, although each of these requests writes.
    let begin = std::time::Instant::now();
    for _ in 0..20 {
        let list = plane.get(&token, "/v1/users").await;
        assert_eq!(list.problem(), "/problems/audit-unavailable");
    }
    assert!(begin.elapsed() < Duration::from_secs(5), "once for all");
    let store = plane.state.control.database.disk().health();
    assert!(store.unwrap_err().contains("locked"), "for the status");
    other.execute_batch("ROLLBACK").unwrap();
    // Before anything else is written.
    let store = plane.state.control.probes.read().await.unwrap().store;
    assert_eq!(store, Ok(()), "for the metrics");
    let health = plane.send(Request::get("/healthz"), "").await;
    assert_eq!(health.status, StatusCode::OK, "{health:?}");
    let list = plane.get(&token, "/v1/users").await;
    assert_eq!(list.status, StatusCode::OK, "{list:?}");
}

#[tokio::test]
async fn the_document_has_every_operation_with_its_problems() {
    let plane = TestPlane::new().await;
    let reply = plane.send(Request::get("/v1/openapi.json"), "").await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.headers[header::CONTENT_TYPE], "application/json");
    let document = reply.json();
    let manual = include_str!("../../../../docs/control-plane.md");
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let statuses: Vec<_> = operation["responses"]
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect();
            operations.push(format!("{method} {path}: {}", statuses.join(" ")));
            assert!(operation["summary"].is_string(), "{method} {path}");
            let route = format!("`{} {path}`", method.to_uppercase());
            assert!(
                manual.contains(&route),
                "{route} is not in docs/control-plane.md"
            );
            let open = [
                "/v1/login",
                "/v1/login/verify",
                "/healthz",
                "/v1/openapi.json",
            ]
            .contains(&path.as_str());
            assert_eq!(operation["security"].is_null(), open, "{method} {path}");
        }
    }
    operations.sort();
    let expected = [
        "delete /v1/accounts/{name}/credentials/{id}: 200 400 401 403 404 408 409 413 422 500 503 504",
        "delete /v1/accounts/{name}: 200 400 401 403 404 408 409 413 422 500 503 504",
        "delete /v1/admins/{name}: 200 400 401 403 404 408 409 413 422 500 503 504",
        "delete /v1/bans/{id}: 200 400 401 403 404 408 409 413 422 500 503 504",
        "delete /v1/invitations/{id}: 200 400 401 403 404 408 409 413 422 500 503 504",
        "delete /v1/sessions/{id}: 200 400 401 403 404 408 409 413 422 500 503 504",
        "delete /v1/sessions: 200 400 401 403 408 409 413 422 500 503 504",
        "get /healthz: 200 500 503 504",
        "get /v1/accounts/{name}/credentials: 200 400 401 403 404 429 500 503 504",
        "get /v1/accounts: 200 400 401 403 429 500 503 504",
        "get /v1/admins: 200 400 401 403 429 500 503 504",
        "get /v1/audit/head: 200 400 401 403 429 500 503 504",
        "get /v1/audit/verify: 200 400 401 403 429 500 503 504",
        "get /v1/audit: 200 400 401 403 429 500 503 504",
        "get /v1/bans: 200 400 401 403 429 500 503 504",
        "get /v1/channels/{name}: 200 400 401 403 404 429 500 503 504",
        "get /v1/channels: 200 400 401 403 429 500 503 504",
        "get /v1/events: 200 400 401 403 429 500 503 504",
        "get /v1/export/bans: 200 401 403 429 500 503 504",
        "get /v1/export/users: 200 401 403 429 500 503 504",
        "get /v1/invitations: 200 400 401 403 429 500 503 504",
        "get /v1/maintenance: 200 401 403 429 500 503 504",
        "get /v1/messages: 200 400 401 403 429 500 503 504",
        "get /v1/openapi.json: 200 500 503 504",
        "get /v1/registrations: 200 400 401 403 429 500 503 504",
        "get /v1/sessions: 200 400 401 403 429 500 503 504",
        "get /v1/status: 200 401 403 429 500 503 504",
        "get /v1/top: 200 401 403 429 500 503 504",
        "get /v1/totp: 200 401 403 429 500 503 504",
        "get /v1/users/{name}: 200 400 401 403 404 429 500 503 504",
        "get /v1/users: 200 400 401 403 429 500 503 504",
        "post /v1/accounts/{name}/credentials/revoke: 200 400 401 403 404 408 409 413 415 422 500 503 504",
        "post /v1/accounts/{name}/disable: 200 400 401 403 404 408 409 413 415 422 500 503 504",
        "post /v1/accounts/{name}/enable: 200 400 401 403 404 408 409 413 422 500 503 504",
        "post /v1/admins/{name}/password/reset: 200 400 401 403 404 408 409 413 422 500 503 504",
        "post /v1/admins: 201 400 401 403 408 409 413 415 422 500 503 504",
        "post /v1/announcements: 200 400 401 403 404 408 409 413 415 422 500 503 504",
        "post /v1/bans: 200 201 400 401 403 408 409 413 415 422 500 503 504",
        "post /v1/channels/{name}/close: 200 400 401 403 404 408 409 413 415 422 500 503 504",
        "post /v1/channels/{name}/purge: 200 400 401 403 404 408 409 413 415 422 500 503 504",
        "post /v1/import/bans: 200 400 401 403 408 409 413 415 422 500 503 504",
        "post /v1/import/users: 200 400 401 403 408 409 413 415 422 500 503 504",
        "post /v1/invitations: 201 400 401 403 408 409 413 415 422 429 500 503 504",
        "post /v1/kick: 200 400 401 403 408 409 413 415 422 500 503 504",
        "post /v1/login/verify: 200 400 401 408 413 415 422 500 503 504",
        "post /v1/login: 202 400 401 408 413 415 422 429 500 503 504",
        "post /v1/logout: 200 400 401 403 408 409 413 422 500 503 504",
        "post /v1/messages/redact: 200 400 401 403 408 409 413 415 422 500 503 504",
        "post /v1/messages/{msgid}/redact: 200 400 401 403 404 408 409 413 415 422 500 503 504",
        "post /v1/registrations/{id}/resend: 200 400 401 403 404 408 409 413 422 500 503 504",
        "post /v1/reload: 200 400 401 403 408 409 413 422 500 503 504",
        "post /v1/totp/confirm: 200 400 401 403 408 409 413 415 422 500 503 504",
        "post /v1/totp/disable: 200 400 401 403 408 409 413 415 422 429 500 503 504",
        "post /v1/totp: 200 400 401 403 408 409 413 422 429 500 503 504",
        "post /v1/users/{name}/kick: 200 400 401 403 404 408 409 413 415 422 500 503 504",
        "put /v1/admins/{name}/role: 200 400 401 403 404 408 409 413 415 422 500 503 504",
        "put /v1/maintenance: 200 400 401 403 408 409 413 415 422 500 503 504",
        "put /v1/password: 200 400 401 403 408 413 415 422 429 500 503 504",
        "put /v1/totp/required: 200 400 401 403 408 409 413 415 422 500 503 504",
    ];
    assert_eq!(operations, expected);
    assert!(document["components"]["schemas"]["Problem"].is_object());
    assert_eq!(
        document["components"]["securitySchemes"]["token"]["scheme"],
        "bearer"
    );
    let text = document.to_string();
    for (at, found) in text.match_indices("#/components/schemas/") {
        let (name, _) = text[at + found.len()..].split_once('"').unwrap();
        assert!(
            document["components"]["schemas"][name].is_object(),
            "{name} is described"
        );
    }
}
