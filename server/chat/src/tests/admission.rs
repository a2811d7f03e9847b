//! Admission, the welcome and signing in.

use jiff::SignedDuration;

use super::harness::*;
use crate::event::{Event, Identity, Settings};
use crate::request::{Admission, ListUsers};

#[test]
fn a_guest_is_greeted_and_admitted() {
    let mut harness = Harness::new();
    let (session, answer) = harness.try_admit(Harness::candidate("Ann", None, ""));
    assert!(matches!(answer, Admission::Admitted));
    let received = harness.received(session);
    assert_eq!(commands(&received)[..4], ["001", "002", "003", "004"]);
    assert_eq!(
        received[0],
        ":irc.test 001 Ann :Welcome to Test, Ann!~ann@guests.irc.test"
    );
    assert!(find(&received, "422").starts_with(":irc.test 422 Ann :"));
    assert!(
        !commands(&received).contains(&"NOTICE".to_owned()),
        "no account to welcome"
    );
}

#[test]
fn the_newest_session_beyond_the_limit_takes_the_place_of_the_oldest() {
    let mut harness = Harness::with(Settings {
        sessions_per_account: 2,
        ..settings()
    });
    let bob = harness.user("bob", "");
    let first = harness.user("alice", "");
    let second = harness.user("alice", "");
    for session in [bob, first, second] {
        harness.request(session, "JOIN #nest");
    }
    harness.received(bob);
    harness.user("alice", "");
    assert_eq!(harness.ended_sessions(), [first]);
    let guest = harness.guest("carl", "");
    assert!(matches!(
        harness.sign_in(guest, identity("alice")),
        Admission::Admitted
    ));
    assert_eq!(harness.ended_sessions(), [first, second]);
    assert_eq!(
        harness.received(bob),
        [""; 0],
        "the user has been there all the time"
    );
}

#[test]
fn a_user_stays_whose_only_session_is_displaced() {
    let mut harness = Harness::with(Settings {
        sessions_per_account: 1,
        ..settings()
    });
    let bob = harness.user("bob", "");
    let first = harness.user("alice", "");
    harness.request(bob, "JOIN #nest");
    harness.request(first, "JOIN #nest");
    harness.received(bob);
    let second = harness.user("alice", "");
    assert_eq!(harness.ended_sessions(), [first]);
    assert_eq!(harness.received(bob), [""; 0]);
    harness.request(bob, "PRIVMSG #nest :still there?");
    assert!(find(&harness.received(second), "PRIVMSG").ends_with("still there?"));
}

#[test]
fn a_session_whose_place_another_one_has_taken_ends() {
    let mut harness = Harness::new();
    let bob = harness.user("bob", "");
    let alice = [(); 2].map(|()| harness.user("alice", ""));
    let guest = harness.guest("carl", "");
    for session in [bob, alice[0], guest] {
        harness.request(session, "JOIN #nest");
    }
    harness.received(bob);
    harness.event(Event::Displaced(alice[1]));
    assert_eq!(harness.ended_sessions(), [alice[1]]);
    assert!(harness.ended[0].1.starts_with("ERROR :Displaced: "));
    assert_eq!(harness.received(bob), [""; 0], "alice has another session");
    harness.event(Event::Displaced(guest));
    assert_eq!(harness.ended_sessions(), [alice[1], guest]);
    assert!(find(&harness.received(bob), "QUIT").contains(":Displaced: "));
    harness.event(Event::Displaced(guest));
    assert_eq!(harness.ended_sessions(), [alice[1], guest], "it has ended");
}

#[test]
fn an_account_is_welcomed_by_its_name_and_joins_the_lobby() {
    let mut harness = Harness::with(Settings {
        motd: "Be kind.\nHave fun.\n".to_owned(),
        ..settings_with_lobby("#Lobby")
    });
    let new = Identity {
        new: true,
        ..identity("Alice")
    };
    let (session, answer) = harness.try_admit(Harness::candidate("whatever", Some(new), ""));
    assert!(matches!(answer, Admission::Admitted));
    let received = harness.received(session);
    assert_eq!(
        find(&received, "NOTICE"),
        ":irc.test NOTICE Alice :Welcome, Alice. You are new here."
    );
    assert_eq!(find(&received, "372"), ":irc.test 372 Alice :- Be kind.");
    assert_eq!(
        find(&received, "JOIN"),
        ":Alice!~whatever@users.irc.test JOIN #Lobby"
    );
    assert_eq!(
        find(&received, "353"),
        ":irc.test 353 Alice = #Lobby :Alice"
    );
    harness.request(session, "TOPIC #lobby :Be kind");
    let mode = harness.request(session, "MODE #lobby +m");
    assert_eq!(commands(&mode), ["482"], "a lobby has no operator");

    let (bob, _) = harness.try_admit(Harness::candidate("x", Some(identity("bob")), ""));
    assert_eq!(
        find(&harness.received(bob), "NOTICE"),
        ":irc.test NOTICE bob :Welcome back, bob."
    );
}

#[test]
fn a_visitor_speaks_in_the_lobby_without_join_or_quit() {
    let mut harness = Harness::with(settings_with_lobby("#lobby"));
    let (early, _) = harness.connect("carol", "rookery/visitor");
    assert_eq!(
        commands(&harness.request(early, "PRIVMSG #lobby :hi")),
        ["404"],
        "the lobby exists while nobody is in it"
    );
    harness.disconnect(early);
    let bob = harness.user("bob", "");
    harness.channel("#ops", &[bob]);
    let (alice, received) = harness.connect("alice", "rookery/visitor");
    assert!(!commands(&received).contains(&"JOIN".to_owned()));
    assert!(
        harness
            .request(alice, "PRIVMSG #lobby :backup done")
            .is_empty()
    );
    assert_eq!(
        commands(&harness.request(alice, "PRIVMSG #ops :hi")),
        ["404"],
        "a visitor speaks only in the lobby"
    );
    harness.send(alice, "QUIT");
    assert_eq!(
        harness.received(bob),
        [":alice!~alice@users.irc.test PRIVMSG #lobby :backup done"]
    );

    let (guest, _) = harness.try_admit(Harness::candidate("gus", None, "rookery/visitor"));
    assert_eq!(
        commands(&harness.received(bob)),
        ["JOIN"],
        "a guest cannot be a visitor"
    );
    assert!(commands(&harness.received(guest)).contains(&"JOIN".to_owned()));
}

#[test]
fn isupport_matches_the_settings() {
    let mut harness = Harness::new();
    let (session, _) = harness.try_admit(Harness::candidate("Ann", None, ""));
    let received = harness.received(session).join("\n");
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
        assert!(
            received.contains(&format!(" {token} ")),
            "{token} in {received}"
        );
    }

    let mut unlimited = settings();
    (
        unlimited.monitor_entries,
        unlimited.channel_list_entries,
        unlimited.channels_per_user,
    ) = (0, 0, 0);
    let mut harness = Harness::with(unlimited);
    let (session, _) = harness.try_admit(Harness::candidate("Ann", None, ""));
    let received = harness.received(session).join("\n");
    assert!(
        received.contains(" MONITOR ")
            && received.contains(" CHANLIMIT=#: ")
            && !received.contains("MAXLIST")
    );
}

#[test]
fn nicks_in_use_and_look_alikes_are_refused() {
    let mut harness = Harness::new();
    harness.guest("alice", "");
    for nick in ["alice", "ALICE", "a1ice", "\u{430}lice"] {
        let (_, answer) = harness.try_admit(Harness::candidate(nick, None, ""));
        assert!(matches!(answer, Admission::NickInUse), "{nick}: {answer:?}");
    }
    assert!(matches!(
        harness.try_admit(Harness::candidate("alina", None, "")).1,
        Admission::Admitted
    ));
}

#[test]
fn a_guest_is_renamed_when_the_owner_of_its_nick_connects() {
    let mut harness = Harness::new();
    let guest = harness.guest("a1ice", "");
    let other = harness.guest("bob", "");
    harness.channel("#x", &[other, guest]);
    harness.user("alice", "");
    let line = ":a1ice!~a1ice@guests.irc.test NICK Guest-1";
    assert_eq!(find(&harness.received(guest), "NICK"), line);
    assert_eq!(find(&harness.received(other), "NICK"), line);
    assert_eq!(
        harness.request(guest, "NICK a1ice").len(),
        1,
        "the nick is in use now"
    );
}

#[test]
fn a_banned_user_is_refused_with_the_reason() {
    let mut expiring = ban(1, "alice", "spam");
    expiring.expires_at = Some(START + SignedDuration::from_secs(60));
    let mut harness = Harness::with_bans(
        settings(),
        vec![expiring.clone(), ban(2, "bob@example.org", "no")],
    );
    let (session, answer) = harness.try_admit(Harness::candidate("x", Some(identity("Alice")), ""));
    let Admission::Banned { reason, expires_at } = answer else {
        panic!("{answer:?}")
    };
    assert_eq!((reason.as_str(), expires_at), ("spam", expiring.expires_at));
    assert!(harness.received(session).is_empty());
    assert!(matches!(
        harness
            .try_admit(Harness::candidate("x", Some(identity("bob")), ""))
            .1,
        Admission::Banned { .. }
    ));
    harness.advance(60);
    assert!(matches!(
        harness
            .try_admit(Harness::candidate("x", Some(identity("Alice")), ""))
            .1,
        Admission::Admitted
    ));
}

#[test]
fn a_guest_that_signs_in_is_renamed_to_its_account() {
    let mut harness = Harness::new();
    let guest = harness.guest("visitor", "account-notify");
    let other = harness.guest("bob", "account-notify account-tag");
    let plain = harness.guest("carl", "");
    harness.channel("#x", &[guest, other, plain]);
    assert!(matches!(
        harness.sign_in(guest, identity("Alice")),
        Admission::Admitted
    ));
    assert_eq!(
        harness.received(other),
        [
            ":visitor!~visitor@guests.irc.test NICK Alice",
            ":Alice!~visitor@guests.irc.test ACCOUNT Alice"
        ]
    );
    assert_eq!(
        harness.received(plain),
        [":visitor!~visitor@guests.irc.test NICK Alice"]
    );
    let received = harness.received(guest);
    assert_eq!(
        commands(&received),
        ["NICK", "ACCOUNT"],
        "it was greeted on admission"
    );
}

#[test]
fn a_guest_whose_account_is_new_is_welcomed_as_new() {
    let mut harness = Harness::new();
    let guest = harness.guest("visitor", "");
    harness.sign_in(
        guest,
        Identity {
            new: true,
            ..identity("Alice")
        },
    );
    let received = harness.received(guest);
    assert_eq!(commands(&received), ["NICK", "NOTICE"]);
    assert!(received[1].ends_with(":Welcome, Alice. You are new here."));
}

#[test]
fn a_guest_with_the_nick_of_its_account_is_not_renamed() {
    let mut harness = Harness::new();
    let guest = harness.guest("alice", "");
    assert!(matches!(
        harness.sign_in(guest, identity("alice")),
        Admission::Admitted
    ));
    assert!(harness.received(guest).is_empty());
    assert_eq!(
        find(&harness.request(guest, "WHOIS alice"), "330"),
        ":irc.test 330 alice alice alice :is logged in as"
    );
}

#[test]
fn a_guest_whose_account_is_connected_joins_its_user() {
    let mut harness = Harness::new();
    let first = harness.user("alice", "");
    let guest = harness.guest("visitor", "");
    let other = harness.guest("bob", "");
    harness.channel("#guests", &[guest, other]);
    harness.channel("#home", &[first]);
    assert!(matches!(
        harness.sign_in(guest, identity("alice")),
        Admission::Admitted
    ));
    assert_eq!(
        harness.received(other),
        [":visitor!~visitor@guests.irc.test QUIT :Signed in as alice"]
    );
    assert!(harness.received(first).is_empty());
    let received = harness.received(guest);
    assert_eq!(commands(&received), ["PART", "NICK", "JOIN", "353", "366"]);
    assert_eq!(received[2], ":alice!~alice@users.irc.test JOIN #home");
    let users = harness.reply_to(ListUsers);
    assert_eq!(users.len(), 2);
    assert_eq!(users[0].sessions.len(), 2);
}

#[test]
fn a_guest_cannot_sign_in_to_a_banned_account() {
    let mut harness = Harness::with_bans(settings(), vec![ban(1, "alice", "spam")]);
    let guest = harness.guest("visitor", "");
    assert!(matches!(
        harness.sign_in(guest, identity("alice")),
        Admission::Banned { .. }
    ));
    assert!(
        harness
            .request(guest, "WHOIS visitor")
            .iter()
            .all(|line| !line.contains(" 330 "))
    );
}

#[test]
fn only_the_user_sees_their_address() {
    let mut harness = Harness::new();
    let alice = harness.user("alice", "");
    let bob = harness.user("bob", "");
    harness.channel("#x", &[alice, bob]);
    for line in [
        "WHOIS alice",
        "WHO #x",
        "WHO alice",
        "USERHOST alice",
        "NAMES #x",
        "WHOWAS alice",
    ] {
        let received = harness.request(bob, line).join("\n");
        assert!(!received.contains("192.0.2.1"), "{received}");
    }
    assert!(find(&harness.request(alice, "WHOIS alice"), "338").contains(" 192.0.2.1 "));
}

#[test]
fn usernames_and_real_names_are_sanitised() {
    let mut harness = Harness::new();
    let mut candidate = Harness::candidate("ann", None, "");
    candidate.username = "a n@n!*\u{e4}abcdefghijk".to_owned();
    candidate.realname = "\u{e4}".repeat(200);
    let (session, _) = harness.try_admit(candidate);
    let whois = harness.request(session, "WHOIS ann");
    assert!(
        find(&whois, "311").starts_with(":irc.test 311 ann ann ~annabcdefg guests.irc.test * :")
    );
    assert!(find(&whois, "311").ends_with(&format!(":{}", "\u{e4}".repeat(64))));
    let mut candidate = Harness::candidate("bob", None, "");
    candidate.username = "\u{e4}\u{e4}".to_owned();
    let (session, _) = harness.try_admit(candidate);
    assert!(find(&harness.received(session), "001").contains("bob!~user@"));
}
