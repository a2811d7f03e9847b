//! What the chat port and the control plane both need to know of addresses and connections.

use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The first byte of every TLS connection (RFC 8446 §5.1, `handshake`).
const TLS_HANDSHAKE: u8 = 22;

/// The address as one who can change it cheaply has it: an IPv4 address, or the first 64 bits of an
/// IPv6 one, which are the network of one customer.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Whether the connection begins as TLS does; waits for its first byte and leaves it in place.
pub async fn is_tls(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    match stream.peek(&mut first).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(first[0] == TLS_HANDSHAKE),
    }
}

/// Sends a last word and closes so that it arrives: what the client still sends is read, for a
/// moment, since closing over unread bytes would reset the connection.
pub async fn close_with(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), text: &[u8]) {
    let farewell = async {
        stream.write_all(text).await?;
        stream.shutdown().await?;
        tokio::io::copy(stream, &mut tokio::io::sink()).await
    };
    // Whatever goes wrong here, the connection is over.
    let _ = timeout(Duration::from_secs(1), farewell).await;
}
