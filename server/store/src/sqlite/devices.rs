//! Up to when devices have heard everything: columns of the accounts and credentials.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{execute, list, timestamp};
use crate::Result;
use rookery_record::{AccountId, CredentialId, Device, DeviceMark};

/// Of a device whose account or credential is gone nothing is kept.
pub(super) fn keep(connection: &Connection, mark: &DeviceMark) -> Result<()> {
    let DeviceMark {
        device: Device {
            account,
            credential,
        },
        heard_until,
        is_here,
    } = mark;
    let heard_until = heard_until.as_millisecond();
    match credential {
        None => execute(
            connection,
            "UPDATE accounts SET heard_until = ?1, is_here = ?2 WHERE id = ?3",
            params![heard_until, is_here, account.0],
        ),
        Some(credential) => execute(
            connection,
            "UPDATE credentials SET heard_until = ?1, is_here = ?2 WHERE id = ?3 AND account = ?4",
            params![heard_until, is_here, credential.0, account.0],
        ),
    }
    .map(drop)
}

/// Nobody is here. Whoever the record says is, was when the server died, and heard all that was
/// said before.
pub(super) fn all_gone(connection: &Connection) -> Result<()> {
    for table in ["accounts", "credentials"] {
        let sql = format!(
            "UPDATE {table} SET is_here = 0, heard_until = max(heard_until, coalesce(
                (SELECT at FROM history ORDER BY id DESC LIMIT 1), heard_until))
             WHERE is_here = 1"
        );
        execute(connection, &sql, [])?;
    }
    Ok(())
}

/// Those that were ever here.
pub(super) fn all(connection: &Connection) -> Result<Vec<(Device, Timestamp)>> {
    let sql = "SELECT heard_until, id, NULL FROM accounts WHERE heard_until IS NOT NULL
         UNION ALL SELECT heard_until, account, id FROM credentials WHERE heard_until IS NOT NULL";
    list(connection, sql, [], |row| {
        let credential: Option<i64> = row.get(2)?;
        let device = Device {
            account: AccountId(row.get(1)?),
            credential: credential.map(CredentialId),
        };
        Ok((device, timestamp(row, 0)?))
    })
}
