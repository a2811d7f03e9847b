//! `CHATHISTORY`: its parameters and errors. The modules check who may read what, the reply, and
//! the order of messages.

mod access;
mod paging;
mod replies;

use jiff::{SignedDuration, Timestamp};
use rookery_protocol::ChannelName;

use super::harness::*;
use crate::event::{HistoryQuery, SessionId, Settings};
use rookery_record::{PageQuery, Place, Point, Selection};

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
fn a_look_at_all_conversations_weighs_as_much_as_a_message() {
    let weight = |line| crate::weight(&rookery_protocol::Message::parse(line).unwrap());
    let targets = weight("CHATHISTORY targets timestamp=* timestamp=* 50");
    assert_eq!(targets, crate::Weight::MESSAGE);
    assert!(weight("CHATHISTORY LATEST #x * 50").tenths() < targets.tenths());
}
