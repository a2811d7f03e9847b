//! Messages of several lines: collected, shown as a batch or line by line, kept and read back.

use super::play::*;
use crate::event::{Found, LineFault, SessionId, Settings};

const CAPS: &str = "draft/multiline batch message-tags echo-message labeled-response";

/// Sends the lines of a batch and its end; gives what the sender hears.
fn batch(play: &mut Play, session: SessionId, open: &str, lines: &[&str]) -> Vec<String> {
    play.forget();
    play.send(session, open);
    for line in lines {
        play.send(session, line);
    }
    play.send(session, "BATCH -1");
    play.heard(session)
}

const POEM: [&str; 4] = [
    "@batch=1 PRIVMSG #x :one",
    "@batch=1 PRIVMSG #x :",
    "@batch=1 PRIVMSG #x :how is ",
    "@batch=1;draft/multiline-concat PRIVMSG #x :everyone?",
];

#[test]
fn a_batch_comes_as_a_batch_or_as_lines_without_the_blank_ones() {
    let mut play = Play::new();
    let caps = format!("{CAPS} server-time");
    let (a, b) = (play.user("alice", CAPS), play.user("bob", &caps));
    let (old, tagged) = (play.user("olga", ""), play.user("tom", "message-tags"));
    play.channel("#X", &[a, b, old, tagged]);
    let heard = batch(
        &mut play,
        a,
        "@label=L;+draft/reply=z BATCH +1 draft/multiline #x",
        &POEM,
    );
    let id = play.entries.last().unwrap().msgid.clone();
    let from = ":alice!~alice@users.irc.test";
    let inner = [
        format!("@batch={id} {from} PRIVMSG #X :one"),
        format!("@batch={id} {from} PRIVMSG #X :"),
        format!("@batch={id} {from} PRIVMSG #X :how is "),
        format!("@batch={id};draft/multiline-concat {from} PRIVMSG #X :everyone?"),
        format!("{from} BATCH -{id}"),
    ];
    let open = format!("msgid={id};+draft/reply=z {from} BATCH +{id} draft/multiline #X");
    assert_eq!(heard[0], format!("@label=L;{open}"));
    assert_eq!(heard[1..], inner);
    let heard = play.heard(b);
    assert_eq!(heard[0], format!("@time=2027-01-15T08:00:00.000Z;{open}"));
    assert_eq!(heard[1..], inner);
    let line = |text: &str| format!("{from} PRIVMSG #X :{text}");
    assert_eq!(
        play.heard(old),
        [line("one"), line("how is "), line("everyone?")]
    );
    let heard = play.heard(tagged);
    assert_eq!(
        heard[0],
        format!("@msgid={id};+draft/reply=z {}", line("one"))
    );
    assert_eq!(
        heard[1],
        format!("@+draft/reply=z {}", line("how is ")),
        "the id stands for the whole"
    );
    assert_eq!(
        play.entries.last().unwrap().text,
        "one\n\nhow is \reveryone?"
    );
}

#[test]
fn it_is_read_back_as_it_was_said() {
    let mut play = Play::new();
    let a = play.user("alice", "draft/multiline batch draft/chathistory");
    let old = play.user("olga", "batch draft/chathistory");
    play.channel("#x", &[a, old]);
    batch(&mut play, a, "BATCH +1 draft/multiline #x", &POEM);
    let entry = play.entries.last().cloned().unwrap();
    play.forget();
    play.send(a, "CHATHISTORY LATEST #x * 9");
    play.found(Found::Page(vec![entry.clone()]));
    let (id, from) = (entry.msgid.clone(), ":alice!~alice@users.irc.test");
    let heard = play.heard(a);
    let outer = heard[0]
        .rsplit_once(" BATCH +")
        .unwrap()
        .1
        .split(' ')
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(
        heard[1],
        format!("@batch={outer} {from} BATCH +{id} draft/multiline #x")
    );
    assert_eq!(
        heard[5],
        format!("@batch={id};draft/multiline-concat {from} PRIVMSG #x :everyone?")
    );
    assert_eq!(heard[6], format!("@batch={outer} {from} BATCH -{id}"));
    assert_eq!(heard.len(), 8);
    play.send(old, "CHATHISTORY LATEST #x * 9");
    play.found(Found::Page(vec![entry]));
    let heard = play.heard(old);
    let outer = heard[0]
        .rsplit_once(" BATCH +")
        .unwrap()
        .1
        .split(' ')
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(heard.len(), 5);
    assert!(
        heard[1..4]
            .iter()
            .all(|line| line.starts_with(&format!("@batch={outer} "))),
        "{heard:?}"
    );
}

#[test]
fn what_is_not_in_order_gets_the_code_of_the_specification() {
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
        let mut play = Play::new();
        let (a, b) = (play.user("alice", CAPS), play.user("bob", CAPS));
        play.channel("#x", &[a, b]);
        play.entries.clear();
        let heard = batch(&mut play, a, &format!("@label=L {}", lines[0]), &lines[1..]);
        let expected = format!(":irc.test FAIL BATCH {expected}");
        assert!(heard[0].contains(&expected), "{lines:?}: {heard:?}");
        assert!(
            lines.contains(&"BATCH +1 x") || heard.len() == 1,
            "it is told once: {heard:?}"
        );
        assert_eq!(
            heard[0].starts_with("@label=L "),
            !expected.contains("Another"),
            "{heard:?}"
        );
        assert!(
            play.heard(b).is_empty() && play.entries.is_empty(),
            "nothing of it is said: {lines:?}"
        );
        let heard = batch(&mut play, a, open, &POEM);
        assert_eq!(heard.len(), 6, "the next is well again: {heard:?}");
    }
}

#[test]
fn lines_without_a_batch_and_ends_without_a_beginning_are_refused() {
    let mut play = Play::new();
    let a = play.user("alice", CAPS);
    play.channel("#x", &[a]);
    for line in ["@batch=1 PRIVMSG #x :hi", "BATCH -1", "BATCH 1", "BATCH"] {
        let heard = play.ask(a, line);
        assert!(
            heard.len() == 1 && heard[0].contains(" FAIL BATCH MULTILINE_INVALID :"),
            "{line}: {heard:?}"
        );
    }
    let old = play.user("olga", "batch message-tags");
    play.channel("#x", &[old]);
    assert!(play.ask(old, "BATCH +1 draft/multiline #x")[0].contains(" 421 olga BATCH :"));
    play.ask(old, "@batch=1 PRIVMSG #x :as ever");
    assert_eq!(
        play.heard(a).len(),
        1,
        "without the capability a tag is a tag"
    );
}

#[test]
fn a_batch_of_one_line_is_a_message_like_any_other() {
    let mut play = Play::new();
    let (a, b) = (play.user("alice", CAPS), play.user("bob", CAPS));
    let heard = batch(
        &mut play,
        a,
        "@label=L BATCH +1 draft/multiline bob",
        &["@batch=1 NOTICE bob :hi"],
    );
    assert!(
        heard.len() == 1
            && heard[0].starts_with("@label=L;msgid=")
            && heard[0].ends_with("NOTICE bob :hi")
    );
    assert!(play.heard(b)[0].ends_with("NOTICE bob :hi"));
}

#[test]
fn what_holds_for_a_message_holds_for_one_of_several_lines() {
    let mut play = Play::with(Settings {
        history: false,
        ..settings()
    });
    let (op, b) = (play.user("alice", CAPS), play.user("bob", CAPS));
    play.channel("#x", &[op, b]);
    play.send(op, "MODE #x +mC");
    let silenced = batch(&mut play, b, "@label=L BATCH +1 draft/multiline #x", &POEM);
    assert!(
        silenced.len() == 1 && silenced[0].starts_with("@label=L :irc.test 404 bob #x :"),
        "{silenced:?}"
    );
    let ctcp = [
        "@batch=1 PRIVMSG #x :hi",
        "@batch=1 PRIVMSG #x :\u{1}VERSION\u{1}",
    ];
    play.send(op, "MODE #x +v bob");
    assert!(batch(&mut play, b, "BATCH +1 draft/multiline #x", &ctcp)[0].contains(" 404 bob #x :"));
    assert_eq!(
        batch(&mut play, b, "BATCH +1 draft/multiline #x", &POEM).len(),
        6,
        "without a history as well"
    );
    let nobody = batch(
        &mut play,
        b,
        "BATCH +1 draft/multiline zoe",
        &["@batch=1 PRIVMSG zoe :a", "@batch=1 PRIVMSG zoe :b"],
    );
    assert!(nobody[0].contains(" 401 bob zoe :"), "{nobody:?}");
    let plain = play.user("carl", "draft/multiline batch labeled-response");
    play.send(op, "MODE #x -m");
    play.channel("#x", &[plain]);
    let heard = batch(
        &mut play,
        plain,
        "@label=L BATCH +1 draft/multiline #x",
        &POEM,
    );
    assert_eq!(heard, ["@label=L :irc.test ACK"]);
}

#[test]
fn a_message_that_a_line_of_is_lost_is_not_said() {
    let mut play = Play::new();
    let (a, b) = (play.user("alice", CAPS), play.user("bob", ""));
    play.channel("#x", &[a, b]);
    for fault in [LineFault::TooLong, LineFault::NotUtf8(None)] {
        play.send(a, "@label=L BATCH +1 draft/multiline #x");
        play.send(a, "@batch=1 PRIVMSG #x :one");
        let heard = play.fault(a, fault);
        assert!(
            heard.len() == 1 && heard[0].starts_with("@label=L :irc.test "),
            "{heard:?}"
        );
        assert!(
            play.ask(a, "@batch=1 PRIVMSG #x :three").is_empty()
                && play.ask(a, "BATCH -1").is_empty()
        );
    }
    assert!(play.heard(b).is_empty());
    play.send(a, "@label=L BATCH +1 draft/multiline #x");
    play.send(a, "@batch=1 PRIVMSG #x :one");
    let other = rookery_protocol::Message::parse("@label=M TOPIC #x :\u{fffd}").unwrap();
    let heard = play.fault(a, LineFault::NotUtf8(Some(other.into())));
    assert!(
        heard[0].starts_with("@label=M :irc.test FAIL TOPIC "),
        "{heard:?}"
    );
    assert_eq!(
        commands(&play.ask(a, "BATCH -1")),
        ["PRIVMSG"],
        "that was no line of it"
    );
}
