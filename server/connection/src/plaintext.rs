//! Replies in plaintext to clients that connect without TLS, in the protocol that they seem to use.

use tokio::net::TcpStream;

use rookery_base::net::close_with;

use super::Transport;

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

/// Sends that the port requires TLS, and closes the connection.
pub async fn refuse(mut stream: TcpStream, transport: Transport) {
    let mut head = [0; 16];
    let Ok(length) = stream.peek(&mut head).await else {
        return;
    };
    let text = if HTTP_METHODS
        .iter()
        .any(|method| head[..length].starts_with(method))
    {
        let text = match transport {
            Transport::Irc => "This port serves IRC over TLS, not web pages.\r\n",
            Transport::WebSocket => "This port serves WebSocket over TLS (wss), not web pages.\r\n",
        };
        let length = text.len();
        format!(
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\
             Content-Length: {length}\r\n\r\n{text}"
        )
    } else {
        "ERROR :This port speaks TLS only; enable TLS in your client.\r\n".to_owned()
    };
    close_with(&mut stream, text.as_bytes()).await;
}
