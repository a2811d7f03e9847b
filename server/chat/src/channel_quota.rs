//! What channels may hold: the entries of their lists and access lists, and their metadata.
//!
//! Each has a maximum number for one channel. The channels of an account stay in memory for as long
//! as the account exists, so all of them together also have a limit, in bytes. A part of it is for
//! each channel in any case: an operator of one of them, or a user who has given it to the
//! account, must not keep the others from setting bans. What was there before the limit stays, and
//! only additions are refused.

use rookery_protocol::{AccountName, ChannelName};
use rookery_record::Access;

use crate::context::Context;
use crate::state::channel::{Channel, Entry, List};
use crate::state::mask::Mask;

/// The bytes that an entry or a value takes in memory beside its texts, roughly.
const ENTRY_BYTES: usize = 128;
/// The part of the limit that each channel may hold, whatever its founder's other channels hold. A
/// channel without an owner may hold this part at most: it ends with its last member, but a user
/// may be in many, and stay there.
const PART_OF_CHANNEL: usize = 16;

/// Returns the bytes that an entry of a list takes.
pub fn entry_bytes(mask: &Mask, by: &str) -> usize {
    mask.bytes() + by.len() + ENTRY_BYTES
}

/// Returns the bytes that an entry of an access list takes.
pub fn access_bytes(account: &AccountName, by: &str) -> usize {
    account.as_str().len() + by.len() + ENTRY_BYTES
}

/// Returns the bytes that a value of metadata takes.
pub fn value_bytes(key: &str, value: &str) -> usize {
    key.len() + value.len() + ENTRY_BYTES
}

/// Returns the bytes that the channel holds.
fn held_by(channel: &Channel) -> usize {
    let access = channel.access.iter();
    let access = access.map(|Access { account, by, .. }| access_bytes(account, by));
    held_without_owner(channel) + access.sum::<usize>()
}

/// Returns the bytes that the channel would hold without an owner, and so without an access list.
fn held_without_owner(channel: &Channel) -> usize {
    let lists = List::ALL.into_iter().flat_map(|list| list.of(channel));
    let entries = lists.map(|Entry { mask, by, .. }| entry_bytes(mask, by));
    let metadata = channel.metadata.iter();
    let values = metadata.map(|(key, value)| value_bytes(key, value));
    entries.chain(values).sum()
}

impl Context<'_> {
    /// Returns why the channel cannot hold so many bytes more; `None` if it can.
    pub fn refusal_to_hold(&self, name: &ChannelName, more: usize) -> Option<&'static str> {
        let limit = self.settings.owned_channel_bytes;
        let channel = self.state.channel(name).filter(|_| limit > 0)?;
        if held_by(channel) + more <= limit / PART_OF_CHANNEL {
            return None;
        }
        match channel.founder() {
            Some(founder) => (self.held_by_account(founder) + more > limit).then_some(
                "The channels of its founder hold as much as they may; first remove masks, access \
                 entries or metadata from one of them",
            ),
            None => Some(
                "A channel without an owner cannot hold more; first remove masks or metadata, or \
                 give it an owner with MODE +q",
            ),
        }
    }

    /// Returns why the channel cannot be given to that account, or be left without an owner: what
    /// it holds would be too much. `None` if it can.
    pub fn refusal_to_transfer(
        &self,
        name: &ChannelName,
        to: Option<&AccountName>,
    ) -> Option<&'static str> {
        let limit = self.settings.owned_channel_bytes;
        let channel = self.state.channel(name).filter(|_| limit > 0)?;
        match to {
            Some(account) => (self.held_by_account(account) + held_by(channel) > limit)
                .then_some("Their channels would hold too much; remove masks or metadata first"),
            None => (held_without_owner(channel) > limit / PART_OF_CHANNEL).then_some(
                "A channel without an owner cannot hold as much; remove masks or metadata first",
            ),
        }
    }

    /// Returns the bytes that all channels of the account hold.
    fn held_by_account(&self, account: &AccountName) -> usize {
        self.state.owned_channels(account).map(held_by).sum()
    }
}
