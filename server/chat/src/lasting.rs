//! Channels that last: what is kept of them, and how they come back.

use rookery_protocol::ChannelName;

use super::channel::{Channel, Entry, Flag, List, Topic};
use super::event::Output;
use super::mask::Mask;
use super::turn::Turn;
use rookery_record::{Change, ListedMask, PersistentChannel, PersistentTopic};

impl Channel {
    /// What is kept of it; nothing of one that nobody owns.
    pub fn lasting(&self) -> Option<PersistentChannel> {
        let topic = self.topic.as_ref().map(|topic| PersistentTopic {
            text: topic.text.to_string(),
            by: topic.by.to_string(),
            at: topic.at,
        });
        let lists = List::ALL.into_iter().flat_map(|list| {
            list.of(self).iter().map(move |entry| ListedMask {
                list: list.letter(),
                mask: entry.mask.as_str().to_owned(),
                by: entry.by.to_string(),
                at: entry.at,
            })
        });
        Some(PersistentChannel {
            name: self.name.clone(),
            founder: self.founder.clone()?,
            created_at: self.created_at,
            named_at: self.named_at,
            topic,
            modes: Flag::ALL
                .into_iter()
                .filter(|flag| self.flags.has(*flag))
                .map(Flag::letter)
                .collect(),
            key: self.key.as_deref().map(str::to_owned),
            limit: self.limit,
            lists: lists.collect(),
            access: self.access.clone(),
            metadata: self.metadata.clone(),
        })
    }

    /// The channel that was kept, with nobody in it. What an older or newer server knew of modes
    /// and masks and this one does not is left out.
    pub fn restored(kept: PersistentChannel) -> Self {
        let PersistentChannel {
            name,
            founder,
            created_at,
            named_at,
            topic,
            modes,
            key,
            limit,
            lists,
            access,
            metadata,
        } = kept;
        let mut channel = Self::new(name, created_at);
        channel.founder = Some(founder);
        channel.access = access;
        channel.metadata = metadata;
        channel.named_at = named_at;
        channel.topic = topic.map(|PersistentTopic { text, by, at }| Topic {
            text: text.into(),
            by: by.into(),
            at,
        });
        for flag in Flag::ALL {
            channel.flags.set(flag, modes.contains(flag.letter()));
        }
        channel.key = key.map(Into::into);
        channel.limit = limit;
        for ListedMask { list, mask, by, at } in lists {
            if let (Some(list), Some(mask)) = (List::from_letter(list), Mask::new(&mask)) {
                list.of_mut(&mut channel).push(Entry {
                    mask,
                    by: by.into(),
                    at,
                });
            }
        }
        channel
    }
}

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
