//! WeeChat, as a person would set it up, without a screen.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use rookery_tests::irc::{Client, PASSWORD};
use rookery_tests::process::Process;
use rookery_tests::server::Server;
use rookery_tests::wait_for;
use tempfile::TempDir;

/// A running WeeChat.
struct WeeChat {
    home: TempDir,
    _process: Process,
}

impl WeeChat {
    /// Connects to the server, signed in by SASL PLAIN, and trusting the server's own authority.
    fn start(server: &Server, account: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let chat = server.chat();
        let settings = [
            format!("/set fifo.file.path {}", home.path().join("fifo").display()),
            "/set logger.file.flush_delay 0".to_owned(),
            format!("/set weechat.network.gnutls_ca_user {}", server.ca().display()),
            format!("/server add rookery {}/{}", chat.ip(), chat.port()),
            // The name of the option until 3.8, and from 4.0 on.
            "/set irc.server.rookery.ssl on".to_owned(),
            "/set irc.server.rookery.tls on".to_owned(),
            format!("/set irc.server.rookery.nicks {account}"),
            "/set irc.server.rookery.sasl_mechanism plain".to_owned(),
            format!("/set irc.server.rookery.sasl_username {account}"),
            format!("/set irc.server.rookery.sasl_password {PASSWORD}"),
            "/connect rookery".to_owned(),
        ];
        let mut command = Command::new("weechat-headless");
        command
            .args(["--no-script", "--stdout", "--dir"])
            .arg(home.path())
            .env("HOME", home.path())
            .env("LANG", "C.UTF-8");
        for setting in &settings {
            command.args(["--run-command", setting]);
        }
        Self { _process: Process::start("WeeChat", &mut command), home }
    }

    /// Types a line into a buffer.
    async fn type_line(&self, buffer: &str, line: &str) {
        let fifo = self.home.path().join("fifo");
        wait_for("WeeChat's fifo", || fifo.exists().then_some(())).await;
        let mut fifo = OpenOptions::new().write(true).open(fifo).unwrap();
        writeln!(fifo, "{buffer} *{line}").unwrap();
    }

    /// Waits until it shows `part` in a buffer.
    async fn expect_shown(&self, buffer: &str, part: &str) {
        let log = self.log(buffer);
        wait_for(&format!("{part:?} in {}; it has:\n{}", log.display(), self.all_logs()), || {
            fs::read_to_string(&log).ok().filter(|content| content.contains(part))
        })
        .await;
    }

    fn log(&self, buffer: &str) -> PathBuf {
        self.home.path().join("logs").join(format!("{buffer}.weechatlog"))
    }

    fn all_logs(&self) -> String {
        let files = fs::read_dir(self.home.path().join("logs")).into_iter().flatten().filter_map(Result::ok);
        files.filter_map(|file| fs::read_to_string(file.path()).ok()).collect()
    }
}

#[tokio::test]
async fn weechat_signs_in_by_sasl_is_heard_and_hears() {
    let server = Server::start().await;
    drop(Client::register(&server, "alice").await);
    let mut bob = Client::register(&server, "bob").await;
    let alice = WeeChat::start(&server, "alice");
    bob.expect("alice in the lobby", |message| {
        message.command == "JOIN" && message.source_nick() == Some("alice")
    })
    .await;
    alice.expect_shown("irc.server.rookery", "Welcome back, alice.").await;

    alice.type_line("irc.rookery.#lobby", "hello from WeeChat").await;
    bob.expect_said("alice", "#lobby", "hello from WeeChat").await;
    bob.say("#lobby", "welcome, bird").await;
    alice.expect_shown("irc.rookery.#lobby", "welcome, bird").await;

    bob.say("alice", "and in private").await;
    alice.expect_shown("irc.rookery.bob", "and in private").await;
    alice.type_line("irc.rookery.bob", "the same to you").await;
    bob.expect_said("alice", "bob", "the same to you").await;

    alice.type_line("irc.server.rookery", "/quit bye").await;
    bob.expect("alice's QUIT", |message| message.command == "QUIT" && message.source_nick() == Some("alice"))
        .await;
}
