//! Messages and events of the history. Storing is on the path of every message, so its cost counts.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use rookery_protocol::ChannelName;
use rusqlite::{Connection, params};

use super::{Store, execute, find, pages, search};
use crate::{ExpiryPoint, Result};
use rookery_record::{
    FoundMessages, HistoryEntry, HistoryTarget, MessageQuery, PageQuery, Participant, Place,
    TargetsQuery,
};

/// Places and authors whose numbers are cached; beyond this the cache is emptied.
const INTERNED: usize = 50_000;

/// A cache of the numbers of places and authors. Numbers never change, so the cache stays valid
/// whatever other processes do; only after a rollback may a number belong to a row that is gone.
#[derive(Default)]
pub(super) struct Interned {
    places: HashMap<String, i64, foldhash::fast::RandomState>,
    authors: HashMap<String, i64, foldhash::fast::RandomState>,
    /// A buffer that is reused to save an allocation.
    key: String,
}

impl Interned {
    /// Empties the cache; called after a rollback.
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

/// Places searched for expired messages in one step.
const PLACES_AT_ONCE: i64 = 1000;

/// Prefix of the folded nick of a guest; no nick contains it.
pub(super) const GUEST: char = '*';

/// Prefix of the folded names of a place where they stand for its events. Events are stored in a
/// place of their own, so that a page of messages does not have to skip them, however many there
/// are.
pub(super) const EVENTS: char = '!';

/// Returns the two names of a place as written and as compared, the smaller first. The second is
/// empty for a channel.
pub(super) fn sides(place: &Place, events: bool) -> [(&str, Cow<'_, str>); 2] {
    let sides = match place {
        Place::Channel(name) => [(name.as_str(), name.folded().into()), ("", "".into())],
        Place::Direct { from, to } => {
            let [from, to] = [from, to]
                .map(|participant| (participant.nick().as_str(), party_folded(participant)));
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

fn party_folded(participant: &Participant) -> Cow<'_, str> {
    match participant {
        Participant::Account(nick) => nick.folded().into(),
        Participant::Guest(nick) => format!("{GUEST}{}", nick.folded()).into(),
    }
}

/// Redacts a message. Its row keeps its position, but moves to the place with the negative number,
/// so that no page has to skip it, however many there are.
fn redact(connection: &Connection, msgid: &str) -> Result<()> {
    let sql =
        "UPDATE history SET place = -place, text = '', tags = '' WHERE msgid = ?1 AND place > 0";
    execute(connection, sql, [msgid]).map(drop)
}

/// Returns the number of the place with those folded names.
pub(super) fn place_number(connection: &Connection, folded: [&str; 2]) -> Result<Option<i64>> {
    let sql = "SELECT id FROM places WHERE first_folded = ?1 AND second_folded = ?2";
    find(connection, sql, folded, |row| Ok(row.get(0)?))
}

/// Returns the numbers of the channel's two places: for messages, and for events.
fn channel_places(connection: &Connection, channel: &ChannelName) -> Result<[Option<i64>; 2]> {
    let number = |events| {
        let place = Place::Channel(channel.clone());
        let [(_, first), (_, second)] = sides(&place, events);
        place_number(connection, [&*first, &*second])
    };
    Ok([number(false)?, number(true)?])
}

/// Returns the cached number of that pair, or the one that `look_up` returns. `one` contains no
/// space, so the key is unambiguous.
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
    /// Appends entries to the history. Appending the event of a redaction redacts the message it
    /// names.
    pub fn append_history(&mut self, entries: &[HistoryEntry]) -> Result<()> {
        let Self {
            connection,
            interned,
            needs_scrub,
            ..
        } = self;
        let mut insert = connection.prepare_cached(
            "INSERT INTO history (place, author, at, msgid, command, text, tags)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        for entry in entries {
            if let Some(msgid) = entry.redacts() {
                redact(connection, msgid)?;
                *needs_scrub = true;
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

    /// Returns the message of that id; `None` if there is none or it was redacted.
    pub fn history_entry(&self, msgid: &str) -> Result<Option<HistoryEntry>> {
        pages::entry_of(&self.connection, msgid)
    }

    /// Deletes entries older than `before`: at most `limit` of them, and from a bounded number of
    /// places, so that other writes do not wait long. Returns where to continue.
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
        // Place by place, so that the index finds what has expired even if the clock was once
        // wrong.
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
        self.needs_scrub |= gone > 0;
        Ok(match next {
            _ if gone == limit => ExpiryPoint::Place(first),
            Some(next) => ExpiryPoint::Place(next),
            None => ExpiryPoint::Through,
        })
    }

    /// Returns the channel messages that match, newest first.
    pub fn find_messages(&self, query: &MessageQuery) -> Result<FoundMessages> {
        search::messages(&self.connection, query)
    }

    /// Whether the channel of that name has any history.
    pub fn has_history(&self, channel: &ChannelName) -> Result<bool> {
        Ok(channel_places(&self.connection, channel)?
            .iter()
            .any(Option::is_some))
    }

    /// Deletes the channel's entries older than `before`, at most `limit` at once, and returns how
    /// many were deleted.
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
        self.needs_scrub |= gone > 0;
        Ok(gone)
    }

    /// Returns a page in the order in which it was said, without messages that were for members of
    /// a certain status only. `None` if the query names a message that does not exist.
    pub fn history_page(&self, query: &PageQuery) -> Result<Option<Vec<HistoryEntry>>> {
        pages::page(&self.connection, query)
    }

    /// Returns channels and conversations, by the time of their latest message.
    pub fn history_targets(&self, query: &TargetsQuery) -> Result<Vec<HistoryTarget>> {
        pages::targets(&self.connection, query)
    }
}
