//! Loads history and read markers: chooses the queries to the server, and applies the answers.
//!
//! Messages may be missing at the gaps of a buffer ([`Gap`](super::buffer::Gap)). A gap is
//! requested when it comes into view, or at once after a reconnection; gaps of the current
//! conversation come first. Only one query is outstanding at a time, so that answers cannot be
//! confused and the server is not flooded.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use rookery_protocol::{Capability, Message};

use super::buffer::{HistoryLine, Page};
use super::buffers::MAX_BUFFERS;
use super::people::PersonId;
use super::{
    Audience, Body, Buffers, ChatEvent, Conversation, EventKind, GapState, LineId, MessageKind,
    Model, chathistory, describe_ctcp_request,
};

/// The most messages that one query requests.
const MAX_PAGE: usize = 100;
/// The most private conversations that are opened when the program starts although all of their
/// messages are read. Those with unread messages are always opened.
const MAX_READ_CONVERSATIONS: usize = 30;
/// The most private conversations that are searched for unread messages, the most recent first.
const MAX_CONVERSATIONS: usize = MAX_BUFFERS;
/// The precision of the times in queries.
const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);
/// The reason for which older messages are not loaded when the limit of lines is reached.
const LINE_LIMIT_REACHED: &str = "rook's limit of lines is reached";

/// A query to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
enum HistoryQuery {
    /// A page of the private conversations, the most recent first: those whose latest message is
    /// older than `before`. The pages before it contained `earlier` of them.
    Conversations { before: Timestamp, earlier: usize },
    /// The read marker of a conversation.
    Marker(Conversation),
    /// A page of messages for a gap, before a reference; without one, the latest messages.
    Page {
        conversation: Conversation,
        gap: LineId,
        before: Option<Box<str>>,
    },
}

/// The queries that have no answer yet, and the state on which further queries depend.
#[derive(Debug, Default)]
pub struct Queries {
    /// The query that the server is answering.
    outstanding: Option<HistoryQuery>,
    /// The queries to send after it.
    waiting: VecDeque<HistoryQuery>,
    /// The time of the latest message in any conversation, by the server's clock.
    latest_at: Option<Timestamp>,
    /// Whether the server has listed all private conversations since the program started.
    listed: bool,
    /// The private conversations whose read marker is needed to know whether messages are unread,
    /// with the time of the latest message in each.
    unsettled: BTreeMap<Conversation, Timestamp>,
    /// The private conversations about which nothing is left to query, unless there is a message
    /// other than the one at this time, which was then the latest.
    settled: BTreeMap<Conversation, Timestamp>,
}

impl Queries {
    /// Renames a conversation, so that the answer to a query about it is recognised.
    pub(super) fn rename(&mut self, old: &Conversation, new: &Conversation) {
        for query in self.outstanding.iter_mut().chain(&mut self.waiting) {
            match query {
                HistoryQuery::Marker(conversation) | HistoryQuery::Page { conversation, .. }
                    if conversation == old =>
                {
                    *conversation = new.clone();
                }
                HistoryQuery::Marker(_)
                | HistoryQuery::Page { .. }
                | HistoryQuery::Conversations { .. } => {}
            }
        }
        for times in [&mut self.unsettled, &mut self.settled] {
            if let Some(at) = times.remove(old) {
                times.insert(new.clone(), at);
            }
        }
    }
}

impl Buffers {
    /// Handles the end of the server's greeting: from now on, missed messages are requested.
    pub fn catch_up(&mut self, model: &Model) {
        self.is_ready = true;
        if model.history_limit().is_some() {
            self.queries.waiting.push_back(HistoryQuery::Conversations {
                before: Timestamp::MAX,
                earlier: 0,
            });
        }
    }

    /// Returns the next query to send; `None` while one is outstanding.
    pub fn next_query(&mut self, model: &Model) -> Option<Message> {
        if self.queries.outstanding.is_some() {
            return None;
        }
        let limit = model.history_limit()?.min(MAX_PAGE);
        let query = self.choose_query(limit)?;
        let message = match &query {
            // The times are the server's, and the first is later than any: which messages are
            // unread must not depend on the clock of this device.
            HistoryQuery::Conversations { before, .. } => {
                let [from, to] = [*before, Timestamp::UNIX_EPOCH].map(chathistory::time_reference);
                Message::new("CHATHISTORY", ["TARGETS", &from, &to, &limit.to_string()])
            }
            HistoryQuery::Marker(conversation) => Message::new("MARKREAD", [conversation.name()]),
            HistoryQuery::Page {
                conversation,
                before: Some(before),
                ..
            } => chathistory::before(conversation.name(), before, limit),
            HistoryQuery::Page {
                conversation,
                before: None,
                ..
            } => chathistory::latest(conversation.name(), limit),
        };
        self.queries.outstanding = Some(query);
        Some(message)
    }

    /// Chooses the next query: gaps of the current conversation come first, then those of private
    /// conversations, and those of other channels last.
    fn choose_query(&mut self, limit: usize) -> Option<HistoryQuery> {
        let (people, others): (Vec<usize>, Vec<usize>) = (0..self.list.len())
            .partition(|&index| matches!(self.list[index].conversation, Conversation::Person(_)));
        self.page_query(std::iter::once(self.current).chain(people), limit)
            .or_else(|| self.queries.waiting.pop_front())
            .or_else(|| self.page_query(others.into_iter(), limit))
    }

    /// Returns the query for the latest wanted gap of the first buffer that has one.
    fn page_query(
        &mut self,
        indices: impl Iterator<Item = usize>,
        limit: usize,
    ) -> Option<HistoryQuery> {
        let free_lines = self.free_lines();
        for index in indices {
            let buffer = &mut self.list[index];
            let wanted = buffer
                .gaps()
                .iter()
                .rev()
                .find(|gap| gap.state == GapState::Wanted)
                .cloned();
            let Some(gap) = wanted else { continue };
            if free_lines < limit {
                buffer.set_gap_state(gap.line, GapState::Failed(LINE_LIMIT_REACHED.into()));
                continue;
            }
            buffer.set_gap_state(gap.line, GapState::Requested);
            return Some(HistoryQuery::Page {
                conversation: buffer.conversation.clone(),
                gap: gap.line,
                before: gap.before,
            });
        }
        None
    }

    /// Handles the failure of the outstanding query: it was refused or not answered.
    pub fn query_failed(&mut self, reason: &str) {
        if let Some(HistoryQuery::Page {
            conversation, gap, ..
        }) = self.queries.outstanding.take()
            && let Some(index) = self.position(&conversation)
        {
            self.list[index].set_gap_state(gap, GapState::Failed(reason.into()));
        }
    }

    /// Handles the end of the answer. If the query is still outstanding, the answer was empty.
    pub fn query_finished(&mut self) {
        self.query_failed("the server sent no answer");
    }

    /// Handles the loss of the connection: drops the queries, and opens a gap in each of our
    /// channels, where messages will be missing.
    pub fn disconnect(&mut self, now: Timestamp, model: &Model) {
        self.is_ready = false;
        self.queries.waiting.clear();
        self.queries.unsettled.clear();
        self.queries.outstanding = None;
        self.people.lose_sight();
        for buffer in &mut self.list {
            buffer.reset_gaps();
            if model.history_limit().is_some()
                && let Conversation::Channel(channel) = &buffer.conversation
                && model.is_in(channel)
            {
                buffer.open_gap(now, GapState::Idle);
            }
        }
    }

    /// Requests a gap of the current conversation. With `retry`, requests it even if loading it has
    /// failed before.
    pub fn request_gap(&mut self, gap: LineId, retry: bool) {
        let buffer = &mut self.list[self.current];
        let may_request = |state: &GapState| match state {
            GapState::Idle => true,
            GapState::Failed(_) => retry,
            GapState::Wanted | GapState::Requested => false,
        };
        if buffer
            .gaps()
            .iter()
            .any(|one| one.line == gap && may_request(&one.state))
        {
            buffer.set_gap_state(gap, GapState::Wanted);
        }
    }

    /// Returns the gaps of the current conversation that are being loaded, or will be once the
    /// outstanding query is finished.
    pub fn gaps_being_loaded(&self) -> Vec<LineId> {
        let is_being_loaded = |state: &GapState| match state {
            GapState::Requested => true,
            GapState::Wanted => self.queries.outstanding.is_some(),
            GapState::Idle | GapState::Failed(_) => false,
        };
        let gaps = self.list[self.current].gaps().iter();
        gaps.filter(|gap| is_being_loaded(&gap.state))
            .map(|gap| gap.line)
            .collect()
    }

    /// Returns the messages with the read markers that the server does not have yet, and counts
    /// them as sent.
    pub fn take_unsent_markers(&mut self) -> Vec<Message> {
        let unsent = self.list.iter_mut().filter_map(|buffer| {
            let until = chathistory::time_reference(buffer.take_unsent_marker()?);
            Some(Message::new(
                "MARKREAD",
                [buffer.conversation.name(), &until],
            ))
        });
        unsent.collect()
    }

    /// Updates the time of the latest message in any conversation.
    pub(super) fn update_latest(&mut self, at: Timestamp) {
        self.queries.latest_at = self.queries.latest_at.max(Some(at));
    }

    /// Returns the time of the latest message in any conversation.
    pub(super) fn latest_at(&self) -> Timestamp {
        self.queries.latest_at.unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Requests the read marker of a private conversation. The server sends those of channels
    /// without a request.
    pub(super) fn request_marker(&mut self, conversation: &Conversation, model: &Model) {
        if model.has(Capability::ReadMarker) && matches!(conversation, Conversation::Person(_)) {
            self.queries
                .waiting
                .push_back(HistoryQuery::Marker(conversation.clone()));
        }
    }

    /// Inserts a page of history at the gap for which it was requested.
    pub(super) fn apply_page(
        &mut self,
        target: &str,
        events: &[ChatEvent],
        model: &Model,
    ) -> Option<()> {
        let target = Conversation::named(target);
        let query = self.queries.outstanding.take_if(|query| {
            matches!(query, HistoryQuery::Page { conversation, .. }
                if target.as_ref() == Some(conversation))
        });
        let Some(HistoryQuery::Page {
            conversation,
            gap,
            before,
        }) = query
        else {
            return None;
        };
        let index = self.position(&conversation)?;
        let mut lines = Vec::new();
        for event in events {
            // A guest who had the nick then need not be the one who has it now.
            let account = event.account.as_deref();
            let sender = account.and_then(|account| self.people.account(account));
            let kind = self.shown(&event.kind);
            if let Some(body) = kind.and_then(|kind| message_body(&kind, sender, model)) {
                lines.push(HistoryLine {
                    at: event.at,
                    msgid: event.msgid.as_deref().map(Into::into),
                    body,
                });
            }
        }
        let page = Page {
            oldest: events.first().map(reference),
            lines,
        };
        self.list[index].fill_gap(gap, before.as_deref(), page);
        for event in events {
            if let Some(kind) = self.shown(&event.kind)
                && let EventKind::Redacted {
                    msgid, by, reason, ..
                } = &*kind
            {
                let by = model.display_name(by);
                self.list[index].redact(msgid, by, reason.as_deref());
            }
        }
        if let Some(last) = events.last() {
            self.update_latest(last.at);
        }
        self.mark_read_if_watched(index);
        Some(())
    }

    /// Applies a page of the private conversations: opens the most recent ones when the program
    /// starts, and requests the read markers that decide in which of them messages are unread.
    pub(super) fn apply_conversations(&mut self, found: &[(String, Timestamp)], model: &Model) {
        let query = self
            .queries
            .outstanding
            .take_if(|query| matches!(query, HistoryQuery::Conversations { .. }));
        let Some(HistoryQuery::Conversations { before, earlier }) = query else {
            return;
        };
        let mut people: Vec<(Conversation, Timestamp)> = found
            .iter()
            .filter_map(|(name, latest)| Some((Conversation::person(name)?, *latest)))
            .filter(|(conversation, _)| {
                !model.is_me(conversation.name()) && !self.is_ignored_person(conversation)
            })
            .collect();
        people.sort_by_key(|(_, latest)| std::cmp::Reverse(*latest));
        let count = earlier + people.len();
        for (rank, (conversation, latest)) in (earlier..).zip(people) {
            self.check_conversation(conversation, latest, rank, model);
        }
        // The page consists of the most recent ones, unless there are no others. Of those that
        // have the same time, some may be on the next page.
        let oldest = found.iter().map(|(_, latest)| *latest).min();
        let next = oldest.map(|oldest| oldest + MILLISECOND);
        match next.filter(|next| *next < before) {
            Some(before) if count < MAX_CONVERSATIONS => {
                self.queries.waiting.push_back(HistoryQuery::Conversations {
                    before,
                    earlier: count,
                });
            }
            more => {
                if more.is_some() && !self.queries.listed {
                    let text = "there may be older private conversations, which are not listed: \
                                /query NICK opens one";
                    let at = self.latest_at();
                    let id = self.push(0, at, None, Body::Info(text.into()));
                    self.count(0, id, at, false);
                }
                self.queries.listed = true;
            }
        }
    }

    /// Requests the read marker of a private conversation whose latest message may be unread.
    fn check_conversation(
        &mut self,
        conversation: Conversation,
        latest: Timestamp,
        rank: usize,
        model: &Model,
    ) {
        let position = self.position(&conversation);
        let settled = self.queries.settled.get(&conversation).copied();
        // Another device may have read meanwhile what is unread here.
        let has_unread = position.is_some_and(|index| self.list[index].unread() > 0);
        let is_settled = settled == Some(latest) && !has_unread;
        if is_settled || self.queries.unsettled.get(&conversation) == Some(&latest) {
            return;
        }
        if !model.has(Capability::ReadMarker) {
            // What was missed while the program was running is unread.
            let since = if self.queries.listed {
                settled.unwrap_or(Timestamp::UNIX_EPOCH)
            } else {
                latest
            };
            let index = self.ensure_open(conversation, since, model);
            return self.settle(index, latest);
        }
        if position.is_none() && !self.queries.listed && rank < MAX_READ_CONVERSATIONS {
            self.ensure_open(conversation.clone(), latest, model);
        } else {
            self.request_marker(&conversation, model);
        }
        self.queries.unsettled.insert(conversation, latest);
    }

    /// Requests the messages of a private conversation up to the latest one, if they are unread or
    /// missing.
    fn settle(&mut self, index: usize, latest: Timestamp) {
        let buffer = &mut self.list[index];
        if buffer.last_message_at().is_some_and(|last| last < latest) {
            buffer.open_gap(latest, GapState::Wanted);
        } else if latest > buffer.read_until() {
            buffer.request_unread();
        }
        let conversation = buffer.conversation.clone();
        self.queries.settled.insert(conversation, latest);
    }

    /// Applies the read marker of a conversation. A private conversation is opened if it has unread
    /// messages.
    pub(super) fn apply_marker(
        &mut self,
        target: &str,
        until: Option<Timestamp>,
        model: &Model,
    ) -> Option<()> {
        let conversation = Conversation::named(target)?;
        if self.queries.outstanding == Some(HistoryQuery::Marker(conversation.clone())) {
            self.queries.outstanding = None;
        }
        let latest = self.queries.unsettled.remove(&conversation);
        let index = match (self.position(&conversation), latest) {
            (Some(index), _) => index,
            (None, Some(latest)) if until < Some(latest) => {
                self.open_buffer(conversation, until.unwrap_or_default(), model)
            }
            (None, Some(latest)) => {
                self.queries.settled.insert(conversation, latest);
                return None;
            }
            (None, None) => return None,
        };
        self.list[index].apply_marker(until);
        if let Some(latest) = latest {
            self.settle(index, latest);
        }
        self.mark_read_if_watched(index);
        Some(())
    }
}

/// Returns a reference to a message, to request the messages before it.
fn reference(event: &ChatEvent) -> Box<str> {
    match &event.msgid {
        Some(msgid) => chathistory::msgid_reference(msgid).into(),
        None => chathistory::time_reference(event.at).into(),
    }
}

/// Returns the body of a message's line; `None` for other events.
pub fn message_body(kind: &EventKind, sender: Option<PersonId>, model: &Model) -> Option<Body> {
    let mut audience = Audience::Everyone;
    let (nick, kind, text, own, highlight) = match kind {
        EventKind::ChannelMessage {
            nick,
            kind,
            text,
            audience: members,
            channel: _,
        } => {
            audience = *members;
            let own = model.is_me(nick);
            let highlight = !own && *kind != MessageKind::Notice && model.mentions_me(text);
            (nick.as_str(), kind, text, own, highlight)
        }
        EventKind::DirectReceived { from, kind, text } => {
            let own = model.is_me(from);
            let highlight = !own && *kind != MessageKind::Notice;
            (from.as_str(), kind, text, own, highlight)
        }
        EventKind::DirectSent { kind, text, .. } => (model.nick(), kind, text, true, false),
        EventKind::CtcpRequest { nick, command } => {
            return Some(Body::Info(describe_ctcp_request(nick, command).into()));
        }
        EventKind::Info(text) => return Some(Body::Info(text.as_str().into())),
        _ => return None,
    };
    Some(Body::Message {
        nick: nick.into(),
        sender,
        kind: *kind,
        text: text.as_str().into(),
        own,
        highlight,
        audience,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
