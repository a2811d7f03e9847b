//! `MARKREAD` (IRCv3 draft/read-marker).

use super::harness::*;
use crate::Weight;
use rookery_record::Change;

const CAPS: &str = "draft/read-marker";
/// A time before [`START`].
const EARLIER: &str = "timestamp=2026-11-11T11:11:11.111Z";

#[test]
fn a_marker_is_sent_only_to_the_users_other_sessions() {
    let mut harness = Harness::new();
    let [one, other, plain] =
        [CAPS, CAPS, ""].map(|capabilities| harness.user("alice", capabilities));
    let bob = harness.user("bob", CAPS);
    harness.channel("#X", &[one, bob]);
    assert_eq!(
        harness.request(one, "MARKREAD #x"),
        [":irc.test MARKREAD #X *"]
    );
    let notice = format!(":irc.test MARKREAD #X {EARLIER}");
    assert_eq!(
        harness.request(one, &format!("MARKREAD #x {EARLIER}")),
        [&*notice]
    );
    assert_eq!(harness.received(other), [&*notice]);
    assert!(harness.received(plain).is_empty() && harness.received(bob).is_empty());
    assert_eq!(
        harness.request(bob, "MARKREAD #x"),
        [":irc.test MARKREAD #X *"],
        "each user has a marker of their own"
    );

    // A marker moves only forward, and not into the future.
    assert_eq!(
        harness.request(one, "MARKREAD #x timestamp=2020-01-01T00:00:00.000Z"),
        [&*notice]
    );
    assert!(harness.received(other).is_empty(), "nothing has changed");
    let now = ":irc.test MARKREAD Bob timestamp=2027-01-15T08:00:00.000Z";
    assert_eq!(
        harness.request(one, "MARKREAD Bob timestamp=2999-01-01T00:00:00.000Z"),
        [now]
    );
    assert_eq!(
        harness.request(other, "MARKREAD BOB")[0],
        now.replace("Bob", "BOB")
    );
}

#[test]
fn markers_are_sent_before_the_names() {
    let mut harness = Harness::new();
    let alice = harness.user("alice", CAPS);
    assert_eq!(
        commands(&harness.request(alice, "JOIN #x")),
        ["JOIN", "MARKREAD", "353", "366"]
    );
    harness.send(alice, &format!("MARKREAD #x {EARLIER}"));
    let (_, received) = harness.connect("alice", CAPS);
    assert_eq!(
        find(&received, "MARKREAD"),
        format!(":irc.test MARKREAD #x {EARLIER}")
    );
    let (_, received) = harness.connect("alice", "");
    assert!(!received.concat().contains("MARKREAD"));
}

#[test]
fn invalid_input_gets_the_code_of_the_specification() {
    let mut harness = Harness::new();
    let (alice, plain) = (harness.user("alice", CAPS), harness.user("bob", ""));
    for (line, expected) in [
        ("MARKREAD", "NEED_MORE_PARAMS :Missing parameters"),
        ("MARKREAD #x *", "INVALID_PARAMS #x * :Invalid timestamp"),
        (
            "MARKREAD #x timestamp=noon",
            "INVALID_PARAMS #x timestamp=noon :Invalid timestamp",
        ),
        (
            "MARKREAD #x 2026-11-11T11:11:11.111Z",
            "INVALID_PARAMS #x 2026-11-11T11:11:11.111Z :Invalid timestamp",
        ),
        (
            "MARKREAD not.a.nick",
            "INVALID_PARAMS not.a.nick :Not a channel",
        ),
    ] {
        let received = harness.request(alice, line);
        let expected = format!(":irc.test FAIL MARKREAD {expected}");
        assert!(
            received.len() == 1 && received[0].starts_with(&expected),
            "{line}: {received:?}"
        );
    }
    assert_eq!(commands(&harness.request(plain, "MARKREAD #x")), ["421"]);
}

#[test]
fn markers_survive_a_restart_except_those_of_guests() {
    let mut harness = Harness::new();
    let (alice, guest) = (harness.user("alice", CAPS), harness.guest("gus", CAPS));
    for session in [alice, guest] {
        for target in ["#x", "bob"] {
            let notice = format!(":irc.test MARKREAD {target} {EARLIER}");
            assert_eq!(
                harness.request(session, &format!("MARKREAD {target} {EARLIER}")),
                [notice]
            );
        }
    }
    assert_eq!(harness.snapshot().read_markers.len(), 2);
    let mut next = harness.restart(settings());
    let (alice, guest) = (next.user("alice", CAPS), next.guest("gus", CAPS));
    assert_eq!(
        next.request(alice, "MARKREAD BOB"),
        [format!(":irc.test MARKREAD BOB {EARLIER}")]
    );
    assert_eq!(
        next.request(guest, "MARKREAD bob"),
        [":irc.test MARKREAD bob *"]
    );
}

#[test]
fn beyond_the_limit_the_oldest_marker_is_removed() {
    let mut harness = Harness::new();
    let alice = harness.user("alice", CAPS);
    harness.send(alice, &format!("MARKREAD oldest {EARLIER}"));
    for number in 1..=500 {
        harness.send(
            alice,
            &format!("MARKREAD nick{number} timestamp=2026-12-01T00:00:00.000Z"),
        );
    }
    assert_eq!(
        harness.request(alice, "MARKREAD oldest"),
        [":irc.test MARKREAD oldest *"]
    );
    let persisted = harness.snapshot().read_markers;
    assert_eq!(persisted.len(), 500);
    let deleted = |change: &&Change| {
        matches!(
            change,
            Change::ReadMarker {
                read_until: None,
                ..
            }
        )
    };
    assert_eq!(harness.persisted.iter().filter(deleted).count(), 1);
}

#[test]
fn the_markers_of_a_renamed_channel_move_to_its_new_name() {
    let mut harness = Harness::new();
    let (alice, guest) = (harness.user("alice", CAPS), harness.guest("gus", CAPS));
    harness.channel("#x", &[alice, guest]);
    for session in [alice, guest] {
        harness.send(session, &format!("MARKREAD #x {EARLIER}"));
    }
    harness.persisted.clear();
    harness.send(alice, "RENAME #x #Y");
    for session in [alice, guest] {
        assert_eq!(
            harness.request(session, "MARKREAD #y"),
            [format!(":irc.test MARKREAD #Y {EARLIER}")]
        );
        assert_eq!(
            harness.request(session, "MARKREAD #x"),
            [":irc.test MARKREAD #x *"]
        );
    }
    let changes: Vec<_> = harness
        .persisted
        .iter()
        .filter(|change| matches!(change, Change::ReadMarker { .. }))
        .collect();
    assert!(
        matches!(
            *changes,
            [
                Change::ReadMarker { target: old, read_until: None, .. },
                Change::ReadMarker { target: new, read_until: Some(_), .. },
            ] if old == "#x" && new == "#y"
        ),
        "{changes:?}"
    );
    harness.persisted.clear();
    harness.send(alice, "RENAME #y #Y");
    assert!(
        !harness
            .persisted
            .iter()
            .any(|change| matches!(change, Change::ReadMarker { .. })),
        "only the letter case differs"
    );
}

#[test]
fn setting_a_marker_weighs_more_than_showing_it_and_a_hundred_fit_a_burst() {
    let weight = |line| crate::weight(&rookery_protocol::Message::parse(line).unwrap());
    let set = weight("MARKREAD #x timestamp=2026-11-11T11:11:11.111Z");
    assert!(set.tenths() > weight("MARKREAD #x").tenths());
    let burst = 20 * Weight::MESSAGE.tenths();
    assert!(100 * set.tenths() <= burst);
}
