//! Messages: who receives them, and how slow and fast clients are handled.

use rookery_tests::irc::{Client, tcp_connect_from};
use rookery_tests::server::Server;
use tokio::sync::watch;

#[tokio::test]
async fn a_channel_message_reaches_all_members_and_a_direct_message_only_its_receiver() {
    let server = Server::start().await;
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    let mut carol = Client::register(&server, "carol").await;

    alice.say("#lobby", "good morning").await;
    let received = bob.expect_privmsg("alice", "#lobby", "good morning").await;
    assert!(
        received.tags.get("msgid").is_some() && received.tags.get("time").is_some(),
        "{received:?}"
    );
    assert_eq!(received.tags.get("account"), Some("alice"));
    carol
        .expect_privmsg("alice", "#lobby", "good morning")
        .await;

    bob.say("alice", "between you and me").await;
    alice
        .expect_privmsg("bob", "alice", "between you and me")
        .await;
    let received = carol.sync().await;
    assert!(
        received.iter().all(|message| message.command != "PRIVMSG"),
        "{received:?}"
    );
}

#[tokio::test]
async fn a_user_who_left_a_channel_no_longer_gets_its_messages() {
    let server = Server::start().await;
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    bob.send("PART #lobby").await;
    alice
        .expect("bob's PART", |message| {
            message.command == "PART" && message.source_nick() == Some("bob")
        })
        .await;
    alice.say("#lobby", "after bob left").await;
    let received = bob.sync().await;
    assert!(
        received.iter().all(|message| message.command != "PRIVMSG"),
        "{received:?}"
    );
}

#[tokio::test]
async fn a_client_that_stops_reading_is_closed_and_others_miss_nothing() {
    a_client_that_stops_reading_is_closed("limits.sendq_bytes = 65536").await;
}

#[tokio::test]
async fn the_client_with_the_fullest_queue_is_closed_if_all_queues_exceed_their_limit() {
    // Several times what the clients that read may have in theirs.
    a_client_that_stops_reading_is_closed("limits.sendq_total_bytes = 262144").await;
}

async fn a_client_that_stops_reading_is_closed(limit: &str) {
    const MESSAGES: usize = 6000;
    let server = Server::with(&[
        limit,
        "limits.message_burst = 0",
        "limits.messages_per_second = 0",
    ])
    .await;
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    drop(Client::register(&server, "slow").await);
    let mut slow = Client::connect_with_small_buffer(&server, "slow").await;
    slow.negotiate("slow").await;
    slow.sign_in_with("slow", rookery_tests::irc::PASSWORD)
        .await;

    let (received, mut by_bob) = watch::channel(0);
    let listening = tokio::spawn(async move {
        let mut number = 0;
        let mut has_slow_quit = false;
        while number < MESSAGES || !has_slow_quit {
            let message = bob
                .expect("a message or the slow client's QUIT", |message| {
                    message.command == "PRIVMSG"
                        || message.command == "QUIT" && message.source_nick() == Some("slow")
                })
                .await;
            if message.command == "QUIT" {
                has_slow_quit = true;
                continue;
            }
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
                "no message is missing, repeated or out of order"
            );
            number += 1;
            received.send_replace(number);
        }
    });
    let filler = "x".repeat(380);
    for batch in 0..MESSAGES / 50 {
        for number in batch * 50..(batch + 1) * 50 {
            alice
                .send(&format!("PRIVMSG #lobby :m{number} {filler}"))
                .await;
        }
        let last = format!("m{} {filler}", batch * 50 + 49);
        alice.expect_privmsg("alice", "#lobby", &last).await;
        // Bob reads all that he is sent, so that his queue is never the fullest.
        let all = (batch + 1) * 50;
        by_bob.wait_for(|&number| number >= all).await.unwrap();
    }
    listening.await.unwrap();
}

#[tokio::test]
async fn a_client_that_reads_nothing_of_its_reply_is_disconnected() {
    const MESSAGES: usize = 500;
    let server = Server::with(&[
        "limits.ping_seconds = 2",
        "limits.message_burst = 0",
        "limits.messages_per_second = 0",
    ])
    .await;
    let mut alice = Client::register(&server, "alice").await;
    drop(Client::register(&server, "silent").await);
    // More than the server has queued for one client before it waits.
    let filler = "x".repeat(380);
    for number in 0..MESSAGES {
        alice
            .send(&format!("PRIVMSG #lobby :m{number} {filler}"))
            .await;
    }
    let last = format!("m{} {filler}", MESSAGES - 1);
    alice.expect_privmsg("alice", "#lobby", &last).await;
    let mut silent = Client::connect_with_small_buffer(&server, "silent").await;
    silent.negotiate("silent").await;
    silent
        .sign_in_with("silent", rookery_tests::irc::PASSWORD)
        .await;
    silent.send("CAP REQ :draft/chathistory batch").await;
    silent
        .send(&format!("CHATHISTORY LATEST #lobby * {MESSAGES}"))
        .await;
    let quit = alice
        .expect("the silent client's QUIT", |message| {
            message.command == "QUIT" && message.source_nick() == Some("silent")
        })
        .await;
    let reason = quit.param(0).unwrap();
    assert_eq!(reason, "Ping timeout: 4 seconds");
}

#[tokio::test]
async fn a_client_that_sends_too_fast_is_slowed_down_and_loses_nothing() {
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
        bob.expect_privmsg("alice", "#lobby", &number.to_string())
            .await;
    }
    assert!(
        start.elapsed().as_millis() > 800,
        "40 messages at 20 a second after 10: {:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_session_beyond_the_limit_of_an_account_ends_the_oldest() {
    let server = Server::with(&["limits.sessions_per_account = 2"]).await;
    let mut first = Client::register(&server, "alice").await;
    let mut second = Client::sign_in(&server, "alice").await;
    let mut third = Client::sign_in(&server, "alice").await;
    let received = first.read_until_closed().await;
    let last = received.last().expect("a reason");
    assert!(last.command == "ERROR" && last.param(0).unwrap().starts_with("Displaced: "));
    second.sync().await;
    third.sync().await;
}

/// In a school or an office, many share one address.
#[tokio::test]
async fn an_account_with_many_sessions_keeps_nobody_out_of_its_address() {
    let server = Server::with(&["limits.connections_per_address = 10"]).await;
    let mut bob = Client::register(&server, "bob").await;
    bob.send("QUIT").await;
    bob.read_until_closed().await;
    let mut sessions = vec![Client::register(&server, "alice").await];
    for _ in 0..9 {
        sessions.push(Client::sign_in(&server, "alice").await);
    }
    let mut bob = Client::sign_in(&server, "bob").await;
    for mut displaced in [sessions.remove(0), sessions.remove(8)] {
        let received = displaced.read_until_closed().await;
        let last = received.last().expect("a reason");
        assert!(last.command == "ERROR" && last.param(0).unwrap().starts_with("Displaced: "));
    }
    for stays in sessions.iter_mut().chain([&mut bob]) {
        stays.sync().await;
    }
}

#[tokio::test]
async fn connections_that_send_nothing_make_room_for_new_ones_at_once() {
    let server = Server::with(&["limits.connections_per_address = 3"]).await;
    let mut alice = Client::register(&server, "alice").await;
    let address = std::net::IpAddr::from([127, 0, 0, 1]);
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(tcp_connect_from(&server, address).await);
    }
    let mut second = Client::sign_in(&server, "alice").await;
    alice.say("#lobby", "here").await;
    second.expect_privmsg("alice", "#lobby", "here").await;
}

#[tokio::test]
async fn a_user_continues_when_its_second_device_displaces_the_first() {
    let server = Server::with(&["limits.connections_per_address = 10"]).await;
    let mut sessions = Vec::new();
    for name in ["alice", "b", "c", "d", "e", "f", "g", "h", "i"] {
        sessions.push(Client::register(&server, name).await);
    }
    let mut first = sessions.remove(0);
    first.send("JOIN #hers").await;
    first.sync().await;
    let mut second = Client::sign_in(&server, "alice").await;
    first.read_until_closed().await;
    second.send("WHOIS alice").await;
    let channels = second.expect_numeric("319").await;
    assert!(channels.param(2).unwrap().contains("#hers"), "{channels}");
    let seen = sessions[0].sync().await;
    let mut commands = seen.iter().map(|message| &message.command);
    assert!(commands.all(|command| command != "QUIT"), "{seen:?}");
}

#[tokio::test]
async fn an_address_that_connects_too_fast_is_refused_and_others_are_not() {
    let server = Server::with(&[
        "accounts.required = false",
        "limits.connect_burst = 3",
        "limits.connect_rate = 1",
    ])
    .await;
    let [fast, other] = [[127, 0, 0, 9], [127, 0, 0, 10]].map(std::net::IpAddr::from);
    let mut connections = Vec::new();
    for _ in 0..20 {
        connections.push(tcp_connect_from(&server, fast).await);
    }
    server
        .expect_log(&["refused: connects too fast", "refusals=1"], 1)
        .await;
    let mut guest = Client::connect_from(&server, "guest", other).await;
    guest.negotiate("guest").await;
    guest.send("CAP END").await;
    guest.wait_until_admitted().await;
}
