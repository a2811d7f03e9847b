//! The sign-in screen: name, email and the mailed code.
//!
//! It is shown when no account is stored for the server, or when the server refuses the stored
//! credential. It only collects the answers; the event loop signs in with them.
//!
//! A user who types faster than the network answers loses nothing: while no field accepts a key, it
//! waits, with all that follow, for the field that the server's answer opens.

use std::collections::VecDeque;

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line as Row, Span};
use rookery_protocol::{AccountName, Email};

use super::editor::Editor;
use super::theme::Theme;
use super::wrap::{columns, cut, paragraph, wrapped};
use crate::text;

/// The most lines of notices that are shown.
const MAX_NOTICES: usize = 8;
/// The width of the labels of the fields.
const LABEL: usize = 7;
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

/// Something that the user has typed or pasted.
#[derive(Debug)]
enum Typed {
    Key(KeyEvent),
    Paste(String),
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
    /// What was typed and no field has accepted yet, oldest first.
    typed_ahead: VecDeque<Typed>,
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
            typed_ahead: VecDeque::new(),
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
    /// correct the name and email. What was typed ahead was for another field, so it is discarded.
    pub fn restart(&mut self, reason: &str) {
        self.error = Some(reason.to_owned());
        self.typed_ahead.clear();
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

    /// Records a key. [`Self::next_answer`] handles it.
    pub fn type_key(&mut self, key: KeyEvent) {
        if quits(key) {
            self.typed_ahead.push_front(Typed::Key(key));
        } else {
            self.typed_ahead.push_back(Typed::Key(key));
        }
    }

    /// Records a paste. [`Self::next_answer`] handles it.
    pub fn paste(&mut self, text: String) {
        self.typed_ahead.push_back(Typed::Paste(text));
    }

    /// Handles what was typed, as far as the present field accepts it; returns the first answer
    /// that this completes. To be called until it returns `None`, whenever something was typed or
    /// the server has answered.
    pub fn next_answer(&mut self) -> Option<Answer> {
        while self
            .typed_ahead
            .front()
            .is_some_and(|next| self.accepts(next))
        {
            let answer = match self.typed_ahead.pop_front()? {
                Typed::Key(key) => self.handle_key(key),
                Typed::Paste(text) => {
                    self.handle_paste(&text);
                    None
                }
            };
            if answer.is_some() {
                return answer;
            }
        }
        None
    }

    /// Whether the present field accepts a key or a paste, or there is nothing that it could be
    /// for later.
    fn accepts(&self, typed: &Typed) -> bool {
        match (self.field, typed) {
            (_, Typed::Key(key)) if quits(*key) => true,
            (Field::Waiting, _) => false,
            // The answer may be that the last code was wrong.
            (Field::Code { checking: true }, Typed::Key(key)) => !submits(*key),
            _ => true,
        }
    }

    /// Returns the text that was typed after the last code, which was accepted.
    pub fn into_unsent_text(mut self) -> String {
        for typed in std::mem::take(&mut self.typed_ahead) {
            match typed {
                Typed::Key(key) if submits(key) => self.editor.insert("\n"),
                Typed::Key(key) => self.edit(key),
                Typed::Paste(text) => self.editor.insert(&text),
            }
        }
        self.editor.text().trim().to_owned()
    }

    /// Inserts the first line of a paste.
    fn handle_paste(&mut self, text: &str) {
        if self.field != Field::NewCode {
            self.editor
                .insert(text.lines().next().unwrap_or_default().trim());
        }
    }

    /// Handles a key; returns an answer if the key completes one.
    fn handle_key(&mut self, key: KeyEvent) -> Option<Answer> {
        match key.code {
            _ if quits(key) => return Some(Answer::Quit),
            KeyCode::Up | KeyCode::BackTab => self.go_back(),
            KeyCode::Enter => return self.submit(),
            _ if self.field == Field::NewCode => {}
            _ if submits(key) => return self.submit(),
            _ => self.edit(key),
        }
        None
    }

    /// Handles a key that edits the text.
    fn edit(&mut self, key: KeyEvent) {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('a') if control => self.editor.home(),
            KeyCode::Char('e') if control => self.editor.end(),
            KeyCode::Char('u') if control => self.editor.cut_to_start(),
            KeyCode::Char('w') if control => self.editor.cut_word_left(),
            KeyCode::Char(letter) if !control => self.editor.insert(&letter.to_string()),
            KeyCode::Backspace => self.editor.backspace(),
            KeyCode::Delete => self.editor.delete(),
            KeyCode::Left => self.editor.left(),
            KeyCode::Right => self.editor.right(),
            KeyCode::Home => self.editor.home(),
            KeyCode::End => self.editor.end(),
            _ => {}
        }
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
            cut(&format!("Rookery · {}", self.server), usize::from(width)),
            theme.accent(),
        )];
        // A column is left for the cursor.
        let room = usize::from(width).saturating_sub(LABEL + 1);
        let (before_cursor, after_cursor) = self.editor.text().split_at(self.editor.cursor());
        let shown = before_cursor
            .char_indices()
            .map(|(at, _)| &before_cursor[at..])
            .find(|shown| columns(shown) <= room)
            .unwrap_or_default();
        rows.extend(space());
        let visible = format!("{shown}{after_cursor}");
        let field_row = |label: &str, value: &str, is_active: bool| {
            let style = if is_active {
                theme.accent()
            } else {
                theme.faint()
            };
            Row::from(vec![
                Span::styled(format!("{label:<LABEL$}"), style),
                Span::raw(cut(value, room + 1)),
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
                        &visible
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
        let rows = wrapped(&rows, usize::from(width));
        let height = row_count(&rows);
        let top = area.height.saturating_sub(height) / 3;
        // Where there is not room for everything, the field and what follows it are shown.
        let skipped = height
            .saturating_sub(area.height)
            .min(cursor_row.unwrap_or_default());
        let body = Rect {
            x: left,
            y: top,
            width,
            height: area.height - top,
        };
        frame.render_widget(paragraph(rows).scroll((skipped, 0)), body);
        if let Some(row) = cursor_row {
            let column = u16::try_from(LABEL + columns(shown))
                .unwrap_or(u16::MAX)
                .min(width.saturating_sub(1));
            frame.set_cursor_position(Position::new(
                left + column,
                (top + row - skipped).min(area.height.saturating_sub(1)),
            ));
        }
    }
}

/// Whether a key quits without signing in.
fn quits(key: KeyEvent) -> bool {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    key.code == KeyCode::Esc || (control && matches!(key.code, KeyCode::Char('c' | 'd')))
}

/// Whether a key completes the answer in a field.
fn submits(key: KeyEvent) -> bool {
    matches!(key.code, KeyCode::Enter | KeyCode::Tab | KeyCode::Down)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
