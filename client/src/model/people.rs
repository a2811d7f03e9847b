//! Who is visible under which nick, to find the sender of an earlier message.
//!
//! The user sees the changes of nicks, the parts and the quits of the people in their channels. So
//! someone who is visible all the time is the same person, but after a guest has been out of sight,
//! another guest may have the nick. A signed-in person is recognised by the account: nobody else
//! can use its name as nick.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use rookery_protocol::Nick;

use super::{ChatEvent, EventKind, Model};

/// The most accounts that are remembered.
const MAX_ACCOUNTS: usize = 10_000;

/// Identifies an account, or someone for as long as the user sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PersonId(NonZeroU64);

/// The people that the user can recognise.
#[derive(Debug, Default)]
pub struct People {
    /// Those who are visible and have sent something or joined a channel since they became so.
    visible: BTreeMap<Nick, Visible>,
    /// The accounts, by their names.
    accounts: BTreeMap<Nick, PersonId>,
    count: u64,
}

/// Someone who is visible to the user.
#[derive(Clone, Copy, Debug)]
struct Visible {
    /// Identifies them until they are out of sight.
    id: PersonId,
    /// The account, while they are signed in.
    account: Option<PersonId>,
}

impl Visible {
    fn is(self, person: PersonId) -> bool {
        self.id == person || self.account == Some(person)
    }
}

impl People {
    /// Follows who has which nick, also of people who are ignored. Returns the sender of a message;
    /// `None` for a guest who is not visible. `model` must have handled the message of the event
    /// already.
    pub fn follow(&mut self, event: &ChatEvent, model: &Model) -> Option<PersonId> {
        let is_here = |nick: &str| Nick::parse(nick).is_ok_and(|nick| model.shares_channel(&nick));
        match &event.kind {
            EventKind::Joined { nick, .. }
            | EventKind::ChannelMessage { nick, .. }
            | EventKind::DirectReceived { from: nick, .. } => {
                return self.identify(nick, event.account.as_deref(), is_here(nick));
            }
            EventKind::AccountChanged { nick, account } => {
                self.identify(nick, account.as_deref(), is_here(nick));
            }
            EventKind::NickChanged { old, new, .. } => self.rename(old, new),
            EventKind::Parted { nick, .. } | EventKind::Kicked { nick, .. }
                if model.is_me(nick) =>
            {
                self.visible.retain(|nick, _| model.shares_channel(nick));
            }
            EventKind::Parted { nick, .. }
            | EventKind::Kicked { nick, .. }
            | EventKind::Quit { nick, .. }
                if !is_here(nick) =>
            {
                if let Ok(nick) = Nick::parse(nick) {
                    self.visible.remove(&nick);
                }
            }
            _ => {}
        }
        None
    }

    /// Forgets who is visible, after the connection was lost.
    pub fn lose_sight(&mut self) {
        self.visible.clear();
    }

    /// Returns the identifier of an account.
    pub fn account(&mut self, name: &str) -> Option<PersonId> {
        let name = Nick::parse(name).ok()?;
        if let Some(id) = self.accounts.get(&name) {
            return Some(*id);
        }
        if self.accounts.len() == MAX_ACCOUNTS {
            // The senders of earlier messages become unknown when they write again.
            self.accounts.clear();
        }
        let id = self.next_id()?;
        self.accounts.insert(name, id);
        Some(id)
    }

    /// Returns the present nick of a person who had the nick `then`; `None` if it is not known.
    pub fn present_nick(&self, person: PersonId, then: &Nick) -> Option<Nick> {
        let same = self.visible.get_key_value(then);
        let all = same.into_iter().chain(&self.visible);
        let visible = all.into_iter().find(|(_, one)| one.is(person));
        let is_own_name = || same.is_none() && self.accounts.get(then) == Some(&person);
        let nick = visible.map(|(nick, _)| nick);
        nick.or_else(|| is_own_name().then_some(then)).cloned()
    }

    /// Returns the identifier of someone who has done something, and stores their nick and account
    /// if they are visible; `None` for a guest who is not.
    fn identify(
        &mut self,
        nick: &str,
        account: Option<&str>,
        is_visible: bool,
    ) -> Option<PersonId> {
        let account = account.and_then(|account| self.account(account));
        let Some(nick) = Nick::parse(nick).ok().filter(|_| is_visible) else {
            return account;
        };
        let id = match self.visible.get(&nick) {
            Some(known) => known.id,
            None => self.next_id()?,
        };
        self.visible.insert(nick, Visible { id, account });
        account.or(Some(id))
    }

    fn rename(&mut self, old: &str, new: &str) {
        let (Ok(old), Ok(new)) = (Nick::parse(old), Nick::parse(new)) else {
            return;
        };
        match self.visible.remove(&old) {
            Some(one) => self.visible.insert(new, one),
            None => self.visible.remove(&new),
        };
    }

    fn next_id(&mut self) -> Option<PersonId> {
        self.count += 1;
        NonZeroU64::new(self.count).map(PersonId)
    }
}
