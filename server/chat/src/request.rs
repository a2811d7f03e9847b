//! The requests of the control plane to the core, and the replies.
//!
//! Each request is a type of its own, and [`Request::Reply`] is the type of its reply; the table
//! below the requests pairs them. Every act is in the audit trail, and every change on disk, before
//! its request reaches the core.

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use rookery_protocol::{AccountName, Capabilities, ChannelName, Email, Nick};

use crate::ids::{Identity, SessionId};
use crate::ticket::{Reply, Ticket};
use rookery_record::{AccountId, Ban, BanId, BanTarget, HistoryEntry, Place};

/// A request to the core, with the type of its reply.
pub trait Request {
    /// The type of the reply.
    type Reply: Reply;

    /// Returns the request with the ticket for its reply, in the form that the core handles.
    fn with_ticket(self, ticket: Ticket<Self::Reply>) -> ControlRequest;
}

/// Ends sessions, whose users may connect again. The reply waits until all of their connections are
/// closed.
#[derive(Debug)]
pub struct Kick {
    /// The sessions to end.
    pub target: KickTarget,
    /// The reason, which is shown to the kicked users and to the members of their channels.
    pub reason: String,
}

/// Applies bans and ends every session that they cover. The reply waits until all of their
/// connections are closed.
#[derive(Debug)]
pub struct AddBans(pub Vec<Ban>);

/// Lifts a ban.
#[derive(Debug)]
pub struct RemoveBan(pub BanId);

/// Begins maintenance, during which new sessions are refused with the message; `None` ends it.
#[derive(Debug)]
pub struct SetMaintenance(pub Option<Arc<str>>);

/// Ends every session of an account, and refuses sessions that signed in to it before now but are
/// not admitted yet. The reply waits until all connections of the ended sessions are closed.
#[derive(Debug)]
pub struct EndAccount {
    /// The account.
    pub account: AccountId,
    /// The reason, which is shown to the account's user and to the members of its channels.
    pub reason: String,
}

/// Clears the ownership and the access rights of an account that was deleted.
#[derive(Debug)]
pub struct ForgetAccount(pub AccountName);

/// Finds the users that a ban of that target would affect now, each with the sessions that it would
/// end.
#[derive(Debug)]
pub struct FindCovered {
    /// The target.
    pub target: BanTarget,
    /// The email of the banned account, whose mailbox is covered too.
    pub account_email: Option<Email>,
}

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

/// Removes a channel with all its members.
#[derive(Debug)]
pub struct CloseChannel {
    /// The channel.
    pub name: ChannelName,
    /// The reason, which is shown to the members.
    pub reason: String,
}

/// Sends a notice from the server.
#[derive(Debug)]
pub struct Announce {
    /// The recipients.
    pub to: Audience,
    /// One line of text.
    pub text: String,
}

/// Assigns a time to an event in each of the places, in this order. As with messages, each is later
/// than all others in its place.
#[derive(Debug)]
pub struct AssignTimes(pub Vec<Place>);

/// Notifies the recipients of messages by one author that the messages were redacted.
#[derive(Debug)]
pub struct PublishRedactions {
    /// Each message, with the entry that redacts it in the history.
    pub messages: Vec<(HistoryEntry, HistoryEntry)>,
    /// The reason.
    pub reason: String,
}

/// Counts users, sessions, channels and bans.
#[derive(Debug)]
pub struct Count;

/// Finds the busiest users and channels.
#[derive(Debug)]
pub struct FindBusiest {
    /// The maximum number of users, and of channels, to return.
    pub limit: usize,
    /// The sessions whose owners are returned.
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
    AddBans -> Ended,
    RemoveBan -> (),
    SetMaintenance -> (),
    EndAccount -> Ended,
    ForgetAccount -> (),
    FindCovered -> Vec<UserView>,
    FindUser -> Option<UserView>,
    ListUsers -> Vec<UserView>,
    ListChannels -> Vec<ChannelView>,
    FindChannel -> Option<ChannelView>,
    CloseChannel -> ClosedChannel,
    Announce -> Announced,
    AssignTimes -> Vec<Timestamp>,
    PublishRedactions -> (),
    Count -> Counts,
    FindBusiest -> Box<Busy>,
    EndAll -> Ended,
}

/// The sessions that a kick ends.
#[derive(Clone, Debug)]
pub enum KickTarget {
    /// All sessions of the user with that nick or, if there is none, of the account with that name.
    User(Nick),
    /// One session, if it belongs to that user.
    Session(Nick, SessionId),
    /// All sessions that a ban of that target would end.
    Covered {
        /// The target.
        target: BanTarget,
        /// The email of the account that the target names, whose mailbox is covered too.
        account_email: Option<Email>,
    },
}

/// The recipients of an announcement.
#[derive(Clone, Debug)]
pub enum Audience {
    /// Every session.
    All,
    /// The members of a channel.
    Channel(ChannelName),
    /// The sessions of an account.
    Account(AccountName),
}

/// The reply to a session that requests admission or has signed in.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission {
    /// The session is admitted, or signed in. Every other reply is a refusal.
    Admitted,
    /// Another user has the nick, or one that looks the same.
    NickInUse,
    /// A ban covers the session, which is to be sent numeric 465 and closed.
    Banned {
        /// The reason of the ban.
        reason: String,
        /// When the ban expires, if it does.
        expires_at: Option<Timestamp>,
    },
    /// An operator has ended the account's sessions since the session signed in. It is to be sent
    /// the reason and closed.
    Stale {
        /// Why the sign-in is refused.
        reason: String,
    },
    /// The server is under maintenance. The session is to be sent the reason and closed.
    Closed {
        /// The message of the maintenance.
        reason: String,
    },
}

/// The properties of a session that the format of replies to it depends on.
#[derive(Debug)]
pub struct ReplyFormat {
    /// The nick of the session's user.
    pub nick: Nick,
    /// The capabilities of the session.
    pub capabilities: Capabilities,
}

/// The reply to a command was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replied {
    /// The number of bytes that were read from the history for it, whether they were sent or not.
    pub read_bytes: u64,
    /// The number of channels that the command has joined and whose members received the `JOIN`.
    pub shown_joins: usize,
}

/// The sessions that were ended. Their connections are closed.
#[derive(Debug, Default)]
pub struct Ended {
    /// Their users.
    pub users: Vec<Nick>,
    /// The number of sessions.
    pub sessions: usize,
}

/// The result of an announcement.
#[derive(Debug, PartialEq, Eq)]
pub enum Announced {
    /// It was sent.
    Sent {
        /// The number of sessions.
        sessions: usize,
    },
    /// The channel does not exist, or no session is signed in to the account.
    NoRecipient,
}

/// The channel that was closed.
#[derive(Debug)]
pub struct ClosedChannel {
    /// Its members, by nick; none if there was no such channel.
    pub members: Vec<Nick>,
}

/// Counts of users, sessions, channels and bans.
#[derive(Debug)]
pub struct Counts {
    /// The number of users, including always-on users without a session.
    pub users: usize,
    /// The number of admitted sessions.
    pub sessions: usize,
    /// The number of channels.
    pub channels: usize,
    /// The number of bans in force.
    pub bans: usize,
    /// Whether the server is under maintenance.
    pub maintenance: bool,
}

/// The busiest users and channels.
#[derive(Debug)]
pub struct Busy {
    /// The number of users, including always-on users without a session.
    pub users: usize,
    /// The number of users without an account.
    pub guests: usize,
    /// The number of admitted sessions.
    pub sessions: usize,
    /// The number of channels.
    pub channels: usize,
    /// The channels with the most messages in the last minute, the busiest first.
    pub busiest_channels: Vec<BusyChannel>,
    /// The users with the most messages in the last minute, the busiest first.
    pub busiest_users: Vec<BusyUser>,
    /// The owners of the requested sessions, without sessions that have ended.
    pub owners: Vec<Owner>,
}

/// A channel with messages in the last minute.
#[derive(Debug)]
pub struct BusyChannel {
    /// Its name.
    pub name: ChannelName,
    /// The number of members.
    pub members: usize,
    /// The number of messages in the last minute.
    pub messages: u32,
}

/// A user who sent messages in the last minute.
#[derive(Debug)]
pub struct BusyUser {
    /// The user's nick.
    pub nick: Nick,
    /// The user's account; `None` for a guest.
    pub account: Option<AccountName>,
    /// The address of the user's newest session.
    pub address: Option<SocketAddr>,
    /// The number of the user's sessions.
    pub sessions: usize,
    /// The number of messages in the last minute.
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

/// A user, as shown to operators.
#[derive(Clone, Debug)]
pub struct UserView {
    /// The user's nick.
    pub nick: Nick,
    /// The account that the user is signed in to; `None` for a guest.
    pub identity: Option<Identity>,
    /// When the user connected.
    pub since: Timestamp,
    /// When the user last sent a command other than `PING` and `PONG`.
    pub active_at: Timestamp,
    /// The channels that the user is in.
    pub channels: Vec<ChannelName>,
    /// The user's sessions.
    pub sessions: Vec<SessionView>,
}

/// A session, as shown to operators.
#[derive(Clone, Debug)]
pub struct SessionView {
    /// The session's number.
    pub id: SessionId,
    /// The username that its client sent.
    pub username: String,
    /// The real name that its client sent.
    pub realname: String,
    /// Its address.
    pub address: SocketAddr,
    /// Its TLS version and key exchange.
    pub tls: String,
    /// When it was admitted.
    pub since: Timestamp,
}

/// A channel, as shown to operators.
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

/// A member of a channel, as shown to operators.
#[derive(Clone, Debug)]
pub struct MemberView {
    /// The member's nick.
    pub nick: Nick,
    /// Whether the member is a channel operator.
    pub operator: bool,
    /// Whether the member has voice.
    pub voice: bool,
}
