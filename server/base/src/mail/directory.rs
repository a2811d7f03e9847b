//! The `directory` transport: writes each mail as an `.eml` file into a folder. Files are written
//! atomically.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use lettre::Message;

use super::SendError;
use crate::files;
use crate::random::random;

/// Writes `message` into `folder` and returns the file. Without a message, only checks that a file
/// can be created, and returns `None`.
pub async fn deliver(
    folder: &Path,
    message: Option<Message>,
) -> Result<Option<PathBuf>, SendError> {
    let folder = folder.to_owned();
    tokio::task::spawn_blocking(move || {
        write(&folder, message.as_ref()).map_err(|error| {
            SendError::Broken(format!("the mail folder {}: {error}", folder.display()))
        })
    })
    .await
    .unwrap_or_else(|error| Err(SendError::Broken(error.to_string())))
}

/// Returns a unique name. Names sort by time.
pub fn unique_name() -> String {
    let time = Timestamp::now().strftime("%Y%m%dT%H%M%S.%6fZ");
    format!("{time}-{:016x}", u64::from_ne_bytes(random()))
}

fn write(folder: &Path, message: Option<&Message>) -> io::Result<Option<PathBuf>> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let mut temporary = files::temporary(folder, files::PRIVATE)?;
    let Some(message) = message else {
        return Ok(None);
    };
    temporary.write_all(&with_lf_line_endings(message.formatted()))?;
    let file = folder.join(format!("{}.eml", unique_name()));
    files::persist(temporary, &file)?;
    Ok(Some(file))
}

/// Converts the CRLF line endings of mail to the LF of text files.
fn with_lf_line_endings(mut mail: Vec<u8>) -> Vec<u8> {
    mail.retain(|&byte| byte != b'\r');
    mail
}
