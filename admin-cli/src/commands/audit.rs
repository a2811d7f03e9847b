//! `audit`: the trail page by page, as a whole, and along its chain of hashes.

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rookery_control_api::{AuditDefect, AuditList, AuditVerdict, ChainHead};
use serde_json::json;

use super::Show;
use crate::cli::{AuditCommand, AuditFilters, AuditOptions};
use crate::client::{Client, Reply, segment};
use crate::failure::{Failure, while_doing};
use crate::output::{self, Reader};

/// Entries asked for at once in an export.
const PAGE: u16 = 1000;

/// One page.
fn list(client: &Client, filters: &AuditFilters, limit: u16, show: &Show) -> Result<(), Failure> {
    let AuditFilters {
        actor,
        act,
        target,
        outcome,
        since,
        until,
        before,
    } = filters;
    let options = [
        ("actor", actor.clone()),
        ("act", act.clone()),
        ("target", target.clone()),
        ("outcome", outcome.clone()),
        ("since", since.map(|since| since.to_string())),
        ("until", until.map(|until| until.to_string())),
        ("before", before.map(|before| before.to_string())),
    ];
    let options: String = options
        .into_iter()
        .filter_map(|(name, value)| Some(format!("&{name}={}", segment(&value?))))
        .collect();
    let reply: Reply<AuditList> = client.get(&format!("/v1/audit?limit={limit}{options}"))?;
    show.result(&reply, |list| Reader::here().audit(list))
}

/// A page of it, or what else is asked for.
pub fn run(client: &Client, options: AuditOptions, show: &Show) -> Result<(), Failure> {
    match options.command {
        None => list(client, &options.filters, options.limit, show),
        Some(AuditCommand::Export { file }) => export(client, file.as_deref(), show),
        Some(AuditCommand::Verify { head }) => verify(client, head.as_ref(), show),
    }
}

fn export(client: &Client, file: Option<&Path>, show: &Show) -> Result<(), Failure> {
    let Some(file) = file else {
        return write_all(
            client,
            &mut io::stdout().lock(),
            "standard output cannot be written",
        )
        .map(drop);
    };
    let fault = format!("{} cannot be written", file.display());
    // An older export is evidence: it is not written over.
    let out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file);
    let written = write_all(
        client,
        &mut BufWriter::new(out.map_err(while_doing(&fault))?),
        &fault,
    );
    if written.is_err() {
        // Half an export is none; what went wrong before is what counts.
        let _ = fs::remove_file(file);
    }
    let (entries, head) = written?;
    if show.json {
        return output::print(&json!({ "entries": entries, "head": head }).to_string());
    }
    let newest = head
        .map(|head| format!("; the newest is\n{head}"))
        .unwrap_or_default();
    output::print(&format!(
        "Wrote {entries} entries to {}{newest}",
        file.display()
    ))
}

/// Page by page, so that a trail of any size fits; gives how many entries, and the newest.
fn write_all(
    client: &Client,
    out: &mut impl Write,
    fault: &str,
) -> Result<(u64, Option<ChainHead>), Failure> {
    let (mut entries, mut head, mut after) = (0, None, 0);
    loop {
        let list: AuditList = client
            .get(&format!("/v1/audit?limit={PAGE}&after={after}"))?
            .value;
        for entry in list.entries {
            let line =
                serde_json::to_string(&entry).map_err(|error| Failure::new(error.to_string()))?;
            writeln!(out, "{line}").map_err(while_doing(fault))?;
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
    out.flush().map_err(while_doing(fault))?;
    Ok((entries, head))
}

fn verify(client: &Client, head: Option<&ChainHead>, show: &Show) -> Result<(), Failure> {
    let options = head.map(|head| format!("?head={head}")).unwrap_or_default();
    let reply: Reply<AuditVerdict> = client.get(&format!("/v1/audit/verify{options}"))?;
    match &reply.value.fault {
        None => show.result(&reply, output::verdict),
        Some(AuditDefect { id, what }) => Err(Failure::Failed {
            message: format!(
                "entry {id} of the audit trail is not in order: {what}. {} before it are.",
                reply.value.entries
            ),
            document: Some(reply.raw),
        }),
    }
}
