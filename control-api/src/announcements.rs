//! Announcements to chat users.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text;

/// The maximum number of bytes of an announcement, so that it fits into one IRC line.
pub const MAX_ANNOUNCEMENT: usize = 350;

/// The body of `POST /v1/announcements`. At most one of `channel` and `account` may be given;
/// without both, everyone receives the announcement.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnnouncementRequest {
    /// The text, one line of at most 350 bytes.
    #[schema(value_type = text::Announcement)]
    pub text: String,
    /// Sends the announcement only to the members of this channel.
    #[serde(default)]
    #[schema(value_type = Option<text::Channel>)]
    pub channel: Option<String>,
    /// Sends the announcement only to this account.
    #[serde(default)]
    #[schema(value_type = Option<text::Name>)]
    pub account: Option<String>,
}

/// The reply to `POST /v1/announcements`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AnnouncementReply {
    /// The number of sessions that receive the announcement.
    pub sessions: usize,
}
