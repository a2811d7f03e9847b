//! Maintenance: a time in which nobody new is let in.

use std::sync::Arc;

use jiff::Timestamp;

/// That the server is under maintenance, since when, and what whoever connects is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maintenance {
    pub message: String,
    /// The admin who turned it on.
    pub by: String,
    pub since: Timestamp,
}

impl Maintenance {
    /// What whoever connects is told.
    pub fn told(&self) -> Arc<str> {
        format!(
            "Closed for maintenance, nobody new is let in just now: {}",
            self.message
        )
        .into()
    }
}
