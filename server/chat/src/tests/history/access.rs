//! Who may read which history.

use jiff::Timestamp;

use super::super::harness::*;
use super::{CAPS, after_start, query_of};
use crate::event::{HistoryResult, Settings};
use rookery_record::{Participant, Place};

#[test]
fn members_read_from_the_creation_of_the_channel_and_guests_from_their_join() {
    for (before_join, lobby, account_since) in [
        (true, false, START),
        (true, true, Timestamp::MIN),
        (false, true, after_start(60)),
    ] {
        let settings = if lobby {
            settings_with_lobby("#x")
        } else {
            settings()
        };
        let mut harness = Harness::with(Settings {
            history_before_join: before_join,
            ..settings
        });
        let founder = harness.guest("zoe", "");
        harness.channel("#x", &[founder]);
        harness.advance(60);
        let (alice, guest) = (harness.user("alice", CAPS), harness.guest("gast", CAPS));
        harness.channel("#x", &[alice, guest]);
        assert_eq!(
            query_of(&mut harness, alice, "CHATHISTORY LATEST #x * 9").since,
            account_since
        );
        assert_eq!(
            query_of(&mut harness, guest, "CHATHISTORY LATEST #x * 9").since,
            after_start(60)
        );
        harness.advance(60);
        harness.send(guest, "PART #x");
        assert!(harness.request(guest, "CHATHISTORY LATEST #x * 9")[0].contains("INVALID_TARGET"));
        harness.channel("#x", &[guest]);
        assert_eq!(
            query_of(&mut harness, guest, "CHATHISTORY LATEST #x * 9").since,
            after_start(120)
        );
    }
}

#[test]
fn a_recreated_channel_does_not_disclose_the_history_of_the_old_one() {
    let mut harness = Harness::new();
    let a = harness.guest("gast", CAPS);
    harness.channel("#x", &[a]);
    harness.send(a, "PART #x");
    harness.advance(60);
    let b = harness.user("bob", CAPS);
    harness.channel("#x", &[b]);
    assert_eq!(
        query_of(&mut harness, b, "CHATHISTORY LATEST #x * 9").since,
        after_start(60)
    );
}

#[test]
fn a_persistent_channel_has_its_history_after_a_restart() {
    let mut harness = Harness::new();
    let a = harness.user("alice", CAPS);
    harness.channel("#x", &[a]);
    let mut harness = harness.restart(settings());
    let a = harness.user("alice", CAPS);
    harness.channel("#x", &[a]);
    assert_eq!(
        query_of(&mut harness, a, "CHATHISTORY LATEST #x * 9").since,
        START
    );
}

#[test]
fn a_renamed_channel_does_not_disclose_the_history_of_its_new_name() {
    let mut harness = Harness::new();
    let (a, guest) = (harness.user("alice", CAPS), harness.guest("gast", CAPS));
    harness.channel("#mine", &[a, guest]);
    harness.advance(60);
    harness.send(a, "RENAME #mine #theirs");
    harness.clear_received();
    for session in [a, guest] {
        assert_eq!(
            query_of(&mut harness, session, "CHATHISTORY LATEST #theirs * 9").since,
            after_start(60)
        );
    }
    harness.advance(60);
    harness.send(a, "RENAME #theirs #Theirs");
    harness.clear_received();
    assert_eq!(
        query_of(&mut harness, a, "CHATHISTORY LATEST #theirs * 9").since,
        after_start(60),
        "it is the same name"
    );
}

#[test]
fn direct_messages_are_read_by_accounts_only() {
    let mut harness = Harness::new();
    let (a, guest) = (harness.user("alice", CAPS), harness.guest("gast", CAPS));
    let (alice, bob) = (nick("alice"), nick("Bob"));
    let with = |to| Place::Direct {
        from: Participant::Account(alice.clone()),
        to,
    };
    let query = query_of(&mut harness, a, "CHATHISTORY LATEST Bob * 9");
    assert_eq!(
        query.places,
        [
            with(Participant::Account(bob.clone())),
            with(Participant::Guest(bob))
        ]
    );
    assert!(
        harness.request(guest, "CHATHISTORY LATEST alice * 9")[0]
            .contains(" INVALID_TARGET LATEST alice :")
    );
}

#[test]
fn a_user_who_has_left_before_the_page_arrives_receives_none_of_it() {
    let mut harness = Harness::new();
    let (a, guest) = (harness.user("alice", ""), harness.guest("gast", CAPS));
    harness.channel("#x", &[a, guest]);
    harness.send(a, "PRIVMSG #x :between us");
    harness.clear_received();
    let entries = harness.entries.clone();
    harness.advance(60);

    harness.send(guest, "CHATHISTORY LATEST #x * 9");
    harness.send(a, "KICK #x gast");
    harness.clear_received();
    harness.answer_fetch(HistoryResult::Page(entries.clone()));
    let received = harness.received(guest);
    assert!(
        received.len() == 1 && received[0].contains("FAIL CHATHISTORY INVALID_TARGET LATEST #x"),
        "{received:?}"
    );

    harness.channel("#x", &[guest]);
    harness.send(guest, "CHATHISTORY LATEST #x * 9");
    harness.answer_fetch(HistoryResult::Page(entries));
    assert_eq!(
        commands(&harness.received(guest)),
        ["BATCH", "BATCH"],
        "the messages are older than its second join"
    );
}
