//! What the chat has kept of itself: the changes it hands over while it runs, and what it begins with.

use jiff::Timestamp;
use rookery_protocol::{AccountName, ChannelName};

use super::{Device, LastingChannel, Metadata};

/// Something of the chat that outlives a restart has changed. Each change carries the whole of what it is about, so that
/// the last one says it all, whatever became of those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "it goes in a box of its own")]
pub enum Change {
    /// The channel as it is from now on.
    Channel(LastingChannel),
    /// The channel of that name is kept no more.
    ChannelGone(ChannelName),
    /// What the account says of itself from now on.
    AccountMetadata { account: AccountName, metadata: Metadata },
    /// The device has come or gone.
    Device(DeviceMark),
}

/// Up to when a device has heard everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceMark {
    pub device: Device,
    pub heard_until: Timestamp,
    /// It hears everything as it is said; should the server die, it has heard all that was said until then.
    pub is_here: bool,
}

/// What the chat begins with: all that its changes have left in the record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// By name.
    pub channels: Vec<LastingChannel>,
    /// What accounts say of themselves, by name.
    pub metadata: Vec<(AccountName, Metadata)>,
    /// Up to when each device has heard everything.
    pub devices: Vec<(Device, Timestamp)>,
}
