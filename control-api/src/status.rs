//! Server status, health and reload.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Rates;
use crate::text;

/// The reply to `POST /v1/reload`: the config, the certificates and the CSV files were reloaded.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ReloadReply {
    /// When they were reloaded.
    #[schema(value_type = text::Time)]
    pub reloaded_at: Timestamp,
}

/// The reply to `GET /v1/status`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The version of `rookeryd`.
    pub version: String,
    /// The name of the server on the chat port.
    pub server_name: String,
    /// When the server started.
    #[schema(value_type = text::Time)]
    pub started_at: Timestamp,
    /// The number of online users, guests included.
    pub users: usize,
    /// The number of admitted sessions.
    pub sessions: usize,
    /// The number of connections to the chat port, in any state.
    pub connections: usize,
    /// The number of channels, including persistent channels without members.
    pub channels: usize,
    /// The number of bans in force.
    pub bans: usize,
    /// The message with which new connections are refused; `null` if maintenance is off.
    pub maintenance: Option<String>,
    /// The number of messages stored in the history since the start.
    pub messages_stored: u64,
    /// Rates per second, averaged over the last minute, or since the start if that is less.
    pub rates: Rates,
    /// The number of events queued for the core.
    pub core_queue_events: usize,
    /// The number of batches queued to be committed.
    pub commit_queue_batches: usize,
    /// The size of the largest send queue, in bytes.
    pub largest_sendq_bytes: usize,
    /// The size of the database on disk, in bytes.
    pub store_bytes: u64,
    /// The free space on the database's disk, in bytes.
    pub disk_free_bytes: u64,
    /// The state of the store: `ok`, or what cannot be stored and why.
    pub store: String,
    /// The state of outgoing mail: `ok`, or the last failure.
    pub mail: String,
    /// The state of the clock: `ok`, or why it may be wrong. Until it is known to be right, no old
    /// messages are deleted.
    #[serde(default = "ok")]
    pub clock: String,
    /// When the server's certificate expires; `null` if unknown.
    #[schema(value_type = Option<text::Time>)]
    pub certificate_expires_at: Option<Timestamp>,
}

/// The state of a clock that a server does not report.
fn ok() -> String {
    "ok".to_owned()
}

/// The reply to `GET /healthz`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Always `ok`. A server that is not healthy does not send this reply.
    pub status: String,
}
