//! The dialog that sets the account's password. The input is not shown, is not part of `Debug`
//! output, and is dropped as soon as it has been sent.

use std::fmt;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use rookery_protocol::{Message, numeric};

use crate::text;

/// The longest input, in bytes.
const MAX_INPUT: usize = 300;

/// A password that is being set.
pub struct PasswordChange {
    account: String,
    stage: Stage,
    input: String,
    /// The error in the last answer, or the last text from the server.
    message: Option<String>,
}

/// The answer that the dialog asks for.
enum Stage {
    /// The current password. If it is left empty, a code is mailed.
    Current,
    /// The new password; `current` is the parameter of `SETPASS` for the current one.
    New { current: String },
    /// The new password again.
    Repeat { current: String, new: String },
    /// None, while the server's answer is awaited.
    Waiting,
    /// The mailed code.
    Code,
}

/// The meaning of a message from the server for the dialog.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// It is about something else.
    Unrelated,
    /// It is about the password; the dialog continues.
    Handled,
    /// The password is set; the server's text says so.
    Done(String),
}

impl fmt::Debug for PasswordChange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PasswordChange").finish_non_exhaustive()
    }
}

impl PasswordChange {
    /// Opens the dialog for an account.
    pub fn new(account: &str) -> Self {
        Self {
            account: account.to_owned(),
            stage: Stage::Current,
            input: String::new(),
            message: None,
        }
    }

    /// Returns the question that the user answers.
    pub fn question(&self) -> &'static str {
        match self.stage {
            Stage::Current => "Current password, if you know it",
            Stage::New { .. } => "New password",
            Stage::Repeat { .. } => "New password again",
            Stage::Waiting => "One moment…",
            Stage::Code => "The six-digit code from the mail",
        }
    }

    /// Returns a hint about the keys.
    pub fn hint(&self) -> &'static str {
        match self.stage {
            Stage::Current => "Enter alone: confirm with a mailed code instead. Esc cancels.",
            Stage::Waiting => "Esc closes this.",
            Stage::New { .. } | Stage::Repeat { .. } | Stage::Code => {
                "Enter continues, Esc cancels."
            }
        }
    }

    /// Returns the error in the last answer, or the last text from the server.
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// Returns the input as it is shown: masked, except for a code.
    pub fn masked_input(&self) -> String {
        match self.stage {
            Stage::Code => text::plain(&self.input),
            _ => "•".repeat(self.input.chars().count()),
        }
    }

    /// Handles a key; returns the message to send, if any.
    pub fn handle_key(&mut self, key: KeyEvent) -> Option<Message> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => return self.submit(),
            KeyCode::Backspace => {
                self.input.pop();
            }
            KeyCode::Char('u') if control => self.input.clear(),
            KeyCode::Char(letter) if !control => self.paste(&letter.to_string()),
            _ => {}
        }
        None
    }

    /// Inserts the first line of some text.
    pub fn paste(&mut self, text: &str) {
        let line = text.lines().next().unwrap_or_default();
        let is_waiting = matches!(self.stage, Stage::Waiting);
        if !is_waiting && self.input.len() + line.len() <= MAX_INPUT {
            self.input.push_str(line);
        }
    }

    fn submit(&mut self) -> Option<Message> {
        let input = std::mem::take(&mut self.input);
        self.message = None;
        let mut message = None;
        self.stage = match std::mem::replace(&mut self.stage, Stage::Waiting) {
            // In `SETPASS` it is a parameter before the last one, so it cannot contain a space.
            Stage::Current if input.contains(' ') || input.starts_with(':') => {
                self.message = Some(
                    "That password cannot be sent here: press Enter alone to get a code by mail."
                        .to_owned(),
                );
                Stage::Current
            }
            Stage::Current if input.is_empty() => Stage::New {
                current: "*".to_owned(),
            },
            Stage::Current => Stage::New { current: input },
            Stage::New { current } if input.is_empty() => Stage::New { current },
            Stage::New { current } => Stage::Repeat {
                current,
                new: input,
            },
            Stage::Repeat { current, new } if input != new => {
                self.message = Some("The two passwords differ.".to_owned());
                Stage::New { current }
            }
            Stage::Repeat { current, new } => {
                message = Some(Message::new("SETPASS", [current, new]));
                Stage::Waiting
            }
            Stage::Code if input.trim().is_empty() => Stage::Code,
            Stage::Code => {
                let params = [self.account.as_str(), input.trim()];
                message = Some(Message::new("VERIFY", params));
                Stage::Waiting
            }
            Stage::Waiting => Stage::Waiting,
        };
        message
    }

    /// Handles a message from the server.
    pub fn handle_message(&mut self, message: &Message) -> Reply {
        let last_param = || message.params.last().cloned().unwrap_or_default();
        let (stage, text) = match (message.command.as_str(), message.param(0), message.param(1)) {
            ("SETPASS" | "VERIFY", Some("SUCCESS"), _) => return Reply::Done(last_param()),
            ("SETPASS", Some("VERIFICATION_REQUIRED"), _) | ("FAIL", Some("VERIFY"), _) => {
                (Stage::Code, last_param())
            }
            ("FAIL", Some("SETPASS"), _) => (Stage::Current, last_param()),
            (numeric::ERR_UNKNOWNCOMMAND, _, Some("SETPASS")) => (
                Stage::Waiting,
                "This server has no command that sets a password.".to_owned(),
            ),
            _ => return Reply::Unrelated,
        };
        (self.stage, self.message) = (stage, Some(text));
        Reply::Handled
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Types a line, and returns the message that is sent.
    fn enter(change: &mut PasswordChange, text: &str) -> Option<Message> {
        for letter in text.chars() {
            assert_eq!(change.handle_key(KeyCode::Char(letter).into()), None);
        }
        change.handle_key(KeyCode::Enter.into())
    }

    fn receive(change: &mut PasswordChange, line: &str) -> Reply {
        change.handle_message(&Message::parse(line).unwrap())
    }

    #[test]
    fn a_password_is_set_with_the_current_one() {
        let mut change = PasswordChange::new("alice");
        enter(&mut change, "old");
        enter(&mut change, "new and long");
        let sent = enter(&mut change, "new and long");
        assert_eq!(sent, Some(Message::new("SETPASS", ["old", "new and long"])));
        let end = receive(&mut change, ":s SETPASS SUCCESS alice :The password is set");
        assert_eq!(end, Reply::Done("The password is set".to_owned()));
    }

    #[test]
    fn without_the_current_password_a_mailed_code_is_asked_for() {
        let mut change = PasswordChange::new("alice");
        enter(&mut change, "");
        enter(&mut change, "new");
        assert_eq!(
            enter(&mut change, "new"),
            Some(Message::new("SETPASS", ["*", "new"]))
        );
        assert_eq!(
            receive(
                &mut change,
                ":s SETPASS VERIFICATION_REQUIRED alice :A code was mailed"
            ),
            Reply::Handled
        );
        assert_eq!(
            enter(&mut change, "111111"),
            Some(Message::new("VERIFY", ["alice", "111111"]))
        );
        assert_eq!(
            receive(&mut change, ":s FAIL VERIFY INVALID_CODE alice :Not right"),
            Reply::Handled
        );
        assert_eq!(change.message(), Some("Not right"));
        assert_eq!(
            enter(&mut change, "222222"),
            Some(Message::new("VERIFY", ["alice", "222222"]))
        );
        assert!(matches!(
            receive(&mut change, ":s VERIFY SUCCESS alice :Set"),
            Reply::Done(_)
        ));
    }

    #[test]
    fn invalid_answers_are_asked_for_again() {
        let mut change = PasswordChange::new("alice");
        enter(&mut change, "two words");
        assert!(change.question().starts_with("Current"));
        enter(&mut change, "old");
        enter(&mut change, "");
        enter(&mut change, "one");
        enter(&mut change, "other");
        assert_eq!(change.question(), "New password");
        assert!(change.message().is_some_and(|text| text.contains("differ")));
        enter(&mut change, "one");
        enter(&mut change, "one");
        receive(&mut change, ":s FAIL SETPASS WEAK_PASSWORD :Too short");
        assert!(change.question().starts_with("Current"));
        assert_eq!(change.message(), Some("Too short"));
        assert_eq!(
            receive(&mut change, ":bob!b@h PRIVMSG alice :hi"),
            Reply::Unrelated
        );
    }

    #[test]
    fn the_input_is_neither_shown_nor_in_debug_output() {
        let mut change = PasswordChange::new("alice");
        change.paste("secret\nand more");
        assert_eq!(change.masked_input(), "••••••");
        assert!(!format!("{change:?}").contains("secret"));
        change.handle_key(KeyCode::Backspace.into());
        assert_eq!(change.masked_input(), "•••••");
        enter(&mut change, "");
        assert!(!format!("{change:?}").contains("secre"));
    }
}
