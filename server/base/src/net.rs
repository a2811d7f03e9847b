//! Helpers for addresses and new connections, shared by the chat port and the control plane.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
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

/// The parts of an origin, which is `scheme "://" host [ ":" port ]` (RFC 6454 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The scheme, such as `https`.
    pub scheme: &'a str,
    /// The host. An IPv6 address is in brackets.
    pub host: &'a str,
    /// The port, if it is named.
    pub port: Option<u16>,
}

/// Returns the parts of an origin. Returns none for any other text, such as `null` or an address
/// with a path, and if no web site has such a host.
pub fn split_origin(origin: &str) -> Option<Origin<'_>> {
    let (scheme, rest) = origin.split_once("://")?;
    let end = match rest.strip_prefix('[') {
        Some(literal) => literal.find(']')? + 2,
        None => rest.find(':').unwrap_or(rest.len()),
    };
    let (host, port) = rest.split_at(end);
    let port = match port.strip_prefix(':') {
        Some(port) => Some(parse_port(port)?),
        None if port.is_empty() => None,
        None => return None,
    };
    (is_scheme(scheme) && is_host(host)).then_some(Origin { scheme, host, port })
}

/// Parses a port in the only form that browsers send: without sign and leading zeros.
fn parse_port(text: &str) -> Option<u16> {
    let port: u16 = text.parse().ok()?;
    (port.to_string() == text).then_some(port)
}

/// Whether the text is a scheme (RFC 3986 §3.1).
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// Whether the text is an IPv6 address in brackets, an IPv4 address or a name of the DNS, as
/// browsers send it. RFC 3986 §3.2.2 allows more characters, such as `*` and `%`, which no such
/// name contains.
fn is_host(text: &str) -> bool {
    if let Some(literal) = text.strip_prefix('[') {
        let address = literal.strip_suffix(']');
        let parsed = address.and_then(|address| address.parse::<Ipv6Addr>().ok());
        return parsed
            .zip(address)
            .is_some_and(|(parsed, address)| parsed.to_string().eq_ignore_ascii_case(address));
    }
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    // The root's dot may end a name.
    let name = text.strip_suffix('.').unwrap_or(text);
    // What ends in a number is an address (WHATWG URL §3.5).
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_number = last.starts_with(|first: char| first.is_ascii_digit());
    let is_no_address = !is_number || text.parse::<Ipv4Addr>().is_ok();
    let mut labels = name.split('.');
    is_no_address && labels.all(|label| !label.is_empty() && label.bytes().all(is_allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_a_host_and_perhaps_a_port() {
        for (origin, host, port) in [
            ("https://chat.example.org", "chat.example.org", None),
            ("https://a_b.x--y.", "a_b.x--y.", None),
            (
                "https://chat.example.org:443",
                "chat.example.org",
                Some(443),
            ),
            ("https://chat.example.org:0", "chat.example.org", Some(0)),
            ("https://192.0.2.1:65535", "192.0.2.1", Some(65535)),
            ("https://[2001:db8::1]", "[2001:db8::1]", None),
            ("https://[2001:db8::1]:8443", "[2001:db8::1]", Some(8443)),
        ] {
            let scheme = "https";
            assert_eq!(split_origin(origin), Some(Origin { scheme, host, port }));
        }
        for other in [
            "null",
            "*",
            "",
            "chat.example.org",
            "://chat.example.org",
            "1://chat.example.org",
            "https://",
            "https://:8443",
            "https://chat.example.org:",
            "https://chat.example.org:x",
            "https://chat.example.org:+80",
            "https://chat.example.org:0443",
            "https://*.example.org",
            "https://%",
            "https://.",
            "https://chat..example.org",
            "https://chat.example.org,b.example",
            "https://chat.example.org:65536",
            "https://chat.example.org:80:80",
            "https://chat.example.org/",
            "https://chat.example.org?x",
            "https://chat.example.org evil",
            "https://user@chat.example.org",
            "https://[2001:db8::1",
            "https://[chat]",
            "https://[::1]x",
            "https://2001:db8::1",
            "https://[2001:db8:0::1]",
            "https://192.0.2.01",
            "https://0x7f.1",
            "https://b\u{fc}cher.example",
        ] {
            assert_eq!(split_origin(other), None, "{other}");
        }
    }
}
