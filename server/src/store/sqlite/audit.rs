//! The audit table: a chain, each entry holding the hash of the one before.

use jiff::Timestamp;
use rusqlite::{Row, params};

use super::{Sqlite, find, list, timestamp};
use crate::record::{AuditEntry, NewAudit, Outcome};
use crate::store::{AuditStore, Result, StoreError};

fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allowed => "allowed",
        Outcome::Refused => "refused",
    }
}

fn read(row: &Row<'_>) -> Result<AuditEntry> {
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
                _ => return Err(StoreError::Corrupt(format!("{outcome:?} as the outcome of an act"))),
            },
            detail: row.get(8)?,
        },
        previous: row.get(9)?,
        hash: row.get(10)?,
    })
}

impl AuditStore for Sqlite {
    fn append_audit(&mut self, entry: &NewAudit) -> Result<AuditEntry> {
        // The transaction is the only one that writes, whatever the process: nobody comes in between.
        let previous =
            find(&self.connection, "SELECT hash FROM audit ORDER BY id DESC LIMIT 1", [], |row| {
                Ok(row.get(0)?)
            })?
            .unwrap_or([0; 32]);
        // What is hashed is what can be read back.
        let at = Timestamp::from_millisecond(entry.at.as_millisecond()).unwrap_or(entry.at);
        let entry = NewAudit { at, ..entry.clone() };
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
        Ok(AuditEntry { id, entry, previous, hash })
    }

    fn audit(&self, limit: usize) -> Result<Vec<AuditEntry>> {
        let mut entries = list(
            &self.connection,
            "SELECT id, at, actor, origin, session, act, target, outcome, detail, previous, hash FROM audit
             ORDER BY id DESC LIMIT ?1",
            [i64::try_from(limit).unwrap_or(i64::MAX)],
            read,
        )?;
        entries.reverse();
        Ok(entries)
    }
}
