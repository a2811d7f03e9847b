//! The address of a control plane.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const DEFAULT_PORT: u16 = 6698;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerAddress {
    /// A host name or IP address, in lower case and without brackets.
    host: String,
    port: u16,
}

impl FromStr for ServerAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (host, port) = match bracketed {
            Some((host, "")) => (host, None),
            Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or("use HOST:PORT")?)),
            // An IPv6 address without brackets has no port.
            None if text.matches(':').count() > 1 => (text, None),
            None => text
                .split_once(':')
                .map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let host_ok = |char: char| char.is_alphanumeric() || ".-_".contains(char);
        let is_host = if bracketed.is_some() || host.contains(':') {
            host.parse::<Ipv6Addr>().is_ok()
        } else {
            !host.is_empty() && host.chars().all(host_ok)
        };
        if !is_host {
            return Err("use HOST:PORT, without https:// and without a path");
        }
        let port = match port.map(str::parse) {
            None => DEFAULT_PORT,
            Some(Ok(port)) if port > 0 => port,
            Some(_) => return Err("the port must be a number from 1 to 65535"),
        };
        Ok(Self {
            host: host.to_lowercase(),
            port,
        })
    }
}

impl ServerAddress {
    /// Returns whether the host is this machine, whatever a name server says.
    pub fn is_this_machine(&self) -> bool {
        let address = self.host.parse::<IpAddr>();
        self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

impl TryFrom<String> for ServerAddress {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ServerAddress> for String {
    fn from(address: ServerAddress) -> Self {
        address.to_string()
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(out, "[{host}]:{port}")
        } else {
            write!(out, "{host}:{port}")
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_port_may_be_left_out() {
        let parsed = |text: &str| text.parse::<ServerAddress>().unwrap().to_string();
        assert_eq!(parsed("localhost:7000"), "localhost:7000");
        assert_eq!(parsed("Chat.Example.org"), "chat.example.org:6698");
        assert_eq!(parsed("192.0.2.1:1"), "192.0.2.1:1");
        assert_eq!(parsed("[::1]:7000"), "[::1]:7000");
        assert_eq!(parsed("[::1]"), "[::1]:6698");
        assert_eq!(parsed("::1"), "[::1]:6698");
        for bad in [
            "",
            ":1",
            "h:",
            "h:0",
            "h:65536",
            "https://h:1",
            "h:1/v1",
            "a b",
            "[::1",
            "[h]:1",
            "[::1]x",
            "u@h",
        ] {
            assert!(bad.parse::<ServerAddress>().is_err(), "{bad:?}");
        }
    }
}
