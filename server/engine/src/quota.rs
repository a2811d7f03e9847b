//! Limits the number of connections, in total and per address.
//!
//! A connection is a *stranger's* until its session is admitted. When a limit is reached, a new
//! connection displaces a stranger's. Otherwise anyone could keep out everyone behind the same
//! address, or from a few networks everyone else, with connections that never sign in. Those that
//! have not completed the handshake are displaced first, after `TURN`. Those in the waiting room
//! may be waiting for a mailed code, so they have `WAITING_ROOM_TURN`; but since anyone can hang
//! there, they have it only while they hold no more than half of the connections that the limit
//! permits. Among equals, the one that has waited for longest is displaced.
//!
//! A connection that was displaced has its place until it is closed, because its file is open. If
//! no place is free, the new connection waits for that one, and if the turn of none is over, until
//! it is. Places that become free go to those that wait, in their order, so that no client that
//! connects later takes them.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use rookery_record::{NETWORKS_OF_SITE, Network};

/// How long a stranger may take before another connection may displace it.
const TURN: Duration = Duration::from_secs(3);
/// How long a stranger in the waiting room may take: as long as a mailed code is valid.
const WAITING_ROOM_TURN: Duration = Duration::from_mins(10);
/// One in this many of all connections stays free, as long as there is someone to displace, for
/// those that were displaced and are still closing.
const SPARE: usize = 64;
/// How many new connections wait for a place at most. Each is an open file beyond the limit.
const MAX_WAITING: usize = 64;
/// How long a new connection waits for a place. A connection that was displaced closes within
/// milliseconds, or within four seconds if its client does not read.
const WAIT: Duration = Duration::from_secs(5);
/// How often a connection that waits looks for one whose turn is over.
const LOOK: Duration = Duration::from_millis(100);

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
    /// The number of places that are taken. Connections that were displaced have theirs until they
    /// are closed.
    places: usize,
    /// Without those that were displaced.
    open: HashMap<u64, Connection>,
    /// Those of `open` that wait for a place, in their order.
    waiting: VecDeque<(u64, oneshot::Sender<()>)>,
    groups: HashMap<Counted, Group>,
}

/// The open connections that are counted for one thing.
#[derive(Debug, Default)]
struct Group {
    /// The number at each [`Stage`].
    by_stage: [usize; 3],
    /// Those that can be displaced, in the handshake and in the waiting room: since when, and the
    /// id.
    displaceable: [BTreeSet<(Instant, u64)>; 2],
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
    /// When it got its place or, later, entered the waiting room.
    since: Instant,
    has_place: bool,
    displaced: Arc<Notify>,
}

/// A connection that is counted, and waits for its place if none was free.
pub struct Entry {
    permit: ConnectionPermit,
    now: Instant,
    place: Option<Place>,
}

/// The place that a connection waits for.
struct Place {
    granted: oneshot::Receiver<()>,
    /// The number of connections that are permitted.
    total: usize,
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
        self.counts.lock().places
    }

    /// Displaces connections for those that wait, on behalf of the first of these.
    fn displace_for_waiting(&self, id: u64, now: Instant, total: usize) {
        let mut counts = self.counts.lock();
        if counts
            .waiting
            .front()
            .is_some_and(|(first, _)| *first == id)
        {
            while counts.waiting.len() > counts.closing()
                && counts.displace_one(now, Counted::All, total)
            {}
        }
    }

    /// Counts one more connection, which may displace another. Returns `None` if a limit is
    /// reached.
    pub fn enter(
        this: &Arc<Self>,
        now: Instant,
        address: IpAddr,
        limits: ConnectionLimits,
    ) -> Option<Entry> {
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
        let must_wait = total.is_some_and(|total| counts.places >= total);
        if must_wait && counts.waiting.len() >= MAX_WAITING {
            return None;
        }
        let mut has_displaced = false;
        for (counted, limit) in [(network, per_address), (site, per_site)] {
            if let Some(limit) = limit.filter(|limit| counts.of(counted) >= *limit) {
                if !counts.displace_one(now, counted, limit) {
                    return None;
                }
                has_displaced = true;
            }
        }
        if let Some(total) = total
            && !has_displaced
            && counts.of(Counted::All) + total / SPARE >= total
        {
            counts.displace_one(now, Counted::All, total);
        }
        if must_wait && counts.waiting.len() >= counts.closing() + counts.strangers_with_place() {
            return None;
        }
        let id = counts.next_id;
        counts.next_id += 1;
        let place = total.filter(|_| must_wait).map(|total| {
            let (sender, granted) = oneshot::channel();
            counts.waiting.push_back((id, sender));
            Place { granted, total }
        });
        if !must_wait {
            counts.places += 1;
        }
        let displaced = Arc::new(Notify::new());
        let connection = Connection {
            counted: [Counted::All, network, site],
            stage: Stage::Handshake,
            since: now,
            has_place: !must_wait,
            displaced: Arc::clone(&displaced),
        };
        counts.insert(id, connection);
        drop(counts);
        let permit = ConnectionPermit {
            connections: Arc::clone(this),
            id,
            displaced,
        };
        Some(Entry { permit, now, place })
    }
}

impl Entry {
    /// Waits for the place, if none was free. Returns `None` if none became free in time.
    pub async fn place(self) -> Option<ConnectionPermit> {
        let Self { permit, now, place } = self;
        if let Some(Place { mut granted, total }) = place {
            let began = tokio::time::Instant::now();
            let wait = async {
                loop {
                    if let Ok(granted) = timeout(LOOK, &mut granted).await {
                        return granted;
                    }
                    let now = now + began.elapsed();
                    permit
                        .connections
                        .displace_for_waiting(permit.id, now, total);
                }
            };
            timeout(WAIT, wait).await.ok()?.ok()?;
            permit.begin_turn(now + began.elapsed());
        }
        Some(permit)
    }
}

impl Counts {
    /// Returns the number of open connections at each stage.
    fn by_stage(&self, counted: Counted) -> [usize; 3] {
        let group = self.groups.get(&counted);
        group.map(|group| group.by_stage).unwrap_or_default()
    }

    /// Returns the number of open connections.
    fn of(&self, counted: Counted) -> usize {
        self.by_stage(counted).iter().sum()
    }

    /// Returns the number of connections that were displaced and still have a place.
    fn closing(&self) -> usize {
        self.places - (self.open.len() - self.waiting.len())
    }

    fn strangers_with_place(&self) -> usize {
        let [in_handshake, in_waiting_room, _] = self.by_stage(Counted::All);
        in_handshake + in_waiting_room - self.waiting.len()
    }

    /// Frees a place, which the connection receives that has waited for longest.
    fn free_place(&mut self) {
        match self.waiting.pop_front() {
            Some((id, place)) => {
                self.change(id, |connection| connection.has_place = true);
                // If it no longer waits, it frees the place when it is dropped.
                let _ = place.send(());
            }
            None => self.places -= 1,
        }
    }

    /// Ends the connection of a stranger that is counted there. Returns false if the turn of none
    /// is over.
    fn displace_one(&mut self, now: Instant, counted: Counted, limit: usize) -> bool {
        let Some(group) = self.groups.get(&counted) else {
            return false;
        };
        let [_, waiting, _] = group.by_stage;
        let waiting_room_turn = if waiting > limit / 2 {
            TURN
        } else {
            WAITING_ROOM_TURN
        };
        let oldest = group.displaceable.iter().map(BTreeSet::first);
        let first = oldest
            .zip([TURN, waiting_room_turn])
            .filter_map(|(oldest, turn)| Some((oldest?, turn)))
            .find(|((since, _), turn)| now.saturating_duration_since(*since) >= *turn);
        let displaced = first.map(|((_, id), _)| *id).and_then(|id| self.remove(id));
        displaced.is_some_and(|connection| {
            connection.displaced.notify_one();
            true
        })
    }

    fn insert(&mut self, id: u64, connection: Connection) {
        for counted in connection.counted {
            let group = self.groups.entry(counted).or_default();
            group.by_stage[connection.stage as usize] += 1;
            if let Some(displaceable) = group.displaceable_like(&connection) {
                displaceable.insert((connection.since, id));
            }
        }
        self.open.insert(id, connection);
    }

    /// Stops counting a connection, except for its place.
    fn remove(&mut self, id: u64) -> Option<Connection> {
        let connection = self.open.remove(&id)?;
        for counted in connection.counted {
            if let Some(group) = self.groups.get_mut(&counted) {
                group.by_stage[connection.stage as usize] -= 1;
                if let Some(displaceable) = group.displaceable_like(&connection) {
                    displaceable.remove(&(connection.since, id));
                }
                if group.by_stage == [0; 3] {
                    self.groups.remove(&counted);
                }
            }
        }
        Some(connection)
    }

    /// Changes a connection. Returns false if it was displaced already.
    fn change(&mut self, id: u64, change: impl FnOnce(&mut Connection)) -> bool {
        let Some(mut connection) = self.remove(id) else {
            return false;
        };
        change(&mut connection);
        self.insert(id, connection);
        true
    }
}

impl Group {
    /// Returns those that can be displaced at the same stage as the connection, if it can.
    fn displaceable_like(
        &mut self,
        connection: &Connection,
    ) -> Option<&mut BTreeSet<(Instant, u64)>> {
        let [in_handshake, in_waiting_room] = &mut self.displaceable;
        match connection.stage {
            _ if !connection.has_place => None,
            Stage::Handshake => Some(in_handshake),
            Stage::WaitingRoom => Some(in_waiting_room),
            Stage::Admitted => None,
        }
    }
}

impl ConnectionPermit {
    fn begin_turn(&self, now: Instant) {
        let mut counts = self.connections.counts.lock();
        counts.change(self.id, |connection| connection.since = now);
    }

    /// Completes when the connection was displaced by another one, and has to end.
    pub async fn displaced(&self) {
        self.displaced.notified().await;
    }

    /// Sets how far the session has progressed. Returns false if the connection was displaced
    /// already.
    pub fn set_stage(&self, now: Instant, stage: Stage) -> bool {
        let mut counts = self.connections.counts.lock();
        counts.change(self.id, |connection| {
            if (connection.stage, stage) == (Stage::Handshake, Stage::WaitingRoom) {
                connection.since = now;
            }
            connection.stage = stage;
        })
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut counts = self.connections.counts.lock();
        let is_waiting = counts
            .remove(self.id)
            .is_some_and(|connection| !connection.has_place);
        if is_waiting {
            counts.waiting.retain(|(id, _)| *id != self.id);
        } else {
            counts.free_place();
        }
    }
}

#[cfg(test)]
mod tests;
