//! A message that any client has received survives a crash of the server.

use std::time::Duration;

use rookery_protocol::Message;
use rookery_tests::irc::{Client, is_command};
use rookery_tests::server::Server;

#[tokio::test]
async fn after_kill_9_every_message_that_any_client_received_is_stored() {
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
                // Sends until the connection is lost, and reads the echoes at the same time: each
                // echo means that a message is stored.
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
                        seen.extend(text_of(&message));
                        seen.extend(sender.buffered_messages().iter().filter_map(text_of));
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
        seen.extend(text_of(&message));
    }
    server.kill9();
    seen.extend(
        listener
            .read_until_closed()
            .await
            .iter()
            .filter_map(text_of),
    );
    for task in sending {
        seen.extend(task.await.unwrap());
    }

    server.restart().await;
    let stored: std::collections::HashSet<String> =
        server.database().messages().into_iter().collect();
    let lost: Vec<&String> = seen.iter().filter(|text| !stored.contains(*text)).collect();
    assert!(
        lost.is_empty(),
        "{} of {} received messages are lost, for example {:?}",
        lost.len(),
        seen.len(),
        lost[0]
    );

    let mut alice = Client::sign_in(&server, "alice").await;
    alice.say("#lobby", "back again").await;
}

/// Each of many sends as fast as it receives its own messages.
#[tokio::test]
async fn everyone_receives_what_many_send_at_once_in_one_order_which_is_that_of_the_history() {
    const SENDERS: usize = 6;
    const MESSAGES: usize = 200;
    let server = Server::with(&[
        "accounts.required = false",
        "limits.message_burst = 0",
        "limits.messages_per_second = 0",
    ])
    .await;
    let mut members = Vec::new();
    for number in 0..SENDERS + 2 {
        let mut member = Client::handshake(&server, &format!("member{number}")).await;
        member.wait_until_admitted().await;
        members.push(member);
    }
    let tasks = members.into_iter().enumerate().map(|(index, mut member)| {
        tokio::spawn(async move {
            let own = format!("{index} ");
            let mut seen = Vec::new();
            let (mut sent, mut echoed) = (0, 0);
            while seen.len() < SENDERS * MESSAGES {
                if index < SENDERS && sent < MESSAGES && echoed == sent {
                    for number in sent..sent + 20 {
                        let line = format!("PRIVMSG #lobby :{own}{number}");
                        member.send(&line).await;
                    }
                    sent += 20;
                }
                let is_message = |message: &Message| message.command == "PRIVMSG";
                let message = member.expect("a message", is_message).await;
                let text = text_of(&message).unwrap();
                echoed += usize::from(text.starts_with(&own));
                seen.push(text);
            }
            seen
        })
    });
    let by_sender = |seen: &[String]| {
        let own = |index: usize| {
            let own = format!("{index} ");
            let numbers = seen.iter().filter_map(move |text| text.strip_prefix(&own));
            numbers.map(str::to_owned).collect::<Vec<_>>()
        };
        (0..SENDERS).map(own).collect::<Vec<_>>()
    };
    let in_order: Vec<String> = (0..MESSAGES).map(|number| number.to_string()).collect();
    let tasks: Vec<_> = tasks.collect();
    let mut orders = Vec::new();
    for task in tasks {
        orders.push(task.await.unwrap());
    }
    let history = server.database().messages();
    assert!(orders.iter().all(|order| *order == history));
    assert_eq!(
        by_sender(&history),
        vec![in_order; SENDERS],
        "of each sender"
    );
}

fn text_of(message: &Message) -> Option<String> {
    (message.command == "PRIVMSG").then(|| message.params.last().unwrap().clone())
}

/// Registers someone, kills the server after a message, and removes the log with it.
async fn kill_and_remove_log(server: &mut Server, name: &str) {
    drop(Client::register(server, name).await);
    let log = server.path("data/rookery.db-wal");
    // The server may have just emptied the log.
    loop {
        let mut client = Client::sign_in(server, name).await;
        client.say("#lobby", "soon lost").await;
        server.kill9();
        if log.metadata().is_ok_and(|log| log.len() > 0) {
            break;
        }
        server.restart().await;
    }
    std::fs::remove_file(&log).unwrap();
}

#[tokio::test]
async fn changes_that_are_lost_with_a_removed_write_ahead_log_are_reported() {
    let mut server = Server::start().await;
    kill_and_remove_log(&mut server, "alice").await;
    server.restart().await;
    server
        .expect_log(&["ERROR", "rookery.db-wal", "are lost"], 1)
        .await;
}

#[tokio::test]
async fn a_command_before_the_start_reports_the_lost_changes() {
    let mut server = Server::start().await;
    let reports = |server: &Server, command: &[&str]| {
        let errors = String::from_utf8(server.rookeryd(command).stderr).unwrap();
        errors.contains("rookery.db-wal") && errors.contains("are lost")
    };
    for (name, command) in [
        ("alice", ["admin", "list"]),
        ("bob", ["audit", "verify"]),
        ("carol", ["audit", "head"]),
    ] {
        assert!(!reports(&server, &command), "{command:?} beside the server");
        kill_and_remove_log(&mut server, name).await;
        assert!(reports(&server, &command), "{command:?}");
        assert!(!reports(&server, &command), "{command:?} once more");
        server.restart().await;
    }
}

#[tokio::test]
async fn of_several_commands_at_once_one_reports_the_lost_changes() {
    let mut server = Server::start().await;
    kill_and_remove_log(&mut server, "alice").await;
    let files = ["data/rookery.db", "data/rookery.db-shm"].map(|file| server.path(file));
    let left = files.each_ref().map(|file| std::fs::read(file).unwrap());
    for round in 0..20 {
        for (file, content) in files.iter().zip(&left) {
            std::fs::write(file, content).unwrap();
        }
        let reports = std::thread::scope(|scope| {
            let run = || {
                let errors = server.rookeryd(&["audit", "head"]).stderr;
                String::from_utf8(errors).unwrap().contains("are lost")
            };
            let commands: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
            commands
                .into_iter()
                .map(|command| command.join().unwrap())
                .filter(|reported| *reported)
                .count()
        });
        assert_eq!(reports, 1, "in round {round}");
    }
}

#[tokio::test]
async fn accounts_survive_a_crash() {
    let mut server = Server::start().await;
    drop(Client::register(&server, "alice").await);
    server.kill9();
    server.restart().await;
    Client::sign_in(&server, "alice").await;
}

#[tokio::test]
async fn without_history_messages_are_delivered_but_not_stored() {
    let server = Server::with(&["history.enabled = false"]).await;
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    alice.say("#lobby", "off the record").await;
    bob.expect_privmsg("alice", "#lobby", "off the record")
        .await;
    assert!(server.database().messages().is_empty());
}

#[tokio::test]
async fn after_kill_9_a_persistent_channel_is_unchanged() {
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
        "JOIN #transferred",
    ] {
        alice.send(line).await;
    }
    bob.expect("the last message", |message| message.command == "PRIVMSG")
        .await;
    bob.send("JOIN #transferred").await;
    alice
        .expect("bob", |message| {
            is_command(message, "JOIN", "#transferred") && message.source_nick() == Some("bob")
        })
        .await;
    alice.send("MODE #transferred +q bob").await;
    bob.expect("the MODE", |message| {
        is_command(message, "MODE", "#transferred")
    })
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
    for (channel, names) in [("#hers", "~alice +bob"), ("#transferred", "~bob")] {
        bob.send(&format!("JOIN {channel}")).await;
        let reply = bob
            .expect(channel, |message| {
                message.command == "353" && message.params[2] == channel
            })
            .await;
        assert_eq!(reply.params[3], names);
    }
}
