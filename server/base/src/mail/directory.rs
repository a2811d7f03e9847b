//! The `directory` transport: writes one `.eml` file for each mail into a folder. A file is written
//! whole or not at all.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use lettre::Message;

use super::SendError;
use crate::files;
use crate::random::random;

/// Writes `message` into `folder` and returns the file. Without a message, finds out whether one
/// could be written, and returns `None`.
pub async fn deliver(
    folder: &Path,
    message: Option<Message>,
) -> Result<Option<PathBuf>, SendError> {
    let folder = folder.to_owned();
    tokio::task::spawn_blocking(move || {
        write(&folder, message.as_ref()).map_err(|error| {
            SendError::Transient(format!("the mail folder {}: {error}", folder.display()))
        })
    })
    .await
    .unwrap_or_else(|error| Err(SendError::Transient(error.to_string())))
}

/// Returns a name that sorts by time and is unique.
pub fn unique_name() -> String {
    let time = Timestamp::now().strftime("%Y%m%dT%H%M%S.%6fZ");
    format!("{time}-{:016x}", u64::from_ne_bytes(random()))
}

fn write(folder: &Path, message: Option<&Message>) -> io::Result<Option<PathBuf>> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let mut unfinished = files::temporary(folder, files::PRIVATE)?;
    let Some(message) = message else {
        return Ok(None);
    };
    unfinished.write_all(&with_local_line_ends(message.formatted()))?;
    let file = folder.join(format!("{}.eml", unique_name()));
    files::persist(unfinished, &file)?;
    Ok(Some(file))
}

/// Turns the CRLF line ends of mail into the LF of text files on disk.
fn with_local_line_ends(mut mail: Vec<u8>) -> Vec<u8> {
    mail.retain(|&byte| byte != b'\r');
    mail
}
