//! Persistent channels: what is persisted, and what is restored.

use super::harness::*;
use crate::event::{Output, SessionId};
use crate::request::ClosedChannel;
use rookery_record::{Change, PersistentChannel};

/// Returns the channels in the persisted changes, by name.
fn changed_channels(harness: &Harness) -> Vec<&str> {
    let name = |change| match change {
        &Change::Channel(PersistentChannel { ref name, .. })
        | &Change::ChannelRemoved(ref name) => Some(name.as_str()),
        _ => None,
    };
    harness.persisted.iter().filter_map(name).collect()
}

/// Returns a chat in which an account has created a channel and set everything that it can.
fn configured() -> (Harness, SessionId) {
    let mut harness = Harness::new();
    let op = harness.user("op", "");
    harness.channel("#X", &[op]);
    for line in [
        "TOPIC #x :what it is about",
        "MODE #x +imsC-tn",
        "MODE #x +kl sesame 7",
        "MODE #x +bbeI bad!*@* ~m:~a:Loud good!*@* ~a:guest",
    ] {
        harness.advance(1);
        harness.send(op, line);
    }
    (harness, op)
}

#[test]
fn everything_the_founder_set_survives_a_restart() {
    let (mut harness, op) = configured();
    let queries = ["MODE #x", "TOPIC #x", "MODE #x b", "MODE #x e", "MODE #x I"];
    let before: Vec<_> = queries
        .iter()
        .map(|line| harness.request(op, line))
        .collect();
    assert_eq!(before[0][0], ":irc.test 324 op #X +Cimskl sesame 7");
    assert_eq!(
        before.iter().map(Vec::len).sum::<usize>(),
        2 + 2 + 3 + 2 + 2
    );
    let mut next = harness.restart(settings());
    let op = next.user("op", "");
    let received = next.request(op, "JOIN #x");
    assert_eq!(
        commands(&received),
        ["JOIN", "332", "333", "353", "366", "MODE"],
        "the founder needs no key and no invitation"
    );
    assert_eq!(find(&received, "353"), ":irc.test 353 op @ #X :~op");
    let after: Vec<_> = queries.iter().map(|line| next.request(op, line)).collect();
    assert_eq!(before, after);
    assert_eq!(changed_channels(&next), [""; 0], "nothing has changed");
}

#[test]
fn a_change_is_persisted_before_it_is_delivered() {
    let mut harness = Harness::new();
    let op = harness.user("op", "");
    harness.channel("#x", &[op]);
    for line in [
        "TOPIC #x :new",
        "MODE #x +m",
        "MODE #x +b bad",
        "RENAME #x #y",
        "JOIN #z",
    ] {
        let outputs = harness.outputs_of(op, line);
        assert!(
            matches!(outputs[0], Output::Persist(_)),
            "{line}: {outputs:?}"
        );
    }
}

#[test]
fn an_empty_channel_is_removed_unless_it_is_owned() {
    let mut harness = Harness::new();
    let (op, guest) = (harness.user("op", ""), harness.guest("gus", ""));
    harness.channel("#owned", &[op, guest]);
    harness.channel("#free", &[guest, op]);
    harness.send(op, "TOPIC #owned :still here");
    harness.send(op, "JOIN 0");
    harness.send(guest, "JOIN 0");
    assert_eq!(harness.counts().channels, 1);
    let other = harness.user("other", "");
    assert_eq!(
        commands(&harness.request(other, "LIST")),
        ["321", "322", "323"]
    );
    assert_eq!(
        find(&harness.request(other, "LIST"), "322"),
        ":irc.test 322 other #owned 0 :still here"
    );
    assert_eq!(
        find(&harness.request(other, "JOIN #owned"), "353"),
        ":irc.test 353 other = #owned :other"
    );
    assert_eq!(
        find(&harness.request(other, "JOIN #free"), "353"),
        ":irc.test 353 other = #free :~other"
    );
    let names = harness
        .snapshot()
        .channels
        .into_iter()
        .map(|channel| channel.name.to_string());
    assert_eq!(
        names.collect::<Vec<_>>(),
        ["#free", "#owned"],
        "a channel that is created again belongs to its creator"
    );
}

#[test]
fn members_see_that_a_returning_founder_is_operator() {
    let mut harness = Harness::new();
    let (op, bob) = (harness.user("op", ""), harness.user("bob", ""));
    harness.channel("#x", &[op, bob]);
    harness.send(op, "PART #x");
    harness.clear_received();
    harness.send(op, "JOIN #x");
    assert_eq!(commands(&harness.received(bob)), ["JOIN", "MODE"]);
    assert!(harness.request(op, "MODE #x +m")[0].ends_with("MODE #x +m"));
    harness.send(bob, "PART #x");
    harness.clear_received();
    harness.send(bob, "JOIN #x");
    assert_eq!(commands(&harness.received(op)), ["JOIN"]);
}

#[test]
fn channels_of_guests_and_lobbies_are_not_persisted() {
    let mut harness = Harness::with(settings_with_lobby("#lobby"));
    let (a, guest) = (harness.user("alice", ""), harness.guest("gus", ""));
    harness.channel("#x", &[guest]);
    for (session, line) in [
        (a, "TOPIC #lobby :mine"),
        (guest, "MODE #x +m"),
        (guest, "RENAME #x #y"),
    ] {
        harness.send(session, line);
    }
    assert_eq!(changed_channels(&harness), [""; 0]);
    let mut snapshot = configured().0.snapshot();
    snapshot.channels[0].name = "#lobby".parse().unwrap();
    let settings = settings_with_lobby("#lobby");
    let mut harness = Harness::restored(settings, Vec::new(), snapshot);
    let op = harness.user("op", "");
    assert_eq!(
        harness.request(op, "MODE #lobby")[0],
        ":irc.test 324 op #lobby +n",
        "a lobby has no owner"
    );
}

#[test]
fn a_rename_is_persisted() {
    let (mut harness, op) = configured();
    harness.advance(60);
    harness.send(op, "RENAME #x #y");
    let channels = harness.snapshot().channels;
    let [channel] = channels.as_slice() else {
        panic!("{channels:?}")
    };
    assert_eq!(
        (channel.name.as_str(), channel.named_at),
        ("#y", harness.now)
    );
    assert_eq!(channel.lists.len(), 4);
    harness.send(op, "RENAME #y #Y");
    assert_eq!(harness.snapshot().channels[0].name.as_str(), "#Y");
}

#[test]
fn a_channel_that_an_admin_closes_is_no_longer_persisted() {
    let (mut harness, op) = configured();
    let ClosedChannel { members } = harness.reply_to(close_channel("#x", "spam"));
    assert_eq!(members.len(), 1);
    assert_eq!(harness.snapshot().channels, []);
    assert_eq!(harness.counts().channels, 0);
    assert!(
        harness
            .chat
            .state
            .user(harness.chat.state.user_of(op).unwrap())
            .channels()
            .is_empty()
    );
    harness.send(op, "JOIN #x");
    harness.send(op, "PART #x");
    let ClosedChannel { members } = harness.reply_to(close_channel("#x", "spam"));
    assert!(members.is_empty());
    assert_eq!(
        harness.snapshot().channels,
        [],
        "a channel without members is closed, too"
    );
}

#[test]
fn unknown_parts_of_a_persistent_channel_are_ignored() {
    let mut snapshot = configured().0.snapshot();
    snapshot.channels[0].modes.push('Q');
    snapshot.channels[0].lists[0].list = 'Z';
    snapshot.channels[0].lists[1].mask = "~z:unknown".to_owned();
    let mut harness = Harness::restored(settings(), Vec::new(), snapshot);
    let op = harness.user("op", "");
    harness.send(op, "JOIN #x");
    assert_eq!(commands(&harness.request(op, "MODE #x b")), ["368"]);
    assert_eq!(commands(&harness.request(op, "MODE #x e")), ["348", "349"]);
}

#[test]
fn a_channel_from_before_names_were_checked_is_joined_and_renamed() {
    let mut snapshot = configured().0.snapshot();
    snapshot.channels[0].name = "#\u{323}x".parse().unwrap();
    let mut harness = Harness::restored(settings(), Vec::new(), snapshot);
    let op = harness.user("op", "draft/channel-rename");
    let joined = harness.request(op, "JOIN #\u{323}X");
    assert!(joined[0].ends_with(" JOIN #\u{323}x"), "{joined:?}");
    let mut old = "#\u{323}x";
    for new in ["#\u{323}X", "#x", "#\u{323}x"] {
        let renamed = harness.request(op, &format!("RENAME {old} {new}"));
        let done = format!(" RENAME {old} {new} ");
        assert!(renamed[0].contains(&done), "{renamed:?}");
        old = new;
    }
}
