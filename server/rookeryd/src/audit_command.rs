//! `rookeryd audit`: verifies the audit trail in the database, or in an export of it. It only
//! reads.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use rookery_control_api::{AuditOutcome, AuditRecord, AuditVerdict, ChainHead, count};

use data_encoding::HEXLOWER;
use rookery_base::config::Config;
use rookery_record::{AuditEntry, AuditQuery, NewAudit, Outcome};
use rookery_store::audit_chain::ChainVerifier;
use rookery_store::{DATABASE_FILE, Store};

/// The first bytes of every `SQLite` file.
const SQLITE: &[u8] = b"SQLite format 3\0";
/// The maximum length of a line of an export in bytes, far above that of any entry.
const MAX_LINE: u64 = 1 << 20;

/// The commands of `rookeryd audit`.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Verify that no entry was changed or removed
    ///
    /// Exits with code 1 if one was, and names the first such entry.
    Verify {
        /// A database file, or the output of `admin-cli audit export` [default: the database in the
        /// data folder]
        file: Option<PathBuf>,
        /// An entry that must still be there, as noted earlier from a mail or `rookeryd audit head`
        #[arg(long, value_name = "ID:HASH")]
        head: Option<ChainHead>,
    },
    /// Print the number and hash of the newest entry, for `audit verify --head`
    Head,
}

/// Runs the command, and prints the result to standard output.
pub fn run(config: &Config, command: AuditCommand) -> Result<()> {
    let database = config.data.directory.join(DATABASE_FILE);
    let mut out = io::stdout().lock();
    match command {
        AuditCommand::Verify { file, head } => {
            let file = file.unwrap_or(database);
            let unreadable = || format!("{} cannot be read", file.display());
            let verdict = verify(&file, head).with_context(unreadable)?;
            report(&verdict, &mut out)
        }
        AuditCommand::Head => {
            let newest = AuditQuery {
                limit: 1,
                ..AuditQuery::default()
            };
            let newest =
                Store::open_reader(&database).and_then(|sqlite| sqlite.find_audit(&newest));
            match newest.context("Cannot read the database")?.pop() {
                None => bail!("The audit trail is empty."),
                Some(AuditEntry { id, hash, .. }) => Ok(writeln!(
                    out,
                    "{}",
                    ChainHead {
                        id,
                        hash: HEXLOWER.encode(&hash)
                    }
                )?),
            }
        }
    }
}

fn verify(file: &Path, head: Option<ChainHead>) -> Result<AuditVerdict> {
    let mut start = Vec::new();
    File::open(file)?
        .take(SQLITE.len() as u64)
        .read_to_end(&mut start)?;
    if start != SQLITE {
        return verify_export(BufReader::new(File::open(file)?), head);
    }
    let sqlite = Store::open_reader(file)?;
    let mut verifier = ChainVerifier::new(head);
    Ok(sqlite.snapshot(|store| {
        while verifier.check_page(store)? {}
        Ok(verifier.verdict())
    })?)
}

/// Verifies an export line by line, because it may be of any size.
fn verify_export(mut export: impl io::BufRead, head: Option<ChainHead>) -> Result<AuditVerdict> {
    let mut verifier = ChainVerifier::new(head);
    for number in 1_u64.. {
        let mut line = Vec::new();
        if (&mut export).take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let fits = match entry(&line) {
            Ok(entry) => verifier.check(&entry),
            Err(error) => {
                verifier.record_unreadable(format!(
                    "line {number} of the export is not an entry: {error}"
                ));
                false
            }
        };
        if !fits {
            break;
        }
    }
    Ok(verifier.verdict())
}

fn entry(line: &[u8]) -> Result<AuditEntry, String> {
    let record: AuditRecord = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let hash = |text: &str| {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok();
        let hash: Option<[u8; 32]> = bytes.and_then(|bytes| bytes.try_into().ok());
        hash.ok_or(format!("{text:?} is not a hash"))
    };
    Ok(AuditEntry {
        id: record.id,
        previous: hash(&record.previous)?,
        hash: hash(&record.hash)?,
        entry: NewAudit {
            at: record.at,
            actor: record.actor,
            origin: record.origin,
            session: record.session,
            act: record.act,
            target: record.target,
            outcome: match record.outcome {
                AuditOutcome::Allowed => Outcome::Allowed,
                AuditOutcome::Refused => Outcome::Refused,
            },
            detail: record.detail,
        },
    })
}

fn report(verdict: &AuditVerdict, out: &mut dyn Write) -> Result<()> {
    match (&verdict.defect, &verdict.head) {
        (Some(fault), _) => {
            bail!(
                "entry {} of the audit trail is defective: {}. Intact before it: {}.",
                fault.id,
                fault.description,
                count(verdict.entries, "entry", "entries")
            )
        }
        (None, None) => writeln!(out, "The audit trail is empty.")?,
        (None, Some(head)) => {
            writeln!(
                out,
                "The audit trail is intact: {}. The newest is\n{head}",
                count(verdict.entries, "entry", "entries")
            )?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_not_an_entry_is_named_by_its_number() {
        let zeros = "0".repeat(64);
        let line = |hash: &str| {
            format!(
                r#"{{"id":1,"at":"2026-11-22T10:00:00Z","actor":"","origin":"local","session":"","act":"x","target":"","outcome":"allowed","detail":"","previous":"{zeros}","hash":"{hash}"}}"#
            )
        };
        let long = "x".repeat(3 << 20);
        for (export, expected) in [
            ("{".to_owned(), "line 1 of the export is not an entry"),
            ("\n".to_owned(), "line 1 of the export is not an entry"),
            (long, "line 1 of the export is not an entry"),
            (line("12"), "\"12\" is not a hash"),
            (line(&zeros), "it was changed"),
        ] {
            let fault = verify_export(export.as_bytes(), None)
                .unwrap()
                .defect
                .unwrap();
            assert_eq!(fault.id, 1);
            assert!(fault.description.contains(expected), "{fault:?}");
        }
        assert!(verify_export(&b""[..], None).unwrap().intact);
    }
}
