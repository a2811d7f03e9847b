//! The buffers of all conversations: which one is current, and how many messages are unread in
//! each.
//!
//! The number of lines and of buffers is limited, since any user of the server can add to both.
//! When the limit of lines is reached, the oldest line of the longest buffer is dropped; when the
//! limit of buffers is reached, the private conversation without messages for the longest time is
//! closed.

use std::borrow::Cow;
use std::collections::BTreeSet;

use jiff::Timestamp;

use rookery_protocol::{ChannelName, Nick};

use super::history::Queries;
use super::people::People;
use super::{Body, Buffer, Conversation, EventKind, GapState, Line, LineId, Model};

/// The most lines in all buffers together.
const MAX_LINES: usize = 100_000;
/// The most buffers.
pub(super) const MAX_BUFFERS: usize = 500;
/// The most people that are remembered because the user has written to them.
const MAX_WRITTEN_TO: usize = 500;

/// The buffers of all conversations.
#[derive(Debug)]
pub struct Buffers {
    pub(super) list: Vec<Buffer>,
    pub(super) current: usize,
    /// Whether the user sees the end of the current conversation, as far as is known.
    watched: bool,
    /// The conversations that were current before, the most recent last.
    pub(super) recent: Vec<Conversation>,
    /// Whether the server has finished its greeting.
    pub(super) is_ready: bool,
    /// Conversations without unread counts and notifications.
    muted: BTreeSet<Conversation>,
    /// People whose messages are not shown.
    ignored: BTreeSet<Nick>,
    /// The people that the user has written to, the first one first.
    written_to: Vec<Nick>,
    pub(super) people: People,
    pub(super) queries: Queries,
    /// The most lines in all buffers together.
    pub(super) max_lines: usize,
}

impl Default for Buffers {
    fn default() -> Self {
        Self {
            list: vec![Buffer::new(Conversation::Server, Timestamp::MIN)],
            current: 0,
            watched: true,
            recent: Vec::new(),
            is_ready: false,
            muted: BTreeSet::new(),
            ignored: BTreeSet::new(),
            written_to: Vec::new(),
            people: People::default(),
            queries: Queries::default(),
            max_lines: MAX_LINES,
        }
    }
}

impl Buffers {
    /// Returns the buffers in the order in which they are listed.
    pub fn list(&self) -> &[Buffer] {
        &self.list
    }

    /// Returns the current buffer.
    pub fn current(&self) -> &Buffer {
        &self.list[self.current]
    }

    /// Returns the index of the current buffer.
    pub fn index(&self) -> usize {
        self.current
    }

    /// Makes the buffer at `index` the current one, if there is one.
    pub fn switch_to(&mut self, index: usize) {
        if index < self.list.len() && index != self.current {
            self.list[self.current].handle_switch_away();
            let previous = self.list[self.current].conversation.clone();
            self.recent.retain(|conversation| *conversation != previous);
            self.recent.push(previous);
            self.current = index;
            self.mark_read_if_watched(self.current);
        }
    }

    /// Makes the next or the previous buffer in the list the current one.
    pub fn switch_to_neighbour(&mut self, forward: bool) {
        let count = self.list.len();
        self.switch_to(
            if forward {
                self.current + 1
            } else {
                self.current + count - 1
            } % count,
        );
    }

    /// Returns the indices of all buffers, the most relevant first: those with highlights, those
    /// with unread messages, then the others by when they were last current. The current one comes
    /// last.
    pub fn by_relevance(&self) -> Vec<usize> {
        let mut all: Vec<usize> = (0..self.list.len()).collect();
        all.sort_by_cached_key(|&index| {
            let buffer = &self.list[index];
            let (unread, highlights) = self.unread(buffer);
            let recency = self
                .recent
                .iter()
                .rev()
                .position(|conversation| *conversation == buffer.conversation);
            (
                index == self.current,
                highlights == 0,
                unread == 0,
                recency.unwrap_or(usize::MAX),
            )
        });
        all
    }

    /// Makes a buffer with unread messages the current one, preferably one with highlights.
    pub fn switch_to_unread(&mut self) {
        let elsewhere = (0..self.list.len())
            .rev()
            .filter(|&index| index != self.current);
        let unread = elsewhere.map(|index| (self.unread(&self.list[index]), index));
        let found = unread
            .filter(|((unread, _), _)| *unread > 0)
            .max_by_key(|((_, highlights), _)| *highlights > 0);
        if let Some((_, index)) = found {
            self.switch_to(index);
        }
    }

    /// Makes a conversation the current one that the user has named; opens it if necessary.
    pub fn open(&mut self, conversation: Conversation, model: &Model) {
        self.note_used(&conversation);
        let index = self.ensure_open(conversation, self.latest_at(), model);
        self.switch_to(index);
    }

    /// Makes a channel the current one that the user has asked to join: what is typed next is for
    /// it. Its history is requested once it is joined.
    pub fn open_requested(&mut self, channel: ChannelName) {
        let conversation = Conversation::Channel(channel);
        self.note_used(&conversation);
        let index = match self.position(&conversation) {
            Some(index) => index,
            None => self.insert(Buffer::new(conversation, self.latest_at())),
        };
        self.switch_to(index);
    }

    /// Returns the number of unread messages and of highlights among them.
    pub fn unread(&self, buffer: &Buffer) -> (usize, usize) {
        if self.is_muted(&buffer.conversation) {
            (0, 0)
        } else {
            (buffer.unread(), buffer.highlights())
        }
    }

    /// Sets whether the user sees the end of the current conversation.
    pub fn set_watched(&mut self, watched: bool) {
        self.watched = watched;
        self.mark_read_if_watched(self.current);
    }

    /// Whether a conversation is muted.
    pub fn is_muted(&self, conversation: &Conversation) -> bool {
        self.muted.contains(conversation)
    }

    /// Mutes a conversation: no unread counts and no notifications.
    pub fn mute(&mut self, conversation: Conversation) {
        self.muted.insert(conversation);
    }

    /// Unmutes a conversation.
    pub fn unmute(&mut self, conversation: &Conversation) {
        self.muted.remove(conversation);
    }

    /// Returns the muted conversations.
    pub fn muted(&self) -> impl Iterator<Item = &Conversation> {
        self.muted.iter()
    }

    /// Notes that the user writes to someone. Returns whether that is for the first time.
    pub fn note_written(&mut self, nick: Nick) -> bool {
        if self.written_to.contains(&nick) {
            return false;
        }
        if self.written_to.len() == MAX_WRITTEN_TO {
            self.written_to.remove(0);
        }
        self.written_to.push(nick);
        true
    }

    /// Returns the present nick of the sender of a message; `None` if that is not known.
    pub fn present_sender(&self, line: &Line) -> Option<Nick> {
        let Body::Message { nick, sender, .. } = &line.body else {
            return None;
        };
        self.people
            .present_nick((*sender)?, &Nick::parse(nick).ok()?)
    }

    /// Returns the people that the user has written to, the first one first.
    pub fn written_to(&self) -> &[Nick] {
        &self.written_to
    }

    /// Returns the name under which the user has taken part in a conversation: the one before
    /// others have renamed the channel, or the person has changed nick. `None` if the user has not:
    /// anyone can open a conversation by writing to the user.
    pub fn used_name<'a>(&self, buffer: &'a Buffer) -> Option<&'a str> {
        let has_written = |nick| self.written_to.contains(nick);
        match (&buffer.conversation, &buffer.former) {
            (Conversation::Person(nick), _) if has_written(nick) => Some(nick.as_str()),
            (Conversation::Person(_), Some(Conversation::Person(former)))
                if has_written(former) =>
            {
                Some(former.as_str())
            }
            (Conversation::Person(_), _) => None,
            (conversation, former) => Some(former.as_ref().unwrap_or(conversation).name()),
        }
    }

    /// Returns the people that the user has written to whose conversation is not open. The one that
    /// the user has begun to write to last comes first.
    pub fn closed_people(&self) -> impl Iterator<Item = Conversation> {
        let people = self.written_to.iter().rev().cloned();
        let people = people.map(Conversation::Person);
        people.filter(|person| {
            let is_it = |buffer: &Buffer| {
                buffer.conversation == *person || buffer.former.as_ref() == Some(person)
            };
            !self.list.iter().any(is_it)
        })
    }

    /// Notes that the user takes part in a channel under its present name.
    pub fn note_used(&mut self, conversation: &Conversation) {
        if matches!(conversation, Conversation::Channel(_))
            && let Some(index) = self.position(conversation)
        {
            self.list[index].former = None;
        }
    }

    /// Ignores someone: their messages, invitations, topics and reasons are not shown.
    pub fn ignore(&mut self, nick: Nick) {
        self.ignored.insert(nick);
    }

    /// Unignores someone; returns whether they were ignored.
    pub fn unignore(&mut self, nick: &Nick) -> bool {
        self.ignored.remove(nick)
    }

    /// Returns the ignored people.
    pub fn ignored(&self) -> impl Iterator<Item = &Nick> {
        self.ignored.iter()
    }

    /// Whether someone is ignored.
    pub fn is_ignored(&self, nick: &str) -> bool {
        !self.ignored.is_empty() && Nick::parse(nick).is_ok_and(|nick| self.ignored.contains(&nick))
    }

    /// Returns what is shown of an event: without the reason, masks and keys if it is by someone
    /// who is ignored, and `None` if all of it is.
    pub(super) fn shown<'e>(&self, kind: &'e EventKind) -> Option<Cow<'e, EventKind>> {
        if self.ignored.is_empty() {
            return Some(Cow::Borrowed(kind));
        }
        let mut rest = kind.clone();
        let by = match &mut rest {
            EventKind::ChannelMessage { nick, .. }
            | EventKind::DirectReceived { from: nick, .. }
            | EventKind::CtcpRequest { nick, .. }
            | EventKind::Invited { by: nick, .. }
            | EventKind::Topic { by: nick, .. } => {
                return (!self.is_ignored(nick)).then_some(Cow::Borrowed(kind));
            }
            EventKind::Parted { nick, reason, .. }
            | EventKind::Quit { nick, reason, .. }
            | EventKind::Kicked {
                by: nick, reason, ..
            }
            | EventKind::Renamed {
                by: Some(nick),
                reason,
                ..
            }
            | EventKind::Redacted {
                by: nick, reason, ..
            } => {
                *reason = None;
                nick
            }
            EventKind::ModeChanged { by, modes, .. } => {
                hide_parameters(modes);
                by
            }
            EventKind::DirectSent { .. }
            | EventKind::ServerNotice(_)
            | EventKind::Joined { .. }
            | EventKind::NickChanged { .. }
            | EventKind::Renamed { by: None, .. }
            | EventKind::AccountChanged { .. }
            | EventKind::Members { .. }
            | EventKind::HistoryPage { .. }
            | EventKind::Conversations(_)
            | EventKind::ReadMarker { .. }
            | EventKind::Info(_)
            | EventKind::Refused(_) => return Some(Cow::Borrowed(kind)),
        };
        Some(if self.is_ignored(by) {
            Cow::Owned(rest)
        } else {
            Cow::Borrowed(kind)
        })
    }

    /// Whether a conversation is with someone who is ignored.
    pub(super) fn is_ignored_person(&self, conversation: &Conversation) -> bool {
        matches!(conversation, Conversation::Person(nick) if self.ignored.contains(nick))
    }

    /// Whether a conversation is open that gets a new name when the channel or person does: none of
    /// that name is open, unless it is the same in other letters.
    pub fn is_renamed(&self, old: &Conversation, new: &Conversation) -> bool {
        self.position(old).is_some() && (old == new || self.position(new).is_none())
    }

    /// Closes a conversation.
    pub fn close(&mut self, conversation: &Conversation) {
        let Some(index) = self.position(conversation) else {
            return;
        };
        if *conversation == Conversation::Server {
            return;
        }
        self.list.remove(index);
        self.recent.retain(|recent| recent != conversation);
        if self.current == index {
            self.current = index.min(self.list.len() - 1);
            self.mark_read_if_watched(self.current);
        } else if self.current > index {
            self.current -= 1;
        }
    }

    /// Closes a conversation without lines if another one is open, which is then the current one in
    /// its place.
    pub fn replace_empty(&mut self, empty: &Conversation, other: &Conversation) {
        if let (Some(from), Some(to)) = (self.position(empty), self.position(other))
            && from != to
            && self.list[from].lines().is_empty()
        {
            if self.current == from {
                self.switch_to(to);
            }
            self.close(empty);
        }
    }

    /// Adds a line of information to the current conversation.
    pub fn add_info(&mut self, at: Timestamp, text: &str) {
        self.push(self.current, at, None, Body::Info(text.into()));
    }

    /// Adds a line with a refusal to the current conversation.
    pub fn add_refusal(&mut self, at: Timestamp, text: &str) {
        self.push(self.current, at, None, Body::Refused(text.into()));
    }

    /// Adds a line with a refusal to the conversation with that name, if it is open and not the
    /// current one.
    pub fn add_refusal_elsewhere(&mut self, at: Timestamp, name: &str, text: &str) {
        let index = Conversation::named(name).and_then(|conversation| self.position(&conversation));
        if let Some(index) = index.filter(|&index| index != self.current) {
            self.push(index, at, None, Body::Refused(text.into()));
        }
    }

    /// Returns the index of a conversation, if it is open.
    pub fn position(&self, conversation: &Conversation) -> Option<usize> {
        self.list
            .iter()
            .position(|buffer| buffer.conversation == *conversation)
    }

    /// Whether the user sees the end of a buffer, as far as is known.
    pub(super) fn is_watched(&self, index: usize) -> bool {
        index == self.current && self.watched
    }

    /// Marks a buffer read if the user sees its end.
    pub(super) fn mark_read_if_watched(&mut self, index: usize) {
        if self.is_watched(index) {
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
        if self.free_lines() == 0
            && let Some(longest) = self
                .list
                .iter_mut()
                .max_by_key(|buffer| buffer.lines().len())
        {
            longest.drop_oldest();
        }
        id
    }

    /// Returns how many lines can be added before the limit is reached.
    pub(super) fn free_lines(&self) -> usize {
        self.max_lines
            .saturating_sub(self.list.iter().map(|buffer| buffer.lines().len()).sum())
    }

    /// Returns the index of a conversation, which is opened if necessary. When it is opened,
    /// messages up to `since` count as read until its read marker arrives, which is requested.
    pub(super) fn ensure_open(
        &mut self,
        conversation: Conversation,
        since: Timestamp,
        model: &Model,
    ) -> usize {
        self.position(&conversation).unwrap_or_else(|| {
            self.request_marker(&conversation, model);
            self.open_buffer(conversation, since, model)
        })
    }

    /// Opens a conversation that is not open, and returns its index. Messages up to `since` count
    /// as read.
    pub(super) fn open_buffer(
        &mut self,
        conversation: Conversation,
        since: Timestamp,
        model: &Model,
    ) -> usize {
        let mut buffer = Buffer::new(conversation, since);
        if model.history_limit().is_some() {
            buffer.open_gap(since, GapState::Idle);
        }
        self.insert(buffer)
    }

    /// Adds a buffer to the list, and returns its index.
    fn insert(&mut self, buffer: Buffer) -> usize {
        if self.list.len() >= MAX_BUFFERS
            && let Some(oldest) = self.least_relevant_direct()
        {
            self.close(&oldest);
        }
        let index = self
            .list
            .partition_point(|other| other.conversation < buffer.conversation);
        self.list.insert(index, buffer);
        if index <= self.current {
            self.current += 1;
        }
        index
    }

    /// Returns the private conversation whose last line is the oldest, except the current one.
    /// Those with unread messages come last.
    fn least_relevant_direct(&self) -> Option<Conversation> {
        let people = self.list.iter().enumerate().filter(|(index, buffer)| {
            *index != self.current && matches!(buffer.conversation, Conversation::Person(_))
        });
        let (_, oldest) = people.min_by_key(|(_, buffer)| {
            let last_at = buffer.lines().back().map(|line| line.at);
            (buffer.unread() > 0, last_at)
        })?;
        Some(oldest.conversation.clone())
    }

    /// Renames a conversation after the channel's new name or the person's new nick, unless one of
    /// that name is open.
    pub(super) fn rename(&mut self, old: &Conversation, new: &Conversation) {
        if !self.is_renamed(old, new) {
            return;
        }
        let Some(from) = self.position(old) else {
            return;
        };
        if self.muted.remove(old) {
            self.muted.insert(new.clone());
        }
        self.queries.rename(old, new);
        let was_current = self.current == from;
        let mut buffer = self.list.remove(from);
        if self.current > from {
            self.current -= 1;
        }
        buffer.conversation = new.clone();
        buffer.former.get_or_insert_with(|| old.clone());
        buffer.former.take_if(|former| former == new);
        let to = self
            .list
            .partition_point(|buffer| buffer.conversation < *new);
        self.list.insert(to, buffer);
        if was_current {
            self.current = to;
        } else if self.current >= to {
            self.current += 1;
        }
    }
}

/// Removes the masks, keys and numbers from a change of modes, but not the nicks of the members who
/// get or lose a rank.
fn hide_parameters(modes: &mut String) {
    let letters = modes.find(' ').unwrap_or(modes.len());
    let is_of_rank = |letter| matches!(letter, '+' | '-' | 'q' | 'o' | 'v');
    if !modes[..letters].chars().all(is_of_rank) {
        modes.truncate(letters);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
