//! Who is here and where: users with their sessions, channels with their members. Every membership is changed through
//! this file, so that both sides of it always agree.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use foldhash::fast::FixedState;
use jiff::Timestamp;
use rookery_protocol::control::{Happening, WhyGone};
use rookery_protocol::{AccountName, Capabilities, ChannelName, Nick};

use super::always_on::Attendance;
use super::busy::Recent;
use super::channel::{Channel, Flag, Member, Standing};
use super::event::{Identity, SessionId, Ticket};
use super::gate::Gate;
use super::markers::Markers;
use super::open_batch::OpenBatch;
use super::replay::{CatchUp, Mark};
use crate::record::{AccountId, Device, Metadata, Party};

/// The users that `WHOWAS` remembers.
const DEPARTED: usize = 512;

/// One user for as long as it is here; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(u64);

/// What others see: one account, or one guest, with all its sessions.
pub struct User {
    pub id: UserId,
    pub nick: Nick,
    /// None for a guest.
    pub identity: Option<Identity>,
    pub username: Box<str>,
    pub host: Arc<str>,
    pub realname: Box<str>,
    /// `nick!user@host`, as it begins every line that comes from the user.
    pub source: Arc<str>,
    pub away: Option<Box<str>>,
    invisible: bool,
    /// What a guest says of itself; an account's is beside all users, in [`State::account_metadata`].
    pub metadata: Metadata,
    /// A program, and says so (mode `B`).
    pub is_bot: bool,
    pub since: Timestamp,
    pub active_at: Timestamp,
    /// In the order they were joined.
    channels: Vec<ChannelName>,
    /// Empty for whoever is always on, and not connected.
    sessions: Vec<Session>,
    /// Whether the record knows that it is here.
    pub is_kept: bool,
    /// What a guest has read; that of an account is kept with it.
    pub markers: Markers,
    /// How much it said of late.
    pub said: Recent,
}

/// One connection of a user.
pub struct Session {
    pub id: SessionId,
    /// What its client said of itself, for operators.
    pub username: Box<str>,
    pub realname: Box<str>,
    pub capabilities: Capabilities,
    pub address: SocketAddr,
    pub tls: Arc<str>,
    pub since: Timestamp,
    /// The nicks it watches.
    pub monitors: BTreeSet<Nick>,
    /// The keys of metadata it wants to hear of.
    pub subscriptions: BTreeSet<String>,
    /// A message of several lines that it is about to send.
    pub batch: Option<Box<OpenBatch>>,
    /// The device that is shown what it missed; none for one that reads back by itself, and for guests.
    pub device: Option<Device>,
    /// When it was last heard, and so had heard everything.
    pub heard: Mark,
    /// What it has missed and is yet to be shown.
    pub catch_up: Option<CatchUp>,
    pub attendance: Attendance,
}

impl User {
    pub fn channels(&self) -> &[ChannelName] {
        &self.channels
    }

    pub fn sessions(&self) -> &[Session] {
        &self.sessions
    }

    /// Whether only those who share a channel with it find it (mode `i`).
    pub fn is_invisible(&self) -> bool {
        self.invisible
    }

    /// Who it is in a conversation.
    pub fn party(&self) -> Party {
        match &self.identity {
            Some(identity) => Party::Account(identity.name.to_nick()),
            None => Party::Guest(self.nick.clone()),
        }
    }

    /// The account's name, for the tag.
    pub fn account(&self) -> Option<&str> {
        self.identity.as_ref().map(|identity| identity.name.as_str())
    }
}

/// A session that the core has ended and whose connection is still there.
pub struct Leaving {
    pub nick: Nick,
    pub identity: Option<Identity>,
    pub address: IpAddr,
    /// Who waits for its end.
    pub tickets: Vec<Ticket>,
}

/// An answer that is due when sessions have ended.
pub struct Due {
    pub users: Vec<Nick>,
    pub sessions: usize,
    /// The connections that are still there.
    pub waiting: usize,
}

/// A user that has been here.
pub struct Departed {
    pub nick: Nick,
    pub username: Box<str>,
    pub host: Arc<str>,
    pub realname: Box<str>,
    pub at: Timestamp,
}

/// A user to be.
pub struct Newcomer {
    pub nick: Nick,
    pub identity: Option<Identity>,
    pub username: Box<str>,
    pub host: Arc<str>,
    pub realname: Box<str>,
}

/// How a channel is made when there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Making {
    /// It is everyone's: nobody is its operator, and its topic is open to all.
    Lobby,
    /// Whoever makes it is its operator and, if it has an account, its founder.
    Owned,
    /// Whoever makes it is its operator.
    Unowned,
}

/// The whole state.
pub struct State {
    /// Boxed: most of a table that has just grown is empty.
    users: HashMap<UserId, Box<User>, FixedState>,
    sessions: HashMap<SessionId, UserId, FixedState>,
    nicks: BTreeMap<Nick, UserId>,
    /// Whose nick may be another than the account's name.
    accounts: BTreeMap<AccountName, UserId>,
    /// By what the nicks look like.
    skeletons: BTreeMap<Box<str>, UserId>,
    channels: BTreeMap<ChannelName, Channel>,
    /// What accounts say of themselves, whether they are here or not.
    pub account_metadata: BTreeMap<AccountName, Metadata>,
    /// Who watches a nick.
    watchers: BTreeMap<Nick, Vec<SessionId>>,
    /// Those that many sessions and users have in common.
    texts: BTreeSet<Arc<str>>,
    departed: VecDeque<Departed>,
    /// Shared with those who keep people out before they reach the core.
    pub gate: Arc<Gate>,
    /// The accounts whose sessions an operator has ended, and when and why: what was proved before then is stale.
    pub ended_accounts: BTreeMap<AccountId, (Timestamp, String)>,
    /// Up to where devices had heard everything when they were last here.
    pub devices: BTreeMap<Device, Mark>,
    /// What the owners of accounts have read.
    pub markers: BTreeMap<AccountId, Markers>,
    /// What they have chosen.
    pub always_on: BTreeMap<AccountId, bool>,
    /// The users of whom something may have changed that is kept of those who are always on.
    pub touched: BTreeSet<UserId>,
    /// Whose users are to be kept no more.
    pub presences_gone: Vec<AccountId>,
    pub leaving: BTreeMap<SessionId, Leaving>,
    pub due: BTreeMap<Ticket, Due>,
    pub started_at: Timestamp,
    /// How many users are invisible: asked at every admission, and too many to count then.
    invisible: usize,
    /// The most users there were at once.
    pub most_users: usize,
    /// What has happened in this turn, for whoever watches the server.
    pub news: Vec<Happening>,
    run: String,
    last_user: u64,
    last_guest: u64,
    last_message: u64,
    last_batch: u64,
}

impl State {
    pub fn new(run: String, gate: Arc<Gate>, now: Timestamp) -> Self {
        Self {
            users: HashMap::default(),
            sessions: HashMap::default(),
            nicks: BTreeMap::new(),
            accounts: BTreeMap::new(),
            skeletons: BTreeMap::new(),
            channels: BTreeMap::new(),
            account_metadata: BTreeMap::new(),
            watchers: BTreeMap::new(),
            texts: BTreeSet::new(),
            departed: VecDeque::new(),
            gate,
            ended_accounts: BTreeMap::new(),
            devices: BTreeMap::new(),
            markers: BTreeMap::new(),
            always_on: BTreeMap::new(),
            touched: BTreeSet::new(),
            presences_gone: Vec::new(),
            leaving: BTreeMap::new(),
            due: BTreeMap::new(),
            started_at: now,
            invisible: 0,
            most_users: 0,
            news: Vec::new(),
            run,
            last_user: 0,
            last_guest: 0,
            last_message: 0,
            last_batch: 0,
        }
    }

    // Looking up.

    pub fn user(&self, id: UserId) -> &User {
        self.users.get(&id).expect("whoever names a user has found it here in the same turn")
    }

    pub fn user_mut(&mut self, id: UserId) -> &mut User {
        self.users.get_mut(&id).expect("whoever names a user has found it here in the same turn")
    }

    pub fn is_here(&self, id: UserId) -> bool {
        self.users.contains_key(&id)
    }

    pub fn user_of(&self, session: SessionId) -> Option<UserId> {
        self.sessions.get(&session).copied()
    }

    pub fn session(&self, id: SessionId) -> Option<&Session> {
        self.user(self.user_of(id)?).sessions.iter().find(|session| session.id == id)
    }

    pub fn session_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        let user = self.user_of(id)?;
        self.user_mut(user).sessions.iter_mut().find(|session| session.id == id)
    }

    pub fn by_nick(&self, nick: &Nick) -> Option<&User> {
        self.nicks.get(nick).map(|&id| self.user(id))
    }

    /// The user of the account of that name.
    pub fn by_account(&self, name: &AccountName) -> Option<&User> {
        self.accounts.get(name).map(|&id| self.user(id))
    }

    /// The user of that nick; if there is none, that of the account of that name.
    pub fn by_name(&self, name: &Nick) -> Option<&User> {
        let account = || self.by_account(&AccountName::parse(name.as_str()).ok()?);
        self.by_nick(name).or_else(account)
    }

    /// The user that someone typed the nick of.
    pub fn named(&self, nick: &str) -> Option<&User> {
        self.by_nick(&Nick::parse(nick).ok()?)
    }

    pub fn channel(&self, name: &ChannelName) -> Option<&Channel> {
        self.channels.get(name)
    }

    pub fn channel_mut(&mut self, name: &ChannelName) -> Option<&mut Channel> {
        self.channels.get_mut(name)
    }

    /// By nick.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        self.nicks.values().map(|&id| self.user(id))
    }

    /// By name.
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

    /// The sessions of all members.
    pub fn hearers<'s>(&'s self, channel: &'s Channel) -> impl Iterator<Item = &'s Session> {
        channel.members().iter().flat_map(|member| self.user(member.user).sessions())
    }

    /// Everyone who shares a channel with the user, the user included; each once.
    pub fn peers(&self, user: UserId) -> Vec<UserId> {
        let mut peers = vec![user];
        for name in self.user(user).channels() {
            if let Some(channel) = self.channel(name) {
                peers.extend(channel.members().iter().map(|member| member.user));
            }
        }
        peers.sort_unstable();
        peers.dedup();
        peers
    }

    pub fn share_channel(&self, one: UserId, other: UserId) -> bool {
        one == other
            || self
                .user(one)
                .channels()
                .iter()
                .any(|name| self.channel(name).is_some_and(|channel| channel.has(other)))
    }

    // Users and their sessions.

    /// Who stands in the way of a nick: whoever has it and whoever has one that looks the same.
    pub fn holders(&self, nick: &Nick) -> Vec<UserId> {
        let skeleton = nick.skeleton();
        let mut holders: Vec<UserId> =
            self.nicks.get(nick).into_iter().chain(self.skeletons.get(&*skeleton)).copied().collect();
        holders.dedup();
        holders
    }

    /// Something of the user has changed that is kept of those who are always on.
    pub fn touch(&mut self, id: UserId) {
        self.touched.insert(id);
    }

    /// Adds a user whose nick nobody stands in the way of; its first session follows at once, unless it is always on.
    pub fn add_user(&mut self, newcomer: Newcomer, now: Timestamp) -> UserId {
        self.last_user += 1;
        let id = UserId(self.last_user);
        let Newcomer { nick, identity, username, host, realname } = newcomer;
        self.nicks.insert(nick.clone(), id);
        self.skeletons.insert(nick.skeleton().into(), id);
        if let Some(identity) = &identity {
            self.accounts.insert(identity.name.clone(), id);
        }
        let host = self.intern(host);
        let source = source(&nick, &username, &host);
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
            since: now,
            active_at: now,
            channels: Vec::new(),
            sessions: Vec::with_capacity(1),
            is_kept: false,
            markers: Markers::default(),
            said: Recent::default(),
        };
        self.users.insert(id, Box::new(user));
        self.touch(id);
        self.most_users = self.most_users.max(self.users.len());
        id
    }

    pub fn attach(&mut self, user: UserId, mut session: Session) {
        session.tls = self.intern(session.tls);
        self.sessions.insert(session.id, user);
        let address = session.address;
        let shown = self.user_mut(user);
        shown.sessions.push(session);
        // Whoever is always on has been here all the time.
        if shown.sessions.len() == 1 && !shown.is_kept {
            let (nick, account) = (shown.nick.to_string(), shown.account().map(str::to_owned));
            self.news.push(Happening::UserCame { nick, account, address: address.to_string() });
        }
    }

    /// Takes the session from its user, who may be left with none: then [`Self::remove_user`] follows at once, unless it
    /// is always on.
    pub fn detach(&mut self, id: SessionId) -> Option<Session> {
        let user = self.sessions.remove(&id)?;
        let sessions = &mut self.user_mut(user).sessions;
        let at = sessions.iter().position(|session| session.id == id)?;
        Some(sessions.remove(at))
    }

    /// The session watches nothing any more.
    pub fn forget_monitors(&mut self, session: &mut Session) {
        for nick in std::mem::take(&mut session.monitors) {
            self.unwatch(&nick, session.id);
        }
    }

    /// Takes a user and its memberships away. Gives it with the sessions it still had.
    pub fn remove_user(&mut self, id: UserId, now: Timestamp, why: WhyGone) -> Box<User> {
        for name in std::mem::take(&mut self.user_mut(id).channels) {
            self.drop_member(id, &name);
        }
        let user = self.users.remove(&id).expect("whoever names a user has found it here in the same turn");
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
        self.remember(&user, now);
        let (nick, account) = (user.nick.to_string(), user.account().map(str::to_owned));
        self.news.push(Happening::UserWent { nick, account, why });
        user
    }

    /// Gives the user another nick, one that nobody stands in the way of.
    pub fn rename(&mut self, id: UserId, nick: Nick, now: Timestamp) {
        let user = self.users.get(&id).expect("whoever names a user has found it here in the same turn");
        let old = user.nick.clone();
        if old.as_str() != nick.as_str() {
            let (nick, before) = (nick.to_string(), old.to_string());
            self.news.push(Happening::UserRenamed { nick, before });
        }
        if old != nick {
            let departed = departed(user, now);
            self.remember_departed(departed);
        }
        self.forget_nick(&old);
        self.nicks.insert(nick.clone(), id);
        self.skeletons.insert(nick.skeleton().into(), id);
        let user = self.user_mut(id);
        user.source = source(&nick, &user.username, &user.host);
        user.nick = nick;
        self.touch(id);
    }

    /// The user is the owner of that account from now on, and is shown with that host.
    pub fn identify(&mut self, id: UserId, identity: Identity, host: Arc<str>) {
        if let Some(before) = &self.user(id).identity {
            let before = before.name.clone();
            self.accounts.remove(&before);
        }
        self.accounts.insert(identity.name.clone(), id);
        let host = self.intern(host);
        let user = self.user_mut(id);
        user.identity = Some(identity);
        user.source = source(&user.nick, &user.username, &host);
        user.host = host;
        self.touch(id);
    }

    pub fn set_invisible(&mut self, id: UserId, invisible: bool) {
        self.touch(id);
        let before = std::mem::replace(&mut self.user_mut(id).invisible, invisible);
        self.invisible = self.invisible - usize::from(before) + usize::from(invisible);
    }

    /// A nick that nobody stands in the way of.
    pub fn free_guest_nick(&mut self) -> Nick {
        loop {
            self.last_guest += 1;
            let nick = Nick::parse(&format!("Guest-{}", self.last_guest)).expect("of a valid form");
            if self.holders(&nick).is_empty() {
                return nick;
            }
        }
    }

    fn forget_nick(&mut self, nick: &Nick) {
        self.nicks.remove(nick);
        self.skeletons.remove(&*nick.skeleton());
    }

    fn remember(&mut self, user: &User, now: Timestamp) {
        self.remember_departed(departed(user, now));
    }

    fn remember_departed(&mut self, departed: Departed) {
        if self.departed.len() == DEPARTED {
            self.departed.pop_front();
        }
        self.departed.push_back(departed);
    }

    /// Who had the nick, the last one first.
    pub fn departed(&self, nick: &Nick) -> impl Iterator<Item = &Departed> {
        self.departed.iter().rev().filter(move |departed| departed.nick == *nick)
    }

    /// One copy of each text serves all.
    fn intern(&mut self, text: Arc<str>) -> Arc<str> {
        if let Some(known) = self.texts.get(&text) {
            return Arc::clone(known);
        }
        self.texts.insert(Arc::clone(&text));
        text
    }

    // Memberships.

    /// The channels there are from the start.
    pub fn restore_channels(&mut self, channels: impl Iterator<Item = Channel>) {
        self.channels.extend(channels.map(|channel| (channel.name.clone(), channel)));
    }

    /// The user is in the channel from now on, as what its account makes it there; the channel is made if there is none.
    pub fn join(&mut self, user: UserId, name: &ChannelName, making: Making, now: Timestamp) {
        let joining = self.users.get(&user).expect("whoever names a user has found it here in the same turn");
        let new = !self.channels.contains_key(name);
        let channel = self.channels.entry(name.clone()).or_insert_with(|| Channel::new(name.clone(), now));
        if new {
            self.news
                .push(Happening::ChannelMade { channel: name.to_string(), by: joining.nick.to_string() });
        }
        match making {
            Making::Lobby if new => drop(channel.flags.set(Flag::TopicLocked, false)),
            Making::Owned if new => {
                channel.founder = joining.identity.as_ref().map(|identity| identity.name.clone());
            }
            _ => {}
        }
        let made = Standing { operator: new && making != Making::Lobby, ..Standing::default() };
        let standing = made.with(channel.standing_of(joining));
        channel.invited.retain(|invited| *invited != user);
        channel.insert(Member { user, joined_at: now, standing });
        let name = channel.name.clone();
        let channels = &mut self.user_mut(user).channels;
        if !channels.contains(&name) {
            channels.push(name);
        }
        self.touch(user);
    }

    /// A user who was always on is in the channel as before; one that nobody owned is there again with it.
    pub fn restore_member(&mut self, name: &ChannelName, is_lobby: bool, member: Member) {
        let joined_at = member.joined_at;
        let channel = self.channels.entry(name.clone()).or_insert_with(|| {
            let mut channel = Channel::new(name.clone(), joined_at);
            channel.flags.set(Flag::TopicLocked, !is_lobby);
            channel
        });
        if channel.founder.is_none() {
            // It is there as long as somebody was in it.
            channel.created_at = channel.created_at.min(joined_at);
            channel.named_at = channel.named_at.min(joined_at);
        }
        let user =
            self.users.get(&member.user).expect("whoever names a user has found it here in the same turn");
        let standing = member.standing.with(channel.standing_of(user));
        channel.insert(Member { standing, ..member });
        let name = channel.name.clone();
        self.user_mut(member.user).channels.push(name);
    }

    /// The user is in the channel no more; a channel without members that nobody owns is no more either.
    pub fn leave(&mut self, user: UserId, name: &ChannelName) {
        self.user_mut(user).channels.retain(|joined| joined != name);
        self.drop_member(user, name);
        self.touch(user);
    }

    /// The channel is no more, and nobody is in it.
    pub fn remove_channel(&mut self, name: &ChannelName) {
        let Some(channel) = self.channels.remove(name) else { return };
        self.news.push(Happening::ChannelGone { channel: channel.name.to_string() });
        for member in channel.members() {
            self.user_mut(member.user).channels.retain(|joined| joined != name);
            self.touch(member.user);
        }
    }

    /// The channel goes by another name from now on, one that no other channel has.
    pub fn rename_channel(&mut self, old: &ChannelName, new: &ChannelName, now: Timestamp) {
        let Some(mut channel) = self.channels.remove(old) else { return };
        channel.name = new.clone();
        if old != new {
            channel.named_at = now;
        }
        for member in channel.members() {
            for name in self.user_mut(member.user).channels.iter_mut().filter(|name| *name == old) {
                *name = new.clone();
            }
            self.touch(member.user);
        }
        self.channels.insert(new.clone(), channel);
    }

    fn drop_member(&mut self, user: UserId, name: &ChannelName) {
        if let Some(channel) = self.channels.get_mut(name) {
            channel.remove(user);
            self.drop_if_deserted(name);
        }
    }

    /// A channel without members that nobody owns is no more.
    pub fn drop_if_deserted(&mut self, name: &ChannelName) {
        if self
            .channels
            .get(name)
            .is_some_and(|channel| channel.members().is_empty() && channel.founder.is_none())
        {
            self.channels.remove(name);
            self.news.push(Happening::ChannelGone { channel: name.to_string() });
        }
    }

    // Monitors.

    pub fn watch(&mut self, nick: &Nick, session: SessionId) {
        self.watchers.entry(nick.clone()).or_default().push(session);
    }

    pub fn unwatch(&mut self, nick: &Nick, session: SessionId) {
        if let Some(watchers) = self.watchers.get_mut(nick) {
            watchers.retain(|watcher| *watcher != session);
            if watchers.is_empty() {
                self.watchers.remove(nick);
            }
        }
    }

    pub fn watchers(&self, nick: &Nick) -> &[SessionId] {
        self.watchers.get(nick).map_or(&[], Vec::as_slice)
    }

    // Names for things.

    /// An id for a message, unlike any other.
    pub fn next_msgid(&mut self) -> String {
        self.last_message += 1;
        format!("{}-{}", self.run, base36(self.last_message))
    }

    /// Everything that was said by `now`.
    pub fn mark(&self, now: Timestamp) -> Mark {
        Mark { at: now, message: self.last_message }
    }

    /// The number of a message of this run of the server.
    pub fn message_number(&self, msgid: &str) -> Option<u64> {
        let digits = msgid.strip_prefix(&*self.run)?.strip_prefix('-')?;
        u64::from_str_radix(digits, 36).ok()
    }

    /// A name for a batch.
    pub fn next_batch(&mut self) -> String {
        self.last_batch += 1;
        base36(self.last_batch)
    }
}

fn source(nick: &Nick, username: &str, host: &str) -> Arc<str> {
    format!("{nick}!{username}@{host}").into()
}

fn departed(user: &User, now: Timestamp) -> Departed {
    Departed {
        nick: user.nick.clone(),
        username: user.username.clone(),
        host: Arc::clone(&user.host),
        realname: user.realname.clone(),
        at: now,
    }
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::with_capacity(13);
    loop {
        digits.push(b"0123456789abcdefghijklmnopqrstuvwxyz"[(number % 36) as usize]);
        number /= 36;
        if number == 0 {
            break;
        }
    }
    digits.iter().rev().map(|&digit| char::from(digit)).collect()
}
