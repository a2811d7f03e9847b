//! Sessions that the core has ended and whose connections are still open, and the requests that
//! wait for them.

use std::net::IpAddr;

use rookery_protocol::Nick;

use crate::ids::Identity;
use crate::request::Ended;
use crate::ticket::Ticket;

/// A session that the core has ended and whose connection is still open.
pub struct ClosingSession {
    pub nick: Nick,
    pub identity: Option<Identity>,
    pub address: IpAddr,
    /// The numbers of the tickets whose replies wait for it to close.
    pub tickets: Vec<u64>,
}

/// The reply to a request that waits for connections to close.
pub struct PendingEnd {
    pub ticket: Ticket<Ended>,
    pub ended: Ended,
    /// The number of connections that are still open.
    pub waiting: usize,
}
