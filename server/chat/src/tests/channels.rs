//! JOIN, PART, TOPIC, KICK, INVITE.

use rookery_protocol::ChannelName;

use super::play::*;
use crate::event::Settings;
use crate::request::{Count, Counts};

#[test]
fn joining_shows_everyone_and_tells_who_is_there() {
    let mut play = Play::new();
    let a = play.user("Alice", "extended-join account-tag");
    let b = play.guest("bob", "multi-prefix userhost-in-names");
    assert_eq!(
        play.ask(a, "JOIN #Rooks"),
        [
            "@account=Alice :Alice!~alice@users.irc.test JOIN #Rooks Alice :Real Alice",
            ":irc.test 353 Alice = #Rooks :~Alice",
            ":irc.test 366 Alice #Rooks :End of /NAMES list",
        ]
    );
    play.send(a, "MODE #rooks +v Alice");
    play.send(a, "TOPIC #rooks :Nests");
    play.forget();
    assert_eq!(
        play.ask(b, "JOIN #rooks"),
        [
            ":bob!~bob@guests.irc.test JOIN #Rooks",
            ":irc.test 332 bob #Rooks :Nests",
            ":irc.test 333 bob #Rooks Alice!~alice@users.irc.test 1800000000",
            ":irc.test 353 bob = #Rooks :~@+Alice!~alice@users.irc.test bob!~bob@guests.irc.test",
            ":irc.test 366 bob #Rooks :End of /NAMES list",
        ]
    );
    assert_eq!(
        play.heard(a),
        [":bob!~bob@guests.irc.test JOIN #Rooks * :Real bob"]
    );
    assert!(play.ask(b, "JOIN #ROOKS").is_empty(), "twice is once");
}

#[test]
fn join_zero_leaves_all_and_an_empty_channel_is_gone() {
    let mut play = Play::new();
    let a = play.guest("gus", "");
    play.send(a, "JOIN #a,#b");
    assert_eq!(commands(&play.ask(a, "JOIN 0")), ["PART", "PART"]);
    let count = play.act(Count);
    assert!(matches!(
        play.answer(count),
        Some(Counts { channels: 0, .. })
    ));
}

#[test]
fn a_user_can_be_in_so_many_channels_only() {
    let mut play = Play::new();
    let a = play.user("alice", "");
    for number in 0..10 {
        play.send(a, &format!("JOIN #{number}"));
    }
    assert_eq!(commands(&play.ask(a, "JOIN #more")), ["405"]);
    play.send(a, "PART #0");
    assert_eq!(commands(&play.ask(a, "JOIN #more"))[0], "JOIN");
}

#[test]
fn closed_doors_stay_closed() {
    let mut play = Play::new();
    let (op, bob) = (play.user("op", ""), play.user("bob", ""));
    play.channel("#k,#i,#l,#b", &[op]);
    for line in [
        "MODE #k +k sesame",
        "MODE #i +i",
        "MODE #l +l 1",
        "MODE #b +b *!*bob@*",
    ] {
        play.send(op, line);
    }
    for (line, code) in [
        ("JOIN #k", "475"),
        ("JOIN #k wrong", "475"),
        ("JOIN #i", "473"),
        ("JOIN #l", "471"),
        ("JOIN #b", "474"),
        ("JOIN #none,#k x,sesame", "JOIN"),
    ] {
        let heard = play.ask(bob, line);
        assert_eq!(commands(&heard)[0], code, "{line}");
    }
    assert!(
        play.ask(bob, "NAMES #k").join(" ").contains("bob"),
        "the second key was for the second channel"
    );
    for (channel, opened) in [
        ("#i", "MODE #i +I bob!*@*"),
        ("#l", "MODE #l +l 2"),
        ("#b", "MODE #b +e bob!*@*"),
    ] {
        play.send(op, opened);
        assert_eq!(
            commands(&play.ask(bob, &format!("JOIN {channel}")))[0],
            "JOIN",
            "{opened}"
        );
    }
}

#[test]
fn an_invitation_opens_the_door_once() {
    let mut play = Play::new();
    let (op, ally, bob) = (
        play.user("op", ""),
        play.user("ally", ""),
        play.user("bob", ""),
    );
    play.channel("#x", &[op, ally]);
    play.send(op, "MODE #x +l 1");
    play.forget();
    assert_eq!(
        play.ask(ally, "INVITE bob #x"),
        [":irc.test 341 ally bob #x"]
    );
    assert_eq!(
        commands(&play.ask(bob, "JOIN #x")),
        ["471"],
        "only an operator's invitation opens it"
    );
    play.send(op, "MODE #x +ib bob");
    play.forget();
    assert_eq!(commands(&play.ask(ally, "INVITE bob #x")), ["482"]);
    assert_eq!(play.ask(op, "INVITE bob #x"), [":irc.test 341 op bob #x"]);
    assert_eq!(play.heard(bob), [":op!~op@users.irc.test INVITE bob #x"]);
    assert!(play.heard(ally).is_empty());
    assert_eq!(
        play.ask(bob, "INVITE"),
        [
            ":irc.test 336 bob #x",
            ":irc.test 337 bob :End of invite list"
        ]
    );
    assert_eq!(commands(&play.ask(bob, "JOIN #x"))[0], "JOIN");
    assert_eq!(commands(&play.ask(op, "INVITE bob #x")), ["443"]);
    play.send(bob, "PART #x");
    assert_eq!(commands(&play.ask(bob, "JOIN #x")), ["473"]);
}

#[test]
fn invitations_that_cannot_be() {
    let mut play = Play::new();
    let (a, b) = (play.user("alice", ""), play.user("bob", ""));
    play.channel("#x", &[b]);
    for (line, code) in [
        ("INVITE bob", "461"),
        ("INVITE nobody #x", "401"),
        ("INVITE bob #none", "403"),
        ("INVITE bob #x", "442"),
    ] {
        assert_eq!(commands(&play.ask(a, line)), [code], "{line}");
    }
}

#[test]
fn operators_with_invite_notify_see_invitations() {
    let mut play = Play::new();
    let (op, other) = (
        play.user("op", "invite-notify"),
        play.user("other", "invite-notify"),
    );
    let member = play.user("member", "invite-notify");
    play.user("bob", "");
    play.channel("#x", &[op, other, member]);
    play.send(op, "MODE #x +o other");
    play.forget();
    play.send(other, "INVITE bob #x");
    assert_eq!(
        play.heard(op),
        [":other!~other@users.irc.test INVITE bob #x"]
    );
    assert!(play.heard(member).is_empty());
}

#[test]
fn parting_is_seen_by_all_members() {
    let mut play = Play::new();
    let (a, b) = (play.user("alice", ""), play.user("bob", ""));
    play.channel("#x", &[a, b]);
    assert_eq!(
        play.ask(a, "PART #X :so long"),
        [":alice!~alice@users.irc.test PART #x :so long"]
    );
    assert_eq!(
        play.heard(b),
        [":alice!~alice@users.irc.test PART #x :so long"]
    );
    assert_eq!(commands(&play.ask(a, "PART #x,#none")), ["442", "403"]);
    play.send(b, "PRIVMSG #x :alone");
    assert!(play.heard(a).is_empty());
}

#[test]
fn topics_are_shown_set_and_cleared() {
    let mut play = Play::new();
    let (a, b) = (play.user("alice", ""), play.user("bob", ""));
    play.channel("#x", &[a, b]);
    assert_eq!(
        play.ask(b, "TOPIC #x"),
        [":irc.test 331 bob #x :No topic is set"]
    );
    assert_eq!(commands(&play.ask(b, "TOPIC #x :mine")), ["482"]);
    let line = ":alice!~alice@users.irc.test TOPIC #x :Rooks";
    assert_eq!(play.ask(a, "TOPIC #x Rooks"), [line]);
    assert_eq!(play.heard(b), [line]);
    assert_eq!(commands(&play.ask(b, "TOPIC #x")), ["332", "333"]);
    play.send(a, "MODE #x -t");
    play.forget();
    assert_eq!(
        play.ask(b, "TOPIC #x :"),
        [":bob!~bob@users.irc.test TOPIC #x :"]
    );
    assert_eq!(commands(&play.ask(b, "TOPIC #x")), ["331"]);
    assert_eq!(commands(&play.ask(b, "TOPIC #none")), ["403"]);
    let long = "\u{e4}".repeat(200);
    let heard = play.ask(b, &format!("TOPIC #x :{long}"));
    assert!(
        heard[0].ends_with(&format!(" :{}", "\u{e4}".repeat(153))),
        "TOPICLEN, whole characters"
    );
}

#[test]
fn a_stranger_neither_sees_nor_sets_the_topic_of_a_secret_channel() {
    let mut play = Play::new();
    let (a, b) = (play.user("alice", ""), play.user("bob", ""));
    play.channel("#x", &[a]);
    play.send(a, "TOPIC #x :secret");
    assert_eq!(commands(&play.ask(b, "TOPIC #x")), ["332", "333"]);
    assert_eq!(commands(&play.ask(b, "TOPIC #x :mine")), ["442"]);
    play.send(a, "MODE #x +s");
    assert_eq!(commands(&play.ask(b, "TOPIC #x")), ["442"]);
}

#[test]
fn operators_of_a_channel_kick_from_it() {
    let mut play = Play::new();
    let op = play.user("op", "");
    let (a, b, c) = (
        play.user("alice", ""),
        play.user("bob", ""),
        play.user("carl", ""),
    );
    play.channel("#x", &[op, a, b, c]);
    assert_eq!(commands(&play.ask(a, "KICK #x bob")), ["482"]);
    assert_eq!(
        play.ask(op, "KICK #x alice"),
        [":op!~op@users.irc.test KICK #x alice :op"]
    );
    assert_eq!(play.heard(a), [":op!~op@users.irc.test KICK #x alice :op"]);
    assert_eq!(
        commands(&play.ask(op, "KICK #x bob,carl,nobody,alice :out")),
        ["KICK", "KICK", "401", "441"]
    );
    assert_eq!(
        play.heard(b).last().unwrap(),
        ":op!~op@users.irc.test KICK #x bob :out"
    );
    assert_eq!(commands(&play.ask(a, "KICK #x op")), ["442"]);
    assert_eq!(commands(&play.ask(a, "KICK #none op")), ["403"]);
    assert_eq!(commands(&play.ask(a, "KICK #x")), ["461"]);
    assert_eq!(
        commands(&play.ask(a, "JOIN #x"))[0],
        "JOIN",
        "a kick is no ban"
    );
}

#[test]
fn an_away_user_that_joins_is_seen_as_away() {
    let mut play = Play::new();
    let (a, b) = (
        play.user("alice", "away-notify"),
        play.user("bob", "away-notify"),
    );
    play.channel("#x", &[a]);
    play.send(b, "AWAY :out");
    assert!(!commands(&play.ask(b, "JOIN #x")).contains(&"AWAY".to_owned()));
    assert_eq!(
        play.heard(a),
        [
            ":bob!~bob@users.irc.test JOIN #x",
            ":bob!~bob@users.irc.test AWAY :out"
        ]
    );
}

#[test]
fn bad_names_are_answered() {
    let mut play = Play::new();
    let a = play.user("alice", "");
    assert_eq!(commands(&play.ask(a, "JOIN lobby")), ["403"]);
    assert_eq!(commands(&play.ask(a, "JOIN #a:b")), ["476"]);
    assert_eq!(
        commands(&play.ask(a, &format!("JOIN #{}", "x".repeat(64)))),
        ["476"]
    );
    assert_eq!(commands(&play.ask(a, "JOIN")), ["461"]);
}

#[test]
fn a_channel_takes_another_name_and_keeps_all_else() {
    let mut play = Play::new();
    let (op, old) = (
        play.user("op", "draft/channel-rename"),
        play.user("old", "draft/channel-rename"),
    );
    let plain = play.user("plain", "");
    play.channel("#bar", &[op, old, plain]);
    play.send(op, "MODE #bar +k key");
    play.send(op, "TOPIC #bar :What for");
    play.forget();
    play.send(op, "RENAME #BAR #qux :better");
    let told = [":op!~op@users.irc.test RENAME #bar #qux :better"];
    assert_eq!(play.heard(op), told);
    assert_eq!(play.heard(old), told);
    let heard = play.heard(plain);
    assert_eq!(heard[0], ":plain!~plain@users.irc.test PART #bar :better");
    assert_eq!(heard[1], ":plain!~plain@users.irc.test JOIN #qux");
    assert_eq!(commands(&heard[2..]), ["332", "333", "353", "366"]);
    assert!(
        heard.iter().any(|line| line.contains("~op")),
        "the founder stays it: {heard:?}"
    );
    assert!(play.ask(op, "MODE #qux")[0].contains("key"));
    assert_eq!(commands(&play.ask(plain, "MODE #bar")), ["403"]);
    assert_eq!(commands(&play.ask(plain, "PART #qux")), ["PART"]);
    assert_eq!(
        commands(&play.ask(plain, "JOIN #bar"))[0],
        "JOIN",
        "the old name is free"
    );
}

#[test]
fn a_channel_gets_no_name_that_it_may_not_have() {
    let mut play = Play::with(Settings {
        lobby: vec![ChannelName::parse("#hall").unwrap()],
        ..settings()
    });
    let (op, b) = (play.user("op", ""), play.user("bob", ""));
    play.channel("#a,#b", &[op]);
    play.channel("#a", &[b]);
    assert_eq!(commands(&play.ask(b, "RENAME #a #c")), ["482"]);
    assert_eq!(commands(&play.ask(b, "RENAME #b #c")), ["442"]);
    assert_eq!(commands(&play.ask(b, "RENAME #none #c")), ["403"]);
    assert_eq!(commands(&play.ask(op, "RENAME #a")), ["461"]);
    let fail = |heard: Vec<String>| {
        heard[0]
            .split(' ')
            .skip(3)
            .take(3)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        fail(play.ask(op, "RENAME #a #B")),
        "CHANNEL_NAME_IN_USE #a #B"
    );
    assert_eq!(
        fail(play.ask(op, "RENAME #a #hall")),
        "CHANNEL_NAME_IN_USE #a #hall"
    );
    assert_eq!(fail(play.ask(op, "RENAME #a b")), "CANNOT_RENAME #a b");
    assert!(
        play.ask(b, "RENAME #a #A").len() == 1 && play.ask(op, "RENAME #a #A").is_empty(),
        "case only"
    );
    assert!(play.ask(b, "NAMES #a")[0].contains(" #A "));
}
