//! The connection of a session: TLS, or WebSocket over TLS. The session reads and writes lines
//! either way.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use super::metered::MeteredStream;
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
        tls.get_mut().0.take_received()
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

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tls(stream) => stream.is_write_vectored(),
            Self::WebSocket(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, poll_shutdown(context))
    }
}
