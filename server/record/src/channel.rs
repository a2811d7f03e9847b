//! A channel that lasts.

use jiff::Timestamp;
use rookery_protocol::{AccountName, ChannelName};

use super::Metadata;

/// A channel that an account owns, with all that is known of it when nobody is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersistentChannel {
    pub name: ChannelName,
    pub founder: AccountName,
    pub created_at: Timestamp,
    /// Since when it goes by its name.
    pub named_at: Timestamp,
    pub topic: Option<PersistentTopic>,
    /// The letters of the modes that are just on.
    pub modes: String,
    pub key: Option<String>,
    pub limit: Option<u32>,
    /// List by list, in the order they were made.
    pub lists: Vec<ListedMask>,
    /// In the order they were given.
    pub access: Vec<Access>,
    pub metadata: Metadata,
}

/// An account that is somebody in a channel whenever it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// There need not be one of that name.
    pub account: AccountName,
    pub level: AccessLevel,
    /// `nick!user@host`.
    pub by: String,
    pub at: Timestamp,
}

/// What an account is in a channel whenever it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLevel {
    Operator,
    Voice,
}

impl AccessLevel {
    /// As it is typed and kept.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "op",
            Self::Voice => "voice",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Operator, Self::Voice]
            .into_iter()
            .find(|level| level.as_str().eq_ignore_ascii_case(text))
    }
}

/// What a channel is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersistentTopic {
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
