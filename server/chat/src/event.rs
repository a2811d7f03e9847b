//! What goes into the core and what comes out.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use rookery_control_api::{DisconnectReason, TimedEvent};
use rookery_protocol::{AccountName, Capabilities, CapabilityValues, ChannelName, Message, Nick};
use rookery_record::{
    AccountId, Ban, BanId, BanTarget, Change, EmailAliases, HistoryEntry, HistoryTarget, PageQuery,
    SeveralQuery, TargetsQuery,
};

use crate::state::admission_policy::AdmissionPolicy;
use crate::state::away::AwayState;
use crate::state::catch_up::Mark;
use crate::views::Busy;

pub use crate::ids::{Identity, SessionId, Ticket};

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
    /// Answered with [`Answer::Admitted`], [`Answer::NickInUse`], [`Answer::Stale`],
    /// [`Answer::Banned`] or [`Answer::Closed`]. The welcome comes before the answer.
    Admit {
        ticket: Ticket,
        session: SessionId,
        candidate: Box<Candidate>,
    },
    /// An admitted session has proved an identity, or has another email. Answered with
    /// [`Answer::Admitted`], [`Answer::Stale`], [`Answer::Banned`] or, should someone be here whose
    /// account's name looks the same, [`Answer::NickInUse`].
    SignIn {
        ticket: Ticket,
        session: SessionId,
        identity: Identity,
    },
    /// How the session is to be spoken to. Answered with [`Answer::Form`], or [`Answer::Done`] if
    /// it is here no more.
    AskForm { ticket: Ticket, session: SessionId },
    /// An admitted session sent a message.
    Command {
        session: SessionId,
        message: Message,
    },
    /// An admitted session asks for history. Answered with [`Answer::Done`] when its reply is on
    /// the way.
    AskHistory {
        ticket: Ticket,
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
    /// The control plane acts.
    Control { ticket: Ticket, act: Act },
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
    /// What its client said of itself.
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
    /// The account that owns it, if one does.
    pub founder: Option<AccountName>,
    pub topic: Option<String>,
    /// The letters of the modes that are on.
    pub modes: String,
    /// By nick.
    pub members: Vec<MemberView>,
}

/// A member of a channel as operators see it.
#[derive(Clone, Debug)]
pub struct MemberView {
    pub nick: Nick,
    pub operator: bool,
    pub voice: bool,
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
    Answer {
        ticket: Ticket,
        answer: Answer,
    },
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
    pub ticket: Option<Ticket>,
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

impl Found {
    /// Returns what was read of several channels and conversations, if that is what was read.
    pub fn several(self) -> Option<Vec<(String, Vec<HistoryEntry>)>> {
        match self {
            Self::Several(several) => Some(several),
            _ => None,
        }
    }
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
