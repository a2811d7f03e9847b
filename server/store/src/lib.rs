//! The server's database: accounts, credentials, bans, history, the chat's persistent state,
//! admins and the audit trail, in one SQLite file.
//!
//! [`Database`] is the handle that the rest of the server uses. It owns one writing thread and a
//! few reading threads; a job sent to it runs on one of them with a [`Store`], a connection inside
//! a transaction. A job is therefore completed as a whole or not at all, writing jobs run one after
//! the other, and a reading job sees one consistent snapshot. [`Durability`] states which failures
//! a write survives once its job has completed, and [`Disk`] what
//! can be stored while space runs out.
//!
//! Each kind of record has a file under `sqlite/` with its SQL and its rows; the steps from one
//! schema version to the next are in `migrations/`. [`audit_chain`] verifies the hash chain of the
//! audit trail.
//!
//! Times are stored in milliseconds, the resolution of the chat protocol. Text from the database is
//! parsed again before it is used, since other programs can write to the file.
//!
//! This crate depends on the types of the record and of the control plane's API, and on the
//! protocol's names. It must not know the chat's core or the configuration.

pub mod audit_chain;
mod database;
mod disk;
mod log_index;
mod sqlite;
mod taken_names;

use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;

pub use database::{Database, Durability};
pub use disk::{Disk, DiskState};
pub use log_index::LostChanges;
pub use sqlite::{PageCounts, Store, TriedBy, TriedCode};

/// The name of the database file in the data folder.
pub const DATABASE_FILE: &str = "rookery.db";

/// Why the store could not be read or written. Each message includes its cause, so
/// [`source`](std::error::Error::source) is always `None`.
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
    /// The database file or its log was deleted or replaced while it was open.
    #[error(
        "the database file {path}, or its -wal file, was deleted or replaced while the server is \
         running, so nothing can be stored; stop the server, restore the files from a backup, and \
         start it again",
        path = path.display()
    )]
    FilesReplaced {
        /// The database file.
        path: PathBuf,
    },
    /// The newest known entry of the audit trail was removed or changed while the file was open.
    #[error(
        "the newest entries of the audit trail were removed or changed while the server is \
         running, so nothing can be recorded: it no longer contains {head}; stop the server, and \
         check the trail with `rookeryd audit verify --head {head}`"
    )]
    AuditCutOff {
        /// The number and the hash of the entry, as `audit verify --head` takes them.
        head: String,
    },
    /// The disk is full, and what is left of it is reserved for operators.
    #[error("the disk is full; what is left of it is reserved for operators")]
    DiskFull,
    /// Another process has locked the database for too long.
    #[error("another program has locked the database")]
    Locked,
    /// SQLite found that the database file is damaged, or is no database.
    #[error(
        "{DATABASE_FILE} is damaged ({0}); stop the server, and restore the file from a backup, as \
         data/README.md explains"
    )]
    Damaged(rusqlite::Error),
    /// SQLite reported another error.
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
    /// One of the CSV files that follow the database could not be read or written, or is refused.
    #[error("cannot synchronize {path}: {error}", path = path.display())]
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
    JobPanicked,
    /// The store's threads have ended.
    #[error("the store has stopped")]
    Stopped,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error),
            _ => Self::Database(error),
        }
    }
}

/// A `Result` of the store.
pub type Result<T> = std::result::Result<T, StoreError>;

/// The progress of the deletion of expired messages, which goes through the places by number, and
/// then through the authors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExpiryProgress {
    /// Nothing has been deleted yet.
    #[default]
    Start,
    /// All places with a smaller number are done.
    NextPlace(i64),
    /// All places are done, and all authors with a smaller number.
    NextAuthor(i64),
    /// All places and authors are done.
    Done,
}
