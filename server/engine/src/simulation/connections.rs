//! The connections: what is sent on them, what arrives, how they end, and the checks of what their
//! clients receive.

use std::task::{Context, Waker};

use rookery_protocol::Message;

use super::Simulation;
use super::client::{Client, Received};
use crate::sendq::State;
use rookery_chat::event::{Disconnect, Event};
use rookery_record::Mark;

impl Simulation {
    /// A connection sends what is queued, which may arrive at once or later.
    pub(super) fn serve(&mut self) {
        let Some(at) = self.pick_client() else {
            return;
        };
        if self.random.below(4) > 0 {
            self.receive(at);
        }
        self.send_to(at);
    }

    /// The connection of a client sends what is queued, and asks the client what it has received.
    /// If the queue has ended, so does the connection.
    pub(super) fn send_to(&mut self, at: usize) {
        let client = &mut self.server.clients[at];
        let until = client.sendq.queued_until();
        if let Some(until) = until {
            client.receipts.skip_if_answered(until);
        }
        let is_due = client.receipts.ask_at().is_some_and(|at| at <= self.uptime);
        if let Some(until) = until.filter(|_| is_due) {
            let queued = client.written + client.sendq.bytes() as u64;
            let question = client.receipts.ask(self.uptime, until, queued);
            client.sendq.push(question);
        }
        let mut context = Context::from_waker(Waker::noop());
        let (state, mut lines) = client.sendq.poll(&mut context, true);
        if let (State::Ending { asks: true }, Some(until)) = (state, until) {
            let (receipts, written) = (&mut client.receipts, client.written);
            let added = receipts.ask_before_last(self.uptime, until, written, &mut lines);
            client.sendq.added(added);
        }
        let bytes = lines.iter().map(bytes::Bytes::len).sum();
        client.written += bytes as u64;
        if client.sendq.sent(bytes) && bytes > 0 {
            client.receipts.sent(|| self.uptime);
        }
        client.on_the_way.extend(lines);
        match state {
            State::Open => {}
            State::Ending { asks } => {
                // Unless the client has sent `QUIT`, its link may be dead, and nothing arrives.
                if !asks || self.random.below(2) == 0 {
                    self.receive(at);
                }
                self.close(at);
            }
            State::Overflowed => self.close(at),
        }
    }

    /// A client receives everything that was sent to it, and answers the questions in it.
    pub(super) fn receive(&mut self, at: usize) {
        let lines = std::mem::take(&mut self.server.clients[at].on_the_way);
        for lines in lines {
            let lines = String::from_utf8(lines.to_vec()).unwrap();
            for line in lines.split_terminator("\r\n") {
                let client = &mut self.server.clients[at];
                if let Some(token) = line.strip_prefix("PING ") {
                    let pong = Message::new("PONG", [token]);
                    let session = client.session;
                    let answer = client.receipts.answer(self.uptime, &pong, client.written);
                    if let Some(until) = answer {
                        self.event(Event::Received { session, until });
                    }
                    continue;
                }
                let received = client.receive(line);
                let device = client.device;
                if let Some(message) = received {
                    if let Some(device) = device.filter(|_| !message.is_to_self) {
                        self.receive_on_device(device, &message.msgid, line);
                        let received = &mut self.server.clients[at].received;
                        received.insert(message.msgid.clone());
                    }
                    self.check_seen(message, line);
                } else if let Some(device) = device
                    && let Some((_, names)) = line.split_once(" were left out of: ")
                {
                    self.excuse(device, names);
                }
            }
        }
    }

    /// Checks that a message that a client has received is stored, and has a time of its own.
    pub(super) fn check_seen(&mut self, message: Received, line: &str) {
        let Received {
            place, at, msgid, ..
        } = message;
        if !self.redacted.contains(&msgid) {
            let (database, id) = (self.server.database.clone(), msgid.clone());
            let read = async move { database.read(move |store| store.history_entry(&id)).await };
            let stored = self.runtime.block_on(read).unwrap();
            assert!(
                stored.is_some(),
                "a client received what is not stored: {line}"
            );
        }
        if let Some(place) = place {
            let other = self.seen.insert((place, at), msgid.clone());
            assert!(
                other.is_none_or(|other| other == msgid),
                "two messages have the same time: {line}"
            );
        }
    }

    /// A connection breaks: what is on its way is lost.
    pub(super) fn break_connection(&mut self) {
        let Some(at) = self.pick_client() else {
            return;
        };
        let client = self.leave(at, None);
        self.end_abruptly(&client);
    }

    /// Closes a connection that the client may not have read to its end.
    fn close(&mut self, at: usize) {
        let received = self.received_until(at);
        let client = self.leave(at, received);
        self.end_abruptly(&client);
    }

    fn leave(&mut self, at: usize, received: Option<Mark>) -> Client {
        let client = self.server.clients.remove(at);
        self.event(Event::Disconnected {
            session: client.session,
            disconnect: Disconnect::lost("Connection closed"),
            received,
        });
        client
    }

    /// Returns the mark up to which a client whose connection ends properly has received
    /// everything, if that is known.
    fn received_until(&self, at: usize) -> Option<Mark> {
        let client = &self.server.clients[at];
        let has_answered = !client.receipts.is_unanswered();
        let sent_until = client.sendq.sent_until().filter(|_| has_answered);
        sent_until.or_else(|| client.receipts.answered())
    }

    /// A client disconnects, having received everything if it is a device.
    pub(super) fn disconnect(&mut self) {
        let Some(at) = self.pick_client() else {
            return;
        };
        let session = self.server.clients[at].session;
        if self.server.clients[at].device.is_some() {
            self.settle(session);
        }
        let mut clients = self.server.clients.iter();
        if let Some(at) = clients.position(|client| client.session == session) {
            let received = self.received_until(at);
            let client = self.leave(at, received);
            self.server.left.push(client);
        }
    }
}
