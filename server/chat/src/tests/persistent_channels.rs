//! Persistent channels: what is persisted, and what is restored.

use std::collections::BTreeMap;

use rookery_protocol::ChannelName;

use super::harness::*;
use crate::event::{SessionId, Settings};
use crate::request::{CloseChannel, ClosedChannel, Count, Counts};
use rookery_record::{Change, ChatSnapshot, PersistentChannel};

/// Returns the snapshot that results from the changes so far.
pub fn restored(changes: &[Change]) -> ChatSnapshot {
    let mut channels: BTreeMap<ChannelName, PersistentChannel> = BTreeMap::new();
    let (mut devices, mut markers) = (BTreeMap::new(), BTreeMap::new());
    let (mut always_on, mut presences) = (BTreeMap::new(), BTreeMap::new());
    let mut said = BTreeMap::new();
    for change in changes {
        match change {
            Change::Channel(channel) => {
                drop(channels.insert(channel.name.clone(), channel.clone()));
            }
            Change::ChannelRemoved(name) => drop(channels.remove(name)),
            Change::AccountMetadata { account, metadata } if metadata.is_empty() => {
                drop(said.remove(account));
            }
            Change::AccountMetadata { account, metadata } => {
                drop(said.insert(account.clone(), metadata.clone()));
            }
            Change::Device(mark) => drop(devices.insert(mark.device, mark.received_until)),
            Change::ReadMarker {
                account,
                target,
                read_until: Some(at),
            } => {
                markers.insert((*account, target.clone()), *at);
            }
            Change::ReadMarker {
                account,
                target,
                read_until: None,
            } => {
                markers.remove(&(*account, target.clone()));
            }
            Change::AlwaysOn(account, Some(choice)) => drop(always_on.insert(*account, *choice)),
            Change::AlwaysOn(account, None) => drop(always_on.remove(account)),
            Change::Presence(presence) => {
                drop(presences.insert(presence.account, presence.clone()));
            }
            Change::PresenceRemoved(account) => drop(presences.remove(account)),
        }
    }
    ChatSnapshot {
        channels: channels.into_values().collect(),
        metadata: said.into_iter().collect(),
        devices: devices.into_iter().collect(),
        read_markers: markers
            .into_iter()
            .map(|((account, target), at)| (account, target, at))
            .collect(),
        always_on: always_on.into_iter().collect(),
        presences: presences.into_values().collect(),
    }
}

/// Returns the names of the channels in the persisted changes.
fn of_channels(harness: &Harness) -> Vec<&str> {
    let name = |change| match change {
        &Change::Channel(PersistentChannel { ref name, .. })
        | &Change::ChannelRemoved(ref name) => Some(name.as_str()),
        _ => None,
    };
    harness.persisted.iter().filter_map(name).collect()
}

/// Returns the chat after a restart, without sessions.
fn restart(harness: &Harness) -> Harness {
    let mut next = Harness::restored(settings(), Vec::new(), restored(&harness.persisted));
    next.now = harness.now;
    next.advance(60);
    next
}

fn count(harness: &mut Harness) -> usize {
    let ticket = harness.act(Count);
    match harness.answer(ticket) {
        Some(Counts { channels, .. }) => channels,
        other => panic!("{other:?}"),
    }
}

fn furnished() -> (Harness, SessionId) {
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
    let (mut harness, op) = furnished();
    let asked = ["MODE #x", "TOPIC #x", "MODE #x b", "MODE #x e", "MODE #x I"];
    let before: Vec<_> = asked.iter().map(|line| harness.request(op, line)).collect();
    assert_eq!(before[0][0], ":irc.test 324 op #X +Cimskl sesame 7");
    assert_eq!(
        before.iter().map(Vec::len).sum::<usize>(),
        2 + 2 + 3 + 2 + 2
    );
    let mut next = restart(&harness);
    let op = next.user("op", "");
    let received = next.request(op, "JOIN #x");
    assert_eq!(
        commands(&received),
        ["JOIN", "332", "333", "353", "366", "MODE"],
        "no key and no invitation needed"
    );
    assert_eq!(find(&received, "353"), ":irc.test 353 op @ #X :~op");
    let after: Vec<_> = asked.iter().map(|line| next.request(op, line)).collect();
    assert_eq!(before, after);
    assert_eq!(of_channels(&next), [""; 0], "nothing has changed");
}

#[test]
fn a_change_is_persisted_before_it_is_delivered() {
    use crate::event::{Event, Output};
    use rookery_protocol::Message;

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
        let mut out = Vec::new();
        let message = Message::parse(line).unwrap();
        harness.chat.handle(
            harness.now,
            Event::Command {
                session: op,
                message,
            },
            &mut out,
        );
        assert!(matches!(out[0], Output::Persist(_)), "{line}: {out:?}");
    }
}

#[test]
fn an_owned_channel_stays_when_it_is_empty_and_another_is_removed() {
    let mut harness = Harness::new();
    let (op, guest) = (harness.user("op", ""), harness.guest("gus", ""));
    harness.channel("#owned", &[op, guest]);
    harness.channel("#free", &[guest, op]);
    harness.send(op, "TOPIC #owned :still here");
    harness.send(op, "JOIN 0");
    harness.send(guest, "JOIN 0");
    assert_eq!(count(&mut harness), 1);
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
    let names = restored(&harness.persisted)
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
fn a_returning_founder_is_made_operator_visibly() {
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
fn guests_and_lobbies_are_not_persisted() {
    let lobby = || Settings {
        lobby: vec!["#lobby".parse().unwrap()],
        ..settings()
    };
    let mut harness = Harness::with(lobby());
    let (a, guest) = (harness.user("alice", ""), harness.guest("gus", ""));
    harness.channel("#x", &[guest]);
    for (session, line) in [
        (a, "TOPIC #lobby :mine"),
        (guest, "MODE #x +m"),
        (guest, "RENAME #x #y"),
    ] {
        harness.send(session, line);
    }
    assert_eq!(of_channels(&harness), [""; 0]);
    let changes = furnished().0.persisted;
    let mut restored = restored(&changes);
    restored.channels[0].name = "#lobby".parse().unwrap();
    let mut harness = Harness::restored(lobby(), Vec::new(), restored);
    let op = harness.user("op", "");
    assert_eq!(
        harness.request(op, "MODE #lobby")[0],
        ":irc.test 324 op #lobby +n",
        "a lobby has no owner"
    );
}

#[test]
fn a_rename_is_persisted() {
    let (mut harness, op) = furnished();
    harness.advance(60);
    harness.send(op, "RENAME #x #y");
    let channels = restored(&harness.persisted).channels;
    let [channel] = channels.as_slice() else {
        panic!("{channels:?}")
    };
    assert_eq!(
        (channel.name.as_str(), channel.named_at),
        ("#y", harness.now)
    );
    assert_eq!(channel.lists.len(), 4);
    harness.send(op, "RENAME #y #Y");
    assert_eq!(restored(&harness.persisted).channels[0].name.as_str(), "#Y");
}

#[test]
fn a_channel_that_an_operator_of_the_server_closes_is_forgotten() {
    let (mut harness, op) = furnished();
    let name = || "#x".parse().unwrap();
    let ticket = harness.act(CloseChannel {
        name: name(),
        reason: "spam".to_owned(),
    });
    assert!(
        matches!(harness.answer(ticket), Some(ClosedChannel { members }) if members.len() == 1)
    );
    assert_eq!(restored(&harness.persisted).channels, []);
    assert_eq!(count(&mut harness), 0);
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
    let ticket = harness.act(CloseChannel {
        name: name(),
        reason: "spam".to_owned(),
    });
    assert!(
        matches!(harness.answer(ticket), Some(ClosedChannel { members }) if members.is_empty())
    );
    assert_eq!(
        restored(&harness.persisted).channels,
        [],
        "nobody needs to be in it"
    );
}

#[test]
fn unknown_parts_of_a_persistent_channel_are_ignored() {
    let mut restored = restored(&furnished().0.persisted);
    restored.channels[0].modes.push('Q');
    restored.channels[0].lists[0].list = 'Z';
    restored.channels[0].lists[1].mask = "~z:what".to_owned();
    let mut harness = Harness::restored(settings(), Vec::new(), restored);
    let op = harness.user("op", "");
    harness.send(op, "JOIN #x");
    assert_eq!(commands(&harness.request(op, "MODE #x b")), ["368"]);
    assert_eq!(commands(&harness.request(op, "MODE #x e")), ["348", "349"]);
}
