//! Users who stay present while no session is connected (always on).

use super::harness::*;
use crate::event::{Event, HistoryQuery, SessionId, Settings};
use crate::request::{
    AddBans, Admission, ClosedChannel, EndAll, Ended, FindCovered, Kick, KickTarget, ListUsers,
    UserView,
};
use crate::state::away::DEFAULT_MESSAGE;
use rookery_record::{BanTarget, Change, PageQuery};

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

/// Returns the numerics of the reply to `WHOIS alice`.
fn whois(harness: &mut Harness, session: SessionId) -> Vec<String> {
    commands(&harness.request(session, "WHOIS alice"))
}

/// Whether alice is present, as another session sees it.
fn is_present(harness: &mut Harness, session: SessionId) -> bool {
    whois(harness, session).contains(&"311".to_owned())
}

/// Returns the latest pending query, which must be for a page.
fn latest_page_query(harness: &Harness) -> &PageQuery {
    match &harness.fetches.last().unwrap().query {
        HistoryQuery::Page(page) => page,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_user_stays_present_as_away_and_receives_missed_messages() {
    let (mut harness, alice, bob) = together();
    harness.disconnect(alice);
    assert_eq!(
        harness.received(bob),
        [format!(
            ":alice!~alice@users.irc.test AWAY :{DEFAULT_MESSAGE}"
        )]
    );
    assert_eq!(
        whois(&mut harness, bob),
        ["311", "319", "312", "301", "330", "317", "318"],
        "no secure connection is reported, as there is none"
    );
    harness.send(bob, "PRIVMSG #x :one");
    let answer = harness.request(bob, "PRIVMSG alice :two");
    assert_eq!(
        answer,
        [format!(":irc.test 301 bob alice :{DEFAULT_MESSAGE}")]
    );
    harness.send(bob, "MONITOR + alice");
    assert_eq!(commands(&harness.received(bob)), ["730"], "alice is online");

    let (alice, received) = harness.connect("alice", "batch server-time");
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
fn the_away_message_survives_a_quit_and_a_restart() {
    let (mut harness, alice, bob) = together();
    harness.send(alice, "AWAY :on holiday");
    harness.clear_received();
    harness.send(alice, "QUIT :bye");
    assert!(harness.received(bob).is_empty(), "nothing has changed");
    assert!(harness.request(bob, "PRIVMSG alice :hi")[0].ends_with(" 301 bob alice :on holiday"));
    let mut next = harness.restart(settings());
    let bob = next.user("bob", "");
    assert!(next.request(bob, "PRIVMSG alice :hi")[0].ends_with(" 301 bob alice :on holiday"));
}

#[test]
fn each_user_may_choose_and_the_config_applies_to_the_others() {
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

    // The default is switched off, which ends the users who did not choose.
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
    assert!(is_present(&mut harness, bob));
    let names: Vec<String> = harness
        .snapshot()
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
    let last_change = harness.now;
    harness.advance(60);
    // The server is killed, so that nobody disconnects first.
    let mut next = harness.restart(settings());
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
    let alice = next.user("alice", "draft/chathistory");
    assert_eq!(
        find(&next.request(alice, "MODE alice"), "221"),
        ":irc.test 221 alice +i"
    );
    next.send(alice, "CHATHISTORY LATEST #y * 5");
    assert_eq!(
        latest_page_query(&next).since,
        last_change,
        "messages before the restart are visible"
    );
}

#[test]
fn banned_users_and_those_who_opted_out_are_not_restored() {
    let (harness, _, _) = together();
    let bans = vec![ban(1, "alice", "spam")];
    let mut next = Harness::restored(settings(), bans, harness.snapshot());
    let bob = next.user("bob", "");
    assert!(!is_present(&mut next, bob));
    assert!(
        snapshot(&[&harness.persisted[..], &next.persisted[..]].concat())
            .presences
            .is_empty(),
        "the user is not restored by the next restart either"
    );
    let (mut harness, alice, _) = together();
    harness.send(alice, "SET always-on off");
    assert!(harness.snapshot().presences.is_empty());
}

#[test]
fn a_kick_a_ban_and_the_end_of_the_account_end_the_user() {
    type Ending = fn(&mut Harness) -> ReplyKey<Ended>;
    let endings: [(Ending, &str); 3] = [
        (
            |harness| harness.act(kick("alice", "enough")),
            "Kicked: enough",
        ),
        (
            |harness| harness.act(AddBans(vec![ban(1, "alice", "spam")])),
            "Banned",
        ),
        (
            |harness| harness.act(end_account("alice", "deleted")),
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
                    "the connection is still open"
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
            assert!(harness.snapshot().presences.is_empty() && !is_present(&mut harness, bob));
        }
    }
}

#[test]
fn the_user_outlives_the_end_of_a_session_and_of_the_server() {
    let (mut harness, alice, bob) = together();
    let target = KickTarget::Session(nick("alice"), alice);
    harness.act(Kick {
        target,
        reason: "lost phone".to_owned(),
    });
    harness.disconnect(alice);
    assert!(is_present(&mut harness, bob));
    let alice = harness.user("alice", "");
    harness.act(AddBans(vec![ban(1, "192.0.2.1", "spam")]));
    harness.disconnect(alice);
    harness.disconnect(bob);
    harness.reply_to(EndAll {
        reason: "stop".to_owned(),
    });
    assert_eq!(harness.snapshot().presences.len(), 1);
}

#[test]
fn admins_see_the_user_without_a_session() {
    let (mut harness, alice, _) = together();
    harness.disconnect(alice);
    let target = |target: &str| BanTarget::parse(target).unwrap();
    for (users, expected) in [
        (harness.reply_to(ListUsers), 2),
        (
            harness.reply_to(FindCovered {
                target: target("alice"),
                account_email: None,
            }),
            1,
        ),
        (
            harness.reply_to(FindCovered {
                target: target("192.0.2.1"),
                account_email: None,
            }),
            1,
        ),
    ] {
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
    let ClosedChannel { members } = harness.reply_to(close_channel("#x", "over"));
    assert_eq!(members.len(), 2);
    assert!(harness.snapshot().presences[0].channels.is_empty());
}

#[test]
fn a_guest_that_signs_in_joins_the_always_on_user() {
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
    // The end of one session makes the user leave no channel.
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
    let mut next = harness.restart(always_on);
    let bob = next.user("bob", "");
    assert!(is_present(&mut next, bob));
}

#[test]
fn without_free_nicks_a_user_is_restored_under_its_account_name() {
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
        let mut next = harness.restart(settings);
        let bob = next.user("bob", "");
        assert!(find(&next.request(bob, &format!("WHOIS {nick}")), "311").contains(nick));
    }
}

#[test]
fn after_a_restart_a_renamed_channel_discloses_no_history_of_its_name() {
    let mut harness = Harness::new();
    let (alice, outsider, creator) = (
        harness.user("alice", ""),
        harness.guest("gus", ""),
        harness.guest("mia", ""),
    );
    harness.send(alice, "SET always-on on");
    harness.channel("#ours", &[creator, alice]);
    harness.advance(60);
    harness.channel("#theirs", &[outsider]);
    harness.send(outsider, "PRIVMSG #theirs :among us");
    harness.send(outsider, "PART #theirs");
    harness.advance(60);
    harness.send(creator, "RENAME #ours #theirs");
    let renamed_at = harness.now;
    let mut next = harness.restart(settings());
    let alice = next.user("alice", "draft/chathistory");
    next.send(alice, "CHATHISTORY LATEST #theirs * 10");
    assert_eq!(latest_page_query(&next).since, renamed_at);
}

/// Returns a chat in which alice, in #x, and thirty users who are always on are in three channels.
fn crowd() -> (Harness, SessionId) {
    let mut harness = Harness::new();
    let alice = harness.user("alice", "");
    harness.channel("#x", &[alice]);
    for number in 0..30 {
        let user = harness.user(&format!("user{number}"), "");
        harness.send(user, "SET always-on on");
        harness.send(user, "JOIN #a,#x,#b");
        harness.disconnect(user);
    }
    harness.persisted.clear();
    (harness, alice)
}

/// Returns how many whole presences were persisted, and of how many users a membership was.
fn persisted_users(harness: &Harness) -> (usize, Vec<usize>) {
    let presences = harness.persisted.iter().filter_map(|change| match change {
        Change::Presence(presence) => Some(presence),
        _ => None,
    });
    let memberships = harness.persisted.iter().filter_map(|change| match change {
        Change::Memberships { accounts, .. } => Some(accounts.len()),
        _ => None,
    });
    (presences.count(), memberships.collect())
}

#[test]
fn a_rename_or_the_end_of_a_channel_is_one_change_for_all_who_are_always_on() {
    let (mut harness, alice) = crowd();
    harness.send(alice, "RENAME #x #y");
    assert_eq!(persisted_users(&harness), (0, vec![30]));

    let (mut harness, _) = crowd();
    harness.reply_to(close_channel("#x", "off topic"));
    assert_eq!(persisted_users(&harness), (0, vec![30]));
}

#[test]
fn after_a_restart_the_user_is_in_renamed_channels_and_not_in_closed_ones() {
    let (mut harness, alice, bob) = together();
    harness.channel("#closed", &[bob, alice]);
    harness.channel("#y", &[alice, bob]);
    harness.send(alice, "RENAME #x #X");
    harness.send(alice, "RENAME #X #new");
    harness.send(alice, "RENAME #y #x");
    harness.reply_to(close_channel("#CLOSED", "off topic"));
    let mut next = harness.restart(settings());
    let bob = next.user("bob", "");
    next.send(bob, "JOIN #new,#x,#closed");
    let received = next.request(bob, "WHOIS alice");
    assert!(
        find(&received, "319").ends_with(":~#new ~#x"),
        "{received:?}"
    );
}

#[test]
fn an_operator_whose_mode_was_taken_does_not_get_it_back_by_a_restart() {
    let mut harness = Harness::new();
    let (bob, alice) = (harness.user("bob", ""), harness.user("alice", ""));
    harness.send(alice, "SET always-on on");
    harness.channel("#x", &[bob]);
    harness.send(bob, "ACCESS #x ADD alice op");
    harness.send(alice, "JOIN #x");
    harness.send(bob, "MODE #x -o alice");
    let mut next = harness.restart(settings());
    let bob = next.user("bob", "");
    assert!(find(&next.request(bob, "WHOIS alice"), "319").ends_with(":#x"));
    next.send(bob, "JOIN #x");
    let alice = next.user("alice", "");
    assert_eq!(commands(&next.request(alice, "MODE #x +m")), ["482"]);
}
