//! `export` and `import`: accounts and bans as CSV files.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use csv::{QuoteStyle, ReaderBuilder, StringRecord, WriterBuilder};
use rookery_control_api::ImportReply;
use serde_json::json;

use crate::client::{Client, Query, Reply};
use crate::context::Context;
use crate::failure::{Failure, while_doing};
use crate::prompt::{NEEDS_CONFIRMATION, send_confirmed};
use crate::render::{self, count, printable};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write the accounts or the bans as CSV
    Export(ExportOptions),
    /// Import accounts or bans from a CSV file
    ///
    /// The first line must be the header. Every valid row is imported; every invalid row is
    /// reported by its line, and makes the exit code 1. A file without its header, with semicolons
    /// for commas, or with emails for names is refused whole.
    Import(ImportOptions),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Table {
    /// The accounts: `name,email,created_at` (owners only)
    Users,
    /// The bans: `target,reason,by,created_at,expires_at`
    Bans,
}

#[derive(Debug, Args)]
pub struct ExportOptions {
    /// What to export
    what: Table,
    /// A file that does not exist yet; standard output if left out
    file: Option<PathBuf>,
    /// Write it for a spreadsheet such as Excel: begin with a byte order mark, and put an
    /// apostrophe before text that the spreadsheet would run as a formula
    #[arg(long)]
    excel: bool,
}

#[derive(Debug, Args)]
pub struct ImportOptions {
    /// What to import
    what: Table,
    /// A file with the header of an export, or with name,email
    file: PathBuf,
    /// Only show what would be imported
    #[arg(long)]
    dry_run: bool,
    /// Do not ask for confirmation if a ban covers everyone or yourself
    #[arg(long)]
    yes: bool,
}

impl Table {
    /// Returns the name in paths and texts, a plural.
    fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Bans => "bans",
        }
    }

    fn count(self, number: usize) -> String {
        match self {
            Self::Users => count(number, "user", "users"),
            Self::Bans => count(number, "ban", "bans"),
        }
    }
}

impl Command {
    pub fn run(self, context: &Context<'_>) -> Result<(), Failure> {
        let client = context.client()?;
        match self {
            Self::Export(options) => export(&client, &options, context.json),
            Self::Import(options) => import(&client, &options, context),
        }
    }
}

fn export(client: &Client, options: &ExportOptions, json: bool) -> Result<(), Failure> {
    let ExportOptions { what, file, excel } = options;
    let mut content = client.get_text(&format!("/v1/export/{}", what.name()))?;
    let unreadable = |error| Failure::new(format!("the server sent no CSV: {error}"));
    let records = records(&content).map_err(unreadable)?;
    let rows = records.len().saturating_sub(1);
    if *excel {
        content = for_spreadsheet(&records).map_err(unreadable)?;
    }
    let Some(file) = file else {
        if json {
            return render::print_json(&json!({ "rows": rows, "csv": content }).to_string());
        }
        return render::print_file(&content);
    };
    let fault = format!("cannot write {}", file.display());
    // An existing file may be worth more than the export and is never overwritten.
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .map_err(while_doing(&fault))?
        .write_all(content.as_bytes());
    if written.is_err() {
        // An incomplete export must not look like a complete one. The first error is reported.
        let _ = fs::remove_file(file);
    }
    written.map_err(while_doing(&fault))?;
    if json {
        return render::print_json(&json!({ "rows": rows }).to_string());
    }
    render::print(&printable(&format!(
        "Wrote {} to {}",
        what.count(rows),
        file.display()
    )))
}

/// Returns the rows of a CSV file, including the header.
fn records(content: &str) -> Result<Vec<StringRecord>, csv::Error> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .from_reader(content.as_bytes());
    reader.records().collect()
}

/// Returns a CSV file that a spreadsheet opens as UTF-8, and whose texts it does not run as
/// formulas. All fields are quoted, for a spreadsheet that takes more than commas for separators.
fn for_spreadsheet(records: &[StringRecord]) -> Result<String, csv::Error> {
    let mut writer = WriterBuilder::new()
        .quote_style(QuoteStyle::Always)
        .from_writer("\u{feff}".as_bytes().to_vec());
    for record in records {
        writer.write_record(record.iter().map(without_formula))?;
    }
    let bytes = writer
        .into_inner()
        .map_err(csv::IntoInnerError::into_error)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns the text of a field, with an apostrophe before what a spreadsheet takes for the start of
/// a formula.
///
/// Where the spreadsheet separates fields by semicolons or tabs, as Excel does in many countries,
/// the commas separate nothing and quotes protect nothing: a cell then also begins after a
/// semicolon, a tab or a line break in the text.
fn without_formula(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 1);
    let mut is_start = true;
    for char in text.chars() {
        let begins_formula = matches!(char, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠');
        if is_start && begins_formula || safe.is_empty() && matches!(char, '\t' | '\r') {
            safe.push('\'');
        }
        is_start = matches!(char, ';' | '\t' | '\r' | '\n')
            || is_start && (char.is_whitespace() || matches!(char, '"' | '\''));
        safe.push(char);
    }
    safe
}

/// Imports a file. The exit code is 1 if a row was rejected; the other rows are imported anyway.
fn import(client: &Client, options: &ImportOptions, context: &Context<'_>) -> Result<(), Failure> {
    let ImportOptions {
        what,
        file,
        dry_run,
        yes,
    } = options;
    let csv = fs::read(file).map_err(while_doing(format!("cannot read {}", file.display())))?;
    let send = |confirm: bool| {
        let query = Query::new(&format!("/v1/import/{}", what.name()))
            .set("dry_run", dry_run)
            .set("confirm", confirm);
        client.post_csv(&query, &csv)
    };
    let reply: Reply<ImportReply> = send_confirmed(send, *yes)?;
    context.show(&reply, |reply, _| imported(reply, *what))?;
    match reply.value.rejected.len() + reply.value.more_rejected {
        0 => Ok(()),
        rejected => Err(Failure::new(format!(
            "{} could not be imported",
            count(rejected, "row", "rows")
        ))),
    }
}

fn imported(reply: &ImportReply, what: Table) -> String {
    let ImportReply {
        rows,
        added,
        known,
        rejected,
        more_rejected,
        doubtful,
        more_doubtful,
        sessions,
        done,
    } = reply;
    let line_of = |line: u64, text: &str| printable(&format!("Line {line}: {text}"));
    let mut lines: Vec<String> = rejected
        .iter()
        .map(|row| line_of(row.line, &row.reason))
        .collect();
    if *more_rejected > 0 {
        lines.push(format!(
            "{} not listed",
            count(
                *more_rejected,
                "further invalid row is",
                "further invalid rows are"
            )
        ));
    }
    lines.extend(
        doubtful
            .iter()
            .map(|row| line_of(row.line, &format!("{} {NEEDS_CONFIRMATION}", row.reason))),
    );
    if *more_doubtful > 0 {
        let further = count(*more_doubtful, "further ban", "further bans");
        lines.push(format!("{further}: {NEEDS_CONFIRMATION}"));
    }
    let added = what.count(*added);
    let added = if *done {
        format!("added {added}")
    } else {
        format!("would add {added}")
    };
    let ended = match sessions {
        0 => String::new(),
        sessions => format!("; {} ended", count(*sessions, "session", "sessions")),
    };
    let unchanged = if *done { "" } else { " Nothing was changed." };
    lines.push(format!(
        "{}: {added}, {known} already known, {} invalid{ended}.{unchanged}",
        count(*rows, "row", "rows"),
        rejected.len() + more_rejected
    ));
    lines.join("\n")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rookery_control_api::{DoubtfulRow, RejectedRow};

    use super::*;

    #[test]
    fn an_export_for_a_spreadsheet_has_a_byte_order_mark_and_no_formula() {
        let content =
            "target,reason\n=x,\"=cmd|' /C calc'!A0, now\"\n+a@b.c,\"two\nlines\"\nbob,-1\n";
        let records = records(content).unwrap();
        assert_eq!(records.len(), 4, "a row may have several lines");
        assert_eq!(
            for_spreadsheet(&records).unwrap(),
            "\u{feff}\"target\",\"reason\"\n\"'=x\",\"'=cmd|' /C calc'!A0, now\"\n\
             \"'+a@b.c\",\"two\nlines\"\n\"bob\",\"'-1\"\n"
        );
    }

    #[test]
    fn no_cell_begins_with_a_formula_whatever_separates_the_cells() {
        for (text, safe) in [
            ("x;=1+1", "x;'=1+1"),
            ("x\t@SUM(A1)", "x\t'@SUM(A1)"),
            ("x\n\"=1\"", "x\n\"'=1\""),
            ("x; +1;\"-1", "x; '+1;\"'-1"),
            ("\"=1", "\"'=1"),
            ("a-b; c=d", "a-b; c=d"),
        ] {
            assert_eq!(without_formula(text), safe, "{text:?}");
        }
    }

    #[test]
    fn invalid_rows_are_reported_by_line() {
        let row = |line, reason: &str| RejectedRow {
            line,
            reason: reason.to_owned(),
        };
        let mut reply = ImportReply {
            rows: 5,
            added: 2,
            known: 1,
            rejected: vec![row(3, "the name is empty"), row(9, "no\u{1b}mail")],
            more_rejected: 0,
            doubtful: Vec::new(),
            more_doubtful: 0,
            sessions: 1,
            done: true,
        };
        let expected = "\
Line 3: the name is empty
Line 9: no\u{fffd}mail
5 rows: added 2 bans, 1 already known, 2 invalid; 1 session ended.";
        assert_eq!(imported(&reply, Table::Bans), expected);
        reply.done = false;
        reply.rejected.clear();
        reply.doubtful.push(DoubtfulRow {
            line: 4,
            reason: "*@* covers everyone.".to_owned(),
        });
        (reply.added, reply.sessions) = (1, 0);
        (reply.more_rejected, reply.more_doubtful) = (2, 1);
        assert_eq!(
            imported(&reply, Table::Users),
            "2 further invalid rows are not listed\n\
             Line 4: *@* covers everyone. The real run will ask for a confirmation (--yes).\n\
             1 further ban: The real run will ask for a confirmation (--yes).\n\
             5 rows: would add 1 user, 1 already known, 2 invalid. Nothing was changed."
        );
    }
}
