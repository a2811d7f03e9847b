//! Limits the number of connections, in total and per address.
//!
//! A connection is a *stranger's* until its session is admitted. When a limit is reached, a new
//! connection displaces the stranger that has been connected for longest. Otherwise anyone could
//! keep out everyone behind the same address, or from a few networks everyone else, with
//! connections that never sign in. A stranger has [`TURN`] to sign in before it can be displaced.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use rookery_record::Network;

/// How many networks at their limit a site may have.
const NETWORKS_OF_SITE: usize = 4;
/// How long a stranger may take to sign in before another connection may displace it.
const TURN: Duration = Duration::from_secs(3);

/// The limits that apply to a new connection. 0 means no limit.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// The maximum number of connections.
    pub total: usize,
    /// The maximum number of connections from one address. A [`Network`] counts as one address, and
    /// its site may have four times as many.
    pub per_address: usize,
}

/// Counts the open connections by address, in any state.
#[derive(Debug, Default)]
pub struct Connections {
    counts: Mutex<Counts>,
    /// The maximum number of connections that the process can have open.
    capacity: Option<usize>,
}

#[derive(Debug, Default)]
struct Counts {
    next_id: u64,
    /// In the order in which they were opened.
    open: BTreeMap<u64, Connection>,
    /// By network and, if that is another, by site.
    by_network: HashMap<Counted, usize>,
}

/// What connections are counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Counted {
    Network(Network),
    Site(Network),
}

#[derive(Debug)]
struct Connection {
    counted: [Counted; 2],
    opened_at: Instant,
    is_stranger: bool,
    displaced: Arc<Notify>,
}

/// The permit of one connection. Dropping it stops counting the connection.
#[derive(Debug)]
pub struct ConnectionPermit {
    connections: Arc<Connections>,
    id: u64,
    displaced: Arc<Notify>,
}

impl Connections {
    /// Creates a count of connections of which at most `capacity` can be open, whatever the limits
    /// are.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            capacity: Some(capacity),
            ..Self::default()
        }
    }

    /// Returns the number of open connections.
    pub fn count(&self) -> usize {
        self.counts.lock().open.len()
    }

    /// Counts one more connection, which may displace another. Returns `None` if a limit is
    /// reached.
    pub fn try_acquire(
        this: &Arc<Self>,
        now: Instant,
        address: IpAddr,
        limits: ConnectionLimits,
    ) -> Option<ConnectionPermit> {
        let ConnectionLimits { total, per_address } = limits;
        let network = Counted::Network(Network::of(address));
        let site = Counted::Site(Network::of_site(address));
        let total = [total, this.capacity.unwrap_or(0)]
            .into_iter()
            .filter(|limit| *limit > 0)
            .min();
        let per_address = (per_address > 0).then_some(per_address);
        let per_site = per_address.map(|limit| limit.saturating_mul(NETWORKS_OF_SITE));
        let mut counts = this.counts.lock();
        // The connections in each are among those in the next, so one is displaced at most.
        for (counted, limit) in [
            (Some(network), per_address),
            (Some(site), per_site),
            (None, total),
        ] {
            if limit.is_some_and(|limit| counts.of(counted) >= limit) {
                counts.displace_one(now, counted)?;
            }
        }
        let id = counts.next_id;
        counts.next_id += 1;
        let displaced = Arc::new(Notify::new());
        let counted = [network, site];
        for counted in counted {
            *counts.by_network.entry(counted).or_default() += 1;
        }
        let connection = Connection {
            counted,
            opened_at: now,
            is_stranger: true,
            displaced: Arc::clone(&displaced),
        };
        counts.open.insert(id, connection);
        drop(counts);
        Some(ConnectionPermit {
            connections: Arc::clone(this),
            id,
            displaced,
        })
    }
}

impl Counts {
    /// Returns the number of connections that are counted for a network or site; `None` means all.
    fn of(&self, counted: Option<Counted>) -> usize {
        match counted {
            Some(counted) => self.by_network.get(&counted).copied().unwrap_or(0),
            None => self.open.len(),
        }
    }

    /// Ends the oldest stranger's connection that is counted there, unless its turn is not over.
    fn displace_one(&mut self, now: Instant, counted: Option<Counted>) -> Option<()> {
        let is_counted = |connection: &Connection| {
            counted.is_none_or(|counted| connection.counted.contains(&counted))
        };
        let (&id, oldest) = self
            .open
            .iter()
            .find(|(_, connection)| connection.is_stranger && is_counted(connection))?;
        if now.saturating_duration_since(oldest.opened_at) < TURN {
            return None;
        }
        self.remove(id)?.displaced.notify_one();
        Some(())
    }

    fn remove(&mut self, id: u64) -> Option<Connection> {
        let connection = self.open.remove(&id)?;
        for counted in connection.counted {
            if let Some(count) = self.by_network.get_mut(&counted) {
                *count -= 1;
                if *count == 0 {
                    self.by_network.remove(&counted);
                }
            }
        }
        Some(connection)
    }
}

impl ConnectionPermit {
    /// Completes when the connection was displaced by another one, and has to end.
    pub async fn displaced(&self) {
        self.displaced.notified().await;
    }

    /// Sets whether the connection can be displaced. Returns false if it was displaced already.
    pub fn set_stranger(&self, is_stranger: bool) -> bool {
        let mut counts = self.connections.counts.lock();
        let connection = counts.open.get_mut(&self.id);
        connection
            .map(|connection| connection.is_stranger = is_stranger)
            .is_some()
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.connections.counts.lock().remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(total: usize, per_address: usize) -> ConnectionLimits {
        ConnectionLimits { total, per_address }
    }

    /// Opens connections at a time that each test sets.
    struct Door {
        connections: Arc<Connections>,
        now: Instant,
        limits: ConnectionLimits,
    }

    impl Door {
        fn new(connections: Connections, limits: ConnectionLimits) -> Self {
            Self {
                connections: Arc::new(connections),
                now: Instant::now(),
                limits,
            }
        }

        fn connect(&self, address: &str) -> Option<ConnectionPermit> {
            let address = address.parse().expect("an address");
            Connections::try_acquire(&self.connections, self.now, address, self.limits)
        }

        /// Opens the connection of a session that is admitted.
        fn admit(&self, address: &str) -> ConnectionPermit {
            let permit = self.connect(address).expect("no limit is reached");
            assert!(permit.set_stranger(false));
            permit
        }
    }

    fn is_displaced(permit: &ConnectionPermit) -> bool {
        !permit.set_stranger(true)
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let door = Door::new(Connections::default(), limits(0, 1));
        let _first = door.admit("2001:db8::1");
        assert!(door.connect("2001:db8::ffff:2").is_none());
        assert!(door.connect("2001:db8:0:1::1").is_some());
    }

    #[test]
    fn an_ipv6_site_counts_as_four_addresses() {
        let door = Door::new(Connections::default(), limits(0, 1));
        let networks = (0..4).map(|network| format!("2001:db8:0:{network}::1"));
        let _open: Vec<_> = networks.map(|address| door.admit(&address)).collect();
        assert!(door.connect("2001:db8:0:4::1").is_none());
        assert!(door.connect("2001:db8:1::1").is_some());
    }

    #[test]
    fn the_total_and_each_address_are_limited_and_dropped_permits_no_longer_count() {
        let door = Door::new(Connections::default(), limits(3, 2));
        let first = door.admit("10.0.0.1");
        let _second = door.admit("10.0.0.1");
        assert!(door.connect("10.0.0.1").is_none(), "two for each address");
        let _third = door.admit("10.0.0.2");
        assert!(door.connect("10.0.0.2").is_none(), "three in total");
        drop(first);
        assert!(door.connect("10.0.0.1").is_some());
        assert_eq!(door.connections.count(), 2);
        let unlimited = Door {
            limits: limits(0, 0),
            ..door
        };
        assert!(unlimited.connect("10.0.0.1").is_some(), "0 means no limit");
    }

    #[test]
    fn the_process_cannot_have_more_connections_than_its_capacity_whatever_the_limits_are() {
        for limit in [0, 5] {
            let door = Door::new(Connections::with_capacity(2), limits(limit, 0));
            let _open = ["10.0.0.1", "10.0.0.2"].map(|address| door.admit(address));
            assert!(door.connect("10.0.0.3").is_none());
        }
    }

    #[test]
    fn a_new_connection_displaces_the_oldest_stranger_of_its_address_after_its_turn() {
        let mut door = Door::new(Connections::default(), limits(0, 3));
        let admitted = door.admit("10.0.0.1");
        let elsewhere = door.connect("10.0.0.2").expect("another address");
        let oldest = door.connect("10.0.0.1").expect("the second of three");
        door.now += Duration::from_secs(1);
        let later = door.connect("10.0.0.1").expect("the third");
        assert!(door.connect("10.0.0.1").is_none(), "its turn is not over");
        door.now += TURN - Duration::from_secs(1);
        let new = door.connect("10.0.0.1").expect("one is displaced");
        assert!(is_displaced(&oldest));
        drop(oldest);
        for stays in [&admitted, &elsewhere, &later, &new] {
            assert!(!is_displaced(stays));
        }
        assert_eq!(door.connections.count(), 4, "it is not subtracted twice");
    }

    #[test]
    fn a_new_connection_displaces_a_stranger_of_another_address_if_there_are_too_many_in_total() {
        let mut door = Door::new(Connections::default(), limits(2, 0));
        let stranger = door.connect("10.0.0.1").expect("the first of two");
        let _admitted = door.admit("10.0.0.2");
        assert!(door.connect("10.0.0.3").is_none());
        door.now += TURN;
        let _new = door.admit("10.0.0.3");
        assert!(is_displaced(&stranger));
        door.now += TURN;
        assert!(door.connect("10.0.0.4").is_none(), "both are admitted");
    }

    #[tokio::test]
    async fn a_connection_that_is_displaced_is_notified() {
        let mut door = Door::new(Connections::default(), limits(1, 0));
        let stranger = door.connect("10.0.0.1").expect("the first");
        door.now += TURN;
        let _new = door.connect("10.0.0.2").expect("it displaces the first");
        stranger.displaced().await;
    }
}
