//! Limits the number of connections, in total and per address.
//!
//! A connection is a *stranger's* until its session is admitted. When a limit is reached, a new
//! connection displaces a stranger's. Otherwise anyone could keep out everyone behind the same
//! address, or from a few networks everyone else, with connections that never sign in. The one that
//! has progressed the least is displaced, so that connections that do nothing cost others nothing,
//! and among equals, the one that has made no progress for the longest. One that has just made some
//! has a turn for its next step while there is another one to displace: however far a crowd takes
//! its connections, each of the others can pass through all stages.
//!
//! Those in the waiting room may be waiting for a mailed code, so they have `WAITING_ROOM_TURN`;
//! but since anyone can hang there, they have it only while they hold at most half of the places
//! that the limit permits.
//!
//! A tenth of the places is reserved for strangers, and half of that for handshakes, so that a new
//! connection can always sign in. When admitted sessions hold all others, a further one displaces
//! the newest of the [`Owner`] that has the most, if that has at least two more than its own. So
//! someone who has few sessions never loses one to someone who has many. Otherwise, it displaces
//! the oldest of its own account, because sessions that were forgotten must not keep anyone out of
//! their account. If its account has none, or it is a guest's, it is refused.
//!
//! A connection that was displaced has its place until it is closed, because its file is open. If
//! no place is free, the new connection waits for that one. Places that become free go to those
//! that wait, in their order, so that no client that connects later takes them.

mod shares;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use rookery_chat::event::SessionId;
use rookery_record::{AccountId, NETWORKS_OF_SITE, Network};
use shares::Shares;

/// How long a stranger has for its next step while another one could be displaced, for each place
/// that strangers of its address have. That is half of the time in which one address uses up these
/// places if it opens 20 connections a second.
const TURN_PER_PLACE: Duration = Duration::from_millis(25);
/// How long a stranger has for its next step at most while another one could be displaced.
const MAX_TURN: Duration = Duration::from_millis(500);
/// How long a stranger has for its next step while places are free.
const LONG_TURN: Duration = Duration::from_secs(3);
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
    shares: Shares,
}

/// The open connections that are counted for one thing.
#[derive(Debug, Default)]
struct Group {
    /// The number in the handshake, in the waiting room, and of admitted sessions.
    by_state: [usize; 3],
    /// Those that can be displaced, by their stage: since when they are at it, and the id.
    displaceable: [BTreeSet<(Instant, u64)>; DISPLACED_FIRST.len()],
}

/// What connections are counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Counted {
    All,
    Network(Network),
    Site(Network),
}

/// How far a connection has progressed whose session is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The client has sent nothing.
    Silent,
    /// The TLS handshake has begun.
    Tls,
    /// The client has sent a message.
    Irc,
    /// The client has begun to sign in.
    SignIn,
    /// The session is in the waiting room.
    WaitingRoom,
}

/// The stages in the order in which they are displaced. That of the waiting room stands for those
/// that it holds beyond its share, or for longer than its turn. They make room for handshakes.
const DISPLACED_FIRST: [Stage; 5] = [
    Stage::Silent,
    Stage::WaitingRoom,
    Stage::Tls,
    Stage::Irc,
    Stage::SignIn,
];

/// Who an admitted session belongs to. Accounts are not made as easily as connections, so all
/// guests of a network are one owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// The account that it is signed in to.
    Account(AccountId),
    /// The guests of the network.
    Guests(Network),
}

/// Why a session is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// Another connection has displaced this one.
    #[error("another connection took the place of this one")]
    Displaced,
    /// Admitted sessions have all places that they may have.
    #[error("there are too many sessions")]
    TooMany,
}

#[derive(Debug)]
struct Connection {
    /// In the order in which limits are checked: who has a place in the network has one in the site
    /// and in total.
    counted: [Counted; 3],
    state: State,
    /// When it got its place or, later, progressed to its stage.
    since: Instant,
    has_place: bool,
    displaced: Arc<Notify>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Stranger(Stage),
    Admitted { session: SessionId, owner: Owner },
}

/// A connection that is counted, and waits for its place if none was free.
pub struct NewConnection {
    permit: ConnectionPermit,
    now: Instant,
    /// Completes when it gets its place.
    place: Option<oneshot::Receiver<()>>,
}

/// The permit of one connection. Dropping it stops counting the connection.
#[derive(Debug)]
pub struct ConnectionPermit {
    connections: Arc<Connections>,
    id: u64,
    displaced: Arc<Notify>,
}

/// Returns how many places the admitted sessions leave free.
fn reserved(limit: usize) -> usize {
    limit / 10
}

/// Returns how long a stranger has for its next step where strangers have so many places.
fn turn(counted: Counted, places: usize) -> Duration {
    let networks = match counted {
        Counted::Network(_) => 1,
        Counted::Site(_) | Counted::All => NETWORKS_OF_SITE.get(),
    };
    let places = u32::try_from(places).unwrap_or(u32::MAX);
    let turn = TURN_PER_PLACE.saturating_mul(places) / networks;
    turn.min(MAX_TURN)
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

    /// Returns the limits for what a connection is counted for, in that order. `None` means no
    /// limit.
    fn limits(&self, limits: ConnectionLimits) -> [Option<usize>; 3] {
        let ConnectionLimits { total, per_address } = limits;
        let total = [total, self.capacity.unwrap_or(0)]
            .into_iter()
            .filter(|limit| *limit > 0)
            .min();
        let per_address = (per_address > 0).then_some(per_address);
        let networks_of_site = NETWORKS_OF_SITE.get() as usize;
        let per_site = per_address.map(|limit| limit.saturating_mul(networks_of_site));
        [per_address, per_site, total]
    }

    /// Counts one more connection, which may displace another. Returns `None` if a limit is
    /// reached.
    pub fn open(
        this: &Arc<Self>,
        now: Instant,
        address: IpAddr,
        limits: ConnectionLimits,
    ) -> Option<NewConnection> {
        let network = Counted::Network(Network::of(address));
        let site = Counted::Site(Network::of_site(address));
        let [per_address, per_site, total] = this.limits(limits);
        let mut counts = this.counts.lock();
        let must_wait = total.is_some_and(|total| counts.places >= total);
        if must_wait && counts.waiting.len() >= MAX_WAITING {
            return None;
        }
        let mut has_displaced = false;
        for (counted, limit) in [(network, per_address), (site, per_site)] {
            if let Some(limit) = limit.filter(|limit| counts.of(counted) >= *limit) {
                if !counts.displace_one(now, counted, limit, Duration::ZERO) {
                    return None;
                }
                has_displaced = true;
            }
        }
        if let Some(total) = total
            && !has_displaced
            && counts.of(Counted::All) + total / SPARE >= total
        {
            let needs_place = must_wait && counts.waiting.len() >= counts.closing();
            let least = if needs_place {
                Duration::ZERO
            } else {
                LONG_TURN
            };
            counts.displace_one(now, Counted::All, total, least);
        }
        if must_wait && counts.waiting.len() >= counts.closing() {
            return None;
        }
        let id = counts.next_id;
        counts.next_id += 1;
        let place = must_wait.then(|| {
            let (sender, granted) = oneshot::channel();
            counts.waiting.push_back((id, sender));
            granted
        });
        if !must_wait {
            counts.places += 1;
        }
        let displaced = Arc::new(Notify::new());
        let connection = Connection {
            counted: [network, site, Counted::All],
            state: State::Stranger(Stage::Silent),
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
        Some(NewConnection { permit, now, place })
    }
}

impl NewConnection {
    /// Waits for the place, if none was free. Returns `None` if none became free in time.
    pub async fn place(self) -> Option<ConnectionPermit> {
        let Self { permit, now, place } = self;
        if let Some(granted) = place {
            let began = tokio::time::Instant::now();
            timeout(WAIT, granted).await.ok()?.ok()?;
            permit.begin_turn(now + began.elapsed());
        }
        Some(permit)
    }
}

impl Counts {
    /// Returns the number of open connections in each state.
    fn by_state(&self, counted: Counted) -> [usize; 3] {
        let group = self.groups.get(&counted);
        group.map(|group| group.by_state).unwrap_or_default()
    }

    /// Returns the number of open connections.
    fn of(&self, counted: Counted) -> usize {
        self.by_state(counted).iter().sum()
    }

    /// Whether admitted sessions hold all places that they may have.
    fn is_full(&self, counted: Counted, limit: usize) -> bool {
        let [_, _, admitted] = self.by_state(counted);
        admitted >= limit - reserved(limit)
    }

    /// Returns where admitted sessions hold all places that they may have, of what the connection
    /// is counted for.
    fn full(&self, id: u64, limits: [Option<usize>; 3]) -> Result<Option<Counted>, NotAdmitted> {
        let connection = self.open.get(&id).ok_or(NotAdmitted::Displaced)?;
        let mut limited = connection.counted.into_iter().zip(limits);
        let is_full = |(counted, limit): &(_, Option<usize>)| {
            limit.is_some_and(|limit| self.is_full(*counted, limit))
        };
        Ok(limited.find(is_full).map(|(counted, _)| counted))
    }

    /// Returns the number of connections that were displaced and still have a place.
    fn closing(&self) -> usize {
        self.places - (self.open.len() - self.waiting.len())
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

    /// Ends the connection of a stranger that is counted there, and that has made no progress for
    /// `least`. Returns false if there is none.
    fn displace_one(
        &mut self,
        now: Instant,
        counted: Counted,
        limit: usize,
        least: Duration,
    ) -> bool {
        let Some(group) = self.groups.get(&counted) else {
            return false;
        };
        let [_, waiting, admitted] = group.by_state;
        let for_handshakes = reserved(limit).div_ceil(2);
        let share = (limit / 2).min(limit.saturating_sub(admitted + for_handshakes));
        let places = limit.saturating_sub(admitted + waiting.min(share));
        let turn = turn(counted, places);
        let oldest = DISPLACED_FIRST.into_iter().filter_map(|stage| {
            let (since, id) = *group.displaceable[stage as usize].first()?;
            let time = now.saturating_duration_since(since);
            let has_long_turn = stage == Stage::WaitingRoom && waiting <= share;
            let least = if has_long_turn {
                WAITING_ROOM_TURN
            } else {
                least
            };
            (time >= least).then_some((time < turn, id))
        });
        // The first of those whose turn is over or, if it is that of none, of all.
        let first = oldest.min_by_key(|(has_turn, _)| *has_turn);
        let displaced = first.and_then(|(_, id)| self.displace(id));
        displaced.is_some()
    }

    /// Ends the connection of an admitted session that is counted there, for a new one of `owner`.
    /// Returns `None` if none has to end for it.
    fn displace_admitted(&mut self, counted: Counted, owner: Owner) -> Option<SessionId> {
        let id = self.shares.to_displace(counted, owner)?;
        match self.displace(id)?.state {
            State::Admitted { session, .. } => Some(session),
            State::Stranger(_) => None,
        }
    }

    /// Ends a connection.
    fn displace(&mut self, id: u64) -> Option<Connection> {
        let connection = self.remove(id)?;
        connection.displaced.notify_one();
        Some(connection)
    }

    fn insert(&mut self, id: u64, connection: Connection) {
        for counted in connection.counted {
            let group = self.groups.entry(counted).or_default();
            group.by_state[connection.state.index()] += 1;
            if let Some(displaceable) = group.displaceable_like(&connection) {
                displaceable.insert((connection.since, id));
            }
            if let State::Admitted { owner, .. } = connection.state {
                self.shares.insert(counted, owner, id);
            }
        }
        self.open.insert(id, connection);
    }

    /// Stops counting a connection, except for its place.
    fn remove(&mut self, id: u64) -> Option<Connection> {
        let connection = self.open.remove(&id)?;
        for counted in connection.counted {
            if let Some(group) = self.groups.get_mut(&counted) {
                group.by_state[connection.state.index()] -= 1;
                if let Some(displaceable) = group.displaceable_like(&connection) {
                    displaceable.remove(&(connection.since, id));
                }
                if let State::Admitted { owner, .. } = connection.state {
                    self.shares.remove(counted, owner, id);
                }
                if group.by_state == [0; 3] {
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

impl State {
    /// Returns the index in [`Group::by_state`].
    fn index(self) -> usize {
        match self {
            Self::Stranger(Stage::Silent | Stage::Tls | Stage::Irc | Stage::SignIn) => 0,
            Self::Stranger(Stage::WaitingRoom) => 1,
            Self::Admitted { .. } => 2,
        }
    }
}

impl Group {
    /// Returns those that can be displaced at the same stage as the connection, if it can.
    fn displaceable_like(
        &mut self,
        connection: &Connection,
    ) -> Option<&mut BTreeSet<(Instant, u64)>> {
        match connection.state {
            State::Stranger(stage) if connection.has_place => {
                Some(&mut self.displaceable[stage as usize])
            }
            State::Stranger(_) | State::Admitted { .. } => None,
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

    /// Sets how far the connection has progressed. Nothing leads back to an earlier stage.
    pub fn set_stage(&self, now: Instant, stage: Stage) {
        let mut counts = self.connections.counts.lock();
        counts.change(self.id, |connection| match connection.state {
            State::Stranger(reached) if reached >= stage => {}
            State::Stranger(_) => {
                connection.state = State::Stranger(stage);
                connection.since = now;
            }
            State::Admitted { .. } => connection.state = State::Stranger(stage),
        });
    }

    /// Checks that there is a place for the session once it is admitted. Another one may take it
    /// before [`Self::admit`].
    pub fn can_admit(&self, owner: Owner, limits: ConnectionLimits) -> Result<(), NotAdmitted> {
        let limits = self.connections.limits(limits);
        let counts = self.connections.counts.lock();
        match counts.full(self.id, limits)? {
            Some(counted) if counts.shares.to_displace(counted, owner).is_none() => {
                Err(NotAdmitted::TooMany)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Counts the session as admitted, if there is a place for it. Returns the session that it has
    /// displaced, which the caller ends.
    pub fn admit(
        &self,
        session: SessionId,
        owner: Owner,
        limits: ConnectionLimits,
    ) -> Result<Option<SessionId>, NotAdmitted> {
        let limits = self.connections.limits(limits);
        let mut counts = self.connections.counts.lock();
        let displaced = match counts.full(self.id, limits)? {
            None => None,
            Some(counted) => {
                let displaced = counts.displace_admitted(counted, owner);
                Some(displaced.ok_or(NotAdmitted::TooMany)?)
            }
        };
        counts.change(self.id, |connection| {
            connection.state = State::Admitted { session, owner };
        });
        Ok(displaced)
    }

    /// Sets who an admitted session belongs to, after it has signed in.
    pub fn set_owner(&self, new: Owner) {
        let mut counts = self.connections.counts.lock();
        counts.change(self.id, |connection| {
            if let State::Admitted { owner, .. } = &mut connection.state {
                *owner = new;
            }
        });
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
