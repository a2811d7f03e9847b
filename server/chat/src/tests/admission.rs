//! Admission, the welcome, signing in.

use jiff::SignedDuration;
use rookery_protocol::ChannelName;

use super::play::*;
use crate::event::Identity;
use crate::request::{Admission, ListUsers};

#[test]
fn a_guest_is_greeted_and_let_in() {
    let mut play = Play::new();
    let (session, answer) = play.try_admit(Play::candidate("Ann", None, ""));
    assert!(matches!(answer, Admission::Admitted));
    let heard = play.heard(session);
    assert_eq!(commands(&heard)[..4], ["001", "002", "003", "004"]);
    assert_eq!(
        heard[0],
        ":irc.test 001 Ann :Welcome to Test, Ann!~ann@guests.irc.test"
    );
    assert!(find(&heard, "422").starts_with(":irc.test 422 Ann :"));
    assert!(
        !commands(&heard).contains(&"NOTICE".to_owned()),
        "no account to welcome"
    );
}

#[test]
fn an_account_is_welcomed_by_its_name_and_brought_to_the_lobby() {
    let mut lobby = settings();
    lobby.lobby = vec![ChannelName::parse("#Lobby").unwrap()];
    lobby.motd = "Be kind.\nHave fun.\n".to_owned();
    let mut play = Play::with(lobby);
    let new = Identity {
        new: true,
        ..identity("Alice")
    };
    let (session, answer) = play.try_admit(Play::candidate("whatever", Some(new), ""));
    assert!(matches!(answer, Admission::Admitted));
    let heard = play.heard(session);
    assert_eq!(
        find(&heard, "NOTICE"),
        ":irc.test NOTICE Alice :Welcome, Alice. You are new here."
    );
    assert_eq!(find(&heard, "372"), ":irc.test 372 Alice :- Be kind.");
    assert_eq!(
        find(&heard, "JOIN"),
        ":Alice!~whatever@users.irc.test JOIN #Lobby"
    );
    assert_eq!(find(&heard, "353"), ":irc.test 353 Alice = #Lobby :Alice");
    play.ask(session, "TOPIC #lobby :Be kind");
    let mode = play.ask(session, "MODE #lobby +m");
    assert_eq!(commands(&mode), ["482"], "a lobby has no operator");

    let (bob, _) = play.try_admit(Play::candidate("x", Some(identity("bob")), ""));
    assert_eq!(
        find(&play.heard(bob), "NOTICE"),
        ":irc.test NOTICE bob :Welcome back, bob."
    );
}

#[test]
fn a_visitor_speaks_in_the_lobby_without_being_seen_to_come_and_go() {
    let mut with_lobby = settings();
    with_lobby.lobby = vec![ChannelName::parse("#lobby").unwrap()];
    let mut play = Play::with(with_lobby);
    let bob = play.user("bob", "");
    play.channel("#ops", &[bob]);
    let (alice, _) = play.try_admit(Play::candidate(
        "alice",
        Some(identity("alice")),
        "rookery/visitor",
    ));
    assert!(!commands(&play.heard(alice)).contains(&"JOIN".to_owned()));
    assert!(play.ask(alice, "PRIVMSG #lobby :backup done").is_empty());
    assert_eq!(
        commands(&play.ask(alice, "PRIVMSG #ops :hi")),
        ["404"],
        "only the lobby is everyone's"
    );
    play.send(alice, "QUIT");
    assert_eq!(
        play.heard(bob),
        [":alice!~alice@users.irc.test PRIVMSG #lobby :backup done"]
    );

    let (guest, _) = play.try_admit(Play::candidate("gus", None, "rookery/visitor"));
    assert_eq!(commands(&play.heard(bob)), ["JOIN"], "a guest is seen");
    assert!(commands(&play.heard(guest)).contains(&"JOIN".to_owned()));
}

#[test]
fn isupport_tells_what_is_true() {
    let mut play = Play::new();
    let (session, _) = play.try_admit(Play::candidate("Ann", None, ""));
    let heard = play.heard(session).join("\n");
    for token in [
        "NETWORK=Test",
        "CASEMAPPING=ascii",
        "UTF8ONLY",
        "CHANTYPES=#",
        "PREFIX=(qov)~@+",
        "STATUSMSG=@+",
        "CHANMODES=beI,k,l,Cimnst",
        "EXCEPTS=e",
        "INVEX=I",
        "CHANLIMIT=#:10",
        "NICKLEN=32",
        "CHANNELLEN=64",
        "TOPICLEN=307",
        "KICKLEN=255",
        "AWAYLEN=255",
        "NAMELEN=128",
        "MONITOR=5",
        "ELIST=CMNTU",
        "MAXLIST=b:5,e:5,I:5",
    ] {
        assert!(heard.contains(&format!(" {token} ")), "{token} in {heard}");
    }

    let mut unlimited = settings();
    (
        unlimited.monitor_entries,
        unlimited.channel_list_entries,
        unlimited.channels_per_user,
    ) = (0, 0, 0);
    let mut play = Play::with(unlimited);
    let (session, _) = play.try_admit(Play::candidate("Ann", None, ""));
    let heard = play.heard(session).join("\n");
    assert!(
        heard.contains(" MONITOR ")
            && heard.contains(" CHANLIMIT=#: ")
            && !heard.contains("MAXLIST")
    );
}

#[test]
fn nicks_that_are_taken_or_look_so_are_refused() {
    let mut play = Play::new();
    play.guest("alice", "");
    for taken in ["alice", "ALICE", "a1ice", "\u{430}lice"] {
        let (_, answer) = play.try_admit(Play::candidate(taken, None, ""));
        assert!(
            matches!(answer, Admission::NickInUse),
            "{taken}: {answer:?}"
        );
    }
    assert!(matches!(
        play.try_admit(Play::candidate("alina", None, "")).1,
        Admission::Admitted
    ));
}

#[test]
fn a_guest_steps_aside_for_the_owner_of_the_name() {
    let mut play = Play::new();
    let guest = play.guest("a1ice", "");
    let other = play.guest("bob", "");
    play.channel("#x", &[other, guest]);
    play.user("alice", "");
    let line = ":a1ice!~a1ice@guests.irc.test NICK Guest-1";
    assert_eq!(find(&play.heard(guest), "NICK"), line);
    assert_eq!(find(&play.heard(other), "NICK"), line);
    assert_eq!(play.ask(guest, "NICK a1ice").len(), 1, "it is refused now");
}

#[test]
fn whoever_is_banned_is_told_why_and_not_let_in() {
    let mut until = ban(1, "alice", "spam");
    until.expires_at = Some(START + SignedDuration::from_secs(60));
    let mut play = Play::with_bans(
        settings(),
        vec![until.clone(), ban(2, "bob@example.org", "no")],
    );
    let (session, answer) = play.try_admit(Play::candidate("x", Some(identity("Alice")), ""));
    let Admission::Banned { reason, expires_at } = answer else {
        panic!("{answer:?}")
    };
    assert_eq!((reason.as_str(), expires_at), ("spam", until.expires_at));
    assert!(play.heard(session).is_empty());
    assert!(matches!(
        play.try_admit(Play::candidate("x", Some(identity("bob")), ""))
            .1,
        Admission::Banned { .. }
    ));
    play.wait(60);
    assert!(matches!(
        play.try_admit(Play::candidate("x", Some(identity("Alice")), ""))
            .1,
        Admission::Admitted
    ));
}

#[test]
fn a_guest_that_signs_in_becomes_its_account() {
    let mut play = Play::new();
    let guest = play.guest("visitor", "account-notify");
    let other = play.guest("bob", "account-notify account-tag");
    let plain = play.guest("carl", "");
    play.channel("#x", &[guest, other, plain]);
    assert!(matches!(
        play.sign_in(guest, identity("Alice")),
        Admission::Admitted
    ));
    assert_eq!(
        play.heard(other),
        [
            ":visitor!~visitor@guests.irc.test NICK Alice",
            ":Alice!~visitor@guests.irc.test ACCOUNT Alice"
        ]
    );
    assert_eq!(
        play.heard(plain),
        [":visitor!~visitor@guests.irc.test NICK Alice"]
    );
    let heard = play.heard(guest);
    assert_eq!(
        commands(&heard),
        ["NICK", "ACCOUNT"],
        "it was greeted when it came in"
    );
}

#[test]
fn a_guest_whose_account_is_new_is_told_so() {
    let mut play = Play::new();
    let guest = play.guest("visitor", "");
    play.sign_in(
        guest,
        Identity {
            new: true,
            ..identity("Alice")
        },
    );
    let heard = play.heard(guest);
    assert_eq!(commands(&heard), ["NICK", "NOTICE"]);
    assert!(heard[1].ends_with(":Welcome, Alice. You are new here."));
}

#[test]
fn a_guest_with_the_nick_of_its_account_keeps_it() {
    let mut play = Play::new();
    let guest = play.guest("alice", "");
    assert!(matches!(
        play.sign_in(guest, identity("alice")),
        Admission::Admitted
    ));
    assert!(play.heard(guest).is_empty());
    assert_eq!(
        find(&play.ask(guest, "WHOIS alice"), "330"),
        ":irc.test 330 alice alice alice :is logged in as"
    );
}

#[test]
fn a_guest_whose_account_is_here_joins_its_user() {
    let mut play = Play::new();
    let first = play.user("alice", "");
    let guest = play.guest("visitor", "");
    let other = play.guest("bob", "");
    play.channel("#guests", &[guest, other]);
    play.channel("#home", &[first]);
    assert!(matches!(
        play.sign_in(guest, identity("alice")),
        Admission::Admitted
    ));
    assert_eq!(
        play.heard(other),
        [":visitor!~visitor@guests.irc.test QUIT :Signed in as alice"]
    );
    assert!(play.heard(first).is_empty());
    let heard = play.heard(guest);
    assert_eq!(commands(&heard), ["PART", "NICK", "JOIN", "353", "366"]);
    assert_eq!(heard[2], ":alice!~alice@users.irc.test JOIN #home");
    let users = play.act(ListUsers);
    let Some(users) = play.answer(users) else {
        panic!()
    };
    assert_eq!(users.len(), 2);
    assert_eq!(users[0].sessions.len(), 2);
}

#[test]
fn a_banned_account_cannot_sign_in_either() {
    let mut play = Play::with_bans(settings(), vec![ban(1, "alice", "spam")]);
    let guest = play.guest("visitor", "");
    assert!(matches!(
        play.sign_in(guest, identity("alice")),
        Admission::Banned { .. }
    ));
    assert!(
        play.ask(guest, "WHOIS visitor")
            .iter()
            .all(|line| !line.contains(" 330 "))
    );
}

#[test]
fn the_address_is_shown_to_nobody_else() {
    let mut play = Play::new();
    let alice = play.user("alice", "");
    let bob = play.user("bob", "");
    play.channel("#x", &[alice, bob]);
    for line in [
        "WHOIS alice",
        "WHO #x",
        "WHO alice",
        "USERHOST alice",
        "NAMES #x",
        "WHOWAS alice",
    ] {
        let heard = play.ask(bob, line).join("\n");
        assert!(!heard.contains("192.0.2.1"), "{heard}");
    }
    assert!(find(&play.ask(alice, "WHOIS alice"), "338").contains(" 192.0.2.1 "));
}

#[test]
fn usernames_and_real_names_are_made_fit() {
    let mut play = Play::new();
    let mut candidate = Play::candidate("ann", None, "");
    candidate.username = "a n@n!*\u{e4}abcdefghijk".to_owned();
    candidate.realname = "\u{e4}".repeat(200);
    let (session, _) = play.try_admit(candidate);
    let whois = play.ask(session, "WHOIS ann");
    assert!(
        find(&whois, "311").starts_with(":irc.test 311 ann ann ~annabcdefg guests.irc.test * :")
    );
    assert!(find(&whois, "311").ends_with(&format!(":{}", "\u{e4}".repeat(64))));
    let mut candidate = Play::candidate("bob", None, "");
    candidate.username = "\u{e4}\u{e4}".to_owned();
    let (session, _) = play.try_admit(candidate);
    assert!(find(&play.heard(session), "001").contains("bob!~user@"));
}
