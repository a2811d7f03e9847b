//! Operators' search of channel messages. A search examines a bounded number of messages and
//! returns where it stopped, so that a search with few matches takes many short reads instead of a
//! long one.

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use jiff::Timestamp;
use rookery_protocol::Nick;
use rusqlite::{Connection, Row};

use super::history::{Part, part_number};
use super::pages::{ENTRIES, entry};
use super::{find, list, timestamp};
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
    let (mut statement, bounds, places) = if let Some(channel) = &query.channel {
        let place = Place::Channel(channel.clone());
        let number = |part| part_number(connection, &place, part);
        let places = [number(Part::Messages)?, number(Part::Status)?];
        let places = places.map(|number| number.unwrap_or(NO_PLACE));
        let bounds = vec![places[0], places[1], since, until, before.0, before.1];
        (
            connection.prepare_cached(IN_ONE_CHANNEL)?,
            bounds,
            HashSet::from(places),
        )
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
        (
            connection.prepare_cached(IN_ALL)?,
            bounds,
            channels(connection)?,
        )
    };
    let authors = query
        .author
        .as_ref()
        .map(|author| authors(connection, author))
        .transpose()?;
    let filter = Filter {
        places,
        authors,
        text: query.text.as_deref(),
        times: since..until,
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

/// The conditions that a message has to meet.
struct Filter<'q> {
    places: HashSet<i64>,
    authors: Option<HashSet<i64>>,
    text: Option<&'q str>,
    times: std::ops::Range<i64>,
}

impl Filter<'_> {
    fn matches(&self, row: &Row<'_>) -> Result<bool> {
        let is_by = |author: i64| {
            self.authors
                .as_ref()
                .is_none_or(|authors| authors.contains(&author))
        };
        let (at, place): (i64, i64) = (row.get(1)?, row.get(2)?);
        if !self.places.contains(&place) || !self.times.contains(&at) || !is_by(row.get(3)?) {
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
}

/// Returns the numbers of all channels' places for messages, also for members with a certain status
/// only, without those for events.
fn channels(connection: &Connection) -> Result<HashSet<i64>> {
    let sql = "SELECT id FROM places WHERE second_folded = ''
        AND (substr(first_folded, 1, 1) = '#' OR substr(first_folded, 1, 2) = '@#')";
    Ok(list(connection, sql, [], |row| Ok(row.get(0)?))?
        .into_iter()
        .collect())
}

/// Returns the numbers of the author that is an account with that name, or a guest with that nick.
fn authors(connection: &Connection, author: &Nick) -> Result<HashSet<i64>> {
    let mut numbers = HashSet::new();
    let mut statement = connection.prepare_cached("SELECT id, account, source FROM authors")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let text = |column: usize| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
        let (account, source) = (text(1)?, text(2)?);
        let name = if account.is_empty() {
            source.split('!').next().unwrap_or_default()
        } else {
            account
        };
        // ASCII names are compared directly, which avoids folding most names.
        let is_same = if name.is_ascii() && author.as_str().is_ascii() {
            name.eq_ignore_ascii_case(author.as_str())
        } else {
            Nick::parse(name).is_ok_and(|name| name == *author)
        };
        if is_same {
            numbers.insert(row.get(0)?);
        }
    }
    Ok(numbers)
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
