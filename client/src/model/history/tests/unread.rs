//! What is unread: the conversations that are restored, their counts and the read markers.

use super::*;

#[test]
fn conversations_are_restored_and_those_with_new_messages_loaded() {
    let mut chat = Chat::with(0);
    chat.markers.insert("#lobby".to_owned(), 5);
    chat.markers.insert("carol".to_owned(), 8000);
    chat.stored
        .insert("carol".to_owned(), vec![(7000, "carol"), (8000, "carol")]);
    chat.stored.insert("dave".to_owned(), vec![(9000, "dave")]);
    chat.stored.insert("me".to_owned(), vec![(9000, "me")]);
    chat.sign_in();
    chat.catch_up();
    let names: Vec<&str> = chat
        .buffers
        .list()
        .iter()
        .map(|buffer| buffer.conversation.name())
        .collect();
    assert_eq!(names, ["*server*", "#lobby", "carol", "dave"]);
    assert_eq!(
        chat.shown("carol"),
        ["?"],
        "all of it is read, so it is loaded only when in view"
    );
    assert_eq!(chat.shown("dave"), ["?", "9000"]);
    assert_eq!(unread(&chat, "dave"), (1, 1));
    assert_eq!(unread(&chat, "carol"), (0, 0));
    // During the lost connection, one of them writes again, and someone else for the first time.
    chat.lose_connection();
    chat.store_message("dave", "me");
    chat.store_message("erin", "me");
    chat.queries.clear();
    chat.sign_in();
    chat.catch_up();
    assert_eq!(unread(&chat, "dave"), (2, 2));
    assert_eq!(unread(&chat, "erin"), (1, 1));
    let about_carol: Vec<&String> = chat
        .queries
        .iter()
        .filter(|query| query.contains("carol"))
        .collect();
    assert!(
        about_carol.is_empty(),
        "nothing is new there: {about_carol:?}"
    );
}

#[test]
fn unread_direct_messages_stay_unread_until_they_are_read_whatever_the_local_clock_says() {
    const TWO_DAYS: i64 = 2 * 24 * 60 * 60;
    for skew in [0, -TWO_DAYS, TWO_DAYS] {
        let mut chat = Chat::with(3);
        chat.skew = skew;
        chat.markers.insert("#lobby".to_owned(), 3);
        chat.restart();
        chat.send_message("bob", "me");
        assert_eq!(unread(&chat, "bob"), (1, 1), "{skew}");
        // The lobby talks on for longer than any difference between clocks.
        chat.now += 3 * TWO_DAYS;
        chat.send_message("carol", "#lobby");
        for _ in 0..2 {
            chat.restart();
            assert_eq!(unread(&chat, "bob"), (1, 1), "{skew}");
        }
        chat.buffers
            .open(Conversation::named("bob").unwrap(), &chat.model);
        chat.catch_up();
        let sent = chat.buffers.take_unsent_markers();
        let read = sent.iter().find(|one| one.param(0) == Some("bob")).unwrap();
        let until = read
            .param(1)
            .and_then(|until| until.split_once('='))
            .unwrap();
        let until: Timestamp = until.1.parse().unwrap();
        assert_eq!(until, at(chat.stored["bob"][0].0), "{skew}");
        chat.markers.insert("bob".to_owned(), until.as_second());
        chat.restart();
        assert_eq!(unread(&chat, "bob"), (0, 0), "{skew}");
    }
}

#[test]
fn a_conversation_opened_with_a_wrong_clock_counts_new_messages_as_unread() {
    let mut chat = Chat::with(3);
    chat.skew = 100_000;
    chat.sign_in();
    chat.catch_up();
    chat.buffers
        .open(Conversation::named("bob").unwrap(), &chat.model);
    chat.buffers.switch_to(0);
    chat.send_message("bob", "me");
    assert_eq!(unread(&chat, "bob"), (1, 1));
}

#[test]
fn unread_conversations_are_found_among_many_channels_and_many_newer_conversations() {
    let mut chat = Chat::with(3);
    chat.markers.insert("#lobby".to_owned(), 3);
    for number in 0..25 {
        let channel = format!("#channel{number}");
        chat.stored.insert(channel, vec![(9000 + number, "erin")]);
    }
    for number in 0..45 {
        let nick = format!("friend{number}");
        chat.markers.insert(nick.clone(), 8000 + number);
        chat.stored.insert(nick, vec![(8000 + number, "friend")]);
    }
    // Several have the time of the last one of a page.
    for nick in ["dave", "erin", "frank"] {
        chat.stored.insert(nick.to_owned(), vec![(8000, "dave")]);
    }
    chat.restart();
    for nick in ["dave", "erin", "frank"] {
        assert_eq!(unread(&chat, nick), (1, 1), "{nick}");
    }
    assert!(is_listed(&chat, "friend44"));
    assert!(!is_listed(&chat, "friend0"), "old, and read");
}

#[test]
fn of_too_many_conversations_the_oldest_are_left_out_with_a_line_that_says_so() {
    let says_so = |chat: &Chat| {
        let mut lines = chat.buffers.list()[0].lines().iter();
        lines.any(|line| matches!(&line.body, Body::Info(text) if text.contains("not listed")))
    };
    let mut chat = Chat::with(3);
    chat.markers.insert("#lobby".to_owned(), 3);
    for number in 0..350 {
        let nick = format!("stranger{number}");
        chat.stored.insert(nick, vec![(9000 + number, "erin")]);
    }
    chat.stored.insert("bob".to_owned(), vec![(8000, "bob")]);
    chat.restart();
    assert_eq!(unread(&chat, "bob"), (1, 1));
    assert!(!says_so(&chat));
    for number in 350..600 {
        let nick = format!("stranger{number}");
        chat.stored.insert(nick, vec![(9000 + number, "erin")]);
    }
    chat.restart();
    assert!(!is_listed(&chat, "bob"));
    assert!(says_so(&chat));
    assert_eq!(chat.buffers.list()[0].unread(), 1);
}

#[test]
fn what_was_read_on_another_device_meanwhile_is_read_after_a_reconnection() {
    let mut chat = Chat::with(3);
    chat.markers.insert("#lobby".to_owned(), 3);
    chat.restart();
    chat.send_message("bob", "me");
    chat.send_message("erin", "me");
    chat.lose_connection();
    chat.markers.insert("bob".to_owned(), chat.now);
    chat.store_message("erin", "me");
    chat.sign_in();
    chat.catch_up();
    assert_eq!(unread(&chat, "bob"), (0, 0));
    assert_eq!(unread(&chat, "erin"), (2, 2));
}

#[test]
fn a_query_that_the_lost_connection_left_unanswered_is_sent_again() {
    let mut chat = Chat::with(3);
    chat.markers.insert("#lobby".to_owned(), 3);
    chat.stored.insert("bob".to_owned(), vec![(9000, "bob")]);
    chat.sign_in();
    while !chat.queries.iter().any(|query| query.contains("TARGETS")) {
        chat.send_query();
    }
    chat.lose_connection();
    chat.sign_in();
    chat.catch_up();
    assert_eq!(unread(&chat, "bob"), (1, 1));
}

#[test]
fn the_conversations_of_ignored_people_are_not_opened() {
    let mut chat = Chat::with(3);
    chat.stored.insert("eve".to_owned(), vec![(9000, "eve")]);
    chat.buffers
        .ignore(rookery_protocol::Nick::parse("eve").unwrap());
    chat.sign_in();
    chat.catch_up();
    assert!(!is_listed(&chat, "eve"));
}

#[test]
fn unread_counts_and_the_line_of_new_messages_follow_the_marker() {
    let mut chat = Chat::with(8);
    chat.markers.insert("#lobby".to_owned(), 5);
    chat.buffers.set_watched(false);
    chat.sign_in();
    chat.catch_up();
    let lobby = |chat: &Chat| {
        chat.buffers
            .unread(&chat.buffers.list()[chat.index("#lobby")])
            .0
    };
    assert_eq!(lobby(&chat), 3);
    let first_new = chat.buffers.current().first_new().unwrap();
    let first = chat.buffers.current().index_of(first_new).unwrap();
    assert_eq!(chat.buffers.current().lines()[first].at, at(6));
    assert!(
        chat.buffers.take_unsent_markers().is_empty(),
        "nobody has read anything"
    );
    // Another device marks two of them read.
    chat.receive(&format!(":s MARKREAD #lobby timestamp={:.3}", at(7)));
    assert_eq!(lobby(&chat), 1);
    chat.receive(&format!(":s MARKREAD #lobby timestamp={:.3}", at(2)));
    assert_eq!(lobby(&chat), 1, "a marker never moves back");
    chat.buffers.set_watched(true);
    assert_eq!(lobby(&chat), 0);
    assert_eq!(
        chat.buffers.current().first_new(),
        Some(first_new),
        "the line stays until the next switch"
    );
    let sent: Vec<String> = chat
        .buffers
        .take_unsent_markers()
        .iter()
        .map(Message::to_string)
        .collect();
    assert_eq!(sent, ["MARKREAD #lobby timestamp=1970-01-01T00:00:08.000Z"]);
    assert!(chat.buffers.take_unsent_markers().is_empty(), "once");
}

#[test]
fn a_server_without_markers_gets_none() {
    let mut chat = Chat::with(8);
    chat.sign_in();
    chat.catch_up();
    chat.send_message("bob", "#lobby");
    assert!(chat.buffers.take_unsent_markers().is_empty());
    assert!(
        !chat
            .queries
            .iter()
            .any(|query| query.starts_with("MARKREAD"))
    );
}

#[test]
fn after_a_reconnection_the_line_of_new_messages_is_where_the_connection_was_lost() {
    let mut chat = Chat::with(4);
    chat.sign_in();
    chat.catch_up();
    chat.send_message("bob", "#lobby");
    chat.lose_connection();
    chat.store_message("bob", "#lobby");
    let missed = chat.now;
    chat.store_message("bob", "#lobby");
    chat.sign_in();
    chat.catch_up();
    let first_new = chat
        .buffers
        .current()
        .first_new()
        .expect("there is something new");
    let first = chat.buffers.current().index_of(first_new).unwrap();
    assert_eq!(chat.buffers.current().lines()[first].at, at(missed));
}
