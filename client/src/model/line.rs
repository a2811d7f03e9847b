//! The lines of a conversation.

use jiff::Timestamp;

use super::MessageKind;

/// Identifies a line within its buffer, wherever it moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineId(pub(super) u64);

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its identifier.
    pub id: LineId,
    /// The time.
    pub at: Timestamp,
    /// The msgid, if it is a message that has one.
    pub msgid: Option<Box<str>>,
    /// The content.
    pub body: Body,
}

impl Line {
    /// Returns the nick of who said it, if it can be replied to. Notices of the server to us alone,
    /// which have no msgid, cannot.
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

/// The content of a line. Names and texts are as the server sent them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A message; `own` if we sent it, `highlight` if it mentions us or is for us only.
    Said {
        nick: Box<str>,
        kind: MessageKind,
        text: Box<str>,
        own: bool,
        highlight: bool,
    },
    /// A message that was redacted, `by` its sender or an operator.
    Redacted {
        nick: Box<str>,
        by: Box<str>,
        reason: Option<Box<str>>,
    },
    /// Joins and parts.
    Membership(Vec<MembershipChange>),
    /// Something else that happened, in words.
    Info(Box<str>),
    /// Something that was not done, in words.
    Refused(Box<str>),
    /// Messages may be missing here.
    Gap,
    /// The conversation begins here.
    Beginning,
}

/// A join or a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembershipChange {
    /// Whose.
    pub nick: Box<str>,
    /// Whether it is a join.
    pub joined: bool,
    /// The reason given for a part.
    pub reason: Option<Box<str>>,
}
