//! Kicks: the sessions that they end, and when they are complete.

use super::harness::*;
use crate::request::{Admission, Ended, Kick, KickTarget};
use rookery_record::BanTarget;

#[test]
fn a_kick_ends_every_session_and_completes_when_they_have_ended() {
    let mut harness = Harness::new();
    let sessions = [harness.user("alice", ""), harness.user("alice", "")];
    let bob = harness.user("bob", "");
    harness.channel("#x", &[sessions[0], bob]);
    let ticket = harness.act(kick("ALICE", "be\r\nnice"));
    assert_eq!(
        harness.received(bob),
        [":alice!~alice@users.irc.test QUIT :Kicked: be  nice"]
    );
    assert_eq!(
        harness.ended,
        sessions.map(|session| (session, "ERROR :Kicked: be  nice".to_owned()))
    );
    assert!(harness.received(sessions[0]).is_empty());

    let counts = harness.counts();
    assert_eq!((counts.users, counts.sessions), (1, 1));
    assert!(harness.answer(ticket).is_none());
    harness.disconnect(sessions[1]);
    assert!(harness.answer(ticket).is_none());
    harness.disconnect(sessions[0]);
    let Some(Ended { users, sessions: 2 }) = harness.answer(ticket) else {
        panic!()
    };
    assert_eq!(users, [nick("alice")]);
    assert_eq!(harness.received(bob).len(), 0, "no second QUIT is sent");
    harness.user("alice", "");
}

#[test]
fn a_kick_without_a_target_is_answered_at_once() {
    let mut harness = Harness::new();
    let Ended { users, sessions } = harness.reply_to(kick("nobody", "x"));
    assert!(users.is_empty() && sessions == 0);
}

#[test]
fn a_second_kick_waits_for_the_sessions_of_the_first() {
    let mut harness = Harness::new();
    let alice = harness.user("alice", "");
    let first = harness.act(kick("alice", "x"));
    let second = harness.act(kick("alice", "x"));
    assert!(
        harness.answer(second).is_none(),
        "a session of alice is still connected"
    );
    harness.disconnect(alice);
    assert!(matches!(
        harness.answer(first),
        Some(Ended { sessions: 1, .. })
    ));
    assert!(matches!(
        harness.answer(second),
        Some(Ended { sessions: 0, .. })
    ));
}

#[test]
fn a_kick_of_one_session_leaves_the_others() {
    let mut harness = Harness::new();
    let (phone, desk) = (harness.user("alice", ""), harness.user("alice", ""));
    let bob = harness.user("bob", "");
    harness.channel("#x", &[phone, bob]);
    let kick_session = |name: &str, session| Kick {
        target: KickTarget::Session(nick(name), session),
        reason: "lost".to_owned(),
    };
    let reply = harness.reply_to(kick_session("bob", phone));
    assert_eq!(reply.sessions, 0, "it is not a session of bob");
    assert!(harness.ended.is_empty());

    let ticket = harness.act(kick_session("Alice", phone));
    assert_eq!(harness.ended, [(phone, "ERROR :Kicked: lost".to_owned())]);
    assert!(harness.received(bob).is_empty(), "alice is still connected");
    let second = harness.act(kick_session("alice", phone));
    assert!(harness.answer(ticket).is_none() && harness.answer(second).is_none());
    harness.disconnect(phone);
    assert!(matches!(
        harness.answer(ticket),
        Some(Ended { sessions: 1, .. })
    ));
    assert!(matches!(
        harness.answer(second),
        Some(Ended { sessions: 0, .. })
    ));

    let ticket = harness.act(kick_session("alice", desk));
    harness.disconnect(desk);
    assert!(matches!(
        harness.answer(ticket),
        Some(Ended { sessions: 1, .. })
    ));
    assert_eq!(
        harness.received(bob),
        [":alice!~alice@users.irc.test QUIT :Kicked: lost"]
    );
}

#[test]
fn a_kick_of_a_ban_target_ends_the_sessions_it_covers_and_bans_no_one() {
    let mut harness = Harness::new();
    let local = harness.user("alice", "");
    let alice = Harness::candidate("alice", Some(identity("alice")), "");
    let (remote, _) = harness.try_admit(at_address("198.51.100.9", alice.clone()));
    let bob = harness.user("bob", "");
    let (gast, _) = harness.try_admit(at_address(
        "198.51.100.9",
        Harness::candidate("gast", None, ""),
    ));
    let kick_covered = |target: &str| Kick {
        target: KickTarget::Covered {
            target: BanTarget::parse(target).unwrap(),
            account_email: None,
        },
        reason: "out".to_owned(),
    };
    harness.act(kick_covered("198.51.100.0/28"));
    assert_eq!(harness.ended_sessions(), [remote, gast]);
    let ticket = harness.act(kick_covered("A*@example.org"));
    assert_eq!(
        harness.ended.last().unwrap(),
        &(local, "ERROR :Kicked: out".to_owned())
    );
    harness.disconnect(local);
    assert!(
        harness.answer(ticket).is_none(),
        "the other session of alice is still connected"
    );
    harness.disconnect(remote);
    assert!(matches!(
        harness.answer(ticket),
        Some(Ended { sessions: 1, .. })
    ));
    assert!(
        !harness.request(bob, "PING x").is_empty(),
        "bob is not affected"
    );
    assert!(
        matches!(harness.try_admit(alice).1, Admission::Admitted),
        "a kick is not a ban"
    );
}

#[test]
fn a_kick_right_after_a_direct_message_ends_the_user_once() {
    let mut harness = Harness::new();
    let (a, b) = (
        harness.user("alice", "echo-message"),
        harness.user("bob", ""),
    );
    harness.send(a, "PRIVMSG bob :last words");
    let ticket = harness.act(kick("alice", "x"));
    harness.send(a, "PRIVMSG bob :too late");
    harness.disconnect(a);
    assert_eq!(
        harness.received(b),
        [":alice!~alice@users.irc.test PRIVMSG bob :last words"]
    );
    assert_eq!(harness.ended.len(), 1);
    assert!(matches!(
        harness.answer(ticket),
        Some(Ended { sessions: 1, .. })
    ));
}
