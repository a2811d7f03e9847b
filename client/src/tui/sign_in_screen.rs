//! The first screen: who one is, and the mailed code.

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

/// Things said on the way in that are kept in view.
const MAX_TOLD: usize = 8;

/// From this height on there is room for empty rows.
const ROOMY: u16 = 14;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Name,
    Email,
    /// Nothing: the server has the word.
    Waiting,
    /// The code; while one is being checked, the next may be typed.
    Code {
        checking: bool,
    },
}

/// What the person has answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Input {
    /// Who they are.
    Identity(AccountName, Email),
    /// The mailed code.
    Code(String),
    /// That they have had enough.
    Leave,
}

/// The screen.
#[derive(Debug)]
pub struct SignInScreen {
    server: String,
    question: Field,
    name: Option<AccountName>,
    email: Option<Email>,
    editor: Editor,
    told: Vec<String>,
    /// Where the code was mailed.
    mailed: Option<String>,
    /// How much had been told when the code was asked for; what comes then is about the last
    /// answer.
    told_before: usize,
    /// What was wrong with the last answer.
    wrong: Option<String>,
    /// A name or an email that is known is asked for all the same, to be mended.
    mending: bool,
}

impl SignInScreen {
    /// Asks for what is not given.
    pub fn new(server: String, name: Option<AccountName>, email: Option<Email>) -> Self {
        let mut screen = Self {
            server,
            question: Field::Waiting,
            name,
            email,
            editor: Editor::default(),
            told: Vec::new(),
            mailed: None,
            told_before: 0,
            wrong: None,
            mending: false,
        };
        screen.ask(match (&screen.name, &screen.email) {
            (None, _) => Field::Name,
            (_, None) => Field::Email,
            _ => Field::Waiting,
        });
        screen
    }

    /// Whom it is, when nothing has to be asked.
    pub fn identity(&self) -> Option<(AccountName, Email)> {
        self.name.clone().zip(self.email.clone())
    }

    /// Begins again, after the server did not let us in.
    pub fn refused(&mut self, why: &str) {
        self.wrong = Some(why.to_owned());
        self.mending = true;
        self.ask(Field::Name);
    }

    /// Says something.
    pub fn tell(&mut self, words: &str) {
        self.told.extend(words.lines().map(str::to_owned));
        let over = self.told.len().saturating_sub(MAX_TOLD);
        self.told.drain(..over);
        self.told_before = self.told_before.saturating_sub(over);
    }

    /// Asks for the code; `mailed` says where to look for it.
    pub fn ask_code(&mut self, mailed: &str) {
        self.mailed = Some(mailed.to_owned());
        if let Field::Code { checking } = &mut self.question {
            // What is being typed stays.
            *checking = false;
        } else {
            self.told_before = self.told.len();
            self.ask(Field::Code { checking: false });
        }
    }

    /// Takes a paste.
    pub fn paste(&mut self, text: &str) {
        if self.question != Field::Waiting {
            self.editor
                .insert(text.lines().next().unwrap_or_default().trim());
        }
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) -> Option<Input> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c' | 'd') if control => return Some(Input::Leave),
            KeyCode::Esc => return Some(Input::Leave),
            KeyCode::Char('a') if control => self.editor.home(),
            KeyCode::Char('e') if control => self.editor.end(),
            KeyCode::Char('u') if control => self.editor.cut_to_start(),
            KeyCode::Char('w') if control => self.editor.cut_word_left(),
            KeyCode::Char(letter) if !control && self.question != Field::Waiting => {
                self.editor.insert(&letter.to_string());
            }
            KeyCode::Backspace => self.editor.backspace(),
            KeyCode::Delete => self.editor.delete(),
            KeyCode::Left => self.editor.left(),
            KeyCode::Right => self.editor.right(),
            KeyCode::Home => self.editor.home(),
            KeyCode::End => self.editor.end(),
            KeyCode::Up | KeyCode::BackTab => self.go_back(),
            KeyCode::Enter | KeyCode::Tab | KeyCode::Down => return self.submit(),
            _ => {}
        }
        None
    }

    fn submit(&mut self) -> Option<Input> {
        let typed = self.editor.text().trim().to_owned();
        let taken = match self.question {
            Field::Name => AccountName::parse(&typed).map(|name| self.name = Some(name)),
            Field::Email => Email::parse(&typed).map(|email| self.email = Some(email)),
            Field::Code { checking: false } if !typed.is_empty() => {
                self.ask(Field::Code { checking: true });
                self.told.truncate(self.told_before);
                return Some(Input::Code(typed));
            }
            Field::Code { .. } | Field::Waiting => return None,
        };
        if let Err(error) = taken {
            self.wrong = Some(format!("That will not do: {error}."));
            return None;
        }
        self.wrong = None;
        if self.question == Field::Name && (self.mending || self.email.is_none()) {
            self.ask(Field::Email);
            return None;
        }
        self.mending = false;
        self.ask(Field::Waiting);
        self.identity()
            .map(|(name, email)| Input::Identity(name, email))
    }

    /// To the question before, to mend its answer.
    fn go_back(&mut self) {
        match self.question {
            Field::Code { .. } => self.ask(Field::Email),
            Field::Email => self.ask(Field::Name),
            Field::Name | Field::Waiting => return,
        }
        self.mending = true;
        self.mailed = None;
        self.told.truncate(self.told_before);
    }

    /// What was answered before is there to be changed.
    fn ask(&mut self, question: Field) {
        self.question = question;
        self.editor.set(match question {
            Field::Name => self.name.as_ref().map_or("", AccountName::as_str),
            Field::Email => self.email.as_ref().map_or("", Email::as_str),
            Field::Code { .. } | Field::Waiting => "",
        });
    }

    /// Draws it.
    pub fn draw(&self, frame: &mut Frame<'_>, theme: Theme) {
        let area = frame.area();
        let width = area.width.min(72);
        let left = (area.width - width) / 2;
        // Where there is little room, none of it is left empty.
        let gap = usize::from(area.height >= ROOMY);
        let space = || std::iter::repeat_n(Row::default(), gap);
        let mut rows: Vec<Row<'_>> = vec![Row::styled(
            format!("Rookery · {}", self.server),
            theme.accent(),
        )];
        rows.extend(space());
        let field = |label: &str, value: &str, asked: bool| {
            let style = if asked { theme.accent() } else { theme.faint() };
            Row::from(vec![
                Span::styled(format!("{label:<7}"), style),
                Span::raw(value.to_owned()),
            ])
        };
        let asked_row = |rows: &Vec<Row<'_>>| u16::try_from(rows.len()).unwrap_or(u16::MAX);
        let mut cursor_row = None;
        let questions = [
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
        for (question, label, value) in questions {
            let is_code = |question| matches!(question, Field::Code { .. });
            let asked = self.question == question || (is_code(self.question) && is_code(question));
            if asked {
                cursor_row = Some(asked_row(&rows));
            }
            if !is_code(question) || asked {
                rows.push(field(
                    label,
                    if asked {
                        self.editor.text()
                    } else {
                        value.unwrap_or_default()
                    },
                    asked,
                ));
            }
        }
        rows.extend(space());
        if let Some(wrong) = &self.wrong {
            rows.push(Row::styled(text::plain(wrong), theme.alert()));
        }
        let is_code = matches!(self.question, Field::Code { .. });
        let split = if is_code {
            self.told_before.min(self.told.len())
        } else {
            self.told.len()
        };
        let (before, about_the_answer) = self.told.split_at(split);
        rows.extend(
            about_the_answer
                .iter()
                .map(|words| Row::styled(text::plain(words), theme.alert())),
        );
        rows.extend(
            self.mailed
                .iter()
                .map(|words| Row::from(text::plain(words))),
        );
        let hint = match self.question {
            Field::Name => {
                "The name others will see: a new one, or the one you have here already. Enter goes on, Esc leaves."
            }
            Field::Email => {
                "A code is mailed there, to prove that it is yours. Enter goes on, Up goes back."
            }
            Field::Waiting | Field::Code { checking: true } => "One moment…",
            Field::Code { checking: false } => {
                "Type the six digits from the mail, then Enter. Wrong email, or no mail? Up goes back."
            }
        };
        rows.push(Row::styled(hint, theme.faint()));
        if !before.is_empty() {
            rows.extend(space());
            rows.extend(before.iter().map(|words| Row::from(text::plain(words))));
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

    fn type_line(screen: &mut SignInScreen, text: &str) -> Option<Input> {
        for letter in text.chars() {
            assert_eq!(screen.key(KeyCode::Char(letter).into()), None);
        }
        screen.key(KeyCode::Enter.into())
    }

    fn name(text: &str) -> AccountName {
        AccountName::parse(text).unwrap()
    }

    fn email(text: &str) -> Email {
        Email::parse(text).unwrap()
    }

    #[test]
    fn name_and_email_are_asked_until_they_will_do_and_then_the_code() {
        let mut screen = SignInScreen::new("chat.example".to_owned(), None, None);
        assert_eq!(type_line(&mut screen, "a!b"), None);
        assert!(screen.wrong.is_some());
        screen.key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
        assert_eq!(type_line(&mut screen, "alice"), None);
        let answer = type_line(&mut screen, "alice@example.org");
        assert_eq!(
            answer,
            Some(Input::Identity(name("alice"), email("alice@example.org")))
        );
        assert_eq!(type_line(&mut screen, "typed too early"), None);
        screen.ask_code("A code was mailed to alice@example.org.");
        screen.paste("123456\nand more");
        assert_eq!(
            screen.key(KeyCode::Enter.into()),
            Some(Input::Code("123456".to_owned()))
        );
    }

    #[test]
    fn a_verdict_leaves_what_is_being_typed_and_the_next_one_takes_its_place() {
        let mut screen = SignInScreen::new(
            "x".to_owned(),
            Some(name("alice")),
            Some(email("a@b.example")),
        );
        screen.tell("about the certificate");
        screen.ask_code("mailed");
        assert!(type_line(&mut screen, "000000").is_some());
        for letter in "12345".chars() {
            screen.key(KeyCode::Char(letter).into());
        }
        screen.tell("The code is not right; 4 tries are left");
        screen.ask_code("mailed");
        assert_eq!(
            type_line(&mut screen, "6"),
            Some(Input::Code("123456".to_owned()))
        );
        screen.tell("The code is not right; 3 tries are left");
        assert_eq!(
            screen.told,
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
    fn a_wrong_email_is_mended_after_the_code_was_mailed_there() {
        let mut screen = SignInScreen::new("x".to_owned(), None, None);
        type_line(&mut screen, "alice");
        assert!(type_line(&mut screen, "alice@exmple.org").is_some());
        screen.ask_code("A code was mailed to alice@exmple.org.");
        screen.key(KeyCode::Up.into());
        screen.key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
        let answer = type_line(&mut screen, "alice@example.org");
        assert_eq!(
            answer,
            Some(Input::Identity(name("alice"), email("alice@example.org")))
        );
        assert_eq!(
            screen.mailed, None,
            "nothing is said of the other mail any more"
        );
        screen.refused("that name is taken");
        assert_eq!(
            type_line(&mut screen, "2"),
            None,
            "the email can be mended as well"
        );
        let answer = screen.key(KeyCode::Enter.into());
        assert_eq!(
            answer,
            Some(Input::Identity(name("alice2"), email("alice@example.org")))
        );
    }

    #[test]
    fn what_is_given_is_not_asked() {
        let mut screen = SignInScreen::new("x".to_owned(), Some(name("alice")), None);
        assert_eq!(screen.identity(), None);
        let answer = type_line(&mut screen, "a@b.example");
        assert!(matches!(answer, Some(Input::Identity(..))));
        assert!(
            SignInScreen::new("x".to_owned(), Some(name("a")), Some(email("a@b.c")))
                .identity()
                .is_some()
        );
    }

    #[test]
    fn one_may_go_back_and_leave() {
        let mut screen = SignInScreen::new("x".to_owned(), None, None);
        type_line(&mut screen, "alice");
        screen.key(KeyCode::Up.into());
        assert_eq!(
            type_line(&mut screen, "a"),
            None,
            "the name is there to be changed"
        );
        assert_eq!(screen.name, Some(name("alicea")));
        assert_eq!(screen.key(KeyCode::Esc.into()), Some(Input::Leave));
    }
}
