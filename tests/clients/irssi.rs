//! irssi, in a terminal.

use std::fs;
use std::process::Command;

use rookery_tests::irc::PASSWORD;
use rookery_tests::screen::Screen;
use rookery_tests::server::Server;
use tempfile::TempDir;

use crate::scenario::{Program, shows_missed_messages, works_from_sign_in_to_ban};

struct Irssi {
    screen: Screen,
    _home: TempDir,
}

impl Program for Irssi {
    const LIST: &str = "/list -yes";

    async fn start(server: &Server) -> Self {
        let home = tempfile::tempdir().unwrap();
        let (port, ca) = (server.chat().port(), server.ca());
        let config = format!(
            r#"servers = ( {{
    address = "localhost"; port = "{port}"; chatnet = "rookery"; autoconnect = "yes";
    use_tls = "yes"; tls_verify = "yes"; tls_cafile = "{}";
}} );
chatnets = {{ rookery = {{
    type = "IRC"; nick = "alice";
    sasl_mechanism = "PLAIN"; sasl_username = "alice"; sasl_password = "{PASSWORD}";
}}; }};
settings = {{ core = {{
    nick = "alice"; user_name = "alice"; real_name = "Alice"; server_reconnect_time = "1s";
}}; }};
"#,
            ca.display()
        );
        fs::write(home.path().join("config"), config).unwrap();
        let mut command = Command::new("irssi");
        command
            .arg("--home")
            .arg(home.path())
            .env("HOME", home.path())
            .env("LANG", "C.UTF-8");
        let screen = Screen::start(&command);
        // Tall enough that the status window shows the end of one connection together with the
        // start of the next.
        screen.resize(80, 60);
        Self {
            screen,
            _home: home,
        }
    }

    async fn enter_line(&self, line: &str) {
        self.screen.enter_line(line);
    }

    async fn expect(&self, window: Option<&str>, part: &str) {
        self.screen
            .enter_line(&format!("/window goto {}", window.unwrap_or("1")));
        self.screen.expect(part).await;
    }

    async fn expect_in_view(&self, _window: &str, part: &str) {
        self.screen.expect(part).await;
    }

    async fn disconnect(&self) {
        self.enter_line("/disconnect rookery").await;
    }

    async fn connect(&self) {
        self.enter_line("/connect rookery").await;
    }
}

#[tokio::test]
async fn irssi_works_from_sign_in_to_ban() {
    works_from_sign_in_to_ban::<Irssi>().await;
}

#[tokio::test]
async fn irssi_shows_missed_messages() {
    shows_missed_messages::<Irssi>().await;
}
