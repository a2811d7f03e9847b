//! A message is chosen, and something is done with it.

use super::*;

/// Three messages, the second one's own.
fn ui() -> Harness {
    let mut ui = Harness::new();
    ui.hear(":s.example NOTICE alice :an announcement that nobody can answer");
    ui.hear("@msgid=m1 :bob!b@h PRIVMSG #lobby :shall we? see http://a.example");
    ui.hear("@msgid=m2 :alice!a@h PRIVMSG #lobby :of course");
    ui.hear("@msgid=m3 :carol!c@h PRIVMSG #lobby :\u{2}well\u{2}, when");
    ui.hear(":dave!d@h JOIN #lobby");
    ui.app.effects();
    ui
}

fn choose(ui: &mut Harness, steps: usize) {
    for _ in 0..steps {
        ui.press(KeyCode::Up, KeyModifiers::ALT);
    }
}

/// What is sent, with the reply that it is.
fn sent(ui: &mut Harness) -> Vec<(String, Option<String>)> {
    let effects = ui.app.effects().into_iter();
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
    let mut ui = ui();
    choose(&mut ui, 1);
    insta::assert_snapshot!(ui.screen());
    ui.types("r");
    assert_eq!(ui.app.editor.text(), "carol: ");
    ui.types("at noon");
    assert!(
        ui.screen()
            .contains("to carol: “well, when”; Esc: not to that"),
        "{}",
        ui.screen()
    );
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(
        sent(&mut ui),
        [(
            "PRIVMSG #lobby :carol: at noon".to_owned(),
            Some("m3".to_owned())
        )]
    );
    ui.enters("and to all");
    assert_eq!(
        sent(&mut ui),
        [("PRIVMSG #lobby :and to all".to_owned(), None)],
        "only that one"
    );
    choose(&mut ui, 3);
    ui.types("/reply yes");
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(
        sent(&mut ui),
        [("PRIVMSG #lobby :bob: yes".to_owned(), Some("m1".to_owned()))]
    );
    choose(&mut ui, 1);
    ui.types("r");
    ui.press(KeyCode::Esc, KeyModifiers::NONE);
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(
        sent(&mut ui),
        [("PRIVMSG #lobby :carol: ".to_owned(), None)]
    );
}

#[test]
fn a_chosen_message_is_copied_opened_and_talked_about_in_private() {
    let mut ui = ui();
    choose(&mut ui, 1);
    ui.types("oc");
    assert_eq!(
        ui.app.effects(),
        [Effect::Copy("well, when".to_owned())],
        "it has no link to open"
    );
    choose(&mut ui, 1);
    ui.press(KeyCode::Up, KeyModifiers::NONE);
    ui.press(KeyCode::Up, KeyModifiers::NONE);
    assert!(ui.screen().contains("o open"));
    ui.types("o");
    let effects = ui.app.effects();
    assert!(
        matches!(&effects[..], [Effect::Open(url)] if url.as_str() == "http://a.example"),
        "{effects:?}"
    );
    choose(&mut ui, 4);
    ui.types("p");
    assert_eq!(ui.place(), "bob");
    choose(&mut ui, 1);
    assert!(ui.screen().contains("nothing was said here yet"));
}

#[test]
fn only_what_one_may_take_back_is_taken_back_and_only_at_the_second_key() {
    let mut ui = ui();
    choose(&mut ui, 1);
    assert!(
        !ui.screen().contains("d take back"),
        "it is carol's: {}",
        ui.screen()
    );
    ui.types("dd");
    choose(&mut ui, 1);
    ui.types("d");
    assert!(
        ui.screen()
            .contains("d again takes back: alice: “of course”"),
        "{}",
        ui.screen()
    );
    ui.press(KeyCode::Down, KeyModifiers::NONE);
    ui.press(KeyCode::Up, KeyModifiers::NONE);
    ui.types("d");
    assert_eq!(sent(&mut ui), []);
    ui.types("d");
    assert_eq!(sent(&mut ui), [("REDACT #lobby m2".to_owned(), None)]);
    ui.hear("@label=1 :alice!a@h REDACT #lobby m2");
    ui.hear(":boss!o@h MODE #lobby +o alice");
    choose(&mut ui, 1);
    ui.types("/redact too loud");
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(
        sent(&mut ui),
        [("REDACT #lobby m3 :too loud".to_owned(), None)],
        "an operator may"
    );
}

#[test]
fn what_is_chosen_is_in_view_and_past_the_newest_nothing_is_chosen() {
    let mut ui = Harness::sized(80, 12);
    for number in 10..60 {
        ui.hear(&format!(
            "@msgid=m{number} :bob!b@h PRIVMSG #lobby :number {number}"
        ));
    }
    for number in (10..60).rev() {
        ui.press(
            KeyCode::Up,
            if number == 59 {
                KeyModifiers::ALT
            } else {
                KeyModifiers::NONE
            },
        );
        assert!(
            ui.screen().contains(&format!("number {number}")),
            "{number}:\n{}",
            ui.screen()
        );
    }
    ui.press(KeyCode::Up, KeyModifiers::NONE);
    assert!(ui.screen().contains("number 10"), "there is none before");
    for _ in 10..60 {
        ui.press(KeyCode::Down, KeyModifiers::NONE);
    }
    assert!(ui.app.overlay.is_none() && ui.app.scrolled().is_none());
    assert!(ui.screen().contains("number 59"));
}

#[test]
fn what_is_chosen_in_one_place_is_nothing_in_another() {
    let mut ui = ui();
    ui.hear("@msgid=p1 :bob!b@h PRIVMSG alice :psst");
    choose(&mut ui, 1);
    ui.types("r");
    ui.alt('3');
    assert_eq!(ui.place(), "bob");
    ui.control('u');
    ui.enters("hello");
    assert_eq!(sent(&mut ui), [("PRIVMSG bob hello".to_owned(), None)]);
    ui.alt('2');
    choose(&mut ui, 1);
    ui.hear(":alice!a@h PART #lobby");
    ui.types("dd");
    assert!(
        ui.app
            .effects()
            .iter()
            .all(|effect| !matches!(effect, Effect::Send(_)))
    );
}
