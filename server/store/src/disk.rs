//! The disk under the database: how much space is left, what may still be written, whether the
//! files are still the ones that the server opened, and whether another process locks them.
//!
//! **Space.** Below a limit that the caller sets, messages are no longer stored; what is left is
//! for accounts and bans. When the disk is really full, operators still have to sign in, ban and
//! purge, each with an entry in the audit trail. For them there is a reserve: a file beside the
//! database that occupies space and is deleted at the first write of an operator that needs it.
//!
//! **Files.** When the database is deleted or replaced while it is open, SQLite continues to write
//! to the old file, which disappears with the process. Before each commit, the files at the paths
//! are therefore compared with the open ones.
//!
//! **Locks.** While another process writes to the database, a write waits, up to [`LOCK_TIMEOUT`].
//! Those that follow one that has waited in vain fail at once, until the lock has ended: otherwise
//! each would wait, and what is queued behind them for minutes.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::StoreError;

/// How long a write waits for the transaction of another process, such as `rookeryd admin`.
pub(crate) const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a lock of another process is nothing to report.
const SHORT_LOCK: Duration = Duration::from_millis(200);
/// What follows the database's file name in that of the reserve.
const RESERVE_SUFFIX: &str = ".reserve";
/// The size of the reserve. A purge writes 4 MiB or a little more to the write-ahead log before it
/// starts again.
const RESERVE_BYTES: u64 = 8 << 20;
/// With less free space than this, an operator's write needs the reserve.
const FULL_BYTES: u64 = 1 << 20;
/// How much must be free beside the reserve before it is created again.
const REFILL_MARGIN: u64 = 2 << 20;

/// What can be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum DiskState {
    /// Everything.
    Normal,
    /// No messages, because less space is free than the limit.
    Low,
    /// Only what may use the reserve, because the disk is full.
    Full,
    /// Nothing: the database's files were deleted or replaced.
    FilesReplaced,
}

/// The space on a disk, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space {
    pub free: u64,
    pub total: u64,
}

/// The disk under one database.
#[derive(Debug)]
pub struct Disk {
    files: OpenFiles,
    folder: PathBuf,
    probe: fn(&Path) -> io::Result<Space>,
    /// A [`DiskState`].
    state: AtomicU8,
    free_bytes: AtomicU64,
    /// Whether the reserve exists.
    reserve: Mutex<bool>,
}

impl Disk {
    /// Starts to observe the disk of an open database, and creates the reserve.
    pub(crate) fn new(files: OpenFiles) -> Self {
        Self::with_probe(files, space)
    }

    pub(crate) fn with_probe(files: OpenFiles, probe: fn(&Path) -> io::Result<Space>) -> Self {
        let parent = files.database.parent().unwrap_or(Path::new(""));
        // An empty path is the working folder.
        let folder = Path::new(".").join(parent);
        let disk = Self {
            files,
            folder,
            probe,
            state: AtomicU8::new(DiskState::Normal as u8),
            free_bytes: AtomicU64::new(0),
            reserve: Mutex::new(false),
        };
        // One that is too small was not finished, or the disk has grown.
        let existing = fs::metadata(disk.reserve_file()).map_or(0, |file| file.len());
        // On a small disk, a smaller one.
        let wanted = RESERVE_BYTES.min(disk.space().free.saturating_add(existing) / 2);
        *disk.reserve.lock() = existing >= wanted.max(1) || disk.write_reserve(wanted);
        disk
    }

    /// Returns what can be stored, as of the latest check.
    pub fn state(&self) -> DiskState {
        match self.state.load(Relaxed) {
            0 => DiskState::Normal,
            1 => DiskState::Low,
            2 => DiskState::Full,
            _ => DiskState::FilesReplaced,
        }
    }

    /// Returns the number of free bytes, as of the latest check.
    pub fn free_bytes(&self) -> u64 {
        self.free_bytes.load(Relaxed)
    }

    /// Returns why not everything can be stored; `Ok` in the normal state.
    pub fn health(&self) -> Result<(), String> {
        let free = self.free_bytes() >> 20;
        match self.state() {
            DiskState::Normal if self.files.lock.age() > SHORT_LOCK => Err(format!(
                "another program has locked the database: nothing can be stored until it ends \
                 (`fuser {}` shows which)",
                self.files.database.display()
            )),
            DiskState::Normal => Ok(()),
            DiskState::Low => Err(format!(
                "the disk is nearly full ({free} MiB free): messages are refused; make room, for \
                 example by purging channels, or lower limits.disk_reserve_mb"
            )),
            DiskState::Full => Err(format!(
                "the disk is full ({free} MiB free): only operators can still write, from a small \
                 reserve; make room now"
            )),
            DiskState::FilesReplaced => Err(self.files.error().to_string()),
        }
    }

    /// Looks at the disk and returns the state. Messages may be stored while at least as many bytes
    /// are free as `limit` returns for the total size of the disk.
    pub fn check(&self, limit: impl FnOnce(u64) -> u64) -> DiskState {
        let Space { mut free, total } = self.space();
        let mut reserve = self.reserve.lock();
        if !*reserve && free >= RESERVE_BYTES + REFILL_MARGIN {
            *reserve = self.write_reserve(RESERVE_BYTES);
            free = self.space().free;
        }
        self.free_bytes.store(free, Relaxed);
        let state = if !self.files.are_open_ones() {
            DiskState::FilesReplaced
        } else if free < FULL_BYTES || !*reserve && free < RESERVE_BYTES {
            DiskState::Full
        } else if free < limit(total) {
            DiskState::Low
        } else {
            DiskState::Normal
        };
        // While the reserve is locked: one that is released in the meantime changes the state.
        self.state.store(state as u8, Relaxed);
        drop(reserve);
        state
    }

    /// Prepares for the write of an operator: releases the reserve if the disk is full.
    pub(crate) fn make_room(&self) {
        if self.space().free >= FULL_BYTES {
            return;
        }
        let mut reserve = self.reserve.lock();
        if !*reserve {
            return;
        }
        let removed = fs::remove_file(self.reserve_file());
        *reserve = matches!(&removed, Err(error) if error.kind() != io::ErrorKind::NotFound);
        if let Err(error) = removed {
            tracing::error!(%error, "the reserve on the full disk cannot be released");
        }
        // Unless the state is a graver one.
        self.state.fetch_max(DiskState::Full as u8, Relaxed);
    }

    /// Records that a write failed, so that the next messages are refused without another try.
    pub(crate) fn failed(&self, error: &StoreError) {
        match error {
            StoreError::FilesReplaced { .. } => {
                self.state.store(DiskState::FilesReplaced as u8, Relaxed);
            }
            StoreError::Database(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) =>
            {
                let low = DiskState::Low as u8;
                // Ignored if the state is a graver one.
                let _ = self.state.compare_exchange(0, low, Relaxed, Relaxed);
            }
            _ => {}
        }
    }

    fn space(&self) -> Space {
        // A file system that does not say how much is free is treated as one with enough.
        (self.probe)(&self.folder).unwrap_or(Space {
            free: u64::MAX,
            total: u64::MAX,
        })
    }

    fn reserve_file(&self) -> PathBuf {
        with_suffix(&self.files.database, RESERVE_SUFFIX)
    }

    /// Creates the reserve and returns whether it exists.
    fn write_reserve(&self, bytes: u64) -> bool {
        let file = self.reserve_file();
        let written = write_zeros(&file, bytes);
        if let Err(error) = &written {
            tracing::warn!(
                %error,
                file = %file.display(),
                "the reserve for operators on a full disk cannot be created"
            );
            // What was written of it would be no reserve. The file may not even exist.
            let _ = fs::remove_file(file);
        }
        written.is_ok()
    }
}

/// Writes a file of zeros. A file that was only made that long would not occupy the space.
fn write_zeros(file: &Path, bytes: u64) -> io::Result<()> {
    let mut open = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)?;
    let zeros = [0; 16 * 1024];
    let mut left = usize::try_from(bytes).unwrap_or(usize::MAX);
    while left > 0 {
        let part = left.min(zeros.len());
        open.write_all(&zeros[..part])?;
        left -= part;
    }
    open.sync_all()
}

/// Returns the path of a file beside the database.
pub(crate) fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

fn space(folder: &Path) -> io::Result<Space> {
    let disk = rustix::fs::statvfs(folder)?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
    Ok(Space {
        free: bytes(disk.f_bavail),
        total: bytes(disk.f_blocks),
    })
}

/// Since when the writer waits for the lock of another process, or has waited in vain.
#[derive(Clone, Debug, Default)]
pub(crate) struct LockWait(Arc<Mutex<Option<Instant>>>);

impl LockWait {
    /// Notes that the database is locked. Returns for how long it has been.
    pub fn note(&self) -> Duration {
        self.0.lock().get_or_insert_with(Instant::now).elapsed()
    }

    /// Notes that the database is not locked.
    pub fn end(&self) {
        *self.0.lock() = None;
    }

    fn age(&self) -> Duration {
        self.0
            .lock()
            .map_or(Duration::ZERO, |since| since.elapsed())
    }
}

/// The database file and its write-ahead log, as they were opened.
#[derive(Clone, Debug)]
pub(crate) struct OpenFiles {
    /// Whether another process locks them.
    pub lock: LockWait,
    database: PathBuf,
    log: PathBuf,
    /// The device and inode numbers of both.
    open: [Option<(u64, u64)>; 2],
}

impl OpenFiles {
    /// Returns the files of the database at this path, which has just been opened.
    pub fn of(database: &Path) -> Self {
        let mut files = Self {
            database: database.to_owned(),
            log: with_suffix(database, "-wal"),
            open: [None; 2],
            lock: LockWait::default(),
        };
        files.open = files.current();
        files
    }

    /// Fails if the files were deleted or replaced.
    pub fn verify(&self) -> crate::Result<()> {
        if self.are_open_ones() {
            Ok(())
        } else {
            Err(self.error())
        }
    }

    fn are_open_ones(&self) -> bool {
        self.current() == self.open
    }

    fn error(&self) -> StoreError {
        StoreError::FilesReplaced {
            path: self.database.clone(),
        }
    }

    fn current(&self) -> [Option<(u64, u64)>; 2] {
        [&self.database, &self.log].map(|file| {
            let metadata = fs::metadata(file).ok()?;
            Some((metadata.dev(), metadata.ino()))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static FREE: Cell<u64> = const { Cell::new(1 << 30) };
    }

    fn disk(folder: &Path) -> Disk {
        let database = folder.join("rookery.db");
        fs::write(&database, "").unwrap();
        Disk::with_probe(OpenFiles::of(&database), |_| {
            Ok(Space {
                free: FREE.get(),
                total: 1 << 30,
            })
        })
    }

    #[test]
    fn below_the_limit_messages_are_refused_and_above_it_stored_again() {
        let folder = tempfile::tempdir().unwrap();
        let disk = disk(folder.path());
        assert_eq!(disk.check(|_| 100 << 20), DiskState::Normal);
        FREE.set(99 << 20);
        assert_eq!(disk.check(|_| 100 << 20), DiskState::Low);
        assert_eq!(disk.free_bytes(), 99 << 20);
        assert!(disk.health().unwrap_err().contains("99 MiB"));
        assert_eq!(disk.check(|_| 0), DiskState::Normal, "0 disables the limit");
        FREE.set(100 << 20);
        assert_eq!(disk.check(|_| 100 << 20), DiskState::Normal);
        assert_eq!(disk.health(), Ok(()));
    }

    #[test]
    fn the_reserve_occupies_space_until_an_operator_needs_it_and_is_refilled() {
        let folder = tempfile::tempdir().unwrap();
        let disk = disk(folder.path());
        let reserve = || fs::metadata(folder.path().join("rookery.db.reserve"));
        assert!(reserve().unwrap().blocks() * 512 >= RESERVE_BYTES);
        FREE.set(FULL_BYTES);
        disk.make_room();
        assert!(reserve().is_ok(), "there is still room");
        FREE.set(FULL_BYTES - 1);
        disk.make_room();
        assert!(reserve().is_err());
        assert_eq!(disk.state(), DiskState::Full);
        // The reserve's space is free now, but it is not for messages.
        FREE.set(RESERVE_BYTES - 1);
        assert_eq!(disk.check(|_| 0), DiskState::Full);
        FREE.set(RESERVE_BYTES + REFILL_MARGIN);
        assert_eq!(disk.check(|_| 0), DiskState::Normal);
        assert!(reserve().is_ok());
    }

    #[test]
    fn a_reserve_that_is_too_small_is_replaced_and_on_a_small_disk_stays() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = folder.path().join("rookery.db.reserve");
        fs::write(&reserve, "not finished").unwrap();
        let size = || fs::metadata(&reserve).unwrap().len();
        disk(folder.path());
        assert_eq!(size(), RESERVE_BYTES);
        fs::remove_file(&reserve).unwrap();
        FREE.set(4 << 20);
        disk(folder.path());
        assert_eq!(size(), 2 << 20);
        FREE.set(2 << 20);
        disk(folder.path());
        assert_eq!(size(), 2 << 20);
    }

    #[test]
    fn a_reserve_that_cannot_be_released_is_released_later() {
        let folder = tempfile::tempdir().unwrap();
        let disk = disk(folder.path());
        let reserve = folder.path().join("rookery.db.reserve");
        let aside = folder.path().join("aside");
        fs::rename(&reserve, &aside).unwrap();
        fs::create_dir(&reserve).unwrap();
        FREE.set(0);
        disk.make_room();
        fs::remove_dir(&reserve).unwrap();
        fs::rename(&aside, &reserve).unwrap();
        disk.make_room();
        assert!(!reserve.exists());
    }

    #[test]
    fn files_that_were_deleted_or_replaced_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let disk = disk(folder.path());
        let database = folder.path().join("rookery.db");
        let aside = folder.path().join("aside");
        assert!(disk.files.verify().is_ok());
        fs::rename(&database, &aside).unwrap();
        assert!(disk.files.verify().is_err());
        fs::write(&database, "another").unwrap();
        assert_eq!(disk.check(|_| 0), DiskState::FilesReplaced);
        fs::rename(&aside, &database).unwrap();
        assert_eq!(disk.check(|_| 0), DiskState::Normal, "the same file again");
        fs::write(folder.path().join("rookery.db-wal"), "another").unwrap();
        assert_eq!(
            disk.check(|_| 0),
            DiskState::FilesReplaced,
            "the log counts"
        );
        FREE.set(0);
        disk.make_room();
        assert_eq!(disk.state(), DiskState::FilesReplaced, "it is graver");
    }
}
