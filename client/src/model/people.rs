//! Who is visible under which nick, to find the sender of an earlier message.
//!
//! The user sees the changes of nicks, the parts and the quits of the people in their channels. So
//! someone who is visible all the time is the same person, but after a guest has been out of sight,
//! another guest may have the nick. A signed-in person is recognised by the account: nobody else
//! can use its name as nick.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use rookery_protocol::Nick;

/// The most accounts that are remembered.
const MAX_ACCOUNTS: usize = 10_000;

/// Identifies an account, or a guest for as long as the user sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PersonId(NonZeroU64);

/// The people that the user can recognise.
#[derive(Debug, Default)]
pub struct People {
    /// Those who are visible and have sent something or joined a channel since they became so.
    visible: BTreeMap<Nick, PersonId>,
    /// The accounts, by their names.
    accounts: BTreeMap<Nick, PersonId>,
    count: u64,
}

impl People {
    /// Returns the identifier of who has sent something, and stores their nick if they are visible;
    /// `None` for a guest who is not.
    pub fn identify(
        &mut self,
        nick: &str,
        account: Option<&str>,
        is_visible: bool,
    ) -> Option<PersonId> {
        let owner = account.and_then(|account| self.account(account));
        let Some(nick) = Nick::parse(nick).ok().filter(|_| is_visible) else {
            return owner;
        };
        let id = owner
            .or_else(|| self.visible.get(&nick).copied())
            .or_else(|| self.next_id())?;
        self.visible.insert(nick, id);
        Some(id)
    }

    /// Returns the identifier of an account.
    pub fn account(&mut self, name: &str) -> Option<PersonId> {
        let name = Nick::parse(name).ok()?;
        if let Some(id) = self.accounts.get(&name) {
            return Some(*id);
        }
        if self.accounts.len() == MAX_ACCOUNTS {
            // The senders of earlier messages are then unknown once they are out of sight.
            self.accounts.clear();
        }
        let id = self.next_id()?;
        self.accounts.insert(name, id);
        Some(id)
    }

    /// Handles a change of nick.
    pub fn rename(&mut self, old: &str, new: &str) {
        let (Ok(old), Ok(new)) = (Nick::parse(old), Nick::parse(new)) else {
            return;
        };
        match self.visible.remove(&old) {
            Some(id) => self.visible.insert(new, id),
            None => self.visible.remove(&new),
        };
    }

    /// Handles that some people may be out of sight.
    pub fn retain(&mut self, is_visible: impl Fn(&Nick) -> bool) {
        self.visible.retain(|nick, _| is_visible(nick));
    }

    /// Handles that someone is out of sight.
    pub fn remove(&mut self, nick: &str) {
        if let Ok(nick) = Nick::parse(nick) {
            self.visible.remove(&nick);
        }
    }

    /// Returns the present nick of a person who had the nick `then`; `None` if it is not known.
    pub fn present_nick(&self, id: PersonId, then: &Nick) -> Option<Nick> {
        let visible = self.visible.iter().find(|(_, one)| **one == id);
        match (self.visible.get(then), visible) {
            (Some(present), _) if *present == id => Some(then.clone()),
            (_, Some((nick, _))) => Some(nick.clone()),
            (Some(_), None) => None,
            (None, None) => (self.accounts.get(then) == Some(&id)).then(|| then.clone()),
        }
    }

    fn next_id(&mut self) -> Option<PersonId> {
        self.count += 1;
        NonZeroU64::new(self.count).map(PersonId)
    }
}
