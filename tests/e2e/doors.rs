//! Two doors: nothing of one opens the other.

use rookery_tests::admin::Operator;
use rookery_tests::control::Control;
use rookery_tests::irc::{Client, PASSWORD, device_credential};
use rookery_tests::server::Server;
use serde_json::json;

#[tokio::test]
async fn what_opens_the_chat_does_not_open_the_control_plane() {
    let server = Server::start().await;
    Operator::add(&server, "root");
    drop(Client::register(&server, "alice").await);
    let control = Control::new(&server);
    for token in [PASSWORD, device_credential(1).expose(), "alice", "x"] {
        let reply = control.get("/v1/users", Some(token)).await;
        assert_eq!(reply.status, 401, "{:?}", reply.body);
        assert_eq!(reply.content_type, "application/problem+json");
    }
    // An account is no admin.
    let reply = control.post("/v1/login", None, json!({"name": "alice", "password": PASSWORD})).await;
    assert_eq!(reply.status, 401, "{:?}", reply.body);
}

#[tokio::test]
async fn what_opens_the_control_plane_does_not_open_the_chat() {
    let server = Server::start().await;
    Operator::add(&server, "root");
    drop(Client::register(&server, "root").await);
    let control = Control::new(&server);
    let token = control.sign_in(&server, "root").await;
    assert_eq!(control.get("/v1/users", Some(&token)).await.status, 200);
    for secret in [token.as_str(), rookery_tests::admin::PASSWORD] {
        let mut client = Client::try_sign_in(&server, "root", "root", secret).await;
        client.expect_numeric("904").await;
    }
    assert!(!server.log().contains(&token), "a token is a secret");
}

#[tokio::test]
async fn operator_commands_are_sent_to_the_control_plane() {
    let server = Server::start().await;
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    for command in ["OPER root secret", "KILL bob :out", "KLINE bob :out"] {
        alice.send(command).await;
        alice.expect_text("control plane").await;
    }
    bob.say("#lobby", "still here").await;
}

#[tokio::test]
async fn a_forged_token_is_refused_and_audited() {
    let server = Server::start().await;
    Operator::add(&server, "root");
    let control = Control::new(&server);
    let token = control.sign_in(&server, "root").await;
    let refused = || server.record().audit().iter().filter(|entry| entry.outcome == "refused").count();
    let before = refused();
    let mut forged = token.clone();
    let last = forged.pop().unwrap();
    forged.push(if last == 'a' { 'b' } else { 'a' });
    let kick = json!({"reason": "no"});
    assert_eq!(control.post("/v1/users/alice/kick", Some(&forged), kick).await.status, 401);
    assert_eq!(refused(), before + 1);
    let trail = format!("{:?}", server.record().audit());
    assert!(!trail.contains(&token) && !trail.contains(&forged), "a token is a secret");
}

#[tokio::test]
async fn a_signed_out_token_is_worth_nothing() {
    let server = Server::start().await;
    Operator::add(&server, "root");
    let control = Control::new(&server);
    let token = control.sign_in(&server, "root").await;
    let reply = control.post("/v1/logout", Some(&token), json!({})).await;
    assert!(reply.status < 300, "{:?}", reply.body);
    assert_eq!(control.get("/v1/users", Some(&token)).await.status, 401);
}
