//! Tests of pages of history from a real database.
#![allow(clippy::unwrap_used)]

mod conversations;

use rookery_protocol::{AccountName, ChannelName};

use super::super::Store;
use super::super::tests::{at, direct, empty_store, lobby, message, noon};
use super::*;
use rookery_record::Redactor;

/// Stores ten messages in the lobby, `m0` to `m9`, two in each second, so that their times alone do
/// not order them, and a message of another place after each.
fn sample_store() -> (tempfile::TempDir, Store) {
    let (folder, mut sqlite) = empty_store();
    let mut entries = Vec::new();
    for number in 0..10 {
        entries.push(message(&format!("m{number}"), second(number / 2), lobby()));
        entries.push(message(
            &format!("x{number}"),
            second(number / 2),
            direct("alice", "bob"),
        ));
    }
    sqlite.append_history(&entries).unwrap();
    (folder, sqlite)
}

fn second(number: i64) -> Timestamp {
    at("2026-11-02T12:00:00Z") + jiff::SignedDuration::from_secs(number)
}

fn msgid(text: &str) -> Point {
    Point::Message(text.to_owned())
}

fn query(places: Vec<Place>, selection: Selection, limit: usize) -> PageQuery {
    PageQuery {
        places,
        selection,
        events: false,
        redactions: false,
        since: Timestamp::MIN,
        limit,
        bytes: usize::MAX,
    }
}

#[track_caller]
fn ids(sqlite: &Store, query: &PageQuery) -> String {
    let page = sqlite
        .history_page(query)
        .unwrap()
        .expect("the messages that the query names exist");
    page.iter()
        .map(|entry| entry.msgid.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn each_selection_returns_its_messages_by_id_and_by_time() {
    use Selection::{After, Around, Before, Between, Latest};
    let (_folder, sqlite) = sample_store();
    let time = |number| Point::At(second(number));
    for (selection, limit, expected) in [
        (Latest(None), 3, "m7 m8 m9"),
        (Latest(None), 99, "m0 m1 m2 m3 m4 m5 m6 m7 m8 m9"),
        (Latest(Some(msgid("m4"))), 99, "m5 m6 m7 m8 m9"),
        (Latest(Some(msgid("m4"))), 2, "m8 m9"),
        (Latest(Some(time(3))), 99, "m8 m9"),
        (Before(msgid("m3")), 99, "m0 m1 m2"),
        (Before(msgid("m3")), 2, "m1 m2"),
        (Before(time(2)), 3, "m1 m2 m3"),
        (Before(msgid("m0")), 3, ""),
        (After(msgid("m6")), 99, "m7 m8 m9"),
        (After(msgid("m6")), 2, "m7 m8"),
        (After(time(2)), 2, "m6 m7"),
        (After(msgid("m9")), 3, ""),
        (Around(msgid("m5")), 1, "m5"),
        (Around(msgid("m5")), 3, "m4 m5 m6"),
        (Around(msgid("m5")), 4, "m3 m4 m5 m6"),
        (Around(msgid("m0")), 4, "m0 m1 m2 m3"),
        (Around(time(2)), 4, "m2 m3 m4 m5"),
        (Between(msgid("m2"), msgid("m7")), 99, "m3 m4 m5 m6"),
        (Between(msgid("m7"), msgid("m2")), 99, "m3 m4 m5 m6"),
        (Between(msgid("m2"), msgid("m7")), 2, "m3 m4"),
        (Between(msgid("m7"), msgid("m2")), 2, "m5 m6"),
        (Between(time(1), time(4)), 3, "m4 m5 m6"),
        (Between(time(4), time(1)), 3, "m5 m6 m7"),
        (Between(time(1), msgid("m5")), 99, "m4"),
        (Between(msgid("m5"), time(1)), 99, "m4"),
        (Between(msgid("m5"), msgid("m5")), 99, ""),
        (Between(time(1), time(1)), 99, ""),
    ] {
        let query = query(vec![lobby()], selection, limit);
        assert_eq!(ids(&sqlite, &query), expected, "{query:?}");
    }
}

#[test]
fn a_message_is_read_as_it_was_stored() {
    let (_folder, mut sqlite) = empty_store();
    let between = |from, to| Place::Direct { from, to };
    let (alice, bob) = (
        Participant::Account("Alice".parse().unwrap()),
        Participant::Guest("bob".parse().unwrap()),
    );
    let carol = Participant::Account("Carol".parse().unwrap());
    let entries = [
        message("one", noon(), between(alice.clone(), bob.clone())),
        HistoryEntry {
            source: "bob!~c@users".to_owned(),
            account: Some("carol".parse().unwrap()),
            ..message(
                "sent under a nick other than the account's name",
                noon(),
                between(carol, alice.clone()),
            )
        },
        HistoryEntry {
            source: "bob!~b@guests".to_owned(),
            account: None,
            command: "NOTICE".to_owned(),
            tags: "+draft/reply=one".to_owned(),
            ..message("two", noon(), between(bob, alice.clone()))
        },
        message("self", noon(), between(alice.clone(), alice)),
    ];
    sqlite.append_history(&entries).unwrap();
    for entry in &entries {
        let query = query(vec![entry.place.clone()], Selection::Latest(None), 9);
        assert!(
            sqlite
                .history_page(&query)
                .unwrap()
                .unwrap()
                .contains(entry),
            "{entry:?}"
        );
    }
}

#[test]
fn the_conversations_with_an_account_and_with_a_guest_of_the_same_nick_can_be_read_as_one() {
    let (_folder, mut sqlite) = empty_store();
    let alice = || Participant::Account("alice".parse().unwrap());
    let bob = || "bob".parse().unwrap();
    let with_guest = Place::Direct {
        from: alice(),
        to: Participant::Guest(bob()),
    };
    let with_account = Place::Direct {
        from: alice(),
        to: Participant::Account(bob()),
    };
    let entries = [
        message("g1", second(1), with_guest.clone()),
        message("a2", second(2), with_account.clone()),
        message("g3", second(3), with_guest.clone()),
        message("a4", second(4), with_account.clone()),
    ];
    sqlite.append_history(&entries).unwrap();
    let latest = |places| query(places, Selection::Latest(None), 3);
    assert_eq!(ids(&sqlite, &latest(vec![with_guest.clone()])), "g1 g3");
    assert_eq!(ids(&sqlite, &latest(vec![with_account.clone()])), "a2 a4");
    let both = vec![with_guest, with_account];
    assert_eq!(ids(&sqlite, &latest(both.clone())), "a2 g3 a4");
    assert_eq!(
        ids(&sqlite, &query(both, Selection::After(msgid("g1")), 2)),
        "a2 g3"
    );
}

#[test]
fn messages_outside_the_visible_range_are_not_read() {
    let (_folder, mut sqlite) = sample_store();
    let mut hidden = message("hidden", second(9), lobby());
    hidden.tags = "statusmsg=@;+x=y".to_owned();
    sqlite.append_history(&[hidden]).unwrap();
    for selection in [
        Selection::Latest(None),
        Selection::Before(msgid("hidden")),
        Selection::After(msgid("m0")),
        Selection::Between(Point::At(second(-9)), Point::At(second(99))),
    ] {
        let query = PageQuery {
            since: second(4),
            ..query(vec![lobby()], selection, 99)
        };
        assert_eq!(ids(&sqlite, &query), "m8 m9");
    }
    let around = PageQuery {
        since: second(4),
        ..query(vec![lobby()], Selection::Around(Point::At(second(1))), 4)
    };
    assert_eq!(ids(&sqlite, &around), "m8 m9");
    for unknown in ["x3", "m", "' OR 1=1 --", ""] {
        let query = query(vec![lobby()], Selection::After(msgid(unknown)), 9);
        assert_eq!(sqlite.history_page(&query).unwrap(), None, "{unknown}");
    }
    let unknown_place = query(vec![direct("alice", "nobody")], Selection::Latest(None), 9);
    assert_eq!(ids(&sqlite, &unknown_place), "");
}

#[test]
fn events_are_read_on_request_and_can_be_named_in_a_selection() {
    let (_folder, mut sqlite) = empty_store();
    let event = |msgid: &str, at, place| HistoryEntry {
        command: "TAGMSG".to_owned(),
        text: String::new(),
        ..message(msgid, at, place)
    };
    let guest = Participant::Guest("guest".parse().unwrap());
    let conversation = Place::Direct {
        from: Participant::Account("alice".parse().unwrap()),
        to: guest,
    };
    for (prefix, place) in [("l", lobby()), ("t", conversation)] {
        let id = |number: i64| format!("{prefix}{number}");
        let entries = [
            message(&id(1), second(1), place.clone()),
            event(&id(2), second(2), place.clone()),
            message(&id(3), second(3), place.clone()),
            event(&id(4), second(4), place.clone()),
        ];
        sqlite.append_history(&entries).unwrap();
        let latest = query(vec![place.clone()], Selection::Latest(None), 9);
        assert_eq!(ids(&sqlite, &latest), format!("{prefix}1 {prefix}3"));
        let all = PageQuery {
            events: true,
            ..latest
        };
        assert_eq!(sqlite.history_page(&all).unwrap().unwrap(), entries);
        let before = query(vec![place], Selection::Before(Point::Message(id(4))), 9);
        assert_eq!(ids(&sqlite, &before), format!("{prefix}1 {prefix}3"));
        assert_eq!(
            ids(
                &sqlite,
                &PageQuery {
                    events: true,
                    limit: 2,
                    ..before
                }
            ),
            format!("{prefix}2 {prefix}3")
        );
    }
    let targets = TargetsQuery {
        channels: vec![(ChannelName::parse("#lobby").unwrap(), Timestamp::MIN)],
        account: Some("alice".parse().unwrap()),
        from: second(3),
        to: second(9),
        limit: 9,
    };
    assert_eq!(
        sqlite.history_targets(&targets).unwrap(),
        [],
        "an event is not a message"
    );
}

#[test]
fn a_page_is_read_by_the_index_in_both_directions() {
    let (_folder, sqlite) = empty_store();
    for direction in [Direction::Forward, Direction::Backward] {
        let sql = format!("EXPLAIN QUERY PLAN {}", span_sql(direction));
        let sql = [
            "place",
            "after_at",
            "after_id",
            "before_at",
            "before_id",
            "limit",
        ]
        .iter()
        .fold(sql, |sql, name| sql.replace(&format!(":{name}"), "?"));
        let mut statement = sqlite.connection.prepare(&sql).unwrap();
        let plan: Vec<String> = statement
            .query_map([1; 6], |row| row.get(3))
            .unwrap()
            .map(rusqlite::Result::unwrap)
            .collect();
        let plan = plan.join("; ");
        assert!(
            plan.starts_with(
                "SEARCH history USING INDEX history_by_place (place=? AND at>? AND at<?)"
            ),
            "{plan}"
        );
        assert!(
            !plan.contains("TEMP B-TREE") && !plan.contains("SCAN"),
            "{plan}"
        );
    }
}

#[test]
fn a_redacted_message_is_on_no_page_but_can_still_be_named_in_a_selection() {
    let (_folder, mut sqlite) = sample_store();
    let by = Redactor {
        source: "bob!~b@users".to_owned(),
        account: None,
    };
    let message = sqlite.history_entry("m5").unwrap().unwrap();
    assert_eq!(
        (message.place.clone(), &*message.text),
        (lobby(), "hello there")
    );
    let redaction = message.redaction(by, "r1".to_owned(), second(9), Some("too loud"));
    sqlite
        .append_history(std::slice::from_ref(&redaction))
        .unwrap();
    assert_eq!(sqlite.history_entry("m5").unwrap(), None);
    let all = query(vec![lobby()], Selection::Latest(None), 3);
    assert_eq!(ids(&sqlite, &all), "m7 m8 m9");
    for (selection, expected) in [
        (Selection::Before(msgid("m5")), "m2 m3 m4"),
        (Selection::After(msgid("m5")), "m6 m7 m8"),
        (Selection::Around(msgid("m5")), "m4 m6 m7"),
        (Selection::Between(msgid("m5"), msgid("m9")), "m6 m7 m8"),
    ] {
        assert_eq!(ids(&sqlite, &query(vec![lobby()], selection, 3)), expected);
    }
    for (events, redactions, expected) in [(true, false, "m7 m8 m9"), (true, true, "m8 m9 r1")] {
        assert_eq!(
            ids(
                &sqlite,
                &PageQuery {
                    events,
                    redactions,
                    ..all.clone()
                }
            ),
            expected
        );
    }
    assert_eq!(sqlite.history_entry("r1").unwrap(), Some(redaction));
    assert_eq!(
        ids(
            &sqlite,
            &query(vec![direct("alice", "bob")], Selection::Latest(None), 2)
        ),
        "x8 x9"
    );
}

#[test]
fn a_redaction_by_the_server_in_a_conversation_has_the_server_as_its_source() {
    let (_folder, mut sqlite) = sample_store();
    let by = Redactor {
        source: "rookery.local".to_owned(),
        account: None,
    };
    let message = sqlite.history_entry("x3").unwrap().unwrap();
    sqlite
        .append_history(&[message.redaction(by, "r1".to_owned(), second(9), None)])
        .unwrap();
    let latest = query(vec![direct("bob", "alice")], Selection::Latest(None), 1);
    let page = sqlite
        .history_page(&PageQuery {
            events: true,
            redactions: true,
            ..latest
        })
        .unwrap()
        .unwrap();
    assert!(
        page[0].place.is_same(&direct("alice", "bob")) && page[0].source == "rookery.local",
        "{page:?}"
    );
    assert_eq!((page[0].redacts(), &*page[0].text), (Some("x3"), " x3"));
}

#[test]
fn the_newest_message_is_found_in_every_place() {
    let (_folder, mut sqlite) = empty_store();
    assert_eq!(sqlite.chat_snapshot().unwrap().newest_message, None);
    let entries = [
        message("m1", second(7), direct("alice", "bob")),
        message("m2", second(3), lobby()),
    ];
    sqlite.append_history(&entries).unwrap();
    let newest = sqlite.chat_snapshot().unwrap().newest_message;
    assert_eq!(newest, Some(second(7)));
}
