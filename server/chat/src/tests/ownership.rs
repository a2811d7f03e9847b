//! Founders and access lists.

use super::harness::*;
use crate::event::SessionId;
use crate::request::{Admission, ForgetAccount, ListChannels};
use rookery_record::Change;

const ALICE: &str = ":alice!~alice@users.irc.test";

/// Returns a chat with a channel that alice owns and that bob and a guest are in.
fn owned() -> (Harness, SessionId, SessionId, SessionId) {
    let mut harness = Harness::new();
    let (alice, bob, guest) = (
        harness.user("alice", ""),
        harness.user("bob", "multi-prefix"),
        harness.guest("gus", ""),
    );
    harness.channel("#x", &[alice, bob, guest]);
    (harness, alice, bob, guest)
}

/// Returns the founder of the first persistent channel.
fn founder(harness: &Harness) -> Option<String> {
    let channels = harness.snapshot().channels;
    channels.first().map(|channel| channel.founder.to_string())
}

/// Returns the chat after a restart, with alice and bob connected again.
fn restart(harness: &Harness) -> (Harness, SessionId, SessionId) {
    let mut next = harness.restart(settings());
    let (alice, bob) = (next.user("alice", ""), next.user("bob", ""));
    (next, alice, bob)
}

#[test]
fn a_founder_who_transfers_the_channel_stays_its_operator() {
    let (mut harness, alice, bob, guest) = owned();
    assert_eq!(
        find(&harness.request(bob, "NAMES #x"), "353"),
        ":irc.test 353 bob = #x :~@alice bob gus"
    );
    harness.send(alice, "MODE #x +q BOB");
    assert_eq!(
        harness.received(guest),
        [format!("{ALICE} MODE #x -q+qo alice bob bob")]
    );
    assert_eq!(
        find(&harness.request(bob, "NAMES #x"), "353"),
        ":irc.test 353 bob = #x :@alice ~@bob gus"
    );
    assert_eq!(founder(&harness).as_deref(), Some("bob"));
    assert_eq!(
        commands(&harness.request(alice, "MODE #x +q alice")),
        ["482"],
        "she no longer owns it"
    );
    assert!(harness.request(alice, "MODE #x +m")[0].ends_with("MODE #x +m"));

    let (mut next, alice, bob) = restart(&harness);
    next.send(alice, "JOIN #x");
    next.clear_received();
    next.send(bob, "JOIN #x");
    assert_eq!(commands(&next.received(alice)), ["JOIN", "MODE"]);
    assert_eq!(
        commands(&next.request(alice, "MODE #x -m")),
        ["482"],
        "after the transfer, she returns as an ordinary member"
    );
    assert_eq!(commands(&next.request(bob, "MODE #x -m")), ["MODE"]);
}

#[test]
fn a_channel_without_owner_ends_when_empty_and_an_operator_may_register_it() {
    let (mut harness, alice, bob, guest) = owned();
    harness.send(alice, "ACCESS #x ADD bob voice");
    harness.send(alice, "MODE #x +o gus");
    harness.clear_received();
    harness.send(alice, "MODE #x -q alice");
    assert_eq!(
        harness.received(guest),
        [format!("{ALICE} MODE #x -q alice")]
    );
    assert_eq!(founder(&harness), None);
    assert!(harness.request(alice, "ACCESS #x")[0].contains("FAIL ACCESS NOT_OWNED #x "));
    assert_eq!(
        commands(&harness.request(bob, "MODE #x +q bob")),
        ["482"],
        "voice access is not enough"
    );
    assert_eq!(
        commands(&harness.request(guest, "MODE #x +q gus")),
        ["696"],
        "a guest cannot own a channel"
    );
    assert_eq!(
        harness.request(guest, "MODE #x +q alice"),
        [":gus!~gus@guests.irc.test MODE #x +q alice"]
    );
    assert_eq!(founder(&harness).as_deref(), Some("alice"));
    harness.clear_received();
    assert_eq!(
        commands(&harness.request(alice, "ACCESS #x")),
        ["ACCESS", "ACCESS"],
        "the old access list is cleared: only the founder is on it"
    );
    harness.send(alice, "MODE #x -q alice");
    for session in [alice, bob, guest] {
        harness.send(session, "JOIN 0");
    }
    assert!(harness.reply_to(ListChannels).is_empty());
}

#[test]
fn operators_cannot_act_against_the_founder() {
    let (mut harness, alice, bob, _) = owned();
    harness.send(alice, "MODE #x +o bob");
    harness.clear_received();
    for line in [
        "MODE #x -o alice",
        "MODE #x +v alice",
        "MODE #x -q alice",
        "MODE #x +q bob",
        "KICK #x alice",
        "RENAME #x #y",
    ] {
        assert_eq!(commands(&harness.request(bob, line)), ["482"], "{line}");
    }
    harness.send(bob, "MODE #x +ikb sesame alice");
    harness.send(alice, "PART #x");
    harness.clear_received();
    assert!(
        commands(&harness.request(alice, "JOIN #x")).contains(&"JOIN".to_owned()),
        "the modes do not keep the founder out"
    );
    assert!(
        harness.request(alice, "KICK #x alice :bye")[0].ends_with("KICK #x alice :bye"),
        "the founder may kick herself"
    );
}

#[test]
fn a_channel_is_transferred_only_to_members_with_an_account_and_within_limits() {
    let (mut harness, alice, bob, _) = owned();
    harness.send(alice, "JOIN #lobby");
    harness.user("carl", "");
    for (line, code) in [
        ("MODE #x +q", "696"),
        ("MODE #x +q nobody", "401"),
        ("MODE #x +q carl", "441"),
        ("MODE #x +q gus", "696"),
        ("MODE #x -q carl", "441"),
    ] {
        assert_eq!(commands(&harness.request(alice, line)), [code], "{line}");
    }
    assert!(
        harness.request(alice, "MODE #x +q-q alice bob").is_empty(),
        "nothing changes"
    );
    assert_eq!(founder(&harness).as_deref(), Some("alice"));
    harness.send(bob, "JOIN #1,#2,#3");
    assert_eq!(
        commands(&harness.request(alice, "MODE #x +q bob")),
        ["696"],
        "bob has reached the limit"
    );

    let mut harness = Harness::with(settings_with_lobby("#lobby"));
    let alice = harness.user("alice", "");
    assert_eq!(
        commands(&harness.request(alice, "MODE #lobby +q alice")),
        ["482"]
    );
}

#[test]
fn beyond_the_limit_a_created_channel_has_no_owner() {
    let mut harness = Harness::new();
    let alice = harness.user("alice", "");
    harness.send(alice, "JOIN #1,#2,#3");
    let received = harness.request(alice, "JOIN #4");
    assert_eq!(find(&received, "353"), ":irc.test 353 alice = #4 :@alice");
    assert!(
        find(&received, "NOTICE").contains("#4 has no owner and is removed when empty"),
        "{received:?}"
    );
    assert_eq!(harness.snapshot().channels.len(), 3);
    harness.send(alice, "MODE #1 -q alice");
    harness.clear_received();
    assert_eq!(
        commands(&harness.request(alice, "MODE #4 +q alice")),
        ["MODE"],
        "she owns fewer channels now"
    );
}

#[test]
fn the_access_list_applies_at_once_and_at_every_join() {
    let (mut harness, alice, bob, guest) = owned();
    let received = harness.request(alice, "ACCESS #x ADD Bob OP");
    assert_eq!(received[0], format!("{ALICE} MODE #x +o bob"));
    assert_eq!(
        received[1],
        ":irc.test ACCESS ADDED #x Bob op :Bob is a permanent operator of the channel"
    );
    assert_eq!(harness.received(guest), [format!("{ALICE} MODE #x +o bob")]);
    let received = harness.request(alice, "ACCESS #x ADD dora voice");
    assert_eq!(commands(&received), ["ACCESS", "NOTE"]);
    assert!(
        received[1].starts_with(":irc.test NOTE ACCESS ACCOUNT_NOT_SEEN dora :"),
        "{received:?}"
    );
    assert_eq!(
        harness.request(bob, "ACCESS #x"),
        [
            ":irc.test ACCESS LIST #x alice founder * 2027-01-15T08:00:00.000Z",
            ":irc.test ACCESS LIST #x Bob op alice!~alice@users.irc.test 2027-01-15T08:00:00.000Z",
            ":irc.test ACCESS LIST #x dora voice alice!~alice@users.irc.test 2027-01-15T08:00:00.000Z",
            ":irc.test ACCESS END #x 3",
        ]
    );
    harness.send(alice, "MODE #x +im");

    let (mut next, alice, bob) = restart(&harness);
    next.channel("#x", &[alice]);
    next.send(bob, "JOIN #x");
    assert_eq!(
        next.received(alice),
        [
            ":bob!~bob@users.irc.test JOIN #x",
            ":irc.test MODE #x +o bob"
        ],
        "an operator needs no invitation"
    );
    let dora = next.user("dora", "");
    assert_eq!(
        commands(&next.request(dora, "JOIN #x")),
        ["473"],
        "voice access does not replace an invitation"
    );
    next.send(alice, "INVITE dora #x");
    next.send(dora, "JOIN #x");
    next.clear_received();
    assert!(
        next.request(dora, "PRIVMSG #x :hi").is_empty(),
        "she has a voice in the moderated channel"
    );

    let received = next.request(alice, "ACCESS #x ADD bob voice");
    assert_eq!(received[0], format!("{ALICE} MODE #x -o+v bob bob"));
    let received = next.request(alice, "ACCESS #x DEL BOB");
    assert_eq!(received[0], format!("{ALICE} MODE #x -v bob"));
    assert_eq!(
        received[1],
        ":irc.test ACCESS DELETED #x BOB :BOB no longer has access"
    );
    assert_eq!(commands(&next.request(alice, "ACCESS #x LIST")).len(), 3);
}

#[test]
fn only_the_founder_changes_the_access_list_which_is_limited() {
    let (mut harness, alice, bob, guest) = owned();
    harness.send(alice, "MODE #x +o bob");
    harness.channel("#free", &[guest, alice]);
    let long = "a".repeat(60);
    let too_long = format!("ACCESS #x ADD {long} op");
    for (session, line, answer) in [
        (guest, "ACCESS #x", "482"),
        (bob, "ACCESS #x ADD dora op", "FAIL ACCESS NOT_FOUNDER #x"),
        (bob, "ACCESS #x DEL dora", "FAIL ACCESS NOT_FOUNDER #x"),
        (
            guest,
            "ACCESS #free ADD bob op",
            "FAIL ACCESS NOT_OWNED #free",
        ),
        (alice, "ACCESS", "461"),
        (alice, "ACCESS #none", "403"),
        (alice, "ACCESS #x ADD", "461"),
        (alice, "ACCESS #x ADD dora", "461"),
        (alice, "ACCESS #x DEL", "461"),
        (alice, "ACCESS #x ADD :a b op", "461"),
        (
            alice,
            "ACCESS #x ADD a!b op",
            "FAIL ACCESS INVALID_ACCOUNT a!b",
        ),
        (alice, &too_long, "FAIL ACCESS INVALID_ACCOUNT"),
        (
            alice,
            "ACCESS #x ADD dora founder",
            "FAIL ACCESS INVALID_LEVEL founder",
        ),
        (
            alice,
            "ACCESS #x ADD ALICE op",
            "FAIL ACCESS IS_FOUNDER ALICE",
        ),
        (
            alice,
            "ACCESS #x DEL dora",
            "FAIL ACCESS NO_SUCH_ENTRY dora",
        ),
        (alice, "ACCESS #x DEL :a b", "FAIL ACCESS NO_SUCH_ENTRY a"),
        (
            alice,
            "ACCESS #x FROB",
            "FAIL ACCESS UNKNOWN_SUBCOMMAND FROB",
        ),
    ] {
        let received = harness.request(session, line);
        assert!(
            received.len() == 1 && received[0].starts_with(&format!(":irc.test {answer}")),
            "{line}: {received:?}"
        );
    }
    for number in 0..5 {
        harness.send(alice, &format!("ACCESS #x ADD n{number} voice"));
    }
    assert!(
        harness.request(alice, "ACCESS #x ADD more voice")[0].contains("FAIL ACCESS LIST_FULL #x")
    );
    assert!(
        harness.request(alice, "ACCESS #x ADD n1 op")[0].contains("ACCESS ADDED"),
        "an entry of a full list can be changed"
    );
    assert_eq!(harness.snapshot().channels[0].access.len(), 5);
}

#[test]
fn a_guest_that_signs_in_has_the_access_of_the_account() {
    let (mut harness, alice, bob, guest) = owned();
    harness.send(alice, "ACCESS #x ADD gus voice");
    harness.clear_received();
    assert!(matches!(
        harness.sign_in(guest, identity("gus")),
        Admission::Admitted
    ));
    assert!(
        harness
            .received(bob)
            .contains(&":irc.test MODE #x +v gus".to_owned())
    );
    assert!(
        harness
            .received(guest)
            .contains(&":irc.test MODE #x +v gus".to_owned())
    );

    harness.send(alice, "QUIT");
    let alice = harness.guest("al", "");
    harness.channel("#x", &[alice]);
    assert!(matches!(
        harness.sign_in(alice, identity("alice")),
        Admission::Admitted
    ));
    assert!(
        harness
            .received(bob)
            .contains(&":irc.test MODE #x +qo alice alice".to_owned())
    );
    assert_eq!(commands(&harness.request(alice, "MODE #x +m")), ["MODE"]);
}

#[test]
fn deleting_an_account_clears_its_ownership_and_access() {
    let (mut harness, alice, bob, _) = owned();
    harness.channel("#his", &[bob]);
    harness.channel("#empty", &[alice]);
    harness.send(alice, "PART #empty");
    harness.send(bob, "ACCESS #his ADD alice op");
    let ticket = harness.act(end_account("alice", "deleted"));
    harness.disconnect(alice);
    assert!(harness.answer(ticket).is_some());
    harness.reply_to(ForgetAccount("ALICE".parse().unwrap()));
    let persisted = harness.snapshot().channels;
    assert_eq!(persisted.len(), 1, "{persisted:?}");
    assert_eq!(
        (persisted[0].name.as_str(), persisted[0].access.len()),
        ("#his", 0)
    );
    let channels = harness.reply_to(ListChannels);
    let remaining: Vec<_> = channels
        .iter()
        .map(|channel| (channel.name.as_str(), channel.founder.is_some()))
        .collect();
    assert_eq!(
        remaining,
        [("#his", true), ("#x", false)],
        "members stay in the channel"
    );
}

#[test]
fn every_change_of_owner_or_access_is_persisted_once() {
    let (mut harness, alice, _, _) = owned();
    for line in [
        "ACCESS #x ADD bob op",
        "ACCESS #x ADD nobody op",
        "ACCESS #x DEL bob",
        "MODE #x +qm bob",
    ] {
        harness.persisted.clear();
        harness.send(alice, line);
        assert!(
            matches!(harness.persisted[..], [Change::Channel(_)]),
            "{line}: {:?}",
            harness.persisted
        );
    }
}
