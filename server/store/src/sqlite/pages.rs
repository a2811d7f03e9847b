//! Reads pages of history. Messages are ordered by time, and by number if their times are equal.
//! This order never changes, so a client can continue from any message it has received.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use rookery_protocol::Nick;
use rusqlite::{Connection, Row, named_params, params};

use super::history::{GUEST_PREFIX, Part, part_number, without_prefix};
use super::{column_name, find, list, parsed, timestamp};
use crate::{Result, StoreError};
use rookery_record::{
    Conversation, HistoryEntry, HistoryTarget, PageQuery, Participant, Place, Point, Selection,
    TargetKind, TargetsQuery,
};

/// The position of a message: its time in milliseconds, and its number.
type Position = (i64, i64);

/// The maximum number of guests among the targets, the newest. A guest may write under many nicks,
/// which would take the places of accounts in the page.
const MAX_GUESTS: usize = 100;
/// The maximum number of an account's conversations with guests whose latest message is looked for:
/// those that began last. Guests can begin any number of them, and to look at all would hold up
/// every reader.
const MAX_GUESTS_READ: i64 = 1000;

/// An account's conversations: all with accounts, and of those with guests the ones that began
/// last. Only the folded nick of a guest begins with `*`.
const PLACES_OF: &str = "WITH conversations AS (
        SELECT id, second AS nick, second_folded AS folded FROM places
            WHERE first_folded = ?1 AND second_folded <> ''
        UNION ALL
        SELECT id, first, first_folded FROM places
            WHERE second_folded = ?1 AND second_folded <> '' AND first_folded <> ?1)
    SELECT id, nick, folded FROM conversations WHERE NOT (folded >= '*' AND folded < '+')
    UNION ALL
    SELECT id, nick, folded FROM (SELECT id, nick, folded FROM conversations
        WHERE folded >= '*' AND folded < '+' ORDER BY id DESC LIMIT ?2)";

const BEGINNING: Position = (i64::MIN, i64::MIN);
const END: Position = (i64::MAX, i64::MAX);

/// The range between two positions, both excluded.
#[derive(Clone, Copy)]
struct Span {
    after: Position,
    before: Position,
}

/// The end of a span at which a limited page begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    /// The page has the oldest messages of the span.
    Forward,
    /// The page has the newest messages of the span.
    Backward,
}

pub(super) fn page(
    connection: &Connection,
    query: &PageQuery,
) -> Result<Option<Vec<HistoryEntry>>> {
    let (mut places, mut known) = (Vec::new(), Vec::new());
    for place in &query.places {
        for part in Part::ALL {
            let number = part_number(connection, place, part)?;
            known.extend(number);
            places.extend(number.filter(|_| match part {
                Part::Messages => true,
                Part::Status => false,
                Part::Events => query.events,
                Part::Redactions => query.events && query.redactions,
            }));
        }
    }
    let floor = (query.since.as_millisecond(), i64::MIN);
    let reader = Reader {
        connection,
        places,
        known,
        floor,
        bytes: query.bytes,
    };
    reader.page(&query.selection, query.limit)
}

struct Reader<'a> {
    connection: &'a Connection,
    /// The numbers of the places that are read.
    places: Vec<i64>,
    /// The numbers of the places that may contain the messages the selection refers to.
    known: Vec<i64>,
    /// Messages before this position are not visible.
    floor: Position,
    /// The number of bytes of memory beyond which no further message of a place is read.
    bytes: usize,
}

impl Reader<'_> {
    fn page(&self, selection: &Selection, limit: usize) -> Result<Option<Vec<HistoryEntry>>> {
        let entries = match selection {
            Selection::Latest(None) => self.read(
                Span {
                    after: BEGINNING,
                    before: END,
                },
                Direction::Backward,
                limit,
            )?,
            Selection::Latest(Some(point)) => {
                let Some(point) = self.locate(point)? else {
                    return Ok(None);
                };
                self.read(
                    Span {
                        after: point.last,
                        before: END,
                    },
                    Direction::Backward,
                    limit,
                )?
            }
            Selection::Before(point) => {
                let Some(point) = self.locate(point)? else {
                    return Ok(None);
                };
                self.read(
                    Span {
                        after: BEGINNING,
                        before: point.first,
                    },
                    Direction::Backward,
                    limit,
                )?
            }
            Selection::After(point) => {
                let Some(point) = self.locate(point)? else {
                    return Ok(None);
                };
                self.read(
                    Span {
                        after: point.last,
                        before: END,
                    },
                    Direction::Forward,
                    limit,
                )?
            }
            Selection::Around(point) => {
                let Some(PointRange {
                    first: (at, number),
                    ..
                }) = self.locate(point)?
                else {
                    return Ok(None);
                };
                let earlier = Span {
                    after: BEGINNING,
                    before: (at, number),
                };
                let mut entries = self.read(earlier, Direction::Backward, limit / 2)?;
                let later = Span {
                    after: (at, number.saturating_sub(1)),
                    before: END,
                };
                entries.extend(self.read(later, Direction::Forward, limit - entries.len())?);
                entries
            }
            Selection::Between(one, other) => {
                let (Some(one), Some(other)) = (self.locate(one)?, self.locate(other)?) else {
                    return Ok(None);
                };
                if one.first <= other.first {
                    self.read(
                        Span {
                            after: one.last,
                            before: other.first,
                        },
                        Direction::Forward,
                        limit,
                    )?
                } else {
                    self.read(
                        Span {
                            after: other.last,
                            before: one.first,
                        },
                        Direction::Backward,
                        limit,
                    )?
                }
            }
        };
        Ok(Some(entries))
    }

    /// Returns the positions of a point; `None` if its message is in none of the
    /// `known` places.
    fn locate(&self, point: &Point) -> Result<Option<PointRange>> {
        match point {
            Point::At(time) => {
                let at = time.as_millisecond();
                Ok(Some(PointRange {
                    first: (at, i64::MIN),
                    last: (at, i64::MAX),
                }))
            }
            Point::Message(msgid) => {
                let sql = "SELECT at, id, place FROM history WHERE msgid = ?1";
                let read = |row: &Row<'_>| Ok(((row.get(0)?, row.get(1)?), row.get(2)?));
                let found: Option<(Position, i64)> = find(self.connection, sql, [msgid], read)?;
                // A redacted message keeps its position.
                let found = found.filter(|(_, place)| self.known.contains(&place.abs()));
                Ok(found.map(|(position, _)| PointRange {
                    first: position,
                    last: position,
                }))
            }
        }
    }

    /// Returns at most `limit` messages of the span, oldest first.
    fn read(&self, span: Span, direction: Direction, limit: usize) -> Result<Vec<HistoryEntry>> {
        let after = span.after.max(self.floor);
        let limit_of_place = i64::try_from(limit).unwrap_or(i64::MAX);
        let sql = span_sql(direction);
        let mut entries = Vec::new();
        for place in &self.places {
            let params = named_params! {
                ":place": place,
                ":after_at": after.0,
                ":after_id": after.1,
                ":before_at": span.before.0,
                ":before_id": span.before.1,
                ":limit": limit_of_place,
            };
            let mut statement = self.connection.prepare_cached(&sql)?;
            let mut bytes = 0;
            for found in statement.query_and_then(params, entry)? {
                let found = found?;
                bytes += found.1.held_bytes();
                entries.push(found);
                if bytes > self.bytes {
                    break;
                }
            }
        }
        entries.sort_unstable_by_key(|(position, _)| *position);
        let surplus = entries.len().saturating_sub(limit);
        match direction {
            Direction::Forward => entries.truncate(limit),
            Direction::Backward => drop(entries.drain(..surplus)),
        }
        Ok(entries.into_iter().map(|(_, entry)| entry).collect())
    }
}

/// The positions that a point covers: for a message, its own; for a time, those of all messages of
/// that time.
struct PointRange {
    first: Position,
    last: Position,
}

/// Returns the SQL for the entries of a span.
fn span_sql(direction: Direction) -> String {
    let order = match direction {
        Direction::Forward => "history.at, history.id",
        Direction::Backward => "history.at DESC, history.id DESC",
    };
    format!(
        "{ENTRIES} WHERE place = :place AND (history.at, history.id) > (:after_at, :after_id)
             AND (history.at, history.id) < (:before_at, :before_id)
         ORDER BY {order} LIMIT :limit"
    )
}

/// The columns that [`entry`] reads.
pub(super) const ENTRIES: &str =
    "SELECT history.at, history.id, msgid, account, source, command, text, tags,
        first, second, first_folded, second_folded
    FROM history CROSS JOIN places ON places.id = place CROSS JOIN authors ON authors.id = author";

/// Returns the message with that id; `None` if it was redacted, since its row then refers to no
/// existing place.
pub(super) fn entry_of(connection: &Connection, msgid: &str) -> Result<Option<HistoryEntry>> {
    let found = find(
        connection,
        &format!("{ENTRIES} WHERE msgid = ?1"),
        [msgid],
        entry,
    )?;
    Ok(found.map(|(_, entry)| entry))
}

pub(super) fn entry(row: &Row<'_>) -> Result<(Position, HistoryEntry)> {
    let account: String = row.get(3)?;
    let source: String = row.get(4)?;
    let entry = HistoryEntry {
        msgid: row.get(2)?,
        at: timestamp(row, 0)?,
        place: place(row, &account, &source)?,
        account: if account.is_empty() {
            None
        } else {
            Some(parsed(row, 3)?)
        },
        source,
        command: row.get(5)?,
        text: row.get(6)?,
        tags: row.get(7)?,
    };
    Ok(((row.get(0)?, row.get(1)?), entry))
}

/// Returns the place of a message. In a conversation, its sender is the account, the guest that the
/// source names, or the server.
fn place(row: &Row<'_>, account: &str, source: &str) -> Result<Place> {
    if row.get_ref(9)?.as_str().is_ok_and(str::is_empty) {
        return Ok(Place::Channel(parsed(row, 8)?));
    }
    let (first, second) = (participant(row, 8, 10)?, participant(row, 9, 11)?);
    if account.is_empty() && !source.contains('!') {
        return Ok(Place::Direct {
            from: first,
            to: second,
        });
    }
    let nick = if account.is_empty() {
        source.split('!').next().unwrap_or_default()
    } else {
        account
    };
    let nick = Nick::parse(nick)
        .map_err(|_| StoreError::Corrupt(format!("{source:?} as {}", column_name(row, 4))))?;
    let sender = if account.is_empty() {
        Participant::Guest(nick)
    } else {
        Participant::Account(nick)
    };
    let (from, to) = if first == sender {
        (first, second)
    } else {
        (second, first)
    };
    Ok(Place::Direct { from, to })
}

fn participant(row: &Row<'_>, text: usize, folded: usize) -> Result<Participant> {
    let nick = parsed(row, text)?;
    let guest = row
        .get_ref(folded)?
        .as_str()
        .is_ok_and(|folded| without_prefix(folded).starts_with(GUEST_PREFIX));
    Ok(if guest {
        Participant::Guest(nick)
    } else {
        Participant::Account(nick)
    })
}

/// Returns the time of the newest message or event; `None` if there is none.
pub(super) fn newest(connection: &Connection) -> Result<Option<Timestamp>> {
    // The index finds the newest of each place, and there is none over all of them.
    let sql = "SELECT newest FROM
            (SELECT (SELECT max(at) FROM history WHERE place = places.id) AS newest FROM places)
         WHERE newest IS NOT NULL ORDER BY newest DESC LIMIT 1";
    find(connection, sql, [], |row| timestamp(row, 0))
}

pub(super) fn targets(connection: &Connection, query: &TargetsQuery) -> Result<Vec<HistoryTarget>> {
    // By folded name: an account and a guest that once had the same name are one target.
    let mut latest: BTreeMap<String, HistoryTarget> = BTreeMap::new();
    let mut accounts = HashSet::new();
    for (channel, since) in &query.channels {
        let place = Place::Channel(channel.clone());
        let Some(place) = part_number(connection, &place, Part::Messages)? else {
            continue;
        };
        if let Some(at) = latest_in(connection, place, *since)? {
            let target = HistoryTarget {
                name: channel.to_string(),
                at,
            };
            latest.insert(channel.folded().to_owned(), target);
        }
    }
    if let Some(account) = &query.account {
        for (place, other) in places_of(connection, account)? {
            let Some(at) = latest_in(connection, place, Timestamp::MIN)? else {
                continue;
            };
            let nick = other.nick();
            if matches!(other, Participant::Account(_)) {
                accounts.insert(nick.folded().to_owned());
            }
            let target = latest
                .entry(nick.folded().to_owned())
                .or_insert_with(|| HistoryTarget {
                    name: nick.to_string(),
                    at,
                });
            target.at = target.at.max(at);
        }
    }
    let mut targets: Vec<(bool, HistoryTarget)> = latest
        .into_iter()
        .map(|(folded, target)| {
            let is_guest = !folded.starts_with('#') && !accounts.contains(&folded);
            (is_guest, target)
        })
        .collect();
    targets.sort_by_key(|(_, target)| Reverse(target.at));
    // Of all guests, not of those between the times: each page would have as many others.
    let mut guests = 0;
    targets.retain(|(is_guest, _)| {
        guests += usize::from(*is_guest);
        !is_guest || guests <= MAX_GUESTS
    });
    let (low, high) = (query.from.min(query.to), query.from.max(query.to));
    targets.retain(|(_, target)| low < target.at && target.at < high);
    let mut targets: Vec<HistoryTarget> = targets
        .into_iter()
        .rev()
        .map(|(_, target)| target)
        .collect();
    if query.from <= query.to {
        truncate_between_times(&mut targets, query.limit);
    } else {
        targets.reverse();
        truncate_between_times(&mut targets, query.limit);
        targets.reverse();
    }
    Ok(targets)
}

pub(super) fn conversations(
    connection: &Connection,
    account: &Nick,
    after: Timestamp,
    before: Timestamp,
) -> Result<Vec<Conversation>> {
    let mut latest: BTreeMap<String, Conversation> = BTreeMap::new();
    for (place, other) in places_of(connection, account)? {
        let Some(at) = latest_between(connection, place, after, before)? else {
            continue;
        };
        let nick = other.nick();
        let kind = match other {
            Participant::Account(_) => TargetKind::Account,
            Participant::Guest(_) => TargetKind::Guest,
        };
        let conversation = latest
            .entry(nick.folded().to_owned())
            .or_insert_with(|| Conversation {
                name: nick.to_string(),
                kind,
                at,
            });
        conversation.kind = conversation.kind.max(kind);
        conversation.at = conversation.at.max(at);
    }
    let mut conversations: Vec<Conversation> = latest.into_values().collect();
    conversations.sort_by_key(|conversation| (conversation.kind, conversation.at));
    Ok(conversations)
}

/// Returns the numbers of the places with the messages of the account's conversations, and the
/// other side of each: all accounts, and the guests whose conversations began last.
fn places_of(connection: &Connection, account: &Nick) -> Result<Vec<(i64, Participant)>> {
    list(
        connection,
        PLACES_OF,
        params![account.folded(), MAX_GUESTS_READ],
        |row| Ok((row.get(0)?, participant(row, 1, 2)?)),
    )
}

/// Truncates the targets to `limit`, but not between two with the same time, because the client
/// continues after the time of the last one. More than `limit` remain in that case.
fn truncate_between_times(targets: &mut Vec<HistoryTarget>, limit: usize) {
    let Some(last) = limit.checked_sub(1).and_then(|last| targets.get(last)) else {
        return targets.truncate(limit);
    };
    let same_time = targets[limit..]
        .iter()
        .take_while(|target| target.at == last.at);
    targets.truncate(limit + same_time.count());
}

/// Returns the time of the place's latest message at or after `since`.
fn latest_in(connection: &Connection, place: i64, since: Timestamp) -> Result<Option<Timestamp>> {
    let sql = "SELECT at FROM history WHERE place = ?1 AND at >= ?2
         ORDER BY at DESC, id DESC LIMIT 1";
    find(
        connection,
        sql,
        params![place, since.as_millisecond()],
        |row| timestamp(row, 0),
    )
}

/// Returns the time of the place's latest message between the times, which are excluded.
fn latest_between(
    connection: &Connection,
    place: i64,
    after: Timestamp,
    before: Timestamp,
) -> Result<Option<Timestamp>> {
    let sql = "SELECT at FROM history WHERE place = ?1 AND at > ?2 AND at < ?3
         ORDER BY at DESC, id DESC LIMIT 1";
    let times = [after, before].map(Timestamp::as_millisecond);
    find(connection, sql, params![place, times[0], times[1]], |row| {
        timestamp(row, 0)
    })
}
