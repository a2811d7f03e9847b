//! What operators see of the chat: plain data that the core builds for the control plane.

use std::net::SocketAddr;

use rookery_protocol::{AccountName, ChannelName, Nick};

use crate::ids::SessionId;

/// How busy the chat is.
#[derive(Debug)]
pub struct Busy {
    pub users: usize,
    pub guests: usize,
    pub sessions: usize,
    pub channels: usize,
    /// In the last minute, the busiest first.
    pub busiest_channels: Vec<BusyChannel>,
    /// In the last minute, the busiest first.
    pub busiest_users: Vec<BusyUser>,
    /// The owners of the sessions that were asked about, except for those that have ended.
    pub owners: Vec<Owner>,
}

/// A channel with messages in the last minute.
#[derive(Debug)]
pub struct BusyChannel {
    pub name: ChannelName,
    pub members: usize,
    pub messages: u32,
}

/// A user with messages in the last minute.
#[derive(Debug)]
pub struct BusyUser {
    pub nick: Nick,
    pub account: Option<AccountName>,
    /// Of its newest session; `None` without one.
    pub address: Option<SocketAddr>,
    pub sessions: usize,
    pub messages: u32,
}

/// The owner of a session.
#[derive(Debug)]
pub struct Owner {
    pub session: SessionId,
    pub nick: Nick,
    pub account: Option<AccountName>,
    pub address: SocketAddr,
}
