//! Who may not send an account direct messages and invitations (`SILENCE`).

use rookery_protocol::AccountName;
use rusqlite::{Connection, params};

use super::{execute, list, parsed};
use crate::Result;

/// Replaces the masks of the account. Stores nothing for an account that no longer exists.
pub(super) fn persist(
    connection: &Connection,
    account: &AccountName,
    masks: &[String],
) -> Result<()> {
    let sql = "DELETE FROM silences
         WHERE account = (SELECT id FROM accounts WHERE name_folded = ?1)";
    execute(connection, sql, [account.folded()])?;
    let sql = "INSERT INTO silences (account, mask)
         SELECT id, ?2 FROM accounts WHERE name_folded = ?1";
    masks
        .iter()
        .try_for_each(|mask| execute(connection, sql, params![account.folded(), mask]).map(drop))
}

/// Returns the masks of all accounts that have any, sorted by account name.
pub(super) fn all(connection: &Connection) -> Result<Vec<(AccountName, Vec<String>)>> {
    let rows = list(
        connection,
        "SELECT name, mask FROM silences JOIN accounts ON accounts.id = account
         ORDER BY name_folded, silences.id",
        [],
        |row| Ok((parsed::<AccountName>(row, 0)?, row.get(1)?)),
    )?;
    let mut all: Vec<(AccountName, Vec<String>)> = Vec::new();
    for (name, mask) in rows {
        match all.last_mut().filter(|(last, _)| *last == name) {
            Some((_, masks)) => masks.push(mask),
            None => all.push((name, vec![mask])),
        }
    }
    Ok(all)
}
