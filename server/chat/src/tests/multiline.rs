//! Multiline messages (IRCv3 draft/multiline): how they are sent, delivered, stored and read back.

use rookery_protocol::Message;

use super::harness::*;
use crate::event::{HistoryResult, LineFault, SessionId, Settings};

const CAPS: &str = "draft/multiline batch message-tags echo-message labeled-response";

/// Sends the opening, the lines and the end of a batch. Returns what the sender receives.
fn batch(harness: &mut Harness, session: SessionId, open: &str, lines: &[&str]) -> Vec<String> {
    harness.clear_received();
    harness.send(session, open);
    for line in lines {
        harness.send(session, line);
    }
    harness.send(session, "BATCH -1");
    harness.received(session)
}

/// Returns the reference of the batch that the line opens.
fn batch_reference(line: &str) -> &str {
    let (_, opened) = line.split_once(" BATCH +").unwrap();
    opened.split(' ').next().unwrap()
}

/// The lines of a message that has an empty line and a line in two parts.
const LINES: [&str; 4] = [
    "@batch=1 PRIVMSG #x :one",
    "@batch=1 PRIVMSG #x :",
    "@batch=1 PRIVMSG #x :how is ",
    "@batch=1;draft/multiline-concat PRIVMSG #x :everyone?",
];

#[test]
fn a_multiline_message_is_delivered_as_a_batch_or_as_its_nonblank_lines() {
    let mut harness = Harness::new();
    let caps = format!("{CAPS} server-time");
    let (a, b) = (harness.user("alice", CAPS), harness.user("bob", &caps));
    let (old, tagged) = (
        harness.user("olga", ""),
        harness.user("tom", "message-tags"),
    );
    harness.channel("#X", &[a, b, old, tagged]);
    let received = batch(
        &mut harness,
        a,
        "@label=L;+draft/reply=z BATCH +1 draft/multiline #x",
        &LINES,
    );
    let id = harness.entries.last().unwrap().msgid.clone();
    let from = ":alice!~alice@users.irc.test";
    let inner = [
        format!("@batch={id} {from} PRIVMSG #X :one"),
        format!("@batch={id} {from} PRIVMSG #X :"),
        format!("@batch={id} {from} PRIVMSG #X :how is "),
        format!("@batch={id};draft/multiline-concat {from} PRIVMSG #X :everyone?"),
        format!("{from} BATCH -{id}"),
    ];
    let open = format!("msgid={id};+draft/reply=z {from} BATCH +{id} draft/multiline #X");
    assert_eq!(received[0], format!("@label=L;{open}"));
    assert_eq!(received[1..], inner);
    let received = harness.received(b);
    assert_eq!(
        received[0],
        format!("@time=2027-01-15T08:00:00.000Z;{open}")
    );
    assert_eq!(received[1..], inner);
    let line = |text: &str| format!("{from} PRIVMSG #X :{text}");
    assert_eq!(
        harness.received(old),
        [line("one"), line("how is "), line("everyone?")]
    );
    let received = harness.received(tagged);
    assert_eq!(
        received[0],
        format!("@msgid={id};+draft/reply=z {}", line("one"))
    );
    assert_eq!(
        received[1],
        format!("@+draft/reply=z {}", line("how is ")),
        "only the first line has the message id"
    );
    assert_eq!(
        harness.entries.last().unwrap().text,
        "one\n\nhow is \reveryone?"
    );
}

#[test]
fn lines_that_become_too_long_for_others_are_continued_and_nothing_is_lost() {
    let mut harness = Harness::new();
    let (a, b) = (harness.user("alice", CAPS), harness.user("bob", CAPS));
    let old = harness.user("olga", "");
    harness.channel("#x", &[a, b, old]);
    let (first, second) = ("a".repeat(480) + "HOLE", "b".repeat(480) + "END");
    let lines = [
        format!("@batch=1 PRIVMSG #x :{first}"),
        format!("@batch=1;draft/multiline-concat PRIVMSG #x :{second}"),
    ];
    let lines = lines.each_ref().map(String::as_str);
    batch(&mut harness, a, "BATCH +1 draft/multiline #x", &lines);
    for receiver in [b, old] {
        let received = harness.received(receiver);
        let texts = received
            .iter()
            .filter_map(|line| line.split_once(" PRIVMSG #x :"));
        assert_eq!(
            texts.map(|(_, text)| text).collect::<String>(),
            format!("{first}{second}")
        );
    }
}

#[test]
fn a_multiline_message_is_read_back_as_it_was_sent() {
    let mut harness = Harness::new();
    let a = harness.user("alice", "draft/multiline batch draft/chathistory");
    let old = harness.user("olga", "batch draft/chathistory");
    harness.channel("#x", &[a, old]);
    batch(&mut harness, a, "BATCH +1 draft/multiline #x", &LINES);
    let entry = harness.entries.last().cloned().unwrap();
    harness.clear_received();
    harness.send(a, "CHATHISTORY LATEST #x * 9");
    harness.answer_fetch(HistoryResult::Page(vec![entry.clone()]));
    let (id, from) = (entry.msgid.clone(), ":alice!~alice@users.irc.test");
    let received = harness.received(a);
    let outer = batch_reference(&received[0]);
    assert_eq!(
        received[1],
        format!("@batch={outer} {from} BATCH +{id} draft/multiline #x")
    );
    assert_eq!(
        received[5],
        format!("@batch={id};draft/multiline-concat {from} PRIVMSG #x :everyone?")
    );
    assert_eq!(received[6], format!("@batch={outer} {from} BATCH -{id}"));
    assert_eq!(received.len(), 8);
    harness.send(old, "CHATHISTORY LATEST #x * 9");
    harness.answer_fetch(HistoryResult::Page(vec![entry]));
    let received = harness.received(old);
    let outer = batch_reference(&received[0]);
    assert_eq!(received.len(), 5);
    assert!(
        received[1..4]
            .iter()
            .all(|line| line.starts_with(&format!("@batch={outer} "))),
        "{received:?}"
    );
}

#[test]
fn invalid_input_gets_the_code_of_the_specification() {
    let open = "BATCH +1 draft/multiline #x";
    let line = "@batch=1 PRIVMSG #x :hi";
    let long = format!("@batch=1 PRIVMSG #x :{}", "x".repeat(400));
    for (lines, expected) in [
        (
            vec![open, "@batch=2 PRIVMSG #x :hi"],
            "MULTILINE_INVALID :That batch is not open",
        ),
        (
            vec![open, line, "@batch=1;draft/multiline-concat PRIVMSG #x :"],
            "MULTILINE_INVALID :A line with the concat tag",
        ),
        (
            vec![open, line, "@batch=1 NOTICE #x :hi"],
            "MULTILINE_INVALID :The lines",
        ),
        (
            vec![open, "@batch=1 TAGMSG #x"],
            "MULTILINE_INVALID :The lines",
        ),
        (
            vec![open, "@batch=1 PRIVMSG #y :hi"],
            "MULTILINE_INVALID_TARGET #x #y :",
        ),
        (
            vec![open, "@batch=1 PRIVMSG #x :", "@batch=1 PRIVMSG #x :"],
            "MULTILINE_INVALID :A message cannot",
        ),
        (vec![open], "MULTILINE_INVALID :A message cannot"),
        (
            vec![
                open,
                line,
                "BATCH +2 draft/multiline #x",
                "@batch=2 PRIVMSG #x :hi",
            ],
            "MULTILINE_INVALID :Another",
        ),
        (
            vec!["BATCH +1 chathistory #x"],
            "UNKNOWN_TYPE 1 chathistory :",
        ),
        (
            vec!["BATCH +1 draft/multiline"],
            "MULTILINE_INVALID :Missing target",
        ),
        (
            vec!["BATCH +a,b draft/multiline #x"],
            "INVALID_REFTAG a,b :",
        ),
        (
            [&[open][..], &[line; 33]].concat(),
            "MULTILINE_MAX_LINES 32 :",
        ),
        (
            [&[open][..], &[&*long; 11]].concat(),
            "MULTILINE_MAX_BYTES 4096 :",
        ),
        (
            vec![open, line, "BATCH -2", "BATCH +1 x"],
            "MULTILINE_INVALID :That batch is not open",
        ),
    ] {
        let mut harness = Harness::new();
        let (a, b) = (harness.user("alice", CAPS), harness.user("bob", CAPS));
        harness.channel("#x", &[a, b]);
        harness.entries.clear();
        let received = batch(
            &mut harness,
            a,
            &format!("@label=L {}", lines[0]),
            &lines[1..],
        );
        let expected = format!(":irc.test FAIL BATCH {expected}");
        assert!(received[0].contains(&expected), "{lines:?}: {received:?}");
        assert!(
            lines.contains(&"BATCH +1 x") || received.len() == 1,
            "the error is reported once: {received:?}"
        );
        assert_eq!(
            received[0].starts_with("@label=L "),
            !expected.contains("Another"),
            "{received:?}"
        );
        assert!(
            harness.received(b).is_empty() && harness.entries.is_empty(),
            "no line is delivered: {lines:?}"
        );
        let received = batch(&mut harness, a, open, &LINES);
        assert_eq!(
            received.len(),
            6,
            "the next batch is accepted: {received:?}"
        );
    }
}

#[test]
fn lines_and_ends_of_batches_that_are_not_open_are_refused() {
    let mut harness = Harness::new();
    let a = harness.user("alice", CAPS);
    harness.channel("#x", &[a]);
    for line in ["@batch=1 PRIVMSG #x :hi", "BATCH -1", "BATCH 1", "BATCH"] {
        let received = harness.request(a, line);
        assert!(
            received.len() == 1 && received[0].contains(" FAIL BATCH MULTILINE_INVALID :"),
            "{line}: {received:?}"
        );
    }
    let old = harness.user("olga", "batch message-tags");
    harness.channel("#x", &[old]);
    assert!(harness.request(old, "BATCH +1 draft/multiline #x")[0].contains(" 421 olga BATCH :"));
    harness.request(old, "@batch=1 PRIVMSG #x :plain");
    assert_eq!(
        harness.received(a).len(),
        1,
        "without the capability it is an ordinary tag"
    );
}

#[test]
fn a_batch_with_long_tags_counts_as_several_messages() {
    let weight = |length: usize| {
        let line = format!("@+x={} BATCH +1 draft/multiline #x", "y".repeat(length));
        crate::weight(&Message::parse(&line).unwrap()).tenths()
    };
    assert_eq!((weight(100), weight(600), weight(4000)), (10, 20, 80));
}

/// The tags would be sent to each member as many times as there are lines.
#[test]
fn long_tags_of_a_batch_are_sent_once_to_clients_without_the_capability() {
    let mut harness = Harness::new();
    let (a, b) = (
        harness.user("alice", CAPS),
        harness.user("bob", "message-tags"),
    );
    harness.channel("#x", &[a, b]);
    let tag = format!("+x={}", "y".repeat(600));
    let open = format!("@{tag} BATCH +1 draft/multiline #x");
    batch(&mut harness, a, &open, &["@batch=1 PRIVMSG #x :one"; 9]);
    let received = harness.received(b);
    let with_tag = received.iter().filter(|line| line.contains(&tag)).count();
    assert_eq!((received.len(), with_tag), (9, 1));
}

#[test]
fn a_batch_of_one_line_is_an_ordinary_message() {
    let mut harness = Harness::new();
    let (a, b) = (harness.user("alice", CAPS), harness.user("bob", CAPS));
    let received = batch(
        &mut harness,
        a,
        "@label=L BATCH +1 draft/multiline bob",
        &["@batch=1 NOTICE bob :hi"],
    );
    assert!(
        received.len() == 1
            && received[0].starts_with("@label=L;msgid=")
            && received[0].ends_with("NOTICE bob :hi")
    );
    assert!(harness.received(b)[0].ends_with("NOTICE bob :hi"));
}

#[test]
fn the_rules_of_messages_apply_to_multiline_messages() {
    let mut harness = Harness::with(Settings {
        history: false,
        ..settings()
    });
    let (op, b) = (harness.user("alice", CAPS), harness.user("bob", CAPS));
    harness.channel("#x", &[op, b]);
    harness.send(op, "MODE #x +mC");
    let moderated = batch(
        &mut harness,
        b,
        "@label=L BATCH +1 draft/multiline #x",
        &LINES,
    );
    assert!(
        moderated.len() == 1 && moderated[0].starts_with("@label=L :irc.test 404 bob #x :"),
        "{moderated:?}"
    );
    let ctcp = [
        "@batch=1 PRIVMSG #x :hi",
        "@batch=1 PRIVMSG #x :\u{1}VERSION\u{1}",
    ];
    harness.send(op, "MODE #x +v bob");
    assert!(
        batch(&mut harness, b, "BATCH +1 draft/multiline #x", &ctcp)[0].contains(" 404 bob #x :")
    );
    let split = format!("a{}VERSION\u{1}", "\u{1}".repeat(449));
    let split = [
        "@batch=1 PRIVMSG #x :hi",
        &format!("@batch=1 PRIVMSG #x :{split}"),
    ];
    assert!(
        batch(&mut harness, b, "BATCH +1 draft/multiline #x", &split)[0].contains(" 404 bob #x :"),
        "where it is split, the rest would be a request"
    );
    assert_eq!(
        batch(&mut harness, b, "BATCH +1 draft/multiline #x", &LINES).len(),
        6,
        "also without history"
    );
    let no_such_nick = batch(
        &mut harness,
        b,
        "BATCH +1 draft/multiline zoe",
        &["@batch=1 PRIVMSG zoe :a", "@batch=1 PRIVMSG zoe :b"],
    );
    assert!(
        no_such_nick[0].contains(" 401 bob zoe :"),
        "{no_such_nick:?}"
    );
    let plain = harness.user("carl", "draft/multiline batch labeled-response");
    harness.send(op, "MODE #x -m");
    harness.channel("#x", &[plain]);
    let received = batch(
        &mut harness,
        plain,
        "@label=L BATCH +1 draft/multiline #x",
        &LINES,
    );
    assert_eq!(received, ["@label=L :irc.test ACK"]);
}

#[test]
fn a_multiline_message_with_a_bad_line_is_not_sent() {
    let mut harness = Harness::new();
    let (a, b) = (harness.user("alice", CAPS), harness.user("bob", ""));
    harness.channel("#x", &[a, b]);
    for fault in [LineFault::TooLong(None), LineFault::NotUtf8(None)] {
        harness.send(a, "@label=L BATCH +1 draft/multiline #x");
        harness.send(a, "@batch=1 PRIVMSG #x :one");
        let received = harness.bad_line(a, fault);
        assert!(
            received.len() == 1 && received[0].starts_with("@label=L :irc.test "),
            "{received:?}"
        );
        assert!(
            harness.request(a, "@batch=1 PRIVMSG #x :three").is_empty()
                && harness.request(a, "BATCH -1").is_empty()
        );
    }
    assert!(harness.received(b).is_empty());
    harness.send(a, "@label=L BATCH +1 draft/multiline #x");
    harness.send(a, "@batch=1 PRIVMSG #x :one");
    let other = Message::parse("@label=M TOPIC #x :\u{fffd}").unwrap();
    let received = harness.bad_line(a, LineFault::NotUtf8(Some(other.into())));
    assert!(
        received[0].starts_with("@label=M :irc.test FAIL TOPIC "),
        "{received:?}"
    );
    assert_eq!(
        commands(&harness.request(a, "BATCH -1")),
        ["PRIVMSG"],
        "the bad line was not part of the batch"
    );
}
