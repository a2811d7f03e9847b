//! Sessions as receivers of lines.
//!
//! Each channel has a list of its members' sessions, with what a line to all of them depends on. To
//! look up every member and every session instead would cost a large channel hundreds of times as
//! much for each event, even if none of them receives it.

use rookery_protocol::Capabilities;

use crate::ids::{SessionId, UserId};
use crate::state::{Session, State, User};

/// A session that may receive a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receiver {
    pub session: SessionId,
    pub user: UserId,
    pub capabilities: Capabilities,
}

impl Receiver {
    fn new(user: UserId, session: &Session) -> Self {
        Self {
            session: session.id,
            user,
            capabilities: session.capabilities,
        }
    }
}

/// The sessions of a channel's members, sorted by their ids.
#[derive(Default)]
pub(super) struct Receivers(Vec<Receiver>);

impl Receivers {
    pub fn as_slice(&self) -> &[Receiver] {
        &self.0
    }

    pub fn insert(&mut self, user: UserId, session: &Session) {
        if let Err(at) = self.position(session.id) {
            self.0.insert(at, Receiver::new(user, session));
        }
    }

    pub fn remove(&mut self, session: SessionId) {
        if let Ok(at) = self.position(session) {
            self.0.remove(at);
        }
    }

    pub fn remove_user(&mut self, user: UserId) {
        self.0.retain(|receiver| receiver.user != user);
    }

    fn set_capabilities(&mut self, session: SessionId, capabilities: Capabilities) {
        if let Ok(at) = self.position(session) {
            self.0[at].capabilities = capabilities;
        }
    }

    fn position(&self, session: SessionId) -> Result<usize, usize> {
        self.0
            .binary_search_by_key(&session, |receiver| receiver.session)
    }
}

impl State {
    /// Returns the session as a receiver; `None` if it has ended.
    pub fn receiver(&self, id: SessionId) -> Option<Receiver> {
        let user = self.user_of(id)?;
        Some(Receiver::new(user, self.session(id)?))
    }

    /// Returns the user's sessions.
    pub fn receivers_of(&self, user: UserId) -> impl Iterator<Item = Receiver> {
        let sessions = self.user(user).sessions().iter();
        sessions.map(move |session| Receiver::new(user, session))
    }

    /// Returns the sessions for which `pass` is true of the users who share a channel with the
    /// user, and of the user itself; each once, sorted.
    pub fn peers(&self, user: UserId, pass: impl Fn(&Receiver) -> bool) -> Vec<Receiver> {
        let mut peers: Vec<Receiver> = self.receivers_of(user).filter(&pass).collect();
        for name in self.user(user).channels() {
            if let Some(channel) = self.channel(name) {
                let receivers = channel.receivers().iter().copied();
                peers.extend(receivers.filter(&pass));
            }
        }
        // Each channel's receivers are sorted. A stable sort merges them, in linear time for each.
        peers.sort_by_key(|receiver| receiver.session);
        peers.dedup_by_key(|receiver| receiver.session);
        peers
    }

    /// Sets the capabilities of the session.
    pub fn set_capabilities(&mut self, session: SessionId, capabilities: Capabilities) {
        let Some(user) = self.user_of(session) else {
            return;
        };
        if let Some(session) = self.session_mut(session) {
            session.capabilities = capabilities;
        }
        self.change_receivers(user, |receivers, _| {
            receivers.set_capabilities(session, capabilities);
        });
    }

    /// Changes the receivers of each of the user's channels.
    pub(super) fn change_receivers(
        &mut self,
        user: UserId,
        change: impl Fn(&mut Receivers, &User),
    ) {
        let Some(user) = self.users.get(&user) else {
            return;
        };
        for name in user.channels() {
            if let Some(channel) = self.channels.get_mut(name) {
                change(&mut channel.receivers, user);
            }
        }
    }
}
