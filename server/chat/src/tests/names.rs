//! NAMES and LIST.

use super::play::*;

fn listed(lines: &[String]) -> Vec<&str> {
    let rows = lines.iter().filter(|line| line.contains(" 322 "));
    rows.map(|line| line.split(' ').nth(3).unwrap()).collect()
}

#[test]
fn names_lists_the_members_over_as_many_lines_as_it_takes() {
    let mut play = Play::new();
    let op = play.user("op", "");
    play.channel("#x", &[op]);
    for number in 0..60 {
        let guest = play.guest(&format!("someone-{number}x"), "");
        play.send(guest, "JOIN #x");
    }
    let heard = play.ask(op, "NAMES #x");
    assert!(heard.len() > 2);
    let all: Vec<&str> = heard
        .iter()
        .filter_map(|line| line.strip_prefix(":irc.test 353 op = #x :"))
        .flat_map(|names| names.split(' '))
        .collect();
    assert_eq!(all.len(), 61);
    assert_eq!(all[0], "~op");
}

#[test]
fn several_channels_end_once_and_unknown_ones_only_end() {
    let mut play = Play::new();
    let a = play.user("alice", "");
    play.channel("#a,#b", &[a]);
    assert_eq!(
        play.ask(a, "NAMES #a,#b"),
        [
            ":irc.test 353 alice = #a :~alice",
            ":irc.test 353 alice = #b :~alice",
            ":irc.test 366 alice #a,#b :End of /NAMES list",
        ]
    );
    for (line, name) in [
        ("NAMES #none", "#none"),
        ("NAMES bad", "bad"),
        ("NAMES", "*"),
    ] {
        assert_eq!(
            play.ask(a, line),
            [format!(":irc.test 366 alice {name} :End of /NAMES list")]
        );
    }
}

#[test]
fn strangers_see_neither_secret_channels_nor_invisible_members() {
    let mut play = Play::new();
    let (a, b, out) = (
        play.user("alice", ""),
        play.user("bob", ""),
        play.user("out", ""),
    );
    play.channel("#x", &[a, b]);
    play.send(b, "MODE bob +i");
    assert_eq!(
        play.ask(out, "NAMES #x")[0],
        ":irc.test 353 out = #x :~alice"
    );
    assert_eq!(
        play.ask(a, "NAMES #x")[0],
        ":irc.test 353 alice = #x :~alice bob"
    );
    assert_eq!(listed(&play.ask(out, "LIST")), ["#x"]);
    play.send(a, "MODE #x +s");
    assert_eq!(
        play.ask(a, "NAMES #x")[0],
        ":irc.test 353 alice @ #x :~alice bob"
    );
    assert_eq!(commands(&play.ask(out, "NAMES #x")), ["366"]);
    assert!(
        listed(&play.ask(out, "LIST")).is_empty() && listed(&play.ask(out, "LIST #x")).is_empty()
    );
    assert_eq!(listed(&play.ask(a, "LIST")), ["#x"]);
}

#[test]
fn list_keeps_to_its_conditions() {
    let mut play = Play::new();
    let (a, b) = (play.user("alice", ""), play.user("bob", ""));
    play.channel("#chan1", &[a]);
    play.send(a, "TOPIC #chan1 :First");
    play.wait(180);
    play.channel("#Chan2", &[a, b]);
    play.send(a, "TOPIC #Chan2 :Second");
    let heard = play.ask(b, "LIST");
    assert_eq!(commands(&heard), ["321", "322", "322", "323"]);
    assert_eq!(heard[2], ":irc.test 322 bob #Chan2 2 :Second");
    for (conditions, found) in [
        ("*an1", vec!["#chan1"]),
        ("#CH*", vec!["#chan1", "#Chan2"]),
        ("#chan2", vec!["#Chan2"]),
        ("#chan1,#chan2", vec!["#chan1", "#Chan2"]),
        ("*an3", vec![]),
        ("!*an1", vec!["#Chan2"]),
        (">1", vec!["#Chan2"]),
        ("<2", vec!["#chan1"]),
        (">0,<2,#ch*", vec!["#chan1"]),
        ("C>2", vec!["#chan1"]),
        ("C<2", vec!["#Chan2"]),
        ("C<0", vec![]),
        ("T>2", vec!["#chan1"]),
        ("T<10", vec!["#chan1", "#Chan2"]),
    ] {
        assert_eq!(
            listed(&play.ask(b, &format!("LIST {conditions}"))),
            found,
            "{conditions}"
        );
    }
}

#[test]
fn no_names_follow_a_join_for_whoever_wants_none() {
    let mut play = Play::new();
    let a = play.user("ann", "no-implicit-names");
    assert_eq!(commands(&play.ask(a, "JOIN #x")), ["JOIN"]);
    assert_eq!(commands(&play.ask(a, "NAMES #x")), ["353", "366"]);
}
