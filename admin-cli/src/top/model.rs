//! What is shown, what is chosen in it, and what a key means.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use rookery_control_api::{Role, Top};

use super::asking::{Answered, Asking, Deed, Kind};
use super::pace::Pace;
use super::panes::{Pane, Row, Whom};
use crate::client::problem_kind;
use crate::failure::Failure;
use crate::output::plain;

/// How many rows a page is.
const PAGE: usize = 5;

/// All there is to see.
pub struct Model {
    pub server: String,
    pub zone: TimeZone,
    pub top: Top,
    pub pace: Pace,
    pub focus: Pane,
    /// The row that is chosen in each pane, by its key: rows change their places, and the choice
    /// goes with them.
    chosen: [Option<String>; Pane::ALL.len()],
    /// The question that is put to the operator.
    pub asking: Option<Asking>,
    /// What is being done.
    under_way: Option<Deed>,
    /// What the operator is told, until the next key.
    told: Option<Told>,
    /// Since when the server does not answer, and why.
    pub trouble: Option<(Timestamp, String)>,
}

/// Something the operator is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub text: String,
    pub is_alarming: bool,
}

/// What a key asks for, besides another look.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    Leave,
    Do(Deed),
}

impl Model {
    pub fn new(server: String, zone: TimeZone, first: Top) -> Self {
        Self {
            server,
            zone,
            pace: Pace::new(&first),
            top: first,
            focus: Pane::Users,
            chosen: [const { None }; Pane::ALL.len()],
            asking: None,
            under_way: None,
            told: None,
            trouble: None,
        }
    }

    /// The next moment.
    pub fn take(&mut self, next: Top) {
        self.pace.take(&next);
        self.top = next;
        self.trouble = None;
    }

    /// The server did not answer; what is shown is what it was.
    pub fn no_answer(&mut self, why: &Failure) {
        let since = self.trouble.take().map_or(self.top.at, |(since, _)| since);
        self.trouble = Some((since, plain(&why.to_string())));
    }

    /// What was to be done is done, or was refused.
    pub fn done(&mut self, result: Result<String, Failure>) {
        let deed = self.under_way.take();
        self.told = Some(match (result, deed) {
            (Ok(text), _) => Told {
                text,
                is_alarming: false,
            },
            (Err(failure), Some(deed)) if asks_twice(&failure) && !deed.confirmed => {
                self.asking = Some(Asking::again(deed, plain(&failure.to_string())));
                return;
            }
            (Err(failure), _) => Told {
                text: plain(&failure.to_string()),
                is_alarming: true,
            },
        });
    }

    pub fn rows(&self, pane: Pane) -> Vec<Row> {
        pane.rows(&self.top, &self.zone)
    }

    /// The number of the row that is chosen, if that is still there.
    pub fn chosen(&self, pane: Pane, rows: &[Row]) -> Option<usize> {
        let key = self.chosen[pane.index()].as_ref()?;
        rows.iter().position(|row| row.key == *key)
    }

    /// The row that is chosen in the list that has the keys.
    pub fn chosen_row(&self) -> Option<Row> {
        let mut rows = self.rows(self.focus);
        let at = self.chosen(self.focus, &rows)?;
        Some(rows.swap_remove(at))
    }

    /// What the operator is told in the last line, if anything.
    pub fn told(&self) -> Option<Told> {
        let under_way = self.under_way.as_ref();
        under_way
            .map(|deed| Told {
                text: deed.under_way(),
                is_alarming: false,
            })
            .or_else(|| self.told.clone())
    }

    /// A key was pressed.
    pub fn key(&mut self, key: KeyEvent) -> Option<Wish> {
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return Some(Wish::Leave);
        }
        self.told = None;
        if let Some(asking) = &mut self.asking {
            let answered = asking.key(key);
            if answered == Answered::NotYet {
                return None;
            }
            let deed = self.asking.take().map(|asking| asking.deed)?;
            if answered == Answered::No {
                self.tell("Nothing was done.");
                return None;
            }
            self.under_way = Some(deed.clone());
            return Some(Wish::Do(deed));
        }
        match key.code {
            KeyCode::Char('q') => return Some(Wish::Leave),
            KeyCode::Char('k') => self.ask(|whom| match whom {
                Whom::User { nick, .. } => Ok(Kind::Kick { nick }),
                Whom::Nobody => Err("That is a channel. Choose a user: tab goes to the next list."),
                Whom::Address(_) | Whom::Stranger => {
                    Err("Whoever was refused is not here to be kicked.")
                }
            }),
            KeyCode::Char('b') => self.ask(|whom| match whom {
                Whom::User {
                    target: Some(target),
                    ..
                }
                | Whom::Address(target) => Ok(Kind::Ban { target }),
                Whom::User { target: None, .. } => {
                    Err("Nothing is known by which this guest could be banned.")
                }
                Whom::Nobody => Err("That is a channel. Choose a user: tab goes to the next list."),
                Whom::Stranger => {
                    Err("A ban keeps nobody from the control plane; that is for a firewall.")
                }
            }),
            KeyCode::Tab | KeyCode::Right => self.go(1),
            KeyCode::BackTab | KeyCode::Left => self.go(Pane::ALL.len() - 1),
            KeyCode::Down => self.choose(|at, _| at.map_or(0, |at| at + 1)),
            KeyCode::Up => self.choose(|at, _| at.map_or(0, |at| at.saturating_sub(1))),
            KeyCode::PageDown => self.choose(|at, _| at.unwrap_or_default() + PAGE),
            KeyCode::PageUp => self.choose(|at, _| at.unwrap_or_default().saturating_sub(PAGE)),
            KeyCode::Home => self.choose(|_, _| 0),
            KeyCode::End => self.choose(|_, last| last),
            KeyCode::Esc => self.chosen[self.focus.index()] = None,
            _ => {}
        }
        None
    }

    /// Goes so many lists on.
    fn go(&mut self, lists: usize) {
        self.focus = Pane::ALL[(self.focus.index() + lists) % Pane::ALL.len()];
    }

    /// Chooses another row, by the one chosen and the last.
    fn choose(&mut self, which: impl Fn(Option<usize>, usize) -> usize) {
        let mut rows = self.rows(self.focus);
        let Some(last) = rows.len().checked_sub(1) else {
            return;
        };
        let at = which(self.chosen(self.focus, &rows), last).min(last);
        self.chosen[self.focus.index()] = Some(rows.swap_remove(at).key);
    }

    /// Asks whether that is to be done with whom is chosen; or tells why it cannot be.
    fn ask(&mut self, what: impl Fn(Whom) -> Result<Kind, &'static str>) {
        if self.top.role < Role::Moderator {
            return self.tell(
                "You are an auditor, who may only read. An owner can give you another role.",
            );
        }
        if self.under_way.is_some() {
            return;
        }
        let Some(row) = self.chosen_row() else {
            return self
                .tell("Choose somebody first, with the arrow keys; tab goes to the next list.");
        };
        match what(row.whom) {
            Ok(kind) => self.asking = Some(Asking::whether(kind)),
            Err(why) => self.tell(why),
        }
    }

    fn tell(&mut self, text: &str) {
        self.told = Some(Told {
            text: text.to_owned(),
            is_alarming: false,
        });
    }
}

/// Whether the server wants it to be confirmed.
fn asks_twice(failure: &Failure) -> bool {
    problem_kind(failure).as_deref() == Some("/problems/confirmation-required")
}
