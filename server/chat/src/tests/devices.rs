//! The positions of devices that sign in with the password under a name, and those of all devices
//! over restarts.

use rookery_protocol::DeviceName;

use super::harness::*;
use super::playback::{CAPS, connect, lobby, texts};
use crate::event::{Disconnect, Event, Identity, Revoked, SignedInWith};
use crate::request::{EndAll, Kick, KickTarget};
use rookery_record::{
    Change, ChatSnapshot, Device, DeviceKey, DeviceMark, Mark, PasswordFingerprint, message_number,
};

/// Returns the identity of an account that signed in with the password on a device of that name.
fn named(account: &str, device: &str) -> Identity {
    Identity {
        signed_in_with: SignedInWith::Password {
            fingerprint: PasswordFingerprint::UNKNOWN,
            device: Some(DeviceName::parse(device).unwrap()),
        },
        ..identity(account)
    }
}

#[test]
fn named_devices_of_one_password_have_positions_of_their_own() {
    let mut harness = lobby();
    let bob = harness.user("bob", "");
    for device in ["phone", "desk"] {
        let (session, missed) = connect(&mut harness, named("alice", device), CAPS);
        assert!(missed.is_empty(), "a new device has missed nothing");
        harness.disconnect(session);
    }
    harness.advance(60);
    harness.send(bob, "PRIVMSG #x :one");
    let (phone, missed) = connect(&mut harness, named("alice", "phone"), CAPS);
    assert_eq!(texts(&missed), ["one"]);
    harness.send(bob, "PRIVMSG #x :two");
    harness.disconnect(phone);
    harness.advance(60);
    let (_, missed) = connect(&mut harness, named("alice", "desk"), CAPS);
    assert_eq!(texts(&missed), ["one", "two"]);
    let playback = format!("{CAPS} znc.in/playback");
    let (_, missed) = connect(&mut harness, named("alice", "phone"), &playback);
    assert!(missed.is_empty(), "the kind of client makes no difference");
    let (_, missed) = connect(&mut harness, identity("alice"), CAPS);
    assert!(missed.is_empty(), "a client without a name is another one");
}

#[test]
fn a_named_device_that_is_connected_twice_has_one_position() {
    let mut harness = lobby();
    let bob = harness.user("bob", "");
    let (first, _) = connect(&mut harness, named("alice", "phone"), CAPS);
    let (second, missed) = connect(&mut harness, named("alice", "phone"), CAPS);
    assert!(missed.is_empty());
    harness.disconnect(first);
    harness.advance(60);
    harness.send(bob, "PRIVMSG #x :one");
    harness.disconnect(second);
    harness.advance(60);
    harness.send(bob, "PRIVMSG #x :two");
    let (_, missed) = connect(&mut harness, named("alice", "phone"), CAPS);
    assert_eq!(texts(&missed), ["two"]);
}

#[test]
fn what_a_displaced_session_may_not_have_received_is_replayed() {
    for limit in [1, 2] {
        let mut settings = settings_with_lobby("#x");
        settings.sessions_per_account = limit;
        let mut harness = Harness::with(settings);
        let bob = harness.user("bob", "");
        let mut sent = Vec::new();
        connect(&mut harness, named("alice", "phone"), CAPS);
        // The phone loses its connection again and again, and the server has not noticed yet.
        for number in 0..4 {
            harness.advance(5);
            sent.push(number.to_string());
            harness.send(bob, &format!("PRIVMSG #x :{number}"));
            let (_, missed) = connect(&mut harness, named("alice", "phone"), CAPS);
            assert_eq!(texts(&missed), sent, "limit {limit}");
        }
    }
}

#[test]
fn the_named_device_that_was_unused_the_longest_is_forgotten() {
    let mut harness = lobby();
    let bob = harness.user("bob", "");
    let (stays, _) = connect(&mut harness, named("alice", "d0"), CAPS);
    for number in 1..16 {
        harness.advance(60);
        let (session, _) = connect(&mut harness, named("alice", &format!("d{number}")), CAPS);
        harness.disconnect(session);
    }
    harness.advance(60);
    let (session, _) = connect(&mut harness, named("carl", "d1"), CAPS);
    harness.disconnect(session);
    let (session, _) = connect(&mut harness, named("alice", "d16"), CAPS);
    harness.disconnect(session);
    harness.advance(60);
    harness.send(bob, "PRIVMSG #x :one");
    let missed_by = |harness: &mut Harness, account: &str, device: &str| {
        let (session, missed) = connect(harness, named(account, device), CAPS);
        harness.disconnect(session);
        texts(&missed).len()
    };
    for device in ["d2", "d15", "d16"] {
        assert_eq!(missed_by(&mut harness, "alice", device), 1, "{device}");
    }
    assert_eq!(missed_by(&mut harness, "carl", "d1"), 1);
    assert_eq!(
        missed_by(&mut harness, "alice", "d1"),
        0,
        "it was forgotten"
    );
    // The one that stays connected is the oldest, and is not forgotten.
    harness.disconnect(stays);
    harness.advance(60);
    harness.send(bob, "PRIVMSG #x :two");
    assert_eq!(missed_by(&mut harness, "alice", "d0"), 1);
}

#[test]
fn after_a_restart_with_the_clock_set_back_a_device_misses_nothing() {
    let mut harness = lobby();
    let (alice, _) = connect(&mut harness, identity("alice"), CAPS);
    harness.advance(3600);
    harness.disconnect(alice);
    // This server starts at the time at which the other one did.
    let snapshot = harness.snapshot();
    let mut harness = Harness::restored(settings_with_lobby("#x"), Vec::new(), snapshot);
    let bob = harness.user("bob", "");
    harness.send(bob, "PRIVMSG #x :missed");
    let (_, missed) = connect(&mut harness, identity("alice"), CAPS);
    assert_eq!(texts(&missed), ["missed"]);
}

#[test]
fn while_the_clock_stands_still_a_busy_channel_hides_nothing_that_is_missed_elsewhere() {
    let mut harness = lobby();
    let bob = harness.user("bob", "");
    connect(&mut harness, named("alice", "desk"), CAPS);
    let (phone, _) = connect(&mut harness, named("alice", "phone"), CAPS);
    // The times of these are further and further ahead.
    for _ in 0..5 {
        harness.send(bob, "PRIVMSG #x :received");
    }
    harness.disconnect(phone);
    harness.send(bob, "PRIVMSG alice :missed");
    let (_, missed) = connect(&mut harness, named("alice", "phone"), CAPS);
    assert_eq!(texts(&missed), ["missed"]);
}

/// Returns the chat after a restart at the same time, with all that was stored.
fn restarted(harness: &mut Harness) -> Harness {
    let snapshot = ChatSnapshot {
        newest_message: harness.entries.iter().map(|entry| entry.at).max(),
        ..harness.snapshot()
    };
    let mut next = Harness::restored(settings_with_lobby("#x"), Vec::new(), snapshot);
    next.now = harness.now;
    next.entries = std::mem::take(&mut harness.entries);
    next.persisted = std::mem::take(&mut harness.persisted);
    next
}

#[test]
fn over_restarts_a_device_is_sent_what_it_missed_once_whatever_the_clock_does() {
    let mut harness = lobby();
    let mut expected = Vec::new();
    let user = |harness: &mut Harness, name| {
        let authenticated_at = harness.now;
        let identity = Identity {
            authenticated_at,
            ..identity(name)
        };
        connect(harness, identity, CAPS)
    };
    for (round, jump) in [-3600, 7200, 0, -86_400, 1].into_iter().enumerate() {
        let (alice, missed) = user(&mut harness, "alice");
        assert_eq!(texts(&missed), expected, "round {round}");
        let (bob, _) = user(&mut harness, "bob");
        // The times of these messages are later than the clock.
        for _ in 0..3 {
            harness.send(bob, "PRIVMSG #x :received");
        }
        harness.advance(jump);
        harness.send(bob, "PRIVMSG #x :received");
        harness.disconnect(alice);
        expected = vec![format!("before {round}"), format!("after {round}")];
        harness.send(bob, &format!("PRIVMSG #x :{}", expected[0]));
        harness = restarted(&mut harness);
        harness.advance(jump);
        let (bob, _) = user(&mut harness, "bob");
        harness.send(bob, &format!("PRIVMSG #x :{}", expected[1]));
    }
}

#[test]
fn the_mark_of_an_earlier_version_goes_by_time_among_the_messages_of_that_version() {
    let mut old = lobby();
    let bob = old.user("bob", "");
    for text in ["received", "missed before the update"] {
        old.advance(1);
        old.send(bob, &format!("PRIVMSG #x :{text}"));
    }
    for (count, entry) in old.entries.iter_mut().enumerate() {
        entry.msgid = format!("old-{count}");
    }
    let alices = Change::Device(DeviceMark {
        device: Device {
            account: identity("alice").id,
            key: DeviceKey::Password,
        },
        received: Mark {
            message: 0,
            at: old.now,
        },
    });
    old.persisted.push(alices);
    let mut harness = restarted(&mut old);
    let bob = harness.user("bob", "");
    harness.send(bob, "PRIVMSG #x :missed after it");
    let (alice, missed) = connect(&mut harness, identity("alice"), CAPS);
    assert_eq!(
        texts(&missed),
        ["missed before the update", "missed after it"]
    );
    harness.disconnect(alice);
    assert!(connect(&mut harness, identity("alice"), CAPS).1.is_empty());
}

#[test]
fn messages_of_a_channel_that_another_device_has_joined_are_sent_once() {
    let mut harness = Harness::new();
    let bob = harness.user("bob", "");
    harness.channel("#y", &[bob]);
    let (phone, _) = connect(&mut harness, named("alice", "phone"), CAPS);
    harness.disconnect(phone);
    harness.send(bob, "PRIVMSG #y :missed");
    let (desk, _) = connect(&mut harness, named("alice", "desk"), CAPS);
    let (phone, _) = connect(&mut harness, named("alice", "phone"), CAPS);
    harness.send(desk, "JOIN #y");
    harness.send(bob, "PRIVMSG #y :live");
    harness.send(phone, "PING x");
    harness.answer_all_fetches();
    let received = harness.received(phone);
    assert_eq!(texts(&received), ["live", "missed"]);
}

/// The connection reports what it has sent when it closes, which is after the core ended the
/// session.
#[test]
fn what_waited_to_be_sent_when_the_server_ended_a_session_is_replayed() {
    let ends = ["stop", "kick", "revoke"].into_iter();
    for (end, is_sent) in ends.flat_map(|end| [(end, false), (end, true)]) {
        let mut harness = lobby();
        let bob = harness.user("bob", "");
        let (alice, _) = connect(&mut harness, named("alice", "phone"), CAPS);
        harness.advance(60);
        harness.send(bob, "PRIVMSG #x :waits");
        match end {
            "stop" => {
                harness.act(EndAll {
                    reason: "The server is stopping".to_owned(),
                });
            }
            "kick" => {
                harness.act(Kick {
                    target: KickTarget::User("alice".parse().unwrap()),
                    reason: "enough".to_owned(),
                });
            }
            _ => {
                let revoked = Revoked::Password(named("alice", "phone").id);
                harness.event(Event::AccessRevoked { revoked, by: None });
            }
        }
        if end != "stop" {
            harness.send(bob, "PRIVMSG #x :after");
        }
        if is_sent {
            harness.disconnect(alice);
        } else {
            harness.lose_connection(alice);
        }
        let mut harness = restarted(&mut harness);
        let (_, missed) = connect(&mut harness, named("alice", "phone"), CAPS);
        let waited = ["waits"].into_iter().filter(|_| !is_sent);
        let after = ["after"].into_iter().filter(|_| end != "stop");
        let expected: Vec<&str> = waited.chain(after).collect();
        assert_eq!(texts(&missed), expected, "{end}");
    }
}

/// A client may quit and close while what it missed is on its way to its send queue.
#[test]
fn what_was_missed_is_replayed_again_if_the_connection_closed_before_it_was_sent() {
    for quits in [false, true] {
        let mut harness = lobby();
        let bob = harness.user("bob", "");
        let (alice, _) = connect(&mut harness, named("alice", "phone"), CAPS);
        harness.disconnect(alice);
        harness.advance(60);
        harness.send(bob, "PRIVMSG #x :missed");
        let entry = harness.entries.last().unwrap();
        let before = Mark {
            message: message_number(&entry.msgid).unwrap(),
            at: entry.at,
        };
        let (alice, missed) = connect(&mut harness, named("alice", "phone"), CAPS);
        assert_eq!(texts(&missed), ["missed"]);
        if quits {
            harness.send(alice, "QUIT");
        }
        harness.event(Event::Disconnected {
            session: alice,
            disconnect: Disconnect::lost("Connection closed"),
            received: Some(before),
        });
        let (_, missed) = connect(&mut harness, named("alice", "phone"), CAPS);
        assert_eq!(texts(&missed), ["missed"], "quits: {quits}");
    }
}

/// What was sent may have been lost on its way, although the client sends something.
#[test]
fn after_a_broken_connection_a_device_is_sent_what_it_has_not_answered() {
    let mut harness = lobby();
    let bob = harness.user("bob", "");
    let (alice, _) = connect(&mut harness, named("alice", "phone"), CAPS);
    harness.send(bob, "PRIVMSG #x :answered");
    harness.answer_receipt(alice);
    harness.send(bob, "PRIVMSG #x :one");
    harness.send(alice, "PRIVMSG bob :two");
    harness.lose_connection(alice);
    // The connection breaks again, before the answer, and after it.
    for is_answered in [false, true] {
        harness.advance(60);
        let (alice, missed) = connect(&mut harness, named("alice", "phone"), CAPS);
        assert_eq!(texts(&missed), ["one", "two"]);
        if is_answered {
            harness.answer_receipt(alice);
        }
        harness.send(alice, "PING x");
        harness.lose_connection(alice);
    }
    let (_, missed) = connect(&mut harness, named("alice", "phone"), CAPS);
    assert!(missed.is_empty(), "{missed:?}");
}

/// The server does not know that such a client is caught up, however long it is connected.
#[test]
fn after_a_minute_a_client_that_answers_nothing_is_sent_all_that_it_requests() {
    let mut harness = lobby();
    let bob = harness.user("bob", "");
    harness.channel("#y", &[bob]);
    harness.send(bob, "MODE #y -n");
    let (alice, _) = connect(&mut harness, identity("alice"), CAPS);
    harness.disconnect(alice);
    harness.send(bob, "PRIVMSG #x :missed");
    let (alice, missed) = connect(&mut harness, identity("alice"), CAPS);
    assert_eq!(texts(&missed), ["missed"]);
    harness.advance(61);
    for _ in 0..3 {
        harness.send(alice, "PRIVMSG #y :own");
        harness.received(alice);
        harness.send(alice, "PRIVMSG *playback :PLAY #x");
        harness.answer_all_fetches();
        assert_eq!(texts(&harness.received(alice)), ["missed"]);
    }
    let session = harness.chat.state.session(alice).unwrap();
    let catch_up = session.catch_up.as_ref();
    let remembered = catch_up.map_or(0, |catch_up| catch_up.sent.len());
    assert!(remembered <= 1, "what the last reply has sent");
}

#[test]
fn after_a_crash_a_device_is_sent_what_it_has_not_certainly_received() {
    let mut harness = lobby();
    let bob = harness.user("bob", "");
    let (alice, _) = connect(&mut harness, named("alice", "phone"), CAPS);
    harness.send(bob, "PRIVMSG #x :received");
    harness.advance(61);
    harness.send(bob, "PRIVMSG #x :received");
    harness.answer_receipt(alice);
    let marks = |harness: &Harness| {
        let marks = harness.persisted.iter();
        let own = identity("alice").id;
        let is_own =
            |change: &&Change| matches!(change, Change::Device(mark) if mark.device.account == own);
        marks.filter(is_own).count()
    };
    let before = marks(&harness);
    for text in ["one", "two", "three"] {
        harness.advance(10);
        harness.send(bob, &format!("PRIVMSG #x :{text}"));
        harness.answer_receipt(alice);
    }
    assert_eq!(marks(&harness), before, "it is stored once a minute");
    let mut harness = restarted(&mut harness);
    let (_, missed) = connect(&mut harness, named("alice", "phone"), CAPS);
    assert_eq!(texts(&missed), ["one", "two", "three"]);
}

#[test]
fn a_replay_of_a_channel_that_was_joined_later_is_sent_again_if_the_connection_breaks() {
    let mut harness = Harness::new();
    let bob = harness.user("bob", "");
    harness.channel("#x", &[bob]);
    let (alice, _) = connect(&mut harness, identity("alice"), CAPS);
    harness.disconnect(alice);
    harness.advance(90);
    harness.send(bob, "PRIVMSG #x :missed");
    for (expected, is_answered) in [(&["missed"][..], false), (&["missed"], true), (&[], false)] {
        harness.advance(90);
        let (alice, _) = connect(&mut harness, identity("alice"), CAPS);
        harness.answer_receipt(alice);
        harness.send(alice, "JOIN #x");
        harness.received(alice);
        harness.answer_all_fetches();
        assert_eq!(texts(&harness.received(alice)), expected);
        if is_answered {
            harness.answer_receipt(alice);
        }
        harness.lose_connection(alice);
    }
}

#[test]
fn what_a_user_sends_to_a_channel_before_joining_it_is_not_replayed() {
    let mut harness = Harness::new();
    let bob = harness.user("bob", "");
    harness.channel("#x", &[bob]);
    harness.send(bob, "MODE #x -n");
    let (alice, _) = connect(&mut harness, identity("alice"), CAPS);
    harness.disconnect(alice);
    harness.send(bob, "PRIVMSG #x :missed");
    let (alice, _) = connect(&mut harness, identity("alice"), CAPS);
    harness.send(alice, "PRIVMSG #x :own");
    harness.send(alice, "JOIN #x");
    harness.received(alice);
    harness.answer_all_fetches();
    assert_eq!(texts(&harness.received(alice)), ["missed"]);
}
