//! Users and their sessions.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use rookery_protocol::{Capabilities, ChannelName, Nick};
use rookery_record::{CredentialId, Device, Mark, Metadata, Participant};

use crate::ids::{Identity, SessionId, UserId};
use crate::state::activity::Recent;
use crate::state::away::AwayState;
use crate::state::catch_up::CatchUp;
use crate::state::markers::Markers;
use crate::state::mask::Mask;
use crate::state::open_batch::OpenBatch;

/// A user, as others see it: an account or a guest, with all its sessions.
#[expect(
    clippy::struct_excessive_bools,
    reason = "three are modes, independent of each other and of the fourth"
)]
pub struct User {
    pub id: UserId,
    pub nick: Nick,
    /// `None` for a guest.
    pub identity: Option<Identity>,
    pub username: Box<str>,
    pub host: Arc<str>,
    pub realname: Box<str>,
    /// `nick!user@host`, the source of the user's lines.
    pub source: Arc<str>,
    pub away: Option<Box<str>>,
    pub(super) invisible: bool,
    /// The metadata of a guest. That of accounts is in [`crate::state::State::account_metadata`].
    pub metadata: Metadata,
    /// Whether it is a bot (mode `B`).
    pub is_bot: bool,
    /// Whether only users with an account may send it direct messages and invitations (mode `R`).
    pub only_accounts: bool,
    /// Who may not send a guest direct messages and invitations. The masks of accounts are in the
    /// state.
    pub silences: Vec<Mask>,
    pub since: Timestamp,
    pub active_at: Timestamp,
    /// In the order they were joined.
    pub(super) channels: Vec<ChannelName>,
    /// Empty for a user that is always on and not connected.
    pub(super) sessions: Vec<Session>,
    /// Whether the store has the user's presence.
    pub is_persisted: bool,
    /// The read markers of a guest. Those of accounts are in the state.
    pub markers: Markers,
    /// The number of recent messages.
    pub activity: Recent,
}

/// One connection of a user.
pub struct Session {
    pub id: SessionId,
    /// The username that its client sent in `USER`, for operators.
    pub username: Box<str>,
    pub realname: Box<str>,
    pub capabilities: Capabilities,
    pub address: SocketAddr,
    pub tls: Arc<str>,
    pub since: Timestamp,
    /// The nicks it monitors.
    pub monitors: BTreeSet<Nick>,
    /// The metadata keys it has subscribed to.
    pub subscriptions: BTreeSet<String>,
    /// The multi-line message that it is sending.
    pub batch: Option<Box<OpenBatch>>,
    /// The credential it signed in with, if that belongs to a single device.
    pub credential: Option<CredentialId>,
    /// The device, which is sent the messages that it missed; `None` for guests, and for clients
    /// that request history themselves.
    pub device: Option<Device>,
    /// The mark up to which it has received everything.
    pub received: Mark,
    /// The catch-up with the messages that its device missed.
    pub catch_up: Option<CatchUp>,
    pub away_state: AwayState,
}

impl Session {
    /// Whether the results of all requests of its catch-up are before the mark.
    pub fn is_caught_up(&self, until: Mark) -> bool {
        self.catch_up
            .as_ref()
            .is_none_or(|catch_up| catch_up.pending == 0 && catch_up.end <= until.message)
    }

    /// Raises the mark up to which its device has received everything, unless a part of its
    /// catch-up follows.
    pub fn record_received(&mut self, until: Mark) {
        if self.is_caught_up(until) {
            self.received = self.received.max(until);
        }
    }
}

impl User {
    pub fn channels(&self) -> &[ChannelName] {
        #[cfg(test)]
        super::LOOKUPS.set(super::LOOKUPS.get() + self.channels.len());
        &self.channels
    }

    pub fn sessions(&self) -> &[Session] {
        &self.sessions
    }

    /// Whether only users who share a channel with it can find it (mode `i`).
    pub fn is_invisible(&self) -> bool {
        self.invisible
    }

    /// Returns the user as a participant of a conversation.
    pub fn participant(&self) -> Participant {
        match &self.identity {
            Some(identity) => Participant::Account(identity.name.to_nick()),
            None => Participant::Guest(self.nick.clone()),
        }
    }

    /// Returns the account's name, for the tag.
    pub fn account(&self) -> Option<&str> {
        self.identity
            .as_ref()
            .map(|identity| identity.name.as_str())
    }
}

/// The parameters of [`crate::state::State::add_user`].
pub struct NewUser {
    pub nick: Nick,
    pub identity: Option<Identity>,
    pub username: Box<str>,
    pub host: Arc<str>,
    pub realname: Box<str>,
}

/// Returns the source of the user's lines.
pub(super) fn source(nick: &Nick, username: &str, host: &str) -> Arc<str> {
    format!("{nick}!{username}@{host}").into()
}

/// Returns the host that users are shown with. It never reveals their address.
pub fn host(server_name: &str, has_account: bool) -> Arc<str> {
    let kind = if has_account { "users" } else { "guests" };
    format!("{kind}.{server_name}").into()
}
