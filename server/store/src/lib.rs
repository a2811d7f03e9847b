//! What the server stores: accounts, credentials, bans, history, the chat's persistent state,
//! admins and the audit trail, in one SQLite database.
//!
//! [`Database`] is the handle that the rest of the server holds. It owns one writing thread and a
//! few reading threads; a job sent to it runs on one of them with a [`Store`], a connection inside
//! a transaction. So a job is done whole or not at all, jobs that write run one after the other,
//! and everything that a reading job sees belongs to one moment. [`Durability`] says what a write
//! survives when its job is reported as done.
//!
//! Each stored thing has a file under `sqlite/` with its SQL and its rows; the steps from one
//! schema to the next are in `migrations/`. [`audit_chain`] verifies the chain of hashes in the
//! audit trail.
//!
//! Times are stored in milliseconds, the resolution of the chat protocol. Text from the database is
//! parsed again before it is used, since other programs can write to the file.
//!
//! This crate depends on the record's types and the names of the protocol. It knows neither the
//! chat's core nor the configuration.

pub mod audit_chain;
mod database;
mod sqlite;

use std::io;
use std::path::PathBuf;

pub use database::{Database, Durability};
pub use sqlite::Store;

/// The name of the database file in the data folder.
pub const DATABASE_FILE: &str = "rookery.db";

/// Why the store could not be read or written. Each message includes its cause, so no source is
/// chained to it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The data folder could not be created.
    #[error("the data folder {path} cannot be created: {error}", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What failed.
        error: io::Error,
    },
    /// The database file could not be opened.
    #[error("the database file {path} cannot be opened: {reason}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why it could not be opened.
        reason: String,
    },
    /// SQLite reported an error.
    #[error("database error: {0}")]
    Database(rusqlite::Error),
    /// The database was written by a newer version of the server.
    #[error(
        "the database has schema version {found}, written by a newer rookeryd; \
         this one supports versions up to {known}"
    )]
    TooNew {
        /// The schema version of the database.
        found: i64,
        /// The newest version this server supports.
        known: i64,
    },
    /// A stored value is not valid.
    #[error("the database contains an invalid value: {0}")]
    Corrupt(String),
    /// A CSV file beside the database could not be read or written.
    #[error("the file {path} cannot be read or written: {error}", path = path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// What failed.
        error: io::Error,
    },
    /// A thread of the store could not be started.
    #[error("a thread for the store cannot be started: {0}")]
    Thread(io::Error),
    /// The job panicked; its transaction was rolled back.
    #[error("the store failed in the middle of a job, which was rolled back")]
    BrokenOff,
    /// The store's threads have ended.
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

/// How far the deletion of expired messages has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExpiryPoint {
    /// Nothing has been deleted yet.
    #[default]
    Beginning,
    /// Places with smaller numbers are done.
    Place(i64),
    /// All places are done.
    Through,
}
