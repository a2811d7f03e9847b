//! The mails that a server wrote to its folder.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use crate::wait_for;

/// A folder of `.eml` files. Each mail is read once, so that an old code is never taken for a new one.
#[derive(Debug)]
pub struct Mailbox {
    folder: PathBuf,
    read: Mutex<HashSet<PathBuf>>,
}

impl Mailbox {
    /// The folder need not be there yet.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, read: Mutex::default() }
    }

    /// Waits for a mail to that address that was not read before, and gives its text.
    pub async fn next_to(&self, address: &str) -> String {
        wait_for(&format!("a mail to {address}"), || {
            let mut read = self.read.lock().unwrap();
            let files = fs::read_dir(&self.folder).ok()?.filter_map(Result::ok).map(|entry| entry.path());
            let (file, mail) = files
                .filter(|file| file.extension().is_some_and(|ending| ending == "eml") && !read.contains(file))
                .filter_map(|file| fs::read_to_string(&file).ok().map(|mail| (file, mail)))
                .find(|(_, mail)| is_to(mail, address))?;
            read.insert(file);
            // A line that was too long for a mail is put together again.
            Some(mail.replace("\r\n", "\n").replace("=\n", ""))
        })
        .await
    }

    /// Waits for a mail to that address, and gives the code in it.
    pub async fn code_to(&self, address: &str) -> String {
        code_in(&self.next_to(address).await)
    }
}

/// The code of a mail: six digits alone on a line.
pub fn code_in(mail: &str) -> String {
    let mut codes = mail.lines().map(str::trim).filter(|line| is_code(line));
    let code = codes.next().unwrap_or_else(|| panic!("no code in this mail:\n{mail}"));
    assert_eq!(codes.next(), None, "two codes in this mail:\n{mail}");
    code.to_owned()
}

fn is_code(line: &str) -> bool {
    line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_to(mail: &str, address: &str) -> bool {
    mail.lines()
        .take_while(|line| !line.is_empty())
        .any(|line| line.starts_with("To:") && line.contains(address))
}
