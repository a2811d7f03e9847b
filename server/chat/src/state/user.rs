//! Users and their sessions, as the others see them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use rookery_protocol::{Capabilities, ChannelName, Nick};
use rookery_record::{Device, Metadata, Party};

use crate::ids::{Identity, SessionId, UserId};
use crate::state::activity::Recent;
use crate::state::away::AwayState;
use crate::state::catch_up::{CatchUp, Mark};
use crate::state::markers::Markers;
use crate::state::open_batch::OpenBatch;

/// What others see: one account, or one guest, with all its sessions.
pub struct User {
    pub id: UserId,
    pub nick: Nick,
    /// None for a guest.
    pub identity: Option<Identity>,
    pub username: Box<str>,
    pub host: Arc<str>,
    pub realname: Box<str>,
    /// `nick!user@host`, as it begins every line that comes from the user.
    pub source: Arc<str>,
    pub away: Option<Box<str>>,
    pub(super) invisible: bool,
    /// What a guest says of itself; an account's is beside all users, in
    /// [`crate::state::State::account_metadata`].
    pub metadata: Metadata,
    /// A program, and says so (mode `B`).
    pub is_bot: bool,
    pub since: Timestamp,
    pub active_at: Timestamp,
    /// In the order they were joined.
    pub(super) channels: Vec<ChannelName>,
    /// Empty for whoever is always on, and not connected.
    pub(super) sessions: Vec<Session>,
    /// Whether the record knows that it is here.
    pub is_kept: bool,
    /// What a guest has read; that of an account is kept with it.
    pub markers: Markers,
    /// How much it said of late.
    pub said: Recent,
}

/// One connection of a user.
pub struct Session {
    pub id: SessionId,
    /// What its client said of itself, for operators.
    pub username: Box<str>,
    pub realname: Box<str>,
    pub capabilities: Capabilities,
    pub address: SocketAddr,
    pub tls: Arc<str>,
    pub since: Timestamp,
    /// The nicks it watches.
    pub monitors: BTreeSet<Nick>,
    /// The keys of metadata it wants to hear of.
    pub subscriptions: BTreeSet<String>,
    /// A message of several lines that it is about to send.
    pub batch: Option<Box<OpenBatch>>,
    /// The device that is shown what it missed; none for one that reads back by itself, and for
    /// guests.
    pub device: Option<Device>,
    /// When it was last heard, and so had heard everything.
    pub heard: Mark,
    /// What it has missed and is yet to be shown.
    pub catch_up: Option<CatchUp>,
    pub away_state: AwayState,
}

impl Session {
    /// Whether it was shown, as far as is known, all it had missed.
    pub fn is_caught_up(&self) -> bool {
        self.catch_up
            .as_ref()
            .is_none_or(|catch_up| catch_up.reading == 0)
    }
}

impl User {
    pub fn channels(&self) -> &[ChannelName] {
        &self.channels
    }

    pub fn sessions(&self) -> &[Session] {
        &self.sessions
    }

    /// Whether only those who share a channel with it find it (mode `i`).
    pub fn is_invisible(&self) -> bool {
        self.invisible
    }

    /// Who it is in a conversation.
    pub fn party(&self) -> Party {
        match &self.identity {
            Some(identity) => Party::Account(identity.name.to_nick()),
            None => Party::Guest(self.nick.clone()),
        }
    }

    /// The account's name, for the tag.
    pub fn account(&self) -> Option<&str> {
        self.identity
            .as_ref()
            .map(|identity| identity.name.as_str())
    }
}

/// A user to be.
pub struct NewUser {
    pub nick: Nick,
    pub identity: Option<Identity>,
    pub username: Box<str>,
    pub host: Arc<str>,
    pub realname: Box<str>,
}

/// As it begins every line that comes from the user.
pub(super) fn source(nick: &Nick, username: &str, host: &str) -> Arc<str> {
    format!("{nick}!{username}@{host}").into()
}

/// The host that users are shown with. Never where they really are.
pub fn host(server_name: &str, known: bool) -> Arc<str> {
    let kind = if known { "users" } else { "guests" };
    format!("{kind}.{server_name}").into()
}
