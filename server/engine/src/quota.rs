//! Limits the number of connections, in total and per address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use rookery_record::Network;

/// Counts the open connections by address, in any state. A [`Network`] counts as one address.
#[derive(Debug, Default)]
pub struct Connections {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    by_network: HashMap<Network, usize>,
}

/// The permit of one connection. Dropping it stops counting the connection.
#[derive(Debug)]
pub struct ConnectionPermit {
    connections: Arc<Connections>,
    network: Network,
}

impl Connections {
    /// Returns the number of open connections.
    pub fn count(&self) -> usize {
        self.counts.lock().total
    }

    /// Counts one more connection, or returns `None` if a limit is reached. 0 means no limit.
    pub fn try_acquire(
        this: &Arc<Self>,
        address: IpAddr,
        limit: usize,
        limit_per_address: usize,
    ) -> Option<ConnectionPermit> {
        let network = Network::of(address);
        let mut counts = this.counts.lock();
        let of_address = counts.by_network.get(&network).copied().unwrap_or(0);
        let is_reached = |limit, count| limit > 0 && count >= limit;
        if is_reached(limit, counts.total) || is_reached(limit_per_address, of_address) {
            return None;
        }
        counts.total += 1;
        counts.by_network.insert(network, of_address + 1);
        drop(counts);
        Some(ConnectionPermit {
            connections: Arc::clone(this),
            network,
        })
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut counts = self.connections.counts.lock();
        counts.total -= 1;
        if let Some(of_address) = counts.by_network.get_mut(&self.network) {
            *of_address -= 1;
            if *of_address == 0 {
                counts.by_network.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let connections = Arc::new(Connections::default());
        let acquire = |address: &str| {
            Connections::try_acquire(&connections, address.parse().expect("an address"), 0, 1)
        };
        let _first = acquire("2001:db8::1").expect("no limit is reached");
        assert!(acquire("2001:db8::ffff:2").is_none());
        assert!(acquire("2001:db8:0:1::1").is_some());
    }

    #[test]
    fn the_total_and_each_address_are_limited_and_dropped_permits_no_longer_count() {
        let connections = Arc::new(Connections::default());
        let [one, two]: [IpAddr; 2] = [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()];
        let acquire = |address| Connections::try_acquire(&connections, address, 3, 2);
        let first = acquire(one).expect("no limit is reached");
        let _second = acquire(one).expect("no limit is reached");
        assert!(acquire(one).is_none(), "two for each address");
        let _third = acquire(two).expect("no limit is reached");
        assert!(acquire(two).is_none(), "three in total");
        drop(first);
        assert!(acquire(one).is_some());
        assert_eq!(connections.count(), 2);
        assert!(
            Connections::try_acquire(&connections, one, 0, 0).is_some(),
            "0 means no limit"
        );
    }
}
