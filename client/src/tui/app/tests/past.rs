//! What was said before: scrolled to, searched, read and not read.

use super::*;

#[test]
fn the_past_is_loaded_when_one_looks_at_it() {
    let mut desk = Desk::new();
    desk.hear(":s 005 alice CHATHISTORY=50 :are supported");
    desk.hear(":alice!a@h JOIN #den");
    desk.hear(":s MARKREAD #den timestamp=2026-01-02T12:00:00.000Z");
    desk.alt('2');
    assert_eq!(desk.sent(), ["CHATHISTORY LATEST #den * 50"]);
    desk.answers(
        "chathistory #den",
        &[
            "@time=2026-01-01T09:00:00.000Z;msgid=a :bob!b@h PRIVMSG #den :happy new year",
            "@time=2026-01-02T11:00:00.000Z;msgid=b :carol!c@h PRIVMSG #den :the last that was read",
            "@time=2026-01-02T13:00:00.000Z;msgid=c :bob!b@h PRIVMSG #den :alice: are you there?",
        ],
    );
    desk.app.look();
    let marked = "MARKREAD #den timestamp=2026-01-02T13:00:00.000Z";
    assert_eq!(
        desk.sent(),
        [marked, "CHATHISTORY BEFORE #den msgid=a 50"],
        "it is read, and there is room for more"
    );
    insta::assert_snapshot!(desk.screen());
    desk.answers("chathistory #den", &[]);
    assert!(
        desk.screen().contains("the beginning of #den"),
        "{}",
        desk.screen()
    );
}

#[test]
fn a_screen_without_a_connection() {
    let mut desk = Desk::sized(80, 12).with_talk();
    desk.app
        .lost("the server closed the connection", Duration::from_secs(2));
    desk.app.connection = Connection::Connecting;
    desk.enters("typed meanwhile");
    insta::assert_snapshot!(desk.screen());
}

#[test]
fn a_page_that_was_under_way_when_the_connection_was_lost_is_asked_for_again() {
    let mut desk = Desk::new();
    desk.hear(":s 005 alice CHATHISTORY=50 :are supported");
    desk.hear(":alice!a@h JOIN #den");
    desk.alt('2');
    assert_eq!(desk.sent(), ["CHATHISTORY LATEST #den * 50"]);
    desk.app
        .lost("the server closed the connection", Duration::from_secs(2));
    desk.app.look();
    assert_eq!(desk.sent(), [""; 0], "nobody would hear it");
    for line in [
        ":s 001 alice :Welcome back, alice.",
        ":s 005 alice CHATHISTORY=50 :are supported",
        ":alice!a@h JOIN #lobby",
        ":alice!a@h JOIN #den",
    ] {
        desk.hear(line);
    }
    desk.app.settled();
    let sent = desk.sent();
    assert_eq!(sent, ["CHATHISTORY LATEST #den * 50"]);
    desk.answers(
        "chathistory #den",
        &["@time=2026-01-01T09:00:00.000Z;msgid=a :bob!b@h PRIVMSG #den :here"],
    );
    assert!(
        desk.screen().contains("here") && !desk.screen().contains("not loaded"),
        "{}",
        desk.screen()
    );
}

#[test]
fn what_cannot_be_loaded_says_so_and_is_tried_again_on_the_way_up() {
    let mut desk = Desk::new();
    desk.hear(":s 005 alice CHATHISTORY=50 :are supported");
    desk.hear(":alice!a@h JOIN #den");
    desk.alt('2');
    desk.sent();
    let label = desk.label.clone();
    desk.hear(&format!(
        "@label={label} :s FAIL CHATHISTORY MESSAGE_ERROR LATEST #den :please try again later"
    ));
    assert!(
        desk.screen().contains("not loaded: please try again later"),
        "{}",
        desk.screen()
    );
    desk.app.look();
    assert_eq!(desk.sent(), [""; 0]);
    desk.press(KeyCode::PageUp, KeyModifiers::NONE);
    assert_eq!(desk.sent(), ["CHATHISTORY LATEST #den * 50"]);
}

#[test]
fn a_search_goes_through_what_is_loaded_and_then_back_through_the_history() {
    let mut desk = Desk::sized(80, 12);
    desk.hear(":s 005 alice CHATHISTORY=50 :are supported");
    desk.hear(":alice!a@h JOIN #den");
    desk.alt('2');
    desk.sent();
    let page = |from: u32| -> Vec<String> {
        let line = |number: u32| {
            let time = format!("2026-01-02T{:02}:{:02}:00.000Z", number / 60, number % 60);
            format!("@time={time};msgid=m{number} :bob!b@h PRIVMSG #den :number {number}")
        };
        (from..from + 50).map(line).collect()
    };
    let answers = |desk: &mut Desk, lines: &[String]| {
        desk.answers(
            "chathistory #den",
            &lines.iter().map(String::as_str).collect::<Vec<_>>(),
        );
        desk.app.look();
        desk.sent()
    };
    assert_eq!(
        answers(&mut desk, &page(200)),
        [""; 0],
        "the screen is full"
    );
    desk.enters("/search NUMBER 23");
    assert!(
        desk.screen().contains("NUMBER 23: 1 of 1"),
        "{}",
        desk.screen()
    );
    assert!(desk.screen().contains("number 239"));
    for wanted in ["number 238", "number 237"] {
        desk.press(KeyCode::Up, KeyModifiers::NONE);
        assert!(
            desk.screen().contains(wanted),
            "{wanted} in\n{}",
            desk.screen()
        );
    }
    insta::assert_snapshot!(desk.screen());
    desk.press(KeyCode::Down, KeyModifiers::NONE);
    assert!(desk.screen().contains("NUMBER 23: 2 of 3"));
    desk.press(KeyCode::Esc, KeyModifiers::NONE);
    assert!(
        desk.app.overlay.is_none() && desk.app.scrolled().is_some(),
        "one stays where one is"
    );
    // What is not loaded is looked for page by page.
    desk.enters("/search number 11");
    assert_eq!(desk.sent(), ["CHATHISTORY BEFORE #den msgid=m200 50"]);
    assert!(desk.screen().contains("looking"));
    assert_eq!(
        answers(&mut desk, &page(150)),
        ["CHATHISTORY BEFORE #den msgid=m150 50"]
    );
    assert_eq!(answers(&mut desk, &page(100)), [""; 0], "it is found");
    assert!(desk.screen().contains("number 119"), "{}", desk.screen());
    for _ in 0..10 {
        desk.press(KeyCode::Up, KeyModifiers::NONE);
    }
    assert!(desk.screen().contains("number 110"));
    desk.press(KeyCode::Up, KeyModifiers::NONE);
    assert_eq!(desk.sent(), ["CHATHISTORY BEFORE #den msgid=m100 50"]);
    assert_eq!(answers(&mut desk, &[]), [""; 0]);
    assert!(
        desk.screen().contains("number 11: 10 of 10"),
        "{}",
        desk.screen()
    );
    assert!(desk.screen().contains("that is all there is"));
}

#[test]
fn a_search_that_finds_nothing_asks_before_it_goes_on_for_ever() {
    let mut desk = Desk::new();
    desk.hear(":s 005 alice CHATHISTORY=1 :are supported");
    desk.hear(":alice!a@h JOIN #den");
    desk.alt('2');
    desk.enters("/search needle");
    let mut pages = 0;
    while let [question] = &desk.sent()[..] {
        assert!(question.starts_with("CHATHISTORY"), "{question}");
        pages += 1;
        let line =
            format!("@time=2026-01-01T09:00:00.000Z;msgid=m{pages} :bob!b@h PRIVMSG #den :hay");
        desk.answers("chathistory #den", &[&line]);
        desk.app.look();
    }
    assert!(pages > 10 && pages < 50, "{pages}");
    assert!(
        desk.screen()
            .contains("needle: nothing, back to 1 Jan 2026"),
        "{}",
        desk.screen()
    );
    desk.press(KeyCode::Up, KeyModifiers::NONE);
    assert_eq!(desk.sent().len(), 1, "on demand");
    desk.types("a");
    assert!(desk.app.overlay.is_none(), "whoever types is done with it");
    assert_eq!(desk.app.editor.text(), "a");
}

#[test]
fn whoever_does_nothing_for_long_is_not_taken_for_a_reader() {
    let mut desk = Desk::new();
    desk.hear(":s MARKREAD #lobby timestamp=2026-01-02T12:00:00.000Z");
    desk.hear(":bob!b@h PRIVMSG #lobby :hi");
    desk.app.look();
    assert_eq!(desk.sent().len(), 1, "this is read");
    desk.app.now += Duration::from_mins(10);
    desk.app.look();
    desk.hear(":bob!b@h PRIVMSG #lobby :alice: are you there?");
    desk.app.look();
    assert!(
        desk.app
            .effects()
            .iter()
            .any(|effect| matches!(effect, Effect::Notify(..))),
        "the bell rings"
    );
    assert!(
        desk.screen().contains("2›#lobby      !1"),
        "{}",
        desk.screen()
    );
    desk.press(KeyCode::Char('y'), KeyModifiers::NONE);
    let screen = desk.screen();
    assert!(
        screen.contains("new since you left") && !screen.contains("!1"),
        "{screen}"
    );
    assert_eq!(desk.sent().len(), 1, "now it is read");
}

#[test]
fn one_scrolls_through_all_there_is_and_back() {
    let mut desk = Desk::new();
    for number in 0..200 {
        desk.hear(&format!(
            ":bob!b@h PRIVMSG #lobby :message {number:03} {}",
            "word ".repeat(number % 30)
        ));
    }
    assert!(desk.screen().contains("message 199"));
    for _ in 0..60 {
        desk.press(KeyCode::PageUp, KeyModifiers::NONE);
    }
    assert!(
        desk.screen().contains("you joined #lobby"),
        "the top:\n{}",
        desk.screen()
    );
    let at_top = desk.screen();
    desk.press(KeyCode::PageUp, KeyModifiers::NONE);
    assert_eq!(desk.screen(), at_top);
    desk.hear(":bob!b@h PRIVMSG #lobby :one more");
    assert_eq!(
        desk.screen().lines().nth(5),
        at_top.lines().nth(5),
        "what one reads stays where it is"
    );
    // Every message is seen on the way down, page by page.
    let mut seen = BTreeSet::new();
    for _ in 0..120 {
        let screen = desk.screen();
        seen.extend((0..200).filter(|number| screen.contains(&format!("message {number:03}"))));
        desk.press(KeyCode::PageDown, KeyModifiers::NONE);
    }
    assert_eq!(seen.len(), 200);
    assert!(desk.app.scrolled().is_none(), "the end is followed again");
    desk.press(KeyCode::PageUp, KeyModifiers::NONE);
    assert!(desk.screen().contains("more below"));
    desk.press(KeyCode::Esc, KeyModifiers::NONE);
    assert!(desk.screen().contains("one more"));
}

#[test]
fn what_is_new_has_a_line_above_it() {
    let mut desk = Desk::new();
    desk.hear(":bob!b@h PRIVMSG #lobby :seen");
    desk.app.focus(false);
    desk.hear(":bob!b@h PRIVMSG #lobby :not seen");
    desk.app.focus(true);
    insta::assert_snapshot!(desk.screen());
}
