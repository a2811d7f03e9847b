//! A session before it is admitted: the IRC handshake, and the waiting room where an account is required.

use std::sync::Arc;

use jiff::Timestamp;
use rookery_protocol::Message;

use super::{Accounts, Peer};
use crate::chat::event::{Candidate, LineFault};

/// One session that is not admitted yet.
pub struct Handshake {}

/// What follows from a message.
#[derive(Debug)]
pub struct Step {
    /// What the client is told first.
    pub replies: Vec<Message>,
    pub next: Next,
}

/// Where the session goes from here.
#[derive(Debug)]
pub enum Next {
    Stay,
    /// Ask the core.
    Admit(Box<Candidate>),
    /// Send `ERROR` with that text and close.
    Close(String),
}

impl Handshake {
    /// A session that has just finished its TLS handshake.
    pub fn new(_accounts: Arc<Accounts>, _peer: Peer) -> Self {
        Self {}
    }

    /// Takes one message. May wait: for a hash, for the record.
    pub async fn take(&mut self, _now: Timestamp, _message: Message) -> Step {
        unimplemented!()
    }

    /// A line that is no message.
    pub fn take_fault(&mut self, _fault: LineFault) -> Vec<Message> {
        unimplemented!()
    }

    /// The core found another user under the nick: the client is told, and may choose another.
    pub fn nick_in_use(&mut self) -> Vec<Message> {
        unimplemented!()
    }

    /// Waits for news of mails on their way; for ever if there are none.
    pub async fn news(&mut self) -> Vec<Message> {
        unimplemented!()
    }

    /// Whether the IRC handshake is over and only the sign-in is missing.
    pub fn is_waiting_room(&self) -> bool {
        unimplemented!()
    }
}
