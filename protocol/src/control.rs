//! The control plane's requests and replies, as JSON under `/v1` on the admin port.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The media type of an error (RFC 9457).
pub const PROBLEM_TYPE: &str = "application/problem+json";

/// `POST /v1/login`: the first factor.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// The admin's name.
    pub name: String,
    /// The admin's password.
    pub password: String,
}

/// A challenge waits for its code. The same whether or not the admin exists.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LoginReply {
    /// What to send along with the code.
    pub challenge: String,
    /// Where the code went, shortened so that it tells little (`a…@e….org`).
    pub sent_to: String,
    /// When the challenge dies.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// What to know while waiting: mail is late at the moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// `POST /v1/login/verify`: the second factor.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyRequest {
    /// From the login's reply.
    pub challenge: String,
    /// The six digits of the mail.
    pub code: String,
}

/// The admin is signed in.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct VerifyReply {
    /// For `Authorization: Bearer`.
    pub token: String,
    /// When the token dies.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// `GET /v1/users`: who is online.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct UserList {
    /// By nick.
    pub users: Vec<OnlineUser>,
}

/// A user with at least one session.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OnlineUser {
    /// The name shown.
    pub nick: String,
    /// The account; none for a guest.
    pub account: Option<String>,
    /// The account's email; none for a guest.
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
}

/// `POST /v1/users/{name}/kick`.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KickRequest {
    /// Shown to the user; a general one when left out.
    #[serde(default)]
    pub reason: Option<String>,
}

/// What a kick or ban did to those online.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct KickReply {
    /// The users whose sessions were ended.
    pub users: Vec<String>,
    /// How many sessions that were.
    pub sessions: usize,
}

/// `POST /v1/bans`. At most one of `expires_at` and `duration`; neither is for ever.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BanRequest {
    /// An account's name, or an email.
    pub target: String,
    /// Shown to whoever is refused.
    #[serde(default)]
    pub reason: Option<String>,
    /// When the ban ends.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// How long it holds, as `90s`, `15m`, `12h`, `7d` or `2w`.
    #[serde(default)]
    pub duration: Option<String>,
}

/// `POST /v1/bans` is done.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct BanReply {
    /// As it stands on disk.
    pub ban: BanEntry,
    /// Who was online and is gone.
    pub ended: KickReply,
}

/// `GET /v1/bans`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct BanList {
    /// Newest first; those that have expired are left out.
    pub bans: Vec<BanEntry>,
}

/// One ban.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BanEntry {
    /// For `DELETE /v1/bans/{id}`.
    pub id: i64,
    /// Who is refused: an account's name, or an email.
    pub target: String,
    /// Shown to whoever is refused.
    pub reason: String,
    /// The admin who made it, or `file` for a row added by hand.
    pub by: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it ends; never when left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
}

/// `GET /v1/status`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The server's version.
    pub version: String,
    /// The server's name on the chat port.
    pub server_name: String,
    /// When it started.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// Users online.
    pub users: usize,
    /// Admitted sessions.
    pub sessions: usize,
    /// Connections, in whatever state.
    pub connections: usize,
    /// Channels with someone in them.
    pub channels: usize,
    /// Bans in force.
    pub bans: usize,
    /// How the mail fares: `ok`, or what went wrong last.
    pub mail: String,
    /// When the server's certificate ends.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub certificate_expires_at: Option<Timestamp>,
}

/// `GET /healthz`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Always `ok`; whoever is not well does not answer so.
    pub status: String,
}

/// An error (RFC 9457).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// What kind of error, as a URI reference (`/problems/not-signed-in`).
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened here, and what to do.
    pub detail: String,
}
