//! What the control plane may ask of the core, and what the core replies.
//!
//! Each request is a type of its own, and [`Request::Reply`] is the type of its reply; the table at
//! the end of the requests pairs them. Every act is in the audit trail, and every change on disk,
//! before its request reaches the core.

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use rookery_protocol::{AccountName, Capabilities, ChannelName, Nick};

use crate::ids::{Identity, SessionId};
use crate::ticket::{Reply, Ticket};
use rookery_record::{AccountId, Ban, BanId, BanTarget, HistoryEntry};

/// Something that the core can be asked, with one type of reply.
pub trait Request {
    /// What the core replies.
    type Reply: Reply;

    /// Returns the request with the ticket for its reply, as the core handles it.
    fn with_ticket(self, ticket: Ticket<Self::Reply>) -> ControlRequest;
}

/// Ends sessions, whose users may connect again. The reply waits until all of their connections are
/// closed.
#[derive(Debug)]
pub struct Kick {
    /// Whose sessions end.
    pub target: KickTarget,
    /// Why, for those who are kicked and for the others in their channels.
    pub reason: String,
}

/// Applies a ban and ends every session that it covers. The reply waits until all of their
/// connections are closed.
#[derive(Debug)]
pub struct AddBan(pub Ban);

/// Applies bans to new sessions, without ending those that are admitted. [`AddBan`] ends those
/// that a ban covers.
#[derive(Debug)]
pub struct ApplyBansToNewSessions(pub Vec<Ban>);

/// Lifts a ban.
#[derive(Debug)]
pub struct RemoveBan(pub BanId);

/// Begins maintenance, in which nobody new is admitted and the message says why; or ends it.
#[derive(Debug)]
pub struct SetMaintenance(pub Option<Arc<str>>);

/// Ends every session of an account, and refuses those that proved to be of it before now. The
/// reply waits until all of their connections are closed.
#[derive(Debug)]
pub struct EndAccount {
    /// The account.
    pub account: AccountId,
    /// Why, for the account's sessions and for the others in their channels.
    pub reason: String,
}

/// Clears the ownership and the access rights of an account that was deleted.
#[derive(Debug)]
pub struct ForgetAccount(pub AccountName);

/// Finds the users that a ban of that target would hit now, each with the sessions it would end.
#[derive(Debug)]
pub struct FindCovered(pub BanTarget);

/// Finds the user who has that nick, or who is signed in to the account of that name.
#[derive(Debug)]
pub struct FindUser(pub Nick);

/// Lists the users, by nick.
#[derive(Debug)]
pub struct ListUsers;

/// Lists the channels, by name.
#[derive(Debug)]
pub struct ListChannels;

/// Finds a channel.
#[derive(Debug)]
pub struct FindChannel(pub ChannelName);

/// Kicks everyone out of a channel and removes it.
#[derive(Debug)]
pub struct CloseChannel {
    /// The channel.
    pub name: ChannelName,
    /// Why, for its members.
    pub reason: String,
}

/// Sends a notice of the server.
#[derive(Debug)]
pub struct Announce {
    /// Who receives it.
    pub to: Audience,
    /// One line of text.
    pub text: String,
}

/// Tells those who received them that messages of one author were redacted.
#[derive(Debug)]
pub struct PublishRedactions {
    /// Each message beside the entry that replaces it in the history.
    pub messages: Vec<(HistoryEntry, HistoryEntry)>,
    /// Why they were redacted.
    pub reason: String,
}

/// Counts users, sessions, channels and bans.
#[derive(Debug)]
pub struct Count;

/// Finds who and what is busiest.
#[derive(Debug)]
pub struct FindBusiest {
    /// How many users and how many channels to return at most.
    pub most: usize,
    /// The sessions whose owners are wanted.
    pub sessions: Vec<SessionId>,
}

/// Ends every session, because the server stops. The reply waits until all connections are closed.
#[derive(Debug)]
pub struct EndAll {
    /// The text of each session's `ERROR`.
    pub reason: String,
}

/// Pairs each request with its reply.
macro_rules! requests {
    ($($request:ident -> $reply:ty),* $(,)?) => {
        /// A request of the control plane, with the ticket for its reply.
        #[derive(Debug)]
        pub enum ControlRequest {
            $(
                #[doc = concat!("See [`", stringify!($request), "`].")]
                $request(Ticket<$reply>, $request),
            )*
        }

        $(
            impl Request for $request {
                type Reply = $reply;

                fn with_ticket(self, ticket: Ticket<$reply>) -> ControlRequest {
                    ControlRequest::$request(ticket, self)
                }
            }
        )*
    };
}

requests! {
    Kick -> Ended,
    AddBan -> Ended,
    ApplyBansToNewSessions -> (),
    RemoveBan -> (),
    SetMaintenance -> (),
    EndAccount -> Ended,
    ForgetAccount -> (),
    FindCovered -> Vec<UserView>,
    FindUser -> Option<UserView>,
    ListUsers -> Vec<UserView>,
    ListChannels -> Vec<ChannelView>,
    FindChannel -> Option<ChannelView>,
    CloseChannel -> Emptied,
    Announce -> Announced,
    PublishRedactions -> (),
    Count -> Counts,
    FindBusiest -> Box<Busy>,
    EndAll -> Ended,
}

/// Whose sessions a kick ends.
#[derive(Clone, Debug)]
pub enum KickTarget {
    /// All sessions of the user who has that nick, or of the account of that name.
    User(Nick),
    /// One session, if it is of that user.
    Session(Nick, SessionId),
    /// All that a ban of that target would end.
    Covered(BanTarget),
}

/// Who receives an announcement.
#[derive(Clone, Debug)]
pub enum Audience {
    /// Every session.
    All,
    /// The members of a channel.
    Channel(ChannelName),
    /// The sessions of an account.
    Account(AccountName),
}

/// The reply to a session that asks to be admitted or to sign in.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission {
    /// The session is admitted, or signed in. No other reply lets it in.
    Admitted,
    /// Another user has the nick, or one that looks the same.
    NickInUse,
    /// A ban covers the session: it is sent numeric 465 and closed.
    Banned {
        /// The reason of the ban.
        reason: String,
        /// When the ban expires, if it does.
        expires_at: Option<Timestamp>,
    },
    /// An operator has ended the account's sessions since the session proved its identity: it is
    /// sent the reason and closed.
    Stale {
        /// Why they were ended.
        reason: String,
    },
    /// The server is under maintenance: the session is sent the reason and closed.
    Closed {
        /// The message of the maintenance.
        reason: String,
    },
}

/// What a reply to a command of a session depends on, which only the core knows.
#[derive(Debug)]
pub struct ReplyFormat {
    /// The nick of the session's user.
    pub nick: Nick,
    /// The capabilities of the session.
    pub capabilities: Capabilities,
}

/// The sessions that were ended; their connections are closed.
#[derive(Debug, Default)]
pub struct Ended {
    /// Their users.
    pub users: Vec<Nick>,
    /// How many they were.
    pub sessions: usize,
}

/// What became of an announcement.
#[derive(Debug, PartialEq, Eq)]
pub enum Announced {
    /// It was sent to that many sessions.
    Sent {
        /// How many.
        sessions: usize,
    },
    /// There is no such channel, or nobody is signed in to that account.
    NoRecipient,
}

/// The channel that was closed.
#[derive(Debug)]
pub struct Emptied {
    /// Its members, by nick; none if there was no such channel.
    pub members: Vec<Nick>,
}

/// Counts of users, sessions, channels and bans.
#[derive(Debug)]
pub struct Counts {
    /// Users who are present.
    pub users: usize,
    /// Sessions that are admitted.
    pub sessions: usize,
    /// Channels.
    pub channels: usize,
    /// Bans that have not expired.
    pub bans: usize,
    /// Whether the server is under maintenance.
    pub maintenance: bool,
}

/// Who and what is busy.
#[derive(Debug)]
pub struct Busy {
    /// Users who are present.
    pub users: usize,
    /// Those of them who have no account.
    pub guests: usize,
    /// Sessions that are admitted.
    pub sessions: usize,
    /// Channels.
    pub channels: usize,
    /// The channels with the most messages in the last minute, the busiest first.
    pub busiest_channels: Vec<BusyChannel>,
    /// The users with the most messages in the last minute, the busiest first.
    pub busiest_users: Vec<BusyUser>,
    /// The owners of the sessions that were asked about; those that have ended are left out.
    pub owners: Vec<Owner>,
}

/// A channel in which something was said in the last minute.
#[derive(Debug)]
pub struct BusyChannel {
    /// Its name.
    pub name: ChannelName,
    /// How many members it has.
    pub members: usize,
    /// How many messages it had.
    pub messages: u32,
}

/// A user who said something in the last minute.
#[derive(Debug)]
pub struct BusyUser {
    /// The user's nick.
    pub nick: Nick,
    /// The user's account; `None` for a guest.
    pub account: Option<AccountName>,
    /// The address of the user's newest session.
    pub address: Option<SocketAddr>,
    /// How many sessions the user has.
    pub sessions: usize,
    /// How many messages the user sent.
    pub messages: u32,
}

/// The user that a session belongs to.
#[derive(Debug)]
pub struct Owner {
    /// The session.
    pub session: SessionId,
    /// The user's nick.
    pub nick: Nick,
    /// The user's account; `None` for a guest.
    pub account: Option<AccountName>,
    /// The session's address.
    pub address: SocketAddr,
}

/// A user as operators see it.
#[derive(Clone, Debug)]
pub struct UserView {
    /// The user's nick.
    pub nick: Nick,
    /// The account the user is signed in to; `None` for a guest.
    pub identity: Option<Identity>,
    /// When the user connected.
    pub since: Timestamp,
    /// When the user last sent a command that counts as activity.
    pub active_at: Timestamp,
    /// The channels the user is in.
    pub channels: Vec<ChannelName>,
    /// The user's sessions.
    pub sessions: Vec<SessionView>,
}

/// A session as operators see it.
#[derive(Clone, Debug)]
pub struct SessionView {
    /// The session's number.
    pub id: SessionId,
    /// The username its client sent.
    pub username: String,
    /// The real name its client sent.
    pub realname: String,
    /// Its address.
    pub address: SocketAddr,
    /// Its TLS version and key exchange.
    pub tls: String,
    /// When it was admitted.
    pub since: Timestamp,
}

/// A channel as operators see it.
#[derive(Clone, Debug)]
pub struct ChannelView {
    /// Its name.
    pub name: ChannelName,
    /// When it was created.
    pub created_at: Timestamp,
    /// The account that owns it, if one does.
    pub founder: Option<AccountName>,
    /// Its topic, if it has one.
    pub topic: Option<String>,
    /// The letters of the modes that are set.
    pub modes: String,
    /// Its members, by nick.
    pub members: Vec<MemberView>,
}

/// A member of a channel as operators see it.
#[derive(Clone, Debug)]
pub struct MemberView {
    /// The member's nick.
    pub nick: Nick,
    /// Whether the member is a channel operator.
    pub operator: bool,
    /// Whether the member has voice.
    pub voice: bool,
}
