//! The history: stored messages and events, the places they belong to, and queries.

use std::collections::VecDeque;

use jiff::Timestamp;
use rookery_protocol::{AccountName, ChannelName, Nick};
use serde::Deserialize;

/// How durably a message is stored before anyone receives it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum HistorySync {
    /// It survives a crash of the server.
    Normal,
    /// It survives a loss of power.
    Full,
}

/// A stored message or event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The unique id of the message.
    pub msgid: String,
    /// When it was sent.
    pub at: Timestamp,
    /// Where it was sent.
    pub place: Place,
    /// The sender as `nick!user@host` at the time.
    pub source: String,
    /// The account of the sender.
    pub account: Option<AccountName>,
    /// `PRIVMSG` or `NOTICE`; anything else is an event, which is returned only to clients that
    /// request events.
    pub command: String,
    /// The text. In a multiline message, a line feed separates lines, and a carriage return the
    /// parts of one line. For an event: its parameters after the target, as on the wire.
    pub text: String,
    /// Client-only tags and `bot`, escaped as on the wire; empty if there are none. A prefix
    /// `statusmsg=@` or `statusmsg=+` means that a channel message was for members with this status
    /// only.
    pub tags: String,
}

/// The lowest number of a message that is made of its time. Versions of the server that counted
/// messages from 1 in each run have assigned lower numbers, and never reached this one.
const LOWEST_NUMBER: u64 = 1 << 45;

/// Returns the number of the message with this id, which is higher than those of all messages
/// before it, also over restarts; `None` if the id was assigned by an earlier version of the
/// server, or is that of a redaction by an operator of the control plane.
pub fn message_number(msgid: &str) -> Option<u64> {
    let (_, digits) = msgid.rsplit_once('-')?;
    let number = u64::from_str_radix(digits, 36).ok()?;
    (number >= LOWEST_NUMBER).then_some(number)
}

/// The command of the event that redacts a message.
const REDACT: &str = "REDACT";

impl HistoryEntry {
    /// Returns whether this is an event, that is, neither `PRIVMSG` nor `NOTICE`.
    pub fn is_event(&self) -> bool {
        !matches!(self.command.as_str(), "PRIVMSG" | "NOTICE")
    }

    /// Returns whether this is a message, including one that consists of tags only. Only messages
    /// can be redacted.
    pub fn is_message(&self) -> bool {
        matches!(self.command.as_str(), "PRIVMSG" | "NOTICE" | "TAGMSG")
    }

    /// Returns roughly how many bytes of memory it takes.
    pub fn held_bytes(&self) -> usize {
        size_of::<Self>() + self.source.len() + self.text.len() + self.tags.len()
    }

    /// Returns the prefix of the member status that a channel message was restricted to, `@` or
    /// `+`; `None` if it was for all members.
    pub fn status(&self) -> Option<char> {
        self.tags.strip_prefix("statusmsg=")?.chars().next()
    }

    /// Returns the id of the message that this event redacts. Storing the event redacts the
    /// message.
    pub fn redacts(&self) -> Option<&str> {
        if self.command == REDACT {
            self.text.split_whitespace().next()
        } else {
            None
        }
    }

    /// Returns the event that redacts this message.
    #[must_use]
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

/// Who redacts a message.
#[derive(Clone, Debug)]
pub struct Redactor {
    /// `nick!user@host`, or the name of the server if an operator of the control plane redacts it.
    pub source: String,
    /// The account, if there is one.
    pub account: Option<AccountName>,
}

/// Where a message was sent: a channel, or a conversation of two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A channel.
    Channel(ChannelName),
    /// A conversation of two users.
    Direct {
        /// The sender.
        from: Participant,
        /// The receiver.
        to: Participant,
    },
}

impl Place {
    /// Returns the places of the conversations of the account `account`: with the account `other`,
    /// and with guests who have the nick `guest`.
    pub fn conversation(account: &Nick, other: Nick, guest: Nick) -> Vec<Self> {
        let with = |to| Self::Direct {
            from: Participant::Account(account.clone()),
            to,
        };
        vec![
            with(Participant::Account(other)),
            with(Participant::Guest(guest)),
        ]
    }

    /// Returns whether both are the same channel, or a conversation of the same two users.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Direct { from, to }, Self::Direct { from: one, to: two }) => {
                (from, to) == (one, two) || (from, to) == (two, one)
            }
            _ => self == other,
        }
    }
}

/// One side of a conversation of two. A guest and an account of the same name are different
/// participants, because anyone may register the nick of a guest later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Participant {
    /// The owner of the account with this name.
    Account(Nick),
    /// A guest with this nick.
    Guest(Nick),
}

impl Participant {
    /// Returns the nick, or the name of the account.
    pub fn nick(&self) -> &Nick {
        match self {
            Self::Account(nick) | Self::Guest(nick) => nick,
        }
    }
}

/// A point in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Point {
    /// A time.
    At(Timestamp),
    /// The message with this id.
    Message(String),
}

/// Selects messages (IRCv3 chathistory). The points themselves are excluded, except for `Around`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// The newest messages, after the point if there is one.
    Latest(Option<Point>),
    /// The newest messages before the point.
    Before(Point),
    /// The oldest messages after the point.
    After(Point),
    /// The messages around the point, which is in the middle.
    Around(Point),
    /// The messages between the points, starting at the first.
    Between(Point, Point),
}

/// A query for a page of history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageQuery {
    /// The places, whose messages are merged.
    pub places: Vec<Place>,
    /// Selects the messages.
    pub selection: Selection,
    /// Whether events are included.
    pub events: bool,
    /// Whether redactions are included among the events.
    pub redactions: bool,
    /// The time from which messages are visible to the user.
    pub since: Timestamp,
    /// The maximum number of messages.
    pub limit: usize,
    /// The number of bytes of memory beyond which no further message of a place is read.
    pub bytes: usize,
}

impl ReadableTarget {
    /// Returns whether the user may read the message. Times are stored in milliseconds.
    pub fn is_visible(&self, entry: &HistoryEntry) -> bool {
        entry.at.as_millisecond() >= self.since.as_millisecond()
    }
}

/// A query for the channels and conversations whose latest message is between two times, starting
/// at the first (`CHATHISTORY TARGETS`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetsQuery {
    /// The channels, each with the time before which its history is not visible.
    pub channels: Vec<(ChannelName, Timestamp)>,
    /// The account whose conversations are included.
    pub account: Option<Nick>,
    /// The first time.
    pub from: Timestamp,
    /// The second time, which may be the earlier one.
    pub to: Timestamp,
    /// The maximum number of targets.
    pub limit: usize,
}

/// A query for the messages of several channels and conversations, without events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeveralQuery {
    /// The channels and conversations.
    pub targets: Vec<ReadableTarget>,
    /// The account whose conversations are all included.
    pub account: Option<Nick>,
    /// Messages after this time, exclusive.
    pub after: Timestamp,
    /// Messages before this time, exclusive.
    pub before: Timestamp,
    /// The maximum number of messages of each, the newest ones.
    pub limit: usize,
    /// The maximum number of bytes of memory that the messages take. The channels and conversations
    /// share it.
    pub bytes: usize,
}

/// The kind of a channel or conversation. If there is too much to read, a later kind precedes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TargetKind {
    /// A conversation with guests only, whose nicks cost them nothing.
    Guest,
    /// A conversation with an account.
    Account,
    /// A channel.
    Channel,
}

/// The newest messages of a channel or conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewestMessages {
    /// Its kind.
    pub kind: TargetKind,
    /// The name of the channel, or the nick of the other side.
    pub name: String,
    /// The messages, oldest first.
    pub entries: VecDeque<HistoryEntry>,
    /// Whether earlier messages were left out.
    pub is_cut: bool,
}

/// The newest messages of several channels and conversations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewestOfSeveral {
    /// The channels and conversations, sorted by kind.
    pub targets: Vec<NewestMessages>,
    /// The number of further conversations that have messages.
    pub further_conversations: usize,
}

/// A channel or conversation that a user may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadableTarget {
    /// The name of the channel, or the nick of the other side.
    pub name: String,
    /// The places, whose messages are merged.
    pub places: Vec<Place>,
    /// The time from which messages are visible to the user.
    pub since: Timestamp,
}

/// A conversation of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// The nick of the other side.
    pub name: String,
    /// Whether there are messages with an account, or with guests only.
    pub kind: TargetKind,
    /// When the latest message was sent.
    pub at: Timestamp,
}

/// A result of [`TargetsQuery`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryTarget {
    /// The name of the channel, or the nick of the other side.
    pub name: String,
    /// When the latest message was sent.
    pub at: Timestamp,
}
