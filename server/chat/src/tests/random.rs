//! Random actions of several users, and the invariants that must hold after each.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rookery_protocol::{Capability, ChannelName, Message, Nick};

use super::harness::*;
use super::persistent_channels::restored;
use crate::event::{Event, SessionId, Settings};
use crate::features::messages::speak_refusal;
use crate::request::{
    AddBan, Admission, CloseChannel, Count, EndAccount, Ended, ForgetAccount, Kick, KickTarget,
    RemoveBan,
};
use crate::state::User;
use crate::state::away::{AwayState, DEFAULT_MESSAGE};
use crate::state::channel::Channel;
use rookery_record::{BanId, Change, Metadata, Presence};

const ACCOUNTS: [&str; 4] = ["alice", "bob", "carl", "dora"];
/// Some look like one another, and some like accounts.
const GUESTS: [&str; 6] = ["gus", "Gus", "hal", "ha1", "a1ice", "Bob"];
const CHANNELS: [&str; 3] = ["#a", "#b", "#c"];
const CAPABILITIES: [&str; 4] = [
    "",
    "echo-message",
    "echo-message message-tags server-time account-tag extended-join away-notify",
    "labeled-response batch message-tags echo-message multi-prefix account-notify draft/pre-away",
];

#[derive(Clone, Debug)]
enum Action {
    Connect {
        account: Option<usize>,
        guest: usize,
        capabilities: usize,
    },
    SignIn {
        session: usize,
        account: usize,
    },
    Disconnect(usize),
    Kick(usize),
    Ban {
        account: usize,
        on: bool,
    },
    /// The account is deleted.
    DeleteAccount(usize),
    Close(usize),
    /// All waiting history queries are answered.
    AnswerQueries,
    /// The server is killed and restarted.
    Restart,
    SendToChannel {
        session: usize,
        channel: usize,
        labelled: bool,
    },
    SendDirect {
        session: usize,
        other: usize,
    },
    Command {
        session: usize,
        line: String,
    },
}

fn action() -> impl Strategy<Value = Action> {
    let session = 0..12usize;
    let channel = || prop::sample::select(&CHANNELS[..]);
    let nick = || prop::sample::select([&ACCOUNTS[..], &GUESTS[..]].concat());
    let flags = prop::sample::select(&["-n", "+n", "+i", "-i", "+s", "+l 2", "-l", "+t"][..]);
    let line = prop_oneof![
        5 => channel().prop_map(|channel| format!("JOIN {channel}")),
        2 => channel().prop_map(|channel| format!("PART {channel} :bye")),
        1 => Just("JOIN 0".to_owned()),
        1 => Just("JOIN #a,#b,#c".to_owned()),
        2 => nick().prop_map(|nick| format!("NICK {nick}")),
        1 => (channel(), nick()).prop_map(|(channel, nick)| format!("KICK {channel} {nick}")),
        1 => (channel(), nick()).prop_map(|(channel, nick)| format!("INVITE {nick} {channel}")),
        1 => (channel(), flags).prop_map(|(channel, flags)| format!("MODE {channel} {flags}")),
        1 => (channel(), nick()).prop_map(|(channel, nick)| format!("MODE {channel} +o-v {nick} {nick}")),
        1 => channel().prop_map(|channel| format!("TOPIC {channel} :about")),
        1 => (channel(), nick()).prop_map(|(channel, nick)| format!("MODE {channel} +b-b+k {nick} alice key")),
        1 => (channel(), channel()).prop_map(|(old, new)| format!("RENAME {old} {new}")),
        1 => channel().prop_map(|channel| format!("METADATA {channel} SET url :x")),
        1 => Just("METADATA * SET url :x".to_owned()),
        1 => Just("METADATA * CLEAR".to_owned()),
        1 => Just("METADATA * SUB url".to_owned()),
        1 => (channel(), nick()).prop_map(|(channel, nick)| format!("MODE {channel} +q {nick}")),
        1 => nick().prop_map(|nick| format!("ACCESS #b ADD {nick} op")),
        1 => prop::sample::select(&["AWAY :out", "AWAY", "AWAY *"][..]).prop_map(str::to_owned),
        2 => prop::sample::select(&["SET always-on on", "SET always-on off"][..])
            .prop_map(str::to_owned),
        1 => nick().prop_map(|nick| format!("MONITOR + {nick}")),
        1 => Just("QUIT".to_owned()),
    ];
    prop_oneof![
        6 => (prop::option::of(0..ACCOUNTS.len()), 0..GUESTS.len(), 0..CAPABILITIES.len())
            .prop_map(|(account, guest, capabilities)| Action::Connect {
                account,
                guest,
                capabilities,
            }),
        2 => (session.clone(), 0..ACCOUNTS.len())
            .prop_map(|(session, account)| Action::SignIn { session, account }),
        2 => session.clone().prop_map(Action::Disconnect),
        1 => session.clone().prop_map(Action::Kick),
        1 => (0..ACCOUNTS.len(), any::<bool>())
            .prop_map(|(account, on)| Action::Ban { account, on }),
        1 => prop::option::weighted(0.2, 0..ACCOUNTS.len())
            .prop_map(|account| account.map_or(Action::Restart, Action::DeleteAccount)),
        1 => (0..CHANNELS.len()).prop_map(Action::Close),
        3 => Just(Action::AnswerQueries),
        8 => (session.clone(), 0..CHANNELS.len(), any::<bool>())
            .prop_map(|(session, channel, labelled)| Action::SendToChannel {
                session,
                channel,
                labelled,
            }),
        3 => (session.clone(), session.clone())
            .prop_map(|(session, other)| Action::SendDirect { session, other }),
        14 => (session, line).prop_map(|(session, line)| Action::Command { session, line }),
    ]
}

/// The chat, the connected sessions, and the last message of each sender that each has received.
struct World {
    harness: Harness,
    here: Vec<SessionId>,
    said: u64,
    /// The deleted accounts.
    deleted: BTreeSet<usize>,
    /// The last number received, by receiver and sender.
    last: BTreeMap<(SessionId, SessionId), u64>,
}

impl World {
    fn new(history: bool, free_nicks: bool) -> Self {
        let settings = Settings {
            history,
            free_nicks,
            lobby: vec![ChannelName::parse("#a").unwrap()],
            channels_per_user: 0,
            owned_channels: 2,
            monitor_entries: 0,
            ..settings()
        };
        Self {
            harness: Harness::with(settings),
            here: Vec::new(),
            said: 0,
            deleted: BTreeSet::new(),
            last: BTreeMap::new(),
        }
    }

    fn pick(&self, index: usize) -> Option<SessionId> {
        (!self.here.is_empty()).then(|| self.here[index % self.here.len()])
    }

    fn nick(&self, session: SessionId) -> Nick {
        let state = &self.harness.chat.state;
        state.user(state.user_of(session).unwrap()).nick.clone()
    }

    /// Returns the sessions of the account's user.
    fn sessions_of(&self, account: &str) -> BTreeSet<SessionId> {
        let user = self.harness.chat.state.by_account(&identity(account).name);
        user.into_iter()
            .flat_map(User::sessions)
            .map(|session| session.id)
            .collect()
    }

    /// Returns all sessions of the user of this session.
    fn sessions_of_user(&self, session: SessionId) -> BTreeSet<SessionId> {
        let state = &self.harness.chat.state;
        let user = state.user(state.user_of(session).unwrap());
        user.sessions().iter().map(|session| session.id).collect()
    }

    /// Returns the sessions that receive each channel's messages.
    fn audiences(&self) -> BTreeMap<String, BTreeSet<SessionId>> {
        let state = &self.harness.chat.state;
        let channels = state.channels();
        channels
            .map(|channel| {
                let sessions = channel
                    .members()
                    .iter()
                    .flat_map(|member| state.user(member.user).sessions());
                (
                    channel.name.to_string(),
                    sessions.map(|session| session.id).collect(),
                )
            })
            .collect()
    }

    /// No session is connected, and the chat is restored from what was persisted.
    fn restart(&mut self) {
        let changes = std::mem::take(&mut self.harness.persisted);
        let bans = self.harness.policy.bans.iter().cloned().collect();
        let now = self.harness.now;
        self.harness =
            Harness::restored(self.harness.chat.settings.clone(), bans, restored(&changes));
        (self.harness.persisted, self.harness.now) = (changes, now);
        self.here.clear();
        self.last.clear();
        self.harness.act(Count);
    }

    fn run_action(&mut self, action: Action) {
        let before = self.audiences();
        self.harness.clear_received();
        match action {
            Action::Connect {
                account: Some(account),
                ..
            }
            | Action::SignIn { account, .. }
                if self.deleted.contains(&account) => {}
            Action::Connect {
                account,
                guest,
                capabilities,
            } => {
                let identity = account.map(|account| identity(ACCOUNTS[account]));
                let candidate =
                    Harness::candidate(GUESTS[guest], identity, CAPABILITIES[capabilities]);
                let (session, answer) = self.harness.try_admit(candidate);
                if matches!(answer, Admission::Admitted) {
                    self.here.push(session);
                }
            }
            Action::SignIn { session, account } => {
                if let Some(session) = self.pick(session) {
                    self.harness.sign_in(session, identity(ACCOUNTS[account]));
                }
            }
            Action::Disconnect(session) => {
                if let Some(session) = self.pick(session) {
                    self.harness.disconnect(session);
                    self.here.retain(|here| *here != session);
                }
            }
            Action::Kick(session) => {
                if let Some(session) = self.pick(session) {
                    let nick = self.nick(session);
                    let sessions_of_user = self.sessions_of_user(session);
                    let ticket = self.harness.act(Kick {
                        target: KickTarget::User(nick.clone()),
                        reason: "enough".to_owned(),
                    });
                    self.end(&sessions_of_user);
                    assert!(
                        self.harness.chat.state.by_nick(&nick).is_none(),
                        "even if it was always on"
                    );
                    let answer = self.harness.answer(ticket);
                    let expected = sessions_of_user.len();
                    assert!(matches!(answer, Some(Ended { sessions, .. }) if sessions == expected));
                }
            }
            Action::Ban { account, on: true } => {
                let id = i64::try_from(account).unwrap();
                let meant = ACCOUNTS[account];
                let sessions_of_user = self.sessions_of(meant);
                let ticket = self.harness.act(AddBan(ban(id, meant, "enough")));
                self.end(&sessions_of_user);
                let removed = self
                    .harness
                    .chat
                    .state
                    .by_account(&identity(meant).name)
                    .is_none();
                assert!(removed, "even if it was always on");
                let answer = self.harness.answer(ticket);
                let expected = sessions_of_user.len();
                assert!(matches!(answer, Some(Ended { sessions, .. }) if sessions == expected));
            }
            Action::Ban { account, on: false } => {
                self.harness
                    .act(RemoveBan(BanId(i64::try_from(account).unwrap())));
            }
            Action::DeleteAccount(account) => {
                self.deleted.insert(account);
                let meant = ACCOUNTS[account];
                let (sessions_of_user, identity) = (self.sessions_of(meant), identity(meant));
                let (account, reason) = (identity.id, "deleted".to_owned());
                let ticket = self.harness.act(EndAccount { account, reason });
                self.harness.act(ForgetAccount(identity.name.clone()));
                self.end(&sessions_of_user);
                let answer = self.harness.answer(ticket);
                let expected = sessions_of_user.len();
                assert!(matches!(answer, Some(Ended { sessions, .. }) if sessions == expected));
                // The persisted state of the account is deleted with it.
                self.harness.persisted.push(Change::AccountMetadata {
                    account: identity.name.clone(),
                    metadata: Metadata::new(),
                });
                let owns = |channel: &Channel| {
                    channel.founder.as_ref() == Some(&identity.name)
                        || channel.access_of(&identity.name).is_some()
                };
                assert!(
                    !self.harness.chat.state.channels().any(owns),
                    "nothing is left to {meant}"
                );
            }
            Action::Close(channel) => {
                let name = ChannelName::parse(CHANNELS[channel]).unwrap();
                self.harness.act(CloseChannel {
                    name: name.clone(),
                    reason: "enough".to_owned(),
                });
                assert!(self.harness.chat.state.channel(&name).is_none());
            }
            Action::AnswerQueries => self.harness.answer_all_fetches(),
            Action::Restart => self.restart(),
            Action::SendToChannel {
                session,
                channel,
                labelled,
            } => {
                if let Some(session) = self.pick(session) {
                    self.send_to_channel(session, CHANNELS[channel], labelled);
                }
            }
            Action::SendDirect { session, other } => {
                if let (Some(session), Some(other)) = (self.pick(session), self.pick(other)) {
                    self.send_direct(session, other);
                }
            }
            Action::Command { session, line } => {
                if let Some(session) = self.pick(session) {
                    let message = Message::parse(&line).unwrap();
                    self.harness.event(Event::Command { session, message });
                    if line == "QUIT" {
                        self.end(&BTreeSet::from([session]));
                    }
                }
            }
        }
        self.check_delivery(&before);
        self.check_state();
    }

    /// Closes the connections of sessions that the core has ended.
    fn end(&mut self, sessions: &BTreeSet<SessionId>) {
        let ended: BTreeSet<SessionId> = self
            .harness
            .ended
            .drain(..)
            .map(|(session, _)| session)
            .collect();
        assert_eq!(&ended, sessions, "exactly the intended sessions are ended");
        self.here.retain(|here| !sessions.contains(here));
        for &session in sessions {
            self.harness.disconnect(session);
        }
    }

    fn has_echo(&self, session: SessionId) -> bool {
        self.harness
            .chat
            .state
            .session(session)
            .unwrap()
            .capabilities
            .has(Capability::EchoMessage)
    }

    fn send_to_channel(&mut self, session: SessionId, channel: &str, labelled: bool) {
        let audience = self.audiences().remove(channel);
        let state = &self.harness.chat.state;
        let found = state.channel(&ChannelName::parse(channel).unwrap());
        let user = state.user(state.user_of(session).unwrap());
        let may =
            found.is_some_and(|found| speak_refusal(found, user, found.has(user.id)).is_none());
        let mut expected = audience.filter(|_| may).unwrap_or_default();
        if may {
            expected.extend(self.sessions_of_user(session));
            if !self.has_echo(session) {
                expected.remove(&session);
            }
        }
        let label = if labelled { "@label=x " } else { "" };
        self.expect_message(
            session,
            &format!("{label}PRIVMSG {channel}"),
            &expected,
            None,
        );
    }

    fn send_direct(&mut self, session: SessionId, other: SessionId) {
        let mut expected = self.sessions_of_user(other);
        let to_self = expected.contains(&session);
        expected.extend(self.sessions_of_user(session));
        if !to_self && !self.has_echo(session) {
            expected.remove(&session);
        }
        let twice = (to_self && self.has_echo(session)).then_some(session);
        let nick = self.nick(other);
        self.expect_message(session, &format!("PRIVMSG {nick}"), &expected, twice);
    }

    /// Checks that each expected session receives the message once, `twice` receives it twice, and
    /// no other does; and that the numbers of a sender increase for each.
    fn expect_message(
        &mut self,
        sender: SessionId,
        command: &str,
        expected: &BTreeSet<SessionId>,
        twice: Option<SessionId>,
    ) {
        self.said += 1;
        let text = format!("{}-{}", sender.0, self.said);
        self.harness.send(sender, &format!("{command} :{text}"));
        for receiver in self.here.clone() {
            let received = self.harness.peek(receiver);
            let count = received
                .iter()
                .filter(|line| line.ends_with(&format!(" :{text}")))
                .count();
            let due =
                usize::from(expected.contains(&receiver)) + usize::from(twice == Some(receiver));
            assert_eq!(
                count, due,
                "{receiver:?} of {command} :{text}: {received:#?}"
            );
            if count > 0 {
                let before = self.last.insert((receiver, sender), self.said);
                assert!(before.is_none_or(|before| before < self.said));
            }
        }
    }

    /// Checks that no session receives anything about a channel that it is not in.
    fn check_delivery(&mut self, before: &BTreeMap<String, BTreeSet<SessionId>>) {
        let after = self.audiences();
        for session in self.here.clone() {
            for line in self.harness.peek(session) {
                let message = Message::parse(&line).unwrap();
                let from_user = message
                    .source
                    .as_deref()
                    .is_some_and(|source| source.contains('!'));
                let about = match message.command.as_str() {
                    "JOIN" | "PART" | "KICK" | "MODE" | "TOPIC" => message.param(0),
                    "PRIVMSG" if message.source_nick() != Some(self.nick(session).as_str()) => {
                        message.param(0)
                    }
                    _ => None,
                };
                let Some(channel) = about.filter(|about| from_user && about.starts_with('#'))
                else {
                    continue;
                };
                let inside = [before, &after].iter().any(|audiences| {
                    audiences
                        .get(channel)
                        .is_some_and(|audience| audience.contains(&session))
                });
                assert!(inside, "{session:?} receives from {channel}: {line}");
            }
        }
    }

    fn check_state(&self) {
        let state = &self.harness.chat.state;
        let mut sessions = BTreeSet::new();
        let mut skeletons = BTreeSet::new();
        let mut users = 0;
        for user in state.users() {
            users += 1;
            let always_on = user
                .identity
                .as_ref()
                .and_then(|identity| state.always_on.get(&identity.id));
            assert!(
                always_on == Some(&true) || !user.sessions().is_empty(),
                "a user without a session"
            );
            let attended = user
                .sessions()
                .iter()
                .any(|session| session.away_state == AwayState::Here);
            assert_eq!(
                user.away.is_none(),
                attended,
                "a user is away iff all sessions are"
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
            let free = self.harness.chat.settings.free_nicks;
            assert!(
                user.account()
                    .is_none_or(|account| free || account == user.nick.as_str())
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
                    "{name}: one side only"
                );
            }
        }
        assert_eq!(users, state.user_count());
        assert_eq!(sessions.len(), state.session_count());
        assert_eq!(sessions, self.here.iter().copied().collect());
        for channel in state.channels() {
            assert!(
                !channel.members().is_empty() || channel.founder.is_some(),
                "{} is empty",
                channel.name
            );
            assert!(
                channel
                    .members()
                    .is_sorted_by(|one, other| one.user < other.user)
            );
            for member in channel.members() {
                assert!(state.exists(member.user));
                assert!(
                    state.user(member.user).channels().contains(&channel.name),
                    "on one side only"
                );
            }
        }
        let persistent: Vec<_> = state
            .channels()
            .filter_map(Channel::to_persistent)
            .collect();
        let restored = restored(&self.harness.persisted);
        assert_eq!(
            restored.channels, persistent,
            "every persistent channel is persisted"
        );
        let said = state
            .account_metadata
            .clone()
            .into_iter()
            .collect::<Vec<_>>();
        assert_eq!(restored.metadata, said, "and the metadata of accounts");
        let in_channels = |presence: &Presence| {
            presence
                .channels
                .iter()
                .map(|one| (one.channel.clone(), one.operator, one.voice))
                .collect::<Vec<_>>()
        };
        for presence in &restored.presences {
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
            // No session survives a kill of the server.
            let away = presence
                .away
                .as_deref()
                .or(user.sessions().is_empty().then_some(DEFAULT_MESSAGE));
            assert_eq!((&presence.nick, away), (&user.nick, user.away.as_deref()));
        }
        let chosen = |user: &&User| {
            user.identity
                .as_ref()
                .is_some_and(|identity| state.always_on.get(&identity.id) == Some(&true))
        };
        assert_eq!(
            restored.presences.len(),
            state.users().filter(chosen).count(),
            "every always-on user"
        );
        for (device, received_until) in restored.devices {
            let is_connected = state
                .users()
                .flat_map(User::sessions)
                .any(|session| session.device == Some(device));
            assert!(
                is_connected || state.devices[&device].at == received_until,
                "the persisted device marks are complete"
            );
        }
        assert!(
            state.closing_sessions.is_empty() && state.pending_ends.is_empty(),
            "all ended sessions have disconnected"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_users_do_the_chat_holds_together(
        history in any::<bool>(),
        free_nicks in any::<bool>(),
        actions in prop::collection::vec(action(), 1..120),
    ) {
        let mut world = World::new(history, free_nicks);
        for action in actions {
            world.run_action(action);
        }
    }

    #[test]
    fn the_same_events_produce_the_same_outputs(actions in prop::collection::vec(action(), 1..60)) {
        let outputs = |actions: &[Action]| {
            let mut world = World::new(true, false);
            let mut all = Vec::new();
            for action in actions {
                world.run_action(action.clone());
                let sessions = world.here.iter();
                let received = sessions.map(|&session| world.harness.peek(session));
                all.push(received.collect::<Vec<_>>());
            }
            all
        };
        prop_assert_eq!(outputs(&actions), outputs(&actions));
    }
}
