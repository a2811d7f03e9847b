//! Sessions that the core has ended and whose connections are still open, and the requests that
//! wait for them.

use std::net::IpAddr;

use rookery_protocol::Nick;
use rookery_record::{Device, Mark};

use crate::ids::Identity;
use crate::request::Ended;
use crate::ticket::Ticket;

/// A session that the core has ended and whose connection is still open.
pub struct ClosingSession {
    pub nick: Nick,
    pub identity: Option<Identity>,
    pub address: IpAddr,
    /// The device, until it is known what it has received.
    pub device: Option<Box<ClosingDevice>>,
    /// The numbers of the tickets whose replies wait for it to close.
    pub tickets: Vec<u64>,
}

/// The device of a session that the core has ended.
pub struct ClosingDevice {
    pub device: Device,
    /// The mark up to which it has certainly received everything.
    pub received: Mark,
    /// The number that the results of its catch-up end with, in the sequence of messages.
    pub catch_up_end: u64,
    /// The mark up to which it was sent everything, once its connection has sent all of it.
    pub until: Mark,
}

/// The reply to a request that waits for connections to close.
pub struct PendingEnd {
    pub ticket: Ticket<Ended>,
    pub ended: Ended,
    /// The number of connections that are still open.
    pub waiting: usize,
}
