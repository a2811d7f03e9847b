//! Seen means stored.

use std::time::Duration;

use rookery_tests::irc::{Client, starts};
use rookery_tests::server::Server;

#[tokio::test]
async fn after_kill_9_every_message_that_anyone_saw_is_in_the_database() {
    let mut server =
        Server::with(&["limits.message_burst = 0", "limits.messages_per_second = 0"]).await;
    let mut senders = Vec::new();
    for name in ["alice", "bob"] {
        senders.push(Client::register(&server, name).await);
    }
    let mut listener = Client::register(&server, "listener").await;

    let sending: Vec<_> = senders
        .into_iter()
        .map(|mut sender| {
            tokio::spawn(async move {
                // Until the connection is gone; its echoes are receipts, and are read at the same
                // time.
                let mut seen = Vec::new();
                for number in 0.. {
                    sender
                        .send(&format!("PRIVMSG #lobby :{number} of {}", sender.name()))
                        .await;
                    if number % 20 == 19 {
                        let Ok(Some(message)) =
                            tokio::time::timeout(Duration::from_secs(10), sender.next()).await
                        else {
                            break;
                        };
                        seen.extend(said(&message));
                        seen.extend(sender.so_far().iter().filter_map(said));
                    }
                }
                seen
            })
        })
        .collect();
    let mut seen = Vec::new();
    while seen.len() < 500 {
        let message = listener
            .expect("a message", |message| message.command == "PRIVMSG")
            .await;
        seen.extend(said(&message));
    }
    server.kill9();
    seen.extend(listener.until_closed().await.iter().filter_map(said));
    for task in sending {
        seen.extend(task.await.unwrap());
    }

    server.restart().await;
    let stored: std::collections::HashSet<String> =
        server.record().messages().into_iter().collect();
    let lost: Vec<&String> = seen.iter().filter(|text| !stored.contains(*text)).collect();
    assert!(
        lost.is_empty(),
        "{} of {} seen messages are lost, as {:?}",
        lost.len(),
        seen.len(),
        lost[0]
    );

    let mut alice = Client::sign_in(&server, "alice").await;
    alice.say("#lobby", "back again").await;
}

fn said(message: &rookery_protocol::Message) -> Option<String> {
    (message.command == "PRIVMSG").then(|| message.params.last().unwrap().clone())
}

#[tokio::test]
async fn accounts_outlive_the_death_of_the_server() {
    let mut server = Server::start().await;
    drop(Client::register(&server, "alice").await);
    server.kill9();
    server.restart().await;
    Client::sign_in(&server, "alice").await;
}

#[tokio::test]
async fn without_history_nothing_is_stored_and_all_is_heard() {
    let server = Server::with(&["history.enabled = false"]).await;
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    alice.say("#lobby", "off the record").await;
    bob.expect_said("alice", "#lobby", "off the record").await;
    assert!(server.record().messages().is_empty());
}

#[tokio::test]
async fn after_kill_9_a_channel_that_lasts_is_as_it_was_last_seen() {
    let mut server = Server::start().await;
    let mut alice = Client::register(&server, "alice").await;
    alice.send("JOIN #hers").await;
    alice.expect_numeric("366").await;
    let mut bob = Client::register(&server, "bob").await;
    bob.send("JOIN #hers").await;
    bob.expect_numeric("366").await;
    for line in [
        "TOPIC #hers :what it is about",
        "MODE #hers +smb evil!*@*",
        "ACCESS #hers ADD bob voice",
        "PRIVMSG #hers :remember this",
        "JOIN #given",
    ] {
        alice.send(line).await;
    }
    bob.expect("the last of it", |message| message.command == "PRIVMSG")
        .await;
    bob.send("JOIN #given").await;
    alice
        .expect("bob", |message| {
            starts(message, "JOIN", "#given") && message.source_nick() == Some("bob")
        })
        .await;
    alice.send("MODE #given +q bob").await;
    bob.expect("the gift", |message| starts(message, "MODE", "#given"))
        .await;
    server.kill9();

    server.restart().await;
    let mut alice = Client::sign_in(&server, "alice").await;
    alice.send("JOIN #hers").await;
    assert_eq!(
        alice.expect_numeric("332").await.params[1..],
        ["#hers", "what it is about"]
    );
    assert_eq!(alice.expect_numeric("353").await.params[3], "~alice");
    alice.send("MODE #hers").await;
    assert_eq!(
        alice.expect_numeric("324").await.params[1..],
        ["#hers", "+mnst"]
    );
    alice.send("MODE #hers b").await;
    assert_eq!(alice.expect_numeric("367").await.params[2], "evil!*@*");
    alice.send("CAP REQ :draft/chathistory").await;
    alice.send("CHATHISTORY LATEST #hers * 10").await;
    alice.expect_text("remember this").await;
    let mut bob = Client::sign_in(&server, "bob").await;
    for (channel, names) in [("#hers", "~alice +bob"), ("#given", "~bob")] {
        bob.send(&format!("JOIN {channel}")).await;
        let told = bob
            .expect(channel, |message| {
                message.command == "353" && message.params[2] == channel
            })
            .await;
        assert_eq!(told.params[3], names);
    }
}
