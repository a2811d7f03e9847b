//! The names that owned channels had before they were renamed. They are reserved for as long as the
//! channel exists: clients and scripts that were not there must not find strangers under them. The
//! name of a channel without an owner is free as soon as the channel is empty or renamed.

use rookery_protocol::ChannelName;

use crate::state::State;
use crate::state::channel::Channel;

/// The maximum number of former names of a channel. A further one releases the oldest.
const MAX_FORMER_NAMES: usize = 5;

impl State {
    /// Returns the channel that had the name before it was renamed, unless another channel has it
    /// now.
    pub fn renamed(&self, name: &ChannelName) -> Option<&Channel> {
        let current = self.renamed.get(name)?;
        if self.channels.contains_key(name) {
            return None;
        }
        self.channels.get(current)
    }

    /// Reserves the former names of a channel that is added.
    pub(super) fn reserve_former_names(&mut self, channel: &Channel) {
        for former in &channel.former_names {
            self.renamed.insert(former.clone(), channel.name.clone());
        }
    }

    /// Releases the former names of a channel that is removed.
    pub(super) fn release_former_names(&mut self, channel: &Channel) {
        for former in &channel.former_names {
            self.renamed.remove(former);
        }
    }

    /// Reserves the old name of a channel that has just got its new one, if the channel has an
    /// owner, and releases the new one.
    pub(super) fn move_former_names(&mut self, channel: &mut Channel, old: &ChannelName) {
        let name = channel.name.clone();
        for taken in [old, &name] {
            let holder = self.renamed.remove(taken);
            if let Some(holder) = holder.and_then(|holder| self.channels.get_mut(&holder)) {
                holder.former_names.retain(|former| former != taken);
            }
        }
        let is_owned = channel.founder().is_some();
        let former_names = &mut channel.former_names;
        former_names.retain(|former| *former != name);
        if is_owned {
            former_names.push(old.clone());
        }
        if former_names.len() > MAX_FORMER_NAMES {
            self.renamed.remove(&former_names.remove(0));
        }
        self.reserve_former_names(channel);
    }
}

#[cfg(any(test, feature = "test-support"))]
impl State {
    /// Checks that each reserved name is a former name of one channel, which has an owner.
    pub fn check_former_names(&self) {
        let reserved = self.channels.values().flat_map(|channel| {
            let most = channel.founder().map_or(0, |_| MAX_FORMER_NAMES);
            assert!(channel.former_names.len() <= most);
            let former_names = channel.former_names.iter();
            former_names.map(|former| (former.clone(), channel.name.clone()))
        });
        let mut reserved: Vec<_> = reserved.collect();
        reserved.sort_unstable();
        let renamed: Vec<_> = self.renamed.clone().into_iter().collect();
        assert_eq!(renamed, reserved, "the index of former names is complete");
    }
}
