//! `ISUPPORT`: the announced limits are those that apply.

use std::collections::BTreeMap;

use super::harness::*;
use crate::event::{HistoryQuery, SessionId};
use crate::state::channel::Flag;

/// Returns a chat, the operator of `#x`, a member called bob, and the announced tokens.
fn announced() -> (Harness, SessionId, SessionId, BTreeMap<String, String>) {
    let mut harness = Harness::new();
    let (op, bob) = (harness.user("op", ""), harness.user("bob", "batch"));
    harness.channel("#x", &[op, bob]);
    let mut tokens = BTreeMap::new();
    for line in harness
        .request(op, "VERSION")
        .iter()
        .filter(|line| line.contains(" 005 "))
    {
        let (words, _) = line.split_once(" :").unwrap();
        for token in words.split(' ').skip(3) {
            let (name, value) = token.split_once('=').unwrap_or((token, ""));
            assert!(
                tokens.insert(name.to_owned(), value.to_owned()).is_none(),
                "{name} twice"
            );
        }
    }
    (harness, op, bob, tokens)
}

/// Returns the last parameter of the line.
fn last_param(line: &str) -> String {
    rookery_protocol::Message::parse(line)
        .unwrap()
        .params
        .pop()
        .unwrap()
}

#[test]
fn names_and_texts_are_as_long_as_announced() {
    let (mut harness, op, bob, tokens) = announced();
    let length = |name: &str| tokens[name].parse::<usize>().unwrap();
    let guest = harness.guest("gus", "setname");
    let letters = |count: usize| "n".repeat(count);

    assert_eq!(
        commands(&harness.request(guest, &format!("NICK {}", letters(length("NICKLEN"))))),
        ["NICK"]
    );
    assert_eq!(
        commands(&harness.request(guest, &format!("NICK {}", letters(length("NICKLEN") + 1)))),
        ["432"]
    );
    let channel = |count: usize| format!("#{}", letters(count - 1));
    assert_eq!(
        commands(&harness.request(op, &format!("JOIN {}", channel(length("CHANNELLEN")))))[0],
        "JOIN"
    );
    assert_eq!(
        commands(&harness.request(op, &format!("JOIN {}", channel(length("CHANNELLEN") + 1)))),
        ["476"]
    );

    for (token, command) in [("TOPICLEN", "TOPIC #x"), ("KICKLEN", "KICK #x bob")] {
        let (fits, long) = (letters(length(token)), letters(length(token) + 1));
        for sent in [&fits, &long] {
            harness.channel("#x", &[bob]);
            assert_eq!(
                last_param(&harness.request(op, &format!("{command} :{sent}"))[0]),
                fits,
                "{token}"
            );
        }
    }
    for (token, command, code) in [("AWAYLEN", "AWAY", "301"), ("NAMELEN", "SETNAME", "311")] {
        let (fits, long) = (letters(length(token)), letters(length(token) + 1));
        for sent in [&fits, &long] {
            harness.send(bob, &format!("{command} :{sent}"));
            let stored = last_param(find(&harness.request(op, "WHOIS bob"), code));
            assert_eq!(stored, fits, "{token}");
        }
    }
    assert_eq!(
        commands(&harness.request(op, &format!("MODE #x +k {}", letters(length("KEYLEN"))))),
        ["MODE"]
    );
    assert_eq!(
        commands(&harness.request(op, &format!("MODE #x +k {}", letters(length("KEYLEN") + 1)))),
        ["696"]
    );
}

#[test]
fn the_sender_of_a_text_that_is_cut_is_warned() {
    // The source `alice!~alice@users.irc.test` leaves this for a text to `#x` and to `bob`.
    for (start, room) in [
        ("TOPIC #x", 307),
        ("AWAY", 255),
        ("REDACT #x id", 255),
        ("KICK #x bob", 255),
        ("RENAME #x #y", 255),
        ("PART #x", 255),
        ("QUIT", 249),
    ] {
        for (capabilities, warning) in [("standard-replies", "WARN"), ("", "NOTICE")] {
            let warnings = |length: usize| {
                let caps = format!("{capabilities} draft/message-redaction");
                let mut harness = Harness::new();
                let (alice, bob) = (harness.user("alice", &caps), harness.user("bob", ""));
                harness.channel("#x", &[alice, bob]);
                let text = "n".repeat(length);
                let received = harness.request(alice, &format!("{start} :{text}"));
                let warned = received.iter().filter(|line| line.contains(" cut to "));
                let warned: Vec<String> = warned.cloned().collect();
                assert!(commands(&warned).iter().all(|command| command == warning));
                warned.len()
            };
            assert_eq!([warnings(room), warnings(room + 1)], [0, 1], "{start}");
        }
    }
}

#[test]
fn the_sender_of_a_real_name_that_is_cut_is_warned() {
    let mut harness = Harness::new();
    let mut alice = Harness::candidate("alice", Some(identity("alice")), "standard-replies");
    alice.realname = "n".repeat(129);
    let (_, received) = harness.admit(alice);
    assert!(find(&received, "WARN").contains(" USER TEXT_TOO_LONG :"));
}

#[test]
fn announced_limits_are_exact() {
    let (mut harness, op, _, tokens) = announced();
    let number_in = |value: &str| value.parse::<usize>().unwrap();

    let channels = number_in(tokens["CHANLIMIT"].strip_prefix("#:").unwrap());
    let carl = harness.user("carl", "");
    for number in 0..channels {
        assert_eq!(
            commands(&harness.request(carl, &format!("JOIN #c{number}")))[0],
            "JOIN",
            "{number}"
        );
    }
    assert_eq!(commands(&harness.request(carl, "JOIN #more")), ["405"]);

    for number in 0..number_in(&tokens["MONITOR"]) {
        assert_eq!(
            commands(&harness.request(op, &format!("MONITOR + m{number}"))),
            ["731"]
        );
    }
    assert_eq!(commands(&harness.request(op, "MONITOR + more")), ["734"]);

    let lists: Vec<&str> = tokens["MAXLIST"].split(',').collect();
    let letters: String = lists
        .iter()
        .map(|list| list.split_once(':').unwrap().0)
        .collect();
    assert_eq!(
        letters,
        tokens["CHANMODES"].split(',').next().unwrap(),
        "every list has a limit of its own"
    );
    for list in lists {
        let (letter, limit) = list.split_once(':').unwrap();
        for number in 0..number_in(limit) {
            assert_eq!(
                commands(&harness.request(op, &format!("MODE #x +{letter} n{number}"))),
                ["MODE"]
            );
        }
        assert_eq!(
            commands(&harness.request(op, &format!("MODE #x +{letter} more"))),
            ["478"]
        );
    }
    assert_eq!(
        (tokens["EXCEPTS"].as_str(), tokens["INVEX"].as_str()),
        ("e", "I")
    );
}

#[test]
fn a_message_may_have_as_many_targets_as_announced() {
    let (mut harness, op, bob, tokens) = announced();
    let limits: BTreeMap<&str, &str> = tokens["TARGMAX"]
        .split(',')
        .map(|limit| limit.split_once(':').unwrap())
        .collect();
    let max: usize = tokens["MAXTARGETS"].parse().unwrap();
    for command in ["PRIVMSG", "NOTICE", "TAGMSG", "KICK", "NAMES"] {
        assert_eq!(limits[command].parse(), Ok(max), "{command}");
    }
    let nicks: Vec<String> = (0..=max).map(|number| format!("g{number}")).collect();
    let guests: Vec<SessionId> = nicks
        .iter()
        .map(|nick| harness.guest(nick, "message-tags"))
        .collect();
    harness.channel("#x", &guests);
    for command in ["PRIVMSG", "NOTICE", "TAGMSG"] {
        let tags = if command == "TAGMSG" { "@+x=y " } else { "" };
        harness.clear_received();
        let sender = guests[0];
        let received = harness.request(
            sender,
            &format!("{tags}{command} {} :hi", nicks[1..].join(",")),
        );
        assert!(received.is_empty(), "{command}: {received:?}");
        assert!(
            guests[1..]
                .iter()
                .all(|guest| harness.peek(*guest).len() == 1),
            "{command} does not reach all"
        );
        harness.clear_received();
        harness.send(
            sender,
            &format!("{tags}{command} {},op :hi", nicks[1..].join(",")),
        );
        assert!(
            harness.peek(op).is_empty(),
            "{command} reaches one too many"
        );
    }
    let received = harness.request(op, &format!("KICK #x {}", nicks.join(",")));
    assert_eq!(
        commands(&received)
            .iter()
            .filter(|command| *command == "KICK")
            .count(),
        max
    );
    assert_eq!(commands(&received).last().map(String::as_str), Some("407"));

    let channels: Vec<String> = (0..=max).map(|number| format!("#n{number}")).collect();
    assert_eq!(
        (limits["JOIN"], limits["PART"], limits["MONITOR"]),
        ("", "", ""),
        "without a limit"
    );
    harness.send(bob, &format!("JOIN {}", channels.join(",")));
    let received = harness.request(bob, &format!("NAMES {}", channels.join(",")));
    assert_eq!(
        commands(&received)
            .iter()
            .filter(|command| *command == "353")
            .count(),
        max
    );
    assert_eq!(
        commands(&harness.request(bob, &format!("PART {}", channels.join(",")))).len(),
        max + 1
    );
    assert_eq!(limits["WHOIS"], "1");
    assert_eq!(
        commands(&harness.request(op, "WHOIS bob,op"))
            .iter()
            .filter(|command| *command == "311")
            .count(),
        1
    );
}

#[test]
fn every_announced_mode_exists() {
    let (mut harness, op, _, tokens) = announced();
    let classes: Vec<&str> = tokens["CHANMODES"].split(',').collect();
    let [lists, always, on_setting, flags] = classes[..] else {
        panic!("{classes:?}")
    };
    let mut letters: Vec<char> = flags.chars().collect();
    let mut existing: Vec<char> = Flag::ALL.into_iter().map(Flag::letter).collect();
    letters.sort_unstable();
    existing.sort_unstable();
    assert_eq!(letters, existing);
    for letter in flags.chars() {
        let on = harness.request(op, &format!("MODE #x +{letter}"));
        let off = harness.request(op, &format!("MODE #x -{letter}"));
        assert_eq!(commands(&off), ["MODE"], "{letter}: {on:?} {off:?}");
    }
    let reply = |harness: &mut Harness, line: &str| commands(&harness.request(op, line));
    for letter in lists.chars() {
        assert_eq!(
            reply(&mut harness, &format!("MODE #x +{letter} a")),
            ["MODE"]
        );
        assert_eq!(
            reply(&mut harness, &format!("MODE #x -{letter}")).len(),
            2,
            "without a parameter, it lists"
        );
    }
    for letter in always.chars() {
        assert_eq!(
            reply(&mut harness, &format!("MODE #x +{letter} key")),
            ["MODE"]
        );
        assert_eq!(
            reply(&mut harness, &format!("MODE #x -{letter}+i key")),
            ["MODE"],
            "-{letter} has a parameter"
        );
    }
    for letter in on_setting.chars() {
        assert_eq!(
            reply(&mut harness, &format!("MODE #x +{letter} 9")),
            ["MODE"]
        );
        assert_eq!(
            reply(&mut harness, &format!("MODE #x -{letter}+b free")),
            ["MODE"],
            "-{letter} has none"
        );
    }
    let (modes, prefixes) = tokens["PREFIX"]
        .strip_prefix('(')
        .unwrap()
        .split_once(')')
        .unwrap();
    assert_eq!(modes.len(), prefixes.len());
    let pairs: Vec<(char, char)> = modes.chars().zip(prefixes.chars()).collect();
    for (mode, prefix) in pairs.into_iter().rev() {
        harness.send(op, &format!("MODE #x -o+{mode} bob bob"));
        let names = harness.request(op, "NAMES #x");
        assert!(
            last_param(find(&names, "353"))
                .split(' ')
                .any(|name| name == format!("{prefix}bob")),
            "{mode}: {names:?}"
        );
    }
    for prefix in tokens["STATUSMSG"].chars() {
        harness.clear_received();
        assert!(
            harness
                .request(op, &format!("NOTICE {prefix}#x :hi"))
                .is_empty(),
            "{prefix}"
        );
    }
    let several = tokens["MODES"].parse::<usize>().unwrap();
    let unknown: Vec<String> = (0..several).map(|number| format!("m{number}")).collect();
    let line = format!("MODE #x +{} {}", "v".repeat(several), unknown.join(" "));
    assert_eq!(
        reply(&mut harness, &line),
        vec!["401"; several],
        "each of them is checked"
    );
    assert!(tokens["BOT"] == "B" && reply(&mut harness, "MODE op +B") == ["MODE"]);
}

#[test]
fn a_page_of_history_is_as_long_as_announced() {
    let (mut harness, _, bob, tokens) = announced();
    let max: usize = tokens["CHATHISTORY"].parse().unwrap();
    harness.send(bob, "CAP REQ :draft/chathistory");
    for reference in tokens["MSGREFTYPES"].split(',') {
        let point = match reference {
            "timestamp" => "timestamp=2027-01-15T08:00:00.000Z".to_owned(),
            other => format!("{other}=x"),
        };
        for limit in [max, max + 1, 0] {
            harness.send(bob, &format!("CHATHISTORY BEFORE #x {point} {limit}"));
            match harness.fetches.pop().map(|fetch| fetch.query) {
                Some(HistoryQuery::Page(page)) => {
                    assert!(page.limit <= max && limit > 0, "{page:?}");
                }
                None => assert_eq!(limit, 0),
                other => panic!("{other:?}"),
            }
        }
    }
}
