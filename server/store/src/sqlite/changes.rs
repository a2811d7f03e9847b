//! What the chat keeps of itself: which change goes to which tables.

use super::{Store, channels, devices, metadata, presence};
use crate::Result;
use rookery_record::{Change, ChatSnapshot};

impl Store {
    pub fn keep(&mut self, change: &Change) -> Result<()> {
        match change {
            Change::Channel(channel) => channels::keep(&self.connection, channel),
            Change::ChannelGone(name) => channels::forget(&self.connection, name),
            Change::AccountMetadata {
                account,
                metadata: said,
            } => metadata::keep_of_account(&self.connection, account, said),
            Change::Device(mark) => devices::keep(&self.connection, mark),
            Change::ReadMarker {
                account,
                target,
                read_until,
            } => presence::keep_marker(&self.connection, *account, target, *read_until),
            Change::AlwaysOn(account, choice) => {
                presence::keep_choice(&self.connection, *account, *choice)
            }
            Change::Presence(kept) => presence::keep(&self.connection, kept),
            Change::PresenceGone(account) => presence::forget(&self.connection, *account),
        }
    }

    pub fn all_gone(&mut self) -> Result<()> {
        devices::all_gone(&self.connection)
    }

    pub fn restored(&self) -> Result<ChatSnapshot> {
        Ok(ChatSnapshot {
            channels: channels::all(&self.connection)?,
            metadata: metadata::of_accounts(&self.connection)?,
            devices: devices::all(&self.connection)?,
            read_markers: presence::markers(&self.connection)?,
            always_on: presence::choices(&self.connection)?,
            presences: presence::all(&self.connection)?,
        })
    }
}
