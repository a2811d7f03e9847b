//! The sign-in screen: name, email and the mailed code.
//!
//! It is shown when no account is stored for the server, or when the server refuses the stored
//! credential. It only collects the answers; the event loop signs in with them.

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line as Row, Span};
use ratatui::widgets::{Paragraph, Wrap};
use rookery_protocol::{AccountName, Email};
use unicode_width::UnicodeWidthStr as _;

use super::editor::Editor;
use super::theme::Theme;
use crate::text;

/// The most lines of notices that are shown.
const MAX_NOTICES: usize = 8;
/// From this height on, empty rows separate the parts.
const MIN_HEIGHT_FOR_GAPS: u16 = 14;

/// The field that the user fills in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Name,
    Email,
    /// None, while the server's answer is awaited.
    Waiting,
    /// The mailed code. While the server checks one, the next may be typed already.
    Code {
        checking: bool,
    },
    /// None, since the mailed code is no longer valid. Enter requests a new one.
    NewCode,
}

/// An answer of the user.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// The name and email.
    Identity(AccountName, Email),
    /// The mailed code.
    Code(String),
    /// The user quits without signing in.
    Quit,
}

/// The state of the sign-in screen.
#[derive(Debug)]
pub struct SignInScreen {
    server: String,
    field: Field,
    name: Option<AccountName>,
    email: Option<Email>,
    editor: Editor,
    /// Lines about the server and the sign-in, oldest first.
    notices: Vec<String>,
    /// A sentence that says where the code was mailed.
    mailed: Option<String>,
    /// The number of notices from before the user was asked for the code. Later ones are about the
    /// last code.
    earlier_notices: usize,
    /// The error in the last answer.
    error: Option<String>,
    /// Whether both name and email are asked for again, to be corrected.
    correcting: bool,
}

impl SignInScreen {
    /// Creates the screen, with what is known of the account.
    pub fn new(server: String, name: Option<AccountName>, email: Option<Email>) -> Self {
        Self {
            server,
            field: Field::Waiting,
            name,
            email,
            editor: Editor::default(),
            notices: Vec::new(),
            mailed: None,
            earlier_notices: 0,
            error: None,
            correcting: false,
        }
    }

    /// Asks for the name and email, unless they are known.
    pub fn ask_identity(&mut self) {
        self.show_field(match (&self.name, &self.email) {
            (None, _) => Field::Name,
            (_, None) => Field::Email,
            _ => Field::Waiting,
        });
    }

    /// Returns name and email, if both are known.
    fn identity(&self) -> Option<(AccountName, Email)> {
        self.name.clone().zip(self.email.clone())
    }

    /// Shows that the server has refused the sign-in, and what can be done: request a new code, or
    /// correct the name and email.
    pub fn restart(&mut self, reason: &str) {
        self.error = Some(reason.to_owned());
        match self.field {
            Field::Code { .. } | Field::NewCode => {
                self.mailed = None;
                self.notices.truncate(self.earlier_notices);
                self.show_field(Field::NewCode);
            }
            Field::Waiting => {
                self.correcting = true;
                self.show_field(Field::Name);
            }
            // The user is already correcting them.
            Field::Name | Field::Email => {}
        }
    }

    /// Adds a notice of one or more lines.
    pub fn add_notice(&mut self, text: &str) {
        self.notices.extend(text.lines().map(str::to_owned));
        let over = self.notices.len().saturating_sub(MAX_NOTICES);
        self.notices.drain(..over);
        self.earlier_notices = self.earlier_notices.saturating_sub(over);
    }

    /// Asks for the code; `mailed` says where it was mailed.
    pub fn ask_code(&mut self, mailed: &str) {
        match &mut self.field {
            // The last code was wrong. Text that is being typed already stays.
            Field::Code { checking } => *checking = false,
            Field::Waiting | Field::NewCode => {
                self.earlier_notices = self.notices.len();
                self.show_field(Field::Code { checking: false });
            }
            // The user has gone back to correct these, and the sign-in restarts with the answers.
            Field::Name | Field::Email => return,
        }
        self.mailed = Some(mailed.to_owned());
    }

    /// Inserts the first line of a paste.
    pub fn paste(&mut self, text: &str) {
        if self.accepts_text() {
            self.editor
                .insert(text.lines().next().unwrap_or_default().trim());
        }
    }

    fn accepts_text(&self) -> bool {
        !matches!(self.field, Field::Waiting | Field::NewCode)
    }

    /// Handles a key; returns an answer if the key completes one.
    pub fn handle_key(&mut self, key: KeyEvent) -> Option<Answer> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c' | 'd') if control => return Some(Answer::Quit),
            KeyCode::Esc => return Some(Answer::Quit),
            KeyCode::Char('a') if control => self.editor.home(),
            KeyCode::Char('e') if control => self.editor.end(),
            KeyCode::Char('u') if control => self.editor.cut_to_start(),
            KeyCode::Char('w') if control => self.editor.cut_word_left(),
            KeyCode::Char(letter) if !control && self.accepts_text() => {
                self.editor.insert(&letter.to_string());
            }
            KeyCode::Backspace => self.editor.backspace(),
            KeyCode::Delete => self.editor.delete(),
            KeyCode::Left => self.editor.left(),
            KeyCode::Right => self.editor.right(),
            KeyCode::Home => self.editor.home(),
            KeyCode::End => self.editor.end(),
            KeyCode::Up | KeyCode::BackTab => self.go_back(),
            KeyCode::Tab | KeyCode::Down if self.field == Field::NewCode => {}
            KeyCode::Enter | KeyCode::Tab | KeyCode::Down => return self.submit(),
            _ => {}
        }
        None
    }

    fn submit(&mut self) -> Option<Answer> {
        let typed = self.editor.text().trim().to_owned();
        let parsed = match self.field {
            Field::Name => AccountName::parse(&typed).map(|name| self.name = Some(name)),
            Field::Email => Email::parse(&typed).map(|email| self.email = Some(email)),
            Field::Code { checking: false } if !typed.is_empty() => {
                self.show_field(Field::Code { checking: true });
                self.notices.truncate(self.earlier_notices);
                return Some(Answer::Code(typed));
            }
            Field::NewCode => Ok(()),
            Field::Code { .. } | Field::Waiting => return None,
        };
        if let Err(error) = parsed {
            self.error = Some(format!("Not valid: {error}."));
            return None;
        }
        self.error = None;
        if self.field == Field::Name && (self.correcting || self.email.is_none()) {
            self.show_field(Field::Email);
            return None;
        }
        self.correcting = false;
        self.show_field(Field::Waiting);
        self.identity()
            .map(|(name, email)| Answer::Identity(name, email))
    }

    /// Returns to the previous field, to correct its answer.
    fn go_back(&mut self) {
        match self.field {
            Field::Code { .. } | Field::NewCode => self.show_field(Field::Email),
            Field::Email => self.show_field(Field::Name),
            Field::Name | Field::Waiting => return,
        }
        self.correcting = true;
        self.mailed = None;
        self.notices.truncate(self.earlier_notices);
    }

    /// Shows a field with its earlier answer, if it has one.
    fn show_field(&mut self, field: Field) {
        self.field = field;
        self.editor.set(match field {
            Field::Name => self.name.as_ref().map_or("", AccountName::as_str),
            Field::Email => self.email.as_ref().map_or("", Email::as_str),
            Field::Code { .. } | Field::NewCode | Field::Waiting => "",
        });
    }

    /// Draws the screen.
    pub fn draw(&self, frame: &mut Frame<'_>, theme: Theme) {
        let area = frame.area();
        let width = area.width.min(72);
        let left = (area.width - width) / 2;
        let gap = usize::from(area.height >= MIN_HEIGHT_FOR_GAPS);
        let space = || std::iter::repeat_n(Row::default(), gap);
        let mut rows: Vec<Row<'_>> = vec![Row::styled(
            format!("Rookery · {}", self.server),
            theme.accent(),
        )];
        rows.extend(space());
        let field_row = |label: &str, value: &str, is_active: bool| {
            let style = if is_active {
                theme.accent()
            } else {
                theme.faint()
            };
            Row::from(vec![
                Span::styled(format!("{label:<7}"), style),
                Span::raw(value.to_owned()),
            ])
        };
        let row_count = |rows: &Vec<Row<'_>>| u16::try_from(rows.len()).unwrap_or(u16::MAX);
        let mut cursor_row = None;
        let fields = [
            (
                Field::Name,
                "Name",
                self.name.as_ref().map(AccountName::as_str),
            ),
            (
                Field::Email,
                "Email",
                self.email.as_ref().map(Email::as_str),
            ),
            (Field::Code { checking: false }, "Code", None),
        ];
        for (field, label, value) in fields {
            let is_code = |field| matches!(field, Field::Code { .. } | Field::NewCode);
            let is_active = self.field == field || (is_code(self.field) && is_code(field));
            if is_active {
                cursor_row = Some(row_count(&rows));
            }
            if !is_code(field) || is_active {
                rows.push(field_row(
                    label,
                    if is_active {
                        self.editor.text()
                    } else {
                        value.unwrap_or_default()
                    },
                    is_active,
                ));
            }
        }
        rows.extend(space());
        if let Some(error) = &self.error {
            rows.push(Row::styled(text::plain(error), theme.alert()));
        }
        let is_code = matches!(self.field, Field::Code { .. });
        let split = if is_code {
            self.earlier_notices.min(self.notices.len())
        } else {
            self.notices.len()
        };
        let (before, about_last_code) = self.notices.split_at(split);
        rows.extend(
            about_last_code
                .iter()
                .map(|line| Row::styled(text::plain(line), theme.alert())),
        );
        rows.extend(self.mailed.iter().map(|line| Row::from(text::plain(line))));
        let hint = match self.field {
            Field::Name => "A new name, or your account's name. Enter continues, Esc quits.",
            Field::Email => "A code is mailed there to verify it. Enter continues, Up goes back.",
            Field::Waiting | Field::Code { checking: true } => "One moment…",
            Field::Code { checking: false } => {
                "Enter the six-digit code. Wrong email or no mail? Up goes back."
            }
            Field::NewCode => "Enter: send a new code. Up: correct the name or email. Esc quits.",
        };
        rows.push(Row::styled(hint, theme.faint()));
        if !before.is_empty() {
            rows.extend(space());
            rows.extend(before.iter().map(|line| Row::from(text::plain(line))));
        }
        let height = u16::try_from(rows.len())
            .unwrap_or(u16::MAX)
            .min(area.height);
        let top = (area.height - height) / 3;
        let body = Rect {
            x: left,
            y: top,
            width,
            height: area.height - top,
        };
        frame.render_widget(Paragraph::new(rows).wrap(Wrap { trim: false }), body);
        if let Some(row) = cursor_row {
            let typed = self.editor.text()[..self.editor.cursor()].width();
            let column = u16::try_from(typed)
                .unwrap_or(u16::MAX)
                .saturating_add(7)
                .min(width.saturating_sub(1));
            frame.set_cursor_position(Position::new(
                left + column,
                (top + row).min(area.height.saturating_sub(1)),
            ));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn type_line(screen: &mut SignInScreen, text: &str) -> Option<Answer> {
        for letter in text.chars() {
            assert_eq!(screen.handle_key(KeyCode::Char(letter).into()), None);
        }
        screen.handle_key(KeyCode::Enter.into())
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
        screen.handle_key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
        assert_eq!(type_line(&mut screen, "alice"), None);
        let answer = type_line(&mut screen, "alice@example.org");
        assert_eq!(
            answer,
            Some(Answer::Identity(name("alice"), email("alice@example.org")))
        );
        assert_eq!(type_line(&mut screen, "typed too early"), None);
        screen.ask_code("A code was mailed to alice@example.org.");
        screen.paste("123456\nand more");
        assert_eq!(
            screen.handle_key(KeyCode::Enter.into()),
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
            screen.handle_key(KeyCode::Char(letter).into());
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
        screen.handle_key(KeyCode::Up.into());
        screen.handle_key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
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
        let answer = screen.handle_key(KeyCode::Enter.into());
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
            screen.handle_key(KeyCode::Char(letter).into());
        }
        screen.restart("Too many wrong codes");
        for letter in "006".chars() {
            assert_eq!(screen.handle_key(KeyCode::Char(letter).into()), None);
        }
        screen.paste("000007");
        assert_eq!(screen.handle_key(KeyCode::Tab.into()), None);
        assert_eq!((screen.field, screen.editor.text()), (Field::NewCode, ""));
        assert_eq!(screen.mailed, None, "the old code is no longer mentioned");
        let answer = screen.handle_key(KeyCode::Enter.into());
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
        screen.handle_key(KeyCode::Up.into());
        screen.handle_key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
        for letter in "al@".chars() {
            screen.handle_key(KeyCode::Char(letter).into());
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
    fn nothing_is_asked_before_the_server_is_reached() {
        let mut screen = SignInScreen::new("x".to_owned(), None, None);
        assert_eq!(type_line(&mut screen, "alice"), None);
        assert_eq!(screen.name, None);
    }

    #[test]
    fn up_goes_back_and_esc_quits() {
        let mut screen = asking("x", None);
        type_line(&mut screen, "alice");
        screen.handle_key(KeyCode::Up.into());
        assert_eq!(
            type_line(&mut screen, "a"),
            None,
            "the name is in the field, to be corrected"
        );
        assert_eq!(screen.name, Some(name("alicea")));
        assert_eq!(screen.handle_key(KeyCode::Esc.into()), Some(Answer::Quit));
    }
}
