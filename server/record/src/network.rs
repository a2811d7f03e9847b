//! The network of an address, which limits count as one client.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;

/// How many of its networks at their full limit a site may have: it is limited to that many times
/// what each of its networks may do.
pub const NETWORKS_OF_SITE: NonZeroU32 = NonZeroU32::new(4).expect("not zero");

/// The network that an address belongs to. A client that has one of its addresses can usually use
/// all of them, so limits count it as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network(IpAddr);

impl Network {
    /// Returns the network of one customer: an IPv4 address itself, or the /64 network of an IPv6
    /// address.
    pub fn of(address: IpAddr) -> Self {
        Self::with_segments(address, 4)
    }

    /// Returns the network of one site, which may have many networks of customers: an IPv4 address
    /// itself, or the /48 network of an IPv6 address (RFC 6177 §2).
    pub fn of_site(address: IpAddr) -> Self {
        Self::with_segments(address, 3)
    }

    /// Returns the site of the network.
    #[must_use]
    pub fn site(self) -> Self {
        Self::of_site(self.0)
    }

    /// Returns the network of the first `count` segments of an IPv6 address.
    fn with_segments(address: IpAddr, count: usize) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let mut segments = address.segments();
                segments[count..].fill(0);
                Ipv6Addr::from(segments).into()
            }
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

/// Writes the first address of the network.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn addresses_of_one_network_are_equal_and_a_site_is_wider() {
        let of = |text| Network::of(address(text));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:0:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        let of_site = |text| Network::of_site(address(text));
        assert_eq!(of_site("2001:db8::1"), of_site("2001:db8:0:1::1"));
        assert_ne!(of_site("2001:db8::1"), of_site("2001:db8:1::1"));
        assert_ne!(of_site("192.0.2.1"), of_site("192.0.2.2"));
        assert_eq!(of("2001:db8:0:1::1").site(), of_site("2001:db8::1"));
    }
}
