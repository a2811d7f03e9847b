//! Maintenance mode, in which no new session is admitted.

use std::sync::Arc;

use jiff::Timestamp;

/// Maintenance mode that is on. It does not affect sessions that are already admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maintenance {
    /// The admin's message to those who try to connect.
    pub message: String,
    /// The admin who turned it on.
    pub by: String,
    /// When it was turned on.
    pub since: Timestamp,
}

impl Maintenance {
    /// Returns the reason that is sent to a refused client.
    pub fn refusal_text(&self) -> Arc<str> {
        format!("The server is closed for maintenance: {}", self.message).into()
    }
}
