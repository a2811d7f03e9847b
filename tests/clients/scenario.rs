//! The scenarios that every client goes through, from the first sign-in to the ban.

use std::time::Instant;

use rookery_protocol::Message;
use rookery_tests::admin::Operator;
use rookery_tests::irc::Client;
use rookery_tests::server::Server;
use rookery_tests::{DEADLINE, POLL_INTERVAL};

/// A client whose user is `alice`.
pub trait Program {
    /// The command that lists the channels.
    const LIST: &str = "/list";

    /// Starts the client, configured to sign in by SASL PLAIN and to trust the server.
    async fn start(server: &Server) -> Self;
    /// Types a line in the current window.
    async fn enter_line(&self, line: &str);
    /// Waits until `part` is displayed in the window of a channel or user, or in that of the server
    /// if no window is given.
    async fn expect(&self, window: Option<&str>, part: &str);
    /// Like [`Self::expect`], without switching windows: the current one may close when another is
    /// selected.
    async fn expect_in_view(&self, window: &str, part: &str);
    /// Waits until the client displays that it cannot join the channel.
    async fn expect_refusal(&self, channel: &str, part: &str) {
        self.expect_in_view(channel, part).await;
    }
    /// Waits until the client displays why the server has ended the session.
    async fn expect_disconnect_reason(&self, reason: &str) {
        self.expect(None, reason).await;
    }
    /// Disconnects from the server.
    async fn disconnect(&self);
    /// Connects again.
    async fn connect(&self);
    /// Connects again after a lost connection, for clients that do not do so by themselves.
    async fn recover(&self) {}
}

/// Signs in, chats, survives a crash and a kick, and is banned.
pub async fn works_from_sign_in_to_ban<P: Program>() {
    let mut server = Server::start().await;
    drop(Client::register(&server, "alice").await);
    let mut bob = Client::register(&server, "bob").await;

    let alice = P::start(&server).await;
    expect_join(&mut bob, "#lobby").await;
    alice.expect(None, "Welcome back, alice").await;

    alice.enter_line("/msg #lobby hello from afar").await;
    bob.expect_privmsg("alice", "#lobby", "hello from afar")
        .await;
    bob.say("#lobby", "welcome, bird").await;
    alice.expect(Some("#lobby"), "welcome, bird").await;
    bob.say("alice", "and in private").await;
    alice.expect(Some("bob"), "and in private").await;
    alice.enter_line("/msg bob the same to you").await;
    bob.expect_privmsg("alice", "bob", "the same to you").await;

    bob.send("JOIN #nest").await;
    bob.send("TOPIC #nest :Eggs and twigs").await;
    bob.sync().await;
    alice.enter_line(P::LIST).await;
    alice.expect(None, "#nest").await;
    alice.enter_line("/join #nest").await;
    expect_join(&mut bob, "#nest").await;
    alice.expect(Some("#nest"), "Eggs and twigs").await;
    bob.send("KICK #nest alice :too crowded").await;
    alice.expect_in_view("#nest", "too crowded").await;
    bob.send("MODE #nest +b alice!*@*").await;
    bob.sync().await;
    alice.enter_line("/join #nest").await;
    // The text is the client's own.
    alice.expect_refusal("#nest", "ou are banned").await;

    server.kill9();
    server.restart().await;
    let mut bob = Client::sign_in(&server, "bob").await;
    alice.recover().await;
    wait_until_back(&mut bob).await;
    bob.say("#lobby", "after the storm").await;
    alice.expect(Some("#lobby"), "after the storm").await;

    let operator = Operator::sign_in(&server, "root").await;
    operator
        .run_ok(&["kick", "alice", "--reason", "too loud"])
        .await;
    alice.expect_disconnect_reason("Kicked: too loud").await;
    alice.recover().await;
    wait_until_back(&mut bob).await;
    operator
        .run_ok(&["ban", "alice", "--reason", "spam and more spam"])
        .await;
    alice.expect_disconnect_reason("spam and more spam").await;
}

/// Disconnects, connects again, and displays the messages sent meanwhile.
pub async fn shows_missed_messages<P: Program>() {
    let server = Server::start().await;
    drop(Client::register(&server, "alice").await);
    let mut bob = Client::register(&server, "bob").await;
    let alice = P::start(&server).await;
    expect_join(&mut bob, "#lobby").await;
    alice.disconnect().await;
    expect_quit(&mut bob).await;
    bob.say("#lobby", "said while alice was away").await;
    bob.sync().await;
    alice.connect().await;
    expect_join(&mut bob, "#lobby").await;
    alice
        .expect(Some("#lobby"), "said while alice was away")
        .await;
}

async fn expect_join(bob: &mut Client, channel: &str) {
    bob.expect(&format!("alice in {channel}"), |message| {
        message.command == "JOIN"
            && message.source_nick() == Some("alice")
            && message.param(0) == Some(channel)
    })
    .await;
}

/// Waits until alice is in the lobby again. Her JOIN may have been sent before this is called.
async fn wait_until_back(bob: &mut Client) {
    let start = Instant::now();
    loop {
        bob.send("NAMES #lobby").await;
        let names = bob.sync().await;
        let listed = |message: &Message| {
            message.command == "353"
                && message
                    .params
                    .last()
                    .is_some_and(|names| names.contains("alice"))
        };
        if names.iter().any(listed) {
            return;
        }
        assert!(
            start.elapsed() < DEADLINE,
            "alice does not reconnect: {names:?}"
        );
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

async fn expect_quit(bob: &mut Client) {
    bob.expect("alice's QUIT", |message| {
        message.command == "QUIT" && message.source_nick() == Some("alice")
    })
    .await;
}
