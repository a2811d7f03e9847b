//! The last position that a device has received, and the missed messages still to be sent to it.

use jiff::Timestamp;
use rookery_protocol::ChannelName;

/// A point in time up to which everything was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    pub at: Timestamp,
    /// The number of the last message by then, of this run of the server: several messages may have
    /// the same millisecond.
    pub message: u64,
}

/// The catch-up of a session: what it still has to be sent.
pub struct CatchUp {
    /// Never reused: a session may sign in to another account, and back, while its messages are
    /// read.
    pub number: u64,
    /// What its device had received before.
    pub after: Mark,
    /// Channels joined until then are included.
    pub until: Timestamp,
    /// The channels that have been requested.
    pub channels: Vec<ChannelName>,
    /// The number of requests without a result.
    pub reading: usize,
}
