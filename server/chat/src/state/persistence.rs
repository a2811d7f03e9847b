//! The persistent form of a channel, and a channel from its persistent form.

use std::collections::BTreeSet;
use std::sync::Arc;

use rookery_record::{Access, ListedMask, PersistentChannel, PersistentTopic};

use super::channel::{Channel, Entry, Flag, List, Topic};
use super::mask::Mask;

impl Channel {
    /// Returns the persistent form; `None` if the channel has no owner.
    pub fn to_persistent(&self) -> Option<PersistentChannel> {
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
            former_names: self.former_names.clone(),
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

    /// Restores a channel, without members. Modes and masks that this version does not know are
    /// dropped.
    pub fn restored(persistent: PersistentChannel) -> Self {
        let PersistentChannel {
            name,
            former_names,
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
        } = persistent;
        let mut channel = Self::new(name, created_at);
        channel.former_names = former_names;
        channel.founder = Some(founder);
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
        let mut setters: BTreeSet<Arc<str>> = BTreeSet::new();
        let mut shared = |by: Arc<str>| {
            let known = setters.get(&by).cloned();
            known.unwrap_or_else(|| {
                setters.insert(Arc::clone(&by));
                by
            })
        };
        for ListedMask { list, mask, by, at } in lists {
            if let (Some(list), Some(mask)) = (List::from_letter(list), Mask::new(&mask)) {
                let by = shared(by.into());
                list.of_mut(&mut channel).push(Entry { mask, by, at });
            }
        }
        let access = access.into_iter().map(|access| Access {
            by: shared(access.by),
            ..access
        });
        channel.access = access.collect();
        for list in List::ALL {
            list.of_mut(&mut channel).shrink_to_fit();
        }
        channel.access.shrink_to_fit();
        channel
    }
}
