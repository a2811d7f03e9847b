//! Bans.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::users::{KickReply, OnlineUser};

/// `POST /v1/bans`. At most one of `expires_at` and `duration`; neither is for ever.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BanRequest {
    /// An account's name, an email, a pattern of emails (`*@spam.example`), an IP address, or a
    /// network (`192.0.2.0/24`).
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
    /// Only tells who would be hit now.
    #[serde(default)]
    pub dry_run: bool,
    /// Makes the ban though it covers the world, or the admin who makes it.
    #[serde(default)]
    pub confirm: bool,
}

/// `POST /v1/bans` with `dry_run`: nothing was done.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct BanPreview {
    /// As it would stand on disk.
    pub target: String,
    /// Who is online and would be gone, with those of their sessions that would end; by nick.
    pub users: Vec<OnlineUser>,
    /// How many accounts would be refused, online or not; for a ban of addresses, none is known.
    pub accounts: usize,
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
    /// Where the next page begins, for `after`; none when this was the last.
    pub next: Option<i64>,
}

/// One ban.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BanEntry {
    /// For `DELETE /v1/bans/{id}`.
    pub id: i64,
    /// Who is refused: an account's name, an email, a pattern of emails, an IP address, or a
    /// network.
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

/// `DELETE /v1/bans/{id}` is done.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct UnbanReply {
    /// The ban that holds no more.
    pub ban: BanEntry,
}
