//! Micro-benchmarks of what every message passes through: time and allocations of each step.
//!
//! ```text
//! cargo bench --package rookery-bench
//! ```
//!
//! What a message costs in all, with TLS and the system, is measured by `bench/compare`.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher};
use jiff::Timestamp;
use rookery_base::config::Config;
use rookery_base::events::EventBus;
use rookery_chat::event::{Candidate, Event, Output, SessionId};
use rookery_chat::line::{Line, Tags};
use rookery_chat::ticket::Ticket;
use rookery_chat::token_bucket::{Rate, TokenBucket};
use rookery_chat::{AwayState, Chat};
use rookery_engine::handle::{CoreHandle, SessionEvent};
use rookery_engine::sendq::Sendq;
use rookery_engine::settings;
use rookery_protocol::framing::MAX_CLIENT_TAGS;
use rookery_protocol::{Capabilities, Capability, ChannelName, LineFramer, Message, Nick};
use rookery_record::{ChatSnapshot, HistoryEntry, HistorySync, Place};
use rookery_store::{DATABASE_FILE, Database, Store};
use tempfile::TempDir;
use tikv_jemallocator::Jemalloc;
use tokio::runtime::{Builder, Runtime};

/// The server's allocator, and a count of what is asked of it.
#[global_allocator]
static ALLOCATOR: AllocProfiler<Jemalloc> = AllocProfiler::new(Jemalloc);

/// A line as clients send it.
const LINE: &str = "PRIVMSG #rookery :Has anybody seen the keys of the boat house?";
/// The same with tags.
const TAGGED: &str = "@label=a7;+draft/reply=1f-kx0;+typing=done PRIVMSG #rookery :Has anybody \
     seen the keys of the boat house?";

fn main() {
    divan::main();
}

#[divan::bench(args = [LINE, TAGGED])]
fn parse(line: &str) -> Message {
    Message::parse(black_box(line)).expect("it is a message")
}

/// Splits four kilobytes into lines.
#[divan::bench]
fn frame(bencher: Bencher) {
    let lines = format!("{LINE}\r\n").repeat(4096 / (LINE.len() + 2));
    let count = lines.lines().count();
    bencher.counter(ItemsCount::new(count)).bench_local(|| {
        let mut found = 0;
        let mut framer = LineFramer::new(MAX_CLIENT_TAGS);
        framer.push(black_box(lines.as_bytes()), |_| found += 1);
        assert_eq!(found, count);
    });
}

/// Finds the weight of a message and takes it from the buckets of its session and its payer.
#[divan::bench]
fn flood_control(bencher: Bencher) {
    let message = Message::parse(LINE).expect("it is a message");
    let rate = Rate::new(40, 20, Duration::from_secs(1)).expect("there is a limit");
    let buckets = [TokenBucket::default(), TokenBucket::default()];
    let mut now = Duration::ZERO;
    bencher.bench_local(|| {
        now += Duration::from_secs(1);
        let weight = rookery_chat::weight(black_box(&message));
        buckets
            .each_ref()
            .map(|bucket| bucket.try_take(now, rate, u64::from(weight.tenths())))
    });
}

/// Renders the body of a line once, and its tags for a client that has enabled all that add some.
#[divan::bench]
fn format() -> Bytes {
    let tags = Tags {
        time: "2026-03-01T12:00:00.000Z",
        account: Some("alice"),
        msgid: Some("1f-kx0"),
        ..Tags::default()
    };
    Line::new(black_box("alice!alice@alice.user.example.org"), "PRIVMSG")
        .word("#rookery")
        .text("Has anybody seen the keys of the boat house?")
        .render(&tags, CAPABILITIES[1])
}

/// What a client that shows tags receives, and one that does not.
const CAPABILITIES: [Capabilities; 2] = [
    Capabilities::NONE,
    Capabilities::of(&[
        Capability::ServerTime,
        Capability::AccountTag,
        Capability::MessageTags,
    ]),
];

fn candidate(number: u64) -> Box<Candidate> {
    let nick = Nick::parse(&format!("guest{number}")).expect("it is a nick");
    Box::new(Candidate {
        nick,
        username: "guest".to_owned(),
        realname: String::new(),
        identity: None,
        capabilities: CAPABILITIES[usize::from(number % 2 == 1)],
        away_state: AwayState::Here,
        subscriptions: BTreeSet::new(),
        address: ([192, 0, 2, 1], 5000).into(),
        tls: String::new(),
    })
}

fn chat(history: bool) -> Chat {
    let mut settings = settings::from_config(&Config::default());
    settings.lobby.clear();
    settings.history = history;
    let snapshot = ChatSnapshot::default();
    Chat::new(
        settings,
        String::new(),
        Arc::default(),
        snapshot,
        Timestamp::now(),
    )
}

fn command(session: SessionId, message: Message) -> Event {
    Event::Command { session, message }
}

fn message(line: &str) -> Message {
    Message::parse(line).expect("it is a message")
}

/// The core alone: a message to a channel, half of whose members show tags.
#[divan::bench(args = [2, 200, 2000])]
fn fan_out(bencher: Bencher, members: u64) {
    let mut chat = chat(false);
    let (now, mut outputs) = (Timestamp::now(), Vec::new());
    for number in 0..members {
        let (session, ticket) = (SessionId(number), Ticket::new(number));
        let candidate = candidate(number);
        chat.handle(
            now,
            Event::Admit {
                ticket,
                session,
                candidate,
            },
            &mut outputs,
        );
        let message = message("JOIN #rookery");
        chat.handle(now, command(session, message), &mut outputs);
        outputs.clear();
    }
    let session = SessionId(0);
    bencher
        .counter(ItemsCount::new(members - 1))
        .with_inputs(|| message(LINE))
        .bench_local_values(|message| {
            outputs.clear();
            chat.start_batch();
            chat.handle(now, command(session, message), &mut outputs);
            let receivers = outputs.iter().map(|output| match output {
                Output::Deliver(delivery) => delivery.to.len(),
                _ => 0,
            });
            assert_eq!(receivers.sum::<usize>() as u64, members - 1);
        });
}

/// One line into each of as many send queues, and out of them.
#[divan::bench(args = [1, 200, 2000])]
fn send_queues(bencher: Bencher, count: usize) {
    let queues: Vec<_> = (0..count).map(|_| Sendq::new(1 << 20)).collect();
    let line = Bytes::from_static(b":alice!alice@host PRIVMSG #rookery :text\r\n");
    let mut context = Context::from_waker(Waker::noop());
    bencher.counter(ItemsCount::new(count)).bench_local(|| {
        for queue in &queues {
            if queue.push(line.clone()) {
                queue.wake();
            }
        }
        for queue in &queues {
            let (_, lines) = queue.poll(&mut context, true);
            queue.sent(lines.iter().map(Bytes::len).sum());
        }
    });
}

/// A running core with two sessions.
struct Pair {
    runtime: Runtime,
    core: CoreHandle,
    receiver: Arc<Sendq>,
    _folder: TempDir,
}

impl Pair {
    fn new(history: bool) -> Self {
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let file = folder.path().join(DATABASE_FILE);
        let database = Database::open(&file, HistorySync::Normal).expect("it is a new file");
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("the system has what it needs");
        let receiver = Sendq::new(0);
        let core = runtime.block_on(async {
            let mut engine = rookery_engine::start(
                runtime.handle(),
                chat(history),
                Arc::default(),
                database,
                EventBus::default(),
            );
            for (number, queue) in [Sendq::new(0), Arc::clone(&receiver)]
                .into_iter()
                .enumerate()
            {
                let number = number as u64;
                let admission = engine
                    .core
                    .admit(SessionId(number), queue, candidate(number));
                admission.await.expect("the core runs");
            }
            engine.tasks.detach_all();
            engine.core
        });
        Self {
            runtime,
            core,
            receiver,
            _folder: folder,
        }
    }

    /// Sends a message from one session to the other, and waits until it is in the send queue.
    fn send(&self, message: Message) {
        self.runtime.block_on(async {
            let event = SessionEvent::command(SessionId(0), message);
            self.core.send(event).await.expect("the core runs");
            std::future::poll_fn(|context| {
                let (_, lines) = self.receiver.poll(context, true);
                if lines.is_empty() {
                    return Poll::Pending;
                }
                self.receiver.sent(lines.iter().map(Bytes::len).sum());
                Poll::Ready(())
            })
            .await;
        });
    }
}

/// A direct message through the core and the committer, without and with history, to the send queue
/// of its receiver.
#[divan::bench(args = [false, true])]
fn direct_message(bencher: Bencher, history: bool) {
    let pair = Pair::new(history);
    bencher
        .with_inputs(|| message("PRIVMSG guest1 :Has anybody seen the keys of the boat house?"))
        .bench_local_values(|message| pair.send(message));
}

/// One transaction with as many messages.
#[divan::bench(args = [1, 16, 256])]
fn append(bencher: Bencher, count: usize) {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let store = Store::open(&folder.path().join(DATABASE_FILE));
    let mut store = store.expect("it is a new file");
    let mut number = 0;
    let entries = || {
        let entries = (0..count).map(|_| {
            number += 1;
            entry(number)
        });
        entries.collect::<Vec<_>>()
    };
    bencher
        .counter(ItemsCount::new(count))
        .with_inputs(entries)
        .bench_local_refs(|entries| {
            let written = store.transaction(false, |store| store.append_history(entries));
            written.expect("there is space");
        });
}

fn entry(number: usize) -> HistoryEntry {
    HistoryEntry {
        msgid: format!("1f-{number}"),
        at: Timestamp::UNIX_EPOCH,
        place: Place::Channel(ChannelName::parse("#rookery").expect("it is a channel's name")),
        source: "alice!alice@alice.user.example.org".to_owned(),
        account: None,
        command: "PRIVMSG".to_owned(),
        text: "Has anybody seen the keys of the boat house?".to_owned(),
        tags: String::new(),
    }
}
