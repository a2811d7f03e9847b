//! Stands in for the store: it applies the persisted changes, and returns the snapshot from which
//! the core is restored.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rookery_protocol::ChannelName;

use super::Harness;
use crate::event::Settings;
use rookery_record::{
    Change, ChatSnapshot, Device, DeviceKey, Membership, PersistentChannel, Presence,
};

impl Harness {
    /// Returns the snapshot that results from all changes so far.
    pub fn snapshot(&self) -> ChatSnapshot {
        snapshot(&self.persisted)
    }

    /// Returns the chat one minute later, after the server was killed and restarted with these
    /// settings: no session is connected, and there are no bans.
    pub fn restart(&self, settings: Settings) -> Self {
        let mut next = Self::restored(settings, Vec::new(), self.snapshot());
        next.now = self.now + SignedDuration::from_mins(1);
        next
    }
}

fn move_memberships(
    presence: &mut Presence,
    channel: &ChannelName,
    renamed: Option<&(ChannelName, Timestamp)>,
) {
    let is_it = |membership: &Membership| membership.channel.as_str() == channel.as_str();
    let Some((name, since)) = renamed else {
        return presence.channels.retain(|membership| !is_it(membership));
    };
    for membership in presence.channels.iter_mut().filter(|it| is_it(it)) {
        membership.channel = name.clone();
        membership.joined_at = membership.joined_at.max(*since);
    }
}

/// Returns the snapshot that results from the changes.
pub fn snapshot(changes: &[Change]) -> ChatSnapshot {
    let mut channels: BTreeMap<ChannelName, PersistentChannel> = BTreeMap::new();
    let (mut devices, mut read_markers) = (BTreeMap::new(), BTreeMap::new());
    let (mut always_on, mut presences) = (BTreeMap::new(), BTreeMap::new());
    let (mut metadata_of, mut silences) = (BTreeMap::new(), BTreeMap::new());
    for change in changes {
        match change {
            Change::Channel(channel) => {
                drop(channels.insert(channel.name.clone(), channel.clone()));
            }
            Change::ChannelRemoved(name) => drop(channels.remove(name)),
            Change::AccountMetadata { account, metadata } if metadata.is_empty() => {
                drop(metadata_of.remove(account));
            }
            Change::AccountMetadata { account, metadata } => {
                drop(metadata_of.insert(account.clone(), metadata.clone()));
            }
            Change::Silences { account, masks } if masks.is_empty() => {
                drop(silences.remove(account));
            }
            Change::Silences { account, masks } => {
                drop(silences.insert(account.clone(), masks.clone()));
            }
            Change::Device(mark) => {
                devices.insert(mark.device.clone(), mark.received);
            }
            Change::DeviceForgotten(account, name) => {
                devices.remove(&Device {
                    account: *account,
                    key: DeviceKey::Named(name.clone()),
                });
            }
            Change::ReadMarker {
                account,
                target,
                read_until: Some(at),
            } => {
                read_markers.insert((*account, target.clone()), *at);
            }
            Change::ReadMarker {
                account,
                target,
                read_until: None,
            } => {
                read_markers.remove(&(*account, target.clone()));
            }
            Change::AlwaysOn(account, Some(choice)) => drop(always_on.insert(*account, *choice)),
            Change::AlwaysOn(account, None) => drop(always_on.remove(account)),
            Change::Presence(presence) => {
                drop(presences.insert(presence.account, presence.clone()));
            }
            Change::PresenceRemoved(account) => drop(presences.remove(account)),
            Change::Memberships {
                accounts,
                channel,
                renamed,
            } => {
                for account in accounts {
                    if let Some(presence) = presences.get_mut(account) {
                        move_memberships(presence, channel, renamed.as_ref());
                    }
                }
            }
        }
    }
    ChatSnapshot {
        newest_message: None,
        channels: channels.into_values().collect(),
        metadata: metadata_of.into_iter().collect(),
        silences: silences.into_iter().collect(),
        devices: devices.into_iter().collect(),
        read_markers: read_markers
            .into_iter()
            .map(|((account, target), at)| (account, target, at))
            .collect(),
        always_on: always_on.into_iter().collect(),
        presences: presences.into_values().collect(),
    }
}
