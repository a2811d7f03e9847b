//! Tests with a simulated server that has a history.

use std::collections::BTreeMap;

use super::*;

/// The limit of messages in one page.
const LIMIT: usize = 10;

/// A message in the server's history: the second at which it was sent, which is also its number,
/// and its sender.
type Stored = (i64, &'static str);

struct Chat {
    model: Model,
    buffers: Buffers,
    /// The history of each conversation.
    stored: BTreeMap<String, Vec<Stored>>,
    /// The read marker of each conversation.
    markers: BTreeMap<String, i64>,
    now: i64,
    /// By how many seconds the client's clock differs from the server's.
    skew: i64,
    /// The queries that the client has sent.
    queries: Vec<String>,
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

impl Chat {
    /// Creates a client with the nick `me`, and a server on which `count` messages were sent to
    /// `#lobby`, one a second.
    fn with(count: i64) -> Self {
        let mut chat = Self {
            model: Model::default(),
            buffers: Buffers::default(),
            stored: BTreeMap::new(),
            markers: BTreeMap::new(),
            now: 10_000,
            skew: 0,
            queries: Vec::new(),
        };
        chat.stored.insert(
            "#lobby".to_owned(),
            (1..=count).map(|number| (number, "bob")).collect(),
        );
        chat
    }

    fn sign_in(&mut self) {
        if !self.markers.is_empty() {
            self.receive(":s CAP * ACK :draft/read-marker server-time");
        }
        self.receive(":s 001 me :Welcome");
        self.receive(&format!(
            ":s 005 me CHATHISTORY={LIMIT} MSGREFTYPES=msgid,timestamp :are supported"
        ));
        self.join("#lobby");
        self.buffers.catch_up(&self.model);
    }

    fn join(&mut self, channel: &str) {
        self.receive(&format!(":me!m@h JOIN {channel}"));
        if let Some(marker) = self.markers.get(channel).copied() {
            self.receive(&format!(
                ":s MARKREAD {channel} timestamp={:.3}",
                at(marker)
            ));
        }
    }

    fn lose_connection(&mut self) {
        self.buffers.disconnect(at(self.now), &self.model);
        self.model.disconnect();
    }

    /// Ends the program and starts it again.
    fn restart(&mut self) {
        (self.model, self.buffers) = Default::default();
        self.queries.clear();
        self.sign_in();
        self.catch_up();
    }

    fn receive(&mut self, line: &str) {
        self.now += 1;
        let mut message = Message::parse(line).unwrap();
        if message.tags.get("time").is_none() {
            message.tags.set("time", format!("{:.3}", at(self.now)));
        }
        for event in self.model.handle(&message, at(self.now + self.skew)) {
            self.buffers.apply(&event, &self.model);
        }
    }

    fn receive_all(&mut self, lines: &[String]) {
        for line in lines {
            self.receive(line);
        }
    }

    /// Sends a message at the current time, which the server stores and the client receives.
    fn send_message(&mut self, nick: &'static str, target: &str) {
        let line = self.store_message(nick, target);
        self.receive(&line);
    }

    /// Sends a message at the current time, which the server only stores.
    fn store_message(&mut self, nick: &'static str, target: &str) -> String {
        self.now += 1;
        let conversation = if target == "me" { nick } else { target };
        self.stored
            .entry(conversation.to_owned())
            .or_default()
            .push((self.now, nick));
        line(self.now, nick, target)
    }

    /// Sends queries and answers them until there are none left.
    fn catch_up(&mut self) {
        while self.send_query() {}
    }

    fn send_query(&mut self) -> bool {
        let Some(query) = self.buffers.next_query(&self.model) else {
            return false;
        };
        assert_eq!(self.buffers.next_query(&self.model), None, "one at a time");
        self.queries.push(query.to_string());
        let answer = self.answer(&query);
        self.receive_all(&answer);
        self.buffers.query_finished();
        true
    }

    fn answer(&self, query: &Message) -> Vec<String> {
        let params: Vec<&str> = query.params.iter().map(String::as_str).collect();
        match (query.command.as_str(), &params[..]) {
            ("MARKREAD", [target]) => {
                let marker = self
                    .markers
                    .get(*target)
                    .map_or("*".to_owned(), |&at_| format!("timestamp={:.3}", at(at_)));
                vec![format!(":s MARKREAD {target} {marker}")]
            }
            ("CHATHISTORY", ["TARGETS", before, since, limit]) => {
                let time = |point: &str| -> Timestamp {
                    point.strip_prefix("timestamp=").unwrap().parse().unwrap()
                };
                let (before, since) = (time(before), time(since));
                let mut targets: Vec<(Timestamp, &String)> = self
                    .stored
                    .iter()
                    .filter_map(|(name, stored)| Some((at(stored.last()?.0), name)))
                    .filter(|(latest, _)| since < *latest && *latest < before)
                    .collect();
                targets.sort();
                let limit: usize = limit.parse().unwrap();
                let page = &targets[targets.len().saturating_sub(limit)..];
                let lines = page.iter().map(|(latest, name)| {
                    format!("@batch=t :s CHATHISTORY TARGETS {name} {latest:.3}")
                });
                batch("t", "draft/chathistory-targets", lines.collect())
            }
            ("CHATHISTORY", [subcommand, target, point, limit]) => {
                let limit: usize = limit.parse().unwrap();
                assert!(limit <= LIMIT);
                let none = Vec::new();
                let stored = self.stored.get(*target).unwrap_or(&none);
                let before: i64 = match *subcommand {
                    "LATEST" => i64::MAX,
                    "BEFORE" => point.strip_prefix("msgid=m").unwrap().parse().unwrap(),
                    other => panic!("{other}"),
                };
                let fitting: Vec<&Stored> = stored
                    .iter()
                    .filter(|(second, _)| *second < before)
                    .collect();
                let page = &fitting[fitting.len().saturating_sub(limit)..];
                let to = if target.starts_with('#') {
                    target
                } else {
                    "me"
                };
                let lines = page
                    .iter()
                    .map(|(second, nick)| line(*second, nick, to).replacen('@', "@batch=p;", 1));
                batch("p", &format!("chathistory {target}"), lines.collect())
            }
            other => panic!("{other:?}"),
        }
    }

    fn index(&self, name: &str) -> usize {
        self.buffers
            .position(&Conversation::named(name).unwrap())
            .expect("the conversation is open")
    }

    /// Returns the lines of a buffer: the seconds of messages, `?` for gaps and `|` for the
    /// beginning.
    fn shown(&self, name: &str) -> Vec<String> {
        let sign = |line: &super::super::Line| match &line.body {
            Body::Message { .. } => Some(line.at.as_second().to_string()),
            Body::Gap => Some("?".to_owned()),
            Body::Beginning => Some("|".to_owned()),
            _ => None,
        };
        self.buffers.list()[self.index(name)]
            .lines()
            .iter()
            .filter_map(sign)
            .collect()
    }

    fn request_all_gaps(&mut self) {
        while !self.buffers.current().gaps().is_empty() {
            self.request_gap(0);
            self.catch_up();
        }
    }

    fn request_gap(&mut self, which: usize) {
        let gap = self.buffers.current().gaps()[which].line;
        self.buffers.request_gap(gap, false);
    }
}

fn unread(chat: &Chat, name: &str) -> (usize, usize) {
    chat.buffers.unread(&chat.buffers.list()[chat.index(name)])
}

/// Whether a conversation is open.
fn is_listed(chat: &Chat, name: &str) -> bool {
    let conversation = Conversation::named(name).unwrap();
    chat.buffers.position(&conversation).is_some()
}

fn line(second: i64, nick: &str, target: &str) -> String {
    let source = if nick == "me" {
        "me!m@h"
    } else {
        &format!("{nick}!u@h")
    };
    format!(
        "@time={:.3};msgid=m{second} :{source} PRIVMSG {target} :said at {second}",
        at(second)
    )
}

fn batch(name: &str, kind: &str, lines: Vec<String>) -> Vec<String> {
    [format!(":s BATCH +{name} {kind}")]
        .into_iter()
        .chain(lines)
        .chain([format!(":s BATCH -{name}")])
        .collect()
}

fn numbers(range: std::ops::RangeInclusive<i64>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

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
    assert_eq!(names, ["server", "#lobby", "carol", "dave"]);
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
