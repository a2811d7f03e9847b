//! Persistent channels.

use std::sync::Arc;

use jiff::Timestamp;
use rookery_protocol::{AccountName, ChannelName};

use super::Metadata;

/// A channel that an account owns, and that therefore exists even while it has no members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersistentChannel {
    /// Its name.
    pub name: ChannelName,
    /// Its earlier names, which no other channel can take, oldest first.
    pub former_names: Vec<ChannelName>,
    /// The account that owns it.
    pub founder: AccountName,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it got its current name.
    pub named_at: Timestamp,
    /// Its topic.
    pub topic: Option<PersistentTopic>,
    /// The letters of the modes that are set and have no parameter.
    pub modes: String,
    /// Its key (mode `k`).
    pub key: Option<String>,
    /// Its maximum number of members (mode `l`).
    pub limit: Option<u32>,
    /// The entries of its mask lists, list by list, oldest first.
    pub lists: Vec<ListedMask>,
    /// The access list, oldest entry first.
    pub access: Vec<Access>,
    /// Its metadata.
    pub metadata: Metadata,
}

/// An entry of a channel's access list: the status that an account gets whenever it joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The name of the account, which need not exist.
    pub account: AccountName,
    /// The status.
    pub level: AccessLevel,
    /// Who added it, as `nick!user@host`.
    pub by: Arc<str>,
    /// When it was added.
    pub at: Timestamp,
}

/// The status that an account gets by the access list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLevel {
    /// Channel operator.
    Operator,
    /// Voice.
    Voice,
}

impl AccessLevel {
    /// Returns the level as it is typed and stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "op",
            Self::Voice => "voice",
        }
    }

    /// Parses a level, ignoring letter case.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Operator, Self::Voice]
            .into_iter()
            .find(|level| level.as_str().eq_ignore_ascii_case(text))
    }
}

/// The topic of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersistentTopic {
    /// The text.
    pub text: String,
    /// Who set it, as `nick!user@host`.
    pub by: String,
    /// When it was set.
    pub at: Timestamp,
}

/// An entry of one of a channel's mask lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedMask {
    /// The letter of the list, as in `MODE`.
    pub list: char,
    /// The mask.
    pub mask: String,
    /// Who added it, as `nick!user@host`.
    pub by: String,
    /// When it was added.
    pub at: Timestamp,
}
