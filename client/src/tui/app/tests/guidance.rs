//! What tells people what they can do, and where to look.

use super::*;

#[test]
fn whoever_is_here_for_the_first_time_is_told_the_first_steps() {
    let mut desk = Desk::new();
    desk.app.newcomer = true;
    desk.app.settled();
    let screen = desk.screen();
    for part in [
        "type and press Enter",
        "goes to bob alone",
        "Ctrl-K goes",
        "/help: all keys",
        "/quit leaves",
    ] {
        assert!(screen.contains(part), "{part} in\n{screen}");
    }
    desk.app.settled();
    assert_eq!(desk.screen().matches("/help: all keys").count(), 1, "once");
}

#[test]
fn an_empty_line_says_what_could_be_typed_there() {
    let mut desk = Desk::new().with_talk();
    let last = |desk: &Desk| desk.screen().lines().last().unwrap().to_owned();
    assert!(
        last(&desk).contains("Message to #lobby · /help"),
        "{}",
        desk.screen()
    );
    desk.types("x");
    assert!(!last(&desk).contains("Message"), "{}", desk.screen());
    desk.control('u');
    for (place, words) in [
        ('1', "/join #CHANNEL, or Ctrl-K"),
        ('4', "Message to bob alone"),
    ] {
        desk.alt(place);
        assert!(last(&desk).contains(words), "{}", desk.screen());
    }
    desk.alt('2');
    desk.hear(":boss!o@h KICK #lobby alice :out");
    assert!(
        last(&desk).contains("/join #lobby to go back to it"),
        "{}",
        desk.screen()
    );
}

#[test]
fn a_command_is_explained_while_it_is_typed() {
    let mut desk = Desk::new();
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
        desk.types(typed);
        assert!(desk.screen().contains(words), "{typed}: {}", desk.screen());
        desk.control('u');
    }
}

#[test]
fn what_nobody_would_hear_stays_where_it_was_typed() {
    let mut desk = Desk::new();
    desk.hear(":boss!o@h KICK #lobby alice :out");
    for text in ["still here?", "/me waves"] {
        desk.enters(text);
        assert_eq!(desk.app.editor.text(), text);
        assert!(
            desk.screen()
                .contains("you are not in #lobby; /join #lobby first"),
            "{}",
            desk.screen()
        );
        desk.control('u');
    }
    desk.alt('1');
    desk.app.paste("a line\nand one /bob");
    desk.press(KeyCode::Char('y'), KeyModifiers::NONE);
    desk.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(desk.app.editor.text(), "a line\nand one /bob");
    assert_eq!(desk.sent(), [""; 0]);
    desk.control('c');
    desk.enters("/join #lobby");
    assert_eq!(desk.sent(), ["JOIN #lobby"]);
}

#[test]
fn a_long_outage_is_told_once_and_so_is_its_end() {
    let mut desk = Desk::new();
    desk.hear(":bob!b@h PRIVMSG alice :psst");
    desk.alt('3');
    desk.app
        .lost("the server closed the connection", Duration::from_secs(1));
    for _ in 0..9 {
        desk.app.lost("cannot connect", Duration::from_secs(9));
    }
    desk.enters("hello");
    assert!(desk.screen().contains("what you typed is kept here"));
    desk.hear(":s 001 alice :Hi");
    desk.hear(":s 372 alice :- Be kind.");
    desk.hear(":s.example NOTICE alice :Welcome back, alice.");
    desk.app.settled();
    let screen = desk.screen();
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
    desk.alt('1');
    assert!(
        desk.screen().contains("Be kind.") && desk.screen().contains("Welcome back"),
        "{}",
        desk.screen()
    );
}

#[test]
fn the_switcher_begins_with_what_calls_then_what_is_unread_then_where_one_was() {
    let mut desk = Desk::new().with_talk();
    desk.hear(":carol!c@h PRIVMSG alice :psst");
    desk.alt('3');
    desk.alt('2');
    desk.hear(":boss!o@h PRIVMSG #ops :another");
    desk.control('k');
    let order = |desk: &Desk| -> Vec<String> {
        let found = desk.app.found("");
        found
            .into_iter()
            .map(|index| desk.app.buffers.list()[index].place.name().to_owned())
            .collect()
    };
    assert_eq!(order(&desk), ["bob", "carol", "#ops", "server", "#lobby"]);
    desk.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(desk.place(), "bob");
    desk.alt('5');
    desk.alt('3');
    desk.control('k');
    desk.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(desk.place(), "carol", "back to where one was");
}

#[test]
fn a_long_list_shows_that_there_is_something_new_above_or_below() {
    let mut desk = Desk::sized(80, 12);
    for number in 10..30 {
        desk.hear(&format!(":alice!a@h JOIN #room{number}"));
    }
    let marks = |desk: &Desk| {
        let screen = desk.screen();
        (screen.contains('▲'), screen.contains('▼'))
    };
    assert_eq!(marks(&desk), (false, false));
    desk.hear(":bob!b@h PRIVMSG #room29 :hi");
    assert_eq!(marks(&desk), (false, true));
    desk.control('p');
    desk.control('p');
    assert_eq!(desk.place(), "#room29");
    desk.hear(":bob!b@h PRIVMSG #lobby :alice?");
    assert_eq!(marks(&desk), (true, false));
}

#[test]
fn a_member_is_clicked_on_to_write_to_them() {
    let mut desk = Desk::sized(120, 24);
    let click = |desk: &mut Desk, row| {
        let kind = MouseEventKind::Down(MouseButton::Left);
        desk.app.mouse(MouseEvent {
            kind,
            column: 110,
            row,
            modifiers: KeyModifiers::NONE,
        });
    };
    click(&mut desk, 15);
    assert_eq!(desk.place(), "#lobby", "nobody is there");
    click(&mut desk, 3);
    assert_eq!(desk.place(), "#lobby", "nobody writes to themselves");
    click(&mut desk, 4);
    assert_eq!(desk.place(), "bob");
}

#[test]
fn what_is_too_long_to_be_pasted_is_told() {
    let mut desk = Desk::new();
    desk.types("kept");
    desk.app.paste(&"x\n".repeat(40_000));
    assert!(
        desk.screen().contains("too long to be pasted"),
        "{}",
        desk.screen()
    );
    assert_eq!(desk.app.editor.text(), "kept");
}
