//! The way to the record: one thread owns the writing connection, others read beside it.

use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::sqlite::Store;
use super::{Result, StoreError};
use rookery_record::HistorySync;

/// Pages of history are long reads, and so are operators' searches; two of those and one of these
/// do not hold up a sign-in.
const READERS: usize = 4;

/// How long what was taken away may stand in the write-ahead log: many redactions cost one sweep.
const SWEEP_AFTER: Duration = Duration::from_secs(1);
/// After a sweep that failed.
const SWEEP_AGAIN: Duration = Duration::from_mins(1);

/// What a write has to survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The death of the server; the config decides about power loss.
    Message,
    /// The loss of power: bans, accounts, the audit trail.
    Record,
}

type ReadJob = Box<dyn FnOnce(&Store) + Send>;
type WriteJob = Box<dyn FnOnce(&mut Store) + Send>;

/// A handle to the record; its clones share the same threads, which end with the last of them.
#[derive(Clone)]
pub struct Database {
    writer: mpsc::Sender<WriteJob>,
    readers: mpsc::Sender<ReadJob>,
    sync: HistorySync,
    file: Arc<Path>,
}

impl Database {
    /// Opens the database file, making it and its tables where there are none.
    pub fn open(file: &Path, sync: HistorySync) -> Result<Self> {
        let connection = Store::open(file)?;
        let (writer, jobs) = mpsc::channel::<WriteJob>();
        spawn("store-writer", move || write(connection, &jobs))?;
        let (readers, jobs) = mpsc::channel::<ReadJob>();
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..READERS {
            let connection = Store::open_reader(file)?;
            let jobs = Arc::clone(&jobs);
            spawn("store-reader", move || {
                loop {
                    let job = jobs.lock().recv();
                    match job {
                        Ok(job) => survive(|| job(&connection)),
                        Err(mpsc::RecvError) => break,
                    }
                }
            })?;
        }
        Ok(Self {
            writer,
            readers,
            sync,
            file: file.into(),
        })
    }

    /// Reads on a thread of its own. Everything that `job` reads is of one moment.
    pub async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(move |store: &Store| {
            // Whoever asked may have gone.
            let _ = reply.send(store.snapshot(job));
        });
        self.readers.send(job).map_err(|_| StoreError::Stopped)?;
        answer.await.map_err(|_| StoreError::BrokenOff)?
    }

    /// The bytes it takes on disk: the file, and the one in which what is new waits for its place
    /// in there.
    pub async fn size(&self) -> u64 {
        let mut waiting = self.file.as_os_str().to_owned();
        waiting.push("-wal");
        let mut bytes = 0;
        for file in [self.file.as_ref(), Path::new(&waiting)] {
            // One that is not there takes no room.
            bytes += tokio::fs::metadata(file)
                .await
                .map_or(0, |metadata| metadata.len());
        }
        bytes
    }

    /// Runs `job` and takes back all that it has done.
    pub async fn rehearse<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(move |store: &mut Store| {
            let _ = reply.send(store.rehearsal(job));
        });
        self.writer.send(job).map_err(|_| StoreError::Stopped)?;
        answer.await.map_err(|_| StoreError::BrokenOff)?
    }

    /// Runs `job` in one transaction: all of it is on disk when this returns, or nothing of it if
    /// it fails.
    pub async fn write<T: Send + 'static>(
        &self,
        durability: Durability,
        job: impl FnOnce(&mut Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let full = durability == Durability::Record || self.sync == HistorySync::Full;
        let (reply, answer) = oneshot::channel();
        let job = Box::new(move |store: &mut Store| {
            let _ = reply.send(store.transaction(full, job));
        });
        self.writer.send(job).map_err(|_| StoreError::Stopped)?;
        answer.await.map_err(|_| StoreError::BrokenOff)?
    }
}

/// Does one job after the other. Soon after something was taken away, what is left of it is swept
/// up.
fn write(mut store: Store, jobs: &mpsc::Receiver<WriteJob>) {
    let mut sweep_at = None;
    loop {
        if store.has_leftovers() && sweep_at.is_none() {
            sweep_at = Some(Instant::now() + SWEEP_AFTER);
        }
        let job = match sweep_at {
            None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => jobs.recv_timeout(at.saturating_duration_since(Instant::now())),
        };
        match job {
            Ok(job) => survive(|| job(&mut store)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if sweep_at.is_some_and(|at| at <= Instant::now()) {
            sweep_at = match store.sweep() {
                Ok(()) => None,
                Err(error) => {
                    tracing::warn!(%error, "what was taken away could not be swept from the disk yet");
                    Some(Instant::now() + SWEEP_AGAIN)
                }
            };
        }
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<()> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map(drop)
        .map_err(StoreError::Thread)
}

/// Runs a job so that its panic, a defect, ends this one job and not the store. The panic itself
/// has been reported by then; whoever waits for the job learns that it broke off, and its
/// transaction has been rolled back.
fn survive(job: impl FnOnce()) {
    let _ = panic::catch_unwind(AssertUnwindSafe(job));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::DATABASE_FILE;

    #[tokio::test]
    async fn what_was_written_is_read_by_every_reader() {
        let folder = tempfile::tempdir().unwrap();
        let database =
            Database::open(&folder.path().join(DATABASE_FILE), HistorySync::Normal).unwrap();
        for round in 0..20 {
            let content = round.to_string();
            let expected = content.clone();
            database
                .write(Durability::Message, move |store| {
                    store.set_window("round", &content)
                })
                .await
                .unwrap();
            let reads: Vec<_> = (0..READERS * 2)
                .map(|_| {
                    let database = database.clone();
                    tokio::spawn(async move { database.read(|store| store.window("round")).await })
                })
                .collect();
            for read in reads {
                assert_eq!(read.await.unwrap().unwrap(), Some(expected.clone()));
            }
        }
    }

    #[tokio::test]
    async fn what_was_taken_away_is_swept_without_being_asked() {
        use rookery_record::{Place, Redactor};
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(DATABASE_FILE);
        let database = Database::open(&file, HistorySync::Normal).unwrap();
        let said = rookery_record::HistoryEntry {
            msgid: "m1".to_owned(),
            at: jiff::Timestamp::UNIX_EPOCH,
            place: Place::Channel("#lobby".parse().unwrap()),
            source: "alice!a@host".to_owned(),
            account: None,
            command: "PRIVMSG".to_owned(),
            text: "words to be forgotten".to_owned(),
            tags: String::new(),
        };
        let by = Redactor {
            source: "alice!a@host".to_owned(),
            account: None,
        };
        let mark = said.redaction(by, "m2".to_owned(), said.at, None);
        database
            .write(Durability::Message, move |store| {
                store.append_history(&[said, mark])
            })
            .await
            .unwrap();
        let log = folder.path().join(format!("{DATABASE_FILE}-wal"));
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::fs::metadata(&log).unwrap().len() > 0 {
            assert!(Instant::now() < deadline, "the log is not emptied");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let bytes = std::fs::read(file).unwrap();
        assert!(!bytes.windows(9).any(|window| window == b"forgotten"));
    }

    #[tokio::test]
    async fn a_panic_ends_its_job_and_not_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let database =
            Database::open(&folder.path().join(DATABASE_FILE), HistorySync::Full).unwrap();
        for _ in 0..=READERS {
            let broken: Result<()> = database.read(|_| panic!("on purpose")).await;
            assert!(matches!(broken, Err(StoreError::BrokenOff)));
        }
        let broken: Result<()> = database
            .write(Durability::Record, |store| {
                store.set_window("name", "half done")?;
                panic!("on purpose")
            })
            .await;
        assert!(matches!(broken, Err(StoreError::BrokenOff)));
        assert_eq!(
            database.read(|store| store.window("name")).await.unwrap(),
            None
        );
        database
            .write(Durability::Record, |store| store.set_window("name", "done"))
            .await
            .unwrap();
        assert_eq!(
            database
                .read(|store| store.window("name"))
                .await
                .unwrap()
                .as_deref(),
            Some("done")
        );
    }
}
