//! Restores the users that were always on when the server stopped.

use jiff::Timestamp;
use rookery_protocol::Nick;
use rookery_record::{Membership, Presence};

use super::State;
use super::away::DEFAULT_MESSAGE;
use super::channel::{Member, MemberModes};
use super::user::NewUser;
use crate::ids::{Identity, SignedInWith};
use crate::settings::Settings;

impl State {
    /// Restores the users that were always on when the server stopped, except for those that are no
    /// longer always on, are banned, or whose nick is in use.
    pub fn restore_presences(
        &mut self,
        presences: Vec<Presence>,
        settings: &Settings,
        now: Timestamp,
    ) {
        for presence in presences {
            let identity = Identity {
                id: presence.account,
                name: presence.name.clone(),
                email: presence.email.clone(),
                new: false,
                authenticated_at: now,
                signed_in_with: SignedInWith::PASSWORD,
            };
            let nick = if settings.free_nicks {
                presence.nick.clone()
            } else {
                identity.name.to_nick()
            };
            let is_restored = self.wants_always_on(&identity, settings)
                && self.policy.bans.on_account(&identity, now).is_none()
                && self.holders(&nick).is_empty();
            if is_restored {
                self.restore_presence(presence, identity, nick, settings);
            } else {
                self.ended_presences.push(presence.account);
            }
        }
    }

    fn restore_presence(
        &mut self,
        presence: Presence,
        identity: Identity,
        nick: Nick,
        settings: &Settings,
    ) {
        let Presence {
            username,
            realname,
            modes,
            away,
            since,
            channels,
            ..
        } = presence;
        let new_user = NewUser {
            nick,
            identity: Some(identity),
            username: username.into(),
            host: super::user::host(&settings.server_name, true),
            realname: realname.into(),
        };
        let id = self.add_user(new_user, since);
        self.set_invisible(id, modes.contains('i'));
        let user = self.user_mut(id);
        user.is_bot = modes.contains('B');
        user.only_accounts = modes.contains('R');
        user.away = Some(away.map_or_else(|| DEFAULT_MESSAGE.into(), Into::into));
        user.is_persisted = true;
        for Membership {
            channel,
            joined_at,
            operator,
            voice,
        } in channels
        {
            let is_lobby = settings.lobby.contains(&channel);
            // The founder is persisted with the channel.
            let modes = MemberModes {
                founder: false,
                operator,
                voice,
            };
            self.restore_member(
                &channel,
                is_lobby,
                Member {
                    user: id,
                    joined_at,
                    modes,
                },
            );
        }
        self.touched.clear();
    }

    /// Whether the account's user stays while no session is connected.
    pub fn wants_always_on(&self, identity: &Identity, settings: &Settings) -> bool {
        self.always_on
            .get(&identity.id)
            .copied()
            .unwrap_or(settings.always_on)
    }
}
