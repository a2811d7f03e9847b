//! Read markers: up to where a user has read each channel and conversation. They are told to its
//! own sessions only.

use jiff::Timestamp;
use rookery_protocol::{Capability, ChannelName, Nick};

use crate::event::Output;
use crate::ids::UserId;
use crate::line::shown_time;
use crate::turn::{Caller, Turn};
use rookery_record::Change;

impl Turn<'_> {
    /// The channel has another name: whatever was read of it stays read.
    pub fn rename_markers(&mut self, old: &ChannelName, new: &ChannelName) {
        let (old, folded) = (old.folded(), new.folded());
        if old == folded {
            return;
        }
        for (&account, markers) in &mut self.state.markers {
            let Some(read_until) = markers.rename(old, folded) else {
                continue;
            };
            for (target, read_until) in [(old, None), (folded, Some(read_until))] {
                let change = Change::ReadMarker {
                    account,
                    target: target.to_owned(),
                    read_until,
                };
                self.out.push(Output::Persist(Box::new(change)));
            }
        }
        let members = self
            .state
            .channel(new)
            .map(|channel| channel.members().to_vec())
            .unwrap_or_default();
        for member in members {
            self.state.user_mut(member.user).markers.rename(old, folded);
        }
    }

    /// By which name the marker of that channel or nick is kept; none if it is neither.
    fn marker_name(&self, target: &str) -> Option<Box<str>> {
        if let Ok(channel) = ChannelName::parse(target) {
            return Some(channel.folded().into());
        }
        let nick = Nick::parse(target).ok()?;
        let party = self.state.by_nick(&nick).map(crate::state::User::party);
        Some(
            party
                .as_ref()
                .map_or(&nick, |party| party.nick())
                .folded()
                .into(),
        )
    }

    /// Up to where the user has read; an error if that is neither a channel nor a nick.
    pub fn read_until(&self, user: UserId, target: &str) -> Result<Option<Timestamp>, NoTarget> {
        let name = self.marker_name(target).ok_or(NoTarget)?;
        let user = self.state.user(user);
        let markers = match &user.identity {
            Some(identity) => self.state.markers.get(&identity.id),
            None => Some(&user.markers),
        };
        Ok(markers.and_then(|markers| markers.get(&name)))
    }

    /// The user has read up to there. Whether that is news.
    pub fn mark_read(
        &mut self,
        user: UserId,
        target: &str,
        read_until: Timestamp,
    ) -> Result<bool, NoTarget> {
        let name = self.marker_name(target).ok_or(NoTarget)?;
        // Nobody has read what is not said yet. Times are kept to the millisecond.
        let read_until = read_until.min(self.now()).as_millisecond();
        let read_until =
            Timestamp::from_millisecond(read_until).expect("it was a time before it was cut");
        let user = self.state.user_mut(user);
        let Some(account) = user.identity.as_ref().map(|identity| identity.id) else {
            return Ok(!user.markers.set(name, read_until).is_empty());
        };
        let changes = self
            .state
            .markers
            .entry(account)
            .or_default()
            .set(name, read_until);
        let news = !changes.is_empty();
        for (target, read_until) in changes {
            let target = target.into();
            self.out.push(Output::Persist(Box::new(Change::ReadMarker {
                account,
                target,
                read_until,
            })));
        }
        Ok(news)
    }

    /// Tells the session how far its user has read, if it wants to know.
    pub fn tell_marker(&mut self, caller: Caller, target: &str) {
        if !caller.has(Capability::ReadMarker) {
            return;
        }
        let read_until = self.read_until(caller.user, target).ok().flatten();
        let read_until = read_until.map_or_else(
            || "*".to_owned(),
            |at| format!("timestamp={}", shown_time(at)),
        );
        let line = self.server_line("MARKREAD").word(target).word(&read_until);
        self.send(caller, &line);
    }
}

/// What was named is neither a channel nor a nick.
#[derive(Debug)]
pub struct NoTarget;
