//! A full disk: what cannot be stored is refused with an error, and works again once there is
//! space.

use rookery_tests::admin::{Operator, admin_email};
use rookery_tests::control::{ControlClient, Response};
use rookery_tests::irc::{Client, is_command};
use rookery_tests::server::Server;
use serde_json::json;

fn assert_unavailable(reply: &Response) {
    assert_eq!(reply.status, 503, "{reply:?}");
    assert_eq!(
        reply.body["type"], "/problems/audit-unavailable",
        "{reply:?}"
    );
    assert!(reply.body["detail"].is_string(), "{reply:?}");
}

#[tokio::test]
async fn an_operation_that_cannot_be_audited_is_refused_and_has_no_effect() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let control = ControlClient::new(&server);
    let token = control.sign_in(&server, "root").await;
    let challenge = control.login("root").await;
    let code = server.mailbox().code_to(&admin_email("root")).await;
    let mut bob = Client::register(&server, "bob").await;
    let entries = server.database().audit().len();
    let mails = || std::fs::read_dir(server.path("data/mail")).unwrap().count();
    let mails_before = mails();

    server.fill_disk();
    assert_unavailable(
        &control
            .post("/v1/users/bob/kick", Some(&token), json!({}))
            .await,
    );
    assert_unavailable(
        &control
            .post("/v1/bans", Some(&token), json!({"target": "bob"}))
            .await,
    );
    assert_unavailable(&control.get("/v1/users", Some(&token)).await);
    assert_unavailable(&control.get("/v1/users", Some("an invalid token")).await);
    assert_unavailable(&control.verify(&challenge, &code).await);
    for password in [rookery_tests::admin::PASSWORD, "wrong"] {
        let login = json!({"name": "root", "password": password});
        assert_unavailable(&control.post("/v1/login", None, login).await);
    }
    let ended = operator.run(&["--json", "kick", "bob"]).await;
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.transcript.contains("/problems/audit-unavailable"),
        "{}",
        ended.transcript
    );
    bob.send("PING :still here").await;
    bob.expect("a PONG", |message| message.command == "PONG")
        .await;
    assert!(server.database().bans().is_empty());
    assert_eq!(server.database().audit().len(), entries);
    assert_eq!(
        mails(),
        mails_before,
        "no code is mailed for a sign-in that cannot be audited"
    );

    server.free_disk();
    assert_eq!(
        control
            .post("/v1/users/bob/kick", Some(&token), json!({}))
            .await
            .status,
        200
    );
    bob.read_until_closed().await;
    assert_eq!(
        control
            .post("/v1/bans", Some(&token), json!({"target": "bob"}))
            .await
            .status,
        201
    );
    control.sign_in(&server, "root").await;
    operator.run_ok(&["audit", "verify"]).await;
    assert_eq!(server.database().count_audit("kick", "allowed"), 1);
}

#[tokio::test]
async fn a_message_that_cannot_be_stored_is_not_delivered_and_its_sender_gets_an_error() {
    let server = Server::start().await;
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    alice.say("#lobby", "before").await;
    bob.expect_privmsg("alice", "#lobby", "before").await;

    server.fill_disk();
    for target in ["#lobby", "bob"] {
        alice
            .send(&format!("PRIVMSG {target} :not to be delivered"))
            .await;
        alice
            .expect("FAIL PRIVMSG MESSAGE_NOT_STORED", |message| {
                is_command(message, "FAIL", "PRIVMSG")
                    && message.param(1) == Some("MESSAGE_NOT_STORED")
            })
            .await;
    }
    let received = bob.sync().await;
    assert!(
        !received
            .iter()
            .any(|message| message.to_string().contains("not to be delivered")),
        "{received:?}"
    );
    let newcomer = Client::handshake(&server, "carol").await;
    drop(newcomer);

    server.free_disk();
    alice.say("#lobby", "after").await;
    bob.expect_privmsg("alice", "#lobby", "after").await;
    assert_eq!(server.database().messages(), ["before", "after"]);
}
