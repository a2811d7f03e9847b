//! What comes from the server, and what goes to it: each message is followed until it is answered,
//! and what is lost with the connection is told.

use std::time::Duration;

use rookery_protocol::Message;
use tokio::time::Instant;

use super::{App, Connection, Effect, Overlay};
use crate::model::Highlight;
use crate::receipts::{Outcome, Sent};
use crate::tui::password::ReplyKind;

/// Lines that may wait to be sent.
const MAX_QUEUED: usize = 1000;

/// What is said to whoever is here for the first time.
const FIRST_STEPS: &str = "type and press Enter: everyone reads it\n\
                           a line that ends in /bob goes to bob alone\n\
                           Ctrl-K goes to a channel or a person\n\
                           /help: all keys and commands; /quit leaves";

impl App {
    /// Takes a message.
    pub fn hear(&mut self, message: &Message) {
        if let Some(Overlay::Password(change)) = &mut self.overlay {
            match change.hear(message) {
                ReplyKind::NotOurs => {}
                ReplyKind::Taken => return,
                ReplyKind::Done(words) => {
                    self.overlay = None;
                    return self.tell(&words);
                }
            }
        }
        let outcome = self.receipts.settle(message);
        match &outcome {
            Some(Outcome::Refused(Sent::Text { target, text }, words))
                if message.command == "BATCH" =>
            {
                self.buffers.refuse(
                    self.now,
                    &format!("not confirmed ({words}), to {target}: {text}"),
                );
            }
            Some(Outcome::Refused(Sent::Query, words)) => self.buffers.query_failed(words),
            _ => {
                for change in self.model.handle(message, self.now) {
                    if let Some(call) = self.buffers.apply(&change, &self.model) {
                        self.called(call);
                    }
                }
            }
        }
        if let Some(Outcome::Done(Sent::Query)) = outcome {
            self.buffers.query_finished();
        }
        // Only these change in which channels one is at home.
        let is_refusal = message.command.starts_with('4');
        if is_refusal || matches!(message.command.as_str(), "JOIN" | "PART" | "KICK") {
            self.keep();
        }
        self.flush();
    }

    fn called(&mut self, call: Highlight) {
        let unseen = match self.focused {
            Some(focused) => !focused,
            // The terminal does not tell: whoever looks at the place needs no bell.
            None => call.elsewhere || !self.is_present(),
        };
        if unseen {
            self.effects
                .push(Effect::Notify(call.nick.clone(), call.text));
        }
        self.caller = Some((call.conversation, call.nick));
    }

    /// The server has told a newcomer all it had to.
    pub fn settled(&mut self) {
        self.connection = Connection::Online;
        self.hint = None;
        if self.lost_because.take().is_some() {
            self.tell("connected again");
        }
        if std::mem::take(&mut self.newcomer) {
            self.tell(FIRST_STEPS);
        }
        for join in self.model.rejoin_messages() {
            self.ask(join);
        }
        self.buffers.catch_up(&self.model);
        self.flush();
    }

    /// The connection is gone, and tried again after a pause.
    pub fn lost(&mut self, why: &str, pause: Duration) {
        self.connection = Connection::Lost {
            again_at: Instant::now() + pause,
        };
        self.lag = None;
        let lost: Vec<Sent> = self
            .receipts
            .drain()
            .into_iter()
            .chain(self.queue.drain(..).map(|(_, sent)| sent))
            .collect();
        self.report_lost(lost);
        // The status line tells when it is tried again; the same reason is not told each time.
        if self.lost_because.as_deref() != Some(why) {
            self.refuse(&format!("{why}; trying again"));
            self.lost_because = Some(why.to_owned());
        }
        self.buffers.disconnect(self.now, &self.model);
        self.model.disconnect();
    }

    /// When [`Self::expire`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.receipts.deadline()
    }

    /// Tells of what has had no receipt for too long.
    pub fn expire(&mut self, now: Instant) {
        let late = self.receipts.expire(now);
        self.report_lost(late);
        self.flush();
    }

    fn report_lost(&mut self, lost: Vec<Sent>) {
        for sent in lost {
            match sent {
                Sent::Text { target, text } => {
                    self.refuse(&format!(
                        "not confirmed, perhaps not sent, to {target}: {text}"
                    ));
                }
                Sent::Query => self.buffers.query_failed("the server does not answer"),
                Sent::Command => {}
            }
        }
    }

    pub(super) fn queue(&mut self, message: Message, sent: Sent) {
        if self.queue.len() >= MAX_QUEUED {
            self.report_lost(vec![sent]);
            return;
        }
        self.queue.push_back((message, sent));
        self.flush();
    }

    pub(super) fn flush(&mut self) {
        while self.receipts.has_room()
            && let Some((message, sent)) = self.queue.pop_front()
        {
            self.effects
                .push(Effect::Send(self.receipts.track(message, sent)));
        }
        if self.connection == Connection::Online
            && let Some(question) = self.buffers.next_query(&self.model, self.now)
        {
            self.effects
                .push(Effect::Send(self.receipts.track(question, Sent::Query)));
        }
    }
}
