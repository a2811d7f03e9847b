//! What a device missed, and `PLAY` of znc.in/playback.

use jiff::{SignedDuration, Timestamp};
use rookery_protocol::ChannelName;

use super::play::*;
use crate::event::{Event, Found, HistoryQuery, Identity, SessionId, Settings};
use crate::request::Admission;
use rookery_record::{CredentialId, SeveralQuery};

/// What clients ask for that show a batch with its times.
const CAPS: &str = "batch server-time message-tags";

/// A play in which all are in the lobby `#x`.
fn lobby(settings: Settings) -> Play {
    Play::with(Settings {
        lobby: vec![ChannelName::parse("#x").unwrap()],
        ..settings
    })
}

fn device(name: &str, credential: i64) -> Identity {
    Identity {
        credential: Some(CredentialId(credential)),
        ..identity(name)
    }
}

/// A session comes; what it hears is forgotten, but for what it is shown that it missed.
fn come(play: &mut Play, identity: Identity, capabilities: &str) -> (SessionId, Vec<String>) {
    let name = identity.name.to_string();
    let (session, answer) = play.try_admit(Play::candidate(&name, Some(identity), capabilities));
    assert!(matches!(answer, Admission::Admitted));
    play.heard(session);
    play.library();
    let heard = play.heard(session);
    (session, heard)
}

/// The last words of each `PRIVMSG` and `NOTICE`.
fn texts(heard: &[String]) -> Vec<&str> {
    let said = heard
        .iter()
        .filter(|line| line.contains(" PRIVMSG ") || line.contains(" NOTICE "));
    said.map(|line| line.rsplit_once(" :").unwrap().1).collect()
}

#[test]
fn whoever_comes_back_is_shown_what_it_missed_and_only_once() {
    let mut play = lobby(settings());
    let bob = play.user("bob", "");
    // Only who is here, on some device, can be written to.
    come(&mut play, device("alice", 1), CAPS);
    let (alice, missed) = come(&mut play, identity("alice"), CAPS);
    assert!(
        missed.is_empty(),
        "a device that was never here has missed nothing"
    );
    play.send(bob, "PRIVMSG #x :heard");
    play.gone(alice);
    play.wait(60);
    play.send(bob, "PRIVMSG #x :one");
    play.send(bob, "NOTICE alice :two");
    play.wait(60);
    play.send(bob, "TOPIC #x :not said");
    play.send(bob, "PRIVMSG #x :\u{1}VERSION\u{1}");
    let (alice, missed) = come(&mut play, identity("alice"), CAPS);
    let at = "@batch=1;time=2027-01-15T08:01:00.000Z;msgid=run-";
    let bob_source = "bob!~bob@users.irc.test";
    assert_eq!(missed.len(), 6, "{missed:#?}");
    assert!(missed[0].ends_with(":irc.test BATCH +1 chathistory #x"));
    assert!(
        missed[1].starts_with(at) && missed[1].ends_with(&format!(":{bob_source} PRIVMSG #x :one"))
    );
    assert!(missed[3].ends_with(":irc.test BATCH +2 chathistory bob"));
    assert!(missed[4].ends_with(&format!(":{bob_source} NOTICE alice :two")));
    play.gone(alice);
    let (_, missed) = come(&mut play, identity("alice"), CAPS);
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn within_one_millisecond_nothing_is_lost_and_nothing_is_shown_twice() {
    let mut play = lobby(settings());
    let bob = play.user("bob", "");
    let (mut alice, _) = come(&mut play, identity("alice"), CAPS);
    for round in 0..4 {
        play.send(bob, &format!("PRIVMSG #x :live {round}"));
        assert_eq!(texts(&play.heard(alice)), [format!("live {round}")]);
        play.gone(alice);
        play.send(bob, &format!("PRIVMSG #x :missed {round}"));
        let candidate = Play::candidate("alice", Some(identity("alice")), CAPS);
        (alice, _) = play.try_admit(candidate);
        play.heard(alice);
        play.send(bob, &format!("PRIVMSG #x :meanwhile {round}"));
        play.library();
        let heard = play.heard(alice);
        assert_eq!(
            texts(&heard),
            [format!("meanwhile {round}"), format!("missed {round}")]
        );
    }
}

#[test]
fn devices_with_credentials_of_their_own_are_told_apart_and_those_without_are_one() {
    let mut play = lobby(settings());
    let bob = play.user("bob", "");
    let (phone, desktop) = (device("alice", 1), device("alice", 2));
    let (on_phone, _) = come(&mut play, phone.clone(), CAPS);
    let (on_desktop, _) = come(&mut play, desktop.clone(), CAPS);
    let (by_password, _) = come(&mut play, identity("alice"), CAPS);
    play.gone(on_phone);
    play.send(bob, "PRIVMSG #x :one");
    play.gone(by_password);
    play.send(bob, "PRIVMSG #x :two");
    play.gone(on_desktop);
    play.send(bob, "PRIVMSG #x :three");
    assert_eq!(texts(&come(&mut play, desktop, CAPS).1), ["three"]);
    assert_eq!(
        texts(&come(&mut play, phone, CAPS).1),
        ["one", "two", "three"]
    );
    let (by_password, missed) = come(&mut play, identity("alice"), CAPS);
    assert_eq!(texts(&missed), ["two", "three"]);
    play.send(by_password, "PING x");
    assert!(
        come(&mut play, identity("alice"), CAPS).1.is_empty(),
        "a second one by password is the same device"
    );
}

#[test]
fn a_lost_connection_has_missed_what_was_said_since_it_was_last_heard() {
    for dead_still_there in [false, true] {
        let mut play = lobby(settings());
        let bob = play.user("bob", "");
        let (alice, _) = come(&mut play, identity("alice"), CAPS);
        play.send(bob, "PRIVMSG #x :heard");
        play.wait(1);
        play.send(alice, "PONG");
        play.wait(1);
        play.send(bob, "PRIVMSG #x :into the void");
        if !dead_still_there {
            play.lost(alice);
        }
        play.send(bob, "PRIVMSG #x :into the air");
        let (again, missed) = come(&mut play, identity("alice"), CAPS);
        assert_eq!(texts(&missed), ["into the void", "into the air"]);
        if dead_still_there {
            play.lost(alice);
        }
        play.gone(again);
        assert!(come(&mut play, identity("alice"), CAPS).1.is_empty());
    }
}

#[test]
fn clients_that_read_back_by_themselves_are_shown_nothing_and_hear_for_no_other() {
    let mut play = lobby(settings());
    let bob = play.user("bob", "");
    let (plain, _) = come(&mut play, identity("alice"), CAPS);
    play.gone(plain);
    play.send(bob, "PRIVMSG #x :one");
    for capability in ["draft/chathistory", "znc.in/playback"] {
        let (other, missed) = come(
            &mut play,
            identity("alice"),
            &format!("{CAPS} {capability}"),
        );
        assert!(missed.is_empty());
        play.gone(other);
    }
    assert_eq!(texts(&come(&mut play, identity("alice"), CAPS).1), ["one"]);
}

#[test]
fn where_it_is_switched_off_and_for_guests_nothing_is_read() {
    for settings in [
        Settings {
            replay_lines: 0,
            ..settings()
        },
        Settings {
            history: false,
            ..settings()
        },
    ] {
        let mut play = lobby(settings);
        let (alice, _) = come(&mut play, identity("alice"), CAPS);
        play.gone(alice);
        play.user("alice", CAPS);
        assert!(play.fetches.is_empty());
    }
    let mut play = lobby(settings());
    let guest = play.guest("gus", CAPS);
    play.gone(guest);
    play.guest("gus", CAPS);
    assert!(play.fetches.is_empty());
}

#[test]
fn whoever_has_no_tag_for_it_reads_the_time_in_the_text() {
    let mut play = lobby(settings());
    let bob = play.user("bob", "");
    let (alice, _) = come(&mut play, identity("alice"), "");
    play.gone(alice);
    play.send(bob, "PRIVMSG #x :\u{1}ACTION waves\u{1}");
    play.wait(24 * 60 * 60);
    let long = "x".repeat(400);
    play.send(bob, &format!("PRIVMSG #x :{long} {}", "y".repeat(60)));
    let (_, missed) = come(&mut play, identity("alice"), "");
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
    assert_eq!(ys, 60, "what does not fit follows");
}

#[test]
fn channels_that_a_client_joins_while_it_arrives_count_too_and_later_ones_do_not() {
    let mut play = Play::new();
    let bob = play.user("bob", "");
    play.channel("#x", &[bob]);
    play.channel("#y", &[bob]);
    let (alice, _) = come(&mut play, identity("alice"), CAPS);
    play.gone(alice);
    play.send(bob, "PRIVMSG #x :one");
    play.send(bob, "PRIVMSG #y :two");
    let (alice, missed) = come(&mut play, identity("alice"), CAPS);
    assert!(missed.is_empty());
    for expected in [&["one"][..], &[]] {
        play.send(alice, "JOIN #x");
        play.heard(alice);
        play.library();
        assert_eq!(texts(&play.heard(alice)), expected, "once is enough");
        play.send(alice, "PART #x");
    }
    play.wait(61);
    play.send(alice, "JOIN #y");
    assert!(play.fetches.is_empty());
}

#[test]
fn no_more_is_shown_than_there_is_room_for() {
    let mut play = lobby(Settings {
        replay_lines: 50,
        sendq_bytes: 8_000,
        ..settings()
    });
    let bob = play.user("bob", "");
    let (alice, _) = come(&mut play, identity("alice"), "");
    play.gone(alice);
    for number in 0..50 {
        play.send(bob, &format!("PRIVMSG #x :{}{number:02}", "x".repeat(200)));
    }
    let (_, missed) = come(&mut play, identity("alice"), "");
    let bytes: usize = missed.iter().map(String::len).sum();
    assert!((3_000..4_200).contains(&bytes), "{bytes}");
    let (note, lines) = missed.split_last().unwrap();
    assert!(note.contains(" NOTICE alice :There is more"), "{note}");
    assert!(lines.last().unwrap().ends_with("49"), "the newest");
}

#[test]
fn what_could_not_be_read_is_shown_the_next_time() {
    let mut play = lobby(settings());
    let bob = play.user("bob", "");
    let (alice, _) = come(&mut play, identity("alice"), CAPS);
    play.gone(alice);
    play.send(bob, "PRIVMSG #x :one");
    let alice = play.user("alice", CAPS);
    play.found(Found::Failed);
    assert!(play.heard(alice)[0].contains("could not be read"));
    play.gone(alice);
    let left_early = play.user("alice", CAPS);
    play.gone(left_early);
    play.library();
    assert_eq!(texts(&come(&mut play, identity("alice"), CAPS).1), ["one"]);
}

fn asks(play: &mut Play, session: SessionId, text: &str) -> SeveralQuery {
    let heard = play.ask(session, &format!("PRIVMSG *Playback :{text}"));
    assert!(heard.is_empty(), "{text}: {heard:?}");
    match play.fetches.pop().unwrap().query {
        HistoryQuery::Several(query) => query,
        other => panic!("{other:?}"),
    }
}

#[test]
fn play_is_read_as_what_it_means() {
    let mut play = Play::new();
    let alice = play.user("alice", "");
    play.channel("#x", &[alice]);
    play.channel("#y", &[alice]);
    let names = |query: &SeveralQuery| {
        query
            .readings
            .iter()
            .map(|reading| reading.name.clone())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let all = asks(&mut play, alice, "play *");
    assert_eq!(
        (names(&all), all.account.is_some(), all.limit),
        ("#x #y".to_owned(), true, 50)
    );
    assert_eq!((all.after, all.before), (Timestamp::MIN, Timestamp::MAX));
    let some = asks(
        &mut play,
        alice,
        "PLAY bob,#y,#nowhere 1800000000.25 1800000060",
    );
    assert_eq!((names(&some), some.account), ("bob #y".to_owned(), None));
    assert_eq!(
        some.after,
        START + SignedDuration::from_millis(249),
        "the moment itself counts"
    );
    let exact = asks(&mut play, alice, "PLAY #y 1800000000.535").after;
    assert_eq!(
        exact,
        START + SignedDuration::from_millis(534),
        "whatever becomes of it as a number"
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
        let heard = play.ask(alice, &format!("PRIVMSG *playback :{text}"));
        assert!(
            heard.len() == 1 && heard[0].contains(" NOTICE alice :PLAY <channels"),
            "{text}: {heard:?}"
        );
    }
    let mut play = Play::with(Settings {
        history: false,
        ..settings()
    });
    let alice = play.user("alice", "");
    assert_eq!(
        commands(&play.ask(alice, "PRIVMSG *playback :PLAY *")),
        ["401"]
    );
}

#[test]
fn a_guest_plays_what_was_said_while_it_was_there_and_nobodys_conversations() {
    let mut play = lobby(settings());
    let bob = play.user("bob", "");
    play.send(bob, "PRIVMSG #x :before");
    play.wait(1);
    let guest = play.guest("gus", "");
    play.send(bob, "PRIVMSG #x :after");
    play.send(bob, "PRIVMSG gus :between us");
    play.forget();
    play.send(guest, "PRIVMSG *playback :PLAY *");
    play.library();
    let heard = play.heard(guest);
    assert!(
        heard.len() == 1 && heard[0].ends_with(" PRIVMSG #x :[08:00:01 UTC] after"),
        "{heard:?}"
    );
}

#[test]
fn a_labelled_play_is_answered_in_one() {
    let mut play = lobby(settings());
    let bob = play.user("bob", "");
    let alice = play.user("alice", &format!("{CAPS} labeled-response znc.in/playback"));
    let playback = |play: &mut Play| {
        let heard = play.ask(alice, "@label=7 PRIVMSG *playback :PLAY *");
        assert!(heard.is_empty(), "{heard:?}");
        play.library();
        let tagged = |line: &String| line.replacen(";time=2027-01-15T08:00:00.000Z", "", 1);
        play.heard(alice).iter().map(tagged).collect::<Vec<_>>()
    };
    assert_eq!(playback(&mut play), ["@label=7 :irc.test ACK"]);
    play.send(bob, "PRIVMSG #x :one");
    play.forget();
    let heard = playback(&mut play);
    assert_eq!(heard[0], "@label=7 :irc.test BATCH +1 chathistory #x");
    assert!(heard.len() == 3 && !heard[2].contains("label"), "{heard:?}");
    play.send(bob, "PRIVMSG alice :two");
    play.forget();
    let heard = playback(&mut play);
    assert_eq!(
        heard[0], "@label=7 :irc.test BATCH +4 labeled-response",
        "{heard:#?}"
    );
    let tags: Vec<&str> = heard
        .iter()
        .map(|line| line.split([';', ' ']).next().unwrap())
        .collect();
    let inner = [
        "@batch=4", "@batch=2", "@batch=4", "@batch=4", "@batch=3", "@batch=4",
    ];
    assert_eq!(tags[1..7], inner, "{heard:#?}");
    assert!(heard[7].ends_with(" BATCH -4") && heard.len() == 8);
    let (ticket, asked) = play.ticket();
    let message = rookery_protocol::Message::parse("PRIVMSG *playback :PLAY #x").unwrap();
    play.event(Event::AskHistory {
        ticket,
        session: alice,
        message,
    });
    assert!(play.answer(asked).is_none());
    play.library();
    assert!(matches!(play.answer(asked), Some(())));
}

#[test]
fn what_one_account_missed_is_not_shown_to_a_session_that_goes_over_to_another() {
    let mut play = lobby(Settings {
        free_nicks: true,
        ..settings()
    });
    let bob = play.user("bob", "");
    for name in ["alice", "carl"] {
        let (session, _) = come(&mut play, identity(name), CAPS);
        play.send(bob, &format!("PRIVMSG {name} :here"));
        play.gone(session);
    }
    play.wait(60);
    let (keeper, _) = come(&mut play, device("alice", 1), CAPS);
    play.send(bob, "PRIVMSG alice :for alice");
    play.gone(keeper);
    play.send(bob, "PRIVMSG #x :for all");
    let (session, _) = play.try_admit(Play::candidate("alice", Some(identity("alice")), CAPS));
    assert!(matches!(
        play.sign_in(session, identity("carl")),
        Admission::Admitted
    ));
    play.heard(session);
    play.library();
    assert_eq!(texts(&play.heard(session)), ["for all"]);
    play.gone(session);
    let (_, missed) = come(&mut play, identity("carl"), CAPS);
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn a_session_that_goes_over_to_another_account_and_back_is_shown_what_it_missed_once() {
    let mut play = lobby(Settings {
        free_nicks: true,
        ..settings()
    });
    let bob = play.user("bob", "");
    for name in ["alice", "carl"] {
        let (session, _) = come(&mut play, identity(name), CAPS);
        play.gone(session);
    }
    play.wait(60);
    play.send(bob, "PRIVMSG #x :for all");
    let (session, _) = play.try_admit(Play::candidate("alice", Some(identity("alice")), CAPS));
    for name in ["carl", "alice"] {
        assert!(matches!(
            play.sign_in(session, identity(name)),
            Admission::Admitted
        ));
    }
    play.heard(session);
    play.library();
    assert!(texts(&play.heard(session)).len() <= 1);
}
