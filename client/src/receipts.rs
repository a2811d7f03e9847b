//! Receipts: tracks the messages and commands that the server has not answered yet.
//!
//! Each one carries a label (IRCv3 `labeled-response`), which the server repeats in the answer. The
//! answer to a chat message is its echo, which the server sends once the message is stored.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use rookery_protocol::Message;
use tokio::time::Instant;

use crate::refusals::refusal;

/// The time within which the server must answer.
pub const RECEIPT_TIMEOUT: Duration = Duration::from_secs(30);
/// The most messages without a receipt; later ones wait.
const WINDOW: usize = 8;

/// Something that was sent and awaits an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// A message to a channel or nick.
    Text {
        /// The channel or nick.
        target: String,
        /// The text.
        text: String,
    },
    /// A command that was typed.
    Command,
    /// A query of the program itself.
    Query,
}

/// The server's answer to something that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was carried out; a message was stored.
    Done(Sent),
    /// It was refused, for the reason in the server's words.
    Refused(Sent, String),
}

#[derive(Debug)]
struct Pending {
    sent: Sent,
    deadline: Instant,
}

/// Everything that awaits an answer.
#[derive(Debug, Default)]
pub struct Receipts {
    last_label: u64,
    pending: BTreeMap<u64, Pending>,
    /// The answers that consist of several messages, by the name of their batch: the label, and
    /// what is answered.
    batches: HashMap<String, (u64, Sent)>,
}

impl Receipts {
    /// Labels a message, and awaits its answer from now on.
    #[must_use]
    pub fn track(&mut self, mut message: Message, sent: Sent) -> Message {
        self.last_label += 1;
        message.tags.set("label", self.last_label.to_string());
        self.pending.insert(
            self.last_label,
            Pending {
                sent,
                deadline: Instant::now() + RECEIPT_TIMEOUT,
            },
        );
        message
    }

    /// Whether nothing awaits an answer.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether more may be sent. Nothing may be sent before a command is answered, since it may
    /// change the meaning of the next line.
    pub fn may_send(&self) -> bool {
        self.pending.len() < WINDOW
            && !self
                .pending
                .values()
                .any(|pending| pending.sent == Sent::Command)
    }

    /// Returns the time at which the oldest entry is overdue.
    pub fn deadline(&self) -> Option<Instant> {
        self.pending.values().next().map(|pending| pending.deadline)
    }

    /// Removes and returns the overdue entries.
    pub fn expire(&mut self, now: Instant) -> Vec<Sent> {
        // Labels are assigned in order, so the oldest come first.
        let mut late = Vec::new();
        while let Some(first) = self.pending.first_entry()
            && first.get().deadline <= now
        {
            late.push(first.remove().sent);
        }
        late
    }

    /// Removes and returns all entries, when the connection is lost.
    pub fn drain(&mut self) -> Vec<Sent> {
        self.batches.clear();
        std::mem::take(&mut self.pending)
            .into_values()
            .map(|pending| pending.sent)
            .collect()
    }

    /// Returns what a message from the server answers, if it is part of an answer. It must not have
    /// been handled yet.
    pub fn cause(&self, message: &Message) -> Option<&Sent> {
        match (message.tags.get("label"), message.tags.get("batch")) {
            (Some(label), _) => self.pending.get(&label.parse().ok()?).map(|one| &one.sent),
            (None, Some(batch)) => self.batches.get(batch).map(|(_, sent)| sent),
            (None, None) => None,
        }
    }

    /// Handles a message from the server; returns the outcome if it completes an answer.
    pub fn handle(&mut self, message: &Message) -> Option<Outcome> {
        if message.command == "BATCH" {
            return self.handle_batch(message);
        }
        let labelled = message
            .tags
            .get("label")
            .and_then(|label| label.parse().ok());
        let batched = message
            .tags
            .get("batch")
            .and_then(|batch| self.batches.get(batch))
            .map(|(label, _)| *label);
        let label = labelled.or(batched)?;
        let sent = &self.pending.get(&label)?.sent;
        let refused = refusal(message);
        let completes = match sent {
            Sent::Text { .. } => matches!(message.command.as_str(), "PRIVMSG" | "NOTICE" | "ACK"),
            Sent::Command | Sent::Query => labelled.is_some(),
        };
        if !completes && refused.is_none() {
            return None;
        }
        let sent = self.pending.remove(&label)?.sent;
        Some(match refused {
            Some(text) => Outcome::Refused(sent, text),
            None => Outcome::Done(sent),
        })
    }

    fn handle_batch(&mut self, message: &Message) -> Option<Outcome> {
        let name = message.param(0)?;
        if let Some(opened) = name.strip_prefix('+') {
            // A multi-line message may be one of several messages that answer a label.
            let label = match (message.tags.get("label"), message.tags.get("batch")) {
                (Some(label), _) => label.parse().ok()?,
                (None, Some(outer)) => self.batches.get(outer)?.0,
                (None, None) => return None,
            };
            if let Some(pending) = self.pending.get(&label) {
                let sent = pending.sent.clone();
                self.batches.insert(opened.to_owned(), (label, sent));
            }
            return None;
        }
        let (label, _) = self.batches.remove(name.strip_prefix('-')?)?;
        Some(match self.pending.remove(&label)?.sent {
            sent @ Sent::Text { .. } => {
                Outcome::Refused(sent, "the server sent no receipt".to_owned())
            }
            sent => Outcome::Done(sent),
        })
    }
}

/// Returns a refusal or a warning from the server, with the text of the message that caused it.
pub fn remark(message: &Message, reason: &str, text: &str) -> String {
    let about = match message.command.as_str() {
        "WARN" => "about",
        _ => "not sent",
    };
    format!("{reason}; {about}: {text}")
}

/// Whether the server's answer to a request carries the request's label. `CREDENTIAL` is answered
/// without one.
pub fn is_labelled(request: &Message) -> bool {
    request.command != "CREDENTIAL"
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn text(text: &str) -> Sent {
        Sent::Text {
            target: "#a".to_owned(),
            text: text.to_owned(),
        }
    }

    fn tracking(sent: &[Sent]) -> Receipts {
        let mut receipts = Receipts::default();
        for (index, sent) in sent.iter().enumerate() {
            let message = receipts.track(Message::new("PRIVMSG", ["#a", "x"]), sent.clone());
            assert_eq!(
                message.tags.get("label"),
                Some((index + 1).to_string().as_str())
            );
        }
        receipts
    }

    fn receive(receipts: &mut Receipts, line: &str) -> Option<Outcome> {
        receipts.handle(&Message::parse(line).unwrap())
    }

    #[test]
    fn only_the_echo_with_the_label_is_the_receipt() {
        let mut receipts = tracking(&[text("one"), text("two")]);
        assert_eq!(receive(&mut receipts, ":me!m@h PRIVMSG #a :two"), None);
        assert_eq!(
            receive(&mut receipts, "@label=9 :me!m@h PRIVMSG #a :two"),
            None
        );
        assert_eq!(
            receive(&mut receipts, "@label=2 :me!m@h PRIVMSG #a :two"),
            Some(Outcome::Done(text("two")))
        );
        assert_eq!(
            receive(&mut receipts, "@label=2 :me!m@h PRIVMSG #a :two"),
            None,
            "once"
        );
        assert!(!receipts.is_empty());
    }

    #[test]
    fn an_error_with_the_label_is_a_refusal() {
        let mut receipts = tracking(&[text("one"), text("two"), Sent::Command]);
        let refused = receive(
            &mut receipts,
            "@label=1 :s 404 me #a :Cannot send to channel",
        );
        assert_eq!(
            refused,
            Some(Outcome::Refused(
                text("one"),
                "#a: Cannot send to channel".to_owned()
            ))
        );
        let refused = receive(
            &mut receipts,
            "@label=2 :s FAIL PRIVMSG STORE_FAILED :Not stored",
        );
        assert_eq!(
            refused,
            Some(Outcome::Refused(text("two"), "Not stored".to_owned()))
        );
        let refused = receive(&mut receipts, "@label=3 :s 475 me #a :Wrong key");
        assert_eq!(
            refused,
            Some(Outcome::Refused(Sent::Command, "#a: Wrong key".to_owned()))
        );
    }

    #[test]
    fn an_answer_of_several_messages_is_recognised_by_its_batch() {
        let mut receipts = tracking(&[text("one"), Sent::Command]);
        receive(&mut receipts, "@label=1 :s BATCH +x labeled-response");
        assert_eq!(receive(&mut receipts, "@batch=x :s 301 me bob :Away"), None);
        assert_eq!(
            receive(&mut receipts, "@batch=x :me!m@h PRIVMSG bob :one"),
            Some(Outcome::Done(text("one")))
        );
        assert_eq!(receive(&mut receipts, ":s BATCH -x"), None);
        receive(&mut receipts, "@label=2 :s BATCH +y labeled-response");
        assert_eq!(receive(&mut receipts, "@batch=y :me!m@h JOIN #a"), None);
        assert_eq!(
            receive(&mut receipts, ":s BATCH -y"),
            Some(Outcome::Done(Sent::Command))
        );
        assert!(receipts.is_empty());
    }

    #[test]
    fn a_multi_line_message_is_confirmed_by_the_lines_of_its_batch() {
        let mut receipts = tracking(&[text("one\ntwo"), text("three\nfour")]);
        let open = "@label=1 :me!m@h BATCH +x draft/multiline #a";
        assert_eq!(receive(&mut receipts, open), None);
        assert_eq!(
            receive(&mut receipts, "@batch=x :me!m@h PRIVMSG #a :one"),
            Some(Outcome::Done(text("one\ntwo")))
        );
        for line in ["@batch=x :me!m@h PRIVMSG #a :two", ":me!m@h BATCH -x"] {
            assert_eq!(receive(&mut receipts, line), None);
        }
        receive(&mut receipts, "@label=2 :s BATCH +y labeled-response");
        receive(&mut receipts, "@batch=y :s 301 me bob :Away");
        receive(
            &mut receipts,
            "@batch=y :me!m@h BATCH +z draft/multiline bob",
        );
        assert_eq!(
            receive(&mut receipts, "@batch=z :me!m@h PRIVMSG bob :three"),
            Some(Outcome::Done(text("three\nfour")))
        );
        for line in ["@batch=y :me!m@h BATCH -z", ":s BATCH -y"] {
            assert_eq!(receive(&mut receipts, line), None);
        }
        assert!(receipts.is_empty());
    }

    #[test]
    fn a_batch_without_an_echo_is_no_receipt() {
        let mut receipts = tracking(&[text("one")]);
        receive(&mut receipts, "@label=1 :s BATCH +x labeled-response");
        assert!(matches!(
            receive(&mut receipts, ":s BATCH -x"),
            Some(Outcome::Refused(..))
        ));
    }

    #[test]
    fn a_command_blocks_and_messages_have_a_window() {
        assert!(!tracking(&[Sent::Command]).may_send());
        assert!(tracking(&vec![text("x"); WINDOW - 1]).may_send());
        assert!(!tracking(&vec![text("x"); WINDOW]).may_send());
    }

    #[test]
    fn overdue_receipts_expire() {
        let mut receipts = tracking(&[text("one")]);
        let deadline = receipts.deadline().unwrap();
        assert!(
            receipts
                .expire(deadline - Duration::from_secs(1))
                .is_empty()
        );
        assert_eq!(receipts.expire(deadline), [text("one")]);
        let mut receipts = tracking(&[text("two")]);
        assert_eq!(receipts.drain(), [text("two")]);
        assert!(receipts.is_empty());
    }
}
