//! Searches a conversation: first the loaded messages, then the history on the server, page by
//! page.
//!
//! A search does not load messages itself. Each step returns what the caller must do next: show a
//! line, or load a gap before the search can continue.

use crate::model::{Body, Buffer, Conversation, GapState, Line, LineId};
use crate::text;

/// The number of pages after which the search pauses until the user continues it.
const MAX_PAGES: usize = 20;

/// A search in one conversation.
#[derive(Debug)]
pub struct Search {
    /// The conversation.
    pub conversation: Conversation,
    /// The search term as it was typed.
    query: String,
    /// The search term in lower case.
    needle: String,
    /// The matches so far, newest first.
    matches: Vec<LineId>,
    /// The index of the match that is shown.
    current: Option<usize>,
    /// The oldest line that was searched.
    searched_to: Option<LineId>,
    /// How many pages may still be loaded.
    pages_left: usize,
    /// The gap whose loading this search awaits.
    awaited_gap: Option<LineId>,
    state: State,
}

/// The state of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// It continues.
    Searching,
    /// A match was found, or the limit of pages is reached.
    Paused,
    /// The whole conversation was searched.
    Exhausted,
    /// The rest cannot be loaded, for this reason.
    Failed(String),
}

/// What the caller must do for a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchStep {
    /// Show this line.
    Show(LineId),
    /// Load this gap.
    Load(LineId),
    /// Nothing at this time.
    Wait,
}

impl Search {
    /// Starts a search at the end of a conversation.
    pub fn new(conversation: Conversation, query: &str) -> Self {
        Self {
            conversation,
            query: query.to_owned(),
            needle: query.to_lowercase(),
            matches: Vec::new(),
            current: None,
            searched_to: None,
            pages_left: MAX_PAGES,
            awaited_gap: None,
            state: State::Searching,
        }
    }

    /// Returns the search term in lower case.
    pub fn needle(&self) -> &str {
        &self.needle
    }

    /// Returns the match that is shown.
    pub fn current_match(&self) -> Option<LineId> {
        self.matches.get(self.current?).copied()
    }

    /// Moves to the next older match; continues the search if none is known.
    pub fn older(&mut self) -> SearchStep {
        let next = self.current.map_or(0, |current| current + 1);
        if let Some(line) = self.matches.get(next) {
            self.current = Some(next);
            return SearchStep::Show(*line);
        }
        if self.state != State::Exhausted {
            (self.state, self.pages_left) = (State::Searching, MAX_PAGES);
        }
        SearchStep::Wait
    }

    /// Moves to the next newer match.
    pub fn newer(&mut self) -> SearchStep {
        self.current = self.current.map(|current| current.saturating_sub(1));
        self.current_match()
            .map_or(SearchStep::Wait, SearchStep::Show)
    }

    /// Continues the search in the loaded messages, up to the next match or gap.
    pub fn advance(&mut self, buffer: &Buffer) -> SearchStep {
        if self.state != State::Searching {
            return SearchStep::Wait;
        }
        let lines = buffer.lines();
        let end = self
            .searched_to
            .and_then(|line| buffer.index_of(line))
            .unwrap_or(lines.len());
        for line in lines.range(..end).rev() {
            if line.body == Body::Gap {
                return self.load_gap(buffer, line.id);
            }
            if line.body == Body::Beginning {
                break;
            }
            self.searched_to = Some(line.id);
            if self.matches_line(line) {
                self.matches.push(line.id);
                self.current = Some(self.matches.len() - 1);
                self.state = State::Paused;
                return SearchStep::Show(line.id);
            }
        }
        self.state = State::Exhausted;
        SearchStep::Wait
    }

    fn load_gap(&mut self, buffer: &Buffer, line: LineId) -> SearchStep {
        let gap = buffer.gaps().iter().find(|gap| gap.line == line);
        match gap.map(|gap| &gap.state) {
            Some(GapState::Wanted | GapState::Requested) => SearchStep::Wait,
            Some(GapState::Failed(reason)) if self.awaited_gap == Some(line) => {
                self.state = State::Failed(reason.to_string());
                self.awaited_gap = None;
                SearchStep::Wait
            }
            _ if self.pages_left == 0 => {
                self.state = State::Paused;
                SearchStep::Wait
            }
            _ => {
                self.pages_left -= 1;
                self.awaited_gap = Some(line);
                SearchStep::Load(line)
            }
        }
    }

    fn matches_line(&self, line: &Line) -> bool {
        match &line.body {
            Body::Message { nick, text, .. } => {
                text::plain(text).to_lowercase().contains(&self.needle)
                    || nick.to_lowercase() == self.needle
            }
            _ => false,
        }
    }

    /// Returns the state of the search for the status line; `format_time` formats the time of a
    /// line.
    pub fn status(&self, buffer: &Buffer, format_time: impl Fn(&Line) -> String) -> String {
        let found = match self.current {
            Some(current) => format!("{} of {}", current + 1, self.matches.len()),
            None => "nothing found".to_owned(),
        };
        let at_oldest = self
            .current
            .is_none_or(|current| current + 1 == self.matches.len());
        let oldest = self
            .searched_to
            .and_then(|line| buffer.index_of(line))
            .and_then(|index| buffer.lines().get(index));
        let back = oldest.map_or(String::new(), |line| {
            format!(", back to {}", format_time(line))
        });
        let next = match &self.state {
            State::Searching => "searching…".to_owned(),
            State::Exhausted if at_oldest => "no more matches".to_owned(),
            State::Failed(reason) if at_oldest => reason.clone(),
            State::Paused | State::Exhausted | State::Failed(_) => {
                "Up: older, Down: newer".to_owned()
            }
        };
        let query = text::plain(&self.query);
        format!("{query}: {found}{back} · {next} · Esc ends")
    }
}
