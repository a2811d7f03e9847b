//! A message is chosen, and something is done with it.

use super::*;

/// Three messages, the second one's own.
fn desk() -> Desk {
    let mut desk = Desk::new();
    desk.hear(":s.example NOTICE alice :an announcement that nobody can answer");
    desk.hear("@msgid=m1 :bob!b@h PRIVMSG #lobby :shall we? see http://a.example");
    desk.hear("@msgid=m2 :alice!a@h PRIVMSG #lobby :of course");
    desk.hear("@msgid=m3 :carol!c@h PRIVMSG #lobby :\u{2}well\u{2}, when");
    desk.hear(":dave!d@h JOIN #lobby");
    desk.app.effects();
    desk
}

fn choose(desk: &mut Desk, steps: usize) {
    for _ in 0..steps {
        desk.press(KeyCode::Up, KeyModifiers::ALT);
    }
}

/// What is sent, with the reply that it is.
fn sent(desk: &mut Desk) -> Vec<(String, Option<String>)> {
    let effects = desk.app.effects().into_iter();
    let messages = effects.filter_map(|effect| match effect {
        Effect::Send(message) => Some(message),
        _ => None,
    });
    messages
        .map(|message| {
            let reply = message.tags.get("+draft/reply").map(str::to_owned);
            (
                Message::new(&message.command, message.params).to_string(),
                reply,
            )
        })
        .collect()
}

#[test]
fn a_message_is_chosen_and_answered() {
    let mut desk = desk();
    choose(&mut desk, 1);
    insta::assert_snapshot!(desk.screen());
    desk.types("r");
    assert_eq!(desk.app.editor.text(), "carol: ");
    desk.types("at noon");
    assert!(
        desk.screen()
            .contains("to carol: “well, when”; Esc: not to that"),
        "{}",
        desk.screen()
    );
    desk.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(
        sent(&mut desk),
        [(
            "PRIVMSG #lobby :carol: at noon".to_owned(),
            Some("m3".to_owned())
        )]
    );
    desk.enters("and to all");
    assert_eq!(
        sent(&mut desk),
        [("PRIVMSG #lobby :and to all".to_owned(), None)],
        "only that one"
    );
    choose(&mut desk, 3);
    desk.types("/reply yes");
    desk.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(
        sent(&mut desk),
        [("PRIVMSG #lobby :bob: yes".to_owned(), Some("m1".to_owned()))]
    );
    choose(&mut desk, 1);
    desk.types("r");
    desk.press(KeyCode::Esc, KeyModifiers::NONE);
    desk.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(
        sent(&mut desk),
        [("PRIVMSG #lobby :carol: ".to_owned(), None)]
    );
}

#[test]
fn a_chosen_message_is_copied_opened_and_talked_about_in_private() {
    let mut desk = desk();
    choose(&mut desk, 1);
    desk.types("oc");
    assert_eq!(
        desk.app.effects(),
        [Effect::Copy("well, when".to_owned())],
        "it has no link to open"
    );
    choose(&mut desk, 1);
    desk.press(KeyCode::Up, KeyModifiers::NONE);
    desk.press(KeyCode::Up, KeyModifiers::NONE);
    assert!(desk.screen().contains("o open"));
    desk.types("o");
    let effects = desk.app.effects();
    assert!(
        matches!(&effects[..], [Effect::Open(url)] if url.as_str() == "http://a.example"),
        "{effects:?}"
    );
    choose(&mut desk, 4);
    desk.types("p");
    assert_eq!(desk.place(), "bob");
    choose(&mut desk, 1);
    assert!(desk.screen().contains("nothing was said here yet"));
}

#[test]
fn only_what_one_may_take_back_is_taken_back_and_only_at_the_second_key() {
    let mut desk = desk();
    choose(&mut desk, 1);
    assert!(
        !desk.screen().contains("d take back"),
        "it is carol's: {}",
        desk.screen()
    );
    desk.types("dd");
    choose(&mut desk, 1);
    desk.types("d");
    assert!(
        desk.screen()
            .contains("d again takes back: alice: “of course”"),
        "{}",
        desk.screen()
    );
    desk.press(KeyCode::Down, KeyModifiers::NONE);
    desk.press(KeyCode::Up, KeyModifiers::NONE);
    desk.types("d");
    assert_eq!(sent(&mut desk), []);
    desk.types("d");
    assert_eq!(sent(&mut desk), [("REDACT #lobby m2".to_owned(), None)]);
    desk.hear("@label=1 :alice!a@h REDACT #lobby m2");
    desk.hear(":boss!o@h MODE #lobby +o alice");
    choose(&mut desk, 1);
    desk.types("/redact too loud");
    desk.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(
        sent(&mut desk),
        [("REDACT #lobby m3 :too loud".to_owned(), None)],
        "an operator may"
    );
}

#[test]
fn what_is_chosen_is_in_view_and_past_the_newest_nothing_is_chosen() {
    let mut desk = Desk::sized(80, 12);
    for number in 10..60 {
        desk.hear(&format!(
            "@msgid=m{number} :bob!b@h PRIVMSG #lobby :number {number}"
        ));
    }
    for number in (10..60).rev() {
        desk.press(
            KeyCode::Up,
            if number == 59 {
                KeyModifiers::ALT
            } else {
                KeyModifiers::NONE
            },
        );
        assert!(
            desk.screen().contains(&format!("number {number}")),
            "{number}:\n{}",
            desk.screen()
        );
    }
    desk.press(KeyCode::Up, KeyModifiers::NONE);
    assert!(desk.screen().contains("number 10"), "there is none before");
    for _ in 10..60 {
        desk.press(KeyCode::Down, KeyModifiers::NONE);
    }
    assert!(desk.app.overlay.is_none() && desk.app.scrolled().is_none());
    assert!(desk.screen().contains("number 59"));
}

#[test]
fn what_is_chosen_in_one_place_is_nothing_in_another() {
    let mut desk = desk();
    desk.hear("@msgid=p1 :bob!b@h PRIVMSG alice :psst");
    choose(&mut desk, 1);
    desk.types("r");
    desk.alt('3');
    assert_eq!(desk.place(), "bob");
    desk.control('u');
    desk.enters("hello");
    assert_eq!(sent(&mut desk), [("PRIVMSG bob hello".to_owned(), None)]);
    desk.alt('2');
    choose(&mut desk, 1);
    desk.hear(":alice!a@h PART #lobby");
    desk.types("dd");
    assert!(
        desk.app
            .effects()
            .iter()
            .all(|effect| !matches!(effect, Effect::Send(_)))
    );
}
