//! What the chat keeps of itself: which change goes to which tables.

use super::{Sqlite, channels};
use crate::record::{Change, Restored};
use crate::store::{ChangeStore, Result};

impl ChangeStore for Sqlite {
    fn keep(&mut self, change: &Change) -> Result<()> {
        match change {
            Change::Channel(channel) => channels::keep(&self.connection, channel),
            Change::ChannelGone(name) => channels::forget(&self.connection, name),
        }
    }

    fn restored(&self) -> Result<Restored> {
        Ok(Restored { channels: channels::all(&self.connection)? })
    }
}
