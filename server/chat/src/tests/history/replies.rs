//! The format of the reply to `CHATHISTORY`, and its label.

use rookery_protocol::{ChannelName, Nick};

use super::super::harness::*;
use super::{CAPS, query_of};
use crate::event::{HistoryQuery, HistoryResult};
use rookery_record::HistoryTarget;

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
            assert!(harness.answer(key).is_some(), "{line}");
        }
    }
}
