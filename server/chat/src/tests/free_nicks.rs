//! `accounts.free_nicks`: nicks that differ from the account's name.

use rookery_protocol::AccountName;

use super::harness::*;
use crate::event::{HistoryQuery, HistoryResult, Identity, SessionId, Settings};
use crate::request::{AddBans, Admission, Ended};
use rookery_record::{HistoryTarget, Participant, Place};

/// Returns a chat with free nicks.
fn free_nicks() -> Harness {
    Harness::with(Settings {
        free_nicks: true,
        ..settings()
    })
}

/// Admits a session of an account under another nick, and discards what it receives.
fn user(harness: &mut Harness, account: &str, nick: &str, capabilities: &str) -> SessionId {
    let candidate = Harness::candidate(nick, Some(identity(account)), capabilities);
    harness.admit(candidate).0
}

fn participant(account: &str) -> Participant {
    Participant::Account(nick(account))
}

#[test]
fn a_user_may_sign_in_under_another_nick() {
    let mut harness = free_nicks();
    let bob = user(&mut harness, "bob", "bobby", "account-tag extended-join");
    let alice = user(&mut harness, "alice", "rook", "");
    harness.send(bob, "JOIN #x");
    harness.send(alice, "JOIN #x");
    assert_eq!(
        find(&harness.received(bob)[1..], "JOIN"),
        "@account=alice :rook!~rook@users.irc.test JOIN #x alice :Real rook"
    );
    harness.clear_received();
    harness.send(alice, "PRIVMSG #x :hi");
    assert_eq!(
        harness.received(bob),
        ["@account=alice :rook!~rook@users.irc.test PRIVMSG #x :hi"]
    );
    assert_eq!(
        find(&harness.request(bob, "WHOIS rook"), "330"),
        ":irc.test 330 bobby rook alice :is logged in as"
    );
    assert_eq!(
        find(&harness.request(bob, "WHO #x %na"), "354"),
        ":irc.test 354 bobby bobby bob"
    );
    assert_eq!(
        commands(&harness.request(bob, "PRIVMSG alice :hi")),
        ["401"],
        "no user has this nick"
    );
    harness.send(bob, "MODE #x +b ~a:alice");
    harness.clear_received();
    assert_eq!(
        commands(&harness.request(alice, "PRIVMSG #x :hi")),
        ["404"],
        "account masks match the account"
    );
}

#[test]
fn all_sessions_of_an_account_share_one_nick() {
    let mut harness = free_nicks();
    let bob = user(&mut harness, "bob", "bob", "");
    let desk = user(&mut harness, "alice", "rook", "");
    harness.channel("#x", &[bob, desk]);
    let (phone, _) = harness.try_admit(Harness::candidate("bob", Some(identity("alice")), ""));
    let received = harness.received(phone);
    assert!(received[0].contains(" 001 rook :Welcome"), "{received:?}");
    assert!(find(&received, "JOIN").contains(" JOIN #x"));
    harness.clear_received();
    harness.send(phone, "NICK crow");
    for session in [desk, phone, bob] {
        assert_eq!(
            harness.received(session),
            [":rook!~rook@users.irc.test NICK crow"]
        );
    }
    assert_eq!(commands(&harness.request(desk, "NICK bob")), ["433"]);
}

#[test]
fn a_guest_that_signs_in_is_not_renamed() {
    let mut harness = free_nicks();
    let bob = user(&mut harness, "bob", "bob", "account-notify");
    let guest = harness.guest("rook", "");
    harness.channel("#x", &[bob, guest]);
    assert!(matches!(
        harness.sign_in(guest, identity("alice")),
        Admission::Admitted
    ));
    assert_eq!(
        harness.received(bob),
        [":rook!~rook@guests.irc.test ACCOUNT alice"]
    );
}

#[test]
fn the_owner_of_an_account_name_displaces_its_user() {
    let mut harness = free_nicks();
    let bob = user(&mut harness, "bob", "bob", "");
    // The guest looks like alice, who connects later.
    let guest = harness.guest("a1ice", "");
    let carol = user(&mut harness, "carol", "dave", "");
    harness.channel("#x", &[bob, guest, carol]);
    user(&mut harness, "alice", "rook", "");
    assert_eq!(
        find(&harness.received(guest), "NICK"),
        ":a1ice!~a1ice@guests.irc.test NICK Guest-1"
    );
    user(&mut harness, "dave", "crow", "");
    assert_eq!(
        find(&harness.received(bob)[1..], "NICK"),
        ":dave!~dave@users.irc.test NICK carol"
    );
    assert!(find(&harness.received(carol), "NOTICE").contains("dave is the name of an account"));
}

#[test]
fn an_account_cannot_connect_under_a_nick_in_use() {
    let mut harness = free_nicks();
    let guest = harness.guest("alice", "");
    user(&mut harness, "bob", "rook", "");
    let (_, answer) = harness.try_admit(Harness::candidate("r00k", Some(identity("alice")), ""));
    assert!(matches!(answer, Admission::NickInUse), "{answer:?}");
    assert!(harness.received(guest).is_empty());
}

#[test]
fn direct_messages_are_stored_by_account_and_read_by_current_nick() {
    let mut harness = free_nicks();
    let alice = user(&mut harness, "alice", "rook", "draft/chathistory batch");
    let bob = user(&mut harness, "bob", "crow", "");
    harness.send(bob, "PRIVMSG rook :hi");
    let entry = harness.entries.pop().unwrap();
    let place = Place::Direct {
        from: participant("bob"),
        to: participant("alice"),
    };
    assert_eq!(
        (entry.place.clone(), entry.account.clone()),
        (place, Some(AccountName::parse("bob").unwrap()))
    );

    harness.send(alice, "NICK jay");
    harness.send(alice, "CHATHISTORY LATEST crow * 10");
    let HistoryQuery::Page(page) = &harness.fetches[0].query else {
        panic!("no page")
    };
    assert_eq!(
        page.places[0],
        Place::Direct {
            from: participant("alice"),
            to: participant("bob")
        }
    );
    harness.clear_received();
    harness.answer_fetch(HistoryResult::Page(vec![entry]));
    let received = harness.received(alice);
    assert!(
        received[1].ends_with(" :crow!~crow@users.irc.test PRIVMSG jay :hi"),
        "{received:?}"
    );

    harness.send(
        alice,
        "CHATHISTORY TARGETS timestamp=2020-01-01T00:00:00.000Z timestamp=2030-01-01T00:00:00.000Z 9",
    );
    let HistoryQuery::Targets(targets) = &harness.fetches[0].query else {
        panic!("no targets")
    };
    assert_eq!(targets.account.as_ref().unwrap().as_str(), "alice");
    harness.clear_received();
    harness.answer_fetch(HistoryResult::Targets(vec![HistoryTarget {
        name: "bob".to_owned(),
        at: START,
    }]));
    assert!(harness.received(alice)[1].contains(" CHATHISTORY TARGETS crow "));
}

#[test]
fn admins_address_a_user_by_nick_or_by_account() {
    for name in ["rook", "alice"] {
        let mut harness = free_nicks();
        let alice = user(&mut harness, "alice", "rook", "");
        let ticket = harness.act(kick(name, "enough"));
        harness.disconnect(alice);
        assert!(
            matches!(harness.answer(ticket), Some(Ended { sessions: 1, .. })),
            "{name}"
        );
    }
    let mut harness = free_nicks();
    let alice = user(&mut harness, "alice", "rook", "");
    harness.act(AddBans(vec![ban(1, "alice", "spam")]));
    assert_eq!(harness.ended[0].0, alice, "a ban names the account");
}

#[test]
fn a_session_can_change_to_another_account() {
    let mut harness = free_nicks();
    let bob = user(&mut harness, "bob", "bob", "account-notify");
    let alice = user(&mut harness, "alice", "rook", "");
    harness.channel("#x", &[bob, alice]);
    assert!(matches!(
        harness.sign_in(alice, identity("carol")),
        Admission::Admitted
    ));
    assert_eq!(
        harness.received(bob),
        [":rook!~rook@users.irc.test ACCOUNT carol"]
    );
    assert!(harness.received(alice).is_empty(), "it receives nothing");

    // The new account may not have the nick that is the name of the old one.
    let dave = user(&mut harness, "dave", "dave", "");
    harness.channel("#x", &[dave]);
    harness.sign_in(dave, identity("erin"));
    assert_eq!(
        find(&harness.received(bob), "NICK"),
        ":dave!~dave@users.irc.test NICK erin"
    );
}

#[test]
fn a_session_that_changes_account_does_not_affect_the_others() {
    let mut harness = free_nicks();
    let bob = user(&mut harness, "bob", "bob", "");
    let desk = user(&mut harness, "alice", "rook", "");
    let phone = user(&mut harness, "alice", "rook", "");
    harness.channel("#x", &[bob, desk]);
    assert!(matches!(
        harness.sign_in(phone, identity("carol")),
        Admission::Admitted
    ));
    assert_eq!(commands(&harness.received(phone)), ["PART", "NICK"]);
    assert!(harness.received(desk).is_empty() && harness.received(bob).is_empty());
    assert_eq!(
        find(&harness.request(bob, "WHOIS carol"), "330"),
        ":irc.test 330 bob carol carol :is logged in as"
    );
    assert_eq!(
        find(&harness.request(bob, "WHOIS rook"), "330"),
        ":irc.test 330 bob rook alice :is logged in as"
    );
    // The session may also join another user that is connected.
    assert!(matches!(
        harness.sign_in(phone, identity("bob")),
        Admission::Admitted
    ));
    assert_eq!(commands(&harness.request(bob, "WHOIS carol"))[0], "401");
}

#[test]
fn a_new_email_applies_at_once() {
    let mut harness = free_nicks();
    let alice = user(&mut harness, "alice", "rook", "");
    let changed = Identity {
        email: "new@example.org".parse().ok(),
        ..identity("alice")
    };
    assert!(matches!(
        harness.sign_in(alice, changed),
        Admission::Admitted
    ));
    harness.act(AddBans(vec![ban(1, "alice@example.org", "spam")]));
    assert!(harness.ended.is_empty());
    harness.act(AddBans(vec![ban(2, "new@example.org", "spam")]));
    assert_eq!(harness.ended[0].0, alice);
}

#[test]
fn a_nick_has_composed_letters() {
    let mut harness = free_nicks();
    let zoe = user(&mut harness, "zoe", "wren", "");
    assert_eq!(
        harness.request(zoe, "NICK Zoe\u{301}"),
        [":wren!~wren@users.irc.test NICK Zoé"]
    );
    let received = harness.request(zoe, "NICK Zoe\u{301}");
    assert!(received.is_empty(), "it has that nick: {received:?}");
}
