//! One account on several devices at once, and on none.

use rookery_protocol::Message;
use rookery_tests::admin::Operator;
use rookery_tests::irc::{Client, starts};
use rookery_tests::server::Server;

/// Signs in again, with more capabilities than usual.
async fn device(server: &Server, name: &str, capabilities: &str) -> Client {
    let mut client = Client::connect(server, name).await;
    client.negotiate(name).await;
    client.send(&format!("CAP REQ :{capabilities}")).await;
    client
        .expect("CAP ACK", |message| message.param(1) == Some("ACK"))
        .await;
    client
        .sign_in_with(name, rookery_tests::irc::PASSWORD)
        .await;
    client
}

/// What of it was heard that tells of people and of what they said, in short.
fn shortly(heard: &[Message]) -> Vec<String> {
    let told = [
        "PRIVMSG", "JOIN", "PART", "QUIT", "AWAY", "MARKREAD", "NICK",
    ];
    let of_note = heard
        .iter()
        .filter(|message| told.contains(&message.command.as_str()));
    of_note
        .map(|message| {
            let who = message.source_nick().unwrap_or_default();
            format!("{who} {} {}", message.command, message.params.join(" "))
                .trim_end()
                .to_owned()
        })
        .collect()
}

/// All that was heard since the last look.
async fn hear(client: &mut Client) -> Vec<String> {
    shortly(&client.heard().await)
}

#[tokio::test]
async fn three_devices_are_one_user_and_each_sees_what_the_others_do() {
    let server = Server::with(&["limits.message_burst = 0"]).await;
    Client::register(&server, "alice").await.send("QUIT").await;
    let mut bob = Client::register(&server, "bob").await;
    bob.send("CAP REQ :away-notify").await;
    bob.heard().await;
    let more = "away-notify draft/chathistory draft/read-marker draft/pre-away";
    let mut phone = device(&server, "alice", more).await;
    let mut desktop = device(&server, "alice", more).await;
    // One that comes by itself, and knows no more than any client did thirty years ago.
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
    script.admitted().await;
    for client in [&mut phone, &mut desktop, &mut script, &mut bob] {
        client.heard().await;
    }

    // Joins are shared: each hears of it, with the names, and bob once.
    desktop.send("JOIN #work").await;
    desktop
        .expect("the names", |message| starts(message, "366", "alice"))
        .await;
    let joined = ["alice JOIN #work", "rookery.test MARKREAD #work *"];
    assert_eq!(hear(&mut phone).await, joined);
    assert_eq!(hear(&mut script).await, joined[..1]);
    bob.send("JOIN #work").await;
    bob.expect("the names", |message| starts(message, "366", "bob"))
        .await;
    for client in [&mut phone, &mut desktop, &mut script] {
        client
            .expect("bob", |message| starts(message, "JOIN", "#work"))
            .await;
    }

    // What one says, the others see, and the speaker as it has asked for.
    phone.say("#work", "from the phone").await;
    script.send("PRIVMSG bob :from the script").await;
    bob.expect_said("alice", "bob", "from the script").await;
    bob.say("alice", "an answer").await;
    let talk = [
        "alice PRIVMSG bob from the script",
        "bob PRIVMSG alice an answer",
    ];
    assert_eq!(hear(&mut phone).await, talk);
    assert_eq!(
        hear(&mut desktop).await,
        [&["alice PRIVMSG #work from the phone"][..], &talk].concat()
    );
    assert_eq!(
        hear(&mut script).await,
        ["alice PRIVMSG #work from the phone", talk[1]]
    );

    // Away is who is away everywhere; the script counts for nobody.
    bob.heard().await;
    phone.send("AWAY :on the train").await;
    phone.expect_numeric("306").await;
    assert_eq!(hear(&mut bob).await, [""; 0]);
    desktop.send("AWAY :at lunch").await;
    desktop.expect_numeric("306").await;
    assert_eq!(hear(&mut bob).await, ["alice AWAY at lunch"]);
    assert_eq!(hear(&mut phone).await, ["alice AWAY at lunch"]);
    phone.send("AWAY").await;
    phone.expect_numeric("305").await;
    assert_eq!(hear(&mut bob).await, ["alice AWAY"]);

    // What was read here is read there.
    phone
        .send("MARKREAD #work timestamp=2026-01-02T03:04:05.678Z")
        .await;
    let read = "rookery.test MARKREAD #work timestamp=2026-01-02T03:04:05.678Z";
    assert_eq!(hear(&mut phone).await, [read]);
    let heard = hear(&mut desktop).await;
    assert_eq!(heard.last().map(String::as_str), Some(read), "{heard:?}");
    assert_eq!(hear(&mut script).await, [""; 0]);

    // Leaving one device leaves no channel, and nobody sees it.
    phone.send("QUIT :out of battery").await;
    phone.until_closed().await;
    assert_eq!(
        hear(&mut bob).await,
        ["alice AWAY at lunch"],
        "nobody sits at the others"
    );
    bob.say("#work", "still there?").await;
    let mut phone = device(&server, "alice", more).await;
    assert_eq!(hear(&mut bob).await, ["alice AWAY"], "no JOIN");
    phone.send("MARKREAD #work").await;
    phone
        .expect("the marker", |message| {
            message.command == "MARKREAD" && shortly(std::slice::from_ref(message)) == [read]
        })
        .await;
    phone.send("CHATHISTORY LATEST #work * 1").await;
    phone.expect_text("still there?").await;

    // Parts are shared, and the nick is the account's everywhere.
    script.heard().await;
    desktop.heard().await;
    phone.send("NICK other").await;
    phone.expect_numeric("400").await;
    phone.send("PART #work :done").await;
    phone
        .expect("the PART", |message| starts(message, "PART", "#work"))
        .await;
    for client in [&mut desktop, &mut script, &mut bob] {
        assert_eq!(hear(client).await, ["alice PART #work done"]);
    }
    for mut client in [phone, desktop, script] {
        client.send("QUIT").await;
        client.until_closed().await;
    }
    let heard = hear(&mut bob).await;
    assert_eq!(
        heard
            .iter()
            .filter(|line| line.starts_with("alice QUIT"))
            .count(),
        1,
        "{heard:?}"
    );
}

#[tokio::test]
async fn whoever_is_always_on_is_there_after_a_restart_and_finds_what_was_missed() {
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
    alice.until_closed().await;
    bob.say("#work", "one").await;
    bob.say("alice", "between us").await;
    bob.expect_numeric("301").await;
    server.kill9();
    server.restart().await;

    let mut bob = Client::sign_in(&server, "bob").await;
    bob.send("JOIN #work").await;
    assert!(bob.expect_numeric("353").await.params[3].contains("alice"));
    bob.say("alice", "and again").await;
    assert!(bob.expect_numeric("301").await.params[2].starts_with("Nobody is at the keyboard"));
    let operator = Operator::sign_in(&server, "root").await;
    let list = operator.done(&["list"]).await;
    assert!(
        list.contains("alice@example.org") && list.contains("2 users online"),
        "{list}"
    );

    let mut alice = Client::sign_in(&server, "alice").await;
    for text in ["between us", "and again", "one"] {
        alice.expect_text(text).await;
    }
    let kicked = operator.done(&["kick", "alice"]).await;
    assert!(kicked.contains("1 session of alice ended"), "{kicked}");
    bob.send("WHOIS alice").await;
    bob.expect_numeric("401").await;
    server.sigterm().await;
    server.restart().await;
    let mut bob = Client::sign_in(&server, "bob").await;
    bob.send("WHOIS alice").await;
    bob.expect_numeric("401").await;
}
