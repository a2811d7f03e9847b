//! The messages and events of the history. Every message passes through here, so storing one must
//! be cheap.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;

use jiff::Timestamp;
use rookery_protocol::{ChannelName, Nick};
use rusqlite::{Connection, params};

use super::{Store, execute, find, pages, search};
use crate::{ExpiryProgress, Result};
use rookery_record::{
    Conversation, FoundMessages, HistoryEntry, HistoryTarget, MessageQuery, PageQuery, Participant,
    Place, TargetsQuery,
};

/// The number of places, and of authors, whose numbers are cached. A full cache is emptied.
const MAX_INTERNED: usize = 50_000;

/// An author's number, and a time that none of its messages is later than.
#[derive(Clone, Copy)]
struct Author {
    number: i64,
    used_until: i64,
}

/// A cache of the numbers of places and authors. Numbers never change, and only this connection
/// deletes rows, so the cache stays valid when other processes write. It may contain the number of
/// a row that no longer exists after a rollback, and after rows were deleted.
#[derive(Default)]
pub(super) struct Interned {
    places: HashMap<String, i64, foldhash::fast::RandomState>,
    authors: HashMap<String, Author, foldhash::fast::RandomState>,
    /// A buffer that is reused to save an allocation.
    key: String,
}

impl Interned {
    /// Empties the cache. Called after a rollback, and when rows were deleted.
    pub(super) fn clear(&mut self) {
        self.places.clear();
        self.authors.clear();
    }

    fn place(&mut self, connection: &Connection, entry: &HistoryEntry) -> Result<i64> {
        let (place, part) = (&entry.place, Part::of(entry));
        let [(first, first_folded), (second, second_folded)] = place_names(place, part);
        let folded = [&*first_folded, &*second_folded];
        cached(&mut self.places, &mut self.key, folded, || {
            if let Some(id) = part_number(connection, place, part)? {
                return Ok(id);
            }
            let mut statement = connection.prepare_cached(
                "INSERT INTO places (first, second, first_folded, second_folded) VALUES (?1, ?2, ?3, ?4)",
            )?;
            Ok(statement.insert([first, second, &*first_folded, &*second_folded])?)
        })
    }

    /// Returns the number of the author of a message sent at `at`, in milliseconds.
    fn author(
        &mut self,
        connection: &Connection,
        [account, source]: [&str; 2],
        at: i64,
    ) -> Result<i64> {
        let used_until = at.saturating_add(USE_MARGIN);
        let known = cached(&mut self.authors, &mut self.key, [account, source], || {
            let known = find(
                connection,
                "SELECT id, used_until FROM authors WHERE account = ?1 AND source = ?2",
                [account, source],
                |row| {
                    Ok(Author {
                        number: row.get(0)?,
                        used_until: row.get(1)?,
                    })
                },
            )?;
            if let Some(author) = known {
                return Ok(author);
            }
            let mut statement = connection.prepare_cached(
                "INSERT INTO authors (account, source, used_until) VALUES (?1, ?2, ?3)",
            )?;
            Ok(Author {
                number: statement.insert(params![account, source, used_until])?,
                used_until,
            })
        })?;
        if at > known.used_until {
            let sql = "UPDATE authors SET used_until = ?2 WHERE id = ?1";
            execute(connection, sql, [known.number, used_until])?;
            if let Some(author) = self.authors.get_mut(self.key.as_str()) {
                author.used_until = used_until;
            }
        }
        Ok(known.number)
    }
}

/// How much later than its message, in milliseconds, an author is noted as used, so that this is
/// written once a day, not for each message.
const USE_MARGIN: i64 = 24 * 60 * 60 * 1000;

/// The number of authors among which [`Store::expire_history`] looks for unused ones at once.
const AUTHORS_AT_ONCE: i64 = 1000;

/// As for places, the author with the largest number stays.
const DELETE_UNUSED_AUTHORS: &str = "DELETE FROM authors WHERE id IN (
    SELECT id FROM authors WHERE id >= ?1 AND id < ?2 AND id < (SELECT max(id) FROM authors)
    AND used_until < ?3 LIMIT ?4)";

/// The number of places in which [`Store::expire_history`] looks for expired messages at once.
const PLACES_AT_ONCE: i64 = 1000;

/// The place with the largest number stays, so that no number is ever assigned to another place:
/// SQLite assigns the one after the largest.
const DELETE_EMPTY_PLACES: &str = "DELETE FROM places WHERE id IN (
    SELECT id FROM places WHERE id >= ?1 AND id < ?2 AND id < (SELECT max(id) FROM places)
    AND NOT EXISTS (SELECT 1 FROM history WHERE place IN (places.id, -places.id)) LIMIT ?3)";

/// The prefix of a guest's folded nick. No nick contains it.
pub(super) const GUEST_PREFIX: char = '*';

/// The parts of a channel or conversation. Each is stored as a place of its own, so that a page
/// that leaves some of them out does not have to skip their entries, of which anyone may send many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Messages.
    Messages,
    /// What was sent to members with a certain status only (`STATUSMSG`), with its redactions.
    Status,
    /// Events other than redactions.
    Events,
    /// Redactions.
    Redactions,
}

impl Part {
    pub(super) const ALL: [Self; 4] =
        [Self::Messages, Self::Status, Self::Events, Self::Redactions];

    fn of(entry: &HistoryEntry) -> Self {
        if entry.status().is_some() {
            Self::Status
        } else if entry.redacts().is_some() {
            Self::Redactions
        } else if entry.is_event() {
            Self::Events
        } else {
            Self::Messages
        }
    }

    /// Returns what the folded names of the place begin with. No nick and no channel begins with
    /// it.
    fn prefix(self) -> &'static str {
        match self {
            Self::Messages => "",
            Self::Status => "@",
            Self::Events => "!",
            Self::Redactions => ":",
        }
    }
}

/// Returns the folded name without the prefix of a [`Part`].
pub(super) fn without_prefix(folded: &str) -> &str {
    let prefixes = Part::ALL.map(Part::prefix).into_iter();
    let mut prefixes = prefixes.filter(|prefix| !prefix.is_empty());
    let name = prefixes.find_map(|prefix| folded.strip_prefix(prefix));
    name.unwrap_or(folded)
}

/// Returns the number of the place for this part.
pub(super) fn part_number(
    connection: &Connection,
    place: &Place,
    part: Part,
) -> Result<Option<i64>> {
    let [(_, first), (_, second)] = place_names(place, part);
    let sql = "SELECT id FROM places WHERE first_folded = ?1 AND second_folded = ?2";
    find(connection, sql, [&*first, &*second], |row| Ok(row.get(0)?))
}

/// Returns the two names of the place for a part, each as written and as folded, the smaller folded
/// name first. The second is empty for a channel.
fn place_names(place: &Place, part: Part) -> [(&str, Cow<'_, str>); 2] {
    let names = match place {
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
    let prefix = part.prefix();
    if prefix.is_empty() {
        return names;
    }
    names.map(|(name, folded)| {
        let folded = if folded.is_empty() {
            folded
        } else {
            format!("{prefix}{folded}").into()
        };
        (name, folded)
    })
}

fn party_folded(party: &Participant) -> Cow<'_, str> {
    match party {
        Participant::Account(nick) => nick.folded().into(),
        Participant::Guest(nick) => format!("{GUEST_PREFIX}{}", nick.folded()).into(),
    }
}

/// Redacts a message. Its row keeps its position, but moves to the place with the negative number,
/// so that reading a page does not have to skip redacted messages.
fn redact(connection: &Connection, msgid: &str) -> Result<()> {
    let sql =
        "UPDATE history SET place = -place, text = '', tags = '' WHERE msgid = ?1 AND place > 0";
    execute(connection, sql, [msgid]).map(drop)
}

/// Returns the numbers of the places for all parts of the channel.
fn channel_places(connection: &Connection, channel: &ChannelName) -> Result<[Option<i64>; 4]> {
    let place = Place::Channel(channel.clone());
    let mut numbers = [None; 4];
    for (number, part) in numbers.iter_mut().zip(Part::ALL) {
        *number = part_number(connection, &place, part)?;
    }
    Ok(numbers)
}

/// Returns what is cached of the pair, or otherwise what `look_up` returns, and caches it. `first`
/// contains no space, so the key is unambiguous.
fn cached<T: Copy>(
    known: &mut HashMap<String, T, foldhash::fast::RandomState>,
    key: &mut String,
    [first, second]: [&str; 2],
    look_up: impl FnOnce() -> Result<T>,
) -> Result<T> {
    key.clear();
    // Writing to a String cannot fail.
    let _ = write!(key, "{first} {second}");
    if let Some(&cached) = known.get(key.as_str()) {
        return Ok(cached);
    }
    let found = look_up()?;
    if known.len() >= MAX_INTERNED {
        known.clear();
    }
    known.insert(key.clone(), found);
    Ok(found)
}

impl Store {
    /// Appends entries to the history. Appending a redaction also redacts the message that it
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
            let place = interned.place(connection, entry)?;
            let account = entry.account.as_ref().map_or("", |name| name.as_str());
            let at = entry.at.as_millisecond();
            let author = interned.author(connection, [account, &entry.source], at)?;
            insert.execute(params![
                place,
                author,
                at,
                entry.msgid,
                entry.command,
                entry.text,
                entry.tags,
            ])?;
        }
        Ok(())
    }

    /// Returns the message with that id; `None` if there is none or it was redacted.
    pub fn history_entry(&self, msgid: &str) -> Result<Option<HistoryEntry>> {
        pages::entry_of(&self.connection, msgid)
    }

    /// Deletes entries older than `before`: at most `limit` of them, and from a bounded number of
    /// places, so that other writes do not wait long; then those of the places that have no entry,
    /// also at most `limit`. In the end, deletes the authors of which no message is left. Returns
    /// the progress to continue from.
    pub fn expire_history(
        &mut self,
        before: Timestamp,
        from: ExpiryProgress,
        limit: usize,
    ) -> Result<ExpiryProgress> {
        let first = match from {
            ExpiryProgress::Start => i64::MIN,
            ExpiryProgress::NextPlace(first) => first,
            ExpiryProgress::NextAuthor(first) => {
                return self.delete_unused_authors(before, first, limit);
            }
            ExpiryProgress::Done => return Ok(ExpiryProgress::Done),
        };
        let sql = "SELECT id FROM places WHERE id >= ?1 ORDER BY id LIMIT 1 OFFSET ?2";
        let next = find(&self.connection, sql, [first, PLACES_AT_ONCE], |row| {
            Ok(row.get(0)?)
        })?;
        // Place by place, because only within a place does the index find messages by time. Numbers
        // are no substitute: they are not in the order of time if the clock was once wrong.
        let deleted = execute(
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
        self.needs_scrub |= deleted > 0;
        let is_done = deleted < limit && {
            let numbers = first..next.unwrap_or(i64::MAX);
            self.delete_empty_places(numbers, limit)? < limit
        };
        match next {
            _ if !is_done => Ok(ExpiryProgress::NextPlace(first)),
            Some(next) => Ok(ExpiryProgress::NextPlace(next)),
            None => self.delete_unused_authors(before, i64::MIN, limit),
        }
    }

    /// Deletes at most `limit` of the authors with a number from `first` that sent nothing since
    /// `before`, once all messages older than that are deleted.
    fn delete_unused_authors(
        &mut self,
        before: Timestamp,
        first: i64,
        limit: usize,
    ) -> Result<ExpiryProgress> {
        let sql = "SELECT id FROM authors WHERE id >= ?1 ORDER BY id LIMIT 1 OFFSET ?2";
        let next = find(&self.connection, sql, [first, AUTHORS_AT_ONCE], |row| {
            Ok(row.get(0)?)
        })?;
        let deleted = execute(
            &self.connection,
            DELETE_UNUSED_AUTHORS,
            params![
                first,
                next.unwrap_or(i64::MAX),
                before.as_millisecond(),
                i64::try_from(limit).unwrap_or(i64::MAX)
            ],
        )?;
        if deleted > 0 {
            self.interned.clear();
            self.needs_scrub = true;
        }
        Ok(match next {
            _ if deleted == limit => ExpiryProgress::NextAuthor(first),
            Some(next) => ExpiryProgress::NextAuthor(next),
            None => ExpiryProgress::Done,
        })
    }

    /// Returns the channel messages that match, newest first.
    pub fn find_messages(&self, query: &MessageQuery) -> Result<FoundMessages> {
        search::messages(&self.connection, query)
    }

    /// Deletes at most `limit` of the places with these numbers to which no entry refers, redacted
    /// ones included. Returns how many were deleted.
    fn delete_empty_places(&mut self, numbers: Range<i64>, limit: usize) -> Result<usize> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let bounds = params![numbers.start, numbers.end, limit];
        let deleted = execute(&self.connection, DELETE_EMPTY_PLACES, bounds)?;
        if deleted > 0 {
            self.interned.clear();
            self.needs_scrub = true;
        }
        Ok(deleted)
    }

    /// Whether the channel with that name has any history.
    pub fn has_history(&self, channel: &ChannelName) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM history WHERE place IN (?1, -?1))";
        for place in channel_places(&self.connection, channel)?
            .into_iter()
            .flatten()
        {
            if find(&self.connection, sql, [place], |row| Ok(row.get(0)?))?.unwrap_or(false) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the number of the newest entry of the history; 0 if there is none.
    pub fn newest_entry(&self) -> Result<i64> {
        let sql = "SELECT ifnull(max(id), 0) FROM history";
        let newest = find(&self.connection, sql, [], |row| Ok(row.get(0)?))?;
        Ok(newest.unwrap_or(0))
    }

    /// Deletes the channel's entries older than `before` with a number up to `newest`, at most
    /// `limit` at once, and returns how many were deleted. With the last, deletes the places that
    /// have no entry.
    pub fn purge_history(
        &mut self,
        channel: &ChannelName,
        before: Timestamp,
        newest: i64,
        limit: usize,
    ) -> Result<usize> {
        let places = channel_places(&self.connection, channel)?;
        let [first, second, third, fourth] = places;
        let deleted = execute(
            &self.connection,
            "DELETE FROM history WHERE id IN (
                SELECT id FROM history
                WHERE place IN (?1, -?1, ?2, -?2, ?3, -?3, ?4, -?4) AND at < ?5 AND id <= ?6
                LIMIT ?7)",
            params![
                first,
                second,
                third,
                fourth,
                before.as_millisecond(),
                newest,
                i64::try_from(limit).unwrap_or(i64::MAX)
            ],
        )?;
        self.needs_scrub |= deleted > 0;
        if deleted < limit {
            for place in places.into_iter().flatten() {
                self.delete_empty_places(place..place + 1, 1)?;
            }
        }
        Ok(deleted)
    }

    /// Returns a page of messages, oldest first, without those that were sent only to members with
    /// a certain status (`STATUSMSG`). Returns `None` if the query names a message that does not
    /// exist.
    pub fn history_page(&self, query: &PageQuery) -> Result<Option<Vec<HistoryEntry>>> {
        pages::page(&self.connection, query)
    }

    /// Returns the account's conversations that have messages between the times, which are
    /// excluded. They are sorted by kind, and those of a kind by the time of the latest message
    /// between the times.
    pub fn conversations(
        &self,
        account: &Nick,
        after: Timestamp,
        before: Timestamp,
    ) -> Result<Vec<Conversation>> {
        pages::conversations(&self.connection, account, after, before)
    }

    /// Returns channels and conversations, sorted by the time of their latest message.
    pub fn history_targets(&self, query: &TargetsQuery) -> Result<Vec<HistoryTarget>> {
        pages::targets(&self.connection, query)
    }
}
