//! What goes into the core and what comes out.

use std::net::SocketAddr;

use bytes::Bytes;
use jiff::Timestamp;
use rookery_protocol::{AccountName, Capabilities, ChannelName, Email, Message, Nick};

use crate::record::{AccountId, Ban, BanId, HistoryEntry, HistoryTarget, PageQuery, TargetsQuery};

/// One TLS connection on the chat port; never used twice while the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// Ties an answer to the event that asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// The account that a session has proved to be its own.
#[derive(Clone, Debug)]
pub struct Identity {
    pub id: AccountId,
    pub name: AccountName,
    pub email: Email,
    /// Never greeted before.
    pub new: bool,
}

/// A session that wants to be admitted.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What the client asked for; whoever has an identity is shown under its name instead.
    pub nick: Nick,
    pub username: String,
    pub realname: String,
    /// None for a guest.
    pub identity: Option<Identity>,
    pub capabilities: Capabilities,
    pub address: SocketAddr,
    /// Version and key exchange, for operators.
    pub tls: String,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// Answered with [`Answer::Admitted`], [`Answer::NickInUse`] or [`Answer::Banned`]. The welcome comes before the answer.
    Admit { ticket: Ticket, session: SessionId, candidate: Box<Candidate> },
    /// An admitted guest has proved an identity. Answered with [`Answer::Admitted`], [`Answer::Banned`] or, should
    /// someone be here whose account's name looks the same, [`Answer::NickInUse`].
    SignIn { ticket: Ticket, session: SessionId, identity: Identity },
    /// Under which nick the session is shown. Answered with [`Answer::Nick`], or [`Answer::Done`] if it is here no more.
    AskNick { ticket: Ticket, session: SessionId },
    /// An admitted session sent a message.
    Command { session: SessionId, message: Message },
    /// An admitted session asks for history. Answered with [`Answer::Done`] when its reply is on the way.
    AskHistory { ticket: Ticket, session: SessionId, message: Message },
    /// What was found for an [`Output::Fetch`].
    Fetched { fetch: Box<Fetch>, found: Found },
    /// An admitted session sent a line that is no message.
    BadLine { session: SessionId, fault: LineFault },
    /// The connection of an admitted session has ended, by whatever side.
    Gone { session: SessionId, reason: String },
    /// The control plane acts.
    Control { ticket: Ticket, act: Act },
    /// The config was read anew.
    Reload(Box<Settings>),
}

/// Why a line is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFault {
    TooLong,
    NotUtf8,
    /// No command could be read from it.
    Malformed,
}

/// An act of the control plane. Its entry in the audit trail is on disk before it comes here.
#[derive(Debug)]
pub enum Act {
    /// Ends every session of the user of that nick. Answered with [`Answer::Ended`], empty if there was none.
    Kick { nick: Nick, reason: String },
    /// The ban is on disk: from now on it is kept, and whoever it covers is ended. Answered with [`Answer::Ended`].
    AddBan(Ban),
    /// Answered with [`Answer::Done`].
    RemoveBan(BanId),
    /// Whether a user of that nick is here; answered with [`Answer::Users`], of one or none.
    FindUser(Nick),
    /// Answered with [`Answer::Users`].
    ListUsers,
    /// Answered with [`Answer::Counts`].
    Count,
    /// The server stops: every session is told so (`ERROR :<reason>`) and ended. Answered with [`Answer::Ended`].
    EndAll { reason: String },
}

/// What an event that asked gets.
#[derive(Debug)]
pub enum Answer {
    Admitted,
    NickInUse,
    /// The session is to be told numeric 465 and to be closed.
    Banned {
        reason: String,
        expires_at: Option<Timestamp>,
    },
    /// Given when the connections of all these sessions have ended.
    Ended {
        users: Vec<Nick>,
        sessions: usize,
    },
    Users(Vec<UserView>),
    Nick(Nick),
    Counts {
        users: usize,
        sessions: usize,
        channels: usize,
        bans: usize,
    },
    Done,
}

/// A user as operators see it.
#[derive(Clone, Debug)]
pub struct UserView {
    pub nick: Nick,
    pub identity: Option<Identity>,
    pub since: Timestamp,
    pub active_at: Timestamp,
    pub channels: Vec<ChannelName>,
    pub sessions: Vec<SessionView>,
}

/// A session as operators see it.
#[derive(Clone, Debug)]
pub struct SessionView {
    pub id: SessionId,
    pub address: SocketAddr,
    pub tls: String,
    pub since: Timestamp,
}

/// One line (its end included) for some sessions.
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
    /// The session's connection is to be closed once what waits for it, and this last line, is sent.
    End {
        session: SessionId,
        line: Bytes,
    },
    Answer {
        ticket: Ticket,
        answer: Answer,
    },
    /// History is to be read, once all that came before is let out; it comes back as [`Event::Fetched`].
    Fetch(Box<Fetch>),
}

/// A page of history that a session waits for.
#[derive(Debug)]
pub struct Fetch {
    pub session: SessionId,
    /// Who else waits for it.
    pub ticket: Option<Ticket>,
    /// What the reply is marked with, escaped.
    pub label: Option<String>,
    /// The subcommand, as it was sent.
    pub subcommand: String,
    /// The channel or nick it asks about, as it was sent; `*` for none.
    pub target: String,
    pub query: HistoryQuery,
}

/// What is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryQuery {
    Page(PageQuery),
    Targets(TargetsQuery),
}

/// What was read.
#[derive(Debug)]
pub enum Found {
    Page(Vec<HistoryEntry>),
    Targets(Vec<HistoryTarget>),
    /// There is no message of an id that was asked by.
    NoSuchMessage,
    /// The record could not be read.
    Failed,
}

/// The part of the config that the core goes by.
#[derive(Clone, Debug)]
pub struct Settings {
    pub server_name: String,
    pub network: String,
    pub lobby: Vec<ChannelName>,
    pub motd: String,
    pub history: bool,
    /// Whether members of a channel may read what was said before they joined.
    pub history_before_join: bool,
    /// 0 is no limit, here and below.
    pub history_page: usize,
    pub channels_per_user: usize,
    pub channel_list_entries: usize,
    pub monitor_entries: usize,
    /// The capabilities that a session may ask for.
    pub capabilities: Capabilities,
}
