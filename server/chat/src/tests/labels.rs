//! Labeled responses (IRCv3 labeled-response).

use rookery_protocol::Message;

use super::harness::*;
use crate::event::{LineFault, Settings};

const CAPS: &str = "labeled-response batch message-tags";

#[test]
fn a_reply_of_one_line_carries_the_label() {
    let mut harness = Harness::new();
    let a = harness.guest("ann", CAPS);
    assert_eq!(
        harness.request(a, "@label=a\\sb PING x"),
        ["@label=a\\sb :irc.test PONG irc.test :x"]
    );
    assert!(
        harness.request(a, "@label=1 NONSENSE")[0]
            .starts_with("@label=1 :irc.test 421 ann NONSENSE :")
    );
    assert!(harness.request(a, "@label=1 NO_SUCH")[0].starts_with("@label=1 :irc.test 421 "));
    assert_eq!(
        harness.request(a, "@label=2 NICK anna"),
        ["@label=2 :ann!~ann@guests.irc.test NICK anna"]
    );
}

#[test]
fn a_command_without_a_reply_is_acknowledged() {
    let mut harness = Harness::new();
    let a = harness.guest("ann", CAPS);
    assert_eq!(
        harness.request(a, "@label=1 PONG x"),
        ["@label=1 :irc.test ACK"]
    );
    assert_eq!(
        harness.request(a, "@label=2 NOTICE nobody :hi"),
        ["@label=2 :irc.test ACK"]
    );
}

#[test]
fn a_labelled_join_of_a_channel_that_the_user_is_in_is_answered_by_the_join() {
    let mut harness = Harness::new();
    let a = harness.user("ann", CAPS);
    let other = harness.user("ann", CAPS);
    harness.channel("#X", &[a]);
    let received = harness.request(a, "@label=1 JOIN #x");
    let (open, inner) = received.split_first().unwrap();
    assert!(open.starts_with("@label=1 :irc.test BATCH +"), "{open}");
    assert_eq!(commands(inner), ["JOIN", "353", "366", "BATCH"]);
    assert!(inner[0].ends_with(" :ann!~ann@users.irc.test JOIN #X"));
    assert!(harness.received(other).is_empty());
    assert!(harness.request(a, "JOIN #x").is_empty(), "as elsewhere");
}

#[test]
fn a_reply_of_several_lines_is_a_batch() {
    let mut harness = Harness::new();
    let a = harness.guest("ann", CAPS);
    let b = harness.guest("bob", "batch labeled-response");
    harness.channel("#x", &[b]);
    let received = harness.request(a, "@label=1 JOIN #x,#,y");
    let (first, last) = (received.first().unwrap(), received.last().unwrap());
    assert_eq!(first, "@label=1 :irc.test BATCH +1 labeled-response");
    assert_eq!(last, ":irc.test BATCH -1");
    let inner = &received[1..received.len() - 1];
    assert!(
        inner.iter().all(|line| line.starts_with("@batch=1 ")),
        "{inner:#?}"
    );
    assert_eq!(commands(inner), ["JOIN", "353", "366", "476", "403"]);
    assert_eq!(
        harness.received(b),
        [":ann!~ann@guests.irc.test JOIN #x"],
        "others see no label"
    );
}

#[test]
fn only_the_echo_carries_the_label() {
    let mut harness = Harness::new();
    let a = harness.user("alice", "labeled-response batch echo-message message-tags");
    let sibling = harness.user("alice", "message-tags");
    let b = harness.user("bob", "message-tags");
    for line in ["@label=1;+x=y PRIVMSG bob :hi", "@label=1;+x=y TAGMSG bob"] {
        let received = harness.request(a, line);
        assert!(
            received.len() == 1 && received[0].starts_with("@label=1;msgid="),
            "{received:?}"
        );
        assert!(
            !harness.received(b)[0].contains("label")
                && !harness.received(sibling)[0].contains("label")
        );
    }
    let received = harness.request(a, "@label=2 PRIVMSG bob,alice :hi");
    assert_eq!(
        commands(&received)
            .iter()
            .filter(|command| *command == "BATCH")
            .count(),
        2
    );
}

#[test]
fn only_the_echo_of_a_message_to_oneself_carries_the_label() {
    for history in [true, false] {
        let mut harness = Harness::with(Settings {
            history,
            ..settings()
        });
        let a = harness.user("alice", "labeled-response batch echo-message message-tags");
        for line in [
            "@label=1 PRIVMSG alice :hi",
            "@label=1 NOTICE alice :hi",
            "@label=1;+x=y TAGMSG alice",
        ] {
            let received = harness.request(a, line);
            assert_eq!(received.len(), 2, "{received:?}");
            assert_eq!(
                received
                    .iter()
                    .filter(|line| line.starts_with("@label=1;"))
                    .count(),
                1,
                "{received:?}"
            );
        }
        let without_echo = harness.user("bob", "labeled-response batch");
        let received = harness.request(without_echo, "@label=1 PRIVMSG bob :hi");
        assert_eq!(
            received,
            [
                ":bob!~bob@users.irc.test PRIVMSG bob :hi",
                "@label=1 :irc.test ACK"
            ]
        );
    }
}

#[test]
fn the_ack_of_a_message_waits_until_it_is_stored() {
    let mut harness = Harness::new();
    let a = harness.user("alice", "labeled-response batch standard-replies");
    harness.user("bob", "");
    assert_eq!(
        harness.request(a, "@label=1 PRIVMSG bob :hi"),
        ["@label=1 :irc.test ACK"]
    );
    harness.store_works = false;
    let received = harness.request(a, "@label=2 PRIVMSG bob :hi");
    assert!(
        received.len() == 1 && received[0].starts_with("@label=2 :irc.test FAIL PRIVMSG "),
        "{received:?}"
    );
    let received = harness.request(a, "@label=3 PRIVMSG bob,alice :hi");
    assert_eq!(commands(&received), ["BATCH", "FAIL", "FAIL", "BATCH"]);
}

#[test]
fn labels_without_the_capabilities_and_long_labels_are_ignored() {
    let mut harness = Harness::new();
    let a = harness.guest("ann", "labeled-response");
    assert_eq!(
        harness.request(a, "@label=1 PING x"),
        [":irc.test PONG irc.test :x"]
    );
    let b = harness.guest("bob", CAPS);
    let line = format!("@label={} PING x", "l".repeat(65));
    assert_eq!(harness.request(b, &line), [":irc.test PONG irc.test :x"]);
}

#[test]
fn a_session_receives_nothing_after_quit() {
    let mut harness = Harness::new();
    let a = harness.guest("ann", CAPS);
    assert!(harness.request(a, "@label=1 QUIT").is_empty());
    assert_eq!(harness.ended.len(), 1);
}

#[test]
fn a_line_that_is_too_long_or_has_a_nul_is_refused_under_its_label() {
    let mut harness = Harness::new();
    let a = harness.guest("ann", CAPS);
    for (fault, reply) in [
        (
            LineFault::too_long(Some("@a;label=1")),
            "@label=1 :irc.test 417 ",
        ),
        (
            LineFault::malformed("@label=1 PRIVMSG #x :\0"),
            "@label=1 :irc.test 421 ",
        ),
        (LineFault::too_long(Some("@label")), ":irc.test 417 "),
        (LineFault::too_long(None), ":irc.test 417 "),
        (LineFault::malformed("@label=\0 PING"), ":irc.test 421 "),
        (LineFault::malformed("@label=1"), "@label=1 :irc.test 421 "),
    ] {
        let received = harness.bad_line(a, fault);
        assert!(
            received.len() == 1 && received[0].starts_with(reply),
            "{received:?}"
        );
    }
}

#[test]
fn a_line_that_is_not_utf8_is_refused_under_its_label() {
    let mut harness = Harness::new();
    let a = harness.guest("ann", CAPS);
    let message = Message::parse("@label=1 TOPIC #x :\u{fffd}").unwrap();
    let received = harness.bad_line(a, LineFault::NotUtf8(Some(message.into())));
    assert!(
        received.len() == 1
            && received[0].starts_with("@label=1 :irc.test FAIL TOPIC INVALID_UTF8 :"),
        "{received:?}"
    );
}
