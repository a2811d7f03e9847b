//! Who is online, and kicks.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The most bytes a reason takes: it has to fit into one IRC line beside all else.
pub const MAX_REASON: usize = 300;

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
