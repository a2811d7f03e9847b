//! The part of the server that ends with a crash, and its steps.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use jiff::Timestamp;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

use super::client::Client;
use super::operators::Act;
use super::{SENDQ_BYTES, Simulation};
use crate::committer::{Committer, Effect};
use crate::handle::{CoreHandle, EventQueue, channel};
use crate::history_reader::HistoryReader;
use rookery_base::config::Config;
use rookery_base::events::EventBus;
use rookery_chat::event::{Event, Output, SessionId, Settings};
use rookery_chat::{AdmissionPolicy, Bans, Chat};
use rookery_record::HistorySync;
use rookery_store::{DATABASE_FILE, Database, Store};

/// What ends with a crash of the server.
pub struct Server {
    pub chat: Chat,
    pub committer: Committer,
    pub database: Database,
    /// Receives the pages of the history reader.
    pub queue: EventQueue,
    /// Receives the sessions whose long replies may continue.
    pub rooms: mpsc::UnboundedReceiver<SessionId>,
    /// Keeps the queue open.
    _core: CoreHandle,
    pub waiting: Vec<Effect>,
    pub batches: usize,
    pub fetched: Vec<Event>,
    pub clients: Vec<Client>,
    /// The clients whose disconnects may not be on disk.
    pub left: Vec<Client>,
    pub acts: Vec<Act>,
    /// Whether a change could not be stored, so that it is lost at the next start.
    pub lacks_changes: bool,
}

fn settings() -> Settings {
    let mut config = Config::default();
    config.chat.lobby = vec!["#lobby".parse().unwrap()];
    config.limits.sendq_bytes = SENDQ_BYTES;
    config.history.replay_lines = 1000;
    Settings {
        // Small enough that the lists of a few users are long.
        slice_rows: 2,
        ..crate::settings::from_config(&config)
    }
}

/// Starts the server from the database, as `rookeryd` does.
pub fn start(runtime: &Runtime, folder: &TempDir, run: u32, now: Timestamp) -> Server {
    let file = folder.path().join(DATABASE_FILE);
    let database = Database::open(&file, HistorySync::Normal).unwrap();
    let stored = database.clone();
    let (bans, snapshot) = runtime.block_on(async move {
        // If the clock is set back, bans that have expired are in force again.
        let read = |store: &Store| Ok((store.bans(Timestamp::MIN)?, store.chat_snapshot()?));
        stored.read(read).await.unwrap()
    });
    let settings = settings();
    let policy = Arc::new(AdmissionPolicy {
        bans: Bans::new(bans, settings.email_aliases.clone()),
        maintenance: None,
    });
    let chat = Chat::new(
        settings,
        format!("r{run}-"),
        Arc::clone(&policy),
        snapshot,
        now,
    );
    let (core, _, queue) = channel();
    let reader = HistoryReader::new(database.clone(), queue.history_sender());
    let (policy, _) = watch::channel(policy);
    let (room, rooms) = mpsc::unbounded_channel();
    let events = EventBus::default();
    Server {
        chat,
        committer: Committer::new(database.clone(), policy, events, reader, room),
        database,
        queue,
        rooms,
        _core: core,
        waiting: Vec::new(),
        batches: 0,
        fetched: Vec::new(),
        clients: Vec::new(),
        left: Vec::new(),
        acts: Vec::new(),
        lacks_changes: false,
    }
}

impl Simulation {
    /// Commits everything that waits, then checks the replies that have arrived. Sometimes the disk
    /// is slow; nothing is delivered before it has finished.
    pub(super) fn commit(&mut self) {
        let slow = (self.random.below(4) == 0).then(|| {
            let file = self.folder.path().join(DATABASE_FILE);
            let other = rusqlite::Connection::open(file).unwrap();
            // Nobody else writes until this transaction has ended.
            other.execute_batch("BEGIN IMMEDIATE").unwrap();
            other
        });
        let server = &mut self.server;
        let effects = std::mem::take(&mut server.waiting);
        server.batches = 0;
        if effects.is_empty() {
            return;
        }
        server.left.clear();
        let is_change = |effect: &Effect| matches!(effect, Effect::Core(Output::Persist(_)));
        let is_message = |effect: &Effect| matches!(effect, Effect::Core(Output::Store { .. }));
        let writes = effects.iter().any(|one| is_change(one) || is_message(one));
        server.lacks_changes |= self.disk_is_full && effects.iter().any(is_change);
        let is_fetch = |effect: &&Effect| matches!(effect, Effect::Core(Output::Fetch(_)));
        let pages = effects.iter().filter(is_fetch).count();
        let mut fetched = Vec::new();
        let sizes = |clients: &[Client]| -> Vec<usize> {
            clients.iter().map(|client| client.sendq.bytes()).collect()
        };
        self.runtime.block_on(async {
            let before = sizes(&server.clients);
            let mut process = pin!(server.committer.process(effects));
            if let Some(slow) = slow {
                let polled = poll_fn(|context| Poll::Ready(process.as_mut().poll(context))).await;
                if writes {
                    assert!(polled.is_pending(), "it waits for the disk");
                    let after = sizes(&server.clients);
                    assert_eq!(before, after, "delivered before the commit has ended");
                }
                slow.execute_batch("ROLLBACK").unwrap();
                if polled.is_pending() {
                    process.await;
                }
            } else {
                process.await;
            }
            while fetched.len() < pages {
                server.queue.recv_many(&mut fetched, pages).await;
            }
        });
        let mut fetched: Vec<Event> = fetched.into_iter().map(|envelope| envelope.event).collect();
        // The readers' threads finish in any order.
        fetched.sort_by_cached_key(|event| format!("{event:?}"));
        server.fetched.extend(fetched);
        self.check_admissions();
        self.check_acts();
        self.check_persisted();
    }

    /// Checks that what is on disk restores the persistent part of the core's state.
    fn check_persisted(&self) {
        if self.server.lacks_changes {
            return;
        }
        let database = self.server.database.clone();
        let read = async move { database.read(Store::chat_snapshot).await };
        let stored = self.runtime.block_on(read).unwrap();
        self.server.chat.check_persisted(&stored);
    }

    pub(super) fn deliver_page(&mut self) {
        if !self.server.fetched.is_empty() {
            let at = self.random.below(self.server.fetched.len());
            let event = self.server.fetched.swap_remove(at);
            self.event(event);
        }
    }
}
