//! Looking for something that was said: in what is loaded, and page by page in what the server has.

use crate::model::{Body, Buffer, Conversation, GapState, Line, LineId};
use crate::text;

/// Pages that are loaded before the person is asked whether to go on.
const PAGES: usize = 20;

/// A search in one place.
#[derive(Debug)]
pub struct Search {
    /// Where.
    pub conversation: Conversation,
    /// For what, as it was typed.
    pub query: String,
    /// In small letters.
    wanted: String,
    /// What was found, newest first.
    found: Vec<LineId>,
    /// Which of it is shown.
    chosen: Option<usize>,
    /// All from this line on is looked through.
    from: Option<LineId>,
    /// Pages that may still be loaded.
    pages: usize,
    /// The gap that is being loaded.
    awaited: Option<LineId>,
    state: State,
}

/// How far a search is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// It goes on.
    Looking,
    /// The next one is found, or as many pages are looked through as may be.
    Paused,
    /// Nothing is left to look through.
    Exhausted,
    /// What is left cannot be loaded, in words.
    Stuck(String),
}

/// What a step of the search wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchStep {
    /// To go to this line.
    Show(LineId),
    /// To have this gap loaded.
    Load(LineId),
    /// Nothing.
    Rest,
}

impl Search {
    /// Begins at the end of a place.
    pub fn new(conversation: Conversation, query: &str) -> Self {
        Self {
            conversation,
            query: query.to_owned(),
            wanted: query.to_lowercase(),
            found: Vec::new(),
            chosen: None,
            from: None,
            pages: PAGES,
            awaited: None,
            state: State::Looking,
        }
    }

    /// What is looked for, in small letters.
    pub fn wanted(&self) -> &str {
        &self.wanted
    }

    /// The line that is shown.
    pub fn shown(&self) -> Option<LineId> {
        self.found.get(self.chosen?).copied()
    }

    /// To what was found before, or further into the past.
    pub fn older(&mut self) -> SearchStep {
        let next = self.chosen.map_or(0, |chosen| chosen + 1);
        if let Some(line) = self.found.get(next) {
            self.chosen = Some(next);
            return SearchStep::Show(*line);
        }
        if self.state != State::Exhausted {
            (self.state, self.pages) = (State::Looking, PAGES);
        }
        SearchStep::Rest
    }

    /// To what was found after it.
    pub fn newer(&mut self) -> SearchStep {
        self.chosen = self.chosen.map(|chosen| chosen.saturating_sub(1));
        self.shown().map_or(SearchStep::Rest, SearchStep::Show)
    }

    /// Looks on, as far as it goes with what is loaded.
    pub fn look(&mut self, buffer: &Buffer) -> SearchStep {
        if self.state != State::Looking {
            return SearchStep::Rest;
        }
        let lines = buffer.lines();
        let end = self
            .from
            .and_then(|from| buffer.index_of(from))
            .unwrap_or(lines.len());
        for line in lines.range(..end).rev() {
            if line.body == Body::Gap {
                return self.look_behind(buffer, line.id);
            }
            if line.body == Body::Beginning {
                break;
            }
            self.from = Some(line.id);
            if self.fits(line) {
                self.found.push(line.id);
                self.chosen = Some(self.found.len() - 1);
                self.state = State::Paused;
                return SearchStep::Show(line.id);
            }
        }
        self.state = State::Exhausted;
        SearchStep::Rest
    }

    /// What is behind a gap has to be loaded first.
    fn look_behind(&mut self, buffer: &Buffer, gap: LineId) -> SearchStep {
        match buffer
            .gaps()
            .iter()
            .find(|one| one.line == gap)
            .map(|gap| &gap.state)
        {
            Some(GapState::Wanted | GapState::Requested) => SearchStep::Rest,
            Some(GapState::Failed(why)) if self.awaited == Some(gap) => {
                self.state = State::Stuck(why.to_string());
                self.awaited = None;
                SearchStep::Rest
            }
            _ if self.pages == 0 => {
                self.state = State::Paused;
                SearchStep::Rest
            }
            _ => {
                self.pages -= 1;
                self.awaited = Some(gap);
                SearchStep::Load(gap)
            }
        }
    }

    fn fits(&self, line: &Line) -> bool {
        match &line.body {
            Body::Said { nick, text, .. } => {
                text::plain(text).to_lowercase().contains(&self.wanted)
                    || nick.to_lowercase() == self.wanted
            }
            _ => false,
        }
    }

    /// How it stands; `time` writes when a line was said.
    pub fn words(&self, buffer: &Buffer, time: impl Fn(&Line) -> String) -> String {
        let found = match self.chosen {
            Some(chosen) => format!("{} of {}", chosen + 1, self.found.len()),
            None => "nothing".to_owned(),
        };
        let at_newest = self
            .chosen
            .is_none_or(|chosen| chosen + 1 == self.found.len());
        let oldest = self
            .from
            .and_then(|from| buffer.index_of(from))
            .and_then(|index| buffer.lines().get(index));
        let back = oldest.map_or(String::new(), |line| format!(", back to {}", time(line)));
        let next = match &self.state {
            State::Looking => "looking…".to_owned(),
            State::Exhausted if at_newest => "that is all there is".to_owned(),
            State::Stuck(why) if at_newest => why.clone(),
            State::Paused | State::Exhausted | State::Stuck(_) => {
                "Up: older, Down: newer".to_owned()
            }
        };
        format!(
            "{}: {found}{back} · {next} · Esc ends",
            text::plain(&self.query)
        )
    }
}
