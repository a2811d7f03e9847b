//! What was sent and not answered yet. Each command carries a label (the capability
//! `labeled-response`), so that its answer is known from all else; the answer to a message is its
//! echo: the receipt that it is stored.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use rookery_protocol::Message;
use tokio::time::Instant;

use crate::refusals::refusal;

/// How long an answer may take.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Messages that may be on their way at once; more is only sent when these are answered.
const WINDOW: usize = 8;

/// What waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// A message to people.
    Text {
        /// To whom.
        target: String,
        /// As it was typed, or a piece of it.
        text: String,
    },
    /// Anything else that was typed.
    Command,
    /// A question that nobody typed.
    Query,
}

/// What became of something sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done; a message is stored.
    Done(Sent),
    /// It was not, for the reason in the server's words.
    Refused(Sent, String),
}

#[derive(Debug)]
struct Pending {
    sent: Sent,
    deadline: Instant,
}

/// All that waits for its answer.
#[derive(Debug, Default)]
pub struct Receipts {
    last_label: u64,
    pending: BTreeMap<u64, Pending>,
    /// Answers of several messages, by their batch.
    batches: HashMap<String, u64>,
}

impl Receipts {
    /// Gives the message its label, and waits for the answer from now on.
    #[must_use]
    pub fn track(&mut self, mut message: Message, sent: Sent) -> Message {
        self.last_label += 1;
        message.tags.set("label", self.last_label.to_string());
        self.pending.insert(
            self.last_label,
            Pending {
                sent,
                deadline: Instant::now() + PATIENCE,
            },
        );
        message
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether there is room to send more. A command may change what the next line means, so it is
    /// waited for.
    pub fn has_room(&self) -> bool {
        self.pending.len() < WINDOW
            && !self
                .pending
                .values()
                .any(|pending| pending.sent == Sent::Command)
    }

    /// When the oldest has waited long enough.
    pub fn deadline(&self) -> Option<Instant> {
        self.pending.values().next().map(|pending| pending.deadline)
    }

    /// Gives up what has waited too long.
    pub fn expire(&mut self, now: Instant) -> Vec<Sent> {
        // Labels grow with time, so the late ones come first.
        let mut late = Vec::new();
        while let Some(first) = self.pending.first_entry()
            && first.get().deadline <= now
        {
            late.push(first.remove().sent);
        }
        late
    }

    /// The connection is gone, and with it all answers.
    pub fn drain(&mut self) -> Vec<Sent> {
        self.batches.clear();
        std::mem::take(&mut self.pending)
            .into_values()
            .map(|pending| pending.sent)
            .collect()
    }

    /// What a message settles, if it is an answer.
    pub fn settle(&mut self, message: &Message) -> Option<Outcome> {
        if message.command == "BATCH" {
            return self.settle_batch(message);
        }
        let labelled = message
            .tags
            .get("label")
            .and_then(|label| label.parse().ok());
        let batched = message
            .tags
            .get("batch")
            .and_then(|batch| self.batches.get(batch))
            .copied();
        let label = labelled.or(batched)?;
        let sent = &self.pending.get(&label)?.sent;
        let refused = refusal(message);
        let settles = match sent {
            Sent::Text { .. } => matches!(message.command.as_str(), "PRIVMSG" | "NOTICE" | "ACK"),
            Sent::Command | Sent::Query => labelled.is_some(),
        };
        if !settles && refused.is_none() {
            return None;
        }
        let sent = self.pending.remove(&label)?.sent;
        Some(match refused {
            Some(words) => Outcome::Refused(sent, words),
            None => Outcome::Done(sent),
        })
    }

    fn settle_batch(&mut self, message: &Message) -> Option<Outcome> {
        let name = message.param(0)?;
        if let Some(opened) = name.strip_prefix('+') {
            let label = message.tags.get("label")?.parse().ok()?;
            if self.pending.contains_key(&label) {
                self.batches.insert(opened.to_owned(), label);
            }
            return None;
        }
        let label = self.batches.remove(name.strip_prefix('-')?)?;
        Some(match self.pending.remove(&label)?.sent {
            sent @ Sent::Text { .. } => {
                Outcome::Refused(sent, "the server gave no receipt".to_owned())
            }
            sent => Outcome::Done(sent),
        })
    }
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

    fn said(text: &str) -> Sent {
        Sent::Text {
            target: "#a".to_owned(),
            text: text.to_owned(),
        }
    }

    fn waiting(sent: &[Sent]) -> Receipts {
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

    fn take(receipts: &mut Receipts, line: &str) -> Option<Outcome> {
        receipts.settle(&Message::parse(line).unwrap())
    }

    #[test]
    fn the_echo_with_the_label_is_the_receipt_and_no_other_message_is() {
        let mut receipts = waiting(&[said("one"), said("two")]);
        assert_eq!(take(&mut receipts, ":me!m@h PRIVMSG #a :two"), None);
        assert_eq!(
            take(&mut receipts, "@label=9 :me!m@h PRIVMSG #a :two"),
            None
        );
        assert_eq!(
            take(&mut receipts, "@label=2 :me!m@h PRIVMSG #a :two"),
            Some(Outcome::Done(said("two")))
        );
        assert_eq!(
            take(&mut receipts, "@label=2 :me!m@h PRIVMSG #a :two"),
            None,
            "once"
        );
        assert!(!receipts.is_empty());
    }

    #[test]
    fn an_error_with_the_label_refuses() {
        let mut receipts = waiting(&[said("one"), said("two"), Sent::Command]);
        let refused = take(
            &mut receipts,
            "@label=1 :s 404 me #a :Cannot send to channel",
        );
        assert_eq!(
            refused,
            Some(Outcome::Refused(
                said("one"),
                "#a: Cannot send to channel".to_owned()
            ))
        );
        let refused = take(
            &mut receipts,
            "@label=2 :s FAIL PRIVMSG STORE_FAILED :Not stored",
        );
        assert_eq!(
            refused,
            Some(Outcome::Refused(said("two"), "Not stored".to_owned()))
        );
        let refused = take(&mut receipts, "@label=3 :s 475 me #a :Wrong key");
        assert_eq!(
            refused,
            Some(Outcome::Refused(Sent::Command, "#a: Wrong key".to_owned()))
        );
    }

    #[test]
    fn an_answer_of_several_messages_is_known_by_its_batch() {
        let mut receipts = waiting(&[said("one"), Sent::Command]);
        take(&mut receipts, "@label=1 :s BATCH +x labeled-response");
        assert_eq!(take(&mut receipts, "@batch=x :s 301 me bob :Away"), None);
        assert_eq!(
            take(&mut receipts, "@batch=x :me!m@h PRIVMSG bob :one"),
            Some(Outcome::Done(said("one")))
        );
        assert_eq!(take(&mut receipts, ":s BATCH -x"), None);
        take(&mut receipts, "@label=2 :s BATCH +y labeled-response");
        assert_eq!(take(&mut receipts, "@batch=y :me!m@h JOIN #a"), None);
        assert_eq!(
            take(&mut receipts, ":s BATCH -y"),
            Some(Outcome::Done(Sent::Command))
        );
        assert!(receipts.is_empty());
    }

    #[test]
    fn a_batch_without_an_echo_is_no_receipt() {
        let mut receipts = waiting(&[said("one")]);
        take(&mut receipts, "@label=1 :s BATCH +x labeled-response");
        assert!(matches!(
            take(&mut receipts, ":s BATCH -x"),
            Some(Outcome::Refused(..))
        ));
    }

    #[test]
    fn commands_are_waited_for_and_messages_have_a_window() {
        assert!(!waiting(&[Sent::Command]).has_room());
        assert!(waiting(&vec![said("x"); WINDOW - 1]).has_room());
        assert!(!waiting(&vec![said("x"); WINDOW]).has_room());
    }

    #[test]
    fn what_waits_too_long_is_given_up() {
        let mut receipts = waiting(&[said("one")]);
        let deadline = receipts.deadline().unwrap();
        assert!(
            receipts
                .expire(deadline - Duration::from_secs(1))
                .is_empty()
        );
        assert_eq!(receipts.expire(deadline), [said("one")]);
        let mut receipts = waiting(&[said("two")]);
        assert_eq!(receipts.drain(), [said("two")]);
        assert!(receipts.is_empty());
    }
}
