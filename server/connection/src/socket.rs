//! The connection of a session: TLS, or WebSocket over TLS. The session reads and writes lines
//! either way.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::metered::MeteredStream;
use super::tls_stream::TlsStream;
use super::websocket::WebSocketLines;

/// A connection whose TLS and WebSocket handshakes are done.
#[expect(
    clippy::large_enum_variant,
    reason = "most connections are TLS alone, and a box would cost each of them an allocation"
)]
pub enum Socket {
    /// TLS alone.
    Tls(TlsStream<MeteredStream>),
    /// WebSocket over TLS.
    WebSocket(Box<WebSocketLines<TlsStream<MeteredStream>>>),
}

impl Socket {
    /// Returns the number of bytes that were received since the last call, with those of TLS and
    /// WebSocket.
    pub fn take_received(&mut self) -> u64 {
        let tls = match self {
            Self::Tls(tls) => tls,
            Self::WebSocket(lines) => lines.stream_mut(),
        };
        tls.stream_mut().take_received()
    }

    /// Writes the first lines, as many as there is room for; over plain TLS, as one record. Returns
    /// how many of their bytes were written.
    pub fn poll_write_lines(
        &mut self,
        context: &mut Context<'_>,
        lines: &VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        let lines = lines.iter().map(|line| &**line);
        match self {
            Self::Tls(stream) => stream.poll_write_lines(context, lines),
            Self::WebSocket(stream) => stream.poll_write_lines(context, lines),
        }
    }
}

/// Calls a method of the stream inside.
macro_rules! each {
    ($socket:expr, $method:ident ( $($argument:expr),* )) => {
        match $socket.get_mut() {
            Self::Tls(stream) => Pin::new(stream).$method($($argument),*),
            Self::WebSocket(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self, poll_read(context, buffer))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(self, poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, poll_shutdown(context))
    }
}
