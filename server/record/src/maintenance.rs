//! Maintenance mode, in which no new session is admitted.

use std::sync::Arc;

use jiff::Timestamp;

/// Maintenance mode is on. Sessions that are admitted already stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maintenance {
    /// The admin's message to people who try to connect.
    pub message: String,
    /// The admin who turned it on.
    pub by: String,
    /// When it was turned on.
    pub since: Timestamp,
}

impl Maintenance {
    /// Returns the reason that a refused client is sent.
    pub fn refusal_text(&self) -> Arc<str> {
        format!("The server is closed for maintenance: {}", self.message).into()
    }
}
