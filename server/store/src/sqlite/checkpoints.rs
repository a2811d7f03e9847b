//! Checkpoints: copies of pages from the write-ahead log to the database file.
//!
//! A checkpoint waits for the disk several times (`fsync`), for milliseconds each. If the writing
//! thread ran it, as is SQLite's default, every message of that moment would wait too. So a thread
//! of its own copies most of the pages. SQLite writes the log from its start again only if all of
//! it has been copied, and while messages keep coming, some are added during the checkpoint. When
//! the log has become long, the writing thread copies these few itself. If the other thread does
//! not keep up, it copies all of them, which slows the writes down to what the disk can do.

use std::ffi::c_int;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};

use parking_lot::Mutex;
use rusqlite::hooks::Wal;
use rusqlite::{Connection, OpenFlags};

use super::{Store, connect, is_busy};
use crate::Result;

/// After how many more pages in the log the next checkpoint begins: 4 MiB. In a power failure, what
/// has not been copied may be lost unless it was committed with `FULL`.
const CHECKPOINT_PAGES: c_int = 1024;
/// The number of pages, 16 MiB, with which the log is long. If so many have been added since the
/// last checkpoint began, the thread that runs them does not keep up.
const LONG_LOG_PAGES: c_int = 4 * CHECKPOINT_PAGES;

/// Locked while a checkpoint runs. SQLite does not wait for another one: it copies nothing.
pub(super) type Turn = Arc<Mutex<()>>;

impl Store {
    /// Leaves the checkpoints to the returned connection, which is for a thread of its own. While
    /// `has_room` returns false, the log must not grow, and this connection runs them.
    pub(crate) fn leave_checkpoints(
        &mut self,
        file: &Path,
        has_room: impl Fn() -> bool + Send + 'static,
    ) -> Result<Checkpointer> {
        let (sender, wanted) = mpsc::sync_channel(0);
        let turn = Arc::clone(&self.checkpoint_turn);
        // The number of pages in the log at the beginning of the last checkpoint.
        let mut begun_at = 0;
        // Replaces SQLite's own checkpoints. An error here would fail a commit that has succeeded.
        self.connection.wal_hook(Some(move |log: &mut Wal, pages| {
            if pages < begun_at {
                begun_at = 0;
            }
            let added = pages - begun_at;
            if added >= LONG_LOG_PAGES || pages >= CHECKPOINT_PAGES && !has_room() {
                let _turn = turn.lock();
                run(|| log.checkpoint());
                begun_at = pages;
            } else if added >= CHECKPOINT_PAGES {
                // Fails while the last checkpoint is still running; a later commit tries again.
                if sender.try_send(()).is_ok() {
                    begun_at = pages;
                }
            } else if pages >= LONG_LOG_PAGES
                && let Some(_turn) = turn.try_lock()
            {
                run(|| log.checkpoint());
            }
            Ok(())
        }))?;
        Ok(Checkpointer {
            connection: connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?,
            wanted,
            turn: Arc::clone(&self.checkpoint_turn),
        })
    }
}

/// Runs a checkpoint. What is left after an error is copied by the next one.
fn run(checkpoint: impl FnOnce() -> rusqlite::Result<()>) {
    if let Err(error) = checkpoint()
        // Another process is running one.
        && !is_busy(&error)
    {
        tracing::warn!(%error, "the write-ahead log cannot be copied to the database");
    }
}

/// A connection that runs the checkpoints of a store.
pub(crate) struct Checkpointer {
    connection: Connection,
    wanted: Receiver<()>,
    turn: Turn,
}

impl Checkpointer {
    /// Runs checkpoints until the store is closed.
    pub fn run_until_closed(&self) {
        for () in &self.wanted {
            self.run();
        }
    }

    /// Copies what is in the write-ahead log to the database file.
    pub fn run(&self) {
        let _turn = self.turn.lock();
        run(|| copy_log(&self.connection).map(drop));
    }
}

/// Copies what is in the write-ahead log to the database file, and returns how many pages SQLite
/// has found in the log.
pub(super) fn copy_log(connection: &Connection) -> rusqlite::Result<u32> {
    let sql = "PRAGMA wal_checkpoint(PASSIVE)";
    let pages: i64 = connection.query_row(sql, [], |row| row.get(1))?;
    Ok(u32::try_from(pages).unwrap_or_default())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::thread;
    use std::time::{Duration, Instant};

    use rusqlite::Connection;
    use tempfile::TempDir;

    use super::*;
    use crate::sqlite::tests::empty_store;

    /// A store that is written to, and a connection that observes its log.
    struct Written {
        store: Store,
        outside: Connection,
        writes: usize,
    }

    impl Written {
        /// Returns the number of pages in the log, and how many of them were copied.
        fn log(&self) -> (c_int, c_int) {
            let sql = "PRAGMA wal_checkpoint(NOOP)";
            let counts = |row: &rusqlite::Row<'_>| Ok((row.get(1)?, row.get(2)?));
            self.outside.query_row(sql, [], counts).unwrap()
        }

        fn write(&mut self) {
            self.writes += 1;
            let content = self.writes.to_string().repeat(50_000);
            self.store
                .transaction(false, |store| store.set_csv_content("name", &content))
                .unwrap();
        }

        /// Writes until the log starts again. Returns how many pages it had.
        fn write_until_it_starts_again(&mut self) -> c_int {
            let deadline = Instant::now() + Duration::from_mins(1);
            let mut longest = 0;
            loop {
                self.write();
                let (pages, _) = self.log();
                if pages < longest {
                    return longest;
                }
                assert!(Instant::now() < deadline, "{pages} pages");
                longest = pages;
            }
        }
    }

    fn written(has_room: bool) -> (TempDir, Written, Checkpointer) {
        let (folder, mut store) = empty_store();
        let file = folder.path().join(crate::DATABASE_FILE);
        let checkpointer = store.leave_checkpoints(&file, move || has_room).unwrap();
        let outside = Connection::open(&file).unwrap();
        let written = Written {
            store,
            outside,
            writes: 0,
        };
        (folder, written, checkpointer)
    }

    /// Writes until the log has started again three times, while the other thread runs checkpoints.
    /// Returns how many pages it had each time.
    fn longest_logs(has_room: bool) -> [c_int; 3] {
        let (_folder, mut written, checkpointer) = written(has_room);
        thread::scope(|scope| {
            scope.spawn(move || checkpointer.run_until_closed());
            let longest = std::array::from_fn(|_| written.write_until_it_starts_again());
            // Ends the thread.
            drop(written);
            longest
        })
    }

    #[test]
    fn the_other_thread_copies_the_pages() {
        let (_folder, mut written, checkpointer) = written(true);
        let request = thread::spawn(move || {
            checkpointer.wanted.recv().unwrap();
            checkpointer
        });
        while !request.is_finished() {
            let (pages, copied) = written.log();
            assert!(copied == 0 && pages < LONG_LOG_PAGES, "{pages} {copied}");
            written.write();
        }
        assert!(written.log().0 >= CHECKPOINT_PAGES);
        request.join().unwrap().run();
        let (pages, copied) = written.log();
        assert_eq!(pages, copied);
    }

    #[test]
    fn the_log_starts_again_although_writes_continue() {
        let longest = longest_logs(true);
        let is_grown = longest.iter().all(|pages| *pages >= CHECKPOINT_PAGES);
        assert!(is_grown, "{longest:?}");
    }

    #[test]
    fn the_writer_copies_the_pages_if_the_other_thread_does_not_keep_up() {
        let (_folder, mut written, _checkpointer) = written(true);
        for _ in 0..2 {
            let longest = written.write_until_it_starts_again();
            assert!(longest < LONG_LOG_PAGES + CHECKPOINT_PAGES, "{longest}");
        }
    }

    #[test]
    fn the_log_stays_short_while_there_is_no_room() {
        let longest = longest_logs(false);
        let is_short = longest.iter().all(|pages| *pages < 2 * CHECKPOINT_PAGES);
        assert!(is_short, "{longest:?}");
    }
}
