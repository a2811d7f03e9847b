//! What each role may do.

use super::*;

/// Every operation of the description that asks for a sign-in, with the role that it names.
async fn operations(house: &TestPlane) -> Vec<(String, String, Role)> {
    let document = house
        .send(Request::get("/v1/openapi.json"), "")
        .await
        .json();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Some(security) = operation["security"].as_array() else {
                continue;
            };
            let roles = security[0]["token"].as_array().unwrap();
            assert_eq!(roles.len(), 1, "{method} {path} names its role");
            let role = roles[0].as_str().unwrap().parse().unwrap();
            operations.push((method.to_uppercase(), path.clone(), role));
        }
    }
    assert!(operations.len() >= 8, "{operations:?}");
    operations
}

#[tokio::test]
async fn each_operation_is_for_the_role_that_its_description_names() {
    let house = TestPlane::new().await;
    // Nobody runs the server: a reload is refused at once, and not waited for.
    drop(house.reloads.take());
    for role in Role::ALL {
        house.add_admin_as(role.as_str(), role).await;
        for (method, path, needed) in operations(&house).await {
            // Each act may end the sign-in, so each has its own; what it says of the rest does not
            // matter here.
            let token = house.session_of(role.as_str()).await;
            let path = path.replace(['{', '}'], "");
            let bearer = format!("Bearer {token}");
            let request = Request::builder().method(method.as_str()).uri(&path);
            let request = request
                .header("Authorization", bearer)
                .header("Content-Type", "application/json");
            let reply = house.send(request, "{}").await;
            let refused =
                reply.status == StatusCode::FORBIDDEN && reply.problem() == "/problems/not-allowed";
            assert_eq!(
                refused,
                role < needed,
                "{method} {path} as {role}: {reply:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_act_beyond_the_role_is_refused_told_and_entered() {
    let house = TestPlane::new().await;
    house.add_admin_as("vera", Role::Auditor).await;
    let token = house.sign_in("vera").await;
    let alice = house.come_online("alice").await;
    let reply = house.post(&token, "/v1/users/alice/kick", &json!({})).await;
    assert_eq!(
        (reply.status, reply.problem().as_str()),
        (StatusCode::FORBIDDEN, "/problems/not-allowed")
    );
    assert!(
        reply
            .field("detail")
            .contains("for the role moderator, and yours is auditor"),
        "{reply:?}"
    );
    let entry = house.trail().await.pop().unwrap();
    assert_eq!(
        (entry.actor.as_str(), entry.outcome),
        ("vera", Outcome::Refused)
    );
    assert_eq!(entry.target, "POST /v1/users/alice/kick");
    assert!(!entry.session.is_empty());
    assert!(!alice.is_finished());
    assert_eq!(
        house.get(&token, "/v1/users").await.status,
        StatusCode::OK,
        "reading is for all"
    );
}

#[tokio::test]
async fn a_session_ends_when_its_admin_has_another_role() {
    let house = TestPlane::new().await;
    let token = house.sign_in("root").await;
    let change = |store: &mut dyn rookery_store::Store| store.set_admin_role("ROOT", Role::Auditor);
    assert!(
        house
            .database
            .write(Durability::Record, change)
            .await
            .unwrap()
    );
    assert_eq!(
        house.get(&token, "/v1/users").await.problem(),
        "/problems/not-signed-in"
    );
    assert!(
        house
            .last_entry()
            .await
            .ends_with("another password, role or factor")
    );
}
