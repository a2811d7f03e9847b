//! One connection to the SQLite database, and the transactions on it. Each kind of record has a
//! file of its own in this folder.

mod accounts;
mod admins;
mod audit;
mod bans;
mod changes;
mod channels;
mod checkpoints;
mod clock;
mod credentials;
mod csv_sync;
mod devices;
mod free_pages;
mod history;
mod invitations;
mod maintenance;
mod metadata;
mod migrations;
mod pages;
mod presence;
mod search;
mod silences;

#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{io, thread};

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, Params, Row};

use super::{Result, StoreError};
use crate::disk::{LOCK_TIMEOUT, OpenFiles, with_suffix};
use crate::log_index::{LogIndex, LostChanges};
use crate::taken_names::TakenNames;
use audit::KnownHead;
pub use credentials::{TriedBy, TriedCode};
pub use free_pages::PageCounts;
use history::Interned;

/// The pause before what another process has delayed is tried again.
const LOCK_RETRY: Duration = Duration::from_millis(5);
/// How long [`connect_alone`] waits for a process that uses the database.
const ALONE_TIMEOUT: Duration = Duration::from_millis(5);
/// More than the number of statements in this folder, so that none is prepared twice.
const CACHED_STATEMENTS: usize = 64;

/// One connection to the database file.
pub struct Store {
    connection: Connection,
    /// Whether `PRAGMA synchronous` is FULL; otherwise it is NORMAL.
    full: bool,
    interned: Interned,
    /// Whether the write-ahead log may contain deleted text.
    needs_scrub: bool,
    checkpoint_turn: checkpoints::Turn,
    files: OpenFiles,
    audit_head: KnownHead,
    /// Empty on a connection that only reads.
    taken_names: Arc<TakenNames>,
}

impl Store {
    /// Opens the file for writing, creating it, its folder and its tables if necessary.
    pub fn open(file: &Path) -> Result<Self> {
        create_file(file)?;
        let mut connection = connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        // Takes effect if the file is still empty, and otherwise with the next VACUUM.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        if connection.is_readonly(MAIN_DB)? {
            return Err(cannot_open(file, "there is no permission to write to it"));
        }
        migrations::refuse_newer(&connection)?;
        enable_write_ahead_log(&connection)?;
        connection.execute_batch(
            "PRAGMA synchronous = NORMAL;
             PRAGMA secure_delete = ON;
             PRAGMA cache_size = -16384;
             PRAGMA journal_size_limit = 67108864;",
        )?;
        migrations::migrate(&mut connection)?;
        let audit_head = KnownHead::read(&connection)?;
        let taken_names = Arc::new(accounts::taken_names(&connection)?);
        Ok(Self {
            connection,
            full: false,
            interned: Interned::default(),
            // The previous process may have died before it emptied the log.
            needs_scrub: true,
            checkpoint_turn: checkpoints::Turn::default(),
            files: OpenFiles::of(file),
            audit_head,
            taken_names,
        })
    }

    /// Returns what is missing in the write-ahead log that a killed server left. Opening the
    /// database removes the evidence, so each program that may be the first to open it after the
    /// kill calls this before, and reports the answer. Returns none while another process uses the
    /// database, because that one has called this. Must not be called by a process that has opened
    /// the database: it would lose its locks on the file (POSIX `fcntl`).
    pub fn lost_changes(file: &Path) -> Result<Option<LostChanges>> {
        Self::lost_changes_within(file, LOCK_TIMEOUT)
    }

    /// Like [`Self::lost_changes`], but waits for that long at most for a process that holds the
    /// lock of the file.
    pub(crate) fn lost_changes_within(
        file: &Path,
        timeout: Duration,
    ) -> Result<Option<LostChanges>> {
        let may_be_lost = || LogIndex::read(file).is_some_and(|left| left.lost_pages(0) > 0);
        if !may_be_lost() {
            return Ok(None);
        }
        // Of several programs that are started at the same time, the first removes the evidence and
        // the others wait for it. SQLite's own locks (`fcntl`) are separate from this one
        // (`flock`). The file is closed after the connection, because closing it earlier would
        // release the connection's locks.
        let Some(_one_at_a_time) = lock_file(file, timeout)? else {
            return Ok(None);
        };
        if !may_be_lost() {
            return Ok(None);
        }
        let Some(connection) = connect_alone(file)? else {
            return Ok(None);
        };
        // Only now do the index and the log belong together: a process that closes the database
        // removes one after the other.
        let Some(left) = LogIndex::read(file) else {
            return Ok(None);
        };
        let lost = left.lost_pages(checkpoints::copy_log(&connection)?);
        // The connection does not use the index, and removes the log when it is closed.
        let _ = fs::remove_file(with_suffix(file, "-shm"));
        Ok(LostChanges::of(file, lost))
    }

    /// Fails if the file exists and is not a database that this version of the server can open.
    /// Changes nothing. Must not be called by a process that has opened the database: it would lose
    /// its locks on the file (POSIX `fcntl`).
    pub fn check(file: &Path) -> Result<()> {
        migrations::check(file)
    }

    /// Opens the file for reading only.
    pub fn open_reader(file: &Path) -> Result<Self> {
        let connection = connect(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        migrations::refuse_newer(&connection)?;
        Ok(Self {
            connection,
            full: false,
            interned: Interned::default(),
            needs_scrub: false,
            checkpoint_turn: checkpoints::Turn::default(),
            files: OpenFiles::of(file),
            audit_head: KnownHead::default(),
            taken_names: Arc::default(),
        })
    }

    /// Whether [`Self::scrub`] has something to do.
    pub fn needs_scrub(&self) -> bool {
        self.needs_scrub
    }

    /// Empties the write-ahead log, so that no deleted text is left on disk: in the database file
    /// itself, `secure_delete` has overwritten it with zeros. While other connections read, part of
    /// the log may have to stay; [`Self::needs_scrub`] then remains true.
    pub fn scrub(&mut self) -> Result<()> {
        let turn = Arc::clone(&self.checkpoint_turn);
        let _turn = turn.lock();
        self.connection.busy_timeout(Duration::ZERO)?;
        let busy = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
        self.connection.busy_timeout(LOCK_TIMEOUT)?;
        self.needs_scrub = busy?;
        Ok(())
    }

    /// Returns the files of the database.
    pub(crate) fn files(&self) -> &OpenFiles {
        &self.files
    }

    /// Returns the names that accounts have or had. Only a connection that writes knows them.
    pub(crate) fn taken_names(&self) -> &Arc<TakenNames> {
        &self.taken_names
    }

    /// Runs `job` in one transaction. If `full` is true, its changes survive a power loss once this
    /// returns.
    pub fn transaction<T>(
        &mut self,
        full: bool,
        job: impl FnOnce(&mut Store) -> Result<T>,
    ) -> Result<T> {
        if self.full != full {
            let level = if full { "FULL" } else { "NORMAL" };
            self.connection.pragma_update(None, "synchronous", level)?;
            self.full = full;
        }
        self.begin()?;
        let mut open = OpenTransaction {
            sqlite: self,
            committed: false,
        };
        let value = job(open.sqlite)?;
        open.sqlite.files.verify()?;
        open.sqlite.execute("COMMIT")?;
        open.committed = true;
        open.sqlite.audit_head.commit();
        Ok(value)
    }

    /// Runs `job` in one transaction and rolls it back.
    pub fn dry_run<T>(&mut self, job: impl FnOnce(&mut Store) -> Result<T>) -> Result<T> {
        self.begin()?;
        let open = OpenTransaction {
            sqlite: self,
            committed: false,
        };
        job(open.sqlite)
    }

    /// Runs `job` on a snapshot of the current state, which concurrent writes do not change.
    pub fn snapshot<T>(&self, job: impl FnOnce(&Store) -> Result<T>) -> Result<T> {
        // Dropped at the end of this function, also in a panic, which ends the transaction.
        let _transaction = self.connection.unchecked_transaction()?;
        job(self)
    }

    /// Begins a transaction that writes. Waits for that of another process, unless an earlier wait
    /// for it was in vain.
    fn begin(&self) -> Result<()> {
        let lock = &self.files.lock;
        self.connection.busy_timeout(Duration::ZERO)?;
        let begun = loop {
            match self.execute("BEGIN IMMEDIATE") {
                Err(StoreError::Database(error)) if is_busy(&error) => {
                    if lock.note() >= LOCK_TIMEOUT {
                        break Err(StoreError::Locked);
                    }
                    thread::sleep(LOCK_RETRY);
                }
                result => {
                    lock.end();
                    break result.map(drop);
                }
            }
        };
        self.connection.busy_timeout(LOCK_TIMEOUT)?;
        begun
    }

    fn execute(&self, sql: &str) -> Result<usize> {
        Ok(self.connection.prepare_cached(sql)?.execute([])?)
    }
}

/// Rolls back when dropped before the commit: after an error, or when the job panics.
struct OpenTransaction<'a> {
    sqlite: &'a mut Store,
    committed: bool,
}

impl Drop for OpenTransaction<'_> {
    fn drop(&mut self) {
        if self.committed {
            return;
        }
        self.sqlite.interned.clear();
        self.sqlite.audit_head.roll_back();
        // After some errors, such as a full disk, SQLite has already rolled back.
        if !self.sqlite.connection.is_autocommit()
            && let Err(error) = self.sqlite.execute("ROLLBACK")
        {
            tracing::error!(%error, "a transaction could not be rolled back");
        }
    }
}

/// Creates the file, readable by its owner only. The log files that SQLite creates next to it
/// inherit its mode.
fn create_file(file: &Path) -> Result<()> {
    if let Some(folder) = file.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| StoreError::Folder {
                path: folder.to_owned(),
                error,
            })?;
    }
    if file.is_dir() {
        return Err(cannot_open(file, "it is a folder"));
    }
    // An existing file is not touched: opening and closing it would release the locks that this
    // process holds on it.
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
    {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(cannot_open(file, error)),
        _ => Ok(()),
    }
}

fn connect(file: &Path, access: OpenFlags) -> Result<Connection> {
    let connection = Connection::open_with_flags(file, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|error| cannot_open(file, error))?;
    connection.busy_timeout(LOCK_TIMEOUT)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    audit::add_functions(&connection)?;
    Ok(connection)
}

/// Locks the file (`flock`) until the returned one is dropped. Waits for another process that holds
/// the lock, up to `timeout`. Returns none if this process cannot write to the file.
fn lock_file(file: &Path, timeout: Duration) -> Result<Option<File>> {
    let locked = match File::options().read(true).write(true).open(file) {
        Ok(opened) => opened,
        Err(error) if is_readonly(&error) => return Ok(None),
        Err(error) => return Err(cannot_open(file, error)),
    };
    let deadline = Instant::now() + timeout;
    loop {
        match locked.try_lock() {
            Ok(()) => return Ok(Some(locked)),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                thread::sleep(LOCK_RETRY);
            }
            Err(TryLockError::WouldBlock) => {
                return Err(cannot_open(file, "another process keeps it locked (flock)"));
            }
            Err(TryLockError::Error(error)) => return Err(cannot_open(file, error)),
        }
    }
}

fn is_readonly(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    )
}

/// Opens the file if no other process uses it, and lets none use it until the connection is closed.
/// The connection has an index of the write-ahead log of its own, in memory.
fn connect_alone(file: &Path) -> Result<Option<Connection>> {
    let connection = connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    if connection.is_readonly(MAIN_DB)? {
        return Ok(None);
    }
    connection.busy_timeout(ALONE_TIMEOUT)?;
    let lock = "PRAGMA locking_mode = EXCLUSIVE; SELECT count(*) FROM sqlite_schema;";
    match connection.execute_batch(lock) {
        Ok(()) => Ok(Some(connection)),
        Err(error) if is_busy(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn cannot_open(file: &Path, reason: impl Display) -> StoreError {
    StoreError::File {
        path: file.to_owned(),
        reason: reason.to_string(),
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

/// Switches to write-ahead logging, which lets readers read while the writer writes. SQLite does
/// not wait when two processes switch at the same time, so this retries until [`LOCK_TIMEOUT`].
fn enable_write_ahead_log(connection: &Connection) -> Result<()> {
    let deadline = Instant::now() + LOCK_TIMEOUT;
    loop {
        match connection.execute_batch("PRAGMA journal_mode = WAL") {
            Err(error) if is_busy(&error) && Instant::now() < deadline => {
                thread::sleep(LOCK_RETRY);
            }
            result => return Ok(result?),
        }
    }
}

/// Returns the first row of the query `sql`, converted by `read`.
fn find<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: fn(&Row<'_>) -> Result<T>,
) -> Result<Option<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(read).transpose()
}

/// Returns all rows of the query `sql`, converted by `read`.
fn list<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: fn(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    connection
        .prepare_cached(sql)?
        .query_and_then(params, read)?
        .collect()
}

/// Executes `sql` and returns how many rows it changed.
fn execute(connection: &Connection, sql: &str, params: impl Params) -> Result<usize> {
    Ok(connection.prepare_cached(sql)?.execute(params)?)
}

/// Parses a text column, for example a name or an email. Other programs can write to the file, so
/// the text may be invalid.
fn parsed<T: FromStr>(row: &Row<'_>, column: usize) -> Result<T> {
    let text: String = row.get(column)?;
    text.parse()
        .map_err(|_| StoreError::Corrupt(format!("{:?} as {}", text, column_name(row, column))))
}

fn optional<T: FromStr>(row: &Row<'_>, column: usize) -> Result<Option<T>> {
    row.get::<_, Option<String>>(column)?
        .map(|_| parsed(row, column))
        .transpose()
}

fn timestamp(row: &Row<'_>, column: usize) -> Result<Timestamp> {
    from_milliseconds(row.get(column)?)
}

fn optional_timestamp(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>> {
    row.get::<_, Option<i64>>(column)?
        .map(from_milliseconds)
        .transpose()
}

fn from_milliseconds(value: i64) -> Result<Timestamp> {
    // `from_millisecond` refuses the last second of the calendar, which can be stored.
    Timestamp::from_nanosecond(i128::from(value) * 1_000_000)
        .map_err(|_| StoreError::Corrupt(format!("{value} as milliseconds since 1970")))
}

fn column_name(row: &Row<'_>, column: usize) -> String {
    row.as_ref()
        .column_name(column)
        .unwrap_or("a column")
        .to_owned()
}
