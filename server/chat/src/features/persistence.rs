//! Channels that last: what is kept of them, and how they come back.

use crate::context::Context;
use crate::event::Output;
use crate::state::channel::Channel;
use rookery_protocol::ChannelName;
use rookery_record::Change;

/// Has the channel kept as it is now, if somebody owns it. To be called before what has changed
/// is shown.
pub fn persist_channel(ctx: &mut Context<'_>, name: &ChannelName) {
    if let Some(lasting) = ctx.state.channel(name).and_then(Channel::lasting) {
        ctx.out
            .push(Output::Persist(Box::new(Change::Channel(lasting))));
    }
}

/// The channel is no more, or goes by another name: nothing of one of that name is kept.
pub fn forget_channel(ctx: &mut Context<'_>, name: &ChannelName) {
    ctx.out
        .push(Output::Persist(Box::new(Change::ChannelGone(name.clone()))));
}
