//! For each device, the position up to which it has received everything. Devices that sign in with
//! the password have tables of their own, one for those with a name and one for the others; the
//! rest are credentials.

use rookery_protocol::DeviceName;
use rusqlite::types::Type;
use rusqlite::{Connection, params};

use super::{execute, list, timestamp};
use crate::Result;
use rookery_record::{AccountId, CredentialId, Device, DeviceKey, DeviceMark, Mark};

/// Stores the mark. Does nothing if the account or credential no longer exists.
pub(super) fn persist(connection: &Connection, mark: &DeviceMark) -> Result<()> {
    let DeviceMark {
        device: Device { account, key },
        received,
    } = mark;
    let (message, at) = (received.message.cast_signed(), received.at.as_millisecond());
    let has_playback = match key {
        DeviceKey::Credential(credential) => {
            let sql = "UPDATE credentials SET last_received = ?1, heard_until = ?2
                 WHERE id = ?3 AND account = ?4";
            let values = params![message, at, credential.0, account.0];
            return execute(connection, sql, values).map(drop);
        }
        DeviceKey::Named(name) => {
            let sql = "INSERT OR REPLACE INTO named_devices
                 (account, name, last_received, heard_until)
                 SELECT id, ?2, ?3, ?4 FROM accounts WHERE id = ?1";
            let values = params![account.0, name.as_str(), message, at];
            return execute(connection, sql, values).map(drop);
        }
        DeviceKey::Password => false,
        DeviceKey::PasswordWithPlayback => true,
    };
    let sql = "INSERT OR REPLACE INTO password_devices
         (account, has_playback, last_received, heard_until)
         SELECT id, ?2, ?3, ?4 FROM accounts WHERE id = ?1";
    let values = params![account.0, has_playback, message, at];
    execute(connection, sql, values).map(drop)
}

/// Deletes the mark of a named device.
pub(super) fn forget(connection: &Connection, account: AccountId, name: &DeviceName) -> Result<()> {
    let sql = "DELETE FROM named_devices WHERE account = ?1 AND name = ?2";
    execute(connection, sql, params![account.0, name.as_str()]).map(drop)
}

/// Returns the marks of all devices that were ever connected.
pub(super) fn all(connection: &Connection) -> Result<Vec<(Device, Mark)>> {
    let sql =
        "SELECT heard_until, account, NULL, NULL, has_playback, last_received FROM password_devices
         UNION ALL
         SELECT heard_until, account, NULL, name, 0, last_received FROM named_devices
         UNION ALL
         SELECT heard_until, account, id, NULL, 0, last_received FROM credentials
         WHERE heard_until IS NOT NULL";
    list(connection, sql, [], |row| {
        let (credential, name): (Option<i64>, Option<String>) = (row.get(2)?, row.get(3)?);
        let key = match (credential, name) {
            (Some(credential), _) => DeviceKey::Credential(CredentialId(credential)),
            (None, Some(name)) => DeviceKey::Named(DeviceName::parse(&name).map_err(|error| {
                rusqlite::Error::FromSqlConversionFailure(3, Type::Text, Box::new(error))
            })?),
            (None, None) if row.get(4)? => DeviceKey::PasswordWithPlayback,
            (None, None) => DeviceKey::Password,
        };
        let device = Device {
            account: AccountId(row.get(1)?),
            key,
        };
        let mark = Mark {
            message: row.get::<_, i64>(5)?.cast_unsigned(),
            at: timestamp(row, 0)?,
        };
        Ok((device, mark))
    })
}
