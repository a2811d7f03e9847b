//! Reads the server's database directly.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, Row};

/// A read-only connection to the database.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
}

/// An entry in the audit trail.
#[derive(Debug)]
pub struct AuditEntry {
    pub actor: String,
    pub act: String,
    pub target: String,
    pub outcome: String,
    pub detail: String,
    pub previous: Vec<u8>,
    pub hash: Vec<u8>,
}

impl Database {
    /// Opens the database, even while a server uses it.
    pub fn open(file: &Path) -> Self {
        let connection =
            Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        connection.busy_timeout(crate::DEADLINE).unwrap();
        Self { connection }
    }

    /// Returns the targets of all bans.
    pub fn bans(&self) -> Vec<String> {
        self.query("SELECT target FROM bans ORDER BY id", |row| row.get(0))
    }

    /// Returns the texts of all messages, oldest first.
    pub fn messages(&self) -> Vec<String> {
        self.query("SELECT text FROM history ORDER BY id", |row| row.get(0))
    }

    /// Returns the names and emails of all accounts.
    pub fn accounts(&self) -> Vec<(String, String)> {
        self.query("SELECT name, email FROM accounts ORDER BY id", |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
    }

    /// Returns the audit trail, oldest entry first.
    pub fn audit(&self) -> Vec<AuditEntry> {
        self.query(
            "SELECT actor, act, target, outcome, detail, previous, hash FROM audit ORDER BY id",
            |row| {
                Ok(AuditEntry {
                    actor: row.get(0)?,
                    act: row.get(1)?,
                    target: row.get(2)?,
                    outcome: row.get(3)?,
                    detail: row.get(4)?,
                    previous: row.get(5)?,
                    hash: row.get(6)?,
                })
            },
        )
    }

    /// Counts the entries of the audit trail with this act and outcome.
    pub fn count_audit(&self, act: &str, outcome: &str) -> usize {
        self.audit()
            .iter()
            .filter(|entry| entry.act == act && entry.outcome == outcome)
            .count()
    }

    fn query<T>(&self, sql: &str, read: impl Fn(&Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
        let mut statement = self.connection.prepare(sql).unwrap();
        statement
            .query_map([], |row| read(row))
            .unwrap()
            .map(Result::unwrap)
            .collect()
    }
}
