//! Every command of the table: its replies to bad input, and that each label has one response.
//!
//! Bad input for a command follows from its row in `COMMANDS`, so a new command is tested without a
//! change here. [`BAD_INPUT`] adds the input that only some commands have a special reply to.

use std::collections::BTreeSet;

use super::harness::*;
use super::reference::commands_by_name;
use crate::Handler;
use crate::event::{HistoryQuery, HistoryResult, SessionId};
use rookery_record::NewestOfSeveral;

/// The parameters of a command, and the commands and numerics that its sender receives. `LONG`
/// means a word of 400 bytes, and `MANY` twenty words.
type Answers = &'static [(&'static str, &'static str)];

/// The input that every command must reply to, except for those in [`SILENT`].
const HOSTILE: &[&str] = &[
    "",
    ":",
    ",",
    ":a b",
    "LONG",
    "MANY",
    "#x LONG",
    "#mine MANY",
];

/// The commands without replies.
const SILENT: &[&str] = &["NOTICE", "PONG", "QUIT"];

/// The exact replies to bad input of particular commands. The sender, alice, is the operator of
/// `#mine`, is in bob's `#x` and not in cat's `#theirs`; cat's `#closed` is invite-only.
const BAD_INPUT: &[(&str, Answers)] = &[
    (
        "ACCESS",
        &[
            ("", "461"),
            (":", "403"),
            ("nobody", "403"),
            ("#nowhere", "403"),
            ("#x", "482"),
            ("#mine FLY", "FAIL"),
            ("#mine ADD", "461"),
            ("#mine ADD bob", "461"),
            ("#mine ADD bob king", "FAIL"),
            ("#mine ADD LONG op", "FAIL"),
            ("#mine DEL bob", "FAIL"),
            ("MANY", "403"),
        ],
    ),
    (
        "AWAY",
        &[
            ("", "305"),
            (":", "305"),
            ("LONG", "306 WARN"),
            ("MANY", "306"),
        ],
    ),
    // For clients without draft/multiline.
    (
        "BATCH",
        &[("", "421"), (":", "421"), ("LONG", "421"), ("MANY", "421")],
    ),
    (
        "CAP",
        &[
            ("", "461"),
            (":", "410"),
            ("FLY", "410"),
            (":a b", "410"),
            ("REQ LONG", "CAP"),
            ("REQ", "CAP"),
            ("LS x", "CAP"),
            ("MANY", "410"),
        ],
    ),
    (
        "CHATHISTORY",
        &[
            ("", "461"),
            (":", "FAIL"),
            ("FLY", "FAIL"),
            ("LATEST", "FAIL"),
            ("LATEST #nowhere * 5", "FAIL"),
            ("LATEST #theirs * 5", "FAIL"),
            ("LATEST #x LONG 5", "FAIL"),
            ("LATEST #x * many", "FAIL"),
            ("LATEST #x * -1", "FAIL"),
            ("BETWEEN #x * * 5", "FAIL"),
            ("TARGETS x y 5", "FAIL"),
            ("MANY", "FAIL"),
            ("LATEST MANY", "FAIL"),
        ],
    ),
    ("HELP", &[("LONG", "524"), ("MANY", "524"), (":a b", "524")]),
    ("HELPOP", &[("LONG", "524"), ("MANY", "524")]),
    (
        "INFO",
        &[("LONG", "371 371 371 374"), ("MANY", "371 371 371 374")],
    ),
    (
        "INVITE",
        &[
            (":", "461"),
            ("bob", "461"),
            ("nobody #mine", "401"),
            ("bob #theirs", "442"),
            ("bob #x", "443"),
            ("bob nonsense", "403"),
            ("LONG #mine", "401"),
            ("MANY", "401"),
        ],
    ),
    (
        "ISON",
        &[("", "461"), (":", "303"), ("LONG", "303"), ("MANY", "303")],
    ),
    (
        "ISUPPORT",
        &[
            ("LONG", "BATCH 005 005 005 BATCH"),
            ("MANY", "BATCH 005 005 005 BATCH"),
        ],
    ),
    (
        "JOIN",
        &[
            ("", "461"),
            (":", "461"),
            (",,", "461"),
            ("nonsense", "403"),
            ("#", "476"),
            ("#closed", "473"),
            ("#LONG", "476"),
            (":#a b", "476"),
            ("#x", ""),
            ("#x LONG", ""),
            ("#mine MANY", ""),
            ("1 MANY", "403"),
        ],
    ),
    (
        "KICK",
        &[
            ("", "461"),
            ("#x", "461"),
            ("#nowhere bob", "403"),
            ("#theirs cat", "442"),
            ("#x bob", "482"),
            ("#mine nobody", "401"),
            ("#mine cat", "441"),
            ("#mine ,", "461"),
            (": bob", "461"),
            ("#mine LONG", "401"),
            ("MANY", "403"),
        ],
    ),
    ("LINKS", &[("LONG", "365"), ("MANY", "365")]),
    (
        "LIST",
        &[
            ("LONG", "321 323"),
            ("MANY", "321 323"),
            (",", "321 322 322 322 322 323"),
            (">x", "321 323"),
        ],
    ),
    (
        "LUSERS",
        &[
            ("LONG", "251 254 255 265 266"),
            ("MANY", "251 254 255 265 266"),
        ],
    ),
    (
        "MARKREAD",
        &[
            ("", "FAIL"),
            (":", "FAIL"),
            (",", "FAIL"),
            ("#x soon", "FAIL"),
            ("#x timestamp=soon", "FAIL"),
            ("#x *", "FAIL"),
            ("LONG", "FAIL"),
            ("MANY", "FAIL"),
        ],
    ),
    (
        "METADATA",
        &[
            ("", "461"),
            ("*", "461"),
            ("* FLY", "FAIL"),
            ("nobody LIST", "FAIL"),
            ("#nowhere LIST", "FAIL"),
            ("* SET", "461"),
            ("* GET", "461"),
            ("* SUB", "461"),
            ("* SET KEY x", "FAIL"),
            ("* SET LONG x", "FAIL"),
            ("* SET key LONG", "FAIL"),
            ("* SET key", "FAIL"),
            ("bob SET key x", "FAIL"),
            ("#theirs SET key x", "FAIL"),
            ("#closed LIST", "FAIL"),
            ("* SUB KEY", "FAIL"),
            ("* GET KEY", "BATCH FAIL BATCH"),
            ("MANY", "FAIL"),
        ],
    ),
    (
        "MODE",
        &[
            ("", "461"),
            (":", "401"),
            ("nobody", "401"),
            ("#nowhere", "403"),
            ("#x +m", "482"),
            ("#theirs +m", "442"),
            ("#mine +w", "472"),
            ("#mine +k", "696"),
            ("#mine +l many", "696"),
            ("#mine +o nobody", "401"),
            ("#mine +o cat", "441"),
            ("#mine +b ~z:x", "696"),
            ("bob", "502"),
            ("alice +w", "501"),
            ("alice +o", "501"),
            ("LONG", "401"),
            ("MANY", "401"),
        ],
    ),
    (
        "MONITOR",
        &[
            ("", "461"),
            (":", "461"),
            ("FLY", "461"),
            ("+", "461"),
            ("+ LONG", "432"),
            ("+ a,b,c,d,e,f", "734 731"),
            ("MANY", "461"),
        ],
    ),
    ("MOTD", &[("LONG", "422"), ("MANY", "422")]),
    (
        "NAMES",
        &[
            ("", "366"),
            (":", "366"),
            ("nonsense", "366"),
            ("#nowhere", "366"),
            ("LONG", "366"),
            ("MANY", "366"),
        ],
    ),
    (
        "NICK",
        &[
            ("", "431"),
            (":", "431"),
            ("#x", "447"),
            (":a b", "447"),
            ("bob", "447"),
            ("wren", "447"),
            ("LONG", "447"),
            ("MANY", "447"),
        ],
    ),
    // A notice gets no reply.
    (
        "NOTICE",
        &[
            ("", ""),
            (":", ""),
            ("bob", ""),
            ("nobody :x", ""),
            ("#nowhere :x", ""),
            ("LONG :x", ""),
            ("MANY", ""),
        ],
    ),
    (
        "PART",
        &[
            ("", "461"),
            (":", "461"),
            (",", "461"),
            ("nonsense", "403"),
            ("#nowhere", "403"),
            ("#theirs", "442"),
            ("LONG", "403"),
            ("MANY", "403"),
        ],
    ),
    ("PASS", &[("", "462"), ("LONG", "462"), ("MANY", "462")]),
    ("PING", &[("", "461"), ("LONG", "PONG"), ("MANY", "PONG")]),
    ("PONG", &[("", ""), ("LONG", ""), ("MANY", "")]),
    (
        "PRIVMSG",
        &[
            ("", "411"),
            (":", "411"),
            (", :x", "411"),
            ("bob", "412"),
            ("bob :", "412"),
            ("nobody :x", "401"),
            ("#nowhere :x", "403"),
            ("#theirs :x", "404"),
            ("@#theirs :x", "404"),
            ("LONG :x", "401"),
            ("MANY", "401"),
            ("no,nor,one,of,them,here :x", "401 401 401 401 407"),
        ],
    ),
    ("QUIT", &[("", ""), ("LONG", "WARN"), ("MANY", "")]),
    (
        "REDACT",
        &[
            ("", "461"),
            ("#x", "461"),
            ("#nowhere id", "FAIL"),
            ("#theirs id", "FAIL"),
            ("nobody: id", "FAIL"),
            ("LONG id", "FAIL"),
            ("#x LONG", "FAIL"),
            ("#x MANY", "FAIL"),
        ],
    ),
    (
        "RENAME",
        &[
            ("", "461"),
            ("#mine", "461"),
            ("#nowhere #b", "403"),
            ("#theirs #b", "442"),
            ("#x #b", "482"),
            ("#mine nonsense", "FAIL"),
            ("#mine #x", "FAIL"),
            ("#mine #LONG", "FAIL"),
            ("MANY", "403"),
        ],
    ),
    (
        "SET",
        &[
            ("fly", "FAIL"),
            ("always-on maybe", "FAIL"),
            ("LONG", "FAIL"),
            ("MANY", "FAIL"),
        ],
    ),
    ("SETNAME", &[("", "461"), (":", "FAIL"), ("LONG", "FAIL")]),
    (
        "TAGMSG",
        &[
            ("", "461"),
            (":", "461"),
            (",", "461"),
            ("nobody", "401"),
            ("#nowhere", "403"),
            ("#theirs", "404"),
            ("#x LONG", ""),
            ("#mine MANY", ""),
            ("LONG", "401"),
            ("MANY", "401"),
        ],
    ),
    ("TIME", &[("LONG", "391"), ("MANY", "391")]),
    (
        "TOPIC",
        &[
            ("", "461"),
            (":", "403"),
            ("nonsense", "403"),
            ("#nowhere", "403"),
            ("#x :mine", "482"),
            ("#theirs :x", "442"),
            ("LONG", "403"),
            ("MANY", "403"),
        ],
    ),
    ("USER", &[("", "462"), ("LONG", "462"), ("MANY", "462")]),
    (
        "USERHOST",
        &[("", "461"), (":", "302"), ("LONG", "302"), ("MANY", "302")],
    ),
    (
        "VERSION",
        &[
            ("LONG", "351 BATCH 005 005 005 BATCH"),
            ("MANY", "351 BATCH 005 005 005 BATCH"),
        ],
    ),
    (
        "WHO",
        &[
            ("#nowhere", "315"),
            ("LONG", "315"),
            ("* %%%", "354 354 354 315"),
            ("MANY", "315"),
        ],
    ),
    (
        "WHOIS",
        &[
            ("", "431"),
            (":", "431"),
            ("nobody", "401 318"),
            ("LONG", "401 318"),
            ("MANY", "401 318"),
        ],
    ),
    (
        "WHOWAS",
        &[
            ("", "431"),
            (":", "431"),
            ("nobody", "406 369"),
            ("nobody -1", "406 369"),
            ("LONG", "406 369"),
            ("MANY", "406 369"),
        ],
    ),
];

const CAPABILITIES: &str = "draft/message-redaction draft/chathistory draft/read-marker draft/metadata-3 \
                            draft/extended-isupport standard-replies echo-message setname batch labeled-response";

/// Returns a chat with alice, who sends all lines.
fn scene() -> (Harness, SessionId) {
    let mut harness = Harness::new();
    let alice = harness.user("alice", CAPABILITIES);
    let (bob, cat) = (harness.user("bob", ""), harness.user("cat", ""));
    harness.channel("#mine", &[alice]);
    harness.channel("#x", &[bob, alice]);
    harness.channel("#theirs", &[cat]);
    harness.channel("#closed", &[cat]);
    harness.send(cat, "MODE #closed +i");
    harness.clear_received();
    (harness, alice)
}

fn line(command: &str, rest: &str) -> String {
    let many: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    format!(
        "{command} {}",
        rest.replace("LONG", &"x".repeat(400))
            .replace("MANY", &many.join(" "))
    )
}

/// Returns what alice receives for a line; history queries find nothing.
fn request(harness: &mut Harness, alice: SessionId, line: &str) -> Vec<String> {
    let mut received = harness.request(alice, line);
    if !harness.fetches.is_empty() {
        let nothing = match &harness.fetches[0].query {
            HistoryQuery::Page(_) => HistoryResult::Page(Vec::new()),
            HistoryQuery::Targets(_) => HistoryResult::Targets(Vec::new()),
            HistoryQuery::Several(_) => HistoryResult::Several(NewestOfSeveral::default()),
            HistoryQuery::Message(_) => HistoryResult::Message(None),
        };
        harness.answer_fetch(nothing);
        received.extend(harness.received(alice));
    }
    received
}

/// Returns the exact replies to bad input of the command.
fn bad_input(command: &str) -> Answers {
    let row = BAD_INPUT.iter().find(|(listed, _)| *listed == command);
    row.map_or(&[], |(_, answers)| answers)
}

#[test]
fn every_command_replies_to_hostile_input_and_the_session_goes_on() {
    for command in crate::commands() {
        if !matches!(
            command.handler,
            Handler::Core(_) | Handler::CoreLongReply(_)
        ) {
            continue;
        }
        for name in command.names {
            for rest in HOSTILE {
                let (mut harness, alice) = scene();
                let line = line(name, rest);
                let received = request(&mut harness, alice, &line);
                let params = rookery_protocol::Message::parse(&line).unwrap().params;
                let is_listed = bad_input(name).iter().any(|(listed, _)| listed == rest);
                if params.len() < command.min_params {
                    assert_eq!(commands(&received), ["461"], "{name} {rest}");
                } else if !is_listed && !SILENT.contains(name) {
                    assert!(!received.is_empty(), "{name} {rest}");
                }
                let goes_on = harness.request(alice, "PING x").len() == 1;
                assert_eq!(goes_on, *name != "QUIT", "{name} {rest}");
            }
        }
    }
}

#[test]
fn bad_input_gets_the_answer_that_its_command_has_for_it() {
    let (own, elsewhere) = commands_by_name();
    let mut listed = BTreeSet::new();
    for (command, _) in BAD_INPUT {
        assert!(own.contains(command), "there is no command {command}");
        assert!(listed.insert(command), "{command} has two rows");
    }
    let mut wrong = Vec::new();
    for (command, answers) in BAD_INPUT {
        for (rest, expected) in *answers {
            let (mut harness, alice) = scene();
            let received = commands(&request(&mut harness, alice, &line(command, rest))).join(" ");
            if received != *expected {
                wrong.push(format!("{command} {rest}: {received:?}, not {expected:?}"));
            }
            let goes_on = harness.request(alice, "PING x").len() == 1;
            assert_eq!(goes_on, *command != "QUIT", "{command} {rest}");
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for command in elsewhere {
        for rest in ["", ":", "alice", "LONG", "MANY"] {
            let (mut harness, alice) = scene();
            assert_eq!(
                commands(&request(&mut harness, alice, &line(command, rest))),
                ["481"],
                "{command} {rest}"
            );
        }
    }
}

#[test]
fn each_label_has_one_answer_for_every_command() {
    let (own, elsewhere) = commands_by_name();
    let good = [
        "",
        "*",
        "alice",
        "bob",
        "#x",
        "#mine",
        "bob :hi",
        "#x,bob :hi",
        "#mine bob",
        "bob #mine",
        "#new,#mine",
        "#mine :new",
        "#mine #new",
        "+ bob,nobody",
        "* SET key :value",
        "* SUB a b",
        "* LIST",
        "LATEST #x * 5",
        "TARGETS timestamp=2020-01-01T00:00:00.000Z timestamp=2030-01-01T00:00:00.000Z 5",
        "LS 302",
        "REQ -server-time",
        "#x timestamp=2020-01-01T00:00:00.000Z",
        "#mine +mb-t *!*@x",
        "always-on on",
    ];
    for command in own
        .into_iter()
        .chain(elsewhere)
        .filter(|command| *command != "QUIT")
    {
        let bad = bad_input(command).iter().map(|(rest, _)| rest);
        for rest in good.iter().chain(HOSTILE).chain(bad) {
            let (mut harness, alice) = scene();
            let labelled = format!("@label=L {}", line(command, rest));
            let received = request(&mut harness, alice, &labelled);
            let is_labelled = |line: &&String| line.starts_with("@label=L");
            let labelled = received.iter().filter(is_labelled).count();
            assert_eq!(labelled, 1, "{command} {rest}: {received:#?}");
            let first = received.iter().position(|line| is_labelled(&line)).unwrap();
            if commands(&received[first..=first]) == ["BATCH"] {
                assert!(
                    received[first..]
                        .iter()
                        .any(|line| line.contains(" BATCH -")),
                    "{command} {rest}: {received:#?}"
                );
            } else {
                assert_eq!(
                    received.len(),
                    1,
                    "{command} {rest}: what is not in the answer? {received:#?}"
                );
            }
        }
    }
}
