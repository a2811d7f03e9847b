//! `rookeryd audit`: verifies the audit trail in the database, in exports and in archives of it,
//! and archives it.

mod archive;

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use jiff::Timestamp;
use rookery_control_api::{
    AuditOutcome, AuditRecord, AuditVerdict, ChainHead, SignedHead, count, parse_time,
};

use crate::data_folder::report_lost_changes;
use data_encoding::HEXLOWER;
use rookery_base::config::Config;
use rookery_control::head_key::{HeadKey, KEY_FILE};
use rookery_record::{AuditEntry, AuditQuery, NewAudit, Outcome};
use rookery_store::audit_chain::{ChainVerifier, to_head};
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
        /// Database files, archives, or the output of `admin-cli audit export`, in the order in
        /// which they continue each other [default: the database in the data folder]
        files: Vec<PathBuf>,
        /// An entry that must still be there, as noted earlier from a mail or `rookeryd audit head`
        #[arg(long, value_name = "ID:HASH")]
        head: Option<ChainHead>,
        /// The file of a signed entry that must still be there, as `admin-cli` stores it
        #[arg(long, value_name = "FILE", conflicts_with = "head")]
        signed_head: Option<PathBuf>,
        /// The entry that the first file continues, if the archive before it is elsewhere
        #[arg(long, value_name = "ID:HASH")]
        after: Option<ChainHead>,
    },
    /// Move the oldest entries to a file, which `audit verify` accepts
    ///
    /// The entries are removed from the database once the file is on disk, and the removal is an
    /// entry of the trail. `audit verify FILE... DATABASE` verifies archives and the rest as one
    /// chain. Keep the archives: nothing else has these entries.
    Archive {
        /// The oldest entries up to the first that is not before this date, which begins at 0:00
        /// UTC, or time
        #[arg(long, value_name = "DATE", value_parser = parse_time)]
        before: Timestamp,
        /// The file to create, readable by its owner only
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Print the number and hash of the newest entry, for `audit verify --head`
    Head,
}

/// Runs the command, and prints the result to standard output.
pub fn run(config: &Config, command: AuditCommand) -> Result<()> {
    let database = config.data.directory.join(DATABASE_FILE);
    let mut out = io::stdout().lock();
    match command {
        AuditCommand::Verify {
            files,
            head,
            signed_head,
            after,
        } => {
            let head = match signed_head {
                Some(file) => Some(read_signed(&file, &config.data.directory, &mut out)?),
                None => head,
            };
            let files = if files.is_empty() {
                vec![database]
            } else {
                files
            };
            report(&verify(&files, head, after)?, &mut out)
        }
        AuditCommand::Archive { before, to } => {
            if !database.exists() {
                bail!("There is no database in {}.", database.display());
            }
            config.data.check_folder()?;
            let mut store = report_lost_changes(&database)
                .and_then(|()| Ok(Store::open(&database)?))
                .context("Cannot open the database; run this as the user that runs the server")?;
            archive::run(&mut store, before, &to, &mut out)
        }
        AuditCommand::Head => {
            let newest = AuditQuery {
                limit: 1,
                ..AuditQuery::default()
            };
            let newest = report_lost_changes(&database)
                .and_then(|()| Ok(Store::open_reader(&database)?.find_audit(&newest)?));
            match newest.context("Cannot read the database")?.pop() {
                None => bail!("The audit trail is empty."),
                Some(AuditEntry { id, hash, .. }) => Ok(writeln!(out, "{}", to_head((id, hash)))?),
            }
        }
    }
}

/// Returns the entry in a file that `admin-cli` has stored, if the server has signed it. Prints by
/// which key.
fn read_signed(file: &Path, data: &Path, out: &mut dyn Write) -> Result<ChainHead> {
    let unusable = || format!("{} cannot be used", file.display());
    let content = fs::read(file).with_context(unusable)?;
    let signed: SignedHead = serde_json::from_slice(&content).with_context(unusable)?;
    if !signed.is_genuine() {
        bail!("{}: the signature is wrong.", file.display());
    }
    let key_file = data.join(KEY_FILE);
    let own = HeadKey::load(data)
        .with_context(|| format!("cannot use the key file {}", key_file.display()))?;
    let by = match own {
        Some(own) if own.public() != signed.key => bail!(
            "{} is signed with the key {}, and the key in {} is {}: it is of another server, or \
             the key was replaced.",
            file.display(),
            signed.key,
            key_file.display(),
            own.public()
        ),
        Some(_) => "the key of this server".to_owned(),
        None => format!(
            "the key {}; {} is not here to compare",
            signed.key,
            key_file.display()
        ),
    };
    let head = signed.head();
    writeln!(out, "Signed at {:.0} with {by}:\n{head}", signed.at)?;
    Ok(head)
}

/// Verifies files, each of which continues the one before.
fn verify(
    files: &[PathBuf],
    head: Option<ChainHead>,
    after: Option<ChainHead>,
) -> Result<AuditVerdict> {
    let mut verifier = match after {
        None => ChainVerifier::new(head),
        Some(after) => {
            let hash = parse_hash(&after.hash).map_err(anyhow::Error::msg)?;
            ChainVerifier::continuing((after.id, hash), head)
        }
    };
    for file in files {
        let unreadable = || format!("{} cannot be read", file.display());
        verify_file(&mut verifier, file).with_context(unreadable)?;
    }
    Ok(verifier.verdict())
}

fn verify_file(verifier: &mut ChainVerifier, file: &Path) -> Result<()> {
    let mut start = Vec::new();
    File::open(file)?
        .take(SQLITE.len() as u64)
        .read_to_end(&mut start)?;
    if start != SQLITE {
        return verify_lines(verifier, BufReader::new(File::open(file)?));
    }
    report_lost_changes(file)?;
    let sqlite = Store::open_reader(file)?;
    Ok(sqlite.snapshot(|store| {
        verifier.begin_store(store)?;
        while verifier.check_page(store)? {}
        Ok(())
    })?)
}

/// Verifies an export or an archive line by line, because it may be of any size.
fn verify_lines(verifier: &mut ChainVerifier, mut lines: impl io::BufRead) -> Result<()> {
    for number in 1_u64.. {
        let mut line = Vec::new();
        if (&mut lines).take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let fits = match entry(&line) {
            Ok(entry) => verifier.check(&entry),
            Err(error) => {
                verifier.record_unreadable(format!(
                    "line {number} of the export or archive is not an entry: {error}"
                ));
                false
            }
        };
        if !fits {
            break;
        }
    }
    Ok(())
}

fn entry(line: &[u8]) -> Result<AuditEntry, String> {
    let record: AuditRecord = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    Ok(AuditEntry {
        id: record.id,
        previous: parse_hash(&record.previous)?,
        hash: parse_hash(&record.hash)?,
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

fn parse_hash(text: &str) -> Result<[u8; 32], String> {
    let bytes = HEXLOWER.decode(text.as_bytes()).ok();
    let hash = bytes.and_then(|bytes| bytes.try_into().ok());
    hash.ok_or(format!("{text:?} is not a hash"))
}

fn report(verdict: &AuditVerdict, out: &mut dyn Write) -> Result<()> {
    match (&verdict.defect, &verdict.head) {
        (Some(fault), _) => {
            let hint = match verdict.entries {
                0 if fault.id > 1 => " If earlier entries were archived, name the archives first.",
                _ => "",
            };
            bail!(
                "entry {} of the audit trail is defective: {}. Intact before it: {}.{hint}",
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
            if let Some(archived) = &verdict.archived {
                writeln!(
                    out,
                    "It continues an archive, whose newest entry is\n{archived}"
                )?;
            }
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
        let verdict = |export: &str| {
            let mut verifier = ChainVerifier::new(None);
            verify_lines(&mut verifier, export.as_bytes()).unwrap();
            verifier.verdict()
        };
        for (export, expected) in [
            (
                "{".to_owned(),
                "line 1 of the export or archive is not an entry",
            ),
            (
                "\n".to_owned(),
                "line 1 of the export or archive is not an entry",
            ),
            (long, "line 1 of the export or archive is not an entry"),
            (line("12"), "\"12\" is not a hash"),
            (line(&zeros), "it was changed"),
        ] {
            let fault = verdict(&export).defect.unwrap();
            assert_eq!(fault.id, 1);
            assert!(fault.description.contains(expected), "{fault:?}");
        }
        assert!(verdict("").intact);
    }
}
