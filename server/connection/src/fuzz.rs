//! The fuzz targets of this crate: each is a function that panics if an input breaks an invariant.
//! The crate in `fuzz/` runs them; its table lists all targets.

use std::io;
use std::pin::{Pin, pin};
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::{Builder, Runtime};

use crate::websocket::{self, MAX_MESSAGE, WebSocketLines};

/// Provides the timers of connections. Nothing runs on it.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_time().build();
    runtime.expect("without input and output, nothing is asked of the system")
});

/// The request of a client that behaves.
const HANDSHAKE: &[u8] = b"GET / HTTP/1.1\r\nHost: irc.test\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A client whose bytes have all arrived. It sends nothing in advance: `handshake` is read before
/// any of `input`.
struct Wire<'a> {
    handshake: &'a [u8],
    input: &'a [u8],
    /// How many bytes one read returns.
    step: usize,
    written: usize,
}

impl AsyncRead for Wire<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (
            step,
            Self {
                handshake, input, ..
            },
        ) = (self.step, &mut *self);
        let source = if handshake.is_empty() {
            input
        } else {
            handshake
        };
        let count = step.min(source.len()).min(buffer.remaining());
        let (head, rest) = source.split_at(count);
        buffer.put_slice(head);
        *source = rest;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.written += bytes.len();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A WebSocket connection. The first byte says whether the input contains the handshake too, and
/// how many bytes arrive at once. Everything that is read is whole lines.
pub fn websocket(data: &[u8]) {
    let Some((&mode, rest)) = data.split_first() else {
        return;
    };
    let wire = Wire {
        handshake: if mode & 1 == 0 { HANDSHAKE } else { &[] },
        input: rest,
        step: usize::from(mode >> 1).max(1) * 16,
        written: 0,
    };
    let _entered = RUNTIME.enter();
    let context = &mut Context::from_waker(Waker::noop());
    let Poll::Ready(accepted) = pin!(websocket::accept(wire, &[])).poll(context) else {
        panic!("a wire is always ready");
    };
    let Ok(mut lines) = accepted else {
        assert!(mode & 1 == 1, "this handshake is right");
        return;
    };
    let read = read_all(&mut lines, context);
    // A frame without a mask has a header of two bytes and becomes a line end of two bytes.
    assert!(read.len() <= rest.len());
    for line in read.split_inclusive(|&byte| byte == b'\n') {
        let body = line.strip_suffix(b"\r\n").expect("only whole lines");
        assert!(body.len() <= MAX_MESSAGE && !body.contains(&b'\r'));
    }
    let shut = Pin::new(&mut lines).poll_shutdown(context);
    assert!(shut.is_ready(), "closing ends");
}

/// Reads until the end of the stream.
fn read_all(lines: &mut WebSocketLines<Wire<'_>>, context: &mut Context<'_>) -> Vec<u8> {
    let mut read = Vec::new();
    loop {
        let mut bytes = [0; 512];
        let mut buffer = ReadBuf::new(&mut bytes);
        match Pin::new(&mut *lines).poll_read(context, &mut buffer) {
            Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                read.extend_from_slice(buffer.filled());
            }
            Poll::Ready(_) => return read,
            Poll::Pending => panic!("a wire is always ready"),
        }
    }
}
