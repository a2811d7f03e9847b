//! Sessions that are ended and whose connections are still there, and who waits for their end.

use std::net::IpAddr;

use rookery_protocol::Nick;

use crate::event::Identity;
use crate::request::Ended;
use crate::ticket::Ticket;

/// A session that the core has ended and whose connection is still there.
pub struct ClosingSession {
    pub nick: Nick,
    pub identity: Option<Identity>,
    pub address: IpAddr,
    /// The numbers of the tickets whose replies wait for its end.
    pub tickets: Vec<u64>,
}

/// A reply that is due when sessions have ended.
pub struct PendingEnd {
    pub ticket: Ticket<Ended>,
    pub ended: Ended,
    /// The connections that are still there.
    pub waiting: usize,
}
