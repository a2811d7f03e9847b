//! What the chat has kept of itself: the changes it hands over while it runs, and what it begins
//! with.

use jiff::Timestamp;
use rookery_protocol::{AccountName, ChannelName, Email, Nick};

use super::{AccountId, Device, Metadata, PersistentChannel};

/// Something of the chat that outlives a restart has changed. Each change carries the whole of what
/// it is about, so that the last one says it all, whatever became of those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The channel as it is from now on.
    Channel(PersistentChannel),
    /// The channel of that name is kept no more.
    ChannelGone(ChannelName),
    /// What the account says of itself from now on.
    AccountMetadata {
        account: AccountName,
        metadata: Metadata,
    },
    /// The device has come or gone.
    Device(DeviceMark),
    /// Up to where the account's owner has read a channel or conversation, by its folded name; none
    /// is forgotten.
    ReadMarker {
        account: AccountId,
        target: String,
        read_until: Option<Timestamp>,
    },
    /// Whether the account's owner wants to be always on; none to go by the config.
    AlwaysOn(AccountId, Option<bool>),
    /// The user who is always on, as it is from now on.
    Presence(Presence),
    /// The account's user is here no longer than its sessions.
    PresenceGone(AccountId),
}

/// A user who stays while no session is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    pub account: AccountId,
    /// Of the account, as are the next.
    pub name: AccountName,
    pub email: Option<Email>,
    pub nick: Nick,
    pub username: String,
    pub realname: String,
    /// The letters of the modes that are on.
    pub modes: String,
    pub away: Option<String>,
    pub since: Timestamp,
    /// In the order they were joined.
    pub channels: Vec<Membership>,
}

/// A channel that a user is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    pub channel: ChannelName,
    pub joined_at: Timestamp,
    pub operator: bool,
    pub voice: bool,
}

/// Up to when a device has heard everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceMark {
    pub device: Device,
    pub heard_until: Timestamp,
    /// It hears everything as it is said; should the server die, it has heard all that was said
    /// until then.
    pub is_here: bool,
}

/// What the chat begins with: all that its changes have left in the record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChatSnapshot {
    /// By name.
    pub channels: Vec<PersistentChannel>,
    /// What accounts say of themselves, by name.
    pub metadata: Vec<(AccountName, Metadata)>,
    /// Up to when each device has heard everything.
    pub devices: Vec<(Device, Timestamp)>,
    /// Up to where which channel or conversation was read.
    pub read_markers: Vec<(AccountId, String, Timestamp)>,
    /// What accounts have chosen.
    pub always_on: Vec<(AccountId, bool)>,
    pub presences: Vec<Presence>,
}
