//! The places of the control port: which connections are served, and which have to end for others.
//!
//! A connection is a *stranger's* until it sends a request with the token of a session; then it is
//! that *operator's*. One that signs in with a device token is that *device's* from then on.
//! Strangers never take the place of either, and are limited in number: all of them together, and
//! those of one network, which for IPv6 is that of a site ([`Network::of_site`]).
//!
//! Only its first request can show whether a new connection is an operator's, so each one gets its
//! turn: when there are too many strangers, it displaces one. The rule is that **nothing a
//! stranger does protects its place for longer than a second**. It may take [`TURN`] for each of
//! its four steps: it gets its place, sends the first byte, finishes the handshake, and sends the
//! head of its first request. Further requests are no steps. When others queue, the stranger that
//! is displaced is, of the network that has the most, the one whose last step was the longest ago,
//! as soon as its turn is over. So sockets that are opened quickly do not displace one another
//! before any of them can act, and a client that acts at once is served, however many connections
//! others hold and whatever they send.
//!
//! New connections queue until then. The next place is for the network that has the fewest, so a
//! network that fills its places again and again keeps no other out. If the queue is full, the
//! network with the most connections in it loses the newest one. So only those who open hundreds
//! of connections each second from hundreds of networks keep others out, save operators and
//! devices that have a place.
//!
//! A stranger whose request is being handled is not displaced: there are few of them
//! ([`StrangerLimit`], [`Attempting`]), and neither a body that has not arrived nor an answer that
//! is not read counts as handling. A successful sign-in makes the connection the operator's while
//! it is handled, so its answer is not lost to a newcomer. A stranger that has not sent a request
//! yet loses its place after [`PATIENCE`] without a step.
//!
//! [`StrangerLimit`]: crate::http::stranger_limit::StrangerLimit
//! [`Attempting`]: crate::auth::throttle::Attempting

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
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
/// How long a stranger may take for each of its steps before another may displace it.
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
    /// When the client did its last step of connecting.
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

    /// Returns the number of places that the strangers of a network have.
    fn places_of(&self, network: Network) -> usize {
        let strangers = self.strangers();
        strangers
            .filter(|(_, stranger)| stranger.network == network)
            .count()
    }

    /// Returns those that are the next to get a place in their networks, each with the number of
    /// places that its network has, in the order in which they get one. Networks that have all
    /// their places are left out: they wait for the others.
    fn next_of_networks(&self) -> BTreeSet<(usize, u64)> {
        let mut next: HashMap<Network, (usize, u64)> = HashMap::new();
        for (id, queued) in self.queued() {
            next.entry(queued.network).or_insert((0, id));
        }
        for (_, stranger) in self.strangers() {
            if let Some((places, _)) = next.get_mut(&stranger.network) {
                *places += 1;
            }
        }
        next.into_values()
            .filter(|(places, _)| *places < STRANGERS_PER_NETWORK)
            .collect()
    }

    /// Makes room for the stranger that is the next one of its network in the queue. Returns after
    /// how long to try again if that is not possible yet.
    fn make_room(&mut self, now: Instant, id: u64, network: Network) -> Result<(), Duration> {
        let places = self.places_of(network);
        let has_network_room = places < STRANGERS_PER_NETWORK;
        let free = STRANGERS.saturating_sub(self.strangers().count());
        let next = self.next_of_networks();
        if next.len() > free && next.first() != Some(&(places, id)) {
            return Err(TURN);
        }
        if has_network_room && free > 0 {
            return Ok(());
        }
        // Of each network, the number of those that can be displaced, and the first of them.
        let mut displaceable: HashMap<Network, (usize, Reverse<(Instant, u64)>)> = HashMap::new();
        for (id, stranger) in self.strangers() {
            if stranger.stage != Stage::Busy {
                let first = Reverse((stranger.since, id));
                let of_network = displaceable.entry(stranger.network).or_insert((0, first));
                *of_network = (of_network.0 + 1, of_network.1.max(first));
            }
        }
        let first = if has_network_room {
            displaceable.values().max()
        } else {
            displaceable.get(&network)
        };
        let (_, Reverse((since, first))) = first.ok_or(TURN)?;
        let turn = TURN.saturating_sub(now.saturating_duration_since(*since));
        if !turn.is_zero() {
            return Err(turn);
        }
        if let Some(displaced) = self.by_id.remove(first) {
            displaced.changed.notify_one();
        }
        Ok(())
    }

    /// Wakes the connection that is the next to get a place in a network, and the next of all.
    fn wake_next(&self, network: Network) {
        let of_network = self.queued_of(network).next().map(|(id, _)| id);
        let of_all = self.next_of_networks().pop_first().map(|(_, id)| id);
        for id in of_network.into_iter().chain(of_all) {
            if let Some(next) = self.by_id.get(&id) {
                next.changed.notify_one();
            }
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
        connections.make_room(now, self.id, network)?;
        if let Some(entered) = connections.by_id.get_mut(&self.id) {
            (entered.stage, entered.since) = (Stage::New, now);
        }
        connections.wake_next(network);
        Ok(())
    }

    /// Notes that the client has done the next step of connecting: the first byte, or the
    /// handshake.
    pub fn advance(&self, now: Instant) {
        if let Some(connection) = self.places.0.lock().by_id.get_mut(&self.id) {
            connection.since = now;
        }
    }

    /// Notes the head of a request: that of an operator, or of a stranger.
    pub fn begin_request(&self, now: Instant, operator: Option<&str>) {
        let mut connections = self.places.0.lock();
        let operator = operator.map(|name| Owner::Operator(name.to_owned()));
        let is_operators = operator.is_some_and(|owner| connections.assign(self.id, owner));
        if let Some(connection) = connections.by_id.get_mut(&self.id) {
            let is_devices = matches!(connection.stage, Stage::Owned(Owner::Device(_)));
            if !is_operators && !is_devices && connection.stage != Stage::Known {
                (connection.stage, connection.since) = (Stage::Known, now);
            }
        }
    }

    /// Notes that the client has shown who it is otherwise than by the token of a session: by the
    /// token of a device, or by signing in.
    pub fn recognize(&self, owner: Owner) {
        self.places.0.lock().assign(self.id, owner);
    }

    /// Notes that a request has arrived as a whole and is handled until [`Self::end_request`].
    pub fn handle_request(&self) {
        self.replace_stage(&Stage::Known, Stage::Busy);
    }

    /// Notes that a request was answered.
    pub fn end_request(&self) {
        self.replace_stage(&Stage::Busy, Stage::Known);
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

    fn replace_stage(&self, from: &Stage, to: Stage) {
        if let Some(connection) = self.places.0.lock().by_id.get_mut(&self.id)
            && connection.stage == *from
        {
            connection.stage = to;
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
