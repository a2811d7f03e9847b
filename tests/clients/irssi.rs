//! irssi, in a terminal.

use std::fs;
use std::process::Command;

use rookery_tests::irc::PASSWORD;
use rookery_tests::screen::Screen;
use rookery_tests::server::Server;
use tempfile::TempDir;

use crate::life::{Program, is_told_what_it_missed, lives_through_everything};

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
    type = "IRC"; nick = "alice"; sasl_mechanism = "PLAIN"; sasl_username = "alice"; sasl_password = "{PASSWORD}";
}}; }};
settings = {{ core = {{ nick = "alice"; user_name = "alice"; real_name = "Alice"; server_reconnect_time = "1s"; }}; }};
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
        // Its status window has room for the end of one connection above all that the next one
        // begins with.
        screen.resizes(80, 60);
        Self {
            screen,
            _home: home,
        }
    }

    async fn types(&self, line: &str) {
        self.screen.enters(line);
    }

    async fn shows(&self, window: Option<&str>, part: &str) {
        self.screen
            .enters(&format!("/window goto {}", window.unwrap_or("1")));
        self.screen.shows(part).await;
    }

    async fn shows_in_view(&self, _window: &str, part: &str) {
        self.screen.shows(part).await;
    }

    async fn disconnects(&self) {
        self.types("/disconnect rookery").await;
    }

    async fn connects(&self) {
        self.types("/connect rookery").await;
    }
}

#[tokio::test]
async fn irssi_lives_through_everything() {
    lives_through_everything::<Irssi>().await;
}

#[tokio::test]
async fn irssi_is_told_what_it_missed() {
    is_told_what_it_missed::<Irssi>().await;
}
