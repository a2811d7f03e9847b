//! Whole screens of the way in, as a newcomer sees them.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::KeyCode;

use super::sign_in_screen::SignInScreen;
use super::theme::Theme;
use crate::config::Colours;

fn draw(screen: &SignInScreen, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| screen.draw(frame, Theme::new(Colours::None)))
        .unwrap();
    terminal.backend().to_string()
}

fn first_start() -> SignInScreen {
    SignInScreen::new("chat.example.org".to_owned(), None, None)
}

fn types(screen: &mut SignInScreen, text: &str) {
    for letter in text.chars() {
        screen.key(KeyCode::Char(letter).into());
    }
    screen.key(KeyCode::Enter.into());
}

/// A server that nobody vouches for has mailed a code.
fn waiting_for_the_code() -> SignInScreen {
    let mut screen = first_start();
    types(&mut screen, "alice");
    types(&mut screen, "alice@example.org");
    screen.tell(
        "No authority vouches for the certificate of chat.example.org. Its fingerprint is\n  SHA-256 \
         46:95:F4:38:C4:25:3C:F5:CA:78:2B:F0:91:9A:56:4A:69:03:1D:B1:49:8D:18:8D:3C:53:2F:DA:73:8E:72:7B\nIt is \
         trusted from now on, and pinned in /home/alice/.local/state/rookery/rook/chat.example.org.toml",
    );
    screen.ask_code("A code was mailed to alice@example.org.");
    screen
}

#[test]
fn the_first_start() {
    insta::assert_snapshot!(draw(&first_start(), 80, 24));
}

#[test]
fn the_first_start_on_a_small_terminal() {
    insta::assert_snapshot!(draw(&first_start(), 40, 10));
}

#[test]
fn a_name_that_will_not_do() {
    let mut screen = first_start();
    types(&mut screen, "alice!");
    insta::assert_snapshot!(draw(&screen, 80, 24));
}

#[test]
fn the_code_is_asked_for() {
    insta::assert_snapshot!(draw(&waiting_for_the_code(), 80, 24));
}

#[test]
fn the_code_is_asked_for_on_a_small_terminal() {
    let screen = draw(&waiting_for_the_code(), 40, 10);
    for part in ["Code", "A code was mailed", "six digits", "Up goes"] {
        assert!(
            screen.contains(part),
            "what is asked is in view, whatever else is not:\n{screen}"
        );
    }
}
