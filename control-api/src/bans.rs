//! Bans.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text;
use crate::users::{KickReply, OnlineUser};

/// The body of `POST /v1/bans`. At most one of `expires_at` and `duration` may be given; without
/// both, the ban is permanent.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BanRequest {
    /// The name of an account, an email, a pattern of emails (`*@spam.example`), an IP address, or
    /// a network (`192.0.2.0/24`).
    #[schema(value_type = text::Target)]
    pub target: String,
    /// The reason, which those who are refused see. A default is used if left out.
    #[serde(default)]
    #[schema(value_type = Option<text::Line>)]
    pub reason: Option<String>,
    /// When the ban expires.
    #[serde(default)]
    #[schema(value_type = Option<text::Time>)]
    pub expires_at: Option<Timestamp>,
    /// How long the ban lasts, such as `90s`, `15m`, `12h`, `7d` or `2w`.
    #[serde(default)]
    #[schema(value_type = Option<text::Duration>)]
    pub duration: Option<String>,
    /// Adds no ban, and only returns who would be affected now.
    #[serde(default)]
    pub dry_run: bool,
    /// Confirms a ban that covers everyone, or the admin who requests it.
    #[serde(default)]
    pub confirm: bool,
}

/// The reply to `POST /v1/bans` with `dry_run`: nothing was changed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct BanPreview {
    /// The target as it would be stored.
    pub target: String,
    /// The users whose sessions would end, with those sessions, sorted by nick.
    pub users: Vec<OnlineUser>,
    /// The number of accounts that would be refused, online or not. It is 0 for a ban of an address
    /// or a network, which covers no account.
    pub accounts: usize,
    /// The other domains of the same mail provider, if the target has one of them: the ban covers
    /// emails there too.
    #[serde(default)]
    pub other_domains: Vec<String>,
    /// Why the ban is probably a mistake and must be confirmed: it covers everyone, or the admin.
    pub doubt: Option<String>,
    /// A sentence that says who has the name of the account as nick, if it is another user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The reply to `POST /v1/bans`: the ban is stored, and every session that it covers has ended.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct BanReply {
    /// The ban as it is stored.
    pub ban: BanEntry,
    /// The sessions that were ended.
    pub ended: KickReply,
    /// A sentence that says who has the name of the account as nick, if it is another user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The reply to `GET /v1/bans`: one page of the bans.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct BanList {
    /// The bans in force, newest first.
    pub bans: Vec<BanEntry>,
    /// Where the next page starts, for `after`; `null` on the last page.
    pub next: Option<i64>,
}

/// A ban.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BanEntry {
    /// The id for `DELETE /v1/bans/{id}`.
    pub id: i64,
    /// The target: the name of an account, an email, a pattern of emails, an IP address, or a
    /// network.
    pub target: String,
    /// The reason, which those who are refused see.
    pub reason: String,
    /// The admin who added the ban, or `file` for a row that was added to the CSV file by hand.
    pub by: String,
    /// When the ban was added.
    #[schema(value_type = text::Time)]
    pub created_at: Timestamp,
    /// When the ban expires; `null` if it is permanent.
    #[schema(value_type = Option<text::Time>)]
    pub expires_at: Option<Timestamp>,
}

/// The reply to `DELETE /v1/bans/{id}`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct UnbanReply {
    /// The ban that was removed.
    pub ban: BanEntry,
}
