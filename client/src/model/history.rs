//! What of the past is asked of the server, one question at a time, and where the answers go.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use rookery_protocol::Message;

use super::buffer::{Page, PastLine};
use super::{Body, Buffers, Change, Filling, LineId, Manner, Model, Place, What};

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
enum Question {
    /// With whom something was said lately.
    Conversations,
    /// What is read of a conversation.
    Marker(Place),
    /// What was said in a place, in a gap.
    Page {
        place: Place,
        gap: LineId,
        before: Option<Box<str>>,
    },
}

/// The questions that are not answered yet.
#[derive(Debug, Default)]
pub struct Questions {
    asked: Option<Question>,
    waiting: VecDeque<Question>,
    /// When something was said last, anywhere.
    heard_at: Option<Timestamp>,
    /// The server keeps what is read.
    keeps_markers: bool,
}

impl Buffers {
    /// The server has let us in: what was said meanwhile is asked for.
    pub fn catch_up(&mut self, model: &Model) {
        self.settled = true;
        if model.page().is_some() {
            self.questions.waiting.push_back(Question::Conversations);
        }
    }

    /// The next question to the server. Only when the one before is answered there is another.
    pub fn question(&mut self, model: &Model, now: Timestamp) -> Option<Message> {
        if self.questions.asked.is_some() {
            return None;
        }
        let limit = match model.page()? {
            0 => PAGE,
            page => page.min(PAGE),
        };
        let question = self.next_question(limit)?;
        let message = match &question {
            Question::Conversations => {
                let since = self
                    .questions
                    .heard_at
                    .map_or(now - RECENT, |heard_at| heard_at - FUZZ);
                let [from, to] = [now + ONE_DAY, since].map(|time| format!("timestamp={time:.3}"));
                Message::new("CHATHISTORY", ["TARGETS", &from, &to, &limit.to_string()])
            }
            Question::Marker(place) => Message::new("MARKREAD", [place.name()]),
            Question::Page {
                place,
                before: Some(before),
                ..
            } => Message::new(
                "CHATHISTORY",
                ["BEFORE", place.name(), before, &limit.to_string()],
            ),
            Question::Page {
                place,
                before: None,
                ..
            } => Message::new(
                "CHATHISTORY",
                ["LATEST", place.name(), "*", &limit.to_string()],
            ),
        };
        self.questions.asked = Some(question);
        Some(message)
    }

    /// What someone looks at comes first.
    fn next_question(&mut self, limit: usize) -> Option<Question> {
        let room = self.room();
        let places = std::iter::once(self.current).chain(0..self.list.len());
        for index in places {
            let buffer = &mut self.list[index];
            let wanted = buffer
                .gaps()
                .iter()
                .rev()
                .find(|gap| gap.state == Filling::Wanted)
                .cloned();
            if let Some(gap) = wanted {
                if room < limit {
                    buffer.set_filling(gap.line, Filling::Failed(FULL.into()));
                    continue;
                }
                buffer.set_filling(gap.line, Filling::Asked);
                return Some(Question::Page {
                    place: buffer.place.clone(),
                    gap: gap.line,
                    before: gap.before,
                });
            }
            if index == self.current
                && let Some(question) = self.questions.waiting.pop_front()
            {
                return Some(question);
            }
        }
        None
    }

    /// The question was refused, or there is no answer.
    pub fn unanswered(&mut self, why: &str) {
        if let Some(Question::Page { place, gap, .. }) = self.questions.asked.take()
            && let Some(index) = self.position(&place)
        {
            self.list[index].set_filling(gap, Filling::Failed(why.into()));
        }
    }

    /// The answer is complete.
    pub fn answered(&mut self) {
        // It has been taken, unless it was an answer to something else.
        self.unanswered("the server's answer was none");
    }

    /// The connection is gone, and the answers with it; what is said in our channels from now on is
    /// missed.
    pub fn disconnect(&mut self, now: Timestamp, model: &Model) {
        self.settled = false;
        self.questions.waiting.clear();
        self.questions.asked = None;
        for buffer in &mut self.list {
            buffer.wait();
            if model.page().is_some()
                && let Place::Channel(channel) = &buffer.place
                && model.is_in(channel)
            {
                buffer.open_gap(now, Filling::Waiting);
            }
        }
    }

    /// Someone looks at a gap of the current place; `again` when it has failed before.
    pub fn want(&mut self, gap: LineId, again: bool) {
        let buffer = &mut self.list[self.current];
        let wants = |state: &Filling| match state {
            Filling::Waiting => true,
            Filling::Failed(_) => again,
            Filling::Wanted | Filling::Asked => false,
        };
        if buffer
            .gaps()
            .iter()
            .any(|one| one.line == gap && wants(&one.state))
        {
            buffer.set_filling(gap, Filling::Wanted);
        }
    }

    /// What was read here and the server does not know yet.
    pub fn markers(&mut self) -> Vec<Message> {
        let owed = self.list.iter_mut().filter_map(|buffer| {
            let read = buffer.owed_marker()?;
            Some(Message::new(
                "MARKREAD",
                [buffer.place.name(), &format!("timestamp={read:.3}")],
            ))
        });
        owed.collect()
    }

    /// Something was said then.
    pub(super) fn note_time(&mut self, at: Timestamp) {
        self.questions.heard_at = self.questions.heard_at.max(Some(at));
    }

    /// What was read of a conversation that is just opened has to be asked for: for channels, the
    /// server tells.
    pub(super) fn ask_marker(&mut self, place: &Place) {
        if self.questions.keeps_markers && matches!(place, Place::Person(_)) {
            self.questions
                .waiting
                .push_back(Question::Marker(place.clone()));
        }
    }

    pub(super) fn take_page(
        &mut self,
        target: &str,
        changes: &[Change],
        model: &Model,
    ) -> Option<()> {
        let asked = self.questions.asked.take_if(
            |asked| matches!(asked, Question::Page { place, .. } if Place::named(target).as_ref() == Some(place)),
        );
        let Some(Question::Page { place, gap, before }) = asked else {
            return None;
        };
        let index = self.position(&place)?;
        let lines = changes
            .iter()
            .filter(|change| !self.is_ignored(&change.what));
        let lines = lines.filter_map(|change| {
            let msgid = change.msgid.as_deref().map(Into::into);
            Some(PastLine {
                at: change.at,
                msgid,
                body: said(&change.what, model)?,
            })
        });
        let page = Page {
            oldest: changes.first().map(name),
            lines: lines.collect(),
        };
        self.list[index].fill(gap, before.as_deref(), page);
        for change in changes {
            if let What::Redacted {
                msgid, by, reason, ..
            } = &change.what
            {
                self.list[index].redact(msgid, by, reason.as_deref());
            }
        }
        if let Some(last) = changes.last() {
            self.note_time(last.at);
        }
        self.look_if_seen(index);
        Some(())
    }

    pub(super) fn take_conversations(&mut self, found: &[(String, Timestamp)], model: &Model) {
        if self.questions.asked == Some(Question::Conversations) {
            self.questions.asked = None;
        }
        let people = found
            .iter()
            .filter_map(|(name, latest)| Some((Place::person(name)?, *latest)));
        let people = people
            .filter(|(place, _)| matches!(place, Place::Person(_)) && !model.is_me(place.name()));
        for (place, latest) in people.take(MAX_CONVERSATIONS) {
            if self.position(&place).is_none() {
                // Whether it is read, the marker will tell.
                let index = self.at(place, latest, model);
                self.list[index].latest = Some(latest);
                continue;
            }
            let index = self.at(place, latest, model);
            if self.list[index].last_said() < Some(latest) {
                self.list[index].open_gap(latest, Filling::Wanted);
            }
        }
    }

    pub(super) fn take_marker(
        &mut self,
        target: &str,
        until: Option<Timestamp>,
        model: &Model,
    ) -> Option<()> {
        self.questions.keeps_markers = true;
        let place = Place::named(target)?;
        if self.questions.asked == Some(Question::Marker(place.clone())) {
            self.questions.asked = None;
        }
        let index = self.position(&place)?;
        let buffer = &mut self.list[index];
        buffer.mark(until);
        let behind = buffer
            .latest
            .take()
            .is_some_and(|latest| latest > buffer.read());
        if behind && model.page().is_some() {
            buffer.open_gap(buffer.read(), Filling::Wanted);
        }
        self.look_if_seen(index);
        Some(())
    }
}

/// Said where older messages would be.
const FULL: &str = "rook keeps no more lines than these at a time";

/// A message, as a question about what was said before it names it.
fn name(change: &Change) -> Box<str> {
    match &change.msgid {
        Some(msgid) => format!("msgid={msgid}").into(),
        None => format!("timestamp={:.3}", change.at).into(),
    }
}

/// What someone said, as it is written down.
pub fn said(what: &What, model: &Model) -> Option<Body> {
    let (nick, manner, text, mine, called) = match what {
        What::Said {
            nick, manner, text, ..
        } => {
            let mine = model.is_me(nick);
            let called = !mine && *manner != Manner::Notice && model.is_called(text);
            (nick.as_str(), manner, text, mine, called)
        }
        What::Heard { from, manner, text } => {
            let mine = model.is_me(from);
            (
                from.as_str(),
                manner,
                text,
                mine,
                !mine && *manner != Manner::Notice,
            )
        }
        What::Whispered { manner, text, .. } => (model.nick(), manner, text, true, false),
        What::Info(words) => return Some(Body::Info(words.as_str().into())),
        _ => return None,
    };
    Some(Body::Said {
        nick: nick.into(),
        manner: *manner,
        text: text.as_str().into(),
        mine,
        called,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
