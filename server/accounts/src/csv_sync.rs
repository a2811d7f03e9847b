//! The CSV files beside the database: `users.csv` and `bans.csv`, which are rewritten when the
//! database changes and from which added rows are imported; and `info.csv` and `list_of_bans.csv`
//! of the original Python server, which are only read.
//!
//! A person may add rows at any time; they are imported at start and at reload. Until then they
//! stay in the file, also when it is rewritten. Deleting or changing a row has no effect: the file
//! is rewritten from the database, which is the record. Bad rows are moved to `users.rejected.csv`
//! or `bans.rejected.csv`, so that the file can be imported without them. A file that is refused as
//! a whole, because its rows might mean something else, stays as it is until someone corrects it.
//!
//! This module runs the one task that does all of this; `format` parses and formats rows,
//! `files` reads and writes files, `synchronizer` compares them with the database, `rows` imports
//! rows, and `import` handles files that are sent to the control plane. An imported ban is not in
//! force until the caller hands it to the core.

mod files;
pub(crate) mod format;
mod import;
mod rows;
mod synchronizer;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

pub use format::RefusedFile;
pub use import::{Import, Imported, Kind, MAX_LISTED, bans, users};
use rookery_base::config::{Data, Live};
use rookery_store::{Database, Result, StoreError};
pub use rows::STEP;
pub use synchronizer::Synced;
use synchronizer::{SyncedFile, Synchronizer};

/// How long after a change of an account `users.csv` is written; further changes are included.
const USERS_DELAY: Duration = Duration::from_millis(500);
/// The number of requests of a kind that may be queued, and of those that share a write.
const MAX_REQUESTS: usize = 64;

/// A handle to the task that synchronizes the CSV files with the database. The task does one thing
/// at a time, and ends when the last clone is dropped.
#[derive(Clone)]
pub struct CsvSync {
    syncs: mpsc::Sender<Request<Result<Synced>>>,
    ban_writes: mpsc::Sender<Request<Written>>,
    users_changed: Arc<Notify>,
}

/// The result of a write, for all who share it.
type Written = std::result::Result<(), Arc<StoreError>>;

/// A request with the time at which it is made.
struct Request<T> {
    now: Timestamp,
    reply: oneshot::Sender<T>,
}

impl CsvSync {
    /// Starts the task for the files in the data folder. Must be called within a tokio runtime.
    pub fn new(config: Live<Data>, database: Database) -> Self {
        let (syncs, incoming_syncs) = mpsc::channel(MAX_REQUESTS);
        let (ban_writes, incoming_ban_writes) = mpsc::channel(MAX_REQUESTS);
        let users_changed = Arc::new(Notify::new());
        let folder = config.get().directory.clone();
        let synchronizer = Synchronizer {
            config,
            database,
            folder,
        };
        tokio::spawn(run(
            synchronizer,
            incoming_syncs,
            incoming_ban_writes,
            Arc::clone(&users_changed),
        ));
        Self {
            syncs,
            ban_writes,
            users_changed,
        }
    }

    /// Imports the rows that people added, and the files of the original server. Logs every bad
    /// row, and every file that cannot be read or written or is refused.
    ///
    /// # Errors
    /// If the database cannot be read or written.
    pub async fn sync(&self, now: Timestamp) -> Result<Synced> {
        request(&self.syncs, now).await?
    }

    /// Rewrites `bans.csv`. The file is on disk when this returns. Requests that wait at the same
    /// time share one write.
    ///
    /// # Errors
    /// If the file cannot be written or the database cannot be read.
    pub async fn write_bans(&self, now: Timestamp) -> Written {
        request(&self.ban_writes, now).await?
    }

    /// Schedules `users.csv` to be rewritten soon.
    pub fn users_changed(&self) {
        self.users_changed.notify_one();
    }
}

/// Sends a request to the task and waits for its reply.
async fn request<T>(task: &mpsc::Sender<Request<T>>, now: Timestamp) -> Result<T> {
    let (reply, answer) = oneshot::channel();
    task.send(Request { now, reply })
        .await
        .map_err(|_| StoreError::Stopped)?;
    answer.await.map_err(|_| StoreError::Stopped)
}

async fn run(
    synchronizer: Synchronizer,
    mut syncs: mpsc::Receiver<Request<Result<Synced>>>,
    mut ban_writes: mpsc::Receiver<Request<Written>>,
    users_changed: Arc<Notify>,
) {
    let mut users_due = None;
    let mut waiting = Vec::new();
    loop {
        tokio::select! {
            // A caller may have stopped waiting.
            sync = syncs.recv() => match sync {
                Some(Request { now, reply }) => drop(reply.send(synchronizer.sync(now).await)),
                None => break,
            },
            _ = ban_writes.recv_many(&mut waiting, MAX_REQUESTS) => {
                let Some(now) = waiting.iter().map(|request| request.now).max() else {
                    break;
                };
                // The bans that they are about are in the database already.
                let written = synchronizer.write(SyncedFile::Bans(now)).await.map_err(Arc::new);
                for request in waiting.drain(..) {
                    drop(request.reply.send(written.clone()));
                }
            }
            () = users_changed.notified(), if users_due.is_none() => {
                users_due = Some(Instant::now() + USERS_DELAY);
            }
            () = sleep_until(users_due.unwrap_or_else(Instant::now)), if users_due.is_some() => {
                users_due = None;
                // The error is logged; the next change tries again.
                let _ = synchronizer.write(SyncedFile::Users).await;
            }
        }
    }
    // A change that is not in the file yet is in the database; the next start writes it.
}
