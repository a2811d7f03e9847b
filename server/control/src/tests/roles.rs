//! The roles that the operations require.

use super::*;

/// Returns the method, path and role of every operation in the document that requires a sign-in.
async fn operations(plane: &TestPlane) -> Vec<(String, String, Role)> {
    let document = plane
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
async fn each_operation_requires_the_role_that_the_document_states() {
    let plane = TestPlane::new().await;
    // Without a receiver, a reload is refused at once.
    drop(plane.reloads.take());
    for role in Role::ALL {
        plane.add_admin_as(role.as_str(), role).await;
        for (method, path, required) in operations(&plane).await {
            // An operation may end its session, so each has one of its own. Only the problem
            // `not-allowed` matters here.
            let token = plane.open_session(role.as_str()).await;
            let path = path.replace(['{', '}'], "");
            let bearer = format!("Bearer {token}");
            let request = Request::builder().method(method.as_str()).uri(&path);
            let request = request
                .header("Authorization", bearer)
                .header("Content-Type", "application/json");
            let reply = plane.send(request, "{}").await;
            let refused =
                reply.status == StatusCode::FORBIDDEN && reply.problem() == "/problems/not-allowed";
            assert_eq!(
                refused,
                role < required,
                "{method} {path} as {role}: {reply:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_act_beyond_the_role_is_refused_explained_and_recorded() {
    let plane = TestPlane::new().await;
    plane.add_admin_as("vera", Role::Auditor).await;
    let token = plane.sign_in("vera").await;
    let alice = plane.connect("alice").await;
    let reply = plane.post(&token, "/v1/users/alice/kick", &json!({})).await;
    assert_eq!(
        (reply.status, reply.problem().as_str()),
        (StatusCode::FORBIDDEN, "/problems/not-allowed")
    );
    assert!(
        reply
            .field("detail")
            .contains("the role moderator, and yours is auditor"),
        "{reply:?}"
    );
    let entry = plane.trail().await.pop().unwrap();
    assert_eq!(
        (entry.actor.as_str(), entry.outcome),
        ("vera", Outcome::Refused)
    );
    assert_eq!(entry.target, "POST /v1/users/alice/kick");
    assert!(!entry.session.is_empty());
    assert!(!alice.is_finished());
    assert_eq!(
        plane.get(&token, "/v1/users").await.status,
        StatusCode::OK,
        "every role may read"
    );
}

#[tokio::test]
async fn a_session_ends_when_its_admin_has_another_role() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let change = |store: &mut rookery_store::Store| store.set_admin_role("ROOT", Role::Auditor);
    assert!(
        plane
            .database
            .write(Durability::Record, change)
            .await
            .unwrap()
    );
    assert_eq!(
        plane.get(&token, "/v1/users").await.problem(),
        "/problems/not-signed-in"
    );
    assert!(
        plane
            .last_entry()
            .await
            .ends_with("another password, role or factor")
    );
}
