//! Moves the oldest entries of the audit trail to a file, whether the server runs or not.
//!
//! The file is written, synced and given its name first. Then one transaction removes the entries
//! from the database and records that. So an interruption at any point loses no entry: until the
//! transaction is complete, all are in the database.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use jiff::Timestamp;

use crate::admin_command::local_actor;
use rookery_base::files::{self, PRIVATE};
use rookery_control_api::count;
use rookery_record::{AuditHead, AuditPage, AuditQuery, NewAudit, Outcome};
use rookery_store::Store;
use rookery_store::audit_chain::{ChainVerifier, to_head, to_record};

/// The number of entries that are read in one query.
const PAGE: usize = 1000;

/// The entries that were written to a file.
pub struct Archived {
    count: u64,
    newest: AuditHead,
}

/// Moves the entries before a time to a new file, and prints what was done.
pub fn run(store: &mut Store, before: Timestamp, file: &Path, out: &mut dyn Write) -> Result<()> {
    let Some(archived) = write(store, before, file)? else {
        bail!("The oldest entry of the audit trail is not before {before}; nothing was archived.");
    };
    remove(store, &archived, file).with_context(|| {
        let file = file.display();
        format!("The entries are still in the database; {file} is a copy that may be deleted")
    })?;
    let head = to_head(archived.newest);
    let entries = count(archived.count, "entry", "entries");
    writeln!(
        out,
        "Moved {entries} to {}. The newest is\n{head}",
        file.display()
    )?;
    Ok(())
}

/// Writes the oldest entries, up to the first that is not before a time, to a new file. Returns
/// none if there are none.
pub fn write(store: &Store, before: Timestamp, file: &Path) -> Result<Option<Archived>> {
    let unwritable = || format!("{} cannot be written", file.display());
    ensure!(
        !file.exists(),
        "{} exists already; choose another name.",
        file.display()
    );
    let temporary = files::temporary(files::folder_of(file), PRIVATE).with_context(unwritable)?;
    let mut lines = BufWriter::new(temporary.as_file());
    let archived = store.snapshot(|store| Ok(write_lines(store, before, &mut lines)))??;
    lines.flush().with_context(unwritable)?;
    drop(lines);
    if archived.is_some() {
        files::persist_new(temporary, file).with_context(unwritable)?;
    }
    Ok(archived)
}

/// Writes the entries as lines of JSON, and verifies them: a defective trail is not archived.
fn write_lines(store: &Store, before: Timestamp, out: &mut dyn Write) -> Result<Option<Archived>> {
    let mut verifier = ChainVerifier::new(None);
    verifier.begin_store(store)?;
    let (mut count, mut newest) = (0, None);
    let mut page = AuditPage::After(i64::MIN);
    loop {
        let query = AuditQuery {
            page,
            limit: PAGE,
            ..AuditQuery::default()
        };
        let entries = store.find_audit(&query)?;
        let is_last_page = entries.len() < PAGE;
        for entry in entries {
            if entry.entry.at >= before {
                return Ok(archived(count, newest));
            }
            if !verifier.check(&entry) {
                let defect = verifier.verdict().defect;
                let defect = defect.map_or(String::new(), |defect| defect.description);
                bail!(
                    "entry {} of the audit trail is defective: {defect}",
                    entry.id
                );
            }
            (count, newest) = (count + 1, Some((entry.id, entry.hash)));
            page = AuditPage::After(entry.id);
            serde_json::to_writer(&mut *out, &to_record(entry)).map_err(io::Error::from)?;
            out.write_all(b"\n")?;
        }
        if is_last_page {
            return Ok(archived(count, newest));
        }
    }
}

fn archived(count: u64, newest: Option<AuditHead>) -> Option<Archived> {
    newest.map(|newest| Archived { count, newest })
}

/// Removes the entries that are in the file from the database, and records that.
fn remove(store: &mut Store, archived: &Archived, file: &Path) -> Result<()> {
    let entry = NewAudit {
        at: Timestamp::now(),
        actor: local_actor(),
        origin: "local".to_owned(),
        session: String::new(),
        // The store sets both.
        act: String::new(),
        target: String::new(),
        outcome: Outcome::Allowed,
        detail: format!(
            "{} to {}",
            count(archived.count, "entry", "entries"),
            file.display()
        ),
    };
    let removed = store.transaction(true, |store| {
        store.archive_audit(archived.count, archived.newest, &entry)
    })?;
    ensure!(removed, "another program has changed the trail");
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    use super::super::verify;
    use super::*;
    use rookery_store::DATABASE_FILE;
    use tempfile::TempDir;

    /// A database with five entries, one for each second since 1970.
    struct Trail {
        folder: TempDir,
        store: Store,
    }

    impl Trail {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let mut store = Store::open(&folder.path().join(DATABASE_FILE)).unwrap();
            for second in 0..5 {
                let entry = NewAudit {
                    at: Timestamp::from_second(second).unwrap(),
                    actor: "root".to_owned(),
                    origin: "local".to_owned(),
                    session: String::new(),
                    act: "kick".to_owned(),
                    target: "mallory".to_owned(),
                    outcome: Outcome::Allowed,
                    detail: String::new(),
                };
                store
                    .transaction(false, |store| store.append_audit(&entry))
                    .unwrap();
            }
            Self { folder, store }
        }

        fn path(&self, file: &str) -> PathBuf {
            self.folder.path().join(file)
        }

        fn archive(&mut self, seconds: i64, file: &str) -> Result<String> {
            let (before, file) = (Timestamp::from_second(seconds).unwrap(), self.path(file));
            let mut out = Vec::new();
            run(&mut self.store, before, &file, &mut out)?;
            Ok(String::from_utf8(out).unwrap())
        }

        /// Returns the number of entries that are intact, and the defect.
        fn verify(&self, files: &[&str]) -> (u64, Option<i64>) {
            let files: Vec<_> = files.iter().map(|file| self.path(file)).collect();
            let verdict = verify(&files, None, None).unwrap();
            (verdict.entries, verdict.defect.map(|defect| defect.id))
        }
    }

    #[test]
    fn archives_and_the_database_are_one_chain_and_none_of_them_may_be_missing() {
        let mut trail = Trail::new();
        let text = trail.archive(2, "1").unwrap();
        assert!(text.starts_with("Moved 2 entries to "), "{text}");
        trail.archive(4, "2").unwrap();
        for (files, expected) in [
            (&[DATABASE_FILE][..], (3, None)),
            (&["1"], (2, None)),
            (&["1", "2"], (4, None)),
            (&["1", "2", DATABASE_FILE], (7, None)),
            (&["2"], (0, Some(3))),
            (&["1", DATABASE_FILE], (2, Some(5))),
            (&["2", "1"], (0, Some(3))),
        ] {
            assert_eq!(trail.verify(files), expected, "{files:?}");
        }
        let mode = fs::metadata(trail.path("1")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_later_archive_is_verified_alone_with_the_head_of_the_one_before() {
        let mut trail = Trail::new();
        let text = trail.archive(2, "1").unwrap();
        trail.archive(4, "2").unwrap();
        let head = text.lines().last().unwrap();
        let after = |head: &str| verify(&[trail.path("2")], None, head.parse().ok()).unwrap();
        assert!(after(head).intact);
        let forged = format!("2:{}", "0".repeat(64));
        assert!(!after(&forged).intact);
    }

    #[test]
    fn an_interruption_at_any_point_loses_no_entry() {
        // Before the file has its name: it is as if nothing had happened.
        let mut trail = Trail::new();
        let mut lines = Vec::new();
        let before = Timestamp::from_second(2).unwrap();
        write_lines(&trail.store, before, &mut lines).unwrap();
        assert_eq!(trail.verify(&[DATABASE_FILE]), (5, None));

        // Before the transaction is complete: the file is a copy.
        write(&trail.store, before, &trail.path("copy")).unwrap();
        assert_eq!(trail.verify(&[DATABASE_FILE]), (5, None));
        assert_eq!(trail.verify(&["copy"]), (2, None));
        assert_eq!(trail.verify(&["copy", DATABASE_FILE]), (2, Some(1)));
        assert!(trail.archive(2, "copy").is_err(), "it is never overwritten");
        trail.archive(2, "1").unwrap();
        assert_eq!(trail.verify(&["1", DATABASE_FILE]), (6, None));
    }

    #[test]
    fn what_cannot_be_recorded_or_verified_is_not_archived() {
        let mut trail = Trail::new();
        let sql = rusqlite::Connection::open(trail.path(DATABASE_FILE)).unwrap();
        sql.execute_batch(
            "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no room'); END",
        )
        .unwrap();
        let error = format!("{:#}", trail.archive(2, "1").unwrap_err());
        assert!(error.contains("still in the database"), "{error}");
        assert_eq!(trail.verify(&[DATABASE_FILE]), (5, None));

        sql.execute_batch("DROP TRIGGER full; UPDATE audit SET target = 'eve' WHERE id = 2")
            .unwrap();
        let error = trail.archive(4, "2").unwrap_err().to_string();
        assert!(
            error.starts_with("entry 2 of the audit trail is defective"),
            "{error}"
        );
        assert!(trail.archive(0, "3").is_err(), "nothing is that old");
        assert!(!trail.path("2").exists() && !trail.path("3").exists());
    }
}
