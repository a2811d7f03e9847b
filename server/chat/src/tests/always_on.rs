//! Users who stay present while no session is connected (always on).

use rookery_protocol::{ChannelName, Nick};

use super::harness::*;
use super::persistent_channels::restored;
use crate::event::{Event, HistoryQuery, SessionId, Settings};
use crate::request::{
    AddBan, Admission, CloseChannel, ClosedChannel, EndAccount, EndAll, Ended, FindCovered, Kick,
    KickTarget, ListUsers, UserView,
};

const AWAY: &str = "Away from keyboard";

/// Returns a chat in which alice, who is always on, and bob are in a channel.
fn together() -> (Harness, SessionId, SessionId) {
    let mut harness = Harness::new();
    let (alice, bob) = (
        harness.user("alice", ""),
        harness.user("bob", "away-notify"),
    );
    harness.send(alice, "SET always-on on");
    harness.channel("#x", &[alice, bob]);
    (harness, alice, bob)
}

fn whois(harness: &mut Harness, asker: SessionId) -> Vec<String> {
    commands(&harness.request(asker, "WHOIS alice"))
}

fn is_here(harness: &mut Harness, asker: SessionId) -> bool {
    whois(harness, asker).contains(&"311".to_owned())
}

/// Returns the chat after a restart, stopped or killed, with no session connected.
fn restart(harness: &Harness, settings: Settings) -> Harness {
    let mut next = Harness::restored(settings, Vec::new(), restored(&harness.persisted));
    next.now = harness.now;
    next.advance(60);
    next
}

#[test]
fn the_user_stays_marked_as_away_and_gets_missed_messages() {
    let (mut harness, alice, bob) = together();
    harness.disconnect(alice);
    assert_eq!(
        harness.received(bob),
        [format!(":alice!~alice@users.irc.test AWAY :{AWAY}")]
    );
    assert_eq!(
        whois(&mut harness, bob),
        ["311", "319", "312", "301", "330", "317", "318"],
        "no secure connection is reported: there is none"
    );
    harness.send(bob, "PRIVMSG #x :one");
    let answer = harness.request(bob, "PRIVMSG alice :two");
    assert_eq!(answer, [format!(":irc.test 301 bob alice :{AWAY}")]);
    harness.send(bob, "MONITOR + alice");
    assert_eq!(commands(&harness.received(bob)), ["730"], "it is online");

    let (alice, _) = harness.try_admit(Harness::candidate(
        "alice",
        Some(identity("alice")),
        "batch server-time",
    ));
    let received = harness.received(alice);
    assert!(
        find(&received, "JOIN").ends_with(" JOIN #x")
            && find(&received, "353").ends_with(" :~alice bob")
    );
    assert_eq!(harness.received(bob), [":alice!~alice@users.irc.test AWAY"]);
    harness.answer_all_fetches();
    let missed = harness.received(alice).join("\n");
    assert!(
        missed.contains(" PRIVMSG #x :one") && missed.contains(" PRIVMSG alice :two"),
        "{missed}"
    );
}

#[test]
fn a_quit_message_is_delivered_although_the_user_stays() {
    let (mut harness, alice, bob) = together();
    harness.send(alice, "AWAY :on holiday");
    harness.clear_received();
    harness.send(alice, "QUIT :bye");
    assert!(harness.received(bob).is_empty(), "nothing has changed");
    assert!(harness.request(bob, "PRIVMSG alice :hi")[0].ends_with(" 301 bob alice :on holiday"));
    let mut next = restart(&harness, settings());
    let bob = next.user("bob", "");
    assert!(next.request(bob, "PRIVMSG alice :hi")[0].ends_with(" 301 bob alice :on holiday"));
}

#[test]
fn each_chooses_for_itself_and_the_config_for_the_others() {
    let mut harness = Harness::with(Settings {
        always_on: true,
        ..settings()
    });
    let (alice, guest) = (harness.user("alice", ""), harness.guest("gus", ""));
    for (line, expected) in [
        ("SET", "always-on is on (the server's default): you stay"),
        (
            "SET ALWAYS-ON Off",
            "always-on is off (your choice): you leave",
        ),
        ("SET always-on", "always-on is off (your choice): you leave"),
        (
            "SET always-on default",
            "always-on is on (the server's default)",
        ),
        ("SET always-on on", "always-on is on (your choice)"),
    ] {
        let received = harness.request(alice, line);
        assert!(
            received.len() == 1 && received[0].contains(&format!(" NOTICE alice :{expected}")),
            "{line}: {received:?}"
        );
    }
    assert!(harness.request(alice, "SET fly on")[0].contains(" FAIL SET UNKNOWN_SETTING fly :"));
    assert!(
        harness.request(alice, "SET always-on maybe")[0]
            .contains(" FAIL SET INVALID_VALUE always-on maybe :")
    );
    assert!(harness.request(guest, "SET")[0].contains(" FAIL SET ACCOUNT_REQUIRED :"));

    // The configuration no longer applies to those who follow it.
    let (carl, bob) = (harness.user("carl", ""), harness.user("bob", ""));
    harness.channel("#x", &[alice, carl, bob]);
    harness.disconnect(alice);
    harness.disconnect(carl);
    harness.clear_received();
    harness.event(Event::Reload(Box::new(settings())));
    assert_eq!(
        harness.received(bob),
        [":carl!~carl@users.irc.test QUIT :No longer always on"]
    );
    assert!(is_here(&mut harness, bob));
    let names: Vec<String> = restored(&harness.persisted)
        .presences
        .iter()
        .map(|presence| presence.name.to_string())
        .collect();
    assert_eq!(names, ["alice"]);
}

#[test]
fn after_a_restart_the_user_is_in_its_channels() {
    let (mut harness, alice, bob) = together();
    harness.channel("#y", &[bob, alice]);
    for line in [
        "MODE alice +i",
        "SETNAME :Alice L.",
        "JOIN #left",
        "PART #left",
    ] {
        harness.send(alice, line);
    }
    harness.send(bob, "MODE #y +v alice");
    let at_work = harness.now;
    harness.advance(60);
    // The server is killed: no user has left.
    let mut next = restart(&harness, settings());
    let bob = next.user("bob", "");
    next.channel("#x", &[bob]);
    next.channel("#y", &[bob]);
    let received = next.request(bob, "WHOIS alice");
    assert!(
        find(&received, "311").ends_with(":Alice L."),
        "{received:?}"
    );
    assert!(find(&received, "319").ends_with(":~#x +#y"), "{received:?}");
    assert!(find(&received, "317").ends_with(&format!(
        " {} :seconds idle, signon time",
        START.as_second()
    )));
    next.send(bob, "PRIVMSG #x :hi");
    let (alice, _) = next.try_admit(Harness::candidate(
        "alice",
        Some(identity("alice")),
        "draft/chathistory",
    ));
    assert_eq!(
        find(&next.request(alice, "MODE alice"), "221"),
        ":irc.test 221 alice +i"
    );
    next.send(alice, "CHATHISTORY LATEST #y * 5");
    let HistoryQuery::Page(page) = &next.fetches.last().unwrap().query else {
        panic!()
    };
    assert_eq!(
        page.since, at_work,
        "messages before the restart are visible"
    );
}

#[test]
fn banned_users_and_those_who_opted_out_are_not_restored() {
    let (harness, _, _) = together();
    let snapshot = restored(&harness.persisted);
    let mut next = Harness::restored(settings(), vec![ban(1, "alice", "spam")], snapshot);
    let bob = next.user("bob", "");
    assert!(!is_here(&mut next, bob));
    assert!(
        restored(&[&harness.persisted[..], &next.persisted[..]].concat())
            .presences
            .is_empty(),
        "and not later either"
    );
    let (mut harness, alice, _) = together();
    harness.send(alice, "SET always-on off");
    assert!(restored(&harness.persisted).presences.is_empty());
}

#[test]
fn operators_end_it_and_a_ban_ends_it_for_good() {
    type Ending = fn(&mut Harness) -> Asked<Ended>;
    let endings: [(Ending, &str); 3] = [
        (
            |harness| {
                harness.act(Kick {
                    target: KickTarget::User(Nick::parse("alice").unwrap()),
                    reason: "enough".to_owned(),
                })
            },
            "Kicked: enough",
        ),
        (
            |harness| harness.act(AddBan(ban(1, "alice", "spam"))),
            "Banned",
        ),
        (
            |harness| {
                harness.act(EndAccount {
                    account: identity("alice").id,
                    reason: "deleted".to_owned(),
                })
            },
            "deleted",
        ),
    ];
    for (end, quit_text) in endings {
        for connected in [false, true] {
            let (mut harness, alice, bob) = together();
            if !connected {
                harness.disconnect(alice);
            }
            harness.clear_received();
            let ticket = end(&mut harness);
            if connected {
                assert!(
                    harness.answer(ticket).is_none(),
                    "its connection is still open"
                );
                harness.disconnect(alice);
            }
            let Some(Ended { users, sessions }) = harness.answer(ticket) else {
                panic!("{quit_text}")
            };
            assert_eq!((users.len(), sessions), (1, usize::from(connected)));
            assert_eq!(
                harness.received(bob),
                [format!(":alice!~alice@users.irc.test QUIT :{quit_text}")]
            );
            assert!(
                restored(&harness.persisted).presences.is_empty() && !is_here(&mut harness, bob)
            );
        }
    }
}

#[test]
fn the_end_of_a_session_or_of_the_server_is_not_the_users() {
    let (mut harness, alice, bob) = together();
    let target = KickTarget::Session(Nick::parse("alice").unwrap(), alice);
    harness.act(Kick {
        target,
        reason: "lost phone".to_owned(),
    });
    harness.disconnect(alice);
    assert!(is_here(&mut harness, bob));
    let alice = harness.user("alice", "");
    harness.act(AddBan(ban(1, "192.0.2.1", "spam")));
    harness.disconnect(alice);
    harness.disconnect(bob);
    let ticket = harness.act(EndAll {
        reason: "stop".to_owned(),
    });
    assert!(harness.answer(ticket).is_some());
    assert_eq!(restored(&harness.persisted).presences.len(), 1);
}

#[test]
fn operators_see_the_user_and_that_no_session_is_connected() {
    let (mut harness, alice, _) = together();
    harness.disconnect(alice);
    let target = |target: &str| rookery_protocol::BanTarget::parse(target).unwrap();
    for (ticket, expected) in [
        (harness.act(ListUsers), 2),
        (harness.act(FindCovered(target("alice"))), 1),
        (harness.act(FindCovered(target("192.0.2.1"))), 1),
    ] {
        let Some(users) = harness.answer(ticket) else {
            panic!()
        };
        assert_eq!(users.len(), expected);
        let alice: Vec<&UserView> = users
            .iter()
            .filter(|user| user.nick.as_str() == "alice")
            .collect();
        assert!(
            alice
                .iter()
                .all(|user| user.sessions.is_empty() && user.channels.len() == 1)
        );
    }
    let ticket = harness.act(CloseChannel {
        name: ChannelName::parse("#x").unwrap(),
        reason: "over".to_owned(),
    });
    assert!(
        matches!(harness.answer(ticket), Some(ClosedChannel { members }) if members.len() == 2)
    );
    assert!(
        restored(&harness.persisted).presences[0]
            .channels
            .is_empty()
    );
}

#[test]
fn a_guest_that_signs_in_joins_the_user_that_stayed() {
    let (mut harness, alice, bob) = together();
    harness.disconnect(alice);
    let guest = harness.guest("gus", "");
    harness.clear_received();
    assert!(matches!(
        harness.sign_in(guest, identity("alice")),
        Admission::Admitted
    ));
    assert_eq!(
        find(&harness.received(bob), "AWAY"),
        ":alice!~alice@users.irc.test AWAY"
    );
    assert!(
        harness
            .received(guest)
            .iter()
            .any(|line| line.ends_with(" JOIN #x"))
    );
    // The end of one device's session leaves no channel.
    let other = harness.user("alice", "");
    harness.disconnect(guest);
    assert!(harness.received(bob).is_empty());
    assert!(harness.request(other, "NAMES #x")[0].contains("alice"));
}

#[test]
fn a_reload_that_enables_always_on_applies_to_present_users() {
    let mut harness = Harness::new();
    let alice = harness.user("alice", "");
    harness.channel("#x", &[alice]);
    let always_on = Settings {
        always_on: true,
        ..settings()
    };
    harness.event(Event::Reload(Box::new(always_on.clone())));
    let mut next = restart(&harness, always_on);
    let bob = next.user("bob", "");
    assert!(is_here(&mut next, bob));
}

#[test]
fn where_nicks_are_no_longer_free_a_user_is_restored_under_its_account_name() {
    let free = Settings {
        free_nicks: true,
        always_on: true,
        ..settings()
    };
    let mut harness = Harness::with(free.clone());
    let alice = harness.user("alice", "");
    harness.channel("#x", &[alice]);
    harness.send(alice, "NICK ally");
    for (settings, nick) in [
        (free.clone(), "ally"),
        (
            Settings {
                free_nicks: false,
                ..free
            },
            "alice",
        ),
    ] {
        let mut next = restart(&harness, settings);
        let bob = next.user("bob", "");
        assert!(find(&next.request(bob, &format!("WHOIS {nick}")), "311").contains(nick));
    }
}

#[test]
fn after_a_restart_a_renamed_channel_discloses_no_history_of_its_name() {
    let mut harness = Harness::new();
    let (alice, others, maker) = (
        harness.user("alice", ""),
        harness.guest("gus", ""),
        harness.guest("mia", ""),
    );
    harness.send(alice, "SET always-on on");
    harness.channel("#ours", &[maker, alice]);
    harness.advance(60);
    harness.channel("#theirs", &[others]);
    harness.send(others, "PRIVMSG #theirs :among us");
    harness.send(others, "PART #theirs");
    harness.advance(60);
    harness.send(maker, "RENAME #ours #theirs");
    let renamed_at = harness.now;
    let mut next = restart(&harness, settings());
    let candidate = Harness::candidate("alice", Some(identity("alice")), "draft/chathistory");
    let (alice, _) = next.try_admit(candidate);
    next.send(alice, "CHATHISTORY LATEST #theirs * 10");
    let HistoryQuery::Page(page) = &next.fetches.last().unwrap().query else {
        panic!("no page")
    };
    assert_eq!(page.since, renamed_at);
}
