//! Bans.

use jiff::Timestamp;
use rusqlite::{Row, params};

use super::{Store, find, list, optional, optional_timestamp, parsed, timestamp};
use crate::Result;
use rookery_record::{Ban, BanId, BanTarget, NewBan};

/// The columns that [`read`] reads. The email is that of the banned account, even if the account
/// was deleted since.
const COLUMNS: &str = "id, target, reason, by, created_at, expires_at, coalesce(
    (SELECT email FROM accounts WHERE name_folded = target_folded), deleted_account_email)";

fn read(row: &Row<'_>) -> Result<Ban> {
    Ok(Ban {
        id: BanId(row.get(0)?),
        target: parsed(row, 1)?,
        reason: row.get(2)?,
        by: row.get(3)?,
        created_at: timestamp(row, 4)?,
        expires_at: optional_timestamp(row, 5)?,
        account_email: optional(row, 6)?,
    })
}

impl Store {
    /// Returns the bans in force at `now`, newest first.
    pub fn bans(&self, now: Timestamp) -> Result<Vec<Ban>> {
        list(
            &self.connection,
            &format!(
                "SELECT {COLUMNS} FROM bans
                 WHERE expires_at IS NULL OR expires_at > ?1
                 ORDER BY created_at DESC, id DESC"
            ),
            [now.as_millisecond()],
            read,
        )
    }

    /// Whether a ban of this very target is in force at `now`.
    pub fn is_banned(&self, target: &BanTarget, now: Timestamp) -> Result<bool> {
        let mut statement = self.connection.prepare_cached(
            "SELECT 1 FROM bans
             WHERE target_folded = ?1 AND (expires_at IS NULL OR expires_at > ?2)",
        )?;
        Ok(statement.exists(params![target.folded(), now.as_millisecond()])?)
    }

    /// Adds a ban. If there is one on the same target, it is replaced under the same number.
    pub fn add_ban(&mut self, ban: &NewBan) -> Result<Ban> {
        let added = find(
            &self.connection,
            &format!(
                "INSERT INTO bans (target, target_folded, reason, by, created_at, expires_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (target_folded) DO UPDATE SET
                    target = excluded.target, reason = excluded.reason, by = excluded.by,
                    created_at = excluded.created_at, expires_at = excluded.expires_at
                 RETURNING {COLUMNS}"
            ),
            params![
                ban.target.to_string(),
                ban.target.folded(),
                ban.reason,
                ban.by,
                ban.created_at.as_millisecond(),
                ban.expires_at.map(Timestamp::as_millisecond),
            ],
            read,
        )?;
        Ok(added.expect("an INSERT that succeeds returns its row"))
    }

    /// Removes a ban and returns it; `None` if there is no ban with that number.
    pub fn remove_ban(&mut self, id: BanId) -> Result<Option<Ban>> {
        find(
            &self.connection,
            &format!("DELETE FROM bans WHERE id = ?1 RETURNING {COLUMNS}"),
            [id.0],
            read,
        )
    }
}
