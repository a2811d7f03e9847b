//! `REDACT`: who may redact, who is notified, and what remains.

use super::harness::*;
use crate::event::{HistoryResult, SessionId, Settings};
use crate::request::AssignTimes;
use rookery_record::{HistoryEntry, Place};

const CAPS: &str = "draft/message-redaction message-tags batch labeled-response";

/// Sends a message. Returns its stored entry.
fn send_and_store(harness: &mut Harness, session: SessionId, line: &str) -> HistoryEntry {
    harness.send(session, line);
    harness.clear_received();
    harness.entries.last().cloned().unwrap()
}

/// Sends `REDACT` and answers its query. Returns what the sender receives.
fn redact(
    harness: &mut Harness,
    session: SessionId,
    line: &str,
    found: Option<&HistoryEntry>,
) -> Vec<String> {
    assert!(
        harness.request(session, line).is_empty(),
        "nothing is sent before the message is read"
    );
    harness.answer_fetch(HistoryResult::Message(found.cloned().map(Box::new)));
    harness.received(session)
}

/// Returns the line without its tags.
fn bare(line: &str) -> &str {
    if line.starts_with('@') {
        line.split_once(' ').unwrap().1
    } else {
        line
    }
}

#[test]
fn a_user_redacts_their_own_message_for_all_receivers() {
    let mut harness = Harness::new();
    let (a, b, old) = (
        harness.user("alice", CAPS),
        harness.user("bob", CAPS),
        harness.user("olga", "server-time"),
    );
    // A client with chathistory gets no replay when it connects.
    let sibling = harness.user("bob", &format!("{CAPS} draft/chathistory"));
    harness.channel("#X", &[a, b, old]);
    // Discards the queries for the replays of the other clients.
    harness.fetches.clear();
    let message = send_and_store(&mut harness, b, "PRIVMSG #x :oops");
    harness.advance(90);
    let received = redact(
        &mut harness,
        b,
        &format!("REDACT #x {} :wrong window", message.msgid),
        Some(&message),
    );
    let line = format!(
        ":bob!~bob@users.irc.test REDACT #X {} :wrong window",
        message.msgid
    );
    for received in [received, harness.received(a), harness.received(sibling)] {
        assert_eq!(received.len(), 1, "{received:?}");
        assert_eq!(bare(&received[0]), line);
    }
    let received = harness.received(old);
    assert_eq!(
        received,
        [
            "@time=2027-01-15T08:01:30.000Z :bob!~bob@users.irc.test NOTICE #X :(redacted a message from 1 minute ago: wrong window)"
        ]
    );
    let redaction = harness.entries.last().unwrap();
    assert_eq!(
        (redaction.redacts(), redaction.account.as_ref()),
        (Some(&*message.msgid), message.account.as_ref())
    );
    assert_eq!(
        (&redaction.place, redaction.at),
        (&message.place, harness.now)
    );
}

#[test]
fn without_a_reason_there_are_two_parameters() {
    let mut harness = Harness::new();
    let a = harness.user("alice", CAPS);
    harness.channel("#x", &[a]);
    let message = send_and_store(&mut harness, a, "@+draft/react=:) TAGMSG #x");
    for line in ["REDACT #x {}", "REDACT #x {} :"] {
        let received = redact(
            &mut harness,
            a,
            &line.replace("{}", &message.msgid),
            Some(&message),
        );
        assert_eq!(
            bare(&received[0]),
            format!(":alice!~alice@users.irc.test REDACT #x {}", message.msgid)
        );
    }
}

#[test]
fn a_user_that_may_not_speak_gives_no_reason() {
    for mode in ["+m", "+b ~m:mallory", "+b mallory"] {
        let mut harness = Harness::new();
        let (op, old) = (harness.user("alice", CAPS), harness.user("olga", ""));
        let mallory = harness.user("mallory", CAPS);
        harness.channel("#x", &[op, old, mallory]);
        let message = send_and_store(&mut harness, mallory, "PRIVMSG #x :oops");
        harness.send(op, &format!("MODE #x {mode}"));
        harness.clear_received();
        let line = format!("REDACT #x {} :spam", message.msgid);
        redact(&mut harness, mallory, &line, Some(&message));
        for receiver in [op, old] {
            let received = harness.received(receiver);
            assert!(
                received.len() == 1 && !received[0].contains("spam"),
                "{received:?}"
            );
        }
        let redaction = harness.entries.last().unwrap();
        assert_eq!(redaction.redacts(), Some(&*message.msgid));
        assert!(!redaction.text.contains("spam"), "{}", redaction.text);
    }
}

#[test]
fn only_channel_operators_redact_messages_of_others() {
    let mut harness = Harness::new();
    let (op, b, c) = (
        harness.guest("gus", CAPS),
        harness.user("bob", CAPS),
        harness.user("carl", CAPS),
    );
    harness.channel("#x", &[op, b, c]);
    harness.channel("#bobs", &[b, op]);
    let message = send_and_store(&mut harness, b, "NOTICE #x :spam");
    let line = format!("REDACT #x {}", message.msgid);
    let received = redact(&mut harness, c, &line, Some(&message));
    assert_eq!(received.len(), 1);
    assert!(bare(&received[0]).starts_with(&format!(
        ":irc.test FAIL REDACT REDACT_FORBIDDEN #x {} :You are not authorised",
        message.msgid
    )));
    assert!(
        harness.peek(b).is_empty() && harness.peek(op).is_empty(),
        "no one is notified"
    );

    let elsewhere = redact(
        &mut harness,
        op,
        &format!("REDACT #bobs {}", message.msgid),
        Some(&message),
    );
    assert!(
        elsewhere[0].contains(" UNKNOWN_MSGID #bobs "),
        "{elsewhere:?}"
    );
    let received = redact(&mut harness, op, &line, Some(&message));
    assert!(
        bare(&received[0]).starts_with(":gus!~gus@guests.irc.test REDACT #x "),
        "{received:?}"
    );
    assert_eq!(harness.received(b).len(), 1);
    assert_eq!(harness.entries.last().unwrap().account, None);
}

#[test]
fn guests_cannot_redact_messages() {
    let mut harness = Harness::new();
    let (a, guest) = (harness.user("alice", CAPS), harness.guest("gus", CAPS));
    harness.channel("#x", &[a, guest]);
    let message = send_and_store(&mut harness, guest, "PRIVMSG #x :mine");
    let received = redact(
        &mut harness,
        guest,
        &format!("REDACT #x {}", message.msgid),
        Some(&message),
    );
    assert!(
        received[0].contains(" REDACT_FORBIDDEN #x "),
        "{received:?}"
    );
    let direct = send_and_store(&mut harness, guest, "PRIVMSG alice :hi");
    let received = harness.request(guest, &format!("REDACT alice {}", direct.msgid));
    assert!(
        received[0].contains(" FAIL REDACT INVALID_TARGET alice :"),
        "{received:?}"
    );
}

#[test]
fn a_direct_message_is_redacted_by_its_author_only() {
    let mut harness = Harness::new();
    let (a, b) = (harness.user("alice", CAPS), harness.user("bob", ""));
    let message = send_and_store(&mut harness, a, "PRIVMSG bob :psst");
    let received = redact(
        &mut harness,
        a,
        &format!("REDACT bob {}", message.msgid),
        Some(&message),
    );
    assert!(
        bare(&received[0]).starts_with(":alice!~alice@users.irc.test REDACT bob "),
        "{received:?}"
    );
    assert_eq!(
        harness.received(b),
        [":alice!~alice@users.irc.test NOTICE bob :(redacted a message from 0 seconds ago)"]
    );

    let c = harness.user("carl", CAPS);
    let message = send_and_store(&mut harness, b, "PRIVMSG carl :psst");
    let received = redact(
        &mut harness,
        c,
        &format!("REDACT bob {}", message.msgid),
        Some(&message),
    );
    assert!(
        received[0].contains(" REDACT_FORBIDDEN bob "),
        "{received:?}"
    );
    let received = redact(
        &mut harness,
        a,
        &format!("REDACT bob {}", message.msgid),
        Some(&message),
    );
    assert!(
        received[0].contains(" UNKNOWN_MSGID bob "),
        "direct messages of others are not disclosed: {received:?}"
    );
}

#[test]
fn each_refusal_has_the_code_of_the_specification() {
    let mut harness = Harness::with(Settings {
        redaction_minutes: 2,
        ..settings()
    });
    let (op, b, plain) = (
        harness.user("alice", CAPS),
        harness.user("bob", CAPS),
        harness.user("carl", ""),
    );
    harness.channel("#x", &[op, b]);
    let message = send_and_store(&mut harness, b, "PRIVMSG #x :late");
    let line = format!("REDACT #x {}", message.msgid);
    assert!(harness.request(plain, &line)[0].contains(" 421 carl REDACT :"));
    assert!(harness.request(b, "REDACT #x")[0].contains(" 461 bob REDACT :"));
    assert!(
        harness.request(b, "REDACT #none m")[0].contains(" FAIL REDACT INVALID_TARGET #none :")
    );
    assert!(
        harness.request(b, "REDACT no.nick m")[0].contains(" FAIL REDACT INVALID_TARGET no.nick :")
    );
    assert!(harness.fetches.is_empty());
    let received = redact(&mut harness, b, "REDACT #x nothing", None);
    assert!(
        received[0].contains(" FAIL REDACT UNKNOWN_MSGID #x nothing :"),
        "{received:?}"
    );
    harness.send(b, &line);
    harness.answer_fetch(HistoryResult::Failed);
    assert!(harness.received(b)[0].contains(" FAIL REDACT MESSAGE_ERROR #x "));

    harness.send(op, "TOPIC #x :news");
    let topic = harness.entries.last().cloned().unwrap();
    let received = redact(
        &mut harness,
        op,
        &format!("REDACT #x {}", topic.msgid),
        Some(&topic),
    );
    assert!(
        find(&received, "FAIL").contains(" REDACT_FORBIDDEN #x "),
        "{received:?}"
    );

    harness.advance(121);
    let received = redact(&mut harness, b, &line, Some(&message));
    let expected = format!(
        " FAIL REDACT REDACT_WINDOW_EXPIRED #x {} 120 :",
        message.msgid
    );
    assert!(received[0].contains(&expected), "{received:?}");
    let received = redact(&mut harness, op, &line, Some(&message));
    assert!(
        bare(&received[0]).contains(" REDACT #x "),
        "an operator may redact at any time: {received:?}"
    );
}

#[test]
fn messages_that_a_user_cannot_see_are_unknown_to_it() {
    let mut harness = Harness::with(Settings {
        history_before_join: false,
        ..settings()
    });
    let (op, b) = (harness.user("alice", CAPS), harness.user("bob", CAPS));
    harness.channel("#x", &[op, b]);
    let message = send_and_store(&mut harness, b, "PRIVMSG #x :before");
    let for_operators = send_and_store(&mut harness, op, "PRIVMSG @#x :for some");
    let received = redact(
        &mut harness,
        b,
        &format!("REDACT #x {}", for_operators.msgid),
        Some(&for_operators),
    );
    assert!(received[0].contains(" UNKNOWN_MSGID "), "{received:?}");
    harness.send(b, "PART #x");
    harness.advance(5);
    harness.channel("#x", &[b]);
    let received = redact(
        &mut harness,
        b,
        &format!("REDACT #x {}", message.msgid),
        Some(&message),
    );
    assert!(received[0].contains(" UNKNOWN_MSGID "), "{received:?}");
}

#[test]
fn a_redaction_reaches_only_the_receivers_of_the_message() {
    let mut harness = Harness::new();
    let (op, voiced, b) = (
        harness.user("alice", CAPS),
        harness.user("vera", CAPS),
        harness.user("bob", CAPS),
    );
    harness.channel("#x", &[op, voiced, b]);
    harness.send(op, "MODE #x +v vera");
    for (target, receives) in [("@#x", false), ("+#x", true)] {
        let message = send_and_store(&mut harness, op, &format!("PRIVMSG {target} :for some"));
        for named in ["#x", target] {
            let received = redact(
                &mut harness,
                op,
                &format!("REDACT {named} {}", message.msgid),
                Some(&message),
            );
            assert!(
                bare(&received[0]).contains(&format!(" REDACT {target} ")),
                "{received:?}"
            );
            assert_eq!(harness.received(voiced).len(), usize::from(receives));
            assert!(harness.received(b).is_empty());
        }
        assert_eq!(
            harness.entries.last().unwrap().status(),
            target.chars().next()
        );
    }
}

#[test]
fn the_label_is_on_the_redaction_or_on_the_refusal() {
    let mut harness = Harness::new();
    let (a, b) = (harness.user("alice", CAPS), harness.user("bob", CAPS));
    harness.channel("#x", &[a, b]);
    let message = send_and_store(&mut harness, a, "PRIVMSG #x :one");
    let line = format!("@label=7 REDACT #x {}", message.msgid);
    let received = redact(&mut harness, a, &line, Some(&message));
    assert!(
        received.len() == 1 && received[0].starts_with("@label=7;msgid="),
        "{received:?}"
    );
    assert!(!harness.received(b)[0].contains("label"));
    let received = redact(&mut harness, a, &line, None);
    assert!(
        received.len() == 1
            && received[0].starts_with("@label=7 :irc.test FAIL REDACT UNKNOWN_MSGID")
    );
    harness.store_works = false;
    let received = redact(&mut harness, a, &line, Some(&message));
    assert!(
        received.len() == 1
            && received[0].starts_with("@label=7 :irc.test FAIL REDACT MESSAGE_NOT_STORED")
    );
    assert!(
        harness.received(b).is_empty(),
        "a redaction that is not stored is not delivered"
    );
}

#[test]
fn redactions_are_in_the_history_of_clients_with_event_playback() {
    let mut harness = Harness::new();
    let caps = format!("{CAPS} draft/chathistory draft/event-playback");
    let a = harness.user("alice", &caps);
    harness.channel("#x", &[a]);
    let message = send_and_store(&mut harness, a, "PRIVMSG #x :one");
    let live = redact(
        &mut harness,
        a,
        &format!("REDACT #x {} :why", message.msgid),
        Some(&message),
    );
    let redaction = harness.entries.last().cloned().unwrap();
    harness.send(a, "CHATHISTORY LATEST #x * 9");
    harness.answer_fetch(HistoryResult::Page(vec![redaction]));
    let received = harness.received(a);
    assert_eq!(bare(&received[1]), bare(&live[0]));
}

#[test]
fn redactions_by_operators_have_times_of_their_own_in_each_place() {
    let mut harness = Harness::new();
    let a = harness.user("alice", CAPS);
    harness.channel("#x", &[a]);
    let before = send_and_store(&mut harness, a, "PRIVMSG #x :one");
    let other = Place::Channel("#y".parse().unwrap());
    let places = vec![
        before.place.clone(),
        other.clone(),
        before.place.clone(),
        other,
        before.place.clone(),
    ];
    let times = harness.reply_to(AssignTimes(places));
    let after = send_and_store(&mut harness, a, "PRIVMSG #x :two");
    assert!(before.at < times[0] && times[0] < times[2] && times[2] < times[4]);
    assert!(times[4] < after.at && times[1] < times[3]);
}

#[test]
fn a_redaction_counts_as_stored_but_is_never_refused() {
    let mut harness = Harness::with(Settings {
        stored_bytes_per_day: 1000,
        ..settings()
    });
    let a = harness.user("alice", &format!("{CAPS} standard-replies"));
    harness.channel("#x", &[a]);
    let message = send_and_store(&mut harness, a, "PRIVMSG #x :oops");
    for _ in 0..20 {
        let line = format!("REDACT #x {}", message.msgid);
        let received = redact(&mut harness, a, &line, Some(&message));
        assert!(bare(&received[0]).contains(" REDACT #x "), "{received:?}");
    }
    let refused = |harness: &mut Harness| {
        let received = harness.request(a, "PRIVMSG #x :more");
        received
            .iter()
            .any(|line| line.contains("MESSAGE_NOT_STORED"))
    };
    assert!(refused(&mut harness));
    harness.advance(24 * 60 * 60);
    assert!(refused(&mut harness), "it was more than a day may have");
    harness.advance(6 * 24 * 60 * 60);
    assert!(!refused(&mut harness));
}
