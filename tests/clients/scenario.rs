//! What every client is put through, from the first sign-in to the ban.

use std::time::Instant;

use rookery_protocol::Message;
use rookery_tests::admin::Operator;
use rookery_tests::irc::Client;
use rookery_tests::server::Server;
use rookery_tests::{DEADLINE, GLANCE};

/// A client with someone at its keyboard, who is called `alice`.
pub trait Program {
    /// How it is asked to list the channels.
    const LIST: &str = "/list";

    /// Starts it, set up to sign in by SASL PLAIN, and to trust this server.
    async fn start(server: &Server) -> Self;
    /// Types a line, anywhere.
    async fn types(&self, line: &str);
    /// Waits until it shows `part` in a channel's or person's window; without one, in that of the
    /// server.
    async fn shows(&self, window: Option<&str>, part: &str);
    /// The same without turning to the window: it is in view, and may be gone when one leaves it.
    async fn shows_in_view(&self, window: &str, part: &str);
    /// Waits until it shows that it may not come into the channel.
    async fn shows_refusal(&self, channel: &str, part: &str) {
        self.shows_in_view(channel, part).await;
    }
    /// Waits until it shows with which words the server has ended the session.
    async fn tells_the_end(&self, words: &str) {
        self.shows(None, words).await;
    }
    /// Leaves the server.
    async fn disconnects(&self);
    /// Comes back.
    async fn connects(&self);
    /// Comes back after an accident, where it does not do so by itself.
    async fn recovers(&self) {}
}

/// The whole of it.
pub async fn lives_through_everything<P: Program>() {
    let mut server = Server::start().await;
    drop(Client::register(&server, "alice").await);
    let mut bob = Client::register(&server, "bob").await;

    let alice = P::start(&server).await;
    comes(&mut bob, "#lobby").await;
    alice.shows(None, "Welcome back, alice.").await;

    alice.types("/msg #lobby hello from afar").await;
    bob.expect_said("alice", "#lobby", "hello from afar").await;
    bob.say("#lobby", "welcome, bird").await;
    alice.shows(Some("#lobby"), "welcome, bird").await;
    bob.say("alice", "and in private").await;
    alice.shows(Some("bob"), "and in private").await;
    alice.types("/msg bob the same to you").await;
    bob.expect_said("alice", "bob", "the same to you").await;

    bob.send("JOIN #nest").await;
    bob.send("TOPIC #nest :Eggs and twigs").await;
    bob.heard().await;
    alice.types(P::LIST).await;
    alice.shows(None, "#nest").await;
    alice.types("/join #nest").await;
    comes(&mut bob, "#nest").await;
    alice.shows(Some("#nest"), "Eggs and twigs").await;
    bob.send("KICK #nest alice :too crowded").await;
    alice.shows_in_view("#nest", "too crowded").await;
    bob.send("MODE #nest +b alice!*@*").await;
    bob.heard().await;
    alice.types("/join #nest").await;
    // In whichever words the client has for it.
    alice.shows_refusal("#nest", "ou are banned").await;

    server.kill9();
    server.restart().await;
    let mut bob = Client::sign_in(&server, "bob").await;
    alice.recovers().await;
    is_back(&mut bob).await;
    bob.say("#lobby", "after the storm").await;
    alice.shows(Some("#lobby"), "after the storm").await;

    let operator = Operator::sign_in(&server, "root").await;
    operator
        .done(&["kick", "alice", "--reason", "too loud"])
        .await;
    alice.tells_the_end("Kicked: too loud").await;
    alice.recovers().await;
    is_back(&mut bob).await;
    operator
        .done(&["ban", "alice", "--reason", "spam and more spam"])
        .await;
    alice.tells_the_end("spam and more spam").await;
}

/// Whoever comes back is shown what was said meanwhile.
pub async fn is_told_what_it_missed<P: Program>() {
    let server = Server::start().await;
    drop(Client::register(&server, "alice").await);
    let mut bob = Client::register(&server, "bob").await;
    let alice = P::start(&server).await;
    comes(&mut bob, "#lobby").await;
    alice.disconnects().await;
    goes(&mut bob).await;
    bob.say("#lobby", "said while alice was away").await;
    bob.heard().await;
    alice.connects().await;
    comes(&mut bob, "#lobby").await;
    alice
        .shows(Some("#lobby"), "said while alice was away")
        .await;
}

async fn comes(bob: &mut Client, channel: &str) {
    bob.expect(&format!("alice in {channel}"), |message| {
        message.command == "JOIN"
            && message.source_nick() == Some("alice")
            && message.param(0) == Some(channel)
    })
    .await;
}

/// Waits until alice is in the lobby, since whenever.
async fn is_back(bob: &mut Client) {
    let start = Instant::now();
    loop {
        bob.send("NAMES #lobby").await;
        let names = bob.heard().await;
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
            "alice does not come back: {names:?}"
        );
        tokio::time::sleep(GLANCE).await;
    }
}

async fn goes(bob: &mut Client) {
    bob.expect("alice's QUIT", |message| {
        message.command == "QUIT" && message.source_nick() == Some("alice")
    })
    .await;
}
