//! Snapshots of the sign-in screen.

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
    let mut screen = SignInScreen::new("chat.example.org".to_owned(), None, None);
    screen.ask_identity();
    screen
}

fn type_line(screen: &mut SignInScreen, text: &str) {
    for letter in text.chars() {
        screen.type_key(KeyCode::Char(letter).into());
    }
    screen.type_key(KeyCode::Enter.into());
    while screen.next_answer().is_some() {}
}

/// Returns the screen after a server, whose certificate no authority vouches for, has mailed a
/// code.
fn waiting_for_the_code() -> SignInScreen {
    let mut screen = first_start();
    type_line(&mut screen, "alice");
    type_line(&mut screen, "alice@example.org");
    screen.add_notice(
        "No authority vouches for the certificate of chat.example.org. Its fingerprint is\n  SHA-256 \
         46:95:F4:38:C4:25:3C:F5:CA:78:2B:F0:91:9A:56:4A:69:03:1D:B1:49:8D:18:8D:3C:53:2F:DA:73:8E:72:7B\nIt is \
         trusted from now on, and pinned in /home/alice/.local/state/rookery/rook/chat.example.org.toml",
    );
    screen.ask_code("A code was mailed to alice@example.org.");
    screen
}

#[test]
fn first_start_screen() {
    insta::assert_snapshot!(draw(&first_start(), 80, 24));
}

#[test]
fn first_start_on_a_small_terminal() {
    insta::assert_snapshot!(draw(&first_start(), 40, 10));
}

#[test]
fn an_invalid_name() {
    let mut screen = first_start();
    type_line(&mut screen, "alice!");
    insta::assert_snapshot!(draw(&screen, 80, 24));
}

#[test]
fn code_screen() {
    insta::assert_snapshot!(draw(&waiting_for_the_code(), 80, 24));
}

#[test]
fn the_question_is_in_view_on_a_small_terminal() {
    let screen = draw(&waiting_for_the_code(), 40, 10);
    for part in ["Code", "A code was mailed", "six-digit code", "Up goes"] {
        assert!(screen.contains(part), "{part:?} is not in view:\n{screen}");
    }
}
