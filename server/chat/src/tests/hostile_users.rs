//! Users who mean harm: what they may not do to others, whatever they send.

use super::harness::*;
use crate::event::{Event, HistoryQuery, Identity, Output, Revoked, Settings, SignedInWith};
use crate::request::Admission;
use rookery_record::CredentialId;

#[test]
fn a_user_that_may_not_speak_does_not_speak_by_a_topic_or_a_reason() {
    for mode in ["+m", "+b ~m:mallory", "+b mallory"] {
        let mut harness = Harness::new();
        let op = harness.user("alice", "");
        let mallory = harness.user("mallory", "");
        harness.channel("#x", &[op, mallory]);
        harness.channel("#y", &[op, mallory]);
        harness.send(op, "MODE #x -t");
        harness.send(mallory, "TOPIC #x :mine");
        assert!(find(&harness.received(op), "TOPIC").ends_with(":mine"));
        harness.send(op, &format!("MODE #x {mode}"));
        harness.clear_received();
        let refusal = harness.request(mallory, "TOPIC #x :spam");
        assert!(refusal[0].contains(" 404 mallory #x :Cannot set the topic (+"));
        harness.send(mallory, "PART #y :bye");
        assert!(find(&harness.received(op), "PART").ends_with(":bye"));
        harness.send(mallory, "QUIT :spam");
        assert!(find(&harness.received(op), "QUIT").ends_with("QUIT :Quit"));
    }
    let mut harness = Harness::new();
    let op = harness.user("alice", "");
    let mallory = harness.user("mallory", "");
    harness.channel("#x", &[op, mallory]);
    harness.send(op, "MODE #x +m");
    harness.send(mallory, "PART #x :spam");
    assert!(find(&harness.received(op), "PART").ends_with("PART #x"));
}

#[test]
fn the_modes_of_a_secret_channel_are_shown_to_members_only() {
    let mut harness = Harness::new();
    let [op, mallory] = ["alice", "mallory"].map(|name| harness.user(name, ""));
    harness.channel("#x", &[op]);
    harness.send(op, "MODE #x +s");
    harness.clear_received();
    assert_eq!(
        commands(&harness.request(mallory, "MODE #x")),
        ["403"],
        "not its limit, its key or its age either"
    );
    assert_eq!(commands(&harness.request(op, "MODE #x")), ["324", "329"]);
}

#[test]
fn a_secret_channel_cannot_be_distinguished_from_one_that_does_not_exist() {
    let replies = |command: &str, params: &str| {
        let mut harness = Harness::new();
        let op = harness.user("alice", "");
        let mallory = harness.user(
            "mallory",
            "batch message-tags draft/chathistory draft/metadata-3 draft/multiline \
             draft/message-redaction draft/read-marker standard-replies",
        );
        harness.channel("#Hidden", &[op]);
        harness.send(op, "MODE #hidden +s");
        harness.send(op, "TOPIC #hidden :a topic");
        harness.clear_received();
        harness.request(mallory, &format!("{command} {params}"))
    };
    let params = [
        "{}",
        "{} :text",
        "{} mallory :text",
        "{} alice",
        "{} +b",
        "{} +m",
        "{} #new",
        "{} ADD bob op",
        "{} SET url :x",
        "{} GET url",
        "{} m1 :text",
        "{} timestamp=2027-01-15T08:00:00.000Z",
        "bob {}",
        "alice {}",
        "LATEST {} * 10",
        "+a draft/multiline {}",
    ];
    let mut told = Vec::new();
    for command in crate::commands().flat_map(|command| command.names) {
        if *command == "JOIN" {
            continue;
        }
        for params in params {
            let [hidden, absent] = ["#HIDDEN", "#ABSENT"].map(|channel| {
                let replies = replies(command, &params.replace("{}", channel));
                replies.join("\n").replace(channel, "#")
            });
            if hidden != absent {
                told.push(format!("{command} {params}: {hidden:?} and {absent:?}"));
            }
        }
    }
    assert!(told.is_empty(), "{told:#?}");
}

#[test]
fn the_account_with_access_to_a_secret_channel_finds_it_from_outside() {
    let mut harness = Harness::new();
    let [op, mallory] = ["alice", "mallory"].map(|name| harness.user(name, ""));
    harness.channel("#x", &[op, mallory]);
    harness.send(op, "MODE #x +s");
    harness.send(op, "PART #x");
    assert_eq!(commands(&harness.request(op, "PART #x")), ["442"]);
    let list = harness.request(op, "ACCESS #x");
    assert!(
        list[0].contains(" ACCESS LIST #x alice founder "),
        "{list:?}"
    );
}

#[test]
fn who_is_invited_to_a_secret_channel_finds_it_from_outside() {
    let mut harness = Harness::new();
    let [op, bob] = ["alice", "bob"].map(|name| harness.user(name, ""));
    harness.channel("#x", &[op]);
    harness.send(op, "MODE #x +s");
    assert_eq!(commands(&harness.request(bob, "TOPIC #x")), ["403"]);
    harness.send(op, "INVITE bob #x");
    assert_ne!(commands(&harness.request(bob, "TOPIC #x")), ["403"]);
}

#[test]
fn a_channel_that_one_join_names_often_is_looked_at_once() {
    let mut harness = Harness::new();
    let [op, mallory] = ["alice", "mallory"].map(|name| harness.user(name, ""));
    harness.channel("#x", &[op]);
    harness.send(op, "MODE #x +b mallory");
    let often = ["#x", "#X", "#x"].repeat(50).join(",");
    let replies = harness.request(mallory, &format!("JOIN {often}"));
    assert_eq!(commands(&replies), ["474"]);
}

#[test]
fn events_count_towards_what_a_user_may_have_stored() {
    let mut harness = Harness::with(Settings {
        stored_bytes_per_day: 1000,
        ..settings()
    });
    let a = harness.user("alice", "");
    let b = harness.user("bob", "");
    harness.channel("#x", &[a, b]);
    let mut stored = 0;
    for number in 0..9 {
        harness.clear_received();
        let outputs = harness.outputs_of(a, &format!("TOPIC #x :{number}"));
        let is_stored = |output: &Output| matches!(output, Output::Store { .. });
        stored += outputs.into_iter().filter(is_stored).count();
    }
    assert_eq!(stored, 3);
    harness.send(a, "TOPIC #x :the last");
    assert!(
        find(&harness.received(b), "TOPIC").ends_with(":the last"),
        "it is sent anyway"
    );
}

#[test]
fn an_owner_can_sign_in_after_the_clock_was_wrong_while_access_ended() {
    let revoke = |harness: &mut Harness| {
        harness.event(Event::AccessRevoked {
            revoked: Revoked::Password(identity("alice").id),
            by: None,
        });
    };
    let disable = |harness: &mut Harness| {
        harness.act(end_account("alice", "disabled"));
    };
    let ends: [fn(&mut Harness); 2] = [revoke, disable];
    for end in ends {
        let mut harness = Harness::new();
        harness.advance(2 * 24 * 60 * 60);
        harness.user("alice", "");
        end(&mut harness);
        harness.advance(1 - 2 * 24 * 60 * 60);
        harness.user("bob", "");
        let sign_in_at = |seconds: i64| {
            let at = START + jiff::SignedDuration::from_secs(seconds);
            let identity = Identity {
                authenticated_at: at,
                ..identity("alice")
            };
            Harness::candidate("alice", Some(identity), "")
        };
        let is_stale = |answer: Admission| matches!(answer, Admission::Stale { .. });
        assert!(
            is_stale(harness.try_admit(sign_in_at(0)).1),
            "from before it"
        );
        let from_future = sign_in_at(2 * 24 * 60 * 60 - 1);
        assert!(
            is_stale(harness.try_admit(from_future).1),
            "from before it, by the clock that was wrong"
        );
        harness.advance(2);
        assert!(matches!(
            harness.try_admit(sign_in_at(2)).1,
            Admission::Admitted
        ));
    }
}

#[test]
fn devices_that_are_revoked_again_and_again_take_bounded_memory_and_stay_revoked() {
    let mut harness = Harness::new();
    harness.advance(10);
    for number in 0..30_000 {
        if number == 29_990 {
            harness.advance(10);
        }
        harness.event(Event::AccessRevoked {
            revoked: Revoked::Credential(CredentialId(number)),
            by: None,
        });
    }
    assert!(harness.chat.state.revoked_credentials.len() <= 10_000);
    harness.advance(10);
    let with_device = |number: i64, seconds: i64| {
        let identity = Identity {
            signed_in_with: SignedInWith::Credential(CredentialId(number)),
            authenticated_at: START + jiff::SignedDuration::from_secs(seconds),
            ..identity("alice")
        };
        Harness::candidate("alice", Some(identity), "")
    };
    for (number, seconds) in [(1, 5), (29_999, 15), (29_999, 5)] {
        let answer = harness.try_admit(with_device(number, seconds)).1;
        assert!(
            matches!(answer, Admission::Stale { .. }),
            "{number} at {seconds}"
        );
    }
    let answer = harness.try_admit(with_device(40_000, 25)).1;
    assert!(matches!(answer, Admission::Admitted));
}

#[test]
fn nobody_reads_what_was_sent_before_whatever_the_clock_does() {
    let capabilities = "draft/chathistory batch";
    let visible_since = |harness: &mut Harness, reader, channel: &str| {
        harness.send(reader, &format!("CHATHISTORY LATEST {channel} * 50"));
        match &harness.fetches.last().unwrap().query {
            HistoryQuery::Page(page) => page.since.as_millisecond(),
            other => panic!("{other:?}"),
        }
    };
    for back in [0, 3600] {
        let mut harness = Harness::new();
        let alice = harness.user("alice", capabilities);
        harness.channel("#x,#other", &[alice]);
        harness.advance(-back);
        for number in 0..9 {
            harness.send(alice, &format!("PRIVMSG #x :before {number}"));
        }
        let before = harness.entries.last().unwrap().at.as_millisecond();
        let guest = harness.guest("mallory", capabilities);
        harness.send(guest, "JOIN #x");
        assert!(visible_since(&mut harness, guest, "#x") > before);
        harness.send(alice, "PRIVMSG #x :after");
        let after = harness.entries.last().unwrap().at.as_millisecond();
        assert!(visible_since(&mut harness, guest, "#x") <= after);

        // Another channel that has the name later.
        harness.send(alice, "RENAME #x #y");
        harness.send(alice, "RENAME #other #x");
        harness.send(guest, "JOIN #x");
        assert!(visible_since(&mut harness, guest, "#x") > after);
        harness.send(alice, "RENAME #x #other");
        harness.send(alice, "RENAME #y #x");
        assert!(visible_since(&mut harness, alice, "#x") > after);
    }
}
