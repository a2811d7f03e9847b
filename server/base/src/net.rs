//! Helpers for addresses and new connections, shared by the chat port and the control plane.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The first byte of every TLS connection (RFC 8446 §5.1, `handshake`).
const TLS_HANDSHAKE: u8 = 22;

/// Whether the connection begins with a TLS handshake. Waits for the first byte without consuming
/// it. Fails with `UnexpectedEof` if the connection is closed before the first byte.
pub async fn is_tls(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    match stream.peek(&mut first).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(first[0] == TLS_HANDSHAKE),
    }
}

/// Sends `text` and closes the connection. Before it closes, it reads and discards input for up to
/// a second: closing a socket with unread bytes would reset the connection, and the client might
/// never receive the text.
pub async fn close_with(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), text: &[u8]) {
    let closing = async {
        stream.write_all(text).await?;
        stream.shutdown().await?;
        tokio::io::copy(stream, &mut tokio::io::sink()).await
    };
    // The connection is closed in any case, so errors and the timeout are ignored.
    let _ = timeout(Duration::from_secs(1), closing).await;
}
