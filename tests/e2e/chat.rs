//! Talking: who hears what, and what slow or bad company does to others.

use rookery_tests::irc::Client;
use rookery_tests::server::Server;

#[tokio::test]
async fn a_channel_hears_what_is_said_in_it_and_a_direct_message_reaches_one() {
    let server = Server::start().await;
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    let mut carol = Client::register(&server, "carol").await;

    alice.say("#lobby", "good morning").await;
    let heard = bob.expect_said("alice", "#lobby", "good morning").await;
    assert!(
        heard.tags.get("msgid").is_some() && heard.tags.get("time").is_some(),
        "{heard:?}"
    );
    assert_eq!(heard.tags.get("account"), Some("alice"));
    carol.expect_said("alice", "#lobby", "good morning").await;

    bob.say("alice", "between you and me").await;
    alice
        .expect_said("bob", "alice", "between you and me")
        .await;
    let heard = carol.heard().await;
    assert!(
        heard.iter().all(|message| message.command != "PRIVMSG"),
        "{heard:?}"
    );
}

#[tokio::test]
async fn whoever_left_a_channel_hears_it_no_more() {
    let server = Server::start().await;
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    bob.send("PART #lobby").await;
    alice
        .expect("bob's PART", |message| {
            message.command == "PART" && message.source_nick() == Some("bob")
        })
        .await;
    alice.say("#lobby", "now that he is gone").await;
    let heard = bob.heard().await;
    assert!(
        heard.iter().all(|message| message.command != "PRIVMSG"),
        "{heard:?}"
    );
}

#[tokio::test]
async fn a_reader_that_stops_reading_is_closed_and_others_miss_nothing() {
    const MESSAGES: usize = 6000;
    let server = Server::with(&[
        "limits.sendq_bytes = 65536",
        "limits.message_burst = 0",
        "limits.messages_per_second = 0",
        // The one who sends fast reads its echoes fast, too; but not before it has sent a batch.
        "log.level = \"info\"",
    ])
    .await;
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    drop(Client::register(&server, "slow").await);
    let mut slow = Client::connect_narrow(&server, "slow").await;
    slow.negotiate("slow").await;
    slow.sign_in_with("slow", rookery_tests::irc::PASSWORD)
        .await;

    let listening = tokio::spawn(async move {
        for number in 0..MESSAGES {
            let message = bob
                .expect("a message", |message| message.command == "PRIVMSG")
                .await;
            let text = message
                .param(1)
                .unwrap()
                .split(' ')
                .next()
                .unwrap()
                .to_owned();
            assert_eq!(
                text,
                format!("m{number}"),
                "none missing, none twice, in order"
            );
        }
        bob
    });
    let filler = "x".repeat(380);
    for batch in 0..MESSAGES / 50 {
        for number in batch * 50..(batch + 1) * 50 {
            alice
                .send(&format!("PRIVMSG #lobby :m{number} {filler}"))
                .await;
        }
        let last = format!("m{} {filler}", batch * 50 + 49);
        alice.expect_said("alice", "#lobby", &last).await;
    }
    let mut bob = listening.await.unwrap();
    bob.expect("the slow one's QUIT", |message| {
        message.command == "QUIT" && message.source_nick() == Some("slow")
    })
    .await;
}

#[tokio::test]
async fn who_sends_too_fast_is_slowed_and_loses_nothing() {
    let server = Server::with(&[
        "limits.message_burst = 10",
        "limits.messages_per_second = 20",
    ])
    .await;
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    for number in 0..40 {
        alice.send(&format!("PRIVMSG #lobby :{number}")).await;
    }
    let start = std::time::Instant::now();
    for number in 0..40 {
        bob.expect_said("alice", "#lobby", &number.to_string())
            .await;
    }
    assert!(
        start.elapsed().as_millis() > 800,
        "40 messages at 20 a second after 10: {:?}",
        start.elapsed()
    );
}
