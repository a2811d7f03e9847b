//! Operators' search of channel messages. A search examines a bounded number of messages and
//! returns where it stopped, so that a search with few matches takes many short reads instead of a
//! long one.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use jiff::Timestamp;
use rookery_protocol::Nick;
use rusqlite::{Connection, Row};

use super::history::{Part, part_number};
use super::pages::{ENTRIES, entry};
use super::{find, timestamp};
use crate::Result;
use rookery_record::{Cursor, FoundMessages, MessageQuery, Place};

/// The error of the clock, in milliseconds, that does not hide messages from a search by time. A
/// search of all channels goes through the messages in the order in which they were stored, and
/// finds the bounds of the time range by binary search.
const CLOCK_SLACK: i64 = 60 * 60 * 1000;

/// The number of no place.
const NO_PLACE: i64 = 0;

const IN_ONE_CHANNEL: &str = "SELECT id, at, place, author, text FROM history
    WHERE place = ?1 AND at >= ?3 AND at < ?4 AND (at, id) < (?5, ?6)
    UNION ALL SELECT id, at, place, author, text FROM history
    WHERE place = ?2 AND at >= ?3 AND at < ?4 AND (at, id) < (?5, ?6)
    ORDER BY at DESC, id DESC";
const IN_ALL: &str = "SELECT id, at, place, author, text FROM history
    WHERE id >= ?1 AND id < ?2 ORDER BY id DESC";

pub(super) fn messages(connection: &Connection, query: &MessageQuery) -> Result<FoundMessages> {
    let since = query.since.map_or(i64::MIN, Timestamp::as_millisecond);
    let until = query.until.map_or(i64::MAX, Timestamp::as_millisecond);
    let before = query.before.map_or((i64::MAX, i64::MAX), |cursor| {
        (cursor.at.as_millisecond(), cursor.number)
    });
    let (mut statement, bounds) = if let Some(channel) = &query.channel {
        let place = Place::Channel(channel.clone());
        let number = |part| part_number(connection, &place, part);
        let places = [number(Part::Messages)?, number(Part::Status)?];
        let places = places.map(|number| number.unwrap_or(NO_PLACE));
        let bounds = vec![places[0], places[1], since, until, before.0, before.1];
        (connection.prepare_cached(IN_ONE_CHANNEL)?, bounds)
    } else {
        let first = query
            .since
            .map(|_| first_at(connection, since.saturating_sub(CLOCK_SLACK)))
            .transpose()?;
        let last = query
            .until
            .map(|_| first_at(connection, until.saturating_add(CLOCK_SLACK)))
            .transpose()?;
        let bounds = vec![
            first.unwrap_or(i64::MIN),
            last.unwrap_or(i64::MAX).min(before.1),
        ];
        (connection.prepare_cached(IN_ALL)?, bounds)
    };
    let mut filter = Filter {
        connection,
        in_all: query.channel.is_none(),
        author: query.author.as_ref(),
        text: query.text.as_deref(),
        times: since..until,
        places: HashMap::default(),
        authors: HashMap::default(),
    };

    let mut rows = statement.query(rusqlite::params_from_iter(bounds))?;
    let mut found = FoundMessages::default();
    let (mut examined, mut last_examined, mut last_found) = (0, None, None);
    while let Some(row) = rows.next()? {
        if examined == query.max_examined {
            found.next = last_examined;
            break;
        }
        examined += 1;
        let cursor = Cursor {
            at: timestamp(row, 1)?,
            number: row.get(0)?,
        };
        last_examined = Some(cursor);
        if filter.matches(row)? {
            // A match beyond the limit means that there is another page.
            if found.messages.len() == query.limit {
                found.next = last_found;
                break;
            }
            last_found = last_examined;
            let message = find(
                connection,
                &format!("{ENTRIES} WHERE history.id = ?1"),
                [cursor.number],
                entry,
            )?;
            found.messages.extend(message.map(|(_, message)| message));
        }
    }
    Ok(found)
}

/// The conditions that a message has to meet. Places and authors are looked up as messages refer to
/// them: there may be far more of them than messages that a search examines.
struct Filter<'q> {
    connection: &'q Connection,
    /// Whether the messages examined are those of all places, not of one channel.
    in_all: bool,
    author: Option<&'q Nick>,
    text: Option<&'q str>,
    times: std::ops::Range<i64>,
    /// Whether a place is searched, by its number.
    places: HashMap<i64, bool, foldhash::fast::RandomState>,
    /// Whether an author is the wanted one, by its number.
    authors: HashMap<i64, bool, foldhash::fast::RandomState>,
}

impl Filter<'_> {
    fn matches(&mut self, row: &Row<'_>) -> Result<bool> {
        let (at, place): (i64, i64) = (row.get(1)?, row.get(2)?);
        if !self.times.contains(&at)
            || self.in_all && !self.is_searched(place)?
            || !self.is_by_author(row.get(3)?)?
        {
            return Ok(false);
        }
        let Some(wanted) = self.text else {
            return Ok(true);
        };
        let text = row.get_ref(4)?.as_str().map_err(rusqlite::Error::from)?;
        // The carriage return marks a line of a multi-line message that continues the one before
        // it.
        Ok(text.replace('\r', "").to_lowercase().contains(wanted))
    }

    fn is_searched(&mut self, place: i64) -> Result<bool> {
        // That of a redacted message.
        if place < 0 {
            return Ok(false);
        }
        if let Some(known) = self.places.get(&place) {
            return Ok(*known);
        }
        let is_searched = is_for_messages(self.connection, place)?;
        self.places.insert(place, is_searched);
        Ok(is_searched)
    }

    fn is_by_author(&mut self, number: i64) -> Result<bool> {
        let Some(wanted) = self.author else {
            return Ok(true);
        };
        if let Some(known) = self.authors.get(&number) {
            return Ok(*known);
        }
        let is_wanted = is_author(self.connection, number, wanted)?;
        self.authors.insert(number, is_wanted);
        Ok(is_wanted)
    }
}

/// Whether the place is that of a channel's messages, also for members with a certain status only,
/// and not of its events.
fn is_for_messages(connection: &Connection, place: i64) -> Result<bool> {
    let sql = "SELECT second_folded = ''
        AND (substr(first_folded, 1, 1) = '#' OR substr(first_folded, 1, 2) = '@#')
        FROM places WHERE id = ?1";
    Ok(find(connection, sql, [place], |row| Ok(row.get(0)?))?.unwrap_or(false))
}

/// Whether the author with this number is an account with that name, or a guest with that nick.
fn is_author(connection: &Connection, number: i64, wanted: &Nick) -> Result<bool> {
    let mut statement =
        connection.prepare_cached("SELECT account, source FROM authors WHERE id = ?1")?;
    let mut rows = statement.query([number])?;
    let Some(row) = rows.next()? else {
        return Ok(false);
    };
    let text = |column: usize| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
    let (account, source) = (text(0)?, text(1)?);
    let name = if account.is_empty() {
        source.split('!').next().unwrap_or_default()
    } else {
        account
    };
    // ASCII names are compared directly, which avoids folding most names.
    Ok(if name.is_ascii() && wanted.as_str().is_ascii() {
        name.eq_ignore_ascii_case(wanted.as_str())
    } else {
        Nick::parse(name).is_ok_and(|name| name == *wanted)
    })
}

/// Returns the number of the first message at or after that time, by a binary search that assumes a
/// monotonic clock.
fn first_at(connection: &Connection, at: i64) -> Result<i64> {
    let bound = |sql| {
        find(connection, sql, [], |row| {
            Ok(row.get::<_, Option<i64>>(0)?.unwrap_or(0))
        })
    };
    let mut low = bound("SELECT min(id) FROM history")?.unwrap_or(0);
    let mut high = bound("SELECT max(id) FROM history")?.unwrap_or(0) + 1;
    while low < high {
        let middle = low + (high - low) / 2;
        let sql = "SELECT id, at FROM history WHERE id >= ?1 ORDER BY id LIMIT 1";
        let next = find(connection, sql, [middle], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        })?;
        match next {
            Some((id, stored_at)) if stored_at < at => low = id + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}
