//! TLS on the chat port: the server's end of a connection, on rustls' unbuffered interface.
//!
//! Most connections are idle most of the time, and an idle one holds no buffer. Records are
//! received and decrypted on the stack, and sealed in a buffer that the connections of a thread
//! share. A connection stores only what could not be passed on yet, each part bounded, and frees it
//! then: an incomplete record, plaintext that the reader had no room for, and what the socket did
//! not accept.
//!
//! rustls decides everything about the protocol. This module moves bytes.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::mem::{self, MaybeUninit};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use rustls::ServerConfig;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The maximum number of bytes that are received at once.
const RECEIVE: usize = 4096;
/// The maximum number of received bytes that are stored: as many as rustls accepts for a message of
/// the handshake that is split over records. An incomplete record is shorter, as rustls refuses a
/// longer one by its header.
const MAX_INCOMPLETE: usize = 0xffff;
/// The maximum number of bytes of plaintext in a record (RFC 8446 §5.1).
const MAX_PLAINTEXT: usize = 16 << 10;
/// Room for a full record with its header, nonce and tag, and for a `KeyUpdate` before it.
const SEALED: usize = MAX_PLAINTEXT + 512;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The buffers in which a record is put together and sealed. They are empty before the first use.
#[derive(Default)]
struct Scratch {
    plaintext: Vec<u8>,
    sealed: Vec<u8>,
}

thread_local! {
    /// The buffers of the connections of this thread. Nothing stays in use between two calls.
    static SCRATCH: Cell<Scratch> = const {
        Cell::new(Scratch { plaintext: Vec::new(), sealed: Vec::new() })
    };
}

/// A TLS connection over `S` whose handshake is done.
pub struct TlsStream<S> {
    stream: S,
    connection: UnbufferedServerConnection,
    /// What was received and could not be processed yet: an incomplete record, after incomplete
    /// messages of the handshake. rustls refers to positions in it.
    incomplete: BytesMut,
    /// Plaintext that was received and not read yet.
    unread: BytesMut,
    /// Records that the stream has not accepted yet.
    unsent: BytesMut,
    state: State,
}

/// What may still happen on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Reading and writing.
    Open,
    /// The client has sent `close_notify`. What it sends after that is not read.
    ClosedByClient,
    /// The server has sent `close_notify`. What the client still sends is discarded.
    ClosedByServer,
    /// The client has violated the protocol, and nothing but an alert is sent.
    Failed,
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    /// Performs the handshake of a client. Fails with `InvalidData` if the client or its handshake
    /// is refused; it is sent an alert if the stream accepts it at once.
    pub async fn accept(config: Arc<ServerConfig>, stream: S) -> io::Result<Self> {
        let mut tls = Self::new(config, stream).map_err(io::Error::other)?;
        poll_fn(|context| tls.poll_handshake(context)).await?;
        Ok(tls)
    }

    fn new(config: Arc<ServerConfig>, stream: S) -> Result<Self, rustls::Error> {
        Ok(Self {
            stream,
            connection: UnbufferedServerConnection::new(config)?,
            incomplete: BytesMut::new(),
            unread: BytesMut::new(),
            unsent: BytesMut::new(),
            state: State::Open,
        })
    }

    /// Replaces the stream beneath TLS, if that succeeds.
    pub fn try_map<E>(self, map: impl FnOnce(S) -> Result<S, E>) -> Result<Self, E> {
        Ok(Self {
            stream: map(self.stream)?,
            ..self
        })
    }

    /// Returns the stream beneath TLS.
    pub fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Returns what the handshake has agreed on.
    pub fn connection(&self) -> &UnbufferedServerConnection {
        &self.connection
    }

    fn poll_handshake(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_unsent(context))?;
            if !self.connection.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            if !ready!(self.poll_receive(context, &mut ReadBuf::new(&mut [])))? {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// Receives once and processes it, with its plaintext into `buffer` or, beyond that, to the
    /// unread. Returns whether something was received; otherwise the stream has ended.
    fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<bool>> {
        let mut space = [MaybeUninit::<u8>::uninit(); RECEIVE];
        let mut received = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut received))?;
        if received.filled().is_empty() {
            return Poll::Ready(Ok(false));
        }
        let processed = self.receive(received.filled_mut(), buffer);
        if processed.is_err() || !self.unsent.is_empty() {
            // An alert is sent if that is possible at once. Whether it is does not matter for
            // reading: an error of the stream is also reported by the next write.
            let _ = self.poll_unsent(context);
        }
        Poll::Ready(processed.map(|()| true))
    }

    /// Processes what was received. What is incomplete is stored and then processed where it is, so
    /// that each byte is copied once, however few arrive at a time.
    fn receive(&mut self, received: &mut [u8], buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        if self.state == State::ClosedByServer {
            return Ok(());
        }
        if self.incomplete.is_empty() {
            let done = self.process(received, buffer)?;
            self.incomplete.extend_from_slice(&received[done..]);
            return Ok(());
        }
        if self.incomplete.len() + received.len() > MAX_INCOMPLETE {
            return Err(self.fail("a message of the handshake is too long".into()));
        }
        let mut incomplete = mem::take(&mut self.incomplete);
        incomplete.extend_from_slice(received);
        let done = self.process(&mut incomplete, buffer)?;
        if done < incomplete.len() {
            incomplete.advance(done);
            self.incomplete = incomplete;
        }
        Ok(())
    }

    /// Processes the complete records in `incoming`. Returns how many bytes at its front are not
    /// needed any longer.
    fn process(&mut self, incoming: &mut [u8], buffer: &mut ReadBuf<'_>) -> io::Result<usize> {
        let mut done = 0;
        loop {
            let UnbufferedStatus { discard, state } =
                self.connection.process_tls_records(&mut incoming[done..]);
            done += discard;
            match state {
                Ok(ConnectionState::ReadTraffic(mut records)) => {
                    while let Some(record) = records.next_record() {
                        match record {
                            Ok(record) => {
                                done += record.discard;
                                pass_on(record.payload, buffer, &mut self.unread);
                            }
                            Err(error) => return Err(self.fail(error.into())),
                        }
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut reply)) => {
                    append(&mut self.unsent, |space| encoded(reply.encode(space)));
                }
                // The encoded replies are sent before anything else.
                Ok(ConnectionState::TransmitTlsData(replies)) => replies.done(),
                Ok(ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_)) => {
                    return Ok(done);
                }
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                    self.state = State::ClosedByClient;
                    return Ok(incoming.len());
                }
                // The configuration accepts no early data, and there are no other states.
                Ok(state) => {
                    let state = format!("unexpected: {state:?}");
                    return Err(self.fail(state.into()));
                }
                Err(error) => return Err(self.fail(error.into())),
            }
        }
    }

    /// Ends the connection for an error, with the alert that rustls has prepared for it.
    fn fail(&mut self, error: BoxError) -> io::Error {
        self.state = State::Failed;
        self.incomplete = BytesMut::new();
        self.unread = BytesMut::new();
        self.append_alert();
        io::Error::new(io::ErrorKind::InvalidData, error)
    }

    /// Appends the records that rustls has prepared after an error. While there are any, it does
    /// not process input, so that it needs none of what it has seen before.
    fn append_alert(&mut self) {
        while self.connection.wants_write() {
            match self.connection.process_tls_records(&mut []).state {
                Ok(ConnectionState::EncodeTlsData(mut alert)) => {
                    append(&mut self.unsent, |space| encoded(alert.encode(space)));
                }
                Ok(ConnectionState::ReadTraffic(mut records)) => {
                    while records.next_record().is_some() {}
                }
                _ => return,
            }
        }
    }

    /// Writes the first lines as one record, with as many of their bytes as fit in it. Returns how
    /// many these are. Nothing is accepted while a part of an earlier record waits.
    pub fn poll_write_lines<'l>(
        &mut self,
        context: &mut Context<'_>,
        lines: impl Iterator<Item = &'l [u8]>,
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_unsent(context))?;
        match self.state {
            State::Open | State::ClosedByClient => {}
            State::ClosedByServer | State::Failed => {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
        }
        let mut scratch = SCRATCH.take();
        let written = self.seal(context, lines, &mut scratch);
        SCRATCH.set(scratch);
        Poll::Ready(written)
    }

    /// Seals the first lines as one record, and sends it. Returns how many bytes were sealed. What
    /// the stream does not accept of the record is stored.
    fn seal<'l>(
        &mut self,
        context: &mut Context<'_>,
        lines: impl Iterator<Item = &'l [u8]>,
        scratch: &mut Scratch,
    ) -> io::Result<usize> {
        let plaintext = gather(lines, &mut scratch.plaintext);
        if plaintext.is_empty() {
            return Ok(0);
        }
        scratch.sealed.resize(SEALED, 0);
        let status = self.connection.process_tls_records(&mut self.incomplete);
        let sealed: Result<usize, BoxError> = match status.state {
            Ok(ConnectionState::WriteTraffic(mut writer)) => {
                match writer.encrypt(plaintext, &mut scratch.sealed) {
                    // There is room for all that rustls sends with it.
                    Err(EncryptError::InsufficientSize(size)) => {
                        scratch.sealed.resize(size.required_size, 0);
                        writer.encrypt(plaintext, &mut scratch.sealed)
                    }
                    result => result,
                }
                .map_err(BoxError::from)
            }
            // Everything else was processed when it was received.
            Ok(state) => Err(format!("unexpected: {state:?}").into()),
            Err(error) => Err(error.into()),
        };
        let length = sealed.map_err(|error| self.fail(error))?;
        let sealed = &scratch.sealed[..length];
        let sent = match Pin::new(&mut self.stream).poll_write(context, sealed) {
            Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(sent) => sent?,
            Poll::Pending => 0,
        };
        self.unsent.extend_from_slice(&sealed[sent..]);
        Ok(plaintext.len())
    }

    /// Sends the records that the stream has not accepted yet.
    fn poll_unsent(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unsent.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while !self.unsent.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(context, &self.unsent))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unsent.advance(sent);
        }
        self.unsent = BytesMut::new();
        Poll::Ready(Ok(()))
    }

    /// Appends `close_notify`, unless the connection has failed or is closed already.
    fn close(&mut self) {
        if matches!(self.state, State::Failed | State::ClosedByServer) {
            return;
        }
        let status = self.connection.process_tls_records(&mut self.incomplete);
        if let Ok(ConnectionState::WriteTraffic(mut writer)) = status.state {
            append(&mut self.unsent, |space| {
                match writer.queue_close_notify(space) {
                    Ok(written) => Ok(written),
                    Err(EncryptError::InsufficientSize(size)) => Err(Some(size)),
                    Err(EncryptError::EncryptExhausted) => Err(None),
                }
            });
        }
        self.state = State::ClosedByServer;
        self.incomplete = BytesMut::new();
        self.unread = BytesMut::new();
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    /// Reads plaintext. Returns none once the client has sent `close_notify`, and fails with
    /// `UnexpectedEof` if the stream ends without it. After a shutdown, what is received is
    /// discarded until the stream ends.
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        loop {
            if !self.unread.is_empty() {
                let count = self.unread.len().min(buffer.remaining());
                buffer.put_slice(&self.unread[..count]);
                self.unread.advance(count);
                if self.unread.is_empty() {
                    self.unread = BytesMut::new();
                }
                return Poll::Ready(Ok(()));
            }
            if buffer.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
            match self.state {
                State::Open | State::ClosedByServer => {}
                State::ClosedByClient => return Poll::Ready(Ok(())),
                State::Failed => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
            }
            if !ready!(self.poll_receive(context, buffer))? {
                return Poll::Ready(match self.state {
                    State::ClosedByServer => Ok(()),
                    _ => Err(io::ErrorKind::UnexpectedEof.into()),
                });
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_lines(context, std::iter::once(bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_unsent(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// Sends `close_notify`, and closes the stream for writing.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.close();
        ready!(self.poll_unsent(context))?;
        match ready!(Pin::new(&mut self.stream).poll_shutdown(context)) {
            // A client that is gone already needs no shutdown.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            result => Poll::Ready(result),
        }
    }
}

/// Copies plaintext into the reader's buffer, and what it has no room for to `unread`. Once
/// something is there, the buffer is full, so that the order remains.
fn pass_on(plaintext: &[u8], buffer: &mut ReadBuf<'_>, unread: &mut BytesMut) {
    let (now, later) = plaintext.split_at(plaintext.len().min(buffer.remaining()));
    buffer.put_slice(now);
    unread.extend_from_slice(later);
}

/// Returns the first bytes of the lines, up to the size of a record. Those of several lines are
/// copied together.
fn gather<'b, 'l: 'b>(
    mut lines: impl Iterator<Item = &'l [u8]>,
    plaintext: &'b mut Vec<u8>,
) -> &'b [u8] {
    let first = lines.next().unwrap_or_default();
    let Some(second) = lines.next() else {
        return &first[..first.len().min(MAX_PLAINTEXT)];
    };
    plaintext.clear();
    for line in [first, second].into_iter().chain(lines) {
        let room = MAX_PLAINTEXT - plaintext.len();
        plaintext.extend_from_slice(&line[..line.len().min(room)]);
        if line.len() >= room {
            break;
        }
    }
    plaintext
}

/// Appends what `encode` writes, in a space of the size that it requires.
fn append(
    unsent: &mut BytesMut,
    mut encode: impl FnMut(&mut [u8]) -> Result<usize, Option<InsufficientSizeError>>,
) {
    let start = unsent.len();
    if let Err(Some(size)) = encode(&mut []) {
        unsent.resize(start + size.required_size, 0);
        let written = encode(&mut unsent[start..]).unwrap_or(0);
        unsent.truncate(start + written);
    }
}

fn encoded(result: Result<usize, EncodeError>) -> Result<usize, Option<InsufficientSizeError>> {
    result.map_err(|error| match error {
        EncodeError::InsufficientSize(size) => Some(size),
        EncodeError::AlreadyEncoded => None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
