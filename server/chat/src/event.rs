//! The core's inputs ([`Event`]) and outputs ([`Output`]).

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use rookery_control_api::{DisconnectReason, TimedEvent};
use rookery_protocol::{Capabilities, Message, Nick, Tags};
use rookery_record::{
    AccountId, Change, CredentialId, HistoryEntry, HistoryTarget, Mark, NewestOfSeveral, PageQuery,
    SeveralQuery, TargetsQuery,
};

use crate::request::{Admission, ControlRequest, Replied, ReplyFormat};
use crate::state::admission_policy::AdmissionPolicy;
use crate::state::away::AwayState;
use crate::ticket::{Answer, Ticket};
use crate::token_bucket::Payer;

pub use crate::ids::{Identity, SessionId, SignedInWith};
pub use crate::settings::Settings;

/// A session that requests admission.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The nick that the client requested. Without [`Settings::free_nicks`], a signed-in user has
    /// the name of its account instead.
    pub nick: Nick,
    /// The username that the client sent.
    pub username: String,
    /// The real name that the client sent.
    pub realname: String,
    /// The account that the session has signed in to; `None` for a guest.
    pub identity: Option<Identity>,
    /// The capabilities that the client has enabled.
    pub capabilities: Capabilities,
    /// The away state that the client reported before admission (`draft/pre-away`).
    pub away_state: AwayState,
    /// The metadata keys that the client has subscribed to before admission.
    pub subscriptions: BTreeSet<String>,
    /// The client's address.
    pub address: SocketAddr,
    /// The TLS version and key exchange, for operators.
    pub tls: String,
}

/// An event that the core handles.
#[derive(Debug)]
pub enum Event {
    /// A session requests admission. The outputs that welcome it precede the reply.
    Admit {
        /// The ticket for the reply.
        ticket: Ticket<Admission>,
        /// The session.
        session: SessionId,
        /// The properties of the session.
        candidate: Box<Candidate>,
    },
    /// An admitted session has signed in, or the email of its account has changed. The reply is
    /// [`Admission::NickInUse`] if the account's name looks like that of another user's account.
    SignIn {
        /// The ticket for the reply.
        ticket: Ticket<Admission>,
        /// The session.
        session: SessionId,
        /// The account.
        identity: Identity,
    },
    /// Requests the format of replies to the session. The reply is `None` if the session has ended.
    GetReplyFormat {
        /// The ticket for the reply.
        ticket: Ticket<Option<ReplyFormat>>,
        /// The session.
        session: SessionId,
    },
    /// An admitted session sent a message.
    Command {
        /// The session.
        session: SessionId,
        /// The message.
        message: Message,
    },
    /// An admitted session sent a command, and waits for the reply.
    AwaitedCommand {
        /// The ticket, which is answered after the reply to the session was output.
        ticket: Ticket<Replied>,
        /// The session.
        session: SessionId,
        /// The message.
        message: Message,
    },
    /// The client of an admitted session has received everything up to a mark: it has answered the
    /// question that followed.
    Received {
        /// The session.
        session: SessionId,
        /// The mark.
        until: Mark,
    },
    /// The result of an [`Output::Fetch`].
    Fetched {
        /// The request.
        fetch: Box<Fetch>,
        /// Its result.
        found: HistoryResult,
    },
    /// An admitted session sent a line that is not a message.
    BadLine {
        /// The session.
        session: SessionId,
        /// The reason why the line is not a message.
        fault: LineFault,
    },
    /// The connection of an admitted session has closed, from either side.
    Disconnected {
        /// The session.
        session: SessionId,
        /// The reason.
        disconnect: Disconnect,
        /// The mark up to which the client has received everything, according to how the
        /// connection ended; `None` if that says nothing beyond what the client has answered.
        received: Option<Mark>,
    },
    /// Another session has taken the place of an admitted session, which has to end. Nothing
    /// happens if the session is not, or no longer, admitted.
    Displaced(SessionId),
    /// An account no longer accepts what sessions may have signed in with.
    AccessRevoked {
        /// What it no longer accepts.
        revoked: Revoked,
        /// The session that has changed the account. It remains after a change of the password.
        by: Option<SessionId>,
    },
    /// A request of the control plane.
    Control(ControlRequest),
    /// The configuration was reloaded.
    Reload(Box<Settings>),
}

/// What an account no longer accepts. The sessions that have signed in with it are ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// A device credential or certificate.
    Credential(CredentialId),
    /// The password that the account had until now.
    Password(AccountId),
    /// The email that the account had until now, so anything that its sessions signed in with.
    Email(AccountId),
}

/// The reason why a connection ended.
#[derive(Clone, Debug)]
pub struct Disconnect {
    /// The reason, for operators.
    pub reason: DisconnectReason,
    /// The text that other users see.
    pub text: Cow<'static, str>,
}

impl Disconnect {
    /// Creates the disconnect of a connection that broke, or closed without `QUIT`.
    pub fn lost(text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason: DisconnectReason::ConnectionLost,
            text: text.into(),
        }
    }
}

/// The reason why a line is not a message. Contains what is known of the message, for the reply:
/// the label, and whether it was part of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineFault {
    /// The line is too long. Only the tags of the message are known, if the line has some.
    TooLong(Option<Box<Message>>),
    /// The line is not UTF-8. The invalid bytes of the message are replaced.
    NotUtf8(Option<Box<Message>>),
    /// The line contains no command. Only the tags of the message are known, if the line has some.
    Malformed(Option<Box<Message>>),
}

impl LineFault {
    /// Returns the fault of a line that is too long, given its tags.
    pub fn too_long(tags: Option<&str>) -> Self {
        Self::TooLong(tags.and_then(with_tags))
    }

    /// Returns the fault of a line that cannot be parsed.
    pub fn malformed(line: &str) -> Self {
        Self::Malformed(with_tags(line))
    }

    /// Returns what is known of the message.
    pub fn message(&self) -> Option<&Message> {
        let (Self::TooLong(message) | Self::NotUtf8(message) | Self::Malformed(message)) = self;
        message.as_deref()
    }
}

/// Returns a message without a command that has the tags at the beginning of a line.
fn with_tags(line: &str) -> Option<Box<Message>> {
    let tags = line.strip_prefix('@')?.split(' ').next()?;
    // A reply with such a label would not be a line either.
    if tags.contains(['\0', '\r', '\n']) {
        return None;
    }
    Some(Box::new(Message {
        tags: Tags::parse(tags),
        ..Message::default()
    }))
}

/// One line, with its line ending, for some sessions; or several lines that must stay together.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The receivers.
    pub to: Vec<SessionId>,
    /// The line or lines, as on the wire.
    pub line: Bytes,
}

/// An effect of an event. The order of outputs is significant.
#[derive(Debug)]
pub enum Output {
    /// Sends lines.
    Deliver(Delivery),
    /// Stores an entry in the history, and sends lines that depend on that.
    Store {
        /// The entry.
        entry: Box<HistoryEntry>,
        /// The time of the message clock: no entry that is sent later, in any place, is earlier.
        /// The entry's own time may be ahead of it if the system's clock was set back.
        now: Timestamp,
        /// Sent once the entry is stored.
        deliveries: Vec<Delivery>,
        /// Sent if the entry cannot be stored.
        on_failure: Option<Delivery>,
    },
    /// Persists a change. It is on disk before any later output, of this event or later ones, takes
    /// effect. If it cannot be written, the server logs an error and continues. The change is then
    /// lost at the next start, unless a later change of the same subject is written, which contains
    /// its whole state.
    Persist(Box<Change>),
    /// Closes the session's connection once its send queue and this last line are sent.
    End {
        /// The session.
        session: SessionId,
        /// The last line.
        line: Bytes,
        /// Whether the client is asked before the last line what it has received, because it has
        /// not requested the end itself.
        asks: bool,
    },
    /// The admission policy that applies from now on.
    AdmissionPolicy(Arc<AdmissionPolicy>),
    /// The reply to an event that carried a ticket.
    Answer(Answer),
    /// States that what earlier outputs deliver has been delivered up to this mark, as it is known
    /// for each [`Output::Store`] by the number of its message.
    Delivered(Mark),
    /// From now on, asks the client of the session what it has received.
    AskReceipts(SessionId),
    /// Publishes an event to operators who watch the server.
    ServerEvent(TimedEvent),
    /// Requests a page of history, to be read after all earlier outputs took effect. The result
    /// arrives as [`Event::Fetched`].
    Fetch(Box<Fetch>),
    /// Requests a call of [`Chat::resume_replies`](crate::Chat::resume_replies), once the session's
    /// send queue holds what earlier outputs deliver and has room for a slice of a long reply.
    AwaitRoom(SessionId),
    /// Reports how much memory the rest of the session's long replies takes in the core.
    Held {
        /// The session.
        session: SessionId,
        /// The number of bytes, roughly; 0 once the replies are sent.
        bytes: usize,
    },
}

/// A request for history.
#[derive(Debug)]
pub struct Fetch {
    /// The session that the reply is for.
    pub session: SessionId,
    /// Who takes turns with others that request history; `None` if the session has ended.
    pub payer: Option<Payer>,
    /// The ticket of an [`Event::AwaitedCommand`], to be answered after the reply.
    pub ticket: Option<Ticket<Replied>>,
    /// The label of the reply, escaped.
    pub label: Option<String>,
    /// The purpose, which decides the reply.
    pub purpose: Purpose,
    /// Selects the part of the history.
    pub query: HistoryQuery,
}

/// The purpose of a request for history.
#[derive(Debug)]
pub enum Purpose {
    /// `CHATHISTORY`.
    Chathistory {
        /// The subcommand, as the client sent it.
        subcommand: String,
        /// The channel or nick, as the client sent it; `*` for none.
        target: String,
    },
    /// `REDACT`.
    Redaction {
        /// The channel or nick, as the client sent it.
        target: String,
        /// The id of the message.
        msgid: String,
        /// The reason that the client sent.
        reason: Option<String>,
    },
    /// `PLAY`, of znc.in/playback.
    Playback,
    /// The catch-up of a session: the messages that its device missed.
    CatchUp {
        /// The number of the catch-up.
        number: u64,
        /// The mark after which the messages were sent.
        after: Mark,
        /// The mark up to which the messages were sent.
        until: Mark,
    },
}

/// Selects a part of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryQuery {
    /// A page of one channel or conversation.
    Page(PageQuery),
    /// The channels and conversations with recent messages.
    Targets(TargetsQuery),
    /// The messages of several channels and conversations.
    Several(SeveralQuery),
    /// The message with that id.
    Message(String),
}

/// The result of a [`HistoryQuery`].
#[derive(Debug)]
pub enum HistoryResult {
    /// The messages of a page.
    Page(Vec<HistoryEntry>),
    /// The channels and conversations with recent messages.
    Targets(Vec<HistoryTarget>),
    /// The messages of several channels and conversations.
    Several(NewestOfSeveral),
    /// The message with that id, if it exists.
    Message(Option<Box<HistoryEntry>>),
    /// A message id in the request is unknown.
    NoSuchMessage,
    /// The store failed.
    Failed,
}

impl HistoryResult {
    /// Returns the messages of several channels and conversations, if this is such a result.
    pub(crate) fn several(self) -> Option<NewestOfSeveral> {
        match self {
            Self::Several(several) => Some(several),
            _ => None,
        }
    }
}
