//! How many admitted sessions each owner has, and which of them make room for others.

use std::collections::{BTreeSet, HashMap};

use super::{Counted, Owner};

/// The admitted sessions of all owners, separately for each thing that they are counted for.
#[derive(Debug, Default)]
pub(super) struct Shares {
    /// What each session is counted for, its owner, and the id of its connection.
    sessions: BTreeSet<(Counted, Owner, u64)>,
    /// The number of each owner's sessions, if it has several. Most have one, so this saves memory.
    sizes: HashMap<(Counted, Owner), usize>,
    /// The same numbers, in order.
    by_size: BTreeSet<(Counted, usize, Owner)>,
}

impl Shares {
    /// Adds a session.
    pub fn insert(&mut self, counted: Counted, owner: Owner, id: u64) {
        let size = self.size(counted, owner);
        self.sessions.insert((counted, owner, id));
        self.resize(counted, owner, size, size + 1);
    }

    /// Removes a session, which was added.
    pub fn remove(&mut self, counted: Counted, owner: Owner, id: u64) {
        let size = self.size(counted, owner);
        self.sessions.remove(&(counted, owner, id));
        self.resize(counted, owner, size, size - 1);
    }

    /// Returns the session that makes room for a new one of `owner`, if one does: the newest of the
    /// owner that has the most, or the oldest of the same account.
    pub fn to_displace(&self, counted: Counted, owner: Owner) -> Option<u64> {
        let new_size = self.size(counted, owner) + 1;
        let all_sizes = ..(counted, usize::MAX, owner);
        if let Some((of, most, largest)) = self.by_size.range(all_sizes).next_back()
            && *of == counted
            && *most > new_size
        {
            return self.of(counted, *largest).next_back();
        }
        match owner {
            Owner::Account(_) => self.of(counted, owner).next(),
            // The others may be someone else's.
            Owner::Guests(_) => None,
        }
    }

    /// Whether there is no session.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.sizes.is_empty() && self.by_size.is_empty()
    }

    /// Returns the owner's sessions, the oldest connection first.
    fn of(&self, counted: Counted, owner: Owner) -> impl DoubleEndedIterator<Item = u64> {
        let all = (counted, owner, 0)..=(counted, owner, u64::MAX);
        self.sessions.range(all).map(|(_, _, id)| *id)
    }

    fn size(&self, counted: Counted, owner: Owner) -> usize {
        let several = self.sizes.get(&(counted, owner)).copied();
        several.unwrap_or_else(|| self.of(counted, owner).count())
    }

    fn resize(&mut self, counted: Counted, owner: Owner, from: usize, to: usize) {
        self.by_size.remove(&(counted, from, owner));
        if to > 1 {
            self.by_size.insert((counted, to, owner));
            self.sizes.insert((counted, owner), to);
        } else {
            self.sizes.remove(&(counted, owner));
        }
    }
}
