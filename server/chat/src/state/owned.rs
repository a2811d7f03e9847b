//! Which channels each account owns.

use std::collections::BTreeMap;

use rookery_protocol::{AccountName, ChannelName};

use crate::state::State;
use crate::state::channel::Channel;

/// The names of the channels that each account owns, so that looking at them visits no others.
#[derive(Default)]
pub(super) struct OwnedChannels(BTreeMap<AccountName, Vec<ChannelName>>);

impl OwnedChannels {
    pub(super) fn add(&mut self, account: &AccountName, channel: &ChannelName) {
        let owned = self.0.entry(account.clone()).or_default();
        owned.push(channel.clone());
    }

    pub(super) fn remove(&mut self, account: &AccountName, channel: &ChannelName) {
        if let Some(owned) = self.0.get_mut(account) {
            owned.retain(|name| name != channel);
            if owned.is_empty() {
                self.0.remove(account);
            }
        }
    }
}

impl State {
    /// Returns the channels that the account owns.
    pub fn owned_channels(&self, account: &AccountName) -> impl Iterator<Item = &Channel> {
        let names = self.owned.0.get(account).into_iter().flatten();
        names.filter_map(|name| self.channels.get(name))
    }

    /// Makes the account the owner of the channel. A channel that has no owner any longer loses its
    /// access list and its former names.
    pub fn set_founder(&mut self, name: &ChannelName, founder: Option<AccountName>) {
        let Some(channel) = self.channels.get_mut(name) else {
            return;
        };
        if let Some(before) = &channel.founder {
            self.owned.remove(before, name);
        }
        if let Some(founder) = &founder {
            self.owned.add(founder, &channel.name);
        } else {
            channel.access.clear();
            for former in channel.former_names.drain(..) {
                self.renamed.remove(&former);
            }
        }
        channel.founder = founder;
    }
}
