//! Announcements.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The most bytes an announcement takes: it has to fit into one IRC line beside all else.
pub const MAX_ANNOUNCEMENT: usize = 350;

/// `POST /v1/announcements`. To everyone, or to one of `channel` and `account`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnnouncementRequest {
    /// One line.
    pub text: String,
    /// Only to those in that channel.
    #[serde(default)]
    pub channel: Option<String>,
    /// Only to that account.
    #[serde(default)]
    pub account: Option<String>,
}

/// The announcement is on its way.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AnnouncementReply {
    /// To how many sessions.
    pub sessions: usize,
}
