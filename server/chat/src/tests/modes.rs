//! `MODE`.

use super::harness::*;
use crate::lengths;

const OP: &str = ":op!~op@users.irc.test";

#[test]
fn the_modes_and_key_of_a_channel_are_visible_to_members_only() {
    let mut harness = Harness::new();
    let (op, b) = (harness.user("op", ""), harness.user("bob", ""));
    harness.channel("#x", &[op]);
    assert_eq!(
        harness.request(op, "MODE #X"),
        [":irc.test 324 op #x +nt", ":irc.test 329 op #x 1800000000"]
    );
    harness.send(op, "MODE #x +kl sesame 7");
    assert_eq!(
        harness.request(op, "MODE #x")[0],
        ":irc.test 324 op #x +ntkl sesame 7"
    );
    assert_eq!(
        harness.request(b, "MODE #x")[0],
        ":irc.test 324 bob #x +ntkl * 7"
    );
    harness.send(op, "MODE #x -ntkl *");
    assert_eq!(harness.request(op, "MODE #x")[0], ":irc.test 324 op #x +");
}

#[test]
fn changes_are_sent_as_one_line_to_all_members() {
    let mut harness = Harness::new();
    let (op, b) = (harness.user("op", ""), harness.user("bob", ""));
    harness.channel("#x", &[op, b]);
    let line = format!("{OP} MODE #x +smvb-tn+nl bob evil!*@* 5");
    assert_eq!(
        harness.request(op, "MODE #x +smvb-tn+nl BOB evil 5"),
        [&*line]
    );
    assert_eq!(harness.received(b), [line]);
    assert!(
        harness.request(op, "MODE #x +smv-t+l bob 5").is_empty(),
        "nothing changes"
    );
    assert!(harness.received(b).is_empty());
}

#[test]
fn only_operators_change_modes() {
    let mut harness = Harness::new();
    let (op, b, c) = (
        harness.user("op", ""),
        harness.user("bob", ""),
        harness.user("carl", ""),
    );
    harness.channel("#x", &[op, b]);
    assert_eq!(
        commands(&harness.request(b, "MODE #x +mo-n bob")),
        ["482"],
        "reported once"
    );
    assert_eq!(commands(&harness.request(c, "MODE #x +m")), ["442"]);
    harness.send(op, "MODE #x +o bob");
    assert_eq!(harness.received(b), [format!("{OP} MODE #x +o bob")]);
    harness.channel("#x", &[c]);
    assert_eq!(
        commands(&harness.request(b, "MODE #x +o-o carl bob")),
        ["MODE"]
    );
    assert_eq!(commands(&harness.request(b, "MODE #x +m")), ["482"]);
}

#[test]
fn invalid_changes_are_refused() {
    let mut harness = Harness::new();
    let (op, _) = (harness.user("op", ""), harness.user("bob", ""));
    harness.channel("#x", &[op]);
    for (line, code) in [
        ("MODE #none +m", "403"),
        ("MODE #x +o nobody", "401"),
        ("MODE #x +v bob", "441"),
        ("MODE #x +o", "696"),
        ("MODE #x +k", "696"),
        ("MODE #x +k :a b", "696"),
        ("MODE #x +k a,b", "696"),
        ("MODE #x +k :", "696"),
        ("MODE #x +l 0", "696"),
        ("MODE #x +l -1", "696"),
        ("MODE #x +l abc", "696"),
        ("MODE #x +l :", "696"),
        ("MODE #x +Q", "472"),
        ("MODE #x +b :a b", "696"),
        ("MODE", "461"),
    ] {
        assert_eq!(commands(&harness.request(op, line)), [code], "{line}");
    }
    let long = format!("MODE #x +k {}", "k".repeat(24));
    assert_eq!(
        harness.request(op, &long)[0].split(' ').collect::<Vec<_>>()[..6],
        [":irc.test", "696", "op", "#x", "k", "*"]
    );
}

#[test]
fn list_modes_are_stored_listed_and_limited() {
    let mut harness = Harness::new();
    let (op, b) = (harness.user("op", ""), harness.user("bob", ""));
    harness.channel("#x", &[op, b]);
    for (letter, entry, end) in [
        ("b", "367", "368"),
        ("e", "348", "349"),
        ("I", "346", "347"),
    ] {
        assert_eq!(
            harness.request(op, &format!("MODE #x +{letter} BAR")),
            [format!("{OP} MODE #x +{letter} BAR!*@*")]
        );
        assert!(
            harness
                .request(op, &format!("MODE #x +{letter} bar"))
                .is_empty(),
            "it is on the list already"
        );
        let received = harness.request(b, &format!("MODE #x {letter}"));
        assert_eq!(
            received[0],
            format!(":irc.test {entry} bob #x BAR!*@* op!~op@users.irc.test 1800000000")
        );
        assert_eq!(
            received[1],
            format!(":irc.test {end} bob #x :End of the list")
        );
        for number in 1..5 {
            harness.send(op, &format!("MODE #x +{letter} n{number}"));
        }
        assert_eq!(
            commands(&harness.request(op, &format!("MODE #x +{letter} more"))),
            ["478"]
        );
        assert_eq!(
            commands(&harness.request(op, &format!("MODE #x -{letter} bar!*@*"))),
            ["MODE"]
        );
        assert!(
            harness
                .request(op, &format!("MODE #x -{letter} bar!*@*"))
                .is_empty()
        );
        harness.clear_received();
    }
}

#[test]
fn many_long_changes_are_split_into_several_lines() {
    let mut many = settings();
    many.channel_list_entries = 0;
    let mut harness = Harness::with(many);
    let op = harness.user("op", "");
    harness.channel("#x", &[op]);
    let masks: Vec<String> = (0..6)
        .map(|number| format!("{number}{}", "m".repeat(75)))
        .collect();
    let received = harness.request(op, &format!("MODE #x +bbbbbb {}", masks.join(" ")));
    assert_eq!(
        received.len(),
        2,
        "the completed masks are longer than those sent"
    );
    assert_eq!(commands(&harness.request(op, "MODE #x b")).len(), 7);
    let masks_sent: usize = received
        .iter()
        .map(|line| line.matches("!*@*").count())
        .sum();
    assert_eq!(masks_sent, 6);
}

#[test]
fn users_see_and_change_only_their_own_modes() {
    let mut harness = Harness::new();
    let (a, _) = (harness.user("alice", ""), harness.user("bob", ""));
    assert_eq!(harness.request(a, "MODE alice"), [":irc.test 221 alice +"]);
    assert_eq!(
        harness.request(a, "MODE ALICE +i"),
        [":alice!~alice@users.irc.test MODE alice +i"]
    );
    assert!(harness.request(a, "MODE alice +i").is_empty());
    assert_eq!(harness.request(a, "MODE alice"), [":irc.test 221 alice +i"]);
    assert_eq!(
        commands(&harness.request(a, "MODE alice +o-i")),
        ["501", "MODE"]
    );
    assert_eq!(commands(&harness.request(a, "MODE bob +i")), ["502"]);
    assert_eq!(commands(&harness.request(a, "MODE nobody +i")), ["401"]);
}

#[test]
fn a_ban_of_a_host_that_many_share_is_followed_by_a_warning() {
    for (capabilities, warning) in [("standard-replies", "WARN"), ("", "NOTICE")] {
        let mut harness = Harness::new();
        let op = harness.user("op", capabilities);
        harness.channel("#x", &[op]);
        for (mask, users) in [
            ("*!*@users.irc.test", "everyone who has an account"),
            ("*!*@GUESTS.irc.test", "all guests"),
            ("*@*.irc.test", "everyone,"),
        ] {
            let lines = harness.request(op, &format!("MODE #x +b {mask}"));
            assert_eq!(commands(&lines), ["MODE", warning], "{mask}");
            assert!(lines[1].contains(users), "{lines:?}");
            let lines = harness.request(op, &format!("MODE #x -b {mask}"));
            assert_eq!(commands(&lines), ["MODE"], "{mask}");
        }
        for mask in ["bob!*@users.irc.test", "~a:bob", "*!bob@*", "*!*@*"] {
            let lines = harness.request(op, &format!("MODE #x +b {mask}"));
            assert_eq!(commands(&lines), ["MODE"], "{mask}");
        }
    }
}

#[test]
fn list_modes_may_name_an_account() {
    let mut harness = Harness::new();
    let (op, bob) = (harness.user("op", ""), harness.user("bob", ""));
    harness.channel("#x", &[op]);
    assert_eq!(
        harness.request(op, "MODE #x +b ~a:BOB"),
        [":op!~op@users.irc.test MODE #x +b ~a:BOB"]
    );
    assert_eq!(commands(&harness.request(bob, "JOIN #x")), ["474"]);
    assert_eq!(
        harness.request(op, "MODE #x -b ~a:bob"),
        [":op!~op@users.irc.test MODE #x -b ~a:bob"]
    );
    harness.send(op, "MODE #x +be *!*@* ~a:bob");
    assert_eq!(commands(&harness.request(bob, "JOIN #x"))[0], "JOIN");
    let guest = harness.guest("rob", "");
    assert_eq!(commands(&harness.request(guest, "JOIN #x")), ["474"]);
    harness.send(op, "MODE #x -b+i *!*@*");
    harness.send(bob, "PART #x");
    assert_eq!(commands(&harness.request(bob, "JOIN #x")), ["473"]);
    harness.send(op, "MODE #x +I ~a:bob");
    assert_eq!(commands(&harness.request(bob, "JOIN #x"))[0], "JOIN");
    assert_eq!(
        commands(&harness.request(op, "MODE #x +b ~q:bob")),
        ["696"],
        "not a valid mask"
    );
}

#[test]
fn a_muted_user_can_join_but_not_speak() {
    let mut harness = Harness::new();
    let (op, bob) = (harness.user("op", ""), harness.user("bob", ""));
    harness.channel("#x", &[op]);
    harness.send(op, "MODE #x +b ~m:BOB!*@*");
    harness.channel("#x", &[bob]);
    assert_eq!(commands(&harness.request(bob, "PRIVMSG #x :hi")), ["404"]);
    harness.send(op, "MODE #x +e ~m:*!~bob@*");
    harness.clear_received();
    assert!(harness.request(bob, "PRIVMSG #x :hi").is_empty());
    harness.send(op, "MODE #x -e+b ~m:*!~bob@* bob");
    assert_eq!(commands(&harness.request(bob, "PRIVMSG #x :hi")), ["404"]);
    harness.send(op, "MODE #x +e ~m:bob");
    assert_eq!(
        commands(&harness.request(bob, "PRIVMSG #x :hi")),
        ["404"],
        "an exception from a mute is not one from a ban"
    );
    harness.send(op, "MODE #x +v bob");
    harness.clear_received();
    assert!(
        harness.request(bob, "PRIVMSG #x :hi").is_empty(),
        "a voiced user can speak"
    );
}

/// Otherwise, one line could request a list hundreds of times.
#[test]
fn each_list_and_each_unknown_letter_is_answered_once() {
    let mut harness = Harness::new();
    let op = harness.user("op", "");
    harness.channel("#x", &[op]);
    harness.send(op, "MODE #x +bb one two");
    assert_eq!(
        commands(&harness.request(op, "MODE #x bb")),
        ["367", "367", "368"]
    );
    let many = format!("MODE #x {}", "be+b".repeat(100));
    assert_eq!(
        commands(&harness.request(op, &many)),
        ["367", "367", "368", "349"]
    );
    assert_eq!(
        commands(&harness.request(op, "MODE #x XYXX")),
        ["472", "472"]
    );
}

#[test]
fn a_mask_that_could_not_be_listed_or_removed_as_it_was_typed_is_refused() {
    let mut harness = Harness::new();
    let a = harness.user("alice", "");
    harness.channel("#x", &[a]);
    let longest = "n".repeat(lengths::MASK - "!*@*".len());
    let too_long = format!("{longest}n");
    for list in ["b", "e", "I"] {
        for bad in [
            ":bob",
            ":bob!*@*",
            "b\u{200b}ob",
            "bob\u{7}",
            "b\u{202e}ob!*@*",
            "~a:b\u{a0}ob",
            "192.0.2.1",
            "bob,carol",
            "$a:bob",
            "~m:~a:bob@example.org",
            &too_long,
        ] {
            let received = harness.request(a, &format!("MODE #x +{list} :{bad}"));
            assert_eq!(commands(&received), ["696"], "{bad:?}: {received:?}");
        }
        assert_eq!(
            commands(&harness.request(a, &format!("MODE #x +{list} {longest}"))),
            ["MODE"]
        );
        let listed = harness.request(a, &format!("MODE #x +{list}"));
        let mask = format!("{longest}!*@*");
        assert!(listed.len() == 2 && listed[0].contains(&mask), "{listed:?}");
        assert_eq!(
            commands(&harness.request(a, &format!("MODE #x -{list} {mask}"))),
            ["MODE"]
        );
    }
}
