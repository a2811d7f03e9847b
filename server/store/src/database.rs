//! The handle to the database: one thread owns the writing connection, one runs checkpoints, and
//! the others only read.
//!
//! Calling SQLite on dedicated blocking threads costs a fraction of what an asynchronous layer
//! does, and a single writer makes "check, then write" in one job safe without locks. A panic fails
//! only its own job.

use std::convert::Infallible;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::disk::{Disk, DiskState, OpenFiles, with_suffix};
use super::sqlite::Store;
use super::{Result, StoreError};
use crate::taken_names::TakenNames;
use rookery_protocol::AccountName;
use rookery_record::HistorySync;

/// The number of reading threads. Pages of history and operators' searches are long reads: with two
/// of the former and one of the latter, one thread is still free for a sign-in.
const READERS: usize = 4;

/// How long deleted text may stay in the write-ahead log. The delay lets many redactions share one
/// checkpoint.
const SCRUB_AFTER: Duration = Duration::from_secs(1);
/// The pause before a failed checkpoint is tried again.
const SCRUB_RETRY: Duration = Duration::from_mins(1);
/// How long dropping the last handle waits for the threads to close the database.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Which failures a write survives once its job has completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A crash of the server. Whether it survives a power loss depends on `history.sync`.
    Message,
    /// A power loss: bans, accounts, the audit trail.
    Record,
}

type ReadJob = Box<dyn FnOnce(&Store) + Send>;
type WriteJob = Box<dyn FnOnce(&mut Store) + Send>;

/// A handle to the database. Clones share the same threads. Dropping the last clone ends them and
/// waits until they have closed the database, a few seconds at most: a process that ends earlier
/// leaves the write-ahead log beside it.
#[derive(Clone)]
pub struct Database {
    writer: mpsc::Sender<WriteJob>,
    readers: mpsc::Sender<ReadJob>,
    sync: HistorySync,
    file: Arc<Path>,
    disk: Arc<Disk>,
    taken_names: Arc<TakenNames>,
    may_use_reserve: bool,
    /// After the channels to the threads, whose end ends them: fields are dropped in this order.
    _closing: Arc<Closing>,
}

/// Waits, when it is dropped, until the threads have closed the database.
struct Closing(Mutex<mpsc::Receiver<Infallible>>);

impl Drop for Closing {
    fn drop(&mut self) {
        if !wait_for_end(&self.0.lock()) {
            tracing::warn!("the database is still in use; its write-ahead log stays beside it");
        }
    }
}

impl Database {
    /// Opens the database file, creating it and its tables if necessary, and starts the threads.
    pub fn open(file: &Path, sync: HistorySync) -> Result<Self> {
        Self::open_on(file, sync, Disk::new)
    }

    fn open_on(
        file: &Path,
        sync: HistorySync,
        disk: impl FnOnce(OpenFiles) -> Disk,
    ) -> Result<Self> {
        if let Some(lost) = Store::lost_changes(file)? {
            tracing::error!(pages = lost.pages, "{lost}");
        }
        let mut connection = Store::open(file)?;
        match connection.enable_release() {
            Ok(false) => {}
            Ok(true) => tracing::info!("the database was rewritten, so that it can shrink"),
            Err(error) => {
                tracing::warn!(%error, "the database will not shrink when messages are deleted");
            }
        }
        let disk = Arc::new(disk(connection.files().clone()));
        let taken_names = Arc::clone(connection.taken_names());
        let space = Arc::clone(&disk);
        let has_room = move || space.state() == DiskState::Normal;
        let checkpointer = connection.leave_checkpoints(file, has_room)?;
        let (writer, jobs) = mpsc::channel::<WriteJob>();
        let (in_use, others_closed) = mpsc::channel();
        let writing = in_use.clone();
        spawn("store-writer", move || {
            write(connection, &jobs);
            drop(writing);
        })?;
        let (readers, jobs) = mpsc::channel::<ReadJob>();
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..READERS {
            let connection = Store::open_reader(file)?;
            let (jobs, reading) = (Arc::clone(&jobs), in_use.clone());
            spawn("store-reader", move || {
                read(&connection, &jobs);
                drop(connection);
                drop(reading);
            })?;
        }
        drop(in_use);
        let (open, closed) = mpsc::channel();
        spawn("checkpoints", move || {
            checkpointer.run_until_closed();
            // SQLite removes the log when the last connection is closed, but only if that one may
            // write and has used the log.
            wait_for_end(&others_closed);
            checkpointer.run();
            drop(checkpointer);
            drop(open);
        })?;
        Ok(Self {
            writer,
            readers,
            sync,
            file: file.into(),
            disk,
            taken_names,
            may_use_reserve: false,
            _closing: Arc::new(Closing(Mutex::new(closed))),
        })
    }

    /// Returns a handle whose writes may use the reserve of a full disk: for operators, and for
    /// what makes room.
    #[must_use]
    pub fn with_reserve(&self) -> Self {
        Self {
            may_use_reserve: true,
            ..self.clone()
        }
    }

    /// Returns the disk that the database is on.
    pub fn disk(&self) -> &Arc<Disk> {
        &self.disk
    }

    /// Runs `job` on a reading thread. Everything that it reads belongs to one snapshot.
    pub async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(move |store: &Store| {
            // Sending fails if the caller has been dropped, which is no error.
            let _ = reply.send(store.snapshot(job));
        });
        self.readers.send(job).map_err(|_| StoreError::Stopped)?;
        answer.await.map_err(|_| StoreError::JobPanicked)?
    }

    /// Whether an existing or deleted account has that name, or one that looks the same. For most
    /// names that are free, such as the nicks of guests, this does not read the database.
    pub async fn is_name_taken(&self, name: AccountName) -> Result<bool> {
        if !self.taken_names.may_contain(&name) {
            return Ok(false);
        }
        self.read(move |store| store.is_name_taken(&name)).await
    }

    /// Returns the size on disk in bytes: the database file and its write-ahead log.
    pub async fn size(&self) -> u64 {
        let log = with_suffix(&self.file, "-wal");
        let mut bytes = 0;
        for file in [self.file.as_ref(), log.as_path()] {
            // A file that does not exist takes no space.
            bytes += tokio::fs::metadata(file)
                .await
                .map_or(0, |metadata| metadata.len());
        }
        bytes
    }

    /// Runs `job` on the writing thread and rolls back all its changes.
    pub async fn dry_run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(move |store: &mut Store| {
            let _ = reply.send(store.dry_run(job));
        });
        self.writer.send(job).map_err(|_| StoreError::Stopped)?;
        answer.await.map_err(|_| StoreError::JobPanicked)?
    }

    /// Runs `job` on the writing thread in one transaction. When this returns, all its changes are
    /// stored with the given durability, or none if it failed.
    pub async fn write<T: Send + 'static>(
        &self,
        durability: Durability,
        job: impl FnOnce(&mut Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let full = durability == Durability::Record || self.sync == HistorySync::Full;
        let (disk, may_use_reserve) = (Arc::clone(&self.disk), self.may_use_reserve);
        let (reply, answer) = oneshot::channel();
        let job = Box::new(move |store: &mut Store| {
            if may_use_reserve {
                disk.make_room();
            }
            let result = if !may_use_reserve && disk.state() == DiskState::Full {
                Err(StoreError::DiskFull)
            } else {
                store.transaction(full, job)
            };
            if let Err(error) = &result {
                disk.failed(error);
            }
            let _ = reply.send(result);
        });
        self.writer.send(job).map_err(|_| StoreError::Stopped)?;
        answer.await.map_err(|_| StoreError::JobPanicked)?
    }
}

/// Runs the jobs that no other reading thread has taken.
fn read(store: &Store, jobs: &Mutex<mpsc::Receiver<ReadJob>>) {
    loop {
        let job = jobs.lock().recv();
        match job {
            Ok(job) => run_isolated(|| job(store)),
            Err(mpsc::RecvError) => break,
        }
    }
}

/// Runs one job after the other. Soon after a job has deleted something, the traces of it in the
/// write-ahead log are removed too.
fn write(mut store: Store, jobs: &mpsc::Receiver<WriteJob>) {
    let mut scrub_at = None;
    loop {
        if store.needs_scrub() && scrub_at.is_none() {
            scrub_at = Some(Instant::now() + SCRUB_AFTER);
        }
        let job = match scrub_at {
            None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => jobs.recv_timeout(at.saturating_duration_since(Instant::now())),
        };
        match job {
            Ok(job) => run_isolated(|| job(&mut store)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if scrub_at.is_some_and(|at| at <= Instant::now()) {
            scrub_at = match store.scrub() {
                Ok(()) => None,
                Err(error) => {
                    tracing::warn!(%error, "deleted text is still in the write-ahead log; trying again");
                    Some(Instant::now() + SCRUB_RETRY)
                }
            };
        }
    }
}

/// Waits until the threads that hold the other end have dropped it, up to [`CLOSE_TIMEOUT`].
/// Returns whether they have.
fn wait_for_end(threads: &mpsc::Receiver<Infallible>) -> bool {
    threads.recv_timeout(CLOSE_TIMEOUT) == Err(RecvTimeoutError::Disconnected)
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<()> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map(drop)
        .map_err(StoreError::Thread)
}

/// Runs a job so that a panic, which is a defect, ends this job but not its thread. The panic hook
/// reports it, the job's caller receives [`StoreError::JobPanicked`], and the transaction is rolled
/// back.
fn run_isolated(job: impl FnOnce()) {
    let _ = panic::catch_unwind(AssertUnwindSafe(job));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::sync::atomic::Ordering::Relaxed;

    use super::super::disk::Space;
    use super::*;
    use crate::DATABASE_FILE;

    #[tokio::test]
    async fn every_reader_reads_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let database =
            Database::open(&folder.path().join(DATABASE_FILE), HistorySync::Normal).unwrap();
        for round in 0..20 {
            let content = round.to_string();
            let expected = content.clone();
            database
                .write(Durability::Message, move |store| {
                    store.set_csv_content("round", &content)
                })
                .await
                .unwrap();
            let reads: Vec<_> = (0..READERS * 2)
                .map(|_| {
                    let database = database.clone();
                    tokio::spawn(
                        async move { database.read(|store| store.csv_content("round")).await },
                    )
                })
                .collect();
            for read in reads {
                assert_eq!(read.await.unwrap().unwrap(), Some(expected.clone()));
            }
        }
    }

    #[tokio::test]
    async fn the_name_of_an_account_is_taken_from_its_creation_on() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(DATABASE_FILE);
        let open = || Database::open(&file, HistorySync::Normal).unwrap();
        let name = |name: &str| name.parse::<AccountName>().unwrap();
        let look_alikes = ["alice", "ALICE", "a1ice", "\u{430}lice"];
        let are_taken = async |database: &Database| {
            for look_alike in look_alikes {
                assert!(database.is_name_taken(name(look_alike)).await.unwrap());
            }
            assert!(!database.is_name_taken(name("alina")).await.unwrap());
        };
        let account = rookery_record::NewAccount {
            name: name("alice"),
            email: None,
            password_hash: None,
            created_at: jiff::Timestamp::UNIX_EPOCH,
            greeted: true,
        };
        let create = |account: rookery_record::NewAccount| {
            move |store: &mut Store| Ok(store.create_account(&account)?.unwrap())
        };
        let mut database = open();
        for look_alike in look_alikes {
            assert!(!database.is_name_taken(name(look_alike)).await.unwrap());
        }
        let rolled_back = database.dry_run(create(account.clone())).await;
        rolled_back.unwrap();
        assert!(!database.is_name_taken(name("alice")).await.unwrap());
        let written = database.write(Durability::Record, create(account)).await;
        let created = written.unwrap();
        are_taken(&database).await;
        database = open();
        are_taken(&database).await;
        let delete = move |store: &mut Store| store.delete_account(&created);
        database.write(Durability::Record, delete).await.unwrap();
        are_taken(&database).await;
        database = open();
        are_taken(&database).await;
    }

    #[tokio::test]
    async fn redacted_text_is_removed_from_the_write_ahead_log() {
        use rookery_record::{Place, Redactor};
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(DATABASE_FILE);
        let database = Database::open(&file, HistorySync::Normal).unwrap();
        let message = rookery_record::HistoryEntry {
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
        let redaction = message.redaction(by, "m2".to_owned(), message.at, None);
        database
            .write(Durability::Message, move |store| {
                store.append_history(&[message, redaction])
            })
            .await
            .unwrap();
        let log = folder.path().join(format!("{DATABASE_FILE}-wal"));
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::fs::metadata(&log).unwrap().len() > 0 {
            assert!(Instant::now() < deadline, "the log was not emptied");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let bytes = std::fs::read(file).unwrap();
        assert!(!bytes.windows(9).any(|window| window == b"forgotten"));
    }

    #[tokio::test]
    async fn dropping_the_last_handle_closes_the_database() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(DATABASE_FILE);
        let database = Database::open(&file, HistorySync::Normal).unwrap();
        let operators = database.with_reserve();
        let is_open = || with_suffix(&file, "-wal").exists();
        drop(database);
        let write = |store: &mut Store| store.set_csv_content("name", "written");
        let written = operators.write(Durability::Message, write).await;
        written.unwrap();
        assert!(is_open());
        drop(operators);
        assert!(!is_open());
    }

    #[tokio::test]
    async fn on_a_full_disk_only_operators_write_and_use_the_reserve() {
        static FREE: AtomicU64 = AtomicU64::new(1 << 30);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(DATABASE_FILE);
        let disk = |files| {
            Disk::with_probe(files, |_| {
                Ok(Space {
                    free: FREE.load(Relaxed),
                    total: 1 << 30,
                })
            })
        };
        let database = Database::open_on(&file, HistorySync::Normal, disk).unwrap();
        let operators = database.with_reserve();
        let write = async |database: &Database| {
            let job = |store: &mut Store| store.set_csv_content("name", "written");
            database.write(Durability::Record, job).await
        };
        let reserve = folder.path().join("rookery.db.reserve");
        write(&operators).await.unwrap();
        assert!(reserve.exists(), "there was room");
        FREE.store(0, Relaxed);
        write(&operators).await.unwrap();
        assert!(!reserve.exists());
        let refused = write(&database).await;
        assert!(matches!(refused, Err(StoreError::DiskFull)), "{refused:?}");
        write(&operators).await.unwrap();
        FREE.store(1 << 30, Relaxed);
        database.disk().check(|_| 0);
        write(&database).await.unwrap();
        assert!(reserve.exists());
    }

    #[tokio::test]
    async fn nothing_is_written_to_files_that_were_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(DATABASE_FILE);
        let database = Database::open(&file, HistorySync::Normal).unwrap();
        let write = || {
            let job = |store: &mut Store| store.set_csv_content("name", "written");
            database.write(Durability::Record, job)
        };
        write().await.unwrap();
        let aside = folder.path().join("aside");
        std::fs::rename(&file, &aside).unwrap();
        let refused = write().await;
        assert!(matches!(refused, Err(StoreError::FilesReplaced { .. })));
        assert_eq!(database.disk().state(), DiskState::FilesReplaced);
        std::fs::rename(&aside, &file).unwrap();
        write().await.unwrap();
    }

    #[tokio::test]
    async fn a_panic_fails_its_job_but_not_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let database =
            Database::open(&folder.path().join(DATABASE_FILE), HistorySync::Full).unwrap();
        for _ in 0..=READERS {
            let broken: Result<()> = database.read(|_| panic!("on purpose")).await;
            assert!(matches!(broken, Err(StoreError::JobPanicked)));
        }
        let broken: Result<()> = database
            .write(Durability::Record, |store| {
                store.set_csv_content("name", "half done")?;
                panic!("on purpose")
            })
            .await;
        assert!(matches!(broken, Err(StoreError::JobPanicked)));
        assert_eq!(
            database
                .read(|store| store.csv_content("name"))
                .await
                .unwrap(),
            None
        );
        database
            .write(Durability::Record, |store| {
                store.set_csv_content("name", "done")
            })
            .await
            .unwrap();
        assert_eq!(
            database
                .read(|store| store.csv_content("name"))
                .await
                .unwrap()
                .as_deref(),
            Some("done")
        );
    }
}
