//! The audit trail: a chain in which each entry contains the hash of the one before it.

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, Error, Row, params};

use super::{Store, execute, find, list, timestamp};
use crate::{Result, StoreError};
use rookery_protocol::names::fold_text;
use rookery_record::{AuditEntry, AuditHead, AuditPage, AuditQuery, NewAudit, Outcome};

/// The act of removing the oldest entries, which are in a file since. Its target is the number and
/// hash of the newest one of them, as `ID:HASH`.
pub const ARCHIVE_ACT: &str = "audit archive";

/// Adds the function by which filters compare names. It returns NULL, which equals nothing, for a
/// value that is not UTF-8: only another program can have written it.
pub(super) fn add_functions(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("folded", 1, flags, |call| {
        Ok(call.get_raw(0).as_str().ok().map(fold_text))
    })
}

fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allowed => "allowed",
        Outcome::Refused => "refused",
    }
}

/// Converts a row to an entry. Other programs can write to the file, so an entry may be invalid;
/// the error then includes its number.
fn read(row: &Row<'_>) -> Result<AuditEntry> {
    let id: i64 = row.get(0)?;
    columns(row).map_err(|error| match error {
        StoreError::Corrupt(value) => {
            StoreError::Corrupt(format!("{value}, in entry {id} of the audit trail"))
        }
        StoreError::Database(
            error @ (Error::FromSqlConversionFailure(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..)),
        ) => StoreError::Corrupt(format!("entry {id} of the audit trail: {error}")),
        other => other,
    })
}

fn columns(row: &Row<'_>) -> Result<AuditEntry> {
    let outcome: String = row.get(7)?;
    Ok(AuditEntry {
        id: row.get(0)?,
        entry: NewAudit {
            at: timestamp(row, 1)?,
            actor: row.get(2)?,
            origin: row.get(3)?,
            session: row.get(4)?,
            act: row.get(5)?,
            target: row.get(6)?,
            outcome: match outcome.as_str() {
                "allowed" => Outcome::Allowed,
                "refused" => Outcome::Refused,
                _ => {
                    return Err(StoreError::Corrupt(format!(
                        "{outcome:?} as the outcome of an act"
                    )));
                }
            },
            detail: row.get(8)?,
        },
        previous: row.get(9)?,
        hash: row.get(10)?,
    })
}

/// The newest entry that this connection has read or written, in memory.
///
/// Every append checks that the entry is still there. So entries that someone cuts off while the
/// server runs are missed at the next act, except those that another process, such as `rookeryd
/// admin`, has appended since.
#[derive(Default)]
pub(super) struct KnownHead {
    committed: Option<AuditHead>,
    /// The newest entry of the open transaction.
    appended: Option<AuditHead>,
}

impl KnownHead {
    /// Reads the newest entry.
    pub(super) fn read(connection: &Connection) -> Result<Self> {
        Ok(Self {
            committed: newest(connection)?,
            appended: None,
        })
    }

    fn verify(&self, connection: &Connection) -> Result<()> {
        let Some((id, hash)) = self.appended.or(self.committed) else {
            return Ok(());
        };
        let sql = "SELECT hash FROM audit WHERE id = ?1";
        let stored: Option<Vec<u8>> = find(connection, sql, [id], |row| Ok(row.get(0)?))?;
        let is_there = match stored {
            Some(stored) => stored == hash,
            None => is_archived(connection, (id, hash))?,
        };
        if is_there {
            return Ok(());
        }
        Err(StoreError::AuditCutOff {
            head: head_text((id, hash)),
        })
    }

    /// Notes that the open transaction is committed.
    pub(super) fn commit(&mut self) {
        if let Some(appended) = self.appended.take() {
            self.committed = Some(appended);
        }
    }

    /// Notes that the open transaction is rolled back.
    pub(super) fn roll_back(&mut self) {
        self.appended = None;
    }
}

/// Returns the number and hash of a row. Returns none if someone has made them unreadable, which
/// `audit verify` reports.
#[expect(clippy::unnecessary_wraps, reason = "a reader of rows may fail")]
fn read_head(row: &Row<'_>) -> Result<Option<AuditHead>> {
    Ok(row.get(0).and_then(|id| Ok((id, row.get(1)?))).ok())
}

fn newest(connection: &Connection) -> Result<Option<AuditHead>> {
    let sql = "SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1";
    Ok(find(connection, sql, [], read_head)?.flatten())
}

fn head_text((id, hash): AuditHead) -> String {
    format!("{id}:{}", HEXLOWER.encode(&hash))
}

/// Returns the newest archived entry, if the act of archiving is in the trail. It is the one that
/// the oldest entry continues.
fn newest_archived(connection: &Connection) -> Result<Option<AuditHead>> {
    let sql = "SELECT id - 1, previous FROM audit ORDER BY id LIMIT 1";
    let before = find(connection, sql, [], read_head)?;
    let Some(before) = before.flatten().filter(|(id, _)| *id > 0) else {
        return Ok(None);
    };
    let sql = "SELECT 1 FROM audit WHERE act = ?1 AND target = ?2 AND outcome = 'allowed' LIMIT 1";
    let act: Option<i64> = find(
        connection,
        sql,
        params![ARCHIVE_ACT, head_text(before)],
        |row| Ok(row.get(0)?),
    )?;
    Ok(act.map(|_| before))
}

/// Whether an entry that is not in the trail was archived.
fn is_archived(connection: &Connection, (id, hash): AuditHead) -> Result<bool> {
    let newest = newest_archived(connection)?;
    Ok(newest.is_some_and(|newest| id < newest.0 || (id, hash) == newest))
}

impl Store {
    /// Returns the newest entry by number and hash.
    pub fn newest_audit(&self) -> Result<Option<AuditHead>> {
        newest(&self.connection)
    }

    /// Returns the stored entry with a number by number and hash.
    pub fn audit_head_at(&self, id: i64) -> Result<Option<AuditHead>> {
        let sql = "SELECT id, hash FROM audit WHERE id = ?1";
        Ok(find(&self.connection, sql, [id], read_head)?.flatten())
    }

    /// Returns the newest entry that was archived, which the oldest stored one continues. Returns
    /// none if nothing was archived, or if the trail has no act that accounts for what is missing.
    pub fn newest_archived_audit(&self) -> Result<Option<AuditHead>> {
        newest_archived(&self.connection)
    }

    /// Removes the `count` oldest entries, up to `newest`, which are in a file, and records that.
    /// Does nothing and returns false if they are not stored as described.
    pub fn archive_audit(
        &mut self,
        count: u64,
        newest: AuditHead,
        entry: &NewAudit,
    ) -> Result<bool> {
        let (id, hash) = newest;
        let sql = "SELECT count(*) FROM audit WHERE id <= ?1
             AND EXISTS (SELECT 1 FROM audit WHERE id = ?1 AND hash = ?2)";
        let stored: Option<i64> = find(&self.connection, sql, params![id, hash], |row| {
            Ok(row.get(0)?)
        })?;
        if stored.and_then(|stored| u64::try_from(stored).ok()) != Some(count) {
            return Ok(false);
        }
        self.append_audit(&NewAudit {
            act: ARCHIVE_ACT.to_owned(),
            target: head_text(newest),
            ..entry.clone()
        })?;
        execute(&self.connection, "DELETE FROM audit WHERE id <= ?1", [id])?;
        Ok(true)
    }

    /// Appends an entry, chained to the one before it by its hash. Fails if the newest entry that
    /// is known was removed or changed in the meantime.
    pub fn append_audit(&mut self, entry: &NewAudit) -> Result<AuditEntry> {
        self.audit_head.verify(&self.connection)?;
        // SQLite has one write transaction at a time, across processes, so no other entry can be
        // appended between these two statements.
        let previous = find(
            &self.connection,
            "SELECT hash FROM audit ORDER BY id DESC LIMIT 1",
            [],
            |row| Ok(row.get(0)?),
        )?
        .unwrap_or([0; 32]);
        // The hash covers the time as it is stored, in milliseconds.
        let at = Timestamp::from_millisecond(entry.at.as_millisecond()).unwrap_or(entry.at);
        let entry = NewAudit {
            at,
            ..entry.clone()
        };
        let hash = entry.hash(&previous);
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO audit (at, actor, origin, session, act, target, outcome, detail, previous, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?;
        let id = statement.insert(params![
            entry.at.as_millisecond(),
            entry.actor,
            entry.origin,
            entry.session,
            entry.act,
            entry.target,
            outcome_name(entry.outcome),
            entry.detail,
            previous,
            hash,
        ])?;
        self.audit_head.appended = Some((id, hash));
        Ok(AuditEntry {
            id,
            entry,
            previous,
            hash,
        })
    }

    /// Returns the entries that match, oldest first.
    pub fn find_audit(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>> {
        let AuditQuery {
            actor,
            act,
            target,
            outcome,
            since,
            until,
            page,
            limit,
        } = query;
        let (after, before, order) = match *page {
            AuditPage::Newest => (i64::MIN, i64::MAX, "DESC"),
            AuditPage::Before(id) => (i64::MIN, id, "DESC"),
            AuditPage::After(id) => (id, i64::MAX, "ASC"),
        };
        let mut entries = list(
            &self.connection,
            &format!(
                "SELECT id, at, actor, origin, session, act, target, outcome, detail, previous, hash FROM audit
                 WHERE id > ?1 AND id < ?2
                   AND (?3 IS NULL OR folded(actor) = ?3)
                   AND (?4 IS NULL OR act = ?4 COLLATE NOCASE)
                   AND (?5 IS NULL OR folded(target) = ?5)
                   AND (?6 IS NULL OR outcome = ?6)
                   AND (?7 IS NULL OR at >= ?7)
                   AND (?8 IS NULL OR at < ?8)
                 ORDER BY id {order} LIMIT ?9"
            ),
            params![
                after,
                before,
                actor.as_deref().map(fold_text),
                act,
                target.as_deref().map(fold_text),
                outcome.map(outcome_name),
                since.map(Timestamp::as_millisecond),
                until.map(Timestamp::as_millisecond),
                i64::try_from(*limit).unwrap_or(i64::MAX),
            ],
            read,
        )?;
        if order == "DESC" {
            entries.reverse();
        }
        Ok(entries)
    }
}
