//! IRCv3 extensions, all of them enabled at once, before and after a crash of the server.

use rookery_protocol::{Capability, Message};
use rookery_tests::irc::{Client, PASSWORD, is_command};
use rookery_tests::server::Server;

/// Capabilities that suppress what [`Client::wait_until_admitted`] waits for: joining the lobby and
/// its names.
const EXCLUDED: [Capability; 2] = [Capability::Visitor, Capability::NoImplicitNames];

/// Signs in with every other capability.
async fn sign_in(server: &Server, name: &str) -> Client {
    let mut client = Client::negotiating(server, name).await;
    let asked = Capability::ALL
        .iter()
        .filter(|capability| !EXCLUDED.contains(capability));
    let names: Vec<&str> = asked.map(|capability| capability.name()).collect();
    client.send(&format!("CAP REQ :{}", names.join(" "))).await;
    client
        .expect("CAP ACK", |message| message.param(1) == Some("ACK"))
        .await;
    client.sign_in_with(name, PASSWORD).await;
    client
}

/// Starts a server with alice and bob in `#nest`, which alice has created.
async fn alice_and_bob() -> (Server, Client, Client) {
    let server = Server::with(&["limits.message_burst = 0"]).await;
    for name in ["alice", "bob"] {
        drop(Client::register(&server, name).await);
    }
    let (mut alice, mut bob) = (
        sign_in(&server, "alice").await,
        sign_in(&server, "bob").await,
    );
    for client in [&mut alice, &mut bob] {
        client.send("JOIN #nest").await;
        client
            .expect("JOIN", |message| is_command(message, "JOIN", "#nest"))
            .await;
    }
    for client in [&mut alice, &mut bob] {
        client.sync().await;
    }
    (server, alice, bob)
}

fn batch_of(message: &Message) -> Option<&str> {
    message.tags.get("batch")
}

#[tokio::test]
async fn a_multiline_message_has_one_echo_and_is_redacted_as_a_whole() {
    let (_server, mut alice, mut bob) = alice_and_bob().await;
    for line in [
        "@label=poem BATCH +p draft/multiline #nest",
        "@batch=p PRIVMSG #nest :one",
        "@batch=p PRIVMSG #nest :",
        "@batch=p PRIVMSG #nest :three, and",
        "@batch=p;draft/multiline-concat PRIVMSG #nest : more of it",
        "BATCH -p",
    ] {
        alice.send(line).await;
    }
    let echo = alice
        .expect("the echo", |message| message.command == "BATCH")
        .await;
    assert_eq!(echo.tags.get("label"), Some("poem"), "{echo}");
    let id = echo.tags.get("msgid").expect("it has an id").to_owned();
    let open = bob
        .expect("BATCH", |message| message.command == "BATCH")
        .await;
    assert_eq!(open.tags.get("msgid"), Some(&*id), "{open}");
    let name = open.param(0).unwrap().trim_start_matches('+').to_owned();
    let lines: Vec<Message> = bob
        .sync()
        .await
        .into_iter()
        .filter(|message| batch_of(message) == Some(&name))
        .collect();
    let texts: Vec<&str> = lines.iter().map(|line| line.param(1).unwrap()).collect();
    assert_eq!(texts, ["one", "", "three, and", " more of it"]);
    assert!(lines[3].tags.get("draft/multiline-concat").is_some());

    alice
        .send(&format!("@label=back REDACT #nest {id} :never mind"))
        .await;
    let redacted = alice
        .expect("REDACT", |message| message.command == "REDACT")
        .await;
    assert_eq!(redacted.tags.get("label"), Some("back"));
    bob.expect("REDACT", |message| {
        message.params == ["#nest", &*id, "never mind"]
    })
    .await;
    bob.send("CHATHISTORY LATEST #nest * 10").await;
    let page = bob.sync().await;
    assert!(
        !page
            .iter()
            .any(|message| message.params.contains(&"one".to_owned())),
        "{page:?}"
    );
}

#[tokio::test]
async fn metadata_reaches_its_subscribers_and_survives_a_crash() {
    let (mut server, mut alice, mut bob) = alice_and_bob().await;
    bob.send("METADATA * SUB homepage").await;
    bob.expect_numeric("770").await;
    for target in ["*", "#nest"] {
        alice
            .send(&format!(
                "@label=s METADATA {target} SET homepage :https://example.org/{target}"
            ))
            .await;
        let set = alice.expect_numeric("761").await;
        assert_eq!(set.tags.get("label"), Some("s"));
        let update = bob.expect_numeric("761").await;
        assert_eq!(
            update.params.last().unwrap(),
            &format!("https://example.org/{target}")
        );
    }
    alice
        .send("METADATA * SET other :without subscribers")
        .await;
    alice.expect_numeric("761").await;
    assert!(bob.sync().await.is_empty());
    server.kill9();
    server.restart().await;
    let mut bob = sign_in(&server, "bob").await;
    bob.send("METADATA #nest GET homepage").await;
    assert_eq!(
        bob.expect_numeric("761").await.params.last().unwrap(),
        "https://example.org/#nest"
    );
    let mut alice = sign_in(&server, "alice").await;
    alice.send("METADATA * LIST").await;
    let list = alice.sync().await;
    assert_eq!(
        list.iter()
            .filter(|message| message.command == "761")
            .count(),
        2,
        "{list:?}"
    );
}

#[tokio::test]
async fn a_renamed_channel_keeps_its_state_even_after_a_crash() {
    let (mut server, mut alice, mut bob) = alice_and_bob().await;
    let mut old = Client::sign_in(&server, "bob").await;
    old.sync().await;
    alice.say("#nest", "before").await;
    alice.send("TOPIC #nest :Eggs").await;
    bob.sync().await;
    bob.send("MARKREAD #nest timestamp=2020-01-01T00:00:00.000Z")
        .await;
    bob.sync().await;
    alice.send("@label=r RENAME #nest #tower :higher up").await;
    let renamed = alice
        .expect("RENAME", |message| message.command == "RENAME")
        .await;
    assert_eq!(renamed.tags.get("label"), Some("r"));
    bob.expect("RENAME", |message| {
        message.params == ["#nest", "#tower", "higher up"]
    })
    .await;
    old.expect("PART", |message| is_command(message, "PART", "#nest"))
        .await;
    old.expect("JOIN", |message| is_command(message, "JOIN", "#tower"))
        .await;
    alice.say("#tower", "after").await;
    server.kill9();
    server.restart().await;
    let mut bob = sign_in(&server, "bob").await;
    bob.send("JOIN #tower").await;
    assert_eq!(
        bob.expect_numeric("332").await.params.last().unwrap(),
        "Eggs"
    );
    bob.expect("its marker", |message| {
        message.command == "MARKREAD"
            && message.params == ["#tower", "timestamp=2020-01-01T00:00:00.000Z"]
    })
    .await;
    bob.sync().await;
    bob.send("CHATHISTORY LATEST #tower * 10").await;
    let page = bob.sync().await;
    let said = |text: &str| {
        page.iter()
            .any(|message| message.params.last().is_some_and(|last| last == text))
    };
    assert!(
        said("after") && !said("before"),
        "its history starts empty: {page:?}"
    );
    bob.send("JOIN #nest").await;
    bob.expect("that it was renamed", |message| {
        message.command == "FAIL" && message.params[..2] == ["JOIN", "CHANNEL_RENAMED"]
    })
    .await;
}

#[tokio::test]
async fn monitoring_a_nick_reports_every_change_of_its_user() {
    let (server, mut alice, mut bob) = alice_and_bob().await;
    bob.send("PART #nest").await;
    bob.send("PART #lobby").await;
    bob.sync().await;
    alice.send("QUIT").await;
    alice.read_until_closed().await;
    bob.send("MONITOR + alice").await;
    bob.expect_numeric("731").await;
    let mut alice = sign_in(&server, "alice").await;
    bob.expect_numeric("730").await;
    alice.send("AWAY :for tea").await;
    bob.expect("AWAY", |message| {
        message.command == "AWAY" && message.params == ["for tea"]
    })
    .await;
    alice.send("SETNAME :Alice of the tower").await;
    bob.expect("SETNAME", |message| {
        is_command(message, "SETNAME", "Alice of the tower")
    })
    .await;
    alice.send("QUIT").await;
    bob.expect_numeric("731").await;
}

#[tokio::test]
async fn isupport_before_sign_in_equals_isupport_after_it() {
    let server = Server::start().await;
    drop(Client::register(&server, "alice").await);
    let mut alice = Client::negotiating(&server, "alice").await;
    alice.send("CAP REQ :draft/extended-isupport").await;
    alice.send("@label=i ISUPPORT").await;
    let open = alice
        .expect("BATCH", |message| message.command == "BATCH")
        .await;
    assert_eq!(
        (open.tags.get("label"), open.param(1)),
        (Some("i"), Some("draft/isupport"))
    );
    let tokens = |received: &[Message]| -> Vec<String> {
        let lines = received.iter().filter(|message| message.command == "005");
        lines
            .flat_map(|line| line.params[1..line.params.len() - 1].to_vec())
            .collect()
    };
    let early = tokens(&alice.sync().await);
    assert!(early.iter().any(|token| token == "UTF8ONLY"), "{early:?}");
    alice.sign_in_with("alice", PASSWORD).await;
    alice.send("ISUPPORT").await;
    assert_eq!(tokens(&alice.sync().await), early);
}
