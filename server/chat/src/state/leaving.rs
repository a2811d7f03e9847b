//! Sessions that are ended and whose connections are still there, and who waits for their end.

use std::net::IpAddr;

use rookery_protocol::Nick;

use crate::ids::{Identity, Ticket};

/// A session that the core has ended and whose connection is still there.
pub struct ClosingSession {
    pub nick: Nick,
    pub identity: Option<Identity>,
    pub address: IpAddr,
    /// Who waits for its end.
    pub tickets: Vec<Ticket>,
}

/// An answer that is due when sessions have ended.
pub struct PendingEnd {
    pub users: Vec<Nick>,
    pub sessions: usize,
    /// The connections that are still there.
    pub waiting: usize,
}
