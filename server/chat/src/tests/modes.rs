//! MODE.

use super::play::*;

const OP: &str = ":op!~op@users.irc.test";

#[test]
fn a_channel_tells_its_modes_and_its_key_to_members_only() {
    let mut play = Play::new();
    let (op, b) = (play.user("op", ""), play.user("bob", ""));
    play.channel("#x", &[op]);
    assert_eq!(
        play.ask(op, "MODE #X"),
        [":irc.test 324 op #x +nt", ":irc.test 329 op #x 1800000000"]
    );
    play.send(op, "MODE #x +kl sesame 7");
    assert_eq!(
        play.ask(op, "MODE #x")[0],
        ":irc.test 324 op #x +ntkl sesame 7"
    );
    assert_eq!(play.ask(b, "MODE #x")[0], ":irc.test 324 bob #x +ntkl * 7");
    play.send(op, "MODE #x -ntkl *");
    assert_eq!(play.ask(op, "MODE #x")[0], ":irc.test 324 op #x +");
}

#[test]
fn changes_come_as_one_line_to_all_members() {
    let mut play = Play::new();
    let (op, b) = (play.user("op", ""), play.user("bob", ""));
    play.channel("#x", &[op, b]);
    let line = format!("{OP} MODE #x +smvb-t+l bob evil!*@* 5");
    assert_eq!(
        play.ask(op, "MODE #x +smvb-tn+nl BOB evil 5"),
        [format!("{OP} MODE #x +smvb-tn+nl bob evil!*@* 5")]
    );
    play.heard(b);
    assert!(
        play.ask(op, "MODE #x +smv-t+l bob 5").is_empty(),
        "nothing changes: {line}"
    );
    assert!(play.heard(b).is_empty());
}

#[test]
fn only_operators_change_modes() {
    let mut play = Play::new();
    let (op, b, c) = (
        play.user("op", ""),
        play.user("bob", ""),
        play.user("carl", ""),
    );
    play.channel("#x", &[op, b]);
    assert_eq!(
        commands(&play.ask(b, "MODE #x +mo-n bob")),
        ["482"],
        "told once"
    );
    assert_eq!(commands(&play.ask(c, "MODE #x +m")), ["442"]);
    play.send(op, "MODE #x +o bob");
    assert_eq!(play.heard(b), [format!("{OP} MODE #x +o bob")]);
    play.channel("#x", &[c]);
    assert_eq!(commands(&play.ask(b, "MODE #x +o-o carl bob")), ["MODE"]);
    assert_eq!(commands(&play.ask(b, "MODE #x +m")), ["482"]);
}

#[test]
fn bad_changes_are_answered() {
    let mut play = Play::new();
    let (op, _) = (play.user("op", ""), play.user("bob", ""));
    play.channel("#x", &[op]);
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
        assert_eq!(commands(&play.ask(op, line)), [code], "{line}");
    }
    let long = format!("MODE #x +k {}", "k".repeat(24));
    assert_eq!(
        play.ask(op, &long)[0].split(' ').collect::<Vec<_>>()[..6],
        [":irc.test", "696", "op", "#x", "k", "*"]
    );
}

#[test]
fn lists_are_kept_shown_and_bounded() {
    let mut play = Play::new();
    let (op, b) = (play.user("op", ""), play.user("bob", ""));
    play.channel("#x", &[op, b]);
    for (letter, one, end) in [
        ("b", "367", "368"),
        ("e", "348", "349"),
        ("I", "346", "347"),
    ] {
        assert_eq!(
            play.ask(op, &format!("MODE #x +{letter} BAR")),
            [format!("{OP} MODE #x +{letter} BAR!*@*")]
        );
        assert!(
            play.ask(op, &format!("MODE #x +{letter} bar")).is_empty(),
            "there already"
        );
        let heard = play.ask(b, &format!("MODE #x {letter}"));
        assert_eq!(
            heard[0],
            format!(":irc.test {one} bob #x BAR!*@* op!~op@users.irc.test 1800000000")
        );
        assert_eq!(heard[1], format!(":irc.test {end} bob #x :End of the list"));
        for number in 1..5 {
            play.send(op, &format!("MODE #x +{letter} n{number}"));
        }
        assert_eq!(
            commands(&play.ask(op, &format!("MODE #x +{letter} more"))),
            ["478"]
        );
        assert_eq!(
            commands(&play.ask(op, &format!("MODE #x -{letter} bar!*@*"))),
            ["MODE"]
        );
        assert!(
            play.ask(op, &format!("MODE #x -{letter} bar!*@*"))
                .is_empty()
        );
        play.forget();
    }
}

#[test]
fn many_long_changes_take_several_lines() {
    let mut many = settings();
    many.channel_list_entries = 0;
    let mut play = Play::with(many);
    let op = play.user("op", "");
    play.channel("#x", &[op]);
    let masks: Vec<String> = (0..6)
        .map(|number| format!("{number}{}", "m".repeat(75)))
        .collect();
    let heard = play.ask(op, &format!("MODE #x +bbbbbb {}", masks.join(" ")));
    assert_eq!(heard.len(), 2, "the masks grew when they were completed");
    assert_eq!(commands(&play.ask(op, "MODE #x b")).len(), 7);
    let told: usize = heard.iter().map(|line| line.matches("!*@*").count()).sum();
    assert_eq!(told, 6);
}

#[test]
fn users_have_one_mode_and_see_their_own_only() {
    let mut play = Play::new();
    let (a, _) = (play.user("alice", ""), play.user("bob", ""));
    assert_eq!(play.ask(a, "MODE alice"), [":irc.test 221 alice +"]);
    assert_eq!(
        play.ask(a, "MODE ALICE +i"),
        [":alice!~alice@users.irc.test MODE alice +i"]
    );
    assert!(play.ask(a, "MODE alice +i").is_empty());
    assert_eq!(play.ask(a, "MODE alice"), [":irc.test 221 alice +i"]);
    assert_eq!(commands(&play.ask(a, "MODE alice +o-i")), ["501", "MODE"]);
    assert_eq!(commands(&play.ask(a, "MODE bob +i")), ["502"]);
    assert_eq!(commands(&play.ask(a, "MODE nobody +i")), ["401"]);
}

#[test]
fn a_ban_may_name_an_account_and_hits_no_guest_of_that_nick() {
    let mut play = Play::new();
    let (op, bob) = (play.user("op", ""), play.user("bob", ""));
    play.channel("#x", &[op]);
    assert_eq!(
        play.ask(op, "MODE #x +b ~a:BOB"),
        [":op!~op@users.irc.test MODE #x +b ~a:BOB"]
    );
    assert_eq!(commands(&play.ask(bob, "JOIN #x")), ["474"]);
    assert_eq!(
        play.ask(op, "MODE #x -b ~a:bob"),
        [":op!~op@users.irc.test MODE #x -b ~a:bob"]
    );
    play.send(op, "MODE #x +be *!*@* ~a:bob");
    assert_eq!(commands(&play.ask(bob, "JOIN #x"))[0], "JOIN");
    let guest = play.guest("rob", "");
    assert_eq!(commands(&play.ask(guest, "JOIN #x")), ["474"]);
    play.send(op, "MODE #x -b+i *!*@*");
    play.send(bob, "PART #x");
    assert_eq!(commands(&play.ask(bob, "JOIN #x")), ["473"]);
    play.send(op, "MODE #x +I ~a:bob");
    assert_eq!(commands(&play.ask(bob, "JOIN #x"))[0], "JOIN");
    assert_eq!(
        commands(&play.ask(op, "MODE #x +b ~q:bob")),
        ["696"],
        "no kind of mask"
    );
}

#[test]
fn a_mute_lets_in_and_keeps_silent() {
    let mut play = Play::new();
    let (op, bob) = (play.user("op", ""), play.user("bob", ""));
    play.channel("#x", &[op]);
    play.send(op, "MODE #x +b ~m:BOB!*@*");
    play.channel("#x", &[bob]);
    assert_eq!(commands(&play.ask(bob, "PRIVMSG #x :hi")), ["404"]);
    play.send(op, "MODE #x +e ~m:*!~bob@*");
    play.forget();
    assert!(play.ask(bob, "PRIVMSG #x :hi").is_empty());
    play.send(op, "MODE #x -e+b ~m:*!~bob@* bob");
    assert_eq!(commands(&play.ask(bob, "PRIVMSG #x :hi")), ["404"]);
    play.send(op, "MODE #x +e ~m:bob");
    assert_eq!(
        commands(&play.ask(bob, "PRIVMSG #x :hi")),
        ["404"],
        "an exception from silence is none from a ban"
    );
    play.send(op, "MODE #x +v bob");
    play.forget();
    assert!(
        play.ask(bob, "PRIVMSG #x :hi").is_empty(),
        "a voice is heard"
    );
}

/// One line could otherwise ask for a list five hundred times.
#[test]
fn a_list_is_shown_once_and_so_is_what_is_wrong_with_a_letter() {
    let mut play = Play::new();
    let op = play.user("op", "");
    play.channel("#x", &[op]);
    play.send(op, "MODE #x +bb one two");
    assert_eq!(commands(&play.ask(op, "MODE #x bb")), ["367", "367", "368"]);
    let many = format!("MODE #x {}", "be+b".repeat(100));
    assert_eq!(commands(&play.ask(op, &many)), ["367", "367", "368", "349"]);
    assert_eq!(commands(&play.ask(op, "MODE #x XYXX")), ["472", "472"]);
}
