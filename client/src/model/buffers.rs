//! The buffers of all places, which of them is the current one, and how much is unread. Bounded:
//! the oldest lines of the longest buffer go first.

use std::collections::BTreeSet;

use jiff::Timestamp;

use rookery_protocol::Nick;

use super::history::Queries;
use super::{Body, Buffer, Conversation, EventKind, GapState, LineId, Model};

/// Lines kept in all buffers together.
const MAX_LINES: usize = 100_000;
/// Buffers for direct messages; strangers can open them, so they are bounded as well.
const MAX_BUFFERS: usize = 500;

/// All places.
#[derive(Debug)]
pub struct Buffers {
    pub(super) list: Vec<Buffer>,
    pub(super) current: usize,
    /// Somebody looks at the current one, as far as we know.
    watched: bool,
    /// Those that were shown, the last one last.
    shown: Vec<Conversation>,
    /// The server has told a newcomer all it had to.
    pub(super) settled: bool,
    /// Places that count nothing and ring no bell.
    muted: BTreeSet<Conversation>,
    /// People of whom nothing is heard.
    ignored: BTreeSet<Nick>,
    pub(super) queries: Queries,
    /// Lines kept in all of them together.
    pub(super) max_lines: usize,
}

impl Default for Buffers {
    fn default() -> Self {
        Self {
            list: vec![Buffer::new(Conversation::Server, Timestamp::MIN)],
            current: 0,
            watched: true,
            shown: Vec::new(),
            settled: false,
            muted: BTreeSet::new(),
            ignored: BTreeSet::new(),
            queries: Queries::default(),
            max_lines: MAX_LINES,
        }
    }
}

impl Buffers {
    /// In the order in which they are listed.
    pub fn list(&self) -> &[Buffer] {
        &self.list
    }

    /// The one that is shown.
    pub fn current(&self) -> &Buffer {
        &self.list[self.current]
    }

    /// Its place in the list.
    pub fn index(&self) -> usize {
        self.current
    }

    /// Shows the one at `index`, if there is one.
    pub fn show(&mut self, index: usize) {
        if index < self.list.len() && index != self.current {
            self.list[self.current].leave();
            let left = self.list[self.current].conversation.clone();
            self.shown.retain(|conversation| *conversation != left);
            self.shown.push(left);
            self.current = index;
            self.look_if_seen(self.current);
        }
    }

    /// Shows the next one, or the one before.
    pub fn step(&mut self, forward: bool) {
        let count = self.list.len();
        self.show(
            if forward {
                self.current + 1
            } else {
                self.current + count - 1
            } % count,
        );
    }

    /// All that can be gone to, the by_relevance first: what highlights, what is unread, then what was
    /// shown last; in the end the current one.
    pub fn by_relevance(&self) -> Vec<usize> {
        let mut all: Vec<usize> = (0..self.list.len()).collect();
        all.sort_by_cached_key(|&index| {
            let buffer = &self.list[index];
            let (unread, highlights) = self.unread(buffer);
            let shown = self
                .shown
                .iter()
                .rev()
                .position(|conversation| *conversation == buffer.conversation);
            (
                index == self.current,
                highlights == 0,
                unread == 0,
                shown.unwrap_or(usize::MAX),
            )
        });
        all
    }

    /// Shows one with unread messages, those that call us first.
    pub fn show_unread(&mut self) {
        let elsewhere = (0..self.list.len())
            .rev()
            .filter(|&index| index != self.current);
        let unread = elsewhere.map(|index| (self.unread(&self.list[index]), index));
        let found = unread
            .filter(|((unread, _), _)| *unread > 0)
            .max_by_key(|((_, highlights), _)| *highlights > 0);
        if let Some((_, index)) = found {
            self.show(index);
        }
    }

    /// Shows a place, which is opened if need be.
    pub fn open(&mut self, conversation: Conversation, now: Timestamp, model: &Model) {
        let index = self.at(conversation, now, model);
        self.show(index);
    }

    /// Messages in a place that nobody has looked at, and those of them that call us.
    pub fn unread(&self, buffer: &Buffer) -> (usize, usize) {
        if self.is_muted(&buffer.conversation) {
            (0, 0)
        } else {
            (buffer.unread(), buffer.highlights())
        }
    }

    /// Whether someone looks at the end of the current place.
    pub fn set_watched(&mut self, watched: bool) {
        self.watched = watched;
        self.look_if_seen(self.current);
    }

    /// Whether a place counts nothing and rings no bell.
    pub fn is_muted(&self, conversation: &Conversation) -> bool {
        self.muted.contains(conversation)
    }

    /// Mutes a place.
    pub fn mute(&mut self, conversation: Conversation) {
        self.muted.insert(conversation);
    }

    /// Ends that.
    pub fn unmute(&mut self, conversation: &Conversation) {
        self.muted.remove(conversation);
    }

    /// All that are muted.
    pub fn muted(&self) -> impl Iterator<Item = &Conversation> {
        self.muted.iter()
    }

    /// Hears nothing of someone any more.
    pub fn ignore(&mut self, nick: Nick) {
        self.ignored.insert(nick);
    }

    /// Ends that; gives whether it was so.
    pub fn unignore(&mut self, nick: &Nick) -> bool {
        self.ignored.remove(nick)
    }

    /// Of whom nothing is heard.
    pub fn ignored(&self) -> impl Iterator<Item = &Nick> {
        self.ignored.iter()
    }

    /// Whether that comes from someone of whom nothing is heard.
    pub(super) fn is_ignored(&self, kind: &EventKind) -> bool {
        let (EventKind::ChannelMessage { nick, .. }
        | EventKind::DirectReceived { from: nick, .. }
        | EventKind::Invited { by: nick, .. }) = kind
        else {
            return false;
        };
        !self.ignored.is_empty() && Nick::parse(nick).is_ok_and(|nick| self.ignored.contains(&nick))
    }

    /// Puts the place away.
    pub fn close(&mut self, conversation: &Conversation) {
        let Some(index) = self.position(conversation) else {
            return;
        };
        if *conversation == Conversation::Server {
            return;
        }
        self.list.remove(index);
        self.shown.retain(|shown| shown != conversation);
        if self.current == index {
            self.current = index.min(self.list.len() - 1);
            self.look_if_seen(self.current);
        } else if self.current > index {
            self.current -= 1;
        }
    }

    /// Writes something of our own where it is seen.
    pub fn add_info(&mut self, at: Timestamp, words: &str) {
        self.push(self.current, at, None, Body::Info(words.into()));
    }

    /// The same for what was not done.
    pub fn add_refusal(&mut self, at: Timestamp, words: &str) {
        self.push(self.current, at, None, Body::Refused(words.into()));
    }

    /// Where that place is in the list, if it is open.
    pub(super) fn position(&self, conversation: &Conversation) -> Option<usize> {
        self.list
            .iter()
            .position(|buffer| buffer.conversation == *conversation)
    }

    /// Somebody looks at that one, as far as we know.
    pub(super) fn is_seen(&self, index: usize) -> bool {
        index == self.current && self.watched
    }

    /// What is seen is read.
    pub(super) fn look_if_seen(&mut self, index: usize) {
        if self.is_seen(index) {
            self.list[index].mark_read();
        }
    }

    pub(super) fn push(
        &mut self,
        index: usize,
        at: Timestamp,
        msgid: Option<&str>,
        body: Body,
    ) -> LineId {
        let id = self.list[index].push(at, msgid.map(Into::into), body);
        if self.room() == 0
            && let Some(longest) = self
                .list
                .iter_mut()
                .max_by_key(|buffer| buffer.lines().len())
        {
            longest.drop_oldest();
        }
        id
    }

    /// Lines that there is still room for.
    pub(super) fn room(&self) -> usize {
        self.max_lines
            .saturating_sub(self.list.iter().map(|buffer| buffer.lines().len()).sum())
    }

    /// The index of a place, which is opened if need be; what was said there before `since` is not
    /// new.
    pub(super) fn at(
        &mut self,
        conversation: Conversation,
        since: Timestamp,
        model: &Model,
    ) -> usize {
        let found = self
            .list
            .binary_search_by(|buffer| buffer.conversation.cmp(&conversation));
        found.unwrap_or_else(|mut index| {
            if self.list.len() >= MAX_BUFFERS
                && let Some(oldest) = self.quietest_direct()
            {
                self.close(&oldest);
                index = self
                    .list
                    .partition_point(|buffer| buffer.conversation < conversation);
            }
            self.ask_marker(&conversation);
            let mut buffer = Buffer::new(conversation, since);
            if model.page().is_some() {
                buffer.open_gap(since, GapState::Idle);
            }
            self.list.insert(index, buffer);
            if index <= self.current {
                self.current += 1;
            }
            index
        })
    }

    /// The conversation with one person that has been silent longest, unless someone looks at it.
    fn quietest_direct(&self) -> Option<Conversation> {
        let people = self.list.iter().enumerate().filter(|(index, buffer)| {
            *index != self.current && matches!(buffer.conversation, Conversation::Person(_))
        });
        let (_, oldest) =
            people.min_by_key(|(_, buffer)| buffer.lines().back().map(|line| line.at))?;
        Some(oldest.conversation.clone())
    }

    /// A conversation with one person goes on under their new name.
    pub(super) fn rename_direct(&mut self, old: &str, new: &str) {
        let (Some(old), Some(new)) = (Conversation::person(old), Conversation::person(new)) else {
            return;
        };
        let Some(from) = self.position(&old) else {
            return;
        };
        if self.position(&new).is_some() {
            return;
        }
        let was_current = self.current == from;
        let mut buffer = self.list.remove(from);
        if self.current > from {
            self.current -= 1;
        }
        buffer.conversation = new.clone();
        let to = self
            .list
            .partition_point(|buffer| buffer.conversation < new);
        self.list.insert(to, buffer);
        if was_current {
            self.current = to;
        } else if self.current >= to {
            self.current += 1;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
