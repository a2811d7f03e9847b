//! What the channels of one account may hold together, and a channel without an owner.

use super::harness::*;
use crate::event::{SessionId, Settings};

/// Sixteen times what a channel without an owner may hold: six masks.
const LIMIT: usize = 16 * 1000;

fn with_limit(owned_channel_bytes: usize) -> Settings {
    Settings {
        owned_channel_bytes,
        channel_list_entries: 100,
        ..settings()
    }
}

/// Sets bans until one is refused. Returns how many were set, and the refusal.
fn fill(harness: &mut Harness, session: SessionId, channel: &str) -> (usize, String) {
    for number in 0..=300 {
        let list = ["b", "e", "I"][number / 100 % 3];
        let line = format!("MODE {channel} +{list} n{number}");
        let received = harness.request(session, &line);
        if commands(&received) != ["MODE"] {
            return (number, received.concat());
        }
    }
    panic!("nothing is refused");
}

/// Returns the number of entries of the three lists.
fn listed(harness: &mut Harness, session: SessionId, channel: &str) -> usize {
    let received = ["b", "e", "I"].map(|list| {
        let received = harness.request(session, &format!("MODE {channel} {list}"));
        received.len() - 1
    });
    received.iter().sum()
}

#[test]
fn the_channels_of_an_account_hold_so_much_together_and_what_was_there_before_stays() {
    let mut harness = Harness::with(with_limit(LIMIT));
    let [alice, bob] = ["alice", "bob"].map(|name| harness.user(name, "standard-replies"));
    harness.channel("#a", &[alice, bob]);
    harness.channel("#b", &[alice]);
    harness.channel("#c", &[bob]);
    let (first, _) = fill(&mut harness, alice, "#a");
    // Each takes 128 bytes and its texts: the mask, and `alice!~alice@users.irc.test`.
    assert!((95..=100).contains(&first), "{first}");
    let (guaranteed, _) = fill(&mut harness, alice, "#b");
    assert_eq!(guaranteed, 6, "an operator of #a takes nothing of it");
    let refused = |received: Vec<String>, start: &str| {
        let [line] = received.as_slice() else {
            panic!("{received:?}")
        };
        assert!(line.starts_with(start), "{line}");
        assert!(line.contains("The channels of its founder hold"), "{line}");
        assert!(line.contains("first remove"), "{line}");
    };
    let mode = "MODE #b +b other";
    refused(harness.request(alice, mode), ":irc.test 478 alice #b other");
    let access = "ACCESS #b ADD bob op";
    let full = ":irc.test FAIL ACCESS LIST_FULL #b :";
    refused(harness.request(alice, access), full);
    let metadata = format!("METADATA #b SET key :{}", "x".repeat(300));
    let full = ":irc.test FAIL METADATA LIMIT_REACHED #b :";
    refused(harness.request(alice, &metadata), full);
    assert_eq!(commands(&harness.request(alice, "MODE #a +b n0")), [""; 0]);
    assert_eq!(
        commands(&harness.request(bob, "MODE #c +b other")),
        ["MODE"],
        "another account has a limit of its own"
    );

    // With the place of two masks more than the limit, there is room in the other channel.
    for number in 0..8 {
        harness.send(alice, &format!("MODE #a -b n{number}"));
    }
    harness.clear_received();
    assert_eq!(commands(&harness.request(alice, mode)), ["MODE"]);
    assert_eq!(
        commands(&harness.request(alice, "METADATA #b SET key :value")),
        ["761"]
    );
    refused(harness.request(alice, &metadata), full);
    assert_eq!(
        commands(&harness.request(alice, "METADATA #b SET key :other")),
        ["761"],
        "it takes as much as before"
    );

    // What exceeds a lower limit is restored, and can be removed, but nothing can be added.
    let before = listed(&mut harness, alice, "#a");
    let mut next = harness.restart(with_limit(LIMIT / 2));
    let alice = next.user("alice", "");
    next.channel("#a", &[alice]);
    next.channel("#b", &[alice]);
    assert_eq!(listed(&mut next, alice, "#a"), before);
    assert_eq!(commands(&next.request(alice, "MODE #b +b more")), ["478"]);
    let remove = next.request(alice, "MODE #a -b n12");
    assert_eq!(commands(&remove), ["MODE"]);
    let metadata = next.request(alice, "METADATA #b SET key :short");
    assert_eq!(commands(&metadata), ["761"]);
}

#[test]
fn a_channel_without_an_owner_holds_a_part_of_it_and_no_transfer_evades_the_limits() {
    let mut harness = Harness::with(with_limit(LIMIT));
    let [alice, bob] = ["alice", "bob"].map(|name| harness.user(name, ""));
    let guest = harness.guest("gus", "");
    harness.channel("#free", &[guest, alice]);
    let (set, refusal) = fill(&mut harness, guest, "#free");
    assert_eq!(set, 6);
    assert!(
        refusal.contains("give it an owner with MODE +q"),
        "{refusal}"
    );
    let given = harness.request(guest, "MODE #free +q alice");
    assert_eq!(commands(&given), ["MODE"]);
    harness.clear_received();
    assert_eq!(
        commands(&harness.request(alice, "MODE #free +b more")),
        ["MODE"]
    );

    // What an account may hold is too much for a channel that has no owner any longer.
    harness.send(alice, "MODE #free +bb more2 more3");
    harness.clear_received();
    let refusal = harness.request(alice, "MODE #free -q alice").concat();
    assert!(refusal.contains(" 696 alice #free q alice :"), "{refusal}");
    assert!(refusal.contains("remove masks"), "{refusal}");

    // Nor can two accounts give each other what one could not have set.
    harness.channel("#a", &[alice, bob]);
    harness.channel("#b", &[bob, alice]);
    fill(&mut harness, alice, "#a");
    fill(&mut harness, bob, "#b");
    let refusal = harness.request(alice, "MODE #a +q bob").concat();
    assert!(
        refusal.contains("Their channels would hold too much"),
        "{refusal}"
    );
    for list in ["b", "e", "I"] {
        for number in 0..100 {
            harness.send(bob, &format!("MODE #b -{list} n{number}"));
        }
    }
    harness.clear_received();
    let given = harness.request(alice, "MODE #a +q bob");
    assert_eq!(commands(&given), ["MODE"], "{given:?}");
}
