//! What enters the core and what leaves it.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use rookery_control_api::{DisconnectReason, TimedEvent};
use rookery_protocol::{AccountName, Capabilities, ChannelName, Message, Nick};
use rookery_record::{
    AccountId, Ban, BanId, BanTarget, Change, HistoryEntry, HistoryTarget, PageQuery, SeveralQuery,
    TargetsQuery,
};

use crate::state::admission_policy::AdmissionPolicy;
use crate::state::away::AwayState;
use crate::state::catch_up::Mark;
use crate::views::Busy;

pub use crate::ids::{Identity, SessionId, Ticket};
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
    /// Answered with [`Answer::Admitted`], [`Answer::NickInUse`], [`Answer::Stale`],
    /// [`Answer::Banned`] or [`Answer::Closed`]. The welcome comes before the answer.
    Admit {
        ticket: Ticket,
        session: SessionId,
        candidate: Box<Candidate>,
    },
    /// An admitted session has signed in, or its account has another email. Answered with
    /// [`Answer::Admitted`], [`Answer::Stale`], [`Answer::Banned`] or, if the account's name looks
    /// like that of another user's account, [`Answer::NickInUse`].
    SignIn {
        ticket: Ticket,
        session: SessionId,
        identity: Identity,
    },
    /// Asks how to address the session. Answered with [`Answer::Form`], or [`Answer::Done`] if the
    /// session has ended.
    AskForm { ticket: Ticket, session: SessionId },
    /// An admitted session sent a message.
    Command {
        session: SessionId,
        message: Message,
    },
    /// An admitted session sent a command that reads history. Answered with [`Answer::Done`] when
    /// its reply is on its way.
    AskHistory {
        ticket: Ticket,
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
    Control { ticket: Ticket, act: Act },
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

/// An act of the control plane. Its entry in the audit trail is on disk before it comes here.
#[derive(Debug)]
pub enum Act {
    /// Ends sessions, whose users may come back. Answered with [`Answer::Ended`], empty if there
    /// were none.
    Kick { whom: Kicked, reason: String },
    /// The ban is on disk: from now on it is kept, and whoever it covers is ended. Answered with
    /// [`Answer::Ended`].
    AddBan(Ban),
    /// The bans are on disk: from now on they keep people out. Whoever is here and covered stays
    /// until [`Self::AddBan`]. Answered with [`Answer::Done`].
    KeepBans(Vec<Ban>),
    /// Answered with [`Answer::Done`].
    RemoveBan(BanId),
    /// Lets nobody new in, who is told this; or lets people in again. It is on disk. Answered with
    /// [`Answer::Done`].
    SetMaintenance(Option<Arc<str>>),
    /// Ends every session of the account, and lets none in that has proved to be of it before now.
    /// Answered with [`Answer::Ended`].
    EndAccount { account: AccountId, reason: String },
    /// The account is no more, in the record: the channels it owned are nobody's from now on.
    /// Answered with [`Answer::Done`].
    ForgetAccount(AccountName),
    /// Whom a ban of that target would end now; answered with [`Answer::Users`], each with the
    /// sessions that it covers.
    FindCovered(BanTarget),
    /// Whether a user of that nick, or of the account of that name, is here; answered with
    /// [`Answer::Users`], of one or none.
    FindUser(Nick),
    /// Answered with [`Answer::Users`].
    ListUsers,
    /// Answered with [`Answer::Channels`].
    ListChannels,
    /// Answered with [`Answer::Channels`], of one or none.
    FindChannel(ChannelName),
    /// Everyone is kicked out of the channel, which is gone with that. Answered with
    /// [`Answer::Emptied`], with nobody if there was no such channel.
    CloseChannel { name: ChannelName, reason: String },
    /// A notice of the server to so many. Answered with [`Answer::Announced`], or [`Answer::Done`]
    /// if there is no such channel or nobody of that account is here.
    Announce { to: Audience, text: String },
    /// These messages of one author are redacted on disk; beside each, the mark that stays of it.
    /// Answered with [`Answer::Done`].
    ShowRedacted {
        messages: Vec<(HistoryEntry, HistoryEntry)>,
        reason: String,
    },
    /// Answered with [`Answer::Counts`].
    Count,
    /// Up to `most` of those who are busy, and whose these sessions are. Answered with
    /// [`Answer::Busy`].
    FindBusy {
        most: usize,
        sessions: Vec<SessionId>,
    },
    /// The server stops: every session is told so (`ERROR :<reason>`) and ended. Answered with
    /// [`Answer::Ended`].
    EndAll { reason: String },
}

/// Whose sessions a kick ends.
#[derive(Clone, Debug)]
pub enum Kicked {
    /// All sessions of the user of that nick, or of the account of that name.
    User(Nick),
    /// That one, if it is of that user.
    Session(Nick, SessionId),
    /// All that a ban of that target would end.
    Covered(BanTarget),
}

/// Who hears an announcement.
#[derive(Clone, Debug)]
pub enum Audience {
    All,
    Channel(ChannelName),
    Account(AccountName),
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
    /// What was proved is worth nothing any more; the session is to be closed.
    Stale {
        reason: String,
    },
    /// Nobody new is let in just now; the session is to be closed.
    Closed {
        reason: String,
    },
    /// Given when the connections of all these sessions have ended.
    Ended {
        users: Vec<Nick>,
        sessions: usize,
    },
    Users(Vec<UserView>),
    Channels(Vec<ChannelView>),
    /// How many sessions an announcement goes to.
    Announced {
        sessions: usize,
    },
    /// Those who were in the channel.
    Emptied {
        members: Vec<Nick>,
    },
    /// Its user's nick, and its own capabilities.
    Form {
        nick: Nick,
        capabilities: Capabilities,
    },
    Counts {
        users: usize,
        sessions: usize,
        channels: usize,
        bans: usize,
        maintenance: bool,
    },
    Busy(Box<Busy>),
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
    /// What its client sent in `USER`.
    pub username: String,
    pub realname: String,
    pub address: SocketAddr,
    pub tls: String,
    pub since: Timestamp,
}

/// A channel as operators see it.
#[derive(Clone, Debug)]
pub struct ChannelView {
    pub name: ChannelName,
    pub created_at: Timestamp,
    /// The account that owns it, if any.
    pub founder: Option<AccountName>,
    pub topic: Option<String>,
    /// The letters of the modes that are set.
    pub modes: String,
    /// Sorted by nick.
    pub members: Vec<MemberView>,
}

/// A member of a channel as operators see it.
#[derive(Clone, Debug)]
pub struct MemberView {
    pub nick: Nick,
    pub operator: bool,
    pub voice: bool,
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
    Answer {
        ticket: Ticket,
        answer: Answer,
    },
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
    pub ticket: Option<Ticket>,
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
