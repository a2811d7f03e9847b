//! The persistent part of the chat's state: the changes that the core emits, and the snapshot that
//! it starts with.

use jiff::Timestamp;
use rookery_protocol::{AccountName, ChannelName, DeviceName, Email, Nick};

use super::{AccountId, Device, Metadata, PersistentChannel};

/// A change of the chat's persistent state. Each except [`Change::Memberships`] contains the whole
/// new state of its subject, so that the last one is sufficient even if earlier ones were not
/// stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The channel has changed.
    Channel(PersistentChannel),
    /// The channel with this name is no longer persistent.
    ChannelRemoved(ChannelName),
    /// The metadata of an account has changed.
    AccountMetadata {
        /// The name of the account.
        account: AccountName,
        /// All of its metadata.
        metadata: Metadata,
    },
    /// Who may not send an account direct messages and invitations has changed.
    Silences {
        /// The name of the account.
        account: AccountName,
        /// All of its masks, as they are listed.
        masks: Vec<String>,
    },
    /// A device has connected or disconnected, or was connected for a while.
    Device(DeviceMark),
    /// A named device of an account is no longer known.
    DeviceForgotten(AccountId, DeviceName),
    /// A read marker of an account has changed (IRCv3 draft/read-marker).
    ReadMarker {
        /// The account.
        account: AccountId,
        /// The folded name of the channel or conversation.
        target: String,
        /// The time up to which it was read; `None` deletes the marker.
        read_until: Option<Timestamp>,
    },
    /// The account's choice of always-on has changed; `None` follows the configuration.
    AlwaysOn(AccountId, Option<bool>),
    /// An always-on user has changed.
    Presence(Presence),
    /// The account's user is no longer always on.
    PresenceRemoved(AccountId),
    /// A channel that always-on users are in was renamed or removed. It applies to their last
    /// [`Presence`]: the whole state of each would be a hundred times as much.
    Memberships {
        /// The accounts of the users.
        accounts: Vec<AccountId>,
        /// The name of the channel before.
        channel: ChannelName,
        /// The new name, with the time before which no user counts as having joined; `None` if the
        /// channel was removed.
        renamed: Option<(ChannelName, Timestamp)>,
    },
}

/// A user who stays present while no session is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// The account.
    pub account: AccountId,
    /// The name of the account.
    pub name: AccountName,
    /// The email of the account.
    pub email: Option<Email>,
    /// The nick.
    pub nick: Nick,
    /// The user name.
    pub username: String,
    /// The real name.
    pub realname: String,
    /// The letters of the user modes that are set.
    pub modes: String,
    /// The away message, if the user is away.
    pub away: Option<String>,
    /// When the user first connected.
    pub since: Timestamp,
    /// The channels that the user is in, in the order of joining.
    pub channels: Vec<Membership>,
}

/// A user's membership in a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The channel.
    pub channel: ChannelName,
    /// When the user joined.
    pub joined_at: Timestamp,
    /// Whether the user is a channel operator.
    pub operator: bool,
    /// Whether the user has voice.
    pub voice: bool,
}

/// A position in the sequence of all messages, up to which a device has received everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// The number of the last message by then ([`message_number`](crate::message_number)). The
    /// clock of the system has no influence on the order of numbers. 0 if messages had none then.
    pub message: u64,
    /// The time of the message clock. No later message has an earlier time.
    pub at: Timestamp,
}

impl Mark {
    /// The mark before all messages.
    pub const START: Self = Self {
        message: 0,
        at: Timestamp::MIN,
    };
}

/// Up to which message a device has received everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceMark {
    /// The device.
    pub device: Device,
    /// The position up to which it has received everything.
    pub received: Mark,
}

/// The persistent state that the chat starts with: the result of all stored [`Change`]s.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChatSnapshot {
    /// The persistent channels.
    pub channels: Vec<PersistentChannel>,
    /// The metadata of accounts.
    pub metadata: Vec<(AccountName, Metadata)>,
    /// The masks of those who may not send accounts direct messages and invitations.
    pub silences: Vec<(AccountName, Vec<String>)>,
    /// The position up to which each device has received everything.
    pub devices: Vec<(Device, Mark)>,
    /// The read markers: account, folded name of the channel or conversation, and time.
    pub read_markers: Vec<(AccountId, String, Timestamp)>,
    /// The accounts' choices to be always on or not.
    pub always_on: Vec<(AccountId, bool)>,
    /// The always-on users.
    pub presences: Vec<Presence>,
    /// The time of the newest stored message.
    pub newest_message: Option<Timestamp>,
}
