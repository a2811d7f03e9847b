//! Tests of everyday commands.

use super::*;

#[test]
fn the_status_line_shows_that_the_user_is_away() {
    let mut ui = Harness::new();
    ui.enter("/away lunch");
    assert_eq!(ui.sent(), ["AWAY lunch"]);
    ui.receive("@label=1 :s 306 alice :You have been marked as being away");
    assert!(
        ui.screen().contains("alice@chat.example.org (away) #lobby"),
        "{}",
        ui.screen()
    );
    ui.enter("/away");
    ui.receive("@label=2 :s 305 alice :You are no longer marked as being away");
    assert!(!ui.screen().contains("(away)"));
}

#[test]
fn redact_deletes_the_users_last_message() {
    let mut ui = Harness::new();
    ui.enter("/redact");
    assert!(ui.screen().contains("you have no message here"));
    ui.receive("@msgid=m1 :alice!a@h PRIVMSG #lobby :my pasword is walnut");
    ui.receive("@msgid=m2 :bob!b@h PRIVMSG #lobby :oh");
    ui.enter("/redact a slip");
    assert_eq!(ui.sent(), [""; 0], "the user is asked first");
    assert!(
        ui.screen().contains("d: delete, Esc: cancel · alice: “my"),
        "{}",
        ui.screen()
    );
    ui.press(KeyCode::Esc, KeyModifiers::NONE);
    ui.type_text("d");
    assert_eq!(ui.app.editor.text(), "d", "it was cancelled");
    ui.control('u');
    ui.enter("/redact a slip");
    ui.type_text("d");
    assert_eq!(ui.sent(), ["REDACT #lobby m1 :a slip"]);
    ui.receive(":alice!a@h REDACT #lobby m1 :a slip");
    assert!(!ui.screen().contains("walnut"));
    assert!(
        ui.screen().contains("you deleted a message (“a slip”)"),
        "{}",
        ui.screen()
    );
    ui.receive("@msgid=m3 :alice!a@h PRIVMSG #lobby :it is chestnut now");
    ui.receive(":boss!o@h REDACT #lobby m3 :again");
    assert!(
        ui.screen().contains("boss deleted your message (“again”)"),
        "{}",
        ui.screen()
    );
}

#[test]
fn redact_shows_the_message_that_it_asks_about() {
    let mut ui = Harness::sized(80, 12);
    ui.receive("@msgid=mine :alice!a@h PRIVMSG #lobby :my pasword is walnut");
    for number in 0..30 {
        ui.receive(&format!(":bob!b@h PRIVMSG #lobby :number {number}"));
    }
    ui.enter("/redact");
    assert!(ui.screen().contains("alice my pasword"), "{}", ui.screen());
    ui.type_text("y");
    assert_eq!(ui.sent(), ["REDACT #lobby mine"]);
}

#[test]
fn the_answer_to_a_raw_command_is_shown() {
    let mut ui = Harness::new();
    ui.enter("/quote VERIFY alice 123456");
    assert_eq!(ui.sent(), ["VERIFY alice 123456"]);
    ui.receive("@label=1 :s VERIFY SUCCESS alice :Your email is changed");
    assert!(ui.screen().contains("Your email is changed"));
    ui.enter("/raw VERIFY alice 123456");
    ui.receive("@label=2 :s FAIL VERIFY INVALID_CODE alice :The code is wrong");
    assert!(ui.screen().contains("The code is wrong"));
}

#[test]
fn text_sent_elsewhere_is_confirmed_even_without_the_list_of_conversations() {
    let mut ui = Harness::sized(40, 10);
    ui.enter("/msg bob psst");
    ui.receive("@label=1 :alice!a@h PRIVMSG bob :psst");
    assert!(
        ui.screen().contains("sent to bob only: psst"),
        "{}",
        ui.screen()
    );
    ui.enter("/msg #ops deploy");
    ui.receive("@label=2 :alice!a@h PRIVMSG #ops :deploy");
    assert!(
        ui.screen().contains("sent to #ops: deploy"),
        "{}",
        ui.screen()
    );
    ui.enter("hello");
    ui.receive("@label=3 :alice!a@h PRIVMSG #lobby :hello");
    assert!(!ui.screen().contains("sent to"), "{}", ui.screen());
}

#[test]
fn the_devices_of_the_account_are_listed_and_one_is_revoked() {
    let mut ui = Harness::new();
    ui.enter("/devices");
    assert_eq!(ui.sent(), ["CREDENTIAL LIST"]);
    ui.receive(
        ":s CREDENTIAL LIST 3 device 2026-01-01T08:00:00.000Z 2026-01-02T09:00:00.000Z here",
    );
    ui.receive(":s CREDENTIAL LIST 4 certificate 2026-01-02T08:00:00.000Z *");
    ui.receive(":s CREDENTIAL LIST 5 device 2026-01-02T08:00:00.000Z * * :rook on nest (tmux)");
    ui.receive(":s CREDENTIAL END 3");
    let screen = ui.screen();
    for part in [
        "device 5: rook on nest (tmux): since",
        "device 3: since 2026-01-01, last used",
        "this device",
        "certificate 4:",
        "never used",
    ] {
        assert!(screen.contains(part), "{part} in\n{screen}");
    }
    ui.enter("and text is sent meanwhile");
    assert_eq!(
        ui.sent().len(),
        1,
        "the answer carries no label, so no receipt is awaited"
    );
    ui.enter("/devices revoke 3");
    assert_eq!(ui.sent(), ["CREDENTIAL REVOKE 3"]);
}

#[test]
fn text_goes_to_the_current_conversation_and_direct_messages_to_their_nick() {
    let mut ui = Harness::new();
    ui.enter("hello all");
    ui.enter("How are you? /bob");
    ui.enter("/me waves");
    let sent = [
        "PRIVMSG #lobby :hello all",
        "PRIVMSG bob :How are you?",
        "PRIVMSG #lobby :\u{1}ACTION waves\u{1}",
    ];
    assert_eq!(ui.sent(), sent);
    ui.enter("a secret /mallory");
    assert_eq!(ui.sent(), [""; 0], "it goes to nobody");
    assert_eq!(ui.app.editor.text(), "a secret /mallory");
    assert!(
        ui.screen().contains("mallory is not here"),
        "the user is warned"
    );
    ui.control('u');
    ui.enter("/query bob");
    ui.enter("just us");
    assert_eq!(ui.sent(), ["PRIVMSG bob :just us"]);
    ui.enter("/close");
    assert_eq!(ui.conversation(), "#lobby");
    ui.receive(":carol!c@h PRIVMSG #lobby :alice: lunch?");
    ui.enter("/reply yes");
    assert_eq!(ui.sent(), ["PRIVMSG #lobby :carol: yes"]);
}

#[test]
fn text_is_never_sent_to_another_conversation_than_the_one_it_was_typed_in() {
    for (switch, event, receiver) in [
        ("/join #ops", ":boss!b@h RENAME #ops #zzz", Some("#zzz")),
        ("/join #ops", ":boss!b@h RENAME #ops #OPS", Some("#OPS")),
        ("/join #ops", ":boss!b@h KICK #ops alice", None),
        // On another device.
        ("/join #ops", ":alice!a@h PART #ops", None),
        ("/query bob", ":bob!b@h NICK zoe", Some("zoe")),
    ] {
        let mut ui = Harness::new();
        ui.receive(":alice!a@h JOIN #ops");
        ui.enter(switch);
        ui.sent();
        ui.type_text("the code of the door is ");
        ui.receive(event);
        ui.enter("4711");
        let sent = receiver.map(|name| format!("PRIVMSG {name} :the code of the door is 4711"));
        assert_eq!(ui.sent(), Vec::from_iter(sent), "{event}");
    }
}

#[test]
fn a_channel_that_was_renamed_meanwhile_is_joined_by_its_new_name() {
    let mut ui = Harness::new();
    ui.receive(":alice!a@h JOIN #ops");
    ui.enter("/join #ops");
    ui.type_text("as I said");
    ui.app.connection_lost("cannot connect", Duration::ZERO);
    ui.receive(":s 001 alice :Welcome back, alice.");
    ui.receive(":alice!a@h JOIN #lobby");
    ui.app.connection_ready();
    assert_eq!(ui.sent().last().unwrap(), "JOIN #ops");
    let refusal = ":s FAIL JOIN CHANNEL_RENAMED #ops #team :#ops was renamed to #team";
    ui.receive(&format!("@label={} {refusal}", ui.label));
    assert_eq!(ui.sent(), ["JOIN #team"]);
    ui.receive(&format!("@label={} :alice!a@h JOIN #team", ui.label));
    let joined = ui.saved().channels.into_iter();
    let joined: Vec<_> = joined.map(|one| one.channel.to_string()).collect();
    assert_eq!(joined, ["#lobby", "#team"]);
    ui.enter("");
    assert_eq!(ui.sent(), ["PRIVMSG #team :as I said"]);
    assert!(ui.screen().contains("#ops was renamed to #team"));
    ui.receive(":s FAIL JOIN CHANNEL_RENAMED #lobby #evil :#lobby was renamed to #evil");
    assert_eq!(ui.sent(), [""; 0], "we are in #lobby");

    ui.enter("/join #old key");
    ui.sent();
    let refusal = ":s FAIL JOIN CHANNEL_RENAMED #old #new :#old was renamed to #new";
    ui.receive(&format!("@label={} {refusal}", ui.label));
    assert_eq!(ui.sent(), ["JOIN #new key"]);
}

#[test]
fn a_command_changes_the_conversation_at_once_and_its_answer_does_not() {
    for (command, event, conversation) in [
        ("/join #ops", ":alice!a@h JOIN #ops", "#ops"),
        ("/part", ":alice!a@h PART #lobby", "#den"),
        ("/close", ":alice!a@h PART #lobby", "#den"),
    ] {
        for moves in [false, true] {
            let mut ui = Harness::new();
            ui.receive(":alice!a@h JOIN #den");
            ui.enter(command);
            assert_eq!(ui.conversation(), conversation, "{command}");
            let mut conversation = conversation;
            if moves {
                ui.alt('1');
                conversation = "*server*";
            }
            ui.type_text("the code of the door is ");
            ui.receive(event);
            ui.type_text("4711");
            assert_eq!(ui.conversation(), conversation, "{event}");
            assert_eq!(ui.app.editor.text(), "the code of the door is 4711");
        }
    }
}

#[test]
fn text_after_a_join_is_for_that_channel_also_after_a_kick() {
    let mut ui = Harness::new();
    ui.receive(":alice!a@h JOIN #ops");
    ui.receive(":boss!b@h KICK #ops alice");
    ui.enter("/join #ops");
    ui.enter("the code is 4711");
    assert_eq!(ui.sent(), ["JOIN #ops"], "it is not joined yet");
    ui.receive(&format!("@label={} :alice!a@h JOIN #ops", ui.label));
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(ui.sent(), ["PRIVMSG #ops :the code is 4711"]);
}

#[test]
fn quitting_does_not_drop_text_that_waits_to_be_sent_without_a_word() {
    let mut ui = Harness::new();
    let quits = |ui: &mut Harness| {
        let effects = ui.app.take_effects();
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Quit(_)))
    };
    for number in 0..100 {
        ui.enter(&format!("line {number}"));
    }
    ui.enter("/quit");
    assert!(!quits(&mut ui));
    assert!(ui.screen().contains("not sent yet"), "{}", ui.screen());
    ui.enter("/quit");
    assert!(quits(&mut ui));
}

#[test]
fn the_question_after_a_paste_stays_when_a_join_is_answered() {
    let mut ui = Harness::new();
    ui.enter("/join #ops");
    ui.sent();
    ui.alt('2');
    ui.app.handle_paste("one\ntwo");
    ui.receive(&format!("@label={} :alice!a@h JOIN #ops", ui.label));
    ui.type_text("y");
    assert_eq!(ui.sent(), ["PRIVMSG #lobby :one", "PRIVMSG #lobby :two"]);
}

#[test]
fn text_for_a_nick_that_is_not_in_the_conversation_is_sent_to_nobody() {
    let mut ui = Harness::new();
    ui.receive(":tmp!t@h JOIN #lobby");
    ui.receive(":tmp!t@h PRIVMSG alice :hi");
    ui.receive(":alice!a@h JOIN #ops");
    ui.enter("/join #ops");
    ui.sent();
    for text in ["the passwords are in /tmp", "/me puts them in /tmp"] {
        ui.enter(text);
        assert_eq!(ui.sent(), [""; 0], "{text}");
        assert_eq!(ui.app.editor.text(), text);
        ui.control('u');
    }
    ui.receive(":tmp!t@h JOIN #ops");
    ui.enter("the passwords are in /tmp");
    assert_eq!(ui.sent(), ["PRIVMSG tmp :the passwords are in"]);
}

#[test]
fn ctcp_requests_of_ignored_people_are_not_shown_and_others_without_their_text() {
    let mut ui = Harness::new();
    let request = ":bob!b@h PRIVMSG alice :\u{1}VERSION buy nests\u{1}";
    ui.receive(request);
    let screen = ui.screen();
    assert!(screen.contains("bob sent a CTCP request, VERSION"));
    assert!(!screen.contains("buy nests"), "{screen}");
    let mut ui = Harness::new();
    ui.enter("/ignore bob");
    ui.receive(request);
    assert!(!ui.screen().contains("CTCP"));
}

#[test]
fn long_nicks_are_shown_whole() {
    let mut ui = Harness::new();
    for nick in ["christopherson", "christopherlee"] {
        ui.receive(&format!(":{nick}!c@h PRIVMSG #lobby :hello"));
        assert!(ui.screen().contains(&format!("{nick} hello")), "{nick}");
    }
}

#[test]
fn close_leaves_the_lobby_and_cannot_close_the_server() {
    let mut ui = Harness::new();
    ui.enter("/close");
    assert_eq!(ui.sent(), ["PART #lobby"]);
    ui.receive(":alice!a@h PART #lobby");
    assert_eq!(ui.conversation(), "*server*");
    ui.enter("/close");
    ui.enter("anyone?");
    assert_eq!(ui.sent(), [""; 0]);
    assert!(ui.screen().contains("nobody would receive that here"));
}

#[test]
fn messages_of_ignored_people_are_not_shown_and_the_list_is_stored() {
    let mut ui = Harness::new();
    ui.enter("/ignore bob");
    let preferences = ui.saved();
    assert_eq!(
        preferences.ignored,
        [rookery_protocol::Nick::parse("bob").unwrap()]
    );
    ui.receive(":bob!b@h PRIVMSG #lobby :can you hear me");
    ui.receive(":bob!b@h PRIVMSG alice :can you hear me");
    assert!(!ui.screen().contains("can you hear me"));
    ui.enter("/ignore Bob");
    ui.receive(":bob!b@h PRIVMSG #lobby :and now");
    assert!(ui.screen().contains("and now"));
}

#[test]
fn topics_and_reasons_of_ignored_people_are_not_shown_but_what_they_did_is() {
    let mut ui = Harness::new();
    ui.receive("@msgid=m1 :carol!c@h PRIVMSG #lobby :good morning");
    ui.enter("/ignore bob");
    ui.receive(":bob!b@h TOPIC #lobby :BUY");
    for (line, fact) in [
        (":bob!b@h PART #lobby :BUY", "bob left"),
        (":bob!b@h JOIN #lobby", "bob joined"),
        (
            ":bob!b@h KICK #lobby carol :BUY",
            "bob kicked carol from #lobby",
        ),
        (
            ":bob!b@h REDACT #lobby m1 :BUY",
            "bob deleted a message by carol",
        ),
        (":bob!b@h MODE #lobby +b BUY!*@*", "bob set mode +b"),
        (":bob!b@h MODE #lobby +ok carol BUY", "bob set mode +ok"),
        (
            ":bob!b@h MODE #lobby -o carol",
            "bob removed carol as operator",
        ),
        (":bob!b@h MODE #lobby +q carol", "bob set mode +q carol"),
        (
            ":bob!b@h RENAME #lobby #nest :BUY",
            "bob renamed #lobby to #nest",
        ),
    ] {
        ui.receive(line);
        let screen = ui.screen();
        assert!(screen.contains(fact), "{line}: {screen}");
        assert!(!screen.contains("BUY"), "{line}: {screen}");
    }
    assert!(!ui.screen().contains("good morning"), "{}", ui.screen());
    ui.receive(":bob!b@h QUIT :BUY");
    assert!(!ui.screen().contains("BUY"), "{}", ui.screen());
    assert!(ui.screen().contains("(topic set by somebody you ignore)"));

    // Nor when a channel is joined whose topic such a person has set.
    ui.receive(":alice!a@h JOIN #ops");
    ui.receive(":s 332 alice #ops :BUY");
    ui.receive(":s 333 alice #ops Bob!b@h 1767362400");
    ui.enter("/join #ops");
    assert_eq!(ui.conversation(), "#ops");
    assert!(!ui.screen().contains("BUY"), "{}", ui.screen());
    ui.enter("/ignore bob");
    assert!(ui.screen().contains("· BUY"), "{}", ui.screen());
    ui.receive(":carol!c@h TOPIC #ops :eggs");
    assert!(ui.screen().contains("· eggs") && ui.screen().contains("set the topic: “eggs”"));
}

#[test]
fn a_password_is_set_in_a_popup_that_does_not_show_it() {
    let mut ui = Harness::new();
    ui.enter("/password");
    ui.enter("");
    ui.type_text("hunter2hunter2");
    insta::assert_snapshot!(ui.screen());
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    ui.enter("hunter2hunter2");
    assert_eq!(ui.sent(), ["SETPASS * hunter2hunter2"]);
    ui.receive(":s SETPASS VERIFICATION_REQUIRED alice :A code was mailed to you");
    assert!(
        ui.screen().contains("A code was mailed to you"),
        "{}",
        ui.screen()
    );
    ui.enter("123456");
    assert_eq!(ui.sent(), ["VERIFY alice 123456"]);
    ui.receive(":s VERIFY SUCCESS alice :The password is set");
    assert!(ui.app.overlay.is_none());
    assert!(ui.screen().contains("The password is set"));
    for _ in 0..3 {
        ui.press(KeyCode::Up, KeyModifiers::NONE);
        assert!(
            !ui.app.editor.text().contains("hunter"),
            "it cannot be recalled"
        );
    }
    assert!(!ui.screen().contains("hunter"));
}

#[test]
fn a_changed_email_is_stored_for_the_next_sign_in() {
    let mut ui = Harness::new();
    ui.enter("/email new@b.example");
    ui.type_text("hunter2hunter2");
    assert!(!ui.screen().contains("hunter"), "{}", ui.screen());
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(ui.sent(), ["SETEMAIL new@b.example hunter2hunter2"]);
    ui.receive(":s SETEMAIL VERIFICATION_REQUIRED alice :A code was mailed to you");
    ui.enter("123456");
    ui.sent();
    ui.receive(":s VERIFY SUCCESS alice :Email changed");
    let email = Email::parse("new@b.example").unwrap();
    assert_eq!(ui.app.take_effects(), [Effect::SaveEmail(email)]);
    assert!(ui.screen().contains("Email changed"));
}

#[test]
fn a_password_that_was_typed_in_a_line_cannot_be_recalled() {
    let mut ui = Harness::new();
    for line in [
        "/password hunter2hunter2",
        "/email new@b.example hunter2hunter2",
        "/quote SETPASS * :hunter2hunter2",
    ] {
        ui.enter(line);
        assert!(ui.app.overlay.is_none(), "{line}");
        assert!(!ui.screen().contains("hunter"), "{}", ui.screen());
        ui.press(KeyCode::Up, KeyModifiers::NONE);
        assert_eq!(ui.app.editor.text(), "", "{line}");
    }
}

#[test]
fn the_channels_are_joined_again_at_the_next_start() {
    let mut ui = Harness::new();
    ui.enter("/join #ops sesame");
    ui.receive("@label=1 :alice!a@h JOIN #ops");
    let preferences = ui.saved();
    let names: Vec<String> = preferences
        .channels
        .iter()
        .cloned()
        .map(String::from)
        .collect();
    assert_eq!(names, ["#lobby", "#ops sesame"]);

    let mut next = Harness::disconnected();
    next.app.restore(&preferences);
    next.receive(":s 001 alice :Welcome back, alice.");
    next.receive(":alice!a@h JOIN #lobby");
    next.app.connection_ready();
    assert_eq!(next.sent(), ["JOIN #ops sesame"]);
    next.receive("@label=1 :s 475 alice #ops :Cannot join channel (+k)");
    assert_eq!(
        next.saved().channels.len(),
        1,
        "a channel that refuses is not tried again"
    );
    next.receive(":alice!a@h PART #lobby");
    assert_eq!(next.saved().channels, []);
    next.receive(":bob!b@h JOIN #den");
    assert!(
        next.app.take_effects().is_empty(),
        "joins of others do not change the preferences"
    );
}

#[test]
fn long_text_is_sent_in_pieces_without_loss() {
    let mut ui = Harness::new();
    let text = "one two three ".repeat(100);
    ui.app.editor.insert(text.trim_end());
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    let sent = ui.sent();
    assert!(sent.len() > 2, "{sent:?}");
    let pieces: Vec<&str> = sent
        .iter()
        .map(|line| line.strip_prefix("PRIVMSG #lobby :").unwrap())
        .collect();
    assert_eq!(pieces.join(" "), text.trim_end());
}

#[test]
fn what_the_server_says_about_a_message_names_its_text_and_is_in_its_conversation() {
    let mut ui = Harness::new().with_messages();
    ui.enter("too long");
    ui.sent();
    let label = ui.label.clone();
    ui.enter("unwelcome");
    ui.sent();
    let refused = ui.label.clone();
    ui.alt('1');
    // The echo may be before the warning.
    ui.receive(&format!("@label={label} :s BATCH +w labeled-response"));
    ui.receive("@batch=w :alice!a@h PRIVMSG #lobby :too long");
    ui.receive("@batch=w :s WARN PRIVMSG TEXT_TRUNCATED #lobby :Your text was cut");
    ui.receive(":s BATCH -w");
    ui.receive(&format!(
        "@label={refused} :s 404 alice #lobby :Cannot send to channel"
    ));
    for screen in [1, 2] {
        ui.alt(char::from_digit(screen, 10).unwrap());
        let screen = ui.screen();
        for text in [
            "Your text was cut; about: too long",
            "not sent:",
            "unwelcome",
        ] {
            assert!(screen.contains(text), "{screen}");
        }
    }
}

#[test]
fn text_typed_for_one_conversation_is_not_sent_to_another() {
    let mut ui = Harness::new().with_messages();
    ui.alt('4');
    ui.type_text("only for bob");
    ui.press(KeyCode::Left, KeyModifiers::NONE);
    ui.alt('2');
    assert!(ui.app.editor.is_empty(), "{}", ui.app.editor.text());
    ui.enter("for all");
    ui.receive("@label=1 :alice!a@h PRIVMSG #lobby :for all");
    ui.receive(":bob!b@h PRIVMSG alice :well?");
    ui.alt('4');
    ui.type_text("!");
    assert_eq!(
        ui.app.editor.text(),
        "only for bo!b",
        "the cursor is where it was"
    );
    ui.receive(":bob!b@h NICK rob");
    ui.app.refresh();
    assert_eq!(
        (ui.conversation(), ui.app.editor.text()),
        ("rob", "only for bo!b"),
        "the text is for the same person"
    );
    ui.alt('k');
    ui.type_text("lobby");
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    assert!(ui.app.editor.is_empty());
    assert_eq!(ui.sent(), ["PRIVMSG #lobby :for all"]);
}
