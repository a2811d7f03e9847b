//! The order and the times of messages, by which clients page through the history.

use jiff::SignedDuration;
use proptest::prelude::*;

use super::super::harness::*;
use rookery_record::{HistoryEntry, Place};

/// Returns the ids of all messages in the order of the history, read page by page. `by_time`
/// selects whether a page continues before the time or before the id of the oldest message read.
fn read_in_pages(entries: &[HistoryEntry], by_time: bool) -> Vec<String> {
    let mut stored: Vec<&HistoryEntry> = entries.iter().collect();
    stored.sort_by_key(|entry| entry.at.as_millisecond());
    let mut read: Vec<&HistoryEntry> = Vec::new();
    loop {
        let oldest = read.last();
        let end = match oldest {
            None => stored.len(),
            Some(oldest) if by_time => stored.partition_point(|entry| entry.at < oldest.at),
            Some(oldest) => stored
                .iter()
                .position(|entry| entry.msgid == oldest.msgid)
                .unwrap(),
        };
        if end == 0 {
            return read.iter().rev().map(|entry| entry.msgid.clone()).collect();
        }
        read.extend(stored[end.saturating_sub(3)..end].iter().rev());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The clock stands still, moves on and is set back.
    #[test]
    fn paging_by_time_returns_the_same_messages_as_paging_by_id(
        steps in proptest::collection::vec((0_usize..5, -5_i64..4), 1..60),
    ) {
        let mut harness = Harness::new();
        let a = harness.user("alice", "");
        let b = harness.user("bob", "server-time");
        harness.channel("#x", &[a, b]);
        for (number, (action, milliseconds)) in steps.into_iter().enumerate() {
            harness.now += SignedDuration::from_millis(milliseconds);
            let line = match action {
                0 => format!("TOPIC #x :{number}"),
                1 => "MODE #x +m-m".to_owned(),
                2 => format!("NOTICE #x,#x,bob :{number}"),
                _ => format!("PRIVMSG #x :{number}"),
            };
            let before = harness.entries.len();
            harness.clear_received();
            harness.send(a, &line);
            let received = harness.received(b);
            for entry in &harness.entries[before..] {
                let time = format!("@time={:.3} ", entry.at);
                prop_assert!(received.iter().any(|line| line.starts_with(&time)), "{time}");
            }
        }
        let (in_channel, direct): (Vec<_>, Vec<_>) = harness
            .entries
            .clone()
            .into_iter()
            .partition(|entry| matches!(entry.place, Place::Channel(_)));
        for entries in [in_channel, direct] {
            let sent: Vec<String> = entries.iter().map(|entry| entry.msgid.clone()).collect();
            prop_assert_eq!(&read_in_pages(&entries, true), &sent);
            prop_assert_eq!(&read_in_pages(&entries, false), &sent);
        }
    }
}

#[test]
fn a_message_that_is_later_than_the_clock_can_be_marked_as_read() {
    let mut harness = Harness::new();
    let a = harness.user("alice", "draft/read-marker");
    harness.channel("#x", &[a]);
    for _ in 0..3 {
        harness.send(a, "PRIVMSG #x :at once");
    }
    harness.advance(-3600);
    harness.send(a, "PRIVMSG #x :after the clock was set back");
    let at = harness.entries.last().unwrap().at;
    let received = harness.request(a, &format!("MARKREAD #x timestamp={at:.3}"));
    assert!(
        received[0].ends_with(&format!("timestamp={at:.3}")),
        "{received:?}"
    );
}
