//! The chat that the actions are run against. It checks the effect of each action, and who receives
//! each message.

use std::collections::{BTreeMap, BTreeSet};

use rookery_protocol::{Capability, ChannelName, Message, Nick};

use super::action::{ACCOUNTS, Action, CAPABILITIES, CHANNELS, GUESTS};
use crate::event::{SessionId, Settings};
use crate::request::{AddBans, Admission, Count, Ended, ForgetAccount, RemoveBan};
use crate::state::User;
use crate::state::channel::Channel;
use crate::state::mask::Subject;
use crate::tests::harness::*;
use rookery_record::{BanId, Change, Metadata};

/// A chat, and what is known about it from the actions so far.
pub struct World {
    pub harness: Harness,
    pub connected: Vec<SessionId>,
    /// The number of the latest message; the texts of messages are numbered.
    last_sent: u64,
    deleted_accounts: BTreeSet<usize>,
    /// The number of the latest message received, by receiver and sender.
    last_received: BTreeMap<(SessionId, SessionId), u64>,
}

impl World {
    pub fn new(history: bool, free_nicks: bool) -> Self {
        let settings = Settings {
            history,
            free_nicks,
            slice_rows: 2,
            channels_per_user: 0,
            owned_channels: 2,
            sessions_per_account: 0,
            stored_bytes_per_day: 0,
            monitor_entries: 0,
            ..settings_with_lobby("#a")
        };
        Self {
            harness: Harness::with(settings),
            connected: Vec::new(),
            last_sent: 0,
            deleted_accounts: BTreeSet::new(),
            last_received: BTreeMap::new(),
        }
    }

    /// Returns the connected session of this index, if any session is connected.
    fn pick(&self, index: usize) -> Option<SessionId> {
        (!self.connected.is_empty()).then(|| self.connected[index % self.connected.len()])
    }

    fn nick(&self, session: SessionId) -> Nick {
        let state = &self.harness.chat.state;
        state.user(state.user_of(session).unwrap()).nick.clone()
    }

    fn sessions_of_account(&self, account: &str) -> BTreeSet<SessionId> {
        let user = self.harness.chat.state.by_account(&identity(account).name);
        user.into_iter()
            .flat_map(User::sessions)
            .map(|session| session.id)
            .collect()
    }

    /// Returns all sessions of the user whose session this is.
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

    /// Restores the chat from the persisted changes, with no session connected.
    fn restart(&mut self) {
        let changes = std::mem::take(&mut self.harness.persisted);
        let bans = self
            .harness
            .policy
            .bans
            .iter()
            .map(|ban| (**ban).clone())
            .collect();
        let now = self.harness.now;
        let settings = self.harness.chat.settings.clone();
        self.harness = Harness::restored(settings, bans, snapshot(&changes));
        (self.harness.persisted, self.harness.now) = (changes, now);
        self.connected.clear();
        self.last_received.clear();
        // The next event persists that some users, such as banned ones, were not restored.
        self.harness.act(Count);
    }

    pub fn run_action(&mut self, action: Action) {
        let before = self.audiences();
        self.harness.clear_received();
        match action {
            Action::Connect {
                account: Some(account),
                ..
            }
            | Action::SignIn { account, .. }
                if self.deleted_accounts.contains(&account) => {}
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
                    self.connected.push(session);
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
                    self.connected.retain(|connected| *connected != session);
                }
            }
            Action::Kick(session) => {
                if let Some(session) = self.pick(session) {
                    let nick = self.nick(session);
                    let sessions_of_user = self.sessions_of_user(session);
                    let ticket = self.harness.act(kick(nick.as_str(), "enough"));
                    self.check_end(ticket, &sessions_of_user);
                    assert!(
                        self.harness.chat.state.by_nick(&nick).is_none(),
                        "even if the user was always on"
                    );
                }
            }
            Action::Ban {
                account,
                banned: true,
            } => {
                let id = i64::try_from(account).unwrap();
                let name = ACCOUNTS[account];
                let sessions_of_user = self.sessions_of_account(name);
                let ticket = self.harness.act(AddBans(vec![ban(id, name, "enough")]));
                self.check_end(ticket, &sessions_of_user);
                let state = &self.harness.chat.state;
                assert!(
                    state.by_account(&identity(name).name).is_none(),
                    "even if the user was always on"
                );
            }
            Action::Ban {
                account,
                banned: false,
            } => {
                self.harness
                    .act(RemoveBan(BanId(i64::try_from(account).unwrap())));
            }
            Action::DeleteAccount(account) => {
                self.deleted_accounts.insert(account);
                let name = identity(ACCOUNTS[account]).name;
                let sessions_of_user = self.sessions_of_account(name.as_str());
                let ticket = self.harness.act(end_account(name.as_str(), "deleted"));
                self.harness.act(ForgetAccount(name.clone()));
                self.check_end(ticket, &sessions_of_user);
                // The store deletes these together with the account.
                self.harness.persisted.push(Change::AccountMetadata {
                    account: name.clone(),
                    metadata: Metadata::new(),
                });
                self.harness.persisted.push(Change::Silences {
                    account: name.clone(),
                    masks: Vec::new(),
                });
                let has_access = |channel: &Channel| {
                    channel.founder() == Some(&name) || channel.access_of(&name).is_some()
                };
                assert!(
                    !self.harness.chat.state.channels().any(has_access),
                    "{name} owns nothing and has no access"
                );
            }
            Action::CloseChannel(channel) => {
                let name = ChannelName::parse(CHANNELS[channel]).unwrap();
                self.harness.act(close_channel(name.as_str(), "enough"));
                assert!(self.harness.chat.state.channel(&name).is_none());
            }
            Action::AnswerQueries => self.harness.answer_all_fetches(),
            Action::ContinueReplies => self.harness.continue_replies(),
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
                    self.harness.send(session, &line);
                    if line == "QUIT" {
                        self.close_ended(&BTreeSet::from([session]));
                    }
                }
            }
        }
        self.check_delivery(&before);
        let connected = self.connected.iter().copied().collect();
        self.harness.chat.check_state(&connected);
        self.harness.chat.check_persisted(&self.harness.snapshot());
    }

    /// Checks that a request has ended exactly these sessions, and that its reply has their number
    /// once their connections are closed.
    fn check_end(&mut self, ticket: ReplyKey<Ended>, sessions: &BTreeSet<SessionId>) {
        self.close_ended(sessions);
        let reply = self.harness.answer(ticket).unwrap();
        assert_eq!(reply.sessions, sessions.len());
    }

    /// Checks that the core has ended exactly these sessions, and closes their connections.
    fn close_ended(&mut self, sessions: &BTreeSet<SessionId>) {
        let ended = self.harness.ended_sessions().into_iter().collect();
        self.harness.ended.clear();
        assert_eq!(sessions, &ended, "exactly these sessions are ended");
        self.connected.retain(|session| !sessions.contains(session));
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
        let may_speak =
            found.is_some_and(|found| found.speak_refusal(user, found.has(user.id)).is_none());
        let mut expected = audience.filter(|_| may_speak).unwrap_or_default();
        if may_speak {
            expected.extend(self.sessions_of_user(session));
            if !self.has_echo(session) {
                expected.remove(&session);
            }
        }
        let label = if labelled { "@label=x " } else { "" };
        self.send_and_check(
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
        let state = &self.harness.chat.state;
        let user = |session| state.user(state.user_of(session).unwrap());
        let sender = Subject::new(user(session));
        let mut silences = state.silences(&user(other).participant()).iter();
        if !to_self && silences.any(|mask| mask.covers(&sender)) {
            expected.clear();
        }
        let twice = (to_self && self.has_echo(session)).then_some(session);
        let nick = self.nick(other);
        self.send_and_check(session, &format!("PRIVMSG {nick}"), &expected, twice);
    }

    /// Sends a message. Checks that each expected session receives it once, that `twice` receives
    /// it twice and no other session receives it, and that each session receives the messages of a
    /// sender in order.
    fn send_and_check(
        &mut self,
        sender: SessionId,
        command: &str,
        expected: &BTreeSet<SessionId>,
        twice: Option<SessionId>,
    ) {
        self.last_sent += 1;
        let text = format!("{}-{}", sender.0, self.last_sent);
        self.harness.send(sender, &format!("{command} :{text}"));
        for receiver in self.connected.clone() {
            let received = self.harness.peek(receiver);
            let count = received
                .iter()
                .filter(|line| line.ends_with(&format!(" :{text}")))
                .count();
            let expected_count =
                usize::from(expected.contains(&receiver)) + usize::from(twice == Some(receiver));
            assert_eq!(
                count, expected_count,
                "{receiver:?} of {command} :{text}: {received:#?}"
            );
            if count > 0 {
                let previous = self
                    .last_received
                    .insert((receiver, sender), self.last_sent);
                assert!(previous.is_none_or(|previous| previous < self.last_sent));
            }
        }
    }

    /// Checks that no session has received anything about a channel that its user was in neither
    /// before the action nor after it.
    fn check_delivery(&mut self, before: &BTreeMap<String, BTreeSet<SessionId>>) {
        let after = self.audiences();
        for session in self.connected.clone() {
            for line in self.harness.peek(session) {
                let message = Message::parse(&line).unwrap();
                let from_user = message
                    .source
                    .as_deref()
                    .is_some_and(|source| source.contains('!'));
                let target = match message.command.as_str() {
                    "JOIN" | "PART" | "KICK" | "MODE" | "TOPIC" => message.param(0),
                    "PRIVMSG" if message.source_nick() != Some(self.nick(session).as_str()) => {
                        message.param(0)
                    }
                    _ => None,
                };
                let Some(channel) = target.filter(|target| from_user && target.starts_with('#'))
                else {
                    continue;
                };
                let is_member = [before, &after].iter().any(|audiences| {
                    audiences
                        .get(channel)
                        .is_some_and(|audience| audience.contains(&session))
                });
                assert!(is_member, "{session:?} receives from {channel}: {line}");
            }
        }
    }
}
