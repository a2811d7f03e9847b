//! What a device heard last, and what a session is still to be shown of what its device missed.

use jiff::Timestamp;
use rookery_protocol::ChannelName;

/// Up to where everything was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    pub at: Timestamp,
    /// The last message by then, of those since the server started: several may be said in one
    /// millisecond.
    pub message: u64,
}

/// What a session is yet to be shown.
pub struct CatchUp {
    /// No other catch-up has it: a session may go over to another account, and back, while what it
    /// missed is read.
    pub number: u64,
    /// What its device had heard before.
    pub after: Mark,
    /// The channels joined until then count.
    pub until: Timestamp,
    /// The channels that are read, or were.
    pub channels: Vec<ChannelName>,
    /// The answers that are still to come.
    pub reading: usize,
}
