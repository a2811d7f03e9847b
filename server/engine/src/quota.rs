//! How many connections there may be, in all and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rookery_base::net::network;

/// Who is connected, in whatever state, by address; a [`network`] of IPv6 counts as one address.
#[derive(Debug, Default)]
pub struct Connections {
    inside: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A connection's place; free again when dropped.
#[derive(Debug)]
pub struct ConnectionPlace {
    connections: Arc<Connections>,
    address: IpAddr,
}

impl Connections {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.lock().all
    }

    /// A place for one more, unless a limit (0: none) is reached.
    pub fn enter(
        this: &Arc<Self>,
        address: IpAddr,
        limit: usize,
        limit_per_address: usize,
    ) -> Option<ConnectionPlace> {
        let address = network(address);
        let mut counts = this.lock();
        let here = counts.by_address.get(&address).copied().unwrap_or(0);
        let full = |count, limit| limit > 0 && count >= limit;
        if full(counts.all, limit) || full(here, limit_per_address) {
            return None;
        }
        counts.all += 1;
        counts.by_address.insert(address, here + 1);
        drop(counts);
        Some(ConnectionPlace {
            connections: Arc::clone(this),
            address,
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        // No code inside can panic half-way.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        let mut counts = self.connections.lock();
        counts.all -= 1;
        if let Some(here) = counts.by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let connections = Arc::new(Connections::default());
        let enter = |address: &str| {
            Connections::enter(&connections, address.parse().expect("an address"), 0, 1)
        };
        let _first = enter("2001:db8::1").expect("there is room");
        assert!(enter("2001:db8::ffff:2").is_none());
        assert!(enter("2001:db8:0:1::1").is_some());
    }

    #[test]
    fn limits_hold_for_all_and_for_each_address_and_places_come_back() {
        let connections = Arc::new(Connections::default());
        let [one, two]: [IpAddr; 2] = [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()];
        let enter = |address| Connections::enter(&connections, address, 3, 2);
        let first = enter(one).expect("there is room");
        let _second = enter(one).expect("there is room");
        assert!(enter(one).is_none(), "two for each address");
        let _third = enter(two).expect("there is room");
        assert!(enter(two).is_none(), "three in all");
        drop(first);
        assert!(enter(one).is_some());
        assert_eq!(connections.count(), 2);
        assert!(
            Connections::enter(&connections, one, 0, 0).is_some(),
            "0 is no limit"
        );
    }
}
