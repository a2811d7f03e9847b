//! What it weighs to join and leave channels.

use std::collections::BTreeSet;

use rookery_protocol::Message;

use crate::command::Weight;
use crate::lengths;

/// Returns the weight of a `JOIN` or `PART`.
pub(super) fn of_channels(message: &Message) -> Weight {
    match message.param(0).unwrap_or_default() {
        // All of the user's channels.
        "0" => Weight::TO_FOLLOWERS,
        channels => Weight::of_channels(channels.split(',').count()),
    }
}

/// The most that a `PART` weighs for others. They wait for what it weighs, though it may name
/// channels in which nobody is.
const MAX_PART: Weight = Weight::messages(20);

/// Returns the weight of a `PART`, or of `JOIN 0`, in what all members of each of the channels
/// receive.
pub fn of_part(message: &Message) -> Weight {
    match message.param(0).unwrap_or_default() {
        // All of the user's channels.
        "0" => Weight::messages(10),
        channels => {
            let channels: BTreeSet<&str> = channels.split(',').collect();
            Weight::of_targets(channels.len()).min(MAX_PART)
        }
    }
}

/// Returns how many channels a message asks to join.
pub fn channels_to_join(message: &Message) -> usize {
    match message.command.as_str() {
        "JOIN" => {
            let channels = message.param(0).unwrap_or_default().split(',');
            let channels: BTreeSet<&str> = channels.filter(|name| !name.is_empty()).collect();
            channels.len()
        }
        _ => 0,
    }
}

/// Returns what a `JOIN` weighs for others that the members of that many channels have received,
/// perhaps with the metadata of the user.
pub fn of_joins(channels: usize) -> Weight {
    Weight::of_targets(2 * channels)
}

/// Returns the weight of a `KICK`: each nick counts as one message.
pub(super) fn of_kick(message: &Message) -> Weight {
    let nicks = message.param(1).unwrap_or_default().split(',');
    Weight::of_targets(nicks.take(lengths::TARGETS).count())
}
