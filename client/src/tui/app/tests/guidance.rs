//! Tests of hints and marks that guide the user.

use super::*;

#[test]
fn a_message_may_have_any_time() {
    let mut ui = Harness::new();
    let times = ["-009999-01-02T01:59:59Z", "9999-12-30T22:00:00.999Z"];
    for (time, text) in times.into_iter().zip(["earliest", "latest"]) {
        ui.receive(&format!("@time={time} :bob!b@h PRIVMSG alice :{text}"));
        ui.alt('3');
        assert!(ui.screen().contains(text), "{}", ui.screen());
    }
}

#[test]
fn the_first_visit_shows_the_first_steps_once() {
    let mut ui = Harness::new();
    ui.app.first_visit = true;
    ui.app.connection_ready();
    let screen = ui.screen();
    for part in [
        "type a message and press Enter",
        "to send it to bob only",
        "Ctrl-K switches",
        "/help lists keys",
        "/quit leaves",
    ] {
        assert!(screen.contains(part), "{part} in\n{screen}");
    }
    ui.app.connection_ready();
    assert_eq!(ui.screen().matches("/help lists keys").count(), 1, "once");
}

#[test]
fn an_empty_message_box_has_a_hint() {
    let mut ui = Harness::new().with_messages();
    let last = |ui: &mut Harness| ui.screen().lines().last().unwrap().to_owned();
    assert!(
        last(&mut ui).contains("Message to #lobby · /help"),
        "{}",
        ui.screen()
    );
    ui.type_text("x");
    assert!(!last(&mut ui).contains("Message"), "{}", ui.screen());
    ui.control('u');
    for (number, hint) in [
        ('1', "/join #CHANNEL, or Ctrl-K"),
        ('4', "Message to bob only"),
    ] {
        ui.alt(number);
        assert!(last(&mut ui).contains(hint), "{}", ui.screen());
    }
    ui.alt('2');
    ui.receive(":boss!o@h KICK #lobby alice :out");
    assert!(
        last(&mut ui).contains("/join #lobby to rejoin"),
        "{}",
        ui.screen()
    );
}

#[test]
fn a_command_is_explained_while_it_is_typed() {
    let mut ui = Harness::new();
    for (typed, hint) in [
        ("/k", "/kick NICK [REASON]: remove someone from the channel"),
        (
            "/kick bob too lou",
            "/kick NICK [REASON]: remove someone from the channel",
        ),
        ("/m", "/msg /me /mode /mute · Tab completes"),
        ("／m", "/msg /me /mode /mute · Tab completes"),
        ("/dev", "/devices · /devices revoke NUMBER"),
        ("/zz", "no such command: /help"),
        ("//zz", "alice@chat.example.org #lobby"),
    ] {
        ui.type_text(typed);
        assert!(ui.screen().contains(hint), "{typed}: {}", ui.screen());
        ui.control('u');
    }
}

#[test]
fn text_that_nobody_would_receive_stays_in_the_message_box() {
    let mut ui = Harness::new();
    ui.receive(":boss!o@h KICK #lobby alice :out");
    for text in ["still here?", "/me waves"] {
        ui.enter(text);
        assert_eq!(ui.app.editor.text(), text);
        assert!(
            ui.screen()
                .contains("you are not in #lobby: /join #lobby first"),
            "{}",
            ui.screen()
        );
        ui.control('u');
    }
    ui.alt('1');
    ui.app.handle_paste("a line\nand one /bob");
    ui.press(KeyCode::Char('y'), KeyModifiers::NONE);
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(ui.app.editor.text(), "a line\nand one /bob");
    assert_eq!(ui.sent(), [""; 0]);
    ui.control('c');
    ui.enter("/join #lobby");
    assert_eq!(ui.sent(), ["JOIN #lobby"]);
}

#[test]
fn text_that_may_be_meant_for_one_person_stays_in_the_message_box() {
    let mut ui = Harness::new();
    ui.receive(":carol!c@h PRIVMSG #lobby :alice: lunch?");
    for (text, hint) in [
        ("my secret is 42 /mallory", "mallory is not here"),
        ("/me whispers 42 /mallory", "mallory is not here"),
        ("/reply it is 42 /mallory", "mallory is not here"),
        ("hello all\nmy secret is 42 /mallory", "mallory is not here"),
        ("/msg bob my secret\nis 42", "/msg takes one line"),
        ("first\n/QUERY bob 42", "/QUERY takes one line"),
        ("first\n/password hunter2", "/password takes one line"),
        ("/raw SETPASS * hunter2\nlast", "/raw takes one line"),
        ("my secret is 42 /bob.", "end with /bob"),
        ("/topic my secret is 42 /bob", "everyone would see that"),
        ("/TOPIC #lobby 42 /mallory", "mallory is not here"),
        ("/part it is 42 /bob", "everyone would see that"),
        ("/kick carol it is 42 /bob", "everyone would see that"),
        ("/away it is 42 /bob.", "end with /bob"),
        ("/redact it is 42 /bob", "everyone would see that"),
        ("/quit it is 42 /bob", "everyone would see that"),
        ("/msg #lobby it is 42 /bob", "everyone would see that"),
    ] {
        ui.app.editor.set(text);
        ui.press(KeyCode::Enter, KeyModifiers::NONE);
        assert_eq!(ui.sent(), [""; 0], "{text}");
        assert_eq!(ui.app.editor.text(), text);
        assert!(ui.screen().contains(hint), "{text}: {}", ui.screen());
    }
    ui.app.editor.set("//msg bob x\nlook in //tmp");
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    ui.enter("/reply in private /bob");
    ui.enter(" /msg bob 42");
    assert_eq!(
        ui.sent(),
        [
            "PRIVMSG #lobby :/msg bob x",
            "PRIVMSG #lobby :look in /tmp",
            "PRIVMSG bob :in private",
            "PRIVMSG bob :42"
        ]
    );
}

#[test]
fn a_long_outage_and_its_end_are_each_shown_once() {
    let mut ui = Harness::new();
    ui.receive(":bob!b@h PRIVMSG alice :psst");
    ui.alt('3');
    ui.app
        .connection_lost("the server closed the connection", Duration::from_secs(1));
    for _ in 0..9 {
        ui.app
            .connection_lost("cannot connect", Duration::from_secs(9));
    }
    ui.enter("hello");
    assert!(ui.screen().contains("your text was not sent"));
    ui.receive(":s 001 alice :Hi");
    ui.receive(":s 372 alice :- Be kind.");
    ui.receive(":s.example NOTICE alice :Welcome back, alice.");
    ui.app.connection_ready();
    let screen = ui.screen();
    assert_eq!(
        screen.matches("cannot connect; trying again").count(),
        1,
        "{screen}"
    );
    assert_eq!(screen.matches("connected again").count(), 1, "{screen}");
    assert!(!screen.contains("was not sent"), "{screen}");
    for greeting in ["Be kind.", "Welcome back"] {
        assert!(
            !screen.contains(greeting),
            "not in the middle of a conversation:\n{screen}"
        );
    }
    ui.alt('1');
    assert!(
        ui.screen().contains("Be kind.") && ui.screen().contains("Welcome back"),
        "{}",
        ui.screen()
    );
}

#[test]
fn after_a_kick_the_screen_stays_and_the_user_decides_what_to_do() {
    let mut ui = Harness::new().with_messages();
    ui.enter("on its way");
    ui.type_text("half a sen");
    ui.sent();
    ui.app.session_ended(Removal::Kicked, "too loud");
    let screen = ui.screen();
    for part in [
        "good morning",
        "not confirmed, perhaps not sent, to",
        "You were kicked: too loud. Press r to",
        "KICKED, r: reconnect",
        "half a sen",
    ] {
        assert!(screen.contains(part), "{part} in\n{screen}");
    }
    ui.type_text("tx");
    ui.app.handle_paste("pasted");
    assert_eq!(ui.app.editor.text(), "half a sen", "it is read-only");
    assert!(ui.screen().contains("r connects again"), "{}", ui.screen());
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(ui.app.take_effects(), []);
    ui.type_text("r");
    assert_eq!(ui.app.take_effects(), [Effect::Reconnect]);
    ui.app.connecting_in(Duration::from_secs(1));
    ui.type_text("t");
    assert_eq!(ui.app.editor.text(), "half a sent");
    ui.receive(":s 001 alice :Welcome back, alice.");
    ui.receive(":alice!a@h JOIN #lobby");
    ui.app.connection_ready();
    assert!(ui.screen().contains("connected again"), "{}", ui.screen());
}

#[test]
fn after_a_ban_the_screen_says_for_how_long() {
    let mut ui = Harness::sized(40, 10).with_messages();
    ui.app.take_effects();
    ui.app.session_ended(
        Removal::BannedForAWhile,
        "spam (until 2026-01-09T00:00:00Z)",
    );
    let screen = ui.screen();
    for part in [
        "You are banned: spam (until",
        "2026-01-09T00:00:00Z). Ask the",
        "BANNED, r: try again",
    ] {
        assert!(screen.contains(part), "{part} in\n{screen}");
    }
    ui.enter("/quit");
    assert_eq!(ui.app.take_effects(), [Effect::Quit(None)]);
}

#[test]
fn after_a_ban_without_end_reconnecting_is_not_offered() {
    let mut ui = Harness::sized(80, 10).with_messages();
    ui.app.take_effects();
    ui.app.session_ended(Removal::Banned, "spam");
    ui.type_text("r");
    assert_eq!(ui.app.take_effects(), []);
    let screen = ui.screen();
    assert!(
        screen.contains("BANNED") && screen.contains("/quit quits"),
        "{screen}"
    );
    for offered in ["r:", "press r", "r connects"] {
        assert!(!screen.contains(offered), "{offered} in\n{screen}");
    }
    ui.enter("/quit");
    assert_eq!(ui.app.take_effects(), [Effect::Quit(None)]);
}

#[test]
fn the_switcher_opens_what_was_selected_when_others_write_meanwhile() {
    let mut ui = Harness::new();
    ui.receive(":alice!a@h JOIN #ops");
    ui.receive(":bob!b@h PRIVMSG alice :hi");
    ui.control('k');
    ui.press(KeyCode::Down, KeyModifiers::NONE);
    let selected = ui.app.switcher_matches("").remove(1);
    ui.receive(":mallory!m@h PRIVMSG alice :me first");
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(ui.conversation(), selected.name());
}

#[test]
fn the_switcher_prefers_people_that_the_user_has_written_to_also_after_a_restart() {
    let mut ui = Harness::new();
    ui.enter("/msg bob hi");
    let saved = ui.saved();
    let mut ui = Harness::new();
    ui.app.restore(&saved);
    ui.receive(":bob!b@h PRIVMSG alice :hi");
    ui.receive(":bo!m@h PRIVMSG alice :hi");
    ui.control('k');
    ui.type_text("bo");
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(ui.conversation(), "bob");
}

#[test]
fn the_switcher_leads_to_a_person_whose_conversation_is_not_open() {
    let mut ui = Harness::new();
    ui.enter("/msg bob hi");
    ui.enter("/close");
    ui.receive(":b-o-b!m@h PRIVMSG alice :hi");
    ui.enter("/join #lobby");
    assert_eq!(ui.app.switcher_matches("").len(), 3, "those that are open");
    ui.control('k');
    ui.type_text("bob");
    assert!(ui.screen().contains("› bob  not open"), "{}", ui.screen());
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(ui.conversation(), "bob");
    // With another nick it is the same conversation.
    ui.receive(":bob!b@h NICK bob-away");
    for text in ["/join #lobby", "/msg bob-away hi"] {
        ui.enter(text);
        ui.enter("/join #lobby");
        ui.control('k');
        ui.type_text("bob");
        assert!(!ui.screen().contains("not open"), "{}", ui.screen());
        ui.press(KeyCode::Enter, KeyModifiers::NONE);
        assert_eq!(ui.conversation(), "bob-away");
    }
}

#[test]
fn text_typed_after_a_search_for_a_conversation_without_a_match_goes_nowhere() {
    let mut ui = Harness::new();
    ui.control('k');
    ui.type_text("bob");
    for _ in 0..2 {
        ui.press(KeyCode::Enter, KeyModifiers::NONE);
        assert!(
            ui.screen().contains("nothing was opened"),
            "{}",
            ui.screen()
        );
        ui.type_text("the secret is 42");
    }
    assert_eq!(ui.sent(), [""; 0]);
    assert_eq!(ui.app.editor.text(), "");
    // What is pasted is looked for, too.
    ui.control('u');
    ui.app.handle_paste("lobby");
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(ui.conversation(), "#lobby");
    assert!(ui.app.overlay.is_none());
}

#[test]
fn the_switcher_leads_to_a_person_also_after_a_channel_was_given_their_name() {
    let switch = |ui: &mut Harness, query: &str| {
        ui.enter("/join #lobby");
        ui.control('k');
        ui.type_text(query);
        ui.press(KeyCode::Enter, KeyModifiers::NONE);
        ui.conversation().to_owned()
    };
    let mut ui = Harness::new();
    ui.receive(":alice!a@h JOIN #fun");
    ui.receive(":fun!f@h PRIVMSG alice :hi");
    assert_eq!(switch(&mut ui, "fun"), "#fun");
    ui.receive(":bob!b@h PRIVMSG alice :hi");
    ui.receive(":mallory!m@h RENAME #fun #bob");
    assert_eq!(switch(&mut ui, "bob"), "bob");
    assert_eq!(switch(&mut ui, "#bob"), "#bob");
    assert_eq!(switch(&mut ui, "bob"), "bob", "it was only looked at");
    ui.enter("/msg #bob a channel that is in use");
    assert_eq!(switch(&mut ui, "bob"), "#bob");
    ui.enter("/msg bob hi");
    ui.receive(":mallory!m@h RENAME #bob #lab");
    ui.receive(":mallory!m@h RENAME #lab #bob");
    assert_eq!(switch(&mut ui, "bo"), "#bob", "it has its name again");
}

#[test]
fn who_joins_the_former_name_of_a_channel_that_they_are_in_is_led_to_it() {
    let join = |typed: &str| {
        let mut ui = Harness::new();
        ui.receive(":alice!a@h JOIN #team");
        ui.enter("/join #ops");
        ui.sent();
        ui.type_text(typed);
        let refusal = ":s FAIL JOIN CHANNEL_RENAMED #ops #team :#ops was renamed to #team";
        ui.receive(&format!("@label={} {refusal}", ui.label));
        assert!(ui.screen().contains("#ops was renamed to #team"));
        ui
    };
    let mut ui = join("");
    assert_eq!(ui.conversation(), "#team");
    assert_eq!(ui.app.switcher_matches("ops"), [], "{}", ui.screen());
    // Text that was typed for it meanwhile stays where it is.
    let ui = join("agenda");
    assert_eq!(ui.conversation(), "#ops");
    assert_eq!(ui.app.editor.text(), "agenda");
}

#[test]
fn the_switcher_lists_highlights_then_unread_then_recently_shown_conversations() {
    let mut ui = Harness::new().with_messages();
    ui.receive(":carol!c@h PRIVMSG alice :psst");
    ui.alt('3');
    ui.alt('2');
    ui.receive(":boss!o@h PRIVMSG #ops :another");
    ui.control('k');
    let order = |ui: &mut Harness| -> Vec<String> {
        let found = ui.app.switcher_matches("");
        found.iter().map(|found| found.name().to_owned()).collect()
    };
    assert_eq!(
        order(&mut ui),
        ["bob", "carol", "#ops", "*server*", "#lobby"]
    );
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(ui.conversation(), "bob");
    ui.alt('5');
    ui.alt('3');
    ui.control('k');
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(ui.conversation(), "carol", "the conversation shown before");
}

#[test]
fn a_long_list_marks_unread_messages_above_and_below() {
    let mut ui = Harness::sized(80, 12);
    for number in 10..30 {
        ui.receive(&format!(":alice!a@h JOIN #room{number}"));
    }
    let marks = |ui: &mut Harness| {
        let screen = ui.screen();
        (screen.contains('▲'), screen.contains('▼'))
    };
    assert_eq!(marks(&mut ui), (false, false));
    ui.receive(":bob!b@h PRIVMSG #room29 :hi");
    assert_eq!(marks(&mut ui), (false, true));
    ui.control('p');
    ui.control('p');
    assert_eq!(ui.conversation(), "#room29");
    ui.receive(":bob!b@h PRIVMSG #lobby :alice?");
    assert_eq!(marks(&mut ui), (true, false));
}

#[test]
fn a_click_on_a_member_opens_a_private_conversation() {
    let mut ui = Harness::sized(120, 24);
    let click = |ui: &mut Harness, row| {
        let kind = MouseEventKind::Down(MouseButton::Left);
        ui.app.handle_mouse(MouseEvent {
            kind,
            column: 110,
            row,
            modifiers: KeyModifiers::NONE,
        });
    };
    click(&mut ui, 15);
    assert_eq!(ui.conversation(), "#lobby", "there is no member there");
    click(&mut ui, 3);
    assert_eq!(
        ui.conversation(),
        "#lobby",
        "there is no conversation with oneself"
    );
    click(&mut ui, 4);
    assert_eq!(ui.conversation(), "bob");
}

#[test]
fn a_paste_that_is_too_long_is_refused_with_a_hint() {
    let mut ui = Harness::new();
    ui.type_text("typed");
    ui.app.handle_paste(&"x\n".repeat(40_000));
    assert!(
        ui.screen().contains("too long to be pasted"),
        "{}",
        ui.screen()
    );
    assert_eq!(ui.app.editor.text(), "typed");
}

#[test]
fn wrong_arguments_of_screen_commands_are_refused() {
    for (line, refusal) in [
        ("/query", "usage: /query NICK [TEXT]"),
        ("/query a!b", "a!b: "),
        ("/reply", "usage: /reply TEXT"),
        ("/search", "usage: /search TEXT"),
        ("/password hunter2", "/password alone"),
    ] {
        let mut ui = Harness::new();
        ui.enter(line);
        assert_eq!(ui.sent(), [""; 0], "{line}");
        assert!(ui.screen().contains(refusal), "{line}: {}", ui.screen());
        assert!(ui.app.overlay.is_none(), "{line}");
    }
}
