//! Scrolls the current conversation, and continues searches.

use super::App;
use crate::model::LineId;
use crate::tui::layout::{ScrollPosition, Unseen, gaps_near};
use crate::tui::overlay::Overlay;
use crate::tui::search::SearchStep;

impl App {
    /// Scrolls by a number of rows. Scrolling up also requests messages again that could not be
    /// loaded.
    pub fn scroll(&mut self, up: bool, rows: usize) {
        let height = self.conversation_height();
        let (buffer, layout) = (self.buffers.current(), self.layout());
        let position = if up {
            layout.scrolled_up(
                buffer,
                self.scroll_position(),
                height,
                rows,
                &self.unseen_lines(),
            )
        } else {
            layout.scrolled_down(buffer, self.scroll_position(), rows)
        };
        let near = if up {
            gaps_near(buffer, position, height)
        } else {
            Vec::new()
        };
        for gap in near {
            self.buffers.request_gap(gap, true);
        }
        self.set_scroll_position(position);
    }

    /// Returns the lines that the user has not had a chance to read. A key can be pressed just as
    /// missing messages arrive in the conversation.
    fn unseen_lines(&self) -> Unseen {
        let buffer = self.buffers.current();
        let drawn = match &self.drawn {
            Some((conversation, last)) if *conversation == buffer.conversation => *last,
            _ => buffer.last_added(),
        };
        Unseen {
            drawn,
            loading: self.buffers.gaps_being_loaded(),
        }
    }

    /// Handles that the present state was drawn.
    pub fn handle_drawn(&mut self) {
        let buffer = self.buffers.current();
        self.drawn = Some((buffer.conversation.clone(), buffer.last_added()));
    }

    /// Scrolls by a page; two rows stay in view for orientation.
    pub(super) fn scroll_page(&mut self, up: bool) {
        let rows = self.conversation_height().saturating_sub(2).max(1);
        self.scroll(up, rows);
    }

    /// Scrolls to the end of the current conversation.
    pub fn scroll_to_end(&mut self) {
        self.set_scroll_position(None);
    }

    /// Returns the scroll position of the current conversation; `None` at its end.
    pub fn scroll_position(&self) -> Option<ScrollPosition> {
        self.scrolls
            .get(&self.buffers.current().conversation)
            .copied()
    }

    fn set_scroll_position(&mut self, position: Option<ScrollPosition>) {
        let conversation = self.buffers.current().conversation.clone();
        match position {
            Some(position) => self.scrolls.insert(conversation, position),
            None => self.scrolls.remove(&conversation),
        };
    }

    /// Scrolls to a line, unless it is in view.
    pub(super) fn scroll_to_line(&mut self, line: LineId) {
        let height = self.conversation_height();
        let (buffer, position) = (self.buffers.current(), self.scroll_position());
        if !self.layout().is_visible(buffer, position, height, line) {
            self.center_line(line);
        }
    }

    fn center_line(&mut self, line: LineId) {
        let height = self.conversation_height();
        let position = self
            .layout()
            .centered_on(self.buffers.current(), line, height);
        self.set_scroll_position(position);
    }

    /// Requests the messages that are missing in or near the visible part of the conversation.
    pub(super) fn request_visible_gaps(&mut self) {
        let height = self.conversation_height();
        for gap in gaps_near(self.buffers.current(), self.scroll_position(), height) {
            self.buffers.request_gap(gap, false);
        }
    }

    /// Continues a search as far as the loaded messages allow.
    pub(super) fn continue_search(&mut self) {
        let Some(Overlay::Search(search)) = &mut self.overlay else {
            return;
        };
        let buffer = self.buffers.current();
        if buffer.conversation != search.conversation {
            self.overlay = None;
            return;
        }
        let step = search.advance(buffer);
        self.apply_search_step(step);
    }

    /// Carries out a step of a search.
    pub(super) fn apply_search_step(&mut self, step: SearchStep) {
        match step {
            SearchStep::Wait => {}
            SearchStep::Load(gap) => self.buffers.request_gap(gap, true),
            SearchStep::Show(line) => self.center_line(line),
        }
    }

    fn conversation_height(&self) -> usize {
        usize::from(self.areas().conversation.height)
    }
}
