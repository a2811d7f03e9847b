//! The format of the CSV files: parses rows, distinguishes added rows from those that the server
//! wrote, and formats rows. Nothing here accesses a file.
//!
//! The key of a row is its email (its name if it has none), or the target of its ban. A row with a
//! key that the server did not write was added by a person. A change or deletion of a row that the
//! server wrote is ignored.

use std::borrow::Cow;
use std::collections::HashSet;

use csv::{ReaderBuilder, StringRecord, WriterBuilder};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
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
    let day = || {
        text.parse::<Date>()
            .ok()?
            .to_zoned(TimeZone::UTC)
            .ok()
            .map(|start| start.timestamp())
    };
    text.parse().ok().or_else(day).map(Some).ok_or_else(|| {
        format!(
            "its {column} is neither a time such as 2026-12-31T18:00:00Z nor a day such as \
             2026-12-31"
        )
    })
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

/// Returns whether the content begins with the header of `file`.
pub fn has_header(file: File, content: &[u8]) -> bool {
    let content = content
        .strip_prefix("\u{feff}".as_bytes())
        .unwrap_or(content);
    let first = lines(content).next().and_then(|(_, raw)| fields(raw).ok());
    first.is_some_and(|fields| is_header(file, &fields))
}

/// Returns the rows of `content` whose keys are not in `written`.
pub fn added(file: File, content: &[u8], written: &str) -> Vec<AddedRow> {
    let content = content
        .strip_prefix("\u{feff}".as_bytes())
        .unwrap_or(content);
    let own_lines: HashSet<&[u8]> = lines(written.as_bytes()).map(|(_, raw)| raw).collect();
    let own_keys = keys(file, written);
    let mut found = Vec::new();
    for (line, raw) in lines(content) {
        if own_lines.contains(raw) {
            continue;
        }
        let fields = fields(raw);
        let is_blank = |fields: &Vec<String>| fields.iter().all(String::is_empty);
        if fields
            .as_ref()
            .is_ok_and(|fields| is_blank(fields) || line == 1 && is_header(file, fields))
        {
            continue;
        }
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
    found
}

/// Returns the rows whose keys are not in `content`, which the server wrote.
pub fn without_those_in<'a>(
    file: File,
    rows: &'a [AddedRow],
    content: &str,
) -> impl Iterator<Item = &'a AddedRow> {
    let keys = keys(file, content);
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
    let mut reader = ReaderBuilder::new().has_headers(false).from_reader(line);
    let mut record = StringRecord::new();
    reader
        .read_record(&mut record)
        .map_err(|error| error.to_string())?;
    Ok(record.iter().map(|field| field.trim().to_owned()).collect())
}

/// Two columns identify a header: no row can have their names as values.
fn is_header(file: File, fields: &[String]) -> bool {
    fields.len() > 1
        && fields
            .iter()
            .zip(file.header())
            .take(2)
            .all(|(field, name)| field.eq_ignore_ascii_case(name))
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
    let mut writer = WriterBuilder::new().from_writer(Vec::new());
    let written = writer.write_record(file.header()).and_then(|()| {
        rows.into_iter()
            .try_for_each(|row| writer.write_record(row))
    });
    written.expect("rows of one length can be written to memory");
    let bytes = writer.into_inner().expect("memory can be written to");
    String::from_utf8(bytes).expect("texts make a text")
}
