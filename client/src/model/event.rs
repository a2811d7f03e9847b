//! The events into which the model turns messages from the server.

use jiff::Timestamp;
use rookery_protocol::{ChannelName, Message};
use serde::Serialize;

/// An event to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatEvent {
    /// The time, by the server's clock if the message contains it.
    pub at: Timestamp,
    /// The msgid of the message.
    pub msgid: Option<String>,
    /// The account of the sender, if the message names it.
    pub account: Option<String>,
    /// The kind of event.
    pub kind: EventKind,
}

impl ChatEvent {
    /// Creates the event of a message.
    pub fn new(message: &Message, kind: EventKind, now: Timestamp) -> Self {
        let time = message.tags.get("time").and_then(|time| time.parse().ok());
        Self {
            at: time.unwrap_or(now),
            msgid: message.tags.get("msgid").map(str::to_owned),
            account: message.tags.get("account").map(str::to_owned),
            kind,
        }
    }
}

/// The kind of a chat message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageKind {
    /// An ordinary message.
    Message,
    /// An action (`/me`).
    Action,
    /// A notice.
    Notice,
}

/// Which members of a channel a message was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// All of them; also for messages that are not sent to a channel.
    Everyone,
    /// Its operators (`@#channel`).
    Operators,
    /// Its operators and voiced members (`+#channel`).
    Voiced,
}

impl Audience {
    /// Returns how it is shown after the sender's nick, where no text of the sender is.
    pub fn label(self) -> &'static str {
        match self {
            Self::Everyone => "",
            Self::Operators => "→operators",
            Self::Voiced => "→voiced",
        }
    }

    /// Splits the target of a message into the members that it is for, and the channel or nick.
    pub fn split(target: &str) -> (Self, &str) {
        match target.split_once('#') {
            Some(("@", _)) => (Self::Operators, &target[1..]),
            Some(("+", _)) => (Self::Voiced, &target[1..]),
            _ => (Self::Everyone, target),
        }
    }

    /// Returns the target of a message to these members of a channel.
    pub fn target(self, channel: &str) -> String {
        let prefix = match self {
            Self::Everyone => "",
            Self::Operators => "@",
            Self::Voiced => "+",
        };
        format!("{prefix}{channel}")
    }
}

/// The kind of an event. Names and texts are as the server sent them: control characters must be
/// removed before they are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A message to a channel, perhaps our own.
    ChannelMessage {
        channel: String,
        nick: String,
        kind: MessageKind,
        text: String,
        audience: Audience,
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
    /// A notice from the server.
    ServerNotice(String),
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
    /// Someone disconnected, who was in these of our channels.
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
    /// Someone has signed in to an account, or out if it is `None`, and is visible to us.
    AccountChanged {
        nick: String,
        account: Option<String>,
    },
    /// Someone renamed a channel that we are in. If `by` is `None`, we were not in it: the server
    /// has refused the old name, and the new one is to be joined.
    Renamed {
        old: ChannelName,
        new: ChannelName,
        by: Option<String>,
        reason: Option<String>,
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
    /// The topic of a channel, which was set `by` someone: a change, or the answer to a request.
    Topic {
        channel: String,
        by: String,
        text: String,
        is_change: bool,
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
    /// Someone sent a CTCP request, which is not answered.
    CtcpRequest { nick: String, command: String },
    /// Any other event, as text.
    Info(String),
    /// A refusal of the server, as text.
    Refused(String),
}
