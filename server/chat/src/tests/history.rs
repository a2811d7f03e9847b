//! Reading history back: who may, and what the reply looks like.

use jiff::{SignedDuration, Timestamp};
use rookery_protocol::{ChannelName, Nick};

use super::play::*;
use crate::event::{Event, Found, HistoryQuery, SessionId, Settings};
use rookery_record::{HistoryTarget, PageQuery, Party, Place, Point, Selection};

const CAPS: &str = "draft/chathistory batch message-tags server-time account-tag";

fn asks(play: &mut Play, session: SessionId, line: &str) -> PageQuery {
    let heard = play.ask(session, line);
    assert!(heard.is_empty(), "{line}: {heard:?}");
    match play
        .fetches
        .pop()
        .unwrap_or_else(|| panic!("{line}: nothing is read"))
        .query
    {
        HistoryQuery::Page(query) => query,
        other => panic!("{line} asks for {other:?}"),
    }
}

fn later(seconds: i64) -> Timestamp {
    START + SignedDuration::from_secs(seconds)
}

fn channel(name: &str) -> Place {
    Place::Channel(ChannelName::parse(name).unwrap())
}

#[test]
fn each_form_of_the_command_is_read_as_what_it_means() {
    let mut play = Play::new();
    let a = play.user("alice", CAPS);
    play.channel("#X", &[a]);
    let time = |text: &str| Point::At(text.parse().unwrap());
    let id = |text: &str| Point::Message(text.to_owned());
    for (line, selection, limit) in [
        ("LATEST #x * 9", Selection::Latest(None), 9),
        (
            "latest #x msgid=a=b 9",
            Selection::Latest(Some(id("a=b"))),
            9,
        ),
        ("BEFORE #x msgid=m1 50", Selection::Before(id("m1")), 50),
        (
            "AFTER #x timestamp=2026-01-02T03:04:05.678Z 51",
            Selection::After(time("2026-01-02T03:04:05.678Z")),
            50,
        ),
        (
            "AROUND #x msgid=m1 4294967295",
            Selection::Around(id("m1")),
            50,
        ),
        (
            "BETWEEN #x msgid=m1 timestamp=2026-01-02T03:04:05Z 1",
            Selection::Between(id("m1"), time("2026-01-02T03:04:05Z")),
            1,
        ),
    ] {
        let query = asks(&mut play, a, &format!("CHATHISTORY {line}"));
        assert_eq!((query.selection, query.limit), (selection, limit), "{line}");
        assert_eq!(query.places, [channel("#x")]);
    }
}

#[test]
fn what_is_not_in_order_gets_the_code_of_the_specification() {
    let mut play = Play::new();
    let a = play.user("alice", CAPS);
    let b = play.user("bob", CAPS);
    play.channel("#x", &[a]);
    play.channel("#bobs", &[b]);
    for (line, expected) in [
        ("FLY #x * 9", "INVALID_PARAMS FLY :Unknown command"),
        ("LATEST", "INVALID_PARAMS LATEST :Insufficient parameters"),
        (
            "LATEST #x *",
            "INVALID_PARAMS LATEST :Insufficient parameters",
        ),
        (
            "BETWEEN #x msgid=a 9",
            "INVALID_PARAMS BETWEEN :Insufficient parameters",
        ),
        (
            "LATEST #x * 9 9",
            "INVALID_PARAMS LATEST :Too many parameters",
        ),
        ("LATEST #x * 0", "INVALID_PARAMS LATEST 0 :Invalid limit"),
        ("LATEST #x * -1", "INVALID_PARAMS LATEST -1 :Invalid limit"),
        (
            "LATEST #x * many",
            "INVALID_PARAMS LATEST many :Invalid limit",
        ),
        (
            "BEFORE #x timestamp=noon 9",
            "INVALID_PARAMS BEFORE timestamp=noon :Invalid timestamp",
        ),
        (
            "BEFORE #x timestamp=2026-01-02 9",
            "INVALID_PARAMS BEFORE timestamp=2026-01-02 :Invalid timestamp",
        ),
        ("BEFORE #x * 9", "INVALID_PARAMS BEFORE * :Expected"),
        (
            "BEFORE #x msgid= 9",
            "INVALID_PARAMS BEFORE msgid= :Expected",
        ),
        (
            "BEFORE #x number=3 9",
            "INVALID_MSGREFTYPE BEFORE #x number=3 :",
        ),
        ("LATEST #nowhere * 9", "INVALID_TARGET LATEST #nowhere :"),
        ("LATEST #bobs * 9", "INVALID_TARGET LATEST #bobs :"),
        ("LATEST @#x * 9", "INVALID_TARGET LATEST @#x :"),
        (
            "LATEST not.a.nick * 9",
            "INVALID_TARGET LATEST not.a.nick :",
        ),
        (
            "TARGETS timestamp=2026-01-02T03:04:05Z 9",
            "INVALID_PARAMS TARGETS :Insufficient parameters",
        ),
        (
            "TARGETS msgid=a timestamp=2026-01-02T03:04:05Z 9",
            "INVALID_PARAMS TARGETS msgid=a :Invalid timestamp",
        ),
    ] {
        let heard = play.ask(a, &format!("CHATHISTORY {line}"));
        let expected = format!(":irc.test FAIL CHATHISTORY {expected}");
        assert!(
            heard.len() == 1 && heard[0].contains(&expected),
            "{line}: {heard:?}"
        );
    }
    assert!(play.ask(a, "CHATHISTORY")[0].contains(" 461 alice CHATHISTORY :"));
    assert!(play.fetches.is_empty());
}

#[test]
fn without_the_capability_or_history_there_is_no_such_command() {
    let mut play = Play::new();
    let a = play.user("alice", "batch");
    assert_eq!(
        commands(&play.ask(a, "CHATHISTORY LATEST alice * 9")),
        ["421"]
    );
    let isupport = play.ask(a, "VERSION").join(" ");
    assert!(
        isupport.contains(" CHATHISTORY=50 ") && isupport.contains(" MSGREFTYPES=msgid,timestamp ")
    );
    let mut play = Play::with(Settings {
        history: false,
        ..settings()
    });
    let a = play.user("alice", "");
    assert!(!play.ask(a, "VERSION").join(" ").contains("CHATHISTORY"));
}

#[test]
fn members_read_from_when_the_channel_was_made_and_guests_from_when_they_came() {
    let made = START;
    for (before_join, lobby, account_since) in [
        (true, false, made),
        (true, true, Timestamp::MIN),
        (false, true, later(60)),
    ] {
        let lobby = if lobby {
            vec![ChannelName::parse("#x").unwrap()]
        } else {
            Vec::new()
        };
        let mut play = Play::with(Settings {
            lobby,
            history_before_join: before_join,
            ..settings()
        });
        let founder = play.guest("zoe", "");
        play.channel("#x", &[founder]);
        play.wait(60);
        let (alice, guest) = (play.user("alice", CAPS), play.guest("gast", CAPS));
        play.channel("#x", &[alice, guest]);
        assert_eq!(
            asks(&mut play, alice, "CHATHISTORY LATEST #x * 9").since,
            account_since
        );
        assert_eq!(
            asks(&mut play, guest, "CHATHISTORY LATEST #x * 9").since,
            later(60)
        );
        play.wait(60);
        play.send(guest, "PART #x");
        assert!(play.ask(guest, "CHATHISTORY LATEST #x * 9")[0].contains("INVALID_TARGET"));
        play.channel("#x", &[guest]);
        assert_eq!(
            asks(&mut play, guest, "CHATHISTORY LATEST #x * 9").since,
            later(120)
        );
    }
}

#[test]
fn a_channel_that_is_made_anew_does_not_tell_what_was_said_in_the_old_one() {
    let mut play = Play::new();
    let a = play.guest("gast", CAPS);
    play.channel("#x", &[a]);
    play.send(a, "PART #x");
    play.wait(60);
    let b = play.user("bob", CAPS);
    play.channel("#x", &[b]);
    assert_eq!(
        asks(&mut play, b, "CHATHISTORY LATEST #x * 9").since,
        later(60)
    );
}

#[test]
fn a_channel_that_lasts_tells_what_was_said_before_a_restart() {
    let mut play = Play::new();
    let a = play.user("alice", CAPS);
    play.channel("#x", &[a]);
    let restored = super::lasting::restored(&play.kept);
    let mut play = Play::restored(settings(), Vec::new(), restored);
    play.wait(60);
    let a = play.user("alice", CAPS);
    play.channel("#x", &[a]);
    assert_eq!(asks(&mut play, a, "CHATHISTORY LATEST #x * 9").since, START);
}

#[test]
fn a_channel_that_takes_a_name_does_not_tell_what_others_said_under_it() {
    let mut play = Play::new();
    let (a, guest) = (play.user("alice", CAPS), play.guest("gast", CAPS));
    play.channel("#mine", &[a, guest]);
    play.wait(60);
    play.send(a, "RENAME #mine #theirs");
    play.forget();
    for session in [a, guest] {
        assert_eq!(
            asks(&mut play, session, "CHATHISTORY LATEST #theirs * 9").since,
            later(60)
        );
    }
    play.wait(60);
    play.send(a, "RENAME #theirs #Theirs");
    play.forget();
    assert_eq!(
        asks(&mut play, a, "CHATHISTORY LATEST #theirs * 9").since,
        later(60),
        "it is the same name"
    );
}

#[test]
fn a_conversation_is_read_by_its_parties_under_their_accounts_only() {
    let mut play = Play::new();
    let (a, guest) = (play.user("alice", CAPS), play.guest("gast", CAPS));
    let (alice, bob) = (Nick::parse("alice").unwrap(), Nick::parse("Bob").unwrap());
    let with = |to| Place::Direct {
        from: Party::Account(alice.clone()),
        to,
    };
    let query = asks(&mut play, a, "CHATHISTORY LATEST Bob * 9");
    assert_eq!(
        query.places,
        [with(Party::Account(bob.clone())), with(Party::Guest(bob))]
    );
    assert!(
        play.ask(guest, "CHATHISTORY LATEST alice * 9")[0]
            .contains(" INVALID_TARGET LATEST alice :")
    );
}

#[test]
fn the_reply_is_a_batch_of_what_was_said_as_it_was_said() {
    let mut play = Play::new();
    let (a, b) = (play.user("Alice", CAPS), play.user("bob", CAPS));
    play.channel("#X", &[a, b]);
    play.send(a, "@+draft/reply=z PRIVMSG #x :one");
    let first = play.heard(b);
    play.wait(5);
    play.send(b, "NOTICE #x two");
    let second = play.heard(a);
    play.wait(5);
    play.send(b, "CHATHISTORY LATEST #x * 9");
    let entries = play.entries.clone();
    play.found(Found::Page(entries));
    let heard = play.heard(b);
    let time = "@time=2027-01-15T08:00:10.000Z";
    let inner = |line: &str| line.replacen('@', "@batch=1;", 1);
    assert_eq!(
        heard,
        [
            format!("{time} :irc.test BATCH +1 chathistory #X"),
            inner(&first[0]),
            inner(&second[0]),
            format!("{time} :irc.test BATCH -1"),
        ]
    );
    assert!(play.peek(a).is_empty(), "nobody else hears of it");
}

#[test]
fn what_happened_is_shown_as_it_was_to_those_who_want_it() {
    let mut play = Play::new();
    let caps = format!("{CAPS} draft/event-playback");
    let (a, b, guest) = (
        play.user("alice", CAPS),
        play.user("bob", &caps),
        play.guest("gast", ""),
    );
    play.channel("#x", &[a, b, guest]);
    play.entries.clear();
    for line in [
        "TOPIC #x :news of the day",
        "MODE #x +vl gast 9",
        "KICK #x gast :be nice",
        "@+draft/react=:) TAGMSG #x",
        "TOPIC #x :",
    ] {
        play.send(a, line);
    }
    let seen = play.heard(b);
    assert_eq!(
        commands(&seen),
        ["TOPIC", "MODE", "KICK", "TAGMSG", "TOPIC"]
    );
    assert!(!asks(&mut play, a, "CHATHISTORY LATEST #x * 9").events);
    assert!(asks(&mut play, b, "CHATHISTORY LATEST #x * 9").events);
    assert!(!asks(&mut play, b, "CHATHISTORY LATEST #x * 9").redactions);
    play.send(b, "CHATHISTORY LATEST #x * 9");
    let entries = play.entries.clone();
    play.found(Found::Page(entries));
    let heard = play.heard(b);
    let read: Vec<String> = heard[1..heard.len() - 1]
        .iter()
        .map(|line| line.replacen("batch=1;", "", 1))
        .collect();
    assert_eq!(read, seen);
}

#[test]
fn keys_and_typing_are_not_kept() {
    let mut play = Play::new();
    let (a, b) = (
        play.user("alice", "message-tags"),
        play.user("bob", "message-tags"),
    );
    play.channel("#x", &[a, b]);
    play.entries.clear();
    for line in [
        "MODE #x +tk secret",
        "@+typing=active TAGMSG #x",
        "@+draft/typing=done TAGMSG bob",
        "TAGMSG bob",
    ] {
        play.send(a, line);
    }
    assert_eq!(play.heard(b).len(), 4);
    assert!(play.entries.is_empty(), "{:?}", play.entries);
}

#[test]
fn an_empty_page_is_an_empty_batch_and_whoever_knows_no_batches_gets_plain_lines() {
    let mut play = Play::new();
    let (a, b) = (
        play.user("alice", "draft/chathistory batch"),
        play.user("bob", "draft/chathistory"),
    );
    play.send(a, "CHATHISTORY LATEST BOB * 9");
    play.found(Found::Page(Vec::new()));
    assert_eq!(
        play.heard(a),
        [":irc.test BATCH +1 chathistory BOB", ":irc.test BATCH -1"]
    );
    play.send(a, "PRIVMSG bob :hi");
    play.forget();
    play.send(b, "CHATHISTORY LATEST alice * 9");
    let entries = play.entries.clone();
    play.found(Found::Page(entries));
    assert_eq!(
        play.heard(b),
        [":alice!~alice@users.irc.test PRIVMSG bob :hi"]
    );
}

#[test]
fn targets_are_listed_with_the_time_of_their_latest_message() {
    let mut play = Play::new();
    let (a, guest) = (
        play.user("alice", "draft/chathistory batch"),
        play.guest("gast", CAPS),
    );
    play.channel("#x", &[a, guest]);
    let line =
        "CHATHISTORY TARGETS timestamp=2026-01-02T03:04:05Z timestamp=2027-01-02T03:04:05.678Z 99";
    play.send(guest, line);
    let HistoryQuery::Targets(query) = &play.fetches.pop().unwrap().query else {
        panic!()
    };
    assert_eq!((query.account.as_ref(), query.limit), (None, 50));
    play.send(a, line);
    let HistoryQuery::Targets(query) = &play.fetches[0].query else {
        panic!()
    };
    assert_eq!(query.account.as_ref().map(Nick::as_str), Some("alice"));
    assert_eq!(query.channels, [(ChannelName::parse("#x").unwrap(), START)]);
    assert_eq!(query.to, "2027-01-02T03:04:05.678Z".parse().unwrap());
    play.found(Found::Targets(vec![HistoryTarget {
        name: "Bob".to_owned(),
        at: START,
    }]));
    assert_eq!(
        play.heard(a),
        [
            ":irc.test BATCH +1 draft/chathistory-targets",
            "@batch=1 :irc.test CHATHISTORY TARGETS Bob 2027-01-15T08:00:00.000Z",
            ":irc.test BATCH -1",
        ]
    );
}

#[test]
fn the_label_is_on_the_batch_or_on_the_failure() {
    let mut play = Play::new();
    let a = play.user("alice", "draft/chathistory batch labeled-response");
    play.channel("#x", &[a]);
    assert!(
        play.ask(a, "@label=a\\sb CHATHISTORY LATEST #x * 9")
            .is_empty(),
        "no ACK: there is more to come"
    );
    play.found(Found::Page(Vec::new()));
    let heard = play.heard(a);
    assert!(
        heard[0].starts_with("@label=a\\sb :irc.test BATCH +") && !heard[1].contains("label"),
        "{heard:?}"
    );
    for (found, text) in [
        (Found::NoSuchMessage, "unknown message id"),
        (Found::Failed, "please try again later"),
    ] {
        play.send(a, "@label=2 CHATHISTORY AFTER #x msgid=m 9");
        play.found(found);
        let heard = play.heard(a);
        assert!(heard.len() == 1 && heard[0].contains(text), "{heard:?}");
        assert!(
            heard[0].starts_with("@label=2 :irc.test FAIL CHATHISTORY MESSAGE_ERROR AFTER #x :")
        );
    }
    let heard = play.ask(a, "@label=3 CHATHISTORY LATEST #nowhere * 9");
    assert!(
        heard.len() == 1 && heard[0].starts_with("@label=3 :irc.test FAIL "),
        "{heard:?}"
    );
}

#[test]
fn whoever_lost_the_right_meanwhile_is_shown_nothing() {
    let mut play = Play::new();
    let (a, guest) = (play.user("alice", ""), play.guest("gast", CAPS));
    play.channel("#x", &[a, guest]);
    play.send(a, "PRIVMSG #x :between us");
    play.forget();
    let entries = play.entries.clone();
    play.wait(60);

    play.send(guest, "CHATHISTORY LATEST #x * 9");
    play.send(a, "KICK #x gast");
    play.forget();
    play.found(Found::Page(entries.clone()));
    let heard = play.heard(guest);
    assert!(
        heard.len() == 1 && heard[0].contains("FAIL CHATHISTORY INVALID_TARGET LATEST #x"),
        "{heard:?}"
    );

    play.channel("#x", &[guest]);
    play.send(guest, "CHATHISTORY LATEST #x * 9");
    play.found(Found::Page(entries));
    assert_eq!(
        commands(&play.heard(guest)),
        ["BATCH", "BATCH"],
        "that was before it came back"
    );
}

#[test]
fn whoever_waits_is_answered_when_the_reply_is_there_also_when_the_session_is_not() {
    let mut play = Play::new();
    let a = play.user("alice", CAPS);
    for (line, waits) in [
        ("CHATHISTORY LATEST bob * 9", true),
        ("CHATHISTORY FLY", false),
        ("PING x", false),
    ] {
        for gone in [false, true] {
            let session = if gone { play.user("alice", CAPS) } else { a };
            let (ticket, asked) = play.ticket();
            let message = rookery_protocol::Message::parse(line).unwrap();
            play.event(Event::AskHistory {
                ticket,
                session,
                message,
            });
            if waits {
                assert!(play.answer(asked).is_none());
                if gone {
                    play.gone(session);
                    play.forget();
                }
                play.found(Found::Page(Vec::new()));
                assert_eq!(play.heard(session).is_empty(), gone);
            }
            assert!(matches!(play.answer(asked), Some(())), "{line}");
        }
    }
}
