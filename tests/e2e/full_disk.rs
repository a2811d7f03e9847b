//! A disk without room: what cannot be put on record is not done, is said so, and works again when
//! there is room.

use rookery_tests::admin::{Operator, admin_email};
use rookery_tests::control::{Control, Reply};
use rookery_tests::irc::Client;
use rookery_tests::server::Server;
use serde_json::json;

fn assert_unavailable(reply: &Reply) {
    assert_eq!(reply.status, 503, "{reply:?}");
    assert_eq!(
        reply.body["type"], "/problems/audit-unavailable",
        "{reply:?}"
    );
    assert!(
        reply.body["detail"]
            .as_str()
            .unwrap()
            .contains("Nothing was done"),
        "{reply:?}"
    );
}

#[tokio::test]
async fn an_act_that_cannot_be_entered_in_the_trail_is_refused_and_nothing_happens() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let control = Control::new(&server);
    let token = control.sign_in(&server, "root").await;
    let challenge = control.login("root").await;
    let code = server.mailbox().code_to(&admin_email("root")).await;
    let mut bob = Client::register(&server, "bob").await;
    let entries = server.record().audit().len();
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
    assert_unavailable(&control.get("/v1/users", Some("no token of ours")).await);
    assert_unavailable(&control.verify(&challenge, &code).await);
    for password in [rookery_tests::admin::PASSWORD, "wrong"] {
        let login = json!({"name": "root", "password": password});
        assert_unavailable(&control.post("/v1/login", None, login).await);
    }
    let ended = operator.run(&["kick", "bob"]).await;
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.transcript.contains("Nothing was done"),
        "{}",
        ended.transcript
    );
    bob.send("PING :still here").await;
    bob.expect("a PONG", |message| message.command == "PONG")
        .await;
    assert!(server.record().bans().is_empty());
    assert_eq!(server.record().audit().len(), entries);
    assert_eq!(
        mails(),
        mails_before,
        "no code is sent for a sign-in that cannot be entered"
    );

    server.free_disk();
    assert_eq!(
        control
            .post("/v1/users/bob/kick", Some(&token), json!({}))
            .await
            .status,
        200
    );
    bob.until_closed().await;
    assert_eq!(
        control
            .post("/v1/bans", Some(&token), json!({"target": "bob"}))
            .await
            .status,
        201
    );
    control.sign_in(&server, "root").await;
    operator.done(&["audit", "verify"]).await;
    assert_eq!(server.record().count_audit("kick", "allowed"), 1);
}

#[tokio::test]
async fn a_message_that_cannot_be_stored_is_heard_by_nobody_and_its_sender_is_told() {
    let server = Server::start().await;
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    alice.say("#lobby", "before").await;
    bob.expect_said("alice", "#lobby", "before").await;

    server.fill_disk();
    alice.send("PRIVMSG #lobby :into the void").await;
    alice.expect_text("could not store your message").await;
    alice.send("PRIVMSG bob :into the void").await;
    alice.expect_text("could not store your message").await;
    let heard = bob.heard().await;
    assert!(
        !heard
            .iter()
            .any(|message| message.to_string().contains("into the void")),
        "{heard:?}"
    );
    let newcomer = Client::introduce(&server, "carol").await;
    drop(newcomer);

    server.free_disk();
    alice.say("#lobby", "after").await;
    bob.expect_said("alice", "#lobby", "after").await;
    assert_eq!(server.record().messages(), ["before", "after"]);
}
