//! Reads history on behalf of the core and returns the result as an event.
//!
//! The core never waits for the store: it requests a page with [`Output::Fetch`] and continues with
//! other events. The result is sent to it as [`Event::Fetched`]. Accounts, and the networks and
//! sites of clients without one, take turns. What is requested of several places is read in as many
//! turns.
//!
//! [`Output::Fetch`]: rookery_chat::event::Output::Fetch

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;
use rookery_protocol::Nick;

use crate::handle::HistorySender;
use rookery_base::fair_queue::FairQueue;
use rookery_chat::event::{Event, Fetch, HistoryQuery, HistoryResult};
use rookery_chat::shares::Shares;
use rookery_chat::token_bucket::Payer;
use rookery_record::{
    HistoryEntry, Network, NewestMessages, NewestOfSeveral, PageQuery, Place, Point,
    ReadableTarget, Selection, SeveralQuery, TargetKind,
};
use rookery_store::{Database, Result, Store};

/// The number of pages that are read at the same time. It is smaller than the store's number of
/// reading threads, so that a sign-in never waits for history. One payer has one at a time.
const MAX_CONCURRENT_READS: usize = 2;
/// The number of requests for several places that are in progress at the same time. Their messages
/// are in memory until all of them are read.
const MAX_CONCURRENT_COLLECTIONS: usize = 2;
/// The maximum number of conversations that are read for one query: those with accounts first, and
/// of either kind those with the newest messages. Guests may take as many nicks as they like.
const MAX_CONVERSATIONS: usize = 300;
/// The maximum number of further conversations that are named.
const MAX_NAMED: usize = 100;

/// Reads history for one core.
#[derive(Clone)]
pub struct HistoryReader {
    database: Database,
    core: HistorySender,
    reads: Turns,
    collections: Turns,
}

type Turns = Arc<FairQueue<TakesTurns>>;

/// Who takes turns.
#[derive(PartialEq, Eq, Hash)]
enum TakesTurns {
    /// The payer of the request.
    Payer(Option<Payer>),
    /// All networks of a site whose clients have no account.
    Site(Network),
}

impl TakesTurns {
    /// Returns who takes turns with the requests of the payer, from small to large.
    fn of(payer: Option<Payer>) -> impl Iterator<Item = Self> {
        let site = match payer {
            Some(Payer::Network(network)) => Some(Self::Site(network.site())),
            Some(Payer::Account(_)) | None => None,
        };
        [Self::Payer(payer)].into_iter().chain(site)
    }
}

impl HistoryReader {
    /// Creates a reader of `database` that sends its results to `core`.
    pub fn new(database: Database, core: HistorySender) -> Self {
        Self {
            database,
            core,
            reads: Arc::new(FairQueue::new(MAX_CONCURRENT_READS, 1)),
            collections: Arc::new(FairQueue::new(MAX_CONCURRENT_COLLECTIONS, 1)),
        }
    }

    /// Reads history in a new task, and sends the result to the core.
    pub fn fetch(&self, fetch: Box<Fetch>) {
        let reader = self.clone();
        tokio::spawn(async move {
            let found = reader.find(fetch.payer, fetch.query.clone()).await;
            let found = found.unwrap_or_else(|error| {
                tracing::error!(%error, "cannot read the history");
                HistoryResult::Failed
            });
            reader.core.send(Event::Fetched { fetch, found }).await;
        });
    }

    async fn find(&self, payer: Option<Payer>, query: HistoryQuery) -> Result<HistoryResult> {
        Ok(match query {
            HistoryQuery::Page(query) => self
                .read(payer, move |store| store.history_page(&query))
                .await?
                .map_or(HistoryResult::NoSuchMessage, HistoryResult::Page),
            HistoryQuery::Targets(query) => {
                let targets = self.read(payer, move |store| store.history_targets(&query));
                HistoryResult::Targets(targets.await?)
            }
            HistoryQuery::Message(msgid) => {
                let entry = self.read(payer, move |store| store.history_entry(&msgid));
                HistoryResult::Message(entry.await?.map(Box::new))
            }
            HistoryQuery::Several(query) => {
                HistoryResult::Several(self.newest_of_several(payer, query).await?)
            }
        })
    }

    /// Runs `job` on a reading thread when it is the payer's turn.
    async fn read<T: Send + 'static>(
        &self,
        payer: Option<Payer>,
        job: impl FnOnce(&Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let _slot = self.reads.acquire(TakesTurns::of(payer)).await;
        self.database.read(job).await
    }

    /// Returns the newest messages of each channel and conversation, which share the bytes that the
    /// query allows. Those of a kind with older messages come before the others.
    async fn newest_of_several(
        &self,
        payer: Option<Payer>,
        query: SeveralQuery,
    ) -> Result<NewestOfSeveral> {
        let SeveralQuery {
            targets,
            account,
            after,
            before,
            limit,
            bytes,
        } = query;
        let _slot = self.collections.acquire(TakesTurns::of(payer)).await;
        let mut conversations = match account {
            Some(account) => {
                let find = move |store: &Store| conversations(store, &account, after, before);
                self.read(payer, find).await?
            }
            None => Vec::new(),
        };
        let mut shares = Shares::new(bytes);
        let too_many = conversations.len().saturating_sub(MAX_CONVERSATIONS);
        let further_conversations = too_many.saturating_sub(MAX_NAMED);
        let left_out = conversations.drain(..too_many);
        for (kind, ReadableTarget { name, .. }) in left_out.skip(further_conversations) {
            let newest = NewestMessages {
                kind,
                name,
                entries: VecDeque::new(),
                is_cut: true,
            };
            shares.add(newest, HistoryEntry::held_bytes);
        }
        let targets = targets.into_iter().map(|target| (kind(&target), target));
        for (kind, target) in conversations.into_iter().chain(targets) {
            let ReadableTarget {
                name,
                places,
                since,
            } = target;
            let page = PageQuery {
                places,
                // With the later end first, the limit counts from the newest message.
                selection: Selection::Between(Point::At(before), Point::At(after)),
                events: false,
                redactions: false,
                since,
                // One more shows whether there are earlier ones.
                limit: limit.saturating_add(1),
                bytes: shares.most(kind),
            };
            let entries = self.read(payer, move |store| store.history_page(&page));
            let mut entries = VecDeque::from(entries.await?.unwrap_or_default());
            let is_cut = entries.len() > limit;
            if is_cut {
                entries.pop_front();
            }
            if !entries.is_empty() || is_cut {
                let newest = NewestMessages {
                    kind,
                    name,
                    entries,
                    is_cut,
                };
                shares.add(newest, HistoryEntry::held_bytes);
            }
        }
        Ok(NewestOfSeveral {
            targets: shares.into_targets().collect(),
            further_conversations,
        })
    }
}

/// Returns the account's conversations that have messages between the times, sorted by kind, and
/// those of a kind by the time of the latest one.
fn conversations(
    store: &Store,
    account: &Nick,
    after: Timestamp,
    before: Timestamp,
) -> Result<Vec<(TargetKind, ReadableTarget)>> {
    let conversations = store.conversations(account, after, before)?.into_iter();
    let targets = conversations.filter_map(|conversation| {
        let other = Nick::parse(&conversation.name).ok()?;
        let target = ReadableTarget {
            name: conversation.name,
            places: Place::conversation(account, other.clone(), other),
            since: Timestamp::MIN,
        };
        Some((conversation.kind, target))
    });
    Ok(targets.collect())
}

/// Returns the kind of what a user has named.
fn kind(target: &ReadableTarget) -> TargetKind {
    match target.places.first() {
        Some(Place::Channel(_)) => TargetKind::Channel,
        Some(Place::Direct { .. }) | None => TargetKind::Account,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use jiff::SignedDuration;
    use rookery_chat::event::{Purpose, SessionId};
    use rookery_record::{AccountId, HistorySync, Participant};
    use rookery_store::Durability;
    use tempfile::TempDir;

    use super::*;
    use crate::handle::{self, Envelope};

    fn open() -> (TempDir, Database) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rookery.db");
        let database = Database::open(&file, HistorySync::Normal).unwrap();
        (folder, database)
    }

    /// Occupies the database's four reading threads until the returned senders are dropped.
    fn occupy_reading_threads(database: &Database) -> Vec<std::sync::mpsc::Sender<()>> {
        let occupy = |_| {
            let (release, released) = std::sync::mpsc::channel::<()>();
            let database = database.clone();
            tokio::spawn(async move {
                let wait = move |_: &Store| {
                    let _ = released.recv();
                    Ok(())
                };
                database.read(wait).await
            });
            release
        };
        (0..4).map(occupy).collect()
    }

    /// Waits until all requests so far wait for their turns, and releases one reading thread, which
    /// answers them in the order of their turns.
    async fn release_one_reading_thread(occupied: &mut Vec<std::sync::mpsc::Sender<()>>) {
        // The tests' runtime starts tasks in the order in which they were spawned.
        tokio::spawn(async {}).await.unwrap();
        occupied.pop();
    }

    fn fetch(session: u64, account: i64) -> Box<Fetch> {
        fetch_for(session, Payer::Account(AccountId(account)))
    }

    fn fetch_for(session: u64, payer: Payer) -> Box<Fetch> {
        Box::new(Fetch {
            session: SessionId(session),
            payer: Some(payer),
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

    /// Runs a test on a runtime that resumes tasks in the order in which the reading threads have
    /// answered them. By default, it lets those that it has just polled go first, up to 30 times.
    fn in_order(test: impl Future<Output = ()>) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.global_queue_interval(1).build().unwrap();
        runtime.block_on(test);
    }

    /// Requests a page in session 1 after those of 100 others, and checks that it waits for few.
    fn waits_for_few(others: impl Fn(u16) -> Payer, own: Payer) {
        in_order(async {
            let (_folder, database) = open();
            let (_core, _port, mut queue) = handle::channel();
            let mut occupied = occupy_reading_threads(&database);
            let reader = HistoryReader::new(database, queue.history_sender());
            for number in 0..100 {
                reader.fetch(fetch_for(0, others(number)));
            }
            reader.fetch(fetch_for(1, own));
            release_one_reading_thread(&mut occupied).await;
            let mut answered = Vec::new();
            for _ in 0..10 {
                queue.recv_many(&mut answered, 1).await;
            }
            let sessions: Vec<_> = answered.iter().filter_map(session).collect();
            assert!(sessions.contains(&SessionId(1)), "{sessions:?}");
        });
    }

    #[test]
    fn an_account_waits_for_a_few_of_the_requests_of_another_only() {
        let account = |number| Payer::Account(AccountId(number));
        waits_for_few(|_| account(1), account(2));
    }

    #[test]
    fn a_guest_waits_for_a_few_of_the_requests_of_the_networks_of_another_site_only() {
        let guest = |site, number| {
            let address = [0x2001, 0xdb8, site, number, 0, 0, 0, 1];
            Payer::Network(Network::of(Ipv6Addr::from(address).into()))
        };
        waits_for_few(|number| guest(1, number), guest(2, 0));
    }

    fn channels(count: usize) -> SeveralQuery {
        let channel = |number| ReadableTarget {
            name: format!("#{number}"),
            places: vec![Place::Channel(format!("#{number}").parse().unwrap())],
            since: Timestamp::MIN,
        };
        SeveralQuery {
            targets: (0..count).map(channel).collect(),
            account: None,
            after: Timestamp::MIN,
            before: Timestamp::MAX,
            limit: 100,
            bytes: 5 << 20,
        }
    }

    #[test]
    fn a_page_waits_for_no_request_for_many_places() {
        in_order(async {
            let (_folder, database) = open();
            let (_core, _port, mut queue) = handle::channel();
            let mut occupied = occupy_reading_threads(&database);
            let reader = HistoryReader::new(database, queue.history_sender());
            let query = channels(100);
            for account in 1..=10 {
                let mut fetch = fetch(1, account);
                fetch.query = HistoryQuery::Several(query.clone());
                reader.fetch(fetch);
            }
            reader.fetch(fetch(2, 11));
            release_one_reading_thread(&mut occupied).await;
            let mut answered = Vec::new();
            queue.recv_many(&mut answered, 1).await;
            assert_eq!(session(&answered[0]), Some(SessionId(2)));
        });
    }

    /// Returns what a query for the newest messages finds, after `entries` were stored.
    async fn newest(entries: Vec<HistoryEntry>, query: SeveralQuery) -> NewestOfSeveral {
        let (_folder, database) = open();
        let write = move |store: &mut Store| store.append_history(&entries);
        database.write(Durability::Message, write).await.unwrap();
        let (_core, _port, queue) = handle::channel();
        let reader = HistoryReader::new(database, queue.history_sender());
        reader.newest_of_several(None, query).await.unwrap()
    }

    fn said(place: Place, second: i64, bytes: usize) -> HistoryEntry {
        let source = match &place {
            Place::Direct { from, .. } => format!("{}!u@host", from.nick()),
            Place::Channel(_) => "alice!u@host".to_owned(),
        };
        let is_guest = matches!(
            &place,
            Place::Direct {
                from: Participant::Guest(_),
                ..
            }
        );
        let account = source.split('!').next().filter(|_| !is_guest);
        HistoryEntry {
            msgid: format!("{source} {place:?} {second}"),
            at: Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second),
            place,
            account: account.map(|account| account.parse().unwrap()),
            source,
            command: "PRIVMSG".to_owned(),
            text: "x".repeat(bytes),
            tags: String::new(),
        }
    }

    /// Returns the conversation with `bob` of the account with that name.
    fn with_bob(account: &str) -> Place {
        Place::Direct {
            from: Participant::Account(account.parse().unwrap()),
            to: Participant::Account("bob".parse().unwrap()),
        }
    }

    /// Returns messages to `bob` of so many guests, one in each second.
    fn of_guests(count: i64) -> impl Iterator<Item = HistoryEntry> {
        let guest = |number| Place::Direct {
            from: Participant::Guest(format!("g{number}").parse().unwrap()),
            to: Participant::Account("bob".parse().unwrap()),
        };
        (0..count).map(move |number| said(guest(number), number, 9))
    }

    #[tokio::test]
    async fn one_request_collects_a_bounded_number_of_bytes() {
        let place = |number| Place::Channel(format!("#{number}").parse().unwrap());
        let entries = (0..10).map(|number| said(place(number), 1, 1 << 20));
        let found = newest(entries.collect(), channels(10)).await;
        let found = found.targets;
        let bytes = found.iter().flat_map(|newest| &newest.entries);
        let bytes: usize = bytes.map(HistoryEntry::held_bytes).sum();
        assert!((4 << 20..5 << 20).contains(&bytes), "{bytes}");
        let cut = found.iter().filter(|newest| newest.is_cut).count();
        assert_eq!((found.len(), cut), (10, 6));
    }

    #[tokio::test]
    async fn a_flood_leaves_out_nothing_but_its_own_older_messages() {
        let channel = || Place::Channel("#0".parse().unwrap());
        let mut entries: Vec<_> = (0..80).map(|at| said(with_bob("eve"), at, 4000)).collect();
        entries.extend((0..50).map(|at| said(with_bob("mallory"), at, 4000)));
        entries.extend((0..10).map(|at| said(with_bob("friend"), 100 + at, 100)));
        entries.extend((0..100).map(|at| said(channel(), at, 100)));
        let query = SeveralQuery {
            account: Some("bob".parse().unwrap()),
            bytes: 200_000,
            ..channels(1)
        };
        let found = newest(entries, query).await;
        let summary = found.targets.iter().map(|newest| {
            let NewestMessages {
                name,
                is_cut,
                entries,
                kind: _,
            } = newest;
            let last = entries.back().unwrap().at.as_second();
            (name.as_str(), *is_cut, entries.len(), last)
        });
        let summary: Vec<_> = summary.collect();
        assert_eq!(
            summary,
            [
                ("mallory", true, 18, 49),
                ("eve", true, 19, 79),
                ("friend", false, 10, 109),
                ("#0", false, 100, 99),
            ]
        );
    }

    #[tokio::test]
    async fn conversations_that_are_too_many_to_be_read_are_named() {
        let stranger = |at: usize| said(with_bob(&format!("n{at}")), i64::try_from(at).unwrap(), 9);
        let entries = (0..MAX_CONVERSATIONS + 2).map(stranger).collect();
        let query = SeveralQuery {
            account: Some("bob".parse().unwrap()),
            ..channels(0)
        };
        let found = newest(entries, query).await.targets;
        let cut = found.iter().filter(|newest| newest.is_cut);
        let cut: Vec<_> = cut.map(|newest| newest.name.as_str()).collect();
        assert_eq!(
            (found.len(), cut),
            (MAX_CONVERSATIONS + 2, vec!["n0", "n1"])
        );
        let read = |newest: &&NewestMessages| newest.entries.len() == 1;
        assert_eq!(found.iter().filter(read).count(), MAX_CONVERSATIONS);
    }

    #[tokio::test]
    async fn guests_push_out_no_conversation_with_an_account() {
        let friends = (0..5).map(|at| said(with_bob(&format!("friend{at}")), at, 9));
        let query = SeveralQuery {
            account: Some("bob".parse().unwrap()),
            after: Timestamp::UNIX_EPOCH - SignedDuration::from_secs(1),
            ..channels(0)
        };
        let entries: Vec<_> = friends.chain(of_guests(500)).collect();
        let found = newest(entries.clone(), query.clone()).await;
        let read = found.targets.iter().filter(|one| !one.entries.is_empty());
        let read: Vec<_> = read.map(|newest| newest.name.as_str()).collect();
        let guests = MAX_CONVERSATIONS - 5;
        assert_eq!(read.len(), MAX_CONVERSATIONS);
        assert_eq!(
            [read[0], read[guests - 1], read[guests]],
            ["g205", "g499", "friend0"]
        );
        // The newest of the others are named.
        let (named, others) = (&found.targets[..MAX_NAMED], found.further_conversations);
        assert!(named.iter().all(|newest| newest.is_cut));
        assert_eq!(
            [&named[0].name, &named[MAX_NAMED - 1].name],
            ["g105", "g204"]
        );
        assert_eq!(others, 105);
        // Each shorter time has its own newest conversations.
        let earlier = SeveralQuery {
            before: Timestamp::UNIX_EPOCH + SignedDuration::from_secs(250),
            ..query
        };
        let found = newest(entries, earlier).await;
        assert!(found.targets.iter().all(|newest| !newest.is_cut));
        assert_eq!((found.targets.len(), found.further_conversations), (255, 0));
    }
}
