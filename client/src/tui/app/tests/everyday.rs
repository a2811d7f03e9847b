//! Commands that people type every day.

use super::*;

#[test]
fn whoever_is_away_sees_that_they_are() {
    let mut ui = Harness::new();
    ui.enters("/away lunch");
    assert_eq!(ui.sent(), ["AWAY lunch"]);
    ui.hear("@label=1 :s 306 alice :You have been marked as being away");
    assert!(
        ui.screen().contains("alice@chat.example.org (away) #lobby"),
        "{}",
        ui.screen()
    );
    ui.enters("/away");
    ui.hear("@label=2 :s 305 alice :You are no longer marked as being away");
    assert!(!ui.screen().contains("(away)"));
}

#[test]
fn one_takes_back_the_last_thing_one_said() {
    let mut ui = Harness::new();
    ui.enters("/redact");
    assert!(ui.screen().contains("you have said nothing here"));
    ui.hear("@msgid=m1 :alice!a@h PRIVMSG #lobby :my pasword is walnut");
    ui.hear("@msgid=m2 :bob!b@h PRIVMSG #lobby :oh");
    ui.enters("/redact a slip");
    assert_eq!(ui.sent(), ["REDACT #lobby m1 :a slip"]);
    ui.hear(":alice!a@h REDACT #lobby m1 :a slip");
    assert!(!ui.screen().contains("walnut"));
    assert!(
        ui.screen().contains("alice took back a message (a slip)"),
        "{}",
        ui.screen()
    );
}

#[test]
fn the_devices_of_the_account_are_listed_and_one_is_revoked() {
    let mut ui = Harness::new();
    ui.enters("/devices");
    assert_eq!(ui.sent(), ["CREDENTIAL LIST"]);
    ui.hear(":s CREDENTIAL LIST 3 device 2026-01-01T08:00:00.000Z 2026-01-02T09:00:00.000Z here");
    ui.hear(":s CREDENTIAL LIST 4 certificate 2026-01-02T08:00:00.000Z *");
    ui.hear(":s CREDENTIAL END 2");
    let screen = ui.screen();
    for part in [
        "device 3: since 2026-01-01, last used",
        "this device",
        "certificate 4:",
        "never used",
    ] {
        assert!(screen.contains(part), "{part} in\n{screen}");
    }
    ui.enters("and talk goes on meanwhile");
    assert_eq!(
        ui.sent().len(),
        1,
        "the answer carries no label, so none is waited for"
    );
    ui.enters("/devices revoke 3");
    assert_eq!(ui.sent(), ["CREDENTIAL REVOKE 3"]);
}

#[test]
fn text_goes_where_one_is_and_direct_messages_to_the_person() {
    let mut ui = Harness::new();
    ui.enters("hello all");
    ui.enters("How are you? /bob");
    ui.enters("/me waves");
    let sent = [
        "PRIVMSG #lobby :hello all",
        "PRIVMSG bob :How are you?",
        "PRIVMSG #lobby :\u{1}ACTION waves\u{1}",
    ];
    assert_eq!(ui.sent(), sent);
    ui.enters("a secret /mallory");
    assert_eq!(ui.sent(), ["PRIVMSG #lobby :a secret /mallory"]);
    assert!(
        ui.screen().contains("mallory is not here"),
        "whoever types it is told"
    );
    ui.enters("/query bob");
    ui.enters("just us");
    assert_eq!(ui.sent(), ["PRIVMSG bob :just us"]);
    ui.enters("/close");
    assert_eq!(ui.place(), "#lobby");
    ui.hear(":carol!c@h PRIVMSG #lobby :alice: lunch?");
    ui.enters("/reply yes");
    assert_eq!(ui.sent(), ["PRIVMSG #lobby :carol: yes"]);
}

#[test]
fn the_lobby_is_left_by_close_and_the_server_stays() {
    let mut ui = Harness::new();
    ui.enters("/close");
    assert_eq!(ui.sent(), ["PART #lobby"]);
    ui.hear(":alice!a@h PART #lobby");
    assert_eq!(ui.place(), "server");
    ui.enters("/close");
    ui.enters("anyone?");
    assert_eq!(ui.sent(), [""; 0]);
    assert!(ui.screen().contains("nobody hears you here"));
}

#[test]
fn whoever_is_ignored_is_not_heard_and_that_is_kept() {
    let mut ui = Harness::new();
    ui.enters("/ignore bob");
    let preferences = ui.kept();
    assert_eq!(
        preferences.ignored,
        [rookery_protocol::Nick::parse("bob").unwrap()]
    );
    ui.hear(":bob!b@h PRIVMSG #lobby :can you hear me");
    ui.hear(":bob!b@h PRIVMSG alice :can you hear me");
    assert!(!ui.screen().contains("can you hear me"));
    ui.enters("/ignore Bob");
    ui.hear(":bob!b@h PRIVMSG #lobby :and now");
    assert!(ui.screen().contains("and now"));
}

#[test]
fn a_password_is_set_in_a_window_that_shows_nothing_of_it() {
    let mut ui = Harness::new();
    ui.enters("/password");
    ui.enters("");
    ui.types("hunter2hunter2");
    insta::assert_snapshot!(ui.screen());
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    ui.enters("hunter2hunter2");
    assert_eq!(ui.sent(), ["SETPASS * hunter2hunter2"]);
    ui.hear(":s SETPASS VERIFICATION_REQUIRED alice :A code was mailed to you");
    assert!(
        ui.screen().contains("A code was mailed to you"),
        "{}",
        ui.screen()
    );
    ui.enters("123456");
    assert_eq!(ui.sent(), ["VERIFY alice 123456"]);
    ui.hear(":s VERIFY SUCCESS alice :The password is set");
    assert!(ui.app.overlay.is_none());
    assert!(ui.screen().contains("The password is set"));
    for _ in 0..3 {
        ui.press(KeyCode::Up, KeyModifiers::NONE);
        assert!(
            !ui.app.editor.text().contains("hunter"),
            "it is not among what was typed before"
        );
    }
    assert!(!ui.screen().contains("hunter"));
}

#[test]
fn one_is_in_the_same_channels_the_next_time() {
    let mut ui = Harness::new();
    ui.enters("/join #ops sesame");
    ui.hear("@label=1 :alice!a@h JOIN #ops");
    let preferences = ui.kept();
    let names: Vec<String> = preferences
        .channels
        .iter()
        .cloned()
        .map(String::from)
        .collect();
    assert_eq!(names, ["#lobby", "#ops sesame"]);

    let mut next = Harness::before();
    next.app.settle_in(&preferences);
    next.hear(":s 001 alice :Welcome back, alice.");
    next.hear(":alice!a@h JOIN #lobby");
    next.app.settled();
    assert_eq!(next.sent(), ["JOIN #ops sesame"]);
    next.hear("@label=1 :s 475 alice #ops :Cannot join channel (+k)");
    assert_eq!(
        next.kept().channels.len(),
        1,
        "where one is not let in, one is not at home"
    );
    next.hear(":alice!a@h PART #lobby");
    assert_eq!(next.kept().channels, []);
    next.hear(":bob!b@h JOIN #den");
    assert!(
        next.app.effects().is_empty(),
        "others' comings are no news to keep"
    );
}

#[test]
fn what_is_typed_for_one_place_is_not_said_in_another() {
    let mut ui = Harness::new().with_talk();
    ui.alt('4');
    ui.types("only for bob");
    ui.press(KeyCode::Left, KeyModifiers::NONE);
    ui.alt('2');
    assert!(ui.app.editor.is_empty(), "{}", ui.app.editor.text());
    ui.enters("for all");
    ui.hear("@label=1 :alice!a@h PRIVMSG #lobby :for all");
    ui.hear(":bob!b@h PRIVMSG alice :well?");
    ui.alt('4');
    ui.types("!");
    assert_eq!(
        ui.app.editor.text(),
        "only for bo!b",
        "with the cursor where it was"
    );
    ui.hear(":bob!b@h NICK rob");
    ui.app.look();
    assert_eq!(
        (ui.place(), ui.app.editor.text()),
        ("rob", "only for bo!b"),
        "it is for the same person"
    );
    ui.alt('k');
    ui.types("lobby");
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    assert!(ui.app.editor.is_empty());
    assert_eq!(ui.sent(), ["PRIVMSG #lobby :for all"]);
}
