//! Tests of the sign-in screen.

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use crate::config::Colours;

/// Presses a key, and returns the first answer.
fn press(screen: &mut SignInScreen, key: impl Into<KeyEvent>) -> Option<Answer> {
    screen.type_key(key.into());
    screen.next_answer()
}

fn type_line(screen: &mut SignInScreen, text: &str) -> Option<Answer> {
    for letter in text.chars() {
        assert_eq!(press(screen, KeyCode::Char(letter)), None);
    }
    press(screen, KeyCode::Enter)
}

fn name(text: &str) -> AccountName {
    AccountName::parse(text).unwrap()
}

fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

/// Returns the screen once it is connected to a server that has no account of this device.
fn asking(server: &str, name: Option<AccountName>) -> SignInScreen {
    let mut screen = SignInScreen::new(server.to_owned(), name, None);
    screen.ask_identity();
    screen
}

#[test]
fn name_and_email_are_asked_for_until_they_are_valid_and_then_the_code() {
    let mut screen = asking("chat.example", None);
    assert_eq!(type_line(&mut screen, "a!b"), None);
    assert!(screen.error.is_some());
    press(
        &mut screen,
        KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL),
    );
    assert_eq!(type_line(&mut screen, "alice"), None);
    let answer = type_line(&mut screen, "alice@example.org");
    assert_eq!(
        answer,
        Some(Answer::Identity(name("alice"), email("alice@example.org")))
    );
    screen.ask_code("A code was mailed to alice@example.org.");
    screen.paste("123456\nand more".to_owned());
    assert_eq!(
        press(&mut screen, KeyCode::Enter),
        Some(Answer::Code("123456".to_owned()))
    );
}

#[test]
fn a_notice_about_a_code_replaces_the_previous_one_and_not_the_typed_text() {
    let mut screen = SignInScreen::new(
        "x".to_owned(),
        Some(name("alice")),
        Some(email("a@b.example")),
    );
    screen.add_notice("about the certificate");
    screen.ask_code("mailed");
    assert!(type_line(&mut screen, "000000").is_some());
    for letter in "12345".chars() {
        press(&mut screen, KeyCode::Char(letter));
    }
    screen.add_notice("The code is not right; 4 tries are left");
    screen.ask_code("mailed");
    assert_eq!(
        type_line(&mut screen, "6"),
        Some(Answer::Code("123456".to_owned()))
    );
    screen.add_notice("The code is not right; 3 tries are left");
    assert_eq!(
        screen.notices,
        [
            "about the certificate",
            "The code is not right; 3 tries are left"
        ]
    );
    assert_eq!(
        type_line(&mut screen, "111111"),
        None,
        "one is being checked"
    );
}

#[test]
fn a_wrong_email_can_be_corrected_after_the_code_was_mailed() {
    let mut screen = asking("x", None);
    type_line(&mut screen, "alice");
    assert!(type_line(&mut screen, "alice@exmple.org").is_some());
    screen.ask_code("A code was mailed to alice@exmple.org.");
    press(&mut screen, KeyCode::Up);
    press(
        &mut screen,
        KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL),
    );
    let answer = type_line(&mut screen, "alice@example.org");
    assert_eq!(
        answer,
        Some(Answer::Identity(name("alice"), email("alice@example.org")))
    );
    assert_eq!(screen.mailed, None, "the other mail is no longer mentioned");
    screen.restart("that name is taken");
    assert_eq!(
        type_line(&mut screen, "2"),
        None,
        "the email can be corrected as well"
    );
    let answer = press(&mut screen, KeyCode::Enter);
    assert_eq!(
        answer,
        Some(Answer::Identity(name("alice2"), email("alice@example.org")))
    );
}

#[test]
fn after_the_last_wrong_code_a_new_one_is_offered_and_nothing_typed_gets_elsewhere() {
    let mut screen = asking("x", None);
    type_line(&mut screen, "alice");
    type_line(&mut screen, "a@b.example");
    screen.ask_code("A code was mailed to a@b.example.");
    assert!(type_line(&mut screen, "000005").is_some());
    // The next code is being typed when the server refuses the last one.
    for letter in "000".chars() {
        press(&mut screen, KeyCode::Char(letter));
    }
    screen.restart("Too many wrong codes");
    for letter in "006".chars() {
        assert_eq!(press(&mut screen, KeyCode::Char(letter)), None);
    }
    screen.paste("000007".to_owned());
    assert_eq!(press(&mut screen, KeyCode::Tab), None);
    assert_eq!((screen.field, screen.editor.text()), (Field::NewCode, ""));
    assert_eq!(screen.mailed, None, "the old code is no longer mentioned");
    let answer = press(&mut screen, KeyCode::Enter);
    assert_eq!(
        answer,
        Some(Answer::Identity(name("alice"), email("a@b.example")))
    );
    screen.ask_code("A code was mailed to a@b.example.");
    assert_eq!(
        type_line(&mut screen, "123456"),
        Some(Answer::Code("123456".to_owned()))
    );
}

#[test]
fn an_answer_of_the_server_does_not_move_what_is_being_corrected() {
    let mut screen = asking("x", None);
    type_line(&mut screen, "alice");
    type_line(&mut screen, "a@b.example");
    screen.ask_code("A code was mailed to a@b.example.");
    assert!(type_line(&mut screen, "000001").is_some());
    press(&mut screen, KeyCode::Up);
    press(
        &mut screen,
        KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL),
    );
    for letter in "al@".chars() {
        press(&mut screen, KeyCode::Char(letter));
    }
    screen.ask_code("A code was mailed to a@b.example.");
    screen.restart("Too many wrong codes");
    let answer = type_line(&mut screen, "c.example");
    assert_eq!(
        answer,
        Some(Answer::Identity(name("alice"), email("al@c.example")))
    );
}

#[test]
fn known_answers_are_not_asked_for() {
    let mut screen = asking("x", Some(name("alice")));
    assert_eq!(screen.identity(), None);
    let answer = type_line(&mut screen, "a@b.example");
    assert!(matches!(answer, Some(Answer::Identity(..))));
}

#[test]
fn nothing_is_answered_before_the_server_is_reached() {
    let mut screen = SignInScreen::new("x".to_owned(), None, None);
    assert_eq!(type_line(&mut screen, "alice"), None);
    assert_eq!(screen.name, None);
}

#[test]
fn what_is_typed_ahead_of_the_network_gets_into_the_fields_it_is_for() {
    let mut screen = SignInScreen::new("x".to_owned(), None, None);
    type_line(&mut screen, "alice");
    type_line(&mut screen, "a@b.example");
    type_line(&mut screen, "123456");
    screen.ask_identity();
    assert_eq!(
        screen.next_answer(),
        Some(Answer::Identity(name("alice"), email("a@b.example")))
    );
    assert_eq!(screen.next_answer(), None, "no code was asked for yet");
    screen.ask_code("A code was mailed to a@b.example.");
    assert_eq!(
        screen.next_answer(),
        Some(Answer::Code("123456".to_owned()))
    );
    // While a code is checked, the next one may be typed, and no key after its end is lost.
    assert_eq!(type_line(&mut screen, "234567"), None);
    screen.paste("345678".to_owned());
    assert_eq!(screen.next_answer(), None, "a code is being checked");
    screen.ask_code("A code was mailed to a@b.example.");
    assert_eq!(
        screen.next_answer(),
        Some(Answer::Code("234567".to_owned()))
    );
    screen.ask_code("A code was mailed to a@b.example.");
    assert_eq!(
        press(&mut screen, KeyCode::Enter),
        Some(Answer::Code("345678".to_owned()))
    );
}

#[test]
fn half_a_line_typed_ahead_can_be_completed_and_corrected() {
    let mut screen = SignInScreen::new("x".to_owned(), None, None);
    type_line(&mut screen, "alice");
    press(&mut screen, KeyCode::Char('x'));
    press(&mut screen, KeyCode::Backspace);
    press(&mut screen, KeyCode::Char('a'));
    screen.ask_identity();
    assert_eq!(
        type_line(&mut screen, "@b.example"),
        Some(Answer::Identity(name("alice"), email("a@b.example")))
    );
    press(&mut screen, KeyCode::Up);
    assert_eq!(press(&mut screen, KeyCode::Esc), Some(Answer::Quit));
}

#[test]
fn what_was_typed_for_a_field_that_is_not_asked_for_gets_into_no_other() {
    let mut screen = asking("x", None);
    type_line(&mut screen, "alice");
    type_line(&mut screen, "a@b.example");
    type_line(&mut screen, "123456");
    screen.restart("that name is taken");
    assert_eq!(screen.next_answer(), None);
    assert_eq!((screen.field, screen.editor.text()), (Field::Name, "alice"));
}

#[test]
fn what_is_typed_after_the_last_code_is_for_the_message_box() {
    let mut screen = asking("x", None);
    type_line(&mut screen, "alice");
    type_line(&mut screen, "a@b.example");
    screen.ask_code("A code was mailed to a@b.example.");
    type_line(&mut screen, "123456");
    type_line(&mut screen, "hello");
    for letter in "worldd".chars() {
        press(&mut screen, KeyCode::Char(letter));
    }
    press(&mut screen, KeyCode::Backspace);
    assert_eq!(screen.into_unsent_text(), "hello\nworld");
}

#[test]
fn up_goes_back_and_esc_quits() {
    let mut screen = asking("x", None);
    type_line(&mut screen, "alice");
    press(&mut screen, KeyCode::Up);
    assert_eq!(
        type_line(&mut screen, "a"),
        None,
        "the name is in the field, to be corrected"
    );
    assert_eq!(screen.name, Some(name("alicea")));
    assert_eq!(press(&mut screen, KeyCode::Esc), Some(Answer::Quit));
}

#[test]
fn on_a_small_terminal_the_field_and_what_is_wrong_with_it_are_visible() {
    let mut screen = asking("chat.example.org:6697", Some(name("alice")));
    let address = "alice.with.a.long.name@example.org";
    let draw = |screen: &SignInScreen| {
        let mut terminal = Terminal::new(TestBackend::new(20, 5)).unwrap();
        let theme = Theme::new(Colours::None);
        terminal.draw(|frame| screen.draw(frame, theme)).unwrap();
        terminal.backend().to_string()
    };
    for letter in address.chars() {
        press(&mut screen, KeyCode::Char(letter));
    }
    let shown = draw(&screen);
    assert!(shown.contains("Email  @example.org"), "{shown}");
    press(&mut screen, KeyCode::Enter);
    screen.ask_code("A code was mailed to alice.with.a.long.name@example.org.");
    type_line(&mut screen, "000000");
    screen.add_notice("Wrong code; 4 tries are left");
    screen.ask_code("A code was mailed to alice.with.a.long.name@example.org.");
    for letter in "12345".chars() {
        press(&mut screen, KeyCode::Char(letter));
    }
    let shown = draw(&screen);
    assert!(shown.contains("Code   12345"), "{shown}");
    assert!(shown.contains("Wrong code"), "{shown}");
}
