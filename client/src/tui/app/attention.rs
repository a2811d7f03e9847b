//! Where the person looks: what is in view is read, what is missing there is loaded, and a search
//! goes to its finds.

use jiff::SignedDuration;

use super::{App, Connection, Effect, Overlay};
use crate::model::{Conversation, LineId};
use crate::tui::layout::{ScrollPosition, gaps_near};
use crate::tui::search::SearchStep;

/// What is read is told to the server no more often than that.
const MARK_EVERY: SignedDuration = SignedDuration::from_secs(2);
/// Whoever has done nothing for so long is not looking.
const IDLE: SignedDuration = SignedDuration::from_mins(5);

impl App {
    /// The terminal has, or has lost, the focus.
    pub fn focus(&mut self, focused: bool) {
        self.focused = Some(focused);
        self.used_at = self.now;
        self.look();
    }

    /// Before it is drawn, and as time passes: what is in view is read, and what is missing there
    /// is asked for.
    pub fn look(&mut self) {
        self.change_drafts();
        self.search_on();
        self.buffers
            .watch(self.is_present() && self.scrolled().is_none());
        let height = usize::from(self.areas().talk.height);
        let near = gaps_near(self.buffers.current(), self.scrolled(), height);
        for gap in near {
            self.buffers.request_gap(gap, false);
        }
        if self.now.duration_since(self.marked_at).abs() >= MARK_EVERY {
            self.mark();
        }
        self.flush();
    }

    /// Each place has its own line to type in: nothing is said in another place than it was typed
    /// for.
    pub(in crate::tui) fn change_drafts(&mut self) {
        let here = &self.buffers.current().conversation;
        if self.typed_in == *here {
            return;
        }
        let (left, here) = (
            std::mem::replace(&mut self.typed_in, here.clone()),
            here.clone(),
        );
        let is_gone = self
            .buffers
            .list()
            .iter()
            .all(|buffer| buffer.conversation != left);
        let is_renamed = is_gone
            && matches!(
                (&left, &here),
                (Conversation::Person(_), Conversation::Person(_))
            );
        // In the server's place nothing is said, but typed while the connection is made.
        if is_renamed || (left == Conversation::Server && !self.drafts.contains_key(&here)) {
            return;
        }
        let draft = self
            .editor
            .exchange(self.drafts.remove(&here).unwrap_or_default());
        if !draft.is_empty() {
            self.drafts.insert(left, draft);
        }
    }

    /// Goes on with a search, as far as it goes now.
    fn search_on(&mut self) {
        let Some(Overlay::Search(search)) = &mut self.overlay else {
            return;
        };
        let buffer = self.buffers.current();
        if buffer.conversation != search.conversation {
            self.overlay = None;
            return;
        }
        let next = search.look(buffer);
        self.follow(next);
    }

    /// Does what a search wants.
    pub(in crate::tui) fn follow(&mut self, next: SearchStep) {
        match next {
            SearchStep::Rest => {}
            SearchStep::Load(gap) => self.buffers.request_gap(gap, true),
            SearchStep::Show(line) => self.show_in_the_middle(line),
        }
    }

    fn show_in_the_middle(&mut self, line: LineId) {
        let height = usize::from(self.areas().talk.height);
        let scroll = self.layout().around(self.buffers.current(), line, height);
        self.scroll_to(scroll);
    }

    /// Scrolls to a line, unless it is in view.
    pub(in crate::tui) fn show_line(&mut self, line: LineId) {
        let height = usize::from(self.areas().talk.height);
        if !self
            .layout()
            .shows(self.buffers.current(), self.scrolled(), height, line)
        {
            self.show_in_the_middle(line);
        }
    }

    /// Tells the server what is read, for the other devices.
    pub(super) fn mark(&mut self) {
        if self.connection == Connection::Online {
            let markers = self.buffers.markers();
            if !markers.is_empty() {
                self.marked_at = self.now;
            }
            self.effects.extend(markers.into_iter().map(Effect::Send));
        }
    }

    /// Whether someone looks at the screen, as far as can be told.
    pub(super) fn is_present(&self) -> bool {
        self.focused != Some(false) && self.now.duration_since(self.used_at) < IDLE
    }

    /// Scrolls by so many rows.
    pub fn scroll(&mut self, up: bool, rows: usize) {
        let height = usize::from(self.areas().talk.height);
        let (buffer, layout) = (self.buffers.current(), self.layout());
        let scroll = if up {
            layout.up(buffer, self.scrolled(), height, rows)
        } else {
            layout.down(buffer, self.scrolled(), rows)
        };
        // Whoever goes on looks for what could not be loaded.
        let near = if up {
            gaps_near(buffer, scroll, height)
        } else {
            Vec::new()
        };
        for gap in near {
            self.buffers.request_gap(gap, true);
        }
        self.scroll_to(scroll);
    }

    fn scroll_to(&mut self, scroll: Option<ScrollPosition>) {
        let conversation = self.buffers.current().conversation.clone();
        match scroll {
            Some(scroll) => self.scrolls.insert(conversation, scroll),
            None => self.scrolls.remove(&conversation),
        };
    }

    /// Where one has scrolled to in the current place; none at the end.
    pub fn scrolled(&self) -> Option<ScrollPosition> {
        self.scrolls
            .get(&self.buffers.current().conversation)
            .copied()
    }

    /// Goes back to the end of the current place.
    pub fn scroll_to_end(&mut self) {
        self.scrolls.remove(&self.buffers.current().conversation);
    }

    /// Whether what is typed goes into the line below the conversation.
    pub fn types(&self) -> bool {
        matches!(
            self.overlay,
            None | Some(Overlay::Search(_) | Overlay::Format)
        )
    }
}
