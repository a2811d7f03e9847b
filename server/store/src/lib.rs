//! What is durable: accounts, credentials, bans, history, admins and the audit trail. One trait,
//! `SQLite` behind it.
#![allow(missing_docs)]

pub mod audit_chain;
mod database;
mod sqlite;

use std::io;
use std::path::PathBuf;

pub use database::{Database, Durability};
pub use sqlite::Store;

/// The name of the database file in the data folder.
pub const DATABASE_FILE: &str = "rookery.db";

/// Why the record could not be read or written. Each text holds its cause, so none is chained to
/// it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the data folder {path} cannot be made: {error}", path = path.display())]
    Folder { path: PathBuf, error: io::Error },
    #[error("the database file {path} cannot be opened: {reason}", path = path.display())]
    File { path: PathBuf, reason: String },
    #[error("the database says: {0}")]
    Database(rusqlite::Error),
    #[error(
        "the database is of version {found}, made by a newer rookeryd; this one knows up to {known}"
    )]
    TooNew { found: i64, known: i64 },
    #[error("the record holds something unreadable: {0}")]
    Corrupt(String),
    #[error("the file {path} cannot be read or written: {error}", path = path.display())]
    Window { path: PathBuf, error: io::Error },
    #[error("a thread for the store cannot be started: {0}")]
    Thread(io::Error),
    #[error("the store broke off in the middle of this; nothing of it was kept")]
    BrokenOff,
    #[error("the store has stopped")]
    Stopped,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

/// A `Result` of the store.
pub type Result<T> = std::result::Result<T, StoreError>;

/// How far the removal of old messages has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExpiryPoint {
    #[default]
    Beginning,
    /// The places of smaller numbers are done.
    Place(i64),
    Through,
}
