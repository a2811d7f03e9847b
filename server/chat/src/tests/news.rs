//! What whoever watches the server is told.

use std::borrow::Cow;

use rookery_control_api::{DisconnectReason, ServerEvent};
use rookery_protocol::Nick;

use super::play::*;
use crate::event::{Disconnect, Event};
use crate::request::{AddBan, CloseChannel, EndAccount, EndAll, Kick, KickTarget};
use rookery_record::AccountId;

/// How the users went, in order.
fn why(play: &mut Play) -> Vec<(String, DisconnectReason)> {
    let went = |what| match what {
        ServerEvent::UserDisconnected {
            nick, reason: why, ..
        } => Some((nick, why)),
        _ => None,
    };
    std::mem::take(&mut play.news)
        .into_iter()
        .filter_map(went)
        .collect()
}

#[test]
fn users_come_and_go_once_however_many_sessions_they_have() {
    let mut play = Play::new();
    let first = play.user("alice", "");
    let came = ServerEvent::UserConnected {
        nick: "alice".to_owned(),
        account: Some("alice".to_owned()),
        address: "192.0.2.1:50000".to_owned(),
    };
    assert_eq!(std::mem::take(&mut play.news), [came]);
    let second = play.user("alice", "");
    play.gone(first);
    assert_eq!(play.news, []);
    play.gone(second);
    let went = |why| ServerEvent::UserDisconnected {
        nick: "alice".to_owned(),
        account: Some("alice".to_owned()),
        reason: why,
    };
    assert_eq!(play.news, [went(DisconnectReason::ConnectionLost)]);
}

#[test]
fn how_a_user_went_is_told() {
    let mut play = Play::new();
    for (why, words) in [
        (DisconnectReason::PingTimeout, "Ping timeout"),
        (DisconnectReason::SendqExceeded, "SendQ exceeded"),
    ] {
        let session = play.user("alice", "");
        play.event(Event::Gone {
            session,
            disconnect: Disconnect {
                why,
                words: Cow::Borrowed(words),
            },
            lost: true,
        });
    }
    let quitter = play.user("alice", "");
    play.send(quitter, "QUIT :SendQ exceeded");
    play.user("alice", "");
    play.act(Kick {
        target: KickTarget::User(Nick::parse("alice").unwrap()),
        reason: "loud".to_owned(),
    });
    play.user("bob", "");
    play.act(AddBan(ban(1, "bob", "spam")));
    play.user("carl", "");
    play.act(EndAccount {
        account: identity("carl").id,
        reason: "moved".to_owned(),
    });
    assert_ne!(identity("carl").id, AccountId(0));
    play.user("dora", "");
    play.act(EndAll {
        reason: "over".to_owned(),
    });
    let told = why(&mut play);
    let told: Vec<_> = told
        .iter()
        .map(|(nick, why)| (nick.as_str(), *why))
        .collect();
    assert_eq!(
        told,
        [
            ("alice", DisconnectReason::PingTimeout),
            ("alice", DisconnectReason::SendqExceeded),
            ("alice", DisconnectReason::Quit),
            ("alice", DisconnectReason::Kicked),
            ("bob", DisconnectReason::Banned),
            ("carl", DisconnectReason::AccountEnded),
            ("dora", DisconnectReason::ServerStopping),
        ]
    );
}

#[test]
fn a_guest_who_signs_in_is_renamed_or_joins_its_accounts_user() {
    let mut play = Play::new();
    let guest = play.guest("gus", "");
    play.news.clear();
    play.sign_in(guest, identity("alice"));
    let renamed = ServerEvent::UserRenamed {
        nick: "alice".to_owned(),
        previous_nick: "gus".to_owned(),
    };
    assert_eq!(std::mem::take(&mut play.news), [renamed]);
    let guest = play.guest("hal", "");
    play.news.clear();
    play.sign_in(guest, identity("alice"));
    assert_eq!(
        why(&mut play),
        [("hal".to_owned(), DisconnectReason::SignedIn)]
    );
}

#[test]
fn channels_come_and_go() {
    let mut play = Play::new();
    let gus = play.guest("gus", "");
    let hal = play.guest("hal", "");
    play.news.clear();
    play.channel("#a", &[gus, hal]);
    let made = |by: &str| ServerEvent::ChannelCreated {
        channel: "#a".to_owned(),
        by: by.to_owned(),
    };
    assert_eq!(std::mem::take(&mut play.news), [made("gus")]);
    play.send(gus, "PRIVMSG #a :a secret");
    play.send(gus, "PART #a :a secret");
    assert_eq!(play.news, []);
    play.gone(hal);
    let gone = ServerEvent::ChannelRemoved {
        channel: "#a".to_owned(),
    };
    assert_eq!(std::mem::take(&mut play.news)[0], gone);

    // That of an account lasts until it is closed.
    let alice = play.user("alice", "");
    play.news.clear();
    play.channel("#a", &[alice]);
    assert_eq!(std::mem::take(&mut play.news), [made("alice")]);
    play.send(alice, "PART #a");
    assert_eq!(play.news, []);
    let name = rookery_protocol::ChannelName::parse("#a").unwrap();
    play.act(CloseChannel {
        name,
        reason: "over".to_owned(),
    });
    assert_eq!(play.news, [gone]);
}
