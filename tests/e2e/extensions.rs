//! What modern clients ask for, all of it at once, over the wire and over a crash.

use rookery_protocol::{Capability, Message};
use rookery_tests::irc::{Client, PASSWORD, starts};
use rookery_tests::server::Server;

/// What keeps away what [`Client::admitted`] waits for: the lobby, and its names.
const LEFT_OUT: [Capability; 2] = [Capability::Visitor, Capability::NoImplicitNames];

/// Signs in with every other capability there is.
async fn enter(server: &Server, name: &str) -> Client {
    let mut client = Client::connect(server, name).await;
    client.negotiate(name).await;
    let asked = Capability::ALL
        .iter()
        .filter(|capability| !LEFT_OUT.contains(capability));
    let names: Vec<&str> = asked.map(|capability| capability.name()).collect();
    client.send(&format!("CAP REQ :{}", names.join(" "))).await;
    client
        .expect("CAP ACK", |message| message.param(1) == Some("ACK"))
        .await;
    client.sign_in_with(name, PASSWORD).await;
    client
}

/// Alice and bob, in `#nest`, which alice has made.
async fn scene() -> (Server, Client, Client) {
    let server = Server::with(&["limits.message_burst = 0"]).await;
    for name in ["alice", "bob"] {
        drop(Client::register(&server, name).await);
    }
    let (mut alice, mut bob) = (enter(&server, "alice").await, enter(&server, "bob").await);
    for client in [&mut alice, &mut bob] {
        client.send("JOIN #nest").await;
        client
            .expect("JOIN", |message| starts(message, "JOIN", "#nest"))
            .await;
    }
    for client in [&mut alice, &mut bob] {
        client.heard().await;
    }
    (server, alice, bob)
}

fn batch_of(message: &Message) -> Option<&str> {
    message.tags.get("batch")
}

#[tokio::test]
async fn a_message_of_several_lines_is_one_answer_and_is_taken_back_as_one() {
    let (_server, mut alice, mut bob) = scene().await;
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
        .heard()
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
    let page = bob.heard().await;
    assert!(
        !page
            .iter()
            .any(|message| message.params.contains(&"one".to_owned())),
        "{page:?}"
    );
}

#[tokio::test]
async fn what_somebody_says_of_itself_is_followed_and_outlives_a_crash() {
    let (mut server, mut alice, mut bob) = scene().await;
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
        let told = bob.expect_numeric("761").await;
        assert_eq!(
            told.params.last().unwrap(),
            &format!("https://example.org/{target}")
        );
    }
    alice
        .send("METADATA * SET other :nobody follows this")
        .await;
    alice.expect_numeric("761").await;
    assert!(bob.heard().await.is_empty());
    server.kill9();
    server.restart().await;
    let mut bob = enter(&server, "bob").await;
    bob.send("METADATA #nest GET homepage").await;
    assert_eq!(
        bob.expect_numeric("761").await.params.last().unwrap(),
        "https://example.org/#nest"
    );
    let mut alice = enter(&server, "alice").await;
    alice.send("METADATA * LIST").await;
    let list = alice.heard().await;
    assert_eq!(
        list.iter()
            .filter(|message| message.command == "761")
            .count(),
        2,
        "{list:?}"
    );
}

#[tokio::test]
async fn a_channel_under_another_name_is_the_same_channel_also_after_a_crash() {
    let (mut server, mut alice, mut bob) = scene().await;
    let mut old = Client::sign_in(&server, "bob").await;
    old.heard().await;
    alice.say("#nest", "before").await;
    alice.send("TOPIC #nest :Eggs").await;
    bob.heard().await;
    bob.send("MARKREAD #nest timestamp=2020-01-01T00:00:00.000Z")
        .await;
    bob.heard().await;
    alice.send("@label=r RENAME #nest #tower :higher up").await;
    let renamed = alice
        .expect("RENAME", |message| message.command == "RENAME")
        .await;
    assert_eq!(renamed.tags.get("label"), Some("r"));
    bob.expect("RENAME", |message| {
        message.params == ["#nest", "#tower", "higher up"]
    })
    .await;
    old.expect("PART", |message| starts(message, "PART", "#nest"))
        .await;
    old.expect("JOIN", |message| starts(message, "JOIN", "#tower"))
        .await;
    alice.say("#tower", "after").await;
    server.kill9();
    server.restart().await;
    let mut bob = enter(&server, "bob").await;
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
    bob.heard().await;
    bob.send("CHATHISTORY LATEST #tower * 10").await;
    let page = bob.heard().await;
    let said = |text: &str| {
        page.iter()
            .any(|message| message.params.last().is_some_and(|last| last == text))
    };
    assert!(
        said("after") && !said("before"),
        "its history begins anew: {page:?}"
    );
    bob.send("JOIN #nest").await;
    bob.heard().await;
    bob.say("#nest", "mine now").await;
}

#[tokio::test]
async fn who_monitors_a_nick_sees_all_that_becomes_of_it() {
    let (server, mut alice, mut bob) = scene().await;
    bob.send("PART #nest").await;
    bob.send("PART #lobby").await;
    bob.heard().await;
    alice.send("QUIT").await;
    alice.until_closed().await;
    bob.send("MONITOR + alice").await;
    bob.expect_numeric("731").await;
    let mut alice = enter(&server, "alice").await;
    bob.expect_numeric("730").await;
    alice.send("AWAY :for tea").await;
    bob.expect("AWAY", |message| {
        message.command == "AWAY" && message.params == ["for tea"]
    })
    .await;
    alice.send("SETNAME :Alice of the tower").await;
    bob.expect("SETNAME", |message| {
        starts(message, "SETNAME", "Alice of the tower")
    })
    .await;
    alice.send("QUIT").await;
    bob.expect_numeric("731").await;
}

#[tokio::test]
async fn a_stranger_may_ask_what_is_supported_and_is_told_the_same_later() {
    let server = Server::start().await;
    drop(Client::register(&server, "alice").await);
    let mut alice = Client::connect(&server, "alice").await;
    alice.negotiate("alice").await;
    alice.send("CAP REQ :draft/extended-isupport").await;
    alice.send("@label=i ISUPPORT").await;
    let open = alice
        .expect("BATCH", |message| message.command == "BATCH")
        .await;
    assert_eq!(
        (open.tags.get("label"), open.param(1)),
        (Some("i"), Some("draft/isupport"))
    );
    let tokens = |heard: &[Message]| -> Vec<String> {
        let lines = heard.iter().filter(|message| message.command == "005");
        lines
            .flat_map(|line| line.params[1..line.params.len() - 1].to_vec())
            .collect()
    };
    let early = tokens(&alice.heard().await);
    assert!(early.iter().any(|token| token == "UTF8ONLY"), "{early:?}");
    alice.sign_in_with("alice", PASSWORD).await;
    alice.send("ISUPPORT").await;
    assert_eq!(tokens(&alice.heard().await), early);
}
