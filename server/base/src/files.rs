//! Files that are written whole or not at all.
//!
//! A reader, or a restart after a crash, finds the old content or the new one, never half of it:
//! the content goes into a temporary file in the same folder, is synced, and takes the place of
//! the old file by one rename.

use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::NamedTempFile;

/// The mode of files that hold secrets or personal data.
pub const PRIVATE: u32 = 0o600;

/// Creates a temporary file in `folder` with permissions `mode`. It is hidden, so that a program
/// that watches the folder does not read it, and it is removed when dropped before [`persist`].
pub fn temporary(folder: &Path, mode: u32) -> io::Result<NamedTempFile> {
    let permissions = Permissions::from_mode(mode);
    let temporary = tempfile::Builder::new()
        .prefix(".")
        .suffix(".part")
        .permissions(permissions.clone())
        .tempfile_in(folder)?;
    // At its creation the file got no more than the process's umask allows.
    temporary.as_file().set_permissions(permissions)?;
    Ok(temporary)
}

/// Syncs the temporary file and renames it to `file`, which it replaces.
pub fn persist(temporary: NamedTempFile, file: &Path) -> io::Result<()> {
    temporary.as_file().sync_all()?;
    temporary.persist(file)?;
    // The rename itself survives a power loss only once the folder is synced.
    File::open(folder_of(file))?.sync_all()
}

/// Replaces the content of `file`, or creates it, with permissions `mode`.
pub fn write(file: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut temporary = temporary(folder_of(file), mode)?;
    temporary.write_all(content)?;
    persist(temporary, file)
}

/// Returns the folder that `file` is in; the current folder for a bare name.
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
    fn a_file_is_replaced_whole_with_the_mode_asked_for() {
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
    fn an_unfinished_file_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let mut unfinished = temporary(folder.path(), PRIVATE).unwrap();
        unfinished.write_all(b"half").unwrap();
        drop(unfinished);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_an_error_and_stays_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("not/there.pem");
        assert!(write(&file, b"new", PRIVATE).is_err());
    }
}
