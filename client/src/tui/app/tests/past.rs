//! What was said before: scrolled to, searched, read and not read.

use super::*;

#[test]
fn the_past_is_loaded_when_one_looks_at_it() {
    let mut ui = Harness::new();
    ui.hear(":s 005 alice CHATHISTORY=50 :are supported");
    ui.hear(":alice!a@h JOIN #den");
    ui.hear(":s MARKREAD #den timestamp=2026-01-02T12:00:00.000Z");
    ui.alt('2');
    assert_eq!(ui.sent(), ["CHATHISTORY LATEST #den * 50"]);
    ui.answers(
        "chathistory #den",
        &[
            "@time=2026-01-01T09:00:00.000Z;msgid=a :bob!b@h PRIVMSG #den :happy new year",
            "@time=2026-01-02T11:00:00.000Z;msgid=b :carol!c@h PRIVMSG #den :the last that was read",
            "@time=2026-01-02T13:00:00.000Z;msgid=c :bob!b@h PRIVMSG #den :alice: are you there?",
        ],
    );
    ui.app.look();
    let marked = "MARKREAD #den timestamp=2026-01-02T13:00:00.000Z";
    assert_eq!(
        ui.sent(),
        [marked, "CHATHISTORY BEFORE #den msgid=a 50"],
        "it is read, and there is room for more"
    );
    insta::assert_snapshot!(ui.screen());
    ui.answers("chathistory #den", &[]);
    assert!(
        ui.screen().contains("the beginning of #den"),
        "{}",
        ui.screen()
    );
}

#[test]
fn a_screen_without_a_connection() {
    let mut ui = Harness::sized(80, 12).with_talk();
    ui.app
        .lost("the server closed the connection", Duration::from_secs(2));
    ui.app.connection = Connection::Connecting;
    ui.enters("typed meanwhile");
    insta::assert_snapshot!(ui.screen());
}

#[test]
fn a_page_that_was_under_way_when_the_connection_was_lost_is_asked_for_again() {
    let mut ui = Harness::new();
    ui.hear(":s 005 alice CHATHISTORY=50 :are supported");
    ui.hear(":alice!a@h JOIN #den");
    ui.alt('2');
    assert_eq!(ui.sent(), ["CHATHISTORY LATEST #den * 50"]);
    ui.app
        .lost("the server closed the connection", Duration::from_secs(2));
    ui.app.look();
    assert_eq!(ui.sent(), [""; 0], "nobody would hear it");
    for line in [
        ":s 001 alice :Welcome back, alice.",
        ":s 005 alice CHATHISTORY=50 :are supported",
        ":alice!a@h JOIN #lobby",
        ":alice!a@h JOIN #den",
    ] {
        ui.hear(line);
    }
    ui.app.settled();
    let sent = ui.sent();
    assert_eq!(sent, ["CHATHISTORY LATEST #den * 50"]);
    ui.answers(
        "chathistory #den",
        &["@time=2026-01-01T09:00:00.000Z;msgid=a :bob!b@h PRIVMSG #den :here"],
    );
    assert!(
        ui.screen().contains("here") && !ui.screen().contains("not loaded"),
        "{}",
        ui.screen()
    );
}

#[test]
fn what_cannot_be_loaded_says_so_and_is_tried_again_on_the_way_up() {
    let mut ui = Harness::new();
    ui.hear(":s 005 alice CHATHISTORY=50 :are supported");
    ui.hear(":alice!a@h JOIN #den");
    ui.alt('2');
    ui.sent();
    let label = ui.label.clone();
    ui.hear(&format!(
        "@label={label} :s FAIL CHATHISTORY MESSAGE_ERROR LATEST #den :please try again later"
    ));
    assert!(
        ui.screen().contains("not loaded: please try again later"),
        "{}",
        ui.screen()
    );
    ui.app.look();
    assert_eq!(ui.sent(), [""; 0]);
    ui.press(KeyCode::PageUp, KeyModifiers::NONE);
    assert_eq!(ui.sent(), ["CHATHISTORY LATEST #den * 50"]);
}

#[test]
fn a_search_goes_through_what_is_loaded_and_then_back_through_the_history() {
    let mut ui = Harness::sized(80, 12);
    ui.hear(":s 005 alice CHATHISTORY=50 :are supported");
    ui.hear(":alice!a@h JOIN #den");
    ui.alt('2');
    ui.sent();
    let page = |from: u32| -> Vec<String> {
        let line = |number: u32| {
            let time = format!("2026-01-02T{:02}:{:02}:00.000Z", number / 60, number % 60);
            format!("@time={time};msgid=m{number} :bob!b@h PRIVMSG #den :number {number}")
        };
        (from..from + 50).map(line).collect()
    };
    let answers = |ui: &mut Harness, lines: &[String]| {
        ui.answers(
            "chathistory #den",
            &lines.iter().map(String::as_str).collect::<Vec<_>>(),
        );
        ui.app.look();
        ui.sent()
    };
    assert_eq!(answers(&mut ui, &page(200)), [""; 0], "the screen is full");
    ui.enters("/search NUMBER 23");
    assert!(ui.screen().contains("NUMBER 23: 1 of 1"), "{}", ui.screen());
    assert!(ui.screen().contains("number 239"));
    for wanted in ["number 238", "number 237"] {
        ui.press(KeyCode::Up, KeyModifiers::NONE);
        assert!(ui.screen().contains(wanted), "{wanted} in\n{}", ui.screen());
    }
    insta::assert_snapshot!(ui.screen());
    ui.press(KeyCode::Down, KeyModifiers::NONE);
    assert!(ui.screen().contains("NUMBER 23: 2 of 3"));
    ui.press(KeyCode::Esc, KeyModifiers::NONE);
    assert!(
        ui.app.overlay.is_none() && ui.app.scrolled().is_some(),
        "one stays where one is"
    );
    // What is not loaded is looked for page by page.
    ui.enters("/search number 11");
    assert_eq!(ui.sent(), ["CHATHISTORY BEFORE #den msgid=m200 50"]);
    assert!(ui.screen().contains("looking"));
    assert_eq!(
        answers(&mut ui, &page(150)),
        ["CHATHISTORY BEFORE #den msgid=m150 50"]
    );
    assert_eq!(answers(&mut ui, &page(100)), [""; 0], "it is found");
    assert!(ui.screen().contains("number 119"), "{}", ui.screen());
    for _ in 0..10 {
        ui.press(KeyCode::Up, KeyModifiers::NONE);
    }
    assert!(ui.screen().contains("number 110"));
    ui.press(KeyCode::Up, KeyModifiers::NONE);
    assert_eq!(ui.sent(), ["CHATHISTORY BEFORE #den msgid=m100 50"]);
    assert_eq!(answers(&mut ui, &[]), [""; 0]);
    assert!(
        ui.screen().contains("number 11: 10 of 10"),
        "{}",
        ui.screen()
    );
    assert!(ui.screen().contains("that is all there is"));
}

#[test]
fn a_search_that_finds_nothing_asks_before_it_goes_on_for_ever() {
    let mut ui = Harness::new();
    ui.hear(":s 005 alice CHATHISTORY=1 :are supported");
    ui.hear(":alice!a@h JOIN #den");
    ui.alt('2');
    ui.enters("/search needle");
    let mut pages = 0;
    while let [question] = &ui.sent()[..] {
        assert!(question.starts_with("CHATHISTORY"), "{question}");
        pages += 1;
        let line =
            format!("@time=2026-01-01T09:00:00.000Z;msgid=m{pages} :bob!b@h PRIVMSG #den :hay");
        ui.answers("chathistory #den", &[&line]);
        ui.app.look();
    }
    assert!(pages > 10 && pages < 50, "{pages}");
    assert!(
        ui.screen().contains("needle: nothing, back to 1 Jan 2026"),
        "{}",
        ui.screen()
    );
    ui.press(KeyCode::Up, KeyModifiers::NONE);
    assert_eq!(ui.sent().len(), 1, "on demand");
    ui.types("a");
    assert!(ui.app.overlay.is_none(), "whoever types is done with it");
    assert_eq!(ui.app.editor.text(), "a");
}

#[test]
fn whoever_does_nothing_for_long_is_not_taken_for_a_reader() {
    let mut ui = Harness::new();
    ui.hear(":s MARKREAD #lobby timestamp=2026-01-02T12:00:00.000Z");
    ui.hear(":bob!b@h PRIVMSG #lobby :hi");
    ui.app.look();
    assert_eq!(ui.sent().len(), 1, "this is read");
    ui.app.now += Duration::from_mins(10);
    ui.app.look();
    ui.hear(":bob!b@h PRIVMSG #lobby :alice: are you there?");
    ui.app.look();
    assert!(
        ui.app
            .effects()
            .iter()
            .any(|effect| matches!(effect, Effect::Notify(..))),
        "the bell rings"
    );
    assert!(ui.screen().contains("2›#lobby      !1"), "{}", ui.screen());
    ui.press(KeyCode::Char('y'), KeyModifiers::NONE);
    let screen = ui.screen();
    assert!(
        screen.contains("new since you left") && !screen.contains("!1"),
        "{screen}"
    );
    assert_eq!(ui.sent().len(), 1, "now it is read");
}

#[test]
fn one_scrolls_through_all_there_is_and_back() {
    let mut ui = Harness::new();
    for number in 0..200 {
        ui.hear(&format!(
            ":bob!b@h PRIVMSG #lobby :message {number:03} {}",
            "word ".repeat(number % 30)
        ));
    }
    assert!(ui.screen().contains("message 199"));
    for _ in 0..60 {
        ui.press(KeyCode::PageUp, KeyModifiers::NONE);
    }
    assert!(
        ui.screen().contains("you joined #lobby"),
        "the top:\n{}",
        ui.screen()
    );
    let at_top = ui.screen();
    ui.press(KeyCode::PageUp, KeyModifiers::NONE);
    assert_eq!(ui.screen(), at_top);
    ui.hear(":bob!b@h PRIVMSG #lobby :one more");
    assert_eq!(
        ui.screen().lines().nth(5),
        at_top.lines().nth(5),
        "what one reads stays where it is"
    );
    // Every message is seen on the way down, page by page.
    let mut seen = BTreeSet::new();
    for _ in 0..120 {
        let screen = ui.screen();
        seen.extend((0..200).filter(|number| screen.contains(&format!("message {number:03}"))));
        ui.press(KeyCode::PageDown, KeyModifiers::NONE);
    }
    assert_eq!(seen.len(), 200);
    assert!(ui.app.scrolled().is_none(), "the end is followed again");
    ui.press(KeyCode::PageUp, KeyModifiers::NONE);
    assert!(ui.screen().contains("more below"));
    ui.press(KeyCode::Esc, KeyModifiers::NONE);
    assert!(ui.screen().contains("one more"));
}

#[test]
fn what_is_new_has_a_line_above_it() {
    let mut ui = Harness::new();
    ui.hear(":bob!b@h PRIVMSG #lobby :seen");
    ui.app.focus(false);
    ui.hear(":bob!b@h PRIVMSG #lobby :not seen");
    ui.app.focus(true);
    insta::assert_snapshot!(ui.screen());
}
