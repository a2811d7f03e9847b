//! Layout the account's password: asked for in a window where nothing of it can be read, and which
//! forgets it.

use std::fmt;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use rookery_protocol::{Message, numeric};

use crate::text;

/// Longer ones are not taken.
const MAX_PASSWORD: usize = 300;

/// A password on its way to be set.
pub struct PasswordChange {
    account: String,
    stage: Stage,
    typed: String,
    /// As given first: `*` when a code is to be mailed instead.
    present: String,
    new: String,
    /// What was wrong with the last answer, or what has come of it.
    pub told: Option<String>,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Present,
    New,
    Again,
    /// Nothing: the server has the word.
    Waiting,
    Code,
}

/// What follows from a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing outside.
    Stay,
    /// A message to the server.
    Send(Message),
}

/// What a message of the server was.
#[derive(Debug, PartialEq, Eq)]
pub enum ReplyKind {
    /// Not about the password.
    NotOurs,
    /// About it.
    Taken,
    /// The end, in its words.
    Done(String),
}

/// Nothing that was typed is shown, also not here.
impl fmt::Debug for PasswordChange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PasswordChange")
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

impl PasswordChange {
    /// For that account.
    pub fn new(account: &str) -> Self {
        Self {
            account: account.to_owned(),
            stage: Stage::Present,
            typed: String::new(),
            present: String::new(),
            new: String::new(),
            told: None,
        }
    }

    /// What is asked, in words.
    pub fn question(&self) -> &'static str {
        match self.stage {
            Stage::Present => "Present password, if you know it",
            Stage::New => "New password",
            Stage::Again => "The new one once more",
            Stage::Waiting => "One moment…",
            Stage::Code => "The six digits from the mail",
        }
    }

    /// What can be done, in words.
    pub fn hint(&self) -> &'static str {
        match self.stage {
            Stage::Present => "Enter alone: a code is mailed instead. Esc leaves all as it is.",
            Stage::Waiting => "Esc closes this.",
            Stage::New | Stage::Again | Stage::Code => "Enter goes on, Esc leaves all as it is.",
        }
    }

    /// What is typed, as it may be seen.
    pub fn shown(&self) -> String {
        match self.stage {
            Stage::Code => text::plain(&self.typed),
            _ => "•".repeat(self.typed.chars().count()),
        }
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) -> Step {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => return self.enter(),
            KeyCode::Backspace => {
                self.typed.pop();
            }
            KeyCode::Char('u') if control => self.typed.clear(),
            KeyCode::Char(letter) if !control => self.paste(&letter.to_string()),
            _ => {}
        }
        Step::Stay
    }

    /// Takes text.
    pub fn paste(&mut self, text: &str) {
        let line = text.lines().next().unwrap_or_default();
        if self.stage != Stage::Waiting && self.typed.len() + line.len() <= MAX_PASSWORD {
            self.typed.push_str(line);
        }
    }

    fn enter(&mut self) -> Step {
        let typed = std::mem::take(&mut self.typed);
        self.told = None;
        match self.stage {
            // It stands between spaces on its way.
            Stage::Present if typed.contains(' ') || typed.starts_with(':') => {
                self.told = Some(
                    "That form cannot be sent here: press Enter alone, and a code is mailed."
                        .to_owned(),
                );
            }
            Stage::Present => {
                self.present = if typed.is_empty() {
                    "*".to_owned()
                } else {
                    typed
                };
                self.stage = Stage::New;
            }
            Stage::New if typed.is_empty() => {}
            Stage::New => {
                self.new = typed;
                self.stage = Stage::Again;
            }
            Stage::Again if typed != self.new => {
                self.told = Some("The two are not the same.".to_owned());
                self.stage = Stage::New;
            }
            Stage::Again => {
                self.stage = Stage::Waiting;
                let (present, new) = (
                    std::mem::take(&mut self.present),
                    std::mem::take(&mut self.new),
                );
                return Step::Send(Message::new("SETPASS", [present, new]));
            }
            Stage::Code if typed.trim().is_empty() => {}
            Stage::Code => {
                self.stage = Stage::Waiting;
                return Step::Send(Message::new(
                    "VERIFY",
                    [self.account.as_str(), typed.trim()],
                ));
            }
            Stage::Waiting => {}
        }
        Step::Stay
    }

    /// Takes what the server says to it.
    pub fn hear(&mut self, message: &Message) -> ReplyKind {
        let (stage, told) = match (message.command.as_str(), message.param(0), message.param(1)) {
            ("SETPASS" | "VERIFY", Some("SUCCESS"), _) => return ReplyKind::Done(words(message)),
            ("SETPASS", Some("VERIFICATION_REQUIRED"), _) | ("FAIL", Some("VERIFY"), _) => {
                (Stage::Code, words(message))
            }
            ("FAIL", Some("SETPASS"), _) => (Stage::Present, words(message)),
            (numeric::ERR_UNKNOWNCOMMAND, _, Some("SETPASS")) => (
                Stage::Waiting,
                "This server has no command that sets a password.".to_owned(),
            ),
            _ => return ReplyKind::NotOurs,
        };
        (self.stage, self.told) = (stage, Some(told));
        ReplyKind::Taken
    }
}

/// What a message says to people: its last parameter.
fn words(message: &Message) -> String {
    message.params.last().cloned().unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn enters(change: &mut PasswordChange, text: &str) -> Step {
        for letter in text.chars() {
            assert_eq!(change.key(KeyCode::Char(letter).into()), Step::Stay);
        }
        change.key(KeyCode::Enter.into())
    }

    fn hears(change: &mut PasswordChange, line: &str) -> ReplyKind {
        change.hear(&Message::parse(line).unwrap())
    }

    #[test]
    fn a_password_is_set_with_the_present_one() {
        let mut change = PasswordChange::new("alice");
        enters(&mut change, "old");
        enters(&mut change, "new and long");
        let sent = enters(&mut change, "new and long");
        assert_eq!(
            sent,
            Step::Send(Message::new("SETPASS", ["old", "new and long"]))
        );
        let end = hears(&mut change, ":s SETPASS SUCCESS alice :The password is set");
        assert_eq!(end, ReplyKind::Done("The password is set".to_owned()));
    }

    #[test]
    fn without_the_present_one_a_mailed_code_proves_who_it_is() {
        let mut change = PasswordChange::new("alice");
        enters(&mut change, "");
        enters(&mut change, "new");
        assert_eq!(
            enters(&mut change, "new"),
            Step::Send(Message::new("SETPASS", ["*", "new"]))
        );
        assert_eq!(
            hears(
                &mut change,
                ":s SETPASS VERIFICATION_REQUIRED alice :A code was mailed"
            ),
            ReplyKind::Taken
        );
        assert_eq!(
            enters(&mut change, "111111"),
            Step::Send(Message::new("VERIFY", ["alice", "111111"]))
        );
        assert_eq!(
            hears(&mut change, ":s FAIL VERIFY INVALID_CODE alice :Not right"),
            ReplyKind::Taken
        );
        assert_eq!(change.told.as_deref(), Some("Not right"));
        assert_eq!(
            enters(&mut change, "222222"),
            Step::Send(Message::new("VERIFY", ["alice", "222222"]))
        );
        assert!(matches!(
            hears(&mut change, ":s VERIFY SUCCESS alice :Set"),
            ReplyKind::Done(_)
        ));
    }

    #[test]
    fn what_will_not_do_is_asked_again() {
        let mut change = PasswordChange::new("alice");
        enters(&mut change, "two words");
        assert_eq!(change.question(), "Present password, if you know it");
        enters(&mut change, "old");
        enters(&mut change, "");
        enters(&mut change, "one");
        enters(&mut change, "other");
        assert_eq!(
            (change.question(), change.told.as_deref()),
            ("New password", Some("The two are not the same."))
        );
        enters(&mut change, "one");
        enters(&mut change, "one");
        hears(&mut change, ":s FAIL SETPASS WEAK_PASSWORD :Too short");
        assert_eq!(
            (change.question(), change.told.as_deref()),
            ("Present password, if you know it", Some("Too short"))
        );
        assert_eq!(
            hears(&mut change, ":bob!b@h PRIVMSG alice :hi"),
            ReplyKind::NotOurs
        );
    }

    #[test]
    fn nothing_of_it_can_be_read() {
        let mut change = PasswordChange::new("alice");
        change.paste("secret\nand more");
        assert_eq!(change.shown(), "••••••");
        assert!(!format!("{change:?}").contains("secret"));
        change.key(KeyCode::Backspace.into());
        assert_eq!(change.shown(), "•••••");
    }
}
