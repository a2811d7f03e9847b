//! The invariants of the core's state, for tests of every kind: random actions, simulations and
//! fuzzing. Each function panics if one does not hold.

use std::collections::BTreeSet;

use rookery_protocol::ChannelName;

use crate::Chat;
use crate::event::SessionId;
use crate::state::away::{AwayState, DEFAULT_MESSAGE};
use crate::state::channel::Channel;
use crate::state::{Receiver, User};
use rookery_record::{ChatSnapshot, Presence};

impl Chat {
    /// Checks everything that must be true of the state between two events, while exactly these
    /// sessions are connected, and those that the core has ended have disconnected.
    pub(crate) fn check_state(&self, connected: &BTreeSet<SessionId>) {
        self.check_users(connected);
        self.check_channels();
        let state = &self.state;
        assert!(
            state.closing_sessions.is_empty() && state.pending_ends.is_empty(),
            "all ended sessions have disconnected"
        );
    }

    /// Checks the users, their sessions and the indices of both.
    fn check_users(&self, connected: &BTreeSet<SessionId>) {
        let state = &self.state;
        let mut sessions = BTreeSet::new();
        let mut skeletons = BTreeSet::new();
        let mut users = 0;
        for user in state.users() {
            users += 1;
            assert!(
                self.is_always_on(user) || !user.sessions().is_empty(),
                "a user without a session"
            );
            let is_attended = user
                .sessions()
                .iter()
                .any(|session| session.away_state == AwayState::Here);
            assert_eq!(
                user.away.is_none(),
                is_attended,
                "a user is away if and only if all its sessions are"
            );
            assert!(
                user.identity.is_some() || user.sessions().len() == 1,
                "a guest has one session"
            );
            assert!(
                skeletons.insert(user.nick.skeleton()),
                "two users look like {}",
                user.nick
            );
            assert_eq!(state.holders(&user.nick), [user.id]);
            let free_nicks = self.settings.free_nicks;
            assert!(
                user.account()
                    .is_none_or(|account| free_nicks || account == user.nick.as_str())
            );
            if let Some(identity) = &user.identity {
                assert_eq!(
                    state.by_account(&identity.name).map(|found| found.id),
                    Some(user.id)
                );
            }
            assert!(user.source.starts_with(&format!("{}!", user.nick)));
            for session in user.sessions() {
                assert!(sessions.insert(session.id), "a session of two users");
                assert_eq!(state.user_of(session.id), Some(user.id));
            }
            let channels: BTreeSet<&ChannelName> = user.channels().iter().collect();
            assert_eq!(channels.len(), user.channels().len(), "in a channel twice");
            for name in channels {
                assert!(
                    state
                        .channel(name)
                        .is_some_and(|channel| channel.has(user.id)),
                    "{} is in {name}, which does not list it",
                    user.nick
                );
            }
        }
        assert_eq!(users, state.user_count());
        assert_eq!(sessions.len(), state.session_count());
        assert_eq!(&sessions, connected);
    }

    fn is_always_on(&self, user: &User) -> bool {
        user.identity
            .as_ref()
            .is_some_and(|identity| self.state.wants_always_on(identity, &self.settings))
    }

    fn check_channels(&self) {
        let state = &self.state;
        state.check_former_names();
        for channel in state.channels() {
            assert!(
                !channel.members().is_empty() || channel.founder().is_some(),
                "{} is empty and has no owner",
                channel.name
            );
            let founder = channel.founder().into_iter();
            let owned = founder.flat_map(|founder| state.owned_channels(founder));
            assert_eq!(
                owned.filter(|owned| owned.name == channel.name).count(),
                usize::from(channel.founder().is_some()),
                "the founder of {} owns it once",
                channel.name
            );
            assert!(
                channel
                    .members()
                    .is_sorted_by(|one, other| one.user < other.user)
            );
            let users = channel.members().iter().map(|member| member.user);
            let mut receivers: Vec<Receiver> =
                users.flat_map(|user| state.receivers_of(user)).collect();
            receivers.sort_by_key(|receiver| receiver.session);
            assert_eq!(
                channel.receivers(),
                receivers,
                "the receivers of {} are its members' sessions",
                channel.name
            );
            for member in channel.members() {
                assert!(state.exists(member.user));
                assert!(
                    state.user(member.user).channels().contains(&channel.name),
                    "{} lists a user who is not in it",
                    channel.name
                );
            }
        }
    }

    /// Checks that `stored`, the snapshot of everything that is persisted, restores the persistent
    /// part of the state.
    pub fn check_persisted(&self, stored: &ChatSnapshot) {
        let state = &self.state;
        let persistent: Vec<_> = state
            .channels()
            .filter_map(Channel::to_persistent)
            .collect();
        assert_eq!(
            stored.channels, persistent,
            "every persistent channel is persisted"
        );
        let metadata = state
            .account_metadata
            .clone()
            .into_iter()
            .collect::<Vec<_>>();
        assert_eq!(
            stored.metadata, metadata,
            "the metadata of accounts is persisted"
        );
        let silences = state.account_silences.iter().map(|(account, masks)| {
            let masks = masks.iter().map(|mask| mask.as_str().to_owned());
            (account.clone(), masks.collect())
        });
        assert_eq!(
            stored.silences,
            silences.collect::<Vec<_>>(),
            "who is silenced by accounts is persisted"
        );
        let in_channels = |presence: &Presence| {
            presence
                .channels
                .iter()
                .map(|member| (member.channel.clone(), member.operator, member.voice))
                .collect::<Vec<_>>()
        };
        for presence in &stored.presences {
            let user = state
                .by_account(&presence.name)
                .expect("every user of the snapshot exists");
            let memberships = user.channels().iter().map(|name| {
                let channel = state.channel(name).unwrap();
                let member = channel.member(user.id).unwrap();
                (
                    channel.name.clone(),
                    member.modes.operator,
                    member.modes.voice,
                )
            });
            assert_eq!(in_channels(presence), memberships.collect::<Vec<_>>());
            // A user without a session is away, even if it has set no away message.
            let away = presence
                .away
                .as_deref()
                .or(user.sessions().is_empty().then_some(DEFAULT_MESSAGE));
            assert_eq!((&presence.nick, away), (&user.nick, user.away.as_deref()));
        }
        assert_eq!(
            stored.presences.len(),
            state.users().filter(|user| self.is_always_on(user)).count(),
            "every always-on user is persisted"
        );
        for (device, mark) in &stored.devices {
            let is_connected = state
                .users()
                .flat_map(User::sessions)
                .any(|session| session.device.as_ref() == Some(device));
            assert!(
                is_connected || state.devices[device] == *mark,
                "the persisted device marks are complete"
            );
        }
    }
}
