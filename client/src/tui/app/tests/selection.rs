//! Tests of the selection of a message.

use super::*;

/// Creates a channel with three messages, of which the second is our own.
fn three_messages() -> Harness {
    let mut ui = Harness::new();
    ui.receive(":s.example NOTICE alice :an announcement that nobody can answer");
    ui.receive("@msgid=m1 :bob!b@h PRIVMSG #lobby :shall we? see http://a.example");
    ui.receive("@msgid=m2 :alice!a@h PRIVMSG #lobby :of course");
    ui.receive("@msgid=m3 :carol!c@h PRIVMSG #lobby :\u{2}well\u{2}, when");
    ui.receive(":dave!d@h JOIN #lobby");
    ui.app.take_effects();
    ui
}

fn select(ui: &mut Harness, steps: usize) {
    for _ in 0..steps {
        ui.press(KeyCode::Up, KeyModifiers::ALT);
    }
}

/// Returns the messages sent since the last call, each with the msgid to which it replies.
fn sent(ui: &mut Harness) -> Vec<(String, Option<String>)> {
    let effects = ui.app.take_effects().into_iter();
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
fn a_message_is_selected_and_replied_to() {
    let mut ui = three_messages();
    select(&mut ui, 1);
    insta::assert_snapshot!(ui.screen());
    ui.type_text("r");
    assert_eq!(ui.app.editor.text(), "carol: ");
    ui.type_text("at noon");
    assert!(
        ui.screen()
            .contains("reply to carol: “well, when” · Esc: cancel reply"),
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
    ui.enter("and to all");
    assert_eq!(
        sent(&mut ui),
        [("PRIVMSG #lobby :and to all".to_owned(), None)],
        "only one message is a reply"
    );
    select(&mut ui, 3);
    ui.type_text("/reply yes");
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(
        sent(&mut ui),
        [("PRIVMSG #lobby :bob: yes".to_owned(), Some("m1".to_owned()))]
    );
    select(&mut ui, 1);
    ui.type_text("r");
    ui.press(KeyCode::Esc, KeyModifiers::NONE);
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(
        sent(&mut ui),
        [("PRIVMSG #lobby :carol: ".to_owned(), None)]
    );
}

#[test]
fn a_reply_goes_to_the_same_members_as_the_message() {
    let mut ui = three_messages();
    ui.receive("@msgid=o1 :bob!b@h PRIVMSG @#lobby :alice: the code?");
    ui.sent();
    ui.enter("/reply by mention");
    assert_eq!(ui.sent(), ["PRIVMSG @#lobby :bob: by mention"]);
    for key in ["r", "/reply "] {
        select(&mut ui, 1);
        ui.type_text(key);
        ui.enter("it is 4711");
        assert_eq!(ui.sent(), ["PRIVMSG @#lobby :bob: it is 4711"], "{key}");
    }
    // Even if something is sent in another conversation meanwhile.
    select(&mut ui, 1);
    ui.type_text("r");
    ui.type_text("it is");
    ui.receive(":carol!c@h PRIVMSG alice :hi");
    ui.control('k');
    ui.enter("carol");
    ui.enter("hello");
    ui.control('k');
    ui.enter("lobby");
    ui.sent();
    ui.enter(" 4711");
    assert_eq!(ui.sent(), ["PRIVMSG @#lobby :bob: it is 4711"]);
    // Even if it is deleted meanwhile.
    select(&mut ui, 1);
    ui.type_text("r");
    assert!(ui.screen().contains("reply to bob→operators: “alice"));
    ui.receive(":bob!b@h REDACT #lobby o1");
    ui.enter("it is 4711");
    assert_eq!(ui.sent(), ["PRIVMSG @#lobby :bob: it is 4711"]);
    ui.enter("and to all");
    assert_eq!(ui.sent(), ["PRIVMSG #lobby :and to all"]);
}

#[test]
fn a_reply_goes_to_the_conversation_in_which_it_is_typed() {
    let mut ui = three_messages();
    ui.receive(":alice!a@h JOIN #ops");
    ui.enter("/join #ops");
    ui.receive(":s.example NOTICE alice :going down");
    ui.enter("/reply yes");
    assert!(ui.screen().contains("nobody has mentioned you here"));
    ui.receive("@msgid=o1 :bob!b@h PRIVMSG #ops :alice: what is the code?");
    ui.sent();
    ui.type_text("/reply it is 4711");
    ui.receive(":mallory!m@h PRIVMSG #lobby :alice: hi");
    ui.receive(":mallory!m@h PRIVMSG alice :hi");
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(ui.sent(), ["PRIVMSG #ops :bob: it is 4711"]);
    select(&mut ui, 1);
    ui.type_text("/reply it is 4711");
    ui.receive(":bob!b@h RENAME #ops #team");
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(
        sent(&mut ui),
        [(
            "PRIVMSG #team :bob: it is 4711".to_owned(),
            Some("o1".to_owned())
        )]
    );
    select(&mut ui, 1);
    ui.type_text("/reply it is 4711");
    ui.receive(":bob!b@h REDACT #team o1");
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(ui.sent(), [""; 0]);
    assert!(ui.screen().contains("the selected message was deleted"));
}

#[test]
fn a_selected_message_is_copied_opened_and_answered_in_private() {
    let mut ui = three_messages();
    select(&mut ui, 1);
    ui.type_text("oc");
    assert_eq!(
        ui.app.take_effects(),
        [Effect::Copy("well, when".to_owned())],
        "it has no link to open"
    );
    select(&mut ui, 1);
    ui.press(KeyCode::Up, KeyModifiers::NONE);
    ui.press(KeyCode::Up, KeyModifiers::NONE);
    assert!(ui.screen().contains("o open"));
    ui.type_text("o");
    let effects = ui.app.take_effects();
    assert!(
        matches!(&effects[..], [Effect::Open(url)] if url.as_str() == "http://a.example"),
        "{effects:?}"
    );
    select(&mut ui, 4);
    ui.type_text("p");
    assert_eq!(ui.conversation(), "bob");
    select(&mut ui, 1);
    assert!(ui.screen().contains("there are no messages here yet"));
}

#[test]
fn a_private_answer_goes_to_the_sender_after_a_change_of_nick() {
    let mut ui = three_messages();
    ui.receive(":bob!b@h NICK rob");
    ui.receive(":mallory!m@h JOIN #lobby");
    ui.receive(":mallory!m@h NICK bob");
    select(&mut ui, 3);
    ui.type_text("p");
    assert_eq!(ui.conversation(), "rob");
    ui.alt('2');
    // A person is still the same when others become visible.
    ui.receive(":alice!a@h JOIN #ops");
    ui.receive(":s 353 alice = #ops :alice bob eve");
    ui.receive(":s 366 alice #ops :End");
    select(&mut ui, 1);
    ui.type_text("p");
    assert_eq!(ui.conversation(), "carol");
}

/// Asserts that the newest message in a channel, by carol, is not answered in private.
fn assert_carol_is_unknown(ui: &mut Harness, channel: &str) {
    ui.alt('2');
    select(ui, 1);
    ui.type_text("p");
    assert_eq!(ui.conversation(), channel);
    assert!(ui.screen().contains("carol may be someone else now"));
}

#[test]
fn a_guest_who_was_out_of_sight_gets_no_private_answer() {
    for out_of_sight in [":carol!c@h QUIT :bye", ":bob!b@h KICK #lobby carol"] {
        let mut ui = three_messages();
        ui.receive(out_of_sight);
        assert_carol_is_unknown(&mut ui, "#lobby");
        ui.receive(":carol!c@h JOIN #lobby");
        assert_carol_is_unknown(&mut ui, "#lobby");
        ui.receive("@account=carla :carol!c@h NICK dora");
        assert_carol_is_unknown(&mut ui, "#lobby");
    }
    for is_connected in [true, false] {
        let mut ui = three_messages();
        if is_connected {
            ui.receive(":alice!a@h PART #lobby");
        } else {
            ui.app.connection_lost("closed", Duration::ZERO);
            ui.receive(":s 001 alice :Welcome back, alice.");
        }
        ui.receive(":alice!a@h JOIN #lobby");
        ui.receive(":s 353 alice = #lobby :alice carol");
        assert_carol_is_unknown(&mut ui, "#lobby");
    }
}

#[test]
fn a_signed_in_sender_is_recognised_by_the_account() {
    // The clock of the server may be wrong.
    let sent = "@msgid=m4;account=carol;time=2030-01-01T00:00:00.000Z";
    let mut ui = three_messages();
    ui.receive(&format!("{sent} :carol!c@h PRIVMSG #lobby :here"));
    ui.receive(":carol!c@h QUIT :bye");
    for (event, conversation) in [
        (":s NOTE * * :carol is offline", "carol"),
        ("@account=carol :rob!c@h JOIN #lobby", "rob"),
        ("@account=carol :rob!c@h NICK carol", "carol"),
    ] {
        ui.receive(event);
        ui.alt('2');
        select(&mut ui, 1);
        ui.type_text("p");
        assert_eq!(ui.conversation(), conversation, "{event}");
    }
    ui.receive(":carol!c@h QUIT :bye");
    // Servers of another kind may permit that.
    ui.receive("@account=mallory :carol!c@h JOIN #lobby");
    assert_carol_is_unknown(&mut ui, "#lobby");
}

#[test]
fn a_sender_who_signs_in_is_the_same_person_and_another_account_is_not() {
    let private = |ui: &mut Harness, message| {
        ui.alt('2');
        select(ui, message);
        ui.type_text("p");
        ui.conversation().to_owned()
    };
    let mut ui = three_messages();
    ui.receive(":carol!c@h ACCOUNT carol");
    assert_eq!(private(&mut ui, 1), "carol", "the guest has signed in");
    ui.receive("@msgid=m4;account=carol :carol!c@h PRIVMSG #lobby :signed in");
    assert_eq!(private(&mut ui, 1), "carol");
    assert_eq!(private(&mut ui, 2), "carol");
    ui.receive(":carol!c@h NICK CAROL");
    assert_eq!(private(&mut ui, 1), "CAROL");
    // With free nicks, a user may change accounts and keep the nick.
    ui.receive(":CAROL!c@h NICK desk");
    ui.receive(":desk!c@h ACCOUNT dora");
    ui.receive("@account=carol :phone!c@h JOIN #lobby");
    assert_eq!(private(&mut ui, 1), "phone");
    ui.receive(":desk!c@h ACCOUNT *");
    ui.receive(":phone!c@h PART #lobby");
    assert_eq!(private(&mut ui, 1), "carol", "nobody else can have it");
}

#[test]
fn someone_who_leaves_one_of_two_common_channels_is_still_the_same() {
    for leaves in [":carol!c@h PART #ops", ":bob!b@h KICK #ops carol"] {
        let mut ui = three_messages();
        ui.receive(":alice!a@h JOIN #ops");
        ui.receive(":carol!c@h JOIN #ops");
        ui.receive(leaves);
        ui.alt('2');
        select(&mut ui, 1);
        ui.type_text("p");
        assert_eq!(ui.conversation(), "carol", "{leaves}");
    }
    let mut ui = three_messages();
    ui.receive(":bob!b@h KICK #lobby alice");
    assert_carol_is_unknown(&mut ui, "#lobby");
}

#[test]
fn only_messages_of_others_in_a_channel_are_answered_in_private() {
    let mut ui = three_messages();
    ui.receive("@msgid=m4 :s NOTICE #lobby :by the server");
    ui.alt('2');
    select(&mut ui, 1);
    assert!(!ui.screen().contains("p private"));
    ui.type_text("p");
    assert_eq!(ui.conversation(), "#lobby");
    ui.press(KeyCode::Up, KeyModifiers::NONE);
    assert!(ui.screen().contains("p private"));
}

#[test]
fn the_sender_of_an_older_message_is_recognised_by_the_account_only() {
    let mut ui = Harness::new();
    ui.receive(":s 005 alice CHATHISTORY=50 :are supported");
    ui.receive(":alice!a@h JOIN #den");
    ui.receive("@account=bob :rob!b@h JOIN #den");
    ui.receive(":carol!c@h JOIN #den");
    ui.alt('2');
    ui.answer(
        "chathistory #den",
        &[
            "@account=bob;msgid=h1 :bob!b@h PRIVMSG #den :by an account",
            "@msgid=h2 :carol!c@h PRIVMSG #den :by a guest",
        ],
    );
    assert_carol_is_unknown(&mut ui, "#den");
    select(&mut ui, 2);
    ui.type_text("p");
    assert_eq!(ui.conversation(), "rob");
}

#[test]
fn a_reply_names_the_sender_by_the_present_nick() {
    let mut ui = three_messages();
    ui.receive("@msgid=m4 :carol!c@h PRIVMSG #lobby :alice: when?");
    ui.receive(":carol!c@h NICK dora");
    ui.sent();
    ui.enter("/reply at noon");
    assert_eq!(ui.sent(), ["PRIVMSG #lobby :dora: at noon"]);
    select(&mut ui, 2);
    ui.type_text("r");
    assert_eq!(ui.app.editor.text(), "dora: ");
    ui.receive(":dora!c@h QUIT :bye");
    ui.control('u');
    ui.enter("/reply at one");
    assert_eq!(ui.sent(), ["PRIVMSG #lobby :carol: at one"]);
}

#[test]
fn only_messages_that_the_user_may_delete_are_deleted_and_only_by_the_second_key() {
    let mut ui = three_messages();
    select(&mut ui, 1);
    assert!(
        !ui.screen().contains("d delete"),
        "it is a message by carol: {}",
        ui.screen()
    );
    ui.type_text("dd");
    select(&mut ui, 1);
    ui.type_text("d");
    assert!(
        ui.screen()
            .contains("d: delete, Esc: cancel · alice: “of course”"),
        "{}",
        ui.screen()
    );
    ui.press(KeyCode::Down, KeyModifiers::NONE);
    ui.press(KeyCode::Up, KeyModifiers::NONE);
    ui.type_text("d");
    assert_eq!(sent(&mut ui), []);
    ui.type_text("d");
    assert_eq!(sent(&mut ui), [("REDACT #lobby m2".to_owned(), None)]);
    ui.receive("@label=1 :alice!a@h REDACT #lobby m2");
    ui.receive(":boss!o@h MODE #lobby +o alice");
    select(&mut ui, 1);
    ui.type_text("/redact too loud");
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    ui.type_text("d");
    assert_eq!(
        sent(&mut ui),
        [("REDACT #lobby m3 :too loud".to_owned(), None)],
        "an operator may"
    );
}

#[test]
fn the_selection_is_in_view_and_ends_past_the_newest_message() {
    let mut ui = Harness::sized(80, 12);
    for number in 10..60 {
        ui.receive(&format!(
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
    assert!(ui.app.overlay.is_none() && ui.app.scroll_position().is_none());
    assert!(ui.screen().contains("number 59"));
}

#[test]
fn a_selection_in_one_conversation_does_not_apply_in_another() {
    let mut ui = three_messages();
    ui.receive("@msgid=p1 :bob!b@h PRIVMSG alice :psst");
    select(&mut ui, 1);
    ui.type_text("r");
    ui.alt('3');
    assert_eq!(ui.conversation(), "bob");
    ui.control('u');
    ui.enter("hello");
    assert_eq!(sent(&mut ui), [("PRIVMSG bob :hello".to_owned(), None)]);
    ui.alt('2');
    select(&mut ui, 1);
    ui.receive(":alice!a@h PART #lobby");
    ui.type_text("dd");
    assert!(
        ui.app
            .take_effects()
            .iter()
            .all(|effect| !matches!(effect, Effect::Send(_)))
    );
}
