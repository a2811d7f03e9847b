//! The places of the control port: which connections are served, and which have to end for others.
//!
//! A connection is a *stranger's* until it sends a request with the token of a session; then it is
//! that *operator's*. Strangers never take an operator's place, and are limited in number: all of
//! them together, and those of one network.
//!
//! Only its first request can show whether a new connection is an operator's, so each one gets its
//! turn: when there are too many strangers, it displaces the one that has shown nothing for the
//! longest (no first byte, no finished handshake, no whole request). A client that acts at once is
//! therefore served, however many sockets others hold. If they open hundreds each second, the queue
//! is full and new connections are closed: only operators who have a place are then served for
//! certain. A stranger is displaced at the
//! earliest after [`TURN`] without a step, so that sockets that are opened quickly do not
//! displace one another before any of them can act. New connections queue until then.
//!
//! A stranger whose request is being handled is not displaced: the [`Throttle`] limits how many
//! sign-ins there are, and other requests are answered at once. One that has not sent a request yet
//! loses its place after [`PATIENCE`] without a step.
//!
//! [`Throttle`]: crate::auth::throttle::Throttle

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rookery_record::Network;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The maximum number of strangers' connections that are served.
const STRANGERS: usize = 128;
/// The maximum number of strangers' connections from one network that are served.
const STRANGERS_PER_NETWORK: usize = 64;
/// The maximum number of connections that queue for a place; others are closed.
const QUEUED: usize = 512;
/// The maximum number of connections from one network that queue for a place.
const QUEUED_PER_NETWORK: usize = 256;
/// The maximum number of places that one operator has. Further connections stay strangers'.
pub const PLACES_PER_OPERATOR: usize = 16;
/// How long a stranger may take for its next step before another may displace it.
const TURN: Duration = Duration::from_millis(200);
/// How long a client that has not sent a request yet may take for its next step: the first byte,
/// the rest of the TLS handshake, the head of the first request.
const PATIENCE: Duration = Duration::from_secs(3);

/// All places of the control port.
#[derive(Default)]
pub struct Places(Mutex<Connections>);

/// The connections in the order in which they were accepted.
#[derive(Default)]
struct Connections {
    next_id: u64,
    by_id: BTreeMap<u64, Connection>,
}

struct Connection {
    network: Network,
    stage: Stage,
    /// When the client did its last step.
    since: Instant,
    /// Wakes the connection's task when its stage may have changed.
    changed: Arc<Notify>,
}

#[derive(PartialEq, Eq)]
enum Stage {
    /// It waits for a place.
    Queued,
    /// A stranger that has not sent a request.
    New,
    /// A stranger that has sent requests.
    Known,
    /// A stranger whose request is being handled.
    Busy,
    /// The connection of the operator with this name.
    Operator(String),
}

impl Stage {
    /// Whether the connection is that of an operator.
    fn is_of(&self, operator: &str) -> bool {
        matches!(self, Self::Operator(name) if name == operator)
    }
}

/// The place of one connection, or its position in the queue for one. Dropping it leaves both.
pub struct Place {
    places: Arc<Places>,
    id: u64,
    changed: Arc<Notify>,
}

impl Places {
    /// Adds a new connection to the queue for a place. Returns none if the queue is full.
    pub fn queue(self: &Arc<Self>, now: Instant, network: Network) -> Option<Place> {
        let mut connections = self.0.lock();
        if connections.queued().count() >= QUEUED
            || connections.queued_of(network).count() >= QUEUED_PER_NETWORK
        {
            return None;
        }
        let id = connections.next_id;
        connections.next_id += 1;
        let changed = Arc::new(Notify::new());
        let connection = Connection {
            network,
            stage: Stage::Queued,
            since: now,
            changed: Arc::clone(&changed),
        };
        connections.by_id.insert(id, connection);
        Some(Place {
            places: Arc::clone(self),
            id,
            changed,
        })
    }
}

impl Connections {
    fn queued(&self) -> impl Iterator<Item = (u64, &Connection)> {
        let all = self.by_id.iter().map(|(id, connection)| (*id, connection));
        all.filter(|(_, connection)| connection.stage == Stage::Queued)
    }

    fn queued_of(&self, network: Network) -> impl Iterator<Item = (u64, &Connection)> {
        self.queued()
            .filter(move |(_, connection)| connection.network == network)
    }

    /// Returns the strangers that are served.
    fn strangers(&self) -> impl Iterator<Item = (u64, &Connection)> {
        let all = self.by_id.iter().map(|(id, connection)| (*id, connection));
        all.filter(|(_, connection)| {
            matches!(connection.stage, Stage::New | Stage::Known | Stage::Busy)
        })
    }

    /// Makes room for one more stranger from a network. Returns after how long to try again if that
    /// is not possible yet.
    fn make_room(&mut self, now: Instant, network: Network) -> Result<(), Duration> {
        let neighbours = || {
            let strangers = self.strangers();
            strangers.filter(|(_, stranger)| stranger.network == network)
        };
        let displaceable = |(_, stranger): &(u64, &Connection)| {
            matches!(stranger.stage, Stage::New | Stage::Known)
        };
        let rank = |(id, stranger): &(u64, &Connection)| (stranger.since, *id);
        let oldest = if neighbours().count() >= STRANGERS_PER_NETWORK {
            neighbours().filter(displaceable).min_by_key(rank)
        } else if self.strangers().count() >= STRANGERS {
            self.strangers().filter(displaceable).min_by_key(rank)
        } else {
            return Ok(());
        };
        let (id, oldest) = oldest.ok_or(TURN)?;
        let turn = TURN.saturating_sub(now.saturating_duration_since(oldest.since));
        if !turn.is_zero() {
            return Err(turn);
        }
        if let Some(displaced) = self.by_id.remove(&id) {
            displaced.changed.notify_one();
        }
        Ok(())
    }

    /// Wakes the connection that is the next to get a place in a network.
    fn wake_next(&self, network: Network) {
        if let Some((_, next)) = self.queued_of(network).next() {
            next.changed.notify_one();
        }
    }

    fn places_of(&self, operator: &str) -> usize {
        let all = self.by_id.values();
        all.filter(|connection| connection.stage.is_of(operator))
            .count()
    }
}

impl Place {
    /// Completes when the connection has a place.
    pub async fn entered(&self) {
        while let Err(wait) = self.try_enter(Instant::now()) {
            // Either way, it tries again.
            let _ = tokio::time::timeout(wait, self.changed.notified()).await;
        }
    }

    /// Moves the connection from the queue to a place, if it is the next one of its network.
    /// Returns after how long to try again otherwise.
    fn try_enter(&self, now: Instant) -> Result<(), Duration> {
        let mut connections = self.places.0.lock();
        let Some(network) = connections.by_id.get(&self.id).map(|queued| queued.network) else {
            return Ok(());
        };
        let next = connections.queued_of(network).next();
        if next.is_some_and(|(id, _)| id != self.id) {
            return Err(PATIENCE);
        }
        connections.make_room(now, network)?;
        if let Some(entered) = connections.by_id.get_mut(&self.id) {
            (entered.stage, entered.since) = (Stage::New, now);
        }
        connections.wake_next(network);
        Ok(())
    }

    /// Notes that the client has done the next step of connecting.
    pub fn advance(&self, now: Instant) {
        self.update(now, |_| {});
    }

    /// Notes the head of a request: that of an operator, or of a stranger.
    pub fn begin_request(&self, now: Instant, operator: Option<&str>) {
        let mut connections = self.places.0.lock();
        let place = operator.filter(|operator| {
            let is_theirs = |connection: &Connection| connection.stage.is_of(operator);
            connections.by_id.get(&self.id).is_some_and(is_theirs)
                || connections.places_of(operator) < PLACES_PER_OPERATOR
        });
        if let Some(connection) = connections.by_id.get_mut(&self.id) {
            connection.stage = place.map_or(Stage::Known, |name| Stage::Operator(name.to_owned()));
            connection.since = now;
            let network = connection.network;
            connections.wake_next(network);
        }
    }

    /// Notes that a request has arrived as a whole and is handled until [`Self::end_request`].
    pub fn handle_request(&self, now: Instant) {
        self.update(now, |stage| {
            if *stage == Stage::Known {
                *stage = Stage::Busy;
            }
        });
    }

    /// Notes that a request was answered.
    pub fn end_request(&self, now: Instant) {
        self.update(now, |stage| {
            if *stage == Stage::Busy {
                *stage = Stage::Known;
            }
        });
    }

    /// Completes when the place is lost: another connection took it, or the client did nothing for
    /// too long.
    pub async fn lost(&self) {
        while let Some(patience) = self.patience(Instant::now()) {
            // Either way, it is checked again what is left.
            let _ = tokio::time::timeout(patience, self.changed.notified()).await;
        }
    }

    /// Returns after how long to check again whether the place is lost. None if it is lost.
    fn patience(&self, now: Instant) -> Option<Duration> {
        let connections = self.places.0.lock();
        let connection = connections.by_id.get(&self.id)?;
        if connection.stage != Stage::New {
            return Some(PATIENCE);
        }
        let waited = now.saturating_duration_since(connection.since);
        let patience = PATIENCE.saturating_sub(waited);
        (!patience.is_zero()).then_some(patience)
    }

    fn update(&self, now: Instant, change: impl FnOnce(&mut Stage)) {
        if let Some(connection) = self.places.0.lock().by_id.get_mut(&self.id) {
            change(&mut connection.stage);
            connection.since = now;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut connections = self.places.0.lock();
        if let Some(connection) = connections.by_id.remove(&self.id) {
            connections.wake_next(connection.network);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETWORK: u8 = 1;

    /// Places, and a clock that a test advances by hand.
    struct Port {
        places: Arc<Places>,
        now: Instant,
    }

    impl Port {
        fn new() -> Self {
            Self {
                places: Arc::default(),
                now: Instant::now(),
            }
        }

        fn wait(&mut self, time: Duration) {
            self.now += time;
        }

        fn queue(&mut self, network: u8) -> Place {
            let network = Network::of([192, 0, 2, network].into());
            self.places.queue(self.now, network).unwrap()
        }

        /// Connects, and waits for a place.
        fn enter(&mut self, network: u8) -> Place {
            let place = self.queue(network);
            while let Err(wait) = place.try_enter(self.now) {
                self.wait(wait);
            }
            place
        }

        fn enter_all(&mut self, count: usize) -> Vec<Place> {
            (0..count).map(|_| self.enter(NETWORK)).collect()
        }

        fn is_open(&self, place: &Place) -> bool {
            place.patience(self.now).is_some()
        }

        fn open(&self, places: &[Place]) -> usize {
            places.iter().filter(|place| self.is_open(place)).count()
        }
    }

    #[test]
    fn a_new_connection_displaces_the_stranger_that_has_shown_nothing_for_the_longest() {
        let mut port = Port::new();
        let slow = port.enter_all(STRANGERS_PER_NETWORK);
        port.wait(TURN);
        slow[0].advance(port.now);
        let elsewhere = port.enter(2);
        let new = port.queue(NETWORK);
        assert_eq!(new.try_enter(port.now), Ok(()));
        assert_eq!(port.open(&slow), STRANGERS_PER_NETWORK - 1);
        assert!(!port.is_open(&slow[1]), "the first one did something since");
        assert!(port.is_open(&elsewhere) && port.is_open(&new));
    }

    #[test]
    fn each_connection_has_its_turn_in_the_order_of_the_queue() {
        let mut port = Port::new();
        let first = port.enter_all(STRANGERS_PER_NETWORK);
        port.wait(TURN / 4);
        let queued = [port.queue(NETWORK), port.queue(NETWORK)];
        assert_eq!(queued[1].try_enter(port.now), Err(PATIENCE));
        assert_eq!(queued[0].try_enter(port.now), Err(TURN / 4 * 3));
        assert_eq!(port.open(&first), STRANGERS_PER_NETWORK);
        assert_eq!(
            port.queue(2).try_enter(port.now),
            Ok(()),
            "another network does not wait"
        );
        port.wait(TURN / 4 * 3);
        assert_eq!(queued[0].try_enter(port.now), Ok(()));
        assert_eq!(queued[1].try_enter(port.now), Ok(()));
        assert_eq!(port.open(&first), STRANGERS_PER_NETWORK - 2);
    }

    #[test]
    fn a_client_that_acts_at_once_is_served_however_many_others_connect() {
        let mut port = Port::new();
        let silent = port.enter_all(STRANGERS_PER_NETWORK);
        let flood: Vec<Place> = (1..QUEUED_PER_NETWORK)
            .map(|_| port.queue(NETWORK))
            .collect();
        let quick = port.queue(NETWORK);
        let network = Network::of([192, 0, 2, NETWORK].into());
        assert!(port.places.queue(port.now, network).is_none());
        let start = port.now;
        for place in &flood {
            while let Err(wait) = place.try_enter(port.now) {
                port.wait(wait);
            }
        }
        while let Err(wait) = quick.try_enter(port.now) {
            port.wait(wait);
        }
        assert!(port.now - start <= Duration::from_secs(1));
        let mut others = Vec::new();
        for _ in 0..3 {
            others.extend(port.enter_all(STRANGERS_PER_NETWORK / 2));
            assert!(port.is_open(&quick));
            port.wait(TURN / 4);
            quick.advance(port.now);
        }
        quick.begin_request(port.now, Some("root"));
        others.extend(port.enter_all(2 * STRANGERS));
        assert!(port.is_open(&quick), "it is an operator's now");
        assert_eq!(port.open(&silent), 0);
    }

    #[test]
    fn a_connection_whose_request_is_handled_is_not_displaced() {
        let mut port = Port::new();
        let busy = port.enter(NETWORK);
        busy.begin_request(port.now, None);
        busy.handle_request(port.now);
        let mut others = port.enter_all(2 * STRANGERS);
        assert!(port.is_open(&busy));
        busy.end_request(port.now);
        others.extend(port.enter_all(STRANGERS_PER_NETWORK));
        assert!(!port.is_open(&busy), "its request is answered");
    }

    #[test]
    fn a_request_whose_body_does_not_arrive_is_displaced() {
        let mut port = Port::new();
        let slow = port.enter(NETWORK);
        slow.begin_request(port.now, None);
        let _others = port.enter_all(STRANGERS_PER_NETWORK);
        assert!(!port.is_open(&slow));
    }

    #[test]
    fn all_networks_together_are_limited_as_well() {
        let mut port = Port::new();
        let places: Vec<Place> = (0..=STRANGERS)
            .map(|number| port.enter(u8::try_from(number).unwrap()))
            .collect();
        assert_eq!(port.open(&places), STRANGERS);
        assert!(!port.is_open(&places[0]));
    }

    #[test]
    fn an_operator_has_a_number_of_places_of_its_own_and_none_without_the_token() {
        let mut port = Port::new();
        let operator = port.enter_all(PLACES_PER_OPERATOR + 1);
        for place in &operator {
            place.begin_request(port.now, Some("root"));
            place.end_request(port.now);
        }
        let other = port.enter(NETWORK);
        other.begin_request(port.now, Some("other"));
        operator[0].begin_request(port.now, None);
        operator[0].end_request(port.now);
        operator[1].begin_request(port.now, Some("root"));
        let _strangers = port.enter_all(STRANGERS_PER_NETWORK);
        assert!(!port.is_open(&operator[0]), "without the token");
        assert_eq!(
            port.open(&operator[1..PLACES_PER_OPERATOR]),
            PLACES_PER_OPERATOR - 1
        );
        assert!(
            !port.is_open(&operator[PLACES_PER_OPERATOR]),
            "one operator cannot take all places"
        );
        assert!(port.is_open(&other));
    }

    #[test]
    fn a_client_that_does_nothing_loses_its_place_and_one_that_has_asked_does_not() {
        let mut port = Port::new();
        let [silent, slow, asked] = [0; 3].map(|_| port.enter(NETWORK));
        asked.begin_request(port.now, None);
        asked.end_request(port.now);
        port.wait(PATIENCE / 2);
        slow.advance(port.now);
        port.wait(PATIENCE / 2);
        assert!(!port.is_open(&silent) && port.is_open(&slow) && port.is_open(&asked));
        port.wait(PATIENCE / 2);
        assert!(!port.is_open(&slow) && port.is_open(&asked));
    }

    #[test]
    fn a_place_is_free_when_its_connection_ends() {
        let mut port = Port::new();
        let first = port.enter(NETWORK);
        for _ in 0..2 * STRANGERS {
            drop(port.enter(NETWORK));
        }
        assert!(port.is_open(&first));
    }

    #[tokio::test]
    async fn those_that_wait_and_those_that_are_displaced_are_woken() {
        let places = Arc::new(Places::default());
        let queue = || {
            let network = Network::of([192, 0, 2, NETWORK].into());
            places.queue(Instant::now(), network).unwrap()
        };
        let known: Vec<Place> = (0..STRANGERS_PER_NETWORK).map(|_| queue()).collect();
        for place in &known {
            place.entered().await;
            place.begin_request(Instant::now(), None);
        }
        let queued = [queue(), queue(), queue()];
        let woken = async {
            tokio::join!(
                queued[2].entered(),
                queued[1].entered(),
                queued[0].entered(),
                known[0].lost()
            )
        };
        // Unless they are woken, they look again after the whole patience.
        assert!(tokio::time::timeout(PATIENCE / 2, woken).await.is_ok());
    }
}
