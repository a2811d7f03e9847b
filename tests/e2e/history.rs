//! Reading back what was said.

use rookery_protocol::Message;
use rookery_tests::irc::{Client, PASSWORD, starts};
use rookery_tests::server::Server;

const UNHURRIED: &[&str] = &["limits.message_burst = 0", "limits.messages_per_second = 0"];

/// Asks for the capability, which only clients that read history back do.
async fn with_history(mut client: Client) -> Client {
    client.send("CAP REQ draft/chathistory").await;
    client
        .expect("CAP ACK", |message| {
            message.command == "CAP" && message.param(1) == Some("ACK")
        })
        .await;
    client
}

/// Someone with an account who asks for the capability before admission, so that nothing is
/// replayed after it.
async fn back_with_history(server: &Server, name: &str) -> Client {
    let mut client = Client::connect(server, name).await;
    client.negotiate(name).await;
    let mut client = with_history(client).await;
    client.sign_in_with(name, PASSWORD).await;
    client
}

/// What follows from a line, up to a `PONG` that is asked for at the same time.
async fn ask(client: &mut Client, line: &str) -> Vec<Message> {
    client.heard().await;
    client.send(line).await;
    client.heard().await
}

/// The texts in a batch of history, which is all that was heard.
#[track_caller]
fn texts(heard: &[Message]) -> Vec<&str> {
    let [open, inner @ .., close] = heard else {
        panic!("{heard:?}")
    };
    let name = open
        .param(0)
        .and_then(|name| name.strip_prefix('+'))
        .unwrap_or_else(|| panic!("{heard:?}"));
    assert!(
        open.command == "BATCH" && open.param(1) == Some("chathistory"),
        "{heard:?}"
    );
    assert!(starts(close, "BATCH", &format!("-{name}")), "{heard:?}");
    assert!(
        inner
            .iter()
            .all(|message| message.tags.get("batch") == Some(name)),
        "{heard:?}"
    );
    inner
        .iter()
        .map(|message| message.params.last().unwrap().as_str())
        .collect()
}

#[tokio::test]
async fn what_was_seen_before_the_server_died_is_read_back_as_it_was() {
    let mut server = Server::start().await;
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = with_history(Client::register(&server, "bob").await).await;
    alice.say("#lobby", "one").await;
    let seen = bob.expect_said("alice", "#lobby", "one").await;
    alice.say("bob", "psst").await;
    bob.expect_said("alice", "bob", "psst").await;
    server.kill9();
    server.restart().await;

    let mut bob = back_with_history(&server, "bob").await;
    bob.say("#lobby", "two").await;
    let heard = ask(&mut bob, "CHATHISTORY LATEST #lobby * 10").await;
    assert_eq!(texts(&heard), ["one", "two"]);
    let read = &heard[1];
    for tag in ["time", "msgid", "account"] {
        assert_eq!(read.tags.get(tag), seen.tags.get(tag), "{tag}");
    }
    assert_eq!((&read.source, &read.params), (&seen.source, &seen.params));
    let msgid = seen.tags.get("msgid").unwrap();
    assert_eq!(
        texts(
            &ask(
                &mut bob,
                &format!("CHATHISTORY AFTER #lobby msgid={msgid} 10")
            )
            .await
        ),
        ["two"]
    );
    assert_eq!(
        texts(&ask(&mut bob, "CHATHISTORY LATEST alice * 10").await),
        ["psst"]
    );
    let never = "timestamp=2020-01-01T00:00:00.000Z timestamp=2999-01-01T00:00:00.000Z";
    let heard = ask(&mut bob, &format!("CHATHISTORY TARGETS {never} 10")).await;
    let targets: Vec<&str> = heard
        .iter()
        .filter(|message| message.command == "CHATHISTORY")
        .map(|message| message.param(1).unwrap())
        .collect();
    assert_eq!(targets, ["alice", "#lobby"]);
}

#[tokio::test]
async fn answers_come_in_the_order_of_the_commands_and_a_page_holds_what_was_said_just_before() {
    const ROUNDS: usize = 40;
    let server = Server::with(UNHURRIED).await;
    let mut alice = with_history(Client::register(&server, "alice").await).await;
    alice.heard().await;
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
    let heard = alice.heard().await;
    assert_eq!(heard.len(), ROUNDS * 6);
    for (round, heard) in heard.chunks(6).enumerate() {
        let [echo, batch @ .., fault, pong] = heard else {
            panic!("{heard:?}")
        };
        let text = format!("m{round}");
        assert_eq!(echo.params, ["#lobby", &text]);
        assert_eq!(texts(batch), [&*text]);
        for (message, label) in [(&batch[0], "h"), (fault, "f"), (pong, "p")] {
            assert_eq!(
                message.tags.get("label"),
                Some(&*format!("{label}{round}")),
                "{heard:?}"
            );
        }
        assert!(
            starts(fault, "FAIL", "CHATHISTORY") && pong.command == "PONG",
            "{heard:?}"
        );
    }
}

#[tokio::test]
async fn whoever_leaves_without_waiting_for_its_pages_harms_nobody() {
    let server = Server::with(UNHURRIED).await;
    let mut alice = with_history(Client::register(&server, "alice").await).await;
    alice.say("#lobby", "hello").await;
    for _ in 0..10 {
        let mut again = back_with_history(&server, "alice").await;
        again
            .send_bytes("CHATHISTORY LATEST #lobby * 10\r\n".repeat(20).as_bytes())
            .await;
    }
    assert_eq!(
        texts(&ask(&mut alice, "CHATHISTORY LATEST #lobby * 10").await),
        ["hello"]
    );
}

#[tokio::test]
async fn a_guest_reads_what_was_said_while_it_was_there_and_nobodys_conversations() {
    let server = Server::with(&["accounts.required = false"]).await;
    let mut alice = with_history(Client::register_admitted(&server, "alice").await).await;
    alice.say("#lobby", "before").await;
    let mut guest = Client::introduce(&server, "gast").await;
    guest.admitted().await;
    let mut guest = with_history(guest).await;
    alice.say("#lobby", "after").await;
    alice.say("gast", "between us").await;
    assert_eq!(
        texts(&ask(&mut guest, "CHATHISTORY LATEST #lobby * 10").await),
        ["after"]
    );
    let heard = ask(&mut guest, "CHATHISTORY LATEST alice * 10").await;
    assert!(
        heard[0]
            .params
            .starts_with(&["CHATHISTORY".to_owned(), "INVALID_TARGET".to_owned()]),
        "{heard:?}"
    );
    assert_eq!(
        texts(&ask(&mut alice, "CHATHISTORY LATEST gast * 10").await),
        ["between us"]
    );

    // Whoever registers the name later is somebody else.
    guest.send("QUIT").await;
    guest.until_closed().await;
    let mut owner = with_history(Client::register_admitted(&server, "gast").await).await;
    assert_eq!(
        texts(&ask(&mut owner, "CHATHISTORY LATEST alice * 10").await),
        [""; 0]
    );
}

#[tokio::test]
async fn what_was_done_to_a_channel_is_read_by_clients_that_play_events() {
    let server = Server::start().await;
    let mut alice = with_history(Client::register(&server, "alice").await).await;
    alice.send("@label=1 TOPIC #lobby :the news").await;
    let seen = alice
        .expect("the TOPIC", |message| message.command == "TOPIC")
        .await;
    assert_eq!(seen.tags.get("label"), Some("1"));
    alice.say("#lobby", "hello").await;
    assert_eq!(
        texts(&ask(&mut alice, "CHATHISTORY LATEST #lobby * 10").await),
        ["hello"]
    );
    alice.send("CAP REQ draft/event-playback").await;
    let heard = ask(&mut alice, "CHATHISTORY LATEST #lobby * 10").await;
    assert_eq!(texts(&heard), ["the news", "hello"]);
    assert_eq!(
        (&heard[1].command, &heard[1].source),
        (&seen.command, &seen.source)
    );
    assert_eq!(heard[1].tags.get("msgid"), seen.tags.get("msgid"));
}

#[tokio::test]
async fn where_no_history_is_kept_none_is_offered() {
    let server = Server::with(&["history.enabled = false"]).await;
    let mut alice = Client::register(&server, "alice").await;
    for line in [
        "CAP REQ draft/chathistory",
        "CHATHISTORY LATEST #lobby * 10",
    ] {
        let heard = ask(&mut alice, line).await;
        let refused = heard
            .iter()
            .any(|message| message.command == "421" || message.param(1) == Some("NAK"));
        assert!(refused, "{line}: {heard:?}");
    }
}

#[tokio::test]
async fn a_message_of_several_lines_is_one_message_after_the_server_died() {
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
        plain.expect_said("alice", "#lobby", text).await;
    }
    server.kill9();
    server.restart().await;

    let mut bob = back_with_history(&server, "bob").await;
    assert_eq!(
        texts(&ask(&mut bob, "CHATHISTORY LATEST #lobby * 1").await),
        ["a poem", "in two ", "verses"]
    );
    bob.send("CAP REQ draft/multiline").await;
    let heard = ask(&mut bob, "CHATHISTORY LATEST #lobby * 1").await;
    let inner: Vec<&Message> = heard
        .iter()
        .filter(|message| message.command == "PRIVMSG")
        .collect();
    assert_eq!(inner.len(), 4, "{heard:?}");
    assert!(
        inner[3].tags.get("draft/multiline-concat").is_some(),
        "{heard:?}"
    );
}
