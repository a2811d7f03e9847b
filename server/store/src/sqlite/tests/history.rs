//! Tests of storing, redacting and expiring messages.

use std::fs;

use rookery_protocol::ChannelName;
use tempfile::TempDir;

use super::*;
use rookery_record::{HistoryEntry, PageQuery, Place, Selection};

#[test]
fn messages_are_stored_with_all_their_fields_and_their_place() {
    let (_folder, mut sqlite) = empty_store();
    let guest = HistoryEntry {
        account: None,
        source: "guest!g@rookery".to_owned(),
        tags: "+typing=done".to_owned(),
        ..message("r-2", noon(), lobby())
    };
    let entries = [
        message("r-1", noon(), lobby()),
        guest,
        message("r-3", noon(), direct("Bob", "alice")),
        message("r-4", noon(), direct("alice", "bob")),
        message("r-5", noon(), direct("alice", "carol")),
    ];
    sqlite
        .transaction(false, |store| store.append_history(&entries))
        .unwrap();
    assert_eq!(
        count(&sqlite, "places"),
        3,
        "the two directions of a conversation are one place"
    );
    assert_eq!(count(&sqlite, "authors"), 2);
    let mut statement = sqlite
        .connection
        .prepare(
            "SELECT msgid, at, first, second, account, source, command, text, tags FROM history
             JOIN places ON places.id = place JOIN authors ON authors.id = author ORDER BY history.id",
        )
        .unwrap();
    let rows: Vec<String> = statement
        .query_map([], |row| {
            let texts: Vec<String> = [2, 3, 4, 5, 6, 7, 8]
                .map(|column| row.get(column).unwrap())
                .to_vec();
            Ok(format!(
                "{} {} {}",
                row.get::<_, String>(0)?,
                row.get::<_, i64>(1)?,
                texts.join("|")
            ))
        })
        .unwrap()
        .map(rusqlite::Result::unwrap)
        .collect();
    assert_eq!(
        rows[0],
        "r-1 1793620800123 #lobby||alice|alice!alice@rookery|PRIVMSG|hello there|"
    );
    assert_eq!(
        rows[1],
        "r-2 1793620800123 #lobby|||guest!g@rookery|PRIVMSG|hello there|+typing=done"
    );
    assert_eq!(
        rows[3],
        "r-4 1793620800123 alice|Bob|alice|alice!alice@rookery|PRIVMSG|hello there|"
    );
}

#[test]
fn a_place_first_used_in_a_failed_transaction_is_created_again() {
    let (_folder, mut sqlite) = empty_store();
    let failed = sqlite.transaction(false, |store| {
        store.append_history(&[message("r-1", noon(), lobby())])?;
        store.append_history(&[message("r-1", noon(), lobby())])
    });
    assert!(
        matches!(failed, Err(StoreError::Database(_))),
        "a msgid is never stored twice"
    );
    assert_eq!(
        (
            count(&sqlite, "history"),
            count(&sqlite, "places"),
            count(&sqlite, "authors")
        ),
        (0, 0, 0)
    );
    sqlite
        .transaction(false, |store| {
            store.append_history(&[message("r-1", noon(), lobby())])
        })
        .unwrap();
    assert_eq!(
        (
            count(&sqlite, "history"),
            count(&sqlite, "places"),
            count(&sqlite, "authors")
        ),
        (1, 1, 1)
    );
}

#[test]
fn retention_deletes_only_older_messages_and_at_most_the_limit_at_once() {
    let (_folder, mut sqlite) = empty_store();
    let (old, new) = (at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z"));
    let mut entries = vec![message("future", at("2090-01-01T00:00:00Z"), lobby())];
    for index in 0..10 {
        let place = if index % 2 == 0 {
            lobby()
        } else {
            direct("alice", "bob")
        };
        entries.push(message(&format!("old-{index}"), old, place.clone()));
        entries.push(message(&format!("new-{index}"), new, place));
    }
    sqlite.append_history(&entries).unwrap();
    let (mut progress, mut before) = (ExpiryProgress::Start, count(&sqlite, "history"));
    for expired in [4, 4, 2] {
        progress = sqlite.expire_history(new, progress, 4).unwrap();
        assert_eq!(count(&sqlite, "history"), before - expired);
        before -= expired;
    }
    assert_eq!(progress, ExpiryProgress::Done);
    let left = "history WHERE msgid LIKE 'new-%' OR msgid = 'future'";
    assert_eq!((count(&sqlite, "history"), count(&sqlite, left)), (11, 11));
}

/// Returns a message in the channel.
fn in_channel(msgid: &str, at: Timestamp, name: &str) -> HistoryEntry {
    message(msgid, at, Place::Channel(ChannelName::parse(name).unwrap()))
}

/// Returns the folded names of all places, each with its number.
fn places(sqlite: &Store) -> Vec<(i64, String)> {
    let sql = "SELECT id, first_folded FROM places ORDER BY id";
    let mut statement = sqlite.connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().map(rusqlite::Result::unwrap).collect()
}

#[test]
fn places_whose_entries_have_all_expired_are_deleted_and_their_numbers_never_used_again() {
    let (_folder, mut sqlite) = empty_store();
    let (old, new) = (at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z"));
    let redacted = in_channel("redacted", new, "#redacted");
    let by = rookery_record::Redactor {
        source: "irc.test".to_owned(),
        account: None,
    };
    let redaction = redacted.redaction(by, "redaction".to_owned(), old, None);
    let mut entries: Vec<HistoryEntry> = (0..9)
        .map(|number| in_channel(&format!("m{number}"), old, &format!("#x{number}")))
        .collect();
    entries.extend([
        in_channel("kept", new, "#x4"),
        message("direct", old, direct("alice", "bob")),
        redacted,
        redaction,
        in_channel("last", old, "#last"),
    ]);
    let append = |sqlite: &mut Store, entries: &[HistoryEntry]| {
        sqlite
            .transaction(false, |store| store.append_history(entries))
            .unwrap();
    };
    append(&mut sqlite, &entries);
    let largest = places(&sqlite).last().unwrap().clone();
    assert_eq!(places(&sqlite).len(), 13);
    let (mut progress, mut left) = (ExpiryProgress::Start, vec![13]);
    while progress != ExpiryProgress::Done {
        progress = sqlite
            .transaction(false, |store| store.expire_history(new, progress, 4))
            .unwrap();
        left.push(count(&sqlite, "places"));
    }
    assert!(
        left.windows(2).all(|pair| pair[0] - pair[1] <= 4),
        "at most the limit at once: {left:?}"
    );
    let names: Vec<String> = places(&sqlite).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["#x4", "#redacted", "#last"]);

    // The number of a deleted place is not the one of a new one, and the cache knows none.
    append(
        &mut sqlite,
        &[
            in_channel("again", new, "#x0"),
            in_channel("other", new, "#other"),
        ],
    );
    let created = places(&sqlite).split_off(3);
    let number = largest.0;
    assert_eq!(
        created,
        [
            (number + 1, "#x0".to_owned()),
            (number + 2, "#other".to_owned())
        ]
    );
    let again = sqlite.history_entry("again").unwrap().unwrap();
    assert_eq!(again.place, entries[0].place);
}

/// Returns the sources of all authors.
fn authors(sqlite: &Store) -> Vec<String> {
    let sql = "SELECT source FROM authors ORDER BY id";
    let mut statement = sqlite.connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(rusqlite::Result::unwrap).collect()
}

fn from(source: &str, msgid: &str, at: Timestamp) -> HistoryEntry {
    HistoryEntry {
        source: source.to_owned(),
        ..message(msgid, at, lobby())
    }
}

#[test]
fn authors_whose_messages_have_all_expired_are_deleted() {
    let (_folder, mut sqlite) = empty_store();
    let day = jiff::SignedDuration::from_hours(24);
    let (old, new) = (at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z"));
    let append = |sqlite: &mut Store, entries: &[HistoryEntry]| {
        sqlite
            .transaction(false, |store| store.append_history(entries))
            .unwrap();
    };
    let expire = |sqlite: &mut Store, before| {
        let mut progress = ExpiryProgress::Start;
        while progress != ExpiryProgress::Done {
            progress = sqlite
                .transaction(false, |store| store.expire_history(before, progress, 3))
                .unwrap();
        }
    };
    let mut entries: Vec<HistoryEntry> = (0..9)
        .map(|number| from(&format!("x{number}!x@x"), &format!("m{number}"), old))
        .collect();
    entries.extend([
        // A clock that was wrong for a while, and one that sends for days.
        from("x3!x@x", "future", at("2090-01-01T00:00:00Z")),
        from("x3!x@x", "present", old),
        from("x5!x@x", "next-day", old + day),
        from("x5!x@x", "after", old + day * 3),
        from("last!x@x", "last", old),
    ]);
    append(&mut sqlite, &entries);
    assert_eq!(authors(&sqlite).len(), 10);
    expire(&mut sqlite, old + day * 3);
    assert_eq!(authors(&sqlite), ["x3!x@x", "x5!x@x", "last!x@x"]);
    let found = sqlite.history_entry("after").unwrap().unwrap();
    assert_eq!(found.source, "x5!x@x");
    append(&mut sqlite, &[from("x7!x@x", "again", new)]);
    expire(&mut sqlite, new);
    assert_eq!(authors(&sqlite), ["x3!x@x", "x7!x@x"]);
    let sources = ["future", "again"].map(|id| sqlite.history_entry(id).unwrap().unwrap().source);
    assert_eq!(sources, ["x3!x@x", "x7!x@x"]);
}

#[test]
fn authors_of_an_earlier_version_count_as_used_until_the_newest_message() {
    let (_folder, mut sqlite) = migrated_store(
        27,
        "INSERT INTO places (id, first, second, first_folded, second_folded)
             VALUES (1, '#x', '', '#x', ''), (2, '#y', '', '#y', '');
         INSERT INTO authors (id, account, source) VALUES (1, 'a', 'a!a@a'), (2, 'b', 'b!b@b');
         INSERT INTO history (place, author, at, msgid, command, text, tags)
             VALUES (1, 1, 5, 'five', 'PRIVMSG', 'all', ''), (-2, 1, 9, 'nine', 'PRIVMSG', '', '');",
    );
    let ms = |number| Timestamp::from_millisecond(number).unwrap();
    for (before, left) in [(9, 2), (10, 1)] {
        let done = sqlite.expire_history(ms(before), ExpiryProgress::Start, 99);
        assert_eq!(done.unwrap(), ExpiryProgress::Done);
        assert_eq!(authors(&sqlite).len(), left);
    }
}

#[test]
fn a_purged_channel_has_no_places_unless_something_is_left() {
    let (_folder, mut sqlite) = empty_store();
    let (old, new) = (at("2026-01-01T00:00:00Z"), noon());
    let entries = [
        in_channel("m1", old, "#x"),
        HistoryEntry {
            command: "TOPIC".to_owned(),
            ..in_channel("m2", new, "#x")
        },
        in_channel("m3", new, "#y"),
    ];
    sqlite.append_history(&entries).unwrap();
    let channel = ChannelName::parse("#X").unwrap();
    let names = |sqlite: &Store| -> Vec<String> {
        places(sqlite).into_iter().map(|(_, name)| name).collect()
    };
    let purge = |sqlite: &mut Store, before, limit| {
        let removed = sqlite.purge_history(&channel, before, 99, limit).unwrap();
        (removed, sqlite.has_history(&channel).unwrap())
    };
    assert_eq!(purge(&mut sqlite, new, 9), (1, true));
    assert_eq!(names(&sqlite), ["!#x", "#y"]);
    assert_eq!(purge(&mut sqlite, Timestamp::MAX, 1), (1, false));
    assert_eq!(purge(&mut sqlite, Timestamp::MAX, 1), (0, false));
    assert_eq!(names(&sqlite), ["#y"]);
    sqlite
        .append_history(&[in_channel("m4", new, "#x")])
        .unwrap();
    let found = sqlite.history_entry("m4").unwrap().unwrap();
    assert_eq!(found.place, Place::Channel(channel));
}

/// Whether any file in the folder contains the text.
fn is_on_disk(folder: &TempDir, text: &str) -> bool {
    let files = fs::read_dir(folder.path())
        .unwrap()
        .map(|file| fs::read(file.unwrap().path()).unwrap());
    files.into_iter().any(|bytes| {
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    })
}

#[test]
fn redacted_and_expired_text_is_removed_from_the_disk_by_scrubbing() {
    let (folder, mut sqlite) = empty_store();
    let reader = Store::open_reader(&folder.path().join(DATABASE_FILE)).unwrap();
    let sent = |msgid: &str, at, text: &str| HistoryEntry {
        text: text.to_owned(),
        tags: format!("+x=tag-{text}"),
        ..message(msgid, at, lobby())
    };
    let (old, new) = (at("2026-01-01T00:00:00Z"), noon());
    let mut entries: Vec<HistoryEntry> = (0..50)
        .map(|number| sent(&format!("m{number}"), new, &"filling ".repeat(20)))
        .collect();
    entries.insert(7, sent("redacted", new, "the-redacted-words"));
    entries.insert(0, sent("old", old, "the-old-words"));
    sqlite
        .transaction(false, |store| store.append_history(&entries))
        .unwrap();
    let redaction = entries[8].redaction(
        rookery_record::Redactor {
            source: "bob!b@rookery".to_owned(),
            account: None,
        },
        "redaction".to_owned(),
        new,
        None,
    );
    assert_eq!(entries[8].msgid, "redacted");
    sqlite
        .transaction(false, |store| store.append_history(&[redaction]))
        .unwrap();
    sqlite
        .transaction(false, |store| {
            store
                .expire_history(new, ExpiryProgress::Start, 99)
                .map(drop)
        })
        .unwrap();
    assert!(is_on_disk(&folder, "the-redacted-words") && is_on_disk(&folder, "the-old-words"));
    reader
        .snapshot(|store| {
            assert_eq!(store.history_entry("old")?, None);
            sqlite.transaction(false, |store| {
                store.append_history(&[message("later", new, lobby())])
            })?;
            sqlite.scrub()?;
            assert!(sqlite.needs_scrub(), "a reader is still active");
            Ok(())
        })
        .unwrap();
    sqlite.scrub().unwrap();
    assert!(!sqlite.needs_scrub());
    assert!(!is_on_disk(&folder, "the-redacted-words") && !is_on_disk(&folder, "the-old-words"));
    assert!(is_on_disk(&folder, "filling filling"));
}

#[test]
fn retention_deletes_redacted_messages_too() {
    let (_folder, mut sqlite) = empty_store();
    let sent = message("m1", at("2026-01-01T00:00:00Z"), lobby());
    let by = rookery_record::Redactor {
        source: "irc.test".to_owned(),
        account: None,
    };
    let redaction = sent.redaction(by, "r1".to_owned(), noon(), None);
    sqlite.append_history(&[sent, redaction]).unwrap();
    assert_eq!(count(&sqlite, "history"), 2);
    sqlite
        .expire_history(noon(), ExpiryProgress::Start, 9)
        .unwrap();
    assert_eq!(count(&sqlite, "history"), 1);
    assert_eq!(count(&sqlite, "history WHERE msgid = 'r1'"), 1);
}

/// Pages of an earlier version skipped what they left out, and therefore stored it with the rest.
#[test]
fn what_was_stored_for_some_members_and_redactions_are_moved_to_places_of_their_own() {
    let (_folder, mut sqlite) = migrated_store(
        25,
        "INSERT INTO places (id, first, second, first_folded, second_folded)
             VALUES (1, '#lobby', '', '#lobby', ''), (2, '#lobby', '', '!#lobby', ''),
                    (3, 'Alice', 'bob', '!alice', '!bob');
         INSERT INTO authors (id, account, source) VALUES (1, 'alice', 'Alice!a@host');
         INSERT INTO history (place, author, at, msgid, command, text, tags)
             VALUES (1, 1, 1, 'all', 'PRIVMSG', 'all', ''),
                    (1, 1, 2, 'some', 'PRIVMSG', 'some', 'statusmsg=@;+x'),
                    (-1, 1, 3, 'gone', 'PRIVMSG', '', ''),
                    (2, 1, 4, 'topic', 'TOPIC', ' :topic', ''),
                    (2, 1, 5, 'redaction', 'REDACT', ' gone', ''),
                    (2, 1, 6, 'of-some', 'REDACT', ' other', 'statusmsg=+'),
                    (3, 1, 7, 'of-direct', 'REDACT', ' direct', '');",
    );
    let page = |place, redactions| {
        let query = PageQuery {
            places: vec![place],
            selection: Selection::Latest(None),
            events: true,
            redactions,
            since: Timestamp::MIN,
            limit: 9,
            bytes: usize::MAX,
        };
        let page = sqlite.history_page(&query).unwrap().unwrap();
        page.into_iter()
            .map(|entry| entry.msgid)
            .collect::<Vec<_>>()
    };
    assert_eq!(page(lobby(), false), ["all", "topic"]);
    assert_eq!(page(lobby(), true), ["all", "topic", "redaction"]);
    let alone = page(direct("alice", "bob"), false);
    assert_eq!(alone, Vec::<String>::new());
    assert_eq!(page(direct("alice", "bob"), true), ["of-direct"]);
    let some = sqlite.history_entry("some").unwrap().unwrap();
    assert_eq!((some.status(), some.place), (Some('@'), lobby()));
    let lobby = ChannelName::parse("#lobby").unwrap();
    let purged = sqlite.purge_history(&lobby, Timestamp::MAX, 99, 99);
    assert_eq!(purged.unwrap(), 6, "all but the direct one");
}

#[test]
fn retention_and_pages_of_history_use_the_index() {
    let (_folder, sqlite) = empty_store();
    for sql in [
        "SELECT history.id FROM places CROSS JOIN history
         WHERE history.place IN (places.id, -places.id) AND history.at < 5 LIMIT 9",
        "SELECT id FROM places WHERE id >= 1 AND id < 9 AND id < (SELECT max(id) FROM places)
         AND NOT EXISTS (SELECT 1 FROM history WHERE place IN (places.id, -places.id)) LIMIT 9",
        "SELECT * FROM history WHERE place = 1 AND at < 5 ORDER BY at DESC, id DESC LIMIT 50",
        "SELECT * FROM history WHERE msgid = 'r-1'",
        "SELECT * FROM authors WHERE account = 'alice'",
    ] {
        let mut statement = sqlite
            .connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        let plan: Vec<String> = statement
            .query_map([], |row| row.get(3))
            .unwrap()
            .map(rusqlite::Result::unwrap)
            .collect();
        let plan = plan.join("; ");
        assert!(
            plan.contains("INDEX") && !plan.contains("SCAN history"),
            "{sql}: {plan}"
        );
        assert!(!plan.contains("TEMP B-TREE"), "{sql}: {plan}");
    }
}

#[test]
fn old_messages_are_deleted_from_a_bounded_number_of_places_at_once() {
    let (_folder, mut sqlite) = empty_store();
    let old = |number: usize| {
        let place = Place::Channel(ChannelName::parse(&format!("#x{number}")).unwrap());
        message(&format!("m{number}"), noon(), place)
    };
    sqlite
        .append_history(&(0..2500).map(old).collect::<Vec<_>>())
        .unwrap();
    let later = noon() + jiff::SignedDuration::from_secs(1);
    let (mut progress, mut left) = (ExpiryProgress::Start, Vec::new());
    while progress != ExpiryProgress::Done {
        progress = sqlite.expire_history(later, progress, 5000).unwrap();
        left.push(count(&sqlite, "history"));
    }
    assert_eq!(left, [1500, 500, 0]);
}
