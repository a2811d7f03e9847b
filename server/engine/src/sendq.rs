//! The send queue: the lines that wait to be sent to one session.
//!
//! The committer fills it and the session's connection drains it; neither waits for the other. Its
//! size is limited: a client that reads too slowly is disconnected, and does not delay others. An
//! admitted session may have more for a while, since what many users send at once arrives faster
//! than anybody reads. The size of all send queues together is limited, too ([`Sendqs`]): beyond
//! it, sessions are disconnected, strangers first, and of the others those of the account that has
//! the most in all its queues. What the core holds for the rest of a long reply counts towards that
//! limit, as if it were in the queue.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use rookery_chat::event::SessionId;
use rookery_record::{AccountId, Mark, Network};

/// The unit in which a queue counts towards the total. Clients that read what they are sent have
/// less in their queues, which therefore never touch the count that all queues share.
const PAGE: usize = 4096;
/// The number of waiting bytes from which on no slices of long replies are added to a queue. Until
/// they are sent, the next slice is produced in time.
const SLICES: usize = 64 << 10;
/// How many times its limit may wait for an admitted session, for [`EXCESS_TIME`].
const EXCESS: usize = 4;
/// How long more bytes than the limit may wait for an admitted session.
const EXCESS_TIME: Duration = Duration::from_secs(10);
/// How long a long reply waits for a client that does not read. At 300 bytes per second, a client
/// reads 70 KiB in this time, which is more than most slices have.
pub const READ_TIMEOUT: Duration = Duration::from_mins(4);

/// All send queues together.
#[derive(Debug, Default)]
pub struct Sendqs {
    /// The maximum total size of the queues in bytes; 0 means no limit.
    limit: AtomicUsize,
    /// The number of bytes in whole pages that wait in the queues.
    bytes: AtomicUsize,
    queues: Mutex<Queues>,
}

#[derive(Debug, Default)]
struct Queues {
    by_number: HashMap<u64, Weak<Sendq>>,
    last_number: u64,
}

/// The rank of a session, and who it belongs to. When the queues exceed their limit, those of the
/// lowest rank are ended first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Rank {
    /// The session is not admitted.
    #[default]
    Stranger,
    /// The session is admitted and has no account. It is from this network.
    Guest(Network),
    /// The session is signed in to this account.
    Account(AccountId),
}

impl Rank {
    fn order(self) -> u8 {
        match self {
            Self::Stranger => 0,
            Self::Guest(_) => 1,
            Self::Account(_) => 2,
        }
    }
}

/// The mark of the last message that the committer has delivered to the send queues of all its
/// receivers.
#[derive(Debug)]
pub struct Delivered(Mutex<Mark>);

impl Default for Delivered {
    fn default() -> Self {
        Self(Mutex::new(Mark::START))
    }
}

impl Delivered {
    /// Sets the mark.
    pub fn set(&self, mark: Mark) {
        *self.0.lock() = mark;
    }
}

/// The send queue of one session. Queues share lines instead of copying them: a message to two
/// hundred sessions is in memory once.
#[derive(Debug)]
pub struct Sendq {
    all: Arc<Sendqs>,
    /// The number of the queue in `all`.
    number: u64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    lines: VecDeque<Bytes>,
    /// The number of bytes in `lines`, and of those that the connection has taken but not yet sent.
    bytes: usize,
    /// The number of bytes that the core holds for the rest of the session's long replies. Only the
    /// total counts them.
    held: usize,
    /// The part of `bytes` and `held` that is counted in [`Sendqs::bytes`].
    counted: usize,
    /// The maximum number of waiting bytes; 0 means no limit.
    limit: usize,
    /// Since when more bytes than that wait.
    exceeded_since: Option<Instant>,
    rank: Rank,
    state: State,
    /// Wakes the connection.
    waker: Option<Waker>,
    /// Up to where messages are delivered, if the client is asked what it has received.
    delivered: Option<Arc<Delivered>>,
    /// What is notified once there is room for a slice of a long reply.
    room: Option<Box<Room>>,
}

/// Notifies the core's task that a session has room for a slice of a long reply.
#[derive(Debug)]
struct Room {
    session: SessionId,
    sender: mpsc::UnboundedSender<SessionId>,
    /// When the client has read too slowly.
    deadline: Instant,
}

/// The state of a send queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// More lines may follow.
    #[default]
    Open,
    /// No lines follow: the connection closes once it has sent those that it has.
    Ending {
        /// Whether it asks the client before the last line what it has received.
        asks: bool,
    },
    /// More bytes waited than a limit allows: the connection closes at once, without sending.
    Overflowed,
}

impl Sendqs {
    /// Sets the maximum total size of the queues in bytes; 0 means no limit.
    pub fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Creates an empty queue for up to `limit` bytes; 0 means no limit.
    pub fn open(self: &Arc<Self>, limit: usize) -> Arc<Sendq> {
        let mut queues = self.queues.lock();
        queues.last_number += 1;
        let number = queues.last_number;
        let sendq = Arc::new(Sendq {
            all: Arc::clone(self),
            number,
            inner: Mutex::new(Inner {
                limit,
                ..Inner::default()
            }),
        });
        queues.by_number.insert(number, Arc::downgrade(&sendq));
        sendq
    }

    fn is_exceeded(&self) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        limit > 0 && self.bytes.load(Ordering::Relaxed) > limit
    }

    /// Ends queues until an eighth of the limit is free, so that this happens seldom: those of the
    /// lowest rank first, and of those always the fullest of the account or network that has the
    /// most. So someone who opens many sessions and reads nothing does not end those of others.
    fn relieve(&self) {
        let limit = self.limit.load(Ordering::Relaxed);
        // It may have been disabled in the meantime.
        if limit == 0 {
            return;
        }
        let queues: Vec<Arc<Sendq>> = {
            let queues = self.queues.lock();
            queues
                .by_number
                .values()
                .filter_map(Weak::upgrade)
                .collect()
        };
        let mut totals: HashMap<Rank, usize> = HashMap::new();
        let mut queues: Vec<(Rank, usize, Arc<Sendq>)> = queues
            .into_iter()
            .filter_map(|sendq| {
                let inner = sendq.inner.lock();
                let (rank, counted) = (inner.rank, inner.counted);
                drop(inner);
                *totals.entry(rank).or_default() += counted;
                (counted > 0).then_some((rank, counted, sendq))
            })
            .collect();
        queues.sort_unstable_by_key(|(_, counted, _)| Reverse(*counted));
        // What the fuller ones of the same rank leave.
        for (rank, counted, _) in &mut queues {
            let total = totals.entry(*rank).or_default();
            let left = *total;
            *total -= *counted;
            *counted = left;
        }
        queues.sort_by_key(|(rank, left, _)| (rank.order(), Reverse(*left)));
        for (_, _, sendq) in queues {
            if self.bytes.load(Ordering::Relaxed) <= limit - limit / 8 {
                return;
            }
            sendq.inner.lock().overflow(self);
            sendq.wake();
        }
    }
}

impl Inner {
    /// Counts the whole pages among the bytes towards the total. Returns whether the total has
    /// grown.
    fn count(&mut self, all: &Sendqs) -> bool {
        let pages = match self.state {
            State::Overflowed => 0,
            State::Open | State::Ending { .. } => (self.bytes + self.held) / PAGE * PAGE,
        };
        let before = std::mem::replace(&mut self.counted, pages);
        if pages > before {
            all.bytes.fetch_add(pages - before, Ordering::Relaxed);
        } else if pages < before {
            all.bytes.fetch_sub(before - pages, Ordering::Relaxed);
        }
        pages > before
    }

    /// Whether there is room for a slice of a long reply, which takes three quarters of the limit
    /// at most.
    fn has_room(&self) -> bool {
        let bound = match self.limit {
            0 => SLICES,
            limit => SLICES.min(limit / 4),
        };
        self.bytes <= bound
    }

    /// Whether more bytes wait than may.
    fn is_exceeded(&mut self, now: impl FnOnce() -> Instant) -> bool {
        if self.limit == 0 || self.bytes <= self.limit {
            return false;
        }
        if self.rank == Rank::Stranger || self.bytes > self.limit.saturating_mul(EXCESS) {
            return true;
        }
        let now = now();
        let since = *self.exceeded_since.get_or_insert(now);
        now.saturating_duration_since(since) > EXCESS_TIME
    }

    fn queued_until(&self) -> Option<Mark> {
        // What is delivered up to the mark was pushed before the mark was set.
        let delivered = self.delivered.as_ref();
        delivered.map(|delivered| *delivered.0.lock())
    }

    fn end(&mut self, asks: bool) {
        if self.state == State::Open {
            self.state = State::Ending { asks };
        }
    }

    fn overflow(&mut self, all: &Sendqs) {
        self.lines = VecDeque::new();
        self.state = State::Overflowed;
        self.count(all);
    }
}

impl Sendq {
    /// Creates an empty queue for up to `limit` bytes that shares no limit with others; 0 means no
    /// limit.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::<Sendqs>::default().open(limit)
    }

    /// Sets the rank of the session and the limit of its queue in bytes; 0 means no limit.
    pub fn set_rank(&self, rank: Rank, limit: usize) {
        let mut inner = self.inner.lock();
        inner.rank = rank;
        inner.limit = limit;
    }

    /// Adds a line. Returns whether the connection has to be woken with [`Self::wake`], which the
    /// caller does once it has pushed everything.
    pub fn push(&self, line: Bytes) -> bool {
        self.push_at(line, Instant::now)
    }

    fn push_at(&self, line: Bytes, now: impl FnOnce() -> Instant) -> bool {
        self.push_and(line, now, |_| {})
    }

    /// As [`Self::push_at`], and does something more before the connection can take the line.
    fn push_and(
        &self,
        line: Bytes,
        now: impl FnOnce() -> Instant,
        then: impl FnOnce(&mut Inner),
    ) -> bool {
        let mut inner = self.inner.lock();
        if inner.state != State::Open {
            return false;
        }
        inner.bytes += line.len();
        if inner.is_exceeded(now) {
            inner.overflow(&self.all);
            return true;
        }
        inner.lines.push_back(line);
        let is_first = inner.lines.len() == 1;
        then(&mut inner);
        if inner.count(&self.all) && self.all.is_exceeded() {
            drop(inner);
            self.all.relieve();
        }
        is_first
    }

    /// Whether the queue has room for a slice of a long reply.
    pub fn has_room(&self) -> bool {
        self.inner.lock().has_room()
    }

    /// Sends `session` to `sender` once the queue has room for a slice of a long reply. If it has
    /// none now, the client has [`READ_TIMEOUT`] from `now` on to read what waits.
    pub fn await_room(
        &self,
        session: SessionId,
        sender: &mpsc::UnboundedSender<SessionId>,
        now: Instant,
    ) {
        let mut inner = self.inner.lock();
        if inner.has_room() {
            // Sending fails if the core has stopped, which is no error.
            let _ = sender.send(session);
            return;
        }
        inner.room = Some(Box::new(Room {
            session,
            sender: sender.clone(),
            deadline: now + READ_TIMEOUT,
        }));
        drop(inner);
        // The connection does not know the deadline yet.
        self.wake();
    }

    /// Returns when the client has read too slowly; `None` if no long reply waits for it.
    pub fn read_deadline(&self) -> Option<Instant> {
        self.inner.lock().room.as_ref().map(|room| room.deadline)
    }

    /// Sets the number of bytes that the core holds for the rest of the session's long replies.
    pub fn set_held(&self, bytes: usize) {
        let mut inner = self.inner.lock();
        inner.held = bytes;
        if inner.count(&self.all) && self.all.is_exceeded() {
            drop(inner);
            self.all.relieve();
        }
    }

    /// Adds a last line and ends the queue: the connection closes once it has sent the waiting
    /// lines. If `asks` is true, it asks the client before the last one what it has received. The
    /// caller has to wake the connection with [`Self::wake`].
    pub fn end(&self, last: Bytes, asks: bool) {
        // Under one lock, or else the connection could take the last line before it knows that.
        self.push_and(last, Instant::now, |inner| inner.end(asks));
    }

    /// Adds lines and wakes the connection.
    pub fn push_all(&self, lines: impl IntoIterator<Item = Bytes>) {
        for line in lines {
            self.push(line);
        }
        self.wake();
    }

    /// Wakes the connection if it waits for lines.
    pub fn wake(&self) {
        let waker = self.inner.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Returns the state, and removes and returns all lines if `take_lines` is true. The task of
    /// `context` is woken when something changes.
    pub fn poll(&self, context: &mut Context<'_>, take_lines: bool) -> (State, VecDeque<Bytes>) {
        let mut inner = self.inner.lock();
        match &mut inner.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        let lines = if take_lines {
            std::mem::take(&mut inner.lines)
        } else {
            VecDeque::new()
        };
        (inner.state, lines)
    }

    /// From now on, has the connection ask the client what it has received. `delivered` is up to
    /// where messages are delivered to all queues.
    pub fn ask_receipts(&self, delivered: &Arc<Delivered>) {
        self.inner.lock().delivered = Some(Arc::clone(delivered));
    }

    /// Returns the mark up to which everything for the session is sent or in the queue; `None` if
    /// its client is not asked what it has received.
    pub fn queued_until(&self) -> Option<Mark> {
        self.inner.lock().queued_until()
    }

    /// Returns the mark up to which the connection has sent everything for the session; `None` if
    /// lines wait to be sent or were discarded, and if the client is not asked what it has
    /// received.
    pub fn sent_until(&self) -> Option<Mark> {
        let inner = self.inner.lock();
        let is_sent = inner.bytes == 0 && inner.state != State::Overflowed;
        inner.queued_until().filter(|_| is_sent)
    }

    /// Ends the queue, because the client has closed the connection: what is delivered from now on
    /// is not among what it was sent.
    pub fn close(&self) {
        let mut inner = self.inner.lock();
        inner.end(false);
        // Under the same lock, or else what is delivered in between would count as sent.
        if let Some(delivered) = &mut inner.delivered {
            let until = *delivered.0.lock();
            *delivered = Arc::new(Delivered(Mutex::new(until)));
        }
    }

    /// Records that the connection has added `bytes` bytes to the lines that it took.
    pub fn added(&self, bytes: usize) {
        self.inner.lock().bytes += bytes;
    }

    /// Returns the number of bytes that wait to be sent.
    pub fn bytes(&self) -> usize {
        self.inner.lock().bytes
    }

    /// Records that the connection has sent `bytes` bytes of the lines that it took. Returns
    /// whether the client is to be asked what it has received.
    pub fn sent(&self, bytes: usize) -> bool {
        let mut inner = self.inner.lock();
        inner.bytes -= bytes;
        if inner.bytes <= inner.limit {
            inner.exceeded_since = None;
        }
        inner.count(&self.all);
        if inner.room.is_some()
            && inner.has_room()
            && let Some(room) = inner.room.take()
        {
            // Sending fails if the core has stopped, which is no error.
            let _ = room.sender.send(room.session);
        }
        inner.delivered.is_some()
    }
}

impl Drop for Sendq {
    fn drop(&mut self) {
        let inner = self.inner.get_mut();
        (inner.bytes, inner.held) = (0, 0);
        inner.count(&self.all);
        self.all.queues.lock().by_number.remove(&self.number);
    }
}
