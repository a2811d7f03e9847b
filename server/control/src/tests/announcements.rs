//! Announcements and reloads.

use super::*;

#[tokio::test]
async fn an_announcement_is_received_and_recorded() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let alice = plane.connect("alice").await;
    for (request, entry) in [
        (
            json!({ "text": " tea time " }),
            "announce  allowed: tea time",
        ),
        (
            json!({ "text": "here", "channel": "#Lobby" }),
            "announce #Lobby allowed: here",
        ),
        (
            json!({ "text": "you", "account": "Alice" }),
            "announce Alice allowed: you",
        ),
    ] {
        let reply = plane.post(&token, "/v1/announcements", &request).await;
        assert_eq!(
            (reply.status, reply.json()),
            (StatusCode::OK, json!({ "sessions": 1 })),
            "{request}"
        );
        assert_eq!(plane.last_entry().await, entry);
    }
    plane.post(&token, "/v1/users/alice/kick", &json!({})).await;
    let received = alice.await.unwrap();
    for line in [
        "NOTICE alice :tea time\r\n",
        "NOTICE #lobby :here\r\n",
        "NOTICE alice :you\r\n",
    ] {
        assert!(received.contains(line), "{line} in {received}");
    }
}

#[tokio::test]
async fn an_announcement_that_is_invalid_or_has_no_recipient_is_refused_and_recorded() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    for bad in [
        json!({ "text": "" }),
        json!({ "text": " " }),
        json!({ "text": "a\r\nQUIT" }),
        json!({ "text": "x".repeat(351) }),
        json!({ "text": "x", "channel": "lobby" }),
        json!({ "text": "x", "account": "a b" }),
        json!({ "text": "x", "channel": "#lobby", "account": "alice" }),
    ] {
        let reply = plane.post(&token, "/v1/announcements", &bad).await;
        assert_eq!(reply.problem(), "/problems/invalid", "{bad}");
        assert!(plane.last_entry().await.contains(" refused: "), "{bad}");
    }
    for (request, problem) in [
        (
            json!({ "text": "x", "channel": "#none" }),
            "/problems/no-such-channel",
        ),
        (
            json!({ "text": "x", "account": "nobody" }),
            "/problems/not-online",
        ),
    ] {
        assert_eq!(
            plane
                .post(&token, "/v1/announcements", &request)
                .await
                .problem(),
            problem
        );
        assert!(plane.last_entry().await.contains(" refused: "), "{request}");
    }
    plane.break_trail();
    let reply = plane
        .post(&token, "/v1/announcements", &json!({ "text": "x" }))
        .await;
    assert_eq!(reply.problem(), "/problems/audit-unavailable");
}

#[tokio::test]
async fn a_reload_is_requested_after_it_is_recorded_and_its_error_is_answered() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let mut requests = plane.reloads.borrow_mut().take().unwrap();
    let answers = tokio::spawn(async move {
        requests.recv().await.unwrap().send(Ok(())).unwrap();
        requests
            .recv()
            .await
            .unwrap()
            .send(Err("config.toml:3: chat.motd: no".to_owned()))
            .unwrap();
        requests
    });
    let reply = plane.post(&token, "/v1/reload", &json!({})).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    assert_eq!(plane.last_entry().await, "reload  allowed: ");
    let reply = plane.post(&token, "/v1/reload", &json!({})).await;
    assert_eq!(reply.problem(), "/problems/reload-failed");
    assert_eq!(reply.field("detail"), "config.toml:3: chat.motd: no");
    assert_eq!(
        plane.last_entry().await,
        "reload  refused: config.toml:3: chat.motd: no"
    );
    let mut requests = answers.await.unwrap();
    plane.break_trail();
    assert_eq!(
        plane.post(&token, "/v1/reload", &json!({})).await.problem(),
        "/problems/audit-unavailable"
    );
    assert!(requests.try_recv().is_err(), "no reload was requested");
}
