//! The server about itself, and bad input.

use super::play::*;
use crate::event::LineFault;

#[test]
fn small_questions_are_answered() {
    let mut play = Play::new();
    let a = play.guest("ann", "");
    assert_eq!(play.ask(a, "PING :a b"), [":irc.test PONG irc.test :a b"]);
    assert!(play.ask(a, "PONG x").is_empty());
    assert_eq!(commands(&play.ask(a, "MOTD")), ["422"]);
    assert_eq!(
        play.ask(a, "TIME"),
        [":irc.test 391 ann irc.test 1800000000 :Friday 15 January 2027 -- 08:00:00 UTC"]
    );
    assert!(play.ask(a, "VERSION")[0].starts_with(":irc.test 351 ann rookeryd-"));
    assert_eq!(commands(&play.ask(a, "INFO")).last().unwrap(), "374");
    assert_eq!(commands(&play.ask(a, "USER a 0 * :b")), ["462"]);
    assert_eq!(commands(&play.ask(a, "PASS x")), ["462"]);
}

#[test]
fn lusers_counts_users() {
    let mut play = Play::new();
    let (a, b) = (play.guest("ann", ""), play.user("bob", ""));
    play.user("bob", "");
    play.channel("#x", &[a]);
    play.send(b, "MODE bob +i");
    assert_eq!(
        play.ask(a, "LUSERS"),
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
fn what_is_for_operators_points_to_the_control_plane() {
    let mut play = Play::new();
    let a = play.user("alice", "");
    for line in [
        "OPER root secret",
        "KILL bob :x",
        "KLINE *@* :x",
        "DLINE 192.0.2.1",
        "REHASH",
        "DIE",
        "RESTART",
    ] {
        let heard = play.ask(a, line);
        assert_eq!(commands(&heard), ["481"], "{line}");
        assert!(heard[0].contains("control plane (admin-cli)"));
        assert!(!heard[0].contains("secret"));
    }
}

#[test]
fn help_knows_every_command_it_lists() {
    let mut play = Play::new();
    let a = play.guest("ann", "");
    let heard = play.ask(a, "HELP");
    assert_eq!(
        (
            commands(&heard)[0].as_str(),
            commands(&heard).last().unwrap().as_str()
        ),
        ("704", "706")
    );
    let names: Vec<String> = heard[2..heard.len() - 1]
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
        let heard = play.ask(a, &format!("HELPOP {}", name.to_lowercase()));
        assert!(
            heard.len() >= 3 && heard[0] == format!(":irc.test 704 ann {name} :Help"),
            "{heard:?}"
        );
    }
    assert_eq!(play.ask(a, "HELP nonsense").len(), 1);
    assert!(play.ask(a, "HELP nonsense")[0].starts_with(":irc.test 524 ann nonsense :"));
}

#[test]
fn bad_lines_get_a_clear_answer() {
    let mut play = Play::new();
    let a = play.guest("ann", "standard-replies");
    assert!(play.fault(a, LineFault::TooLong)[0].starts_with(":irc.test 417 ann :"));
    assert!(
        play.fault(a, LineFault::NotUtf8(None))[0].starts_with(":irc.test FAIL * INVALID_UTF8 :")
    );
    let said = rookery_protocol::Message::parse("PRIVMSG #x :\u{fffd}").unwrap();
    let heard = play.fault(a, LineFault::NotUtf8(Some(said.into())));
    assert!(
        heard.len() == 1 && heard[0].starts_with(":irc.test FAIL PRIVMSG INVALID_UTF8 :"),
        "{heard:?}"
    );
    assert!(play.fault(a, LineFault::Malformed)[0].starts_with(":irc.test 421 ann * :"));
    assert!(play.ask(a, "NONSENSE x")[0].starts_with(":irc.test 421 ann NONSENSE :"));
    assert_eq!(
        play.ask(a, "TOPIC"),
        [":irc.test 461 ann TOPIC :Not enough parameters"]
    );
}

#[test]
fn nothing_a_client_sends_breaks_a_line_or_the_core() {
    let mut play = Play::new();
    let a = play.guest(
        "ann",
        "labeled-response batch message-tags server-time echo-message",
    );
    play.channel("#x", &[a]);
    let names = [
        "AWAY", "CAP", "HELP", "HELPOP", "INFO", "INVITE", "ISON", "JOIN", "KICK", "LIST",
        "LUSERS", "MODE", "MONITOR", "MOTD", "NAMES", "NICK", "NOTICE", "OPER", "PART", "PASS",
        "PING", "PONG", "PRIVMSG", "SETNAME", "TAGMSG", "TIME", "TOPIC", "USER", "USERHOST",
        "VERSION", "WHO", "WHOIS", "WHOWAS", "X",
    ];
    let odd = [
        "", "#x", "ann", ":", "::", "a b", "*", ",", ",,", "#", "@#x", "+", "-", "\u{1}",
        "\u{202e}", "+b", "+k-l+o",
    ];
    for name in names {
        for first in odd {
            for second in odd {
                // Params may hold anything, as the last one on a line may.
                let message = rookery_protocol::Message::new(name, [first, second, second]);
                play.event(crate::event::Event::Command {
                    session: a,
                    message,
                });
            }
        }
        let mut long = rookery_protocol::Message::new(name, ["\u{e4}".repeat(240)]);
        long.tags.set("label", "l");
        play.event(crate::event::Event::Command {
            session: a,
            message: long,
        });
    }
    play.heard(a);
    assert_eq!(play.ask(a, "PING x").len(), 1);
}

#[test]
fn links_tells_that_there_are_none() {
    let mut play = Play::new();
    let a = play.user("ann", "");
    assert_eq!(
        play.ask(a, "LINKS"),
        [":irc.test 365 ann * :This server is not linked to others"]
    );
}

#[test]
fn isupport_is_a_batch_for_those_who_know_it_so() {
    let mut play = Play::new();
    let plain = play.guest("ann", "batch");
    assert!(
        commands(&play.ask(plain, "ISUPPORT"))
            .iter()
            .all(|command| command == "005")
    );
    let capabilities = "batch labeled-response draft/extended-isupport";
    let (session, _) = play.try_admit(Play::candidate("bob", None, capabilities));
    let heard = play.heard(session);
    let first = heard
        .iter()
        .position(|line| line.contains(" BATCH +"))
        .unwrap();
    assert!(heard[first].ends_with(" draft/isupport"), "{heard:?}");
    assert!(
        heard
            .iter()
            .filter(|line| line.contains(" 005 "))
            .all(|line| line.starts_with("@batch="))
    );
    for command in ["ISUPPORT", "VERSION"] {
        let heard = play.ask(session, &format!("@label=x {command}"));
        assert!(
            heard[0].starts_with("@label=x ") && heard[0].ends_with(" labeled-response"),
            "{heard:?}"
        );
        let inner = heard
            .iter()
            .find(|line| line.ends_with(" draft/isupport"))
            .unwrap();
        let name = inner.rsplit_once('+').unwrap().1.split(' ').next().unwrap();
        let tokens: Vec<&String> = heard.iter().filter(|line| line.contains(" 005 ")).collect();
        assert!(!tokens.is_empty());
        assert!(
            tokens
                .iter()
                .all(|line| line.starts_with(&format!("@batch={name} "))),
            "{heard:?}"
        );
    }
}
