//! Mail into a folder: one `.eml` file for each, written whole or not at all.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use lettre::Message;

use super::Fault;
use crate::files;

/// Writes `message` into `folder`, or finds out whether one could be written. Gives the file, if
/// there is one.
pub async fn deliver(folder: &Path, message: Option<Message>) -> Result<Option<PathBuf>, Fault> {
    let folder = folder.to_owned();
    tokio::task::spawn_blocking(move || {
        write(&folder, message.as_ref())
            .map_err(|error| Fault::Way(format!("the mail folder {}: {error}", folder.display())))
    })
    .await
    .unwrap_or_else(|error| Err(Fault::Way(error.to_string())))
}

/// Sorts by time, and is never used twice.
pub fn unique_name() -> String {
    let mut random = [0; 8];
    getrandom::fill(&mut random).expect("the operating system gives random bytes");
    let time = Timestamp::now().strftime("%Y%m%dT%H%M%S.%6fZ");
    format!("{time}-{:016x}", u64::from_ne_bytes(random))
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

/// On disk, lines end as in any text file here.
fn with_local_line_ends(mut mail: Vec<u8>) -> Vec<u8> {
    mail.retain(|&byte| byte != b'\r');
    mail
}
