//! The send queue: the lines that wait to be sent to one session.
//!
//! The committer fills it and the session's connection drains it; neither waits for the other. It
//! is bounded: a client that reads too slowly loses its connection, and holds up nobody else.

use std::collections::VecDeque;
use std::task::{Context, Waker};

use bytes::Bytes;
use parking_lot::Mutex;

/// The send queue of one session. Queues share lines instead of copying them: a message to two
/// hundred sessions is in memory once.
#[derive(Debug)]
pub struct Sendq {
    /// How many bytes may wait; 0 for any number.
    bound: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    lines: VecDeque<Bytes>,
    /// The bytes in `lines`, and those that the connection has taken and not yet sent.
    bytes: usize,
    state: State,
    /// Wakes the connection.
    waker: Option<Waker>,
}

/// What the connection is to do once it has sent what it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Wait for more.
    #[default]
    Open,
    /// Close: nothing follows.
    Ending,
    /// Close at once, without sending: more bytes waited than the bound allows.
    Overflowed,
}

impl Sendq {
    /// Makes an empty queue for up to `bound` bytes; 0 for any number.
    pub fn new(bound: usize) -> Self {
        Self {
            bound,
            inner: Mutex::default(),
        }
    }

    /// Adds a line. Returns whether the connection has to be woken for it: call [`Self::wake`] once
    /// everything is pushed.
    pub fn push(&self, line: Bytes) -> bool {
        let mut inner = self.inner.lock();
        if inner.state != State::Open {
            return false;
        }
        inner.bytes += line.len();
        if self.bound > 0 && inner.bytes > self.bound {
            inner.lines = VecDeque::new();
            inner.state = State::Overflowed;
            return true;
        }
        inner.lines.push_back(line);
        inner.lines.len() == 1
    }

    /// Ends the queue: the connection closes after it has sent what is in it. The connection has to
    /// be woken for it.
    pub fn end(&self) {
        let mut inner = self.inner.lock();
        if inner.state == State::Open {
            inner.state = State::Ending;
        }
    }

    /// Adds lines and wakes the connection.
    pub fn push_all(&self, lines: impl IntoIterator<Item = Bytes>) {
        for line in lines {
            self.push(line);
        }
        self.wake();
    }

    /// Wakes the connection if it waits.
    pub fn wake(&self) {
        let waker = self.inner.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Returns the state, and all lines if the connection has `room` for them. Wakes the task of
    /// `context` when something changes.
    pub fn poll(&self, context: &mut Context<'_>, room: bool) -> (State, VecDeque<Bytes>) {
        let mut inner = self.inner.lock();
        match &mut inner.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        let lines = if room {
            std::mem::take(&mut inner.lines)
        } else {
            VecDeque::new()
        };
        (inner.state, lines)
    }

    /// Returns how many bytes wait to be sent.
    pub fn bytes(&self) -> usize {
        self.inner.lock().bytes
    }

    /// Notes that the connection has sent that many bytes of what it took.
    pub fn sent(&self, bytes: usize) {
        self.inner.lock().bytes -= bytes;
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
            "the first line has to wake the connection"
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
            "the connection may wait again"
        );
    }

    #[test]
    fn lines_taken_but_not_sent_count_against_the_bound() {
        let sendq = Sendq::new(10);
        sendq.push(Bytes::from_static(b"12345678"));
        poll(&sendq);
        sendq.push(Bytes::from_static(b"123"));
        assert_eq!(poll(&sendq), (State::Overflowed, vec![]));
    }

    #[test]
    fn sent_lines_make_room() {
        let sendq = Sendq::new(10);
        for _ in 0..5 {
            sendq.push(Bytes::from_static(b"12345678"));
            assert_eq!(poll(&sendq).0, State::Open);
            sendq.sent(8);
        }
    }

    #[test]
    fn an_ended_queue_returns_what_it_holds_and_accepts_nothing() {
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
    fn without_room_no_line_is_taken() {
        let sendq = Sendq::new(0);
        sendq.push(Bytes::from_static(b"a"));
        let (_, lines) = sendq.poll(&mut Context::from_waker(Waker::noop()), false);
        assert!(lines.is_empty());
        assert_eq!(poll(&sendq).1.len(), 1);
    }
}
