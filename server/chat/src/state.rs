//! The state: users with their sessions, and channels with their members.
//!
//! The methods change the state, keep its parts consistent with each other, and collect events for
//! operators. They send nothing and check no permission: that is up to the features.

pub mod activity;
pub mod admission_policy;
pub mod away;
pub mod bans;
pub mod catch_up;
pub mod channel;
mod closing;
mod departed;
mod former_names;
pub mod markers;
pub mod mask;
mod memberships;
mod monitors;
mod numbers;
pub mod open_batch;
mod owned;
mod persistence;
mod presences;
mod receivers;
pub mod user;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use foldhash::fast::FixedState;
use jiff::Timestamp;
use rookery_control_api::{DisconnectReason, ServerEvent};
use rookery_protocol::{AccountName, ChannelName, Nick};
use rookery_record::{AccountId, CredentialId, Device, Mark, Metadata, Network, Participant};

use crate::ids::{Identity, SessionId, UserId};
use crate::state::activity::Recent;
use crate::state::admission_policy::AdmissionPolicy;
use crate::state::channel::Channel;
use crate::state::markers::{Markers, MarkersOfAccounts};
use crate::state::mask::Mask;
use crate::state::owned::OwnedChannels;
use crate::token_bucket::{Payer, TokenBuckets};

pub use closing::{ClosingDevice, ClosingSession, PendingEnd};
pub use departed::Departed;
pub use memberships::CreateAs;
pub use receivers::Receiver;
pub use user::{NewUser, Session, User};

/// The maximum number of revoked credentials that are remembered.
const MAX_REVOKED: usize = 10_000;
/// The maximum number of payers whose storage is counted separately.
const MAX_PAYERS: usize = 100_000;

/// A change of what an account signs in with.
#[derive(Clone, Copy, Debug)]
pub struct SecretChange {
    pub at: Timestamp,
    /// The session that made the change, which may not be admitted yet.
    pub by: Option<SessionId>,
}

impl SecretChange {
    /// Whether a sign-in of the session at that time rests on what was changed.
    pub fn ends(self, session: SessionId, authenticated_at: Timestamp) -> bool {
        self.by != Some(session) && authenticated_at <= self.at
    }
}

#[cfg(test)]
thread_local! {
    /// The number of times that a user or a channel was looked up. A look at a user's channels
    /// counts for each of them.
    pub static LOOKUPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// The whole state.
pub struct State {
    /// Boxed, because most of a table that has just grown is empty.
    users: HashMap<UserId, Box<User>, FixedState>,
    sessions: HashMap<SessionId, UserId, FixedState>,
    nicks: BTreeMap<Nick, UserId>,
    /// Needed because a nick may differ from the account's name.
    accounts: BTreeMap<AccountName, UserId>,
    /// By the skeleton of the nick: nicks that look the same share it.
    skeletons: BTreeMap<Box<str>, UserId>,
    channels: BTreeMap<ChannelName, Channel>,
    owned: OwnedChannels,
    /// The current name of the channel that had this name before it was renamed.
    renamed: BTreeMap<ChannelName, ChannelName>,
    /// The metadata of accounts, online or not.
    pub account_metadata: BTreeMap<AccountName, Metadata>,
    /// The masks of those who may not send an account direct messages and invitations.
    pub account_silences: BTreeMap<AccountName, Vec<Mask>>,
    /// The sessions that monitor a nick.
    watchers: BTreeMap<Nick, BTreeSet<SessionId>>,
    /// Texts that many sessions and users share.
    texts: BTreeSet<Arc<str>>,
    departed: VecDeque<Departed>,
    /// The admission policy, shared with the listener, which refuses connections before they reach
    /// the core.
    pub policy: Arc<AdmissionPolicy>,
    /// The accounts whose sessions an operator has ended, with the time: sign-ins from before then
    /// are stale.
    pub ended_accounts: BTreeMap<AccountId, Timestamp>,
    /// The credentials that their accounts have revoked, with the time: sign-ins with them from
    /// before then are stale.
    pub revoked_credentials: BTreeMap<CredentialId, Timestamp>,
    /// Credentials that were revoked until then are forgotten: all sign-ins with a credential from
    /// before then are stale.
    pub revocations_forgotten: Timestamp,
    /// The accounts whose password was changed: earlier sign-ins with a password are stale.
    pub changed_passwords: BTreeMap<AccountId, SecretChange>,
    /// The accounts whose email was changed: earlier sign-ins are stale.
    pub changed_emails: BTreeMap<AccountId, SecretChange>,
    /// The mark up to which each device had received everything when it was last connected.
    pub devices: BTreeMap<Device, Mark>,
    /// The read markers of accounts.
    pub markers: MarkersOfAccounts,
    /// The accounts' choices of always-on.
    pub always_on: BTreeMap<AccountId, bool>,
    /// Users with changes that must be persisted if they are always on.
    pub touched: BTreeSet<UserId>,
    /// Accounts whose stored presence must be deleted.
    pub ended_presences: Vec<AccountId>,
    pub closing_sessions: BTreeMap<SessionId, ClosingSession>,
    pub pending_ends: BTreeMap<u64, PendingEnd>,
    /// The bytes that each payer may still have stored.
    pub storage: TokenBuckets<Payer>,
    pub started_at: Timestamp,
    /// The number of invisible users. It is counted here because every new session is sent it.
    invisible: usize,
    /// The highest number of users at any one time since the start.
    pub peak_users: usize,
    /// The events for operators that the current event has caused.
    pub server_events: Vec<ServerEvent>,
    run: String,
    last_user: u64,
    last_guest: u64,
    last_message: u64,
    last_batch: u64,
    last_catch_up: u64,
}

impl State {
    pub fn new(run: String, policy: Arc<AdmissionPolicy>, now: Timestamp) -> Self {
        Self {
            users: HashMap::default(),
            sessions: HashMap::default(),
            nicks: BTreeMap::new(),
            accounts: BTreeMap::new(),
            skeletons: BTreeMap::new(),
            channels: BTreeMap::new(),
            owned: OwnedChannels::default(),
            renamed: BTreeMap::new(),
            account_metadata: BTreeMap::new(),
            account_silences: BTreeMap::new(),
            watchers: BTreeMap::new(),
            texts: BTreeSet::new(),
            departed: VecDeque::new(),
            policy,
            ended_accounts: BTreeMap::new(),
            revoked_credentials: BTreeMap::new(),
            revocations_forgotten: Timestamp::MIN,
            changed_passwords: BTreeMap::new(),
            changed_emails: BTreeMap::new(),
            devices: BTreeMap::new(),
            markers: MarkersOfAccounts::default(),
            always_on: BTreeMap::new(),
            touched: BTreeSet::new(),
            ended_presences: Vec::new(),
            closing_sessions: BTreeMap::new(),
            pending_ends: BTreeMap::new(),
            storage: TokenBuckets::new(MAX_PAYERS),
            started_at: now,
            invisible: 0,
            peak_users: 0,
            server_events: Vec::new(),
            run,
            last_user: 0,
            last_guest: 0,
            last_message: 0,
            last_batch: 0,
            last_catch_up: 0,
        }
    }

    // Lookup.

    pub fn user(&self, id: UserId) -> &User {
        #[cfg(test)]
        LOOKUPS.set(LOOKUPS.get() + 1);
        self.users
            .get(&id)
            .expect("a `UserId` refers to a user that exists")
    }

    pub fn user_mut(&mut self, id: UserId) -> &mut User {
        self.users
            .get_mut(&id)
            .expect("a `UserId` refers to a user that exists")
    }

    pub fn exists(&self, id: UserId) -> bool {
        self.users.contains_key(&id)
    }

    pub fn user_of(&self, session: SessionId) -> Option<UserId> {
        self.sessions.get(&session).copied()
    }

    /// Returns who pays for what the user's sessions use. A guest has one session.
    pub fn payer(&self, id: UserId) -> Option<Payer> {
        let user = self.user(id);
        Some(match &user.identity {
            Some(identity) => Payer::Account(identity.id),
            None => Payer::Network(Network::of(user.sessions().first()?.address.ip())),
        })
    }

    /// Remembers that the credential was revoked now, and forgets the older half of the others if
    /// they are too many.
    pub fn revoke_credential(&mut self, credential: CredentialId, now: Timestamp) {
        if self.revoked_credentials.len() >= MAX_REVOKED {
            let mut times: Vec<Timestamp> = self.revoked_credentials.values().copied().collect();
            let (_, median, _) = times.select_nth_unstable(MAX_REVOKED / 2);
            self.revocations_forgotten = *median;
            self.revoked_credentials.retain(|_, at| *at > *median);
        }
        self.revoked_credentials.insert(credential, now);
    }

    /// Adapts to a clock of the system that was set back from `before` to `now`. Sign-ins from now
    /// on would otherwise seem to be from before the ends of access so far, and what users have had
    /// stored would count until the clock shows `before` again.
    pub fn set_clock_back(&mut self, before: Timestamp, now: Timestamp) {
        let by = before.duration_since(now).unsigned_abs();
        self.storage.set_clock_back(by);
        let ended = self.ended_accounts.values_mut();
        let revoked = self.revoked_credentials.values_mut();
        let passwords = self.changed_passwords.values_mut();
        let changed = passwords
            .chain(self.changed_emails.values_mut())
            .map(|change| &mut change.at);
        let forgotten = std::iter::once(&mut self.revocations_forgotten);
        for at in ended.chain(revoked).chain(changed).chain(forgotten) {
            *at = now.min(*at);
        }
    }

    pub fn session(&self, id: SessionId) -> Option<&Session> {
        self.user(self.user_of(id)?)
            .sessions
            .iter()
            .find(|session| session.id == id)
    }

    pub fn session_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        let user = self.user_of(id)?;
        self.user_mut(user)
            .sessions
            .iter_mut()
            .find(|session| session.id == id)
    }

    pub fn by_nick(&self, nick: &Nick) -> Option<&User> {
        self.nicks.get(nick).map(|&id| self.user(id))
    }

    /// Returns the user of the account with that name.
    pub fn by_account(&self, name: &AccountName) -> Option<&User> {
        self.accounts.get(name).map(|&id| self.user(id))
    }

    /// Returns the user with that nick or, if there is none, of the account with that name.
    pub fn by_name(&self, name: &Nick) -> Option<&User> {
        let account = || self.by_account(&AccountName::parse(name.as_str()).ok()?);
        self.by_nick(name).or_else(account)
    }

    /// Returns the user with the nick that was typed.
    pub fn named(&self, nick: &str) -> Option<&User> {
        self.by_nick(&Nick::parse(nick).ok()?)
    }

    pub fn channel(&self, name: &ChannelName) -> Option<&Channel> {
        #[cfg(test)]
        LOOKUPS.set(LOOKUPS.get() + 1);
        self.channels.get(name)
    }

    /// Whether the user may speak in the channel, and so give a reason there for what it does. In a
    /// channel that does not exist, it may.
    pub fn may_speak(&self, user: UserId, channel: &ChannelName) -> bool {
        self.channel(channel)
            .is_none_or(|channel| channel.speak_refusal(self.user(user), false).is_none())
    }

    pub fn channel_mut(&mut self, name: &ChannelName) -> Option<&mut Channel> {
        self.channels.get_mut(name)
    }

    /// Returns all users, by nick.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        self.nicks.values().map(|&id| self.user(id))
    }

    /// Returns the users whose nicks are after that nick, by nick; all without a nick.
    pub fn users_after(&self, after: Option<&Nick>) -> impl Iterator<Item = &User> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let users = self.nicks.range::<Nick, _>((start, Bound::Unbounded));
        users.map(|(_, &id)| self.user(id))
    }

    /// Returns the channels whose names are after that name, by name; all without a name.
    pub fn channels_after(&self, after: Option<&ChannelName>) -> impl Iterator<Item = &Channel> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let channels = self
            .channels
            .range::<ChannelName, _>((start, Bound::Unbounded));
        channels.map(|(_, channel)| channel)
    }

    /// Returns all channels, by name.
    pub fn channels(&self) -> impl Iterator<Item = &Channel> {
        self.channels.values()
    }

    pub fn user_count(&self) -> usize {
        self.users.len()
    }

    pub fn invisible_count(&self) -> usize {
        self.invisible
    }

    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    pub fn channel_count(&self) -> usize {
        self.channels.len()
    }

    // Users and their sessions.

    /// Returns the users that prevent the use of a nick: those who have it, or one that looks the
    /// same.
    pub fn holders(&self, nick: &Nick) -> Vec<UserId> {
        let skeleton = nick.skeleton();
        let mut holders: Vec<UserId> = self
            .nicks
            .get(nick)
            .into_iter()
            .chain(self.skeletons.get(&*skeleton))
            .copied()
            .collect();
        holders.dedup();
        holders
    }

    /// Marks the user as changed, so that it is persisted if it is always on.
    pub fn touch(&mut self, id: UserId) {
        self.touched.insert(id);
    }

    /// Adds a user. Its nick must be available. Its first session must follow at once, unless the
    /// user is always on.
    pub fn add_user(&mut self, new_user: NewUser, now: Timestamp) -> UserId {
        self.last_user += 1;
        let id = UserId(self.last_user);
        let NewUser {
            nick,
            identity,
            username,
            host,
            realname,
        } = new_user;
        self.nicks.insert(nick.clone(), id);
        self.skeletons.insert(nick.skeleton().into(), id);
        if let Some(identity) = &identity {
            self.accounts.insert(identity.name.clone(), id);
        }
        let host = self.intern(host);
        let source = user::source(&nick, &username, &host);
        let user = User {
            id,
            nick,
            identity,
            username,
            host,
            realname,
            source,
            away: None,
            invisible: false,
            metadata: Metadata::new(),
            is_bot: false,
            only_accounts: false,
            silences: Vec::new(),
            since: now,
            active_at: now,
            channels: Vec::new(),
            sessions: Vec::with_capacity(1),
            is_persisted: false,
            markers: Markers::default(),
            activity: Recent::default(),
        };
        self.users.insert(id, Box::new(user));
        self.touch(id);
        self.peak_users = self.peak_users.max(self.users.len());
        id
    }

    /// Adds the session to the user.
    pub fn attach(&mut self, id: UserId, mut session: Session) {
        session.tls = self.intern(session.tls);
        self.sessions.insert(session.id, id);
        let address = session.address;
        let user = self.user_mut(id);
        user.sessions.push(session);
        // To operators, a user that is always on has been connected all the time.
        if user.sessions.len() == 1 && !user.is_persisted {
            let (nick, account) = (user.nick.to_string(), user.account().map(str::to_owned));
            self.server_events.push(ServerEvent::UserConnected {
                nick,
                account,
                address: address.to_string(),
            });
        }
        self.change_receivers(id, |receivers, user| {
            if let Some(session) = user.sessions.last() {
                receivers.insert(id, session);
            }
        });
    }

    /// Removes the session from its user. If that leaves the user with none, [`Self::remove_user`]
    /// must follow at once, unless the user is always on.
    pub fn detach(&mut self, id: SessionId) -> Option<Session> {
        let user = self.sessions.remove(&id)?;
        self.change_receivers(user, |receivers, _| receivers.remove(id));
        let sessions = &mut self.user_mut(user).sessions;
        let at = sessions.iter().position(|session| session.id == id)?;
        Some(sessions.remove(at))
    }

    /// Removes a user, its sessions and its memberships. Returns the user.
    pub fn remove_user(
        &mut self,
        id: UserId,
        now: Timestamp,
        reason: DisconnectReason,
    ) -> Box<User> {
        for name in std::mem::take(&mut self.user_mut(id).channels) {
            self.drop_member(id, &name);
        }
        let user = self
            .users
            .remove(&id)
            .expect("a `UserId` refers to a user that exists");
        self.forget_nick(&user.nick);
        if let Some(identity) = &user.identity {
            self.accounts.remove(&identity.name);
        }
        self.invisible -= usize::from(user.invisible);
        for session in &user.sessions {
            self.sessions.remove(&session.id);
            for nick in &session.monitors {
                self.unwatch(nick, session.id);
            }
        }
        self.remember(Departed::of(&user, now));
        let (nick, account) = (user.nick.to_string(), user.account().map(str::to_owned));
        self.server_events.push(ServerEvent::UserDisconnected {
            nick,
            account,
            reason,
        });
        user
    }

    /// Changes the nick of the user. The new one must be available.
    pub fn rename(&mut self, id: UserId, nick: Nick, now: Timestamp) {
        let user = self
            .users
            .get(&id)
            .expect("a `UserId` refers to a user that exists");
        let old = user.nick.clone();
        if old.as_str() != nick.as_str() {
            self.server_events.push(ServerEvent::UserRenamed {
                nick: nick.to_string(),
                previous_nick: old.to_string(),
            });
        }
        if old != nick {
            let departed = Departed::of(user, now);
            self.remember(departed);
        }
        self.forget_nick(&old);
        self.nicks.insert(nick.clone(), id);
        self.skeletons.insert(nick.skeleton().into(), id);
        let user = self.user_mut(id);
        user.source = user::source(&nick, &user.username, &user.host);
        user.nick = nick;
        self.touch(id);
    }

    /// Signs the user in to the account, and sets its host.
    pub fn identify(&mut self, id: UserId, identity: Identity, host: Arc<str>) {
        if let Some(before) = &self.user(id).identity {
            let before = before.name.clone();
            self.accounts.remove(&before);
        }
        self.accounts.insert(identity.name.clone(), id);
        let host = self.intern(host);
        let user = self.user_mut(id);
        user.silences = Vec::new();
        user.identity = Some(identity);
        user.source = user::source(&user.nick, &user.username, &host);
        user.host = host;
        self.touch(id);
    }

    /// Returns the masks of those who may not send the participant direct messages and invitations.
    pub fn silences(&self, participant: &Participant) -> &[Mask] {
        let masks = match participant {
            Participant::Account(name) => self.account_silences.get(&name.to_account()),
            Participant::Guest(nick) => self.by_nick(nick).map(|guest| &guest.silences),
        };
        masks.map(Vec::as_slice).unwrap_or_default()
    }

    pub fn set_invisible(&mut self, id: UserId, invisible: bool) {
        self.touch(id);
        let before = std::mem::replace(&mut self.user_mut(id).invisible, invisible);
        self.invisible = self.invisible - usize::from(before) + usize::from(invisible);
    }

    /// Returns an available nick for a guest.
    pub fn free_guest_nick(&mut self) -> Nick {
        loop {
            self.last_guest += 1;
            let nick = Nick::parse(&format!("Guest-{}", self.last_guest))
                .expect("a guest's nick is valid");
            if self.holders(&nick).is_empty() {
                return nick;
            }
        }
    }

    fn forget_nick(&mut self, nick: &Nick) {
        self.nicks.remove(nick);
        self.skeletons.remove(&*nick.skeleton());
    }

    /// Returns the one shared copy of the text.
    fn intern(&mut self, text: Arc<str>) -> Arc<str> {
        if let Some(known) = self.texts.get(&text) {
            return Arc::clone(known);
        }
        self.texts.insert(Arc::clone(&text));
        text
    }
}
