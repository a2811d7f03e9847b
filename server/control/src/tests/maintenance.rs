//! Maintenance: new sessions are refused with a message, and existing ones stay.

use super::*;

#[tokio::test]
async fn during_maintenance_new_sessions_are_refused_and_existing_ones_stay() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let off = json!({ "on": false, "message": null, "by": null, "since": null });
    assert_eq!(plane.get(&token, "/v1/maintenance").await.json(), off);
    let alice = plane.connect("alice").await;

    let body = json!({ "on": true, "message": " moving house " });
    let reply = plane.put(&token, "/v1/maintenance", &body).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    let on = reply.json();
    assert_eq!(
        (&on["on"], &on["message"], &on["by"]),
        (&json!(true), &json!("moving house"), &json!("root"))
    );
    assert_eq!(
        plane.last_entry().await,
        "set-maintenance on allowed: moving house"
    );
    assert_eq!(plane.get(&token, "/v1/maintenance").await.json(), on);
    assert_eq!(
        plane.get(&token, "/v1/status").await.json()["maintenance"],
        "moving house"
    );
    for name in ["bob", "alice"] {
        let Admission::Closed { reason } = plane.admission(name).await else {
            panic!("{name} is admitted")
        };
        assert_eq!(reason, "The server is closed for maintenance: moving house");
    }
    assert!(!alice.is_finished());

    let reply = plane
        .put(&token, "/v1/maintenance", &json!({ "on": true }))
        .await;
    assert_eq!(reply.field("message"), "please try again later");
    assert_eq!(
        plane
            .put(&token, "/v1/maintenance", &json!({ "on": false }))
            .await
            .json(),
        off
    );
    assert_eq!(plane.last_entry().await, "set-maintenance off allowed: ");
    assert_eq!(
        plane.get(&token, "/v1/status").await.json()["maintenance"],
        Value::Null
    );
    plane.connect("bob").await;
}

#[tokio::test]
async fn a_ban_takes_precedence_over_maintenance_in_the_reason() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    plane
        .post(&token, "/v1/bans", &json!({ "target": "bob" }))
        .await;
    plane
        .put(&token, "/v1/maintenance", &json!({ "on": true }))
        .await;
    assert!(matches!(
        plane.admission("bob").await,
        Admission::Banned { .. }
    ));
}

#[tokio::test]
async fn invalid_requests_and_those_without_a_record_change_nothing() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    for bad in [
        json!({}),
        json!({ "on": "yes" }),
        json!({ "on": true, "message": "a\r\nQUIT" }),
        json!({ "on": true, "message": "x".repeat(301) }),
        json!({ "on": false, "message": "why" }),
        json!({ "on": true, "until": "tomorrow" }),
    ] {
        assert_eq!(
            plane.put(&token, "/v1/maintenance", &bad).await.problem(),
            "/problems/invalid",
            "{bad}"
        );
        assert!(plane.last_entry().await.contains(" refused: "), "{bad}");
    }
    plane.break_trail();
    let reply = plane
        .put(&token, "/v1/maintenance", &json!({ "on": true }))
        .await;
    assert_eq!(reply.problem(), "/problems/audit-unavailable");
    plane.connect("alice").await;
}
