//! Channels and their members.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text;

/// The reply to `GET /v1/channels`: one page of the channels.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ChannelList {
    /// The channels, sorted by name.
    pub channels: Vec<ChannelEntry>,
    /// Where the next page starts, for `after`; `null` on the last page.
    pub next: Option<String>,
}

/// A channel.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ChannelEntry {
    /// The name, with its `#`.
    pub name: String,
    /// The number of users in the channel. A persistent channel may have none.
    pub members: usize,
    /// The account that owns the channel, which is then persistent: it exists without members and
    /// across restarts. `null` if the channel has no owner.
    pub founder: Option<String>,
    /// The topic; `null` if there is none.
    pub topic: Option<String>,
    /// The letters of the modes that are on.
    pub modes: String,
    /// When the channel was created.
    #[schema(value_type = text::Time)]
    pub created_at: Timestamp,
}

/// The reply to `GET /v1/channels/{name}`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ChannelReply {
    /// The channel.
    pub channel: ChannelEntry,
    /// One page of the members, sorted by nick.
    pub members: Vec<ChannelMember>,
    /// Where the next page of members starts, for `after`; `null` on the last page.
    pub next: Option<String>,
}

/// A member of a channel.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ChannelMember {
    /// The nick.
    pub nick: String,
    /// Whether the member is an operator of the channel.
    pub operator: bool,
    /// Whether the member has voice, and so may speak while the channel is moderated.
    pub voice: bool,
}

/// The body of `POST /v1/channels/{name}/close`.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseRequest {
    /// The reason, which the members of the channel see. A default is used if left out.
    #[serde(default)]
    #[schema(value_type = Option<text::Line>)]
    pub reason: Option<String>,
}

/// The reply to `POST /v1/channels/{name}/close`: the channel no longer exists.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CloseReply {
    /// The name of the channel.
    pub channel: String,
    /// The nicks of the members who were kicked.
    pub members: Vec<String>,
}

/// The body of `POST /v1/channels/{name}/purge`.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PurgeRequest {
    /// Deletes only the history before this time. If left out, everything until now is deleted.
    #[serde(default)]
    #[schema(value_type = Option<text::Time>)]
    pub before: Option<Timestamp>,
    /// The reason, which the members of the channel see. A default is used if left out.
    #[serde(default)]
    #[schema(value_type = Option<text::Line>)]
    pub reason: Option<String>,
}

/// The reply to `POST /v1/channels/{name}/purge`: the history was deleted.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PurgeReply {
    /// The name of the channel.
    pub channel: String,
    /// The number of deleted messages and events.
    pub entries: usize,
}
