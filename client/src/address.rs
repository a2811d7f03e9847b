//! The address of a server: a host and a port, in the forms that users type.

use std::fmt;
use std::str::FromStr;

use rustls::pki_types::ServerName;
use serde::Deserialize;

/// The port of an address without one.
pub const DEFAULT_PORT: u16 = 6697;

/// A server's host and port. Two spellings of the same address are equal.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ServerAddress {
    /// A name in lower case, or an IP address without brackets.
    host: String,
    port: u16,
    name: ServerName<'static>,
}

/// Why an address is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The host is neither a name nor an IP address.
    #[error("not a valid host: use a name, an address, HOST:PORT or [ADDRESS]:PORT")]
    BadHost,
    /// The port is not a number from 1 to 65535.
    #[error("a port must be a number from 1 to 65535")]
    BadPort,
}

impl ServerAddress {
    /// Returns the name or IP address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the name that the server's certificate must contain.
    pub fn name(&self) -> ServerName<'static> {
        self.name.clone()
    }
}

impl FromStr for ServerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (host, port) = match text.strip_prefix('[') {
            Some(bracketed) => {
                let (host, rest) = bracketed.split_once(']').ok_or(AddressError::BadHost)?;
                match rest {
                    "" => (host, None),
                    _ => (
                        host,
                        Some(rest.strip_prefix(':').ok_or(AddressError::BadHost)?),
                    ),
                }
            }
            // An IPv6 address without brackets has more than one colon, and no port.
            None => match text.split_once(':') {
                Some((host, port)) if !port.contains(':') => (host, Some(port)),
                _ => (text, None),
            },
        };
        let port = match port {
            None => DEFAULT_PORT,
            Some(port) => port
                .parse()
                .ok()
                .filter(|&port| port != 0)
                .ok_or(AddressError::BadPort)?,
        };
        let host = host.to_ascii_lowercase();
        let name = ServerName::try_from(host.clone()).map_err(|_| AddressError::BadHost)?;
        Ok(Self { host, port, name })
    }
}

impl TryFrom<String> for ServerAddress {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(out, "[{}]:{}", self.host, self.port)
        } else {
            write!(out, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, AddressError> {
        text.parse()
            .map(|address: ServerAddress| address.to_string())
    }

    #[test]
    fn the_port_may_be_left_out() {
        assert_eq!(read("chat.example.org").unwrap(), "chat.example.org:6697");
        assert_eq!(
            read("Chat.Example.org:7000").unwrap(),
            "chat.example.org:7000"
        );
        assert_eq!(read("127.0.0.1").unwrap(), "127.0.0.1:6697");
        assert_eq!(read("::1").unwrap(), "[::1]:6697");
        assert_eq!(read("[::1]:7000").unwrap(), "[::1]:7000");
    }

    #[test]
    fn invalid_addresses_are_refused() {
        for bad in ["", ":6697", "a b", "[::1", "[::1]7000", "a/b", "host\u{1b}"] {
            assert_eq!(read(bad), Err(AddressError::BadHost), "{bad:?}");
        }
        for bad in [
            "localhost:",
            "localhost:0",
            "localhost:65536",
            "localhost:irc",
        ] {
            assert_eq!(read(bad), Err(AddressError::BadPort), "{bad:?}");
        }
    }
}
