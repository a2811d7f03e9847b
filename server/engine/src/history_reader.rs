//! The library: reads history for the core, beside it, and brings back what it found.

use std::sync::Arc;

use jiff::Timestamp;
use rookery_protocol::Nick;
use tokio::sync::{Semaphore, oneshot};

use crate::handle::HistorySender;
use crate::pending::ReadyReply;
use rookery_chat::event::{Event, Fetch, Found, HistoryQuery};
use rookery_record::{
    HistoryEntry, PageQuery, Place, Point, Reading, Selection, SeveralQuery, TargetsQuery,
};
use rookery_store::{Database, Result, Store};

/// What is read at once: less than the store has readers, so that a sign-in never waits for it.
const FETCHES: usize = 2;
/// The conversations that are read in one go, those that went on last.
const CONVERSATIONS: usize = 100;

/// Reads for the core.
pub struct HistoryReader {
    database: Database,
    back: HistorySender,
    places: Arc<Semaphore>,
}

impl HistoryReader {
    /// Over the record; what is found goes back there.
    pub fn new(database: Database, back: HistorySender) -> Self {
        Self {
            database,
            back,
            places: Arc::new(Semaphore::new(FETCHES)),
        }
    }

    /// Reads once it is told to, and gives the core what it found.
    pub fn fetch(&self, fetch: Box<Fetch>) -> ReadyReply {
        let (go, told) = oneshot::channel();
        let Self {
            database,
            back,
            places,
        } = self;
        let (database, back, places) = (database.clone(), back.clone(), Arc::clone(places));
        tokio::spawn(async move {
            if told.await.is_err() {
                return;
            }
            let Ok(_place) = places.acquire().await else {
                return;
            };
            let query = fetch.query.clone();
            let found = database
                .read(move |store| look_up(store, &query))
                .await
                .unwrap_or_else(|error| {
                    tracing::error!(%error, "history could not be read");
                    Found::Failed
                });
            back.send(Event::Fetched { fetch, found }).await;
        });
        Box::new(move || {
            // The reader stops with the server.
            let _ = go.send(());
        })
    }
}

fn look_up(store: &dyn Store, query: &HistoryQuery) -> Result<Found> {
    Ok(match query {
        HistoryQuery::Page(query) => store
            .history_page(query)?
            .map_or(Found::NoSuchMessage, Found::Page),
        HistoryQuery::Targets(query) => Found::Targets(store.history_targets(query)?),
        HistoryQuery::Message(msgid) => Found::Message(store.history_entry(msgid)?.map(Box::new)),
        HistoryQuery::Several(query) => Found::Several(several(store, query)?),
    })
}

/// The conversations come first: should there be more than can be shown, they matter most.
fn several(store: &dyn Store, query: &SeveralQuery) -> Result<Vec<(String, Vec<HistoryEntry>)>> {
    let conversations = match &query.account {
        Some(account) => conversations(store, account, query.after)?,
        None => Vec::new(),
    };
    let mut found = Vec::new();
    for Reading {
        name,
        places,
        since,
    } in conversations.iter().chain(&query.readings)
    {
        let page = PageQuery {
            places: places.clone(),
            // Counted from the newest on.
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

/// The conversations of the account that went on after that.
fn conversations(store: &dyn Store, account: &Nick, after: Timestamp) -> Result<Vec<Reading>> {
    let query = TargetsQuery {
        channels: Vec::new(),
        account: Some(account.clone()),
        // Counted from the newest on.
        from: Timestamp::MAX,
        to: after,
        limit: CONVERSATIONS,
    };
    let targets = store.history_targets(&query)?;
    Ok(targets
        .into_iter()
        .filter_map(|target| {
            let other = Nick::parse(&target.name).ok()?;
            let places = Place::conversation(account, other.clone(), other);
            Some(Reading {
                name: target.name,
                places,
                since: Timestamp::MIN,
            })
        })
        .collect())
}
