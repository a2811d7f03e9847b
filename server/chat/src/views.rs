//! What operators see of the chat: plain data that the core builds for the control plane.

use std::net::SocketAddr;

use rookery_protocol::{AccountName, ChannelName, Nick};

use crate::ids::SessionId;

/// What operators see of it.
#[derive(Debug)]
pub struct Busy {
    pub users: usize,
    pub guests: usize,
    pub sessions: usize,
    pub channels: usize,
    /// Of the last minute, the busiest first.
    pub busiest_channels: Vec<BusyChannel>,
    /// Of the last minute, the busiest first.
    pub busiest_users: Vec<BusyUser>,
    /// Whose the sessions are that were asked about; those that are gone are left out.
    pub owners: Vec<Owner>,
}

/// A channel in which something was said.
#[derive(Debug)]
pub struct BusyChannel {
    pub name: ChannelName,
    pub members: usize,
    pub messages: u32,
}

/// A user who said something.
#[derive(Debug)]
pub struct BusyUser {
    pub nick: Nick,
    pub account: Option<AccountName>,
    /// Of its newest session.
    pub address: Option<SocketAddr>,
    pub sessions: usize,
    pub messages: u32,
}

/// Whose a session is.
#[derive(Debug)]
pub struct Owner {
    pub session: SessionId,
    pub nick: Nick,
    pub account: Option<AccountName>,
    pub address: SocketAddr,
}
