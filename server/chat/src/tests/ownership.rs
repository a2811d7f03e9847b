//! Founders and access lists.

use super::lasting::restored;
use super::play::*;
use crate::event::SessionId;
use crate::request::{Admission, EndAccount, Ended, ForgetAccount, ListChannels};
use rookery_record::Change;

const ALICE: &str = ":alice!~alice@users.irc.test";

/// A channel of alice's, with bob and a guest in it.
fn owned() -> (Play, SessionId, SessionId, SessionId) {
    let mut play = Play::new();
    let (alice, bob, guest) = (
        play.user("alice", ""),
        play.user("bob", "multi-prefix"),
        play.guest("gus", ""),
    );
    play.channel("#x", &[alice, bob, guest]);
    (play, alice, bob, guest)
}

fn founder(play: &Play) -> Option<String> {
    restored(&play.kept)
        .channels
        .first()
        .map(|channel| channel.founder.to_string())
}

/// After a restart; everyone who was known comes back.
fn restart(play: &Play) -> (Play, SessionId, SessionId) {
    let mut next = Play::restored(settings(), Vec::new(), restored(&play.kept));
    let (alice, bob) = (next.user("alice", ""), next.user("bob", ""));
    (next, alice, bob)
}

#[test]
fn the_founder_hands_the_channel_on_and_is_its_operator_still() {
    let (mut play, alice, bob, guest) = owned();
    assert_eq!(
        find(&play.ask(bob, "NAMES #x"), "353"),
        ":irc.test 353 bob = #x :~@alice bob gus"
    );
    play.send(alice, "MODE #x +q BOB");
    assert_eq!(
        play.heard(guest),
        [format!("{ALICE} MODE #x -q+qo alice bob bob")]
    );
    assert_eq!(
        find(&play.ask(bob, "NAMES #x"), "353"),
        ":irc.test 353 bob = #x :@alice ~@bob gus"
    );
    assert_eq!(founder(&play).as_deref(), Some("bob"));
    assert_eq!(
        commands(&play.ask(alice, "MODE #x +q alice")),
        ["482"],
        "it is not hers any more"
    );
    assert!(play.ask(alice, "MODE #x +m")[0].ends_with("MODE #x +m"));

    let (mut next, alice, bob) = restart(&play);
    next.send(alice, "JOIN #x");
    next.forget();
    next.send(bob, "JOIN #x");
    assert_eq!(commands(&next.heard(alice)), ["JOIN", "MODE"]);
    assert_eq!(
        commands(&next.ask(alice, "MODE #x -m")),
        ["482"],
        "handed on, she is like anybody when she comes back"
    );
    assert_eq!(commands(&next.ask(bob, "MODE #x -m")), ["MODE"]);
}

#[test]
fn a_channel_that_was_given_up_goes_with_the_last_and_may_be_taken_by_an_operator() {
    let (mut play, alice, bob, guest) = owned();
    play.send(alice, "ACCESS #x ADD bob voice");
    play.send(alice, "MODE #x +o gus");
    play.forget();
    play.send(alice, "MODE #x -q alice");
    assert_eq!(play.heard(guest), [format!("{ALICE} MODE #x -q alice")]);
    assert_eq!(founder(&play), None);
    assert!(play.ask(alice, "ACCESS #x")[0].contains("FAIL ACCESS NOT_OWNED #x "));
    assert_eq!(
        commands(&play.ask(bob, "MODE #x +q bob")),
        ["482"],
        "a voice is not enough"
    );
    assert_eq!(
        commands(&play.ask(guest, "MODE #x +q gus")),
        ["696"],
        "a guest owns nothing"
    );
    assert_eq!(
        play.ask(guest, "MODE #x +q alice"),
        [":gus!~gus@guests.irc.test MODE #x +q alice"]
    );
    assert_eq!(founder(&play).as_deref(), Some("alice"));
    play.forget();
    assert_eq!(
        commands(&play.ask(alice, "ACCESS #x")),
        ["ACCESS", "ACCESS"],
        "the old list is gone: only she"
    );
    play.send(alice, "MODE #x -q alice");
    for session in [alice, bob, guest] {
        play.send(session, "JOIN 0");
    }
    let ticket = play.act(ListChannels);
    assert!(matches!(play.answer(ticket), Some(channels) if channels.is_empty()));
}

#[test]
fn operators_do_nothing_against_the_founder() {
    let (mut play, alice, bob, _) = owned();
    play.send(alice, "MODE #x +o bob");
    play.forget();
    for line in [
        "MODE #x -o alice",
        "MODE #x +v alice",
        "MODE #x -q alice",
        "MODE #x +q bob",
        "KICK #x alice",
        "RENAME #x #y",
    ] {
        assert_eq!(commands(&play.ask(bob, line)), ["482"], "{line}");
    }
    play.send(bob, "MODE #x +ikb sesame alice");
    play.send(alice, "PART #x");
    play.forget();
    assert!(
        commands(&play.ask(alice, "JOIN #x")).contains(&"JOIN".to_owned()),
        "no mode keeps her out"
    );
    assert!(
        play.ask(alice, "KICK #x alice :bye")[0].ends_with("KICK #x alice :bye"),
        "what she does herself she may"
    );
}

#[test]
fn handing_on_has_its_bounds() {
    let (mut play, alice, bob, _) = owned();
    play.send(alice, "JOIN #lobby");
    let _outside = play.user("carl", "");
    for (line, code) in [
        ("MODE #x +q", "696"),
        ("MODE #x +q nobody", "401"),
        ("MODE #x +q carl", "441"),
        ("MODE #x +q gus", "696"),
        ("MODE #x -q carl", "441"),
    ] {
        assert_eq!(commands(&play.ask(alice, line)), [code], "{line}");
    }
    assert!(
        play.ask(alice, "MODE #x +q-q alice bob").is_empty(),
        "nothing changes"
    );
    assert_eq!(founder(&play).as_deref(), Some("alice"));
    play.send(bob, "JOIN #1,#2,#3");
    assert_eq!(
        commands(&play.ask(alice, "MODE #x +q bob")),
        ["696"],
        "bob owns as many as one may"
    );

    let lobby = crate::event::Settings {
        lobby: vec!["#lobby".parse().unwrap()],
        ..settings()
    };
    let mut play = Play::with(lobby);
    let alice = play.user("alice", "");
    assert_eq!(commands(&play.ask(alice, "MODE #lobby +q alice")), ["482"]);
}

#[test]
fn beyond_the_limit_a_channel_is_made_that_nobody_owns() {
    let mut play = Play::new();
    let alice = play.user("alice", "");
    play.send(alice, "JOIN #1,#2,#3");
    let heard = play.ask(alice, "JOIN #4");
    assert_eq!(find(&heard, "353"), ":irc.test 353 alice = #4 :@alice");
    assert!(
        find(&heard, "NOTICE").contains("#4 has no owner and is removed when empty"),
        "{heard:?}"
    );
    assert_eq!(restored(&play.kept).channels.len(), 3);
    play.send(alice, "MODE #1 -q alice");
    play.forget();
    assert_eq!(
        commands(&play.ask(alice, "MODE #4 +q alice")),
        ["MODE"],
        "there is room again"
    );
}

#[test]
fn whoever_is_on_the_access_list_is_somebody_at_once_and_whenever_they_come() {
    let (mut play, alice, bob, guest) = owned();
    play.now = START;
    let heard = play.ask(alice, "ACCESS #x ADD Bob OP");
    assert_eq!(heard[0], format!("{ALICE} MODE #x +o bob"));
    assert_eq!(
        heard[1],
        ":irc.test ACCESS ADDED #x Bob op :Bob is a permanent operator of the channel"
    );
    assert_eq!(play.heard(guest), [format!("{ALICE} MODE #x +o bob")]);
    let heard = play.ask(alice, "ACCESS #x ADD dora voice");
    assert_eq!(commands(&heard), ["ACCESS", "NOTE"]);
    assert!(
        heard[1].starts_with(":irc.test NOTE ACCESS ACCOUNT_NOT_SEEN dora :"),
        "{heard:?}"
    );
    assert_eq!(
        play.ask(bob, "ACCESS #x"),
        [
            ":irc.test ACCESS LIST #x alice founder * 2027-01-15T08:00:00.000Z",
            ":irc.test ACCESS LIST #x Bob op alice!~alice@users.irc.test 2027-01-15T08:00:00.000Z",
            ":irc.test ACCESS LIST #x dora voice alice!~alice@users.irc.test 2027-01-15T08:00:00.000Z",
            ":irc.test ACCESS END #x 3",
        ]
    );
    play.send(alice, "MODE #x +im");

    let (mut next, alice, bob) = restart(&play);
    next.channel("#x", &[alice]);
    next.send(bob, "JOIN #x");
    assert_eq!(
        next.heard(alice),
        [
            ":bob!~bob@users.irc.test JOIN #x",
            ":irc.test MODE #x +o bob"
        ],
        "an operator needs no invitation"
    );
    let dora = next.user("dora", "");
    assert_eq!(
        commands(&next.ask(dora, "JOIN #x")),
        ["473"],
        "a voice does"
    );
    next.send(alice, "INVITE dora #x");
    next.send(dora, "JOIN #x");
    next.forget();
    assert!(next.ask(dora, "PRIVMSG #x :hi").is_empty(), "she is heard");

    let heard = next.ask(alice, "ACCESS #x ADD bob voice");
    assert_eq!(heard[0], format!("{ALICE} MODE #x -o+v bob bob"));
    let heard = next.ask(alice, "ACCESS #x DEL BOB");
    assert_eq!(heard[0], format!("{ALICE} MODE #x -v bob"));
    assert_eq!(
        heard[1],
        ":irc.test ACCESS DELETED #x BOB :BOB no longer has access"
    );
    assert_eq!(commands(&next.ask(alice, "ACCESS #x LIST")).len(), 3);
}

#[test]
fn the_access_list_is_the_founders_and_bounded() {
    let (mut play, alice, bob, guest) = owned();
    play.send(alice, "MODE #x +o bob");
    play.channel("#free", &[guest, alice]);
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
        let heard = play.ask(session, line);
        assert!(
            heard.len() == 1 && heard[0].starts_with(&format!(":irc.test {answer}")),
            "{line}: {heard:?}"
        );
    }
    for number in 0..5 {
        play.send(alice, &format!("ACCESS #x ADD n{number} voice"));
    }
    assert!(play.ask(alice, "ACCESS #x ADD more voice")[0].contains("FAIL ACCESS LIST_FULL #x"));
    assert!(
        play.ask(alice, "ACCESS #x ADD n1 op")[0].contains("ACCESS ADDED"),
        "one of them may be changed"
    );
    assert_eq!(restored(&play.kept).channels[0].access.len(), 5);
}

#[test]
fn a_guest_who_signs_in_is_what_the_account_is_there() {
    let (mut play, alice, bob, guest) = owned();
    play.send(alice, "ACCESS #x ADD gus voice");
    play.forget();
    assert!(matches!(
        play.sign_in(guest, identity("gus")),
        Admission::Admitted
    ));
    assert!(
        play.heard(bob)
            .contains(&":irc.test MODE #x +v gus".to_owned())
    );
    assert!(
        play.heard(guest)
            .contains(&":irc.test MODE #x +v gus".to_owned())
    );

    play.send(alice, "QUIT");
    let alice = play.guest("al", "");
    play.channel("#x", &[alice]);
    assert!(matches!(
        play.sign_in(alice, identity("alice")),
        Admission::Admitted
    ));
    assert!(
        play.heard(bob)
            .contains(&":irc.test MODE #x +qo alice alice".to_owned())
    );
    assert_eq!(commands(&play.ask(alice, "MODE #x +m")), ["MODE"]);
}

#[test]
fn what_a_deleted_account_owned_is_nobodys_and_its_access_is_gone() {
    let (mut play, alice, bob, _) = owned();
    play.channel("#his", &[bob]);
    play.channel("#empty", &[alice]);
    play.send(alice, "PART #empty");
    play.send(bob, "ACCESS #his ADD alice op");
    let ticket = play.act(EndAccount {
        account: identity("alice").id,
        reason: "deleted".to_owned(),
    });
    play.gone(alice);
    assert!(matches!(play.answer(ticket), Some(Ended { .. })));
    let ticket = play.act(ForgetAccount("ALICE".parse().unwrap()));
    assert!(matches!(play.answer(ticket), Some(())));
    let kept = restored(&play.kept).channels;
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!((kept[0].name.as_str(), kept[0].access.len()), ("#his", 0));
    let ticket = play.act(ListChannels);
    let Some(channels) = play.answer(ticket) else {
        panic!()
    };
    let there: Vec<_> = channels
        .iter()
        .map(|channel| (channel.name.as_str(), channel.founder.is_some()))
        .collect();
    assert_eq!(
        there,
        [("#his", true), ("#x", false)],
        "whoever is in a channel stays there"
    );
}

#[test]
fn every_change_of_owner_or_access_is_kept_once() {
    let (mut play, alice, _, _) = owned();
    for line in [
        "ACCESS #x ADD bob op",
        "ACCESS #x ADD nobody op",
        "ACCESS #x DEL bob",
        "MODE #x +qm bob",
    ] {
        play.kept.clear();
        play.send(alice, line);
        assert!(
            matches!(play.kept[..], [Change::Channel(_)]),
            "{line}: {:?}",
            play.kept
        );
    }
}
