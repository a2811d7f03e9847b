use super::*;

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

/// Creates a model in which our nick is `me` and we are in `#lobby`, and which has received
/// `lines`.
fn model(lines: &[&str]) -> Model {
    let mut model = Model::default();
    receive(&mut model, ":s 001 me :Welcome");
    receive(&mut model, ":me!m@h JOIN #lobby");
    for line in lines {
        receive(&mut model, line);
    }
    model
}

fn receive(model: &mut Model, line: &str) -> Vec<EventKind> {
    model
        .handle(&Message::parse(line).unwrap(), now())
        .into_iter()
        .map(|event| event.kind)
        .collect()
}

fn nick(name: &str) -> Nick {
    Nick::parse(name).unwrap()
}

fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name).unwrap()
}

#[test]
fn the_time_is_that_of_the_server_if_the_message_contains_it() {
    let mut model = model(&[]);
    let with_time =
        Message::parse("@time=2025-05-06T07:08:09.123Z :a!a@h PRIVMSG #lobby :x").unwrap();
    assert_eq!(
        model.handle(&with_time, now())[0].at,
        "2025-05-06T07:08:09.123Z".parse().unwrap()
    );
    let without_time = Message::parse("@time=nonsense :a!a@h PRIVMSG #lobby :x").unwrap();
    assert_eq!(model.handle(&without_time, now())[0].at, now());
}

#[test]
fn a_multi_line_message_is_one_event_also_in_a_page_of_history() {
    let mut model = model(&[]);
    let message = |outer: &str| {
        [
            format!(
                "@{outer}msgid=m2;time=2025-05-06T07:08:09.123Z :a!a@h BATCH +in draft/multiline #lobby"
            ),
            "@batch=in :a!a@h PRIVMSG #lobby :one".to_owned(),
            "@batch=in :a!a@h PRIVMSG #lobby :how is ".to_owned(),
            "@batch=in;draft/multiline-concat :a!a@h PRIVMSG #lobby :everyone?".to_owned(),
            format!("@{outer}x=y :a!a@h BATCH -in"),
        ]
    };
    let mut handle = |line: &str| model.handle(&Message::parse(line).unwrap(), now());
    let live: Vec<ChatEvent> = message("").iter().flat_map(|line| handle(line)).collect();
    let text = |event: &ChatEvent| match &event.kind {
        EventKind::ChannelMessage { text, .. } => text.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(live.len(), 1);
    assert_eq!(text(&live[0]), "one\nhow is everyone?");
    assert_eq!(live[0].msgid.as_deref(), Some("m2"));
    assert_eq!(live[0].at, "2025-05-06T07:08:09.123Z".parse().unwrap());

    handle(":s BATCH +page chathistory #lobby");
    handle("@batch=page;msgid=m1 :a!a@h PRIVMSG #lobby :before");
    for line in message("batch=page;") {
        assert_eq!(handle(&line), []);
    }
    let page = handle(":s BATCH -page");
    let [
        ChatEvent {
            kind: EventKind::HistoryPage { events, .. },
            ..
        },
    ] = &page[..]
    else {
        panic!("{page:?}");
    };
    let texts: Vec<String> = events.iter().map(text).collect();
    assert_eq!(texts, ["before", "one\nhow is everyone?"]);
    assert_eq!(events[1].msgid.as_deref(), Some("m2"));
}

#[test]
fn presence_follows_names_joins_parts_kicks_quits_and_nicks() {
    let mut model = model(&[
        ":s 353 me = #lobby :@alice +bob ~@carol",
        ":s 366 me #lobby :End",
        ":dave!d@h JOIN #lobby",
    ]);
    for name in ["alice", "Bob", "carol", "dave", "me"] {
        assert!(model.is_present(&nick(name)), "{name}");
    }
    receive(&mut model, ":alice!a@h PART #lobby");
    receive(&mut model, ":bob!b@h QUIT :bye");
    receive(&mut model, ":carol!c@h KICK #lobby dave :out");
    receive(&mut model, ":carol!c@h NICK carla");
    for name in ["alice", "bob", "dave", "carol"] {
        assert!(!model.is_present(&nick(name)), "{name}");
    }
    assert!(model.is_present(&nick("carla")));
}

#[test]
fn ranks_follow_names_and_modes_and_nick_changes() {
    let mut model = model(&[
        ":s 353 me = #lobby :@alice bob +carol @+dave",
        ":s 366 me #lobby :End",
    ]);
    let ranks = |model: &Model| -> Vec<String> {
        let lobby = channel("#lobby");
        model
            .members(&lobby)
            .map(|(nick, rank)| format!("{}{nick}", rank.prefix()))
            .collect()
    };
    assert_eq!(ranks(&model), ["@alice", "bob", "+carol", "@dave", "me"]);
    receive(
        &mut model,
        ":alice!a@h MODE #lobby +lbo-v 5 *!*@x bob carol",
    );
    receive(&mut model, ":alice!a@h MODE #lobby -o+o dave nobody");
    receive(&mut model, ":bob!b@h NICK rob");
    assert_eq!(ranks(&model), ["@alice", "carol", "dave", "me", "@rob"]);
}

#[test]
fn the_topic_is_known_until_the_channel_is_left() {
    let mut model = model(&[":s 332 me #lobby :first", ":a!a@h TOPIC #lobby :second"]);
    assert_eq!(model.topic(&channel("#lobby")), "second");
    assert_eq!(model.topic_by(&channel("#lobby")), "a");
    receive(&mut model, ":me!m@h PART #lobby");
    assert_eq!(model.topic(&channel("#lobby")), "");
}

#[test]
fn our_nick_as_a_whole_word_mentions_us() {
    let model = model(&[]);
    let coloured = "\u{3}04me\u{3}, look";
    for text in ["me: hi", "hey ME!", "ask me", "(me)", "[me]", coloured] {
        assert!(model.mentions_me(text), "{text}");
    }
    for text in ["some", "me-too", "me^", "me[away]", "home", ""] {
        assert!(!model.mentions_me(text), "{text}");
    }
    let mut model = model;
    receive(&mut model, ":[me]!m@h JOIN #lobby");
    assert!(model.mentions_me("[me]: hi"), "nobody hides that by a nick");
}

#[test]
fn quits_and_nick_changes_list_the_channels_we_share() {
    let mut model = model(&[":me!m@h JOIN #ops", ":bob!b@h JOIN #ops"]);
    let events = receive(&mut model, ":bob!b@h NICK rob");
    assert!(matches!(
        &events[..],
        [EventKind::NickChanged { channels, .. }] if *channels == [channel("#ops")]
    ));
    let events = receive(&mut model, ":rob!b@h QUIT :bye");
    assert!(
        matches!(&events[..], [EventKind::Quit { channels, .. }] if *channels == [channel("#ops")])
    );
}

#[test]
fn names_replies_become_one_event() {
    let mut model = model(&[]);
    assert!(receive(&mut model, ":s 353 me = #lobby :@alice bob").is_empty());
    assert!(receive(&mut model, ":s 353 me = #lobby :carol").is_empty());
    let nicks = ["alice", "bob", "carol"].map(str::to_owned).into();
    let events = receive(&mut model, ":s 366 me #lobby :End of /NAMES list");
    assert_eq!(
        events,
        [EventKind::Members {
            channel: "#lobby".to_owned(),
            nicks
        }]
    );
}

#[test]
fn the_members_of_all_channels_together_are_limited() {
    let mut model = model(&[":me!m@h JOIN #other"]);
    for number in 0..MAX_MEMBERS / 10 {
        let nicks: Vec<String> = (0..11).map(|nick| format!("n{number}-{nick}")).collect();
        receive(
            &mut model,
            &format!(":s 353 me = #lobby :{}", nicks.join(" ")),
        );
    }
    receive(&mut model, ":late!l@h JOIN #other");
    let count = |name: &str| model.members(&channel(name)).count();
    assert_eq!(count("#lobby") + count("#other"), MAX_MEMBERS);
    assert!(!model.is_present(&nick("late")));
    receive(&mut model, ":s 353 me = #lobby :@n0-0");
    assert_eq!(
        model
            .members(&channel("#lobby"))
            .find(|(_, rank)| *rank == Rank::Operator)
            .map(|(nick, _)| nick.to_string()),
        Some("n0-0".to_owned())
    );
    let events = receive(&mut model, ":s 366 me #lobby :End");
    let [EventKind::Members { nicks, .. }] = &events[..] else {
        panic!("{events:?}");
    };
    assert!(nicks.len() <= MAX_MEMBERS, "{}", nicks.len());
    receive(&mut model, ":n0-0!n@h QUIT");
    receive(&mut model, ":late!l@h JOIN #other");
    assert!(model.is_present(&nick("late")));
}

#[test]
fn someone_who_wrote_to_us_is_present_until_they_disconnect() {
    let mut model = model(&[":eve!e@h PRIVMSG me :hi"]);
    assert!(model.is_present(&nick("eve")));
    receive(&mut model, ":s 401 me eve :No such nick");
    assert!(!model.is_present(&nick("eve")));
}

#[test]
fn the_current_channel_is_the_first_joined_then_the_requested_one() {
    let mut model = model(&[":me!m@h JOIN #other"]);
    assert_eq!(
        model.current(),
        Some(&channel("#lobby")),
        "a join that we did not request changes nothing"
    );
    model.switch_to_requested(&channel("#ops"), Some("key"));
    for answer in [":s 473 me #ops :Cannot join", ":me!m@h JOIN #ops"] {
        receive(&mut model, answer);
        assert_eq!(model.current(), Some(&channel("#ops")), "{answer}");
    }
    model.switch_to(&channel("#Lobby"));
    assert_eq!(model.current(), Some(&channel("#lobby")));
    model.switch_when_parted(&channel("#lobby"));
    receive(&mut model, ":me!m@h PART #lobby");
    assert!(
        model
            .current()
            .is_some_and(|current| *current != channel("#lobby"))
    );
}

#[test]
fn nobody_else_makes_another_channel_the_current_one() {
    for [removal, current] in [
        [":boss!b@h KICK #lobby me", "#lobby"],
        // On another device.
        [":me!m@h PART #lobby", "#lobby"],
        [":boss!b@h RENAME #lobby #hall", "#hall"],
    ] {
        let mut model = model(&[":me!m@h JOIN #other"]);
        receive(&mut model, removal);
        assert_eq!(model.current(), Some(&channel(current)), "{removal}");
    }
}

#[test]
fn a_renamed_channel_is_joined_again_by_its_new_name() {
    let mut model = model(&[":boss!b@h RENAME #lobby #hall"]);
    let rejoined: Vec<_> = model
        .auto_join()
        .into_iter()
        .map(|one| one.channel)
        .collect();
    assert_eq!(rejoined, [channel("#hall")]);
    receive(&mut model, ":bob!b@h JOIN #hall");
    assert!(model.is_present(&nick("bob")));
}

#[test]
fn the_name_of_a_channel_is_needed_unless_we_are_in_that_one_only() {
    let mut model = model(&[]);
    assert!(!model.needs_channel_name("#LOBBY"));
    assert!(model.needs_channel_name("#elsewhere"));
    receive(&mut model, ":me!m@h JOIN #ops");
    assert!(model.needs_channel_name("#lobby"));
}

fn joins(model: &Model) -> Vec<String> {
    model
        .rejoin_messages()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn a_key_with_a_comma_does_not_shift_the_keys_of_other_channels() {
    let mut model = model(&[]);
    model.add_auto_join(
        &["#a x,y", "#b sesame", "#c", "#d ,"].map(|one| one.to_owned().try_into().unwrap()),
    );
    assert_eq!(
        joins(&model),
        ["JOIN #b,#c sesame", "JOIN #a x,y", "JOIN #d ,"]
    );
}

#[test]
fn many_channels_are_joined_with_few_messages_and_their_own_keys() {
    let mut model = model(&[]);
    model.add_auto_join(
        &["#b", "#a sesame", "#d", "#c walnut"].map(|one| one.to_owned().try_into().unwrap()),
    );
    assert_eq!(joins(&model), ["JOIN #a,#c,#b,#d sesame,walnut"]);
    let many = (100..200).map(|number| format!("#channel{number} key{number}").try_into().unwrap());
    model.add_auto_join(&many.collect::<Vec<_>>());
    let lines = joins(&model);
    assert!(
        lines.len() < 10 && lines.iter().all(|line| line.len() < 480),
        "{lines:?}"
    );
    for line in &lines[..lines.len() - 1] {
        let words: Vec<&str> = line.split(' ').collect();
        let pairs = words[1].split(',').zip(words[2].split(','));
        assert!(
            pairs
                .filter(|(name, _)| name.len() > 3)
                .all(|(name, key)| name["#channel".len()..] == key["key".len()..]),
            "{line}"
        );
    }
    assert_eq!(lines.concat().matches("#channel").count(), 100);
}

#[test]
fn after_a_reconnection_channels_are_rejoined_with_their_keys() {
    let mut model = model(&[
        ":me!m@h JOIN #gone",
        ":me!m@h PART #gone",
        ":me!m@h JOIN #out",
    ]);
    model.switch_to_requested(&channel("#ops"), Some("key"));
    receive(&mut model, ":me!m@h JOIN #ops");
    receive(&mut model, ":boss!b@h KICK #out me :no");
    model.disconnect();
    assert!(!model.is_in(&channel("#lobby")));
    receive(&mut model, ":s 001 me :Welcome back");
    receive(&mut model, ":me!m@h JOIN #lobby");
    assert_eq!(joins(&model), ["JOIN #ops key"]);
    assert_eq!(
        model.current(),
        Some(&channel("#ops")),
        "typed text goes to the same channel as before"
    );
}

#[test]
fn direct_messages_have_a_direction() {
    let mut model = model(&[]);
    let received = receive(&mut model, ":alice!a@h PRIVMSG me :hi");
    assert!(matches!(&received[..], [EventKind::DirectReceived { from, .. }] if from == "alice"));
    let echo = receive(&mut model, ":me!m@h PRIVMSG alice :hi");
    assert!(matches!(&echo[..], [EventKind::DirectSent { to, .. }] if to == "alice"));
    let server = receive(&mut model, ":irc.example NOTICE me :hi");
    assert!(matches!(&server[..], [EventKind::ServerNotice(_)]));
}

#[test]
fn our_own_nick_change_is_followed() {
    let mut model = model(&[":me!m@h NICK myself"]);
    assert!(model.is_me("MySelf"));
    assert!(!model.is_me("me"));
    assert!(matches!(
        &receive(&mut model, ":myself!m@h PRIVMSG bob :x")[..],
        [EventKind::DirectSent { .. }]
    ));
}

#[test]
fn errors_become_events_and_protocol_messages_do_not() {
    let mut model = model(&[]);
    assert_eq!(
        receive(&mut model, ":s 401 me bob :No such nick"),
        [EventKind::Refused("bob is not here".to_owned())]
    );
    for line in [
        ":s 005 me X=1 :are supported",
        ":s 422 me :No MOTD",
        ":s 376 me :End",
        ":a!a@h AWAY :x",
        ":a!a@h TAGMSG #lobby",
        ":s BATCH +x y",
        ":s ACK",
        ":s CAP * NEW :x",
    ] {
        assert_eq!(receive(&mut model, line), [], "{line}");
    }
}

#[test]
fn messages_without_their_parameters_are_handled() {
    for command in [
        "PRIVMSG", "NOTICE", "JOIN", "PART", "KICK", "QUIT", "NICK", "TOPIC", "MODE", "INVITE",
        "FAIL", "001", "332", "353", "366", "352", "301", "404", "433", "311", "317", "322", "324",
        "367", "BATCH",
    ] {
        for line in [
            command.to_owned(),
            format!(":me {command}"),
            format!(":me!m@h {command} #x"),
        ] {
            receive(&mut model(&[]), &line);
        }
    }
}

#[test]
fn who_lists_people_and_says_if_there_are_none() {
    let mut model = model(&[]);
    let info = |text: &str| [EventKind::Info(text.to_owned())];
    assert_eq!(
        receive(&mut model, ":s 352 me #lobby u h s bob H :0 bob"),
        info("bob")
    );
    assert_eq!(
        receive(&mut model, ":s 352 me #lobby u h s eve G :0 Eve Adams"),
        info("eve (away): “Eve Adams”")
    );
    assert_eq!(receive(&mut model, ":s 315 me #lobby :End"), []);
    assert_eq!(
        receive(&mut model, ":s 315 me mallory :End"),
        info("nobody found: mallory")
    );
}

#[test]
fn replies_about_people_and_channels_are_described() {
    let mut model = model(&[]);
    for (line, text) in [
        ("311 me bob u h * :Bob Roberts", "bob (u@h): “Bob Roberts”"),
        ("311 me bob u h * bob", "bob (u@h)"),
        ("319 me bob :@#lobby #ops ", "bob is in @#lobby #ops"),
        (
            "330 me bob bobby :is logged in as",
            "bob is signed in as bobby",
        ),
        (
            "317 me bob 59 1 :seconds idle, signon time",
            "bob was active just now",
        ),
        (
            "317 me bob 7300 1 :seconds idle, signon time",
            "bob has been idle for 2 h",
        ),
        ("322 me #ops 3 :Plans", "#ops (3): “Plans”"),
        ("322 me #ops 3 :", "#ops (3)"),
        (
            "324 me #lobby +kn sesame",
            "the modes of #lobby are +kn sesame",
        ),
        (
            "367 me #lobby eve!*@* boss!b@h 1",
            "banned: eve!*@* (by boss)",
        ),
        ("271 me me eve!*@*", "silenced: eve!*@*"),
        ("SILENCE +~a:eve", "silenced: ~a:eve"),
        ("SILENCE -~a:eve", "no longer silenced: ~a:eve"),
        ("372 me :- Be kind.", "Be kind."),
    ] {
        assert_eq!(
            receive(&mut model, &format!(":s {line}")),
            [EventKind::Info(text.to_owned())],
            "{line}"
        );
    }
    assert_eq!(receive(&mut model, ":s 368 me #lobby :End"), []);
    let empty = [EventKind::Info("the list is empty".to_owned())];
    assert_eq!(receive(&mut model, ":s 368 me #lobby :End"), empty);
    for silent in [
        "312 me bob s :net",
        "318 me bob :End",
        "329 me #lobby 1",
        "671 me bob :is secure",
        "321 me",
    ] {
        assert_eq!(receive(&mut model, &format!(":s {silent}")), [], "{silent}");
    }
}
