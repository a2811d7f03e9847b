//! The last position that a device has received, and the missed messages still to be sent to it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rookery_protocol::ChannelName;
use rookery_record::Mark;

/// The catch-up of a session: sends it the messages that its device missed.
pub struct CatchUp {
    /// The unique number. It identifies outdated results, because a session may sign in to another
    /// account while its messages are read.
    pub number: u64,
    /// The mark up to which the device had received everything before.
    pub after: Mark,
    /// Channels joined until then are included.
    pub until: Timestamp,
    /// The channels that have been requested.
    pub channels: Vec<ChannelName>,
    /// The number of requests whose result has not been sent.
    pub pending: usize,
    /// The number that the last result ends with, in the sequence of messages.
    pub end: u64,
    /// The ids of the messages that were sent, unasked or by playback, and that would be sent again
    /// if both were to send them.
    pub sent: BTreeSet<String>,
}

impl CatchUp {
    /// Whether channels that are joined at this time are included.
    pub fn is_open(&self, now: Timestamp) -> bool {
        now <= self.until
    }

    /// Whether the message is to be sent: the first time, and not the second, when playback
    /// requests what was sent unasked, or the reverse.
    pub fn is_first(&mut self, msgid: &str) -> bool {
        let is_first = !self.sent.remove(msgid);
        if is_first {
            self.sent.insert(msgid.to_owned());
        }
        is_first
    }
}
