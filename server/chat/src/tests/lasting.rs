//! Channels that last: what is handed over to be kept, and what comes back.

use std::collections::BTreeMap;

use rookery_protocol::ChannelName;

use super::play::*;
use crate::event::{SessionId, Settings};
use crate::request::{CloseChannel, Count, Counts, Emptied};
use rookery_record::{Change, ChatSnapshot, PersistentChannel};

/// What the changes so far leave in the record.
pub fn restored(kept: &[Change]) -> ChatSnapshot {
    let mut channels: BTreeMap<ChannelName, PersistentChannel> = BTreeMap::new();
    let (mut devices, mut markers) = (BTreeMap::new(), BTreeMap::new());
    let (mut always_on, mut presences) = (BTreeMap::new(), BTreeMap::new());
    let mut said = BTreeMap::new();
    for change in kept {
        match change {
            Change::Channel(channel) => {
                drop(channels.insert(channel.name.clone(), channel.clone()))
            }
            Change::ChannelGone(name) => drop(channels.remove(name)),
            Change::AccountMetadata { account, metadata } if metadata.is_empty() => {
                drop(said.remove(account));
            }
            Change::AccountMetadata { account, metadata } => {
                drop(said.insert(account.clone(), metadata.clone()));
            }
            Change::Device(mark) => drop(devices.insert(mark.device, mark.heard_until)),
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
                drop(presences.insert(presence.account, presence.clone()))
            }
            Change::PresenceGone(account) => drop(presences.remove(account)),
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

/// The channels that what was kept is about.
fn of_channels(play: &Play) -> Vec<&str> {
    let name = |change| match change {
        &Change::Channel(PersistentChannel { ref name, .. }) | &Change::ChannelGone(ref name) => {
            Some(name.as_str())
        }
        _ => None,
    };
    play.kept.iter().filter_map(name).collect()
}

/// The chat after a restart, with nobody in it.
fn restart(play: &Play) -> Play {
    let mut next = Play::restored(settings(), Vec::new(), restored(&play.kept));
    next.now = play.now;
    next.wait(60);
    next
}

fn count(play: &mut Play) -> usize {
    let ticket = play.act(Count);
    match play.answer(ticket) {
        Some(Counts { channels, .. }) => channels,
        other => panic!("{other:?}"),
    }
}

fn furnished() -> (Play, SessionId) {
    let mut play = Play::new();
    let op = play.user("op", "");
    play.channel("#X", &[op]);
    for line in [
        "TOPIC #x :what it is about",
        "MODE #x +imsC-tn",
        "MODE #x +kl sesame 7",
        "MODE #x +bbeI bad!*@* ~m:~a:Loud good!*@* ~a:guest",
    ] {
        play.wait(1);
        play.send(op, line);
    }
    (play, op)
}

#[test]
fn all_that_the_founder_made_of_a_channel_is_there_after_a_restart() {
    let (mut play, op) = furnished();
    let asked = ["MODE #x", "TOPIC #x", "MODE #x b", "MODE #x e", "MODE #x I"];
    let before: Vec<_> = asked.iter().map(|line| play.ask(op, line)).collect();
    assert_eq!(before[0][0], ":irc.test 324 op #X +Cimskl sesame 7");
    assert_eq!(
        before.iter().map(Vec::len).sum::<usize>(),
        2 + 2 + 3 + 2 + 2
    );
    let mut next = restart(&play);
    let op = next.user("op", "");
    let heard = next.ask(op, "JOIN #x");
    assert_eq!(
        commands(&heard),
        ["JOIN", "332", "333", "353", "366", "MODE"],
        "no key and no invitation needed"
    );
    assert_eq!(find(&heard, "353"), ":irc.test 353 op @ #X :~op");
    let after: Vec<_> = asked.iter().map(|line| next.ask(op, line)).collect();
    assert_eq!(before, after);
    assert_eq!(of_channels(&next), [""; 0], "nothing has changed");
}

#[test]
fn a_change_is_kept_before_it_is_shown() {
    use crate::event::{Event, Output};
    use rookery_protocol::Message;

    let mut play = Play::new();
    let op = play.user("op", "");
    play.channel("#x", &[op]);
    for line in [
        "TOPIC #x :new",
        "MODE #x +m",
        "MODE #x +b bad",
        "RENAME #x #y",
        "JOIN #z",
    ] {
        let mut out = Vec::new();
        let message = Message::parse(line).unwrap();
        play.chat.handle(
            play.now,
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
fn a_channel_that_is_owned_stays_when_all_have_left_and_one_that_is_not_goes() {
    let mut play = Play::new();
    let (op, guest) = (play.user("op", ""), play.guest("gus", ""));
    play.channel("#owned", &[op, guest]);
    play.channel("#free", &[guest, op]);
    play.send(op, "TOPIC #owned :still here");
    play.send(op, "JOIN 0");
    play.send(guest, "JOIN 0");
    assert_eq!(count(&mut play), 1);
    let other = play.user("other", "");
    assert_eq!(commands(&play.ask(other, "LIST")), ["321", "322", "323"]);
    assert_eq!(
        find(&play.ask(other, "LIST"), "322"),
        ":irc.test 322 other #owned 0 :still here"
    );
    assert_eq!(
        find(&play.ask(other, "JOIN #owned"), "353"),
        ":irc.test 353 other = #owned :other"
    );
    assert_eq!(
        find(&play.ask(other, "JOIN #free"), "353"),
        ":irc.test 353 other = #free :~other"
    );
    let names = restored(&play.kept)
        .channels
        .into_iter()
        .map(|channel| channel.name.to_string());
    assert_eq!(
        names.collect::<Vec<_>>(),
        ["#free", "#owned"],
        "one made anew belongs to who made it"
    );
}

#[test]
fn a_founder_who_comes_back_is_an_operator_before_all_eyes() {
    let mut play = Play::new();
    let (op, bob) = (play.user("op", ""), play.user("bob", ""));
    play.channel("#x", &[op, bob]);
    play.send(op, "PART #x");
    play.forget();
    play.send(op, "JOIN #x");
    assert_eq!(commands(&play.heard(bob)), ["JOIN", "MODE"]);
    assert!(play.ask(op, "MODE #x +m")[0].ends_with("MODE #x +m"));
    play.send(bob, "PART #x");
    play.forget();
    play.send(bob, "JOIN #x");
    assert_eq!(commands(&play.heard(op)), ["JOIN"]);
}

#[test]
fn nothing_of_guests_and_lobbies_is_kept() {
    let lobby = || Settings {
        lobby: vec!["#lobby".parse().unwrap()],
        ..settings()
    };
    let mut play = Play::with(lobby());
    let (a, guest) = (play.user("alice", ""), play.guest("gus", ""));
    play.channel("#x", &[guest]);
    for (session, line) in [
        (a, "TOPIC #lobby :mine"),
        (guest, "MODE #x +m"),
        (guest, "RENAME #x #y"),
    ] {
        play.send(session, line);
    }
    assert_eq!(of_channels(&play), [""; 0]);
    let kept = furnished().0.kept;
    let mut restored = restored(&kept);
    restored.channels[0].name = "#lobby".parse().unwrap();
    let mut play = Play::restored(lobby(), Vec::new(), restored);
    let op = play.user("op", "");
    assert_eq!(
        play.ask(op, "MODE #lobby")[0],
        ":irc.test 324 op #lobby +n",
        "a lobby is everyone's"
    );
}

#[test]
fn a_new_name_takes_the_place_of_the_old_one() {
    let (mut play, op) = furnished();
    play.wait(60);
    play.send(op, "RENAME #x #y");
    let kept = restored(&play.kept).channels;
    let [channel] = kept.as_slice() else {
        panic!("{kept:?}")
    };
    assert_eq!((channel.name.as_str(), channel.named_at), ("#y", play.now));
    assert_eq!(channel.lists.len(), 4);
    play.send(op, "RENAME #y #Y");
    assert_eq!(restored(&play.kept).channels[0].name.as_str(), "#Y");
}

#[test]
fn a_channel_that_an_operator_of_the_server_closes_is_forgotten() {
    let (mut play, op) = furnished();
    let name = || "#x".parse().unwrap();
    let ticket = play.act(CloseChannel {
        name: name(),
        reason: "spam".to_owned(),
    });
    assert!(matches!(play.answer(ticket), Some(Emptied { members }) if members.len() == 1));
    assert_eq!(restored(&play.kept).channels, []);
    assert_eq!(count(&mut play), 0);
    assert!(
        play.chat
            .state
            .user(play.chat.state.user_of(op).unwrap())
            .channels()
            .is_empty()
    );
    play.send(op, "JOIN #x");
    play.send(op, "PART #x");
    let ticket = play.act(CloseChannel {
        name: name(),
        reason: "spam".to_owned(),
    });
    assert!(matches!(play.answer(ticket), Some(Emptied { members }) if members.is_empty()));
    assert_eq!(restored(&play.kept).channels, [], "nobody need be in it");
}

#[test]
fn what_this_server_does_not_know_of_a_kept_channel_is_left_out() {
    let mut restored = restored(&furnished().0.kept);
    restored.channels[0].modes.push('Q');
    restored.channels[0].lists[0].list = 'Z';
    restored.channels[0].lists[1].mask = "~z:what".to_owned();
    let mut play = Play::restored(settings(), Vec::new(), restored);
    let op = play.user("op", "");
    play.send(op, "JOIN #x");
    assert_eq!(commands(&play.ask(op, "MODE #x b")), ["368"]);
    assert_eq!(commands(&play.ask(op, "MODE #x e")), ["348", "349"]);
}
