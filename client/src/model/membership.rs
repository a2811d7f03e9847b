//! Who is in which channel, as people join, leave and change their nicks.

use rookery_protocol::{ChannelName, Message, Nick};

use super::channel::{Channel, Rank};
use super::{EventKind, MAX_MEMBERS, Model};
use crate::refusals::renamed;

impl Model {
    /// Adds a member to a channel. If that is us, the channel is joined again after a reconnection.
    pub(super) fn join(&mut self, channel: &str, nick: &str) {
        let (Ok(name), Ok(member)) = (ChannelName::parse(channel), Nick::parse(nick)) else {
            return;
        };
        if self.is_me(nick) {
            let requested = self.requested.take_if(|(channel, _)| *channel == name);
            self.current.get_or_insert_with(|| name.clone());
            let key = requested.and_then(|(_, key)| key);
            self.auto_join.entry(name.clone()).or_insert(key);
            self.leaving.remove(&name);
        }
        self.channels.entry(name.clone()).or_default();
        self.add_members(&name, [(member, Rank::Ordinary)]);
    }

    /// Adds members to a channel that we are in, or sets their ranks. Those above the limit are
    /// ignored.
    pub(super) fn add_members(
        &mut self,
        channel: &ChannelName,
        members: impl IntoIterator<Item = (Nick, Rank)>,
    ) {
        let count: usize = self.channels.values().map(|one| one.members.len()).sum();
        let Some(channel) = self.channels.get_mut(channel) else {
            return;
        };
        let limit = channel.members.len() + MAX_MEMBERS.saturating_sub(count);
        for (nick, rank) in members {
            if channel.members.len() < limit || channel.members.contains_key(&nick) {
                channel.members.insert(nick, rank);
            }
        }
    }

    /// Removes a member from a channel. If that is us, we are no longer in it.
    pub(super) fn part(&mut self, channel: &str, nick: &str) {
        let (Ok(name), Ok(member)) = (ChannelName::parse(channel), Nick::parse(nick)) else {
            return;
        };
        if !self.is_me(nick) {
            if let Some(channel) = self.channels.get_mut(&name) {
                channel.members.remove(&member);
            }
            return;
        }
        self.channels.remove(&name);
        self.auto_join.remove(&name);
        let is_requested = self.leaving.remove(&name);
        if is_requested && self.current.as_ref() == Some(&name) {
            self.current = self.channels.keys().next().cloned();
        }
    }

    /// Renames a channel that we are in. Returns its old and its new name.
    pub(super) fn rename_channel(
        &mut self,
        old: &str,
        new: &str,
    ) -> Option<(ChannelName, ChannelName)> {
        let (old, new) = (ChannelName::parse(old).ok()?, ChannelName::parse(new).ok()?);
        let channel = self.channels.remove(&old)?;
        self.channels.insert(new.clone(), channel);
        if let Some(key) = self.auto_join.remove(&old) {
            self.auto_join.insert(new.clone(), key);
        }
        if self.leaving.remove(&old) {
            self.leaving.insert(new.clone());
        }
        if self.current.as_ref() == Some(&old) {
            self.current = Some(new.clone());
        }
        Some((old, new))
    }

    /// Takes the new name of a channel that we could not join because it was renamed. Returns the
    /// event; `None` if the message says something else, or nobody wanted to join the channel.
    pub(super) fn follow_rename(&mut self, message: &Message) -> Option<EventKind> {
        let (old, new) = renamed(message)?;
        if self.is_in(&old) {
            return None;
        }
        let requested = self.requested.as_mut();
        let requested = requested.filter(|(channel, _)| *channel == old);
        let saved = self.auto_join.remove(&old);
        if requested.is_none() && saved.is_none() {
            return None;
        }
        if let Some((channel, _)) = requested {
            *channel = new.clone();
        }
        if let Some(key) = saved {
            self.auto_join.entry(new.clone()).or_insert(key);
        }
        if self.current.as_ref() == Some(&old) {
            self.current = Some(new.clone());
        }
        Some(EventKind::Renamed {
            old,
            new,
            by: None,
            reason: None,
        })
    }

    /// Removes someone who has left the server.
    pub(super) fn remove_user(&mut self, nick: &str) {
        let Ok(nick) = Nick::parse(nick) else { return };
        self.correspondents.remove(&nick);
        for channel in self.channels.values_mut() {
            channel.members.remove(&nick);
        }
    }

    /// Changes the nick of someone, in every channel.
    pub(super) fn rename(&mut self, old: &str, new: &str) {
        if self.is_me(old) {
            new.clone_into(&mut self.nick);
            let user_and_host = self
                .source
                .as_ref()
                .and_then(|source| source.split_once('!'));
            self.source = user_and_host.map(|(_, unchanged)| format!("{new}!{unchanged}"));
        }
        let (Ok(old), Ok(new)) = (Nick::parse(old), Nick::parse(new)) else {
            return;
        };
        for channel in self.channels.values_mut() {
            if let Some(rank) = channel.members.remove(&old) {
                channel.members.insert(new.clone(), rank);
            }
        }
        if self.correspondents.remove(&old) {
            self.correspondents.insert(new);
        }
    }

    /// Whether someone is in a channel with us.
    pub(super) fn shares_channel(&self, nick: &Nick) -> bool {
        let mut channels = self.channels.values();
        channels.any(|channel| channel.members.contains_key(nick))
    }

    /// Returns the channels that we share with someone.
    pub(super) fn channels_of(&self, nick: &str) -> Vec<ChannelName> {
        let Ok(nick) = Nick::parse(nick) else {
            return Vec::new();
        };
        let with_nick = self
            .channels
            .iter()
            .filter(|(_, channel)| channel.members.contains_key(&nick));
        with_nick.map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn set_topic(&mut self, channel: &str, topic: String, by: &str) {
        if let Some(channel) = self.channel_mut(channel) {
            channel.topic = topic;
            by.clone_into(&mut channel.topic_by);
        }
    }

    pub(super) fn channel_mut(&mut self, name: &str) -> Option<&mut Channel> {
        self.channels.get_mut(&ChannelName::parse(name).ok()?)
    }
}
