//! `accounts.free_nicks`: a nick that is not the account's name.

use rookery_protocol::{AccountName, Nick};

use super::play::*;
use crate::event::{Found, HistoryQuery, SessionId, Settings};
use crate::request::{AddBan, Admission, Ended, Kick, KickTarget};
use rookery_record::{HistoryTarget, Party, Place};

fn free() -> Play {
    Play::with(Settings {
        free_nicks: true,
        ..settings()
    })
}

/// Admits a session of an account under a nick of its own; what it hears first is forgotten.
fn user(play: &mut Play, account: &str, nick: &str, capabilities: &str) -> SessionId {
    let (session, answer) =
        play.try_admit(Play::candidate(nick, Some(identity(account)), capabilities));
    assert!(matches!(answer, Admission::Admitted), "{answer:?}");
    play.heard(session);
    session
}

fn party(account: &str) -> Party {
    Party::Account(Nick::parse(account).unwrap())
}

#[test]
fn whoever_signs_in_keeps_the_nick_asked_for_and_is_known_by_the_account() {
    let mut play = free();
    let bob = user(&mut play, "bob", "bobby", "account-tag extended-join");
    let alice = user(&mut play, "alice", "rook", "");
    play.send(bob, "JOIN #x");
    play.send(alice, "JOIN #x");
    assert_eq!(
        find(&play.heard(bob)[1..], "JOIN"),
        "@account=alice :rook!~rook@users.irc.test JOIN #x alice :Real rook"
    );
    play.forget();
    play.send(alice, "PRIVMSG #x :hi");
    assert_eq!(
        play.heard(bob),
        ["@account=alice :rook!~rook@users.irc.test PRIVMSG #x :hi"]
    );
    assert_eq!(
        find(&play.ask(bob, "WHOIS rook"), "330"),
        ":irc.test 330 bobby rook alice :is logged in as"
    );
    assert_eq!(
        find(&play.ask(bob, "WHO #x %na"), "354"),
        ":irc.test 354 bobby bobby bob"
    );
    assert_eq!(
        commands(&play.ask(bob, "PRIVMSG alice :hi")),
        ["401"],
        "nobody has that nick"
    );
    play.send(bob, "MODE #x +b ~a:alice");
    play.forget();
    assert_eq!(
        commands(&play.ask(alice, "PRIVMSG #x :hi")),
        ["404"],
        "masks of accounts go by the account"
    );
}

#[test]
fn one_account_is_one_nick_whatever_its_sessions_ask_for() {
    let mut play = free();
    let bob = user(&mut play, "bob", "bob", "");
    let desk = user(&mut play, "alice", "rook", "");
    play.channel("#x", &[bob, desk]);
    let (phone, _) = play.try_admit(Play::candidate("bob", Some(identity("alice")), ""));
    let heard = play.heard(phone);
    assert!(heard[0].contains(" 001 rook :Welcome"), "{heard:?}");
    assert!(find(&heard, "JOIN").contains(" JOIN #x"));
    play.forget();
    play.send(phone, "NICK crow");
    for session in [desk, phone, bob] {
        assert_eq!(
            play.heard(session),
            [":rook!~rook@users.irc.test NICK crow"]
        );
    }
    assert_eq!(commands(&play.ask(desk, "NICK bob")), ["433"]);
}

#[test]
fn a_guest_that_signs_in_keeps_its_nick() {
    let mut play = free();
    let bob = user(&mut play, "bob", "bob", "account-notify");
    let guest = play.guest("rook", "");
    play.channel("#x", &[bob, guest]);
    assert!(matches!(
        play.sign_in(guest, identity("alice")),
        Admission::Admitted
    ));
    assert_eq!(
        play.heard(bob),
        [":rook!~rook@guests.irc.test ACCOUNT alice"]
    );
}

#[test]
fn the_owner_of_a_name_is_made_way_for() {
    let mut play = free();
    let bob = user(&mut play, "bob", "bob", "");
    // Taken before there was an account of that name.
    let guest = play.guest("a1ice", "");
    let carol = user(&mut play, "carol", "dave", "");
    play.channel("#x", &[bob, guest, carol]);
    user(&mut play, "alice", "rook", "");
    assert_eq!(
        find(&play.heard(guest), "NICK"),
        ":a1ice!~a1ice@guests.irc.test NICK Guest-1"
    );
    user(&mut play, "dave", "crow", "");
    assert_eq!(
        find(&play.heard(bob)[1..], "NICK"),
        ":dave!~dave@users.irc.test NICK carol"
    );
    assert!(find(&play.heard(carol), "NOTICE").contains("dave is the name of an account"));
}

#[test]
fn a_nick_in_use_is_refused_to_accounts_too_and_nobody_has_to_move() {
    let mut play = free();
    let guest = play.guest("alice", "");
    user(&mut play, "bob", "rook", "");
    let (_, answer) = play.try_admit(Play::candidate("r00k", Some(identity("alice")), ""));
    assert!(matches!(answer, Admission::NickInUse), "{answer:?}");
    assert!(play.heard(guest).is_empty());
}

#[test]
fn conversations_are_those_of_the_accounts_and_shown_by_present_nicks() {
    let mut play = free();
    let alice = user(&mut play, "alice", "rook", "draft/chathistory batch");
    let bob = user(&mut play, "bob", "crow", "");
    play.send(bob, "PRIVMSG rook :hi");
    let entry = play.entries.pop().unwrap();
    let place = Place::Direct {
        from: party("bob"),
        to: party("alice"),
    };
    assert_eq!(
        (entry.place.clone(), entry.account.clone()),
        (place, Some(AccountName::parse("bob").unwrap()))
    );

    play.send(alice, "NICK jay");
    play.send(alice, "CHATHISTORY LATEST crow * 10");
    let HistoryQuery::Page(page) = &play.fetches[0].query else {
        panic!("no page")
    };
    assert_eq!(
        page.places[0],
        Place::Direct {
            from: party("alice"),
            to: party("bob")
        }
    );
    play.forget();
    play.found(Found::Page(vec![entry]));
    let heard = play.heard(alice);
    assert!(
        heard[1].ends_with(" :crow!~crow@users.irc.test PRIVMSG jay :hi"),
        "{heard:?}"
    );

    play.send(
        alice,
        "CHATHISTORY TARGETS timestamp=2020-01-01T00:00:00.000Z timestamp=2030-01-01T00:00:00.000Z 9",
    );
    let HistoryQuery::Targets(targets) = &play.fetches[0].query else {
        panic!("no targets")
    };
    assert_eq!(targets.account.as_ref().unwrap().as_str(), "alice");
    play.forget();
    play.found(Found::Targets(vec![HistoryTarget {
        name: "bob".to_owned(),
        at: START,
    }]));
    assert!(play.heard(alice)[1].contains(" CHATHISTORY TARGETS crow "));
}

#[test]
fn operators_reach_a_user_by_nick_and_by_account() {
    for name in ["rook", "alice"] {
        let mut play = free();
        let alice = user(&mut play, "alice", "rook", "");
        let target = KickTarget::User(Nick::parse(name).unwrap());
        let act = Kick {
            target,
            reason: "enough".to_owned(),
        };
        let ticket = play.act(act);
        play.gone(alice);
        assert!(
            matches!(play.answer(ticket), Some(Ended { sessions: 1, .. })),
            "{name}"
        );
    }
    let mut play = free();
    let alice = user(&mut play, "alice", "rook", "");
    play.act(AddBan(ban(1, "alice", "spam")));
    assert_eq!(play.ended[0].0, alice, "bans go by the account");
}

#[test]
fn a_session_can_go_over_to_another_account() {
    let mut play = free();
    let bob = user(&mut play, "bob", "bob", "account-notify");
    let alice = user(&mut play, "alice", "rook", "");
    play.channel("#x", &[bob, alice]);
    assert!(matches!(
        play.sign_in(alice, identity("carol")),
        Admission::Admitted
    ));
    assert_eq!(
        play.heard(bob),
        [":rook!~rook@users.irc.test ACCOUNT carol"]
    );
    assert!(play.heard(alice).is_empty(), "nothing else is new to it");

    // The name of an account stays with that account.
    let dave = user(&mut play, "dave", "dave", "");
    play.channel("#x", &[dave]);
    play.sign_in(dave, identity("erin"));
    assert_eq!(
        find(&play.heard(bob), "NICK"),
        ":dave!~dave@users.irc.test NICK erin"
    );
}

#[test]
fn a_session_that_goes_over_leaves_its_siblings_where_they_are() {
    let mut play = free();
    let bob = user(&mut play, "bob", "bob", "");
    let desk = user(&mut play, "alice", "rook", "");
    let phone = user(&mut play, "alice", "rook", "");
    play.channel("#x", &[bob, desk]);
    assert!(matches!(
        play.sign_in(phone, identity("carol")),
        Admission::Admitted
    ));
    assert_eq!(commands(&play.heard(phone)), ["PART", "NICK"]);
    assert!(play.heard(desk).is_empty() && play.heard(bob).is_empty());
    assert_eq!(
        find(&play.ask(bob, "WHOIS carol"), "330"),
        ":irc.test 330 bob carol carol :is logged in as"
    );
    assert_eq!(
        find(&play.ask(bob, "WHOIS rook"), "330"),
        ":irc.test 330 bob rook alice :is logged in as"
    );
    // And to a user who is here.
    assert!(matches!(
        play.sign_in(phone, identity("bob")),
        Admission::Admitted
    ));
    assert_eq!(commands(&play.ask(bob, "WHOIS carol"))[0], "401");
}

#[test]
fn a_new_email_counts_at_once() {
    let mut play = free();
    let alice = user(&mut play, "alice", "rook", "");
    let changed = crate::event::Identity {
        email: "new@example.org".parse().ok(),
        ..identity("alice")
    };
    assert!(matches!(play.sign_in(alice, changed), Admission::Admitted));
    play.act(AddBan(ban(1, "alice@example.org", "spam")));
    assert!(play.ended.is_empty());
    play.act(AddBan(ban(2, "new@example.org", "spam")));
    assert_eq!(play.ended[0].0, alice);
}
