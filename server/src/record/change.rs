//! What the chat has kept of itself: the changes it hands over while it runs, and what it begins with.

use rookery_protocol::ChannelName;

use super::LastingChannel;

/// Something of the chat that outlives a restart has changed. Each change carries the whole of what it is about, so that
/// the last one says it all, whatever became of those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "it goes in a box of its own")]
pub enum Change {
    /// The channel as it is from now on.
    Channel(LastingChannel),
    /// The channel of that name is kept no more.
    ChannelGone(ChannelName),
}

/// What the chat begins with: all that its changes have left in the record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// By name.
    pub channels: Vec<LastingChannel>,
}
