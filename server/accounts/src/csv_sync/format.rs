//! The format of the CSV files: parses rows, distinguishes added rows from those that the server
//! wrote, and formats rows. Nothing here accesses a file.
//!
//! A file begins with its header. A file without it, or with columns that it does not have
//! ([`RefusedFile`]), is refused whole: each of its rows might be parsed, and mean something else.
//!
//! The key of a row is its email (its name if it has none), or the target of its ban. A row with a
//! key that the server did not write was added by a person. A change or deletion of a row that the
//! server wrote is ignored.

use std::borrow::Cow;
use std::cell::LazyCell;
use std::collections::HashSet;

use csv::{QuoteStyle, ReaderBuilder, StringRecord, WriterBuilder};
use jiff::Timestamp;
use rookery_control_api::parse_time;
use rookery_protocol::{AccountName, Email};

use rookery_record::{Account, Ban, BanTarget};

/// One of the CSV files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// The accounts.
    Users,
    /// The bans.
    Bans,
    /// The list of users of the original Python server.
    OriginalUsers,
    /// The list of banned users of the original Python server.
    OriginalBans,
}

impl File {
    /// Returns the name of the file in the data folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Users => "users.csv",
            Self::Bans => "bans.csv",
            Self::OriginalUsers => "info.csv",
            Self::OriginalBans => "list_of_bans.csv",
        }
    }

    /// Returns the name of the file for rejected rows; `None` for a file that is never written.
    pub fn rejected(self) -> Option<&'static str> {
        match self {
            Self::Users => Some("users.rejected.csv"),
            Self::Bans => Some("bans.rejected.csv"),
            Self::OriginalUsers | Self::OriginalBans => None,
        }
    }

    /// Returns the names of the columns.
    pub fn header(self) -> &'static [&'static str] {
        match self {
            Self::Users => &["name", "email", "created_at"],
            Self::Bans => &["target", "reason", "by", "created_at", "expires_at"],
            Self::OriginalUsers | Self::OriginalBans => &["name", "email"],
        }
    }

    /// Returns the number of columns that a header must name.
    fn required_columns(self) -> usize {
        match self {
            Self::Bans => 1,
            Self::Users | Self::OriginalUsers | Self::OriginalBans => 2,
        }
    }
}

/// A parsed row. A field that was left empty is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    User {
        name: AccountName,
        email: Option<Email>,
        created_at: Option<Timestamp>,
    },
    Ban {
        target: BanTarget,
        reason: String,
        by: Option<String>,
        created_at: Option<Timestamp>,
        expires_at: Option<Timestamp>,
    },
}

impl Row {
    /// Returns the key of the row.
    fn key(&self) -> Cow<'_, str> {
        match self {
            // A name is never an email, so the two cannot collide.
            Self::User { name, email, .. } => {
                email.as_ref().map_or(name.folded(), Email::folded).into()
            }
            Self::Ban { target, .. } => target.folded(),
        }
    }

    fn parse(file: File, fields: &[String]) -> Result<Self, String> {
        let field = |index: usize| fields.get(index).map_or("", String::as_str);
        let columns = file.header().len();
        if fields.iter().skip(columns).any(|field| !field.is_empty()) {
            return Err(format!(
                "it has more than {columns} columns; put a text with a comma in quotation marks"
            ));
        }
        // The fields that say who is meant.
        let identifying: &[usize] = match file {
            File::Users | File::OriginalUsers | File::OriginalBans => &[0, 1],
            File::Bans => &[0],
        };
        let is_exported = |text: &str| {
            let start = text.as_bytes().get(..2);
            matches!(start, Some([b'\'', b'=' | b'+' | b'-' | b'@']))
        };
        if identifying.iter().any(|index| is_exported(field(*index))) {
            return Err(
                "it begins with the apostrophe of an export for spreadsheets; remove it".to_owned(),
            );
        }
        match file {
            File::Users | File::OriginalUsers => Ok(Self::User {
                name: AccountName::parse(field(0)).map_err(|error| error.to_string())?,
                email: match field(1) {
                    "" => None,
                    email => Some(Email::parse(email).map_err(|error| error.to_string())?),
                },
                created_at: time("created_at", field(2))?,
            }),
            File::Bans => Ok(Self::Ban {
                target: BanTarget::parse(field(0))
                    .map_err(|error| format!("the target is {error}"))?,
                reason: field(1).to_owned(),
                by: Some(field(2))
                    .filter(|by| !by.is_empty())
                    .map(str::to_owned),
                created_at: time("created_at", field(3))?,
                expires_at: time("expires_at", field(4))?,
            }),
            // The original server allowed any name, so only the email identifies the user.
            File::OriginalBans => Ok(Self::Ban {
                target: BanTarget::Email(
                    Email::parse(field(1)).map_err(|error| error.to_string())?,
                ),
                reason: format!("imported from {}", file.name()),
                by: None,
                created_at: None,
                expires_at: None,
            }),
        }
    }
}

fn time(column: &str, text: &str) -> Result<Option<Timestamp>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    parse_time(text)
        .map(Some)
        .map_err(|error| format!("its {column} is {error}"))
}

/// A row that a person added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedRow {
    /// The number of the line, from 1.
    pub line: u64,
    /// The row as in the file, without the end of the line.
    pub raw: Vec<u8>,
    /// The parsed row, or why it is rejected.
    pub row: Result<Row, String>,
}

/// Why a whole file is refused: its rows would mean something else than their author meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct RefusedFile {
    /// The number of the line, from 1.
    pub line: u64,
    /// What is wrong with the line, and what to do.
    pub reason: String,
}

/// Returns the rows of `content` whose keys are not in `written`. A file without any text has no
/// rows; [`check_text`] refuses it where someone has sent it.
///
/// # Errors
/// If the first line is not the header, or a line shows that the file has other columns than the
/// header says.
pub fn added(file: File, content: &[u8], written: &str) -> Result<Vec<AddedRow>, RefusedFile> {
    let own_lines: HashSet<&[u8]> = lines(written.as_bytes()).map(|(_, raw)| raw).collect();
    // Parsing what the server wrote takes long, and usually all lines are its own.
    let own_keys = LazyCell::new(|| keys(file, written));
    let mut lines = lines(without_bom(content)).filter(|(_, raw)| !is_blank(raw));
    if let Some((line, raw)) = lines.next() {
        check_header(file, raw).map_err(|reason| RefusedFile { line, reason })?;
    }
    let mut found = Vec::new();
    for (line, raw) in lines {
        if own_lines.contains(raw) {
            continue;
        }
        let fields = fields(raw);
        check_columns(file, raw, fields.as_deref().unwrap_or_default())
            .map_err(|reason| RefusedFile { line, reason })?;
        let row = fields.and_then(|fields| Row::parse(file, &fields));
        if row.as_ref().is_ok_and(|row| own_keys.contains(&*row.key())) {
            continue;
        }
        found.push(AddedRow {
            line,
            raw: raw.to_vec(),
            row,
        });
    }
    Ok(found)
}

/// Checks that the content has text, so that [`added`] has checked its header.
///
/// # Errors
/// If there is none.
pub fn check_text(file: File, content: &[u8]) -> Result<(), RefusedFile> {
    if lines(without_bom(content)).all(|(_, raw)| is_blank(raw)) {
        let reason = header_missing(file);
        return Err(RefusedFile { line: 1, reason });
    }
    Ok(())
}

fn header_missing(file: File) -> String {
    format!(
        "the first line must be the header {}",
        file.header().join(",")
    )
}

/// Returns whether the content begins with the header of `file`.
pub fn has_header(file: File, content: &[u8]) -> bool {
    let first = lines(without_bom(content)).find(|(_, raw)| !is_blank(raw));
    first.is_some_and(|(_, raw)| check_header(file, raw).is_ok())
}

/// Returns the content without the byte order mark with which spreadsheets begin a file.
fn without_bom(content: &[u8]) -> &[u8] {
    content
        .strip_prefix("\u{feff}".as_bytes())
        .unwrap_or(content)
}

/// Returns whether a line has no text. A spreadsheet saves an empty row as commas.
fn is_blank(line: &[u8]) -> bool {
    line.iter()
        .all(|&byte| byte == b',' || byte.is_ascii_whitespace())
}

/// Checks that a line names the columns of `file`; those at the end may be missing.
fn check_header(file: File, line: &[u8]) -> Result<(), String> {
    check_separator(line)?;
    let columns = file.header();
    let mut names = fields(line)?;
    while names.last().is_some_and(String::is_empty) {
        names.pop();
    }
    let are_named = names.len() <= columns.len()
        && names
            .iter()
            .zip(columns)
            .all(|(name, column)| name.eq_ignore_ascii_case(column));
    if names.len() >= file.required_columns() && are_named {
        Ok(())
    } else {
        Err(header_missing(file))
    }
}

/// Checks that a row has the columns that the header names.
fn check_columns(file: File, line: &[u8], fields: &[String]) -> Result<(), String> {
    check_separator(line)?;
    let holds_email = |field: &String| Email::parse(field).is_ok();
    if file.header()[0] == "name" && fields.first().is_some_and(holds_email) {
        return Err(format!(
            "the column name holds an email; the columns are {}",
            file.header().join(",")
        ));
    }
    Ok(())
}

/// Checks that another character than the comma does not end the first column. A name may contain
/// a semicolon, and is in quotation marks then.
fn check_separator(line: &[u8]) -> Result<(), String> {
    for (separator, name) in [(b';', "semicolons"), (b'\t', "tabs")] {
        // Splitting a line builds a parser, which costs more than a search.
        if !line.contains(&separator) {
            continue;
        }
        let fields = split(line, separator).unwrap_or_default();
        if fields.len() > 1 && !fields[0].contains(',') {
            return Err(format!(
                "the columns are separated by {name}; save the file with commas between them, \
                 and names that contain {name} in quotation marks"
            ));
        }
    }
    Ok(())
}

/// Returns the rows whose keys are not in `content`, which the server wrote.
pub fn without_those_in<'a>(
    file: File,
    rows: &'a [AddedRow],
    content: &'a str,
) -> impl Iterator<Item = &'a AddedRow> {
    let keys = LazyCell::new(move || keys(file, content));
    rows.iter().filter(move |added| {
        !added
            .row
            .as_ref()
            .is_ok_and(|row| keys.contains(&*row.key()))
    })
}

fn keys(file: File, content: &str) -> HashSet<String> {
    lines(content.as_bytes())
        .filter_map(|(_, raw)| {
            Some(
                Row::parse(file, &fields(raw).ok()?)
                    .ok()?
                    .key()
                    .into_owned(),
            )
        })
        .collect()
}

/// Returns the lines with their numbers. Unlike in CSV, a row is always one line, so that a missing
/// quotation mark affects only its own line.
fn lines(content: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    (1..).zip(
        content
            .split(|&byte| byte == b'\n')
            .map(<[u8]>::trim_ascii_end),
    )
}

fn fields(line: &[u8]) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(line).map_err(|_| "it is not valid UTF-8")?;
    if text.matches('"').count() % 2 == 1 {
        return Err("a quotation mark is not closed".to_owned());
    }
    if text.contains(|char: char| char.is_control() && char != '\t') {
        return Err("it contains a control character".to_owned());
    }
    split(line, b',')
}

/// Returns the fields of a line of UTF-8.
fn split(line: &[u8], separator: u8) -> Result<Vec<String>, String> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .delimiter(separator)
        .from_reader(line);
    let mut record = StringRecord::new();
    reader
        .read_record(&mut record)
        .map_err(|error| error.to_string())?;
    Ok(record.iter().map(|field| field.trim().to_owned()).collect())
}

/// Returns `users.csv` as the server writes it.
pub fn of_users(accounts: &[Account]) -> String {
    let rows = accounts.iter().map(|account| {
        let email = account
            .email
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        [
            account.name.to_string(),
            email,
            account.created_at.to_string(),
        ]
    });
    content(File::Users, rows)
}

/// Returns `bans.csv` as the server writes it. `bans` has the newest first; the file has them last,
/// where people add theirs.
pub fn of_bans(bans: &[Ban]) -> String {
    let rows = bans.iter().rev().map(|ban| {
        [
            ban.target.to_string(),
            ban.reason.clone(),
            ban.by.clone(),
            ban.created_at.to_string(),
            ban.expires_at
                .map(|end| end.to_string())
                .unwrap_or_default(),
        ]
    });
    content(File::Bans, rows)
}

fn content<const N: usize>(file: File, rows: impl Iterator<Item = [String; N]>) -> String {
    let mut content = line(file.header());
    rows.for_each(|row| content.push_str(&line(&row)));
    content
}

/// Returns a line. If its first field might be taken for several, every field is quoted.
fn line(fields: &[impl AsRef<[u8]>]) -> String {
    let is_ambiguous = fields[0].as_ref().contains(&b';');
    let mut writer = WriterBuilder::new()
        .quote_style(if is_ambiguous {
            QuoteStyle::Always
        } else {
            QuoteStyle::Necessary
        })
        .from_writer(Vec::new());
    writer
        .write_record(fields)
        .expect("memory can be written to");
    let bytes = writer.into_inner().expect("memory can be written to");
    String::from_utf8(bytes).expect("texts make a text")
}
