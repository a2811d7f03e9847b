//! The roles that the operations require.

use rookery_protocol::DeviceCredential;
use rookery_record::CredentialKind;
use sha2::{Digest as _, Sha256};

use super::*;

/// An operation of the document: its method, its path with values for the parameters, the path as
/// it is declared, and the role that it requires; `None` if it needs no sign-in.
#[derive(Debug)]
struct Operation {
    method: String,
    path: String,
    template: String,
    role: Option<Role>,
}

/// Returns every operation in the document, which is built from the routes.
async fn operations(plane: &TestPlane) -> Vec<Operation> {
    let document = plane
        .send(Request::get("/v1/openapi.json"), "")
        .await
        .json();
    let mut operations = Vec::new();
    for (template, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let role = operation["security"].as_array().map(|security| {
                let roles = security[0]["token"].as_array().unwrap();
                assert_eq!(roles.len(), 1, "{method} {template} names its role");
                roles[0].as_str().unwrap().parse().unwrap()
            });
            operations.push(Operation {
                method: method.to_uppercase(),
                path: template.replace(['{', '}'], ""),
                template: template.clone(),
                role,
            });
        }
    }
    assert!(operations.len() >= 50, "{operations:?}");
    operations
}

impl Operation {
    /// Sends a request without a valid body, with a header if there is one.
    async fn send(&self, plane: &TestPlane, header: Option<(&str, &str)>) -> Reply {
        let request = Request::builder()
            .method(self.method.as_str())
            .uri(&self.path)
            .header("Content-Type", "application/json");
        let request = match header {
            Some((name, value)) => request.header(name, value),
            None => request,
        };
        plane.send(request, "{}").await
    }
}

/// What moderators may do, and auditors may not. What is in neither list is for every role.
const MODERATORS: &[&str] = &[
    "DELETE /v1/bans/{id}",
    "DELETE /v1/invitations/{id}",
    "GET /v1/messages",
    "POST /v1/accounts/{name}/disable",
    "POST /v1/accounts/{name}/enable",
    "POST /v1/announcements",
    "POST /v1/bans",
    "POST /v1/channels/{name}/close",
    "POST /v1/channels/{name}/purge",
    "POST /v1/import/bans",
    "POST /v1/invitations",
    "POST /v1/kick",
    "POST /v1/messages/redact",
    "POST /v1/messages/{msgid}/redact",
    "POST /v1/registrations/{id}/resend",
    "POST /v1/users/{name}/kick",
];
/// What only owners may do.
const OWNERS: &[&str] = &[
    "DELETE /v1/accounts/{name}",
    "DELETE /v1/accounts/{name}/credentials/{id}",
    "DELETE /v1/admins/{name}",
    "GET /v1/admins",
    "GET /v1/export/users",
    "POST /v1/accounts/{name}/credentials/revoke",
    "POST /v1/admins",
    "POST /v1/admins/{name}/password/reset",
    "POST /v1/import/users",
    "POST /v1/reload",
    "PUT /v1/admins/{name}/role",
    "PUT /v1/maintenance",
];

#[tokio::test]
async fn each_role_may_do_what_is_listed_here() {
    let plane = TestPlane::new().await;
    let all = operations(&plane).await;
    let of = |role| {
        let of_role = all.iter().filter(|operation| operation.role == Some(role));
        let mut names: Vec<String> = of_role
            .map(|operation| format!("{} {}", operation.method, operation.template))
            .collect();
        names.sort();
        names
    };
    assert_eq!(of(Role::Moderator), MODERATORS);
    assert_eq!(of(Role::Owner), OWNERS);
    let without: Vec<_> = all
        .iter()
        .filter(|operation| operation.role.is_none())
        .map(|operation| operation.path.as_str())
        .collect();
    let open = [
        "/healthz",
        "/v1/login",
        "/v1/login/verify",
        "/v1/openapi.json",
    ];
    assert_eq!(without, open);
}

#[tokio::test]
async fn every_operation_admits_the_roles_that_the_document_states_and_nobody_else() {
    let plane = TestPlane::new().await;
    // Without a receiver, a reload is refused at once.
    drop(plane.reloads.take());
    let operations = operations(&plane).await;
    for role in Role::ALL {
        plane.add_admin_as(role.as_str(), role).await;
        for operation in &operations {
            // An operation may end its session, so each has one of its own.
            let token = plane.open_session(role.as_str()).await;
            let bearer = format!("Bearer {token}");
            let reply = operation
                .send(&plane, Some(("Authorization", &bearer)))
                .await;
            let refused =
                reply.status == StatusCode::FORBIDDEN && reply.problem() == "/problems/not-allowed";
            let is_beyond = operation.role.is_some_and(|required| role < required);
            assert_eq!(refused, is_beyond, "{operation:?} as {role}: {reply:?}");
            if operation.role.is_some() {
                assert_ne!(
                    reply.status,
                    StatusCode::UNAUTHORIZED,
                    "{operation:?} as {role}"
                );
            }
        }
    }

    // A chat account with a device: what signs in on the chat port and on the web page.
    plane.add_account("alice").await;
    let chat_device = DeviceCredential::from_random([7; 32]).expose().to_owned();
    let (id, hash) = (
        plane.identity("alice").await.id,
        Sha256::digest(&chat_device).into(),
    );
    let add = move |store: &mut rookery_store::Store| {
        let (kind, now) = (CredentialKind::Device, Timestamp::UNIX_EPOCH);
        store.add_credential(id, kind, &hash, now)
    };
    plane.database.write(Durability::Record, add).await.unwrap();
    let [valid, revoked, expired] = [
        plane.open_session("root").await,
        plane.open_session("root").await,
        plane.open_session_for("root", 1).await,
    ];
    let logout = plane.post(&revoked, "/v1/logout", &json!({})).await;
    assert_eq!(logout.status, StatusCode::OK);
    plane.advance(SignedDuration::from_mins(2));
    assert_eq!(plane.get(&valid, "/v1/users").await.status, StatusCode::OK);
    let bearer = |token: &str| format!("Bearer {token}");
    let basic = "Basic YWxpY2U6Y29ycmVjdCBob3JzZSBiYXR0ZXJ5IHN0YXBsZQ==";
    let nobodys = [
        ("no credential", "X-Nothing", String::new()),
        ("an empty token", "Authorization", bearer("")),
        (
            "a forged token",
            "Authorization",
            bearer(&format!("rka1_{}", "0".repeat(64))),
        ),
        ("an expired token", "Authorization", bearer(&expired)),
        ("a revoked token", "Authorization", bearer(&revoked)),
        ("a password", "Authorization", bearer(PASSWORD)),
        (
            "an account and its password",
            "Authorization",
            basic.to_owned(),
        ),
        (
            "a device of the chat",
            "Authorization",
            bearer(&chat_device),
        ),
        ("a token in a cookie", "Cookie", format!("token={valid}")),
        (
            "a token in a web protocol",
            "Sec-WebSocket-Protocol",
            valid.clone(),
        ),
    ];
    for operation in &operations {
        for (credential, header, value) in &nobodys {
            let reply = operation.send(&plane, Some((header, value))).await;
            let refused = reply.status == StatusCode::UNAUTHORIZED
                && reply.problem() == "/problems/not-signed-in";
            let expected = operation.role.is_some();
            assert_eq!(
                refused, expected,
                "{operation:?} with {credential}: {reply:?}"
            );
        }
    }
    assert_eq!(plane.get(&valid, "/v1/users").await.status, StatusCode::OK);
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
