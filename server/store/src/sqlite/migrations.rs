//! The steps from each version of the schema to the next, and their application at the start.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use rookery_protocol::{BanTarget, Email, with_sorted_marks};
use rookery_record::mailbox_key;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::{Connection, TransactionBehavior};

use super::bans::email_key;
use super::cannot_open;
use crate::{Result, StoreError};

/// The step at index n migrates from version n to n + 1. The SQL of a released step is never
/// changed.
pub(super) const STEPS: &[&str] = &[
    include_str!("../migrations/0001.sql"),
    include_str!("../migrations/0002.sql"),
    include_str!("../migrations/0003.sql"),
    include_str!("../migrations/0004.sql"),
    include_str!("../migrations/0005.sql"),
    include_str!("../migrations/0006.sql"),
    include_str!("../migrations/0007.sql"),
    include_str!("../migrations/0008.sql"),
    include_str!("../migrations/0009.sql"),
    include_str!("../migrations/0010.sql"),
    include_str!("../migrations/0011.sql"),
    include_str!("../migrations/0012.sql"),
    include_str!("../migrations/0013.sql"),
    include_str!("../migrations/0014.sql"),
    include_str!("../migrations/0015.sql"),
    include_str!("../migrations/0016.sql"),
    include_str!("../migrations/0017.sql"),
    include_str!("../migrations/0018.sql"),
    include_str!("../migrations/0019.sql"),
    include_str!("../migrations/0020.sql"),
    include_str!("../migrations/0021.sql"),
    include_str!("../migrations/0022.sql"),
    include_str!("../migrations/0023.sql"),
    include_str!("../migrations/0024.sql"),
    include_str!("../migrations/0025.sql"),
    include_str!("../migrations/0026.sql"),
    include_str!("../migrations/0027.sql"),
    include_str!("../migrations/0028.sql"),
    include_str!("../migrations/0029.sql"),
    include_str!("../migrations/0030.sql"),
    include_str!("../migrations/0031.sql"),
    include_str!("../migrations/0032.sql"),
    include_str!("../migrations/0033.sql"),
];

/// Fails if a newer server created the tables.
pub(super) fn refuse_newer(connection: &Connection) -> Result<()> {
    version(connection).map(drop)
}

/// Migrates the tables to the newest version, or leaves them unchanged on an error.
pub(super) fn migrate(connection: &mut Connection) -> Result<()> {
    if version(connection)? == STEPS.len() {
        return Ok(());
    }
    add_functions(connection)?;
    // A step may recreate a table that others refer to, which must not delete their rows. SQLite
    // allows this switch between transactions only.
    connection.pragma_update(None, "foreign_keys", false)?;
    let migrated = run_steps(connection);
    connection.pragma_update(None, "foreign_keys", true)?;
    migrated
}

/// Adds the functions with which steps compute what SQL cannot express. No table and no index
/// depends on them, so that other programs can read the file.
pub(super) fn add_functions(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("mailbox_key", 1, flags, |call| {
        Ok(email(call, 0)?.as_ref().map(mailbox_key))
    })?;
    connection.create_scalar_function("ban_email_key", 2, flags, |call| {
        let target: String = call.get(0)?;
        let target = BanTarget::parse(&target).ok();
        let deleted = email(call, 1)?;
        Ok(target.and_then(|target| email_key(&target, deleted.as_ref())))
    })?;
    connection.create_scalar_function("sorted_marks", 1, flags, |call| {
        let text: String = call.get(0)?;
        Ok(with_sorted_marks(&text))
    })
}

/// Returns the email that is an argument of a function, if it is one.
fn email(call: &Context<'_>, index: usize) -> rusqlite::Result<Option<Email>> {
    let text: Option<String> = call.get(index)?;
    Ok(text.and_then(|text| Email::parse(&text).ok()))
}

fn run_steps(connection: &mut Connection) -> Result<()> {
    // Two processes may migrate at the same time. The second one then finds no step left to run.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in STEPS.iter().skip(version(&transaction)?) {
        transaction.execute_batch(step)?;
    }
    if transaction
        .prepare("PRAGMA foreign_key_check")?
        .exists([])?
    {
        return Err(StoreError::Corrupt(
            "a row refers to another that does not exist".to_owned(),
        ));
    }
    transaction.pragma_update(None, "user_version", known())?;
    Ok(transaction.commit()?)
}

fn version(connection: &Connection) -> Result<usize> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    supported(found)
}

/// Fails if the file is not a database of this version of the server or an earlier one. It reads
/// the header only (SQLite file format §1.3), and changes nothing. A missing or empty file is
/// valid: it becomes a database.
pub(super) fn check(file: &Path) -> Result<()> {
    let mut header = Vec::new();
    let read = match File::open(file) {
        Ok(opened) => opened.take(100).read_to_end(&mut header),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    };
    read.map_err(|error| cannot_open(file, error))?;
    if header.is_empty() {
        return Ok(());
    }
    let version = header
        .first_chunk::<100>()
        .filter(|header| header.starts_with(b"SQLite format 3\0"))
        .and_then(|header| header[60..].first_chunk().copied())
        .ok_or_else(|| cannot_open(file, "it is not a database"))?;
    supported(i32::from_be_bytes(version).into()).map(drop)
}

fn supported(found: i64) -> Result<usize> {
    match usize::try_from(found) {
        Ok(version) if version <= STEPS.len() => Ok(version),
        Ok(_) => Err(StoreError::TooNew {
            found,
            known: known(),
        }),
        Err(_) => Err(StoreError::Corrupt(format!(
            "{found} as the schema version"
        ))),
    }
}

fn known() -> i64 {
    i64::try_from(STEPS.len()).expect("the number of steps is small")
}
