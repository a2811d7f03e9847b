//! Bans: the sessions that they end, and the users that they refuse.

use jiff::SignedDuration;

use super::harness::*;
use crate::event::Event;
use crate::request::{AddBans, Admission, Ended, FindCovered, RemoveBan};
use rookery_record::{BanId, BanTarget, EmailAliases};

#[test]
fn a_ban_waits_for_sessions_that_are_quitting() {
    let mut harness = Harness::new();
    let alice = harness.user("alice", "");
    harness.send(alice, "QUIT");
    let ticket = harness.act(AddBans(vec![ban(1, "alice", "x")]));
    assert!(harness.answer(ticket).is_none());
    harness.disconnect(alice);
    assert!(matches!(
        harness.answer(ticket),
        Some(Ended { sessions: 0, .. })
    ));
}

#[test]
fn a_ban_ends_the_sessions_it_covers_and_refuses_new_ones() {
    let mut harness = Harness::new();
    let sessions = [harness.user("alice", ""), harness.user("alice", "")];
    let bob = harness.user("bob", "");
    harness.channel("#x", &[bob, sessions[0]]);
    let ticket = harness.act(AddBans(vec![ban(7, "Alice@EXAMPLE.org", "spam")]));
    assert_eq!(
        harness.received(bob),
        [":alice!~alice@users.irc.test QUIT :Banned"]
    );
    for session in sessions {
        assert_eq!(
            harness.received(session),
            [":irc.test 465 alice :You are banned from this server: spam"]
        );
        harness.disconnect(session);
    }
    assert_eq!(harness.ended[0].1, "ERROR :Banned: spam");
    assert!(matches!(
        harness.answer(ticket),
        Some(Ended { sessions: 2, .. })
    ));
    let again = Harness::candidate("x", Some(identity("alice")), "");
    assert!(matches!(
        harness.try_admit(again.clone()).1,
        Admission::Banned { .. }
    ));
    harness.reply_to(RemoveBan(BanId(7)));
    assert!(matches!(harness.try_admit(again).1, Admission::Admitted));
}

#[test]
fn a_banned_user_learns_when_the_ban_ends() {
    let mut harness = Harness::new();
    let alice = harness.user("alice", "");
    let mut expiring = ban(7, "alice", "spam");
    expiring.expires_at = Some(START + SignedDuration::from_secs(60));
    harness.act(AddBans(vec![expiring]));
    let until = format!("spam (until {:.0})", START + SignedDuration::from_secs(60));
    assert_eq!(
        harness.received(alice),
        [format!(
            ":irc.test 465 alice :You are banned from this server: {until}"
        )]
    );
    assert_eq!(harness.ended[0].1, format!("ERROR :Banned: {until}"));
}

#[test]
fn a_ban_replaces_an_earlier_one_of_the_same_target() {
    let mut harness = Harness::new();
    harness.act(AddBans(vec![ban(1, "alice", "first")]));
    let mut second = ban(2, "alice", "second");
    second.expires_at = Some(START + SignedDuration::from_secs(10));
    harness.act(AddBans(vec![second]));
    let candidate = Harness::candidate("x", Some(identity("alice")), "");
    let Admission::Banned { reason, .. } = harness.try_admit(candidate.clone()).1 else {
        panic!()
    };
    assert_eq!(reason, "second");
    assert_eq!(harness.counts().bans, 1);
    harness.advance(10);
    assert!(matches!(
        harness.try_admit(candidate).1,
        Admission::Admitted
    ));
    assert_eq!(harness.counts().bans, 0, "it has expired");
}

#[test]
fn a_ban_is_in_force_again_after_the_clock_was_ahead_and_another_was_added() {
    let mut harness = Harness::new();
    let mut expiring = ban(1, "alice", "spam");
    expiring.expires_at = Some(START + SignedDuration::from_secs(60));
    harness.act(AddBans(vec![expiring]));
    harness.advance(3600);
    harness.act(AddBans(vec![ban(2, "bob", "noise")]));
    assert_eq!(harness.counts().bans, 1);
    harness.advance(-3600);
    assert_eq!(harness.counts().bans, 2);
    let alice = Harness::candidate("alice", Some(identity("alice")), "");
    assert!(matches!(
        harness.try_admit(alice).1,
        Admission::Banned { .. }
    ));
}

#[test]
fn who_connected_while_the_clock_was_past_the_end_of_a_ban_is_ended_once_it_is_right() {
    let mut harness = Harness::new();
    let bob = harness.user("bob", "");
    for (id, target) in [(1, "alice"), (2, "198.51.100.9"), (3, "erin")] {
        let mut expiring = ban(id, target, "spam");
        expiring.expires_at = Some(START + SignedDuration::from_secs(60 * id));
        harness.act(AddBans(vec![expiring]));
    }
    harness.advance(7200);
    let alice = harness.user("alice", "");
    let carol = Harness::candidate("carol", Some(identity("carol")), "");
    let (carol, _) = harness.try_admit(at_address("198.51.100.9", carol));
    harness.channel("#x", &[bob, alice, carol]);
    let erin = harness.user("erin", "");
    // The bans end 60, 120 and 180 seconds after the start.
    let mut ended = Vec::new();
    for (seconds, session) in [(-7200 + 150, erin), (-70, carol), (-30, alice)] {
        harness.advance(seconds);
        harness.send(bob, "PING x");
        ended.push(session);
        assert_eq!(harness.ended_sessions(), ended);
    }
    let until = format!("{:.0}", START + SignedDuration::from_secs(60));
    assert_eq!(
        harness.received(alice).last().unwrap(),
        &format!(":irc.test 465 alice :You are banned from this server: spam (until {until})")
    );
    let quits = harness
        .received(bob)
        .join(" ")
        .matches("QUIT :Banned")
        .count();
    assert_eq!(quits, 2, "others in the channel are notified");
}

#[test]
fn a_ban_of_a_network_ends_the_sessions_from_there_and_no_others() {
    let mut harness = Harness::new();
    let local = harness.user("alice", "");
    let alice = Harness::candidate("alice", Some(identity("alice")), "");
    let (remote, _) = harness.try_admit(at_address("198.51.100.9", alice.clone()));
    let guest = Harness::candidate("gast", None, "");
    let (gast, _) = harness.try_admit(at_address("198.51.100.10", guest.clone()));
    let bob = harness.user("bob", "");
    harness.channel("#x", &[bob, local, gast]);
    let ticket = harness.act(AddBans(vec![ban(1, "198.51.100.0/24", "spam")]));
    assert_eq!(harness.ended_sessions(), [remote, gast]);
    assert!(
        harness.answer(ticket).is_none(),
        "their connections are still open"
    );
    assert_eq!(
        harness.received(bob),
        [":gast!~gast@guests.irc.test QUIT :Banned"],
        "alice is still connected"
    );
    assert_eq!(
        harness.received(remote).last().unwrap(),
        ":irc.test 465 alice :You are banned from this server: spam"
    );
    assert_eq!(
        harness.request(local, "PING x"),
        [":irc.test PONG irc.test :x"]
    );
    harness.disconnect(remote);
    harness.disconnect(gast);
    let Some(Ended { users, sessions: 2 }) = harness.answer(ticket) else {
        panic!()
    };
    assert_eq!(users, [nick("alice"), nick("gast")]);
    assert!(matches!(
        harness
            .try_admit(at_address("198.51.100.77", guest.clone()))
            .1,
        Admission::Banned { .. }
    ));
    assert!(matches!(
        harness
            .try_admit(at_address("::ffff:198.51.100.77", alice))
            .1,
        Admission::Banned { .. }
    ));
    assert!(matches!(
        harness.try_admit(at_address("198.51.101.77", guest)).1,
        Admission::Admitted
    ));
}

#[test]
fn a_ban_of_an_address_waits_for_sessions_from_there_that_are_quitting() {
    let mut harness = Harness::new();
    let (gast, _) = harness.try_admit(at_address(
        "198.51.100.10",
        Harness::candidate("gast", None, ""),
    ));
    harness.send(gast, "QUIT");
    let ticket = harness.act(AddBans(vec![ban(1, "198.51.100.10", "spam")]));
    assert!(harness.answer(ticket).is_none());
    harness.disconnect(gast);
    assert!(matches!(
        harness.answer(ticket),
        Some(Ended { sessions: 0, .. })
    ));
}

#[test]
fn a_ban_of_a_pattern_covers_every_matching_email_and_no_guest() {
    let mut harness = Harness::new();
    let (alice, bob) = (harness.user("alice", ""), harness.guest("bob", ""));
    harness.act(AddBans(vec![ban(1, "a*@EXAMPLE.org", "spam")]));
    assert_eq!(harness.ended_sessions(), [alice]);
    assert!(matches!(
        harness.sign_in(bob, identity("anton")),
        Admission::Banned { .. }
    ));
    assert!(matches!(
        harness.sign_in(bob, identity("bob")),
        Admission::Admitted
    ));
}

#[test]
fn a_ban_of_an_email_covers_its_aliases() {
    let mut settings = settings();
    settings.email_aliases =
        EmailAliases::new(&["example.org".to_owned()], &["example.org".to_owned()]);
    let mut harness = Harness::with(settings.clone());
    harness.act(AddBans(vec![ban(1, "A.lice+one@example.org", "spam")]));
    let alice = Harness::candidate("alice", Some(identity("alice")), "");
    assert!(matches!(
        harness.try_admit(alice.clone()).1,
        Admission::Banned { .. }
    ));
    let aliases = std::mem::take(&mut settings.email_aliases);
    harness.event(Event::Reload(Box::new(settings.clone())));
    let (session, admission) = harness.try_admit(alice);
    assert!(
        matches!(admission, Admission::Admitted),
        "the configuration was reloaded"
    );
    settings.email_aliases = aliases;
    harness.event(Event::Reload(Box::new(settings)));
    assert_eq!(harness.ended_sessions(), [session], "it covers her again");
}

#[test]
fn every_change_of_the_bans_is_published_in_the_admission_policy() {
    let mut harness = Harness::new();
    let is_banned = |harness: &Harness| {
        harness
            .policy
            .bans
            .on_address("198.51.100.10".parse().unwrap(), harness.now)
            .is_some()
    };
    harness.act(AddBans(vec![ban(1, "198.51.100.10", "spam")]));
    assert!(is_banned(&harness));
    harness.act(RemoveBan(BanId(1)));
    assert!(!is_banned(&harness));
}

#[test]
fn a_ban_preview_lists_the_users_it_would_cover_and_ends_no_session() {
    let mut harness = Harness::new();
    let local = harness.user("alice", "");
    let alice = Harness::candidate("alice", Some(identity("alice")), "");
    let (remote, _) = harness.try_admit(at_address("198.51.100.9", alice));
    harness.user("bob", "");
    for (target, sessions) in [
        ("198.51.100.9", vec![remote]),
        ("alice", vec![local, remote]),
    ] {
        let users = harness.reply_to(FindCovered {
            target: BanTarget::parse(target).unwrap(),
            account_email: None,
        });
        assert_eq!(users.len(), 1, "{target}");
        assert_eq!(
            users[0]
                .sessions
                .iter()
                .map(|session| session.id)
                .collect::<Vec<_>>(),
            sessions
        );
    }
    assert!(harness.ended.is_empty());
}
