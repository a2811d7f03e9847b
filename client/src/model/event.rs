//! What follows from a message: something to show.

use jiff::Timestamp;
use rookery_protocol::{ChannelName, Message};

/// Something to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatEvent {
    /// When it happened, by the server's clock where it tells.
    pub at: Timestamp,
    /// The name that the server gave the message.
    pub msgid: Option<String>,
    /// What happened.
    pub kind: EventKind,
}

impl ChatEvent {
    /// Creates the event of a message, with the server's time where it is known.
    pub fn new(message: &Message, kind: EventKind, now: Timestamp) -> Self {
        let time = message.tags.get("time").and_then(|time| time.parse().ok());
        Self {
            at: time.unwrap_or(now),
            msgid: message.tags.get("msgid").map(str::to_owned),
            kind,
        }
    }
}

/// How something was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// As a message.
    Message,
    /// `/me`.
    Action,
    /// As a notice.
    Notice,
}

/// What happened. Names and texts are as the server sent them: whoever shows them makes them
/// harmless first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// Someone, perhaps we, said something in a channel.
    ChannelMessage {
        channel: String,
        nick: String,
        kind: MessageKind,
        text: String,
    },
    /// Someone said something to us alone.
    DirectReceived {
        from: String,
        kind: MessageKind,
        text: String,
    },
    /// We said something to someone alone.
    DirectSent {
        to: String,
        kind: MessageKind,
        text: String,
    },
    /// The server itself said something.
    ServerNotice { from: String, text: String },
    /// Someone came into a channel.
    Joined { channel: String, nick: String },
    /// Someone left a channel.
    Parted {
        channel: String,
        nick: String,
        reason: Option<String>,
    },
    /// Someone was put out of a channel by one of its operators.
    Kicked {
        channel: String,
        nick: String,
        by: String,
        reason: Option<String>,
    },
    /// Someone left the server, and these of our channels with it.
    Quit {
        nick: String,
        reason: Option<String>,
        channels: Vec<ChannelName>,
    },
    /// Someone has another name, in these of our channels.
    NickChanged {
        old: String,
        new: String,
        channels: Vec<ChannelName>,
    },
    /// Someone changed what may be done in a channel, or who may do it.
    ModeChanged {
        channel: String,
        by: String,
        modes: String,
    },
    /// Someone asks someone, perhaps us, into a channel.
    Invited {
        channel: String,
        by: String,
        nick: String,
    },
    /// A channel has another topic (`by` someone), or this is the one it has.
    Topic {
        channel: String,
        by: Option<String>,
        text: String,
    },
    /// Who is in a channel.
    Members { channel: String, nicks: Vec<String> },
    /// What was said in a place before, oldest first.
    HistoryPage {
        target: String,
        events: Vec<ChatEvent>,
    },
    /// With whom something was said before, and when last.
    Conversations(Vec<(String, Timestamp)>),
    /// What this account has read in a place, on whatever device: all up to then.
    ReadMarker {
        target: String,
        until: Option<Timestamp>,
    },
    /// Someone took a message back.
    Redacted {
        target: String,
        msgid: String,
        by: String,
        reason: Option<String>,
    },
    /// Anything else, in words.
    Info(String),
    /// The server refused something, in its words.
    Refused(String),
}
