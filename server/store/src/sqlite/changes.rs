//! The chat's persistent state: writes each kind of change to its tables, and reads all of it back.

use super::{Store, channels, devices, metadata, pages, presence, silences};
use crate::Result;
use rookery_record::{Change, ChatSnapshot};

impl Store {
    /// Stores a change of the chat's persistent state.
    pub fn persist(&mut self, change: &Change) -> Result<()> {
        match change {
            Change::Channel(channel) => channels::persist(&self.connection, channel),
            Change::ChannelRemoved(name) => channels::delete(&self.connection, name),
            Change::AccountMetadata {
                account,
                metadata: values,
            } => metadata::persist_of_account(&self.connection, account, values),
            Change::Silences { account, masks } => {
                silences::persist(&self.connection, account, masks)
            }
            Change::Device(mark) => devices::persist(&self.connection, mark),
            Change::DeviceForgotten(account, name) => {
                devices::forget(&self.connection, *account, name)
            }
            Change::ReadMarker {
                account,
                target,
                read_until,
            } => presence::persist_marker(&self.connection, *account, target, *read_until),
            Change::AlwaysOn(account, choice) => {
                presence::persist_choice(&self.connection, *account, *choice)
            }
            Change::Presence(presence) => presence::persist(&self.connection, presence),
            Change::PresenceRemoved(account) => presence::delete(&self.connection, *account),
            Change::Memberships {
                accounts,
                channel,
                renamed,
            } => presence::move_memberships(&self.connection, accounts, channel, renamed.as_ref()),
        }
    }

    /// Returns the whole persistent state.
    pub fn chat_snapshot(&self) -> Result<ChatSnapshot> {
        Ok(ChatSnapshot {
            channels: channels::all(&self.connection)?,
            metadata: metadata::of_accounts(&self.connection)?,
            silences: silences::all(&self.connection)?,
            devices: devices::all(&self.connection)?,
            read_markers: presence::markers(&self.connection)?,
            always_on: presence::choices(&self.connection)?,
            presences: presence::all(&self.connection)?,
            newest_message: pages::newest(&self.connection)?,
        })
    }
}
