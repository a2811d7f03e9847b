//! `CHATHISTORY`: who may read what, and the format of the reply.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use rookery_protocol::{ChannelName, Nick};

use super::harness::*;
use crate::event::{HistoryQuery, HistoryResult, SessionId, Settings};
use rookery_record::{
    HistoryEntry, HistoryTarget, PageQuery, Participant, Place, Point, Selection,
};

const CAPS: &str = "draft/chathistory batch message-tags server-time account-tag";

/// Sends a command. Returns the query that it leads to, without answering it.
fn query_of(harness: &mut Harness, session: SessionId, line: &str) -> PageQuery {
    let received = harness.request(session, line);
    assert!(received.is_empty(), "{line}: {received:?}");
    match harness
        .fetches
        .pop()
        .unwrap_or_else(|| panic!("{line}: no query"))
        .query
    {
        HistoryQuery::Page(query) => query,
        other => panic!("{line}: {other:?}"),
    }
}

/// Returns the time this many seconds after [`START`].
fn after_start(seconds: i64) -> Timestamp {
    START + SignedDuration::from_secs(seconds)
}

fn channel(name: &str) -> Place {
    Place::Channel(ChannelName::parse(name).unwrap())
}

#[test]
fn each_form_of_the_command_is_parsed() {
    let mut harness = Harness::new();
    let a = harness.user("alice", CAPS);
    harness.channel("#X", &[a]);
    let time = |text: &str| Point::At(text.parse().unwrap());
    let id = |text: &str| Point::Message(text.to_owned());
    for (line, selection, limit) in [
        ("LATEST #x * 9", Selection::Latest(None), 9),
        (
            "latest #x msgid=a=b 9",
            Selection::Latest(Some(id("a=b"))),
            9,
        ),
        ("BEFORE #x msgid=m1 50", Selection::Before(id("m1")), 50),
        (
            "AFTER #x timestamp=2026-01-02T03:04:05.678Z 51",
            Selection::After(time("2026-01-02T03:04:05.678Z")),
            50,
        ),
        (
            "AROUND #x msgid=m1 4294967295",
            Selection::Around(id("m1")),
            50,
        ),
        (
            "BETWEEN #x msgid=m1 timestamp=2026-01-02T03:04:05Z 1",
            Selection::Between(id("m1"), time("2026-01-02T03:04:05Z")),
            1,
        ),
    ] {
        let query = query_of(&mut harness, a, &format!("CHATHISTORY {line}"));
        assert_eq!((query.selection, query.limit), (selection, limit), "{line}");
        assert_eq!(query.places, [channel("#x")]);
    }
}

#[test]
fn invalid_input_gets_the_code_of_the_specification() {
    let mut harness = Harness::new();
    let a = harness.user("alice", CAPS);
    let b = harness.user("bob", CAPS);
    harness.channel("#x", &[a]);
    harness.channel("#bobs", &[b]);
    for (line, expected) in [
        ("FLY #x * 9", "INVALID_PARAMS FLY :Unknown command"),
        ("LATEST", "INVALID_PARAMS LATEST :Insufficient parameters"),
        (
            "LATEST #x *",
            "INVALID_PARAMS LATEST :Insufficient parameters",
        ),
        (
            "BETWEEN #x msgid=a 9",
            "INVALID_PARAMS BETWEEN :Insufficient parameters",
        ),
        (
            "LATEST #x * 9 9",
            "INVALID_PARAMS LATEST :Too many parameters",
        ),
        ("LATEST #x * 0", "INVALID_PARAMS LATEST 0 :Invalid limit"),
        ("LATEST #x * -1", "INVALID_PARAMS LATEST -1 :Invalid limit"),
        (
            "LATEST #x * many",
            "INVALID_PARAMS LATEST many :Invalid limit",
        ),
        (
            "BEFORE #x timestamp=noon 9",
            "INVALID_PARAMS BEFORE timestamp=noon :Invalid timestamp",
        ),
        (
            "BEFORE #x timestamp=2026-01-02 9",
            "INVALID_PARAMS BEFORE timestamp=2026-01-02 :Invalid timestamp",
        ),
        ("BEFORE #x * 9", "INVALID_PARAMS BEFORE * :Expected"),
        (
            "BEFORE #x msgid= 9",
            "INVALID_PARAMS BEFORE msgid= :Expected",
        ),
        (
            "BEFORE #x number=3 9",
            "INVALID_MSGREFTYPE BEFORE #x number=3 :",
        ),
        ("LATEST #nowhere * 9", "INVALID_TARGET LATEST #nowhere :"),
        ("LATEST #bobs * 9", "INVALID_TARGET LATEST #bobs :"),
        ("LATEST @#x * 9", "INVALID_TARGET LATEST @#x :"),
        (
            "LATEST not.a.nick * 9",
            "INVALID_TARGET LATEST not.a.nick :",
        ),
        (
            "TARGETS timestamp=2026-01-02T03:04:05Z 9",
            "INVALID_PARAMS TARGETS :Insufficient parameters",
        ),
        (
            "TARGETS msgid=a timestamp=2026-01-02T03:04:05Z 9",
            "INVALID_PARAMS TARGETS msgid=a :Invalid timestamp",
        ),
    ] {
        let received = harness.request(a, &format!("CHATHISTORY {line}"));
        let expected = format!(":irc.test FAIL CHATHISTORY {expected}");
        assert!(
            received.len() == 1 && received[0].contains(&expected),
            "{line}: {received:?}"
        );
    }
    assert!(harness.request(a, "CHATHISTORY")[0].contains(" 461 alice CHATHISTORY :"));
    assert!(harness.fetches.is_empty());
}

#[test]
fn without_the_capability_or_history_there_is_no_such_command() {
    let mut harness = Harness::new();
    let a = harness.user("alice", "batch");
    assert_eq!(
        commands(&harness.request(a, "CHATHISTORY LATEST alice * 9")),
        ["421"]
    );
    let isupport = harness.request(a, "VERSION").join(" ");
    assert!(
        isupport.contains(" CHATHISTORY=50 ") && isupport.contains(" MSGREFTYPES=msgid,timestamp ")
    );
    let mut harness = Harness::with(Settings {
        history: false,
        ..settings()
    });
    let a = harness.user("alice", "");
    assert!(
        !harness
            .request(a, "VERSION")
            .join(" ")
            .contains("CHATHISTORY")
    );
}

#[test]
fn members_read_from_the_creation_of_the_channel_and_guests_from_their_join() {
    for (before_join, lobby, account_since) in [
        (true, false, START),
        (true, true, Timestamp::MIN),
        (false, true, after_start(60)),
    ] {
        let settings = if lobby {
            settings_with_lobby("#x")
        } else {
            settings()
        };
        let mut harness = Harness::with(Settings {
            history_before_join: before_join,
            ..settings
        });
        let founder = harness.guest("zoe", "");
        harness.channel("#x", &[founder]);
        harness.advance(60);
        let (alice, guest) = (harness.user("alice", CAPS), harness.guest("gast", CAPS));
        harness.channel("#x", &[alice, guest]);
        assert_eq!(
            query_of(&mut harness, alice, "CHATHISTORY LATEST #x * 9").since,
            account_since
        );
        assert_eq!(
            query_of(&mut harness, guest, "CHATHISTORY LATEST #x * 9").since,
            after_start(60)
        );
        harness.advance(60);
        harness.send(guest, "PART #x");
        assert!(harness.request(guest, "CHATHISTORY LATEST #x * 9")[0].contains("INVALID_TARGET"));
        harness.channel("#x", &[guest]);
        assert_eq!(
            query_of(&mut harness, guest, "CHATHISTORY LATEST #x * 9").since,
            after_start(120)
        );
    }
}

#[test]
fn a_recreated_channel_does_not_disclose_the_history_of_the_old_one() {
    let mut harness = Harness::new();
    let a = harness.guest("gast", CAPS);
    harness.channel("#x", &[a]);
    harness.send(a, "PART #x");
    harness.advance(60);
    let b = harness.user("bob", CAPS);
    harness.channel("#x", &[b]);
    assert_eq!(
        query_of(&mut harness, b, "CHATHISTORY LATEST #x * 9").since,
        after_start(60)
    );
}

#[test]
fn a_persistent_channel_has_its_history_after_a_restart() {
    let mut harness = Harness::new();
    let a = harness.user("alice", CAPS);
    harness.channel("#x", &[a]);
    let mut harness = harness.restart(settings());
    let a = harness.user("alice", CAPS);
    harness.channel("#x", &[a]);
    assert_eq!(
        query_of(&mut harness, a, "CHATHISTORY LATEST #x * 9").since,
        START
    );
}

#[test]
fn a_renamed_channel_does_not_disclose_the_history_of_its_new_name() {
    let mut harness = Harness::new();
    let (a, guest) = (harness.user("alice", CAPS), harness.guest("gast", CAPS));
    harness.channel("#mine", &[a, guest]);
    harness.advance(60);
    harness.send(a, "RENAME #mine #theirs");
    harness.clear_received();
    for session in [a, guest] {
        assert_eq!(
            query_of(&mut harness, session, "CHATHISTORY LATEST #theirs * 9").since,
            after_start(60)
        );
    }
    harness.advance(60);
    harness.send(a, "RENAME #theirs #Theirs");
    harness.clear_received();
    assert_eq!(
        query_of(&mut harness, a, "CHATHISTORY LATEST #theirs * 9").since,
        after_start(60),
        "it is the same name"
    );
}

#[test]
fn direct_messages_are_read_by_accounts_only() {
    let mut harness = Harness::new();
    let (a, guest) = (harness.user("alice", CAPS), harness.guest("gast", CAPS));
    let (alice, bob) = (nick("alice"), nick("Bob"));
    let with = |to| Place::Direct {
        from: Participant::Account(alice.clone()),
        to,
    };
    let query = query_of(&mut harness, a, "CHATHISTORY LATEST Bob * 9");
    assert_eq!(
        query.places,
        [
            with(Participant::Account(bob.clone())),
            with(Participant::Guest(bob))
        ]
    );
    assert!(
        harness.request(guest, "CHATHISTORY LATEST alice * 9")[0]
            .contains(" INVALID_TARGET LATEST alice :")
    );
}

#[test]
fn the_reply_is_a_batch_of_the_messages_as_they_were_sent() {
    let mut harness = Harness::new();
    let (a, b) = (harness.user("Alice", CAPS), harness.user("bob", CAPS));
    harness.channel("#X", &[a, b]);
    harness.send(a, "@+draft/reply=z PRIVMSG #x :one");
    let first = harness.received(b);
    harness.advance(5);
    harness.send(b, "NOTICE #x two");
    let second = harness.received(a);
    harness.advance(5);
    harness.send(b, "CHATHISTORY LATEST #x * 9");
    let entries = harness.entries.clone();
    harness.answer_fetch(HistoryResult::Page(entries));
    let received = harness.received(b);
    let time = "@time=2027-01-15T08:00:10.000Z";
    let inner = |line: &str| line.replacen('@', "@batch=1;", 1);
    assert_eq!(
        received,
        [
            format!("{time} :irc.test BATCH +1 chathistory #X"),
            inner(&first[0]),
            inner(&second[0]),
            format!("{time} :irc.test BATCH -1"),
        ]
    );
    assert!(
        harness.peek(a).is_empty(),
        "no other session receives anything"
    );
}

#[test]
fn events_are_replayed_to_clients_with_event_playback() {
    let mut harness = Harness::new();
    let caps = format!("{CAPS} draft/event-playback");
    let (a, b, guest) = (
        harness.user("alice", CAPS),
        harness.user("bob", &caps),
        harness.guest("gast", ""),
    );
    harness.channel("#x", &[a, b, guest]);
    harness.entries.clear();
    for line in [
        "TOPIC #x :news",
        "MODE #x +vl gast 9",
        "KICK #x gast :be nice",
        "@+draft/react=:) TAGMSG #x",
        "TOPIC #x :",
    ] {
        harness.send(a, line);
    }
    let live = harness.received(b);
    assert_eq!(
        commands(&live),
        ["TOPIC", "MODE", "KICK", "TAGMSG", "TOPIC"]
    );
    assert!(!query_of(&mut harness, a, "CHATHISTORY LATEST #x * 9").events);
    assert!(query_of(&mut harness, b, "CHATHISTORY LATEST #x * 9").events);
    assert!(!query_of(&mut harness, b, "CHATHISTORY LATEST #x * 9").redactions);
    harness.send(b, "CHATHISTORY LATEST #x * 9");
    let entries = harness.entries.clone();
    harness.answer_fetch(HistoryResult::Page(entries));
    let received = harness.received(b);
    let replayed: Vec<String> = received[1..received.len() - 1]
        .iter()
        .map(|line| line.replacen("batch=1;", "", 1))
        .collect();
    assert_eq!(replayed, live);
}

#[test]
fn keys_and_typing_are_not_stored() {
    let mut harness = Harness::new();
    let (a, b) = (
        harness.user("alice", "message-tags"),
        harness.user("bob", "message-tags"),
    );
    harness.channel("#x", &[a, b]);
    harness.entries.clear();
    for line in [
        "MODE #x +tk secret",
        "@+typing=active TAGMSG #x",
        "@+draft/typing=done TAGMSG bob",
        "TAGMSG bob",
    ] {
        harness.send(a, line);
    }
    assert_eq!(harness.received(b).len(), 4);
    assert!(harness.entries.is_empty(), "{:?}", harness.entries);
}

#[test]
fn an_empty_page_is_an_empty_batch_and_without_the_capability_there_is_no_batch() {
    let mut harness = Harness::new();
    let (a, b) = (
        harness.user("alice", "draft/chathistory batch"),
        harness.user("bob", "draft/chathistory"),
    );
    harness.send(a, "CHATHISTORY LATEST BOB * 9");
    harness.answer_fetch(HistoryResult::Page(Vec::new()));
    assert_eq!(
        harness.received(a),
        [":irc.test BATCH +1 chathistory BOB", ":irc.test BATCH -1"]
    );
    harness.send(a, "PRIVMSG bob :hi");
    harness.clear_received();
    harness.send(b, "CHATHISTORY LATEST alice * 9");
    let entries = harness.entries.clone();
    harness.answer_fetch(HistoryResult::Page(entries));
    assert_eq!(
        harness.received(b),
        [":alice!~alice@users.irc.test PRIVMSG bob :hi"]
    );
}

#[test]
fn targets_are_listed_with_the_time_of_their_latest_message() {
    let mut harness = Harness::new();
    let (a, guest) = (
        harness.user("alice", "draft/chathistory batch"),
        harness.guest("gast", CAPS),
    );
    harness.channel("#x", &[a, guest]);
    let line =
        "CHATHISTORY TARGETS timestamp=2026-01-02T03:04:05Z timestamp=2027-01-02T03:04:05.678Z 99";
    harness.send(guest, line);
    let HistoryQuery::Targets(query) = &harness.fetches.pop().unwrap().query else {
        panic!()
    };
    assert_eq!((query.account.as_ref(), query.limit), (None, 50));
    harness.send(a, line);
    let HistoryQuery::Targets(query) = &harness.fetches[0].query else {
        panic!()
    };
    assert_eq!(query.account.as_ref().map(Nick::as_str), Some("alice"));
    assert_eq!(query.channels, [(ChannelName::parse("#x").unwrap(), START)]);
    assert_eq!(query.to, "2027-01-02T03:04:05.678Z".parse().unwrap());
    harness.answer_fetch(HistoryResult::Targets(vec![HistoryTarget {
        name: "Bob".to_owned(),
        at: START,
    }]));
    assert_eq!(
        harness.received(a),
        [
            ":irc.test BATCH +1 draft/chathistory-targets",
            "@batch=1 :irc.test CHATHISTORY TARGETS Bob 2027-01-15T08:00:00.000Z",
            ":irc.test BATCH -1",
        ]
    );
}

#[test]
fn the_label_is_on_the_batch_or_on_the_failure() {
    let mut harness = Harness::new();
    let a = harness.user("alice", "draft/chathistory batch labeled-response");
    harness.channel("#x", &[a]);
    assert!(
        harness
            .request(a, "@label=a\\sb CHATHISTORY LATEST #x * 9")
            .is_empty(),
        "no ACK, as the reply follows"
    );
    harness.answer_fetch(HistoryResult::Page(Vec::new()));
    let received = harness.received(a);
    assert!(
        received[0].starts_with("@label=a\\sb :irc.test BATCH +") && !received[1].contains("label"),
        "{received:?}"
    );
    for (found, text) in [
        (HistoryResult::NoSuchMessage, "unknown message id"),
        (HistoryResult::Failed, "please try again later"),
    ] {
        harness.send(a, "@label=2 CHATHISTORY AFTER #x msgid=m 9");
        harness.answer_fetch(found);
        let received = harness.received(a);
        assert!(
            received.len() == 1 && received[0].contains(text),
            "{received:?}"
        );
        assert!(
            received[0].starts_with("@label=2 :irc.test FAIL CHATHISTORY MESSAGE_ERROR AFTER #x :")
        );
    }
    let received = harness.request(a, "@label=3 CHATHISTORY LATEST #nowhere * 9");
    assert!(
        received.len() == 1 && received[0].starts_with("@label=3 :irc.test FAIL "),
        "{received:?}"
    );
}

#[test]
fn a_user_who_has_left_before_the_page_arrives_receives_none_of_it() {
    let mut harness = Harness::new();
    let (a, guest) = (harness.user("alice", ""), harness.guest("gast", CAPS));
    harness.channel("#x", &[a, guest]);
    harness.send(a, "PRIVMSG #x :between us");
    harness.clear_received();
    let entries = harness.entries.clone();
    harness.advance(60);

    harness.send(guest, "CHATHISTORY LATEST #x * 9");
    harness.send(a, "KICK #x gast");
    harness.clear_received();
    harness.answer_fetch(HistoryResult::Page(entries.clone()));
    let received = harness.received(guest);
    assert!(
        received.len() == 1 && received[0].contains("FAIL CHATHISTORY INVALID_TARGET LATEST #x"),
        "{received:?}"
    );

    harness.channel("#x", &[guest]);
    harness.send(guest, "CHATHISTORY LATEST #x * 9");
    harness.answer_fetch(HistoryResult::Page(entries));
    assert_eq!(
        commands(&harness.received(guest)),
        ["BATCH", "BATCH"],
        "the messages are older than its second join"
    );
}

#[test]
fn a_history_query_is_answered_even_if_its_session_has_ended() {
    let mut harness = Harness::new();
    let a = harness.user("alice", CAPS);
    for (line, waits) in [
        ("CHATHISTORY LATEST bob * 9", true),
        ("CHATHISTORY FLY", false),
        ("PING x", false),
    ] {
        for disconnects in [false, true] {
            let session = if disconnects {
                harness.user("alice", CAPS)
            } else {
                a
            };
            let key = harness.awaited_command(session, line);
            if waits {
                assert!(harness.answer(key).is_none());
                if disconnects {
                    harness.disconnect(session);
                    harness.clear_received();
                }
                harness.answer_fetch(HistoryResult::Page(Vec::new()));
                assert_eq!(harness.received(session).is_empty(), disconnects);
            }
            assert!(matches!(harness.answer(key), Some(())), "{line}");
        }
    }
}

/// Returns the ids of all messages in the order of the history, read page by page. `by_time`
/// selects whether a page continues before the time or before the id of the oldest message read.
fn read_in_pages(entries: &[HistoryEntry], by_time: bool) -> Vec<String> {
    let mut stored: Vec<&HistoryEntry> = entries.iter().collect();
    stored.sort_by_key(|entry| entry.at.as_millisecond());
    let mut read: Vec<&HistoryEntry> = Vec::new();
    loop {
        let oldest = read.last();
        let end = match oldest {
            None => stored.len(),
            Some(oldest) if by_time => stored.partition_point(|entry| entry.at < oldest.at),
            Some(oldest) => stored
                .iter()
                .position(|entry| entry.msgid == oldest.msgid)
                .unwrap(),
        };
        if end == 0 {
            return read.iter().rev().map(|entry| entry.msgid.clone()).collect();
        }
        read.extend(stored[end.saturating_sub(3)..end].iter().rev());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The clock stands still, moves on and is set back.
    #[test]
    fn paging_by_time_returns_the_same_messages_as_paging_by_id(
        steps in proptest::collection::vec((0_usize..5, -5_i64..4), 1..60),
    ) {
        let mut harness = Harness::new();
        let a = harness.user("alice", "");
        let b = harness.user("bob", "server-time");
        harness.channel("#x", &[a, b]);
        for (number, (action, milliseconds)) in steps.into_iter().enumerate() {
            harness.now += SignedDuration::from_millis(milliseconds);
            let line = match action {
                0 => format!("TOPIC #x :{number}"),
                1 => "MODE #x +m-m".to_owned(),
                2 => format!("NOTICE #x,#x,bob :{number}"),
                _ => format!("PRIVMSG #x :{number}"),
            };
            let before = harness.entries.len();
            harness.clear_received();
            harness.send(a, &line);
            let received = harness.received(b);
            for entry in &harness.entries[before..] {
                let time = format!("@time={:.3} ", entry.at);
                prop_assert!(received.iter().any(|line| line.starts_with(&time)), "{time}");
            }
        }
        let (in_channel, direct): (Vec<_>, Vec<_>) = harness
            .entries
            .clone()
            .into_iter()
            .partition(|entry| matches!(entry.place, Place::Channel(_)));
        for entries in [in_channel, direct] {
            let sent: Vec<String> = entries.iter().map(|entry| entry.msgid.clone()).collect();
            prop_assert_eq!(&read_in_pages(&entries, true), &sent);
            prop_assert_eq!(&read_in_pages(&entries, false), &sent);
        }
    }
}

#[test]
fn a_message_that_is_later_than_the_clock_can_be_marked_as_read() {
    let mut harness = Harness::new();
    let a = harness.user("alice", "draft/read-marker");
    harness.channel("#x", &[a]);
    for _ in 0..3 {
        harness.send(a, "PRIVMSG #x :at once");
    }
    harness.advance(-3600);
    harness.send(a, "PRIVMSG #x :after the clock was set back");
    let at = harness.entries.last().unwrap().at;
    let received = harness.request(a, &format!("MARKREAD #x timestamp={at:.3}"));
    assert!(
        received[0].ends_with(&format!("timestamp={at:.3}")),
        "{received:?}"
    );
}
