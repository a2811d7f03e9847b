//! The question before a kick or a ban: whether it is meant, and why it is done.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use rookery_control_api::MAX_REASON;

use crate::output::plain;

/// A kick or a ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    pub kind: Kind,
    pub reason: String,
    /// Whether a warning of the server was answered.
    pub confirmed: bool,
}

/// Which of the two, and of whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The user of that nick.
    Kick { nick: String },
    /// An account, or an address.
    Ban { target: String },
}

impl Deed {
    /// What the operator is asked.
    pub fn question(&self) -> String {
        match &self.kind {
            Kind::Kick { nick } => format!(
                "Kick {0}: all sessions end, and {0} may come back.",
                plain(nick)
            ),
            Kind::Ban { target } => {
                format!(
                    "Ban {} for ever: whoever it covers is out, and stays out.",
                    plain(target)
                )
            }
        }
    }

    /// What is said while it is done.
    pub fn under_way(&self) -> String {
        match &self.kind {
            Kind::Kick { nick } => format!("Kicking {} …", plain(nick)),
            Kind::Ban { target } => format!("Banning {} …", plain(target)),
        }
    }
}

/// The question as it stands.
#[derive(Debug)]
pub struct Asking {
    pub deed: Deed,
    /// What the server wants to be confirmed; the reason is given then.
    pub warning: Option<String>,
}

/// What a key makes of the question.
#[derive(Debug, PartialEq, Eq)]
pub enum Answered {
    NotYet,
    No,
    Yes,
}

impl Asking {
    pub fn whether(kind: Kind) -> Self {
        Self {
            deed: Deed {
                kind,
                reason: String::new(),
                confirmed: false,
            },
            warning: None,
        }
    }

    /// The server has doubts.
    pub fn again(deed: Deed, warning: String) -> Self {
        Self {
            deed: Deed {
                confirmed: true,
                ..deed
            },
            warning: Some(warning),
        }
    }

    pub fn key(&mut self, key: KeyEvent) -> Answered {
        if self.warning.is_some() {
            return if key.code == KeyCode::Char('y') {
                Answered::Yes
            } else {
                Answered::No
            };
        }
        let reason = &mut self.deed.reason;
        match key.code {
            KeyCode::Esc => return Answered::No,
            KeyCode::Enter => return Answered::Yes,
            KeyCode::Backspace => drop(reason.pop()),
            KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => reason.clear(),
            KeyCode::Char(letter)
                if !key
                    .modifiers
                    .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT)
                    && !letter.is_control()
                    && reason.len() + letter.len_utf8() <= MAX_REASON =>
            {
                reason.push(letter);
            }
            _ => {}
        }
        Answered::NotYet
    }
}
