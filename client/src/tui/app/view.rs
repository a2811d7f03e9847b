//! The content of the parts of the screen.

use super::App;
use crate::model::{Conversation, Rank};
use crate::tui::areas::Areas;
use crate::tui::layout::Layout;
use crate::tui::overlay::Overlay;
use crate::tui::switcher::{self, Candidate};

impl App {
    /// Returns the areas of the parts of the screen.
    pub fn areas(&self) -> Areas {
        Areas::of(self.size, self.editor.text(), self.members)
    }

    /// Returns the layout of the current conversation.
    pub fn layout(&self) -> Layout<'_> {
        Layout {
            width: usize::from(self.areas().conversation.width),
            zone: &self.zone,
            theme: self.theme,
            marked: match &self.overlay {
                Some(Overlay::Search(search)) => search.current_match(),
                Some(Overlay::Selection(selection)) => {
                    self.find_message(&selection.message).map(|line| line.id)
                }
                _ => self.replied_to().map(|line| line.id),
            },
            search: match &self.overlay {
                Some(Overlay::Search(search)) => search.needle(),
                _ => "",
            },
        }
    }

    /// Whether typed text is inserted into the message box.
    pub fn has_text_input(&self) -> bool {
        matches!(
            self.overlay,
            None | Some(Overlay::Search(_) | Overlay::Format)
        )
    }

    /// Returns the conversations that match the switcher's query, best first. An empty query
    /// matches all that are open. Any other also finds the people that the user has written to:
    /// what once led to one of them must not lead to someone else when that conversation is not
    /// open.
    pub fn switcher_matches(&self, query: &str) -> Vec<Conversation> {
        let closed: Vec<Conversation> = if query.trim().is_empty() {
            Vec::new()
        } else {
            self.buffers.closed_people().collect()
        };
        let open = self.buffers.by_relevance().into_iter().map(|index| {
            let buffer = &self.buffers.list()[index];
            let candidate = Candidate {
                name: buffer.conversation.name(),
                used_name: self.buffers.used_name(buffer),
                is_open: true,
            };
            (&buffer.conversation, candidate)
        });
        let closed = closed.iter().map(|person| {
            let candidate = Candidate {
                name: person.name(),
                used_name: Some(person.name()),
                is_open: false,
            };
            (person, candidate)
        });
        let (offered, candidates): (Vec<_>, Vec<_>) = open.chain(closed).unzip();
        let found = switcher::matches(query, &candidates).into_iter();
        found.map(|index| offered[index].clone()).collect()
    }

    /// Returns the best match of the switcher's query.
    pub(super) fn best_switcher_match(&self, query: &str) -> Option<Conversation> {
        self.switcher_matches(query).into_iter().next()
    }

    /// Returns the index of the first conversation that the list shows. The current one is always
    /// in view.
    pub fn first_listed(&self, height: usize) -> usize {
        (self.buffers.index() + 1).saturating_sub(height)
    }

    /// Returns the members that fit into a column of a given height, and the number of those that
    /// do not.
    pub fn listed_members(&self, height: usize) -> (Vec<(Rank, &str)>, usize) {
        let Conversation::Channel(channel) = &self.buffers.current().conversation else {
            return (Vec::new(), 0);
        };
        let mut members: Vec<(Rank, &str)> = self
            .model
            .members(channel)
            .map(|(nick, rank)| (rank, nick.as_str()))
            .collect();
        let count = members.len();
        if count > height {
            // In a large channel only the members that are shown are sorted. The last row shows the
            // number of the others.
            let rows = height.saturating_sub(1);
            members.select_nth_unstable(rows);
            members.truncate(rows);
        }
        members.sort_unstable();
        let more = count - members.len();
        (members, more)
    }
}
