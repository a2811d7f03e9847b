//! MARKREAD.

use super::lasting::restored;
use super::play::*;
use rookery_record::Change;

const CAPS: &str = "draft/read-marker";
/// A time before the play begins.
const EARLIER: &str = "timestamp=2026-11-11T11:11:11.111Z";

#[test]
fn a_marker_is_told_to_ones_other_sessions_and_to_nobody_else() {
    let mut play = Play::new();
    let [one, other, plain] = [CAPS, CAPS, ""].map(|capabilities| play.user("alice", capabilities));
    let bob = play.user("bob", CAPS);
    play.channel("#X", &[one, bob]);
    assert_eq!(play.ask(one, "MARKREAD #x"), [":irc.test MARKREAD #X *"]);
    let told = format!(":irc.test MARKREAD #X {EARLIER}");
    assert_eq!(play.ask(one, &format!("MARKREAD #x {EARLIER}")), [&*told]);
    assert_eq!(play.heard(other), [&*told]);
    assert!(play.heard(plain).is_empty() && play.heard(bob).is_empty());
    assert_eq!(
        play.ask(bob, "MARKREAD #x"),
        [":irc.test MARKREAD #X *"],
        "everyone's own"
    );

    // It only moves on, and not into the future.
    assert_eq!(
        play.ask(one, "MARKREAD #x timestamp=2020-01-01T00:00:00.000Z"),
        [&*told]
    );
    assert!(play.heard(other).is_empty(), "no news");
    let now = ":irc.test MARKREAD Bob timestamp=2027-01-15T08:00:00.000Z";
    assert_eq!(
        play.ask(one, "MARKREAD Bob timestamp=2999-01-01T00:00:00.000Z"),
        [now]
    );
    assert_eq!(
        play.ask(other, "MARKREAD BOB")[0],
        now.replace("Bob", "BOB")
    );
}

#[test]
fn whoever_joins_or_comes_is_told_before_the_names() {
    let mut play = Play::new();
    let alice = play.user("alice", CAPS);
    assert_eq!(
        commands(&play.ask(alice, "JOIN #x")),
        ["JOIN", "MARKREAD", "353", "366"]
    );
    play.send(alice, &format!("MARKREAD #x {EARLIER}"));
    let (second, _) = play.try_admit(Play::candidate("alice", Some(identity("alice")), CAPS));
    let heard = play.heard(second);
    assert_eq!(
        find(&heard, "MARKREAD"),
        format!(":irc.test MARKREAD #x {EARLIER}")
    );
    let (plain, _) = play.try_admit(Play::candidate("alice", Some(identity("alice")), ""));
    assert!(
        play.heard(plain)
            .iter()
            .all(|line| !line.contains("MARKREAD"))
    );
}

#[test]
fn what_is_not_in_order_gets_the_code_of_the_specification() {
    let mut play = Play::new();
    let (alice, plain) = (play.user("alice", CAPS), play.user("bob", ""));
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
        let heard = play.ask(alice, line);
        let expected = format!(":irc.test FAIL MARKREAD {expected}");
        assert!(
            heard.len() == 1 && heard[0].starts_with(&expected),
            "{line}: {heard:?}"
        );
    }
    assert_eq!(commands(&play.ask(plain, "MARKREAD #x")), ["421"]);
}

#[test]
fn markers_outlive_a_restart_and_those_of_guests_do_not() {
    let mut play = Play::new();
    let (alice, guest) = (play.user("alice", CAPS), play.guest("gus", CAPS));
    for session in [alice, guest] {
        for target in ["#x", "bob"] {
            let told = format!(":irc.test MARKREAD {target} {EARLIER}");
            assert_eq!(
                play.ask(session, &format!("MARKREAD {target} {EARLIER}")),
                [told]
            );
        }
    }
    assert_eq!(restored(&play.kept).read_markers.len(), 2);
    let mut next = Play::restored(settings(), Vec::new(), restored(&play.kept));
    let (alice, guest) = (next.user("alice", CAPS), next.guest("gus", CAPS));
    assert_eq!(
        next.ask(alice, "MARKREAD BOB"),
        [format!(":irc.test MARKREAD BOB {EARLIER}")]
    );
    assert_eq!(
        next.ask(guest, "MARKREAD bob"),
        [":irc.test MARKREAD bob *"]
    );
}

#[test]
fn of_too_many_the_one_that_lies_furthest_back_is_forgotten() {
    let mut play = Play::new();
    let alice = play.user("alice", CAPS);
    play.send(alice, &format!("MARKREAD oldest {EARLIER}"));
    for number in 1..=1000 {
        play.send(
            alice,
            &format!("MARKREAD nick{number} timestamp=2026-12-01T00:00:00.000Z"),
        );
    }
    assert_eq!(
        play.ask(alice, "MARKREAD oldest"),
        [":irc.test MARKREAD oldest *"]
    );
    let kept = restored(&play.kept).read_markers;
    assert_eq!(kept.len(), 1000);
    let forgotten = |change: &&Change| {
        matches!(
            change,
            Change::ReadMarker {
                read_until: None,
                ..
            }
        )
    };
    assert_eq!(play.kept.iter().filter(forgotten).count(), 1);
}

#[test]
fn what_was_read_of_a_channel_stays_read_under_its_new_name() {
    let mut play = Play::new();
    let (alice, guest) = (play.user("alice", CAPS), play.guest("gus", CAPS));
    play.channel("#x", &[alice, guest]);
    for session in [alice, guest] {
        play.send(session, &format!("MARKREAD #x {EARLIER}"));
    }
    play.kept.clear();
    play.send(alice, "RENAME #x #Y");
    for session in [alice, guest] {
        assert_eq!(
            play.ask(session, "MARKREAD #y"),
            [format!(":irc.test MARKREAD #Y {EARLIER}")]
        );
        assert_eq!(
            play.ask(session, "MARKREAD #x"),
            [":irc.test MARKREAD #x *"]
        );
    }
    let kept: Vec<_> = play
        .kept
        .iter()
        .filter(|kept| matches!(kept, Change::ReadMarker { .. }))
        .collect();
    assert!(
        matches!(
            *kept,
            [
                Change::ReadMarker { target: old, read_until: None, .. },
                Change::ReadMarker { target: new, read_until: Some(_), .. },
            ] if old == "#x" && new == "#y"
        ),
        "{kept:?}"
    );
    play.kept.clear();
    play.send(alice, "RENAME #y #Y");
    assert!(
        !play
            .kept
            .iter()
            .any(|kept| matches!(kept, Change::ReadMarker { .. })),
        "only the letter case"
    );
}
