//! The history tables. Storing a message is on every message's way.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use rookery_protocol::ChannelName;
use rusqlite::{Connection, params};

use super::{Store, execute, find, pages, search};
use crate::{ExpiryPoint, Result};
use rookery_record::{
    FoundMessages, HistoryEntry, HistoryTarget, MessageQuery, PageQuery, Party, Place, TargetsQuery,
};

/// Places and authors whose numbers are kept at hand; past it they are looked up again.
const INTERNED: usize = 50_000;

/// The numbers of places and authors that this connection has met. They never change, so they stay
/// true whatever other processes do; only after a rollback may one of them be of a row that is
/// gone.
#[derive(Default)]
pub(super) struct Interned {
    places: HashMap<String, i64, foldhash::fast::RandomState>,
    authors: HashMap<String, i64, foldhash::fast::RandomState>,
    /// Kept for its memory.
    key: String,
}

impl Interned {
    /// To be called when what was written is rolled back.
    pub(super) fn forget(&mut self) {
        self.places.clear();
        self.authors.clear();
    }

    fn place(&mut self, connection: &Connection, place: &Place, events: bool) -> Result<i64> {
        let [(first, first_folded), (second, second_folded)] = sides(place, events);
        let folded = [&*first_folded, &*second_folded];
        number(&mut self.places, &mut self.key, folded, || {
            if let Some(id) = place_number(connection, folded)? {
                return Ok(id);
            }
            let mut statement = connection.prepare_cached(
                "INSERT INTO places (first, second, first_folded, second_folded) VALUES (?1, ?2, ?3, ?4)",
            )?;
            Ok(statement.insert([first, second, &*first_folded, &*second_folded])?)
        })
    }

    fn author(&mut self, connection: &Connection, account: &str, source: &str) -> Result<i64> {
        number(&mut self.authors, &mut self.key, [account, source], || {
            let known = find(
                connection,
                "SELECT id FROM authors WHERE account = ?1 AND source = ?2",
                [account, source],
                |row| Ok(row.get(0)?),
            )?;
            if let Some(id) = known {
                return Ok(id);
            }
            let mut statement = connection
                .prepare_cached("INSERT INTO authors (account, source) VALUES (?1, ?2)")?;
            Ok(statement.insert([account, source])?)
        })
    }
}

/// The places in which old messages are looked for in one go.
const PLACES_AT_ONCE: i64 = 1000;

/// Before the folded nick of a guest; no nick holds it.
pub(super) const GUEST: char = '*';

/// Before the folded names of a place, where they stand for its events. These are kept as if in a
/// place of their own: so that a page of messages passes over none of them, however many there are.
pub(super) const EVENTS: char = '!';

/// The two names of a place as they are written, and as they are compared, the smaller first. The
/// second is empty for a channel.
pub(super) fn sides(place: &Place, events: bool) -> [(&str, Cow<'_, str>); 2] {
    let sides = match place {
        Place::Channel(name) => [(name.as_str(), name.folded().into()), ("", "".into())],
        Place::Direct { from, to } => {
            let [from, to] = [from, to].map(|party| (party.nick().as_str(), party_folded(party)));
            if from.1 <= to.1 {
                [from, to]
            } else {
                [to, from]
            }
        }
    };
    if !events {
        return sides;
    }
    sides.map(|(name, folded)| {
        let folded = if folded.is_empty() {
            folded
        } else {
            format!("{EVENTS}{folded}").into()
        };
        (name, folded)
    })
}

fn party_folded(party: &Party) -> Cow<'_, str> {
    match party {
        Party::Account(nick) => nick.folded().into(),
        Party::Guest(nick) => format!("{GUEST}{}", nick.folded()).into(),
    }
}

/// Takes a message back. It stays where it is among the others, but its place has the negative
/// number: no page ever meets it there, however many there are.
fn redact(connection: &Connection, msgid: &str) -> Result<()> {
    let sql =
        "UPDATE history SET place = -place, text = '', tags = '' WHERE msgid = ?1 AND place > 0";
    execute(connection, sql, [msgid]).map(drop)
}

/// The number of the place with those folded names.
pub(super) fn place_number(connection: &Connection, folded: [&str; 2]) -> Result<Option<i64>> {
    let sql = "SELECT id FROM places WHERE first_folded = ?1 AND second_folded = ?2";
    find(connection, sql, folded, |row| Ok(row.get(0)?))
}

/// The numbers of the channel's places: for what was said there, and for what was done.
fn channel_places(connection: &Connection, channel: &ChannelName) -> Result<[Option<i64>; 2]> {
    let number = |events| {
        let place = Place::Channel(channel.clone());
        let [(_, first), (_, second)] = sides(&place, events);
        place_number(connection, [&*first, &*second])
    };
    Ok([number(false)?, number(true)?])
}

/// The number at hand for that pair, or the one that `look_up` gives. `one` holds no space: the key
/// means one pair only.
fn number(
    known: &mut HashMap<String, i64, foldhash::fast::RandomState>,
    key: &mut String,
    [one, other]: [&str; 2],
    look_up: impl FnOnce() -> Result<i64>,
) -> Result<i64> {
    key.clear();
    // Writing to a String cannot fail.
    let _ = write!(key, "{one} {other}");
    if let Some(&id) = known.get(key.as_str()) {
        return Ok(id);
    }
    let id = look_up()?;
    if known.len() >= INTERNED {
        known.clear();
    }
    known.insert(key.clone(), id);
    Ok(id)
}

impl Store {
    pub fn append_history(&mut self, entries: &[HistoryEntry]) -> Result<()> {
        let Self {
            connection,
            interned,
            has_leftovers,
            ..
        } = self;
        let mut insert = connection.prepare_cached(
            "INSERT INTO history (place, author, at, msgid, command, text, tags)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        for entry in entries {
            if let Some(msgid) = entry.redacts() {
                redact(connection, msgid)?;
                *has_leftovers = true;
            }
            let place = interned.place(connection, &entry.place, entry.is_event())?;
            let account = entry.account.as_ref().map_or("", |name| name.as_str());
            let author = interned.author(connection, account, &entry.source)?;
            insert.execute(params![
                place,
                author,
                entry.at.as_millisecond(),
                entry.msgid,
                entry.command,
                entry.text,
                entry.tags,
            ])?;
        }
        Ok(())
    }

    pub fn history_entry(&self, msgid: &str) -> Result<Option<HistoryEntry>> {
        pages::entry_of(&self.connection, msgid)
    }

    pub fn expire_history(
        &mut self,
        before: Timestamp,
        from: ExpiryPoint,
        limit: usize,
    ) -> Result<ExpiryPoint> {
        let first = match from {
            ExpiryPoint::Beginning => i64::MIN,
            ExpiryPoint::Place(first) => first,
            ExpiryPoint::Through => return Ok(ExpiryPoint::Through),
        };
        let sql = "SELECT id FROM places WHERE id >= ?1 ORDER BY id LIMIT 1 OFFSET ?2";
        let next = find(&self.connection, sql, [first, PLACES_AT_ONCE], |row| {
            Ok(row.get(0)?)
        })?;
        // Place by place, so that the index finds what is old, and a clock that once stood wrong
        // hides nothing.
        let gone = execute(
            &self.connection,
            "DELETE FROM history WHERE id IN (
                SELECT history.id FROM places CROSS JOIN history
                WHERE places.id >= ?3 AND places.id < ?4 AND history.place IN (places.id, -places.id) AND history.at < ?1 LIMIT ?2)",
            [
                before.as_millisecond(),
                i64::try_from(limit).unwrap_or(i64::MAX),
                first,
                next.unwrap_or(i64::MAX),
            ],
        )?;
        self.has_leftovers |= gone > 0;
        Ok(match next {
            _ if gone == limit => ExpiryPoint::Place(first),
            Some(next) => ExpiryPoint::Place(next),
            None => ExpiryPoint::Through,
        })
    }

    pub fn find_messages(&self, query: &MessageQuery) -> Result<FoundMessages> {
        search::messages(&self.connection, query)
    }

    pub fn has_history(&self, channel: &ChannelName) -> Result<bool> {
        Ok(channel_places(&self.connection, channel)?
            .iter()
            .any(Option::is_some))
    }

    pub fn purge_history(
        &mut self,
        channel: &ChannelName,
        before: Timestamp,
        limit: usize,
    ) -> Result<usize> {
        let [said, done] = channel_places(&self.connection, channel)?;
        let gone = execute(
            &self.connection,
            "DELETE FROM history WHERE id IN (
                SELECT id FROM history WHERE place IN (?1, -?1, ?2, -?2) AND at < ?3 LIMIT ?4)",
            params![
                said,
                done,
                before.as_millisecond(),
                i64::try_from(limit).unwrap_or(i64::MAX)
            ],
        )?;
        self.has_leftovers |= gone > 0;
        Ok(gone)
    }

    pub fn history_page(&self, query: &PageQuery) -> Result<Option<Vec<HistoryEntry>>> {
        pages::page(&self.connection, query)
    }

    pub fn history_targets(&self, query: &TargetsQuery) -> Result<Vec<HistoryTarget>> {
        pages::targets(&self.connection, query)
    }
}
