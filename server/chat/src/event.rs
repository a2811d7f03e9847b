//! What goes into the core and what comes out.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use rookery_control_api::{DisconnectReason, TimedEvent};
use rookery_protocol::{
    AccountName, Capabilities, CapabilityValues, ChannelName, Email, Message, Nick,
};

use super::always_on::AwayState;
use super::gate::AdmissionPolicy;
use super::replay::Mark;
use super::request::{Admission, ControlRequest, ReplyFormat};
use super::ticket::{Answer, Ticket};
use rookery_record::{
    AccountId, Change, CredentialId, EmailAliases, HistoryEntry, HistoryTarget, PageQuery,
    SeveralQuery, TargetsQuery,
};

/// One TLS connection on the chat port; never used twice while the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// The account that a session has proved to be its own.
#[derive(Clone, Debug)]
pub struct Identity {
    pub id: AccountId,
    pub name: AccountName,
    pub email: Option<Email>,
    /// Never greeted before.
    pub new: bool,
    /// Not after the moment at which the record was asked.
    pub proved_at: Timestamp,
    /// What it was proved with, if that belongs to one device.
    pub credential: Option<CredentialId>,
}

/// A session that wants to be admitted.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What the client asked for; without [`Settings::free_nicks`], whoever has an identity is
    /// shown under its name instead.
    pub nick: Nick,
    pub username: String,
    pub realname: String,
    /// None for a guest.
    pub identity: Option<Identity>,
    pub capabilities: Capabilities,
    /// What it has said of itself before it came (pre-away).
    pub away_state: AwayState,
    pub address: SocketAddr,
    /// Version and key exchange, for operators.
    pub tls: String,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A session asks to be admitted. The welcome is sent before the reply.
    Admit {
        ticket: Ticket<Admission>,
        session: SessionId,
        candidate: Box<Candidate>,
    },
    /// An admitted session has proved an identity, or its account has another email. The reply is
    /// [`Admission::NickInUse`] if a user is present whose nick looks like the account's name.
    SignIn {
        ticket: Ticket<Admission>,
        session: SessionId,
        identity: Identity,
    },
    /// An admitted session needs a reply that the core does not write. The reply is `None` if the
    /// session has ended.
    GetReplyFormat {
        ticket: Ticket<Option<ReplyFormat>>,
        session: SessionId,
    },
    /// An admitted session sent a message.
    Command {
        session: SessionId,
        message: Message,
    },
    /// An admitted session sent a command that may have history read. The reply follows what the
    /// command sends to the session.
    AskHistory {
        ticket: Ticket<()>,
        session: SessionId,
        message: Message,
    },
    /// What was found for an [`Output::Fetch`].
    Fetched { fetch: Box<Fetch>, found: Found },
    /// An admitted session sent a line that is no message.
    BadLine {
        session: SessionId,
        fault: LineFault,
    },
    /// The connection of an admitted session has ended, by whatever side. One that was `lost` may
    /// not have brought the client what was sent last.
    Gone {
        session: SessionId,
        disconnect: Disconnect,
        lost: bool,
    },
    /// A request of the control plane.
    Control(ControlRequest),
    /// The config was read anew.
    Reload(Box<Settings>),
}

/// How a connection ended.
#[derive(Clone, Debug)]
pub struct Disconnect {
    pub why: DisconnectReason,
    /// For the others.
    pub words: Cow<'static, str>,
}

impl Disconnect {
    /// It broke, or was closed without a word.
    pub fn lost(words: impl Into<Cow<'static, str>>) -> Self {
        Self {
            why: DisconnectReason::ConnectionLost,
            words: words.into(),
        }
    }
}

/// Why a line is no message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineFault {
    TooLong,
    /// What of it can be read as a message, if that is possible.
    NotUtf8(Option<Box<Message>>),
    /// No command could be read from it.
    Malformed,
}

/// One line (its end included) for some sessions; or several that nothing may come between.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub to: Vec<SessionId>,
    pub line: Bytes,
}

/// What follows from an event, in order.
#[derive(Debug)]
pub enum Output {
    Deliver(Delivery),
    /// A message: `then` goes out once the entry is stored, `otherwise` if it cannot be.
    Store {
        entry: Box<HistoryEntry>,
        then: Vec<Delivery>,
        otherwise: Option<Delivery>,
    },
    /// Something that outlives a restart has changed: it is on disk before what follows it, here or
    /// in a later event, is let out. Should it not get there, the log says so and the chat goes on
    /// as if it had: then the change is lost with the next start, unless a later one of the same
    /// thing, which carries the whole of it, is kept.
    Persist(Box<Change>),
    /// The session's connection is to be closed once what waits for it, and this last line, is
    /// sent.
    End {
        session: SessionId,
        line: Bytes,
    },
    /// From now on people are kept out by this.
    AdmissionPolicy(Arc<AdmissionPolicy>),
    /// The reply to an event that carried a ticket.
    Answer(Answer),
    /// For whoever watches the server.
    Happened(TimedEvent),
    /// History is to be read, once all that came before is let out; it comes back as
    /// [`Event::Fetched`].
    Fetch(Box<Fetch>),
}

/// A page of history that a session waits for.
#[derive(Debug)]
pub struct Fetch {
    pub session: SessionId,
    /// Who else waits for it.
    pub ticket: Option<Ticket<()>>,
    /// What the reply is marked with, escaped.
    pub label: Option<String>,
    pub purpose: Purpose,
    pub query: HistoryQuery,
}

/// What history is read for.
#[derive(Debug)]
pub enum Purpose {
    /// `CHATHISTORY`.
    Chathistory {
        /// As it was sent.
        subcommand: String,
        /// The channel or nick it asks about, as it was sent; `*` for none.
        target: String,
    },
    /// `REDACT`.
    Redaction {
        /// As it was sent.
        target: String,
        msgid: String,
        reason: Option<String>,
    },
    /// `PLAY`, of znc.in/playback.
    Playback,
    /// What the session's device has missed: what was said after the one mark and up to the other.
    /// The number is that of the catch-up that it is read for.
    Missed {
        number: u64,
        after: Mark,
        until: Mark,
    },
}

/// What is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryQuery {
    Page(PageQuery),
    Targets(TargetsQuery),
    Several(SeveralQuery),
    /// The message of that id.
    Message(String),
}

/// What was read.
#[derive(Debug)]
pub enum Found {
    Page(Vec<HistoryEntry>),
    Targets(Vec<HistoryTarget>),
    /// By the name of the channel, or of the other side of the conversation.
    Several(Vec<(String, Vec<HistoryEntry>)>),
    /// The message of that id; none if there is none any more.
    Message(Option<Box<HistoryEntry>>),
    /// There is no message of an id that was asked by.
    NoSuchMessage,
    /// The record could not be read.
    Failed,
}

/// The part of the config that the core goes by.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the config"
)]
pub struct Settings {
    pub server_name: String,
    pub network: String,
    pub lobby: Vec<ChannelName>,
    /// Whether whoever is signed in may be shown under another nick than the account's name.
    pub free_nicks: bool,
    pub motd: String,
    pub history: bool,
    /// Whether members of a channel may read what was said before they joined.
    pub history_before_join: bool,
    /// Whether the owners of accounts who have not chosen stay while no session is connected.
    pub always_on: bool,
    /// How many messages of each channel and conversation a session is shown that it missed; 0 for
    /// none.
    pub replay_lines: usize,
    /// 0 is no limit, here and below.
    pub history_page: usize,
    /// The bytes that may wait to go to one session.
    pub sendq_bytes: usize,
    /// For how long one may redact a message of one's own.
    pub redaction_minutes: u32,
    pub channels_per_user: usize,
    /// The channels that one account may own.
    pub owned_channels: usize,
    pub channel_list_entries: usize,
    pub monitor_entries: usize,
    /// By which bans compare emails.
    pub email_aliases: EmailAliases,
    /// The capabilities that a session may ask for.
    pub capabilities: Capabilities,
    /// What they are listed with.
    pub capability_values: CapabilityValues,
}
