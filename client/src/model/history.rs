//! What of the past is asked of the server, one question at a time, and where the answers go.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use rookery_protocol::Message;

use super::buffer::{HistoryLine, Page};
use super::{
    Body, Buffers, ChatEvent, Conversation, EventKind, GapState, LineId, MessageKind, Model,
};

/// Messages that are asked for at once.
const PAGE: usize = 100;
/// Conversations with people that are opened at the start.
const MAX_CONVERSATIONS: usize = 30;
/// They were had within this time.
const RECENT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Clocks differ.
const FUZZ: SignedDuration = SignedDuration::from_secs(10);
const ONE_DAY: SignedDuration = SignedDuration::from_hours(24);

/// Something to be asked of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
enum HistoryQuery {
    /// With whom something was said lately.
    Conversations,
    /// What is read of a conversation.
    Marker(Conversation),
    /// What was said in a place, in a gap.
    Page {
        conversation: Conversation,
        gap: LineId,
        before: Option<Box<str>>,
    },
}

/// The queries that are not answered yet.
#[derive(Debug, Default)]
pub struct Queries {
    asked: Option<HistoryQuery>,
    waiting: VecDeque<HistoryQuery>,
    /// When something was said last, anywhere.
    latest_at: Option<Timestamp>,
    /// The server keeps what is read.
    has_markers: bool,
}

impl Buffers {
    /// The server has let us in: what was said meanwhile is asked for.
    pub fn catch_up(&mut self, model: &Model) {
        self.settled = true;
        if model.page().is_some() {
            self.queries.waiting.push_back(HistoryQuery::Conversations);
        }
    }

    /// The next question to the server. Only when the one before is answered there is another.
    pub fn next_query(&mut self, model: &Model, now: Timestamp) -> Option<Message> {
        if self.queries.asked.is_some() {
            return None;
        }
        let limit = match model.page()? {
            0 => PAGE,
            page => page.min(PAGE),
        };
        let question = self.choose_query(limit)?;
        let message = match &question {
            HistoryQuery::Conversations => {
                let since = self
                    .queries
                    .latest_at
                    .map_or(now - RECENT, |latest_at| latest_at - FUZZ);
                let [from, to] = [now + ONE_DAY, since].map(|time| format!("timestamp={time:.3}"));
                Message::new("CHATHISTORY", ["TARGETS", &from, &to, &limit.to_string()])
            }
            HistoryQuery::Marker(conversation) => Message::new("MARKREAD", [conversation.name()]),
            HistoryQuery::Page {
                conversation,
                before: Some(before),
                ..
            } => Message::new(
                "CHATHISTORY",
                ["BEFORE", conversation.name(), before, &limit.to_string()],
            ),
            HistoryQuery::Page {
                conversation,
                before: None,
                ..
            } => Message::new(
                "CHATHISTORY",
                ["LATEST", conversation.name(), "*", &limit.to_string()],
            ),
        };
        self.queries.asked = Some(question);
        Some(message)
    }

    /// What someone looks at comes first.
    fn choose_query(&mut self, limit: usize) -> Option<HistoryQuery> {
        let room = self.room();
        let conversations = std::iter::once(self.current).chain(0..self.list.len());
        for index in conversations {
            let buffer = &mut self.list[index];
            let wanted = buffer
                .gaps()
                .iter()
                .rev()
                .find(|gap| gap.state == GapState::Wanted)
                .cloned();
            if let Some(gap) = wanted {
                if room < limit {
                    buffer.set_gap_state(gap.line, GapState::Failed(FULL.into()));
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
                && let Some(question) = self.queries.waiting.pop_front()
            {
                return Some(question);
            }
        }
        None
    }

    /// The question was refused, or there is no answer.
    pub fn query_failed(&mut self, why: &str) {
        if let Some(HistoryQuery::Page {
            conversation, gap, ..
        }) = self.queries.asked.take()
            && let Some(index) = self.position(&conversation)
        {
            self.list[index].set_gap_state(gap, GapState::Failed(why.into()));
        }
    }

    /// The answer is complete.
    pub fn query_finished(&mut self) {
        // It has been taken, unless it was an answer to something else.
        self.query_failed("the server's answer was none");
    }

    /// The connection is gone, and the answers with it; what is said in our channels from now on is
    /// missed.
    pub fn disconnect(&mut self, now: Timestamp, model: &Model) {
        self.settled = false;
        self.queries.waiting.clear();
        self.queries.asked = None;
        for buffer in &mut self.list {
            buffer.reset_gaps();
            if model.page().is_some()
                && let Conversation::Channel(channel) = &buffer.conversation
                && model.is_in(channel)
            {
                buffer.open_gap(now, GapState::Idle);
            }
        }
    }

    /// Someone looks at a gap of the current place; `again` when it has failed before.
    pub fn request_gap(&mut self, gap: LineId, again: bool) {
        let buffer = &mut self.list[self.current];
        let wants = |state: &GapState| match state {
            GapState::Idle => true,
            GapState::Failed(_) => again,
            GapState::Wanted | GapState::Requested => false,
        };
        if buffer
            .gaps()
            .iter()
            .any(|one| one.line == gap && wants(&one.state))
        {
            buffer.set_gap_state(gap, GapState::Wanted);
        }
    }

    /// What was read here and the server does not know yet.
    pub fn take_unsent_markers(&mut self) -> Vec<Message> {
        let owed = self.list.iter_mut().filter_map(|buffer| {
            let read = buffer.take_unsent_marker()?;
            Some(Message::new(
                "MARKREAD",
                [buffer.conversation.name(), &format!("timestamp={read:.3}")],
            ))
        });
        owed.collect()
    }

    /// Something was said then.
    pub(super) fn note_latest(&mut self, at: Timestamp) {
        self.queries.latest_at = self.queries.latest_at.max(Some(at));
    }

    /// What was read of a conversation that is just opened has to be asked for: for channels, the
    /// server tells.
    pub(super) fn ask_marker(&mut self, conversation: &Conversation) {
        if self.queries.has_markers && matches!(conversation, Conversation::Person(_)) {
            self.queries
                .waiting
                .push_back(HistoryQuery::Marker(conversation.clone()));
        }
    }

    pub(super) fn apply_page(
        &mut self,
        target: &str,
        changes: &[ChatEvent],
        model: &Model,
    ) -> Option<()> {
        let asked = self.queries.asked.take_if(
            |asked| matches!(asked, HistoryQuery::Page { conversation, .. } if Conversation::named(target).as_ref() == Some(conversation)),
        );
        let Some(HistoryQuery::Page {
            conversation,
            gap,
            before,
        }) = asked
        else {
            return None;
        };
        let index = self.position(&conversation)?;
        let lines = changes
            .iter()
            .filter(|change| !self.is_ignored(&change.kind));
        let lines = lines.filter_map(|change| {
            let msgid = change.msgid.as_deref().map(Into::into);
            Some(HistoryLine {
                at: change.at,
                msgid,
                body: said(&change.kind, model)?,
            })
        });
        let page = Page {
            oldest: changes.first().map(name),
            lines: lines.collect(),
        };
        self.list[index].fill(gap, before.as_deref(), page);
        for change in changes {
            if let EventKind::Redacted {
                msgid, by, reason, ..
            } = &change.kind
            {
                self.list[index].redact(msgid, by, reason.as_deref());
            }
        }
        if let Some(last) = changes.last() {
            self.note_latest(last.at);
        }
        self.look_if_seen(index);
        Some(())
    }

    pub(super) fn apply_conversations(&mut self, found: &[(String, Timestamp)], model: &Model) {
        if self.queries.asked == Some(HistoryQuery::Conversations) {
            self.queries.asked = None;
        }
        let people = found
            .iter()
            .filter_map(|(name, latest)| Some((Conversation::person(name)?, *latest)));
        let people = people.filter(|(conversation, _)| {
            matches!(conversation, Conversation::Person(_)) && !model.is_me(conversation.name())
        });
        for (conversation, latest) in people.take(MAX_CONVERSATIONS) {
            if self.position(&conversation).is_none() {
                // Whether it is read, the marker will tell.
                let index = self.at(conversation, latest, model);
                self.list[index].latest = Some(latest);
                continue;
            }
            let index = self.at(conversation, latest, model);
            if self.list[index].last_said() < Some(latest) {
                self.list[index].open_gap(latest, GapState::Wanted);
            }
        }
    }

    pub(super) fn apply_marker(
        &mut self,
        target: &str,
        until: Option<Timestamp>,
        model: &Model,
    ) -> Option<()> {
        self.queries.has_markers = true;
        let conversation = Conversation::named(target)?;
        if self.queries.asked == Some(HistoryQuery::Marker(conversation.clone())) {
            self.queries.asked = None;
        }
        let index = self.position(&conversation)?;
        let buffer = &mut self.list[index];
        buffer.mark(until);
        let behind = buffer
            .latest
            .take()
            .is_some_and(|latest| latest > buffer.read());
        if behind && model.page().is_some() {
            buffer.open_gap(buffer.read(), GapState::Wanted);
        }
        self.look_if_seen(index);
        Some(())
    }
}

/// Said where older messages would be.
const FULL: &str = "rook keeps no more lines than these at a time";

/// A message, as a question about what was said before it names it.
fn name(change: &ChatEvent) -> Box<str> {
    match &change.msgid {
        Some(msgid) => format!("msgid={msgid}").into(),
        None => format!("timestamp={:.3}", change.at).into(),
    }
}

/// What someone said, as it is written down.
pub fn said(kind: &EventKind, model: &Model) -> Option<Body> {
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
            (
                from.as_str(),
                kind,
                text,
                own,
                !own && *kind != MessageKind::Notice,
            )
        }
        EventKind::DirectSent { kind, text, .. } => (model.nick(), kind, text, true, false),
        EventKind::Info(words) => return Some(Body::Info(words.as_str().into())),
        _ => return None,
    };
    Some(Body::Said {
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
