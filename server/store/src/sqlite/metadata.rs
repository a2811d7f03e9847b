//! The metadata of accounts and channels (IRCv3 metadata).

use rookery_protocol::AccountName;
use rusqlite::{Connection, params};

use super::{execute, find, list, parsed};
use crate::Result;
use rookery_record::Metadata;

/// Replaces the account's metadata. Does nothing if the account no longer exists.
pub(super) fn persist_of_account(
    connection: &Connection,
    name: &AccountName,
    metadata: &Metadata,
) -> Result<()> {
    let sql = "SELECT id FROM accounts WHERE name_folded = ?1";
    let id: Option<i64> = find(connection, sql, [name.folded()], |row| Ok(row.get(0)?))?;
    let Some(id) = id else { return Ok(()) };
    execute(
        connection,
        "DELETE FROM account_metadata WHERE account = ?1",
        [id],
    )?;
    let sql = "INSERT INTO account_metadata (account, key, value) VALUES (?1, ?2, ?3)";
    metadata
        .iter()
        .try_for_each(|(key, value)| execute(connection, sql, params![id, key, value]).map(drop))
}

/// Replaces the metadata of the channel with that number.
pub(super) fn persist_of_channel(
    connection: &Connection,
    id: i64,
    metadata: &Metadata,
) -> Result<()> {
    // It is stored with every change of the channel.
    if of_channel(connection, id)? == *metadata {
        return Ok(());
    }
    execute(
        connection,
        "DELETE FROM channel_metadata WHERE channel = ?1",
        [id],
    )?;
    let sql = "INSERT INTO channel_metadata (channel, key, value) VALUES (?1, ?2, ?3)";
    metadata
        .iter()
        .try_for_each(|(key, value)| execute(connection, sql, params![id, key, value]).map(drop))
}

/// Returns the metadata of the channel with that number.
pub(super) fn of_channel(connection: &Connection, id: i64) -> Result<Metadata> {
    let sql = "SELECT key, value FROM channel_metadata WHERE channel = ?1";
    let pairs = list(connection, sql, [id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(pairs.into_iter().collect())
}

/// Returns the metadata of all accounts that have any, sorted by account name.
pub(super) fn of_accounts(connection: &Connection) -> Result<Vec<(AccountName, Metadata)>> {
    let rows = list(
        connection,
        "SELECT name, key, value FROM account_metadata JOIN accounts ON accounts.id = account
         ORDER BY name_folded, key",
        [],
        |row| Ok((parsed::<AccountName>(row, 0)?, row.get(1)?, row.get(2)?)),
    )?;
    let mut all: Vec<(AccountName, Metadata)> = Vec::new();
    for (name, key, value) in rows {
        match all.last_mut().filter(|(last, _)| *last == name) {
            Some((_, metadata)) => drop(metadata.insert(key, value)),
            None => all.push((name, Metadata::from([(key, value)]))),
        }
    }
    Ok(all)
}
