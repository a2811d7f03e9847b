//! Commands that people type every day.

use super::*;

#[test]
fn whoever_is_away_sees_that_they_are() {
    let mut desk = Desk::new();
    desk.enters("/away lunch");
    assert_eq!(desk.sent(), ["AWAY lunch"]);
    desk.hear("@label=1 :s 306 alice :You have been marked as being away");
    assert!(
        desk.screen()
            .contains("alice@chat.example.org (away) #lobby"),
        "{}",
        desk.screen()
    );
    desk.enters("/away");
    desk.hear("@label=2 :s 305 alice :You are no longer marked as being away");
    assert!(!desk.screen().contains("(away)"));
}

#[test]
fn one_takes_back_the_last_thing_one_said() {
    let mut desk = Desk::new();
    desk.enters("/redact");
    assert!(desk.screen().contains("you have said nothing here"));
    desk.hear("@msgid=m1 :alice!a@h PRIVMSG #lobby :my pasword is walnut");
    desk.hear("@msgid=m2 :bob!b@h PRIVMSG #lobby :oh");
    desk.enters("/redact a slip");
    assert_eq!(desk.sent(), ["REDACT #lobby m1 :a slip"]);
    desk.hear(":alice!a@h REDACT #lobby m1 :a slip");
    assert!(!desk.screen().contains("walnut"));
    assert!(
        desk.screen().contains("alice took back a message (a slip)"),
        "{}",
        desk.screen()
    );
}

#[test]
fn the_devices_of_the_account_are_listed_and_one_is_revoked() {
    let mut desk = Desk::new();
    desk.enters("/devices");
    assert_eq!(desk.sent(), ["CREDENTIAL LIST"]);
    desk.hear(":s CREDENTIAL LIST 3 device 2026-01-01T08:00:00.000Z 2026-01-02T09:00:00.000Z here");
    desk.hear(":s CREDENTIAL LIST 4 certificate 2026-01-02T08:00:00.000Z *");
    desk.hear(":s CREDENTIAL END 2");
    let screen = desk.screen();
    for part in [
        "device 3: since 2026-01-01, last used",
        "this device",
        "certificate 4:",
        "never used",
    ] {
        assert!(screen.contains(part), "{part} in\n{screen}");
    }
    desk.enters("and talk goes on meanwhile");
    assert_eq!(
        desk.sent().len(),
        1,
        "the answer carries no label, so none is waited for"
    );
    desk.enters("/devices revoke 3");
    assert_eq!(desk.sent(), ["CREDENTIAL REVOKE 3"]);
}

#[test]
fn text_goes_where_one_is_and_direct_messages_to_the_person() {
    let mut desk = Desk::new();
    desk.enters("hello all");
    desk.enters("How are you? /bob");
    desk.enters("/me waves");
    let sent = [
        "PRIVMSG #lobby :hello all",
        "PRIVMSG bob :How are you?",
        "PRIVMSG #lobby :\u{1}ACTION waves\u{1}",
    ];
    assert_eq!(desk.sent(), sent);
    desk.enters("a secret /mallory");
    assert_eq!(desk.sent(), ["PRIVMSG #lobby :a secret /mallory"]);
    assert!(
        desk.screen().contains("mallory is not here"),
        "whoever types it is told"
    );
    desk.enters("/query bob");
    desk.enters("just us");
    assert_eq!(desk.sent(), ["PRIVMSG bob :just us"]);
    desk.enters("/close");
    assert_eq!(desk.place(), "#lobby");
    desk.hear(":carol!c@h PRIVMSG #lobby :alice: lunch?");
    desk.enters("/reply yes");
    assert_eq!(desk.sent(), ["PRIVMSG #lobby :carol: yes"]);
}

#[test]
fn the_lobby_is_left_by_close_and_the_server_stays() {
    let mut desk = Desk::new();
    desk.enters("/close");
    assert_eq!(desk.sent(), ["PART #lobby"]);
    desk.hear(":alice!a@h PART #lobby");
    assert_eq!(desk.place(), "server");
    desk.enters("/close");
    desk.enters("anyone?");
    assert_eq!(desk.sent(), [""; 0]);
    assert!(desk.screen().contains("nobody hears you here"));
}

#[test]
fn whoever_is_ignored_is_not_heard_and_that_is_kept() {
    let mut desk = Desk::new();
    desk.enters("/ignore bob");
    let habits = desk.kept();
    assert_eq!(
        habits.ignored,
        [rookery_protocol::Nick::parse("bob").unwrap()]
    );
    desk.hear(":bob!b@h PRIVMSG #lobby :can you hear me");
    desk.hear(":bob!b@h PRIVMSG alice :can you hear me");
    assert!(!desk.screen().contains("can you hear me"));
    desk.enters("/ignore Bob");
    desk.hear(":bob!b@h PRIVMSG #lobby :and now");
    assert!(desk.screen().contains("and now"));
}

#[test]
fn a_password_is_set_in_a_window_that_shows_nothing_of_it() {
    let mut desk = Desk::new();
    desk.enters("/password");
    desk.enters("");
    desk.types("hunter2hunter2");
    insta::assert_snapshot!(desk.screen());
    desk.press(KeyCode::Enter, KeyModifiers::NONE);
    desk.enters("hunter2hunter2");
    assert_eq!(desk.sent(), ["SETPASS * hunter2hunter2"]);
    desk.hear(":s SETPASS VERIFICATION_REQUIRED alice :A code was mailed to you");
    assert!(
        desk.screen().contains("A code was mailed to you"),
        "{}",
        desk.screen()
    );
    desk.enters("123456");
    assert_eq!(desk.sent(), ["VERIFY alice 123456"]);
    desk.hear(":s VERIFY SUCCESS alice :The password is set");
    assert!(desk.app.overlay.is_none());
    assert!(desk.screen().contains("The password is set"));
    for _ in 0..3 {
        desk.press(KeyCode::Up, KeyModifiers::NONE);
        assert!(
            !desk.app.editor.text().contains("hunter"),
            "it is not among what was typed before"
        );
    }
    assert!(!desk.screen().contains("hunter"));
}

#[test]
fn one_is_in_the_same_channels_the_next_time() {
    let mut desk = Desk::new();
    desk.enters("/join #ops sesame");
    desk.hear("@label=1 :alice!a@h JOIN #ops");
    let habits = desk.kept();
    let names: Vec<String> = habits.channels.iter().cloned().map(String::from).collect();
    assert_eq!(names, ["#lobby", "#ops sesame"]);

    let mut next = Desk::before();
    next.app.settle_in(&habits);
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
    let mut desk = Desk::new().with_talk();
    desk.alt('4');
    desk.types("only for bob");
    desk.press(KeyCode::Left, KeyModifiers::NONE);
    desk.alt('2');
    assert!(desk.app.editor.is_empty(), "{}", desk.app.editor.text());
    desk.enters("for all");
    desk.hear("@label=1 :alice!a@h PRIVMSG #lobby :for all");
    desk.hear(":bob!b@h PRIVMSG alice :well?");
    desk.alt('4');
    desk.types("!");
    assert_eq!(
        desk.app.editor.text(),
        "only for bo!b",
        "with the cursor where it was"
    );
    desk.hear(":bob!b@h NICK rob");
    desk.app.look();
    assert_eq!(
        (desk.place(), desk.app.editor.text()),
        ("rob", "only for bo!b"),
        "it is for the same person"
    );
    desk.alt('k');
    desk.types("lobby");
    desk.press(KeyCode::Enter, KeyModifiers::NONE);
    assert!(desk.app.editor.is_empty());
    assert_eq!(desk.sent(), ["PRIVMSG #lobby :for all"]);
}
