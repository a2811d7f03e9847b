//! Replay: a client that reconnects gets the messages that it missed.

use rookery_protocol::Message;
use rookery_tests::irc::{Client, device_credential, is_command};
use rookery_tests::server::Server;

/// Adds a device credential to the account, and returns a session that is signed in with it.
async fn on_new_device(server: &Server, name: &str, seed: u8) -> Client {
    let mut client = Client::negotiating(server, name).await;
    let email = format!("{name}@example.org");
    client
        .authenticate("X-EMAIL-CODE", format!("{name}\0{email}").as_bytes())
        .await;
    client
        .expect("an empty challenge", |message| {
            is_command(message, "AUTHENTICATE", "+")
        })
        .await;
    let code = server.mailbox().code_to(&email).await;
    client
        .respond(format!("{code}\0{}", device_credential(seed).expose()).as_bytes())
        .await;
    client.expect_numeric("903").await;
    client.send("CAP END").await;
    client.wait_until_admitted().await;
    client
}

/// Signs in again with the credential of a device.
async fn on_known_device(server: &Server, name: &str, seed: u8) -> Client {
    let mut client = Client::negotiating(server, name).await;
    client
        .sign_in_with(name, device_credential(seed).expose())
        .await;
    client
}

/// Skips to the next batch of history, and returns its target and the text of each message.
async fn batch(client: &mut Client) -> (String, Vec<String>) {
    let is_open =
        |message: &Message| message.command == "BATCH" && message.param(1) == Some("chathistory");
    let open = client.expect("a batch of history", is_open).await;
    let name = open.param(0).unwrap().trim_start_matches('+').to_owned();
    let mut texts = Vec::new();
    loop {
        let message = client.expect("the end of the batch", |_| true).await;
        if is_command(&message, "BATCH", &format!("-{name}")) {
            return (open.param(2).unwrap().to_owned(), texts);
        }
        if message.tags.get("batch") == Some(&name) {
            assert!(message.tags.get("time").is_some(), "{message:?}");
            texts.push(message.params.last().unwrap().clone());
        }
    }
}

async fn quit(mut client: Client) {
    client.send("QUIT").await;
    client.read_until_closed().await;
}

#[tokio::test]
async fn each_device_gets_what_it_missed_itself_even_after_a_restart() {
    let mut server = Server::start().await;
    let alice = Client::register(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    let phone = on_new_device(&server, "alice", 1).await;
    quit(alice).await;
    bob.say("#lobby", "one").await;
    bob.say("alice", "between us").await;
    quit(phone).await;
    bob.say("#lobby", "two").await;

    let mut phone = on_known_device(&server, "alice", 1).await;
    assert_eq!(
        batch(&mut phone).await,
        ("#lobby".to_owned(), vec!["two".to_owned()])
    );
    let mut alice = Client::sign_in(&server, "alice").await;
    assert_eq!(
        batch(&mut alice).await,
        ("bob".to_owned(), vec!["between us".to_owned()])
    );
    assert_eq!(
        batch(&mut alice).await,
        (
            "#lobby".to_owned(),
            vec!["one".to_owned(), "two".to_owned()]
        )
    );

    quit(phone).await;
    bob.say("#lobby", "three").await;
    alice.expect_privmsg("bob", "#lobby", "three").await;
    tokio::join!(server.sigterm(), alice.read_until_closed());
    server.restart().await;
    let mut bob = Client::sign_in(&server, "bob").await;
    bob.say("#lobby", "four").await;
    let mut phone = on_known_device(&server, "alice", 1).await;
    let missed = vec!["three".to_owned(), "four".to_owned()];
    assert_eq!(batch(&mut phone).await, ("#lobby".to_owned(), missed));
    let mut alice = Client::sign_in(&server, "alice").await;
    assert_eq!(
        batch(&mut alice).await,
        ("#lobby".to_owned(), vec!["four".to_owned()])
    );
}

#[tokio::test]
async fn a_client_connected_at_a_crash_is_sent_what_it_may_have_missed_and_nothing_earlier() {
    let mut server = Server::with(&["limits.message_burst = 0"]).await;
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    bob.say("#lobby", "long ago").await;
    alice.expect_privmsg("bob", "#lobby", "long ago").await;
    quit(alice).await;
    let mut alice = Client::sign_in(&server, "alice").await;
    for _ in 0..20 {
        bob.say("#lobby", "meanwhile").await;
    }
    bob.say("#lobby", "last").await;
    alice.expect_privmsg("bob", "#lobby", "last").await;
    server.kill9();
    server.restart().await;
    let mut bob = Client::sign_in(&server, "bob").await;
    bob.say("#lobby", "missed").await;
    let mut alice = Client::sign_in(&server, "alice").await;
    let (target, texts) = batch(&mut alice).await;
    assert_eq!(target, "#lobby");
    let mut expected = vec!["meanwhile"; 20];
    expected.extend(["last", "missed"]);
    assert_eq!(texts, expected, "she has not shown that she received any");
}

/// Whatever the client has sent itself meanwhile.
#[tokio::test]
async fn what_was_on_its_way_when_the_connection_broke_is_sent_again() {
    let server = Server::start().await;
    quit(Client::register(&server, "alice").await).await;
    let mut bob = Client::register(&server, "bob").await;
    let mut alice = Client::sign_in(&server, "alice").await;
    bob.say("#lobby", "on its way").await;
    alice.send("PRIVMSG #lobby :alive").await;
    bob.expect_privmsg("alice", "#lobby", "alive").await;
    // The kernel resets a connection that is closed before everything was read.
    drop(alice);
    let mut alice = Client::sign_in(&server, "alice").await;
    let missed = ["on its way", "alive"].map(str::to_owned).to_vec();
    assert_eq!(batch(&mut alice).await, ("#lobby".to_owned(), missed));
}

/// However soon afterwards, and although the connection has not broken yet.
#[tokio::test]
async fn what_was_on_its_way_when_the_server_stopped_is_sent_again() {
    let mut server = Server::start().await;
    quit(Client::register(&server, "alice").await).await;
    let mut bob = Client::register(&server, "bob").await;
    // It reads nothing, as if its link were dead.
    let alice = Client::sign_in(&server, "alice").await;
    bob.say("#lobby", "on its way").await;
    let (status, _) = tokio::join!(server.sigterm(), bob.read_until_closed());
    assert!(status.success(), "{status}");
    drop(alice);
    server.restart().await;
    let mut alice = Client::sign_in(&server, "alice").await;
    let missed = vec!["on its way".to_owned()];
    assert_eq!(batch(&mut alice).await, ("#lobby".to_owned(), missed));
}

#[tokio::test]
async fn playback_is_requested_as_with_znc() {
    let server = Server::start().await;
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    bob.say("#lobby", "one").await;
    bob.say("alice", "two").await;
    alice.expect_privmsg("bob", "alice", "two").await;
    alice.send("@label=p PRIVMSG *playback :play *").await;
    let open = alice
        .expect("the response", |message| message.command == "BATCH")
        .await;
    assert_eq!(
        (open.param(1), open.tags.get("label")),
        (Some("labeled-response"), Some("p"))
    );
    assert_eq!(
        batch(&mut alice).await,
        ("bob".to_owned(), vec!["two".to_owned()])
    );
    assert_eq!(
        batch(&mut alice).await,
        ("#lobby".to_owned(), vec!["one".to_owned()])
    );
    alice.send("PRIVMSG *playback :PLAY #lobby 1 2").await;
    let received = alice.sync().await;
    assert!(
        received.iter().all(|message| message.command != "PRIVMSG"),
        "{received:?}"
    );
}
