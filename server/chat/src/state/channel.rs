//! A channel with its members, modes and lists.

use std::sync::Arc;

use jiff::Timestamp;
use rookery_protocol::{AccountName, ChannelName};
use rookery_record::{Access, AccessLevel, Metadata};

use crate::ids::UserId;
use crate::state::activity::Recent;
use crate::state::mask::{Mask, Subject};
use crate::state::receivers::{Receiver, Receivers};
use crate::state::user::User;

/// A channel. It has a member or an owner.
pub struct Channel {
    pub name: ChannelName,
    /// The skeleton of the name: names that look the same share it.
    pub(super) skeleton: Box<str>,
    /// Its earlier names, which are reserved for it, oldest first.
    pub(super) former_names: Vec<ChannelName>,
    /// The account that owns it. An owned channel persists while it is empty and across restarts.
    pub(super) founder: Option<AccountName>,
    /// Its metadata.
    pub metadata: Metadata,
    /// The accounts with permanent operator status or voice. Empty for a channel without an owner.
    pub access: Vec<Access>,
    pub created_at: Timestamp,
    /// When it got its name. Earlier messages under that name belong to another channel.
    pub named_at: Timestamp,
    pub topic: Option<Topic>,
    pub flags: Flags,
    pub key: Option<Box<str>>,
    pub limit: Option<u32>,
    /// Mode `b`.
    pub bans: Vec<Entry>,
    /// Mode `e`: users that no ban applies to.
    pub exceptions: Vec<Entry>,
    /// Mode `I`: users who need no invitation.
    pub invite_exceptions: Vec<Entry>,
    /// Users invited by an operator. May contain users that have quit: ids are never reused.
    pub invited: Vec<UserId>,
    /// The number of recent messages.
    pub activity: Recent,
    /// Sorted by user id.
    members: Vec<Member>,
    /// The members' sessions. The state updates them when a member's sessions change.
    pub(super) receivers: Receivers,
}

/// The topic of a channel.
pub struct Topic {
    pub text: Box<str>,
    /// `nick!user@host`.
    pub by: Box<str>,
    pub at: Timestamp,
}

/// The modes without a parameter that are set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u8);

/// A mode without a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Flag {
    InviteOnly = 1,
    Moderated = 2,
    NoExternal = 4,
    Secret = 8,
    TopicLocked = 16,
    NoCtcp = 32,
}

impl Flag {
    pub const ALL: [Self; 6] = [
        Self::NoCtcp,
        Self::InviteOnly,
        Self::Moderated,
        Self::NoExternal,
        Self::Secret,
        Self::TopicLocked,
    ];

    pub fn letter(self) -> char {
        match self {
            Self::InviteOnly => 'i',
            Self::Moderated => 'm',
            Self::NoExternal => 'n',
            Self::Secret => 's',
            Self::TopicLocked => 't',
            Self::NoCtcp => 'C',
        }
    }

    pub fn from_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|flag| flag.letter() == letter)
    }
}

impl Flags {
    pub fn has(self, flag: Flag) -> bool {
        self.0 & flag as u8 != 0
    }

    /// Sets or clears the mode; returns whether that changed anything.
    pub fn set(&mut self, flag: Flag, on: bool) -> bool {
        let before = self.0;
        if on {
            self.0 |= flag as u8;
        } else {
            self.0 &= !(flag as u8);
        }
        self.0 != before
    }
}

/// An entry of a list.
pub struct Entry {
    pub mask: Mask,
    /// `nick!user@host`. Entries that one user has set share it.
    pub by: Arc<str>,
    pub at: Timestamp,
}

/// The lists of a channel.
#[derive(Clone, Copy)]
pub enum List {
    Bans,
    Exceptions,
    InviteExceptions,
}

impl List {
    pub const ALL: [Self; 3] = [Self::Bans, Self::Exceptions, Self::InviteExceptions];

    pub fn from_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|list| list.letter() == letter)
    }

    pub fn letter(self) -> char {
        match self {
            Self::Bans => 'b',
            Self::Exceptions => 'e',
            Self::InviteExceptions => 'I',
        }
    }

    pub fn of(self, channel: &Channel) -> &[Entry] {
        match self {
            Self::Bans => &channel.bans,
            Self::Exceptions => &channel.exceptions,
            Self::InviteExceptions => &channel.invite_exceptions,
        }
    }

    pub fn of_mut(self, channel: &mut Channel) -> &mut Vec<Entry> {
        match self {
            Self::Bans => &mut channel.bans,
            Self::Exceptions => &mut channel.exceptions,
            Self::InviteExceptions => &mut channel.invite_exceptions,
        }
    }
}

/// A member of a channel.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    pub user: UserId,
    pub joined_at: Timestamp,
    pub modes: MemberModes,
}

/// The modes of a member, as everyone in the channel sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemberModes {
    /// Mode `q`.
    pub founder: bool,
    /// Mode `o`.
    pub operator: bool,
    /// Mode `v`.
    pub voice: bool,
}

impl MemberModes {
    /// The letters of the modes and their prefixes, the highest first.
    pub const MODES: [(char, char); 3] = [('q', '~'), ('o', '@'), ('v', '+')];

    /// Whether the member has the rights of an operator.
    pub fn is_operator(self) -> bool {
        self.founder || self.operator
    }

    /// Whether the member may speak in a moderated channel.
    pub fn may_speak(self) -> bool {
        self.is_operator() || self.voice
    }

    /// Returns the modes that are set in either.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            founder: self.founder || other.founder,
            operator: self.operator || other.operator,
            voice: self.voice || other.voice,
        }
    }

    pub fn letters(self) -> impl Iterator<Item = char> {
        let set = [self.founder, self.operator, self.voice];
        Self::MODES
            .into_iter()
            .zip(set)
            .filter(|(_, is_set)| *is_set)
            .map(|((letter, _), _)| letter)
    }

    /// Returns the prefixes of the nick; only the highest unless `all`.
    pub fn prefix(self, all: bool) -> &'static str {
        let prefixes = match (self.founder, self.operator, self.voice) {
            (true, true, true) => "~@+",
            (true, true, false) => "~@",
            (true, false, true) => "~+",
            (true, false, false) => "~",
            (false, true, true) => "@+",
            (false, true, false) => "@",
            (false, false, true) => "+",
            (false, false, false) => "",
        };
        if all {
            prefixes
        } else {
            prefixes.get(..1).unwrap_or_default()
        }
    }
}

impl Channel {
    pub fn new(name: ChannelName, now: Timestamp) -> Self {
        let mut flags = Flags::default();
        flags.set(Flag::NoExternal, true);
        flags.set(Flag::TopicLocked, true);
        Self {
            skeleton: name.skeleton().into(),
            name,
            former_names: Vec::new(),
            founder: None,
            access: Vec::new(),
            metadata: Metadata::new(),
            created_at: now,
            named_at: now,
            topic: None,
            flags,
            key: None,
            limit: None,
            bans: Vec::new(),
            exceptions: Vec::new(),
            invite_exceptions: Vec::new(),
            invited: Vec::new(),
            activity: Recent::default(),
            members: Vec::new(),
            receivers: Receivers::default(),
        }
    }

    /// Returns the members, sorted by user id.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Returns the members whose ids are after that id, sorted by user id; all without an id.
    pub fn members_after(&self, after: Option<UserId>) -> &[Member] {
        let start = self
            .members
            .partition_point(|member| Some(member.user) <= after);
        &self.members[start..]
    }

    pub fn member(&self, user: UserId) -> Option<Member> {
        self.position(user).ok().map(|at| self.members[at])
    }

    pub fn member_mut(&mut self, user: UserId) -> Option<&mut Member> {
        self.position(user).ok().map(|at| &mut self.members[at])
    }

    pub fn has(&self, user: UserId) -> bool {
        self.position(user).is_ok()
    }

    pub fn is_operator(&self, user: UserId) -> bool {
        self.member(user)
            .is_some_and(|member| member.modes.is_operator())
    }

    /// Returns the members' sessions, sorted by their ids.
    pub fn receivers(&self) -> &[Receiver] {
        self.receivers.as_slice()
    }

    /// Must only be called by the state, which updates the user's side of the membership.
    pub(super) fn insert(&mut self, member: Member, user: &User) {
        if let Err(at) = self.position(member.user) {
            self.members.insert(at, member);
        }
        for session in user.sessions() {
            self.receivers.insert(user.id, session);
        }
    }

    /// Must only be called by the state, which updates the user's side of the membership.
    pub(super) fn remove(&mut self, user: UserId) {
        if let Ok(at) = self.position(user) {
            self.members.remove(at);
            self.receivers.remove_user(user);
        }
    }

    /// Whether a ban of the channel prevents the user from joining.
    pub fn bans(&self, user: &User) -> bool {
        !self.bans.is_empty() && self.is_covered(&Subject::new(user), |mask| !mask.mutes())
    }

    /// Whether a ban of the channel prevents the user from speaking.
    pub fn mutes(&self, user: &User) -> bool {
        if self.bans.is_empty() {
            return false;
        }
        let subject = Subject::new(user);
        self.is_covered(&subject, |mask| !mask.mutes()) || self.is_covered(&subject, |_| true)
    }

    /// Returns why the user may not speak in the channel. A visitor of the lobby counts as a member
    /// (`counts_as_member`).
    pub fn speak_refusal(&self, user: &User, counts_as_member: bool) -> Option<&'static str> {
        let member = self.member(user.id);
        if member.is_some_and(|member| member.modes.may_speak()) {
            return None;
        }
        if member.is_none() && !counts_as_member && self.flags.has(Flag::NoExternal) {
            return Some("+n: members only");
        }
        if self.flags.has(Flag::Moderated) {
            return Some("+m: moderated");
        }
        self.mutes(user).then_some("+b: you are banned from it")
    }

    /// Whether a ban for which `applies` is true covers the user, and no such exception does.
    fn is_covered(&self, subject: &Subject, applies: impl Fn(&Mask) -> bool) -> bool {
        let covered = |list: &[Entry]| {
            list.iter()
                .any(|entry| applies(&entry.mask) && entry.mask.covers(subject))
        };
        covered(&self.bans) && !covered(&self.exceptions)
    }

    /// Whether the user may join without an invitation.
    pub fn is_invite_exception(&self, user: &User) -> bool {
        if self.invite_exceptions.is_empty() {
            return false;
        }
        let subject = Subject::new(user);
        self.invite_exceptions
            .iter()
            .any(|entry| entry.mask.covers(&subject))
    }

    /// Whether its name looks like another with that skeleton.
    pub fn looks_like(&self, skeleton: &str) -> bool {
        *self.skeleton == *skeleton
    }

    /// Returns the account that owns it.
    pub fn founder(&self) -> Option<&AccountName> {
        self.founder.as_ref()
    }

    /// Whether the user's account owns the channel.
    pub fn is_founded_by(&self, user: &User) -> bool {
        let account = user.identity.as_ref().map(|identity| &identity.name);
        account.is_some_and(|account| self.founder.as_ref() == Some(account))
    }

    /// Returns the member modes that the user has by its account.
    pub fn modes_by_access(&self, user: &User) -> MemberModes {
        let founder = self.is_founded_by(user);
        let account = user.identity.as_ref().map(|identity| &identity.name);
        let level = account.and_then(|account| self.access_of(account));
        MemberModes {
            founder,
            operator: founder || level == Some(AccessLevel::Operator),
            voice: level == Some(AccessLevel::Voice),
        }
    }

    /// Returns the account's level in the access list.
    pub fn access_of(&self, account: &AccountName) -> Option<AccessLevel> {
        self.access
            .iter()
            .find(|access| access.account == *account)
            .map(|access| access.level)
    }

    /// Whether the user may see the channel's metadata: it is a member, or everyone may join.
    pub fn shows_metadata_to(&self, user: UserId) -> bool {
        let is_closed =
            self.flags.has(Flag::InviteOnly) || self.flags.has(Flag::Secret) || self.key.is_some();
        !is_closed || self.has(user)
    }

    /// Whether the user may know that the channel exists.
    pub fn is_visible_to(&self, user: UserId) -> bool {
        !self.flags.has(Flag::Secret) || self.has(user)
    }

    /// Whether commands that name the channel find it for the user: it is visible to the user,
    /// the user is invited, or the user's account has permanent access.
    pub fn is_known_to(&self, user: &User) -> bool {
        self.is_visible_to(user.id)
            || self.invited.contains(&user.id)
            || self.modes_by_access(user) != MemberModes::default()
    }

    fn position(&self, user: UserId) -> Result<usize, usize> {
        self.members
            .binary_search_by_key(&user, |member| member.user)
    }
}
