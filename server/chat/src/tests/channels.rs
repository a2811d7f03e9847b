//! `JOIN`, `PART`, `TOPIC`, `KICK` and `INVITE`.

use super::harness::*;

#[test]
fn a_join_counts_the_channels_whose_members_receive_it() {
    let mut harness = Harness::new();
    let bob = harness.guest("bob", "");
    for channel in ["#one", "#two", "#three"] {
        harness.channel(channel, &[bob]);
    }
    harness.send(bob, "MODE #three +i");
    let alice = harness.user("alice", "");
    let shown = |harness: &mut Harness, session, line| {
        let key = harness.awaited_command(session, line);
        harness.answer(key).expect("it has joined").shown_joins
    };
    let join = "JOIN #one,#ONE,,#two,#three,#new,bad";
    assert_eq!(shown(&mut harness, alice, join), 2);
    let other_device = harness.user("alice", "");
    assert_eq!(shown(&mut harness, other_device, join), 0);
    assert_eq!(shown(&mut harness, other_device, "JOIN 0"), 0);
    assert_eq!(shown(&mut harness, alice, join), 2);
}

#[test]
fn joining_is_announced_and_lists_the_members() {
    let mut harness = Harness::new();
    let a = harness.user("Alice", "extended-join account-tag");
    let b = harness.guest("bob", "multi-prefix userhost-in-names");
    assert_eq!(
        harness.request(a, "JOIN #Rooks"),
        [
            "@account=Alice :Alice!~alice@users.irc.test JOIN #Rooks Alice :Real Alice",
            ":irc.test 353 Alice = #Rooks :~Alice",
            ":irc.test 366 Alice #Rooks :End of /NAMES list",
        ]
    );
    harness.send(a, "MODE #rooks +v Alice");
    harness.send(a, "TOPIC #rooks :Nests");
    harness.clear_received();
    assert_eq!(
        harness.request(b, "JOIN #rooks"),
        [
            ":bob!~bob@guests.irc.test JOIN #Rooks",
            ":irc.test 332 bob #Rooks :Nests",
            ":irc.test 333 bob #Rooks Alice!~alice@users.irc.test 1800000000",
            ":irc.test 353 bob = #Rooks :~@+Alice!~alice@users.irc.test bob!~bob@guests.irc.test",
            ":irc.test 366 bob #Rooks :End of /NAMES list",
        ]
    );
    assert_eq!(
        harness.received(a),
        [":bob!~bob@guests.irc.test JOIN #Rooks * :Real bob"]
    );
    assert!(
        harness.request(b, "JOIN #ROOKS").is_empty(),
        "joining twice has no effect"
    );
}

#[test]
fn join_zero_leaves_all_channels_and_empty_ones_are_removed() {
    let mut harness = Harness::new();
    let a = harness.guest("gus", "");
    harness.send(a, "JOIN #a,#b");
    assert_eq!(commands(&harness.request(a, "JOIN 0")), ["PART", "PART"]);
    assert_eq!(harness.counts().channels, 0);
}

#[test]
fn the_number_of_channels_per_user_is_limited() {
    let mut harness = Harness::new();
    let a = harness.user("alice", "");
    for number in 0..10 {
        harness.send(a, &format!("JOIN #{number}"));
    }
    assert_eq!(commands(&harness.request(a, "JOIN #more")), ["405"]);
    harness.send(a, "PART #0");
    assert_eq!(commands(&harness.request(a, "JOIN #more"))[0], "JOIN");
}

#[test]
fn a_channel_whose_name_looks_like_another_is_not_created() {
    let mut harness = Harness::new();
    let alice = harness.user("alice", "");
    harness.send(alice, "JOIN #lobby");
    for name in ["#\u{323}lobby", "#lobby\u{9be}", "#l\u{43e}bby"] {
        let received = harness.request(alice, &format!("JOIN {name}"));
        let refusal = format!(":irc.test 476 alice {name} :Bad channel name: ");
        assert!(received[0].starts_with(&refusal), "{received:?}");
    }
    assert_eq!(harness.counts().channels, 1);
}

#[test]
fn the_name_of_a_channel_has_composed_letters() {
    let mut harness = Harness::new();
    let alice = harness.user("alice", "draft/channel-rename");
    harness.send(alice, "JOIN #x");
    harness.clear_received();
    assert_eq!(
        harness.request(alice, "RENAME #x #cafe\u{301}"),
        [":alice!~alice@users.irc.test RENAME #x #café :"]
    );
    let bob = harness.user("bob", "");
    let received = harness.request(bob, "JOIN #cafe\u{301}");
    assert_eq!(received[0], ":bob!~bob@users.irc.test JOIN #café");
    assert_eq!(harness.counts().channels, 1);
    // `é` and a dot below are composed to one byte more.
    let too_long = format!("#é\u{323}{}", "x".repeat(59));
    let received = harness.request(alice, &format!("JOIN {too_long}"));
    let refusal = format!(":irc.test 476 alice {too_long} :Bad channel name: ");
    assert!(received[0].starts_with(&refusal), "{received:?}");
    assert!(received[0].contains(" longer than 64 bytes"));
}

#[test]
fn join_is_refused_by_the_modes_of_the_channel() {
    let mut harness = Harness::new();
    let (op, bob) = (harness.user("op", ""), harness.user("bob", ""));
    harness.channel("#k,#i,#l,#b", &[op]);
    for line in [
        "MODE #k +k sesame",
        "MODE #i +i",
        "MODE #l +l 1",
        "MODE #b +b *!*bob@*",
    ] {
        harness.send(op, line);
    }
    for (line, code) in [
        ("JOIN #k", "475"),
        ("JOIN #k wrong", "475"),
        ("JOIN #i", "473"),
        ("JOIN #l", "471"),
        ("JOIN #b", "474"),
        ("JOIN #none,#k x,sesame", "JOIN"),
    ] {
        let received = harness.request(bob, line);
        assert_eq!(commands(&received)[0], code, "{line}");
    }
    assert!(
        harness.request(bob, "NAMES #k").join(" ").contains("bob"),
        "the second key is for the second channel"
    );
    for (channel, exemption) in [
        ("#i", "MODE #i +I bob!*@*"),
        ("#l", "MODE #l +l 2"),
        ("#b", "MODE #b +e bob!*@*"),
    ] {
        harness.send(op, exemption);
        assert_eq!(
            commands(&harness.request(bob, &format!("JOIN {channel}")))[0],
            "JOIN",
            "{exemption}"
        );
    }
}

#[test]
fn an_invitation_is_valid_for_one_join() {
    let mut harness = Harness::new();
    let (op, ally, bob) = (
        harness.user("op", ""),
        harness.user("ally", ""),
        harness.user("bob", ""),
    );
    harness.channel("#x", &[op, ally]);
    harness.send(op, "MODE #x +l 1");
    harness.clear_received();
    assert_eq!(
        harness.request(ally, "INVITE bob #x"),
        [":irc.test 341 ally bob #x"]
    );
    assert_eq!(
        commands(&harness.request(bob, "JOIN #x")),
        ["471"],
        "a member's invitation does not lift the limit"
    );
    harness.send(op, "MODE #x +ib bob");
    harness.clear_received();
    assert_eq!(commands(&harness.request(ally, "INVITE bob #x")), ["482"]);
    assert_eq!(
        harness.request(op, "INVITE bob #x"),
        [":irc.test 341 op bob #x"]
    );
    assert_eq!(
        harness.received(bob),
        [":op!~op@users.irc.test INVITE bob #x"]
    );
    assert!(harness.received(ally).is_empty());
    assert_eq!(
        harness.request(bob, "INVITE"),
        [
            ":irc.test 336 bob #x",
            ":irc.test 337 bob :End of invite list"
        ]
    );
    assert_eq!(commands(&harness.request(bob, "JOIN #x"))[0], "JOIN");
    assert_eq!(commands(&harness.request(op, "INVITE bob #x")), ["443"]);
    harness.send(bob, "PART #x");
    assert_eq!(commands(&harness.request(bob, "JOIN #x")), ["473"]);
}

#[test]
fn a_ban_withdraws_the_invitations_of_those_it_covers() {
    let mut harness = Harness::new();
    let op = harness.user("op", "");
    harness.channel("#x", &[op]);
    let invited = ["bob", "carol", "dave"].map(|nick| {
        let user = harness.user(nick, "");
        harness.send(op, &format!("INVITE {nick} #x"));
        user
    });
    harness.send(op, "MODE #x +i");
    // The ban of carol only mutes her, and dave is an exception to his.
    harness.send(op, "MODE #x +b bob");
    harness.send(op, "MODE #x +be ~m:carol dave");
    harness.send(op, "MODE #x +b dave");
    harness.clear_received();
    let joins = invited.map(|user| commands(&harness.request(user, "JOIN #x"))[0].clone());
    assert_eq!(joins, ["473", "JOIN", "JOIN"]);
}

#[test]
fn invalid_invitations_are_refused() {
    let mut harness = Harness::new();
    let (a, b) = (harness.user("alice", ""), harness.user("bob", ""));
    harness.channel("#x", &[b]);
    for (line, code) in [
        ("INVITE bob", "461"),
        ("INVITE nobody #x", "401"),
        ("INVITE bob #none", "403"),
        ("INVITE bob #x", "442"),
    ] {
        assert_eq!(commands(&harness.request(a, line)), [code], "{line}");
    }
}

#[test]
fn operators_with_invite_notify_see_invitations() {
    let mut harness = Harness::new();
    let (op, other) = (
        harness.user("op", "invite-notify"),
        harness.user("other", "invite-notify"),
    );
    let member = harness.user("member", "invite-notify");
    harness.user("bob", "");
    harness.channel("#x", &[op, other, member]);
    harness.send(op, "MODE #x +o other");
    harness.clear_received();
    harness.send(other, "INVITE bob #x");
    assert_eq!(
        harness.received(op),
        [":other!~other@users.irc.test INVITE bob #x"]
    );
    assert!(harness.received(member).is_empty());
}

#[test]
fn parting_is_seen_by_all_members() {
    let mut harness = Harness::new();
    let (a, b) = (harness.user("alice", ""), harness.user("bob", ""));
    harness.channel("#x", &[a, b]);
    assert_eq!(
        harness.request(a, "PART #X :so long"),
        [":alice!~alice@users.irc.test PART #x :so long"]
    );
    assert_eq!(
        harness.received(b),
        [":alice!~alice@users.irc.test PART #x :so long"]
    );
    assert_eq!(
        commands(&harness.request(a, "PART #x,#none")),
        ["442", "403"]
    );
    harness.send(b, "PRIVMSG #x :alone");
    assert!(harness.received(a).is_empty());
}

#[test]
fn topics_are_shown_set_and_cleared() {
    let mut harness = Harness::new();
    let (a, b) = (harness.user("alice", ""), harness.user("bob", ""));
    harness.channel("#x", &[a, b]);
    assert_eq!(
        harness.request(b, "TOPIC #x"),
        [":irc.test 331 bob #x :No topic is set"]
    );
    assert_eq!(commands(&harness.request(b, "TOPIC #x :mine")), ["482"]);
    let line = ":alice!~alice@users.irc.test TOPIC #x :Rooks";
    assert_eq!(harness.request(a, "TOPIC #x Rooks"), [line]);
    assert_eq!(harness.received(b), [line]);
    assert_eq!(commands(&harness.request(b, "TOPIC #x")), ["332", "333"]);
    harness.send(a, "MODE #x -t");
    harness.clear_received();
    assert_eq!(
        harness.request(b, "TOPIC #x :"),
        [":bob!~bob@users.irc.test TOPIC #x :"]
    );
    assert_eq!(commands(&harness.request(b, "TOPIC #x")), ["331"]);
    assert_eq!(commands(&harness.request(b, "TOPIC #none")), ["403"]);
    let long = "\u{e4}".repeat(200);
    let received = harness.request(b, &format!("TOPIC #x :{long}"));
    assert!(
        received[0].ends_with(&format!(" :{}", "\u{e4}".repeat(153))),
        "cut to TOPICLEN, between characters"
    );
}

#[test]
fn only_members_see_and_set_the_topic_of_a_secret_channel() {
    let mut harness = Harness::new();
    let (a, b) = (harness.user("alice", ""), harness.user("bob", ""));
    harness.channel("#x", &[a]);
    harness.send(a, "TOPIC #x :secret");
    assert_eq!(commands(&harness.request(b, "TOPIC #x")), ["332", "333"]);
    assert_eq!(commands(&harness.request(b, "TOPIC #x :mine")), ["442"]);
    harness.send(a, "MODE #x +s");
    assert_eq!(commands(&harness.request(b, "TOPIC #x")), ["403"]);
}

#[test]
fn operators_of_a_channel_kick_from_it() {
    let mut harness = Harness::new();
    let op = harness.user("op", "");
    let (a, b, c) = (
        harness.user("alice", ""),
        harness.user("bob", ""),
        harness.user("carl", ""),
    );
    harness.channel("#x", &[op, a, b, c]);
    assert_eq!(commands(&harness.request(a, "KICK #x bob")), ["482"]);
    assert_eq!(
        harness.request(op, "KICK #x alice"),
        [":op!~op@users.irc.test KICK #x alice :op"]
    );
    assert_eq!(
        harness.received(a),
        [":op!~op@users.irc.test KICK #x alice :op"]
    );
    assert_eq!(
        commands(&harness.request(op, "KICK #x bob,carl,nobody,alice :out")),
        ["KICK", "KICK", "401", "441"]
    );
    assert_eq!(
        harness.received(b).last().unwrap(),
        ":op!~op@users.irc.test KICK #x bob :out"
    );
    assert_eq!(commands(&harness.request(a, "KICK #x op")), ["442"]);
    assert_eq!(commands(&harness.request(a, "KICK #none op")), ["403"]);
    assert_eq!(commands(&harness.request(a, "KICK #x")), ["461"]);
    assert_eq!(
        commands(&harness.request(a, "JOIN #x"))[0],
        "JOIN",
        "a kick is not a ban"
    );
}

#[test]
fn an_away_user_that_joins_is_seen_as_away() {
    let mut harness = Harness::new();
    let (a, b) = (
        harness.user("alice", "away-notify"),
        harness.user("bob", "away-notify"),
    );
    harness.channel("#x", &[a]);
    harness.send(b, "AWAY :out");
    assert!(!commands(&harness.request(b, "JOIN #x")).contains(&"AWAY".to_owned()));
    assert_eq!(
        harness.received(a),
        [
            ":bob!~bob@users.irc.test JOIN #x",
            ":bob!~bob@users.irc.test AWAY :out"
        ]
    );
}

#[test]
fn invalid_channel_names_are_refused() {
    let mut harness = Harness::new();
    let a = harness.user("alice", "");
    assert_eq!(commands(&harness.request(a, "JOIN lobby")), ["403"]);
    assert_eq!(commands(&harness.request(a, "JOIN #a:b")), ["476"]);
    assert_eq!(
        commands(&harness.request(a, &format!("JOIN #{}", "x".repeat(64)))),
        ["476"]
    );
    assert_eq!(commands(&harness.request(a, "JOIN")), ["461"]);
}

#[test]
fn renaming_a_channel_changes_nothing_else() {
    let mut harness = Harness::new();
    let (op, old) = (
        harness.user("op", "draft/channel-rename"),
        harness.user("old", "draft/channel-rename"),
    );
    let plain = harness.user("plain", "");
    harness.channel("#bar", &[op, old, plain]);
    harness.send(op, "MODE #bar +k key");
    harness.send(op, "TOPIC #bar :Purpose");
    harness.clear_received();
    harness.send(op, "RENAME #BAR #qux :better");
    let renamed = [":op!~op@users.irc.test RENAME #bar #qux :better"];
    assert_eq!(harness.received(op), renamed);
    assert_eq!(harness.received(old), renamed);
    let received = harness.received(plain);
    assert_eq!(
        received[0],
        ":plain!~plain@users.irc.test PART #bar :better"
    );
    assert_eq!(received[1], ":plain!~plain@users.irc.test JOIN #qux");
    assert_eq!(commands(&received[2..]), ["332", "333", "353", "366"]);
    assert!(
        received.iter().any(|line| line.contains("~op")),
        "the founder is still the founder: {received:?}"
    );
    assert!(harness.request(op, "MODE #qux")[0].contains("key"));
    assert_eq!(commands(&harness.request(plain, "MODE #bar")), ["403"]);
    assert_eq!(commands(&harness.request(plain, "PART #qux")), ["PART"]);
}

#[test]
fn invalid_renames_are_refused() {
    let mut harness = Harness::with(settings_with_lobby("#hall"));
    let (op, b) = (harness.user("op", ""), harness.user("bob", ""));
    harness.channel("#a,#b", &[op]);
    harness.channel("#a", &[b]);
    assert_eq!(commands(&harness.request(b, "RENAME #a #c")), ["482"]);
    assert_eq!(commands(&harness.request(b, "RENAME #b #c")), ["442"]);
    assert_eq!(commands(&harness.request(b, "RENAME #none #c")), ["403"]);
    assert_eq!(commands(&harness.request(op, "RENAME #a")), ["461"]);
    let failure = |received: Vec<String>| {
        received[0]
            .split(' ')
            .skip(3)
            .take(3)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        failure(harness.request(op, "RENAME #a #B")),
        "CHANNEL_NAME_IN_USE #a #B"
    );
    assert_eq!(
        failure(harness.request(op, "RENAME #a #hall")),
        "CHANNEL_NAME_IN_USE #a #hall"
    );
    assert_eq!(
        failure(harness.request(op, "RENAME #a b")),
        "CANNOT_RENAME #a b"
    );
    for imitation in ["#\u{323}a", "#a\u{9be}", "#pl\u{430}n"] {
        assert_eq!(
            failure(harness.request(op, &format!("RENAME #a {imitation}"))),
            format!("CANNOT_RENAME #a {imitation}")
        );
    }
    let secret = harness.user("carl", "");
    harness.channel("#work,#plan", &[secret]);
    harness.send(secret, "MODE #plan +s");
    for imitation in ["#w0rk", "#ha11"] {
        let refused = harness.request(op, &format!("RENAME #b {imitation}"));
        assert_eq!(
            refused,
            [format!(
                ":irc.test FAIL RENAME CHANNEL_NAME_IN_USE #b {imitation} \
                 :That name looks like the name of another channel"
            )]
        );
    }
    // A name that is reserved for a channel of the caller is no exception.
    harness.send(op, "JOIN #w0rk");
    harness.send(op, "RENAME #w0rk #films");
    for channel in ["#b", "#films"] {
        let refused = harness.request(op, &format!("RENAME {channel} #w0rk"));
        assert!(
            refused[0].contains(" CHANNEL_NAME_IN_USE "),
            "{channel}: {refused:?}"
        );
    }
    assert_eq!(
        commands(&harness.request(op, "RENAME #b #p1an"))[0],
        "PART",
        "a secret channel is not disclosed"
    );
    harness.send(op, "RENAME #p1an #b");
    assert!(
        harness.request(b, "RENAME #a #A").len() == 1
            && harness.request(op, "RENAME #a #A").is_empty(),
        "only the letter case differs"
    );
    assert!(harness.request(b, "NAMES #a")[0].contains(" #A "));
}
