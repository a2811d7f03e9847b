//! The former names of channels that were renamed.

use super::harness::*;
use crate::event::SessionId;

/// Returns a chat in which a founder has renamed `#team` to `#board`, and another user.
fn renamed() -> (Harness, SessionId, SessionId) {
    let mut harness = Harness::new();
    let founder = harness.user("founder", "");
    harness.channel("#Team", &[founder]);
    harness.send(founder, "RENAME #team #board");
    let other = harness.user("other", "");
    (harness, founder, other)
}

/// Returns the channel that the user is in after `JOIN`; empty if it is in none.
fn joined(harness: &mut Harness, session: SessionId, channel: &str) -> String {
    harness.send(session, "JOIN 0");
    let received = harness.request(session, &format!("JOIN {channel}"));
    let join = received.iter().find_map(|line| line.split_once(" JOIN "));
    join.map(|(_, name)| name.to_owned()).unwrap_or_default()
}

#[test]
fn who_joins_a_former_name_is_forwarded_to_the_channel() {
    let (mut harness, founder, other) = renamed();
    harness.send(founder, "MODE #board +k key");
    let forwarded = ":irc.test 470 other #team #board :#team was renamed to #board";
    let received = harness.request(other, "JOIN #team");
    assert_eq!(commands(&received), ["470", "475"]);
    assert_eq!(received[0], forwarded);
    let received = harness.request(other, "@label=1 JOIN #team key");
    assert_eq!(received[0], forwarded);
    assert_eq!(received[1], ":other!~other@users.irc.test JOIN #board");

    let knows = harness.user("knows", "draft/channel-rename");
    assert_eq!(
        harness.request(knows, "JOIN #team,#board key,key")[..2],
        [
            ":irc.test FAIL JOIN CHANNEL_RENAMED #team #board :#team was renamed to #board",
            ":knows!~knows@users.irc.test JOIN #board",
        ]
    );
    assert_eq!(harness.counts().channels, 1, "nobody has created #team");
}

#[test]
fn nothing_that_is_sent_to_a_former_name_arrives_anywhere() {
    let (mut harness, founder, other) = renamed();
    harness.send(founder, "MODE #board -n");
    let refused = |target: &str| {
        [format!(
            ":irc.test 403 other {target} :{target} was renamed to #board"
        )]
    };
    harness.clear_received();
    let stored = harness.entries.len();
    for line in ["PRIVMSG #TEAM :secret", "TOPIC #TEAM :secret"] {
        assert_eq!(harness.request(other, line), refused("#TEAM"));
    }
    for line in ["PART #team", "MODE #team", "INVITE founder #team"] {
        assert_eq!(harness.request(other, line), refused("#team"));
    }
    assert_eq!(harness.request(other, "TAGMSG @#team"), refused("@#team"));
    assert_eq!(harness.request(other, "NOTICE #team :secret"), [""; 0]);
    assert_eq!(harness.received(founder), [""; 0]);
    assert_eq!(harness.entries.len(), stored);
    let knows = harness.user("knows", "draft/channel-rename");
    assert_eq!(
        harness.request(knows, "PRIVMSG #team :secret"),
        [":irc.test FAIL PRIVMSG CHANNEL_RENAMED #team #board :#team was renamed to #board"]
    );
}

#[test]
fn former_names_lead_to_the_latest_name_also_after_a_restart() {
    let (mut harness, founder, _) = renamed();
    for name in ["#third", "#Board", "#fourth"] {
        let now = harness
            .chat
            .state
            .user(harness.chat.state.user_of(founder).unwrap());
        let line = format!("RENAME {} {name}", now.channels()[0]);
        harness.send(founder, &line);
    }
    let mut harness = harness.restart(settings());
    let other = harness.user("other", "");
    for former in ["#team", "#board", "#third"] {
        assert_eq!(joined(&mut harness, other, former), "#fourth");
    }
    let founder = harness.user("founder", "");
    harness.send(founder, "JOIN #fourth");
    harness.send(founder, "RENAME #fourth #team");
    assert_eq!(joined(&mut harness, other, "#team"), "#team");
    assert_eq!(joined(&mut harness, other, "#fourth"), "#team");
}

#[test]
fn a_former_name_is_free_once_the_channel_is_removed() {
    let (mut harness, _, other) = renamed();
    harness.reply_to(close_channel("#board", "over"));
    assert_eq!(joined(&mut harness, other, "#team"), "#team");
}

#[test]
fn a_channel_without_an_owner_reserves_no_name() {
    let mut harness = Harness::new();
    let guest = harness.guest("guest", "");
    harness.channel("#brief", &[guest]);
    harness.send(guest, "RENAME #brief #long");
    assert_eq!(joined(&mut harness, guest, "#brief"), "#brief");
}

#[test]
fn former_names_are_free_once_the_founder_gives_the_channel_up() {
    let (mut harness, founder, other) = renamed();
    harness.send(founder, "MODE #board -q founder");
    assert_eq!(joined(&mut harness, other, "#team"), "#team");
}

#[test]
fn only_the_founder_can_use_a_former_name_for_another_channel() {
    let (mut harness, founder, other) = renamed();
    harness.channel("#theirs", &[other]);
    assert_eq!(
        harness.request(other, "RENAME #theirs #team"),
        [":irc.test FAIL RENAME CHANNEL_NAME_IN_USE #theirs #team \
             :That name is reserved for a channel that was renamed"]
    );
    harness.channel("#new", &[founder]);
    harness.send(founder, "RENAME #new #team");
    for mut harness in [harness.restart(settings()), harness] {
        let other = harness.user("another", "");
        assert_eq!(joined(&mut harness, other, "#team"), "#team");
        assert_eq!(joined(&mut harness, other, "#new"), "#team");
    }
}

#[test]
fn a_secret_channel_is_not_disclosed_under_its_former_name() {
    let (mut harness, founder, other) = renamed();
    harness.send(founder, "MODE #board +s");
    let text = "Cannot join channel (the name is reserved for a channel that was renamed)";
    assert_eq!(
        harness.request(other, "JOIN #team"),
        [format!(":irc.test 437 other #team :{text}")]
    );
    for line in ["PRIVMSG #team :hello", "TOPIC #team"] {
        assert_eq!(
            harness.request(other, line),
            [":irc.test 403 other #team :No such channel"]
        );
    }
    harness.send(founder, "INVITE other #board");
    assert_eq!(joined(&mut harness, other, "#team"), "#board");
}

#[test]
fn a_channel_has_five_former_names_at_most() {
    let (mut harness, founder, other) = renamed();
    harness.send(founder, "RENAME #board #1");
    for number in 1..5 {
        let line = format!("RENAME #{number} #{}", number + 1);
        harness.send(founder, &line);
    }
    assert_eq!(joined(&mut harness, other, "#board"), "#5");
    assert_eq!(joined(&mut harness, other, "#team"), "#team", "the oldest");
}

#[test]
fn the_lobby_may_have_a_former_name() {
    let (harness, ..) = renamed();
    let mut harness = harness.restart(settings_with_lobby("#team"));
    let guest = harness.guest("guest", "");
    assert_eq!(
        commands(&harness.request(guest, "PRIVMSG #team :hello")),
        [""; 0]
    );
}
