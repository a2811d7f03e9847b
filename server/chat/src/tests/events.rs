//! The live events that admins receive.

use std::borrow::Cow;

use rookery_control_api::{DisconnectReason, ServerEvent};

use super::harness::*;
use crate::event::{Disconnect, Event};
use crate::request::{AddBans, EndAll};

/// Returns the users that have disconnected, in order, each with its reason.
fn disconnects(harness: &mut Harness) -> Vec<(String, DisconnectReason)> {
    let disconnect = |event| match event {
        ServerEvent::UserDisconnected { nick, reason, .. } => Some((nick, reason)),
        _ => None,
    };
    std::mem::take(&mut harness.events)
        .into_iter()
        .filter_map(disconnect)
        .collect()
}

#[test]
fn a_user_with_two_sessions_connects_and_disconnects_once() {
    let mut harness = Harness::new();
    let first = harness.user("alice", "");
    let connected = ServerEvent::UserConnected {
        nick: "alice".to_owned(),
        account: Some("alice".to_owned()),
        address: "192.0.2.1:50000".to_owned(),
    };
    assert_eq!(std::mem::take(&mut harness.events), [connected]);
    let second = harness.user("alice", "");
    harness.disconnect(first);
    assert_eq!(harness.events, []);
    harness.disconnect(second);
    let disconnected = ServerEvent::UserDisconnected {
        nick: "alice".to_owned(),
        account: Some("alice".to_owned()),
        reason: DisconnectReason::ConnectionLost,
    };
    assert_eq!(harness.events, [disconnected]);
}

#[test]
fn the_reason_of_a_disconnect_is_reported() {
    let mut harness = Harness::new();
    for (why, words) in [
        (DisconnectReason::PingTimeout, "Ping timeout"),
        (DisconnectReason::SendqExceeded, "SendQ exceeded"),
    ] {
        let session = harness.user("alice", "");
        harness.event(Event::Disconnected {
            session,
            disconnect: Disconnect {
                reason: why,
                text: Cow::Borrowed(words),
            },
            received: None,
        });
    }
    let quitter = harness.user("alice", "");
    harness.send(quitter, "QUIT :SendQ exceeded");
    harness.user("alice", "");
    harness.act(kick("alice", "loud"));
    harness.user("bob", "");
    harness.act(AddBans(vec![ban(1, "bob", "spam")]));
    harness.user("carl", "");
    harness.act(end_account("carl", "moved"));
    harness.user("dora", "");
    harness.act(EndAll {
        reason: "over".to_owned(),
    });
    let disconnects = disconnects(&mut harness);
    let reasons: Vec<_> = disconnects
        .iter()
        .map(|(nick, reason)| (nick.as_str(), *reason))
        .collect();
    assert_eq!(
        reasons,
        [
            ("alice", DisconnectReason::PingTimeout),
            ("alice", DisconnectReason::SendqExceeded),
            ("alice", DisconnectReason::Quit),
            ("alice", DisconnectReason::Kicked),
            ("bob", DisconnectReason::Banned),
            ("carl", DisconnectReason::AccountEnded),
            ("dora", DisconnectReason::ServerStopping),
        ]
    );
}

#[test]
fn a_guest_who_signs_in_is_renamed_or_joins_its_accounts_user() {
    let mut harness = Harness::new();
    let guest = harness.guest("gus", "");
    harness.events.clear();
    harness.sign_in(guest, identity("alice"));
    let renamed = ServerEvent::UserRenamed {
        nick: "alice".to_owned(),
        previous_nick: "gus".to_owned(),
    };
    assert_eq!(std::mem::take(&mut harness.events), [renamed]);
    let guest = harness.guest("hal", "");
    harness.events.clear();
    harness.sign_in(guest, identity("alice"));
    assert_eq!(
        disconnects(&mut harness),
        [("hal".to_owned(), DisconnectReason::SignedIn)]
    );
}

#[test]
fn channels_are_reported_when_created_and_removed() {
    let mut harness = Harness::new();
    let gus = harness.guest("gus", "");
    let hal = harness.guest("hal", "");
    harness.events.clear();
    harness.channel("#a", &[gus, hal]);
    let created = |by: &str| ServerEvent::ChannelCreated {
        channel: "#a".to_owned(),
        by: by.to_owned(),
    };
    assert_eq!(std::mem::take(&mut harness.events), [created("gus")]);
    harness.send(gus, "PRIVMSG #a :a secret");
    harness.send(gus, "PART #a :a secret");
    assert_eq!(harness.events, []);
    harness.disconnect(hal);
    let removed = ServerEvent::ChannelRemoved {
        channel: "#a".to_owned(),
    };
    assert_eq!(std::mem::take(&mut harness.events)[0], removed);

    // A channel that an account owns exists until it is closed.
    let alice = harness.user("alice", "");
    harness.events.clear();
    harness.channel("#a", &[alice]);
    assert_eq!(std::mem::take(&mut harness.events), [created("alice")]);
    harness.send(alice, "PART #a");
    assert_eq!(harness.events, []);
    harness.act(close_channel("#a", "over"));
    assert_eq!(harness.events, [removed]);
}
