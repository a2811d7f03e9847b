//! `METADATA` (IRCv3 draft/metadata-2 and draft/metadata-3).

use super::harness::*;
use crate::event::SessionId;
use crate::request::{Admission, ForgetAccount};

const CAPS: &str = "batch draft/metadata-3";

/// Returns the lines inside a metadata batch, without their common prefix. There must be no other
/// line than those of the batch.
#[track_caller]
fn batch(lines: &[String]) -> Vec<String> {
    let [open, inner @ .., close] = lines else {
        panic!("{lines:#?}")
    };
    assert!(
        open.contains(" BATCH +") && close.contains(" BATCH -"),
        "{lines:#?}"
    );
    let without_prefix = |line: &String| line.split_once(":irc.test ").unwrap().1.to_owned();
    inner.iter().map(without_prefix).collect()
}

/// Returns a chat with alice, the founder of `#x`, and bob in it.
fn alice_and_bob() -> (Harness, SessionId, SessionId) {
    let mut harness = Harness::new();
    let (alice, bob) = (harness.user("alice", CAPS), harness.user("bob", CAPS));
    harness.channel("#x", &[alice, bob]);
    (harness, alice, bob)
}

#[test]
fn clients_that_know_only_the_second_draft_are_notified_by_metadata_messages() {
    let (mut harness, alice, bob) = alice_and_bob();
    let carl = harness.user("carl", "batch draft/metadata-2");
    harness.channel("#x", &[carl]);
    for session in [bob, carl] {
        assert_eq!(
            commands(&harness.request(session, "METADATA * SUB avatar")),
            ["770"]
        );
    }
    harness.clear_received();
    harness.send(alice, "METADATA * SET avatar :https://a.test/ a");
    assert_eq!(
        harness.received(bob),
        [":irc.test 761 bob alice avatar * :https://a.test/ a"]
    );
    assert_eq!(
        harness.received(carl),
        [":irc.test METADATA alice avatar * :https://a.test/ a"]
    );
    harness.send(alice, "METADATA * SET avatar");
    assert_eq!(
        harness.received(carl),
        [":irc.test METADATA alice avatar * :"]
    );
}

#[test]
fn keys_subscribed_to_before_admission_are_in_force_after_it() {
    let (mut harness, alice, _) = alice_and_bob();
    let mut carl = Harness::candidate("carl", Some(identity("carl")), CAPS);
    carl.subscriptions.insert("url".to_owned());
    let (carl, _) = harness.admit(carl);
    harness.channel("#x", &[carl]);
    harness.send(alice, "METADATA * SET url :here");
    assert_eq!(
        harness.received(carl),
        [":irc.test 761 carl alice url * :here"]
    );
}

#[test]
fn values_are_set_read_listed_and_removed() {
    let (mut harness, alice, bob) = alice_and_bob();
    assert_eq!(batch(&harness.request(alice, "METADATA * LIST")), [""; 0]);
    assert_eq!(
        harness.request(alice, "METADATA * SET url :a b: c"),
        [":irc.test 761 alice alice url * :a b: c"]
    );
    assert_eq!(
        harness.request(alice, "METADATA ALICE SET empty :"),
        [":irc.test 761 alice alice empty * :"]
    );
    let received = harness.request(bob, "METADATA Alice GET url avatar $bad empty");
    assert_eq!(
        batch(&received),
        [
            "761 bob alice url * :a b: c",
            "766 bob alice avatar :key not set",
            "FAIL METADATA KEY_INVALID $bad :Invalid key",
            "761 bob alice empty * :",
        ]
    );
    assert!(received[0].ends_with(" metadata alice"), "{received:?}");
    assert_eq!(
        batch(&harness.request(bob, "METADATA alice LIST")),
        ["761 bob alice empty * :", "761 bob alice url * :a b: c"]
    );
    assert_eq!(
        harness.request(alice, "METADATA * SET url"),
        [":irc.test 766 alice alice url :key not set"]
    );
    assert!(
        harness.request(alice, "METADATA * SET url")[0]
            .contains("FAIL METADATA KEY_NOT_SET alice url :")
    );
    assert_eq!(
        batch(&harness.request(alice, "METADATA * CLEAR")),
        ["766 alice alice empty :key not set"]
    );
    assert_eq!(batch(&harness.request(bob, "METADATA alice LIST")), [""; 0]);
    assert!(
        harness.received(bob).is_empty(),
        "without a subscription there is no notification"
    );
}

#[test]
fn metadata_is_set_by_channel_operators_and_by_the_user_itself() {
    let (mut harness, alice, bob) = alice_and_bob();
    assert_eq!(
        harness.request(alice, "METADATA #X SET url :u"),
        [":irc.test 761 alice #x url * :u"]
    );
    assert_eq!(
        batch(&harness.request(bob, "METADATA #x GET url")),
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
        let received = harness.request(bob, line);
        assert!(
            received.len() == 1 && received[0].contains(&format!("FAIL METADATA {code} :")),
            "{line}: {received:?}"
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
        assert_eq!(commands(&harness.request(bob, line)), ["461"], "{line}");
    }
}

#[test]
fn metadata_of_a_closed_channel_is_visible_to_members_only() {
    let (mut harness, alice, _) = alice_and_bob();
    let carl = harness.user("carl", CAPS);
    harness.send(alice, "METADATA #x SET url :u");
    assert_eq!(batch(&harness.request(carl, "METADATA #x LIST")).len(), 1);
    for (mode, code) in [
        ("+i", "KEY_NO_PERMISSION #x *"),
        ("-i+k key", "KEY_NO_PERMISSION #x *"),
        ("-k+s *", "INVALID_TARGET #x"),
    ] {
        harness.send(alice, &format!("MODE #x {mode}"));
        for line in [
            "METADATA #x GET url",
            "METADATA #x LIST",
            "METADATA #x SYNC",
        ] {
            let received = harness.request(carl, line);
            assert!(
                received[0].contains(code) && received.len() == 1,
                "{mode} {line}: {received:?}"
            );
        }
    }
}

#[test]
fn the_announced_limits_apply() {
    let (mut harness, alice, _) = alice_and_bob();
    let listed = harness.request(alice, "CAP LS 302").concat();
    assert!(
        listed.contains("draft/metadata-3=max-subs=50,max-keys=20,max-value-bytes=300"),
        "{listed}"
    );
    let (fits, long) = ("v".repeat(300), "v".repeat(301));
    assert_eq!(
        commands(&harness.request(alice, &format!("METADATA * SET k0 :{fits}"))),
        ["761"]
    );
    assert!(
        harness.request(alice, &format!("METADATA * SET k0 :{long}"))[0]
            .contains("FAIL METADATA INVALID_VALUE k0 :")
    );
    let hearts = "♥".repeat(101);
    assert!(
        harness.request(alice, &format!("METADATA * SET k0 :{hearts}"))[0]
            .contains("INVALID_VALUE"),
        "bytes, not characters"
    );
    for target in ["*", "#x"] {
        for number in 0..20 {
            assert_eq!(
                commands(&harness.request(alice, &format!("METADATA {target} SET k{number} :v"))),
                ["761"]
            );
        }
        assert!(
            harness.request(alice, &format!("METADATA {target} SET more :v"))[0]
                .contains("FAIL METADATA LIMIT_REACHED")
        );
        assert_eq!(
            commands(&harness.request(alice, &format!("METADATA {target} SET k1 :other"))),
            ["761"]
        );
    }
    assert_eq!(
        commands(&harness.request(alice, &format!("METADATA * GET {}", "k".repeat(33))))[1],
        "FAIL"
    );
    for number in 0..50 {
        harness.send(alice, &format!("METADATA * SUB s{number}"));
    }
    let received = harness.request(alice, "METADATA * SUB s1 more never");
    assert_eq!(received[0], ":irc.test 770 alice s1");
    assert!(
        received.len() == 2 && received[1].contains("FAIL METADATA TOO_MANY_SUBS more :"),
        "{received:?}"
    );
    let subscribed: usize = batch(&harness.request(alice, "METADATA * SUBS"))
        .iter()
        .map(|line| line.split(' ').count() - 2)
        .sum();
    assert_eq!(subscribed, 50);
}

#[test]
fn only_subscribers_are_notified_of_changes() {
    let (mut harness, alice, bob) = alice_and_bob();
    let (second, outsider) = (harness.user("alice", CAPS), harness.user("carl", CAPS));
    for session in [alice, second, bob, outsider] {
        assert_eq!(
            harness
                .request(session, "METADATA * SUB url $bad url")
                .len(),
            2
        );
    }
    harness.clear_received();
    harness.send(alice, "METADATA * SET url :u");
    assert_eq!(harness.received(alice).len(), 1, "only the reply");
    assert_eq!(
        harness.received(second),
        [":irc.test 761 alice alice url * :u"],
        "another session of alice"
    );
    assert_eq!(harness.received(bob), [":irc.test 761 bob alice url * :u"]);
    harness.send(alice, "METADATA * SET url :u");
    harness.send(alice, "METADATA * SET other :x");
    assert!(
        harness.received(bob).is_empty(),
        "no subscribed key has changed"
    );
    harness.send(alice, "METADATA * CLEAR");
    assert_eq!(
        harness.received(bob),
        [":irc.test 766 bob alice url :key not set"]
    );
    harness.send(alice, "METADATA #x SET url :channel");
    assert_eq!(
        harness.received(bob),
        [":irc.test 761 bob #x url * :channel"]
    );
    assert!(harness.received(outsider).is_empty());
    harness.send(outsider, "MONITOR + alice");
    harness.clear_received();
    harness.send(alice, "METADATA * SET url :watched");
    assert_eq!(
        harness.received(outsider),
        [":irc.test 761 carl alice url * :watched"]
    );
    harness.received(bob);
    assert_eq!(
        harness
            .request(bob, "METADATA * UNSUB url other $bad")
            .len(),
        2
    );
    harness.send(alice, "METADATA * SET url :again");
    assert!(harness.received(bob).is_empty());
    assert_eq!(batch(&harness.request(bob, "METADATA * SUBS")), [""; 0]);
}

#[test]
fn joining_exchanges_metadata_with_subscribers() {
    let (mut harness, alice, bob) = alice_and_bob();
    harness.send(alice, "METADATA * SET url :alice's");
    harness.send(alice, "METADATA #x SET url :the channel's");
    let carl = harness.user("carl", CAPS);
    harness.send(carl, "METADATA * SUB url");
    harness.send(carl, "METADATA * SET url :own");
    harness.send(bob, "METADATA * SUB url");
    assert!(
        harness
            .received(bob)
            .contains(&":irc.test 774 bob #x 1".to_owned()),
        "there is metadata to synchronize"
    );
    assert_eq!(
        batch(&harness.request(bob, "METADATA #x SYNC")),
        [
            "761 bob #x url * :the channel's",
            "761 bob alice url * :alice's"
        ]
    );
    let received = harness.request(carl, "JOIN #x");
    let values: Vec<_> = received
        .iter()
        .filter(|line| line.contains(" 761 "))
        .collect();
    assert_eq!(
        values,
        [
            ":irc.test 761 carl #x url * :the channel's",
            ":irc.test 761 carl alice url * :alice's",
            ":irc.test 761 carl carl url * :own"
        ]
    );
    assert!(
        harness
            .received(bob)
            .contains(&":irc.test 761 bob carl url * :own".to_owned())
    );
    let dora = harness.user("dora", CAPS);
    harness.send(dora, "METADATA * SUB url");
    assert!(
        harness
            .request(dora, "MONITOR + alice")
            .contains(&":irc.test 761 dora alice url * :alice's".to_owned())
    );
    assert_eq!(
        find(&harness.request(dora, "WHOIS alice"), "760"),
        ":irc.test 760 dora alice url * :alice's"
    );
    let old = harness.user("old", "");
    assert!(!commands(&harness.request(old, "WHOIS alice")).contains(&"760".to_owned()));
}

#[test]
fn in_a_large_channel_metadata_is_synchronized_later() {
    let mut harness = Harness::new();
    let first = harness.user("first", CAPS);
    harness.send(first, "METADATA * SET url :u");
    harness.channel("#x", &[first]);
    for number in 0..100 {
        let guest = harness.guest(&format!("g{number}"), "");
        harness.send(guest, "JOIN #x");
    }
    let late = harness.user("late", CAPS);
    harness.send(late, "METADATA * SUB url");
    let received = harness.request(late, "JOIN #x");
    assert!(
        received.contains(&":irc.test 774 late #x 5".to_owned()),
        "{received:?}"
    );
    assert_eq!(
        batch(&harness.request(late, "METADATA #x SYNC")),
        ["761 late first url * :u"]
    );
}

#[test]
fn metadata_of_accounts_and_persistent_channels_survives_a_restart() {
    let (mut harness, alice, bob) = alice_and_bob();
    let guest = harness.guest("gus", CAPS);
    for line in [
        "METADATA * SET url :alice's",
        "METADATA #x SET url :the channel's",
        "METADATA * SET deleted :x",
        "METADATA * SET deleted",
    ] {
        harness.send(alice, line);
    }
    harness.send(bob, "METADATA * SET url :own");
    harness.send(bob, "METADATA * CLEAR");
    harness.send(guest, "METADATA * SET url :guest's");
    let snapshot = harness.snapshot();
    assert_eq!(
        (snapshot.metadata.len(), snapshot.metadata[0].1.len()),
        (1, 1),
        "{snapshot:?}"
    );
    let mut next = harness.restart(settings());
    let alice = next.user("alice", CAPS);
    assert_eq!(
        batch(&next.request(alice, "METADATA * LIST")),
        ["761 alice alice url * :alice's"]
    );
    assert_eq!(
        batch(&next.request(alice, "METADATA #x LIST")),
        ["761 alice #x url * :the channel's"]
    );
    next.act(ForgetAccount("alice".parse().unwrap()));
    assert_eq!(batch(&next.request(alice, "METADATA * LIST")), [""; 0]);
}

#[test]
fn the_welcome_includes_the_users_own_metadata() {
    let mut harness = Harness::new();
    let alice = harness.user("alice", CAPS);
    harness.send(alice, "METADATA * SET url :u");
    let (_, received) = harness.connect("alice", CAPS);
    let position_of = |command: &str| {
        commands(&received)
            .iter()
            .position(|found| found == command)
            .unwrap()
    };
    assert!(
        ["005", "BATCH", "761", "422"].map(position_of).is_sorted(),
        "{received:?}"
    );
    let (_, received) = harness.connect("alice", "");
    assert!(!commands(&received).contains(&"761".to_owned()));
}

#[test]
fn a_guest_that_signs_in_has_the_metadata_of_the_account() {
    let (mut harness, alice, bob) = alice_and_bob();
    harness.send(alice, "METADATA * SET url :alice's");
    harness.send(alice, "QUIT");
    harness.send(bob, "METADATA * SUB url mood");
    let guest = harness.guest("al", CAPS);
    harness.send(guest, "METADATA * SET mood :fine");
    harness.channel("#x", &[guest]);
    assert!(matches!(
        harness.sign_in(guest, identity("alice")),
        Admission::Admitted
    ));
    let received = harness.received(bob);
    let notified: Vec<_> = received
        .iter()
        .filter(|line| line.contains(" 76"))
        .collect();
    assert_eq!(
        notified,
        [
            ":irc.test 761 bob alice url * :alice's",
            ":irc.test 766 bob alice mood :key not set"
        ]
    );
}

#[test]
fn a_labelled_reply_contains_one_metadata_batch() {
    let mut harness = Harness::new();
    let alice = harness.user(
        "alice",
        "batch draft/metadata-3 labeled-response message-tags",
    );
    harness.send(alice, "METADATA * SET url :u");
    let received = harness.request(alice, "@label=L METADATA * LIST");
    assert!(
        received[0].starts_with("@label=L ") && received[0].contains("labeled-response"),
        "{received:?}"
    );
    assert!(
        received
            .iter()
            .all(|line| line.matches("batch=").count() <= 1),
        "{received:?}"
    );
    assert_eq!(
        commands(&received),
        ["BATCH", "BATCH", "761", "BATCH", "BATCH"]
    );
    let plain = harness.user("plain", "");
    harness.send(plain, "METADATA * SET url :u");
    assert_eq!(
        harness.request(plain, "METADATA * LIST"),
        [":irc.test 761 plain plain url * :u",][..],
        "no batch without the capability"
    );
}
