//! The lines of a conversation.

use jiff::Timestamp;

use super::people::PersonId;
use super::{Audience, MessageKind};

/// Identifies a line within its buffer. Its index may change, its identifier does not. A line that
/// is added later has a higher one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    /// Returns the sender's nick if the line is a message to which the user can reply. Notices from
    /// the server to us, which have no msgid, are not.
    pub fn speaker(&self) -> Option<&str> {
        match &self.body {
            Body::Message {
                kind: MessageKind::Notice,
                ..
            } if self.msgid.is_none() => None,
            Body::Message { nick, .. } => Some(nick),
            _ => None,
        }
    }
}

/// The content of a line. Names and texts are as the server sent them: control characters must be
/// removed before they are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A message: `own` if we sent it, `highlight` if it mentions us or was sent to us only.
    Message {
        nick: Box<str>,
        sender: Option<PersonId>,
        kind: MessageKind,
        text: Box<str>,
        own: bool,
        highlight: bool,
        audience: Audience,
    },
    /// A message that was redacted by its sender or an operator.
    Redacted {
        nick: Box<str>,
        by: Box<str>,
        reason: Option<Box<str>>,
    },
    /// Joins and parts.
    Membership(Vec<MembershipChange>),
    /// Another event, as text.
    Info(Box<str>),
    /// A refusal, as text.
    Refused(Box<str>),
    /// Messages may be missing here.
    Gap,
    /// The conversation begins here.
    Beginning,
}

/// A join or a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembershipChange {
    /// The user who joined or left.
    pub nick: Box<str>,
    /// Whether it is a join.
    pub joined: bool,
    /// The reason of a part, if the user gave one.
    pub reason: Option<Box<str>>,
}
