//! Labeled responses.

use super::play::*;

const CAPS: &str = "labeled-response batch message-tags";

#[test]
fn one_answer_carries_the_label() {
    let mut play = Play::new();
    let a = play.guest("ann", CAPS);
    assert_eq!(
        play.ask(a, "@label=a\\sb PING x"),
        ["@label=a\\sb :irc.test PONG irc.test :x"]
    );
    assert!(
        play.ask(a, "@label=1 NONSENSE")[0].starts_with("@label=1 :irc.test 421 ann NONSENSE :")
    );
    assert!(play.ask(a, "@label=1 NO_SUCH")[0].starts_with("@label=1 :irc.test 421 "));
    assert_eq!(
        play.ask(a, "@label=2 NICK anna"),
        ["@label=2 :ann!~ann@guests.irc.test NICK anna"]
    );
}

#[test]
fn no_answer_becomes_an_ack() {
    let mut play = Play::new();
    let a = play.guest("ann", CAPS);
    assert_eq!(play.ask(a, "@label=1 PONG x"), ["@label=1 :irc.test ACK"]);
    assert_eq!(
        play.ask(a, "@label=2 NOTICE nobody :hi"),
        ["@label=2 :irc.test ACK"]
    );
}

#[test]
fn several_answers_become_a_batch() {
    let mut play = Play::new();
    let a = play.guest("ann", CAPS);
    let b = play.guest("bob", "batch labeled-response");
    play.channel("#x", &[b]);
    let heard = play.ask(a, "@label=1 JOIN #x,#,y");
    let (first, last) = (heard.first().unwrap(), heard.last().unwrap());
    assert_eq!(first, "@label=1 :irc.test BATCH +1 labeled-response");
    assert_eq!(last, ":irc.test BATCH -1");
    let inner = &heard[1..heard.len() - 1];
    assert!(
        inner.iter().all(|line| line.starts_with("@batch=1 ")),
        "{inner:#?}"
    );
    assert_eq!(commands(inner), ["JOIN", "353", "366", "476", "403"]);
    assert_eq!(
        play.heard(b),
        [":ann!~ann@guests.irc.test JOIN #x"],
        "others see no label"
    );
}

#[test]
fn an_echo_carries_the_label_and_others_do_not_see_it() {
    let mut play = Play::new();
    let a = play.user("alice", "labeled-response batch echo-message message-tags");
    let sibling = play.user("alice", "message-tags");
    let b = play.user("bob", "message-tags");
    for line in ["@label=1;+x=y PRIVMSG bob :hi", "@label=1;+x=y TAGMSG bob"] {
        let heard = play.ask(a, line);
        assert!(
            heard.len() == 1 && heard[0].starts_with("@label=1;msgid="),
            "{heard:?}"
        );
        assert!(!play.heard(b)[0].contains("label") && !play.heard(sibling)[0].contains("label"));
    }
    let heard = play.ask(a, "@label=2 PRIVMSG bob,alice :hi");
    assert_eq!(
        commands(&heard)
            .iter()
            .filter(|command| *command == "BATCH")
            .count(),
        2
    );
}

#[test]
fn of_a_message_to_oneself_only_the_echo_is_labelled() {
    for history in [true, false] {
        let mut play = Play::with(crate::event::Settings {
            history,
            ..settings()
        });
        let a = play.user("alice", "labeled-response batch echo-message message-tags");
        for line in [
            "@label=1 PRIVMSG alice :hi",
            "@label=1 NOTICE alice :hi",
            "@label=1;+x=y TAGMSG alice",
        ] {
            let heard = play.ask(a, line);
            assert_eq!(heard.len(), 2, "{heard:?}");
            assert_eq!(
                heard
                    .iter()
                    .filter(|line| line.starts_with("@label=1;"))
                    .count(),
                1,
                "{heard:?}"
            );
        }
        let silent = play.user("bob", "labeled-response batch");
        let heard = play.ask(silent, "@label=1 PRIVMSG bob :hi");
        assert_eq!(
            heard,
            [
                ":bob!~bob@users.irc.test PRIVMSG bob :hi",
                "@label=1 :irc.test ACK"
            ]
        );
    }
}

#[test]
fn an_ack_for_a_message_waits_for_the_store_as_well() {
    let mut play = Play::new();
    let a = play.user("alice", "labeled-response batch standard-replies");
    play.user("bob", "");
    assert_eq!(
        play.ask(a, "@label=1 PRIVMSG bob :hi"),
        ["@label=1 :irc.test ACK"]
    );
    play.stores = false;
    let heard = play.ask(a, "@label=2 PRIVMSG bob :hi");
    assert!(
        heard.len() == 1 && heard[0].starts_with("@label=2 :irc.test FAIL PRIVMSG "),
        "{heard:?}"
    );
    let heard = play.ask(a, "@label=3 PRIVMSG bob,alice :hi");
    assert_eq!(commands(&heard), ["BATCH", "FAIL", "FAIL", "BATCH"]);
}

#[test]
fn labels_mean_nothing_without_the_capabilities_or_when_they_are_too_long() {
    let mut play = Play::new();
    let a = play.guest("ann", "labeled-response");
    assert_eq!(
        play.ask(a, "@label=1 PING x"),
        [":irc.test PONG irc.test :x"]
    );
    let b = play.guest("bob", CAPS);
    let line = format!("@label={} PING x", "l".repeat(65));
    assert_eq!(play.ask(b, &line), [":irc.test PONG irc.test :x"]);
}

#[test]
fn whoever_quits_hears_nothing_more() {
    let mut play = Play::new();
    let a = play.guest("ann", CAPS);
    assert!(play.ask(a, "@label=1 QUIT").is_empty());
    assert_eq!(play.ended.len(), 1);
}

#[test]
fn a_line_that_is_not_utf8_is_refused_under_its_label() {
    let mut play = Play::new();
    let a = play.guest("ann", CAPS);
    let message = rookery_protocol::Message::parse("@label=1 TOPIC #x :\u{fffd}").unwrap();
    let heard = play.fault(a, crate::event::LineFault::NotUtf8(Some(message.into())));
    assert!(
        heard.len() == 1 && heard[0].starts_with("@label=1 :irc.test FAIL TOPIC INVALID_UTF8 :"),
        "{heard:?}"
    );
}
