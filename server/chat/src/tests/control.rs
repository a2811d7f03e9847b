//! Acts of the control plane.

use jiff::SignedDuration;
use rookery_protocol::Nick;

use super::harness::*;
use crate::event::Event;
use crate::request::{
    AddBan, Admission, Announce, Announced, Audience, CloseChannel, ClosedChannel, Count, Counts,
    EndAccount, Ended, FindChannel, FindCovered, FindUser, Kick, KickTarget, ListChannels,
    ListUsers, RemoveBan, SetMaintenance,
};
use rookery_record::{BanId, BanTarget, EmailAliases};

fn nick(nick: &str) -> Nick {
    Nick::parse(nick).unwrap()
}

fn kick(name: &str, reason: &str) -> Kick {
    Kick {
        target: KickTarget::User(nick(name)),
        reason: reason.to_owned(),
    }
}

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

    let count = harness.act(Count);
    assert!(matches!(
        harness.answer(count),
        Some(Counts {
            users: 1,
            sessions: 1,
            ..
        })
    ));
    assert!(harness.answer(ticket).is_none());
    harness.disconnect(sessions[1]);
    assert!(harness.answer(ticket).is_none());
    harness.disconnect(sessions[0]);
    let Some(Ended { users, sessions: 2 }) = harness.answer(ticket) else {
        panic!()
    };
    assert_eq!(users, [nick("alice")]);
    assert_eq!(harness.received(bob).len(), 0, "seen to quit once");
    harness.user("alice", "");
}

#[test]
fn a_kick_without_a_target_is_answered_at_once() {
    let mut harness = Harness::new();
    let ticket = harness.act(kick("nobody", "x"));
    assert!(
        matches!(harness.answer(ticket), Some(Ended { sessions: 0, users }) if users.is_empty())
    );
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
    let kick = |name: &str, session| Kick {
        target: KickTarget::Session(nick(name), session),
        reason: "lost".to_owned(),
    };
    let ticket = harness.act(kick("bob", phone));
    assert!(
        matches!(harness.answer(ticket), Some(Ended { sessions: 0, .. })),
        "it is not a session of bob"
    );
    assert!(harness.ended.is_empty());

    let ticket = harness.act(kick("Alice", phone));
    assert_eq!(harness.ended, [(phone, "ERROR :Kicked: lost".to_owned())]);
    assert!(harness.received(bob).is_empty(), "alice is still connected");
    let second = harness.act(kick("alice", phone));
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

    let ticket = harness.act(kick("alice", desk));
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
fn a_kick_of_all_that_match_ends_what_a_ban_would_and_bans_no_one() {
    let mut harness = Harness::new();
    let here = harness.user("alice", "");
    let alice = Harness::candidate("alice", Some(identity("alice")), "");
    let (there, _) = harness.try_admit(from("198.51.100.9", alice.clone()));
    let bob = harness.user("bob", "");
    let (gast, _) = harness.try_admit(from("198.51.100.9", Harness::candidate("gast", None, "")));
    let kick = |target: &str| Kick {
        target: KickTarget::Covered(BanTarget::parse(target).unwrap()),
        reason: "out".to_owned(),
    };
    harness.act(kick("198.51.100.0/28"));
    assert_eq!(
        harness
            .ended
            .iter()
            .map(|(session, _)| *session)
            .collect::<Vec<_>>(),
        [there, gast]
    );
    let ticket = harness.act(kick("A*@example.org"));
    assert_eq!(
        harness.ended.last().unwrap(),
        &(here, "ERROR :Kicked: out".to_owned())
    );
    harness.disconnect(here);
    assert!(
        harness.answer(ticket).is_none(),
        "the other session of alice is ending"
    );
    harness.disconnect(there);
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
fn a_ban_waits_for_those_who_are_quitting_as_well() {
    let mut harness = Harness::new();
    let alice = harness.user("alice", "");
    harness.send(alice, "QUIT");
    let ticket = harness.act(AddBan(ban(1, "alice", "x")));
    assert!(harness.answer(ticket).is_none());
    harness.disconnect(alice);
    assert!(matches!(
        harness.answer(ticket),
        Some(Ended { sessions: 0, .. })
    ));
}

#[test]
fn a_ban_ends_all_it_covers_and_refuses_them() {
    let mut harness = Harness::new();
    let sessions = [harness.user("alice", ""), harness.user("alice", "")];
    let bob = harness.user("bob", "");
    harness.channel("#x", &[bob, sessions[0]]);
    let ticket = harness.act(AddBan(ban(7, "Alice@EXAMPLE.org", "spam")));
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
    let ticket = harness.act(RemoveBan(BanId(7)));
    assert!(matches!(harness.answer(ticket), Some(())));
    assert!(matches!(harness.try_admit(again).1, Admission::Admitted));
}

#[test]
fn a_ban_replaces_an_earlier_one_of_the_same_target() {
    let mut harness = Harness::new();
    harness.act(AddBan(ban(1, "alice", "first")));
    let mut second = ban(2, "alice", "second");
    second.expires_at = Some(START + SignedDuration::from_secs(10));
    harness.act(AddBan(second));
    let candidate = Harness::candidate("x", Some(identity("alice")), "");
    let Admission::Banned { reason, .. } = harness.try_admit(candidate.clone()).1 else {
        panic!()
    };
    assert_eq!(reason, "second");
    let count = harness.act(Count);
    assert!(matches!(
        harness.answer(count),
        Some(Counts { bans: 1, .. })
    ));
    harness.advance(10);
    assert!(matches!(
        harness.try_admit(candidate).1,
        Admission::Admitted
    ));
    let count = harness.act(Count);
    assert!(
        matches!(harness.answer(count), Some(Counts { bans: 0, .. })),
        "it has expired"
    );
}

#[test]
fn operators_list_the_connected_users() {
    let mut harness = Harness::new();
    let zoe = harness.user("zoe", "");
    harness.advance(5);
    let ann = harness.guest("ann", "");
    harness.channel("#x,#a", &[zoe]);
    harness.advance(5);
    harness.send(ann, "PING x");
    harness.send(zoe, "PRIVMSG ann :hi");
    let ticket = harness.act(ListUsers);
    let Some(users) = harness.answer(ticket) else {
        panic!()
    };
    let [first, second] = users.as_slice() else {
        panic!()
    };
    assert_eq!(
        (first.nick.as_str(), second.nick.as_str()),
        ("ann", "zoe"),
        "by nick"
    );
    assert!(first.identity.is_none());
    assert_eq!(
        second.identity.as_ref().unwrap().email,
        "zoe@example.org".parse().ok()
    );
    let channels: Vec<&str> = second
        .channels
        .iter()
        .map(rookery_protocol::ChannelName::as_str)
        .collect();
    assert_eq!(channels, ["#x", "#a"]);
    assert_eq!(
        (second.since, second.active_at),
        (START, START + SignedDuration::from_secs(10))
    );
    assert_eq!(
        first.active_at,
        START + SignedDuration::from_secs(5),
        "a PING is not activity"
    );
    assert_eq!(second.sessions[0].address.to_string(), "192.0.2.1:50000");
    assert_eq!(second.sessions[0].tls, "TLSv1.3");

    let ticket = harness.act(FindUser(nick("ZOE")));
    assert!(matches!(harness.answer(ticket), Some(Some(_))));
    let ticket = harness.act(FindUser(nick("nobody")));
    assert!(matches!(harness.answer(ticket), Some(None)));
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

fn from(address: &str, mut candidate: crate::event::Candidate) -> crate::event::Candidate {
    candidate.address = (address.parse::<std::net::IpAddr>().unwrap(), 50_000).into();
    candidate
}

#[test]
fn a_ban_of_a_network_ends_the_sessions_from_there_and_no_others() {
    let mut harness = Harness::new();
    let here = harness.user("alice", "");
    let alice = Harness::candidate("alice", Some(identity("alice")), "");
    let (there, _) = harness.try_admit(from("198.51.100.9", alice.clone()));
    let guest = Harness::candidate("gast", None, "");
    let (gast, _) = harness.try_admit(from("198.51.100.10", guest.clone()));
    let bob = harness.user("bob", "");
    harness.channel("#x", &[bob, here, gast]);
    let ticket = harness.act(AddBan(ban(1, "198.51.100.0/24", "spam")));
    let ended: Vec<_> = harness.ended.iter().map(|(session, _)| *session).collect();
    assert_eq!(ended, [there, gast]);
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
        harness.received(there).last().unwrap(),
        ":irc.test 465 alice :You are banned from this server: spam"
    );
    assert_eq!(
        harness.request(here, "PING x"),
        [":irc.test PONG irc.test :x"]
    );
    harness.disconnect(there);
    harness.disconnect(gast);
    let Some(Ended { users, sessions: 2 }) = harness.answer(ticket) else {
        panic!()
    };
    assert_eq!(users, [nick("alice"), nick("gast")]);
    assert!(matches!(
        harness.try_admit(from("198.51.100.77", guest.clone())).1,
        Admission::Banned { .. }
    ));
    assert!(matches!(
        harness.try_admit(from("::ffff:198.51.100.77", alice)).1,
        Admission::Banned { .. }
    ));
    assert!(matches!(
        harness.try_admit(from("198.51.101.77", guest)).1,
        Admission::Admitted
    ));
}

#[test]
fn a_ban_of_an_address_waits_for_those_from_there_who_are_quitting() {
    let mut harness = Harness::new();
    let (gast, _) = harness.try_admit(from("198.51.100.10", Harness::candidate("gast", None, "")));
    harness.send(gast, "QUIT");
    let ticket = harness.act(AddBan(ban(1, "198.51.100.10", "spam")));
    assert!(harness.answer(ticket).is_none());
    harness.disconnect(gast);
    assert!(matches!(
        harness.answer(ticket),
        Some(Ended { sessions: 0, .. })
    ));
}

#[test]
fn a_ban_of_a_pattern_covers_every_email_like_it_and_no_guest() {
    let mut harness = Harness::new();
    let (alice, bob) = (harness.user("alice", ""), harness.guest("bob", ""));
    harness.act(AddBan(ban(1, "a*@EXAMPLE.org", "spam")));
    assert_eq!(
        harness
            .ended
            .iter()
            .map(|(session, _)| *session)
            .collect::<Vec<_>>(),
        [alice]
    );
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
fn a_ban_of_an_email_holds_against_its_other_spellings() {
    let mut settings = settings();
    settings.email_aliases =
        EmailAliases::new(&["example.org".to_owned()], &["example.org".to_owned()]);
    let mut harness = Harness::with(settings.clone());
    harness.act(AddBan(ban(1, "A.lice+one@example.org", "spam")));
    let alice = Harness::candidate("alice", Some(identity("alice")), "");
    assert!(matches!(
        harness.try_admit(alice.clone()).1,
        Admission::Banned { .. }
    ));
    settings.email_aliases = EmailAliases::default();
    harness.event(Event::Reload(Box::new(settings)));
    assert!(
        matches!(harness.try_admit(alice).1, Admission::Admitted),
        "the configuration was reloaded"
    );
}

#[test]
fn every_change_of_the_bans_is_published_as_admission_policy() {
    let mut harness = Harness::new();
    let is_banned = |harness: &Harness| {
        harness
            .policy
            .bans
            .on_address("198.51.100.10".parse().unwrap(), harness.now)
            .is_some()
    };
    harness.act(AddBan(ban(1, "198.51.100.10", "spam")));
    assert!(is_banned(&harness));
    harness.act(RemoveBan(BanId(1)));
    assert!(!is_banned(&harness));
}

#[test]
fn maintenance_refuses_new_sessions_and_leaves_admitted_ones() {
    let mut harness = Harness::new();
    let alice = harness.user("alice", "");
    let guest = harness.guest("gast", "");
    harness.act(SetMaintenance(Some("moving house".into())));
    assert_eq!(harness.policy.maintenance.as_deref(), Some("moving house"));
    for identity in [None, Some(identity("bob")), Some(identity("alice"))] {
        let Admission::Closed { reason } =
            harness.try_admit(Harness::candidate("bob", identity, "")).1
        else {
            panic!("admitted")
        };
        assert_eq!(reason, "moving house");
    }
    assert!(!harness.request(alice, "PING x").is_empty());
    assert!(
        matches!(
            harness.sign_in(guest, identity("gast")),
            Admission::Admitted
        ),
        "it is admitted already"
    );
    let count = harness.act(Count);
    assert!(matches!(
        harness.answer(count),
        Some(Counts {
            maintenance: true,
            users: 2,
            ..
        })
    ));
    harness.act(SetMaintenance(None));
    assert!(harness.policy.maintenance.is_none());
    harness.user("bob", "");
}

#[test]
fn a_ban_preview_lists_the_users_it_would_cover_and_ends_no_session() {
    let mut harness = Harness::new();
    let here = harness.user("alice", "");
    let alice = Harness::candidate("alice", Some(identity("alice")), "");
    let (there, _) = harness.try_admit(from("198.51.100.9", alice));
    harness.user("bob", "");
    for (target, sessions) in [("198.51.100.9", vec![there]), ("alice", vec![here, there])] {
        let ticket = harness.act(FindCovered(BanTarget::parse(target).unwrap()));
        let Some(users) = harness.answer(ticket) else {
            panic!()
        };
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

#[test]
fn an_ended_account_is_admitted_only_with_a_new_proof() {
    let mut harness = Harness::new();
    let sessions = [harness.user("alice", ""), harness.user("alice", "")];
    let bob = harness.user("bob", "");
    let early = Harness::candidate("alice", Some(identity("alice")), "");
    harness.advance(1);
    let ticket = harness.act(EndAccount {
        account: identity("alice").id,
        reason: "Disabled".to_owned(),
    });
    assert_eq!(
        harness.ended,
        sessions.map(|session| (session, "ERROR :Disabled".to_owned()))
    );
    for session in sessions {
        assert!(harness.answer(ticket).is_none());
        harness.disconnect(session);
    }
    assert!(matches!(
        harness.answer(ticket),
        Some(Ended { sessions: 2, .. })
    ));
    assert!(
        !harness.request(bob, "PING x").is_empty(),
        "no one else is affected"
    );

    let Admission::Stale { reason } = harness.try_admit(early).1 else {
        panic!("it was proved before")
    };
    assert_eq!(reason, "Disabled");
    let guest = harness.guest("gast", "");
    assert!(matches!(
        harness.sign_in(guest, identity("alice")),
        Admission::Stale { .. }
    ));
    harness.advance(1);
    let signed_in_again = crate::event::Identity {
        authenticated_at: harness.now,
        ..identity("alice")
    };
    assert!(matches!(
        harness
            .try_admit(Harness::candidate("alice", Some(signed_in_again), ""))
            .1,
        Admission::Admitted
    ));
}

#[test]
fn closing_a_channel_removes_it_and_notifies_each_member_once() {
    let mut harness = Harness::new();
    let (first, second, bob) = (
        harness.user("alice", ""),
        harness.user("alice", ""),
        harness.user("bob", ""),
    );
    let outside = harness.user("carol", "");
    harness.channel("#X", &[first, bob]);
    harness.send(first, "TOPIC #x :Old");
    harness.send(first, "MODE #x +v bob");
    harness.clear_received();
    let ticket = harness.act(FindChannel("#x".parse().unwrap()));
    let Some(Some(channel)) = harness.answer(ticket) else {
        panic!()
    };
    assert_eq!(
        (channel.topic.as_deref(), channel.modes.as_str()),
        (Some("Old"), "nt")
    );
    let members: Vec<_> = channel
        .members
        .iter()
        .map(|member| (member.operator, member.voice))
        .collect();
    assert_eq!(members, [(true, false), (false, true)]);

    let ticket = harness.act(CloseChannel {
        name: "#x".parse().unwrap(),
        reason: "off topic".to_owned(),
    });
    let Some(ClosedChannel { members }) = harness.answer(ticket) else {
        panic!()
    };
    assert_eq!(members, [nick("alice"), nick("bob")]);
    for (session, name) in [(first, "alice"), (second, "alice"), (bob, "bob")] {
        assert_eq!(
            harness.received(session),
            [format!(":irc.test KICK #X {name} :Closed: off topic")]
        );
    }
    assert!(harness.received(outside).is_empty());
    assert!(harness.ended.is_empty(), "nobody is disconnected");
    let ticket = harness.act(ListChannels);
    assert!(matches!(harness.answer(ticket), Some(channels) if channels.is_empty()));
    assert_eq!(
        harness.request(bob, "PRIVMSG #x :hi").len(),
        1,
        "there is no such channel"
    );
    harness.send(bob, "JOIN #x");
    assert!(
        !harness.request(bob, "TOPIC #x").concat().contains("Old"),
        "created again"
    );
    let ticket = harness.act(CloseChannel {
        name: "#none".parse().unwrap(),
        reason: String::new(),
    });
    assert!(
        matches!(harness.answer(ticket), Some(ClosedChannel { members }) if members.is_empty())
    );
}

#[test]
fn an_announcement_reaches_only_its_audience() {
    let mut harness = Harness::new();
    let (first, second) = (
        harness.user("alice", ""),
        harness.user("alice", "server-time"),
    );
    let (bob, gast) = (harness.user("bob", ""), harness.guest("gast", ""));
    harness.channel("#X", &[bob, gast]);
    let mut announce = |to: Audience| {
        let ticket = harness.act(Announce {
            to,
            text: "tea\r\ntime".to_owned(),
        });
        let received = [first, second, bob, gast].map(|session| harness.received(session));
        (harness.answer(ticket).unwrap(), received)
    };
    let (answer, received) = announce(Audience::All);
    assert!(matches!(answer, Announced::Sent { sessions: 4 }));
    assert_eq!(received[0], [":irc.test NOTICE alice :tea  time"]);
    assert!(
        received[1][0].starts_with("@time=") && received[1].len() == 1,
        "{received:?}"
    );
    assert_eq!((received[2].len(), received[3].len()), (1, 1));

    let (answer, received) = announce(Audience::Channel("#x".parse().unwrap()));
    assert!(matches!(answer, Announced::Sent { sessions: 2 }));
    assert_eq!(
        received.map(|lines| lines.concat()),
        [
            "",
            "",
            ":irc.test NOTICE #X :tea  time",
            ":irc.test NOTICE #X :tea  time"
        ]
    );

    let (answer, received) = announce(Audience::Account("ALICE".parse().unwrap()));
    assert!(matches!(answer, Announced::Sent { sessions: 2 }));
    assert_eq!(received.map(|lines| lines.len()), [1, 1, 0, 0]);
    for nobody in [
        Audience::Channel("#none".parse().unwrap()),
        Audience::Account("gast".parse().unwrap()),
    ] {
        let (answer, received) = announce(nobody);
        assert!(matches!(answer, Announced::NoRecipient) && received.concat().is_empty());
    }
}
