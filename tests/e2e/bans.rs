//! Bans of addresses, networks and emails in other spellings, as those hear of them who are hit.

use std::net::{IpAddr, Ipv4Addr};

use futures_util::future::join_all;
use rookery_tests::admin::Operator;
use rookery_tests::irc::{Client, PASSWORD, device_credential, starts, tcp_from};
use rookery_tests::server::Server;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 77));
/// A TLS record: fatal alert, `access_denied`.
const ACCESS_DENIED: [u8; 7] = [21, 3, 3, 0, 2, 2, 49];

#[tokio::test]
async fn a_banned_network_hears_why_before_it_can_say_anything_and_is_let_in_again_by_unban() {
    let server = Server::with(&["accounts.required=false"]).await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut guest = come_in(&server, "guest", ELSEWHERE).await;
    let mut alice = come_in(&server, "alice", IpAddr::V4(Ipv4Addr::LOCALHOST)).await;

    let preview = operator
        .done(&["--json", "ban", "--dry-run", "127.0.0.64/26"])
        .await;
    let preview: Value = serde_json::from_str(&preview).unwrap();
    assert_eq!(preview["users"][0]["nick"], "guest", "{preview}");
    assert!(server.record().bans().is_empty());

    operator
        .done(&[
            "ban",
            "127.0.0.64/26",
            "--reason",
            "flooding",
            "--for",
            "7d",
        ])
        .await;
    let heard = guest.until_closed().await;
    assert_eq!(heard.last().unwrap().to_string(), "ERROR :Banned: flooding");
    assert!(operator.done(&["bans"]).await.contains("127.0.0.64/26"));
    alice.say("#lobby", "quiet again").await;

    let mut again = Client::connect_from(&server, "again", ELSEWHERE).await;
    let heard = again.until_closed().await;
    assert_eq!(heard[0].command, "465", "{heard:?}");
    assert!(heard[0].params[1].contains("flooding (until "), "{heard:?}");
    assert_eq!(heard.last().unwrap().to_string(), "ERROR :Banned: flooding");

    operator.done(&["unban", "127.0.0.99/26"]).await;
    come_in(&server, "back", ELSEWHERE).await;
}

async fn come_in(server: &Server, name: &str, from: IpAddr) -> Client {
    let mut guest = Client::connect_from(server, name, from).await;
    guest.negotiate(name).await;
    guest.send("CAP END").await;
    guest.expect_numeric("366").await;
    guest
}

#[tokio::test]
async fn a_flood_from_a_banned_address_is_refused_without_a_handshake() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    operator.done(&["ban", "127.0.0.77"]).await;
    // They speak to nobody, and so keep those places that are there for words.
    let mut silent = Vec::new();
    for _ in 0..16 {
        silent.push(tcp_from(&server, ELSEWHERE).await);
    }
    server.expect_log("refused: banned", 16).await;
    let mut one_more = tcp_from(&server, ELSEWHERE).await;
    let mut heard = Vec::new();
    one_more.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, ACCESS_DENIED);
    Client::register(&server, "alice").await;
}

#[tokio::test]
async fn a_ban_of_the_world_or_of_oneself_takes_a_yes() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    for target in ["*@*", "127.0.0.0/8", "root@operators.example.org"] {
        let ended = operator.run(&["ban", target]).await;
        assert_eq!(ended.code, Some(1), "{}", ended.transcript);
        assert!(ended.transcript.contains("--yes"), "{}", ended.transcript);
    }
    assert!(server.record().bans().is_empty());
    operator.done(&["ban", "*@*", "--yes"]).await;
    assert_eq!(server.record().bans(), ["*@*"]);
    operator.done(&["unban", "*@*"]).await;
    // At a terminal, it is asked.
    for (answer, code, bans) in [("n", 1, 0), ("", 1, 0), ("y", 0, 1)] {
        let mut ban = operator.start_in_terminal(&["ban", "127.0.0.0/8"]);
        ban.expect_text("Continue? [y/N]").await;
        ban.type_line(answer);
        let ended = ban.ended().await;
        assert_eq!(
            (ended.code, server.record().bans().len()),
            (Some(code), bans),
            "{}",
            ended.transcript
        );
    }
}

#[tokio::test]
async fn a_banned_mailbox_gets_no_account_in_another_spelling() {
    let server = Server::with(&[
        "accounts.emails_without_tags=['example.org']",
        "accounts.emails_without_dots=['example.org']",
    ])
    .await;
    let operator = Operator::sign_in(&server, "root").await;
    drop(Client::register(&server, "bob").await);
    operator.done(&["ban", "bob", "--reason", "spam"]).await;
    let mut again = Client::connect(&server, "robert").await;
    again.negotiate("robert").await;
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
    let acts: Value = serde_json::from_str(&operator.done(&["--json", "audit"]).await).unwrap();
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
async fn whoever_was_signing_in_when_the_ban_came_is_not_let_in_under_any_nick() {
    let server = Server::with(&["accounts.free_nicks = true"]).await;
    let operator = Operator::sign_in(&server, "root").await;
    drop(Client::register(&server, "bob").await);
    let credential = device_credential(6);
    // One has shown its password and has only to end its handshake; one waits for its mailed code.
    let mut desk = Client::try_sign_in(&server, "robert", "bob", PASSWORD).await;
    desk.expect_numeric("903").await;
    let mut phone = Client::connect(&server, "bobby").await;
    phone.negotiate("bobby").await;
    phone
        .authenticate("X-EMAIL-CODE", b"bob\0bob@example.org")
        .await;
    let code = server.mailbox().code_to("bob@example.org").await;
    // Others come in while the ban is made.
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
        client.until_closed().await
    });
    let (told, rushed) = tokio::join!(
        async {
            let told = operator.done(&["ban", "bob", "--reason", "spam"]).await;
            (told, operator.done(&["list"]).await)
        },
        join_all(rush)
    );
    assert!(
        told.0.contains("Banned bob") && told.1.contains("0 users online"),
        "done means done: {told:?}"
    );
    for heard in rushed {
        let farewell = heard.last().unwrap().to_string();
        assert_eq!(
            farewell, "ERROR :Banned: spam",
            "in and out again, or never in: {heard:?}"
        );
    }
    desk.send("CAP END").await;
    phone
        .respond(format!("{code}\0{}", credential.expose()).as_bytes())
        .await;
    phone.send("CAP END").await;
    for mut late in [desk, phone] {
        let heard = late.until_closed().await;
        assert!(
            heard.iter().all(|message| message.command != "001"),
            "{heard:?}"
        );
        assert!(
            heard.iter().any(|message| message.command == "465"),
            "{heard:?}"
        );
    }
}

#[tokio::test]
async fn a_pattern_of_emails_ends_and_refuses_those_it_covers() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut bob = Client::register(&server, "bob").await;
    let mut alice = Client::register(&server, "alice").await;
    operator
        .done(&["ban", "b*@EXAMPLE.org", "--reason", "bots"])
        .await;
    assert_eq!(
        bob.until_closed().await.last().unwrap().to_string(),
        "ERROR :Banned: bots"
    );
    alice.say("#lobby", "quiet again").await;
    let heard = Client::sign_in_refused(&server, "bob", PASSWORD).await;
    assert!(
        heard.iter().any(|message| message.command == "465"),
        "{heard:?}"
    );
    let mut again = Client::introduce(&server, "ben").await;
    again
        .send(&format!("REGISTER ben ben@example.org :{PASSWORD}"))
        .await;
    let refusal = again
        .expect("a refusal", |message| starts(message, "FAIL", "REGISTER"))
        .await;
    assert_eq!(refusal.params[1], "UNACCEPTABLE_EMAIL", "{refusal}");
}

#[tokio::test]
async fn a_ban_with_an_end_stops_by_itself_and_stays_in_the_trail() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    drop(Client::register(&server, "bob").await);
    operator.done(&["ban", "bob", "--for", "4s"]).await;
    let heard = Client::sign_in_refused(&server, "bob", PASSWORD).await;
    assert!(
        heard.iter().any(|message| message.command == "465"),
        "{heard:?}"
    );
    let deadline = std::time::Instant::now() + rookery_tests::DEADLINE;
    loop {
        let mut bob = Client::try_sign_in(&server, "bob", "bob", PASSWORD).await;
        bob.send("CAP END").await;
        let answer = bob.expect("a welcome or the ban", |message| {
            ["001", "465"].contains(&&*message.command)
        });
        if answer.await.command == "001" {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "the ban does not end");
    }
    assert!(operator.done(&["bans"]).await.contains("0 bans"));
    let entries: Value =
        serde_json::from_str(&operator.done(&["--json", "audit", "--act", "ban"]).await).unwrap();
    assert_eq!(entries["entries"][0]["target"], "bob", "{entries}");
    assert!(
        entries["entries"][0]["detail"]
            .as_str()
            .unwrap()
            .starts_with("until "),
        "{entries}"
    );
}
