//! Who and what is busy.

use super::play::*;
use crate::event::{Act, Answer, SessionId};
use crate::views::Busy;

fn busy(play: &mut Play, most: usize, sessions: &[SessionId]) -> Busy {
    let ticket = play.act(Act::FindBusy {
        most,
        sessions: sessions.to_vec(),
    });
    match play.answer(ticket) {
        Some(Answer::Busy(busy)) => *busy,
        other => panic!("{other:?}"),
    }
}

fn channels(busy: &Busy) -> Vec<String> {
    let shown = busy.busiest_channels.iter();
    shown
        .map(|it| format!("{} {} {}", it.name, it.members, it.messages))
        .collect()
}

fn users(busy: &Busy) -> Vec<String> {
    busy.busiest_users
        .iter()
        .map(|it| format!("{} {} {}", it.nick, it.sessions, it.messages))
        .collect()
}

#[test]
fn what_is_said_counts_for_its_speaker_and_its_channel_for_a_minute() {
    let mut play = Play::new();
    let alice = play.user("alice", "");
    let bob = play.user("bob", "");
    let guest = play.guest("gast", "");
    play.channel("#one", &[alice, bob]);
    play.channel("#two", &[bob, alice, guest]);
    assert_eq!(
        channels(&busy(&mut play, 9, &[])),
        [""; 0],
        "to join is to say nothing"
    );

    for _ in 0..3 {
        play.send(bob, "PRIVMSG #two :hello");
    }
    play.send(alice, "NOTICE #one :hello");
    play.send(alice, "PRIVMSG gast :in private");
    play.send(guest, "PRIVMSG #one,#two :I am no member of the first");
    // None of these is said.
    for line in [
        "PING x",
        "TAGMSG #two",
        "PRIVMSG #none :x",
        "PRIVMSG nobody :x",
        "PRIVMSG #two",
        "AWAY :x",
    ] {
        play.send(alice, line);
    }
    let now = busy(&mut play, 9, &[]);
    assert_eq!(channels(&now), ["#two 3 4", "#one 2 1"]);
    assert_eq!(users(&now), ["bob 1 3", "alice 1 2", "gast 1 1"]);
    assert_eq!(
        (now.users, now.guests, now.sessions, now.channels),
        (3, 1, 3, 2)
    );
    let now = busy(&mut play, 1, &[]);
    assert_eq!(
        (channels(&now).len(), users(&now).len()),
        (1, 1),
        "as many as were asked for"
    );

    play.wait(70);
    play.send(alice, "PRIVMSG #one :still here");
    let now = busy(&mut play, 9, &[]);
    assert_eq!(
        (channels(&now), users(&now)),
        (vec!["#one 2 1".to_owned()], vec!["alice 1 1".to_owned()])
    );
}

#[test]
fn a_message_of_several_lines_counts_once() {
    let mut play = Play::new();
    let alice = play.user("alice", "batch draft/multiline");
    play.channel("#x", &[alice]);
    for line in [
        "BATCH +1 draft/multiline #x",
        "@batch=1 PRIVMSG #x :one",
        "@batch=1 PRIVMSG #x :two",
        "BATCH -1",
    ] {
        play.send(alice, line);
    }
    assert_eq!(channels(&busy(&mut play, 9, &[])), ["#x 1 1"]);
}

#[test]
fn sessions_are_told_with_their_owners_unless_they_are_gone() {
    let mut play = Play::new();
    let alice = play.user("alice", "");
    let guest = play.guest("gast", "");
    let bob = play.user("bob", "");
    play.gone(bob);
    let now = busy(&mut play, 9, &[guest, bob, alice]);
    let told: Vec<_> = now
        .owners
        .iter()
        .map(|it| (it.session, it.nick.as_str(), it.account.is_some()))
        .collect();
    assert_eq!(
        told,
        [(guest, "gast", false), (alice, "alice", true)],
        "in the order asked"
    );
    assert_eq!(now.owners[0].address.to_string(), "192.0.2.1:50000");
}
