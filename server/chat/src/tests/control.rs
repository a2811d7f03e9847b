//! What the control plane does.

use jiff::SignedDuration;
use rookery_protocol::Nick;

use super::play::*;
use crate::event::Event;
use crate::request::{
    AddBan, Admission, Announce, Announced, Audience, CloseChannel, Count, Counts, Emptied,
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
fn a_kick_ends_every_session_and_is_done_when_they_are_gone() {
    let mut play = Play::new();
    let sessions = [play.user("alice", ""), play.user("alice", "")];
    let bob = play.user("bob", "");
    play.channel("#x", &[sessions[0], bob]);
    let ticket = play.act(kick("ALICE", "be\r\nnice"));
    assert_eq!(
        play.heard(bob),
        [":alice!~alice@users.irc.test QUIT :Kicked: be  nice"]
    );
    assert_eq!(
        play.ended,
        sessions.map(|session| (session, "ERROR :Kicked: be  nice".to_owned()))
    );
    assert!(play.heard(sessions[0]).is_empty());

    let count = play.act(Count);
    assert!(matches!(
        play.answer(count),
        Some(Counts {
            users: 1,
            sessions: 1,
            ..
        })
    ));
    assert!(play.answer(ticket).is_none());
    play.gone(sessions[1]);
    assert!(play.answer(ticket).is_none());
    play.gone(sessions[0]);
    let Some(Ended { users, sessions: 2 }) = play.answer(ticket) else {
        panic!()
    };
    assert_eq!(users, [nick("alice")]);
    assert_eq!(play.heard(bob).len(), 0, "seen to quit once");
    play.user("alice", "");
}

#[test]
fn a_kick_of_nobody_is_answered_at_once() {
    let mut play = Play::new();
    let ticket = play.act(kick("nobody", "x"));
    assert!(matches!(play.answer(ticket), Some(Ended { sessions: 0, users }) if users.is_empty()));
}

#[test]
fn a_second_kick_waits_for_the_sessions_of_the_first() {
    let mut play = Play::new();
    let alice = play.user("alice", "");
    let first = play.act(kick("alice", "x"));
    let second = play.act(kick("alice", "x"));
    assert!(
        play.answer(second).is_none(),
        "a session of alice is still connected"
    );
    play.gone(alice);
    assert!(matches!(
        play.answer(first),
        Some(Ended { sessions: 1, .. })
    ));
    assert!(matches!(
        play.answer(second),
        Some(Ended { sessions: 0, .. })
    ));
}

#[test]
fn a_kick_of_one_session_leaves_the_user_its_others() {
    let mut play = Play::new();
    let (phone, desk) = (play.user("alice", ""), play.user("alice", ""));
    let bob = play.user("bob", "");
    play.channel("#x", &[phone, bob]);
    let kick = |name: &str, session| Kick {
        target: KickTarget::Session(nick(name), session),
        reason: "lost".to_owned(),
    };
    let ticket = play.act(kick("bob", phone));
    assert!(
        matches!(play.answer(ticket), Some(Ended { sessions: 0, .. })),
        "it is not of bob"
    );
    assert!(play.ended.is_empty());

    let ticket = play.act(kick("Alice", phone));
    assert_eq!(play.ended, [(phone, "ERROR :Kicked: lost".to_owned())]);
    assert!(play.heard(bob).is_empty(), "alice is still here");
    let second = play.act(kick("alice", phone));
    assert!(play.answer(ticket).is_none() && play.answer(second).is_none());
    play.gone(phone);
    assert!(matches!(
        play.answer(ticket),
        Some(Ended { sessions: 1, .. })
    ));
    assert!(matches!(
        play.answer(second),
        Some(Ended { sessions: 0, .. })
    ));

    let ticket = play.act(kick("alice", desk));
    play.gone(desk);
    assert!(matches!(
        play.answer(ticket),
        Some(Ended { sessions: 1, .. })
    ));
    assert_eq!(
        play.heard(bob),
        [":alice!~alice@users.irc.test QUIT :Kicked: lost"]
    );
}

#[test]
fn a_kick_of_all_that_match_ends_what_a_ban_would_and_keeps_nobody_out() {
    let mut play = Play::new();
    let here = play.user("alice", "");
    let alice = Play::candidate("alice", Some(identity("alice")), "");
    let (there, _) = play.try_admit(from("198.51.100.9", alice.clone()));
    let bob = play.user("bob", "");
    let (gast, _) = play.try_admit(from("198.51.100.9", Play::candidate("gast", None, "")));
    let kick = |target: &str| Kick {
        target: KickTarget::Covered(BanTarget::parse(target).unwrap()),
        reason: "out".to_owned(),
    };
    play.act(kick("198.51.100.0/28"));
    assert_eq!(
        play.ended
            .iter()
            .map(|(session, _)| *session)
            .collect::<Vec<_>>(),
        [there, gast]
    );
    let ticket = play.act(kick("A*@example.org"));
    assert_eq!(
        play.ended.last().unwrap(),
        &(here, "ERROR :Kicked: out".to_owned())
    );
    play.gone(here);
    assert!(
        play.answer(ticket).is_none(),
        "the other session of alice is on its way out"
    );
    play.gone(there);
    assert!(matches!(
        play.answer(ticket),
        Some(Ended { sessions: 1, .. })
    ));
    assert!(!play.ask(bob, "PING x").is_empty(), "bob is not touched");
    assert!(
        matches!(play.try_admit(alice).1, Admission::Admitted),
        "a kick is no ban"
    );
}

#[test]
fn a_ban_waits_for_those_who_are_quitting_as_well() {
    let mut play = Play::new();
    let alice = play.user("alice", "");
    play.send(alice, "QUIT");
    let ticket = play.act(AddBan(ban(1, "alice", "x")));
    assert!(play.answer(ticket).is_none());
    play.gone(alice);
    assert!(matches!(
        play.answer(ticket),
        Some(Ended { sessions: 0, .. })
    ));
}

#[test]
fn a_ban_ends_all_it_covers_and_keeps_them_out() {
    let mut play = Play::new();
    let sessions = [play.user("alice", ""), play.user("alice", "")];
    let bob = play.user("bob", "");
    play.channel("#x", &[bob, sessions[0]]);
    let ticket = play.act(AddBan(ban(7, "Alice@EXAMPLE.org", "spam")));
    assert_eq!(
        play.heard(bob),
        [":alice!~alice@users.irc.test QUIT :Banned"]
    );
    for session in sessions {
        assert_eq!(
            play.heard(session),
            [":irc.test 465 alice :You are banned from this server: spam"]
        );
        play.gone(session);
    }
    assert_eq!(play.ended[0].1, "ERROR :Banned: spam");
    assert!(matches!(
        play.answer(ticket),
        Some(Ended { sessions: 2, .. })
    ));
    let again = Play::candidate("x", Some(identity("alice")), "");
    assert!(matches!(
        play.try_admit(again.clone()).1,
        Admission::Banned { .. }
    ));
    let ticket = play.act(RemoveBan(BanId(7)));
    assert!(matches!(play.answer(ticket), Some(())));
    assert!(matches!(play.try_admit(again).1, Admission::Admitted));
}

#[test]
fn a_ban_replaces_an_earlier_one_of_its_target() {
    let mut play = Play::new();
    play.act(AddBan(ban(1, "alice", "first")));
    let mut second = ban(2, "alice", "second");
    second.expires_at = Some(START + SignedDuration::from_secs(10));
    play.act(AddBan(second));
    let candidate = Play::candidate("x", Some(identity("alice")), "");
    let Admission::Banned { reason, .. } = play.try_admit(candidate.clone()).1 else {
        panic!()
    };
    assert_eq!(reason, "second");
    let count = play.act(Count);
    assert!(matches!(play.answer(count), Some(Counts { bans: 1, .. })));
    play.wait(10);
    assert!(matches!(play.try_admit(candidate).1, Admission::Admitted));
    let count = play.act(Count);
    assert!(
        matches!(play.answer(count), Some(Counts { bans: 0, .. })),
        "it has expired"
    );
}

#[test]
fn operators_see_who_is_here() {
    let mut play = Play::new();
    let zoe = play.user("zoe", "");
    play.wait(5);
    let ann = play.guest("ann", "");
    play.channel("#x,#a", &[zoe]);
    play.wait(5);
    play.send(ann, "PING x");
    play.send(zoe, "PRIVMSG ann :hi");
    let ticket = play.act(ListUsers);
    let Some(users) = play.answer(ticket) else {
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
        "a PING is no activity"
    );
    assert_eq!(second.sessions[0].address.to_string(), "192.0.2.1:50000");
    assert_eq!(second.sessions[0].tls, "TLSv1.3");

    let ticket = play.act(FindUser(nick("ZOE")));
    assert!(matches!(play.answer(ticket), Some(Some(_))));
    let ticket = play.act(FindUser(nick("nobody")));
    assert!(matches!(play.answer(ticket), Some(None)));
}

#[test]
fn whoever_is_kicked_right_after_a_direct_message_ends_once() {
    let mut play = Play::new();
    let (a, b) = (play.user("alice", "echo-message"), play.user("bob", ""));
    play.send(a, "PRIVMSG bob :last words");
    let ticket = play.act(kick("alice", "x"));
    play.send(a, "PRIVMSG bob :too late");
    play.gone(a);
    assert_eq!(
        play.heard(b),
        [":alice!~alice@users.irc.test PRIVMSG bob :last words"]
    );
    assert_eq!(play.ended.len(), 1);
    assert!(matches!(
        play.answer(ticket),
        Some(Ended { sessions: 1, .. })
    ));
}

fn from(address: &str, mut candidate: crate::event::Candidate) -> crate::event::Candidate {
    candidate.address = (address.parse::<std::net::IpAddr>().unwrap(), 50_000).into();
    candidate
}

#[test]
fn a_ban_of_a_network_ends_the_sessions_from_there_and_no_others() {
    let mut play = Play::new();
    let here = play.user("alice", "");
    let alice = Play::candidate("alice", Some(identity("alice")), "");
    let (there, _) = play.try_admit(from("198.51.100.9", alice.clone()));
    let guest = Play::candidate("gast", None, "");
    let (gast, _) = play.try_admit(from("198.51.100.10", guest.clone()));
    let bob = play.user("bob", "");
    play.channel("#x", &[bob, here, gast]);
    let ticket = play.act(AddBan(ban(1, "198.51.100.0/24", "spam")));
    let ended: Vec<_> = play.ended.iter().map(|(session, _)| *session).collect();
    assert_eq!(ended, [there, gast]);
    assert!(
        play.answer(ticket).is_none(),
        "their connections are still there"
    );
    assert_eq!(
        play.heard(bob),
        [":gast!~gast@guests.irc.test QUIT :Banned"],
        "alice is still here"
    );
    assert_eq!(
        play.heard(there).last().unwrap(),
        ":irc.test 465 alice :You are banned from this server: spam"
    );
    assert_eq!(play.ask(here, "PING x"), [":irc.test PONG irc.test :x"]);
    play.gone(there);
    play.gone(gast);
    let Some(Ended { users, sessions: 2 }) = play.answer(ticket) else {
        panic!()
    };
    assert_eq!(users, [nick("alice"), nick("gast")]);
    assert!(matches!(
        play.try_admit(from("198.51.100.77", guest.clone())).1,
        Admission::Banned { .. }
    ));
    assert!(matches!(
        play.try_admit(from("::ffff:198.51.100.77", alice)).1,
        Admission::Banned { .. }
    ));
    assert!(matches!(
        play.try_admit(from("198.51.101.77", guest)).1,
        Admission::Admitted
    ));
}

#[test]
fn a_ban_of_an_address_waits_for_those_from_there_who_are_quitting() {
    let mut play = Play::new();
    let (gast, _) = play.try_admit(from("198.51.100.10", Play::candidate("gast", None, "")));
    play.send(gast, "QUIT");
    let ticket = play.act(AddBan(ban(1, "198.51.100.10", "spam")));
    assert!(play.answer(ticket).is_none());
    play.gone(gast);
    assert!(matches!(
        play.answer(ticket),
        Some(Ended { sessions: 0, .. })
    ));
}

#[test]
fn a_ban_of_a_pattern_covers_every_email_like_it_and_no_guest() {
    let mut play = Play::new();
    let (alice, bob) = (play.user("alice", ""), play.guest("bob", ""));
    play.act(AddBan(ban(1, "a*@EXAMPLE.org", "spam")));
    assert_eq!(
        play.ended
            .iter()
            .map(|(session, _)| *session)
            .collect::<Vec<_>>(),
        [alice]
    );
    assert!(matches!(
        play.sign_in(bob, identity("anton")),
        Admission::Banned { .. }
    ));
    assert!(matches!(
        play.sign_in(bob, identity("bob")),
        Admission::Admitted
    ));
}

#[test]
fn a_ban_of_an_email_holds_against_its_other_spellings() {
    let mut settings = settings();
    settings.email_aliases =
        EmailAliases::new(&["example.org".to_owned()], &["example.org".to_owned()]);
    let mut play = Play::with(settings.clone());
    play.act(AddBan(ban(1, "A.lice+one@example.org", "spam")));
    let alice = Play::candidate("alice", Some(identity("alice")), "");
    assert!(matches!(
        play.try_admit(alice.clone()).1,
        Admission::Banned { .. }
    ));
    settings.email_aliases = EmailAliases::default();
    play.event(Event::Reload(Box::new(settings)));
    assert!(
        matches!(play.try_admit(alice).1, Admission::Admitted),
        "the config was read anew"
    );
}

#[test]
fn those_who_keep_people_out_first_see_every_change_of_the_bans() {
    let mut play = Play::new();
    let is_banned = |play: &Play| {
        play.gate
            .bans
            .on_address("198.51.100.10".parse().unwrap(), play.now)
            .is_some()
    };
    play.act(AddBan(ban(1, "198.51.100.10", "spam")));
    assert!(is_banned(&play));
    play.act(RemoveBan(BanId(1)));
    assert!(!is_banned(&play));
}

#[test]
fn maintenance_lets_nobody_new_in_and_leaves_those_who_are_in_alone() {
    let mut play = Play::new();
    let alice = play.user("alice", "");
    let guest = play.guest("gast", "");
    play.act(SetMaintenance(Some("moving house".into())));
    assert_eq!(play.gate.maintenance.as_deref(), Some("moving house"));
    for identity in [None, Some(identity("bob")), Some(identity("alice"))] {
        let Admission::Closed { reason } = play.try_admit(Play::candidate("bob", identity, "")).1
        else {
            panic!("let in")
        };
        assert_eq!(reason, "moving house");
    }
    assert!(!play.ask(alice, "PING x").is_empty());
    assert!(
        matches!(play.sign_in(guest, identity("gast")), Admission::Admitted),
        "it is in already"
    );
    let count = play.act(Count);
    assert!(matches!(
        play.answer(count),
        Some(Counts {
            maintenance: true,
            users: 2,
            ..
        })
    ));
    play.act(SetMaintenance(None));
    assert!(play.gate.maintenance.is_none());
    play.user("bob", "");
}

#[test]
fn whom_a_ban_would_hit_is_told_and_nobody_is_hit() {
    let mut play = Play::new();
    let here = play.user("alice", "");
    let alice = Play::candidate("alice", Some(identity("alice")), "");
    let (there, _) = play.try_admit(from("198.51.100.9", alice));
    play.user("bob", "");
    for (target, sessions) in [("198.51.100.9", vec![there]), ("alice", vec![here, there])] {
        let ticket = play.act(FindCovered(BanTarget::parse(target).unwrap()));
        let Some(users) = play.answer(ticket) else {
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
    assert!(play.ended.is_empty());
}

#[test]
fn an_account_that_is_ended_comes_back_only_by_proving_itself_anew() {
    let mut play = Play::new();
    let sessions = [play.user("alice", ""), play.user("alice", "")];
    let bob = play.user("bob", "");
    let early = Play::candidate("alice", Some(identity("alice")), "");
    play.wait(1);
    let ticket = play.act(EndAccount {
        account: identity("alice").id,
        reason: "Disabled".to_owned(),
    });
    assert_eq!(
        play.ended,
        sessions.map(|session| (session, "ERROR :Disabled".to_owned()))
    );
    for session in sessions {
        assert!(play.answer(ticket).is_none());
        play.gone(session);
    }
    assert!(matches!(
        play.answer(ticket),
        Some(Ended { sessions: 2, .. })
    ));
    assert!(
        !play.ask(bob, "PING x").is_empty(),
        "nobody else is touched"
    );

    let Admission::Stale { reason } = play.try_admit(early).1 else {
        panic!("it was proved before")
    };
    assert_eq!(reason, "Disabled");
    let guest = play.guest("gast", "");
    assert!(matches!(
        play.sign_in(guest, identity("alice")),
        Admission::Stale { .. }
    ));
    play.wait(1);
    let anew = crate::event::Identity {
        proved_at: play.now,
        ..identity("alice")
    };
    assert!(matches!(
        play.try_admit(Play::candidate("alice", Some(anew), "")).1,
        Admission::Admitted
    ));
}

#[test]
fn a_closed_channel_is_gone_and_each_member_is_told_once() {
    let mut play = Play::new();
    let (first, second, bob) = (
        play.user("alice", ""),
        play.user("alice", ""),
        play.user("bob", ""),
    );
    let outside = play.user("carol", "");
    play.channel("#X", &[first, bob]);
    play.send(first, "TOPIC #x :Old");
    play.send(first, "MODE #x +v bob");
    play.forget();
    let ticket = play.act(FindChannel("#x".parse().unwrap()));
    let Some(Some(channel)) = play.answer(ticket) else {
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

    let ticket = play.act(CloseChannel {
        name: "#x".parse().unwrap(),
        reason: "off topic".to_owned(),
    });
    let Some(Emptied { members }) = play.answer(ticket) else {
        panic!()
    };
    assert_eq!(members, [nick("alice"), nick("bob")]);
    for (session, name) in [(first, "alice"), (second, "alice"), (bob, "bob")] {
        assert_eq!(
            play.heard(session),
            [format!(":irc.test KICK #X {name} :Closed: off topic")]
        );
    }
    assert!(play.heard(outside).is_empty());
    assert!(play.ended.is_empty(), "nobody is disconnected");
    let ticket = play.act(ListChannels);
    assert!(matches!(play.answer(ticket), Some(channels) if channels.is_empty()));
    assert_eq!(
        play.ask(bob, "PRIVMSG #x :hi").len(),
        1,
        "there is no such channel"
    );
    play.send(bob, "JOIN #x");
    assert!(
        !play.ask(bob, "TOPIC #x").concat().contains("Old"),
        "made anew"
    );
    let ticket = play.act(CloseChannel {
        name: "#none".parse().unwrap(),
        reason: String::new(),
    });
    assert!(matches!(play.answer(ticket), Some(Emptied { members }) if members.is_empty()));
}

#[test]
fn an_announcement_reaches_its_audience_and_nobody_else() {
    let mut play = Play::new();
    let (first, second) = (play.user("alice", ""), play.user("alice", "server-time"));
    let (bob, gast) = (play.user("bob", ""), play.guest("gast", ""));
    play.channel("#X", &[bob, gast]);
    let mut announce = |to: Audience| {
        let ticket = play.act(Announce {
            to,
            text: "tea\r\ntime".to_owned(),
        });
        let heard = [first, second, bob, gast].map(|session| play.heard(session));
        (play.answer(ticket).unwrap(), heard)
    };
    let (answer, heard) = announce(Audience::All);
    assert!(matches!(answer, Announced::Sent { sessions: 4 }));
    assert_eq!(heard[0], [":irc.test NOTICE alice :tea  time"]);
    assert!(
        heard[1][0].starts_with("@time=") && heard[1].len() == 1,
        "{heard:?}"
    );
    assert_eq!((heard[2].len(), heard[3].len()), (1, 1));

    let (answer, heard) = announce(Audience::Channel("#x".parse().unwrap()));
    assert!(matches!(answer, Announced::Sent { sessions: 2 }));
    assert_eq!(
        heard.map(|lines| lines.concat()),
        [
            "",
            "",
            ":irc.test NOTICE #X :tea  time",
            ":irc.test NOTICE #X :tea  time"
        ]
    );

    let (answer, heard) = announce(Audience::Account("ALICE".parse().unwrap()));
    assert!(matches!(answer, Announced::Sent { sessions: 2 }));
    assert_eq!(heard.map(|lines| lines.len()), [1, 1, 0, 0]);
    for nobody in [
        Audience::Channel("#none".parse().unwrap()),
        Audience::Account("gast".parse().unwrap()),
    ] {
        let (answer, heard) = announce(nobody);
        assert!(matches!(answer, Announced::NoRecipient) && heard.concat().is_empty());
    }
}
