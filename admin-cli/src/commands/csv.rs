//! `export` and `import`: users and bans as CSV files.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use rookery_control_api::ImportReply;
use serde_json::json;

use super::{Show, ask};
use crate::cli::{ExportOptions, ImportOptions, Table};
use crate::client::{Client, Reply, problem_kind};
use crate::failure::{Failure, while_doing};
use crate::output;

/// Writes all accounts, or all bans that hold.
pub fn export(client: &Client, options: &ExportOptions, show: &Show) -> Result<(), Failure> {
    let content = client.get_text(&format!("/v1/export/{}", name(options.what)))?;
    let rows = content.lines().count().saturating_sub(1);
    let Some(file) = &options.file else {
        if show.json {
            return output::print(&json!({ "rows": rows, "csv": content }).to_string());
        }
        return output::print(content.trim_end());
    };
    let fault = format!("{} cannot be written", file.display());
    // What stands in a file may be worth more than what comes: it is not written over.
    let out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file);
    let written = out
        .map_err(while_doing(&fault))?
        .write_all(content.as_bytes());
    if written.is_err() {
        // Half a file is none; what went wrong before is what counts.
        let _ = fs::remove_file(file);
    }
    written.map_err(while_doing(&fault))?;
    if show.json {
        return output::print(&json!({ "rows": rows }).to_string());
    }
    output::print(&output::plain(&format!(
        "Wrote {rows} {} to {}",
        name(options.what),
        file.display()
    )))
}

/// Takes rows in. Ends with exit code 1 if any of them was bad; the others are in all the same.
pub fn import(client: &Client, options: &ImportOptions, show: &Show) -> Result<(), Failure> {
    let ImportOptions {
        what,
        file,
        dry_run,
        yes,
    } = options;
    let content =
        fs::read(file).map_err(while_doing(&format!("{} cannot be read", file.display())))?;
    let path = |confirm: bool| {
        format!(
            "/v1/import/{}?dry_run={dry_run}&confirm={confirm}",
            name(*what)
        )
    };
    let mut reply: Result<Reply<ImportReply>, Failure> = client.post_csv(&path(*yes), &content);
    if let Err(failure) = &reply
        && problem_kind(failure).as_deref() == Some("/problems/confirmation-required")
        && ask(&failure.to_string())?
    {
        reply = client.post_csv(&path(true), &content);
    }
    let reply = reply?;
    show.result(&reply, |reply| output::imported(reply, name(*what)))?;
    match reply.value.rejected.len() {
        0 => Ok(()),
        1 => Err(Failure::new("one row could not be taken in")),
        bad => Err(Failure::new(format!("{bad} rows could not be taken in"))),
    }
}

fn name(what: Table) -> &'static str {
    match what {
        Table::Users => "users",
        Table::Bans => "bans",
    }
}
