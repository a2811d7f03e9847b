//! One connection as a stream: parsed lines in, the send queue out, within all limits.
//!
//! It owns the socket, the framing of lines, flood control and the deadlines. One call,
//! [`LineStream::next`], waits for whatever happens first and sends what is in the send queue
//! meanwhile. It holds as little as it can for an idle connection: buffers live on the stack.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes};
use rookery_control_api::DisconnectReason;
use rookery_protocol::framing::{MAX_CLIENT_TAGS, is_line_end};
use rookery_protocol::{Line, LineFramer, Message};
use tokio::io::{AsyncRead as _, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, timeout};

use zeroize::Zeroize as _;

use super::flood::{Flood, SharedFlood};
use super::socket::Socket;
use rookery_accounts::sign_in::may_carry_secret;
use rookery_base::metrics::METRICS;
use rookery_chat::event::{Disconnect, LineFault};
use rookery_engine::receipts::Receipts;
use rookery_engine::sendq::{READ_TIMEOUT, Sendq, State};
use rookery_record::{Mark, Network};

/// The maximum number of bytes that are read at once.
const READ: usize = 4096;
/// The quit message of a session whose connection just ended.
pub const CLOSED: &str = "Connection closed";
/// How long sending the last lines may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a session that the core has ended waits for the client's last answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// The most lines that are read while it waits.
const LINES_BEFORE_ANSWER: usize = 64;

/// A line that the client sent.
#[derive(Debug)]
pub enum Input {
    /// A message.
    Message(Message),
    /// A line that is no message.
    Fault(LineFault),
}

/// What [`LineStream::next`] waited for.
#[derive(Debug)]
pub enum StreamEvent {
    /// The client sent a line.
    Input(Input),
    /// The deadline has passed.
    Deadline,
    /// The send queue has ended, and everything in it is sent.
    Drained,
    /// The connection has ended.
    Closed(Disconnect),
}

/// Both directions of one connection.
pub struct LineStream {
    socket: Socket,
    framer: LineFramer,
    /// Bytes that were read and not yet parsed. They are parsed line by line, because as messages,
    /// four kilobytes of short lines would take seventy times the memory.
    unread: Bytes,
    sendq: Arc<Sendq>,
    /// Lines out of the send queue that are being written.
    writing: VecDeque<Bytes>,
    flushed: bool,
    flood: Flood,
    /// The number of bytes that were written since the connection was established.
    written: u64,
    /// When the next line may be read from a client that sends too fast.
    throttled_until: Option<Instant>,
    /// Whether the timer is set to when the connection is closed even if not everything is sent.
    is_ending: bool,
    timer: Pin<Box<Sleep>>,
    last_received_at: Instant,
    /// What the client has answered, once something was sent to a client that is asked.
    receipts: Option<Box<Receipts>>,
    /// Whether the connection ended in a way that gave the client the chance to receive what was
    /// sent.
    is_read: bool,
}

impl LineStream {
    /// Creates the stream of a connection whose TLS and WebSocket handshakes are done.
    pub fn new(socket: Socket, sendq: Arc<Sendq>, flood: Flood, now: Instant) -> Self {
        Self {
            socket,
            framer: LineFramer::new(MAX_CLIENT_TAGS),
            unread: Bytes::new(),
            sendq,
            writing: VecDeque::new(),
            flushed: true,
            written: 0,
            flood,
            throttled_until: None,
            is_ending: false,
            timer: Box::pin(tokio::time::sleep_until(now.into())),
            last_received_at: now,
            receipts: None,
            is_read: false,
        }
    }

    /// Records that the client had the chance to receive what was sent: it has closed the
    /// connection, or the core has ended the session and everything was sent.
    pub fn set_read(&mut self) {
        self.is_read = true;
        self.sendq.close();
    }

    /// Returns the mark up to which the client had the chance to receive everything before the
    /// connection ended; `None` if that is not known. A client that has not answered is still
    /// receiving what was sent before the question: it has received what it has answered for.
    pub fn read_until(&self) -> Option<Mark> {
        let is_known = self.is_read && self.flushed && self.has_answered();
        let sent_until = self.sendq.sent_until().filter(|_| is_known);
        sent_until.or_else(|| self.receipts.as_ref()?.answered())
    }

    /// Sends the client `PING`, unless it has not answered the last question yet. A client that is
    /// asked what it has received is sent such a question, so that its answer is to nothing else.
    pub fn ping(&mut self, server: &str) {
        if !self.has_answered() {
            return;
        }
        let question = self.question(Instant::now());
        let line = question.unwrap_or_else(|| format!("PING {server}\r\n").into());
        self.sendq.push_all([line]);
    }

    /// Waits for a short time for the client's answer, if it was asked what it has received and has
    /// not answered yet. The core has ended the session, and everything is sent.
    pub async fn await_answer(&mut self) {
        let answer = async {
            for _ in 0..LINES_BEFORE_ANSWER {
                if self.has_answered() {
                    return;
                }
                let received = poll_fn(|context| self.poll_receive(context, Instant::now()));
                match received.await {
                    Ok(Input::Message(message)) => drop(self.answer(&message)),
                    Ok(Input::Fault(_)) => {}
                    Err(_) => return,
                }
            }
        };
        // Without an answer, the device is sent again what it may not have received.
        let _ = timeout(ANSWER_TIMEOUT, answer).await;
    }

    fn has_answered(&self) -> bool {
        let receipts = self.receipts.as_ref();
        receipts.is_none_or(|receipts| !receipts.is_unanswered())
    }

    /// Handles a message of the client. If it answers whether the client has received what it was
    /// sent, returns the mark up to which it has.
    pub fn answer(&mut self, message: &Message) -> Option<Mark> {
        let receipts = self.receipts.as_mut()?;
        receipts.answer(Instant::now(), message, self.written)
    }

    /// Returns when the client last sent something.
    pub fn last_received_at(&self) -> Instant {
        self.last_received_at
    }

    /// Returns the number of bytes that were queued for the client since the connection was
    /// established.
    pub fn queued_in_total(&self) -> u64 {
        self.written + self.sendq.bytes() as u64
    }

    /// Returns the limits on what the client sends.
    pub fn flood_mut(&mut self) -> &mut Flood {
        &mut self.flood
    }

    /// Notes that the session of `network` is admitted, to which other limits apply.
    pub fn admit(&mut self, shared: &SharedFlood, network: Network, now: Instant) {
        let ready_at = shared.admit(&mut self.flood, network, now);
        self.throttled_until = self.throttled_until.max(ready_at);
    }

    /// Counts the channels that the session has joined and whose members received the `JOIN`.
    pub fn count_joins(&mut self, channels: usize) {
        let ready_at = self.flood.count_joins(Instant::now(), channels);
        self.throttled_until = self.throttled_until.max(ready_at);
    }

    /// Waits for the next event, and sends what is in the send queue meanwhile. It is cancel safe.
    pub async fn next(&mut self, deadline: Option<Instant>) -> StreamEvent {
        poll_fn(|context| self.poll_next(context, deadline)).await
    }

    /// Sends what is in the send queue, and reads nothing, until the connection ends. It is cancel
    /// safe.
    pub async fn send_until_closed(&mut self) -> StreamEvent {
        poll_fn(|context| match self.poll_open(context) {
            Ok(now) => self.poll_alarm(context, None, None, now),
            Err(end) => end,
        })
        .await
    }

    /// Waits until the send queue has room for a slice of a long reply. Returns why the connection
    /// ends, if it does.
    pub async fn wait_for_room(&mut self) -> Result<(), StreamEvent> {
        let deadline = Instant::now() + READ_TIMEOUT;
        let end = poll_fn(|context| match self.poll_open(context) {
            Ok(_) if self.sendq.has_room() => Poll::Ready(None),
            Ok(now) => self
                .poll_alarm(context, Some(deadline), None, now)
                .map(Some),
            Err(end) => end.map(Some),
        });
        match end.await {
            None => Ok(()),
            Some(StreamEvent::Deadline) => Err(did_not_read()),
            Some(end) => Err(end),
        }
    }

    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        deadline: Option<Instant>,
    ) -> Poll<StreamEvent> {
        let now = match self.poll_open(context) {
            Ok(now) => now,
            Err(end) => return end,
        };
        if self.throttled_until.is_some_and(|until| until <= now) {
            self.throttled_until = None;
        }
        if self.throttled_until.is_none() {
            let received = self.poll_receive(context, now);
            self.throttled_until = self.flood.count_bytes(now, self.socket.take_received());
            let Poll::Ready(received) = received else {
                return self.poll_alarm(context, deadline, self.throttled_until, now);
            };
            return Poll::Ready(match received {
                Ok(input) => {
                    let throttled_until = self.flood_of(&input, now);
                    self.throttled_until = self.throttled_until.max(throttled_until);
                    StreamEvent::Input(input)
                }
                Err(end) => end,
            });
        }
        self.poll_alarm(context, deadline, self.throttled_until, now)
    }

    /// Counts what the client sent. Returns when the next line may be read, if that is later.
    fn flood_of(&mut self, input: &Input, now: Instant) -> Option<Instant> {
        match input {
            Input::Message(message) => self.flood.count_message(now, message),
            Input::Fault(_) => self.flood.count_fault(now),
        }
    }

    /// Waits for the deadline, or until everything is to be polled again: when the next line may be
    /// read, or when the client has read too slowly.
    fn poll_alarm(
        &mut self,
        context: &mut Context<'_>,
        deadline: Option<Instant>,
        next_line_at: Option<Instant>,
        now: Instant,
    ) -> Poll<StreamEvent> {
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Poll::Ready(StreamEvent::Deadline);
        }
        let ask_at = self
            .receipts
            .as_ref()
            .and_then(|receipts| receipts.ask_at());
        let alarms = [deadline, next_line_at, self.sendq.read_deadline(), ask_at];
        let alarm = alarms.into_iter().flatten().min();
        if self.poll_timer(context, alarm, now).is_ready() {
            // The alarm was after `now` and has passed since: poll everything again.
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Sends what can be sent. Returns the time while the connection is open, and otherwise what to
    /// return from the poll.
    fn poll_open(&mut self, context: &mut Context<'_>) -> Result<Instant, Poll<StreamEvent>> {
        let mut state = self.poll_send(context)?;
        let now = Instant::now();
        if state == State::Open && self.ask_if_due(now) {
            state = self.poll_send(context)?;
        }
        match state {
            State::Overflowed => {
                METRICS.sendqs_exceeded.increment();
                let disconnect = Disconnect {
                    reason: DisconnectReason::SendqExceeded,
                    text: "SendQ exceeded".into(),
                };
                Err(Poll::Ready(StreamEvent::Closed(disconnect)))
            }
            State::Ending { .. } => {
                if self.writing.is_empty() && self.flushed {
                    return Err(Poll::Ready(StreamEvent::Drained));
                }
                if !self.is_ending {
                    self.is_ending = true;
                    self.timer.as_mut().reset((now + CLOSE_TIMEOUT).into());
                }
                Err(match self.timer.as_mut().poll(context) {
                    Poll::Ready(()) => Poll::Ready(StreamEvent::Closed(Disconnect::lost(CLOSED))),
                    Poll::Pending => Poll::Pending,
                })
            }
            State::Open if self.sendq.read_deadline().is_some_and(|at| at <= now) => {
                Err(Poll::Ready(did_not_read()))
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

    /// Asks the client what it has received, if that is due. Returns whether it is asked.
    fn ask_if_due(&mut self, now: Instant) -> bool {
        let receipts = self.receipts.as_mut();
        let Some(receipts) = receipts.filter(|own| own.ask_at().is_some_and(|at| at <= now)) else {
            return false;
        };
        if let Some(until) = self.sendq.queued_until() {
            receipts.skip_if_answered(until);
        }
        if receipts.ask_at().is_none() {
            return false;
        }
        let Some(question) = self.question(now) else {
            return false;
        };
        self.sendq.push(question);
        true
    }

    /// Returns the question that follows what is queued; `None` for a client that is not asked.
    fn question(&mut self, now: Instant) -> Option<Bytes> {
        // What is queued until then is before the question.
        let until = self.sendq.queued_until()?;
        let queued = self.queued_in_total();
        Some(self.receipts.as_mut()?.ask(now, until, queued))
    }

    /// Asks the client, before the last of the lines that are being written, what it has received.
    fn ask_before_last(&mut self) {
        let Some(until) = self.sendq.queued_until() else {
            return;
        };
        let receipts = self.receipts.get_or_insert_default();
        let (now, written) = (Instant::now(), self.written);
        let added = receipts.ask_before_last(now, until, written, &mut self.writing);
        self.sendq.added(added);
    }

    /// Sends as much as the socket accepts. Returns the state of the send queue from before lines
    /// were last taken out of it, or why the connection has ended.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Result<State, Poll<StreamEvent>> {
        self.poll_send_lines(context).map_err(|error| {
            let text = format!("Write error: {}", error.kind());
            Poll::Ready(StreamEvent::Closed(Disconnect::lost(text)))
        })
    }

    fn poll_send_lines(&mut self, context: &mut Context<'_>) -> io::Result<State> {
        loop {
            let (state, lines) = self.sendq.poll(context, self.writing.is_empty());
            if self.writing.is_empty() {
                self.writing = lines;
                if state == (State::Ending { asks: true }) {
                    self.ask_before_last();
                }
            }
            while !self.writing.is_empty() {
                match self.poll_write(context) {
                    Poll::Ready(result) => result?,
                    Poll::Pending => return Ok(state),
                }
            }
            // Free the queue's memory while there is nothing to send.
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

    /// Writes the first lines; over plain TLS, as one record.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let written = ready!(self.socket.poll_write_lines(context, &self.writing))?;
        self.flushed = false;
        self.written += written as u64;
        if self.sendq.sent(written) {
            self.receipts.get_or_insert_default().sent(Instant::now);
        }
        let mut remaining = written;
        while let Some(line) = self.writing.front_mut() {
            if remaining < line.len() {
                line.advance(remaining);
                break;
            }
            remaining -= line.len();
            self.writing.pop_front();
        }
        if written == 0 {
            Poll::Ready(Err(io::ErrorKind::WriteZero.into()))
        } else {
            Poll::Ready(Ok(()))
        }
    }

    /// Returns the first line that was read, and reads more if there is none. The buffer is on the
    /// stack, so that an idle connection has none.
    fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        now: Instant,
    ) -> Poll<Result<Input, StreamEvent>> {
        let unread = std::mem::take(&mut self.unread);
        let (input, rest) = first_input(&mut self.framer, &unread);
        let consumed = unread.len() - rest.len();
        let unread = if carries_secret(input.as_ref()) {
            overwrite(unread, consumed)
        } else {
            unread
        };
        self.unread = unread.slice(consumed..);
        if let Some(input) = input {
            return Poll::Ready(Ok(input));
        }
        let mut space = [MaybeUninit::<u8>::uninit(); READ];
        loop {
            let mut buffer = ReadBuf::uninit(&mut space);
            if let Err(error) = ready!(Pin::new(&mut self.socket).poll_read(context, &mut buffer)) {
                // Many clients close without TLS `close_notify`, which is not worth reporting.
                let plain = matches!(
                    error.kind(),
                    io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
                );
                if error.kind() == io::ErrorKind::UnexpectedEof {
                    self.set_read();
                }
                let disconnect = if plain {
                    Disconnect::lost(CLOSED)
                } else {
                    Disconnect::lost(format!("Read error: {}", error.kind()))
                };
                return Poll::Ready(Err(StreamEvent::Closed(disconnect)));
            }
            if buffer.filled().is_empty() {
                self.set_read();
                return Poll::Ready(Err(StreamEvent::Closed(Disconnect::lost(CLOSED))));
            }
            self.last_received_at = now;
            let (input, rest) = first_input(&mut self.framer, buffer.filled());
            self.unread = Bytes::copy_from_slice(rest);
            if carries_secret(input.as_ref()) {
                buffer.filled_mut().zeroize();
            }
            if let Some(input) = input {
                return Poll::Ready(Ok(input));
            }
        }
    }

    /// Shuts the connection down as its protocol requires (`close_notify` in TLS), within a
    /// timeout.
    pub async fn shut_down(&mut self) {
        let shutdown = tokio::io::AsyncWriteExt::shutdown(&mut self.socket);
        // The connection has ended whether this succeeds or not.
        let _ = timeout(CLOSE_TIMEOUT, shutdown).await;
    }
}

/// Returns the end of a connection whose client did not read a long reply.
fn did_not_read() -> StreamEvent {
    StreamEvent::Closed(Disconnect {
        reason: DisconnectReason::ReadTimeout,
        text: "Did not read what it requested".into(),
    })
}

/// Returns the first line in `bytes`, if one ends there, and the bytes after it. The framer stores
/// the beginning of an incomplete line.
fn first_input<'b>(framer: &mut LineFramer, mut bytes: &'b [u8]) -> (Option<Input>, &'b [u8]) {
    let mut input = None;
    while input.is_none() && !bytes.is_empty() {
        // Push up to the end of one line, so that at most one input results.
        let end = bytes
            .iter()
            .position(|&byte| is_line_end(byte))
            .map_or(bytes.len(), |end| end + 1);
        let (line, rest) = bytes.split_at(end);
        framer.push(line, |line| input = Some(parse(&line)));
        bytes = rest;
    }
    (input, bytes)
}

fn carries_secret(input: Option<&Input>) -> bool {
    matches!(input, Some(Input::Message(message)) if may_carry_secret(message))
}

/// Overwrites the first `count` bytes, unless they are shared, and returns all bytes.
fn overwrite(bytes: Bytes, count: usize) -> Bytes {
    match bytes.try_into_mut() {
        Ok(mut bytes) => {
            bytes[..count].zeroize();
            bytes.freeze()
        }
        Err(shared) => shared,
    }
}

fn parse(line: &Line<'_>) -> Input {
    match line {
        Line::Text(text) => Message::parse(text)
            .map_or_else(|_| Input::Fault(LineFault::malformed(text)), Input::Message),
        Line::TooLong(tags) => Input::Fault(LineFault::too_long(tags.as_deref())),
        Line::NotUtf8(text) => {
            Input::Fault(LineFault::NotUtf8(Message::parse(text).ok().map(Box::new)))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
