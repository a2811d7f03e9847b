//! For each device, the time until which it has received everything. The values are columns of the
//! tables of accounts and credentials.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{execute, list, timestamp};
use crate::Result;
use rookery_record::{AccountId, CredentialId, Device, DeviceMark};

/// Stores the mark. Does nothing if the account or credential no longer exists.
pub(super) fn persist(connection: &Connection, mark: &DeviceMark) -> Result<()> {
    let DeviceMark {
        device: Device {
            account,
            credential,
        },
        received_until,
        is_connected,
    } = mark;
    let received_until = received_until.as_millisecond();
    match credential {
        None => execute(
            connection,
            "UPDATE accounts SET heard_until = ?1, is_here = ?2 WHERE id = ?3",
            params![received_until, is_connected, account.0],
        ),
        Some(credential) => execute(
            connection,
            "UPDATE credentials SET heard_until = ?1, is_here = ?2 WHERE id = ?3 AND account = ?4",
            params![received_until, is_connected, credential.0, account.0],
        ),
    }
    .map(drop)
}

/// Marks every device as disconnected. A device that is still marked as connected was connected
/// when the server died, and had received everything that was stored until then.
pub(super) fn mark_all_disconnected(connection: &Connection) -> Result<()> {
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

/// Returns the times of all devices that were ever connected.
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
