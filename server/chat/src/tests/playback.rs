//! The replay of missed messages, and `PLAY` of znc.in/playback.

use jiff::{SignedDuration, Timestamp};

use super::harness::*;
use crate::event::{HistoryQuery, HistoryResult, Identity, SessionId, Settings, SignedInWith};
use crate::request::Admission;
use rookery_record::{CredentialId, SeveralQuery};

/// The capabilities of clients that display batches with times.
pub const CAPS: &str = "batch server-time message-tags";

/// Returns a chat whose lobby is `#x`.
pub fn lobby() -> Harness {
    Harness::with(settings_with_lobby("#x"))
}

/// Returns the identity of an account that signed in with a device credential.
pub fn device(name: &str, credential: i64) -> Identity {
    Identity {
        signed_in_with: SignedInWith::Credential(CredentialId(credential)),
        ..identity(name)
    }
}

/// Admits a session. Returns the replay of missed messages, and discards everything else.
pub fn connect(
    harness: &mut Harness,
    identity: Identity,
    capabilities: &str,
) -> (SessionId, Vec<String>) {
    let name = identity.name.to_string();
    let (session, _) = harness.admit(Harness::candidate(&name, Some(identity), capabilities));
    harness.answer_all_fetches();
    let received = harness.received(session);
    (session, received)
}

/// Returns the text of each `PRIVMSG` and `NOTICE`.
pub fn texts(received: &[String]) -> Vec<&str> {
    let messages = received
        .iter()
        .filter(|line| line.contains(" PRIVMSG ") || line.contains(" NOTICE "));
    messages
        .map(|line| line.rsplit_once(" :").unwrap().1)
        .collect()
}

#[test]
fn missed_messages_are_replayed_once() {
    let mut harness = lobby();
    let bob = harness.user("bob", "");
    // A direct message needs a connected receiver: this device stays.
    connect(&mut harness, device("alice", 1), CAPS);
    let (alice, missed) = connect(&mut harness, identity("alice"), CAPS);
    assert!(missed.is_empty(), "a new device has missed nothing");
    harness.send(bob, "PRIVMSG #x :received");
    harness.disconnect(alice);
    harness.advance(60);
    harness.send(bob, "PRIVMSG #x :one");
    harness.send(bob, "NOTICE alice :two");
    harness.advance(60);
    harness.send(bob, "TOPIC #x :not a message");
    harness.send(bob, "PRIVMSG #x :\u{1}VERSION\u{1}");
    let (alice, missed) = connect(&mut harness, identity("alice"), CAPS);
    let at = "@batch=1;time=2027-01-15T08:01:00.000Z;msgid=run-";
    let bob_source = "bob!~bob@users.irc.test";
    assert_eq!(missed.len(), 6, "{missed:#?}");
    assert!(missed[0].ends_with(":irc.test BATCH +1 chathistory #x"));
    assert!(
        missed[1].starts_with(at) && missed[1].ends_with(&format!(":{bob_source} PRIVMSG #x :one"))
    );
    assert!(missed[3].ends_with(":irc.test BATCH +2 chathistory bob"));
    assert!(missed[4].ends_with(&format!(":{bob_source} NOTICE alice :two")));
    harness.disconnect(alice);
    let (_, missed) = connect(&mut harness, identity("alice"), CAPS);
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn within_one_millisecond_nothing_is_lost_or_replayed_twice() {
    let mut harness = lobby();
    let bob = harness.user("bob", "");
    let (mut alice, _) = connect(&mut harness, identity("alice"), CAPS);
    for round in 0..4 {
        harness.send(bob, &format!("PRIVMSG #x :live {round}"));
        assert_eq!(texts(&harness.received(alice)), [format!("live {round}")]);
        harness.disconnect(alice);
        harness.send(bob, &format!("PRIVMSG #x :missed {round}"));
        alice = harness.user("alice", CAPS);
        harness.send(bob, &format!("PRIVMSG #x :meanwhile {round}"));
        harness.answer_all_fetches();
        let received = harness.received(alice);
        assert_eq!(
            texts(&received),
            [format!("meanwhile {round}"), format!("missed {round}")]
        );
    }
}

#[test]
fn devices_with_credentials_are_distinct_and_equal_clients_without_are_one() {
    let mut harness = lobby();
    let bob = harness.user("bob", "");
    let (phone, desktop) = (device("alice", 1), device("alice", 2));
    let (on_phone, _) = connect(&mut harness, phone.clone(), CAPS);
    let (on_desktop, _) = connect(&mut harness, desktop.clone(), CAPS);
    let (by_password, _) = connect(&mut harness, identity("alice"), CAPS);
    harness.disconnect(on_phone);
    harness.send(bob, "PRIVMSG #x :one");
    harness.disconnect(by_password);
    harness.send(bob, "PRIVMSG #x :two");
    harness.disconnect(on_desktop);
    harness.send(bob, "PRIVMSG #x :three");
    assert_eq!(texts(&connect(&mut harness, desktop, CAPS).1), ["three"]);
    assert_eq!(
        texts(&connect(&mut harness, phone, CAPS).1),
        ["one", "two", "three"]
    );
    let (by_password, missed) = connect(&mut harness, identity("alice"), CAPS);
    assert_eq!(texts(&missed), ["two", "three"]);
    harness.answer_receipt(by_password);
    assert!(
        connect(&mut harness, identity("alice"), CAPS).1.is_empty(),
        "all sessions by password are one device"
    );
}

#[test]
fn by_password_a_client_with_playback_and_one_without_are_two_devices() {
    let mut harness = lobby();
    let bob = harness.user("bob", "");
    let with_playback = format!("{CAPS} znc.in/playback");
    let (alice, _) = connect(&mut harness, identity("alice"), CAPS);
    harness.disconnect(alice);
    harness.send(bob, "PRIVMSG #x :one");
    for capabilities in [&with_playback, CAPS] {
        let (alice, missed) = connect(&mut harness, identity("alice"), capabilities);
        assert_eq!(texts(&missed), ["one"], "with {capabilities}");
        harness.disconnect(alice);
    }
    harness.send(bob, "PRIVMSG #x :two");
    for capabilities in [CAPS, &with_playback] {
        let (alice, missed) = connect(&mut harness, identity("alice"), capabilities);
        assert_eq!(texts(&missed), ["two"], "with {capabilities}");
        harness.disconnect(alice);
    }
}

#[test]
fn a_lost_connection_has_missed_everything_since_its_last_answer() {
    for reconnects_first in [false, true] {
        let mut harness = lobby();
        let bob = harness.user("bob", "");
        let (alice, _) = connect(&mut harness, identity("alice"), CAPS);
        harness.send(bob, "PRIVMSG #x :received");
        harness.advance(1);
        harness.answer_receipt(alice);
        harness.advance(1);
        harness.send(bob, "PRIVMSG #x :before the timeout");
        if !reconnects_first {
            harness.lose_connection(alice);
        }
        harness.send(bob, "PRIVMSG #x :after the timeout");
        let (again, missed) = connect(&mut harness, identity("alice"), CAPS);
        assert_eq!(texts(&missed), ["before the timeout", "after the timeout"]);
        if reconnects_first {
            harness.lose_connection(alice);
        }
        harness.disconnect(again);
        assert!(connect(&mut harness, identity("alice"), CAPS).1.is_empty());
    }
}

#[test]
fn clients_that_read_history_themselves_get_no_replay_and_mark_nothing_as_received() {
    let mut harness = lobby();
    let bob = harness.user("bob", "");
    let (plain, _) = connect(&mut harness, identity("alice"), CAPS);
    harness.disconnect(plain);
    harness.send(bob, "PRIVMSG #x :one");
    for capability in ["draft/chathistory", "draft/chathistory znc.in/playback"] {
        let (other, missed) = connect(
            &mut harness,
            identity("alice"),
            &format!("{CAPS} {capability}"),
        );
        assert!(missed.is_empty());
        harness.disconnect(other);
    }
    assert_eq!(
        texts(&connect(&mut harness, identity("alice"), CAPS).1),
        ["one"]
    );
}

#[test]
fn a_client_with_playback_is_replayed_what_it_missed_and_nothing_twice() {
    let mut harness = lobby();
    let bob = harness.user("bob", "");
    let caps = format!("{CAPS} znc.in/playback");
    let (alice, _) = connect(&mut harness, identity("alice"), &caps);
    harness.send(bob, "PRIVMSG #x :seen");
    harness.disconnect(alice);
    harness.send(bob, "PRIVMSG #x :missed");
    let (alice, missed) = connect(&mut harness, identity("alice"), &caps);
    assert_eq!(texts(&missed), ["missed"], "although it requested nothing");
    harness.send(bob, "PRIVMSG #x :live");
    harness.clear_received();
    harness.send(alice, "ZNC *playback PLAY #x 0");
    harness.answer_all_fetches();
    assert_eq!(texts(&harness.received(alice)), ["seen", "live"]);
    harness.send(alice, "ZNC *playback PLAY #x 0");
    harness.answer_all_fetches();
    assert_eq!(
        texts(&harness.received(alice)),
        ["missed"],
        "what it requests again is sent again"
    );
    harness.disconnect(alice);
    harness.send(bob, "PRIVMSG #x :two");
    let alice = harness.user("alice", &caps);
    harness.send(alice, "ZNC *playback PLAY * 0");
    harness.fetches.reverse();
    harness.answer_all_fetches();
    let received = harness.received(alice);
    let twos = texts(&received)
        .iter()
        .filter(|text| **text == "two")
        .count();
    assert_eq!(twos, 1, "whichever is read first: {received:#?}");
}

#[test]
fn guests_and_chats_without_replay_cause_no_query() {
    for settings in [
        Settings {
            replay_lines: 0,
            ..settings_with_lobby("#x")
        },
        Settings {
            history: false,
            ..settings_with_lobby("#x")
        },
    ] {
        let mut harness = Harness::with(settings);
        let (alice, _) = connect(&mut harness, identity("alice"), CAPS);
        harness.disconnect(alice);
        harness.user("alice", CAPS);
        assert!(harness.fetches.is_empty());
    }
    let mut harness = lobby();
    let guest = harness.guest("gus", CAPS);
    harness.disconnect(guest);
    harness.guest("gus", CAPS);
    assert!(harness.fetches.is_empty());
}

#[test]
fn without_server_time_the_time_is_in_the_text() {
    let mut harness = lobby();
    let bob = harness.user("bob", "");
    let (alice, _) = connect(&mut harness, identity("alice"), "");
    harness.disconnect(alice);
    harness.send(bob, "PRIVMSG #x :\u{1}ACTION waves\u{1}");
    harness.advance(24 * 60 * 60);
    let long = "x".repeat(400);
    harness.send(bob, &format!("PRIVMSG #x :{long} {}", "y".repeat(60)));
    let (_, missed) = connect(&mut harness, identity("alice"), "");
    assert_eq!(missed.len(), 3, "{missed:#?}");
    let from = ":bob!~bob@users.irc.test PRIVMSG #x :";
    assert_eq!(
        missed[0],
        format!("{from}\u{1}ACTION [2027-01-15 08:00:00 UTC] waves\u{1}")
    );
    assert!(
        missed[1].starts_with(&format!("{from}[08:00:00 UTC] {long} y")),
        "{missed:#?}"
    );
    let ys: usize = missed[1..]
        .iter()
        .map(|line| line.matches('y').count())
        .sum();
    assert_eq!(ys, 60, "the rest follows in another line");
}

#[test]
fn channels_joined_within_a_minute_are_replayed_and_later_ones_are_not() {
    let mut harness = Harness::new();
    let bob = harness.user("bob", "");
    harness.channel("#x", &[bob]);
    harness.channel("#y", &[bob]);
    let (alice, _) = connect(&mut harness, identity("alice"), CAPS);
    harness.disconnect(alice);
    harness.send(bob, "PRIVMSG #x :one");
    harness.send(bob, "PRIVMSG #y :two");
    let (alice, missed) = connect(&mut harness, identity("alice"), CAPS);
    assert!(missed.is_empty());
    for expected in [&["one"][..], &[]] {
        harness.send(alice, "JOIN #x");
        harness.received(alice);
        harness.answer_all_fetches();
        assert_eq!(
            texts(&harness.received(alice)),
            expected,
            "the replay is sent once"
        );
        harness.send(alice, "PART #x");
    }
    harness.advance(61);
    harness.send(alice, "JOIN #y");
    assert!(harness.fetches.is_empty());
}

#[test]
fn a_replay_is_limited_by_the_size_of_the_send_queue() {
    let mut harness = Harness::with(Settings {
        replay_lines: 50,
        sendq_bytes: 8_000,
        ..settings_with_lobby("#x")
    });
    let bob = harness.user("bob", "");
    let (alice, _) = connect(&mut harness, identity("alice"), "");
    harness.disconnect(alice);
    for number in 0..50 {
        harness.send(bob, &format!("PRIVMSG #x :{}{number:02}", "x".repeat(200)));
    }
    let (_, missed) = connect(&mut harness, identity("alice"), "");
    let bytes: usize = missed.iter().map(String::len).sum();
    assert!((3_000..4_200).contains(&bytes), "{bytes}");
    let (note, lines) = missed.split_last().unwrap();
    assert!(note.contains(" NOTICE alice :There is more"), "{note}");
    assert!(lines.last().unwrap().ends_with("49"), "the newest");
}

#[test]
fn messages_that_could_not_be_read_are_replayed_the_next_time() {
    let mut harness = lobby();
    let bob = harness.user("bob", "");
    let (alice, _) = connect(&mut harness, identity("alice"), CAPS);
    harness.disconnect(alice);
    harness.send(bob, "PRIVMSG #x :one");
    let alice = harness.user("alice", CAPS);
    harness.answer_fetch(HistoryResult::Failed);
    assert!(harness.received(alice)[0].contains("could not be read"));
    harness.disconnect(alice);
    let disconnected_early = harness.user("alice", CAPS);
    harness.disconnect(disconnected_early);
    harness.answer_all_fetches();
    assert_eq!(
        texts(&connect(&mut harness, identity("alice"), CAPS).1),
        ["one"]
    );
}

/// Sends a message to `*playback`. Returns the query that it leads to, without answering it.
fn query_of(harness: &mut Harness, session: SessionId, text: &str) -> SeveralQuery {
    let forms = [
        format!("PRIVMSG *Playback :{text}"),
        format!("ZNC *Playback {text}"),
        format!("znc *playback :{text}"),
    ];
    let [query, second, third] = forms.map(|line| {
        let received = harness.request(session, &line);
        assert!(received.is_empty(), "{line}: {received:?}");
        match harness.fetches.pop().unwrap().query {
            HistoryQuery::Several(query) => query,
            other => panic!("{other:?}"),
        }
    });
    assert!(query == second && query == third, "{text}");
    query
}

#[test]
fn play_parses_its_parameters() {
    let mut harness = Harness::new();
    let alice = harness.user("alice", "");
    harness.channel("#x", &[alice]);
    harness.channel("#y", &[alice]);
    let names = |query: &SeveralQuery| {
        query
            .targets
            .iter()
            .map(|reading| reading.name.clone())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let all = query_of(&mut harness, alice, "play *");
    assert_eq!(
        (names(&all), all.account.is_some(), all.limit),
        ("#x #y".to_owned(), true, 50)
    );
    assert_eq!((all.after, all.before), (Timestamp::MIN, Timestamp::MAX));
    let some = query_of(
        &mut harness,
        alice,
        "PLAY bob,#y,#nowhere 1800000000.25 1800000060",
    );
    assert_eq!((names(&some), some.account), ("bob #y".to_owned(), None));
    assert_eq!(
        some.after,
        START + SignedDuration::from_millis(249),
        "the exact time is included"
    );
    let exact = query_of(&mut harness, alice, "PLAY #y 1800000000.535").after;
    assert_eq!(
        exact,
        START + SignedDuration::from_millis(534),
        "although the decimal is not exact as a float"
    );
    assert_eq!(some.before, START + SignedDuration::from_secs(60));
    for text in [
        "CLEAR *",
        "PLAY",
        "PLAY * noon",
        "PLAY * 1 2 3",
        "PLAY * 1e300",
        "PLAY * NaN",
    ] {
        let received = harness.request(alice, &format!("PRIVMSG *playback :{text}"));
        assert!(
            received.len() == 1 && received[0].contains(" NOTICE alice :PLAY <channels"),
            "{text}: {received:?}"
        );
    }
    let mut harness = Harness::with(Settings {
        history: false,
        ..settings()
    });
    let alice = harness.user("alice", "");
    assert_eq!(
        commands(&harness.request(alice, "PRIVMSG *playback :PLAY *")),
        ["401"]
    );
    assert_eq!(
        commands(&harness.request(alice, "ZNC *playback PLAY *")),
        ["421"]
    );
}

#[test]
fn a_guest_plays_back_channels_since_it_connected_and_no_direct_messages() {
    let mut harness = lobby();
    let bob = harness.user("bob", "");
    harness.send(bob, "PRIVMSG #x :before");
    harness.advance(1);
    let guest = harness.guest("gus", "");
    harness.send(bob, "PRIVMSG #x :after");
    harness.send(bob, "PRIVMSG gus :between us");
    harness.clear_received();
    harness.send(guest, "PRIVMSG *playback :PLAY *");
    harness.answer_all_fetches();
    let received = harness.received(guest);
    assert!(
        received.len() == 1 && received[0].ends_with(" PRIVMSG #x :[08:00:01 UTC] after"),
        "{received:?}"
    );
}

#[test]
fn a_labelled_play_has_one_labelled_reply() {
    let mut harness = lobby();
    let bob = harness.user("bob", "");
    let alice = harness.user("alice", &format!("{CAPS} labeled-response znc.in/playback"));
    let playback = |harness: &mut Harness| {
        let received = harness.request(alice, "@label=7 PRIVMSG *playback :PLAY *");
        assert!(received.is_empty(), "{received:?}");
        harness.answer_all_fetches();
        let without_time = |line: &String| line.replacen(";time=2027-01-15T08:00:00.000Z", "", 1);
        harness
            .received(alice)
            .iter()
            .map(without_time)
            .collect::<Vec<_>>()
    };
    assert_eq!(playback(&mut harness), ["@label=7 :irc.test ACK"]);
    harness.send(bob, "PRIVMSG #x :one");
    harness.clear_received();
    let received = playback(&mut harness);
    assert_eq!(received[0], "@label=7 :irc.test BATCH +1 chathistory #x");
    assert!(
        received.len() == 3 && !received[2].contains("label"),
        "{received:?}"
    );
    harness.send(bob, "PRIVMSG alice :two");
    harness.clear_received();
    let received = playback(&mut harness);
    assert_eq!(
        received[0], "@label=7 :irc.test BATCH +4 labeled-response",
        "{received:#?}"
    );
    let tags: Vec<&str> = received
        .iter()
        .map(|line| line.split([';', ' ']).next().unwrap())
        .collect();
    let inner = [
        "@batch=4", "@batch=2", "@batch=4", "@batch=4", "@batch=3", "@batch=4",
    ];
    assert_eq!(tags[1..7], inner, "{received:#?}");
    assert!(received[7].ends_with(" BATCH -4") && received.len() == 8);
    let key = harness.awaited_command(alice, "PRIVMSG *playback :PLAY #x");
    assert!(harness.answer(key).is_none());
    harness.answer_all_fetches();
    assert!(harness.answer(key).is_some());
}

/// A client pays for what is read for it, so that it cannot have much read for nothing.
#[test]
fn what_is_read_for_a_playback_counts_although_none_of_it_is_sent() {
    let mut harness = lobby();
    let bob = harness.user("bob", "");
    let text = "x".repeat(200);
    for _ in 0..10 {
        harness.send(bob, &format!("PRIVMSG #x :\u{1}{text}"));
    }
    let (alice, _) = connect(&mut harness, identity("alice"), CAPS);
    let key = harness.awaited_command(alice, "ZNC *playback PLAY *");
    harness.answer_all_fetches();
    assert_eq!(harness.received(alice), [""; 0]);
    let read = harness.answer(key).unwrap().read_bytes;
    assert!((2000..4000).contains(&read), "{read}");
}

#[test]
fn the_missed_messages_of_one_account_are_not_replayed_to_another() {
    let mut harness = Harness::with(Settings {
        free_nicks: true,
        ..settings_with_lobby("#x")
    });
    let bob = harness.user("bob", "");
    for name in ["alice", "carl"] {
        let (session, _) = connect(&mut harness, identity(name), CAPS);
        harness.send(bob, &format!("PRIVMSG {name} :here"));
        harness.disconnect(session);
    }
    harness.advance(60);
    let (present, _) = connect(&mut harness, device("alice", 1), CAPS);
    harness.send(bob, "PRIVMSG alice :for alice");
    harness.disconnect(present);
    harness.send(bob, "PRIVMSG #x :for all");
    let (session, _) =
        harness.try_admit(Harness::candidate("alice", Some(identity("alice")), CAPS));
    assert!(matches!(
        harness.sign_in(session, identity("carl")),
        Admission::Admitted
    ));
    harness.received(session);
    harness.answer_all_fetches();
    assert_eq!(texts(&harness.received(session)), ["for all"]);
    harness.disconnect(session);
    let (_, missed) = connect(&mut harness, identity("carl"), CAPS);
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn a_session_that_changes_account_and_back_gets_missed_messages_once() {
    let mut harness = Harness::with(Settings {
        free_nicks: true,
        ..settings_with_lobby("#x")
    });
    let bob = harness.user("bob", "");
    for name in ["alice", "carl"] {
        let (session, _) = connect(&mut harness, identity(name), CAPS);
        harness.disconnect(session);
    }
    harness.advance(60);
    harness.send(bob, "PRIVMSG #x :for all");
    let (session, _) =
        harness.try_admit(Harness::candidate("alice", Some(identity("alice")), CAPS));
    for name in ["carl", "alice"] {
        assert!(matches!(
            harness.sign_in(session, identity(name)),
            Admission::Admitted
        ));
    }
    harness.received(session);
    harness.answer_all_fetches();
    assert_eq!(texts(&harness.received(session)), ["for all"]);
}
