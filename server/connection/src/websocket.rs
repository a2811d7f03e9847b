//! WebSocket (RFC 6455, IRCv3 websocket): turns messages into lines, and lines into messages, so
//! that the session reads and writes the same bytes as over plain TLS.
//!
//! A proxy between a browser and the server closes a connection on which it reads nothing for a
//! while, so a ping frame is sent after a time without messages. Whether the client still responds
//! is found by the `PING` of IRC, as over plain TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use futures_util::{Sink as _, Stream as _};
use rookery_base::config::ANY_ORIGIN;
use rookery_base::net::{Origin, split_origin};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::uri::Authority;
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

/// The maximum size of a message in bytes. It is larger than that of a line, so that a client whose
/// line is too long receives a reply. A longer message ends the connection.
pub const MAX_MESSAGE: usize = 16 * 1024;
/// How many bytes are read at once, and collected before they are written.
const BUFFER: usize = 4096;
/// How many bytes may wait to be written. Replies to pings collect while a client reads nothing,
/// and the send queue does not count them.
const MAX_WRITE: usize = 64 * 1024;
/// After how long without messages to the client a ping frame is sent. Widespread proxies wait for
/// a minute.
const PING_AFTER: Duration = Duration::from_secs(30);
/// The subprotocol with text messages.
const TEXT: &str = "text.ircv3.net";
/// The subprotocol with binary messages.
const BINARY: &str = "binary.ircv3.net";

/// A WebSocket over `S`, as a stream of lines.
pub struct WebSocketLines<S> {
    socket: WebSocketStream<S>,
    is_binary: bool,
    /// The part of the last message's line that has not been read yet.
    unread: Bytes,
    /// The code of our close frame.
    code: CloseCode,
    closing: Closing,
    /// When a message or ping frame was last sent.
    sent_at: Instant,
    /// Elapses at the earliest time at which a ping frame may be due. Messages do not reset it, so
    /// that they cost nothing here.
    /// Created on the runtime of the session, and not during the handshake.
    ping_timer: Option<Pin<Box<Sleep>>>,
    /// Whether a ping frame is being sent.
    is_pinging: bool,
}

/// The progress of the closing handshake.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Closing {
    /// It has not begun.
    Open,
    /// Our close frame is being sent.
    Sending,
    /// Our close frame is sent. What the client still sends is read, up to its close frame: if the
    /// connection closed with unread bytes, ours could be lost (TCP reset).
    Sent,
}

/// Accepts a client's WebSocket handshake. Pages of sites that are not in `origins` are refused; if
/// it is empty, pages of other hosts than the server's own.
#[expect(clippy::result_large_err, reason = "the library requires this type")]
pub async fn accept<S>(stream: S, origins: &[String]) -> Result<WebSocketLines<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut is_binary = false;
    let callback =
        |request: &Request, response| respond(request, response, origins, &mut is_binary);
    let limits = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_write_buffer_size(MAX_WRITE)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let socket =
        tokio_tungstenite::accept_hdr_async_with_config(stream, callback, Some(limits)).await?;
    Ok(WebSocketLines {
        socket,
        is_binary,
        unread: Bytes::new(),
        code: CloseCode::Normal,
        closing: Closing::Open,
        sent_at: Instant::now(),
        ping_timer: None,
        is_pinging: false,
    })
}

#[expect(clippy::result_large_err, reason = "the library requires this type")]
/// Chooses the subprotocol, or refuses the handshake.
fn respond(
    request: &Request,
    mut response: Response,
    origins: &[String],
    is_binary: &mut bool,
) -> Result<Response, ErrorResponse> {
    if !is_allowed(request.headers(), origins) {
        let mut refusal =
            ErrorResponse::new(Some("Pages from this origin may not connect.\n".to_owned()));
        *refusal.status_mut() = StatusCode::FORBIDDEN;
        return Err(refusal);
    }
    // The client lists subprotocols by preference, so the first known one is chosen. If none is
    // known, messages are text.
    let listed = request
        .headers()
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter();
    let mut listed = listed
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','));
    if let Some(chosen) = listed.find_map(|name| {
        [TEXT, BINARY]
            .into_iter()
            .find(|known| *known == name.trim())
    }) {
        *is_binary = chosen == BINARY;
        response.headers_mut().insert(
            header::SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static(chosen),
        );
    }
    Ok(response)
}

/// Whether the origin of the page may connect. Only browsers send an origin that can be
/// trusted; the check protects their users from other pages.
fn is_allowed(headers: &HeaderMap, origins: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    if origins.is_empty() {
        return is_of_this_host(origin, headers);
    }
    origins
        .iter()
        .any(|known| known == ANY_ORIGIN || origin.eq_ignore_ascii_case(known))
}

/// Whether the page is from the host that the request is for; the ports may differ.
fn is_of_this_host(origin: &str, headers: &HeaderMap) -> bool {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let (Some(page), Some(host)) = (split_origin(origin), host) else {
        return false;
    };
    let Origin {
        scheme, host: page, ..
    } = page;
    scheme == "https" && page.eq_ignore_ascii_case(host.host())
}

/// Returns the message as a line. A message must be one line: line ends inside it become NUL,
/// which makes the line invalid.
fn to_line(message: &[u8]) -> Bytes {
    let message = message.strip_suffix(b"\n").unwrap_or(message);
    let message = message.strip_suffix(b"\r").unwrap_or(message);
    let mut line = BytesMut::with_capacity(message.len() + 2);
    line.extend(message.iter().map(|&byte| {
        if matches!(byte, b'\r' | b'\n') {
            0
        } else {
            byte
        }
    }));
    line.put_slice(b"\r\n");
    line.freeze()
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocketLines<S> {
    /// Returns the stream beneath the WebSocket.
    pub fn stream_mut(&mut self) -> &mut S {
        self.socket.get_mut()
    }

    /// Returns the message of a line.
    fn to_message(&self, line: &[u8]) -> Message {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if self.is_binary {
            Message::Binary(Bytes::copy_from_slice(line))
        } else {
            Message::text(String::from_utf8_lossy(line).into_owned())
        }
    }

    /// Sends the first lines, as many as there is room for. Returns how many bytes they had.
    pub fn poll_write_lines<'l>(
        &mut self,
        context: &mut Context<'_>,
        lines: impl Iterator<Item = &'l [u8]>,
    ) -> Poll<io::Result<usize>> {
        let mut sent = 0;
        for line in lines {
            match self.poll_send(context, line) {
                Poll::Ready(written) => {
                    let written = written?;
                    sent += written;
                    if written < line.len() {
                        break;
                    }
                }
                Poll::Pending if sent > 0 => break,
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(sent))
    }

    /// Sends whole lines, as many as there is room for. Returns how many bytes they had.
    fn poll_send(&mut self, context: &mut Context<'_>, lines: &[u8]) -> Poll<io::Result<usize>> {
        let mut sent = 0;
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            match Pin::new(&mut self.socket).poll_ready(context) {
                Poll::Ready(ready) => ready.map_err(to_io)?,
                Poll::Pending if sent > 0 => break,
                Poll::Pending => return Poll::Pending,
            }
            let message = self.to_message(line);
            Pin::new(&mut self.socket)
                .start_send(message)
                .map_err(to_io)?;
            sent += line.len();
        }
        self.sent_at = Instant::now();
        Poll::Ready(Ok(sent))
    }

    /// Waits until a ping frame is due, and sends it.
    fn poll_ping(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.is_pinging {
            let due_at = self.sent_at + PING_AFTER;
            let timer = self
                .ping_timer
                .get_or_insert_with(|| Box::pin(sleep_until(due_at)));
            // It may have been set before the last frame was sent.
            ready!(timer.as_mut().poll(context));
            self.ping_timer = None;
            if due_at <= Instant::now() {
                // If earlier frames still wait to be written, the connection is not silent.
                ready!(Pin::new(&mut self.socket).poll_ready(context)).map_err(to_io)?;
                let ping = Message::Ping(Bytes::new());
                Pin::new(&mut self.socket).start_send(ping).map_err(to_io)?;
                self.sent_at = Instant::now();
                self.is_pinging = true;
            }
        }
        ready!(Pin::new(&mut self.socket).poll_flush(context)).map_err(to_io)?;
        self.is_pinging = false;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocketLines<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            let Poll::Ready(message) = Pin::new(&mut self.socket).poll_next(context) else {
                // After a ping, the timer must be polled again to wake the task.
                ready!(self.poll_ping(context))?;
                continue;
            };
            match message {
                Some(Ok(Message::Text(text))) => self.unread = to_line(text.as_bytes()),
                Some(Ok(Message::Binary(bytes))) => self.unread = to_line(&bytes),
                // The library replies to pings and to close frames.
                Some(Ok(_)) => {}
                Some(Err(Error::Io(error))) => return Poll::Ready(Err(error)),
                Some(Err(error)) => {
                    self.code = code_of(&error);
                    return Poll::Ready(Ok(()));
                }
                None => return Poll::Ready(Ok(())),
            }
        }
        let count = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread[..count]);
        self.unread.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocketLines<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        lines: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(context, lines)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket)
            .poll_flush(context)
            .map_err(to_io)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closing == Closing::Open {
            let frame = CloseFrame {
                code: self.code,
                reason: "".into(),
            };
            // The client may have closed first.
            let _ = Pin::new(&mut self.socket).start_send(Message::Close(Some(frame)));
            self.closing = Closing::Sending;
        }
        if self.closing == Closing::Sending {
            let _ = ready!(Pin::new(&mut self.socket).poll_flush(context));
            self.closing = Closing::Sent;
        }
        while let Some(Ok(_)) = ready!(Pin::new(&mut self.socket).poll_next(context)) {}
        Pin::new(self.socket.get_mut()).poll_shutdown(context)
    }
}

/// Returns the close code for an error of the client.
fn code_of(error: &Error) -> CloseCode {
    match error {
        Error::Capacity(_) => CloseCode::Size,
        Error::Utf8(_) => CloseCode::Invalid,
        _ => CloseCode::Protocol,
    }
}

fn to_io(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        Error::ConnectionClosed | Error::AlreadyClosed => io::ErrorKind::BrokenPipe.into(),
        other => io::Error::other(other),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
