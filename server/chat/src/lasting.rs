//! Channels that last: what is kept of them, and how they come back.

use rookery_protocol::ChannelName;
use rookery_record::Change;

use crate::event::Output;
use crate::state::channel::Channel;
use crate::turn::Turn;

impl Turn<'_> {
    /// Has the channel kept as it is now, if somebody owns it. To be called before what has changed
    /// is shown.
    pub fn keep_channel(&mut self, name: &ChannelName) {
        if let Some(lasting) = self.state.channel(name).and_then(Channel::lasting) {
            self.out
                .push(Output::Persist(Box::new(Change::Channel(lasting))));
        }
    }

    /// The channel is no more, or goes by another name: nothing of one of that name is kept.
    pub fn forget_channel(&mut self, name: &ChannelName) {
        self.out
            .push(Output::Persist(Box::new(Change::ChannelGone(name.clone()))));
    }
}
