//! The pages of history of a conversation: loading, gaps, and what is left out of them.

use super::*;

#[test]
fn joining_loads_the_latest_page_and_requests_load_older_ones() {
    let mut chat = Chat::with(25);
    chat.sign_in();
    chat.catch_up();
    assert_eq!(chat.queries[0], "CHATHISTORY LATEST #lobby * 10");
    assert_eq!(
        chat.shown("#lobby"),
        [vec!["?".to_owned()], numbers(16..=25)].concat()
    );
    assert!(!chat.send_query(), "a gap out of view is not loaded");
    chat.request_gap(0);
    chat.catch_up();
    assert_eq!(
        chat.queries.last().unwrap(),
        "CHATHISTORY BEFORE #lobby msgid=m16 10"
    );
    for _ in 0..2 {
        chat.request_gap(0);
        chat.catch_up();
    }
    assert_eq!(
        chat.shown("#lobby"),
        [vec!["|".to_owned()], numbers(1..=25)].concat(),
        "up to the beginning"
    );
    assert!(chat.buffers.current().gaps().is_empty());
}

#[test]
fn history_is_inserted_before_live_messages() {
    let mut chat = Chat::with(3);
    chat.sign_in();
    // Before the requested page arrives, a message is sent, which the page contains too.
    let query = chat.buffers.next_query(&chat.model).unwrap();
    chat.send_message("bob", "#lobby");
    let page = chat.answer(&query);
    chat.receive_all(&page);
    let now = chat.stored["#lobby"][3].0.to_string();
    assert_eq!(chat.shown("#lobby"), ["?", "1", "2", "3", &now]);
    // A message that arrives twice is shown once.
    let again = line(chat.stored["#lobby"][3].0, "bob", "#lobby");
    chat.receive(&again);
    assert_eq!(chat.shown("#lobby").len(), 5);
}

#[test]
fn missed_messages_are_inserted_without_duplicates() {
    let mut chat = Chat::with(4);
    chat.sign_in();
    chat.catch_up();
    chat.send_message("bob", "#lobby");
    chat.lose_connection();
    for _ in 0..3 {
        chat.store_message("bob", "#lobby");
    }
    chat.sign_in();
    chat.send_message("bob", "#lobby");
    chat.catch_up();
    let all: Vec<String> = chat.stored["#lobby"]
        .iter()
        .map(|(second, _)| second.to_string())
        .collect();
    assert_eq!(
        chat.shown("#lobby"),
        [vec!["?".to_owned()], all].concat(),
        "in order, and no gap is left"
    );
}

#[test]
fn more_than_a_missed_page_leaves_a_gap_that_can_be_loaded() {
    let mut chat = Chat::with(4);
    chat.sign_in();
    chat.catch_up();
    chat.request_gap(0);
    chat.catch_up();
    chat.lose_connection();
    for _ in 0..25 {
        chat.store_message("bob", "#lobby");
    }
    chat.sign_in();
    chat.catch_up();
    let all: Vec<String> = chat.stored["#lobby"]
        .iter()
        .map(|(second, _)| second.to_string())
        .collect();
    let beginning = ["|", "1", "2", "3", "4", "?"].map(str::to_owned).to_vec();
    assert_eq!(
        chat.shown("#lobby"),
        [beginning.clone(), all[19..].to_vec()].concat()
    );
    chat.request_gap(0);
    chat.catch_up();
    assert_eq!(
        chat.shown("#lobby"),
        [beginning, all[9..].to_vec()].concat()
    );
    chat.request_gap(0);
    chat.catch_up();
    assert_eq!(
        chat.shown("#lobby"),
        [vec!["|".to_owned()], all].concat(),
        "no gap is left"
    );
}

#[test]
fn a_page_is_requested_again_after_a_lost_connection() {
    let mut chat = Chat::with(4);
    chat.sign_in();
    chat.buffers.next_query(&chat.model).unwrap();
    chat.lose_connection();
    assert_eq!(chat.buffers.next_query(&chat.model), None);
    chat.sign_in();
    chat.catch_up();
    assert_eq!(chat.shown("#lobby"), ["?", "1", "2", "3", "4"]);
}

#[test]
fn a_refused_page_has_its_reason_and_is_requested_again_only_on_demand() {
    let mut chat = Chat::with(4);
    chat.sign_in();
    chat.buffers.next_query(&chat.model).unwrap();
    chat.buffers.query_failed("please try again later");
    chat.catch_up();
    let gap = chat.buffers.current().gaps()[0].clone();
    assert_eq!(gap.state, GapState::Failed("please try again later".into()));
    chat.buffers.request_gap(gap.line, false);
    assert!(!chat.send_query(), "it is not retried automatically");
    chat.buffers.request_gap(gap.line, true);
    chat.catch_up();
    assert_eq!(chat.shown("#lobby"), ["?", "1", "2", "3", "4"]);
}

#[test]
fn a_server_without_history_gets_no_queries() {
    let mut chat = Chat::with(4);
    chat.receive(":s 001 me :Welcome");
    chat.join("#lobby");
    chat.buffers.catch_up(&chat.model);
    assert!(!chat.send_query());
    assert_eq!(chat.shown("#lobby"), [""; 0]);
}

#[test]
fn a_page_that_repeats_ends_the_loading() {
    let mut chat = Chat::with(4);
    chat.sign_in();
    chat.catch_up();
    chat.request_gap(0);
    chat.buffers.next_query(&chat.model).unwrap();
    // The server sends the same page again.
    let lines = (1..=4).map(|second| line(second, "bob", "#lobby").replacen('@', "@batch=p;", 1));
    chat.receive_all(&batch("p", "chathistory #lobby", lines.collect()));
    assert_eq!(chat.shown("#lobby"), ["|", "1", "2", "3", "4"]);
}

#[test]
fn a_page_that_is_refused_because_its_channel_was_renamed_can_be_requested_again() {
    let mut chat = Chat::with(4);
    chat.sign_in();
    chat.catch_up();
    chat.request_gap(0);
    chat.buffers.next_query(&chat.model).unwrap();
    chat.receive(":boss!b@h RENAME #lobby #hall");
    chat.buffers.query_failed("no such channel");
    let gaps = chat.buffers.current().gaps();
    assert!(matches!(gaps[0].state, GapState::Failed(_)), "{gaps:?}");
}

#[test]
fn messages_of_ignored_people_are_left_out_of_the_history() {
    let mut chat = Chat::with(0);
    chat.stored.insert(
        "#lobby".to_owned(),
        (1..=30)
            .map(|second| (second, if second < 25 { "bob" } else { "eve" }))
            .collect(),
    );
    chat.buffers
        .ignore(rookery_protocol::Nick::parse("bob").unwrap());
    chat.sign_in();
    chat.catch_up();
    for _ in 0..5 {
        if !chat.buffers.current().gaps().is_empty() {
            chat.request_gap(0);
            chat.catch_up();
        }
    }
    assert_eq!(
        chat.shown("#lobby"),
        [vec!["|".to_owned()], numbers(25..=30)].concat(),
        "and the beginning is found"
    );
}

#[test]
fn a_redacted_message_is_marked_in_live_messages_and_history() {
    let mut chat = Chat::with(3);
    chat.sign_in();
    chat.catch_up();
    chat.receive(":boss!b@h REDACT #lobby m2 :off topic");
    chat.receive(":boss!b@h REDACT #lobby m99 :not here");
    assert_eq!(chat.shown("#lobby"), ["?", "1", "3"]);
    let lines = chat.buffers.current().lines();
    let body = Body::Redacted {
        nick: "bob".into(),
        by: "boss".into(),
        reason: Some("off topic".into()),
    };
    assert_eq!(lines[2].body, body);
}

#[test]
fn dropped_lines_can_be_loaded_again() {
    let mut chat = Chat::with(0);
    chat.sign_in();
    chat.catch_up();
    chat.request_all_gaps();
    chat.buffers.max_lines = 100;
    for _ in 0..100 {
        chat.send_message("bob", "#lobby");
    }
    let shown = chat.shown("#lobby");
    assert_eq!(shown[0], "?", "the beginning was dropped");
    let all = &chat.stored["#lobby"];
    let first = all[all.len() - (shown.len() - 1)].0.to_string();
    assert_eq!(shown[1], first);
    chat.request_gap(0);
    assert!(!chat.send_query(), "the limit of lines is reached");
    let gap = &chat.buffers.current().gaps()[0];
    assert!(matches!(gap.state, GapState::Failed(_)));
    assert_eq!(
        gap.before.as_deref(),
        Some(format!("msgid=m{first}").as_str())
    );
}
