//! A full disk, and a database that disappears: what cannot be stored is refused with an error, and
//! works again once it can be.

use std::time::{Duration, Instant};

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

/// Waits until `GET /healthz` answers with this status.
async fn wait_for_health(control: &ControlClient, status: u16) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let reply = control.get("/healthz", None).await;
        if reply.status == status {
            return;
        }
        assert!(Instant::now() < deadline, "{reply:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn expect_not_stored(client: &mut Client) {
    client.send("PRIVMSG #lobby :not to be delivered").await;
    client
        .expect("FAIL PRIVMSG MESSAGE_NOT_STORED", |message| {
            is_command(message, "FAIL", "PRIVMSG") && message.param(1) == Some("MESSAGE_NOT_STORED")
        })
        .await;
}

#[tokio::test]
async fn on_a_nearly_full_disk_messages_are_refused_and_operators_act() {
    let mut server = Server::with(&["limits.disk_reserve_mb = 0"]).await;
    let mut alice = Client::register(&server, "alice").await;
    alice.say("#lobby", "before").await;
    // No disk has that much space.
    server.set("limits.disk_reserve_mb = 4294967295");
    server.sighup().await;
    let control = ControlClient::new(&server);
    wait_for_health(&control, 503).await;
    let operator = Operator::sign_in(&server, "root").await;
    let token = control.sign_in(&server, "root").await;
    let mut bob = Client::register(&server, "bob").await;
    expect_not_stored(&mut alice).await;
    let received = bob.sync().await;
    assert!(
        !received
            .iter()
            .any(|message| message.to_string().contains("not to be delivered")),
        "{received:?}"
    );
    let status = operator.run_json(&["status"]).await;
    assert!(
        status["store"]
            .as_str()
            .unwrap()
            .contains("disk_reserve_mb"),
        "{status}"
    );
    assert!(status["disk_free_bytes"].as_u64().unwrap() > 0, "{status}");
    server.expect_log(&["the disk is nearly full"], 1).await;
    let banned = control
        .post("/v1/bans", Some(&token), json!({"target": "bob"}))
        .await;
    assert_eq!(banned.status, 201, "{banned:?}");
    bob.read_until_closed().await;
    assert_eq!(server.database().bans().len(), 1);
    operator
        .run_ok(&["channel", "purge", "#lobby", "--yes"])
        .await;

    server.set("limits.disk_reserve_mb = 0");
    server.sighup().await;
    wait_for_health(&control, 200).await;
    alice.say("#lobby", "after").await;
    assert_eq!(server.database().messages(), ["after"]);
}

#[tokio::test]
async fn a_database_that_was_moved_away_is_noticed_and_nothing_is_confirmed() {
    let server = Server::start().await;
    let _operator = Operator::sign_in(&server, "root").await;
    let control = ControlClient::new(&server);
    let token = control.sign_in(&server, "root").await;
    let mut alice = Client::register(&server, "alice").await;
    let (file, aside) = (server.path("data/rookery.db"), server.path("aside.db"));
    std::fs::rename(&file, &aside).unwrap();
    let ban = json!({"target": "bob"});
    let refused = control.post("/v1/bans", Some(&token), ban.clone()).await;
    assert_unavailable(&refused);
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.contains("deleted or replaced"), "{detail}");
    expect_not_stored(&mut alice).await;
    wait_for_health(&control, 503).await;
    server.expect_log(&["restore the files"], 1).await;

    std::fs::rename(&aside, &file).unwrap();
    wait_for_health(&control, 200).await;
    alice.say("#lobby", "after").await;
    let banned = control.post("/v1/bans", Some(&token), ban).await;
    assert_eq!(banned.status, 201, "{banned:?}");
    assert_eq!(server.database().messages(), ["after"]);
}
