//! Persists the changes of channels that have an owner.

use crate::context::Context;
use crate::event::Output;
use crate::state::channel::Channel;
use rookery_protocol::ChannelName;
use rookery_record::Change;

/// Persists the channel as it is now, if it has an owner. Must precede the lines that announce the
/// change.
pub fn persist_channel(ctx: &mut Context<'_>, name: &ChannelName) {
    if let Some(channel) = ctx.state.channel(name).and_then(Channel::to_persistent) {
        ctx.out
            .push(Output::Persist(Box::new(Change::Channel(channel))));
    }
}

/// Deletes the persisted channel: it was removed, renamed or given up.
pub fn forget_channel(ctx: &mut Context<'_>, name: &ChannelName) {
    ctx.out
        .push(Output::Persist(Box::new(Change::ChannelRemoved(
            name.clone(),
        ))));
}
