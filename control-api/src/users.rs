//! Who is online, and kicks.

use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The most bytes a reason takes: it has to fit into one IRC line beside all else.
pub const MAX_REASON: usize = 300;

/// `GET /v1/users`: who is online.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct UserList {
    /// In the order that was asked for.
    pub users: Vec<OnlineUser>,
    /// How many there are on all pages.
    pub total: usize,
    /// Where the next page begins, for `after`; none when this was the last.
    pub next: Option<String>,
}

/// `GET /v1/users/{name}`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct UserReply {
    /// Who it is.
    pub user: OnlineUser,
}

/// In which order users stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum UserOrder {
    /// By nick.
    #[default]
    Name,
    /// Who came first stands first.
    Since,
    /// Who has said and done nothing for longest stands first.
    Idle,
    /// Who has the most sessions stands first.
    Sessions,
    /// By IP address, the lowest of each user.
    Address,
}

impl UserOrder {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Name,
        Self::Since,
        Self::Idle,
        Self::Sessions,
        Self::Address,
    ];

    /// As it is written.
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

/// A text that names no order of users.
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

/// A user who is online.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OnlineUser {
    /// The name shown.
    pub nick: String,
    /// The account; none for a guest.
    pub account: Option<String>,
    /// The account's email; none for a guest, or an account without one.
    pub email: Option<String>,
    /// When the first of its sessions was admitted.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// When it last said or did something.
    #[schema(value_type = String, format = DateTime)]
    pub active_at: Timestamp,
    /// The channels it is in.
    pub channels: Vec<String>,
    /// One for each device.
    pub sessions: Vec<OnlineSession>,
}

/// One TLS connection of a user.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OnlineSession {
    /// Unlike any other since the server started.
    pub id: u64,
    /// IP address and port.
    pub address: String,
    /// Version and key exchange, as `TLSv1.3 X25519MLKEM768`.
    pub tls: String,
    /// When it was admitted.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// The user name that its client gave; nobody has checked it.
    pub username: String,
    /// The real name that its client gave, often what the client is; nobody has checked it.
    pub realname: String,
}

/// `POST /v1/users/{name}/kick`.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KickRequest {
    /// Shown to the user; a general one when left out.
    #[serde(default)]
    pub reason: Option<String>,
    /// Only this session of the user; all of them when left out.
    #[serde(default)]
    pub session: Option<u64>,
}

/// `POST /v1/kick`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MassKickRequest {
    /// Whom: an account's name, an email, a pattern of emails (`*@spam.example`), an IP address, or
    /// a network (`192.0.2.0/24`), as in a ban.
    #[serde(rename = "match")]
    pub target: String,
    /// Shown to the users; a general one when left out.
    #[serde(default)]
    pub reason: Option<String>,
    /// Only tells who would be hit now.
    #[serde(default)]
    pub dry_run: bool,
    /// Kicks though it covers the world, or the admin who kicks.
    #[serde(default)]
    pub confirm: bool,
}

/// `POST /v1/kick`: who is gone, or would be.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum MassKickReply {
    /// They are gone.
    Done(KickReply),
    /// It was a dry run.
    Preview(KickPreview),
}

/// `POST /v1/kick` with `dry_run`: nothing was done.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct KickPreview {
    /// Whom, as it is understood.
    #[serde(rename = "match")]
    pub target: String,
    /// Who would be gone, with those of their sessions that would end; by nick.
    pub users: Vec<OnlineUser>,
}

/// What a kick or ban did to those online.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct KickReply {
    /// The users whose sessions were ended.
    pub users: Vec<String>,
    /// How many sessions that were.
    pub sessions: usize,
}
