//! `NAMES` and `LIST`.

use super::harness::*;

/// Returns the channels in a reply to `LIST`.
fn listed(lines: &[String]) -> Vec<&str> {
    let rows = lines.iter().filter(|line| line.contains(" 322 "));
    rows.map(|line| line.split(' ').nth(3).unwrap()).collect()
}

#[test]
fn names_lists_the_members_over_several_lines() {
    let mut harness = Harness::new();
    let op = harness.user("op", "");
    harness.channel("#x", &[op]);
    for number in 0..60 {
        let guest = harness.guest(&format!("guest-{number}"), "");
        harness.send(guest, "JOIN #x");
    }
    let received = harness.request(op, "NAMES #x");
    assert!(received.len() > 2);
    let all: Vec<&str> = received
        .iter()
        .filter_map(|line| line.strip_prefix(":irc.test 353 op = #x :"))
        .flat_map(|names| names.split(' '))
        .collect();
    assert_eq!(all.len(), 61);
    assert_eq!(all[0], "~op");
}

#[test]
fn names_of_several_channels_end_once_and_unknown_channels_are_empty() {
    let mut harness = Harness::new();
    let a = harness.user("alice", "");
    harness.channel("#a,#b", &[a]);
    assert_eq!(
        harness.request(a, "NAMES #a,#b"),
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
            harness.request(a, line),
            [format!(":irc.test 366 alice {name} :End of /NAMES list")]
        );
    }
}

#[test]
fn outsiders_see_neither_secret_channels_nor_invisible_members() {
    let mut harness = Harness::new();
    let (a, b, outsider) = (
        harness.user("alice", ""),
        harness.user("bob", ""),
        harness.user("carl", ""),
    );
    harness.channel("#x", &[a, b]);
    harness.send(b, "MODE bob +i");
    assert_eq!(
        harness.request(outsider, "NAMES #x")[0],
        ":irc.test 353 carl = #x :~alice"
    );
    assert_eq!(
        harness.request(a, "NAMES #x")[0],
        ":irc.test 353 alice = #x :~alice bob"
    );
    assert_eq!(listed(&harness.request(outsider, "LIST")), ["#x"]);
    harness.send(a, "MODE #x +s");
    assert_eq!(
        harness.request(a, "NAMES #x")[0],
        ":irc.test 353 alice @ #x :~alice bob"
    );
    assert_eq!(commands(&harness.request(outsider, "NAMES #x")), ["366"]);
    assert!(
        listed(&harness.request(outsider, "LIST")).is_empty()
            && listed(&harness.request(outsider, "LIST #x")).is_empty()
    );
    assert_eq!(listed(&harness.request(a, "LIST")), ["#x"]);
}

#[test]
fn list_applies_its_filters() {
    let mut harness = Harness::new();
    let (a, b) = (harness.user("alice", ""), harness.user("bob", ""));
    harness.channel("#chan1", &[a]);
    harness.send(a, "TOPIC #chan1 :First");
    harness.advance(180);
    harness.channel("#Chan2", &[a, b]);
    harness.send(a, "TOPIC #Chan2 :Second");
    let received = harness.request(b, "LIST");
    assert_eq!(commands(&received), ["321", "322", "322", "323"]);
    assert_eq!(received[2], ":irc.test 322 bob #Chan2 2 :Second");
    for (filter, expected) in [
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
            listed(&harness.request(b, &format!("LIST {filter}"))),
            expected,
            "{filter}"
        );
    }
}

#[test]
fn with_no_implicit_names_a_join_lists_no_names() {
    let mut harness = Harness::new();
    let a = harness.user("ann", "no-implicit-names");
    assert_eq!(commands(&harness.request(a, "JOIN #x")), ["JOIN"]);
    assert_eq!(commands(&harness.request(a, "NAMES #x")), ["353", "366"]);
}
