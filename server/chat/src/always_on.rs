//! Users who are always on: they stay, marked as away, while no session is connected, also over a
//! restart.

use rookery_control_api::DisconnectReason;
use rookery_protocol::Capability;
use rookery_record::{Change, Membership, Presence};

use crate::event::Output;
use crate::ids::{Identity, SessionId, UserId};
use crate::state::User;
use crate::state::away::{AwayState, NOT_HERE};
use crate::state::channel::{Member, MemberModes};
use crate::turn::Turn;

impl Turn<'_> {
    /// Whether the user stays while no session is connected.
    pub fn is_always_on(&self, user: &User) -> bool {
        user.identity
            .as_ref()
            .is_some_and(|identity| self.state.wants_always_on(identity, self.settings))
    }

    /// Has kept what has changed of those who are always on.
    pub fn keep_presences(&mut self) {
        for account in std::mem::take(&mut self.state.presences_gone) {
            self.out
                .push(Output::Persist(Box::new(Change::PresenceGone(account))));
        }
        for id in std::mem::take(&mut self.state.touched) {
            if !self.state.is_here(id) {
                continue;
            }
            let user = self.state.user(id);
            let is_always_on = self.is_always_on(user);
            let change = match (&user.identity, is_always_on, user.is_kept) {
                (Some(identity), true, _) => Change::Presence(self.presence(user, identity)),
                (Some(identity), false, true) => Change::PresenceGone(identity.id),
                _ => continue,
            };
            self.state.user_mut(id).is_kept = is_always_on;
            self.out.push(Output::Persist(Box::new(change)));
        }
    }

    fn presence(&self, user: &User, identity: &Identity) -> Presence {
        let channels = user
            .channels()
            .iter()
            .filter_map(|name| self.state.channel(name));
        let channels = channels.filter_map(|channel| {
            let Member {
                joined_at,
                standing,
                ..
            } = channel.member(user.id)?;
            let MemberModes {
                operator, voice, ..
            } = standing;
            // Whatever was said under the channel's name before it had it was said among others:
            // should nothing else be kept of the channel, this tells.
            let joined_at = joined_at.max(channel.named_at);
            Some(Membership {
                channel: channel.name.clone(),
                joined_at,
                operator,
                voice,
            })
        });
        let modes = [('B', user.is_bot), ('i', user.is_invisible())];
        Presence {
            account: identity.id,
            name: identity.name.clone(),
            email: identity.email.clone(),
            nick: user.nick.clone(),
            username: user.username.to_string(),
            realname: user.realname.to_string(),
            modes: modes
                .into_iter()
                .filter(|(_, on)| *on)
                .map(|(letter, _)| letter)
                .collect(),
            away: user.away.as_deref().map(str::to_owned),
            since: user.since,
            channels: channels.collect(),
        }
    }

    /// The config has changed: whoever is always on from now on is kept, and whoever was here only
    /// for being so, and is not any more, goes.
    pub fn review_presences(&mut self) {
        let users: Vec<UserId> = self.state.users().map(|user| user.id).collect();
        for id in users {
            self.state.touch(id);
            let user = self.state.user(id);
            if user.sessions().is_empty() && !self.is_always_on(user) {
                self.quit_user(id, "Not always on any more", DisconnectReason::Quit);
            }
        }
    }

    /// Whether the user is away is made up of what its sessions say: it is if nobody sits at any of
    /// them. `by` is the session that has just said something new of itself, and needs not be told.
    /// Whoever went away with a word has said it still when its session is gone, but not when it
    /// has `taken_back` that.
    pub fn update_away(&mut self, id: UserId, by: Option<SessionId>, taken_back: bool) {
        let user = self.state.user(id);
        let sessions = || user.sessions().iter();
        let away: Option<Box<str>> = if sessions()
            .any(|session| session.away_state == AwayState::Here)
        {
            None
        } else {
            let own = sessions().find(|session| Some(session.id) == by);
            let of = |text: &str| sessions().any(|session| session.away_state.text() == Some(text));
            let before = user.away.as_deref();
            let text = own
                .and_then(|own| own.away_state.text())
                .or(before.filter(|text| of(text)))
                .or_else(|| {
                    sessions()
                        .rev()
                        .find_map(|session| session.away_state.text())
                })
                .or(before.filter(|_| !taken_back));
            Some(text.unwrap_or(NOT_HERE).into())
        };
        if user.away == away {
            return;
        }
        let line = self.user_line(id, "AWAY");
        let line = match &away {
            Some(away) => line.text(away),
            None => line,
        };
        self.state.user_mut(id).away = away;
        self.state.touch(id);
        self.show_followers(id, &line, Capability::AwayNotify, by);
    }
}
