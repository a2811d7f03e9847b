//! What tells people what they can do, and where to look.

use super::*;

#[test]
fn whoever_is_here_for_the_first_time_is_told_the_first_steps() {
    let mut ui = Harness::new();
    ui.app.newcomer = true;
    ui.app.settled();
    let screen = ui.screen();
    for part in [
        "type and press Enter",
        "goes to bob alone",
        "Ctrl-K goes",
        "/help: all keys",
        "/quit leaves",
    ] {
        assert!(screen.contains(part), "{part} in\n{screen}");
    }
    ui.app.settled();
    assert_eq!(ui.screen().matches("/help: all keys").count(), 1, "once");
}

#[test]
fn an_empty_line_says_what_could_be_typed_there() {
    let mut ui = Harness::new().with_talk();
    let last = |ui: &Harness| ui.screen().lines().last().unwrap().to_owned();
    assert!(
        last(&ui).contains("Message to #lobby · /help"),
        "{}",
        ui.screen()
    );
    ui.types("x");
    assert!(!last(&ui).contains("Message"), "{}", ui.screen());
    ui.control('u');
    for (place, words) in [
        ('1', "/join #CHANNEL, or Ctrl-K"),
        ('4', "Message to bob alone"),
    ] {
        ui.alt(place);
        assert!(last(&ui).contains(words), "{}", ui.screen());
    }
    ui.alt('2');
    ui.hear(":boss!o@h KICK #lobby alice :out");
    assert!(
        last(&ui).contains("/join #lobby to go back to it"),
        "{}",
        ui.screen()
    );
}

#[test]
fn a_command_is_explained_while_it_is_typed() {
    let mut ui = Harness::new();
    for (typed, words) in [
        ("/k", "/kick NICK [REASON]: out of the channel (operators)"),
        (
            "/kick bob too lou",
            "/kick NICK [REASON]: out of the channel (operators)",
        ),
        ("/m", "/msg /me /mode /mute · Tab completes"),
        ("/dev", "/devices · /devices revoke NUMBER"),
        ("/zz", "no command begins like that: /help"),
        ("//zz", "alice@chat.example.org #lobby"),
    ] {
        ui.types(typed);
        assert!(ui.screen().contains(words), "{typed}: {}", ui.screen());
        ui.control('u');
    }
}

#[test]
fn what_nobody_would_hear_stays_where_it_was_typed() {
    let mut ui = Harness::new();
    ui.hear(":boss!o@h KICK #lobby alice :out");
    for text in ["still here?", "/me waves"] {
        ui.enters(text);
        assert_eq!(ui.app.editor.text(), text);
        assert!(
            ui.screen()
                .contains("you are not in #lobby; /join #lobby first"),
            "{}",
            ui.screen()
        );
        ui.control('u');
    }
    ui.alt('1');
    ui.app.paste("a line\nand one /bob");
    ui.press(KeyCode::Char('y'), KeyModifiers::NONE);
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(ui.app.editor.text(), "a line\nand one /bob");
    assert_eq!(ui.sent(), [""; 0]);
    ui.control('c');
    ui.enters("/join #lobby");
    assert_eq!(ui.sent(), ["JOIN #lobby"]);
}

#[test]
fn a_long_outage_is_told_once_and_so_is_its_end() {
    let mut ui = Harness::new();
    ui.hear(":bob!b@h PRIVMSG alice :psst");
    ui.alt('3');
    ui.app
        .lost("the server closed the connection", Duration::from_secs(1));
    for _ in 0..9 {
        ui.app.lost("cannot connect", Duration::from_secs(9));
    }
    ui.enters("hello");
    assert!(ui.screen().contains("what you typed is kept here"));
    ui.hear(":s 001 alice :Hi");
    ui.hear(":s 372 alice :- Be kind.");
    ui.hear(":s.example NOTICE alice :Welcome back, alice.");
    ui.app.settled();
    let screen = ui.screen();
    assert_eq!(
        screen.matches("cannot connect; trying again").count(),
        1,
        "{screen}"
    );
    assert_eq!(screen.matches("connected again").count(), 1, "{screen}");
    assert!(!screen.contains("is kept here"), "{screen}");
    for greeting in ["Be kind.", "Welcome back"] {
        assert!(
            !screen.contains(greeting),
            "not in the middle of a talk:\n{screen}"
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
fn the_switcher_begins_with_what_calls_then_what_is_unread_then_where_one_was() {
    let mut ui = Harness::new().with_talk();
    ui.hear(":carol!c@h PRIVMSG alice :psst");
    ui.alt('3');
    ui.alt('2');
    ui.hear(":boss!o@h PRIVMSG #ops :another");
    ui.control('k');
    let order = |ui: &Harness| -> Vec<String> {
        let found = ui.app.found("");
        found
            .into_iter()
            .map(|index| ui.app.buffers.list()[index].conversation.name().to_owned())
            .collect()
    };
    assert_eq!(order(&ui), ["bob", "carol", "#ops", "server", "#lobby"]);
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(ui.place(), "bob");
    ui.alt('5');
    ui.alt('3');
    ui.control('k');
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(ui.place(), "carol", "back to where one was");
}

#[test]
fn a_long_list_shows_that_there_is_something_new_above_or_below() {
    let mut ui = Harness::sized(80, 12);
    for number in 10..30 {
        ui.hear(&format!(":alice!a@h JOIN #room{number}"));
    }
    let marks = |ui: &Harness| {
        let screen = ui.screen();
        (screen.contains('▲'), screen.contains('▼'))
    };
    assert_eq!(marks(&ui), (false, false));
    ui.hear(":bob!b@h PRIVMSG #room29 :hi");
    assert_eq!(marks(&ui), (false, true));
    ui.control('p');
    ui.control('p');
    assert_eq!(ui.place(), "#room29");
    ui.hear(":bob!b@h PRIVMSG #lobby :alice?");
    assert_eq!(marks(&ui), (true, false));
}

#[test]
fn a_member_is_clicked_on_to_write_to_them() {
    let mut ui = Harness::sized(120, 24);
    let click = |ui: &mut Harness, row| {
        let kind = MouseEventKind::Down(MouseButton::Left);
        ui.app.mouse(MouseEvent {
            kind,
            column: 110,
            row,
            modifiers: KeyModifiers::NONE,
        });
    };
    click(&mut ui, 15);
    assert_eq!(ui.place(), "#lobby", "nobody is there");
    click(&mut ui, 3);
    assert_eq!(ui.place(), "#lobby", "nobody writes to themselves");
    click(&mut ui, 4);
    assert_eq!(ui.place(), "bob");
}

#[test]
fn what_is_too_long_to_be_pasted_is_told() {
    let mut ui = Harness::new();
    ui.types("kept");
    ui.app.paste(&"x\n".repeat(40_000));
    assert!(
        ui.screen().contains("too long to be pasted"),
        "{}",
        ui.screen()
    );
    assert_eq!(ui.app.editor.text(), "kept");
}
