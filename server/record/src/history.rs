//! What was said: a message as it is kept, where it was said, and what one may ask for of it.

use jiff::Timestamp;
use rookery_protocol::{AccountName, ChannelName, Nick};
use serde::Deserialize;

/// How far a message has come before anyone sees it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum HistorySync {
    /// Safe when the server dies.
    Normal,
    /// Safe when the machine loses power.
    Full,
}

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
    /// `PRIVMSG` or `NOTICE`; anything else is an event, which is read back only by whoever asks
    /// for events.
    pub command: String,
    /// Of several lines: each after a line feed, or after a carriage return if it goes on the one
    /// before. Of an event: its parameters after the target, as on the wire.
    pub text: String,
    /// Client-only tags and `bot`, escaped as on the wire; empty when there are none. `statusmsg=@`
    /// or `statusmsg=+` before them says that a channel's message was for those with that status
    /// only.
    pub tags: String,
}

/// The command of the event that takes a message back.
const REDACT: &str = "REDACT";

impl HistoryEntry {
    /// Whether it is something that happened, rather than something said.
    pub fn is_event(&self) -> bool {
        !matches!(self.command.as_str(), "PRIVMSG" | "NOTICE")
    }

    /// Whether it was said, if only by tags: such an entry can be redacted.
    pub fn is_message(&self) -> bool {
        matches!(self.command.as_str(), "PRIVMSG" | "NOTICE" | "TAGMSG")
    }

    /// The status that a channel's message was for; none if it was for all.
    pub fn status(&self) -> Option<char> {
        self.tags.strip_prefix("statusmsg=")?.chars().next()
    }

    /// The id of the message that this event takes back. To store the event is to do so.
    pub fn redacts(&self) -> Option<&str> {
        if self.command == REDACT {
            self.text.split_whitespace().next()
        } else {
            None
        }
    }

    /// The mark that stays of this message when it is redacted.
    pub fn redaction(
        &self,
        by: Redactor,
        msgid: String,
        at: Timestamp,
        reason: Option<&str>,
    ) -> Self {
        let reason = reason
            .map(|reason| format!(" :{reason}"))
            .unwrap_or_default();
        Self {
            msgid,
            at,
            place: self.place.clone(),
            source: by.source,
            account: by.account,
            command: REDACT.to_owned(),
            text: format!(" {}{reason}", self.msgid),
            tags: self
                .status()
                .map(|status| format!("statusmsg={status}"))
                .unwrap_or_default(),
        }
    }
}

/// Who takes a message back.
#[derive(Clone, Debug)]
pub struct Redactor {
    /// `nick!user@host`, or the server's name where an operator of the control plane does it.
    pub source: String,
    pub account: Option<AccountName>,
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

impl Place {
    /// Where the owner of an account talks with that of another, and with guests of that nick.
    pub fn conversation(account: &Nick, other: Nick, guest: Nick) -> Vec<Self> {
        let with = |to| Self::Direct {
            from: Party::Account(account.clone()),
            to,
        };
        vec![with(Party::Account(other)), with(Party::Guest(guest))]
    }

    /// Whether both are the same channel, or the same two.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Direct { from, to }, Self::Direct { from: one, to: two }) => {
                (from, to) == (one, two) || (from, to) == (two, one)
            }
            _ => self == other,
        }
    }
}

/// One side of a conversation between two. A nick without an account proves nothing: whoever
/// registers it later is somebody else.
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
    /// Whether events are read as well.
    pub events: bool,
    /// Whether, among the events, is told which messages were redacted.
    pub redactions: bool,
    /// What was said before is out of sight.
    pub since: Timestamp,
    pub limit: usize,
}

impl Reading {
    /// Whether the message is in sight. Times are kept to the millisecond.
    pub fn shows(&self, entry: &HistoryEntry) -> bool {
        entry.at.as_millisecond() >= self.since.as_millisecond()
    }
}

/// Asks for the channels and conversations whose latest message lies between two moments, counted
/// from the first.
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

/// Asks for what was said in several channels and conversations, events left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeveralQuery {
    pub readings: Vec<Reading>,
    /// Whose conversations are all read as well.
    pub account: Option<Nick>,
    /// Neither of both moments is part of it.
    pub after: Timestamp,
    pub before: Timestamp,
    /// The newest so many are read, of each.
    pub limit: usize,
}

/// What one may read back: one channel, or one conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Of the channel or the other side.
    pub name: String,
    /// Read as if they were one.
    pub places: Vec<Place>,
    /// What was said before is out of sight.
    pub since: Timestamp,
}

/// A channel or the other side of a conversation, with the time of the latest message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryTarget {
    pub name: String,
    pub at: Timestamp,
}
