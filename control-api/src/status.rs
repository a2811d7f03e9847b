//! How the server is, and its reload.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Rates;

/// `POST /v1/reload`: the config, the certificates and the CSV files are read anew.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ReloadReply {
    /// When that was done.
    #[schema(value_type = String, format = DateTime)]
    pub reloaded_at: Timestamp,
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
    /// Channels, those included that last with nobody in them.
    pub channels: usize,
    /// Bans in force.
    pub bans: usize,
    /// What whoever connects is told while there is maintenance; none when people are let in.
    pub maintenance: Option<String>,
    /// Messages put into the history since the start.
    pub messages_stored: u64,
    /// What there was in a second, on average over the last minute; or since the start, if that is
    /// less.
    pub rates: Rates,
    /// Events that wait for the core.
    pub core_queue_events: usize,
    /// Batches that wait to be committed.
    pub commit_queue_batches: usize,
    /// The bytes that wait for the session with the most to be sent.
    pub largest_sendq_bytes: usize,
    /// What the database takes on disk.
    pub store_bytes: u64,
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
