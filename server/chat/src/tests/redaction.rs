//! Taking messages back: who may, who hears of it, and what stays.

use super::play::*;
use crate::event::{Found, SessionId, Settings};
use rookery_record::HistoryEntry;

const CAPS: &str = "draft/message-redaction message-tags batch labeled-response";

/// Says something and gives it as the store has it.
fn said(play: &mut Play, session: SessionId, line: &str) -> HistoryEntry {
    play.send(session, line);
    play.forget();
    play.entries.last().cloned().unwrap()
}

/// Sends `REDACT` and the store's answer; gives what the sender hears.
fn redact(
    play: &mut Play,
    session: SessionId,
    line: &str,
    found: Option<&HistoryEntry>,
) -> Vec<String> {
    assert!(
        play.ask(session, line).is_empty(),
        "nothing is said before the message is looked up"
    );
    play.found(Found::Message(found.cloned().map(Box::new)));
    play.heard(session)
}

/// Without its tags.
fn bare(line: &str) -> &str {
    if line.starts_with('@') {
        line.split_once(' ').unwrap().1
    } else {
        line
    }
}

#[test]
fn ones_own_message_is_taken_back_for_all_who_heard_it() {
    let mut play = Play::new();
    let (a, b, old) = (
        play.user("alice", CAPS),
        play.user("bob", CAPS),
        play.user("olga", "server-time"),
    );
    // One that reads back by itself: nothing is read for it when it comes.
    let sibling = play.user("bob", &format!("{CAPS} draft/chathistory"));
    play.channel("#X", &[a, b, old]);
    // What olga's client missed is asked for as well, and is nothing here.
    play.fetches.clear();
    let message = said(&mut play, b, "PRIVMSG #x :oops");
    play.wait(90);
    let heard = redact(
        &mut play,
        b,
        &format!("REDACT #x {} :wrong window", message.msgid),
        Some(&message),
    );
    let line = format!(
        ":bob!~bob@users.irc.test REDACT #X {} :wrong window",
        message.msgid
    );
    for heard in [heard, play.heard(a), play.heard(sibling)] {
        assert_eq!(heard.len(), 1, "{heard:?}");
        assert_eq!(bare(&heard[0]), line);
    }
    let heard = play.heard(old);
    assert_eq!(
        heard,
        [
            "@time=2027-01-15T08:01:30.000Z :irc.test NOTICE #X :bob redacted a message from 1 minute ago: wrong window"
        ]
    );
    let mark = play.entries.last().unwrap();
    assert_eq!(
        (mark.redacts(), mark.account.as_ref()),
        (Some(&*message.msgid), message.account.as_ref())
    );
    assert_eq!((&mark.place, mark.at), (&message.place, play.now));
}

#[test]
fn without_a_reason_there_are_two_parameters() {
    let mut play = Play::new();
    let a = play.user("alice", CAPS);
    play.channel("#x", &[a]);
    let message = said(&mut play, a, "@+draft/react=:) TAGMSG #x");
    for line in ["REDACT #x {}", "REDACT #x {} :"] {
        let heard = redact(
            &mut play,
            a,
            &line.replace("{}", &message.msgid),
            Some(&message),
        );
        assert_eq!(
            bare(&heard[0]),
            format!(":alice!~alice@users.irc.test REDACT #x {}", message.msgid)
        );
    }
}

#[test]
fn an_operator_of_a_channel_takes_back_what_others_said_there_and_nobody_else_does() {
    let mut play = Play::new();
    let (op, b, c) = (
        play.guest("gus", CAPS),
        play.user("bob", CAPS),
        play.user("carl", CAPS),
    );
    play.channel("#x", &[op, b, c]);
    play.channel("#bobs", &[b, op]);
    let message = said(&mut play, b, "NOTICE #x :spam");
    let line = format!("REDACT #x {}", message.msgid);
    let heard = redact(&mut play, c, &line, Some(&message));
    assert_eq!(heard.len(), 1);
    assert!(bare(&heard[0]).starts_with(&format!(
        ":irc.test FAIL REDACT REDACT_FORBIDDEN #x {} :You are not authorised",
        message.msgid
    )));
    assert!(
        play.peek(b).is_empty() && play.peek(op).is_empty(),
        "nobody hears of it"
    );

    let elsewhere = redact(
        &mut play,
        op,
        &format!("REDACT #bobs {}", message.msgid),
        Some(&message),
    );
    assert!(
        elsewhere[0].contains(" UNKNOWN_MSGID #bobs "),
        "{elsewhere:?}"
    );
    let heard = redact(&mut play, op, &line, Some(&message));
    assert!(
        bare(&heard[0]).starts_with(":gus!~gus@guests.irc.test REDACT #x "),
        "{heard:?}"
    );
    assert_eq!(play.heard(b).len(), 1);
    assert_eq!(play.entries.last().unwrap().account, None);
}

#[test]
fn guests_take_nothing_back_that_only_their_nick_says_is_theirs() {
    let mut play = Play::new();
    let (a, guest) = (play.user("alice", CAPS), play.guest("gus", CAPS));
    play.channel("#x", &[a, guest]);
    let message = said(&mut play, guest, "PRIVMSG #x :mine");
    let heard = redact(
        &mut play,
        guest,
        &format!("REDACT #x {}", message.msgid),
        Some(&message),
    );
    assert!(heard[0].contains(" REDACT_FORBIDDEN #x "), "{heard:?}");
    let direct = said(&mut play, guest, "PRIVMSG alice :hi");
    let heard = play.ask(guest, &format!("REDACT alice {}", direct.msgid));
    assert!(
        heard[0].contains(" FAIL REDACT INVALID_TARGET alice :"),
        "{heard:?}"
    );
}

#[test]
fn a_direct_message_is_taken_back_by_its_author_alone() {
    let mut play = Play::new();
    let (a, b) = (play.user("alice", CAPS), play.user("bob", ""));
    let message = said(&mut play, a, "PRIVMSG bob :psst");
    let heard = redact(
        &mut play,
        a,
        &format!("REDACT bob {}", message.msgid),
        Some(&message),
    );
    assert!(
        bare(&heard[0]).starts_with(":alice!~alice@users.irc.test REDACT bob "),
        "{heard:?}"
    );
    assert_eq!(
        play.heard(b),
        [":irc.test NOTICE bob :alice redacted a message from 0 seconds ago"]
    );

    let c = play.user("carl", CAPS);
    let message = said(&mut play, b, "PRIVMSG carl :psst");
    let heard = redact(
        &mut play,
        c,
        &format!("REDACT bob {}", message.msgid),
        Some(&message),
    );
    assert!(heard[0].contains(" REDACT_FORBIDDEN bob "), "{heard:?}");
    let heard = redact(
        &mut play,
        a,
        &format!("REDACT bob {}", message.msgid),
        Some(&message),
    );
    assert!(
        heard[0].contains(" UNKNOWN_MSGID bob "),
        "others' talk is unknown: {heard:?}"
    );
}

#[test]
fn each_refusal_has_the_code_of_the_specification() {
    let mut play = Play::with(Settings {
        redaction_minutes: 2,
        ..settings()
    });
    let (op, b, plain) = (
        play.user("alice", CAPS),
        play.user("bob", CAPS),
        play.user("carl", ""),
    );
    play.channel("#x", &[op, b]);
    let message = said(&mut play, b, "PRIVMSG #x :late");
    let line = format!("REDACT #x {}", message.msgid);
    assert!(play.ask(plain, &line)[0].contains(" 421 carl REDACT :"));
    assert!(play.ask(b, "REDACT #x")[0].contains(" 461 bob REDACT :"));
    assert!(play.ask(b, "REDACT #none m")[0].contains(" FAIL REDACT INVALID_TARGET #none :"));
    assert!(play.ask(b, "REDACT no.nick m")[0].contains(" FAIL REDACT INVALID_TARGET no.nick :"));
    assert!(play.fetches.is_empty());
    let heard = redact(&mut play, b, "REDACT #x nothing", None);
    assert!(
        heard[0].contains(" FAIL REDACT UNKNOWN_MSGID #x nothing :"),
        "{heard:?}"
    );
    play.send(b, &line);
    play.found(Found::Failed);
    assert!(play.heard(b)[0].contains(" FAIL REDACT MESSAGE_ERROR #x "));

    play.send(op, "TOPIC #x :news");
    let topic = play.entries.last().cloned().unwrap();
    let heard = redact(
        &mut play,
        op,
        &format!("REDACT #x {}", topic.msgid),
        Some(&topic),
    );
    assert!(
        find(&heard, "FAIL").contains(" REDACT_FORBIDDEN #x "),
        "{heard:?}"
    );

    play.wait(121);
    let heard = redact(&mut play, b, &line, Some(&message));
    let expected = format!(
        " FAIL REDACT REDACT_WINDOW_EXPIRED #x {} 120 :",
        message.msgid
    );
    assert!(heard[0].contains(&expected), "{heard:?}");
    let heard = redact(&mut play, op, &line, Some(&message));
    assert!(
        bare(&heard[0]).contains(" REDACT #x "),
        "an operator may at any time: {heard:?}"
    );
}

#[test]
fn what_was_out_of_sight_stays_unknown() {
    let mut play = Play::with(Settings {
        history_before_join: false,
        ..settings()
    });
    let (op, b) = (play.user("alice", CAPS), play.user("bob", CAPS));
    play.channel("#x", &[op, b]);
    let message = said(&mut play, b, "PRIVMSG #x :before");
    let for_operators = said(&mut play, op, "PRIVMSG @#x :among us");
    let heard = redact(
        &mut play,
        b,
        &format!("REDACT #x {}", for_operators.msgid),
        Some(&for_operators),
    );
    assert!(heard[0].contains(" UNKNOWN_MSGID "), "{heard:?}");
    play.send(b, "PART #x");
    play.wait(5);
    play.channel("#x", &[b]);
    let heard = redact(
        &mut play,
        b,
        &format!("REDACT #x {}", message.msgid),
        Some(&message),
    );
    assert!(heard[0].contains(" UNKNOWN_MSGID "), "{heard:?}");
}

#[test]
fn what_only_operators_heard_is_taken_back_among_them() {
    let mut play = Play::new();
    let (op, voiced, b) = (
        play.user("alice", CAPS),
        play.user("vera", CAPS),
        play.user("bob", CAPS),
    );
    play.channel("#x", &[op, voiced, b]);
    play.send(op, "MODE #x +v vera");
    for (target, hears) in [("@#x", false), ("+#x", true)] {
        let message = said(&mut play, op, &format!("PRIVMSG {target} :among us"));
        for asked in ["#x", target] {
            let heard = redact(
                &mut play,
                op,
                &format!("REDACT {asked} {}", message.msgid),
                Some(&message),
            );
            assert!(
                bare(&heard[0]).contains(&format!(" REDACT {target} ")),
                "{heard:?}"
            );
            assert_eq!(play.heard(voiced).len(), usize::from(hears));
            assert!(play.heard(b).is_empty());
        }
        assert_eq!(play.entries.last().unwrap().status(), target.chars().next());
    }
}

#[test]
fn the_label_is_on_the_receipt_or_on_the_refusal() {
    let mut play = Play::new();
    let (a, b) = (play.user("alice", CAPS), play.user("bob", CAPS));
    play.channel("#x", &[a, b]);
    let message = said(&mut play, a, "PRIVMSG #x :one");
    let line = format!("@label=7 REDACT #x {}", message.msgid);
    let heard = redact(&mut play, a, &line, Some(&message));
    assert!(
        heard.len() == 1 && heard[0].starts_with("@label=7;msgid="),
        "{heard:?}"
    );
    assert!(!play.heard(b)[0].contains("label"));
    let heard = redact(&mut play, a, &line, None);
    assert!(
        heard.len() == 1 && heard[0].starts_with("@label=7 :irc.test FAIL REDACT UNKNOWN_MSGID")
    );
    play.stores = false;
    let heard = redact(&mut play, a, &line, Some(&message));
    assert!(
        heard.len() == 1
            && heard[0].starts_with("@label=7 :irc.test FAIL REDACT MESSAGE_NOT_STORED")
    );
    assert!(play.heard(b).is_empty(), "what is not stored is not seen");
}

#[test]
fn whoever_plays_events_and_knows_redactions_reads_them_back() {
    let mut play = Play::new();
    let caps = format!("{CAPS} draft/chathistory draft/event-playback");
    let a = play.user("alice", &caps);
    play.channel("#x", &[a]);
    let message = said(&mut play, a, "PRIVMSG #x :one");
    let receipt = redact(
        &mut play,
        a,
        &format!("REDACT #x {} :why", message.msgid),
        Some(&message),
    );
    let mark = play.entries.last().cloned().unwrap();
    play.send(a, "CHATHISTORY LATEST #x * 9");
    play.found(Found::Page(vec![mark]));
    let heard = play.heard(a);
    assert_eq!(bare(&heard[1]), bare(&receipt[0]));
}
