//! Reads history on behalf of the core and returns the result as an event.
//!
//! The core never waits for the store: it requests a page with [`Output::Fetch`] and continues with
//! other events. The result is sent to it as [`Event::Fetched`]. Accounts, and the networks of
//! clients without one, take turns.
//!
//! [`Output::Fetch`]: rookery_chat::event::Output::Fetch

use std::sync::Arc;

use jiff::Timestamp;
use rookery_protocol::Nick;

use crate::handle::HistorySender;
use rookery_base::fair_queue::FairQueue;
use rookery_chat::event::{Event, Fetch, HistoryQuery, HistoryResult};
use rookery_chat::token_bucket::Payer;
use rookery_record::{
    HistoryEntry, PageQuery, Place, Point, ReadableTarget, Selection, SeveralQuery, TargetsQuery,
};
use rookery_store::{Database, Result, Store};

/// The number of pages that are read at the same time. It is smaller than the store's number of
/// reading threads, so that a sign-in never waits for history.
const MAX_CONCURRENT_READS: usize = 2;
/// The maximum number of conversations that are read for one query: those with the newest messages.
const MAX_CONVERSATIONS: usize = 100;

/// Reads history for one core.
pub struct HistoryReader {
    database: Database,
    core: HistorySender,
    queue: Arc<FairQueue<Option<Payer>>>,
}

impl HistoryReader {
    /// Creates a reader of `database` that sends its results to `core`.
    pub fn new(database: Database, core: HistorySender) -> Self {
        Self {
            database,
            core,
            queue: Arc::new(FairQueue::new(MAX_CONCURRENT_READS, MAX_CONCURRENT_READS)),
        }
    }

    /// Reads history in a new task, and sends the result to the core.
    pub fn fetch(&self, fetch: Box<Fetch>) {
        let (database, core) = (self.database.clone(), self.core.clone());
        let queue = Arc::clone(&self.queue);
        tokio::spawn(async move {
            let _slot = queue.acquire(fetch.payer).await;
            let query = fetch.query.clone();
            let found = database
                .read(move |store| find(store, &query))
                .await
                .unwrap_or_else(|error| {
                    tracing::error!(%error, "cannot read the history");
                    HistoryResult::Failed
                });
            core.send(Event::Fetched { fetch, found }).await;
        });
    }
}

fn find(store: &Store, query: &HistoryQuery) -> Result<HistoryResult> {
    Ok(match query {
        HistoryQuery::Page(query) => store
            .history_page(query)?
            .map_or(HistoryResult::NoSuchMessage, HistoryResult::Page),
        HistoryQuery::Targets(query) => HistoryResult::Targets(store.history_targets(query)?),
        HistoryQuery::Message(msgid) => {
            HistoryResult::Message(store.history_entry(msgid)?.map(Box::new))
        }
        HistoryQuery::Several(query) => HistoryResult::Several(pages_of_places(store, query)?),
    })
}

/// Returns a page of each place that has messages. Conversations come first, because they matter
/// most if there is more than the core can send.
fn pages_of_places(
    store: &Store,
    query: &SeveralQuery,
) -> Result<Vec<(String, Vec<HistoryEntry>)>> {
    let conversations = match &query.account {
        Some(account) => conversations(store, account, query.after)?,
        None => Vec::new(),
    };
    let mut found = Vec::new();
    for ReadableTarget {
        name,
        places,
        since,
    } in conversations.iter().chain(&query.targets)
    {
        let page = PageQuery {
            places: places.clone(),
            // With the later end first, the limit counts from the newest message.
            selection: Selection::Between(Point::At(query.before), Point::At(query.after)),
            events: false,
            redactions: false,
            since: *since,
            limit: query.limit,
        };
        let entries = store.history_page(&page)?.unwrap_or_default();
        if !entries.is_empty() {
            found.push((name.clone(), entries));
        }
    }
    Ok(found)
}

/// Returns the account's conversations that have messages later than `after`.
fn conversations(store: &Store, account: &Nick, after: Timestamp) -> Result<Vec<ReadableTarget>> {
    let query = TargetsQuery {
        channels: Vec::new(),
        account: Some(account.clone()),
        // With the later end first, the limit counts from the newest message.
        from: Timestamp::MAX,
        to: after,
        limit: MAX_CONVERSATIONS,
    };
    let targets = store.history_targets(&query)?;
    Ok(targets
        .into_iter()
        .filter_map(|target| {
            let other = Nick::parse(&target.name).ok()?;
            let places = Place::conversation(account, other.clone(), other);
            Some(ReadableTarget {
                name: target.name,
                places,
                since: Timestamp::MIN,
            })
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use rookery_chat::event::{Purpose, SessionId};
    use rookery_record::{AccountId, HistorySync};

    use super::*;
    use crate::handle::{self, Envelope};

    fn fetch(session: u64, account: i64) -> Box<Fetch> {
        Box::new(Fetch {
            session: SessionId(session),
            payer: Some(Payer::Account(AccountId(account))),
            ticket: None,
            label: None,
            purpose: Purpose::Playback,
            query: HistoryQuery::Message("unknown".to_owned()),
        })
    }

    fn session(envelope: &Envelope) -> Option<SessionId> {
        match &envelope.event {
            Event::Fetched { fetch, .. } => Some(fetch.session),
            _ => None,
        }
    }

    #[tokio::test]
    async fn an_account_waits_for_a_few_of_the_requests_of_another_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rookery.db");
        let database = Database::open(&file, HistorySync::Normal).unwrap();
        let (_core, _port, mut queue) = handle::channel();
        let reader = HistoryReader::new(database, queue.history_sender());
        for session in 0..100 {
            reader.fetch(fetch(session, 1));
        }
        reader.fetch(fetch(100, 2));
        let mut answered = Vec::new();
        for _ in 0..10 {
            queue.recv_many(&mut answered, 1).await;
        }
        let sessions: Vec<_> = answered.iter().filter_map(session).collect();
        assert!(sessions.contains(&SessionId(100)), "{sessions:?}");
    }
}
