//! What was said: a message as it is kept, where it was said, and what one may ask for of it.

use jiff::Timestamp;
use rookery_protocol::{AccountName, ChannelName, Nick};

/// A message as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// Unlike any other, also over restarts.
    pub msgid: String,
    pub at: Timestamp,
    pub place: Place,
    /// `nick!user@host` at the time.
    pub source: String,
    pub account: Option<AccountName>,
    /// `PRIVMSG` or `NOTICE`.
    pub command: String,
    pub text: String,
    /// Client-only tags and `bot`, escaped as on the wire; empty when there are none. `statusmsg=@` or `statusmsg=+` before them
    /// says that a channel's message was for those with that status only.
    pub tags: String,
}

/// Where a message was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Channel(ChannelName),
    /// Between two users.
    Direct {
        from: Party,
        to: Party,
    },
}

/// One side of a conversation between two. A nick without an account proves nothing: whoever registers it later is
/// somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Party {
    /// The owner of the account of that name.
    Account(Nick),
    Guest(Nick),
}

impl Party {
    pub fn nick(&self) -> &Nick {
        match self {
            Self::Account(nick) | Self::Guest(nick) => nick,
        }
    }
}

/// A point in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Point {
    At(Timestamp),
    /// The message of that id.
    Message(String),
}

/// Which messages are asked for. The points themselves are left out, but for that of `Around`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// The newest, of those after the point if there is one.
    Latest(Option<Point>),
    /// The newest before it.
    Before(Point),
    /// The oldest after it.
    After(Point),
    /// What it stands in the middle of.
    Around(Point),
    /// Those between both, counted from the first.
    Between(Point, Point),
}

/// A page of history that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageQuery {
    /// Read as if they were one.
    pub places: Vec<Place>,
    pub selection: Selection,
    /// What was said before is out of sight.
    pub since: Timestamp,
    pub limit: usize,
}

/// Asks for the channels and conversations whose latest message lies between two moments, counted from the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetsQuery {
    /// Each with the time before which its history is out of sight.
    pub channels: Vec<(ChannelName, Timestamp)>,
    /// Whose conversations are asked for.
    pub account: Option<Nick>,
    pub from: Timestamp,
    pub to: Timestamp,
    pub limit: usize,
}

/// A channel or the other side of a conversation, with the time of the latest message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryTarget {
    pub name: String,
    pub at: Timestamp,
}
