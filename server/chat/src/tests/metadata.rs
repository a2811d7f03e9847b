//! METADATA.

use super::lasting::restored;
use super::play::*;
use crate::event::SessionId;
use crate::request::{Admission, ForgetAccount};

const CAPS: &str = "batch draft/metadata-3";

/// The lines of a batch of metadata, which is all that was heard, without what they share.
#[track_caller]
fn batch(lines: &[String]) -> Vec<String> {
    let [open, inner @ .., close] = lines else {
        panic!("{lines:#?}")
    };
    assert!(
        open.contains(" BATCH +") && close.contains(" BATCH -"),
        "{lines:#?}"
    );
    let words = |line: &String| line.split_once(":irc.test ").unwrap().1.to_owned();
    inner.iter().map(words).collect()
}

/// alice and bob in #x, of which alice is the founder.
fn two() -> (Play, SessionId, SessionId) {
    let mut play = Play::new();
    let (alice, bob) = (play.user("alice", CAPS), play.user("bob", CAPS));
    play.channel("#x", &[alice, bob]);
    (play, alice, bob)
}

#[test]
fn values_are_set_read_listed_and_taken_away() {
    let (mut play, alice, bob) = two();
    assert_eq!(batch(&play.ask(alice, "METADATA * LIST")), [""; 0]);
    assert_eq!(
        play.ask(alice, "METADATA * SET url :a b: c"),
        [":irc.test 761 alice alice url * :a b: c"]
    );
    assert_eq!(
        play.ask(alice, "METADATA ALICE SET empty :"),
        [":irc.test 761 alice alice empty * :"]
    );
    let heard = play.ask(bob, "METADATA Alice GET url avatar $bad empty");
    assert_eq!(
        batch(&heard),
        [
            "761 bob alice url * :a b: c",
            "766 bob alice avatar :key not set",
            "FAIL METADATA KEY_INVALID $bad :Invalid key",
            "761 bob alice empty * :",
        ]
    );
    assert!(heard[0].ends_with(" metadata alice"), "{heard:?}");
    assert_eq!(
        batch(&play.ask(bob, "METADATA alice LIST")),
        ["761 bob alice empty * :", "761 bob alice url * :a b: c"]
    );
    assert_eq!(
        play.ask(alice, "METADATA * SET url"),
        [":irc.test 766 alice alice url :key not set"]
    );
    assert!(
        play.ask(alice, "METADATA * SET url")[0].contains("FAIL METADATA KEY_NOT_SET alice url :")
    );
    assert_eq!(
        batch(&play.ask(alice, "METADATA * CLEAR")),
        ["766 alice alice empty :key not set"]
    );
    assert_eq!(batch(&play.ask(bob, "METADATA alice LIST")), [""; 0]);
    assert!(
        play.heard(bob).is_empty(),
        "who subscribes to nothing hears nothing"
    );
}

#[test]
fn operators_speak_for_their_channel_and_nobody_for_another() {
    let (mut play, alice, bob) = two();
    assert_eq!(
        play.ask(alice, "METADATA #X SET url :u"),
        [":irc.test 761 alice #x url * :u"]
    );
    assert_eq!(
        batch(&play.ask(bob, "METADATA #x GET url")),
        ["761 bob #x url * :u"]
    );
    for (line, code) in [
        ("METADATA #x SET url :mine", "KEY_NO_PERMISSION #x url"),
        ("METADATA #x CLEAR", "KEY_NO_PERMISSION #x *"),
        (
            "METADATA alice SET url :mine",
            "KEY_NO_PERMISSION alice url",
        ),
        ("METADATA alice CLEAR", "KEY_NO_PERMISSION alice *"),
        ("METADATA nobody LIST", "INVALID_TARGET nobody"),
        ("METADATA #none GET url", "INVALID_TARGET #none"),
        ("METADATA $a LIST", "INVALID_TARGET $a"),
        ("METADATA * SET UP :x", "KEY_INVALID UP"),
        ("METADATA * SET :", "KEY_INVALID *"),
        ("METADATA * FLY", "SUBCOMMAND_INVALID FLY"),
    ] {
        let heard = play.ask(bob, line);
        assert!(
            heard.len() == 1 && heard[0].contains(&format!("FAIL METADATA {code} :")),
            "{line}: {heard:?}"
        );
    }
    for line in [
        "METADATA",
        "METADATA *",
        "METADATA * GET",
        "METADATA * SET",
        "METADATA * SUB",
        "METADATA * UNSUB",
    ] {
        assert_eq!(commands(&play.ask(bob, line)), ["461"], "{line}");
    }
}

#[test]
fn a_closed_channel_tells_only_its_members() {
    let (mut play, alice, _) = two();
    let carl = play.user("carl", CAPS);
    play.send(alice, "METADATA #x SET url :u");
    assert_eq!(batch(&play.ask(carl, "METADATA #x LIST")).len(), 1);
    for (mode, code) in [
        ("+i", "KEY_NO_PERMISSION #x *"),
        ("-i+k key", "KEY_NO_PERMISSION #x *"),
        ("-k+s *", "INVALID_TARGET #x"),
    ] {
        play.send(alice, &format!("MODE #x {mode}"));
        for line in [
            "METADATA #x GET url",
            "METADATA #x LIST",
            "METADATA #x SYNC",
        ] {
            let heard = play.ask(carl, line);
            assert!(
                heard[0].contains(code) && heard.len() == 1,
                "{mode} {line}: {heard:?}"
            );
        }
    }
}

#[test]
fn the_announced_limits_are_the_ones_that_hold() {
    let (mut play, alice, _) = two();
    let listed = play.ask(alice, "CAP LS 302").concat();
    assert!(
        listed.contains("draft/metadata-3=max-subs=50,max-keys=20,max-value-bytes=300"),
        "{listed}"
    );
    let (fits, long) = ("v".repeat(300), "v".repeat(301));
    assert_eq!(
        commands(&play.ask(alice, &format!("METADATA * SET k0 :{fits}"))),
        ["761"]
    );
    assert!(
        play.ask(alice, &format!("METADATA * SET k0 :{long}"))[0]
            .contains("FAIL METADATA INVALID_VALUE k0 :")
    );
    let hearts = "♥".repeat(101);
    assert!(
        play.ask(alice, &format!("METADATA * SET k0 :{hearts}"))[0].contains("INVALID_VALUE"),
        "bytes, not letters"
    );
    for target in ["*", "#x"] {
        for number in 0..20 {
            assert_eq!(
                commands(&play.ask(alice, &format!("METADATA {target} SET k{number} :v"))),
                ["761"]
            );
        }
        assert!(
            play.ask(alice, &format!("METADATA {target} SET more :v"))[0]
                .contains("FAIL METADATA LIMIT_REACHED")
        );
        assert_eq!(
            commands(&play.ask(alice, &format!("METADATA {target} SET k1 :other"))),
            ["761"]
        );
    }
    assert_eq!(
        commands(&play.ask(alice, &format!("METADATA * GET {}", "k".repeat(33))))[1],
        "FAIL"
    );
    for number in 0..50 {
        play.send(alice, &format!("METADATA * SUB s{number}"));
    }
    let heard = play.ask(alice, "METADATA * SUB s1 more never");
    assert_eq!(heard[0], ":irc.test 770 alice s1");
    assert!(
        heard.len() == 2 && heard[1].contains("FAIL METADATA TOO_MANY_SUBS more :"),
        "{heard:?}"
    );
    let subscribed: usize = batch(&play.ask(alice, "METADATA * SUBS"))
        .iter()
        .map(|line| line.split(' ').count() - 2)
        .sum();
    assert_eq!(subscribed, 50);
}

#[test]
fn subscribers_hear_of_changes_and_others_do_not() {
    let (mut play, alice, bob) = two();
    let (second, stranger) = (play.user("alice", CAPS), play.user("carl", CAPS));
    for session in [alice, second, bob, stranger] {
        assert_eq!(play.ask(session, "METADATA * SUB url $bad url").len(), 2);
    }
    play.forget();
    play.send(alice, "METADATA * SET url :u");
    assert_eq!(play.heard(alice).len(), 1, "the answer only");
    assert_eq!(
        play.heard(second),
        [":irc.test 761 alice alice url * :u"],
        "another session of hers"
    );
    assert_eq!(play.heard(bob), [":irc.test 761 bob alice url * :u"]);
    play.send(alice, "METADATA * SET url :u");
    play.send(alice, "METADATA * SET other :x");
    assert!(
        play.heard(bob).is_empty(),
        "nothing that concerns him has changed"
    );
    play.send(alice, "METADATA * CLEAR");
    assert_eq!(
        play.heard(bob),
        [":irc.test 766 bob alice url :key not set"]
    );
    play.send(alice, "METADATA #x SET url :channel");
    assert_eq!(play.heard(bob), [":irc.test 761 bob #x url * :channel"]);
    assert!(play.heard(stranger).is_empty());
    play.send(stranger, "MONITOR + alice");
    play.forget();
    play.send(alice, "METADATA * SET url :watched");
    assert_eq!(
        play.heard(stranger),
        [":irc.test 761 carl alice url * :watched"]
    );
    play.heard(bob);
    assert_eq!(play.ask(bob, "METADATA * UNSUB url other $bad").len(), 2);
    play.send(alice, "METADATA * SET url :again");
    assert!(play.heard(bob).is_empty());
    assert_eq!(batch(&play.ask(bob, "METADATA * SUBS")), [""; 0]);
}

#[test]
fn whoever_comes_is_told_and_tells() {
    let (mut play, alice, bob) = two();
    play.send(alice, "METADATA * SET url :hers");
    play.send(alice, "METADATA #x SET url :its");
    let carl = play.user("carl", CAPS);
    play.send(carl, "METADATA * SUB url");
    play.send(carl, "METADATA * SET url :his");
    play.send(bob, "METADATA * SUB url");
    assert!(
        play.heard(bob)
            .contains(&":irc.test 774 bob #x 1".to_owned()),
        "there is something to ask for"
    );
    assert_eq!(
        batch(&play.ask(bob, "METADATA #x SYNC")),
        ["761 bob #x url * :its", "761 bob alice url * :hers"]
    );
    let heard = play.ask(carl, "JOIN #x");
    let values: Vec<_> = heard.iter().filter(|line| line.contains(" 761 ")).collect();
    assert_eq!(
        values,
        [
            ":irc.test 761 carl #x url * :its",
            ":irc.test 761 carl alice url * :hers",
            ":irc.test 761 carl carl url * :his"
        ]
    );
    assert!(
        play.heard(bob)
            .contains(&":irc.test 761 bob carl url * :his".to_owned())
    );
    let dora = play.user("dora", CAPS);
    play.send(dora, "METADATA * SUB url");
    assert!(
        play.ask(dora, "MONITOR + alice")
            .contains(&":irc.test 761 dora alice url * :hers".to_owned())
    );
    assert_eq!(
        find(&play.ask(dora, "WHOIS alice"), "760"),
        ":irc.test 760 dora alice url * :hers"
    );
    let old = play.user("old", "");
    assert!(!commands(&play.ask(old, "WHOIS alice")).contains(&"760".to_owned()));
}

#[test]
fn in_a_crowd_whoever_comes_asks_later() {
    let mut play = Play::new();
    let first = play.user("first", CAPS);
    play.send(first, "METADATA * SET url :u");
    play.channel("#x", &[first]);
    for number in 0..100 {
        let guest = play.guest(&format!("g{number}"), "");
        play.send(guest, "JOIN #x");
    }
    let late = play.user("late", CAPS);
    play.send(late, "METADATA * SUB url");
    let heard = play.ask(late, "JOIN #x");
    assert!(
        heard.contains(&":irc.test 774 late #x 5".to_owned()),
        "{heard:?}"
    );
    assert_eq!(
        batch(&play.ask(late, "METADATA #x SYNC")),
        ["761 late first url * :u"]
    );
}

#[test]
fn what_accounts_and_lasting_channels_say_is_there_after_a_restart() {
    let (mut play, alice, bob) = two();
    let guest = play.guest("gus", CAPS);
    for line in [
        "METADATA * SET url :hers",
        "METADATA #x SET url :its",
        "METADATA * SET gone :x",
        "METADATA * SET gone",
    ] {
        play.send(alice, line);
    }
    play.send(bob, "METADATA * SET url :his");
    play.send(bob, "METADATA * CLEAR");
    play.send(guest, "METADATA * SET url :nobody's");
    let kept = restored(&play.kept);
    assert_eq!(
        (kept.metadata.len(), kept.metadata[0].1.len()),
        (1, 1),
        "{kept:?}"
    );
    let mut next = Play::restored(settings(), Vec::new(), kept);
    let (_, answer) = next.try_admit(Play::candidate("alice", Some(identity("alice")), CAPS));
    assert!(matches!(answer, Admission::Admitted));
    let alice = next.user("alice", CAPS);
    assert_eq!(
        batch(&next.ask(alice, "METADATA * LIST")),
        ["761 alice alice url * :hers"]
    );
    assert_eq!(
        batch(&next.ask(alice, "METADATA #x LIST")),
        ["761 alice #x url * :its"]
    );
    next.act(ForgetAccount("alice".parse().unwrap()));
    assert_eq!(batch(&next.ask(alice, "METADATA * LIST")), [""; 0]);
}

#[test]
fn the_welcome_holds_what_one_says_oneself() {
    let mut play = Play::new();
    let alice = play.user("alice", CAPS);
    play.send(alice, "METADATA * SET url :u");
    let (second, _) = play.try_admit(Play::candidate("alice", Some(identity("alice")), CAPS));
    let heard = play.heard(second);
    let at = |command: &str| {
        commands(&heard)
            .iter()
            .position(|found| found == command)
            .unwrap()
    };
    assert!(
        at("005") < at("BATCH") && at("BATCH") < at("761") && at("761") < at("422"),
        "{heard:?}"
    );
    let (plain, _) = play.try_admit(Play::candidate("alice", Some(identity("alice")), ""));
    assert!(!commands(&play.heard(plain)).contains(&"761".to_owned()));
}

#[test]
fn a_guest_who_signs_in_says_what_the_account_says() {
    let (mut play, alice, bob) = two();
    play.send(alice, "METADATA * SET url :hers");
    play.send(alice, "QUIT");
    play.send(bob, "METADATA * SUB url mood");
    let guest = play.guest("al", CAPS);
    play.send(guest, "METADATA * SET mood :fine");
    play.channel("#x", &[guest]);
    assert!(matches!(
        play.sign_in(guest, identity("alice")),
        Admission::Admitted
    ));
    let heard = play.heard(bob);
    let told: Vec<_> = heard.iter().filter(|line| line.contains(" 76")).collect();
    assert_eq!(
        told,
        [
            ":irc.test 761 bob alice url * :hers",
            ":irc.test 766 bob alice mood :key not set"
        ]
    );
}

#[test]
fn a_labelled_answer_holds_its_batch_once() {
    let mut play = Play::new();
    let alice = play.user(
        "alice",
        "batch draft/metadata-3 labeled-response message-tags",
    );
    play.send(alice, "METADATA * SET url :u");
    let heard = play.ask(alice, "@label=L METADATA * LIST");
    assert!(
        heard[0].starts_with("@label=L ") && heard[0].contains("labeled-response"),
        "{heard:?}"
    );
    assert!(
        heard.iter().all(|line| line.matches("batch=").count() <= 1),
        "{heard:?}"
    );
    assert_eq!(
        commands(&heard),
        ["BATCH", "BATCH", "761", "BATCH", "BATCH"]
    );
    let plain = play.user("plain", "");
    play.send(plain, "METADATA * SET url :u");
    assert_eq!(
        play.ask(plain, "METADATA * LIST"),
        [":irc.test 761 plain plain url * :u",][..],
        "no batch for whom it means nothing"
    );
}
