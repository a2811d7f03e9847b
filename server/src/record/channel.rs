//! A channel that lasts.

use jiff::Timestamp;
use rookery_protocol::{AccountName, ChannelName};

/// A channel that an account owns, with all that is known of it when nobody is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastingChannel {
    pub name: ChannelName,
    pub founder: AccountName,
    pub created_at: Timestamp,
    /// Since when it goes by its name.
    pub named_at: Timestamp,
    pub topic: Option<LastingTopic>,
    /// The letters of the modes that are just on.
    pub modes: String,
    pub key: Option<String>,
    pub limit: Option<u32>,
    /// List by list, in the order they were made.
    pub lists: Vec<ListedMask>,
}

/// What a channel is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastingTopic {
    pub text: String,
    /// `nick!user@host`.
    pub by: String,
    pub at: Timestamp,
}

/// An entry of one of a channel's lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedMask {
    /// The list's letter, as in `MODE`.
    pub list: char,
    pub mask: String,
    /// `nick!user@host`.
    pub by: String,
    pub at: Timestamp,
}
