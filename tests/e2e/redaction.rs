//! Redaction: deleted messages are gone from the history and from the disk.

use rookery_protocol::Message;
use rookery_tests::admin::Operator;
use rookery_tests::irc::{Client, is_command};
use rookery_tests::server::Server;
use rookery_tests::wait_for;
use serde_json::Value;

/// Requests more capabilities.
async fn with(mut client: Client, capabilities: &str) -> Client {
    client.send(&format!("CAP REQ :{capabilities}")).await;
    client
        .expect("CAP ACK", |message| {
            message.command == "CAP" && message.param(1) == Some("ACK")
        })
        .await;
    client
}

/// Sends a message and returns its id.
async fn say(client: &mut Client, target: &str, text: &str) -> String {
    client.send(&format!("PRIVMSG {target} :{text}")).await;
    let echo = client.expect("the echo", |message| {
        message.params.last().is_some_and(|last| last == text)
    });
    echo.await.tags.get("msgid").unwrap().to_owned()
}

/// Returns the texts that `CHATHISTORY` finds.
async fn history(client: &mut Client, target: &str) -> Vec<String> {
    client.sync().await;
    client
        .send(&format!("CHATHISTORY LATEST {target} * 20"))
        .await;
    let received = client.sync().await;
    let said = received.iter().filter(|message| message.command != "BATCH");
    said.map(|message| message.params.last().unwrap().clone())
        .collect()
}

fn is_redaction(message: &Message) -> bool {
    message.command == "REDACT"
}

#[tokio::test]
async fn a_redacted_message_is_gone_from_the_history_and_from_the_disk() {
    let mut server = Server::start().await;
    let capabilities = "draft/chathistory draft/message-redaction";
    let mut alice = with(Client::register(&server, "alice").await, capabilities).await;
    let mut bob = with(Client::register(&server, "bob").await, capabilities).await;
    let mut plain = Client::register(&server, "carl").await;
    alice.say("#lobby", "good morning").await;
    let msgid = say(&mut alice, "#lobby", "my password is hunter22").await;
    alice.say("#lobby", "have a nice day").await;
    assert!(server.data_contains("hunter22"));

    bob.send(&format!("REDACT #lobby {msgid}")).await;
    let refusal = bob
        .expect("a refusal", |message| is_command(message, "FAIL", "REDACT"))
        .await;
    assert_eq!(refusal.param(1), Some("REDACT_FORBIDDEN"));
    alice
        .send(&format!("@label=r1 REDACT #lobby {msgid} :oh no"))
        .await;
    let receipt = alice.expect("the receipt", is_redaction).await;
    assert_eq!(receipt.tags.get("label"), Some("r1"));
    let seen = bob.expect("the redaction", is_redaction).await;
    assert_eq!(seen.params, ["#lobby", &msgid, "oh no"]);
    let notice = plain
        .expect("a notice in place of REDACT", |message| {
            is_command(message, "NOTICE", "#lobby")
        })
        .await;
    assert_eq!(notice.source_nick(), Some("alice"), "{notice}");

    // A redaction that was seen is stored.
    server.kill9();
    server.restart().await;
    let mut bob = Client::sign_in(&server, "bob").await;
    // After a crash, he is sent it again.
    bob.expect_privmsg("alice", "#lobby", "have a nice day")
        .await;
    let mut bob = with(bob, capabilities).await;
    assert_eq!(
        history(&mut bob, "#lobby").await,
        ["good morning", "have a nice day"]
    );
    wait_for("the text is gone from the disk", || {
        (!server.data_contains("hunter22")).then_some(())
    })
    .await;
    assert!(server.data_contains("have a nice day"));
    bob.send("CAP REQ draft/event-playback").await;
    assert_eq!(
        history(&mut bob, "#lobby").await,
        ["good morning", "have a nice day", "oh no"]
    );

    let mut alice = with(Client::sign_in(&server, "alice").await, capabilities).await;
    alice.send(&format!("REDACT #lobby {msgid}")).await;
    let refusal = alice
        .expect("a refusal", |message| is_command(message, "FAIL", "REDACT"))
        .await;
    assert_eq!(
        refusal.param(1),
        Some("UNKNOWN_MSGID"),
        "the message is gone"
    );
}

#[tokio::test]
async fn a_direct_message_is_redacted_on_every_device_of_both_users() {
    let server = Server::with(&["history.redaction_minutes = 10"]).await;
    let mut alice = with(
        Client::register(&server, "alice").await,
        "draft/message-redaction",
    )
    .await;
    let mut bob = with(
        Client::register(&server, "bob").await,
        "draft/message-redaction",
    )
    .await;
    let mut phone = with(
        Client::sign_in(&server, "bob").await,
        "draft/message-redaction",
    )
    .await;
    let msgid = say(&mut alice, "bob", "psst").await;
    for client in [&mut bob, &mut phone] {
        client.expect_privmsg("alice", "bob", "psst").await;
    }
    alice.send(&format!("REDACT bob {msgid}")).await;
    for client in [&mut alice, &mut bob, &mut phone] {
        assert_eq!(
            client.expect("the redaction", is_redaction).await.params,
            ["bob", &msgid]
        );
    }
}

#[tokio::test]
async fn without_history_nothing_can_be_redacted() {
    let server = Server::with(&["history.enabled = false"]).await;
    let mut alice = Client::register(&server, "alice").await;
    for line in ["CAP REQ draft/message-redaction", "REDACT #lobby m"] {
        alice.sync().await;
        alice.send(line).await;
        let received = alice.sync().await;
        let refused = received
            .iter()
            .any(|message| message.command == "421" || message.param(1) == Some("NAK"));
        assert!(refused, "{line}: {received:?}");
    }
}

#[tokio::test]
async fn an_operator_searches_and_redacts_messages() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut alice = with(
        Client::register(&server, "alice").await,
        "draft/message-redaction draft/chathistory",
    )
    .await;
    let mut bob = Client::register(&server, "bob").await;
    let first = say(&mut bob, "#lobby", "cheap PILLS here").await;
    say(&mut bob, "#lobby", "and more of them").await;
    let direct = say(&mut bob, "alice", "pills, just for you").await;
    alice.say("#lobby", "hello").await;

    let found: Value = operator.run_json(&["messages", "--text", "pills"]).await;
    let messages = found["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 1, "direct messages are not found: {found}");
    assert_eq!(
        (&messages[0]["msgid"], &messages[0]["nick"]),
        (&Value::from(first.clone()), &Value::from("bob"))
    );
    bob.send("JOIN #nest").await;
    say(&mut bob, "#nest", "a nest of PILLS").await;
    let texts = async |filters: &[&str]| -> Vec<String> {
        let found = operator
            .run_ok(&[&["--json", "messages"], filters].concat())
            .await;
        let found: Value = serde_json::from_str(&found).unwrap();
        let texts = found["messages"].as_array().unwrap().iter();
        texts
            .map(|message| message["text"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(texts(&["--author", "ALICE"]).await, ["hello"]);
    assert_eq!(
        texts(&["--text", "pills", "--channel", "nest"]).await,
        ["a nest of PILLS"]
    );
    assert_eq!(
        texts(&["--since", "1h", "--limit", "2"]).await,
        ["a nest of PILLS", "hello"]
    );
    assert!(texts(&["--until", "1h"]).await.is_empty());
    assert!(texts(&["--since", "2100-01-01T00:00:00Z"]).await.is_empty());
    operator
        .run_ok(&["redact", "--author", "bob", "--channel", "nest", "--yes"])
        .await;
    assert_eq!(
        texts(&["--author", "bob"]).await.len(),
        2,
        "messages in other channels stay"
    );
    assert_eq!(operator.run(&["redact", "no-such-id"]).await.code, Some(1));

    operator
        .run_ok(&["redact", &first, "--reason", "spam"])
        .await;
    let seen = alice.expect("the redaction", is_redaction).await;
    assert_eq!(seen.source.as_deref(), Some("rookery.test"));
    assert_eq!(seen.params, ["#lobby", &first, "spam"]);
    let notice = bob
        .expect("a notice in place of REDACT", |message| {
            is_command(message, "NOTICE", "#lobby")
        })
        .await;
    assert!(notice.params[1].contains("bob"), "{notice}");
    operator.run_ok(&["redact", &direct]).await;
    assert_eq!(
        alice.expect("the redaction", is_redaction).await.params[..2],
        ["bob".to_owned(), direct]
    );

    let refused = operator.run(&["redact", "--author", "bob"]).await;
    assert_eq!(refused.code, Some(1), "{}", refused.transcript);
    assert!(
        refused.transcript.contains("1 message"),
        "{}",
        refused.transcript
    );
    let preview = operator
        .run_ok(&["redact", "--author", "bob", "--dry-run"])
        .await;
    assert!(preview.contains("1 message"), "{preview}");
    assert_eq!(
        history(&mut alice, "#lobby").await.len(),
        2,
        "a dry run redacts nothing"
    );
    operator
        .run_ok(&["redact", "--author", "bob", "--yes"])
        .await;
    assert_eq!(history(&mut alice, "#lobby").await, ["hello"]);
    let refused = operator.run(&["channel", "purge", "lobby"]).await;
    assert_eq!(refused.code, Some(1), "{}", refused.transcript);
    operator
        .run_ok(&["channel", "purge", "lobby", "--before", "1h", "--yes"])
        .await;
    assert_eq!(history(&mut alice, "#lobby").await, ["hello"]);
    operator
        .run_ok(&["channel", "purge", "lobby", "--yes"])
        .await;
    assert!(history(&mut alice, "#lobby").await.is_empty());
    for text in ["PILLS", "more of them", "just for you", "hello"] {
        wait_for("the text is gone from the disk", || {
            (!server.data_contains(text)).then_some(())
        })
        .await;
    }
    let trail = server.database().audit();
    assert_eq!(
        trail
            .iter()
            .filter(|entry| entry.act.starts_with("redact"))
            .count(),
        7
    );
    assert!(trail.iter().all(|entry| !entry.detail.contains("cheap")));
}
