//! Tests of older messages: loading, scrolling, searching, and unread counts.

use super::*;

#[test]
fn history_is_loaded_when_it_comes_into_view() {
    let mut ui = Harness::new();
    ui.receive(":s 005 alice CHATHISTORY=50 :are supported");
    ui.receive(":alice!a@h JOIN #den");
    ui.receive(":s MARKREAD #den timestamp=2026-01-02T12:00:00.000Z");
    ui.alt('2');
    assert_eq!(ui.sent(), ["CHATHISTORY LATEST #den * 50"]);
    ui.answer(
        "chathistory #den",
        &[
            "@time=2026-01-01T09:00:00.000Z;msgid=a :bob!b@h PRIVMSG #den :happy new year",
            "@time=2026-01-02T11:00:00.000Z;msgid=b :carol!c@h PRIVMSG #den :the last that was read",
            "@time=2026-01-02T13:00:00.000Z;msgid=c :bob!b@h PRIVMSG #den :alice: are you there?",
        ],
    );
    ui.app.refresh();
    let marker = "MARKREAD #den timestamp=2026-01-02T13:00:00.000Z";
    assert_eq!(
        ui.sent(),
        [marker, "CHATHISTORY BEFORE #den msgid=a 50"],
        "the page is read, and the screen has room for more"
    );
    insta::assert_snapshot!(ui.screen());
    ui.answer("chathistory #den", &[]);
    assert!(ui.screen().contains("beginning of #den"), "{}", ui.screen());
}

#[test]
fn a_screen_without_a_connection() {
    let mut ui = Harness::sized(80, 12).with_messages();
    ui.app
        .connection_lost("the server closed the connection", Duration::from_secs(2));
    ui.app.connection = Connection::Connecting;
    ui.enter("typed meanwhile");
    insta::assert_snapshot!(ui.screen());
}

#[test]
fn a_page_that_the_lost_connection_did_not_deliver_is_requested_again() {
    let mut ui = Harness::new();
    ui.receive(":s 005 alice CHATHISTORY=50 :are supported");
    ui.receive(":alice!a@h JOIN #den");
    ui.alt('2');
    assert_eq!(ui.sent(), ["CHATHISTORY LATEST #den * 50"]);
    ui.app
        .connection_lost("the server closed the connection", Duration::from_secs(2));
    ui.app.refresh();
    assert_eq!(ui.sent(), [""; 0], "there is no connection");
    for line in [
        ":s 001 alice :Welcome back, alice.",
        ":s 005 alice CHATHISTORY=50 :are supported",
        ":alice!a@h JOIN #lobby",
        ":alice!a@h JOIN #den",
    ] {
        ui.receive(line);
    }
    ui.app.connection_ready();
    let sent = ui.sent();
    assert_eq!(sent, ["CHATHISTORY LATEST #den * 50"]);
    ui.answer(
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
fn a_failed_page_is_marked_and_requested_again_when_scrolling_up() {
    let mut ui = Harness::new();
    ui.receive(":s 005 alice CHATHISTORY=50 :are supported");
    ui.receive(":alice!a@h JOIN #den");
    ui.alt('2');
    ui.sent();
    let label = ui.label.clone();
    ui.receive(&format!(
        "@label={label} :s FAIL CHATHISTORY MESSAGE_ERROR LATEST #den :please try again later"
    ));
    assert!(
        ui.screen().contains("not loaded: please try again later"),
        "{}",
        ui.screen()
    );
    ui.app.refresh();
    assert_eq!(ui.sent(), [""; 0]);
    ui.press(KeyCode::PageUp, KeyModifiers::NONE);
    assert_eq!(ui.sent(), ["CHATHISTORY LATEST #den * 50"]);
}

#[test]
fn a_search_covers_loaded_messages_first_and_then_the_history() {
    let mut ui = Harness::sized(80, 12);
    ui.receive(":s 005 alice CHATHISTORY=50 :are supported");
    ui.receive(":alice!a@h JOIN #den");
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
        ui.answer(
            "chathistory #den",
            &lines.iter().map(String::as_str).collect::<Vec<_>>(),
        );
        ui.app.refresh();
        ui.sent()
    };
    assert_eq!(answers(&mut ui, &page(200)), [""; 0], "the screen is full");
    ui.enter("/search NUMBER 23");
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
        ui.app.overlay.is_none() && ui.app.scroll_position().is_some(),
        "the scroll position stays"
    );
    // What is not loaded is searched page by page.
    ui.enter("/search number 11");
    assert_eq!(ui.sent(), ["CHATHISTORY BEFORE #den msgid=m200 50"]);
    assert!(ui.screen().contains("searching"));
    assert_eq!(
        answers(&mut ui, &page(150)),
        ["CHATHISTORY BEFORE #den msgid=m150 50"]
    );
    assert_eq!(answers(&mut ui, &page(100)), [""; 0], "a match was found");
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
    assert!(ui.screen().contains("no more matches"));
}

#[test]
fn a_search_without_a_match_pauses_after_a_number_of_pages() {
    let mut ui = Harness::new();
    ui.receive(":s 005 alice CHATHISTORY=1 :are supported");
    ui.receive(":alice!a@h JOIN #den");
    ui.alt('2');
    ui.enter("/search needle");
    let mut pages = 0;
    while let [question] = &ui.sent()[..] {
        assert!(question.starts_with("CHATHISTORY"), "{question}");
        pages += 1;
        let line =
            format!("@time=2026-01-01T09:00:00.000Z;msgid=m{pages} :bob!b@h PRIVMSG #den :hay");
        ui.answer("chathistory #den", &[&line]);
        ui.app.refresh();
    }
    assert!(pages > 10 && pages < 50, "{pages}");
    assert!(
        ui.screen()
            .contains("needle: nothing found, back to 1 Jan 2026"),
        "{}",
        ui.screen()
    );
    ui.press(KeyCode::Up, KeyModifiers::NONE);
    assert_eq!(ui.sent().len(), 1, "it continues on demand");
    ui.type_text("a");
    assert!(ui.app.overlay.is_none(), "typing ends the search");
    assert_eq!(ui.app.editor.text(), "a");
}

#[test]
fn after_minutes_without_input_messages_count_as_unread() {
    let mut ui = Harness::new();
    ui.receive(":s MARKREAD #lobby timestamp=2026-01-02T12:00:00.000Z");
    ui.receive(":bob!b@h PRIVMSG #lobby :hi");
    ui.app.refresh();
    assert_eq!(ui.sent().len(), 1, "this one is read");
    ui.app.now += Duration::from_mins(10);
    ui.app.refresh();
    ui.receive(":bob!b@h PRIVMSG #lobby :alice: are you there?");
    ui.app.refresh();
    assert!(
        ui.app
            .take_effects()
            .iter()
            .any(|effect| matches!(effect, Effect::Notify(..))),
        "the user is notified"
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
fn scrolling_reaches_every_message_in_both_directions() {
    let mut ui = Harness::new();
    for number in 0..200 {
        ui.receive(&format!(
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
    ui.receive(":bob!b@h PRIVMSG #lobby :one more");
    assert_eq!(
        ui.screen().lines().nth(5),
        at_top.lines().nth(5),
        "visible lines do not move"
    );
    // Every message is shown on the way down, page by page.
    let mut seen = BTreeSet::new();
    for _ in 0..120 {
        let screen = ui.screen();
        seen.extend((0..200).filter(|number| screen.contains(&format!("message {number:03}"))));
        ui.press(KeyCode::PageDown, KeyModifiers::NONE);
    }
    assert_eq!(seen.len(), 200);
    assert!(
        ui.app.scroll_position().is_none(),
        "new messages are followed again"
    );
    ui.press(KeyCode::PageUp, KeyModifiers::NONE);
    assert!(ui.screen().contains("more below"));
    ui.press(KeyCode::Esc, KeyModifiers::NONE);
    assert!(ui.screen().contains("one more"));
}

#[test]
fn unread_messages_have_a_line_above_them() {
    let mut ui = Harness::new();
    ui.receive(":bob!b@h PRIVMSG #lobby :seen");
    ui.app.set_focused(false);
    ui.receive(":bob!b@h PRIVMSG #lobby :not seen");
    ui.app.set_focused(true);
    insta::assert_snapshot!(ui.screen());
}
