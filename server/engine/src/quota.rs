//! Limits the number of connections, in total and per address.
//!
//! A connection is a *stranger's* until its session is admitted. When a limit is reached, a new
//! connection displaces a stranger's. Otherwise anyone could keep out everyone behind the same
//! address, or from a few networks everyone else, with connections that never sign in. Those that
//! have not completed the handshake are displaced first, after `TURN`. Those in the waiting room
//! may be waiting for a mailed code, so they have `WAITING_ROOM_TURN`; but since anyone can hang
//! there, they have it only while they hold no more than half of the connections that the limit
//! permits. Among equals, the one that has waited for longest is displaced.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use rookery_record::{NETWORKS_OF_SITE, Network};

/// How long a stranger may take before another connection may displace it.
const TURN: Duration = Duration::from_secs(3);
/// How long a stranger in the waiting room may take: as long as a mailed code is valid.
const WAITING_ROOM_TURN: Duration = Duration::from_mins(10);
/// One in this many of all connections stays free, as long as there is someone to displace, for
/// those that were displaced and are still closing.
const SPARE: usize = 64;

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
    /// The number of permits. Connections that were displaced have theirs until they are closed.
    permits: usize,
    /// In the order in which they were opened, without those that were displaced.
    open: BTreeMap<u64, Connection>,
    /// The number of open connections at each [`Stage`].
    by_stage: HashMap<Counted, [usize; 3]>,
}

/// What connections are counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Counted {
    All,
    Network(Network),
    Site(Network),
}

/// How far the session of a connection has progressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// A handshake is not complete.
    Handshake,
    /// The session is in the waiting room.
    WaitingRoom,
    /// The session is admitted, so that its connection is not displaced.
    Admitted,
}

#[derive(Debug)]
struct Connection {
    counted: [Counted; 3],
    stage: Stage,
    /// When it was opened or, later, entered the waiting room.
    since: Instant,
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
        self.counts.lock().permits
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
        let networks_of_site = NETWORKS_OF_SITE.get() as usize;
        let per_site = per_address.map(|limit| limit.saturating_mul(networks_of_site));
        let mut counts = this.counts.lock();
        let mut has_displaced = false;
        for (counted, limit) in [(network, per_address), (site, per_site)] {
            if let Some(limit) = limit.filter(|limit| counts.of(counted) >= *limit) {
                if !counts.displace_one(now, counted, limit) {
                    return None;
                }
                has_displaced = true;
            }
        }
        if let Some(total) = total {
            if !has_displaced && counts.of(Counted::All) + total / SPARE >= total {
                counts.displace_one(now, Counted::All, total);
            }
            // The file of a connection that was displaced is open until its permit is dropped.
            if counts.permits >= total {
                return None;
            }
        }
        let id = counts.next_id;
        counts.next_id += 1;
        counts.permits += 1;
        let displaced = Arc::new(Notify::new());
        let connection = Connection {
            counted: [Counted::All, network, site],
            stage: Stage::Handshake,
            since: now,
            displaced: Arc::clone(&displaced),
        };
        counts.insert(id, connection);
        drop(counts);
        Some(ConnectionPermit {
            connections: Arc::clone(this),
            id,
            displaced,
        })
    }
}

impl Counts {
    /// Returns the number of open connections at each stage.
    fn by_stage(&self, counted: Counted) -> [usize; 3] {
        self.by_stage.get(&counted).copied().unwrap_or_default()
    }

    /// Returns the number of open connections.
    fn of(&self, counted: Counted) -> usize {
        self.by_stage(counted).iter().sum()
    }

    /// Ends the connection of a stranger that is counted there. Returns false if the turn of none
    /// is over.
    fn displace_one(&mut self, now: Instant, counted: Counted, limit: usize) -> bool {
        let [in_handshake, waiting, _] = self.by_stage(counted);
        if in_handshake + waiting == 0 {
            return false;
        }
        let is_displaceable = |connection: &Connection| {
            let turn = match connection.stage {
                Stage::Handshake => TURN,
                Stage::WaitingRoom if waiting > limit / 2 => TURN,
                Stage::WaitingRoom => WAITING_ROOM_TURN,
                Stage::Admitted => return false,
            };
            connection.counted.contains(&counted)
                && now.saturating_duration_since(connection.since) >= turn
        };
        let first = self
            .open
            .iter()
            .filter(|(_, connection)| is_displaceable(connection))
            .min_by_key(|(id, connection)| (connection.stage, connection.since, **id));
        let displaced = first.map(|(id, _)| *id).and_then(|id| self.remove(id));
        displaced.is_some_and(|connection| {
            connection.displaced.notify_one();
            true
        })
    }

    fn insert(&mut self, id: u64, connection: Connection) {
        for counted in connection.counted {
            self.by_stage.entry(counted).or_default()[connection.stage as usize] += 1;
        }
        self.open.insert(id, connection);
    }

    /// Stops counting a connection, except for its permit.
    fn remove(&mut self, id: u64) -> Option<Connection> {
        let connection = self.open.remove(&id)?;
        for counted in connection.counted {
            if let Some(by_stage) = self.by_stage.get_mut(&counted) {
                by_stage[connection.stage as usize] -= 1;
                if *by_stage == [0; 3] {
                    self.by_stage.remove(&counted);
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

    /// Sets how far the session has progressed. Returns false if the connection was displaced
    /// already.
    pub fn set_stage(&self, now: Instant, stage: Stage) -> bool {
        let mut counts = self.connections.counts.lock();
        let Some(mut connection) = counts.remove(self.id) else {
            return false;
        };
        if (connection.stage, stage) == (Stage::Handshake, Stage::WaitingRoom) {
            connection.since = now;
        }
        connection.stage = stage;
        counts.insert(self.id, connection);
        true
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut counts = self.connections.counts.lock();
        counts.permits -= 1;
        counts.remove(self.id);
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
            assert!(permit.set_stage(self.now, Stage::Admitted));
            permit
        }

        /// Opens the connection of a session that enters the waiting room.
        fn wait(&self, address: &str) -> ConnectionPermit {
            let permit = self.connect(address).expect("no limit is reached");
            assert!(permit.set_stage(self.now, Stage::WaitingRoom));
            permit
        }
    }

    fn is_displaced(permit: &ConnectionPermit) -> bool {
        let counts = permit.connections.counts.lock();
        !counts.open.contains_key(&permit.id)
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
        door.now += TURN.saturating_sub(Duration::from_secs(1));
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
        assert!(!is_displaced(&stranger), "its turn is not over");
        door.now += TURN;
        assert!(door.connect("10.0.0.3").is_none(), "it is not closed yet");
        assert!(is_displaced(&stranger));
        assert_eq!(door.connections.count(), 2);
        drop(stranger);
        let _new = door.admit("10.0.0.3");
        door.now += TURN;
        assert!(door.connect("10.0.0.4").is_none(), "both are admitted");
    }

    /// Each is an open file, of which some are left to operators.
    #[test]
    fn connections_that_were_displaced_count_in_the_total_until_they_are_closed() {
        let mut door = Door::new(Connections::with_capacity(2 * SPARE), limits(0, 0));
        let open: Vec<_> = (2..2 * SPARE)
            .map(|_| door.connect("10.0.0.1").expect("two are spare"))
            .collect();
        door.now += TURN;
        let _new = [(), ()].map(|()| door.connect("10.0.0.2").expect("one is displaced"));
        assert_eq!(door.connections.count(), 2 * SPARE);
        for _ in 0..10 {
            assert!(door.connect("10.0.0.2").is_none(), "three are closing");
        }
        let (closing, stay): (Vec<_>, Vec<_>) = open.into_iter().partition(is_displaced);
        assert_eq!((closing.len(), stay.len()), (3, 2 * SPARE - 5));
        drop(closing);
        assert_eq!(door.connections.count(), 2 * SPARE - 3);
        assert!(door.connect("10.0.0.2").is_some());
    }

    #[test]
    fn connections_that_were_displaced_no_longer_count_for_their_address() {
        let mut door = Door::new(Connections::default(), limits(0, 100));
        let silent: Vec<_> = (0..100)
            .map(|_| door.connect("10.0.0.1").expect("a hundred are permitted"))
            .collect();
        door.now += TURN;
        let new: Vec<_> = (0..100).map(|_| door.admit("10.0.0.1")).collect();
        assert!(silent.iter().all(is_displaced));
        assert!(!new.iter().any(is_displaced));
        assert!(door.connect("10.0.0.1").is_none(), "all are admitted");
    }

    #[test]
    fn those_who_wait_for_a_mail_stay_while_others_behind_their_address_connect() {
        let mut door = Door::new(Connections::default(), limits(0, 100));
        let waiting: Vec<_> = (0..50).map(|_| door.wait("10.0.0.1")).collect();
        let mut others: Vec<_> = (0..50)
            .map(|_| door.connect("10.0.0.1").expect("a hundred are permitted"))
            .collect();
        for _ in 0..190 {
            door.now += TURN;
            others.push(door.connect("10.0.0.1").expect("one is displaced"));
        }
        assert!(!waiting.iter().any(is_displaced));
    }

    #[test]
    fn those_in_the_waiting_room_are_displaced_beyond_half_of_an_address_a_site_and_the_total() {
        type AddressOf = fn(usize) -> String;
        let cases: [(ConnectionLimits, AddressOf); 3] = [
            (limits(0, 100), |_| "10.0.0.1".to_owned()),
            (limits(0, 25), |network| {
                format!("2001:db8:0:{network:x}::1")
            }),
            (limits(100, 0), |host| {
                format!("10.0.{}.{}", host / 256, host % 256)
            }),
        ];
        for (limits, address) in cases {
            let mut door = Door::new(Connections::default(), limits);
            let mut waiting: Vec<_> = (0..100)
                .map(|index| {
                    let permit = door.wait(&address(index));
                    door.now += Duration::from_millis(1);
                    permit
                })
                .collect();
            assert!(door.connect(&address(100)).is_none(), "no turn is over");
            door.now += TURN;
            let mut admitted = Vec::new();
            for index in 100..300 {
                if let Some(permit) = door.connect(&address(index)) {
                    assert!(permit.set_stage(door.now, Stage::Admitted));
                    admitted.push(permit);
                }
                let kept = waiting.len();
                waiting.retain(|permit| !is_displaced(permit));
                assert!(kept - waiting.len() <= 1, "one at most for each");
            }
            assert_eq!((waiting.len(), admitted.len()), (50, 50), "{limits:?}");
            let newest: Vec<_> = waiting.iter().map(|permit| permit.id).collect();
            assert!(newest.is_sorted() && newest[0] == 50, "the oldest went");
        }
    }

    #[test]
    fn the_turn_in_the_waiting_room_is_long_and_begins_once() {
        let mut door = Door::new(Connections::default(), limits(0, 2));
        let _admitted = door.admit("10.0.0.1");
        let waiting = door.connect("10.0.0.1").expect("the second of two");
        door.now += TURN;
        assert!(waiting.set_stage(door.now, Stage::WaitingRoom));
        door.now += WAITING_ROOM_TURN.saturating_sub(Duration::from_secs(1));
        assert!(door.connect("10.0.0.1").is_none());
        for stage in [Stage::WaitingRoom, Stage::Admitted, Stage::WaitingRoom] {
            assert!(waiting.set_stage(door.now, stage));
        }
        door.now += Duration::from_secs(1);
        assert!(door.connect("10.0.0.1").is_some());
        assert!(!waiting.set_stage(door.now, Stage::Admitted));
    }

    #[tokio::test]
    async fn a_connection_that_is_displaced_is_notified() {
        let mut door = Door::new(Connections::default(), limits(0, 1));
        let stranger = door.connect("10.0.0.1").expect("the first");
        door.now += TURN;
        let _new = door.connect("10.0.0.1").expect("it displaces the first");
        stranger.displaced().await;
    }
}
