//! Loads history and read markers: chooses the queries to the server, and applies the answers.
//!
//! Messages may be missing at the gaps of a buffer ([`Gap`](super::buffer::Gap)). A gap is
//! requested when it comes into view, or at once after a reconnection; gaps of the current
//! conversation come first. Only one query is outstanding at a time, so that answers cannot be
//! confused and the server is not flooded.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use rookery_protocol::Message;

use super::buffer::{HistoryLine, Page};
use super::{
    Body, Buffers, ChatEvent, Conversation, EventKind, GapState, LineId, MessageKind, Model,
    chathistory,
};

/// The most messages that one query requests.
const MAX_PAGE: usize = 100;
/// The most private conversations that are opened after signing in.
const MAX_CONVERSATIONS: usize = 30;
/// The greatest age of the latest message of such a conversation.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(30 * 24);
/// The time before the latest known message from which missed messages are requested, since clocks
/// differ.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(10);
const ONE_DAY: SignedDuration = SignedDuration::from_hours(24);
/// The reason for which older messages are not loaded when the limit of lines is reached.
const LINE_LIMIT_REACHED: &str = "rook's limit of lines is reached";

/// A query to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
enum HistoryQuery {
    /// The private conversations with recent messages.
    Conversations,
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
    /// The time of the latest message in any conversation.
    latest_at: Option<Timestamp>,
    /// Whether the server stores read markers.
    has_markers: bool,
}

impl Buffers {
    /// Handles the end of the server's greeting: from now on, missed messages are requested.
    pub fn catch_up(&mut self, model: &Model) {
        self.is_ready = true;
        if model.history_limit().is_some() {
            self.queries.waiting.push_back(HistoryQuery::Conversations);
        }
    }

    /// Returns the next query to send; `None` while one is outstanding.
    pub fn next_query(&mut self, model: &Model, now: Timestamp) -> Option<Message> {
        if self.queries.outstanding.is_some() {
            return None;
        }
        let limit = model.history_limit()?.min(MAX_PAGE);
        let query = self.choose_query(limit)?;
        let message = match &query {
            HistoryQuery::Conversations => {
                let since = match self.queries.latest_at {
                    Some(latest_at) => latest_at - CLOCK_SKEW,
                    None => now - MAX_AGE,
                };
                let [from, to] = [now + ONE_DAY, since].map(chathistory::time_reference);
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

    /// Chooses the next query. Gaps of the current conversation come first.
    fn choose_query(&mut self, limit: usize) -> Option<HistoryQuery> {
        let free_lines = self.free_lines();
        let indices = std::iter::once(self.current).chain(0..self.list.len());
        for index in indices {
            let buffer = &mut self.list[index];
            let wanted = buffer
                .gaps()
                .iter()
                .rev()
                .find(|gap| gap.state == GapState::Wanted)
                .cloned();
            if let Some(gap) = wanted {
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
            if index == self.current
                && let Some(query) = self.queries.waiting.pop_front()
            {
                return Some(query);
            }
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
        self.queries.outstanding = None;
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

    /// Requests the read marker of a private conversation that is being opened. The server sends
    /// those of channels without a request.
    pub(super) fn request_marker(&mut self, conversation: &Conversation) {
        if self.queries.has_markers && matches!(conversation, Conversation::Person(_)) {
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
        let lines = events
            .iter()
            .filter(|event| !self.is_ignored(&event.kind))
            .filter_map(|event| {
                Some(HistoryLine {
                    at: event.at,
                    msgid: event.msgid.as_deref().map(Into::into),
                    body: message_body(&event.kind, model)?,
                })
            });
        let page = Page {
            oldest: events.first().map(reference),
            lines: lines.collect(),
        };
        self.list[index].fill_gap(gap, before.as_deref(), page);
        for event in events {
            if let EventKind::Redacted {
                msgid, by, reason, ..
            } = &event.kind
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

    /// Opens the private conversations with recent messages.
    pub(super) fn apply_conversations(&mut self, found: &[(String, Timestamp)], model: &Model) {
        if self.queries.outstanding == Some(HistoryQuery::Conversations) {
            self.queries.outstanding = None;
        }
        let people = found
            .iter()
            .filter_map(|(name, latest)| Some((Conversation::person(name)?, *latest)))
            .filter(|(conversation, _)| !model.is_me(conversation.name()));
        for (conversation, latest) in people.take(MAX_CONVERSATIONS) {
            if self.position(&conversation).is_none() {
                // Its read marker, which is now requested, decides whether messages are unread.
                let index = self.ensure_open(conversation, latest, model);
                self.list[index].latest = Some(latest);
                continue;
            }
            let index = self.ensure_open(conversation, latest, model);
            if self.list[index].last_message_at() < Some(latest) {
                self.list[index].open_gap(latest, GapState::Wanted);
            }
        }
    }

    /// Applies the read marker of a conversation.
    pub(super) fn apply_marker(
        &mut self,
        target: &str,
        until: Option<Timestamp>,
        model: &Model,
    ) -> Option<()> {
        self.queries.has_markers = true;
        let conversation = Conversation::named(target)?;
        if self.queries.outstanding == Some(HistoryQuery::Marker(conversation.clone())) {
            self.queries.outstanding = None;
        }
        let index = self.position(&conversation)?;
        let buffer = &mut self.list[index];
        buffer.apply_marker(until);
        let has_unread = buffer
            .latest
            .take()
            .is_some_and(|latest| latest > buffer.read_until());
        if has_unread && model.history_limit().is_some() {
            buffer.open_gap(buffer.read_until(), GapState::Wanted);
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
pub fn message_body(kind: &EventKind, model: &Model) -> Option<Body> {
    let (nick, kind, text, own, highlight) = match kind {
        EventKind::ChannelMessage {
            nick, kind, text, ..
        } => {
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
        EventKind::Info(text) => return Some(Body::Info(text.as_str().into())),
        _ => return None,
    };
    Some(Body::Message {
        nick: nick.into(),
        kind: *kind,
        text: text.as_str().into(),
        own,
        highlight,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
