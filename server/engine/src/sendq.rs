//! The send queue: the lines that wait to be sent to one session.
//!
//! The committer fills it and the session's connection drains it; neither waits for the other. Its
//! size is limited: a client that reads too slowly is disconnected, and does not delay others.

use std::collections::VecDeque;
use std::task::{Context, Waker};

use bytes::Bytes;
use parking_lot::Mutex;

/// The send queue of one session. Queues share lines instead of copying them: a message to two
/// hundred sessions is in memory once.
#[derive(Debug)]
pub struct Sendq {
    /// The maximum number of waiting bytes; 0 means no limit.
    limit: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    lines: VecDeque<Bytes>,
    /// The number of bytes in `lines`, and of those that the connection has taken but not yet sent.
    bytes: usize,
    state: State,
    /// Wakes the connection.
    waker: Option<Waker>,
}

/// The state of a send queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// More lines may follow.
    #[default]
    Open,
    /// No lines follow: the connection closes once it has sent those that it has.
    Ending,
    /// More bytes waited than the limit allows: the connection closes at once, without sending.
    Overflowed,
}

impl Sendq {
    /// Creates an empty queue for up to `limit` bytes; 0 means no limit.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            inner: Mutex::default(),
        }
    }

    /// Adds a line. Returns whether the connection has to be woken with [`Self::wake`], which the
    /// caller does once it has pushed everything.
    pub fn push(&self, line: Bytes) -> bool {
        let mut inner = self.inner.lock();
        if inner.state != State::Open {
            return false;
        }
        inner.bytes += line.len();
        if self.limit > 0 && inner.bytes > self.limit {
            inner.lines = VecDeque::new();
            inner.state = State::Overflowed;
            return true;
        }
        inner.lines.push_back(line);
        inner.lines.len() == 1
    }

    /// Ends the queue: the connection closes once it has sent the waiting lines. The caller has to
    /// wake the connection with [`Self::wake`].
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

    /// Returns the number of bytes that wait to be sent.
    pub fn bytes(&self) -> usize {
        self.inner.lock().bytes
    }

    /// Records that the connection has sent `bytes` bytes of the lines that it took.
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
    fn lines_are_returned_in_order_and_once() {
        let sendq = Sendq::new(100);
        assert!(
            sendq.push(Bytes::from_static(b"a")),
            "the connection has to be woken for the first line"
        );
        assert!(
            !sendq.push(Bytes::from_static(b"b")),
            "the connection need not be woken again"
        );
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
            "the connection may be waiting again"
        );
    }

    #[test]
    fn lines_that_are_taken_but_not_sent_count_towards_the_limit() {
        let sendq = Sendq::new(10);
        sendq.push(Bytes::from_static(b"12345678"));
        poll(&sendq);
        sendq.push(Bytes::from_static(b"123"));
        assert_eq!(poll(&sendq), (State::Overflowed, vec![]));
    }

    #[test]
    fn sent_lines_no_longer_count_towards_the_limit() {
        let sendq = Sendq::new(10);
        for _ in 0..5 {
            sendq.push(Bytes::from_static(b"12345678"));
            assert_eq!(poll(&sendq).0, State::Open);
            sendq.sent(8);
        }
    }

    #[test]
    fn an_ended_queue_returns_its_lines_and_accepts_no_more() {
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
    fn lines_stay_in_the_queue_until_they_are_taken() {
        let sendq = Sendq::new(0);
        sendq.push(Bytes::from_static(b"a"));
        let (_, lines) = sendq.poll(&mut Context::from_waker(Waker::noop()), false);
        assert!(lines.is_empty());
        assert_eq!(poll(&sendq).1.len(), 1);
    }
}
