//! Who owns a channel, and who is somebody in it whenever they come.

use rookery_protocol::{AccountName, ChannelName};

use crate::ids::UserId;
use crate::line::{Line, MAX_BODY};
use crate::state::channel::{Channel, MemberModes};
use crate::turn::Turn;

/// A change of a channel's modes: on or off, the letter, the parameter.
pub type ModeChange = (bool, char, Option<String>);

impl Turn<'_> {
    /// A user whose account has just become known, here or to the channel, is made there what the
    /// account makes it. Everyone there is told, the user too.
    pub fn recognize(&mut self, user: UserId, name: &ChannelName) {
        let Some(channel) = self.state.channel(name) else {
            return;
        };
        let Some(member) = channel.member(user) else {
            return;
        };
        let (before, due) = (member.standing, channel.standing_of(self.state.user(user)));
        self.set_standing(user, name, before.with(due));
        self.tell_standing(user, name, before);
    }

    /// Tells the channel what the user is that it was not `before`.
    pub fn tell_standing(&mut self, user: UserId, name: &ChannelName, before: MemberModes) {
        let Some(member) = self
            .state
            .channel(name)
            .and_then(|channel| channel.member(user))
        else {
            return;
        };
        let nick = self.state.user(user).nick.clone();
        let new: String = member
            .standing
            .letters()
            .filter(|letter| !before.letters().any(|had| had == *letter))
            .collect();
        if new.is_empty() {
            return;
        }
        let line = self
            .server_line("MODE")
            .word(name.as_str())
            .word(&format!("+{new}"));
        let line = new.chars().fold(line, |line, _| line.word(nick.as_str()));
        self.tell_channel(name, &line);
    }

    pub fn set_standing(&mut self, user: UserId, name: &ChannelName, standing: MemberModes) {
        if let Some(member) = self
            .state
            .channel_mut(name)
            .and_then(|channel| channel.member_mut(user))
        {
            member.standing = standing;
            self.state.touch(user);
        }
    }

    /// How many more channels the account may own; none if as many as it likes.
    pub fn channels_left(&self, account: &AccountName) -> Option<usize> {
        let limit = self.settings.owned_channels;
        let owned = self
            .state
            .channels()
            .filter(|channel| channel.founder.as_ref() == Some(account))
            .count();
        (limit > 0).then(|| limit.saturating_sub(owned))
    }

    /// The account is no more: what it owned is nobody's, and no access list names it. Whoever is
    /// there stays.
    pub fn forget_account(&mut self, account: &AccountName) {
        self.state.account_metadata.remove(account);
        let meant = |channel: &&Channel| {
            channel.founder.as_ref() == Some(account) || channel.access_of(account).is_some()
        };
        let names: Vec<ChannelName> = self
            .state
            .channels()
            .filter(meant)
            .map(|channel| channel.name.clone())
            .collect();
        for name in names {
            let Some(channel) = self.state.channel_mut(&name) else {
                continue;
            };
            if channel.founder.as_ref() == Some(account) {
                channel.disown();
                self.forget_channel(&name);
                self.state.drop_if_deserted(&name);
            } else {
                channel.access.retain(|access| access.account != *account);
                self.keep_channel(&name);
            }
        }
    }

    /// Has the channel kept as the user has changed it, then shows all members what has changed, in
    /// as few lines as hold it.
    pub fn show_modes(&mut self, by: UserId, name: &ChannelName, changes: &[ModeChange]) {
        if changes.is_empty() {
            return;
        }
        self.keep_channel(name);
        let head = self.user_line(by, "MODE").word(name.as_str());
        let room = MAX_BODY.saturating_sub(head.len());
        let mut rest = changes;
        while !rest.is_empty() {
            let (mut letters, mut parameters) = (String::new(), String::new());
            let mut sign = None;
            let mut taken = 0;
            for (on, letter, parameter) in rest {
                let more = parameter
                    .as_ref()
                    .map_or(0, |parameter| parameter.len() + 1);
                if taken > 0 && letters.len() + 3 + parameters.len() + more > room {
                    break;
                }
                if sign != Some(*on) {
                    letters.push(if *on { '+' } else { '-' });
                    sign = Some(*on);
                }
                letters.push(*letter);
                if let Some(parameter) = parameter {
                    parameters.push(' ');
                    parameters.push_str(parameter);
                }
                taken += 1;
            }
            let change = |line: Line| {
                parameters
                    .split_whitespace()
                    .fold(line.word(&letters), Line::word)
            };
            if letters.contains('k') {
                // A key is for those who are here, and not to be read back by others.
                self.show_channel(by, name, &change(head.clone()), |_| true);
            } else {
                self.act(by, name, "MODE", change);
            }
            rest = &rest[taken..];
        }
    }
}
