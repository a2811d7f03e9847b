//! Pages of history: messages that come in batches, for whoever asked for them.

use std::collections::HashMap;

use jiff::Timestamp;
use rookery_protocol::Message;

use super::{ChatEvent, EventKind, Model};

/// Batches that are taken at once.
const MAX_BATCHES: usize = 16;
/// Messages of one batch that are kept, whatever the server sends.
const MAX_MESSAGES: usize = 1000;

/// The batches that are coming in, by their names.
pub type Batches = HashMap<String, Batch>;

/// One of them.
#[derive(Debug)]
pub enum Batch {
    /// A page of what was said in a place.
    Page {
        /// The place's name.
        target: String,
        /// So far.
        changes: Vec<ChatEvent>,
    },
    /// With whom something was said, and when last.
    Conversations(Vec<(String, Timestamp)>),
}

impl Model {
    /// Begins or ends a batch.
    pub(super) fn handle_batch(&mut self, message: &Message) -> Option<EventKind> {
        let name = message.param(0)?;
        if let Some(ended) = name.strip_prefix('-') {
            return Some(match self.batches.remove(ended)? {
                Batch::Page { target, changes } => EventKind::HistoryPage { target, changes },
                Batch::Conversations(found) => EventKind::Conversations(found),
            });
        }
        let batch = match message.param(1)? {
            "chathistory" => Batch::Page {
                target: message.param(2)?.to_owned(),
                changes: Vec::new(),
            },
            "draft/chathistory-targets" => Batch::Conversations(Vec::new()),
            _ => return None,
        };
        if self.batches.len() < MAX_BATCHES {
            self.batches
                .insert(name.strip_prefix('+')?.to_owned(), batch);
        }
        None
    }

    /// Takes a message that belongs to a batch; whatever it is, it is not new.
    pub(super) fn collect_batched(&mut self, message: &Message, at: Timestamp) -> bool {
        let Some(name) = message
            .tags
            .get("batch")
            .filter(|name| self.batches.contains_key(*name))
        else {
            return false;
        };
        let change = self.past(message, at);
        match self.batches.get_mut(name) {
            Some(Batch::Page { changes, .. }) if changes.len() < MAX_MESSAGES => {
                changes.extend(change)
            }
            Some(Batch::Conversations(found)) if found.len() < MAX_MESSAGES => {
                let latest = message.param(2).and_then(|time| time.parse().ok());
                if let (Some("TARGETS"), Some(name), Some(latest)) =
                    (message.param(0), message.param(1), latest)
                {
                    found.push((name.to_owned(), latest));
                }
            }
            _ => {}
        }
        true
    }

    /// What a message of the past told; it changes nothing now.
    fn past(&self, message: &Message, at: Timestamp) -> Option<ChatEvent> {
        let kind = match message.command.as_str() {
            "PRIVMSG" | "NOTICE" => self.said(message),
            "REDACT" => self.redacted(message),
            _ => return None,
        };
        Some(ChatEvent {
            at,
            msgid: message.tags.get("msgid").map(str::to_owned),
            kind,
        })
    }
}
