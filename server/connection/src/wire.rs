//! One connection as the session sees it: messages in, lines out, all limits kept.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes};
use rookery_control_api::DisconnectReason;
use rookery_protocol::framing::MAX_CLIENT_TAGS;
use rookery_protocol::{Line, LineFramer, Message};
use tokio::io::{AsyncRead as _, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::flood::Flood;
use super::socket::Socket;
use rookery_base::metrics::METRICS;
use rookery_chat::event::{Disconnect, LineFault};
use rookery_engine::sendq::{Sendq, State};

/// Bytes read at once.
const READ: usize = 4096;
/// Lines that go into one TLS record, if they fit.
const GATHER: usize = 64;
/// What the others read of a connection that just ended.
pub const CLOSED: &str = "Connection closed";
/// How long a connection may take to hear its last lines.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What the client sent.
#[derive(Debug)]
pub enum Input {
    Message(Message),
    Fault(LineFault),
}

/// What the session wakes up for.
#[derive(Debug)]
pub enum Wake {
    Input(Input),
    /// The deadline has passed.
    Deadline,
    /// All that was to be sent is sent, and nothing follows.
    Ended,
    /// The connection is over.
    Broken(Disconnect),
}

/// The two directions of one connection.
pub struct Wire {
    socket: Socket,
    framer: LineFramer,
    /// Read, and not yet taken apart: as messages, four kilobytes of short lines would take seventy
    /// times the memory.
    unread: Bytes,
    sendq: Arc<Sendq>,
    /// Taken out of the sendq, to be written.
    writing: VecDeque<Bytes>,
    flushed: bool,
    flood: Flood,
    /// Until then nothing is read: the client sends too fast.
    held_until: Option<Instant>,
    /// Set once the sendq is ending.
    close_by: Option<Instant>,
    timer: Pin<Box<Sleep>>,
    heard_at: Instant,
    /// The client has closed: whatever was sent to it before had its chance.
    left: bool,
}

impl Wire {
    /// Over a connection whose handshakes are done, but for that of IRC.
    pub fn new(socket: Socket, sendq: Arc<Sendq>, flood: Flood, now: Instant) -> Self {
        Self {
            socket,
            framer: LineFramer::new(MAX_CLIENT_TAGS),
            unread: Bytes::new(),
            sendq,
            writing: VecDeque::new(),
            flushed: true,
            flood,
            held_until: None,
            close_by: None,
            timer: Box::pin(tokio::time::sleep_until(now.into())),
            heard_at: now,
            left: false,
        }
    }

    /// Whether the client itself ended the connection, in whatever way.
    pub fn has_left(&self) -> bool {
        self.left
    }

    /// When the client last sent something.
    pub fn heard_at(&self) -> Instant {
        self.heard_at
    }

    /// Waits for the next thing to do, and sends meanwhile. Nothing is lost when it is dropped
    /// half-way.
    pub async fn next(&mut self, deadline: Option<Instant>) -> Wake {
        poll_fn(|context| self.poll_next(context, deadline)).await
    }

    /// Sends, and reads nothing, until the connection is over: for as long as something else is
    /// waited for. Nothing is lost when it is dropped half-way.
    pub async fn send_on(&mut self) -> Wake {
        poll_fn(|context| match self.poll_alive(context) {
            Ok(_) => Poll::Pending,
            Err(over) => over,
        })
        .await
    }

    fn poll_next(&mut self, context: &mut Context<'_>, deadline: Option<Instant>) -> Poll<Wake> {
        let now = match self.poll_alive(context) {
            Ok(now) => now,
            Err(over) => return over,
        };
        if self.held_until.is_some_and(|until| until <= now) {
            self.held_until = None;
        }
        if self.held_until.is_none()
            && let Poll::Ready(received) = self.poll_receive(context, now)
        {
            return Poll::Ready(match received {
                Ok(input) => {
                    let weight = match &input {
                        Input::Message(message) => rookery_chat::weight(message),
                        Input::Fault(_) => 1,
                    };
                    self.held_until = self.flood.count(now, weight);
                    Wake::Input(input)
                }
                Err(wake) => wake,
            });
        }
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Poll::Ready(Wake::Deadline);
        }
        let alarm = [deadline, self.held_until].into_iter().flatten().min();
        if self.poll_timer(context, alarm, now).is_ready() {
            // It lay ahead of `now` and has gone off since: look at everything again.
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Sends what there is. As long as the connection goes on, gives the time; otherwise what comes
    /// of its end.
    fn poll_alive(&mut self, context: &mut Context<'_>) -> Result<Instant, Poll<Wake>> {
        let state = match self.poll_send(context) {
            Ok(state) => state,
            Err(error) => {
                return Err(Poll::Ready(Wake::Broken(Disconnect::lost(format!(
                    "Write error: {}",
                    error.kind()
                )))));
            }
        };
        let now = Instant::now();
        match state {
            State::Overflowed => {
                METRICS.sendqs_exceeded.increment();
                let disconnect = Disconnect {
                    why: DisconnectReason::SendqExceeded,
                    words: "SendQ exceeded".into(),
                };
                Err(Poll::Ready(Wake::Broken(disconnect)))
            }
            State::Ending => {
                if self.writing.is_empty() && self.flushed {
                    return Err(Poll::Ready(Wake::Ended));
                }
                let close_by = *self.close_by.get_or_insert(now + LAST_WORDS);
                Err(match self.poll_timer(context, Some(close_by), now) {
                    Poll::Ready(()) => Poll::Ready(Wake::Broken(Disconnect::lost(CLOSED))),
                    Poll::Pending => Poll::Pending,
                })
            }
            State::Open => Ok(now),
        }
    }

    fn poll_timer(
        &mut self,
        context: &mut Context<'_>,
        alarm: Option<Instant>,
        now: Instant,
    ) -> Poll<()> {
        let Some(alarm) = alarm else {
            return Poll::Pending;
        };
        if alarm <= now {
            return Poll::Ready(());
        }
        if self.timer.deadline() != alarm.into() {
            self.timer.as_mut().reset(alarm.into());
        }
        self.timer.as_mut().poll(context)
    }

    /// Sends as much as the socket takes; the sendq's state is that before anything was taken out
    /// of it last.
    fn poll_send(&mut self, context: &mut Context<'_>) -> io::Result<State> {
        loop {
            let (state, lines) = self.sendq.poll(context, self.writing.is_empty());
            if self.writing.is_empty() {
                self.writing = lines;
            }
            while !self.writing.is_empty() {
                match self.poll_write(context) {
                    Poll::Ready(result) => result?,
                    Poll::Pending => return Ok(state),
                }
            }
            // The queue's memory is not kept while there is nothing to send.
            self.writing = VecDeque::new();
            if self.flushed {
                return Ok(state);
            }
            match Pin::new(&mut self.socket).poll_flush(context) {
                Poll::Ready(result) => {
                    result?;
                    self.flushed = true;
                }
                Poll::Pending => return Ok(state),
            }
        }
    }

    /// Writes what stands first, over TLS alone as one record.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut slices = [IoSlice::new(&[]); GATHER];
        let mut count = 0;
        for (slice, line) in slices.iter_mut().zip(&self.writing) {
            *slice = IoSlice::new(line);
            count += 1;
        }
        let written =
            ready!(Pin::new(&mut self.socket).poll_write_vectored(context, &slices[..count]))?;
        self.flushed = false;
        self.sendq.sent(written);
        let mut left = written;
        while let Some(line) = self.writing.front_mut() {
            if left < line.len() {
                line.advance(left);
                break;
            }
            left -= line.len();
            self.writing.pop_front();
        }
        if written == 0 {
            Poll::Ready(Err(io::ErrorKind::WriteZero.into()))
        } else {
            Poll::Ready(Ok(()))
        }
    }

    /// Takes one input out of what was read, and reads when there is none in it. The buffer lives
    /// on the stack: an idle connection keeps none.
    fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        now: Instant,
    ) -> Poll<Result<Input, Wake>> {
        let unread = std::mem::take(&mut self.unread);
        let (input, rest) = first_input(&mut self.framer, &unread);
        self.unread = unread.slice_ref(rest);
        if let Some(input) = input {
            return Poll::Ready(Ok(input));
        }
        let mut space = [MaybeUninit::<u8>::uninit(); READ];
        loop {
            let mut buffer = ReadBuf::uninit(&mut space);
            if let Err(error) = ready!(Pin::new(&mut self.socket).poll_read(context, &mut buffer)) {
                // Many clients just close; that is no fault worth telling.
                let plain = matches!(
                    error.kind(),
                    io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
                );
                self.left = error.kind() == io::ErrorKind::UnexpectedEof;
                let disconnect = if plain {
                    Disconnect::lost(CLOSED)
                } else {
                    Disconnect::lost(format!("Read error: {}", error.kind()))
                };
                return Poll::Ready(Err(Wake::Broken(disconnect)));
            }
            if buffer.filled().is_empty() {
                self.left = true;
                return Poll::Ready(Err(Wake::Broken(Disconnect::lost(CLOSED))));
            }
            self.heard_at = now;
            let (input, rest) = first_input(&mut self.framer, buffer.filled());
            self.unread = Bytes::copy_from_slice(rest);
            if let Some(input) = input {
                return Poll::Ready(Ok(input));
            }
        }
    }

    /// Says goodbye as the connection has it (TLS by `close_notify`), for as long as that may take.
    pub async fn close(&mut self) {
        let goodbye = tokio::io::AsyncWriteExt::shutdown(&mut self.socket);
        // Whether it arrives or not, the connection is over.
        let _ = tokio::time::timeout(LAST_WORDS, goodbye).await;
    }
}

/// The first input in `bytes`, if there is one, and the bytes after it. Keeps the beginning of a
/// line that goes on.
fn first_input<'b>(framer: &mut LineFramer, mut bytes: &'b [u8]) -> (Option<Input>, &'b [u8]) {
    let mut input = None;
    while input.is_none() && !bytes.is_empty() {
        // Up to the end of one line, so that no more than one input can come of it.
        let end = bytes
            .iter()
            .position(|&byte| byte == b'\n')
            .map_or(bytes.len(), |end| end + 1);
        let (line, rest) = bytes.split_at(end);
        framer.push(line, |line| input = Some(read(&line)));
        bytes = rest;
    }
    (input, bytes)
}

fn read(line: &Line<'_>) -> Input {
    match line {
        Line::Text(text) => {
            Message::parse(text).map_or_else(|_| Input::Fault(LineFault::Malformed), Input::Message)
        }
        Line::TooLong => Input::Fault(LineFault::TooLong),
        Line::NotUtf8(text) => {
            Input::Fault(LineFault::NotUtf8(Message::parse(text).ok().map(Box::new)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_lines_one_is_taken_and_the_others_stay_bytes() {
        let mut framer = LineFramer::new(MAX_CLIENT_TAGS);
        let mut take = |bytes: &'static [u8]| {
            let (input, rest) = first_input(&mut framer, bytes);
            let text = match input {
                Some(Input::Message(message)) => message.to_string(),
                other => format!("{other:?}"),
            };
            (text, rest)
        };
        assert_eq!(
            take(b"\r\nPING a\r\n\xff\nPI"),
            ("PING a".to_owned(), b"\xff\nPI".as_slice())
        );
        assert_eq!(
            take(b"\xff\nPI"),
            ("Some(Fault(NotUtf8(None)))".to_owned(), b"PI".as_slice())
        );
        assert_eq!(
            take(b"PI"),
            ("None".to_owned(), b"".as_slice()),
            "the rest of the line is to come"
        );
        assert_eq!(take(b"NG b\r\n"), ("PING b".to_owned(), b"".as_slice()));
        let long = [b'x'; 8000].as_slice();
        assert_eq!(take(long).0, "Some(Fault(TooLong))");
        assert_eq!(
            take(b"xxx\nPING c\n"),
            ("PING c".to_owned(), b"".as_slice())
        );
    }
}
