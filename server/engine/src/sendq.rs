//! The bytes waiting to go to one session: bounded, filled by the journal, drained by the
//! connection.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use bytes::Bytes;

/// Shared by the journal, which fills it, and one connection, which drains it. Lines are shared,
/// not copied: a message to two hundred sessions is one piece of memory.
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
pub enum State {
    #[default]
    Open,
    /// What is inside is sent, then the connection closes.
    Ending,
    /// The bound was passed: the connection closes at once.
    Overflowed,
}

impl Sendq {
    /// An empty one that holds up to `bound` bytes; 0 is no bound.
    pub fn new(bound: usize) -> Self {
        Self {
            bound,
            inside: Mutex::default(),
        }
    }

    /// Adds a line. Gives true when the reader has to be woken for it, with [`Self::wake`], once
    /// all is pushed.
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

    /// Adds lines of the connection's own and wakes it.
    pub fn push_all(&self, lines: impl IntoIterator<Item = Bytes>) {
        for line in lines {
            self.push(line);
        }
        self.wake();
    }

    /// Wakes the connection, if it waits.
    pub fn wake(&self) {
        let waker = self.lock().reader.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes all lines, if there is `room` for them, and leaves a waker for what comes later.
    pub fn poll(&self, context: &mut Context<'_>, room: bool) -> (State, VecDeque<Bytes>) {
        let mut inside = self.lock();
        match &mut inside.reader {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        let lines = if room {
            std::mem::take(&mut inside.lines)
        } else {
            VecDeque::new()
        };
        (inside.state, lines)
    }

    /// How much waits to be sent.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// The connection has sent `bytes` of what it took.
    pub fn sent(&self, bytes: usize) {
        self.lock().bytes -= bytes;
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        // No code inside can panic half-way.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(sendq: &Sendq) -> (State, Vec<Bytes>) {
        let (state, lines) = sendq.poll(&mut Context::from_waker(Waker::noop()), true);
        (state, lines.into())
    }

    #[test]
    fn lines_come_out_in_order_and_once() {
        let sendq = Sendq::new(100);
        assert!(
            sendq.push(Bytes::from_static(b"a")),
            "the first has to wake the reader"
        );
        assert!(!sendq.push(Bytes::from_static(b"b")), "the next need not");
        assert_eq!(
            poll(&sendq),
            (
                State::Open,
                vec![Bytes::from_static(b"a"), Bytes::from_static(b"b")]
            )
        );
        assert_eq!(poll(&sendq), (State::Open, vec![]));
        assert!(
            sendq.push(Bytes::from_static(b"c")),
            "the reader may wait again"
        );
    }

    #[test]
    fn what_was_taken_and_not_sent_counts_against_the_bound() {
        let sendq = Sendq::new(10);
        sendq.push(Bytes::from_static(b"12345678"));
        poll(&sendq);
        sendq.push(Bytes::from_static(b"123"));
        assert_eq!(poll(&sendq), (State::Overflowed, vec![]));
    }

    #[test]
    fn what_was_sent_makes_room() {
        let sendq = Sendq::new(10);
        for _ in 0..5 {
            sendq.push(Bytes::from_static(b"12345678"));
            assert_eq!(poll(&sendq).0, State::Open);
            sendq.sent(8);
        }
    }

    #[test]
    fn an_ended_one_gives_what_it_holds_and_takes_no_more() {
        let sendq = Sendq::new(0);
        sendq.push(Bytes::from_static(b"last"));
        sendq.end();
        assert!(!sendq.push(Bytes::from_static(b"too late")));
        assert_eq!(
            poll(&sendq),
            (State::Ending, vec![Bytes::from_static(b"last")])
        );
        assert_eq!(poll(&sendq), (State::Ending, vec![]));
    }

    #[test]
    fn without_room_nothing_is_taken() {
        let sendq = Sendq::new(0);
        sendq.push(Bytes::from_static(b"a"));
        let (_, lines) = sendq.poll(&mut Context::from_waker(Waker::noop()), false);
        assert!(lines.is_empty());
        assert_eq!(poll(&sendq).1.len(), 1);
    }
}
