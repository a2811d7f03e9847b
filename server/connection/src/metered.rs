//! A TCP connection that counts what it receives, beneath TLS and WebSocket.
//!
//! Both have frames that carry no data: pings, empty fragments, records of one byte. They cost time
//! and never become a line, so flood control counts bytes beside lines.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::Handle;

/// How many bytes are received before the task yields: the layers above read in a loop while there
/// is something to read, and nothing else happens in the session meanwhile.
const YIELD_AFTER: usize = 16 << 10;

/// A TCP connection with a count of what was received.
pub struct MeteredStream {
    stream: TcpStream,
    received: u64,
    since_yield: usize,
}

impl MeteredStream {
    /// Counts what `stream` receives from now on.
    pub fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            received: 0,
            since_yield: 0,
        }
    }

    /// Moves the connection to another runtime, whose threads then wait for it.
    pub fn move_to(self, runtime: &Handle) -> io::Result<Self> {
        let stream = self.stream.into_std()?;
        let _entered = runtime.enter();
        Ok(Self {
            stream: TcpStream::from_std(stream)?,
            ..self
        })
    }

    /// Returns the number of bytes that were received since the last call.
    pub fn take_received(&mut self) -> u64 {
        std::mem::take(&mut self.received)
    }
}

impl AsyncRead for MeteredStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.since_yield >= YIELD_AFTER {
            self.since_yield = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let count = buffer.filled().len() - before;
        self.received += count as u64;
        self.since_yield += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for MeteredStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
