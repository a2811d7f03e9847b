//! `audit`: shows, exports and verifies the audit trail.

use std::fs::{self, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jiff::Timestamp;
use rookery_control_api::{
    AuditDefect, AuditList, AuditOutcome, AuditRecord, AuditVerdict, ChainHead,
};
use serde_json::json;

use crate::args::moment;
use crate::audit_head;
use crate::client::{Client, Query, Reply};
use crate::context::Context;
use crate::failure::{Failure, while_doing};
use crate::render::{self, Clock, count, printable};
use crate::table::{table, table_text_with};

/// Entries per request of an export.
const EXPORT_PAGE: u16 = 1000;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    filters: Filters,
    /// Show up to this many entries
    #[arg(
        long, value_name = "N", default_value_t = 50,
        value_parser = clap::value_parser!(u16).range(1..=1000)
    )]
    limit: u16,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write the whole trail as JSON, one entry per line, with the hashes
    ///
    /// `rookeryd audit verify FILE` verifies such a file on any machine.
    Export {
        /// A file that does not exist yet; standard output if left out
        file: Option<PathBuf>,
    },
    /// Verify that no entry was changed and none is missing
    ///
    /// Exits with code 1 and names the first defective entry. Also compares the newest entry that
    /// this computer has seen, as each sign-in does, so that nobody can cut off the newest ones.
    Verify {
        /// An entry noted earlier, from a mail or a previous `audit verify`, that must still exist
        #[arg(long, value_name = "ID:HASH")]
        head: Option<ChainHead>,
    },
}

/// Which entries to show. Texts must match as a whole; case is ignored.
#[derive(Debug, Args)]
struct Filters {
    /// Only entries of this admin
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Only this act, such as `kick`
    #[arg(long, value_name = "ACT")]
    act: Option<String>,
    /// Only entries about this user, ban or admin
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// Only allowed or only refused acts
    #[arg(long, value_name = "OUTCOME", value_parser = ["allowed", "refused"])]
    outcome: Option<String>,
    /// Only entries since then: 7d for the last seven days, a day such as 2026-11-22 (from 0:00
    /// UTC), or a time such as 2026-11-22T10:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<Timestamp>,
    /// Only entries before then, in the same format
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    until: Option<Timestamp>,
    /// Only entries with a smaller id: the preceding page
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
}

impl Options {
    pub fn run(self, context: &Context<'_>) -> Result<(), Failure> {
        let client = context.client()?;
        match self.command {
            None => {
                audit_head::warn(&client, context);
                list(&client, self.filters, self.limit, context)
            }
            Some(Command::Export { file }) => {
                audit_head::warn(&client, context);
                export(&client, file.as_deref(), context.json)
            }
            Some(Command::Verify { head }) => verify(&client, head.as_ref(), context),
        }
    }
}

fn list(
    client: &Client,
    filters: Filters,
    limit: u16,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let Filters {
        actor,
        act,
        target,
        outcome,
        since,
        until,
        before,
    } = filters;
    let query = Query::new("/v1/audit")
        .set("limit", limit)
        .maybe("actor", actor)
        .maybe("act", act)
        .maybe("target", target)
        .maybe("outcome", outcome)
        .maybe("since", since)
        .maybe("until", until)
        .maybe("before", before);
    let reply: Reply<AuditList> = client.get(&query)?;
    context.show(&reply, entry_table)
}

fn export(client: &Client, file: Option<&Path>, json: bool) -> Result<(), Failure> {
    let Some(file) = file else {
        return write_entries(client, render::print_json).map(drop);
    };
    let fault = format!("cannot write {}", file.display());
    // An older export is evidence and is never overwritten.
    let out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .map_err(while_doing(&fault))?;
    let mut out = BufWriter::new(out);
    let written = write_entries(client, |line| {
        writeln!(out, "{line}").map_err(while_doing(&fault))
    })
    .and_then(|written| out.flush().map(|()| written).map_err(while_doing(&fault)));
    if written.is_err() {
        // An incomplete export must not look like a complete one. The first error is reported.
        let _ = fs::remove_file(file);
    }
    let (entries, head) = written?;
    if json {
        return render::print_json(&json!({ "entries": entries, "head": head }).to_string());
    }
    let newest = head
        .map(|head| format!("; the newest is\n{head}"))
        .unwrap_or_default();
    let entries = count(entries, "entry", "entries");
    render::print(&format!("Wrote {entries} to {}{newest}", file.display()))
}

/// Writes all entries, page by page, so that memory is bounded. `write` writes one line. Returns
/// their number and the newest.
fn write_entries(
    client: &Client,
    mut write: impl FnMut(&str) -> Result<(), Failure>,
) -> Result<(u64, Option<ChainHead>), Failure> {
    let (mut entries, mut head, mut after) = (0, None, 0);
    loop {
        let query = Query::new("/v1/audit")
            .set("limit", EXPORT_PAGE)
            .set("after", after);
        let list: AuditList = client.get(&query)?.value;
        for entry in list.entries {
            let line =
                serde_json::to_string(&entry).map_err(|error| Failure::new(error.to_string()))?;
            write(&line)?;
            entries += 1;
            head = Some(ChainHead {
                id: entry.id,
                hash: entry.hash,
            });
        }
        match list.next {
            Some(next) => after = next,
            None => break,
        }
    }
    Ok((entries, head))
}

fn verify(client: &Client, head: Option<&ChainHead>, context: &Context<'_>) -> Result<(), Failure> {
    let warning = audit_head::check(client, context)?;
    let query = Query::new("/v1/audit/verify").maybe("head", head);
    let reply: Reply<AuditVerdict> = client.get(&query)?;
    match (&reply.value.defect, warning) {
        (None, None) => context.show(&reply, |verdict, _| intact(verdict)),
        (None, Some(warning)) => Err(Failure::new(warning)),
        (Some(AuditDefect { id, description }), _) => Err(Failure::Failed {
            message: format!(
                "entry {id} of the audit trail is defective: {description}. Intact before it: {}.",
                count(reply.value.entries, "entry", "entries")
            ),
            document: Some(reply.raw),
        }),
    }
}

/// Returns the entries with two lines for each, or more if they do not fit the terminal.
fn entry_table(list: &AuditList, clock: &Clock) -> String {
    let rows = list.entries.iter().map(|entry| {
        [
            entry.id.to_string(),
            clock.date_and_time(entry.at),
            entry.actor.clone(),
            entry.act.clone(),
            entry.target.clone(),
        ]
    });
    let header = ["ID", "TIME", "ADMIN", "ACT", "TARGET"];
    let entry = |row: usize| list.entries.get(row);
    let is_refused =
        |row: usize| entry(row).is_some_and(|entry| entry.outcome == AuditOutcome::Refused);
    let number = count(list.entries.len(), "entry", "entries");
    let text = if list.entries.is_empty() {
        number
    } else {
        let more = |row: usize| entry(row).map(second_line);
        let table = table_text_with(&table(header, rows), is_refused, more);
        format!("{table}\n\n{number}")
    };
    match list.next {
        Some(id) => format!("{text}; for older ones, --before {id}"),
        None => text,
    }
}

/// Returns what the table does not show of an entry.
fn second_line(entry: &AuditRecord) -> String {
    let session = match entry.session.as_str() {
        "" => String::new(),
        session => format!(", session {session}"),
    };
    let detail = match entry.detail.as_str() {
        "" => String::new(),
        detail => format!(": {detail}"),
    };
    let (outcome, origin) = (entry.outcome.name(), &entry.origin);
    printable(&format!("{outcome} from {origin}{session}{detail}"))
}

fn intact(verdict: &AuditVerdict) -> String {
    let Some(head) = &verdict.head else {
        return "The audit trail is empty.".to_owned();
    };
    let entries = count(verdict.entries, "entry", "entries");
    let archived = verdict
        .archived
        .as_ref()
        .map_or_else(String::new, |archived| {
            format!("\nIt continues an archive, whose newest entry is\n{archived}")
        });
    format!("The audit trail is intact: {entries}. The newest is\n{head}{archived}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::render::tests::clock;

    #[test]
    fn an_entry_has_two_lines_that_fit_a_narrow_terminal() {
        let list: AuditList = serde_json::from_value(json!({
            "entries": [{
                "id": 1234, "at": "2026-11-22T09:00:00Z", "actor": "root", "origin": "192.0.2.1",
                "session": "0123456789abcdef", "act": "account revoke", "target": "alice",
                "outcome": "refused", "detail": "no such\u{1b}[2J credential",
                "previous": "00".repeat(32), "hash": "00".repeat(32),
            }],
            "next": 1234,
        }))
        .unwrap();
        let shown = entry_table(&list, &clock());
        let lines: Vec<&str> = shown.lines().collect();
        assert!(
            lines.iter().all(|line| line.chars().count() <= 80),
            "{shown}"
        );
        assert_eq!(
            lines[1].split_whitespace().collect::<Vec<_>>(),
            [
                "1234",
                "2026-11-22",
                "09:00:00",
                "root",
                "account",
                "revoke",
                "alice"
            ]
        );
        assert_eq!(
            lines[2],
            "    refused from 192.0.2.1, session 0123456789abcdef: no such\u{fffd}[2J credential"
        );
        assert_eq!(
            lines.last(),
            Some(&"1 entry; for older ones, --before 1234")
        );
    }
}
