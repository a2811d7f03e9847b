//! Queries about the server, and bad input.

use rookery_protocol::Message;

use super::harness::*;
use super::reference::commands_by_name;
use crate::event::{Event, LineFault};

#[test]
fn simple_queries_are_answered() {
    let mut harness = Harness::new();
    let a = harness.guest("ann", "");
    assert_eq!(
        harness.request(a, "PING :a b"),
        [":irc.test PONG irc.test :a b"]
    );
    assert!(harness.request(a, "PONG x").is_empty());
    assert_eq!(commands(&harness.request(a, "MOTD")), ["422"]);
    assert_eq!(
        harness.request(a, "TIME"),
        [":irc.test 391 ann irc.test 1800000000 :Friday 15 January 2027 -- 08:00:00 UTC"]
    );
    assert!(harness.request(a, "VERSION")[0].starts_with(":irc.test 351 ann rookeryd-"));
    assert_eq!(commands(&harness.request(a, "INFO")).last().unwrap(), "374");
    assert_eq!(commands(&harness.request(a, "USER a 0 * :b")), ["462"]);
    assert_eq!(commands(&harness.request(a, "PASS x")), ["462"]);
}

#[test]
fn lusers_counts_users() {
    let mut harness = Harness::new();
    let (a, b) = (harness.guest("ann", ""), harness.user("bob", ""));
    harness.user("bob", "");
    harness.channel("#x", &[a]);
    harness.send(b, "MODE bob +i");
    assert_eq!(
        harness.request(a, "LUSERS"),
        [
            ":irc.test 251 ann :There are 1 users and 1 invisible on 1 server",
            ":irc.test 254 ann 1 :channels formed",
            ":irc.test 255 ann :I have 2 users and 0 servers",
            ":irc.test 265 ann 2 2 :Current local users 2, max 2",
            ":irc.test 266 ann 2 2 :Current global users 2, max 2",
        ]
    );
}

#[test]
fn commands_of_server_operators_point_to_the_control_plane() {
    let mut harness = Harness::new();
    let a = harness.user("alice", "");
    for line in [
        "OPER root secret",
        "KILL bob :x",
        "KLINE *@* :x",
        "DLINE 192.0.2.1",
        "REHASH",
        "DIE",
        "RESTART",
    ] {
        let received = harness.request(a, line);
        assert_eq!(commands(&received), ["481"], "{line}");
        assert!(received[0].contains("control plane (admin-cli)"));
        assert!(!received[0].contains("secret"));
    }
}

#[test]
fn every_command_that_help_lists_has_a_page() {
    let mut harness = Harness::new();
    let a = harness.guest("ann", "");
    let received = harness.request(a, "HELP");
    assert_eq!(
        (
            commands(&received)[0].as_str(),
            commands(&received).last().unwrap().as_str()
        ),
        ("704", "706")
    );
    let names: Vec<String> = received[2..received.len() - 1]
        .iter()
        .flat_map(|line| {
            line.rsplit(':')
                .next()
                .unwrap()
                .split(' ')
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(names.len() > 25, "{names:?}");
    for name in names {
        let received = harness.request(a, &format!("HELPOP {}", name.to_lowercase()));
        assert!(
            received.len() >= 3 && received[0] == format!(":irc.test 704 ann {name} :Help"),
            "{received:?}"
        );
    }
    assert_eq!(harness.request(a, "HELP nonsense").len(), 1);
    assert!(harness.request(a, "HELP nonsense")[0].starts_with(":irc.test 524 ann nonsense :"));
}

#[test]
fn bad_lines_get_a_clear_answer() {
    let mut harness = Harness::new();
    let a = harness.guest("ann", "standard-replies");
    assert!(harness.bad_line(a, LineFault::TooLong(None))[0].starts_with(":irc.test 417 ann :"));
    assert!(
        harness.bad_line(a, LineFault::NotUtf8(None))[0]
            .starts_with(":irc.test FAIL * INVALID_UTF8 :")
    );
    let replaced = Message::parse("PRIVMSG #x :\u{fffd}").unwrap();
    let received = harness.bad_line(a, LineFault::NotUtf8(Some(replaced.into())));
    assert!(
        received.len() == 1 && received[0].starts_with(":irc.test FAIL PRIVMSG INVALID_UTF8 :"),
        "{received:?}"
    );
    assert!(
        harness.bad_line(a, LineFault::Malformed(None))[0].starts_with(":irc.test 421 ann * :")
    );
    assert!(harness.request(a, "NONSENSE x")[0].starts_with(":irc.test 421 ann NONSENSE :"));
    assert_eq!(
        harness.request(a, "TOPIC"),
        [":irc.test 461 ann TOPIC :Not enough parameters"]
    );
}

#[test]
fn nothing_a_client_sends_breaks_a_line_or_the_core() {
    let mut harness = Harness::new();
    let a = harness.guest(
        "ann",
        "labeled-response batch message-tags server-time echo-message",
    );
    harness.channel("#x", &[a]);
    let (core, refused) = commands_by_name();
    let names = core.into_iter().chain(refused).chain(["PASS", "USER", "X"]);
    let params = [
        "", "#x", "ann", ":", "::", "a b", "*", ",", ",,", "#", "@#x", "+", "-", "\u{1}",
        "\u{202e}", "+b", "+k-l+o",
    ];
    for name in names.filter(|&name| name != "QUIT") {
        for first in params {
            for second in params {
                // Only the last parameter of a line may be empty or contain a space; the core
                // must withstand others as well.
                let message = Message::new(name, [first, second, second]);
                harness.event(Event::Command {
                    session: a,
                    message,
                });
            }
        }
        let mut long = Message::new(name, ["\u{e4}".repeat(240)]);
        long.tags.set("label", "l");
        harness.event(Event::Command {
            session: a,
            message: long,
        });
    }
    harness.received(a);
    assert_eq!(harness.request(a, "PING x").len(), 1);
}

#[test]
fn links_lists_no_other_server() {
    let mut harness = Harness::new();
    let a = harness.user("ann", "");
    assert_eq!(
        harness.request(a, "LINKS"),
        [":irc.test 365 ann * :This server is not linked to others"]
    );
}

#[test]
fn isupport_is_a_batch_for_clients_with_the_capability() {
    let mut harness = Harness::new();
    let plain = harness.guest("ann", "batch");
    assert!(
        commands(&harness.request(plain, "ISUPPORT"))
            .iter()
            .all(|command| command == "005")
    );
    let capabilities = "batch labeled-response draft/extended-isupport";
    let (session, _) = harness.try_admit(Harness::candidate("bob", None, capabilities));
    let received = harness.received(session);
    let first = received
        .iter()
        .position(|line| line.contains(" BATCH +"))
        .unwrap();
    assert!(received[first].ends_with(" draft/isupport"), "{received:?}");
    assert!(
        received
            .iter()
            .filter(|line| line.contains(" 005 "))
            .all(|line| line.starts_with("@batch="))
    );
    for command in ["ISUPPORT", "VERSION"] {
        let received = harness.request(session, &format!("@label=x {command}"));
        assert!(
            received[0].starts_with("@label=x ") && received[0].ends_with(" labeled-response"),
            "{received:?}"
        );
        let inner = received
            .iter()
            .find(|line| line.ends_with(" draft/isupport"))
            .unwrap();
        let name = inner.rsplit_once('+').unwrap().1.split(' ').next().unwrap();
        let tokens: Vec<&String> = received
            .iter()
            .filter(|line| line.contains(" 005 "))
            .collect();
        assert!(!tokens.is_empty());
        assert!(
            tokens
                .iter()
                .all(|line| line.starts_with(&format!("@batch={name} "))),
            "{received:?}"
        );
    }
}
