//! Sessions that the core has ended and whose connections are still open, and who waits for them.

use std::net::IpAddr;

use rookery_protocol::Nick;

use crate::ids::{Identity, Ticket};

/// A session that the core has ended and whose connection is still open.
pub struct ClosingSession {
    pub nick: Nick,
    pub identity: Option<Identity>,
    pub address: IpAddr,
    /// The requests that wait for it to close.
    pub tickets: Vec<Ticket>,
}

/// The answer to a request that waits for connections to close.
pub struct PendingEnd {
    pub users: Vec<Nick>,
    pub sessions: usize,
    /// The number of connections that are still open.
    pub waiting: usize,
}
