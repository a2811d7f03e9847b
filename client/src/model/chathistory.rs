//! The wire format of IRCv3 `draft/chathistory`: requests, references to messages, and the batches
//! in which pages arrive. The callers decide what to request and when. Multi-line messages, which
//! may be part of a page, are collected here too.

use std::collections::HashMap;

use jiff::Timestamp;
use rookery_protocol::Message;

use super::multiline;

/// The most batches that are open at once.
const MAX_BATCHES: usize = 16;
/// The most messages of a batch that are stored, even if the server sends more.
pub const MAX_PAGE: usize = 1000;

/// Returns the request for the latest messages of a conversation.
pub fn latest(target: &str, limit: usize) -> Message {
    request("LATEST", target, "*", limit)
}

/// Returns the request for the messages before a reference.
pub fn before(target: &str, reference: &str, limit: usize) -> Message {
    request("BEFORE", target, reference, limit)
}

/// Returns the request for the messages after a reference.
pub fn after(target: &str, reference: &str, limit: usize) -> Message {
    request("AFTER", target, reference, limit)
}

fn request(subcommand: &str, target: &str, reference: &str, limit: usize) -> Message {
    Message::new(
        "CHATHISTORY",
        [subcommand, target, reference, &limit.to_string()],
    )
}

/// Returns a reference to the message with a msgid.
pub fn msgid_reference(msgid: &str) -> String {
    format!("msgid={msgid}")
}

/// Returns a reference to a time, in milliseconds.
pub fn time_reference(at: Timestamp) -> String {
    format!("timestamp={at:.3}")
}

/// A page of messages, oldest first.
#[derive(Debug)]
pub struct PageBatch {
    /// The name of the conversation.
    pub target: String,
    /// The messages.
    pub messages: Vec<Message>,
}

/// The batches that are still incomplete, by their reference tags.
#[derive(Debug, Default)]
pub struct Batches {
    open: HashMap<String, Batch>,
}

#[derive(Debug)]
enum Batch {
    Page(PageBatch),
    /// The names of conversations, each with the time of its latest message.
    Conversations(Vec<(String, Timestamp)>),
    /// A multi-line message: the message that opened the batch, and the lines.
    Lines(Message, Vec<Message>),
}

/// The result of collecting a message of a batch.
#[derive(Debug)]
pub enum Batched {
    /// Nothing yet: the batch is incomplete.
    Incomplete,
    /// A page is complete.
    Page(PageBatch),
    /// A list of conversations is complete, each with the time of its latest message.
    Conversations(Vec<(String, Timestamp)>),
    /// A multi-line message is complete. It has a line feed between its lines.
    Message(Message),
}

impl Batches {
    /// Drops all incomplete batches.
    pub fn clear(&mut self) {
        self.open.clear();
    }

    /// Collects a message; `None` if it is not part of a batch of history or of a multi-line
    /// message.
    pub fn collect(&mut self, message: &Message) -> Option<Batched> {
        if message.command == "BATCH" {
            return self.open_or_close(message);
        }
        match self.open.get_mut(message.tags.get("batch")?)? {
            Batch::Page(page) if page.messages.len() < MAX_PAGE => {
                page.messages.push(message.clone());
            }
            Batch::Conversations(found) if found.len() < MAX_PAGE => {
                let latest = message.param(2).and_then(|time| time.parse().ok());
                if let (Some("TARGETS"), Some(name), Some(latest)) =
                    (message.param(0), message.param(1), latest)
                {
                    found.push((name.to_owned(), latest));
                }
            }
            Batch::Lines(_, lines) if lines.len() < MAX_PAGE => lines.push(message.clone()),
            _ => {}
        }
        Some(Batched::Incomplete)
    }

    fn open_or_close(&mut self, message: &Message) -> Option<Batched> {
        let tag = message.param(0)?;
        if let Some(closed) = tag.strip_prefix('-') {
            return Some(match self.open.remove(closed)? {
                Batch::Page(page) => Batched::Page(page),
                Batch::Conversations(found) => Batched::Conversations(found),
                Batch::Lines(opening, lines) => match multiline::join(&opening, &lines) {
                    Some(whole) => self.collect(&whole).unwrap_or(Batched::Message(whole)),
                    None => Batched::Incomplete,
                },
            });
        }
        let batch = match message.param(1)? {
            "chathistory" => Batch::Page(PageBatch {
                target: message.param(2)?.to_owned(),
                messages: Vec::new(),
            }),
            multiline::BATCH_TYPE => Batch::Lines(message.clone(), Vec::new()),
            "draft/chathistory-targets" => Batch::Conversations(Vec::new()),
            _ => return None,
        };
        if self.open.len() < MAX_BATCHES {
            self.open.insert(tag.strip_prefix('+')?.to_owned(), batch);
        }
        Some(Batched::Incomplete)
    }
}
