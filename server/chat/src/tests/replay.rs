//! What of the missed messages is sent if there is more than can be sent at once.

use std::collections::VecDeque;

use rookery_record::{NewestMessages, NewestOfSeveral, TargetKind};

use super::harness::*;
use super::playback::{CAPS, connect, device, lobby, texts};
use crate::event::{HistoryResult, SessionId, Settings};

/// Returns the names in the notices about what was left out.
fn names_of_cut(received: &[String]) -> Vec<&str> {
    let notices = received.iter();
    let lists = notices.filter_map(|line| line.split_once("; earlier messages were left out of: "));
    lists.flat_map(|(_, names)| names.split(' ')).collect()
}

/// Connects a device of alice for the first time, and disconnects it. Another one stays.
fn connect_first(harness: &mut Harness, capabilities: &str) {
    connect(harness, device("alice", 9), "draft/chathistory");
    let (phone, _) = connect(harness, device("alice", 1), capabilities);
    harness.disconnect(phone);
    harness.advance(60);
}

/// Returns what the device of alice is sent when it connects again, and its session.
fn missed(harness: &mut Harness, capabilities: &str) -> (SessionId, Vec<String>) {
    let (phone, mut missed) = connect(harness, device("alice", 1), capabilities);
    while harness.chat.has_incomplete_replies() {
        harness.continue_replies();
    }
    missed.extend(harness.received(phone));
    (phone, missed)
}

#[test]
fn a_notice_names_where_messages_beyond_the_maximum_number_were_left_out() {
    let mut harness = lobby();
    let bob = harness.user("bob", "");
    let carl = harness.user("carl", "");
    connect_first(&mut harness, CAPS);
    let lines = harness.chat.settings.replay_lines;
    for number in 0..lines {
        harness.send(bob, &format!("PRIVMSG alice :bob {number}"));
    }
    for number in 0..=lines {
        harness.send(carl, &format!("PRIVMSG alice :carl {number}"));
    }
    harness.send(carl, "PRIVMSG #x :in the lobby");
    let (phone, received) = missed(&mut harness, CAPS);
    assert_eq!(names_of_cut(&received), ["carl"]);
    let received = texts(&received);
    let is_received = |text: &str| received.contains(&text);
    assert!(is_received("bob 0") && !is_received("carl 0"));
    assert!(is_received("carl 1") && is_received("in the lobby"));
    // If it has received everything but the notice, it receives all of that again.
    harness.lose_connection(phone);
    let (_, again) = missed(&mut harness, CAPS);
    assert_eq!(texts(&again), received);
}

#[test]
fn who_floods_a_user_keeps_no_message_of_others_from_it() {
    let mut harness = Harness::with(Settings {
        replay_lines: 100,
        sendq_bytes: 64 << 10,
        ..settings_with_lobby("#x")
    });
    let [mallory, eve, bob] = ["mallory", "eve", "bob"].map(|name| harness.user(name, ""));
    connect_first(&mut harness, CAPS);
    let flood = |harness: &mut Harness, from| {
        for _ in 0..100 {
            harness.send(from, &format!("PRIVMSG alice :{}", "x".repeat(400)));
        }
        harness.send(from, "PRIVMSG alice :the newest of a flood");
    };
    harness.send(bob, "PRIVMSG alice :before");
    flood(&mut harness, mallory);
    for number in 0..10 {
        harness.send(bob, &format!("PRIVMSG #x :{number}"));
    }
    flood(&mut harness, eve);
    harness.send(bob, "PRIVMSG alice :after");
    let (_, received) = missed(&mut harness, CAPS);
    let mut names = names_of_cut(&received);
    names.sort_unstable();
    assert_eq!(names, ["eve", "mallory"]);
    let count = |text: &str| texts(&received).iter().filter(|one| **one == text).count();
    assert_eq!(count("the newest of a flood"), 2);
    assert_eq!((count("before"), count("after")), (1, 1));
    assert_eq!(
        (0..10)
            .map(|number| count(&number.to_string()))
            .sum::<usize>(),
        10
    );
}

#[test]
fn the_notices_name_channels_and_accounts_before_guests_and_count_the_rest() {
    let mut harness = lobby();
    let alice = harness.user("alice", "");
    harness.send(alice, "PRIVMSG *playback :PLAY *");
    let cut = |kind, name: &str| NewestMessages {
        kind,
        name: name.to_owned(),
        entries: VecDeque::new(),
        is_cut: true,
    };
    let guests = (0..250).map(|number| cut(TargetKind::Guest, &format!("guest{number}")));
    let mut targets: Vec<_> = guests.collect();
    targets.push(cut(TargetKind::Account, "bob"));
    targets.push(cut(TargetKind::Channel, "#x"));
    harness.answer_fetch(HistoryResult::Several(NewestOfSeveral {
        targets,
        further_conversations: 7,
    }));
    while harness.chat.has_incomplete_replies() {
        harness.continue_replies();
    }
    let received = harness.received(alice);
    let names = names_of_cut(&received);
    assert_eq!(names[..3], ["#x", "bob", "guest249"]);
    assert_eq!(names[names.len() - 1], "guest151");
    let last = received.last().unwrap();
    assert!(last.contains(" of 158 more conversations; "), "{last}");
}

/// Half of the send queue remains for what others send meanwhile.
#[test]
fn a_replay_fills_most_of_half_the_send_queue_and_no_more() {
    for capabilities in [
        "",
        CAPS,
        "server-time",
        "batch message-tags account-tag",
        "batch message-tags server-time account-tag draft/multiline",
    ] {
        let mut harness = Harness::with(Settings {
            replay_lines: 1000,
            sendq_bytes: 128 << 10,
            ..settings_with_lobby("#x")
        });
        let bob = harness.user("bob", "message-tags batch draft/multiline");
        connect_first(&mut harness, capabilities);
        for number in 0..200 {
            let text = format!("{number} {}", "x".repeat(number * 2));
            harness.send(bob, &format!("@+draft/t=v{number} PRIVMSG #x :{text}"));
            harness.send(bob, "BATCH +m draft/multiline #x");
            for _ in 0..number % 10 + 2 {
                harness.send(
                    bob,
                    &format!("@batch=m PRIVMSG #x :{}", &text[..text.len() / 4]),
                );
            }
            harness.send(bob, "BATCH -m");
        }
        let (_, received) = missed(&mut harness, capabilities);
        assert_eq!(names_of_cut(&received), ["#x"]);
        let lines = received.iter().map(|line| line.len() + "\r\n".len());
        // The lines around the messages do not count.
        let bytes = lines.sum::<usize>() - 300;
        assert!(
            (48 << 10..64 << 10).contains(&bytes),
            "{capabilities}: {bytes}"
        );
    }
}

#[test]
fn no_line_of_a_replay_is_a_ctcp_request() {
    let mut harness = lobby();
    let bob = harness.user("bob", "batch draft/multiline message-tags");
    let (alice, _) = connect(&mut harness, identity("alice"), "");
    harness.disconnect(alice);
    let lines = [
        "BATCH +1 draft/multiline #x",
        "@batch=1 PRIVMSG #x :hello",
        "@batch=1 PRIVMSG #x :\u{1}VERSION\u{1}",
        "BATCH -1",
    ];
    for line in lines {
        harness.send(bob, line);
    }
    let missed_texts = |harness: &mut Harness| {
        let (alice, missed) = connect(harness, identity("alice"), "");
        harness.disconnect(alice);
        let texts: Vec<String> = texts(&missed).into_iter().map(str::to_owned).collect();
        assert!(!texts.iter().any(|text| text.starts_with('\u{1}')));
        texts.len()
    };
    assert_eq!(missed_texts(&mut harness), 0);
    // With the time before it, the text takes two lines.
    for length in 450..465 {
        let text = format!("{}\u{1}VERSION\u{1}", "y".repeat(length));
        harness.send(bob, &format!("PRIVMSG #x :{text}"));
        assert_eq!(missed_texts(&mut harness), 2, "{length}");
    }
}
