//! Tests with a simulated server that has a history.

mod pages;
mod unread;

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
