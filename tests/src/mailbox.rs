//! The mails that a server writes to a folder.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use crate::wait_for;

/// A folder of `.eml` files. Each mail is returned once, so that an old code is never mistaken for
/// a new one.
#[derive(Debug)]
pub struct Mailbox {
    folder: PathBuf,
    read: Mutex<HashSet<PathBuf>>,
}

impl Mailbox {
    /// Creates a mailbox. The folder need not exist yet.
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            read: Mutex::default(),
        }
    }

    /// Waits for a mail to `address` that was not returned before, and returns its text.
    pub async fn next_mail_to(&self, address: &str) -> String {
        self.next(&format!("a mail to {address}"), |mail| is_to(mail, address))
            .await
    }

    /// Waits for a mail with a code to `address`, skipping others, and returns the code.
    pub async fn code_to(&self, address: &str) -> String {
        let matches = |mail: &str| is_to(mail, address) && mail.lines().any(is_code);
        code_in(
            &self
                .next(&format!("a mail with a code to {address}"), matches)
                .await,
        )
    }

    async fn next(&self, description: &str, matches: impl Fn(&str) -> bool) -> String {
        wait_for(description, || {
            let mut read = self.read.lock().unwrap();
            let files = fs::read_dir(&self.folder)
                .ok()?
                .filter_map(Result::ok)
                .map(|entry| entry.path());
            let (file, mail) = files
                .filter(|file| {
                    file.extension().is_some_and(|ending| ending == "eml") && !read.contains(file)
                })
                .filter_map(|file| fs::read_to_string(&file).ok().map(|mail| (file, mail)))
                .find(|(_, mail)| matches(mail))?;
            read.insert(file);
            // Joins the lines that quoted-printable encoding (RFC 2045) has split.
            Some(mail.replace("\r\n", "\n").replace("=\n", ""))
        })
        .await
    }
}

/// Returns the code in a mail: six digits alone on a line.
pub fn code_in(mail: &str) -> String {
    let mut codes = mail.lines().filter(|line| is_code(line)).map(str::trim);
    let code = codes
        .next()
        .unwrap_or_else(|| panic!("no code in this mail:\n{mail}"));
    assert_eq!(codes.next(), None, "two codes in this mail:\n{mail}");
    code.to_owned()
}

fn is_code(line: &str) -> bool {
    let line = line.trim();
    line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_to(mail: &str, address: &str) -> bool {
    mail.lines()
        .take_while(|line| !line.is_empty())
        .any(|line| line.starts_with("To:") && line.contains(address))
}
