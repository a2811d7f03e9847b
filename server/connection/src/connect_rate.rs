//! Limits how many connections a network may open per second.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rookery_chat::token_bucket::{Rate, TokenBuckets};
use rookery_record::{NETWORKS_OF_SITE, Network};

/// The maximum number of networks, and of sites, that are counted separately.
const MAX_NETWORKS: usize = 100_000;

/// The rates at which networks connect.
pub struct ConnectRates {
    buckets: Mutex<Buckets>,
    start: Instant,
}

struct Buckets {
    networks: TokenBuckets<Network>,
    sites: TokenBuckets<Network>,
}

impl ConnectRates {
    /// Creates rates without connections.
    pub fn new(now: Instant) -> Self {
        Self {
            buckets: Mutex::new(Buckets {
                networks: TokenBuckets::new(MAX_NETWORKS),
                sites: TokenBuckets::new(MAX_NETWORKS),
            }),
            start: now,
        }
    }

    /// Counts a connection. Returns whether its network and its site may open it now: `burst` at
    /// once and `per_second` after that; if either is 0, there is no limit.
    pub fn try_connect(&self, now: Instant, address: IpAddr, burst: u32, per_second: u32) -> bool {
        let second = Duration::from_secs(1);
        let Some(rate) = Rate::new(burst.into(), per_second.into(), second) else {
            return true;
        };
        let now = now.saturating_duration_since(self.start);
        let mut buckets = self.buckets.lock();
        let network = buckets.networks.get(now, Network::of(address));
        let site = buckets.sites.get(now, Network::of_site(address));
        drop(buckets);
        network.try_take(now, rate, 1) && site.try_take(now, rate.times(NETWORKS_OF_SITE.into()), 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_limited_and_a_site_to_several_times_as_much() {
        let start = Instant::now();
        let rates = ConnectRates::new(start);
        let connect =
            |address: &str, now| rates.try_connect(now, address.parse().expect("an address"), 3, 1);
        let burst = |address: &str| (0..10).filter(|_| connect(address, start)).count();
        assert_eq!(burst("192.0.2.1"), 3);
        assert_eq!(burst("192.0.2.2"), 3, "another network");
        assert!(connect("192.0.2.1", start + Duration::from_secs(1)));
        let of_site: usize = (0..20)
            .map(|net| burst(&format!("2001:db8:0:{net}::1")))
            .sum();
        assert_eq!(of_site, 12);
        assert_eq!(burst("2001:db8:1::1"), 3, "another site");
        assert!((0..100).all(|_| { rates.try_connect(start, IpAddr::from([192, 0, 2, 1]), 3, 0) }));
    }
}
