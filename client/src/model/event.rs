//! The events that messages from the server are turned into.

use jiff::Timestamp;
use rookery_protocol::{ChannelName, Message};
use serde::Serialize;

/// Something to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatEvent {
    /// The time, by the server's clock if the message has it.
    pub at: Timestamp,
    /// The msgid of the message.
    pub msgid: Option<String>,
    /// What happened.
    pub kind: EventKind,
}

impl ChatEvent {
    /// Creates the event of a message.
    pub fn new(message: &Message, kind: EventKind, now: Timestamp) -> Self {
        let time = message.tags.get("time").and_then(|time| time.parse().ok());
        Self {
            at: time.unwrap_or(now),
            msgid: message.tags.get("msgid").map(str::to_owned),
            kind,
        }
    }
}

/// How a text was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageKind {
    /// As a message.
    Message,
    /// As an action (`/me`).
    Action,
    /// As a notice.
    Notice,
}

/// What happened. Names and texts are as the server sent them: control characters must be removed
/// before they are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A message to a channel, perhaps our own.
    ChannelMessage {
        channel: String,
        nick: String,
        kind: MessageKind,
        text: String,
    },
    /// A direct message to us.
    DirectReceived {
        from: String,
        kind: MessageKind,
        text: String,
    },
    /// A direct message that we sent.
    DirectSent {
        to: String,
        kind: MessageKind,
        text: String,
    },
    /// A notice of the server.
    ServerNotice { from: String, text: String },
    /// Someone joined a channel.
    Joined { channel: String, nick: String },
    /// Someone left a channel.
    Parted {
        channel: String,
        nick: String,
        reason: Option<String>,
    },
    /// Someone was kicked from a channel by one of its operators.
    Kicked {
        channel: String,
        nick: String,
        by: String,
        reason: Option<String>,
    },
    /// Someone disconnected, and with that left these of our channels.
    Quit {
        nick: String,
        reason: Option<String>,
        channels: Vec<ChannelName>,
    },
    /// Someone changed their nick; they are in these of our channels.
    NickChanged {
        old: String,
        new: String,
        channels: Vec<ChannelName>,
    },
    /// Someone changed the modes of a channel.
    ModeChanged {
        channel: String,
        by: String,
        modes: String,
    },
    /// Someone was invited to a channel.
    Invited {
        channel: String,
        by: String,
        nick: String,
    },
    /// The topic of a channel was changed `by` someone, or was requested.
    Topic {
        channel: String,
        by: Option<String>,
        text: String,
    },
    /// The members of a channel.
    Members { channel: String, nicks: Vec<String> },
    /// A page of a conversation's history, oldest first.
    HistoryPage {
        target: String,
        events: Vec<ChatEvent>,
    },
    /// The private conversations with recent messages, and the time of the latest message in each.
    Conversations(Vec<(String, Timestamp)>),
    /// The account's read marker in a conversation.
    ReadMarker {
        target: String,
        until: Option<Timestamp>,
    },
    /// A message was redacted.
    Redacted {
        target: String,
        msgid: String,
        by: String,
        reason: Option<String>,
    },
    /// Anything else, in words.
    Info(String),
    /// The server refused something, in words.
    Refused(String),
}
