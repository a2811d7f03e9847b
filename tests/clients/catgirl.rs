//! catgirl, in a terminal. It ends with its connection, so that a shell starts it anew, as its
//! users do.

use rookery_tests::irc::PASSWORD;
use rookery_tests::screen::Screen;
use rookery_tests::server::Server;
use tempfile::TempDir;

use crate::life::{Program, is_told_what_it_missed, lives_through_everything};

struct Catgirl {
    screen: Screen,
    _home: TempDir,
}

impl Program for Catgirl {
    async fn start(server: &Server) -> Self {
        let home = tempfile::tempdir().unwrap();
        let certificate = server.path("certs/server.pem");
        let line = format!(
            "export HOME='{}' LANG=C.UTF-8; while echo 'Enter starts catgirl' && read -r line; do \
             catgirl -h 127.0.0.1 -p {} -t '{}' -n alice -a 'alice:{PASSWORD}' -s '{}'; done",
            home.path().display(),
            server.chat().port(),
            certificate.display(),
            home.path().join("windows").display(),
        );
        let catgirl = Self {
            screen: Screen::run(&line),
            _home: home,
        };
        catgirl.connects().await;
        catgirl
    }

    async fn types(&self, line: &str) {
        self.screen.enters(line);
    }

    async fn shows(&self, window: Option<&str>, part: &str) {
        self.screen
            .enters(&format!("/window {}", window.unwrap_or("0")));
        self.screen.shows(part).await;
    }

    async fn tells_the_end(&self, words: &str) {
        // On the terminal, once it has ended.
        self.screen.shows(words).await;
    }

    async fn shows_refusal(&self, _channel: &str, part: &str) {
        self.shows(None, part).await;
    }

    async fn shows_in_view(&self, _window: &str, part: &str) {
        self.screen.shows(part).await;
    }

    async fn disconnects(&self) {
        self.types("/quit").await;
    }

    async fn connects(&self) {
        self.screen.shows("Enter starts catgirl").await;
        self.screen.presses("Enter");
    }

    async fn recovers(&self) {
        self.connects().await;
    }
}

#[tokio::test]
async fn catgirl_lives_through_everything() {
    lives_through_everything::<Catgirl>().await;
}

#[tokio::test]
async fn catgirl_is_told_what_it_missed() {
    is_told_what_it_missed::<Catgirl>().await;
}
