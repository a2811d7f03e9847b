//! Activity statistics: the busiest users and channels.

use super::harness::*;
use crate::event::SessionId;
use crate::request::{Busy, FindBusiest};

fn busy(harness: &mut Harness, limit: usize, sessions: &[SessionId]) -> Busy {
    let sessions = sessions.to_vec();
    *harness.reply_to(FindBusiest { limit, sessions })
}

/// Returns the name, members and messages of each of the busiest channels.
fn channels(busy: &Busy) -> Vec<String> {
    busy.busiest_channels
        .iter()
        .map(|channel| format!("{} {} {}", channel.name, channel.members, channel.messages))
        .collect()
}

/// Returns the nick, sessions and messages of each of the busiest users.
fn users(busy: &Busy) -> Vec<String> {
    busy.busiest_users
        .iter()
        .map(|user| format!("{} {} {}", user.nick, user.sessions, user.messages))
        .collect()
}

#[test]
fn a_message_counts_for_its_sender_and_its_channel_for_a_minute() {
    let mut harness = Harness::new();
    let alice = harness.user("alice", "");
    let bob = harness.user("bob", "");
    let guest = harness.guest("gast", "");
    harness.channel("#one", &[alice, bob]);
    harness.channel("#two", &[bob, alice, guest]);
    assert_eq!(
        channels(&busy(&mut harness, 9, &[])),
        [""; 0],
        "a join is not a message"
    );

    for _ in 0..3 {
        harness.send(bob, "PRIVMSG #two :hello");
    }
    harness.send(alice, "NOTICE #one :hello");
    harness.send(alice, "PRIVMSG gast :direct");
    harness.send(guest, "PRIVMSG #one,#two :not a member of #one");
    // None of these counts as a message.
    for line in [
        "PING x",
        "TAGMSG #two",
        "PRIVMSG #none :x",
        "PRIVMSG nobody :x",
        "PRIVMSG #two",
        "AWAY :x",
    ] {
        harness.send(alice, line);
    }
    let now = busy(&mut harness, 9, &[]);
    assert_eq!(channels(&now), ["#two 3 4", "#one 2 1"]);
    assert_eq!(users(&now), ["bob 1 3", "alice 1 2", "gast 1 1"]);
    assert_eq!(
        (now.users, now.guests, now.sessions, now.channels),
        (3, 1, 3, 2)
    );
    let now = busy(&mut harness, 1, &[]);
    assert_eq!(
        (channels(&now).len(), users(&now).len()),
        (1, 1),
        "at most the requested number"
    );

    harness.advance(70);
    harness.send(alice, "PRIVMSG #one :still here");
    let now = busy(&mut harness, 9, &[]);
    assert_eq!(
        (channels(&now), users(&now)),
        (vec!["#one 2 1".to_owned()], vec!["alice 1 1".to_owned()])
    );
}

#[test]
fn a_message_of_several_lines_counts_once() {
    let mut harness = Harness::new();
    let alice = harness.user("alice", "batch draft/multiline");
    harness.channel("#x", &[alice]);
    for line in [
        "BATCH +1 draft/multiline #x",
        "@batch=1 PRIVMSG #x :one",
        "@batch=1 PRIVMSG #x :two",
        "BATCH -1",
    ] {
        harness.send(alice, line);
    }
    assert_eq!(channels(&busy(&mut harness, 9, &[])), ["#x 1 1"]);
}

#[test]
fn sessions_are_listed_with_their_owners_until_they_end() {
    let mut harness = Harness::new();
    let alice = harness.user("alice", "");
    let guest = harness.guest("gast", "");
    let bob = harness.user("bob", "");
    harness.disconnect(bob);
    let now = busy(&mut harness, 9, &[guest, bob, alice]);
    let owners: Vec<_> = now
        .owners
        .iter()
        .map(|owner| (owner.session, owner.nick.as_str(), owner.account.is_some()))
        .collect();
    assert_eq!(
        owners,
        [(guest, "gast", false), (alice, "alice", true)],
        "in the requested order"
    );
    assert_eq!(now.owners[0].address.to_string(), "192.0.2.1:50000");
}
