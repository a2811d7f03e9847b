//! Users and bans as CSV files.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The media type of the files.
pub const CSV_TYPE: &str = "text/csv";

/// `POST /v1/import/users` and `POST /v1/import/bans`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ImportReply {
    /// How many rows the file has, without its header and empty lines.
    pub rows: usize,
    /// Rows that made an account or a ban.
    pub added: usize,
    /// Rows that were there already, and stay as they were.
    pub known: usize,
    /// Rows that cannot be taken in.
    pub rejected: Vec<RejectedRow>,
    /// How many sessions ended with it.
    pub sessions: usize,
    /// False for a dry run.
    pub done: bool,
}

/// A row that cannot be taken in.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RejectedRow {
    /// The first line of a file is 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}
