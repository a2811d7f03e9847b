//! The tables of always-on users, of each account's `always-on` setting, and of read markers.

use jiff::Timestamp;
use rookery_protocol::ChannelName;
use rusqlite::{Connection, Row, params};

use super::{execute, list, optional, parsed, timestamp};
use crate::Result;
use rookery_record::{AccountId, Membership, Presence};

/// Stores a read marker; `None` deletes it. Like the other functions of this module, it stores
/// nothing for an account that no longer exists.
pub(super) fn persist_marker(
    connection: &Connection,
    account: AccountId,
    target: &str,
    read_until: Option<Timestamp>,
) -> Result<()> {
    match read_until {
        Some(read_until) => execute(
            connection,
            "INSERT INTO read_markers (account, target, read_until) SELECT id, ?2, ?3 FROM accounts WHERE id = ?1
             ON CONFLICT (account, target) DO UPDATE SET read_until = excluded.read_until",
            params![account.0, target, read_until.as_millisecond()],
        ),
        None => execute(
            connection,
            "DELETE FROM read_markers WHERE account = ?1 AND target = ?2",
            params![account.0, target],
        ),
    }
    .map(drop)
}

pub(super) fn markers(connection: &Connection) -> Result<Vec<(AccountId, String, Timestamp)>> {
    let sql = "SELECT account, target, read_until FROM read_markers";
    list(connection, sql, [], |row| {
        Ok((AccountId(row.get(0)?), row.get(1)?, timestamp(row, 2)?))
    })
}

pub(super) fn persist_choice(
    connection: &Connection,
    account: AccountId,
    always_on: Option<bool>,
) -> Result<()> {
    let sql = "UPDATE accounts SET always_on = ?2 WHERE id = ?1";
    execute(connection, sql, params![account.0, always_on]).map(drop)
}

pub(super) fn choices(connection: &Connection) -> Result<Vec<(AccountId, bool)>> {
    let sql = "SELECT id, always_on FROM accounts WHERE always_on IS NOT NULL";
    list(connection, sql, [], |row| {
        Ok((AccountId(row.get(0)?), row.get(1)?))
    })
}

pub(super) fn persist(connection: &Connection, presence: &Presence) -> Result<()> {
    let Presence {
        account,
        nick,
        username,
        realname,
        modes,
        away,
        since,
        channels,
        ..
    } = presence;
    let stored = execute(
        connection,
        "INSERT INTO presences (account, nick, username, realname, modes, away, since)
         SELECT id, ?2, ?3, ?4, ?5, ?6, ?7 FROM accounts WHERE id = ?1
         ON CONFLICT (account) DO UPDATE SET nick = excluded.nick, username = excluded.username,
             realname = excluded.realname, modes = excluded.modes, away = excluded.away,
             since = excluded.since",
        params![
            account.0,
            nick.as_str(),
            username,
            realname,
            modes,
            away,
            since.as_millisecond()
        ],
    )?;
    if stored == 0 {
        return Ok(());
    }
    persist_channels(connection, *account, channels)
}

/// Replaces the channels of the account's always-on user, in the order of the list. Those that have
/// not changed are not written, and compared without being parsed: a mode must not cost much more,
/// the more channels the members of the channel are in.
fn persist_channels(
    connection: &Connection,
    account: AccountId,
    channels: &[Membership],
) -> Result<()> {
    let sql = "SELECT place, channel, joined_at, modes FROM presence_channels WHERE account = ?1
         ORDER BY place";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([account.0])?;
    let mut left = channels.iter().peekable();
    let (mut changed, mut gone, mut next) = (Vec::new(), Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let place: i64 = row.get(0)?;
        next = place + 1;
        let (name, modes) = (row.get_ref(1)?, row.get_ref(3)?);
        let before = (name.as_str().ok(), row.get(2)?, modes.as_str().ok());
        match left.next_if(|now| columns(now).1 == before.1) {
            Some(now) => {
                let (name, joined_at, modes) = columns(now);
                if before != (Some(name), joined_at, Some(modes)) {
                    changed.push((place, now));
                }
            }
            // Those that follow keep their order.
            None => gone.push(place),
        }
    }
    drop(rows);
    for place in gone {
        execute(
            connection,
            "DELETE FROM presence_channels WHERE account = ?1 AND place = ?2",
            params![account.0, place],
        )?;
    }
    let mut written = changed.into_iter().chain((next..).zip(left));
    written.try_for_each(|(place, channel)| write_channel(connection, account, place, channel))
}

/// Renames a channel of the accounts' always-on users, or removes it if `renamed` is `None`. Writes
/// no other row.
pub(super) fn move_memberships(
    connection: &Connection,
    accounts: &[AccountId],
    channel: &ChannelName,
    renamed: Option<&(ChannelName, Timestamp)>,
) -> Result<()> {
    for account in accounts {
        let moved = move_membership(connection, *account, channel.as_str(), renamed)?;
        // The row may be from before names were composed.
        if moved == 0
            && !channel.as_str().is_ascii()
            && let Some(spelling) = stored_spelling(connection, *account, channel)?
        {
            move_membership(connection, *account, &spelling, renamed)?;
        }
    }
    Ok(())
}

/// Returns how many rows have this spelling of the channel and were changed.
fn move_membership(
    connection: &Connection,
    AccountId(account): AccountId,
    channel: &str,
    renamed: Option<&(ChannelName, Timestamp)>,
) -> Result<usize> {
    match renamed {
        Some((name, since)) => execute(
            connection,
            "UPDATE presence_channels SET channel = ?3, joined_at = max(joined_at, ?4)
             WHERE account = ?1 AND channel = ?2",
            params![account, channel, name.as_str(), since.as_millisecond()],
        ),
        None => execute(
            connection,
            "DELETE FROM presence_channels WHERE account = ?1 AND channel = ?2",
            params![account, channel],
        ),
    }
}

fn stored_spelling(
    connection: &Connection,
    account: AccountId,
    channel: &ChannelName,
) -> Result<Option<String>> {
    let sql = "SELECT channel FROM presence_channels WHERE account = ?1";
    let stored: Vec<String> = list(connection, sql, [account.0], |row| Ok(row.get(0)?))?;
    let is_it = |text: &String| ChannelName::parse(text).is_ok_and(|name| name == *channel);
    Ok(stored.into_iter().find(is_it))
}

fn write_channel(
    connection: &Connection,
    account: AccountId,
    place: i64,
    membership: &Membership,
) -> Result<()> {
    let (channel, joined_at, modes) = columns(membership);
    execute(
        connection,
        "INSERT INTO presence_channels (account, place, channel, joined_at, modes)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (account, place) DO UPDATE SET channel = excluded.channel,
             joined_at = excluded.joined_at, modes = excluded.modes",
        params![account.0, place, channel, joined_at, modes],
    )
    .map(drop)
}

/// Returns the columns of a membership.
fn columns(membership: &Membership) -> (&str, i64, &'static str) {
    let joined_at = membership.joined_at.as_millisecond();
    (membership.channel.as_str(), joined_at, modes(membership))
}

fn modes(membership: &Membership) -> &'static str {
    match (membership.operator, membership.voice) {
        (true, true) => "ov",
        (true, false) => "o",
        (false, true) => "v",
        (false, false) => "",
    }
}

pub(super) fn delete(connection: &Connection, account: AccountId) -> Result<()> {
    execute(
        connection,
        "DELETE FROM presences WHERE account = ?1",
        [account.0],
    )
    .map(drop)
}

/// Returns the always-on users whose accounts are not disabled.
pub(super) fn all(connection: &Connection) -> Result<Vec<Presence>> {
    let presences = list(
        connection,
        "SELECT account, name, email, nick, username, realname, modes, away, since
         FROM presences JOIN accounts ON accounts.id = account WHERE disabled IS NULL ORDER BY account",
        [],
        read,
    )?;
    let with_channels = presences.into_iter().map(|presence| {
        let sql = "SELECT channel, joined_at, modes FROM presence_channels WHERE account = ?1 ORDER BY place";
        Ok(Presence {
            channels: list(connection, sql, [presence.account.0], read_membership)?,
            ..presence
        })
    });
    with_channels.collect()
}

fn read(row: &Row<'_>) -> Result<Presence> {
    Ok(Presence {
        account: AccountId(row.get(0)?),
        name: parsed(row, 1)?,
        email: optional(row, 2)?,
        nick: parsed(row, 3)?,
        username: row.get(4)?,
        realname: row.get(5)?,
        modes: row.get(6)?,
        away: row.get(7)?,
        since: timestamp(row, 8)?,
        channels: Vec::new(),
    })
}

fn read_membership(row: &Row<'_>) -> Result<Membership> {
    let modes: String = row.get(2)?;
    Ok(Membership {
        channel: parsed(row, 0)?,
        joined_at: timestamp(row, 1)?,
        operator: modes.contains('o'),
        voice: modes.contains('v'),
    })
}
