//! How much of a reply is sent at once, and what waits for a client that does not read.

use rookery_protocol::{AccountName, Capability};
use rookery_record::{HistoryEntry, Place};

use super::harness::*;
use super::long_replies::{PARAMS, several};
use super::reference::commands_by_name;
use crate::event::{HistoryQuery, HistoryResult, SessionId, Settings};
use crate::{MIN_SENDQ, lengths, slice_rows};

/// The number of channels, of members of the largest, and of entries of lists.
const MANY: usize = 100;

/// Returns a chat with the smallest send queues and with alice, who may do everything in large
/// channels. All that is in the replies to her is as long as it may be.
fn long_scene(capabilities: &str) -> (Harness, SessionId) {
    let mut harness = Harness::with(Settings {
        server_name: format!("{}.test", "s".repeat(58)),
        slice_rows: slice_rows(MIN_SENDQ),
        sendq_bytes: MIN_SENDQ,
        channel_list_entries: MANY,
        monitor_entries: MANY,
        history_page: MANY,
        channels_per_user: MANY,
        owned_channels: 0,
        ..settings()
    });
    let alice = harness.user("alice", capabilities);
    harness.channel("#big", &[alice]);
    harness.send(alice, "METADATA * SUB k0 k1 k2");
    let (text, mask) = ("t".repeat(400), "m".repeat(lengths::MASK - 10));
    for number in 0..MANY {
        let member = harness.guest(&format!("member{number:x<26}"), "draft/metadata-3");
        harness.channel(&format!("#c{number}"), &[member]);
        harness.send(member, &format!("TOPIC #c{number} :{text}"));
        harness.send(member, "JOIN #big");
        for key in 0..3 {
            let value = &text[..lengths::METADATA_VALUE];
            harness.send(member, &format!("METADATA * SET k{key} :{value}"));
        }
        harness.send(alice, &format!("MODE #big +b {number}{mask}!*@*"));
        harness.send(alice, &format!("ACCESS #big ADD account{number} voice"));
        harness.send(alice, &format!("MONITOR + member{number:x<26}"));
        let departed = harness.guest("gone", "");
        harness.disconnect(departed);
        harness.clear_received();
    }
    harness.request(alice, "PING x");
    harness.held.clear();
    (harness, alice)
}

/// Whether the scene is as at first, in what makes replies long.
fn is_intact(harness: &Harness, alice: SessionId) -> bool {
    let state = &harness.chat.state;
    let big = state.channel(&"#big".parse().unwrap());
    let is_operator = |user| big.is_some_and(|big| big.is_operator(user));
    state.user_of(alice).is_some_and(is_operator)
        && big.is_some_and(|big| {
            big.members().len() > MANY && big.bans.len() >= MANY && big.access.len() >= MANY
        })
}

/// Returns a page of the longest messages: some of one line, some of several.
fn page() -> Vec<HistoryEntry> {
    let line = "x".repeat(lengths::MULTILINE_BYTES / lengths::MULTILINE_LINES - 1);
    let entry = |number| HistoryEntry {
        at: START,
        place: Place::Channel("#big".parse().unwrap()),
        source: format!("{}!{}@{}", "n".repeat(32), "u".repeat(10), "h".repeat(63)),
        account: AccountName::parse(&"n".repeat(32)).ok(),
        command: "PRIVMSG".to_owned(),
        text: match number % 2 {
            0 => "x".repeat(400),
            _ => [line.as_str(); lengths::MULTILINE_LINES].join("\n"),
        },
        tags: format!("+draft/t={}", "t".repeat(lengths::STORED_TAGS - 9)),
        msgid: format!("{}-{number}", "i".repeat(20)),
    };
    (0..MANY).map(entry).collect()
}

/// Answers what is to be read from the history with as much as there may be.
fn answer_fetches(harness: &mut Harness) {
    while let Some(fetch) = harness.fetches.first() {
        let found = match &fetch.query {
            HistoryQuery::Page(_) => HistoryResult::Page(page()),
            HistoryQuery::Targets(_) => HistoryResult::Targets(Vec::new()),
            HistoryQuery::Several(_) => HistoryResult::Several(several(page().chunks(20))),
            HistoryQuery::Message(_) => HistoryResult::Message(None),
        };
        harness.answer_fetch(found);
    }
}

/// Returns the number of bytes that the session has received since the last call.
fn received_bytes(harness: &mut Harness, session: SessionId) -> usize {
    let lines = harness.received(session);
    lines.iter().map(|line| line.len() + "\r\n".len()).sum()
}

/// A command waits until a quarter of the send queue at most is in use, and each slice does. So a
/// reply cannot overflow the queue, if a slice has three quarters of its size at most. Every
/// command of the table is tried.
#[test]
fn a_slice_fits_the_smallest_send_queue() {
    let (own, _) = commands_by_name();
    let channels = |count| {
        let names: Vec<String> = (0..count).map(|number| format!("#c{number}")).collect();
        names.join(",")
    };
    let all = channels(MANY);
    let several = channels(lengths::TARGETS);
    let params = PARAMS.iter().map(|params| (*params).to_owned());
    let params: Vec<String> = params.chain([all, several]).collect();
    let all = Capability::ALL.iter().map(|capability| capability.name());
    let all: Vec<&str> = all.collect();
    let without = |name: &str| {
        let others = all.iter().filter(|other| **other != name);
        others.copied().collect::<Vec<_>>().join(" ")
    };
    let mut wrong = Vec::new();
    for capabilities in [all.join(" "), without("draft/multiline")] {
        let (mut harness, mut alice) = long_scene(&capabilities);
        for command in own.iter().filter(|command| **command != "QUIT") {
            for params in &params {
                if !is_intact(&harness, alice) {
                    (harness, alice) = long_scene(&capabilities);
                }
                harness.clear_received();
                harness.fetches.clear();
                let line = format!("@label=l {command} {params}");
                harness.send(alice, &line);
                let mut largest = received_bytes(&mut harness, alice);
                answer_fetches(&mut harness);
                largest = largest.max(received_bytes(&mut harness, alice));
                while harness.chat.has_incomplete_replies() {
                    harness.continue_replies();
                    largest = largest.max(received_bytes(&mut harness, alice));
                }
                if largest > MIN_SENDQ / 4 * 3 {
                    wrong.push(format!("{line}: {largest} bytes at once"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_session_that_does_not_read_gets_one_slice_and_the_next_when_it_has_read_it() {
    let (mut harness, alice) = long_scene("");
    harness.reads = false;
    let key = harness.awaited_command(alice, "WHO #big");
    assert_eq!(harness.without_room, [alice]);
    let mut rows = harness.received(alice).len();
    for _ in 0..10 {
        harness.continue_replies();
        harness.send(alice, "PING x");
    }
    assert_eq!(harness.received(alice).len(), 10, "a PONG for each PING");
    while harness.without_room.pop().is_some() {
        harness.chat.resume_replies(alice);
        // The engine may be late, and another session may have been its reason.
        harness.chat.resume_replies(alice);
        harness.continue_replies();
        let slice = harness.received(alice).len();
        assert!(slice <= slice_rows(MIN_SENDQ) + 1, "{slice} lines at once");
        rows += slice;
        harness.continue_replies();
        assert!(harness.received(alice).is_empty(), "it has not read them");
    }
    assert_eq!(rows, MANY + 2);
    assert!(harness.answer(key).is_some());
}

#[test]
fn what_the_core_holds_for_a_client_that_does_not_read_is_reported_until_it_is_gone() {
    let capabilities = "draft/chathistory batch";
    for ends in [false, true] {
        let (mut harness, alice) = long_scene(capabilities);
        harness.reads = false;
        harness.send(alice, "CHATHISTORY LATEST #big * 100");
        harness.answer_fetch(HistoryResult::Page(page()));
        let texts: usize = page().iter().map(|entry| entry.text.len()).sum();
        let mut held = harness.held[&alice];
        assert!(held > texts / 4 * 3, "{held} of {texts}");
        if ends {
            harness.disconnect(alice);
            harness.continue_replies();
        }
        while harness.without_room.pop().is_some() && !ends {
            harness.chat.resume_replies(alice);
            harness.continue_replies();
            assert!(harness.held[&alice] < held, "less is left");
            held = harness.held[&alice];
        }
        assert_eq!(harness.held[&alice], 0);
    }
}

#[test]
fn metadata_of_users_who_join_waits_once_and_only_for_those_who_have_subscribed_to_it() {
    let mut harness = Harness::with(Settings {
        slice_rows: 2,
        ..settings()
    });
    let sessions = ["alice", "bob", "carl"].map(|name| harness.user(name, "draft/metadata-3"));
    let [alice, bob, carl] = sessions;
    harness.send(alice, "METADATA * SET url :here");
    for (session, key) in [(bob, "url"), (carl, "avatar")] {
        harness.channel("#x", &[session]);
        harness.send(session, &format!("METADATA * SUB {key}"));
    }
    harness.reads = false;
    for session in [bob, carl] {
        harness.send(session, "WHO #x");
        harness.send(session, "NAMES #x");
    }
    let held = |harness: &Harness, session| harness.held.get(&session).copied().unwrap_or(0);
    let before = [bob, carl].map(|session| held(&harness, session));
    harness.send(alice, "JOIN #x");
    let once = held(&harness, bob);
    for _ in 0..100 {
        harness.send(alice, "PART #x");
        harness.send(alice, "JOIN #x");
    }
    let after = [bob, carl].map(|session| held(&harness, session));
    assert_eq!(after, [once, before[1]]);
    assert!(once > before[0], "it waits for bob");
    harness.clear_received();
    harness.reads = true;
    for session in [bob, carl] {
        harness.chat.resume_replies(session);
    }
    while harness.chat.has_incomplete_replies() {
        harness.continue_replies();
    }
    let values = [bob, carl].map(|session| {
        let received = harness.received(session);
        received
            .iter()
            .filter(|line| line.contains(" 761 "))
            .count()
    });
    assert_eq!(values, [1, 0]);
    assert_eq!((held(&harness, bob), held(&harness, carl)), (0, 0));
}

#[test]
fn what_others_make_wait_for_a_client_that_does_not_read_counts_as_well() {
    let mut harness = Harness::with(Settings {
        slice_rows: 2,
        ..settings()
    });
    let (alice, bob) = (harness.user("alice", ""), harness.user("bob", ""));
    harness.channel("#x0", &[alice, bob]);
    harness.reads = false;
    for number in 0..100 {
        harness.send(alice, &format!("RENAME #x{number} #x{}", number + 1));
    }
    let held = harness.held.get(&bob).copied().unwrap_or_default();
    assert!(held > 100 * 100, "{held} for the descriptions of a channel");
    harness.disconnect(bob);
    harness.continue_replies();
    assert_eq!(harness.held[&bob], 0);
}
