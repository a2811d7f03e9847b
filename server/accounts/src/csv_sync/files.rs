//! Reading and writing the CSV files. Every function here may block on the disk.
//!
//! The files contain emails, so a new one is readable by its owner only; a mode that a person has
//! set stays.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use rookery_base::files::{self, PRIVATE};

/// Reads a file. Returns `None` if it does not exist.
pub fn read(file: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(file) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Replaces the content of a file atomically, if it is still `before`. Returns whether it was.
pub fn replace(file: &Path, before: Option<&[u8]>, content: &[u8]) -> io::Result<bool> {
    let mode = fs::metadata(file).map_or(PRIVATE, |old| old.permissions().mode() & 0o7777);
    let mut new = files::temporary(files::folder_of(file), mode)?;
    new.write_all(content)?;
    // Synced before the comparison, so that little time is left for an edit between it and the
    // rename.
    new.as_file().sync_all()?;
    if read(file)?.as_deref() != before {
        return Ok(false);
    }
    files::persist(new, file)?;
    Ok(true)
}

/// Appends the lines that the file does not contain yet; a new file begins with `header`.
pub fn append(file: &Path, header: &[u8], lines: &[Vec<u8>]) -> io::Result<()> {
    let present = read(file)?.unwrap_or_default();
    let mut text = Vec::new();
    if present.is_empty() {
        text.extend_from_slice(header);
        text.push(b'\n');
    } else if !present.ends_with(b"\n") {
        text.push(b'\n');
    }
    let old: HashSet<&[u8]> = present
        .split(|&byte| byte == b'\n')
        .map(<[u8]>::trim_ascii_end)
        .collect();
    let new: Vec<&Vec<u8>> = lines
        .iter()
        .filter(|line| !old.contains(&line.as_slice()))
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    for line in new {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    let mut out = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(PRIVATE)
        .open(file)?;
    out.write_all(&text)?;
    out.sync_all()
}
