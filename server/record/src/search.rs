//! The search of channel messages by operators.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use rookery_protocol::{ChannelName, Nick};

use super::HistoryEntry;

/// A search for channel messages; events and direct messages are never found.
#[derive(Clone, Debug)]
pub struct MessageQuery {
    /// A part of the text, in lower case.
    pub text: Option<String>,
    /// The author: the account with this name, or guests with this nick.
    pub author: Option<Nick>,
    /// The channel.
    pub channel: Option<ChannelName>,
    /// Messages at this time or later.
    pub since: Option<Timestamp>,
    /// Messages before this time.
    pub until: Option<Timestamp>,
    /// The position where an earlier search ended.
    pub before: Option<Cursor>,
    /// The maximum number of messages to find.
    pub limit: usize,
    /// The maximum number of messages to examine.
    pub max_examined: usize,
}

/// The result of a [`MessageQuery`].
#[derive(Debug, Default)]
pub struct FoundMessages {
    /// The messages, newest first.
    pub messages: Vec<HistoryEntry>,
    /// Where to continue; `None` if all messages were examined.
    pub next: Option<Cursor>,
}

/// The last message that a search has examined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// When it was sent.
    pub at: Timestamp,
    /// Its number in the database.
    pub number: i64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.at.as_millisecond(), self.number)
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (at, number) = text.split_once('.').ok_or(())?;
        let at = at
            .parse()
            .ok()
            .and_then(|at| Timestamp::from_millisecond(at).ok())
            .ok_or(())?;
        Ok(Self {
            at,
            number: number.parse().map_err(|_| ())?,
        })
    }
}
