//! The rows of the CSV files: read, told apart from those the server wrote itself, and written.
//! Nothing here touches a file.
//!
//! A row is known by its email (by its name if it has none) or its ban's target. What stands in a
//! file under a name that the server did not write there was added by a person; a row that the
//! server wrote and a person changed or took out means nothing.

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
    Users,
    Bans,
    /// The Python original's list of users.
    OriginalUsers,
    /// The Python original's list of banned users.
    OriginalBans,
}

impl File {
    /// In the data folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Users => "users.csv",
            Self::Bans => "bans.csv",
            Self::OriginalUsers => "info.csv",
            Self::OriginalBans => "list_of_bans.csv",
        }
    }

    /// Where rows that could not be taken in are put away; none for a file that is never written.
    pub fn rejected(self) -> Option<&'static str> {
        match self {
            Self::Users => Some("users.rejected.csv"),
            Self::Bans => Some("bans.rejected.csv"),
            Self::OriginalUsers | Self::OriginalBans => None,
        }
    }

    /// Its columns.
    pub fn header(self) -> &'static [&'static str] {
        match self {
            Self::Users => &["name", "email", "created_at"],
            Self::Bans => &["target", "reason", "by", "created_at", "expires_at"],
            Self::OriginalUsers | Self::OriginalBans => &["name", "email"],
        }
    }
}

/// What a row says. What a person left empty is none.
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
    /// What the row is known by.
    fn key(&self) -> Cow<'_, str> {
        match self {
            // No name is an email.
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
                "it has more than {columns} columns; a text with a comma stands between quotation marks"
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
            // Whatever name the original let a user have, the ban is on the email.
            File::OriginalBans => Ok(Self::Ban {
                target: BanTarget::Email(
                    Email::parse(field(1)).map_err(|error| error.to_string())?,
                ),
                reason: format!("taken over from {}", file.name()),
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
        format!("its {column} is no time in the form 2026-12-31T18:00:00Z, nor a day in the form 2026-12-31")
    })
}

/// A row that a person added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedRow {
    pub line: u64,
    /// As it stands in the file, without the line's end.
    pub raw: Vec<u8>,
    /// Or why it cannot be taken in.
    pub row: Result<Row, String>,
}

/// Whether the content begins with the header of such a file.
pub fn has_header(file: File, content: &[u8]) -> bool {
    let content = content
        .strip_prefix("\u{feff}".as_bytes())
        .unwrap_or(content);
    let first = lines(content).next().and_then(|(_, raw)| fields(raw).ok());
    first.is_some_and(|fields| is_header(file, &fields))
}

/// The rows of `content` that are not among those of `written`.
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

/// Those of `rows` that are known by something else than the rows in `content`, which the server
/// wrote.
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

/// The lines and their numbers. A line is a row, whatever CSV allows: so a forgotten quotation mark
/// costs its own line and not all that come after it.
fn lines(content: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    (1..).zip(
        content
            .split(|&byte| byte == b'\n')
            .map(<[u8]>::trim_ascii_end),
    )
}

fn fields(line: &[u8]) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(line).map_err(|_| "it is not in UTF-8")?;
    if text.matches('"').count() % 2 == 1 {
        return Err("a quotation mark in it is never closed".to_owned());
    }
    if text.contains(|char: char| char.is_control() && char != '\t') {
        return Err("it holds a control character".to_owned());
    }
    let mut reader = ReaderBuilder::new().has_headers(false).from_reader(line);
    let mut record = StringRecord::new();
    reader
        .read_record(&mut record)
        .map_err(|error| error.to_string())?;
    Ok(record.iter().map(|field| field.trim().to_owned()).collect())
}

/// Two columns are enough to know a header by: no row has them.
fn is_header(file: File, fields: &[String]) -> bool {
    fields.len() > 1
        && fields
            .iter()
            .zip(file.header())
            .take(2)
            .all(|(field, name)| field.eq_ignore_ascii_case(name))
}

/// `users.csv` as the server writes it.
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

/// `bans.csv` as the server writes it, given the newest first: the file has them last, where people
/// add theirs.
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
