//! The places of the control port: which connections are served, and which have to end for others.
//!
//! A connection is a *stranger's* until it sends a request with the token of a session; then it is
//! that *operator's*. One that signs in with a device token is that *device's* from then on.
//! Strangers never take the place of either, and are limited in number: all of them together, and
//! those of one network, which for IPv6 is that of a site ([`Network::of_site`]).
//!
//! Only its first request can show whether a new connection is an operator's, so each one gets its
//! turn: when there are too many strangers, it displaces the one that has shown nothing for the
//! longest (no first byte, no finished handshake, no whole request). A client that acts at once is
//! therefore served, however many sockets others hold. A stranger is displaced at the earliest
//! after [`TURN`] without a step, so that sockets that are opened quickly do not displace one
//! another before any of them can act. New connections queue until then. If the queue is full, the
//! network with the most connections in it loses the newest one. So only those who open hundreds
//! of connections each second from hundreds of networks keep others out, save operators and devices
//! that have a place.
//!
//! A stranger whose request is being handled is not displaced: there are few of them
//! ([`StrangerLimit`], [`Attempting`]). One that has not sent a request yet loses its place after
//! [`PATIENCE`] without a step.
//!
//! [`StrangerLimit`]: crate::http::stranger_limit::StrangerLimit
//! [`Attempting`]: crate::auth::throttle::Attempting

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rookery_record::Network;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::auth::device::Device;

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
/// The maximum number of places that one device has. One connection is enough to sign in.
const PLACES_PER_DEVICE: usize = 2;
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
    /// No stranger's connection.
    Owned(Owner),
}

/// An owner of places that strangers cannot take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The operator with this name.
    Operator(String),
    /// A device that an admin has signed in with before.
    Device(Device),
}

impl Owner {
    fn max_places(&self) -> usize {
        match self {
            Self::Operator(_) => PLACES_PER_OPERATOR,
            Self::Device(_) => PLACES_PER_DEVICE,
        }
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
        let of_network = connections.queued_of(network).count();
        if of_network >= QUEUED_PER_NETWORK
            || (connections.queued().count() >= QUEUED
                && !connections.shorten_queue(of_network + 1))
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

    /// Removes the newest connection of the network with the most queued ones, if it has more than
    /// `count`. Returns whether it has.
    fn shorten_queue(&mut self, count: usize) -> bool {
        let mut of_networks: HashMap<Network, (usize, u64)> = HashMap::new();
        for (id, connection) in self.queued() {
            let (queued, newest) = of_networks.entry(connection.network).or_default();
            (*queued, *newest) = (*queued + 1, id);
        }
        let longest = of_networks.values().max();
        let removed = longest
            .filter(|(queued, _)| *queued > count)
            .and_then(|(_, newest)| self.by_id.remove(newest));
        removed.is_some_and(|removed| {
            removed.changed.notify_one();
            true
        })
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

    /// Makes a connection the owner's, unless the owner has all its places. Returns whether it is
    /// the owner's.
    fn assign(&mut self, id: u64, owner: Owner) -> bool {
        let max_places = owner.max_places();
        let stage = Stage::Owned(owner);
        let all = self.by_id.values();
        let places = all.filter(|connection| connection.stage == stage).count();
        let Some(connection) = self.by_id.get_mut(&id) else {
            return false;
        };
        if connection.stage != stage && places >= max_places {
            return false;
        }
        connection.stage = stage;
        let network = connection.network;
        self.wake_next(network);
        true
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
        let operator = operator.map(|name| Owner::Operator(name.to_owned()));
        let is_operators = operator.is_some_and(|owner| connections.assign(self.id, owner));
        if let Some(connection) = connections.by_id.get_mut(&self.id) {
            let is_devices = matches!(connection.stage, Stage::Owned(Owner::Device(_)));
            if !is_operators && !is_devices {
                connection.stage = Stage::Known;
            }
            connection.since = now;
        }
    }

    /// Notes that the client has presented the token of a device.
    pub fn recognize(&self, device: Device) {
        let mut connections = self.places.0.lock();
        connections.assign(self.id, Owner::Device(device));
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
mod tests;
