//! Channels.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /v1/channels`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ChannelList {
    /// By name.
    pub channels: Vec<ChannelEntry>,
    /// Where the next page begins, for `after`; none when this was the last.
    pub next: Option<String>,
}

/// A channel.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ChannelEntry {
    /// Its name, with its `#`.
    pub name: String,
    /// How many users are in it; one that lasts may have none.
    pub members: usize,
    /// The account that owns it; then it lasts, with nobody in it and over restarts.
    pub founder: Option<String>,
    /// What it is about.
    pub topic: Option<String>,
    /// The letters of the modes that are on.
    pub modes: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// `GET /v1/channels/{name}`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ChannelReply {
    /// The channel.
    pub channel: ChannelEntry,
    /// Who is in it, by nick.
    pub members: Vec<ChannelMember>,
    /// Where the next page of members begins, for `after`; none when this was the last.
    pub next: Option<String>,
}

/// A user in a channel.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ChannelMember {
    /// The name shown.
    pub nick: String,
    /// Whether it is an operator of the channel.
    pub operator: bool,
    /// Whether it may speak where the channel is moderated.
    pub voice: bool,
}

/// `POST /v1/channels/{name}/close`.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseRequest {
    /// Shown to everyone in the channel; a general one when left out.
    #[serde(default)]
    pub reason: Option<String>,
}

/// The channel is gone.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CloseReply {
    /// Its name.
    pub channel: String,
    /// Who was in it.
    pub members: Vec<String>,
}

/// `POST /v1/channels/{name}/purge`.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PurgeRequest {
    /// Only what was said before then; all that was said until now when left out.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub before: Option<Timestamp>,
    /// Shown to everyone in the channel; a general one when left out.
    #[serde(default)]
    pub reason: Option<String>,
}

/// The channel's history is gone.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PurgeReply {
    /// Its name.
    pub channel: String,
    /// How many messages and events there were.
    pub entries: usize,
}
