//! What is lost if the write-ahead log of a server that was killed has been damaged or removed.
//!
//! SQLite reads the log up to the first page that is not intact, and a missing log counts as an
//! empty one: after a power loss, its end is expected to be damaged. Nothing would show that the
//! newest changes are missing. But a kill leaves the index of the log, the file `-shm`, as it was
//! (SQLite, *WAL-mode File Format* §2). It contains how many pages were committed to the log, and
//! how many of these had been copied to the database. A clean stop removes both files unless it was
//! cut short, and after a power loss the index may be an older one; then nothing is known.

use std::fmt::{self, Display};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::disk::with_suffix;

/// The version of the format that is known here.
const VERSION: u32 = 3_007_000;
/// The length of the header of the index, which is stored twice.
const HEADER: usize = 48;

/// Changes that a killed server had committed to the write-ahead log, and that are no longer in it.
#[derive(Debug)]
pub struct LostChanges {
    database: PathBuf,
    /// The number of pages of the database that they were in.
    pub pages: u32,
}

impl LostChanges {
    pub(crate) fn of(database: &Path, pages: u32) -> Option<Self> {
        let database = database.to_owned();
        (pages > 0).then_some(Self { database, pages })
    }
}

impl Display for LostChanges {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "the server was killed, and the write-ahead log ({}-wal) has been damaged or removed \
             since: the changes in it, which are the newest ones, are lost, such as messages, \
             accounts, bans and entries of the audit trail",
            self.database.display()
        )
    }
}

/// The index of a write-ahead log, as the last process left it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogIndex {
    /// The number of pages that were committed to the log.
    committed: u32,
    /// How many of them had been copied to the database.
    copied: u32,
    /// Whether the log at its path is the one that the index describes.
    is_of_this_log: bool,
}

impl LogIndex {
    /// Reads the index of the database's log. Returns none if there is no intact one. Must not be
    /// called by a process that uses the index: it would lose its locks on the file (POSIX
    /// `fcntl`).
    pub fn read(database: &Path) -> Option<Self> {
        let index: [u8; 2 * HEADER + 4] = start_of(&with_suffix(database, "-shm"))?;
        let (first, rest) = index.split_at(HEADER);
        let (second, copied) = rest.split_at(HEADER);
        let number = |bytes: &[u8]| bytes.first_chunk().copied().map(u32::from_ne_bytes);
        let is_intact = first == second && number(first)? == VERSION && first[12] != 0;
        // Two random numbers that each beginning of a log changes.
        let salt = &first[32..40];
        let log: Option<[u8; 32]> = start_of(&with_suffix(database, "-wal"));
        is_intact.then_some(Self {
            committed: number(&first[16..])?,
            copied: number(copied)?,
            is_of_this_log: log.is_some_and(|log| log[16..24] == *salt),
        })
    }

    /// Returns how many committed pages are lost if SQLite has found `found` pages in the log.
    pub fn lost_pages(&self, found: u32) -> u32 {
        // Another log with pages in it is a later one, and the index is not up to date: a log
        // begins again only when all of its pages have been copied.
        if found > 0 && !self.is_of_this_log {
            return 0;
        }
        self.committed.saturating_sub(self.copied.max(found))
    }
}

/// Returns the first bytes of a file, if it has as many.
fn start_of<const N: usize>(file: &Path) -> Option<[u8; N]> {
    let mut start = [0; N];
    File::open(file).ok()?.read_exact(&mut start).ok()?;
    Some(start)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;
    use crate::{DATABASE_FILE, Store, StoreError};

    /// Returns the files of a server that was killed after three changes of its database.
    fn killed() -> (TempDir, PathBuf) {
        let (folder, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut store = Store::open(&folder.path().join(DATABASE_FILE)).unwrap();
        store.scrub().unwrap();
        for content in ["one", "two", "three"] {
            store
                .transaction(false, |store| store.set_csv_content("users.csv", content))
                .unwrap();
        }
        for file in fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
        let database = copy.path().join(DATABASE_FILE);
        (copy, database)
    }

    /// Returns how many pages are lost, and leaves the files as a start does.
    fn lost_pages(database: &Path) -> u32 {
        let lost = Store::lost_changes(database).unwrap();
        drop(Store::open(database).unwrap());
        lost.map_or(0, |lost| lost.pages)
    }

    #[test]
    fn what_a_damaged_truncated_or_removed_log_held_is_counted() {
        let (_folder, database) = killed();
        assert_eq!(lost_pages(&database), 0, "intact");
        assert_eq!(lost_pages(&database), 0, "after a clean stop");

        let log = |database: &Path| with_suffix(database, "-wal");
        let (_folder, database) = killed();
        fs::remove_file(log(&database)).unwrap();
        let all = lost_pages(&database);
        assert!(all >= 3, "{all}");
        let (_folder, database) = killed();
        fs::write(log(&database), "no log").unwrap();
        assert_eq!(lost_pages(&database), all);
        let (_folder, database) = killed();
        let mut damaged = fs::read(log(&database)).unwrap();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        fs::write(log(&database), &damaged).unwrap();
        let some = lost_pages(&database);
        assert!(0 < some && some < all, "{some} of {all}");
        let (_folder, database) = killed();
        let truncated = File::options().write(true).open(log(&database)).unwrap();
        truncated.set_len(middle.try_into().unwrap()).unwrap();
        assert_eq!(lost_pages(&database), some);
    }

    #[test]
    fn a_process_that_keeps_the_file_locked_is_reported() {
        let (_folder, database) = killed();
        let other = File::open(&database).unwrap();
        other.lock().unwrap();
        let refused = Store::lost_changes_within(&database, Duration::ZERO).unwrap_err();
        assert!(matches!(refused, StoreError::File { path, .. } if path == database));
        other.unlock().unwrap();
        assert_eq!(lost_pages(&database), 0);
    }

    #[test]
    fn an_index_that_is_not_intact_or_not_of_the_log_proves_nothing() {
        let (_folder, database) = killed();
        fs::remove_file(with_suffix(&database, "-wal")).unwrap();
        fs::write(with_suffix(&database, "-shm"), [0; 200]).unwrap();
        assert_eq!(lost_pages(&database), 0);
        let (_folder, database) = killed();
        let (_other_folder, other) = killed();
        let shm = |database: &Path| with_suffix(database, "-shm");
        fs::copy(shm(&other), shm(&database)).unwrap();
        assert_eq!(lost_pages(&database), 0);
    }
}
