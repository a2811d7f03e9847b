//! Stands in for the history reader: it answers the queries of the core from the stored entries.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;
use rookery_protocol::{Message, Nick};

use super::{Harness, ReplyKey};
use crate::event::{Event, Fetch, HistoryQuery, HistoryResult, SessionId};
use crate::request::Replied;
use rookery_record::{
    HistoryEntry, NewestMessages, NewestOfSeveral, Participant, Place, ReadableTarget,
    SeveralQuery, TargetKind,
};

impl Harness {
    /// Sends a command and waits. Returns the key of the reply, which arrives when the session has
    /// its answer.
    pub fn awaited_command(&mut self, session: SessionId, line: &str) -> ReplyKey<Replied> {
        let (ticket, key) = self.ticket();
        let message = Message::parse(line).unwrap();
        self.event(Event::AwaitedCommand {
            ticket,
            session,
            message,
        });
        key
    }

    /// Answers the only pending history query.
    pub fn answer_fetch(&mut self, found: HistoryResult) {
        let fetch = self.fetches.pop().unwrap();
        assert!(self.fetches.is_empty());
        self.report_found(fetch, found);
    }

    /// Answers all pending queries, which must be for several places, as the history reader would.
    pub fn answer_all_fetches(&mut self) {
        for fetch in std::mem::take(&mut self.fetches) {
            let HistoryQuery::Several(query) = &fetch.query else {
                panic!("{fetch:?}")
            };
            let mut readings = query.targets.clone();
            if let Some(account) = &query.account {
                readings.extend(self.direct_targets(account));
            }
            let found = readings.into_iter().filter_map(|reading| {
                let mut entries = self.entries_of(&reading, query);
                let surplus = entries.len().saturating_sub(query.limit);
                entries.drain(..surplus);
                (!entries.is_empty()).then_some(NewestMessages {
                    kind: kind(&entries),
                    name: reading.name,
                    entries,
                    is_cut: surplus > 0,
                })
            });
            let found = NewestOfSeveral {
                targets: found.collect(),
                further_conversations: 0,
            };
            self.report_found(fetch, HistoryResult::Several(found));
        }
    }

    /// Answers all pending queries of every kind, or reports that they failed while the store does
    /// not work. Only fuzzing sends queries of every kind at random.
    #[cfg(feature = "test-support")]
    pub fn answer_every_fetch(&mut self) {
        while let Some(fetch) = self.fetches.pop() {
            let found = if self.store_works {
                self.find(&fetch.query)
            } else {
                HistoryResult::Failed
            };
            self.report_found(fetch, found);
        }
    }

    /// Returns what the store has for the query, without regard to where a page begins.
    #[cfg(feature = "test-support")]
    fn find(&self, query: &HistoryQuery) -> HistoryResult {
        let entries = self.entries.iter();
        match query {
            HistoryQuery::Page(page) => {
                let is_found = |entry: &&HistoryEntry| {
                    page.places.contains(&entry.place) && entry.at >= page.since
                };
                HistoryResult::Page(entries.filter(is_found).take(page.limit).cloned().collect())
            }
            HistoryQuery::Targets(query) => {
                let targets =
                    query
                        .channels
                        .iter()
                        .map(|(name, since)| rookery_record::HistoryTarget {
                            name: name.to_string(),
                            at: *since,
                        });
                HistoryResult::Targets(targets.take(query.limit).collect())
            }
            HistoryQuery::Several(_) => HistoryResult::Several(NewestOfSeveral::default()),
            HistoryQuery::Message(msgid) => {
                let found = entries.rev().find(|entry| entry.msgid == *msgid);
                HistoryResult::Message(found.cloned().map(Box::new))
            }
        }
    }

    fn report_found(&mut self, fetch: Fetch, found: HistoryResult) {
        self.event(Event::Fetched {
            fetch: Box::new(fetch),
            found,
        });
    }

    /// Returns a reading for each user who has exchanged direct messages with the account.
    fn direct_targets(&self, account: &Nick) -> Vec<ReadableTarget> {
        let others = self.entries.iter().filter_map(|entry| match &entry.place {
            Place::Direct { from, to } if from.nick() == account => Some(to.nick()),
            Place::Direct { from, to } if to.nick() == account => Some(from.nick()),
            _ => None,
        });
        let others: BTreeSet<&Nick> = others.collect();
        let readings = others.into_iter().map(|other| {
            let mut places = Place::conversation(account, other.clone(), other.clone());
            places.extend(places.clone().into_iter().map(|place| match place {
                Place::Direct { from, to } => Place::Direct { from: to, to: from },
                place @ Place::Channel(_) => place,
            }));
            ReadableTarget {
                name: other.to_string(),
                places,
                since: Timestamp::MIN,
            }
        });
        readings.collect()
    }

    /// Returns the messages of the reading.
    fn entries_of(&self, reading: &ReadableTarget, query: &SeveralQuery) -> VecDeque<HistoryEntry> {
        self.entries
            .iter()
            .filter(|entry| reading.places.contains(&entry.place) && !entry.is_event())
            .filter(|entry| query.after < entry.at && entry.at < query.before)
            .cloned()
            .collect()
    }
}

/// Returns the kind of the channel or conversation that has these messages.
fn kind(entries: &VecDeque<HistoryEntry>) -> TargetKind {
    let kinds = entries.iter().map(|entry| match &entry.place {
        Place::Channel(_) => TargetKind::Channel,
        Place::Direct {
            from: Participant::Account(_),
            to: Participant::Account(_),
        } => TargetKind::Account,
        Place::Direct { .. } => TargetKind::Guest,
    });
    kinds.max().unwrap_or(TargetKind::Guest)
}
