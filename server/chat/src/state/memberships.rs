//! Memberships. All changes are made here, so that channels and users stay consistent.

use jiff::Timestamp;
use rookery_control_api::ServerEvent;
use rookery_protocol::ChannelName;

use crate::ids::UserId;
use crate::state::State;
use crate::state::channel::{Channel, Flag, Member, MemberModes};
use crate::state::mask::{Mask, Subject};

/// How a channel is created when it does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateAs {
    /// A lobby: it has no operator, and everyone may set its topic.
    Lobby,
    /// Its creator becomes its operator and, if signed in, its founder.
    Owned,
    /// Its creator becomes its operator.
    Unowned,
}

impl State {
    pub fn share_channel(&self, one: UserId, other: UserId) -> bool {
        one == other
            || self
                .user(one)
                .channels()
                .iter()
                .any(|name| self.channel(name).is_some_and(|channel| channel.has(other)))
    }

    /// Adds the channels that were persisted.
    pub fn restore_channels(&mut self, channels: impl Iterator<Item = Channel>) {
        for channel in channels {
            if let Some(founder) = &channel.founder {
                self.owned.add(founder, &channel.name);
            }
            self.reserve_former_names(&channel);
            self.channels.insert(channel.name.clone(), channel);
        }
    }

    /// Withdraws the invitations of those that a new ban covers: they override the bans of before
    /// only.
    pub fn withdraw_invitations(&mut self, name: &ChannelName, ban: &Mask) {
        let Some(channel) = self.channels.get_mut(name) else {
            return;
        };
        let mut invited = std::mem::take(&mut channel.invited);
        invited.retain(|id| {
            let Some(user) = self.users.get(id) else {
                return false;
            };
            !(ban.covers(&Subject::new(user)) && channel.bans(user))
        });
        channel.invited = invited;
    }

    /// Adds the user to the channel, with the member modes of its account. Creates the channel if
    /// it does not exist. All messages there so far are from before `since`.
    pub fn join(
        &mut self,
        user: UserId,
        name: &ChannelName,
        create_as: CreateAs,
        now: Timestamp,
        since: Timestamp,
    ) {
        let joining = self
            .users
            .get(&user)
            .expect("a `UserId` refers to a user that exists");
        let new = !self.channels.contains_key(name);
        let channel = self
            .channels
            .entry(name.clone())
            .or_insert_with(|| Channel::new(name.clone(), now));
        if new {
            channel.named_at = since;
            self.server_events.push(ServerEvent::ChannelCreated {
                channel: name.to_string(),
                by: joining.nick.to_string(),
            });
        }
        match create_as {
            CreateAs::Lobby if new => drop(channel.flags.set(Flag::TopicLocked, false)),
            CreateAs::Owned if new => {
                let account = joining.identity.as_ref().map(|identity| &identity.name);
                if let Some(account) = account {
                    self.owned.add(account, &channel.name);
                }
                channel.founder = account.cloned();
            }
            _ => {}
        }
        let as_creator = MemberModes {
            operator: new && create_as != CreateAs::Lobby,
            ..MemberModes::default()
        };
        let modes = as_creator.with(channel.modes_by_access(joining));
        channel.invited.retain(|invited| *invited != user);
        let member = Member {
            user,
            joined_at: since,
            modes,
        };
        channel.insert(member, joining);
        let name = channel.name.clone();
        let channels = &mut self.user_mut(user).channels;
        if !channels.contains(&name) {
            channels.push(name);
        }
        self.touch(user);
    }

    /// Restores the membership of a user that is always on. Creates the channel if it has no owner.
    pub fn restore_member(&mut self, name: &ChannelName, is_lobby: bool, member: Member) {
        let joined_at = member.joined_at;
        let channel = self.channels.entry(name.clone()).or_insert_with(|| {
            let mut channel = Channel::new(name.clone(), joined_at);
            channel.flags.set(Flag::TopicLocked, !is_lobby);
            channel
        });
        if channel.founder.is_none() {
            // Its members are the only record of its age.
            channel.created_at = channel.created_at.min(joined_at);
            channel.named_at = channel.named_at.min(joined_at);
        }
        let user = self
            .users
            .get(&member.user)
            .expect("a `UserId` refers to a user that exists");
        // What an operator has taken from the member stays taken, whatever its access is.
        let modes = MemberModes {
            founder: channel.modes_by_access(user).founder,
            ..member.modes
        };
        channel.insert(Member { modes, ..member }, user);
        let name = channel.name.clone();
        self.user_mut(member.user).channels.push(name);
    }

    /// Removes the user from the channel. A channel without members and owner is removed.
    pub fn leave(&mut self, user: UserId, name: &ChannelName) {
        self.user_mut(user).channels.retain(|joined| joined != name);
        self.drop_member(user, name);
        self.touch(user);
    }

    /// Removes the channel, with all memberships. The caller persists those of always-on users.
    pub fn remove_channel(&mut self, name: &ChannelName) {
        let Some(channel) = self.channels.remove(name) else {
            return;
        };
        if let Some(founder) = &channel.founder {
            self.owned.remove(founder, name);
        }
        self.release_former_names(&channel);
        self.server_events.push(ServerEvent::ChannelRemoved {
            channel: channel.name.to_string(),
        });
        for member in channel.members() {
            self.user_mut(member.user)
                .channels
                .retain(|joined| joined != name);
        }
    }

    /// Renames the channel. Its old name is reserved for it if it has an owner. The new name must
    /// be available, or reserved: then it no longer is. All messages there so far are from before
    /// `since`. The caller persists the memberships of always-on users.
    pub fn rename_channel(&mut self, old: &ChannelName, new: &ChannelName, since: Timestamp) {
        let Some(mut channel) = self.channels.remove(old) else {
            return;
        };
        channel.name = new.clone();
        channel.skeleton = new.skeleton().into();
        if let Some(founder) = &channel.founder {
            self.owned.remove(founder, old);
            self.owned.add(founder, new);
        }
        if old != new {
            channel.named_at = since;
            self.move_former_names(&mut channel, old);
        }
        for member in channel.members() {
            for name in self
                .user_mut(member.user)
                .channels
                .iter_mut()
                .filter(|name| *name == old)
            {
                *name = new.clone();
            }
        }
        self.channels.insert(new.clone(), channel);
    }

    pub(super) fn drop_member(&mut self, user: UserId, name: &ChannelName) {
        if let Some(channel) = self.channels.get_mut(name) {
            channel.remove(user);
            self.remove_if_empty(name);
        }
    }

    /// Removes the channel if it has neither members nor an owner.
    pub fn remove_if_empty(&mut self, name: &ChannelName) {
        if self
            .channels
            .get(name)
            .is_some_and(|channel| channel.members().is_empty() && channel.founder.is_none())
            && let Some(channel) = self.channels.remove(name)
        {
            self.release_former_names(&channel);
            self.server_events.push(ServerEvent::ChannelRemoved {
                channel: name.to_string(),
            });
        }
    }
}
