//! One account on several devices at once, and on none.
//!
//! All sessions of an account are one user: they share channels, nick, read markers and messages.

use rookery_protocol::Message;
use rookery_tests::admin::Operator;
use rookery_tests::irc::{Client, is_command};
use rookery_tests::server::Server;

/// Signs in with more capabilities than usual.
async fn device(server: &Server, name: &str, capabilities: &str) -> Client {
    let mut client = Client::negotiating(server, name).await;
    client.send(&format!("CAP REQ :{capabilities}")).await;
    client
        .expect("CAP ACK", |message| message.param(1) == Some("ACK"))
        .await;
    client
        .sign_in_with(name, rookery_tests::irc::PASSWORD)
        .await;
    client
}

/// Returns the messages from and about users in short form: sender, command and parameters.
fn summarize(received: &[Message]) -> Vec<String> {
    let commands = [
        "PRIVMSG", "JOIN", "PART", "QUIT", "AWAY", "MARKREAD", "NICK",
    ];
    let relevant = received
        .iter()
        .filter(|message| commands.contains(&message.command.as_str()));
    relevant
        .map(|message| {
            let who = message.source_nick().unwrap_or_default();
            format!("{who} {} {}", message.command, message.params.join(" "))
                .trim_end()
                .to_owned()
        })
        .collect()
}

/// Returns a summary of everything received since the last call.
async fn new_messages(client: &mut Client) -> Vec<String> {
    summarize(&client.sync().await)
}

#[tokio::test]
async fn three_devices_are_one_user_and_each_sees_what_the_others_do() {
    let server = Server::with(&["limits.message_burst = 0"]).await;
    Client::register(&server, "alice").await.send("QUIT").await;
    let mut bob = Client::register(&server, "bob").await;
    bob.send("CAP REQ :away-notify").await;
    bob.sync().await;
    let more = "away-notify draft/chathistory draft/read-marker draft/pre-away";
    let mut phone = device(&server, "alice", more).await;
    let mut desktop = device(&server, "alice", more).await;
    // A script, which runs without a person and has few capabilities.
    let mut script = Client::connect(&server, "alice").await;
    script.send("CAP REQ :sasl draft/pre-away").await;
    script.send("NICK alice").await;
    script.send("USER script 0 * :A script").await;
    script
        .authenticate(
            "PLAIN",
            format!("\0alice\0{}", rookery_tests::irc::PASSWORD).as_bytes(),
        )
        .await;
    script.expect_numeric("903").await;
    script.send("AWAY *").await;
    script.expect_numeric("306").await;
    script.send("CAP END").await;
    script.wait_until_admitted().await;
    for client in [&mut phone, &mut desktop, &mut script, &mut bob] {
        client.sync().await;
    }

    // Joins are shared: every session gets the JOIN and the names, and bob gets one JOIN.
    desktop.send("JOIN #work").await;
    desktop
        .expect("the names", |message| is_command(message, "366", "alice"))
        .await;
    let joined = ["alice JOIN #work", "rookery.test MARKREAD #work *"];
    assert_eq!(new_messages(&mut phone).await, joined);
    assert_eq!(new_messages(&mut script).await, joined[..1]);
    bob.send("JOIN #work").await;
    bob.expect("the names", |message| is_command(message, "366", "bob"))
        .await;
    for client in [&mut phone, &mut desktop, &mut script] {
        client
            .expect("bob", |message| is_command(message, "JOIN", "#work"))
            .await;
    }

    // The other sessions get what one sends; the sender gets an echo if it requested echo-message.
    phone.say("#work", "from the phone").await;
    script.send("PRIVMSG bob :from the script").await;
    bob.expect_privmsg("alice", "bob", "from the script").await;
    bob.say("alice", "an answer").await;
    let talk = [
        "alice PRIVMSG bob from the script",
        "bob PRIVMSG alice an answer",
    ];
    assert_eq!(new_messages(&mut phone).await, talk);
    assert_eq!(
        new_messages(&mut desktop).await,
        [&["alice PRIVMSG #work from the phone"][..], &talk].concat()
    );
    assert_eq!(
        new_messages(&mut script).await,
        ["alice PRIVMSG #work from the phone", talk[1]]
    );

    // A user is away if all sessions are; a session with AWAY * does not count.
    bob.sync().await;
    phone.send("AWAY :on the train").await;
    phone.expect_numeric("306").await;
    assert_eq!(new_messages(&mut bob).await, [""; 0]);
    desktop.send("AWAY :at lunch").await;
    desktop.expect_numeric("306").await;
    assert_eq!(new_messages(&mut bob).await, ["alice AWAY at lunch"]);
    assert_eq!(new_messages(&mut phone).await, ["alice AWAY at lunch"]);
    phone.send("AWAY").await;
    phone.expect_numeric("305").await;
    assert_eq!(new_messages(&mut bob).await, ["alice AWAY"]);

    // Read markers are shared.
    phone
        .send("MARKREAD #work timestamp=2026-01-02T03:04:05.678Z")
        .await;
    let read = "rookery.test MARKREAD #work timestamp=2026-01-02T03:04:05.678Z";
    assert_eq!(new_messages(&mut phone).await, [read]);
    let received = new_messages(&mut desktop).await;
    assert_eq!(
        received.last().map(String::as_str),
        Some(read),
        "{received:?}"
    );
    assert_eq!(new_messages(&mut script).await, [""; 0]);

    // A QUIT of one session leaves no channel, and others do not see it.
    phone.send("QUIT :out of battery").await;
    phone.read_until_closed().await;
    assert_eq!(
        new_messages(&mut bob).await,
        ["alice AWAY at lunch"],
        "the remaining sessions are away"
    );
    bob.say("#work", "still there?").await;
    let mut phone = device(&server, "alice", more).await;
    assert_eq!(new_messages(&mut bob).await, ["alice AWAY"], "no JOIN");
    phone.send("MARKREAD #work").await;
    phone
        .expect("the marker", |message| {
            message.command == "MARKREAD" && summarize(std::slice::from_ref(message)) == [read]
        })
        .await;
    phone.send("CHATHISTORY LATEST #work * 1").await;
    phone.expect_text("still there?").await;

    // Parts are shared, and the nick is that of the account in every session.
    script.sync().await;
    desktop.sync().await;
    phone.send("NICK other").await;
    phone.expect_numeric("447").await;
    phone.send("PART #work :done").await;
    phone
        .expect("the PART", |message| is_command(message, "PART", "#work"))
        .await;
    for client in [&mut desktop, &mut script, &mut bob] {
        assert_eq!(new_messages(client).await, ["alice PART #work done"]);
    }
    for mut client in [phone, desktop, script] {
        client.send("QUIT").await;
        client.read_until_closed().await;
    }
    let received = new_messages(&mut bob).await;
    assert_eq!(
        received
            .iter()
            .filter(|line| line.starts_with("alice QUIT"))
            .count(),
        1,
        "{received:?}"
    );
}

#[tokio::test]
async fn an_always_on_user_survives_a_restart_and_gets_missed_messages() {
    let mut server = Server::start().await;
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    for line in ["SET always-on on", "JOIN #work"] {
        alice.send(line).await;
    }
    alice
        .expect("the names", |message| {
            message.command == "366" && message.param(1) == Some("#work")
        })
        .await;
    bob.send("JOIN #work").await;
    bob.expect("the names", |message| {
        message.command == "366" && message.param(1) == Some("#work")
    })
    .await;
    alice.send("QUIT").await;
    alice.read_until_closed().await;
    bob.say("#work", "one").await;
    bob.say("alice", "between us").await;
    bob.expect_numeric("301").await;
    server.kill9();
    server.restart().await;

    let mut bob = Client::sign_in(&server, "bob").await;
    bob.send("JOIN #work").await;
    assert!(bob.expect_numeric("353").await.params[3].contains("alice"));
    bob.say("alice", "and again").await;
    let away = bob.expect_numeric("301").await;
    assert!(
        away.params[1] == "alice" && !away.params[2].is_empty(),
        "{away}"
    );
    let operator = Operator::sign_in(&server, "root").await;
    let list = operator.run_json(&["list"]).await;
    assert_eq!(
        (
            &list["users"][0]["account"],
            list["users"].as_array().map(Vec::len)
        ),
        (&"alice".into(), Some(2)),
        "{list}"
    );

    let mut alice = Client::sign_in(&server, "alice").await;
    for text in ["between us", "and again", "one"] {
        alice.expect_text(text).await;
    }
    let kicked = operator.run_json(&["kick", "alice"]).await;
    assert_eq!(kicked["sessions"], 1, "{kicked}");
    bob.send("WHOIS alice").await;
    bob.expect_numeric("401").await;
    server.sigterm().await;
    server.restart().await;
    let mut bob = Client::sign_in(&server, "bob").await;
    bob.send("WHOIS alice").await;
    bob.expect_numeric("401").await;
}
