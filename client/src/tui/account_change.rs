//! The dialog that changes the account's password or email. Passwords are not shown, are not part
//! of `Debug` output, and are dropped as soon as they have been sent.

use std::fmt;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use rookery_protocol::{Email, Message, numeric};

use crate::text;

/// The longest input, in bytes.
const MAX_INPUT: usize = 300;

/// A password or email that is being changed.
pub struct AccountChange {
    subject: Subject,
    stage: Stage,
    input: String,
    /// The error in the last answer, or the last text from the server.
    message: Option<String>,
}

/// What is changed.
enum Subject {
    Password,
    /// The email, to this one.
    Email(Email),
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
    /// The mailed code, which confirms the change of this account.
    Code { account: String },
}

/// The meaning of a message from the server for the dialog.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// It is about something else.
    Unrelated,
    /// It is about the change; the dialog continues.
    Handled,
    /// The change is made.
    Done {
        /// The server's text that says so.
        text: String,
        /// The account's new email, if that was changed.
        email: Option<Email>,
    },
}

impl fmt::Debug for AccountChange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("AccountChange").finish_non_exhaustive()
    }
}

impl AccountChange {
    /// Opens the dialog that sets the password.
    pub fn password() -> Self {
        Self::new(Subject::Password)
    }

    /// Opens the dialog that changes the email.
    pub fn email(new: Email) -> Self {
        Self::new(Subject::Email(new))
    }

    fn new(subject: Subject) -> Self {
        Self {
            subject,
            stage: Stage::Current,
            input: String::new(),
            message: None,
        }
    }

    /// Returns the title of the dialog.
    pub fn title(&self) -> &'static str {
        match self.subject {
            Subject::Password => "Password",
            Subject::Email(_) => "Email",
        }
    }

    /// Returns the command that requests the change.
    fn command(&self) -> &'static str {
        match self.subject {
            Subject::Password => "SETPASS",
            Subject::Email(_) => "SETEMAIL",
        }
    }

    /// Returns the question that the user answers.
    pub fn question(&self) -> &'static str {
        match self.stage {
            Stage::Current => "Current password, if you know it",
            Stage::New { .. } => "New password",
            Stage::Repeat { .. } => "New password again",
            Stage::Waiting => "One moment…",
            Stage::Code { .. } => "The six-digit code from the mail",
        }
    }

    /// Returns a hint about the keys.
    pub fn hint(&self) -> &'static str {
        match self.stage {
            Stage::Current => "Enter alone: confirm with a mailed code instead. Esc cancels.",
            Stage::Waiting => "Esc closes this.",
            Stage::New { .. } | Stage::Repeat { .. } | Stage::Code { .. } => {
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
            Stage::Code { .. } => text::plain(&self.input),
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
        if let (Stage::Current, Subject::Email(new)) = (&self.stage, &self.subject) {
            let password = Some(input).filter(|input| !input.is_empty());
            let params = [new.to_string()].into_iter().chain(password);
            self.stage = Stage::Waiting;
            return Some(Message::new("SETEMAIL", params));
        }
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
            Stage::Code { account } if input.trim().is_empty() => Stage::Code { account },
            Stage::Code { account } => {
                message = Some(Message::new("VERIFY", [account.as_str(), input.trim()]));
                Stage::Waiting
            }
            Stage::Waiting => Stage::Waiting,
        };
        message
    }

    /// Handles a message from the server.
    pub fn handle_message(&mut self, message: &Message) -> Reply {
        let text = message.params.last().cloned().unwrap_or_default();
        let param = |index: usize| message.param(index).unwrap_or_default();
        let command = self.command();
        let is_ours = |name: &str| name == command || name == "VERIFY";
        let (stage, text) = match (message.command.as_str(), param(0)) {
            (name, "SUCCESS") if is_ours(name) => {
                let email = match &self.subject {
                    Subject::Password => None,
                    Subject::Email(new) => Some(new.clone()),
                };
                return Reply::Done { text, email };
            }
            (name, "VERIFICATION_REQUIRED") if is_ours(name) => {
                let account = param(1).to_owned();
                // The rest says how to enter the code in another client.
                let text = match text.split_once(" To finish, type") {
                    Some((mailed, _)) => mailed.to_owned(),
                    None => text,
                };
                (Stage::Code { account }, text)
            }
            // Once the code is no longer valid, the change must be requested again.
            ("FAIL", "VERIFY") if param(1) == "INVALID_CODE" => {
                let account = param(2).to_owned();
                (Stage::Code { account }, text)
            }
            ("FAIL", name) if is_ours(name) => (Stage::Current, text),
            (numeric::ERR_UNKNOWNCOMMAND, _) if param(1) == command => (
                Stage::Waiting,
                format!("This server has no command {command}."),
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
    fn enter(change: &mut AccountChange, text: &str) -> Option<Message> {
        for letter in text.chars() {
            assert_eq!(change.handle_key(KeyCode::Char(letter).into()), None);
        }
        change.handle_key(KeyCode::Enter.into())
    }

    fn receive(change: &mut AccountChange, line: &str) -> Reply {
        change.handle_message(&Message::parse(line).unwrap())
    }

    #[test]
    fn a_password_is_set_with_the_current_one() {
        let mut change = AccountChange::password();
        enter(&mut change, "old");
        enter(&mut change, "new and long");
        let sent = enter(&mut change, "new and long");
        assert_eq!(sent, Some(Message::new("SETPASS", ["old", "new and long"])));
        let end = receive(&mut change, ":s SETPASS SUCCESS alice :The password is set");
        let text = "The password is set".to_owned();
        assert_eq!(end, Reply::Done { text, email: None });
    }

    #[test]
    fn without_the_current_password_a_mailed_code_is_asked_for() {
        let mut change = AccountChange::password();
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
            Reply::Done { email: None, .. }
        ));
    }

    #[test]
    fn an_email_is_changed_with_the_password_and_a_code() {
        let new = Email::parse("new@b.example").unwrap();
        let mut change = AccountChange::email(new.clone());
        let sent = enter(&mut change, "two words");
        assert_eq!(
            sent,
            Some(Message::new("SETEMAIL", ["new@b.example", "two words"]))
        );
        // The answer names the account, which is not always that of the nick.
        let mailed = "A code was mailed to new@b.example; it is valid for 10 minutes.";
        receive(
            &mut change,
            &format!(
                ":s SETEMAIL VERIFICATION_REQUIRED alice :{mailed} To finish, type /quote VERIFY \
                 alice and the code"
            ),
        );
        assert_eq!(change.message(), Some(mailed));
        let sent = enter(&mut change, "123456");
        assert_eq!(sent, Some(Message::new("VERIFY", ["alice", "123456"])));
        let end = receive(&mut change, ":s VERIFY SUCCESS alice :Changed");
        assert!(matches!(end, Reply::Done { email: Some(email), .. } if email == new));
    }

    #[test]
    fn without_the_password_a_code_is_mailed_to_the_old_email_and_then_to_the_new_one() {
        let mut change = AccountChange::email(Email::parse("new@b.example").unwrap());
        let sent = enter(&mut change, "");
        assert_eq!(sent, Some(Message::new("SETEMAIL", ["new@b.example"])));
        for (answer, code) in [("SETEMAIL", "111111"), ("VERIFY", "222222")] {
            let line = format!(":s {answer} VERIFICATION_REQUIRED alice :Mailed");
            assert_eq!(receive(&mut change, &line), Reply::Handled);
            let sent = enter(&mut change, code);
            assert_eq!(sent, Some(Message::new("VERIFY", ["alice", code])));
        }
        let late = ":s FAIL VERIFY TEMPORARILY_UNAVAILABLE alice :Try again later";
        assert_eq!(receive(&mut change, late), Reply::Handled);
        assert!(change.question().starts_with("Current"));
    }

    #[test]
    fn invalid_answers_are_asked_for_again() {
        let mut change = AccountChange::password();
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
        let mut change = AccountChange::password();
        change.paste("secret\nand more");
        assert_eq!(change.masked_input(), "••••••");
        assert!(!format!("{change:?}").contains("secret"));
        change.handle_key(KeyCode::Backspace.into());
        assert_eq!(change.masked_input(), "•••••");
        enter(&mut change, "");
        assert!(!format!("{change:?}").contains("secre"));
    }
}
