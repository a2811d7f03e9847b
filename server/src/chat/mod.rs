//! The core: sessions, users, channels, who may do what, who hears what. It knows no sockets, no clock and no store:
//! an event goes in with the time, outputs come out, and the same events always give the same outputs.

pub mod event;

use jiff::Timestamp;

use crate::record::Ban;
use event::{Event, Output, Settings};

/// The whole state of the chat.
pub struct Chat {}

impl Chat {
    /// An empty chat. `run` is unlike that of any other start of the server: message ids begin with it.
    pub fn new(_settings: Settings, _run: String, _bans: Vec<Ban>, _now: Timestamp) -> Self {
        Self {}
    }

    /// What follows from `event`.
    pub fn handle(&mut self, _now: Timestamp, _event: Event, _out: &mut Vec<Output>) {}
}
