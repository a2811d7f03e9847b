//! The state of the screen, and what keys do to it.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use rookery_control_api::{Role, Top};

use super::confirm::{Action, ActionKind, Answer, Dialog};
use super::panes::{Pane, Row, Subject};
use super::rates::RateHistory;
use crate::failure::Failure;
use crate::render::printable;

/// How many rows Page Up and Page Down move.
const PAGE: usize = 5;

const SUBJECT_IS_A_CHANNEL: &str = "This is a channel. Select a user: Tab moves to the next list.";

/// Everything on the screen.
pub struct Model {
    pub server: String,
    pub zone: TimeZone,
    pub top: Top,
    pub rates: RateHistory,
    pub focus: Pane,
    /// The key of the selected row in each pane. Rows move between snapshots, and the selection
    /// moves with them.
    selected: [Option<String>; Pane::ALL.len()],
    /// The open dialog.
    pub dialog: Option<Dialog>,
    /// The action that the server is carrying out.
    in_progress: Option<Action>,
    /// The notice in the last line, until the next key.
    notice: Option<Notice>,
    /// Since when the server has not replied, and why.
    pub unreachable: Option<(Timestamp, String)>,
}

/// A notice for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub text: String,
    pub is_alarming: bool,
}

/// What a key press asks of the program.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    Quit,
    CarryOut(Action),
}

impl Model {
    pub fn new(server: String, zone: TimeZone, first: Top) -> Self {
        Self {
            server,
            zone,
            rates: RateHistory::new(&first),
            top: first,
            focus: Pane::Users,
            selected: [const { None }; Pane::ALL.len()],
            dialog: None,
            in_progress: None,
            notice: None,
            unreachable: None,
        }
    }

    /// Shows the next snapshot.
    pub fn update(&mut self, next: Top) {
        self.rates.add(&next);
        self.top = next;
        self.unreachable = None;
    }

    /// Notes that the server did not reply. The last snapshot stays on the screen.
    pub fn set_unreachable(&mut self, why: &Failure) {
        let since = self
            .unreachable
            .take()
            .map_or(self.top.at, |(since, _)| since);
        self.unreachable = Some((since, printable(&why.to_string())));
    }

    /// Handles the result of an action.
    pub fn finish_action(&mut self, result: Result<String, Failure>) {
        let action = self.in_progress.take();
        self.notice = Some(match (result, action) {
            (Ok(text), _) => Notice {
                text,
                is_alarming: false,
            },
            (Err(failure), Some(action)) if failure.needs_confirmation() && !action.confirmed => {
                let warning = printable(&failure.to_string());
                self.dialog = Some(Dialog::with_warning(action, warning));
                return;
            }
            (Err(failure), _) => Notice {
                text: printable(&failure.to_string()),
                is_alarming: true,
            },
        });
    }

    /// Returns the rows of a pane.
    pub fn rows(&self, pane: Pane) -> Vec<Row> {
        pane.rows(&self.top, &self.zone)
    }

    /// Returns the index of the selected row, if it still exists.
    pub fn selected(&self, pane: Pane, rows: &[Row]) -> Option<usize> {
        let key = self.selected[pane.index()].as_ref()?;
        rows.iter().position(|row| row.key == *key)
    }

    /// Returns the selected row of the focused pane.
    pub fn selected_row(&self) -> Option<Row> {
        let mut rows = self.rows(self.focus);
        let at = self.selected(self.focus, &rows)?;
        Some(rows.swap_remove(at))
    }

    /// Returns the notice for the last line, if there is one.
    pub fn notice(&self) -> Option<Notice> {
        let in_progress = self.in_progress.as_ref();
        in_progress
            .map(|action| Notice {
                text: action.progress(),
                is_alarming: false,
            })
            .or_else(|| self.notice.clone())
    }

    /// Handles a key.
    pub fn handle_key(&mut self, key: KeyEvent) -> Option<Command> {
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return Some(Command::Quit);
        }
        self.notice = None;
        if let Some(dialog) = &mut self.dialog {
            let answer = dialog.handle_key(key);
            if answer == Answer::Pending {
                return None;
            }
            let action = self.dialog.take().map(|dialog| dialog.action)?;
            if answer == Answer::Cancelled {
                self.set_notice("Cancelled; nothing was changed.");
                return None;
            }
            self.in_progress = Some(action.clone());
            return Some(Command::CarryOut(action));
        }
        match key.code {
            KeyCode::Char('q') => return Some(Command::Quit),
            KeyCode::Char('k') => self.open_dialog(|subject| match subject {
                Subject::User { nick, .. } => Ok(ActionKind::Kick { nick }),
                Subject::Channel => Err(SUBJECT_IS_A_CHANNEL),
                Subject::Address(_) | Subject::ControlPlane => {
                    Err("A refused sign-in has no session to kick.")
                }
            }),
            KeyCode::Char('b') => self.open_dialog(|subject| match subject {
                Subject::User {
                    target: Some(target),
                    ..
                }
                | Subject::Address(target) => Ok(ActionKind::Ban { target }),
                Subject::User { target: None, .. } => {
                    Err("This guest cannot be banned: neither account nor address is known.")
                }
                Subject::Channel => Err(SUBJECT_IS_A_CHANNEL),
                Subject::ControlPlane => {
                    Err("Bans do not apply to the control plane; use a firewall.")
                }
            }),
            KeyCode::Tab | KeyCode::Right => self.move_focus(1),
            KeyCode::BackTab | KeyCode::Left => self.move_focus(Pane::ALL.len() - 1),
            KeyCode::Down => self.select(|at, _| at.map_or(0, |at| at + 1)),
            KeyCode::Up => self.select(|at, _| at.map_or(0, |at| at.saturating_sub(1))),
            KeyCode::PageDown => self.select(|at, _| at.unwrap_or_default() + PAGE),
            KeyCode::PageUp => self.select(|at, _| at.unwrap_or_default().saturating_sub(PAGE)),
            KeyCode::Home => self.select(|_, _| 0),
            KeyCode::End => self.select(|_, last| last),
            KeyCode::Esc => self.selected[self.focus.index()] = None,
            _ => {}
        }
        None
    }

    /// Moves the focus forward by so many panes.
    fn move_focus(&mut self, panes: usize) {
        self.focus = Pane::ALL[(self.focus.index() + panes) % Pane::ALL.len()];
    }

    /// Selects the row that `which` returns for the index of the selected row and of the last row.
    fn select(&mut self, which: impl Fn(Option<usize>, usize) -> usize) {
        let mut rows = self.rows(self.focus);
        let Some(last) = rows.len().checked_sub(1) else {
            return;
        };
        let at = which(self.selected(self.focus, &rows), last).min(last);
        self.selected[self.focus.index()] = Some(rows.swap_remove(at).key);
    }

    /// Opens the dialog for an action on the selected row, or explains why it is not possible.
    fn open_dialog(&mut self, action: impl Fn(Subject) -> Result<ActionKind, &'static str>) {
        if self.top.role < Role::Moderator {
            return self.set_notice("Auditors may only read. An owner can change your role.");
        }
        if self.in_progress.is_some() {
            return;
        }
        let Some(row) = self.selected_row() else {
            return self.set_notice(
                "Select a user first, with the arrow keys; Tab moves to the next list.",
            );
        };
        match action(row.subject) {
            Ok(kind) => self.dialog = Some(Dialog::new(kind)),
            Err(why) => self.set_notice(why),
        }
    }

    fn set_notice(&mut self, text: &str) {
        self.notice = Some(Notice {
            text: text.to_owned(),
            is_alarming: false,
        });
    }
}
