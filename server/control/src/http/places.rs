//! The places of the control port: which connections are served, and which have to end for others.
//!
//! A connection is a *stranger's* until it sends a request with the token of a session; then it is
//! that *operator's*. One that signs in with a device token is that *device's* from then on.
//! Strangers never take the place of either, and are limited in number.
//!
//! Only its first request can show whether a new connection is an operator's, so no newcomer is
//! refused or waits. A stranger takes three [`Step`]s: it connects, sends its first byte, and sends
//! the head of its first request. Each step has places of its own. A client that takes a step when
//! none of its places is free displaces a stranger at the same step, of a network that has the most
//! of these places: its own, if that is one of them. Networks with at most [`FEW`] are treated
//! alike. The displaced one is a random one of the half that has been there for the longest. An
//! IPv6 network is that of a site ([`Network::of_site`]).
//!
//! So connections displace only those that have got no further: silent ones, which cost nothing to
//! open, displace none that has sent its first byte, and those that begin a handshake displace none
//! that has sent a request. The choice is random because nothing tells the connections of a network
//! apart: when so many are opened that each has little time, some of them still have enough,
//! whereas to displace the oldest would be to serve none.
//!
//! If strangers connect from more networks than there are places, an operator's connection would be
//! displaced like theirs. So each step also has *kept* places, for sites from which an admin has
//! signed in before: a stranger's connection from there that is displaced moves to a kept place,
//! where only connections of such sites displace it.
//!
//! A stranger whose request, with its body, is being handled is not displaced: there are few of
//! them ([`StrangerLimit`], [`Attempting`]), and neither a body that has not arrived nor an answer
//! that is not read counts as handling. A successful sign-in makes the connection the operator's
//! while it is handled, so its answer is not lost to a newcomer. A stranger that has not sent a
//! request yet loses its place when it takes longer than [`PATIENCE`].
//!
//! [`StrangerLimit`]: crate::http::stranger_limit::StrangerLimit
//! [`Attempting`]: crate::auth::throttle::Attempting

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rookery_base::random::random;
use rookery_record::Network;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::auth::device::Device;

/// The maximum number of places that one operator has. Further connections stay strangers'.
pub const PLACES_PER_OPERATOR: usize = 16;
/// The maximum number of places that one device has. One connection is enough to sign in.
const PLACES_PER_DEVICE: usize = 2;
/// How long a client may take for its first byte, for the TLS handshake, and for the head of its
/// first request.
const PATIENCE: Duration = Duration::from_secs(3);
/// The number of places at a step up to which all networks are treated alike. Otherwise two
/// commands of an operator at the same time would be the most that a network has, where strangers
/// of many networks have a place each.
const FEW: usize = 3;
/// The number of kept places of each step.
const KEPT: usize = 64;

/// All places of the control port.
#[derive(Default)]
pub struct Places(Mutex<Connections>);

/// The connections in the order in which they were accepted.
#[derive(Default)]
struct Connections {
    next_id: u64,
    by_id: BTreeMap<u64, Connection>,
    /// The sites from which an admin has signed in.
    known: HashSet<Network>,
}

struct Connection {
    network: Network,
    stage: Stage,
    /// Whether a stranger has one of the kept places of its step.
    is_kept: bool,
    /// When the client did its last step of connecting.
    since: Instant,
    /// Wakes the connection's task when the place is lost.
    changed: Arc<Notify>,
}

#[derive(PartialEq, Eq)]
enum Stage {
    Stranger(Step),
    /// A stranger at this step whose request is being handled.
    Busy(Step),
    /// No stranger's connection.
    Owned(Owner),
}

/// What a stranger has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It has connected, and sent nothing.
    Connected,
    /// It has sent its first byte, and no request.
    Began,
    /// It has sent requests.
    Asked,
}

impl Step {
    /// Returns the number of places of the strangers at this step, without the kept ones. Those of
    /// all steps together are open files, for which the process needs a limit that is high enough.
    const fn places(self) -> usize {
        match self {
            Self::Connected => 320,
            Self::Began | Self::Asked => 128,
        }
    }
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

/// The place of one connection. Dropping it leaves the place.
pub struct Place {
    places: Arc<Places>,
    id: u64,
    changed: Arc<Notify>,
    has_asked: AtomicBool,
}

impl Places {
    /// Sets from which networks admins have signed in.
    pub fn set_known(&self, networks: &[Network]) {
        self.0.lock().known = networks.iter().map(|network| network.site()).collect();
    }

    /// Adds a new connection, for which another one may lose its place.
    pub fn enter(self: &Arc<Self>, now: Instant, network: Network) -> Place {
        let mut connections = self.0.lock();
        connections.make_room(Step::Connected, false, network);
        let id = connections.next_id;
        connections.next_id += 1;
        let changed = Arc::new(Notify::new());
        let connection = Connection {
            network,
            stage: Stage::Stranger(Step::Connected),
            is_kept: false,
            since: now,
            changed: Arc::clone(&changed),
        };
        connections.by_id.insert(id, connection);
        Place {
            places: Arc::clone(self),
            id,
            changed,
            has_asked: AtomicBool::new(false),
        }
    }
}

impl Connections {
    /// Makes room for another connection of a network at a step, in the kept places or in the
    /// others. Returns whether there is room.
    fn make_room(&mut self, step: Step, is_kept: bool, network: Network) -> bool {
        let all = self.by_id.values();
        let strangers =
            all.filter(|stranger| stranger.step() == Some(step) && stranger.is_kept == is_kept);
        let limit = if is_kept { KEPT } else { step.places() };
        if strangers.clone().count() < limit {
            return true;
        }
        let mut places: HashMap<Network, usize> = HashMap::new();
        for stranger in strangers {
            *places.entry(stranger.network).or_default() += 1;
        }
        let displaceable = self.by_id.iter().filter(|(_, stranger)| {
            stranger.stage == Stage::Stranger(step) && stranger.is_kept == is_kept
        });
        let places_of = |network| places.get(&network).map_or(FEW, |places| FEW.max(*places));
        let most = displaceable
            .clone()
            .map(|(_, stranger)| places_of(stranger.network))
            .max();
        let is_of_most = |of: Network| Some(places_of(of)) == most;
        let is_own = is_of_most(network) && places_of(network) > FEW;
        let mut displaceable: Vec<(Instant, u64)> = displaceable
            .filter(|(_, stranger)| is_of_most(stranger.network))
            .filter(|(_, stranger)| !is_own || stranger.network == network)
            .map(|(id, stranger)| (stranger.since, *id))
            .collect();
        displaceable.sort_unstable();
        let older = displaceable.len().div_ceil(2).max(1);
        let chosen = usize::from(u16::from_ne_bytes(random())) % older;
        let Some((_, id)) = displaceable.get(chosen) else {
            return false;
        };
        if !is_kept && self.keep(*id, step) {
            return true;
        }
        if let Some(displaced) = self.by_id.remove(id) {
            displaced.changed.notify_one();
        }
        true
    }

    /// Moves a stranger of a known network to a kept place of its step. Returns whether it has one.
    fn keep(&mut self, id: u64, step: Step) -> bool {
        let network = self.by_id.get(&id).map(|connection| connection.network);
        let known = network.filter(|network| self.known.contains(network));
        let has_room = known.is_some_and(|network| self.make_room(step, true, network));
        if let Some(connection) = self.by_id.get_mut(&id) {
            connection.is_kept = has_room;
        }
        has_room
    }

    /// Notes that a stranger does a step of connecting. Unless it is at that step, it needs another
    /// place. Without one, it stays where it is.
    fn advance(&mut self, now: Instant, id: u64, step: Step) {
        let Some(connection) = self.by_id.get(&id) else {
            return;
        };
        let is_next = connection.step() != Some(step);
        if is_next && !self.make_room(step, false, connection.network) {
            return;
        }
        if let Some(connection) = self.by_id.get_mut(&id) {
            (connection.stage, connection.since) = (Stage::Stranger(step), now);
            connection.is_kept &= !is_next;
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
        true
    }
}

impl Connection {
    /// Returns at which step a stranger is. `None` if it is no stranger.
    fn step(&self) -> Option<Step> {
        match self.stage {
            Stage::Stranger(step) | Stage::Busy(step) => Some(step),
            Stage::Owned(_) => None,
        }
    }
}

impl Place {
    /// Notes that the client has done the next step of connecting: the first byte, or the
    /// handshake.
    pub fn advance(&self, now: Instant) {
        self.places.0.lock().advance(now, self.id, Step::Began);
    }

    /// Notes the head of a request: that of an operator, or of a stranger.
    pub fn begin_request(&self, now: Instant, operator: Option<&str>) {
        self.has_asked.store(true, Ordering::Relaxed);
        let mut connections = self.places.0.lock();
        let operator = operator.map(|name| Owner::Operator(name.to_owned()));
        let is_operators = operator.is_some_and(|owner| connections.assign(self.id, owner));
        if let Some(connection) = connections.by_id.get(&self.id) {
            let is_devices = matches!(connection.stage, Stage::Owned(Owner::Device(_)));
            if !is_operators && !is_devices && connection.step() != Some(Step::Asked) {
                connections.advance(now, self.id, Step::Asked);
            }
        }
    }

    /// Returns whether the head of a request has arrived on the connection.
    pub fn has_asked(&self) -> bool {
        self.has_asked.load(Ordering::Relaxed)
    }

    /// Notes that the client has shown who it is otherwise than by the token of a session: by the
    /// token of a device, or by signing in.
    pub fn recognize(&self, owner: Owner) {
        self.places.0.lock().assign(self.id, owner);
    }

    /// Notes that a request has arrived as a whole and is handled until [`Self::end_request`].
    pub fn handle_request(&self) {
        self.change_stage(|stage| match stage {
            Stage::Stranger(step) => Some(Stage::Busy(*step)),
            Stage::Busy(_) | Stage::Owned(_) => None,
        });
    }

    /// Notes that a request was answered.
    pub fn end_request(&self) {
        self.change_stage(|stage| match stage {
            Stage::Busy(step) => Some(Stage::Stranger(*step)),
            Stage::Stranger(_) | Stage::Owned(_) => None,
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
        if !matches!(
            connection.stage,
            Stage::Stranger(Step::Connected | Step::Began)
        ) {
            return Some(PATIENCE);
        }
        let waited = now.saturating_duration_since(connection.since);
        let patience = PATIENCE.saturating_sub(waited);
        (!patience.is_zero()).then_some(patience)
    }

    fn change_stage(&self, next: impl FnOnce(&Stage) -> Option<Stage>) {
        if let Some(connection) = self.places.0.lock().by_id.get_mut(&self.id)
            && let Some(next) = next(&connection.stage)
        {
            connection.stage = next;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.0.lock().by_id.remove(&self.id);
    }
}

#[cfg(test)]
mod tests;
