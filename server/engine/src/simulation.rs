//! Simulates the core, the committer, the store and many sessions in one thread, from one seed.
//!
//! Each step does one thing that a busy server does at an arbitrary moment: a session sends a
//! command, the committer commits what waits, a client reads, a page of history arrives, an
//! operator acts, the clock jumps, the disk fails or recovers, the server crashes and restarts from
//! its database. The time is virtual. The same seed always results in the same steps, so a failure
//! is repeated with the seed that it reports:
//!
//! ```text
//! SEED=17 STEPS=400 cargo test -p rookery-engine simulation
//! ```
//!
//! The invariants are checked at each step: no client receives a message that is not in the store,
//! the times of messages in a channel or conversation differ and increase, a channel's messages
//! reach only its members, and a kick or ban is acknowledged only once it is on disk and the
//! sessions that it covers have ended. Nothing is delivered before its commit has ended, what is on
//! disk restores the persistent part of the core's state, and each act of an operator is in the
//! audit trail before it takes effect. A device receives each message of the lobby and
//! of its conversations exactly once.

mod client;
mod connections;
mod devices;
mod faults;
mod operators;
pub mod random;
mod server;
mod sessions;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use rookery_protocol::{AccountName, Email};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::committer::Effect;
use crate::core_task::handle_envelope;
use crate::handle::Envelope;
use crate::pending::{Awaited, register};
use crate::sendq::Sendq;
use devices::{DeviceId, Received};
use random::Random;
use rookery_chat::event::Event;
use rookery_chat::ticket::Ticket;
use rookery_record::{Ban, BanId, NewAccount};
use rookery_store::{DATABASE_FILE, Store};
use server::{Server, start};

const START: Timestamp = Timestamp::constant(1_800_000_000, 0);
const ACCOUNTS: [&str; 4] = ["alice", "bob", "carl", "dora"];
const CHANNELS: [&str; 4] = ["#lobby", "#a", "#b", "#c"];
const MAX_CLIENTS: usize = 10;
/// The number of batches at which the core waits for the committer.
const MAX_BATCHES: usize = 16;
/// Small enough that a client that does not read soon exceeds it.
const SENDQ_BYTES: usize = 60_000;

struct Simulation {
    random: Random,
    runtime: Runtime,
    folder: TempDir,
    now: Timestamp,
    /// The time of the monotonic clock.
    uptime: Instant,
    server: Server,
    runs: u32,
    disk_is_full: bool,
    last_session: u64,
    last_ticket: u64,
    texts: u64,
    /// The bans that were added and not lifted since, by number. Some have expired.
    bans: BTreeMap<BanId, Ban>,
    /// Every message that a client has received, by place and time.
    seen: BTreeMap<(String, Timestamp), String>,
    /// The messages that somebody tried to redact.
    redacted: BTreeSet<String>,
    /// What each device has received.
    devices: BTreeMap<DeviceId, Received>,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let mut store = Store::open(&folder.path().join(DATABASE_FILE)).unwrap();
        for name in ACCOUNTS {
            let account = NewAccount {
                name: AccountName::parse(name).unwrap(),
                email: Email::parse(&format!("{name}@example.org")).ok(),
                password_hash: None,
                created_at: START,
                greeted: true,
            };
            store.create_account(&account).unwrap().unwrap();
        }
        drop(store);
        let server = start(&runtime, &folder, 0, START);
        Self {
            random: Random(seed),
            runtime,
            folder,
            now: START,
            uptime: Instant::now(),
            server,
            runs: 0,
            disk_is_full: false,
            last_session: 0,
            last_ticket: 0,
            texts: 0,
            bans: BTreeMap::new(),
            seen: BTreeMap::new(),
            redacted: BTreeSet::new(),
            devices: BTreeMap::new(),
        }
    }

    fn step(&mut self) {
        self.uptime += Duration::from_millis(100);
        if self.random.below(3) == 0 {
            self.now += SignedDuration::from_millis(1);
        }
        if self.random.below(4) == 0 {
            self.continue_replies();
        }
        match self.random.below(203) {
            0..20 => self.connect(),
            20..110 => self.command(),
            110..145 => self.serve(),
            145..170 => self.commit(),
            170..180 => self.deliver_page(),
            180..182 => self.disconnect(),
            182..184 => self.break_connection(),
            184..187 => self.kick(),
            187..190 => self.ban(),
            190..192 => self.lift_ban(),
            192 => self.close_channel(),
            193..196 => self.jump(),
            196..198 => self.toggle_disk(),
            198..200 => self.crash(),
            _ => self.flood(),
        }
        if self.server.batches >= MAX_BATCHES {
            self.commit();
        }
    }

    /// Passes one event to the core, and its effects to the committer's queue.
    fn event(&mut self, event: Event) {
        self.envelope(Envelope::from(event));
    }

    fn envelope(&mut self, envelope: Envelope) {
        let server = &mut self.server;
        if self.random.below(3) == 0 {
            server.chat.start_batch();
        }
        handle_envelope(
            &mut server.chat,
            self.now,
            envelope,
            &mut Vec::new(),
            &mut server.waiting,
        );
        server.batches += 1;
    }

    /// Sends one slice of the replies that are not complete.
    fn continue_replies(&mut self) {
        let server = &mut self.server;
        while let Ok(session) = server.rooms.try_recv() {
            server.chat.resume_replies(session);
        }
        let mut outputs = Vec::new();
        server.chat.continue_replies(self.now, &mut outputs);
        server.waiting.extend(outputs.into_iter().map(Effect::Core));
        server.batches += 1;
    }

    fn request<T: Awaited>(
        &mut self,
        sendq: Option<Arc<Sendq>>,
        event: impl FnOnce(Ticket<T>) -> Event,
    ) -> oneshot::Receiver<T> {
        self.last_ticket += 1;
        let (sender, reply) = oneshot::channel();
        self.envelope(Envelope {
            event: event(Ticket::new(self.last_ticket)),
            sendq,
            register: Some(register(self.last_ticket, sender)),
        });
        reply
    }
}

/// Reads a number from the environment.
fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Runs one simulation. If it panics, the seed is in the output.
fn run(seed: u64, steps: u64) {
    struct Report(u64, u64);
    impl Drop for Report {
        fn drop(&mut self) {
            if std::thread::panicking() {
                let Self(seed, steps) = self;
                eprintln!(
                    "repeat with: SEED={seed} STEPS={steps} cargo test -p rookery-engine simulation"
                );
            }
        }
    }
    let _report = Report(seed, steps);
    let mut simulation = Simulation::new(seed);
    for _ in 0..steps {
        simulation.step();
    }
    simulation.check_devices();
}

/// Runs `SEEDS` simulations of `STEPS` steps each, or only that of `SEED`.
#[test]
fn the_promises_hold_in_simulations_with_faults() {
    let steps = number("STEPS").unwrap_or(400);
    if let Some(seed) = number("SEED") {
        return run(seed, steps);
    }
    for seed in 0..number("SEEDS").unwrap_or(20) {
        run(seed, steps);
    }
}
