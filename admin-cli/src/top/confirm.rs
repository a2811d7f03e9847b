//! The dialog before a kick or a ban: it asks for confirmation and a reason.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use rookery_control_api::MAX_REASON;

use crate::render::printable;

/// A kick or a ban with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    pub kind: ActionKind,
    pub reason: String,
    /// Whether the operator has confirmed a warning of the server.
    pub confirmed: bool,
}

/// A kick or a ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActionKind {
    /// Kicks the user with that nick.
    Kick { nick: String },
    /// Bans an account or an address.
    Ban { target: String },
}

impl Action {
    /// Returns the question for the operator.
    pub fn question(&self) -> String {
        match &self.kind {
            ActionKind::Kick { nick } => format!(
                "Kick {}? All sessions end; the user may reconnect.",
                printable(nick)
            ),
            ActionKind::Ban { target } => format!(
                "Ban {} permanently? Sessions end and new ones are refused.",
                printable(target)
            ),
        }
    }

    /// Returns the text while the action is being carried out.
    pub fn progress(&self) -> String {
        match &self.kind {
            ActionKind::Kick { nick } => format!("Kicking {} …", printable(nick)),
            ActionKind::Ban { target } => format!("Banning {} …", printable(target)),
        }
    }
}

/// The open dialog.
#[derive(Debug)]
pub struct Dialog {
    pub action: Action,
    /// The warning that the server wants confirmed. The reason is known by then.
    pub warning: Option<String>,
}

/// The effect of a key on the dialog.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// The dialog stays open.
    Pending,
    Cancelled,
    Confirmed,
}

impl Dialog {
    /// Opens the dialog for an action.
    pub fn new(kind: ActionKind) -> Self {
        Self {
            action: Action {
                kind,
                reason: String::new(),
                confirmed: false,
            },
            warning: None,
        }
    }

    /// Opens the dialog again for a warning of the server.
    pub fn with_warning(action: Action, warning: String) -> Self {
        Self {
            action: Action {
                confirmed: true,
                ..action
            },
            warning: Some(warning),
        }
    }

    /// Handles a key.
    pub fn handle_key(&mut self, key: KeyEvent) -> Answer {
        if self.warning.is_some() {
            return if key.code == KeyCode::Char('y') {
                Answer::Confirmed
            } else {
                Answer::Cancelled
            };
        }
        let reason = &mut self.action.reason;
        match key.code {
            KeyCode::Esc => return Answer::Cancelled,
            KeyCode::Enter => return Answer::Confirmed,
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
        Answer::Pending
    }
}
