//! The rows of the CSV files: read, told apart from those the server wrote itself, and written. Nothing here touches a
//! file.
//!
//! A row is known by its email or its ban's target. What stands in a file under a name that the server did not write
//! there was added by a person; a row that the server wrote and a person changed or took out means nothing.

use std::collections::HashSet;

use csv::{ByteRecord, Position, ReaderBuilder, WriterBuilder};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rookery_protocol::{AccountName, Email};

use crate::record::{Account, Ban, BanTarget};

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
        email: Email,
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
    fn key(&self) -> &str {
        match self {
            Self::User { email, .. } => email.folded(),
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
                email: Email::parse(field(1)).map_err(|error| error.to_string())?,
                created_at: time("created_at", field(2))?,
            }),
            File::Bans => Ok(Self::Ban {
                target: BanTarget::parse(field(0)).map_err(|error| format!("the target is {error}"))?,
                reason: field(1).to_owned(),
                by: Some(field(2)).filter(|by| !by.is_empty()).map(str::to_owned),
                created_at: time("created_at", field(3))?,
                expires_at: time("expires_at", field(4))?,
            }),
            // Whatever name the original let a user have, the ban is on the email.
            File::OriginalBans => Ok(Self::Ban {
                target: BanTarget::Email(Email::parse(field(1)).map_err(|error| error.to_string())?),
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
    let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|start| start.timestamp());
    text.parse().ok().or_else(day).map(Some).ok_or_else(|| {
        format!("its {column} is no time in the form 2026-12-31T18:00:00Z, nor a day in the form 2026-12-31")
    })
}

/// A row that a person added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    pub line: u64,
    /// As it stands in the file, without the line's end.
    pub raw: Vec<u8>,
    /// Or why it cannot be taken in.
    pub row: Result<Row, String>,
}

/// The rows of `content` that are not among those of `written`.
pub fn added(file: File, content: &[u8], written: &str) -> Vec<Added> {
    if content == written.as_bytes() {
        return Vec::new();
    }
    let own = records(written.as_bytes(), &|_| true);
    let own_keys = keys(file, &own);
    let own_rows: HashSet<&[u8]> = own.iter().map(|record| record.raw).collect();
    let content = content.strip_prefix("\u{feff}".as_bytes()).unwrap_or(content);
    records(content, &|raw| own_rows.contains(raw))
        .into_iter()
        .enumerate()
        .filter(|(index, record)| !record.is_blank() && !(*index == 0 && record.is_header(file)))
        .map(|(_, record)| (record.row(file), record))
        .filter(|(row, record)| match row {
            Ok(row) => !own_keys.contains(row.key()),
            Err(_) => !own_rows.contains(record.raw),
        })
        .map(|(row, record)| Added { line: record.line, raw: record.raw.to_vec(), row })
        .collect()
}

/// What `rows` are known by, for those who have to know which of them are in a `content` that the server wrote.
pub fn without_those_in<'a>(file: File, rows: &'a [Added], content: &str) -> Vec<&'a Added> {
    let keys = keys(file, &records(content.as_bytes(), &|_| true));
    rows.iter().filter(|added| added.row.as_ref().map_or(true, |row| !keys.contains(row.key()))).collect()
}

fn keys(file: File, records: &[Record<'_>]) -> HashSet<String> {
    records.iter().filter_map(|record| Some(record.row(file).ok()?.key().to_owned())).collect()
}

/// One row of a file as text.
struct Record<'a> {
    line: u64,
    raw: &'a [u8],
    fields: Result<Vec<String>, &'static str>,
}

impl Record<'_> {
    fn row(&self, file: File) -> Result<Row, String> {
        self.fields.as_ref().map_err(|&reason| reason.to_owned()).and_then(|fields| Row::parse(file, fields))
    }

    fn is_blank(&self) -> bool {
        self.fields.as_ref().is_ok_and(|fields| fields.iter().all(String::is_empty))
    }

    /// Two columns are enough to know it by; none of them is a valid email.
    fn is_header(&self, file: File) -> bool {
        self.fields.as_ref().is_ok_and(|fields| {
            fields.len() > 1
                && fields
                    .iter()
                    .zip(file.header())
                    .take(2)
                    .all(|(field, name)| field.eq_ignore_ascii_case(name))
        })
    }
}

/// Cuts `content` into rows. A row of several lines is one only if `is_whole` knows it; otherwise somebody forgot a
/// quotation mark, which costs that line and not all that come after it.
fn records<'a>(content: &'a [u8], is_whole: &dyn Fn(&[u8]) -> bool) -> Vec<Record<'a>> {
    let mut found = Vec::new();
    let mut rest = content;
    let mut lines_before = 0;
    'rest: loop {
        let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(rest);
        let mut record = ByteRecord::new();
        // Reading from memory does not fail, and rows may be of any length.
        while let Ok(true) = reader.read_byte_record(&mut record) {
            let Some(start) = record.position() else { break };
            let text = &rest[index(start)..index(reader.position())];
            let blank = text.iter().take_while(|byte| b"\r\n".contains(byte)).count();
            let line = lines_before + start.line() + line_ends(&text[..blank]);
            let raw = text[blank..].trim_ascii_end();
            if let Some(end) = raw.iter().position(|&byte| byte == b'\n')
                && !is_whole(raw)
            {
                let fields = Err("a quotation mark in it is never closed");
                found.push(Record { line, raw: raw[..end].trim_ascii_end(), fields });
                rest = &rest[index(start) + blank + end + 1..];
                lines_before = line;
                continue 'rest;
            }
            let fields = record
                .iter()
                .map(|field| std::str::from_utf8(field).map(|text| text.trim().to_owned()))
                .collect::<Result<_, _>>()
                .map_err(|_| "it is not in UTF-8");
            found.push(Record { line, raw, fields });
        }
        return found;
    }
}

fn index(position: &Position) -> usize {
    usize::try_from(position.byte()).expect("a position in memory is an index")
}

fn line_ends(text: &[u8]) -> u64 {
    text.iter().map(|&byte| u64::from(byte == b'\n')).sum()
}

/// `users.csv` as the server writes it.
pub fn of_users(accounts: &[Account]) -> String {
    let rows = accounts
        .iter()
        .map(|account| [account.name.to_string(), account.email.to_string(), account.created_at.to_string()]);
    content(File::Users, rows)
}

/// `bans.csv` as the server writes it, given the newest first: the file has them last, where people add theirs.
pub fn of_bans(bans: &[Ban]) -> String {
    let rows = bans.iter().rev().map(|ban| {
        [
            ban.target.to_string(),
            ban.reason.clone(),
            ban.by.clone(),
            ban.created_at.to_string(),
            ban.expires_at.map(|end| end.to_string()).unwrap_or_default(),
        ]
    });
    content(File::Bans, rows)
}

fn content<const N: usize>(file: File, rows: impl Iterator<Item = [String; N]>) -> String {
    let mut writer = WriterBuilder::new().from_writer(Vec::new());
    let written = writer
        .write_record(file.header())
        .and_then(|()| rows.into_iter().try_for_each(|row| writer.write_record(row)));
    written.expect("rows of one length can be written to memory");
    let bytes = writer.into_inner().expect("memory can be written to");
    String::from_utf8(bytes).expect("texts make a text")
}
