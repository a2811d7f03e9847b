//! WeeChat without a screen. What it displays is read from its logs.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use rookery_tests::irc::PASSWORD;
use rookery_tests::process::Process;
use rookery_tests::server::Server;
use rookery_tests::wait_for;
use tempfile::TempDir;

use crate::scenario::{Program, shows_missed_messages, works_from_sign_in_to_ban};

struct WeeChat {
    home: TempDir,
    _process: Process,
}

impl Program for WeeChat {
    async fn start(server: &Server) -> Self {
        let home = tempfile::tempdir().unwrap();
        let chat = server.chat();
        let settings = [
            format!("/set fifo.file.path {}", home.path().join("fifo").display()),
            "/set logger.file.flush_delay 0".to_owned(),
            format!(
                "/set weechat.network.gnutls_ca_user {}",
                server.ca().display()
            ),
            format!("/server add rookery {}/{}", chat.ip(), chat.port()),
            // The option is named `ssl` up to 3.8 and `tls` from 4.0.
            "/set irc.server.rookery.ssl on".to_owned(),
            "/set irc.server.rookery.tls on".to_owned(),
            "/set irc.server.rookery.nicks alice".to_owned(),
            "/set irc.server.rookery.sasl_mechanism plain".to_owned(),
            "/set irc.server.rookery.sasl_username alice".to_owned(),
            format!("/set irc.server.rookery.sasl_password {PASSWORD}"),
            "/set irc.server.rookery.autoreconnect_delay 1".to_owned(),
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
        let weechat = Self {
            _process: Process::start("WeeChat", &mut command),
            home,
        };
        wait_for("WeeChat's fifo", || weechat.fifo().exists().then_some(())).await;
        weechat
    }

    async fn enter_line(&self, line: &str) {
        let mut fifo = OpenOptions::new().write(true).open(self.fifo()).unwrap();
        writeln!(fifo, "irc.server.rookery *{line}").unwrap();
    }

    async fn expect(&self, window: Option<&str>, part: &str) {
        let buffer = window.map_or("irc.server.rookery".to_owned(), |name| {
            format!("irc.rookery.{name}")
        });
        let log = self.logs().join(format!("{buffer}.weechatlog"));
        wait_for(
            &format!(
                "{part:?} in {}; it has:\n{}",
                log.display(),
                self.all_logs()
            ),
            || {
                fs::read_to_string(&log)
                    .ok()
                    .filter(|content| content.contains(part))
            },
        )
        .await;
    }

    async fn expect_in_view(&self, window: &str, part: &str) {
        self.expect(Some(window), part).await;
    }

    async fn disconnect(&self) {
        self.enter_line("/disconnect").await;
    }

    async fn connect(&self) {
        self.enter_line("/connect rookery").await;
    }
}

impl WeeChat {
    /// Returns the pipe from which WeeChat reads commands.
    fn fifo(&self) -> PathBuf {
        self.home.path().join("fifo")
    }

    fn logs(&self) -> PathBuf {
        self.home.path().join("logs")
    }

    fn all_logs(&self) -> String {
        let files = fs::read_dir(self.logs())
            .into_iter()
            .flatten()
            .filter_map(Result::ok);
        files
            .filter_map(|file| fs::read_to_string(file.path()).ok())
            .collect()
    }
}

#[tokio::test]
async fn weechat_works_from_sign_in_to_ban() {
    works_from_sign_in_to_ban::<WeeChat>().await;
}

#[tokio::test]
async fn weechat_shows_missed_messages() {
    shows_missed_messages::<WeeChat>().await;
}
