//! The tables of persistent channels.

use std::collections::HashSet;
use std::hash::Hash;

use rookery_protocol::ChannelName;
use rusqlite::{Connection, Row, params};

use super::{execute, find, list, metadata, optional_timestamp, parsed, timestamp};
use crate::{Result, StoreError};
use rookery_record::{
    Access, AccessLevel, ListedMask, Metadata, PersistentChannel, PersistentTopic,
};

/// Stores the channel, replacing one of the same name. A channel whose founder's account no longer
/// exists is deleted instead.
pub(super) fn persist(connection: &Connection, channel: &PersistentChannel) -> Result<()> {
    let topic = channel.topic.as_ref();
    let id: Option<i64> = find(
        connection,
        "INSERT INTO channels (name, name_folded, founder, created_at, named_at, topic, topic_by, topic_at,
            modes, key, user_limit)
         SELECT ?1, ?2, accounts.id, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11 FROM accounts
         WHERE accounts.name_folded = ?3
         ON CONFLICT (name_folded) DO UPDATE SET
            name = excluded.name, founder = excluded.founder, created_at = excluded.created_at,
            named_at = excluded.named_at, topic = excluded.topic, topic_by = excluded.topic_by,
            topic_at = excluded.topic_at, modes = excluded.modes, key = excluded.key,
            user_limit = excluded.user_limit
         RETURNING id",
        params![
            channel.name.as_str(),
            channel.name.folded(),
            channel.founder.folded(),
            channel.created_at.as_millisecond(),
            channel.named_at.as_millisecond(),
            topic.map(|topic| &topic.text),
            topic.map(|topic| &topic.by),
            topic.map(|topic| topic.at.as_millisecond()),
            channel.modes,
            channel.key,
            channel.limit,
        ],
        |row| Ok(row.get(0)?),
    )?;
    let Some(id) = id else {
        return delete(connection, &channel.name);
    };
    persist_former_names(connection, id, &channel.former_names)?;
    persist_lists(connection, id, &channel.lists)?;
    persist_access(connection, id, &channel.access)?;
    metadata::persist_of_channel(connection, id, &channel.metadata)
}

/// Replaces the former names of the channel with that number.
fn persist_former_names(connection: &Connection, id: i64, names: &[ChannelName]) -> Result<()> {
    // They are stored with every change of the channel.
    if former_names(connection, id)? == *names {
        return Ok(());
    }
    let sql = "DELETE FROM channel_former_names WHERE channel = ?1";
    execute(connection, sql, [id])?;
    let sql = "INSERT INTO channel_former_names (channel, name) VALUES (?1, ?2)";
    names
        .iter()
        .try_for_each(|name| execute(connection, sql, params![id, name.as_str()]).map(drop))
}

/// Returns the former names of the channel with that number.
fn former_names(connection: &Connection, id: i64) -> Result<Vec<ChannelName>> {
    let sql = "SELECT name FROM channel_former_names WHERE channel = ?1 ORDER BY id";
    list(connection, sql, [id], |row| parsed(row, 0))
}

/// Replaces the entries of the lists of the channel with that number.
fn persist_lists(connection: &Connection, id: i64, lists: &[ListedMask]) -> Result<()> {
    fn key(entry: &ListedMask) -> (char, &str, &str, i64) {
        let ListedMask { list, mask, by, at } = entry;
        (*list, mask, by, at.as_millisecond())
    }
    let sql = "SELECT list, mask, by, at, id FROM channel_lists WHERE channel = ?1";
    let stored: Vec<(ListedMask, i64)> = list(connection, sql, [id], |row| {
        Ok((read_mask(row)?, row.get(4)?))
    })?;
    let (gone, new) = difference(&stored, lists, key);
    for row in gone {
        execute(connection, "DELETE FROM channel_lists WHERE id = ?1", [row])?;
    }
    for entry in new {
        let (list, mask, by, at) = key(entry);
        execute(
            connection,
            "INSERT INTO channel_lists (channel, list, mask, by, at) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![id, list.to_string(), mask, by, at],
        )?;
    }
    Ok(())
}

/// Replaces the access list of the channel with that number.
fn persist_access(connection: &Connection, id: i64, access: &[Access]) -> Result<()> {
    fn key(entry: &Access) -> (&str, &'static str, &str, i64) {
        let Access {
            account,
            level,
            by,
            at,
        } = entry;
        (account.as_str(), level.as_str(), by, at.as_millisecond())
    }
    let sql = "SELECT account, level, by, at, id FROM channel_access WHERE channel = ?1";
    let stored: Vec<(Access, i64)> = list(connection, sql, [id], |row| {
        Ok((read_access(row)?, row.get(4)?))
    })?;
    let (gone, new) = difference(&stored, access, key);
    for row in gone {
        execute(
            connection,
            "DELETE FROM channel_access WHERE id = ?1",
            [row],
        )?;
    }
    for entry in new {
        let (account, level, by, at) = key(entry);
        execute(
            connection,
            "INSERT INTO channel_access (channel, account, account_folded, level, by, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![id, account, entry.account.folded(), level, by, at],
        )?;
    }
    Ok(())
}

/// Returns the rows of the stored entries that are no longer wanted, and the wanted entries that
/// are not stored. Those that stay are not written: a change of the topic must not cost more the
/// longer the lists are.
fn difference<'a, T, K: Eq + Hash>(
    stored: &'a [(T, i64)],
    wanted: &'a [T],
    key: impl Fn(&'a T) -> K,
) -> (Vec<i64>, Vec<&'a T>) {
    let wanted_keys: HashSet<K> = wanted.iter().map(&key).collect();
    let gone = stored
        .iter()
        .filter(|(entry, _)| !wanted_keys.contains(&key(entry)))
        .map(|(_, row)| *row)
        .collect();
    let stored_keys: HashSet<K> = stored.iter().map(|(entry, _)| key(entry)).collect();
    let new = wanted
        .iter()
        .filter(|entry| !stored_keys.contains(&key(entry)))
        .collect();
    (gone, new)
}

/// Deletes the channel with that name.
pub(super) fn delete(connection: &Connection, name: &ChannelName) -> Result<()> {
    execute(
        connection,
        "DELETE FROM channels WHERE name_folded = ?1",
        [name.folded()],
    )
    .map(drop)
}

/// Returns all persistent channels, sorted by name.
pub(super) fn all(connection: &Connection) -> Result<Vec<PersistentChannel>> {
    let channels = list(
        connection,
        "SELECT channels.name, accounts.name AS founder, channels.created_at, named_at, topic, topic_by, topic_at,
            modes, key, user_limit, channels.id
         FROM channels JOIN accounts ON accounts.id = founder ORDER BY channels.name_folded",
        [],
        |row| Ok((row.get(10)?, read(row)?)),
    )?;
    let with_lists = channels
        .into_iter()
        .map(|(id, channel): (i64, PersistentChannel)| {
            let lists =
                "SELECT list, mask, by, at FROM channel_lists WHERE channel = ?1 ORDER BY id";
            let access =
                "SELECT account, level, by, at FROM channel_access WHERE channel = ?1 ORDER BY id";
            Ok(PersistentChannel {
                former_names: former_names(connection, id)?,
                lists: list(connection, lists, [id], read_mask)?,
                access: list(connection, access, [id], read_access)?,
                metadata: metadata::of_channel(connection, id)?,
                ..channel
            })
        });
    with_lists.collect()
}

fn read(row: &Row<'_>) -> Result<PersistentChannel> {
    let topic = match (row.get(4)?, row.get(5)?, optional_timestamp(row, 6)?) {
        (Some(text), Some(by), Some(at)) => Some(PersistentTopic { text, by, at }),
        _ => None,
    };
    Ok(PersistentChannel {
        name: parsed(row, 0)?,
        former_names: Vec::new(),
        founder: parsed(row, 1)?,
        created_at: timestamp(row, 2)?,
        named_at: timestamp(row, 3)?,
        topic,
        modes: row.get(7)?,
        key: row.get(8)?,
        limit: row.get(9)?,
        lists: Vec::new(),
        access: Vec::new(),
        metadata: Metadata::new(),
    })
}

fn read_mask(row: &Row<'_>) -> Result<ListedMask> {
    let letter: String = row.get(0)?;
    let list = letter
        .chars()
        .next()
        .ok_or_else(|| StoreError::Corrupt("a channel's list without a letter".to_owned()))?;
    Ok(ListedMask {
        list,
        mask: row.get(1)?,
        by: row.get(2)?,
        at: timestamp(row, 3)?,
    })
}

fn read_access(row: &Row<'_>) -> Result<Access> {
    let level: String = row.get(1)?;
    let level = AccessLevel::parse(&level).ok_or_else(|| {
        StoreError::Corrupt(format!(
            "{level:?} as an account's access level in a channel"
        ))
    })?;
    Ok(Access {
        account: parsed(row, 0)?,
        level,
        by: row.get(2)?,
        at: timestamp(row, 3)?,
    })
}
