//! For each device, the time until which it has received everything. Devices that sign in with
//! the password have a table of their own; the others are credentials.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{execute, list, timestamp};
use crate::Result;
use rookery_record::{AccountId, CredentialId, Device, DeviceKey, DeviceMark};

/// Stores the mark. Does nothing if the account or credential no longer exists.
pub(super) fn persist(connection: &Connection, mark: &DeviceMark) -> Result<()> {
    let DeviceMark {
        device: Device { account, key },
        received_until,
        is_connected,
    } = mark;
    let received_until = received_until.as_millisecond();
    let has_playback = match key {
        DeviceKey::Credential(credential) => {
            let sql = "UPDATE credentials SET heard_until = ?1, is_here = ?2
                 WHERE id = ?3 AND account = ?4";
            let values = params![received_until, is_connected, credential.0, account.0];
            return execute(connection, sql, values).map(drop);
        }
        DeviceKey::Password => false,
        DeviceKey::PasswordWithPlayback => true,
    };
    let sql =
        "INSERT OR REPLACE INTO password_devices (account, has_playback, heard_until, is_here)
         SELECT id, ?2, ?3, ?4 FROM accounts WHERE id = ?1";
    let values = params![account.0, has_playback, received_until, is_connected];
    execute(connection, sql, values).map(drop)
}

/// Marks every device as disconnected. A device that is still marked as connected was connected
/// when the server died, and had received everything that was stored until then.
pub(super) fn mark_all_disconnected(connection: &Connection) -> Result<()> {
    for table in ["password_devices", "credentials"] {
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
    let sql = "SELECT heard_until, account, NULL, has_playback FROM password_devices
         UNION ALL
         SELECT heard_until, account, id, 0 FROM credentials WHERE heard_until IS NOT NULL";
    list(connection, sql, [], |row| {
        let credential: Option<i64> = row.get(2)?;
        let key = match credential {
            Some(credential) => DeviceKey::Credential(CredentialId(credential)),
            None if row.get(3)? => DeviceKey::PasswordWithPlayback,
            None => DeviceKey::Password,
        };
        let device = Device {
            account: AccountId(row.get(1)?),
            key,
        };
        Ok((device, timestamp(row, 0)?))
    })
}
