//! Handles the connection and the messages from the server, and sends messages. Tracks each sent
//! message until its receipt arrives, and shows the ones without a receipt.

use std::time::Duration;

use rookery_protocol::Message;
use tokio::time::Instant;

use super::{App, Connection, Effect, Queued, Removal};
use crate::front_end::FrontEnd as _;
use crate::model::{Conversation, EventKind};
use crate::receipts::{Outcome, Sent, remark};
use crate::tui::account_change::Reply;
use crate::tui::overlay::Overlay;

/// The most messages that may wait to be sent.
const MAX_QUEUED: usize = 1000;

/// Shown after the first sign-in on a device.
const FIRST_STEPS: &str = "type a message and press Enter: everyone here receives it\n\
                           end a line with /bob to send it to bob only\n\
                           Ctrl-K switches to another conversation\n\
                           /help lists keys and commands; /quit leaves";

impl App {
    /// Handles a message from the server.
    pub fn handle_message(&mut self, message: &Message) {
        if let Some(Overlay::AccountChange(change)) = &mut self.overlay {
            match change.handle_message(message) {
                Reply::Unrelated => {}
                Reply::Handled => return,
                Reply::Done { text, email } => {
                    self.overlay = None;
                    self.effects.extend(email.map(Effect::SaveEmail));
                    return self.show(&text);
                }
            }
        }
        let cause = self.receipts.cause(message).cloned();
        let outcome = self.receipts.handle(message);
        match &outcome {
            Some(Outcome::Refused(Sent::Text { target, text }, reason))
                if message.command == "BATCH" =>
            {
                self.show_refusal(&format!("not confirmed ({reason}), to {target}: {text}"));
            }
            Some(Outcome::Refused(Sent::Query, reason)) => self.buffers.query_failed(reason),
            _ => {
                for mut event in self.model.handle(message, self.now) {
                    if let (EventKind::Refused(reason), Some(Sent::Text { target, text })) =
                        (&mut event.kind, &cause)
                    {
                        *reason = remark(message, reason, text);
                        self.buffers.add_refusal_elsewhere(event.at, target, reason);
                    }
                    self.rename_drafts(&event.kind);
                    self.close_former_name(&event.kind);
                    self.join_renamed(&event.kind);
                    if let Some(highlight) = self.buffers.apply(&event, &self.model) {
                        self.handle_highlight(highlight);
                    }
                }
            }
        }
        match &outcome {
            Some(Outcome::Done(Sent::Query)) => self.buffers.query_finished(),
            Some(Outcome::Done(Sent::Text { target, text })) => {
                self.confirm_elsewhere(target, text);
            }
            _ => {}
        }
        // Only these messages change the list of channels to rejoin.
        let is_refusal = message.command.starts_with('4');
        if is_refusal
            || matches!(
                message.command.as_str(),
                "JOIN" | "PART" | "KICK" | "RENAME"
            )
        {
            self.save_preferences();
        }
        self.send_queued();
    }

    /// Shows that text was sent, if it is in a conversation that is not in view.
    fn confirm_elsewhere(&mut self, target: &str, text: &str) {
        let Some(conversation) = Conversation::named(target) else {
            return;
        };
        if conversation != self.buffers.current().conversation && self.hint.is_none() {
            let only = match conversation {
                Conversation::Person(_) => " only",
                _ => "",
            };
            self.hint = Some(format!("sent to {target}{only}: {text}"));
        }
    }

    /// Handles the end of the server's greeting: from now on messages can be sent.
    pub fn connection_ready(&mut self) {
        self.connection = Connection::Online;
        self.hint = None;
        if self.lost_reason.take().is_some() {
            self.show("connected again");
        }
        if std::mem::take(&mut self.first_visit) {
            self.show(FIRST_STEPS);
        }
        for join in self.model.rejoin_messages() {
            self.request(join);
        }
        self.buffers.catch_up(&self.model);
        self.send_queued();
    }

    /// Handles the loss of the connection; the next attempt follows after `pause`.
    pub fn connection_lost(&mut self, reason: &str, pause: Duration) {
        self.connecting_in(pause);
        self.drop_unconfirmed();
        // The same reason is shown only once: the status line shows each attempt.
        if self.lost_reason.as_deref() != Some(reason) {
            self.show_refusal(&format!("{reason}; trying again"));
            self.lost_reason = Some(reason.to_owned());
        }
        self.buffers.disconnect(self.now, &self.model);
        self.model.disconnect();
    }

    /// Handles that the server has removed the session, for this reason. The user decides whether
    /// to connect again.
    pub fn session_ended(&mut self, removal: Removal, reason: &str) {
        self.connection = Connection::Ended(removal);
        self.drop_unconfirmed();
        let (what, advice) = match removal {
            Removal::Kicked => ("were kicked", "Press r to reconnect, Ctrl-C twice to quit"),
            Removal::Displaced => (
                "were disconnected",
                "Press r to reconnect, Ctrl-C twice to quit",
            ),
            Removal::BannedForAWhile => (
                "are banned",
                "Ask the server's operators; press r to try again, Ctrl-C twice to quit",
            ),
            Removal::Banned => (
                "are banned",
                "Ask the server's operators; Ctrl-C twice quits",
            ),
        };
        let text = format!("You {what}: {reason}");
        self.show_refusal(&format!("{text}. {advice}"));
        self.lost_reason = Some(text);
        self.buffers.disconnect(self.now, &self.model);
        self.model.disconnect();
    }

    /// Handles that the next attempt to connect follows after `pause`.
    pub fn connecting_in(&mut self, pause: Duration) {
        self.connection = Connection::Lost {
            retry_at: Instant::now() + pause,
        };
    }

    /// Returns why an operator has ended the session, while it is ended.
    pub fn end_reason(&self) -> Option<&str> {
        match self.connection {
            Connection::Ended(_) => self.lost_reason.as_deref(),
            _ => None,
        }
    }

    fn drop_unconfirmed(&mut self) {
        self.lag = None;
        let mut lost = self.receipts.drain();
        lost.extend(self.queue.drain(..).map(|queued| queued.sent));
        self.report_unconfirmed(&lost);
    }

    /// Returns the time at which the oldest receipt is overdue.
    pub fn deadline(&self) -> Option<Instant> {
        self.receipts.deadline()
    }

    /// Drops overdue receipts, and reports them as missing.
    pub fn expire_receipts(&mut self, now: Instant) {
        let lost = self.receipts.expire(now);
        self.report_unconfirmed(&lost);
        self.send_queued();
    }

    /// Shows that messages were not confirmed, and ends a query without an answer.
    fn report_unconfirmed(&mut self, lost: &[Sent]) {
        if lost.contains(&Sent::Query) {
            self.buffers.query_failed("the server does not answer");
        }
        self.show_unconfirmed(lost);
    }

    /// Sends a message, and the `rest` with it, as soon as enough earlier ones have their receipts.
    pub(super) fn enqueue(&mut self, message: Message, rest: Vec<Message>, sent: Sent) {
        if self.queue.len() >= MAX_QUEUED {
            self.report_unconfirmed(&[sent]);
            return;
        }
        self.queue.push_back(Queued {
            message,
            rest,
            sent,
        });
        self.send_queued();
    }

    /// Sends queued messages as far as the outstanding receipts allow, and the next query for
    /// history.
    pub(super) fn send_queued(&mut self) {
        while self.receipts.may_send()
            && let Some(queued) = self.queue.pop_front()
        {
            let first = self.receipts.track(queued.message, queued.sent);
            let messages = std::iter::once(first).chain(queued.rest);
            self.effects.extend(messages.map(Effect::Send));
        }
        if self.queue.is_empty() {
            self.was_warned_of_queue = false;
        }
        if self.connection == Connection::Online
            && let Some(query) = self.buffers.next_query(&self.model)
        {
            self.effects
                .push(Effect::Send(self.receipts.track(query, Sent::Query)));
        }
    }
}
