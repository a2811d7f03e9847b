//! The record in `SQLite`: one connection to the database file, and the transactions on it. Each
//! family of tables has a file of its own.

mod accounts;
mod admins;
mod audit;
mod bans;
mod changes;
mod channels;
mod credentials;
mod devices;
mod history;
mod invitations;
mod maintenance;
mod metadata;
mod migrations;
mod pages;
mod presence;
mod search;
mod windows;

#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};
use std::{io, thread};

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, Params, Row};

use super::{Result, StoreError};
use history::Interned;

/// How long to wait for another process, such as `rookeryd admin`, to end its transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// More than there are statements in the files beside this one.
const CACHED_STATEMENTS: usize = 64;

/// One connection to the database file.
pub struct Store {
    connection: Connection,
    /// What `PRAGMA synchronous` stands at: FULL, or else NORMAL.
    full: bool,
    interned: Interned,
    /// Whether what was taken away may still stand in the write-ahead log.
    has_leftovers: bool,
}

impl Store {
    /// Opens the file for writing, making it, its folder and its tables where there are none.
    pub fn open(file: &Path) -> Result<Self> {
        make_file(file)?;
        let mut connection = connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        if connection.is_readonly(MAIN_DB)? {
            return Err(unopened(file, "there is no permission to write to it"));
        }
        migrations::refuse_newer(&connection)?;
        write_ahead(&connection)?;
        connection.execute_batch(
            "PRAGMA synchronous = NORMAL;
             PRAGMA secure_delete = ON;
             PRAGMA cache_size = -16384;
             PRAGMA journal_size_limit = 67108864;",
        )?;
        migrations::migrate(&mut connection)?;
        // The process before may have died before it emptied the log.
        Ok(Self {
            connection,
            full: false,
            interned: Interned::default(),
            has_leftovers: true,
        })
    }

    /// Opens the file for reading only.
    pub fn open_reader(file: &Path) -> Result<Self> {
        let connection = connect(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        migrations::refuse_newer(&connection)?;
        Ok(Self {
            connection,
            full: false,
            interned: Interned::default(),
            has_leftovers: false,
        })
    }

    /// Whether [`Self::sweep`] has something to do.
    pub fn has_leftovers(&self) -> bool {
        self.has_leftovers
    }

    /// Empties the write-ahead log, so that what was taken away is gone from the disk: the database
    /// file itself holds zeros in its place. While somebody reads, some of it may have to stay
    /// until another time.
    pub fn sweep(&mut self) -> Result<()> {
        self.connection.busy_timeout(Duration::ZERO)?;
        let busy = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
        self.connection.busy_timeout(BUSY_TIMEOUT)?;
        self.has_leftovers = busy?;
        Ok(())
    }

    /// Runs `job` in one transaction; with `full`, it is on the disk itself when this returns.
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
        self.execute("BEGIN IMMEDIATE")?;
        let mut open = OpenTransaction {
            sqlite: self,
            committed: false,
        };
        let value = job(open.sqlite)?;
        open.sqlite.execute("COMMIT")?;
        open.committed = true;
        Ok(value)
    }

    /// Runs `job` in one transaction, of which nothing is kept.
    pub fn rehearsal<T>(&mut self, job: impl FnOnce(&mut Store) -> Result<T>) -> Result<T> {
        self.execute("BEGIN IMMEDIATE")?;
        let open = OpenTransaction {
            sqlite: self,
            committed: false,
        };
        job(open.sqlite)
    }

    /// Runs `job` on the record as it stands now, whatever is written meanwhile.
    pub fn snapshot<T>(&self, job: impl FnOnce(&Store) -> Result<T>) -> Result<T> {
        // Ends the transaction when dropped, also by a panic.
        let _transaction = self.connection.unchecked_transaction()?;
        job(self)
    }

    fn execute(&self, sql: &str) -> Result<usize> {
        Ok(self.connection.prepare_cached(sql)?.execute([])?)
    }
}

/// Rolls back unless committed: after an error, and when the job panics.
struct OpenTransaction<'a> {
    sqlite: &'a mut Store,
    committed: bool,
}

impl Drop for OpenTransaction<'_> {
    fn drop(&mut self) {
        if self.committed {
            return;
        }
        self.sqlite.interned.forget();
        // SQLite has rolled back by itself after some errors, a full disk for one.
        if !self.sqlite.connection.is_autocommit()
            && let Err(error) = self.sqlite.execute("ROLLBACK")
        {
            tracing::error!(%error, "a transaction could not be rolled back");
        }
    }
}

/// The file is its owner's alone, and so are those that `SQLite` puts beside it: they take after
/// it.
fn make_file(file: &Path) -> Result<()> {
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
    // A file that is there is not touched: to open and close it would take away the locks that this
    // process has on it.
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
    {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(unopened(file, error)),
        _ => Ok(()),
    }
}

fn connect(file: &Path, access: OpenFlags) -> Result<Connection> {
    let connection = Connection::open_with_flags(file, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|error| unopened(file, error))?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    Ok(connection)
}

fn unopened(file: &Path, reason: impl Display) -> StoreError {
    StoreError::File {
        path: file.to_owned(),
        reason: reason.to_string(),
    }
}

/// Turns to write-ahead logging, which lets readers read while the writer writes. `SQLite` does not
/// wait when two processes do so at the same time, so this waits for it.
fn write_ahead(connection: &Connection) -> Result<()> {
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        match connection.execute_batch("PRAGMA journal_mode = WAL") {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && Instant::now() < deadline =>
            {
                thread::sleep(Duration::from_millis(10));
            }
            result => return Ok(result?),
        }
    }
}

/// The first row that `sql` gives, read by `read`.
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

/// Every row that `sql` gives, read by `read`.
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

/// How many rows `sql` changed.
fn execute(connection: &Connection, sql: &str, params: impl Params) -> Result<usize> {
    Ok(connection.prepare_cached(sql)?.execute(params)?)
}

/// A name, email or the like, parsed again: what is in the file may have been put there by anyone.
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
    Timestamp::from_millisecond(value)
        .map_err(|_| StoreError::Corrupt(format!("{value} as milliseconds since 1970")))
}

fn column_name(row: &Row<'_>, column: usize) -> String {
    row.as_ref()
        .column_name(column)
        .unwrap_or("a column")
        .to_owned()
}
