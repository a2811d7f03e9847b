//! Online users and kicks.

use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text;

/// The maximum number of bytes of a reason, so that it fits into one IRC line.
pub const MAX_REASON: usize = 300;

/// The reply to `GET /v1/users`: one page of the online users.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct UserList {
    /// The users, in the requested order.
    pub users: Vec<OnlineUser>,
    /// The number of users on all pages.
    pub total: usize,
    /// Where the next page starts, for `after`; `null` on the last page.
    pub next: Option<String>,
}

/// The reply to `GET /v1/users/{name}`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct UserReply {
    /// The user.
    pub user: OnlineUser,
}

/// An order of users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum UserOrder {
    /// By nick.
    #[default]
    Name,
    /// By the time of connecting, the earliest first.
    Since,
    /// By idle time, the longest first.
    Idle,
    /// By the number of sessions, the highest first.
    Sessions,
    /// By each user's lowest IP address.
    Address,
}

impl UserOrder {
    /// All orders.
    pub const ALL: [Self; 5] = [
        Self::Name,
        Self::Since,
        Self::Idle,
        Self::Sessions,
        Self::Address,
    ];

    /// Returns the name of the order.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Since => "since",
            Self::Idle => "idle",
            Self::Sessions => "sessions",
            Self::Address => "address",
        }
    }
}

/// The error for a text that is not the name of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("users are sorted by name, since, idle, sessions or address")]
pub struct InvalidUserOrder;

impl FromStr for UserOrder {
    type Err = InvalidUserOrder;

    fn from_str(text: &str) -> Result<Self, InvalidUserOrder> {
        Self::ALL
            .into_iter()
            .find(|order| order.as_str() == text)
            .ok_or(InvalidUserOrder)
    }
}

/// A user who is online. All sessions of an account are one user.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OnlineUser {
    /// The nick.
    pub nick: String,
    /// The account; `null` for a guest.
    pub account: Option<String>,
    /// The account's email; `null` for a guest and for an account without an email.
    pub email: Option<String>,
    /// When the first of the sessions was admitted.
    #[schema(value_type = text::Time)]
    pub since: Timestamp,
    /// When the user was last active.
    #[schema(value_type = text::Time)]
    pub active_at: Timestamp,
    /// The channels that the user is in.
    pub channels: Vec<String>,
    /// The user's sessions, one per connected device.
    pub sessions: Vec<OnlineSession>,
}

/// One TLS connection of a user.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OnlineSession {
    /// The id, unique since the server started.
    pub id: u64,
    /// The IP address and port.
    pub address: String,
    /// The TLS version and key exchange, such as `TLSv1.3 X25519MLKEM768`.
    pub tls: String,
    /// When the session was admitted.
    #[schema(value_type = text::Time)]
    pub since: Timestamp,
    /// The user name that the client reports. It is not verified.
    pub username: String,
    /// The real name that the client reports, often the client's own name. It is not verified.
    pub realname: String,
}

/// The body of `POST /v1/users/{name}/kick`.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KickRequest {
    /// The reason, which the user sees. A default is used if left out.
    #[serde(default)]
    #[schema(value_type = Option<text::Line>)]
    pub reason: Option<String>,
    /// Kicks only this session of the user. If left out, all sessions are kicked.
    #[serde(default)]
    pub session: Option<u64>,
}

/// The body of `POST /v1/kick`: kicks all users that a target covers.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MassKickRequest {
    /// The target, as in a ban: the name of an account, an email, a pattern of emails
    /// (`*@spam.example`), an IP address, or a network (`192.0.2.0/24`).
    #[schema(value_type = text::Target)]
    #[serde(rename = "match")]
    pub target: String,
    /// The reason, which the users see. A default is used if left out.
    #[serde(default)]
    #[schema(value_type = Option<text::Line>)]
    pub reason: Option<String>,
    /// Kicks no one, and only returns who would be affected now.
    #[serde(default)]
    pub dry_run: bool,
    /// Confirms a kick that covers everyone, or the admin who requests it.
    #[serde(default)]
    pub confirm: bool,
}

/// The reply to `POST /v1/kick`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum MassKickReply {
    /// The sessions have ended.
    Done(MassKickDone),
    /// The request was a dry run.
    Preview(KickPreview),
}

/// The reply to `POST /v1/kick` without `dry_run`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct MassKickDone {
    /// The sessions that were ended.
    #[serde(flatten)]
    pub ended: KickReply,
    /// A sentence that says who has the name of the account as nick, if it is another user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The reply to `POST /v1/kick` with `dry_run`: nothing was changed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct KickPreview {
    /// The target in its normal form.
    #[serde(rename = "match")]
    pub target: String,
    /// The users whose sessions would end, with those sessions, sorted by nick.
    pub users: Vec<OnlineUser>,
    /// Why the kick is probably a mistake and must be confirmed: it covers everyone, or the admin.
    pub doubt: Option<String>,
    /// A sentence that says who has the name of the account as nick, if it is another user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The sessions that a kick or ban has ended.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct KickReply {
    /// The nicks of the users whose sessions have ended.
    pub users: Vec<String>,
    /// The number of sessions.
    pub sessions: usize,
}
