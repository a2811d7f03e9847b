//! The positions of devices that sign in with the password under a name.

use rookery_protocol::DeviceName;

use super::harness::*;
use super::playback::{CAPS, connect, lobby, texts};
use crate::event::{Identity, SignedInWith};

/// Returns the identity of an account that signed in with the password on a device of that name.
fn named(account: &str, device: &str) -> Identity {
    Identity {
        signed_in_with: SignedInWith::Password {
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
