use super::*;

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

/// A model in which our nick is `me` and we are in `#lobby`, after `lines`.
fn model(lines: &[&str]) -> Model {
    let mut model = Model::default();
    take(&mut model, ":s 001 me :Welcome");
    take(&mut model, ":me!m@h JOIN #lobby");
    for line in lines {
        take(&mut model, line);
    }
    model
}

fn take(model: &mut Model, line: &str) -> Vec<EventKind> {
    model
        .handle(&Message::parse(line).unwrap(), now())
        .into_iter()
        .map(|change| change.kind)
        .collect()
}

fn nick(name: &str) -> Nick {
    Nick::parse(name).unwrap()
}

fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name).unwrap()
}

#[test]
fn the_time_is_the_servers_if_the_message_has_it() {
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
fn presence_follows_names_joins_parts_kicks_quits_and_nicks() {
    let mut model = model(&[
        ":s 353 me = #lobby :@alice +bob ~@carol",
        ":s 366 me #lobby :End",
        ":dave!d@h JOIN #lobby",
    ]);
    for name in ["alice", "Bob", "carol", "dave", "me"] {
        assert!(model.is_present(&nick(name)), "{name}");
    }
    take(&mut model, ":alice!a@h PART #lobby");
    take(&mut model, ":bob!b@h QUIT :bye");
    take(&mut model, ":carol!c@h KICK #lobby dave :out");
    take(&mut model, ":carol!c@h NICK carla");
    for name in ["alice", "bob", "dave", "carol"] {
        assert!(!model.is_present(&nick(name)), "{name}");
    }
    assert!(model.is_present(&nick("carla")));
}

#[test]
fn ranks_follow_names_and_modes_and_stay_with_the_person() {
    let mut model = model(&[
        ":s 353 me = #lobby :@alice bob +carol @+dave",
        ":s 366 me #lobby :End",
    ]);
    let ranks = |model: &Model| -> Vec<String> {
        let lobby = channel("#lobby");
        model
            .members(&lobby)
            .map(|(nick, rank)| format!("{}{nick}", rank.sign()))
            .collect()
    };
    assert_eq!(ranks(&model), ["@alice", "bob", "+carol", "@dave", "me"]);
    take(
        &mut model,
        ":alice!a@h MODE #lobby +lbo-v 5 *!*@x bob carol",
    );
    take(&mut model, ":alice!a@h MODE #lobby -o+o dave nobody");
    take(&mut model, ":bob!b@h NICK rob");
    assert_eq!(ranks(&model), ["@alice", "carol", "dave", "me", "@rob"]);
}

#[test]
fn the_topic_is_known_until_the_channel_is_left() {
    let mut model = model(&[":s 332 me #lobby :first", ":a!a@h TOPIC #lobby :second"]);
    assert_eq!(model.topic(&channel("#lobby")), "second");
    take(&mut model, ":me!m@h PART #lobby");
    assert_eq!(model.topic(&channel("#lobby")), "");
}

#[test]
fn our_nick_as_a_word_of_its_own_mentions_us() {
    let model = model(&[]);
    for text in ["me: hi", "hey ME!", "ask me", "(me)"] {
        assert!(model.mentions_me(text), "{text}");
    }
    for text in ["some", "me-too", "home", ""] {
        assert!(!model.mentions_me(text), "{text}");
    }
}

#[test]
fn quits_and_new_nicks_name_the_channels_we_share() {
    let mut model = model(&[":me!m@h JOIN #ops", ":bob!b@h JOIN #ops"]);
    let events = take(&mut model, ":bob!b@h NICK rob");
    assert!(matches!(
        &events[..],
        [EventKind::NickChanged { channels, .. }] if *channels == [channel("#ops")]
    ));
    let events = take(&mut model, ":rob!b@h QUIT :bye");
    assert!(
        matches!(&events[..], [EventKind::Quit { channels, .. }] if *channels == [channel("#ops")])
    );
}

#[test]
fn names_replies_become_one_event() {
    let mut model = model(&[]);
    assert!(take(&mut model, ":s 353 me = #lobby :@alice bob").is_empty());
    assert!(take(&mut model, ":s 353 me = #lobby :carol").is_empty());
    let nicks = ["alice", "bob", "carol"].map(str::to_owned).into();
    let events = take(&mut model, ":s 366 me #lobby :End of /NAMES list");
    assert_eq!(
        events,
        [EventKind::Members {
            channel: "#lobby".to_owned(),
            nicks
        }]
    );
}

#[test]
fn someone_who_wrote_to_us_is_present_until_they_disconnect() {
    let mut model = model(&[":eve!e@h PRIVMSG me :hi"]);
    assert!(model.is_present(&nick("eve")));
    take(&mut model, ":s 401 me eve :No such nick");
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
    model.switch_when_joined(&channel("#ops"), Some("key"));
    take(&mut model, ":bob!b@h JOIN #ops");
    assert_eq!(model.current(), Some(&channel("#lobby")));
    take(&mut model, ":me!m@h JOIN #ops");
    assert_eq!(model.current(), Some(&channel("#ops")));
    model.switch_to(&channel("#Lobby"));
    assert_eq!(model.current(), Some(&channel("#lobby")));
    take(&mut model, ":me!m@h PART #lobby");
    assert!(
        model
            .current()
            .is_some_and(|current| *current != channel("#lobby"))
    );
}

#[test]
fn the_name_of_a_channel_is_needed_unless_it_is_the_only_one() {
    let mut model = model(&[]);
    assert!(!model.needs_channel_name("#LOBBY"));
    assert!(model.needs_channel_name("#elsewhere"));
    take(&mut model, ":me!m@h JOIN #ops");
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
fn many_channels_are_joined_by_few_messages_each_with_its_own_key() {
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
    model.switch_when_joined(&channel("#ops"), Some("key"));
    take(&mut model, ":me!m@h JOIN #ops");
    take(&mut model, ":boss!b@h KICK #out me :no");
    model.disconnect();
    assert!(!model.is_in(&channel("#lobby")));
    take(&mut model, ":s 001 me :Welcome back");
    take(&mut model, ":me!m@h JOIN #lobby");
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
    let received = take(&mut model, ":alice!a@h PRIVMSG me :hi");
    assert!(matches!(&received[..], [EventKind::DirectReceived { from, .. }] if from == "alice"));
    let echo = take(&mut model, ":me!m@h PRIVMSG alice :hi");
    assert!(matches!(&echo[..], [EventKind::DirectSent { to, .. }] if to == "alice"));
    let server = take(&mut model, ":irc.example NOTICE me :hi");
    assert!(matches!(&server[..], [EventKind::ServerNotice { from, .. }] if from == "irc.example"));
}

#[test]
fn our_own_new_nick_is_known() {
    let mut model = model(&[":me!m@h NICK myself"]);
    assert!(model.is_me("MySelf"));
    assert!(!model.is_me("me"));
    assert!(matches!(
        &take(&mut model, ":myself!m@h PRIVMSG bob :x")[..],
        [EventKind::DirectSent { .. }]
    ));
}

#[test]
fn errors_become_events_and_protocol_messages_do_not() {
    let mut model = model(&[]);
    assert_eq!(
        take(&mut model, ":s 401 me bob :No such nick"),
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
        ":a!a@h ACCOUNT a",
    ] {
        assert_eq!(take(&mut model, line), [], "{line}");
    }
}

#[test]
fn messages_without_their_parts_do_no_harm() {
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
            take(&mut model(&[]), &line);
        }
    }
}

#[test]
fn who_lists_people_and_says_if_there_are_none() {
    let mut model = model(&[]);
    let info = |words: &str| [EventKind::Info(words.to_owned())];
    assert_eq!(
        take(&mut model, ":s 352 me #lobby u h s bob H :0 bob"),
        info("bob")
    );
    assert_eq!(
        take(&mut model, ":s 352 me #lobby u h s eve G :0 Eve Adams"),
        info("eve (away): Eve Adams")
    );
    assert_eq!(take(&mut model, ":s 315 me #lobby :End"), []);
    assert_eq!(
        take(&mut model, ":s 315 me mallory :End"),
        info("nobody found: mallory")
    );
}

#[test]
fn replies_about_people_and_channels_are_described() {
    let mut model = model(&[]);
    for (line, text) in [
        ("311 me bob u h * :Bob Roberts", "bob (u@h): Bob Roberts"),
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
        ("322 me #ops 3 :Plans", "#ops (3): Plans"),
        ("322 me #ops 3 :", "#ops (3)"),
        (
            "324 me #lobby +kn sesame",
            "the modes of #lobby are +kn sesame",
        ),
        (
            "367 me #lobby eve!*@* boss!b@h 1",
            "banned: eve!*@* (by boss)",
        ),
        ("372 me :- Be kind.", "Be kind."),
    ] {
        assert_eq!(
            take(&mut model, &format!(":s {line}")),
            [EventKind::Info(text.to_owned())],
            "{line}"
        );
    }
    assert_eq!(take(&mut model, ":s 368 me #lobby :End"), []);
    let empty = [EventKind::Info("the list is empty".to_owned())];
    assert_eq!(take(&mut model, ":s 368 me #lobby :End"), empty);
    for silent in [
        "312 me bob s :net",
        "318 me bob :End",
        "329 me #lobby 1",
        "671 me bob :is secure",
        "321 me",
    ] {
        assert_eq!(take(&mut model, &format!(":s {silent}")), [], "{silent}");
    }
}
