//! Makes the core's decisions durable before they take effect.
//!
//! **Group commit.** The core's outputs arrive in batches. While one transaction is being written,
//! later batches accumulate, and all of them become the next transaction; a group that follows
//! another one at once also waits for a millisecond. Under load, many messages are committed
//! together; on a quiet server, each message is committed immediately. Whether a commit survives
//! only a crash of the server or also a power loss is set by `history.sync`.
//!
//! **Order.** Effects are applied in the order in which the core decided them, and none before the
//! transaction of its group has ended. A client therefore never receives a message, nor a caller a
//! reply, before the change that caused it is on disk: "seen means stored".
//!
//! **Failure.** A group is stored as a whole or not at all. If it cannot be stored, its messages
//! are delivered to nobody and their senders receive a refusal. Changes of state (channels,
//! presences, markers) are different: the core has already made them, so they stay in force until
//! the server stops, and the log and the metrics report that they were not stored. Everything else
//! in the group is applied as usual, and so is the next group. While the disk is nearly full
//! ([`DiskState`]), messages are refused without an attempt to store them.
//!
//! The committer owns the table of send queues and the table of callers that wait for replies. It
//! must not decide anything that the core could decide.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use rookery_control_api::{Component, count};
use rookery_protocol::{AccountName, ChannelName};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use crate::handle::CoreStopped;
use crate::history_reader::HistoryReader;
use crate::pending::{PendingReplies, Register};
use crate::sendq::{Delivered, Sendq};
use rookery_base::events::EventBus;
use rookery_base::metrics::METRICS;
use rookery_chat::AdmissionPolicy;
use rookery_chat::event::{Delivery, Output, SessionId};
use rookery_record::{AccountId, Change, HistoryEntry, Mark, message_number};
use rookery_store::{Database, DiskState, Durability, Store};

/// The number of batches that may wait. When it is reached, the core has to wait.
const MAX_WAITING_BATCHES: usize = 16;
/// How long after a commit the next group waits for more batches. A commit costs several times what
/// each of its messages does, so two thousand messages a second take a third less CPU together.
const LINGER: Duration = Duration::from_millis(1);
/// The maximum number of sessions in [`QueueDepth::largest_sendqs`].
const MAX_LARGEST_SENDQS: usize = 20;

/// Something that the committer does. Effects are applied in order.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all effects are outputs of the core, and a box would cost each an allocation"
)]
pub(crate) enum Effect {
    /// Starts delivering to the session, through this send queue.
    Attach(SessionId, Arc<Sendq>),
    /// Stops delivering to the session: its connection has ended.
    Detach(SessionId),
    /// Registers a caller that waits for a reply of the core.
    Await(Register),
    /// An operator has requested a change that follows.
    OfOperator,
    /// Applies an output of the core.
    Core(Output),
    /// Replies with the sessions with the largest send queues and the queues' sizes in bytes,
    /// largest first.
    Measure(oneshot::Sender<Vec<(SessionId, usize)>>),
}

/// Creates the queue between the core's task and the committer.
pub(crate) fn channel() -> (mpsc::Sender<Vec<Effect>>, mpsc::Receiver<Vec<Effect>>) {
    mpsc::channel(MAX_WAITING_BATCHES)
}

/// A handle for reading the state of the committer's queue. It does not keep the queue open.
#[derive(Clone)]
pub struct QueueHandle(mpsc::WeakSender<Vec<Effect>>);

/// The depth of the committer's queue and of the send queues.
#[derive(Debug)]
pub struct QueueDepth {
    /// The number of batches that wait to be committed.
    pub waiting_batches: usize,
    /// The sessions with the largest send queues and the queues' sizes in bytes, largest first.
    pub largest_sendqs: Vec<(SessionId, usize)>,
}

impl QueueDepth {
    /// Returns the size of the largest send queue in bytes.
    pub fn largest_sendq(&self) -> usize {
        self.largest_sendqs.first().map_or(0, |(_, bytes)| *bytes)
    }
}

impl QueueHandle {
    /// Creates a handle to the queue that `batches` sends to.
    pub(crate) fn new(batches: &mpsc::Sender<Vec<Effect>>) -> Self {
        Self(batches.downgrade())
    }

    /// Returns the state of the queue. The committer replies once it has processed everything that
    /// is already in the queue.
    pub async fn read(&self) -> Result<QueueDepth, CoreStopped> {
        let batches = self.0.upgrade().ok_or(CoreStopped)?;
        let waiting_batches = batches.max_capacity() - batches.capacity();
        let (sender, reply) = oneshot::channel();
        batches
            .send(vec![Effect::Measure(sender)])
            .await
            .map_err(|_| CoreStopped)?;
        drop(batches);
        let largest_sendqs = reply.await.map_err(|_| CoreStopped)?;
        Ok(QueueDepth {
            waiting_batches,
            largest_sendqs,
        })
    }
}

/// Commits the core's decisions and applies them.
pub(crate) struct Committer {
    database: Database,
    /// The send queue of each attached session.
    sessions: HashMap<SessionId, Arc<Sendq>, foldhash::fast::FixedState>,
    /// Up to where messages are delivered.
    delivered: Arc<Delivered>,
    /// The send queues whose connections have to be woken.
    to_wake: Vec<Arc<Sendq>>,
    /// The chat port's copy of the policy for refusing connections.
    policy: watch::Sender<Arc<AdmissionPolicy>>,
    events: EventBus,
    pending: PendingReplies,
    reader: HistoryReader,
    /// Notifies the core's task of sessions whose long replies may continue.
    room: mpsc::UnboundedSender<SessionId>,
}

/// Receives the batches of the next group: those that wait, and, unless the group is large, those
/// that wait at `linger_until`. Returns whether there are any; if not, the core's task has ended.
async fn next_group(
    batches: &mut mpsc::Receiver<Vec<Effect>>,
    group: &mut Vec<Vec<Effect>>,
    linger_until: Instant,
) -> bool {
    if batches.recv_many(group, MAX_WAITING_BATCHES).await == 0 {
        return false;
    }
    if group.len() < MAX_WAITING_BATCHES && linger_until > Instant::now() {
        // To receive each batch as it arrives would wake this task for each of them.
        sleep_until(linger_until).await;
        while group.len() < MAX_WAITING_BATCHES
            && let Ok(batch) = batches.try_recv()
        {
            group.push(batch);
        }
    }
    true
}

impl Committer {
    /// Creates a committer with no attached sessions.
    pub fn new(
        database: Database,
        policy: watch::Sender<Arc<AdmissionPolicy>>,
        events: EventBus,
        reader: HistoryReader,
        room: mpsc::UnboundedSender<SessionId>,
    ) -> Self {
        Self {
            database,
            sessions: HashMap::default(),
            delivered: Arc::default(),
            to_wake: Vec::new(),
            policy,
            events,
            pending: PendingReplies::default(),
            reader,
            room,
        }
    }

    /// Runs until the core's task has ended. While one group is being committed, the batches of the
    /// next accumulate.
    pub async fn run(mut self, mut batches: mpsc::Receiver<Vec<Effect>>) {
        let mut group = Vec::new();
        let mut linger_until = Instant::now();
        while next_group(&mut batches, &mut group, linger_until).await {
            let effects = group.drain(..).flatten().collect();
            if self.process(effects).await {
                linger_until = Instant::now() + LINGER;
            }
        }
    }

    /// Commits one group and applies its effects. Returns whether there was anything to commit.
    pub async fn process(&mut self, effects: Vec<Effect>) -> bool {
        let to_store = to_store(&effects);
        let commits = !to_store.entries.is_empty() || !to_store.changes.is_empty();
        let stored = self.commit(to_store).await;
        for effect in effects {
            self.apply(effect, stored);
        }
        self.wake();
        commits
    }

    /// Stores the messages and the changes of a group, either all of them or none; while space runs
    /// out, only the changes, and on a full disk only those of a group with an act of an operator.
    /// Returns whether the messages are stored.
    async fn commit(&self, to_store: ToStore) -> bool {
        let ToStore {
            mut entries,
            mut changes,
            of_operator,
        } = to_store;
        let disk = self.database.disk().state();
        let stores_messages = disk == DiskState::Normal;
        // The disk watch reports the state, so it is not reported for each message.
        if !stores_messages {
            METRICS.messages_not_stored.add(entries.len());
            entries.clear();
        }
        // The reserve is the operators'. Users could fill it with changes of their channels.
        if disk == DiskState::FilesReplaced || disk == DiskState::Full && !of_operator {
            METRICS.changes_not_persisted.add(changes.len());
            changes.clear();
        }
        if entries.is_empty() && changes.is_empty() {
            return stores_messages;
        }
        let (messages, change_count) = (entries.len(), changes.len());
        let started = Instant::now();
        let write = move |store: &mut Store| {
            store.append_history(&entries)?;
            changes.iter().try_for_each(|change| store.persist(change))
        };
        let result = if of_operator {
            let database = self.database.with_reserve();
            database.write(Durability::Message, write).await
        } else {
            self.database.write(Durability::Message, write).await
        };
        METRICS.commits.observe(started.elapsed());
        let Err(error) = result else {
            METRICS.messages_stored.add(messages);
            return stores_messages;
        };
        METRICS.messages_not_stored.add(messages);
        METRICS.changes_not_persisted.add(change_count);
        if messages > 0 {
            tracing::error!(%error, messages, "cannot store messages; they were not delivered");
            let lost = count(messages, "message", "messages");
            let detail = format!("{lost} could not be stored or delivered: {error}");
            self.events.component_failed(Component::Store, detail);
        }
        if change_count > 0 {
            tracing::error!(
                %error,
                changes = change_count,
                "cannot store changes of channels or accounts; they are lost at a restart"
            );
        }
        false
    }

    fn apply(&mut self, effect: Effect, stored: bool) {
        match effect {
            Effect::Attach(session, sendq) => {
                self.sessions.insert(session, sendq);
            }
            Effect::Detach(session) => {
                self.sessions.remove(&session);
            }
            Effect::OfOperator => {}
            Effect::Await(register) => register(&mut self.pending),
            Effect::Core(output) => self.apply_output(output, stored),
            Effect::Measure(reply) => {
                // Sending fails if the caller no longer waits, which is no error.
                let _ = reply.send(self.largest_sendqs());
            }
        }
    }

    fn apply_output(&mut self, output: Output, stored: bool) {
        match output {
            Output::Deliver(delivery) => self.deliver(&delivery),
            Output::Store {
                entry,
                now: at,
                deliveries,
                on_failure,
            } => {
                if stored {
                    for delivery in &deliveries {
                        self.deliver(delivery);
                    }
                } else if let Some(refusal) = on_failure {
                    self.deliver(&refusal);
                }
                // What an operator has stored has no number.
                if let Some(message) = message_number(&entry.msgid) {
                    self.delivered.set(Mark { message, at });
                }
            }
            Output::Delivered(mark) => self.delivered.set(mark),
            Output::AskReceipts(session) => {
                if let Some(sendq) = self.sessions.get(&session) {
                    sendq.ask_receipts(&self.delivered);
                }
            }
            // The change was stored with its group.
            Output::Persist(_) => {}
            Output::End {
                session,
                line,
                asks,
            } => {
                if let Some(sendq) = self.sessions.get(&session) {
                    sendq.end(line, asks);
                    self.to_wake.push(Arc::clone(sendq));
                }
            }
            Output::AdmissionPolicy(policy) => drop(self.policy.send_replace(policy)),
            Output::ServerEvent(event) => self.events.publish(event),
            Output::Answer(answer) => {
                // Wake the connections now, so that what precedes the reply is not sent after it.
                self.wake();
                self.pending.resolve(answer);
            }
            Output::Fetch(fetch) => {
                self.wake();
                self.reader.fetch(fetch);
            }
            // The core notices itself that a session has ended.
            Output::AwaitRoom(session) => {
                if let Some(sendq) = self.sessions.get(&session) {
                    sendq.await_room(session, &self.room, Instant::now().into_std());
                }
            }
            Output::Held { session, bytes } => {
                if let Some(sendq) = self.sessions.get(&session) {
                    sendq.set_held(bytes);
                }
            }
        }
    }

    fn largest_sendqs(&self) -> Vec<(SessionId, usize)> {
        let sizes = self
            .sessions
            .iter()
            .map(|(session, sendq)| (*session, sendq.bytes()));
        let mut waiting: Vec<_> = sizes.filter(|(_, bytes)| *bytes > 0).collect();
        waiting.sort_unstable_by_key(|(session, bytes)| (Reverse(*bytes), *session));
        waiting.truncate(MAX_LARGEST_SENDQS);
        waiting
    }

    fn deliver(&mut self, delivery: &Delivery) {
        METRICS.deliveries.add(delivery.to.len());
        METRICS
            .delivered_bytes
            .add(delivery.to.len() * delivery.line.len());
        for session in &delivery.to {
            if let Some(sendq) = self.sessions.get(session)
                && sendq.push(delivery.line.clone())
            {
                self.to_wake.push(Arc::clone(sendq));
            }
        }
    }

    fn wake(&mut self) {
        for sendq in self.to_wake.drain(..) {
            sendq.wake();
        }
    }
}

/// What has to be stored of a group.
#[derive(Default)]
struct ToStore {
    entries: Vec<HistoryEntry>,
    changes: Vec<Change>,
    /// Whether an operator has requested one of the changes.
    of_operator: bool,
}

/// Returns copies of a group's messages and changes, which have to be stored. Of several changes of
/// one subject, the last is sufficient: a channel may be renamed, or a marker moved, many times at
/// once.
fn to_store(effects: &[Effect]) -> ToStore {
    let mut to_store = ToStore::default();
    let mut subjects = HashSet::new();
    for effect in effects.iter().rev() {
        match effect {
            Effect::OfOperator => to_store.of_operator = true,
            Effect::Core(Output::Store { entry, .. }) => to_store.entries.push((**entry).clone()),
            Effect::Core(Output::Persist(change))
                if subject(change).is_none_or(|subject| subjects.insert(subject)) =>
            {
                to_store.changes.push((**change).clone());
            }
            _ => {}
        }
    }
    to_store.entries.reverse();
    to_store.changes.reverse();
    to_store
}

/// What a change replaces the whole state of.
#[derive(PartialEq, Eq, Hash)]
enum Subject<'c> {
    Channel(&'c ChannelName),
    Metadata(&'c AccountName),
    Silences(&'c AccountName),
    ReadMarker(AccountId, &'c str),
    AlwaysOn(AccountId),
    Presence(AccountId),
}

/// Returns the subject of a change; `None` if it has to be stored in any case.
fn subject(change: &Change) -> Option<Subject<'_>> {
    Some(match change {
        Change::Channel(channel) => Subject::Channel(&channel.name),
        Change::ChannelRemoved(name) => Subject::Channel(name),
        Change::AccountMetadata { account, .. } => Subject::Metadata(account),
        Change::Silences { account, .. } => Subject::Silences(account),
        Change::ReadMarker {
            account, target, ..
        } => Subject::ReadMarker(*account, target),
        Change::AlwaysOn(account, _) => Subject::AlwaysOn(*account),
        Change::Presence(presence) => Subject::Presence(presence.account),
        Change::PresenceRemoved(account) => Subject::Presence(*account),
        Change::Device(_) | Change::DeviceForgotten(..) | Change::Memberships { .. } => {
            return None;
        }
    })
}
