//! Checkpoints: copies of pages from the write-ahead log to the database file.
//!
//! A checkpoint waits for the disk several times (`fsync`), for milliseconds each. If the writing
//! thread ran it, as is SQLite's default, every message of that moment would wait too. So a thread
//! of its own copies most of the pages. SQLite writes the log from its start again only if all of
//! it has been copied, and while messages keep coming, some are added during the checkpoint. These
//! few are copied by the writing thread.

use std::ffi::c_int;
use std::path::Path;
use std::sync::mpsc::SyncSender;

use rusqlite::hooks::Wal;
use rusqlite::{Connection, OpenFlags};

use super::{Store, connect};
use crate::Result;

/// After how many more pages in the log, 16 MiB, the next checkpoint begins. In a power failure,
/// what is in the log may be lost unless it was committed with `FULL`.
const CHECKPOINT_PAGES: c_int = 4 * 1024;
/// The same while the log must stay short, 4 MiB: while space runs out, or if every message is
/// committed with `FULL`, since its `fsync` would wait for the pages of a long checkpoint.
const SHORT_LOG_PAGES: c_int = 1024;

impl Store {
    /// Leaves the checkpoints to another thread, which receives a value for each from `wanted`, a
    /// channel without a buffer. While `may_grow` returns false, the log stays short.
    pub(crate) fn leave_checkpoints(
        &mut self,
        wanted: SyncSender<()>,
        may_grow: impl Fn() -> bool + Send + 'static,
    ) -> Result<()> {
        // The number of pages in the log at the beginning of the last checkpoint.
        let mut begun_at = 0;
        // Replaces SQLite's own checkpoints. An error here would fail a commit that has succeeded.
        self.connection.wal_hook(Some(move |log: &mut Wal, pages| {
            if pages < begun_at {
                begun_at = 0;
            }
            let limit = if may_grow() {
                CHECKPOINT_PAGES
            } else {
                SHORT_LOG_PAGES
            };
            if pages - begun_at >= limit {
                // Fails while the last checkpoint is still running; a later commit tries again.
                if wanted.try_send(()).is_ok() {
                    begun_at = pages;
                }
            } else if pages >= limit {
                // Copies the few pages that have been added since. Fails at once while the other
                // thread is still at work.
                let _ = log.checkpoint();
            }
            Ok(())
        }))?;
        Ok(())
    }
}

/// A connection that runs checkpoints.
pub(crate) struct Checkpointer(Connection);

impl Checkpointer {
    /// Opens the file of a database that is already open.
    pub fn open(file: &Path) -> Result<Self> {
        connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE).map(Self)
    }

    /// Copies what is in the write-ahead log to the database file, without delaying those who write
    /// or read. What is left after an error is copied by the next one.
    pub fn run(&self) {
        let sql = "PRAGMA wal_checkpoint(PASSIVE)";
        if let Err(error) = self.0.query_row(sql, [], |_| Ok(())) {
            tracing::warn!(%error, "the write-ahead log cannot be copied to the database");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::{Duration, Instant};

    use rusqlite::Connection;

    use super::*;
    use crate::sqlite::tests::empty_store;

    /// A store and the thread that runs its checkpoints.
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

    fn written(may_grow: bool, test: impl FnOnce(Written)) {
        let (folder, mut store) = empty_store();
        let file = folder.path().join(crate::DATABASE_FILE);
        let (wanted, checkpoints) = mpsc::sync_channel(0);
        store.leave_checkpoints(wanted, move || may_grow).unwrap();
        let checkpointer = Checkpointer::open(&file).unwrap();
        thread::scope(|scope| {
            scope.spawn(move || {
                for () in checkpoints {
                    checkpointer.run();
                }
            });
            test(Written {
                store,
                outside: Connection::open(&file).unwrap(),
                writes: 0,
            });
        });
    }

    #[test]
    fn pages_are_copied_by_the_other_thread_while_the_log_grows() {
        written(true, |mut written| {
            while written.log().0 < CHECKPOINT_PAGES {
                assert_eq!(written.log().1, 0, "by the writer");
                written.write();
            }
            let deadline = Instant::now() + Duration::from_secs(20);
            while written.log().1 < CHECKPOINT_PAGES {
                assert!(Instant::now() < deadline, "{:?}", written.log());
                thread::yield_now();
            }
        });
    }

    #[test]
    fn the_log_starts_again_although_writes_continue() {
        written(true, |mut written| {
            for _ in 0..2 {
                let longest = written.write_until_it_starts_again();
                let bounds = CHECKPOINT_PAGES..3 * CHECKPOINT_PAGES;
                assert!(bounds.contains(&longest), "{longest}");
            }
        });
    }

    #[test]
    fn the_log_stays_short_while_it_must() {
        written(false, |mut written| {
            for _ in 0..3 {
                let longest = written.write_until_it_starts_again();
                assert!(longest < 3 * SHORT_LOG_PAGES, "{longest}");
            }
        });
    }
}
