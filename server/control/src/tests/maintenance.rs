//! Maintenance: who is let in while it lasts, and what is said of it.

use super::*;

#[tokio::test]
async fn nobody_new_is_let_in_while_it_lasts_and_those_who_are_in_stay() {
    let house = House::new().await;
    let token = house.sign_in("root").await;
    let off = json!({ "on": false, "message": null, "by": null, "since": null });
    assert_eq!(house.get(&token, "/v1/maintenance").await.json(), off);
    let alice = house.come_online("alice").await;

    let body = json!({ "on": true, "message": " moving house " });
    let reply = house.put(&token, "/v1/maintenance", &body).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    let on = reply.json();
    assert_eq!(
        (&on["on"], &on["message"], &on["by"]),
        (&json!(true), &json!("moving house"), &json!("root"))
    );
    assert_eq!(
        house.last_entry().await,
        "set-maintenance on allowed: moving house"
    );
    assert_eq!(house.get(&token, "/v1/maintenance").await.json(), on);
    assert_eq!(
        house.get(&token, "/v1/status").await.json()["maintenance"],
        "moving house"
    );
    for name in ["bob", "alice"] {
        let Admission::Refused { reason } = house.admission(name).await else {
            panic!("{name} is let in")
        };
        assert_eq!(
            reason,
            "The server is closed for maintenance: moving house"
        );
    }
    assert!(!alice.is_finished());

    let reply = house
        .put(&token, "/v1/maintenance", &json!({ "on": true }))
        .await;
    assert_eq!(reply.field("message"), "please try again later");
    assert_eq!(
        house
            .put(&token, "/v1/maintenance", &json!({ "on": false }))
            .await
            .json(),
        off
    );
    assert_eq!(house.last_entry().await, "set-maintenance off allowed: ");
    assert_eq!(
        house.get(&token, "/v1/status").await.json()["maintenance"],
        Value::Null
    );
    house.come_online("bob").await;
}

#[tokio::test]
async fn a_ban_is_told_before_maintenance() {
    let house = House::new().await;
    let token = house.sign_in("root").await;
    house
        .post(&token, "/v1/bans", &json!({ "target": "bob" }))
        .await;
    house
        .put(&token, "/v1/maintenance", &json!({ "on": true }))
        .await;
    assert!(matches!(
        house.admission("bob").await,
        Admission::Banned { .. }
    ));
}

#[tokio::test]
async fn what_makes_no_sense_or_cannot_be_entered_changes_nothing() {
    let house = House::new().await;
    let token = house.sign_in("root").await;
    for bad in [
        json!({}),
        json!({ "on": "yes" }),
        json!({ "on": true, "message": "a\r\nQUIT" }),
        json!({ "on": true, "message": "x".repeat(301) }),
        json!({ "on": false, "message": "why" }),
        json!({ "on": true, "until": "tomorrow" }),
    ] {
        assert_eq!(
            house.put(&token, "/v1/maintenance", &bad).await.problem(),
            "/problems/invalid",
            "{bad}"
        );
        assert!(house.last_entry().await.contains(" refused: "), "{bad}");
    }
    house.break_trail();
    let reply = house
        .put(&token, "/v1/maintenance", &json!({ "on": true }))
        .await;
    assert_eq!(reply.problem(), "/problems/audit-unavailable");
    house.come_online("alice").await;
}
