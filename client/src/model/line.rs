//! A line of a conversation.

use jiff::Timestamp;

use super::MessageKind;

/// Which line of its buffer: a name that stays, wherever the line moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineId(pub(super) u64);

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its name in its buffer.
    pub id: LineId,
    /// When.
    pub at: Timestamp,
    /// The name that the server gave the message.
    pub msgid: Option<Box<str>>,
    /// What.
    pub body: Body,
}

impl Line {
    /// Whoever has said it: a person or a bot. What the server says to us alone has neither a name
    /// nor anyone to answer.
    pub fn speaker(&self) -> Option<&str> {
        match &self.body {
            Body::Said {
                kind: MessageKind::Notice,
                ..
            } if self.msgid.is_none() => None,
            Body::Said { nick, .. } => Some(nick),
            _ => None,
        }
    }
}

/// What a line holds. Names and texts are as the server sent them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Someone said something; `own` when it was us, `highlight` when it highlights us.
    Said {
        nick: Box<str>,
        kind: MessageKind,
        text: Box<str>,
        own: bool,
        highlight: bool,
    },
    /// Something was said, and taken back by someone.
    Redacted {
        nick: Box<str>,
        by: Box<str>,
        reason: Option<Box<str>>,
    },
    /// People came and went.
    Membership(Vec<MembershipChange>),
    /// Something else happened, in words.
    Info(Box<str>),
    /// Something was not done, in words.
    Refused(Box<str>),
    /// Messages are missing here.
    Gap,
    /// Nothing was said before.
    Beginning,
}

/// Someone's coming or going.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembershipChange {
    /// Who.
    pub nick: Box<str>,
    /// Came, or went.
    pub joined: bool,
    /// Why.
    pub reason: Option<Box<str>>,
}
