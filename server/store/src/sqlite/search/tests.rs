//! Tests of searches in a real database.
#![allow(clippy::unwrap_used)]

use jiff::SignedDuration;
use rookery_protocol::ChannelName;

use super::super::Store;
use super::super::tests::{direct, empty_store, lobby, message, noon};
use super::*;
use rookery_record::{HistoryEntry, Place, Redactor};

/// Returns the time `number` minutes after noon.
fn minute(number: i64) -> Timestamp {
    noon() + SignedDuration::from_mins(number)
}

/// Returns the message `m{number}`, sent in minute `number` by an account, or by a guest if the
/// nick begins with "guest".
fn sent(number: i64, place: Place, nick: &str, text: &str) -> HistoryEntry {
    HistoryEntry {
        source: format!("{nick}!~u@users"),
        account: if nick.starts_with("guest") {
            None
        } else {
            Some(nick.parse().unwrap())
        },
        text: text.to_owned(),
        ..message(&format!("m{number}"), minute(number), place)
    }
}

fn channel(name: &str) -> Place {
    Place::Channel(ChannelName::parse(name).unwrap())
}

/// Stores ten messages, one per minute.
fn sample_store() -> (tempfile::TempDir, Store) {
    let (folder, mut sqlite) = empty_store();
    let entries = [
        sent(0, lobby(), "alice", "Buy PILLS now"),
        sent(1, lobby(), "bob", "no thanks"),
        sent(2, direct("alice", "bob"), "alice", "pills in private"),
        sent(3, channel("#Dev"), "Alice", "pills here too"),
        sent(4, channel("#dev"), "guest7", "a pill?"),
        HistoryEntry {
            command: "TOPIC".to_owned(),
            ..sent(5, lobby(), "alice", " :pills")
        },
        sent(6, lobby(), "alice", "schöne GRÜSSE"),
        HistoryEntry {
            tags: "statusmsg=@".to_owned(),
            ..sent(7, lobby(), "bob", "pills, operators?")
        },
        sent(8, channel("#dev"), "bob", "done"),
        sent(9, lobby(), "Guest7", "bye"),
    ];
    sqlite.append_history(&entries).unwrap();
    (folder, sqlite)
}

fn query() -> MessageQuery {
    MessageQuery {
        text: None,
        author: None,
        channel: None,
        since: None,
        until: None,
        before: None,
        limit: 99,
        max_examined: 1000,
    }
}

#[track_caller]
fn ids(sqlite: &Store, query: &MessageQuery) -> String {
    let found = sqlite.find_messages(query).unwrap();
    found
        .messages
        .iter()
        .map(|entry| entry.msgid.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn a_search_reads_only_the_authors_of_the_messages_that_it_examines() {
    let (_folder, sqlite) = sample_store();
    // Its name cannot be read.
    sqlite
        .connection
        .execute_batch("INSERT INTO authors (account, source) VALUES (CAST(x'ff' AS TEXT), '')")
        .unwrap();
    let by_alice = MessageQuery {
        author: Some("alice".parse().unwrap()),
        ..query()
    };
    assert_eq!(ids(&sqlite, &by_alice), "m6 m3 m0");
}

#[test]
fn only_channels_are_searched_by_text_author_channel_and_time() {
    let (_folder, sqlite) = sample_store();
    let text = |text: &str| MessageQuery {
        text: Some(text.to_owned()),
        ..query()
    };
    let author = |name: &str| MessageQuery {
        author: Some(name.parse().unwrap()),
        ..query()
    };
    let in_dev = || MessageQuery {
        channel: Some("#DEV".parse().unwrap()),
        ..query()
    };
    for (query, expected) in [
        (query(), "m9 m8 m7 m6 m4 m3 m1 m0"),
        (text("pills"), "m7 m3 m0"),
        (text("grüsse"), "m6"),
        (text("%"), ""),
        (author("ALICE"), "m6 m3 m0"),
        (author("guest7"), "m9 m4"),
        (author("nobody"), ""),
        (in_dev(), "m8 m4 m3"),
        (
            MessageQuery {
                channel: Some("#lobby".parse().unwrap()),
                ..query()
            },
            "m9 m7 m6 m1 m0",
        ),
        (
            MessageQuery {
                channel: Some("#none".parse().unwrap()),
                ..query()
            },
            "",
        ),
        (
            MessageQuery {
                author: Some("bob".parse().unwrap()),
                ..in_dev()
            },
            "m8",
        ),
        (
            MessageQuery {
                since: Some(minute(7)),
                ..query()
            },
            "m9 m8 m7",
        ),
        (
            MessageQuery {
                until: Some(minute(3)),
                ..query()
            },
            "m1 m0",
        ),
        (
            MessageQuery {
                since: Some(minute(4)),
                until: Some(minute(8)),
                ..in_dev()
            },
            "m4",
        ),
    ] {
        assert_eq!(ids(&sqlite, &query), expected, "{query:?}");
    }
}

#[test]
fn a_redacted_message_is_not_found() {
    let (_folder, mut sqlite) = sample_store();
    let by = Redactor {
        source: "irc.test".to_owned(),
        account: None,
    };
    let redaction = sqlite.history_entry("m3").unwrap().unwrap().redaction(
        by,
        "r1".to_owned(),
        minute(10),
        None,
    );
    sqlite.append_history(&[redaction]).unwrap();
    assert_eq!(ids(&sqlite, &query()), "m9 m8 m7 m6 m4 m1 m0");
    assert_eq!(
        ids(
            &sqlite,
            &MessageQuery {
                channel: Some("#dev".parse().unwrap()),
                ..query()
            }
        ),
        "m8 m4"
    );
}

#[test]
fn consecutive_pages_return_each_match_once_for_any_limit() {
    let (_folder, sqlite) = sample_store();
    let all = "m9 m8 m7 m6 m4 m3 m1 m0";
    for (channel, all) in [(None, all), (Some("#lobby"), "m9 m7 m6 m1 m0")] {
        for (limit, max_examined) in [(1, 1000), (3, 1000), (8, 1000), (99, 1), (2, 2), (99, 3)] {
            let channel = channel.map(|name| name.parse().unwrap());
            let mut query = MessageQuery {
                channel,
                limit,
                max_examined,
                ..query()
            };
            let (mut found, mut rounds) = (Vec::new(), 0);
            loop {
                let page = sqlite.find_messages(&query).unwrap();
                assert!(page.messages.len() <= limit && page.messages.len() <= max_examined);
                found.extend(page.messages.into_iter().map(|entry| entry.msgid));
                rounds += 1;
                assert!(rounds < 20, "the search ends");
                match page.next {
                    Some(next) => query.before = Some(next),
                    None => break,
                }
            }
            assert_eq!(found.join(" "), all, "{limit} {max_examined}");
        }
    }
}

#[test]
fn a_full_last_page_is_marked_as_the_last() {
    let (_folder, sqlite) = sample_store();
    let page = sqlite
        .find_messages(&MessageQuery {
            limit: 8,
            ..query()
        })
        .unwrap();
    assert_eq!((page.messages.len(), page.next), (8, None));
}

#[test]
fn a_search_by_time_examines_only_messages_near_the_range() {
    let (_folder, mut sqlite) = empty_store();
    let day = |number: i64| sent(number * 24 * 60, lobby(), "alice", "hello");
    sqlite
        .append_history(&(0..100).map(day).collect::<Vec<_>>())
        .unwrap();
    // Of the messages outside the time range, only those within an hour of it are examined: here,
    // the one of the next noon.
    let on_day = |number: i64| MessageQuery {
        since: Some(minute(number * 24 * 60)),
        until: Some(minute((number + 1) * 24 * 60)),
        max_examined: 2,
        ..query()
    };
    for number in [0, 1, 50, 98, 99] {
        let page = sqlite.find_messages(&on_day(number)).unwrap();
        assert_eq!((page.messages.len(), page.next), (1, None), "{number}");
        assert_eq!(page.messages[0].msgid, format!("m{}", number * 24 * 60));
    }
    assert_eq!(ids(&sqlite, &on_day(100)), "");
    assert_eq!(ids(&sqlite, &on_day(-1)), "");
    let (_folder, empty) = empty_store();
    assert_eq!(ids(&empty, &on_day(0)), "");
}

#[test]
fn a_search_uses_the_primary_key_or_the_index_of_its_channel() {
    let (_folder, sqlite) = empty_store();
    for (sql, expected) in [
        (
            IN_ONE_CHANNEL,
            "MERGE (UNION ALL); \
             LEFT; SEARCH history USING INDEX history_by_place (place=? AND at>? AND at<?); \
             RIGHT; SEARCH history USING INDEX history_by_place (place=? AND at>? AND at<?)",
        ),
        (
            IN_ALL,
            "SEARCH history USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
        ),
    ] {
        let mut statement = sqlite
            .connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        let count = statement.parameter_count();
        let plan: Vec<String> = statement
            .query_map(rusqlite::params_from_iter(vec![1; count]), |row| row.get(3))
            .unwrap()
            .map(rusqlite::Result::unwrap)
            .collect();
        assert_eq!(plan.join("; "), expected);
    }
}
