//! Reading stored messages with `CHATHISTORY`.

use rookery_protocol::Message;
use rookery_tests::irc::{Client, PASSWORD, is_command};
use rookery_tests::server::Server;

const NO_FLOOD_LIMIT: &[&str] = &["limits.message_burst = 0", "limits.messages_per_second = 0"];

/// Requests the capability for reading history.
async fn with_history(mut client: Client) -> Client {
    client.send("CAP REQ draft/chathistory").await;
    client
        .expect("CAP ACK", |message| {
            message.command == "CAP" && message.param(1) == Some("ACK")
        })
        .await;
    client
}

/// Signs in and requests the capability before admission, so that the server replays nothing.
async fn sign_in_with_history(server: &Server, name: &str) -> Client {
    let mut client = with_history(Client::negotiating(server, name).await).await;
    client.sign_in_with(name, PASSWORD).await;
    client
}

/// Sends a line and returns the messages it causes.
async fn send(client: &mut Client, line: &str) -> Vec<Message> {
    client.sync().await;
    client.send(line).await;
    client.sync().await
}

/// Returns the texts in a batch of history, and checks that nothing else was received.
#[track_caller]
fn texts(received: &[Message]) -> Vec<&str> {
    let [open, inner @ .., close] = received else {
        panic!("{received:?}")
    };
    let name = open
        .param(0)
        .and_then(|name| name.strip_prefix('+'))
        .unwrap_or_else(|| panic!("{received:?}"));
    assert!(
        open.command == "BATCH" && open.param(1) == Some("chathistory"),
        "{received:?}"
    );
    assert!(
        is_command(close, "BATCH", &format!("-{name}")),
        "{received:?}"
    );
    assert!(
        inner
            .iter()
            .all(|message| message.tags.get("batch") == Some(name)),
        "{received:?}"
    );
    inner
        .iter()
        .map(|message| message.params.last().unwrap().as_str())
        .collect()
}

#[tokio::test]
async fn messages_seen_before_a_crash_are_read_back_unchanged() {
    let mut server = Server::start().await;
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = with_history(Client::register(&server, "bob").await).await;
    alice.say("#lobby", "one").await;
    let seen = bob.expect_privmsg("alice", "#lobby", "one").await;
    alice.say("bob", "psst").await;
    bob.expect_privmsg("alice", "bob", "psst").await;
    server.kill9();
    server.restart().await;

    let mut bob = sign_in_with_history(&server, "bob").await;
    bob.say("#lobby", "two").await;
    let received = send(&mut bob, "CHATHISTORY LATEST #lobby * 10").await;
    assert_eq!(texts(&received), ["one", "two"]);
    let read = &received[1];
    for tag in ["time", "msgid", "account"] {
        assert_eq!(read.tags.get(tag), seen.tags.get(tag), "{tag}");
    }
    assert_eq!((&read.source, &read.params), (&seen.source, &seen.params));
    let msgid = seen.tags.get("msgid").unwrap();
    assert_eq!(
        texts(
            &send(
                &mut bob,
                &format!("CHATHISTORY AFTER #lobby msgid={msgid} 10")
            )
            .await
        ),
        ["two"]
    );
    assert_eq!(
        texts(&send(&mut bob, "CHATHISTORY LATEST alice * 10").await),
        ["psst"]
    );
    let never = "timestamp=2020-01-01T00:00:00.000Z timestamp=2999-01-01T00:00:00.000Z";
    let received = send(&mut bob, &format!("CHATHISTORY TARGETS {never} 10")).await;
    let targets: Vec<&str> = received
        .iter()
        .filter(|message| message.command == "CHATHISTORY")
        .map(|message| message.param(1).unwrap())
        .collect();
    assert_eq!(targets, ["alice", "#lobby"]);
}

#[tokio::test]
async fn responses_have_the_order_of_commands_and_a_page_contains_the_latest_message() {
    const ROUNDS: usize = 40;
    let server = Server::with(NO_FLOOD_LIMIT).await;
    let mut alice = with_history(Client::register(&server, "alice").await).await;
    alice.sync().await;
    let mut lines = String::new();
    for round in 0..ROUNDS {
        lines.extend([
            format!(
                "PRIVMSG #lobby :m{round}\r\n@label=h{round} CHATHISTORY LATEST #lobby * 1\r\n"
            ),
            format!("@label=f{round} CHATHISTORY FLY\r\n@label=p{round} PING x\r\n"),
        ]);
    }
    alice.send_bytes(lines.as_bytes()).await;
    let received = alice.sync().await;
    assert_eq!(received.len(), ROUNDS * 6);
    for (round, received) in received.chunks(6).enumerate() {
        let [echo, batch @ .., fail, pong] = received else {
            panic!("{received:?}")
        };
        let text = format!("m{round}");
        assert_eq!(echo.params, ["#lobby", &text]);
        assert_eq!(texts(batch), [&*text]);
        for (message, label) in [(&batch[0], "h"), (fail, "f"), (pong, "p")] {
            assert_eq!(
                message.tags.get("label"),
                Some(&*format!("{label}{round}")),
                "{received:?}"
            );
        }
        assert!(
            is_command(fail, "FAIL", "CHATHISTORY") && pong.command == "PONG",
            "{received:?}"
        );
    }
}

#[tokio::test]
async fn a_client_that_disconnects_before_its_pages_arrive_harms_nobody() {
    let server = Server::with(NO_FLOOD_LIMIT).await;
    let mut alice = with_history(Client::register(&server, "alice").await).await;
    alice.say("#lobby", "hello").await;
    for _ in 0..10 {
        let mut again = sign_in_with_history(&server, "alice").await;
        again
            .send_bytes("CHATHISTORY LATEST #lobby * 10\r\n".repeat(20).as_bytes())
            .await;
    }
    assert_eq!(
        texts(&send(&mut alice, "CHATHISTORY LATEST #lobby * 10").await),
        ["hello"]
    );
}

#[tokio::test]
async fn a_guest_reads_only_messages_since_it_connected_and_no_conversations() {
    let server = Server::with(&["accounts.required = false"]).await;
    let mut alice = with_history(Client::register_as_guest(&server, "alice").await).await;
    alice.say("#lobby", "before").await;
    let mut guest = Client::handshake(&server, "gast").await;
    guest.wait_until_admitted().await;
    let mut guest = with_history(guest).await;
    alice.say("#lobby", "after").await;
    alice.say("gast", "between us").await;
    assert_eq!(
        texts(&send(&mut guest, "CHATHISTORY LATEST #lobby * 10").await),
        ["after"]
    );
    let received = send(&mut guest, "CHATHISTORY LATEST alice * 10").await;
    assert!(
        received[0]
            .params
            .starts_with(&["CHATHISTORY".to_owned(), "INVALID_TARGET".to_owned()]),
        "{received:?}"
    );
    assert_eq!(
        texts(&send(&mut alice, "CHATHISTORY LATEST gast * 10").await),
        ["between us"]
    );

    // A user who registers the name later is someone else.
    guest.send("QUIT").await;
    guest.read_until_closed().await;
    let mut owner = with_history(Client::register_as_guest(&server, "gast").await).await;
    assert_eq!(
        texts(&send(&mut owner, "CHATHISTORY LATEST alice * 10").await),
        [""; 0]
    );
}

#[tokio::test]
async fn channel_events_are_in_the_history_for_clients_with_event_playback() {
    let server = Server::start().await;
    let mut alice = with_history(Client::register(&server, "alice").await).await;
    alice.send("@label=1 TOPIC #lobby :the news").await;
    let seen = alice
        .expect("the TOPIC", |message| message.command == "TOPIC")
        .await;
    assert_eq!(seen.tags.get("label"), Some("1"));
    alice.say("#lobby", "hello").await;
    assert_eq!(
        texts(&send(&mut alice, "CHATHISTORY LATEST #lobby * 10").await),
        ["hello"]
    );
    alice.send("CAP REQ draft/event-playback").await;
    let received = send(&mut alice, "CHATHISTORY LATEST #lobby * 10").await;
    assert_eq!(texts(&received), ["the news", "hello"]);
    assert_eq!(
        (&received[1].command, &received[1].source),
        (&seen.command, &seen.source)
    );
    assert_eq!(received[1].tags.get("msgid"), seen.tags.get("msgid"));
}

#[tokio::test]
async fn without_history_chathistory_is_not_offered() {
    let server = Server::with(&["history.enabled = false"]).await;
    let mut alice = Client::register(&server, "alice").await;
    for line in [
        "CAP REQ draft/chathistory",
        "CHATHISTORY LATEST #lobby * 10",
    ] {
        let received = send(&mut alice, line).await;
        let refused = received
            .iter()
            .any(|message| message.command == "421" || message.param(1) == Some("NAK"));
        assert!(refused, "{line}: {received:?}");
    }
}

#[tokio::test]
async fn a_multiline_message_is_one_message_after_a_crash() {
    let mut server = Server::start().await;
    let mut alice = Client::register(&server, "alice").await;
    let mut plain = Client::register(&server, "bob").await;
    alice.send("CAP REQ draft/multiline").await;
    alice.send("@label=m BATCH +1 draft/multiline #lobby").await;
    for line in [
        "@batch=1 PRIVMSG #lobby :a poem",
        "@batch=1 PRIVMSG #lobby :",
        "@batch=1 PRIVMSG #lobby :in two ",
    ] {
        alice.send(line).await;
    }
    alice
        .send("@batch=1;draft/multiline-concat PRIVMSG #lobby :verses")
        .await;
    alice.send("BATCH -1").await;
    let receipt = alice
        .expect("the receipt", |message| {
            message.tags.get("label") == Some("m")
        })
        .await;
    assert_eq!(
        (&*receipt.command, receipt.param(1)),
        ("BATCH", Some("draft/multiline"))
    );
    for text in ["a poem", "in two ", "verses"] {
        plain.expect_privmsg("alice", "#lobby", text).await;
    }
    server.kill9();
    server.restart().await;

    let mut bob = sign_in_with_history(&server, "bob").await;
    assert_eq!(
        texts(&send(&mut bob, "CHATHISTORY LATEST #lobby * 1").await),
        ["a poem", "in two ", "verses"]
    );
    bob.send("CAP REQ draft/multiline").await;
    let received = send(&mut bob, "CHATHISTORY LATEST #lobby * 1").await;
    let inner: Vec<&Message> = received
        .iter()
        .filter(|message| message.command == "PRIVMSG")
        .collect();
    assert_eq!(inner.len(), 4, "{received:?}");
    assert!(
        inner[3].tags.get("draft/multiline-concat").is_some(),
        "{received:?}"
    );
}
