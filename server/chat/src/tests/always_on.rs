//! Users who stay while no session is connected.

use rookery_protocol::{ChannelName, Nick};

use super::lasting::restored;
use super::play::*;
use crate::event::{Event, HistoryQuery, SessionId, Settings};
use crate::request::{
    AddBan, Admission, CloseChannel, Emptied, EndAccount, EndAll, Ended, FindCovered, Kick,
    KickTarget, ListUsers, UserView,
};

const AWAY: &str = "Nobody is at the keyboard just now";

/// Alice, always on, and bob in a channel.
fn together() -> (Play, SessionId, SessionId) {
    let mut play = Play::new();
    let (alice, bob) = (play.user("alice", ""), play.user("bob", "away-notify"));
    play.send(alice, "SET always-on on");
    play.channel("#x", &[alice, bob]);
    (play, alice, bob)
}

fn whois(play: &mut Play, asker: SessionId) -> Vec<String> {
    commands(&play.ask(asker, "WHOIS alice"))
}

fn is_here(play: &mut Play, asker: SessionId) -> bool {
    whois(play, asker).contains(&"311".to_owned())
}

/// The chat after the server was stopped, or killed, with nobody connected.
fn restart(play: &Play, settings: Settings) -> Play {
    let mut next = Play::restored(settings, Vec::new(), restored(&play.kept));
    next.now = play.now;
    next.wait(60);
    next
}

#[test]
fn the_user_stays_marked_as_away_and_finds_what_was_said() {
    let (mut play, alice, bob) = together();
    play.gone(alice);
    assert_eq!(
        play.heard(bob),
        [format!(":alice!~alice@users.irc.test AWAY :{AWAY}")]
    );
    assert_eq!(
        whois(&mut play, bob),
        ["311", "319", "312", "301", "330", "317", "318"],
        "nothing of a secure connection: there is none"
    );
    play.send(bob, "PRIVMSG #x :one");
    let answer = play.ask(bob, "PRIVMSG alice :two");
    assert_eq!(answer, [format!(":irc.test 301 bob alice :{AWAY}")]);
    play.send(bob, "MONITOR + alice");
    assert_eq!(commands(&play.heard(bob)), ["730"], "it is online");

    let (alice, _) = play.try_admit(Play::candidate(
        "alice",
        Some(identity("alice")),
        "batch server-time",
    ));
    let heard = play.heard(alice);
    assert!(
        find(&heard, "JOIN").ends_with(" JOIN #x") && find(&heard, "353").ends_with(" :~alice bob")
    );
    assert_eq!(play.heard(bob), [":alice!~alice@users.irc.test AWAY"]);
    play.library();
    let missed = play.heard(alice).join("\n");
    assert!(
        missed.contains(" PRIVMSG #x :one") && missed.contains(" PRIVMSG alice :two"),
        "{missed}"
    );
}

#[test]
fn who_went_with_a_word_has_said_it_still() {
    let (mut play, alice, bob) = together();
    play.send(alice, "AWAY :on holiday");
    play.forget();
    play.send(alice, "QUIT :bye");
    assert!(play.heard(bob).is_empty(), "no news");
    assert!(play.ask(bob, "PRIVMSG alice :hi")[0].ends_with(" 301 bob alice :on holiday"));
    let mut next = restart(&play, settings());
    let bob = next.user("bob", "");
    assert!(next.ask(bob, "PRIVMSG alice :hi")[0].ends_with(" 301 bob alice :on holiday"));
}

#[test]
fn each_chooses_for_itself_and_the_config_for_the_others() {
    let mut play = Play::with(Settings {
        always_on: true,
        ..settings()
    });
    let (alice, guest) = (play.user("alice", ""), play.guest("gus", ""));
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
        let heard = play.ask(alice, line);
        assert!(
            heard.len() == 1 && heard[0].contains(&format!(" NOTICE alice :{expected}")),
            "{line}: {heard:?}"
        );
    }
    assert!(play.ask(alice, "SET fly on")[0].contains(" FAIL SET UNKNOWN_SETTING fly :"));
    assert!(
        play.ask(alice, "SET always-on maybe")[0]
            .contains(" FAIL SET INVALID_VALUE always-on maybe :")
    );
    assert!(play.ask(guest, "SET")[0].contains(" FAIL SET ACCOUNT_REQUIRED :"));

    // The config lets go those who went by it.
    let (carl, bob) = (play.user("carl", ""), play.user("bob", ""));
    play.channel("#x", &[alice, carl, bob]);
    play.gone(alice);
    play.gone(carl);
    play.forget();
    play.event(Event::Reload(Box::new(settings())));
    assert_eq!(
        play.heard(bob),
        [":carl!~carl@users.irc.test QUIT :No longer always on"]
    );
    assert!(is_here(&mut play, bob));
    let names: Vec<String> = restored(&play.kept)
        .presences
        .iter()
        .map(|presence| presence.name.to_string())
        .collect();
    assert_eq!(names, ["alice"]);
}

#[test]
fn after_a_restart_the_user_is_where_it_was() {
    let (mut play, alice, bob) = together();
    play.channel("#y", &[bob, alice]);
    for line in [
        "MODE alice +i",
        "SETNAME :Alice L.",
        "JOIN #left",
        "PART #left",
    ] {
        play.send(alice, line);
    }
    play.send(bob, "MODE #y +v alice");
    let at_work = play.now;
    play.wait(60);
    // The server is killed: nobody has left.
    let mut next = restart(&play, settings());
    let bob = next.user("bob", "");
    next.channel("#x", &[bob]);
    next.channel("#y", &[bob]);
    let heard = next.ask(bob, "WHOIS alice");
    assert!(find(&heard, "311").ends_with(":Alice L."), "{heard:?}");
    assert!(find(&heard, "319").ends_with(":~#x +#y"), "{heard:?}");
    assert!(find(&heard, "317").ends_with(&format!(
        " {} :seconds idle, signon time",
        START.as_second()
    )));
    next.send(bob, "PRIVMSG #x :hi");
    let (alice, _) = next.try_admit(Play::candidate(
        "alice",
        Some(identity("alice")),
        "draft/chathistory",
    ));
    assert_eq!(
        find(&next.ask(alice, "MODE alice"), "221"),
        ":irc.test 221 alice +i"
    );
    next.send(alice, "CHATHISTORY LATEST #y * 5");
    let HistoryQuery::Page(page) = &next.fetches.last().unwrap().query else {
        panic!()
    };
    assert_eq!(
        page.since, at_work,
        "what was said before the restart is in sight"
    );
}

#[test]
fn whoever_is_banned_or_changed_its_mind_does_not_come_back() {
    let (play, _, _) = together();
    let kept = restored(&play.kept);
    let mut next = Play::restored(settings(), vec![ban(1, "alice", "spam")], kept);
    let bob = next.user("bob", "");
    assert!(!is_here(&mut next, bob));
    assert!(
        restored(&[&play.kept[..], &next.kept[..]].concat())
            .presences
            .is_empty(),
        "nor later"
    );
    let (mut play, alice, _) = together();
    play.send(alice, "SET always-on off");
    assert!(restored(&play.kept).presences.is_empty());
}

#[test]
fn operators_end_it_and_a_ban_ends_it_for_good() {
    type Deed = fn(&mut Play) -> Asked<Ended>;
    let deeds: [(Deed, &str); 3] = [
        (
            |play| {
                play.act(Kick {
                    target: KickTarget::User(Nick::parse("alice").unwrap()),
                    reason: "enough".to_owned(),
                })
            },
            "Kicked: enough",
        ),
        (|play| play.act(AddBan(ban(1, "alice", "spam"))), "Banned"),
        (
            |play| {
                play.act(EndAccount {
                    account: identity("alice").id,
                    reason: "deleted".to_owned(),
                })
            },
            "deleted",
        ),
    ];
    for (deed, shown) in deeds {
        for connected in [false, true] {
            let (mut play, alice, bob) = together();
            if !connected {
                play.gone(alice);
            }
            play.forget();
            let ticket = deed(&mut play);
            if connected {
                assert!(
                    play.answer(ticket).is_none(),
                    "its connection is still there"
                );
                play.gone(alice);
            }
            let Some(Ended { users, sessions }) = play.answer(ticket) else {
                panic!("{shown}")
            };
            assert_eq!((users.len(), sessions), (1, usize::from(connected)));
            assert_eq!(
                play.heard(bob),
                [format!(":alice!~alice@users.irc.test QUIT :{shown}")]
            );
            assert!(restored(&play.kept).presences.is_empty() && !is_here(&mut play, bob));
        }
    }
}

#[test]
fn the_end_of_a_session_or_of_the_server_is_not_the_users() {
    let (mut play, alice, bob) = together();
    let target = KickTarget::Session(Nick::parse("alice").unwrap(), alice);
    play.act(Kick {
        target,
        reason: "lost phone".to_owned(),
    });
    play.gone(alice);
    assert!(is_here(&mut play, bob));
    let alice = play.user("alice", "");
    play.act(AddBan(ban(1, "192.0.2.1", "spam")));
    play.gone(alice);
    play.gone(bob);
    let ticket = play.act(EndAll {
        reason: "stop".to_owned(),
    });
    assert!(play.answer(ticket).is_some());
    assert_eq!(restored(&play.kept).presences.len(), 1);
}

#[test]
fn operators_see_the_user_and_that_no_session_is_connected() {
    let (mut play, alice, _) = together();
    play.gone(alice);
    let target = |target: &str| rookery_protocol::BanTarget::parse(target).unwrap();
    for (ticket, expected) in [
        (play.act(ListUsers), 2),
        (play.act(FindCovered(target("alice"))), 1),
        (play.act(FindCovered(target("192.0.2.1"))), 1),
    ] {
        let Some(users) = play.answer(ticket) else {
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
    let ticket = play.act(CloseChannel {
        name: ChannelName::parse("#x").unwrap(),
        reason: "over".to_owned(),
    });
    assert!(matches!(play.answer(ticket), Some(Emptied { members }) if members.len() == 2));
    assert!(restored(&play.kept).presences[0].channels.is_empty());
}

#[test]
fn a_guest_that_signs_in_comes_to_the_user_that_stayed() {
    let (mut play, alice, bob) = together();
    play.gone(alice);
    let guest = play.guest("gus", "");
    play.forget();
    assert!(matches!(
        play.sign_in(guest, identity("alice")),
        Admission::Admitted
    ));
    assert_eq!(
        find(&play.heard(bob), "AWAY"),
        ":alice!~alice@users.irc.test AWAY"
    );
    assert!(
        play.heard(guest)
            .iter()
            .any(|line| line.ends_with(" JOIN #x"))
    );
    // ClosingSession one device leaves no channel.
    let other = play.user("alice", "");
    play.gone(guest);
    assert!(play.heard(bob).is_empty());
    assert!(play.ask(other, "NAMES #x")[0].contains("alice"));
}

#[test]
fn whoever_is_here_is_kept_from_the_reload_on_that_makes_them_always_on() {
    let mut play = Play::new();
    let alice = play.user("alice", "");
    play.channel("#x", &[alice]);
    let always_on = Settings {
        always_on: true,
        ..settings()
    };
    play.event(Event::Reload(Box::new(always_on.clone())));
    let mut next = restart(&play, always_on);
    let bob = next.user("bob", "");
    assert!(is_here(&mut next, bob));
}

#[test]
fn where_nicks_are_free_no_more_a_user_is_back_under_its_accounts_name() {
    let free = Settings {
        free_nicks: true,
        always_on: true,
        ..settings()
    };
    let mut play = Play::with(free.clone());
    let alice = play.user("alice", "");
    play.channel("#x", &[alice]);
    play.send(alice, "NICK ally");
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
        let mut next = restart(&play, settings);
        let bob = next.user("bob", "");
        assert!(find(&next.ask(bob, &format!("WHOIS {nick}")), "311").contains(nick));
    }
}

#[test]
fn after_a_restart_nobody_reads_what_others_said_under_a_channels_name_before_it_had_it() {
    let mut play = Play::new();
    let (alice, others, maker) = (
        play.user("alice", ""),
        play.guest("gus", ""),
        play.guest("mia", ""),
    );
    play.send(alice, "SET always-on on");
    play.channel("#ours", &[maker, alice]);
    play.wait(60);
    play.channel("#theirs", &[others]);
    play.send(others, "PRIVMSG #theirs :among us");
    play.send(others, "PART #theirs");
    play.wait(60);
    play.send(maker, "RENAME #ours #theirs");
    let renamed_at = play.now;
    let mut next = restart(&play, settings());
    let candidate = Play::candidate("alice", Some(identity("alice")), "draft/chathistory");
    let (alice, _) = next.try_admit(candidate);
    next.send(alice, "CHATHISTORY LATEST #theirs * 10");
    let HistoryQuery::Page(page) = &next.fetches.last().unwrap().query else {
        panic!("no page")
    };
    assert_eq!(page.since, renamed_at);
}
