//! Bans of addresses, networks, emails and patterns, from the operator's command to the banned
//! client.

use std::net::{IpAddr, Ipv4Addr};

use futures_util::future::join_all;
use rookery_tests::admin::Operator;
use rookery_tests::irc::{Client, PASSWORD, device_credential, is_command, tcp_connect_from};
use rookery_tests::metrics;
use rookery_tests::server::Server;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 77));
/// A TLS record: fatal alert, `access_denied`.
const ACCESS_DENIED: [u8; 7] = [21, 3, 3, 0, 2, 2, 49];

#[tokio::test]
async fn a_banned_network_is_refused_at_connect_with_the_reason_until_unban() {
    let server = Server::with(&["accounts.required=false"]).await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut guest = connect_guest(&server, "guest", ELSEWHERE).await;
    let mut alice = connect_guest(&server, "alice", IpAddr::V4(Ipv4Addr::LOCALHOST)).await;

    let preview = operator
        .run_ok(&["--json", "ban", "--dry-run", "127.0.0.64/26"])
        .await;
    let preview: Value = serde_json::from_str(&preview).unwrap();
    assert_eq!(preview["users"][0]["nick"], "guest", "{preview}");
    assert!(server.database().bans().is_empty());

    operator
        .run_ok(&[
            "ban",
            "127.0.0.64/26",
            "--reason",
            "flooding",
            "--for",
            "7d",
        ])
        .await;
    let received = guest.read_until_closed().await;
    let error = received.last().unwrap().to_string();
    assert!(
        error.starts_with("ERROR :Banned: flooding (until "),
        "{error}"
    );
    assert!(operator.run_ok(&["bans"]).await.contains("127.0.0.64/26"));
    alice.say("#lobby", "quiet again").await;

    let mut again = Client::connect_from(&server, "again", ELSEWHERE).await;
    let received = again.read_until_closed().await;
    assert_eq!(received[0].command, "465", "{received:?}");
    let refusal = &received[0].params[1];
    assert!(
        refusal.contains("flooding") && refusal.contains("until "),
        "reason and end are named: {received:?}"
    );
    let error = received.last().unwrap().to_string();
    assert!(
        error.starts_with("ERROR :Banned: flooding (until "),
        "{error}"
    );

    operator.run_ok(&["unban", "127.0.0.99/26"]).await;
    connect_guest(&server, "back", ELSEWHERE).await;
}

async fn connect_guest(server: &Server, name: &str, from: IpAddr) -> Client {
    let mut guest = Client::connect_from(server, name, from).await;
    guest.negotiate(name).await;
    guest.send("CAP END").await;
    guest.expect_numeric("366").await;
    guest
}

#[tokio::test]
async fn a_flood_from_a_banned_address_is_refused_without_a_handshake() {
    let server = metrics::start_server().await;
    let operator = Operator::sign_in(&server, "root").await;
    operator.run_ok(&["ban", "127.0.0.77"]).await;
    // Up to 16 refused clients at a time are sent the reason. Silent clients use up that limit.
    let mut silent = Vec::new();
    for _ in 0..16 {
        silent.push(tcp_connect_from(&server, ELSEWHERE).await);
    }
    metrics::expect_count(&server, "rookery_connections_refused_total", 16).await;
    let mut next = tcp_connect_from(&server, ELSEWHERE).await;
    let mut received = Vec::new();
    next.read_to_end(&mut received).await.unwrap();
    assert_eq!(received, ACCESS_DENIED);
    Client::register(&server, "alice").await;
}

#[tokio::test]
async fn a_ban_of_everyone_or_of_the_operator_must_be_confirmed() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    for target in ["*@*", "127.0.0.0/8", "root@operators.example.org"] {
        let ended = operator.run(&["ban", target]).await;
        assert_eq!(ended.code, Some(1), "{}", ended.transcript);
        assert!(ended.transcript.contains("--yes"), "{}", ended.transcript);
    }
    assert!(server.database().bans().is_empty());
    operator.run_ok(&["ban", "*@*", "--yes"]).await;
    assert_eq!(server.database().bans(), ["*@*"]);
    operator.run_ok(&["unban", "*@*"]).await;
    // At a terminal, `admin-cli` asks.
    for (answer, code, bans) in [("n", 1, 0), ("", 1, 0), ("y", 0, 1)] {
        let mut ban = operator.start_in_terminal(&["ban", "127.0.0.0/8", "--for", "7d"]);
        ban.expect_text("[y/N]").await;
        ban.type_line(answer);
        let ended = ban.wait().await;
        assert_eq!(
            (ended.code, server.database().bans().len()),
            (Some(code), bans),
            "{}",
            ended.transcript
        );
    }
}

#[tokio::test]
async fn a_permanent_ban_without_a_reason_is_confirmed_at_a_terminal() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    for (answer, code, bans) in [("n", 1, 0), ("y", 0, 1)] {
        let mut ban = operator.start_in_terminal(&["ban", "mallory"]);
        ban.expect_text("permanently and without a reason").await;
        ban.expect_text("[y/N]").await;
        ban.type_line(answer);
        let ended = ban.wait().await;
        assert_eq!(
            (ended.code, server.database().bans().len()),
            (Some(code), bans),
            "{}",
            ended.transcript
        );
    }
}

#[tokio::test]
async fn a_banned_mailbox_cannot_register_in_another_spelling() {
    let server = Server::with(&[
        "accounts.emails_without_tags=['example.org']",
        "accounts.emails_without_dots=['example.org']",
    ])
    .await;
    let operator = Operator::sign_in(&server, "root").await;
    drop(Client::register(&server, "bob").await);
    operator.run_ok(&["ban", "bob", "--reason", "spam"]).await;
    let mut again = Client::negotiating(&server, "robert").await;
    for spelling in [
        "BOB@Example.org",
        "bob+again@example.org",
        "b.o.b@example.org",
    ] {
        again
            .send(&format!("REGISTER robert {spelling} :{PASSWORD}"))
            .await;
        let refusal = again
            .expect("a refusal", |message| message.command == "FAIL")
            .await;
        assert_eq!(refusal.params[1], "UNACCEPTABLE_EMAIL", "{refusal}");
        assert!(refusal.params.last().unwrap().contains("spam"), "{refusal}");
    }
    let acts: Value = operator.run_json(&["audit"]).await;
    let bans = acts["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["act"] == "ban");
    assert_eq!(
        bans.map(|entry| entry["target"].clone())
            .collect::<Vec<_>>(),
        [json!("bob")]
    );
}

#[tokio::test]
async fn a_user_banned_during_sign_in_is_not_admitted_under_any_nick() {
    let server = Server::with(&["accounts.free_nicks = true"]).await;
    let operator = Operator::sign_in(&server, "root").await;
    drop(Client::register(&server, "bob").await);
    let credential = device_credential(6);
    // One client has authenticated and only needs to end its handshake; one waits for its code.
    let mut laptop = Client::try_sign_in(&server, "robert", "bob", PASSWORD).await;
    laptop.expect_numeric("903").await;
    let mut phone = Client::negotiating(&server, "bobby").await;
    phone
        .authenticate("X-EMAIL-CODE", b"bob\0bob@example.org")
        .await;
    let code = server.mailbox().code_to("bob@example.org").await;
    // Others sign in while the ban is being made.
    let mut crowd = Vec::new();
    for number in 0..6 {
        let mut client = Client::connect(&server, "bob").await;
        client.negotiate(&format!("bob{number}")).await;
        crowd.push(client);
    }
    let rush = crowd.into_iter().map(async |mut client| {
        client
            .authenticate("PLAIN", format!("\0bob\0{PASSWORD}").as_bytes())
            .await;
        client.send("CAP END").await;
        client.read_until_closed().await
    });
    let (users, rushed) = tokio::join!(
        async {
            operator.run_ok(&["ban", "bob", "--reason", "spam"]).await;
            operator.run_json(&["list"]).await["users"].clone()
        },
        join_all(rush)
    );
    assert_eq!(users, json!([]), "success means that every session is gone");
    for received in rushed {
        let error = received.last().unwrap().to_string();
        assert_eq!(
            error, "ERROR :Banned: spam",
            "admitted and then closed, or never admitted: {received:?}"
        );
    }
    laptop.send("CAP END").await;
    phone
        .respond(format!("{code}\0{}", credential.expose()).as_bytes())
        .await;
    phone.send("CAP END").await;
    for mut late in [laptop, phone] {
        let received = late.read_until_closed().await;
        assert!(
            received.iter().all(|message| message.command != "001"),
            "{received:?}"
        );
        assert!(
            received.iter().any(|message| message.command == "465"),
            "{received:?}"
        );
    }
}

#[tokio::test]
async fn a_ban_of_an_email_pattern_ends_sessions_and_refuses_sign_in() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut bob = Client::register(&server, "bob").await;
    let mut alice = Client::register(&server, "alice").await;
    operator
        .run_ok(&["ban", "b*@EXAMPLE.org", "--reason", "bots"])
        .await;
    assert_eq!(
        bob.read_until_closed().await.last().unwrap().to_string(),
        "ERROR :Banned: bots"
    );
    alice.say("#lobby", "quiet again").await;
    let received = Client::sign_in_refused(&server, "bob", PASSWORD).await;
    assert!(
        received.iter().any(|message| message.command == "465"),
        "{received:?}"
    );
    let mut again = Client::handshake(&server, "ben").await;
    again
        .send(&format!("REGISTER ben ben@example.org :{PASSWORD}"))
        .await;
    let refusal = again
        .expect("a refusal", |message| {
            is_command(message, "FAIL", "REGISTER")
        })
        .await;
    assert_eq!(refusal.params[1], "UNACCEPTABLE_EMAIL", "{refusal}");
}

#[tokio::test]
async fn a_ban_expires_by_itself_and_stays_in_the_audit_trail() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    drop(Client::register(&server, "bob").await);
    operator.run_ok(&["ban", "bob", "--for", "4s"]).await;
    let received = Client::sign_in_refused(&server, "bob", PASSWORD).await;
    assert!(
        received.iter().any(|message| message.command == "465"),
        "{received:?}"
    );
    let deadline = std::time::Instant::now() + rookery_tests::DEADLINE;
    loop {
        let mut bob = Client::try_sign_in(&server, "bob", "bob", PASSWORD).await;
        bob.send("CAP END").await;
        let outcome = bob.expect("a welcome or the ban", |message| {
            ["001", "465"].contains(&&*message.command)
        });
        if outcome.await.command == "001" {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "the ban does not end");
    }
    assert_eq!(operator.run_json(&["bans"]).await["bans"], json!([]));
    let entries: Value = operator.run_json(&["audit", "--act", "ban"]).await;
    assert_eq!(entries["entries"][0]["target"], "bob", "{entries}");
    assert!(
        entries["entries"][0]["detail"]
            .as_str()
            .unwrap()
            .starts_with("until "),
        "{entries}"
    );
}
