//! Bans.

use std::cmp::Reverse;
use std::net::IpAddr;

use jiff::Timestamp;
use rookery_protocol::{AccountName, Email};
use rusqlite::{Row, params};

use super::{Store, find, list, optional, optional_timestamp, parsed, timestamp};
use crate::Result;
use rookery_record::{Ban, BanId, BanTarget, NewBan, mailbox_key, pattern_domains};

/// The columns that [`read`] reads. The email is that of the banned account, even if the account
/// was deleted since.
const COLUMNS: &str = "id, target, reason, by, created_at, expires_at, coalesce(
    (SELECT email FROM accounts WHERE name_folded = target_folded), deleted_account_email)";

/// The conditions by which the bans that may cover someone are found, for a value `?1`.
const BY_TARGET: &str = "target_folded = ?1";
const BY_MAILBOX_OF_ACCOUNT: &str =
    "target_folded IN (SELECT name_folded FROM accounts WHERE mailbox_key = ?1)";
const BY_EMAIL_KEY: &str = "email_key = ?1";

/// The key of the patterns with a wildcard in their domain, which are compared one by one.
const ANY_DOMAIN: &str = "*";

/// Returns by what a ban of an email is found, or of an account that had this email when it was
/// deleted: by the key of the mailbox. A ban of a pattern is found by the `@` and the domain. Other
/// bans are found by their target.
pub(super) fn email_key(target: &BanTarget, deleted_email: Option<&Email>) -> Option<String> {
    match target {
        BanTarget::Email(email) => Some(mailbox_key(email)),
        BanTarget::EmailPattern(pattern) => {
            let (_, domain) = pattern.folded().rsplit_once('@')?;
            if domain.contains(['*', '?']) {
                return Some(ANY_DOMAIN.to_owned());
            }
            Some(format!("@{domain}"))
        }
        BanTarget::Account(_) => deleted_email.map(mailbox_key),
        BanTarget::Address(_) | BanTarget::Network(_) => None,
    }
}

/// Returns the query for the bans in force at the time `?2` that meet the condition.
fn where_in_force(condition: &str) -> String {
    format!(
        "SELECT {COLUMNS} FROM bans
         WHERE {condition} AND (expires_at IS NULL OR expires_at > ?2)"
    )
}

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

    /// Returns at most `limit` bans in force at `now`, with decreasing numbers, which are smaller
    /// than `before`.
    pub fn bans_before(
        &self,
        now: Timestamp,
        before: Option<BanId>,
        limit: usize,
    ) -> Result<Vec<Ban>> {
        let sql = format!("{} ORDER BY id DESC LIMIT ?3", where_in_force("id < ?1"));
        let params = params![
            before.map_or(i64::MAX, |before| before.0),
            now.as_millisecond(),
            i64::try_from(limit).unwrap_or(i64::MAX)
        ];
        list(&self.connection, &sql, params, read)
    }

    /// Returns the bans in force at `now` that may cover the account with this name and email, or a
    /// client at this address, newest first: all that do, and few others. Some may be in it twice.
    ///
    /// They are found by indexes. A list of all bans may be long, and strangers cause this search.
    pub fn bans_that_may_cover(
        &self,
        now: Timestamp,
        name: &AccountName,
        email: Option<&Email>,
        address: IpAddr,
    ) -> Result<Vec<Ban>> {
        let mut found = self.bans_where(BY_TARGET, name.folded(), now)?;
        for target in BanTarget::all_at(address) {
            found.extend(self.bans_where(BY_TARGET, &target.folded(), now)?);
        }
        if let Some(email) = email {
            let mailbox = mailbox_key(email);
            found.extend(self.bans_where(BY_MAILBOX_OF_ACCOUNT, &mailbox, now)?);
            let patterns = pattern_domains(email).map(|domain| format!("@{domain}"));
            for key in patterns.chain([mailbox, ANY_DOMAIN.to_owned()]) {
                found.extend(self.bans_where(BY_EMAIL_KEY, &key, now)?);
            }
        }
        found.sort_by_key(|ban| Reverse((ban.created_at, ban.id)));
        Ok(found)
    }

    /// Returns the bans in force at `now` that meet the condition for the value.
    fn bans_where(&self, condition: &str, value: &str, now: Timestamp) -> Result<Vec<Ban>> {
        let (sql, now) = (where_in_force(condition), now.as_millisecond());
        list(&self.connection, &sql, params![value, now], read)
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
                "INSERT INTO bans (target, target_folded, email_key, reason, by, created_at, expires_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (target_folded) DO UPDATE SET
                    target = excluded.target, reason = excluded.reason, by = excluded.by,
                    created_at = excluded.created_at, expires_at = excluded.expires_at
                 RETURNING {COLUMNS}"
            ),
            params![
                ban.target.to_string(),
                ban.target.folded(),
                email_key(&ban.target, None),
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sqlite::tests::empty_store;

    #[test]
    fn who_is_banned_is_found_by_indexes() {
        let (_folder, sqlite) = empty_store();
        for condition in [BY_TARGET, BY_MAILBOX_OF_ACCOUNT, BY_EMAIL_KEY] {
            let sql = format!("EXPLAIN QUERY PLAN {}", where_in_force(condition));
            let mut statement = sqlite.connection.prepare(&sql).unwrap();
            let plan: Vec<String> = statement
                .query_map(["", "0"], |row| row.get(3))
                .unwrap()
                .map(rusqlite::Result::unwrap)
                .collect();
            let plan = plan.join("; ");
            assert!(
                plan.contains("SEARCH bans USING INDEX"),
                "{condition}: {plan}"
            );
            assert!(!plan.contains("SCAN"), "{condition}: {plan}");
        }
    }
}
