//! Commands with lists that a hostile client makes as long as possible: what they cost grows with
//! the length, and not with its square.

use super::harness::*;
use crate::event::{Delivery, Output, SessionId, Settings};
use crate::lengths;
use crate::state::LOOKUPS;

/// Returns a chat with alice, who is in as many channels as are asked for, each of them with a few
/// others.
fn scene(channels: usize) -> (Harness, SessionId) {
    let mut harness = Harness::with(Settings {
        channels_per_user: 0,
        owned_channels: 0,
        channel_list_entries: 0,
        monitor_entries: 0,
        // What waits for a later slice would not be counted.
        slice_rows: 10_000,
        ..settings()
    });
    let alice = harness.user(
        "alice",
        "draft/multiline batch message-tags standard-replies",
    );
    let members: Vec<SessionId> = (0..5)
        .map(|number| harness.guest(&format!("m{number}"), ""))
        .collect();
    for number in 0..channels {
        harness.channel(&format!("#c{number}"), &[alice]);
        harness.channel(&format!("#c{number}"), &members);
    }
    (harness, alice)
}

/// Returns the number of steps that the core takes for the lines: lookups, outputs, receivers and
/// bytes that are rendered.
fn steps(harness: &mut Harness, sender: SessionId, lines: &[String]) -> [usize; 2] {
    let of_delivery = |delivery: &Delivery| 100 * (1 + delivery.to.len()) + delivery.line.len();
    LOOKUPS.set(0);
    let mut rendered = 0;
    for line in lines {
        for output in harness.outputs_of(sender, line) {
            rendered += match &output {
                Output::Deliver(delivery) => of_delivery(delivery),
                Output::Store { deliveries, .. } => deliveries.iter().map(of_delivery).sum(),
                _ => 100,
            };
        }
    }
    [LOOKUPS.get(), rendered]
}

/// Returns the names with a number each, separated by commas.
fn list(name: &str, count: usize) -> String {
    let names: Vec<String> = (0..count).map(|number| format!("{name}{number}")).collect();
    names.join(",")
}

/// Returns so many different letters that are no modes.
fn letters(count: usize) -> String {
    ('\u{4e00}'..).take(count).collect()
}

#[test]
fn a_list_of_twice_the_length_costs_twice_as_much() {
    const FEW: usize = 16;
    type Lines = fn(usize) -> Vec<String>;
    let cases: [(&str, Lines); 18] = [
        ("unknown modes", |count| {
            vec![format!("MODE #c0 {}", letters(count))]
        }),
        ("flags", |count| {
            vec![format!("MODE #c0 {}", "+m-m".repeat(count))]
        }),
        ("keys that lack", |count| {
            vec![format!("MODE #c0 +{}", "k".repeat(count))]
        }),
        ("members' modes", |count| {
            let nicks: Vec<String> = (0..count)
                .map(|number| format!("m{}", number % 5))
                .collect();
            vec![format!(
                "MODE #c0 +{} {}",
                "o".repeat(count),
                nicks.join(" ")
            )]
        }),
        ("masks", |count| {
            let masks: Vec<String> = (0..count).map(|number| format!("n{number}")).collect();
            vec![format!(
                "MODE #c0 +{} {}",
                "b".repeat(count),
                masks.join(" ")
            )]
        }),
        ("user modes", |count| {
            vec![format!("MODE alice {}", "+i-i".repeat(count))]
        }),
        ("JOIN", |count| {
            vec![format!("JOIN {}", list("#new", count))]
        }),
        ("JOIN again", |count| {
            vec![format!("JOIN {}", list("#c", count))]
        }),
        ("JOIN with keys", |count| {
            vec![format!("JOIN {} {}", list("#new", count), list("k", count))]
        }),
        ("PART", |count| vec![format!("PART {}", list("#c", count))]),
        ("PART others", |count| {
            vec![format!("PART {}", list("#o", count))]
        }),
        ("KICK", |count| {
            vec![format!("KICK #c0 {}", list("m", count))]
        }),
        ("WHOIS", |count| vec![format!("WHOIS {}", list("m", count))]),
        ("NAMES", |count| {
            vec![format!("NAMES {}", list("#c", count))]
        }),
        ("MONITOR +", |count| {
            vec![format!("MONITOR + {}", list("m", count))]
        }),
        ("MONITOR -", |count| {
            vec![format!("MONITOR - {}", list("m", count))]
        }),
        ("CAP REQ", |count| {
            vec![format!("CAP REQ :{}", "-batch ".repeat(count))]
        }),
        ("BATCH", |count| {
            let lines = count.min(lengths::MULTILINE_LINES);
            let line = "@batch=1 PRIVMSG #c0 :a line of the message".to_owned();
            let open = "BATCH +1 draft/multiline #c0".to_owned();
            [vec![open], vec![line; lines], vec!["BATCH -1".to_owned()]].concat()
        }),
    ];
    let mut wrong = Vec::new();
    for (name, lines) in cases {
        let [one, two, four] = [1, 2, 4].map(|times| {
            let is_new = lines(1)[0].contains("#new");
            let (mut harness, alice) = scene(if is_new { 1 } else { 4 * FEW });
            steps(&mut harness, alice, &lines(times * FEW))
        });
        for kind in 0..2 {
            let (first, second) = (
                two[kind].abs_diff(one[kind]),
                four[kind].abs_diff(two[kind]),
            );
            // Each of the further items costs as much as those before.
            if second > 2 * first + one[kind] / FEW + 20 {
                wrong.push(format!("{name}: {one:?}, {two:?}, {four:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
