//! Whoever speaks plainly to a port that speaks TLS gets an answer in the language they used.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Door;

/// The first byte of every TLS connection (RFC 8446 §5.1, `handshake`).
const TLS_HANDSHAKE: u8 = 22;
const HTTP_METHODS: [&[u8]; 8] = [
    b"GET ",
    b"POST ",
    b"PUT ",
    b"HEAD ",
    b"DELETE ",
    b"OPTIONS ",
    b"CONNECT ",
    b"PATCH ",
];

/// Whether the connection begins as TLS does; waits for its first byte and leaves it in place.
pub async fn is_tls(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    match stream.peek(&mut first).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(first[0] == TLS_HANDSHAKE),
    }
}

/// Says that the port is for TLS, and closes.
pub async fn answer(mut stream: TcpStream, door: Door) {
    let mut head = [0; 16];
    let Ok(length) = stream.peek(&mut head).await else {
        return;
    };
    let text = if HTTP_METHODS
        .iter()
        .any(|method| head[..length].starts_with(method))
    {
        let text = match door {
            Door::Irc => "This port speaks IRC over TLS. There are no web pages on it.\r\n",
            Door::Web => {
                "This port speaks WebSocket over TLS (wss). There are no web pages on it.\r\n"
            }
        };
        let length = text.len();
        format!(
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\
             Content-Length: {length}\r\n\r\n{text}"
        )
    } else {
        "ERROR :This port speaks TLS only: switch TLS on in your client.\r\n".to_owned()
    };
    close_with(&mut stream, text.as_bytes()).await;
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
