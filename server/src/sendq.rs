//! The bytes waiting to go to one session: bounded, filled by the journal, drained by the connection.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

/// Shared by the journal, which fills it, and one connection, which drains it. Lines are shared, not copied: a
/// message to two hundred sessions is one piece of memory.
#[derive(Debug)]
pub struct Sendq {
    /// In bytes; 0 is no bound.
    bound: usize,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    lines: VecDeque<Bytes>,
    /// What is in `lines` and what the connection has taken and not yet sent.
    bytes: usize,
    state: State,
    reader: Option<Waker>,
}

/// Whether more is to come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    /// What is inside is sent, then the connection closes.
    Ending,
    /// The bound was passed: the connection closes at once.
    Overflowed,
}

/// What the connection finds.
#[derive(Debug, PartialEq, Eq)]
pub enum Drained {
    /// Lines to send, in order.
    Lines(VecDeque<Bytes>),
    /// All was taken and nothing will follow.
    Ended,
    /// The reader was too slow.
    Overflowed,
}

impl Sendq {
    /// An empty one that holds up to `bound` bytes; 0 is no bound.
    pub fn new(bound: usize) -> Self {
        Self { bound, inside: Mutex::default() }
    }

    /// Adds a line. Gives true when the reader has to be woken for it, with [`Self::wake`], once all is pushed.
    pub fn push(&self, line: Bytes) -> bool {
        let mut inside = self.lock();
        if inside.state != State::Open {
            return false;
        }
        inside.bytes += line.len();
        if self.bound > 0 && inside.bytes > self.bound {
            inside.lines = VecDeque::new();
            inside.state = State::Overflowed;
            return true;
        }
        inside.lines.push_back(line);
        inside.lines.len() == 1
    }

    /// Nothing follows after what is inside. The reader has to be woken for it.
    pub fn end(&self) {
        let mut inside = self.lock();
        if inside.state == State::Open {
            inside.state = State::Ending;
        }
    }

    /// Wakes the connection, if it waits.
    pub fn wake(&self) {
        let waker = self.lock().reader.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes all lines; waits if there are none.
    pub fn poll_drain(&self, context: &mut Context<'_>) -> Poll<Drained> {
        let mut inside = self.lock();
        if inside.state == State::Overflowed {
            return Poll::Ready(Drained::Overflowed);
        }
        if !inside.lines.is_empty() {
            return Poll::Ready(Drained::Lines(std::mem::take(&mut inside.lines)));
        }
        if inside.state == State::Ending {
            return Poll::Ready(Drained::Ended);
        }
        match &mut inside.reader {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    /// The connection has sent `bytes` of what it took.
    pub fn sent(&self, bytes: usize) {
        self.lock().bytes -= bytes;
    }

    /// The bytes that wait.
    pub fn len(&self) -> usize {
        self.lock().bytes
    }

    /// Whether the bound was passed.
    pub fn has_overflowed(&self) -> bool {
        self.lock().state == State::Overflowed
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        // No code inside can panic half-way.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
