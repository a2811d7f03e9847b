//! The core's inputs ([`Event`]) and outputs ([`Output`]).

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use rookery_control_api::{DisconnectReason, TimedEvent};
use rookery_protocol::{Capabilities, Message, Nick};
use rookery_record::{Change, HistoryEntry, HistoryTarget, PageQuery, SeveralQuery, TargetsQuery};

use crate::request::{Admission, ControlRequest, ReplyFormat};
use crate::state::admission_policy::AdmissionPolicy;
use crate::state::away::AwayState;
use crate::state::catch_up::Mark;
use crate::ticket::{Answer, Ticket};

pub use crate::ids::{Identity, SessionId};
pub use crate::settings::Settings;

/// A session that asks to be admitted.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The nick that the client asked for. Without [`Settings::free_nicks`], a signed-in user has
    /// the name of its account instead.
    pub nick: Nick,
    pub username: String,
    pub realname: String,
    /// `None` for a guest.
    pub identity: Option<Identity>,
    pub capabilities: Capabilities,
    /// The away state that the client reported before admission (`draft/pre-away`).
    pub away_state: AwayState,
    pub address: SocketAddr,
    /// Protocol version and key exchange, for operators.
    pub tls: String,
}

/// An event that the core handles.
#[derive(Debug)]
pub enum Event {
    /// A session asks to be admitted. The welcome precedes the reply.
    Admit {
        ticket: Ticket<Admission>,
        session: SessionId,
        candidate: Box<Candidate>,
    },
    /// An admitted session has signed in, or its account has another email. The reply is
    /// [`Admission::NickInUse`] if the account's name looks like that of another user's account.
    SignIn {
        ticket: Ticket<Admission>,
        session: SessionId,
        identity: Identity,
    },
    /// Asks how to address the session. The reply is `None` if the session has ended.
    GetReplyFormat {
        ticket: Ticket<Option<ReplyFormat>>,
        session: SessionId,
    },
    /// An admitted session sent a message.
    Command {
        session: SessionId,
        message: Message,
    },
    /// An admitted session sent a command that reads history. The ticket is answered when the
    /// session's reply is on its way.
    AskHistory {
        ticket: Ticket<()>,
        session: SessionId,
        message: Message,
    },
    /// The result of an [`Output::Fetch`].
    Fetched { fetch: Box<Fetch>, found: Found },
    /// An admitted session sent a line that is not a message.
    BadLine {
        session: SessionId,
        fault: LineFault,
    },
    /// The connection of an admitted session has closed, from either side. If it was `lost`, the
    /// client may not have received what was sent last.
    Gone {
        session: SessionId,
        disconnect: Disconnect,
        lost: bool,
    },
    /// A request of the control plane.
    Control(ControlRequest),
    /// The config was reloaded.
    Reload(Box<Settings>),
}

/// How a connection ended.
#[derive(Clone, Debug)]
pub struct Disconnect {
    pub why: DisconnectReason,
    /// What other users see.
    pub words: Cow<'static, str>,
}

impl Disconnect {
    /// Creates the disconnect of a connection that broke, or closed without `QUIT`.
    pub fn lost(words: impl Into<Cow<'static, str>>) -> Self {
        Self {
            why: DisconnectReason::ConnectionLost,
            words: words.into(),
        }
    }
}

/// Why a line is not a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineFault {
    TooLong,
    /// The message that it would be with the invalid bytes replaced, if it is one.
    NotUtf8(Option<Box<Message>>),
    /// There is no command in the line.
    Malformed,
}

/// One line, with its line ending, for some sessions; or several lines that must stay together.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub to: Vec<SessionId>,
    pub line: Bytes,
}

/// What follows from an event, in order.
#[derive(Debug)]
pub enum Output {
    Deliver(Delivery),
    /// A message: `then` is delivered once the entry is stored, `otherwise` if it cannot be stored.
    Store {
        entry: Box<HistoryEntry>,
        then: Vec<Delivery>,
        otherwise: Option<Delivery>,
    },
    /// A change that outlives a restart: it is on disk before the outputs after it, of this event
    /// or later ones, are released. If it cannot be written, the server logs that and continues as
    /// if it had been; the change is then lost at the next start, unless a later change of the same
    /// thing, which contains all of it, is written.
    Persist(Box<Change>),
    /// Closes the session's connection once its queue and this last line are sent.
    End {
        session: SessionId,
        line: Bytes,
    },
    /// The admission policy that applies from now on.
    AdmissionPolicy(Arc<AdmissionPolicy>),
    /// The reply to an event that carried a ticket.
    Answer(Answer),
    /// An event for operators who watch the server.
    Happened(TimedEvent),
    /// Requests a page of history, to be read once all earlier outputs are released. The result is
    /// [`Event::Fetched`].
    Fetch(Box<Fetch>),
}

/// A request for history.
#[derive(Debug)]
pub struct Fetch {
    pub session: SessionId,
    /// The request that waits for the reply to be on its way.
    pub ticket: Option<Ticket<()>>,
    /// The label of the reply, escaped.
    pub label: Option<String>,
    pub purpose: Purpose,
    pub query: HistoryQuery,
}

/// Why history is read.
#[derive(Debug)]
pub enum Purpose {
    /// `CHATHISTORY`.
    Chathistory {
        /// As the client sent it.
        subcommand: String,
        /// The channel or nick, as the client sent it; `*` for none.
        target: String,
    },
    /// `REDACT`.
    Redaction {
        /// As the client sent it.
        target: String,
        msgid: String,
        reason: Option<String>,
    },
    /// `PLAY`, of znc.in/playback.
    Playback,
    /// The catch-up of a session, by its number: the messages after the first mark, up to the
    /// second.
    Missed {
        number: u64,
        after: Mark,
        until: Mark,
    },
}

/// What to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryQuery {
    Page(PageQuery),
    Targets(TargetsQuery),
    Several(SeveralQuery),
    /// The message with that id.
    Message(String),
}

/// What was read.
#[derive(Debug)]
pub enum Found {
    Page(Vec<HistoryEntry>),
    Targets(Vec<HistoryTarget>),
    /// By the name of the channel, or of the other user in the conversation.
    Several(Vec<(String, Vec<HistoryEntry>)>),
    /// The message with that id, if it exists.
    Message(Option<Box<HistoryEntry>>),
    /// A message id in the request is unknown.
    NoSuchMessage,
    /// The store failed.
    Failed,
}

impl Found {
    /// Returns the messages of several channels and conversations, if those were read.
    pub fn several(self) -> Option<Vec<(String, Vec<HistoryEntry>)>> {
        match self {
            Self::Several(several) => Some(several),
            _ => None,
        }
    }
}
