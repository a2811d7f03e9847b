//! The CSV files on the disk. Everything here may wait for it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Emails stand in these files: they are their owner's alone, unless a person gave a file another
/// mode.
const MODE: u32 = 0o600;

/// What stands in the file; none if there is no file.
pub fn read(file: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(file) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts `content` in the file's place, whole or not at all, if what stands there still is `before`;
/// false if it is not.
pub fn replace(file: &Path, before: Option<&[u8]>, content: &[u8]) -> io::Result<bool> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let temporary = file.with_extension("csv.new");
    let result = (|| {
        let mut new = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(MODE)
            .open(&temporary)?;
        if let Ok(old) = fs::metadata(file) {
            new.set_permissions(old.permissions())?;
        }
        new.write_all(content)?;
        new.sync_all()?;
        if read(file)?.as_deref() != before {
            return Ok(false);
        }
        fs::rename(&temporary, file)?;
        File::open(folder)?.sync_all()?;
        Ok(true)
    })();
    if !matches!(result, Ok(true)) {
        // There may be none.
        let _ = fs::remove_file(&temporary);
    }
    result
}

/// Adds those lines to the file that do not stand in it yet, under `header` if there is no file.
pub fn append(file: &Path, header: &[u8], lines: &[Vec<u8>]) -> io::Result<()> {
    let known = read(file)?.unwrap_or_default();
    let mut text = Vec::new();
    if known.is_empty() {
        text.extend_from_slice(header);
        text.push(b'\n');
    } else if !known.ends_with(b"\n") {
        text.push(b'\n');
    }
    let old: Vec<&[u8]> = known
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
        .mode(MODE)
        .open(file)?;
    out.write_all(&text)?;
    out.sync_all()
}
