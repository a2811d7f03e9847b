//! WebSocket (RFC 6455, IRCv3 websocket): turns messages into lines, and lines into messages, so
//! that the session reads and writes the same bytes as over plain TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use futures_util::{Sink as _, Stream as _};
use rookery_base::config::ANY_ORIGIN;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
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
    let host_of = |text: &str| Some(text.parse::<Authority>().ok()?.host().to_ascii_lowercase());
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    origin
        .strip_prefix("https://")
        .and_then(host_of)
        .is_some_and(|page| host.and_then(host_of) == Some(page))
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
        Poll::Ready(Ok(sent))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocketLines<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_next(context)) {
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

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut sent = 0;
        for slice in slices {
            match self.poll_send(context, slice) {
                Poll::Ready(written) => {
                    let written = written?;
                    sent += written;
                    if written < slice.len() {
                        break;
                    }
                }
                Poll::Pending if sent > 0 => break,
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(sent))
    }

    fn is_write_vectored(&self) -> bool {
        true
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
mod tests {
    use futures_util::{SinkExt as _, StreamExt as _};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio_tungstenite::client_async;
    use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
    use tokio_tungstenite::tungstenite::protocol::frame::Frame;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

    use super::*;

    type Client = WebSocketStream<DuplexStream>;

    /// Connects both ends. Returns them with the subprotocol that was chosen; the client sends
    /// these headers too.
    async fn pair(
        origins: &[&str],
        headers: &[(header::HeaderName, &'static str)],
    ) -> Result<(Client, WebSocketLines<DuplexStream>, Option<String>), Error> {
        let (near, far) = duplex(64 * 1024);
        let mut request = "ws://irc.test/".into_client_request().unwrap();
        for (name, value) in headers {
            request
                .headers_mut()
                .append(name, HeaderValue::from_static(value));
        }
        let origins: Vec<String> = origins.iter().map(ToString::to_string).collect();
        let (client, server) = tokio::join!(client_async(request, near), accept(far, &origins));
        let (client, response) = client?;
        let agreed = response.headers().get(header::SEC_WEBSOCKET_PROTOCOL);
        Ok((
            client,
            server?,
            agreed.map(|name| name.to_str().unwrap().to_owned()),
        ))
    }

    async fn plain_pair() -> (Client, WebSocketLines<DuplexStream>) {
        let (client, server, _) = pair(&[], &[]).await.unwrap();
        (client, server)
    }

    async fn read_line(server: &mut WebSocketLines<DuplexStream>) -> Vec<u8> {
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            line.push(server.read_u8().await.unwrap());
        }
        line
    }

    async fn close_code(client: &mut Client) -> CloseCode {
        loop {
            match client.next().await {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code,
                Some(Ok(_)) => {}
                other => panic!("no close frame: {other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn the_clients_first_choice_counts() {
        const PROTOCOL: header::HeaderName = header::SEC_WEBSOCKET_PROTOCOL;
        for (listed, agreed, is_binary) in [
            ("text.ircv3.net", Some("text.ircv3.net"), false),
            (
                "binary.ircv3.net, text.ircv3.net",
                Some("binary.ircv3.net"),
                true,
            ),
            (
                "chat, text.ircv3.net,binary.ircv3.net",
                Some("text.ircv3.net"),
                false,
            ),
        ] {
            let (mut client, mut server, got) = pair(&[], &[(PROTOCOL, listed)]).await.unwrap();
            assert_eq!(got.as_deref(), agreed, "{listed}");
            server
                .write_all(b":s NOTICE a :h\xc3\xa9\r\nPING x\r\n")
                .await
                .unwrap();
            server.flush().await.unwrap();
            let (first, second) = (
                client.next().await.unwrap().unwrap(),
                client.next().await.unwrap().unwrap(),
            );
            assert_eq!(
                (first.is_binary(), first.into_text().unwrap().as_str()),
                (is_binary, ":s NOTICE a :hé")
            );
            assert_eq!(second.into_text().unwrap().as_str(), "PING x");
        }
        let (_, server, got) = pair(&[], &[]).await.unwrap();
        assert!(got.is_none() && !server.is_binary);
    }

    #[tokio::test]
    async fn pages_of_other_origins_are_refused() {
        let listed = ["https://chat.example.org"].as_slice();
        for (origins, origin, allowed) in [
            (listed, "https://CHAT.example.org", true),
            (listed, "https://chat.example.org:444", false),
            (listed, "https://irc.test", false),
            (listed, "https://evil.example", false),
            (listed, "null", false),
            // Without a list, the host of the request, which is `irc.test`.
            (&[], "https://IRC.test", true),
            (&[], "https://irc.test:8443", true),
            (&[], "http://irc.test", false),
            (&[], "https://irc.test.evil.example", false),
            (&[], "https://irc.test@evil.example", false),
            (&[], "https://evil.example", false),
            (&[], "null", false),
            (&["*"], "https://evil.example", true),
        ] {
            let result = pair(origins, &[(header::ORIGIN, origin)]).await;
            match result {
                Ok(_) => assert!(allowed, "{origins:?} {origin}"),
                Err(Error::Http(response)) => {
                    assert!(!allowed && response.status() == 403, "{origins:?} {origin}");
                }
                Err(other) => panic!("{other}"),
            }
        }
        for origins in [listed, &[]] {
            assert!(pair(origins, &[]).await.is_ok(), "no page, no origin");
        }
    }

    #[tokio::test]
    async fn a_message_is_one_line_even_in_fragments_and_pings_are_answered() {
        let (mut client, mut server) = plain_pair().await;
        client.send(Message::Ping("x".into())).await.unwrap();
        client.send(Message::text("PING a")).await.unwrap();
        client
            .send(Message::binary(b"PING \xff\r\n".as_slice()))
            .await
            .unwrap();
        client.send(Message::text("PING a\r\nQUIT")).await.unwrap();
        for (opcode, text, last) in [(Data::Text, "PING ", false), (Data::Continue, "b", true)] {
            let frame = Frame::message(text.as_bytes().to_vec(), OpCode::Data(opcode), last);
            client.send(Message::Frame(frame)).await.unwrap();
        }
        assert_eq!(read_line(&mut server).await, b"PING a\r\n");
        assert_eq!(
            read_line(&mut server).await,
            b"PING \xff\r\n",
            "UTF-8 is checked later"
        );
        assert_eq!(
            read_line(&mut server).await,
            b"PING a\0\0QUIT\r\n",
            "a message cannot contain a second line"
        );
        assert_eq!(read_line(&mut server).await, b"PING b\r\n");
        assert!(matches!(client.next().await, Some(Ok(Message::Pong(text))) if text == "x"));
    }

    #[tokio::test]
    async fn invalid_messages_end_the_connection_with_a_close_code() {
        let frame = |opcode, bytes: &[u8]| {
            Message::Frame(Frame::message(bytes.to_vec(), OpCode::Data(opcode), true))
        };
        for (message, code) in [
            (Message::text("x".repeat(MAX_MESSAGE + 1)), CloseCode::Size),
            (frame(Data::Text, b"\xff"), CloseCode::Invalid),
            (frame(Data::Continue, b"x"), CloseCode::Protocol),
        ] {
            let (mut client, mut server) = plain_pair().await;
            client.send(message).await.unwrap();
            let mut rest = Vec::new();
            server.read_to_end(&mut rest).await.unwrap();
            assert!(rest.is_empty());
            let (_, got) = tokio::join!(server.shutdown(), close_code(&mut client));
            assert_eq!(got, code);
        }
    }

    #[tokio::test]
    async fn either_side_may_close_first() {
        let (mut client, mut server) = plain_pair().await;
        server.write_all(b"ERROR :bye\r\n").await.unwrap();
        let client_side = async {
            assert_eq!(
                client
                    .next()
                    .await
                    .unwrap()
                    .unwrap()
                    .into_text()
                    .unwrap()
                    .as_str(),
                "ERROR :bye"
            );
            let code = close_code(&mut client).await;
            // The client's own close frame is sent by the next poll.
            let _ = client.next().await;
            code
        };
        let (shut, code) = tokio::join!(server.shutdown(), client_side);
        assert_eq!((shut.is_ok(), code), (true, CloseCode::Normal));

        let (mut client, mut server) = plain_pair().await;
        client.close(None).await.unwrap();
        let mut rest = Vec::new();
        server.read_to_end(&mut rest).await.unwrap();
        let _ = server.shutdown().await;
        assert!(matches!(
            client.next().await,
            Some(Ok(Message::Close(_))) | None
        ));
    }

    #[tokio::test]
    async fn writing_to_a_client_that_reads_nothing_blocks() {
        let (_client, mut server) = plain_pair().await;
        let line = format!("NOTICE a :{}\r\n", "x".repeat(400));
        let mut written_bytes = 0;
        loop {
            let write = tokio::time::timeout(
                std::time::Duration::from_millis(200),
                server.write(line.as_bytes()),
            );
            let Ok(written) = write.await else { break };
            written_bytes += written.unwrap();
            assert!(
                written_bytes < 256 * 1024,
                "the writer accepts lines without end"
            );
        }
    }

    #[tokio::test]
    async fn pings_of_a_client_that_reads_nothing_take_no_memory() {
        const PINGS: usize = 10_000;
        let (mut client, mut server) = plain_pair().await;
        let flood = async {
            for _ in 0..PINGS {
                client
                    .feed(Message::Ping(vec![0; 125].into()))
                    .await
                    .unwrap();
            }
            client.send(Message::text("PING last")).await.unwrap();
        };
        let (line, ()) = tokio::join!(read_line(&mut server), flood);
        assert_eq!(line, b"PING last\r\n");
        let _ = tokio::time::timeout(std::time::Duration::from_millis(50), server.flush()).await;
        let mut pongs = 0;
        let answers = async {
            while let Some(Ok(Message::Pong(_))) = client.next().await {
                pongs += 1;
            }
        };
        let answers = tokio::time::timeout(std::time::Duration::from_millis(500), answers);
        let (_, ()) = tokio::join!(answers, async {
            let _ = server.flush().await;
        });
        assert!(pongs > 0 && pongs < PINGS / 4, "{pongs} pongs were stored");
    }
}
