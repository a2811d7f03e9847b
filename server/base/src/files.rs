//! Writes files atomically.
//!
//! A reader, or a restart after a crash, finds either the old content or the new, never a part of
//! it: the content is written to a temporary file in the same folder, which is synced and then
//! renamed to the final name.

use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::NamedTempFile;

/// The mode of files that hold secrets or personal data.
pub const PRIVATE: u32 = 0o600;

/// Creates a temporary file in `folder` with permissions `mode`. Its name begins with a dot, so
/// that a program that watches the folder ignores it. It is deleted if dropped before [`persist`].
pub fn temporary(folder: &Path, mode: u32) -> io::Result<NamedTempFile> {
    let permissions = Permissions::from_mode(mode);
    let temporary = tempfile::Builder::new()
        .prefix(".")
        .suffix(".part")
        .permissions(permissions.clone())
        .tempfile_in(folder)?;
    // At creation, the umask of the process may have removed some of the permissions.
    temporary.as_file().set_permissions(permissions)?;
    Ok(temporary)
}

/// Syncs the temporary file and renames it to `file`, replacing an existing one.
pub fn persist(temporary: NamedTempFile, file: &Path) -> io::Result<()> {
    temporary.as_file().sync_all()?;
    temporary.persist(file)?;
    // The rename survives a power loss only once the folder is synced.
    File::open(folder_of(file))?.sync_all()
}

/// Syncs the temporary file and renames it to `file`, which must not exist.
pub fn persist_new(temporary: NamedTempFile, file: &Path) -> io::Result<()> {
    temporary.as_file().sync_all()?;
    temporary.persist_noclobber(file)?;
    File::open(folder_of(file))?.sync_all()
}

/// Replaces the content of `file`, or creates it, with permissions `mode`.
pub fn write(file: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut temporary = temporary(folder_of(file), mode)?;
    temporary.write_all(content)?;
    persist(temporary, file)
}

/// Returns a warning if every user of the machine can read or change the file, or change what is in
/// the folder. `None` if it does not exist.
pub fn exposure(path: &Path) -> Option<String> {
    let metadata = path.metadata().ok()?;
    let (bits, remedy) = if metadata.is_dir() {
        (0o002, "o-w")
    } else {
        (0o007, "o-rwx")
    };
    let is_exposed = metadata.permissions().mode() & bits != 0;
    is_exposed.then(|| {
        let path = path.display();
        format!("{path}: every user of this machine has access to it; run chmod {remedy} {path}")
    })
}

/// Returns the folder that contains `file`; for a bare name, the current folder.
pub fn folder_of(file: &Path) -> &Path {
    file.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_replaced_with_the_given_content_and_mode() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.pem");
        write(&file, b"old", 0o644).unwrap();
        write(&file, b"new", PRIVATE).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            PRIVATE
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_every_user_can_read_and_a_folder_that_every_user_can_change_are_exposed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.pem");
        assert_eq!(exposure(&file), None, "it does not exist");
        for (mode, exposed) in [(0o600, false), (0o640, false), (0o644, true), (0o602, true)] {
            write(&file, b"key", mode).unwrap();
            assert_eq!(exposure(&file).is_some(), exposed, "{mode:o}");
        }
        for (mode, exposed) in [(0o700, false), (0o755, false), (0o777, true)] {
            fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
            assert_eq!(exposure(folder.path()).is_some(), exposed, "{mode:o}");
        }
    }

    #[test]
    fn a_dropped_temporary_file_is_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let mut unfinished = temporary(folder.path(), PRIVATE).unwrap();
        unfinished.write_all(b"half").unwrap();
        drop(unfinished);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn writing_into_a_missing_folder_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("missing/key.pem");
        assert!(write(&file, b"new", PRIVATE).is_err());
    }
}
