//! catgirl, in a terminal. It exits when its connection ends, so a shell loop starts it again.

use std::time::{Duration, Instant};

use rookery_tests::DEADLINE;
use rookery_tests::irc::PASSWORD;
use rookery_tests::screen::Screen;
use rookery_tests::server::Server;
use tempfile::TempDir;

use crate::scenario::{Program, shows_missed_messages, works_from_sign_in_to_ban};

/// How long a user waits for a window before entering its command again.
const ANSWERED_WITHIN: Duration = Duration::from_secs(3);

struct Catgirl {
    screen: Screen,
    _home: TempDir,
}

impl Program for Catgirl {
    async fn start(server: &Server) -> Self {
        let home = tempfile::tempdir().unwrap();
        let authority = server.ca();
        let line = format!(
            "export HOME='{}' LANG=C.UTF-8; while echo 'Enter starts catgirl' && read -r line; do \
             catgirl -h 127.0.0.1 -p {} -t '{}' -n alice -a 'alice:{PASSWORD}' -s '{}'; done",
            home.path().display(),
            server.chat().port(),
            authority.display(),
            home.path().join("windows").display(),
        );
        let catgirl = Self {
            screen: Screen::run(&line),
            _home: home,
        };
        catgirl.connect().await;
        catgirl
    }

    async fn enter_line(&self, line: &str) {
        self.screen.enter_line(line);
    }

    async fn expect(&self, window: Option<&str>, part: &str) {
        let command = format!("/window {}", window.unwrap_or("0"));
        let start = Instant::now();
        // After a start with saved windows, catgirl sometimes reads this command and stays in its
        // window. A user would enter it again.
        loop {
            self.screen.enter_line(&command);
            match self.screen.wait_for(part, ANSWERED_WITHIN).await {
                Ok(_) => return,
                Err(last) if start.elapsed() > DEADLINE => {
                    panic!("{part:?} is not in {window:?}:\n{last}")
                }
                Err(_) => {}
            }
        }
    }

    async fn expect_disconnect_reason(&self, reason: &str) {
        // catgirl prints it on the terminal when it exits.
        self.screen.expect(reason).await;
    }

    async fn expect_refusal(&self, _channel: &str, part: &str) {
        self.expect(None, part).await;
    }

    async fn expect_in_view(&self, _window: &str, part: &str) {
        self.screen.expect(part).await;
    }

    async fn disconnect(&self) {
        self.enter_line("/quit").await;
    }

    async fn connect(&self) {
        self.screen.expect("Enter starts catgirl").await;
        self.screen.press("Enter");
    }

    async fn recover(&self) {
        self.connect().await;
    }
}

#[tokio::test]
async fn catgirl_works_from_sign_in_to_ban() {
    works_from_sign_in_to_ban::<Catgirl>().await;
}

#[tokio::test]
async fn catgirl_shows_missed_messages() {
    shows_missed_messages::<Catgirl>().await;
}
