//! Accounts and bans as CSV files.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The media type of the files.
pub const CSV_TYPE: &str = "text/csv";

/// The reply to `POST /v1/import/users` and `POST /v1/import/bans`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ImportReply {
    /// The number of rows in the file, without the header and empty lines.
    pub rows: usize,
    /// The number of rows that added an account or a ban.
    pub added: usize,
    /// The number of rows whose account or ban exists already, which stays unchanged.
    pub known: usize,
    /// The first 1000 invalid rows.
    pub rejected: Vec<RejectedRow>,
    /// The number of further invalid rows, which are not listed.
    pub more_rejected: usize,
    /// For a dry run, the first 1000 bans that are probably a mistake, such as one of everyone. The
    /// import must be confirmed then.
    pub doubtful: Vec<DoubtfulRow>,
    /// The number of further such bans, which are not listed.
    pub more_doubtful: usize,
    /// The number of sessions that the imported bans have ended.
    pub sessions: usize,
    /// Whether the rows were imported; `false` for a dry run.
    pub done: bool,
}

/// A row of an import with a ban that is probably a mistake.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct DoubtfulRow {
    /// The number of the line in the file, counted from 1.
    pub line: u64,
    /// What the ban would cover.
    pub reason: String,
}

/// An invalid row of an import.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RejectedRow {
    /// The number of the line in the file, counted from 1.
    pub line: u64,
    /// What is wrong with the row.
    pub reason: String,
}
