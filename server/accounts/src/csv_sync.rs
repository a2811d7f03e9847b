//! The CSV windows onto the record: `users.csv` and `bans.csv`, written whole when the record
//! changes, and rows that a person adds to them taken in; and the Python original's `info.csv` and
//! `list_of_bans.csv`, which are only read.
//!
//! Rows are added by hand at any time and taken in at start and at reload. Until then they stay
//! where they are, also when the file is written anew. A row that is deleted by hand deletes
//! nothing, one that is changed changes nothing: both come back as they are in the record. A bad
//! row is put away in `users.rejected.csv` or `bans.rejected.csv`.

mod files;
mod format;
mod import;
mod synchronizer;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

pub use import::{Import, Imported, Kind, bans, users};
use rookery_base::config::LiveConfig;
use rookery_record::Ban;
use rookery_store::{Database, Result, StoreError};
use synchronizer::{SyncedFile, Synchronizer};

/// How long changes of the accounts gather before `users.csv` is written.
const USERS_DELAY: Duration = Duration::from_millis(500);
/// Requests that may wait before the next one has to.
const MAX_REQUESTS: usize = 16;

/// The CSV files beside the database. One task does all work on them, one thing after the other; it
/// ends with the last clone of this.
#[derive(Clone)]
pub struct CsvSync {
    requests: mpsc::Sender<Request>,
    users_changed: Arc<Notify>,
}

enum Request {
    ImportRows(Timestamp, oneshot::Sender<Result<Vec<Ban>>>),
    WriteBans(Timestamp, oneshot::Sender<Result<()>>),
}

impl CsvSync {
    /// Over the record, in the data folder. To be called inside the async runtime.
    pub fn new(config: LiveConfig, database: Database) -> Self {
        let (requests, incoming) = mpsc::channel(MAX_REQUESTS);
        let users_changed = Arc::new(Notify::new());
        let folder = config.get().data.directory.clone();
        let synchronizer = Synchronizer {
            config,
            database,
            folder,
        };
        tokio::spawn(run(synchronizer, incoming, Arc::clone(&users_changed)));
        Self {
            requests,
            users_changed,
        }
    }

    /// Takes in the rows that people added, and the original's files; tells of each bad row, and of
    /// each file that cannot be read or written, in the log. Gives the bans that are new.
    pub async fn sync(&self, now: Timestamp) -> Result<Vec<Ban>> {
        self.ask(|reply| Request::ImportRows(now, reply)).await
    }

    /// Writes `bans.csv` anew; done when it returns.
    pub async fn write_bans(&self, now: Timestamp) -> Result<()> {
        self.ask(|reply| Request::WriteBans(now, reply)).await
    }

    /// Asks for `users.csv` to be written anew soon.
    pub fn users_changed(&self) {
        self.users_changed.notify_one();
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T>>) -> Request,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.requests
            .send(request(reply))
            .await
            .map_err(|_| StoreError::CoreStopped)?;
        answer.await.map_err(|_| StoreError::CoreStopped)?
    }
}

async fn run(
    synchronizer: Synchronizer,
    mut requests: mpsc::Receiver<Request>,
    users_changed: Arc<Notify>,
) {
    let mut users_due = None;
    loop {
        tokio::select! {
            request = requests.recv() => match request {
                // Whoever asked may have gone.
                Some(Request::ImportRows(now, reply)) => drop(reply.send(synchronizer.sync(now).await)),
                Some(Request::WriteBans(now, reply)) => drop(reply.send(synchronizer.write(SyncedFile::Bans(now)).await)),
                None => break,
            },
            () = users_changed.notified(), if users_due.is_none() => {
                users_due = Some(Instant::now() + USERS_DELAY);
            }
            () = sleep_until(users_due.unwrap_or_else(Instant::now)), if users_due.is_some() => {
                users_due = None;
                // Told of in the log; the next change tries again.
                let _ = synchronizer.write(SyncedFile::Users).await;
            }
        }
    }
    // A change that is still waiting is in the record; the next start writes it.
}
