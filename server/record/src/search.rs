//! What operators look for among the messages of the channels.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use rookery_protocol::{ChannelName, Nick};

use super::HistoryEntry;

/// Which messages are looked for; events and direct messages are none of them.
#[derive(Clone, Debug)]
pub struct MessageQuery {
    /// In small letters; it may stand anywhere in the message's text.
    pub text: Option<String>,
    /// The account of that name, or guests of that nick.
    pub author: Option<Nick>,
    pub channel: Option<ChannelName>,
    /// From then on.
    pub since: Option<Timestamp>,
    /// Before then.
    pub until: Option<Timestamp>,
    /// Where an earlier search left off.
    pub before: Option<Cursor>,
    /// At most so many are found.
    pub limit: usize,
    /// At most so many are looked at.
    pub most: usize,
}

/// What was found, newest first.
#[derive(Debug, Default)]
pub struct FoundMessages {
    pub messages: Vec<HistoryEntry>,
    /// Where there may be more; none when all was looked at.
    pub next: Option<Cursor>,
}

/// How far a search has come: to that message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub at: Timestamp,
    /// Its number in the record.
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
