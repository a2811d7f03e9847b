//! Read markers: the time up to which a user has read each channel and conversation
//! (IRCv3 `draft/read-marker`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use rookery_record::AccountId;

/// The maximum number of markers of one user; beyond it, the oldest is dropped. An account's stay
/// in memory for as long as the account exists.
const MARKERS: usize = 500;

/// The markers of one user, by the folded name of the channel or of the other user. They are in a
/// sorted vector, because a tree would take twice the memory.
#[derive(Default)]
pub struct Markers(Vec<(Arc<str>, Timestamp)>);

impl Markers {
    /// Advances the marker. Returns the changes: none if it would move back, otherwise the new
    /// marker and, if there are too many, the removals of the oldest ones.
    pub fn set(
        &mut self,
        target: &str,
        read_until: Timestamp,
    ) -> Vec<(Arc<str>, Option<Timestamp>)> {
        if self.get(target).is_some_and(|before| before >= read_until) {
            return Vec::new();
        }
        let target = self.insert(target, read_until);
        let mut changes = vec![(target, Some(read_until))];
        // There may be more from before the limit.
        while self.0.len() > MARKERS
            && let Some(oldest) = (0..self.0.len()).min_by_key(|&at| self.0[at].1)
        {
            changes.push((self.0.remove(oldest).0, None));
        }
        changes
    }

    /// Returns the marker of the target.
    pub fn get(&self, target: &str) -> Option<Timestamp> {
        self.position(target).ok().map(|at| self.0[at].1)
    }

    /// Moves a marker to another name. Returns its new name and its time.
    pub fn rename(&mut self, old: &str, new: &str) -> Option<(Arc<str>, Timestamp)> {
        let at = self.position(old).ok()?;
        let (_, read_until) = self.0.remove(at);
        Some((self.insert(new, read_until), read_until))
    }

    /// Adds the marker, or changes its time. Returns its name.
    fn insert(&mut self, target: &str, read_until: Timestamp) -> Arc<str> {
        let at = match self.position(target) {
            Ok(at) => at,
            Err(at) => {
                self.0.insert(at, (target.into(), read_until));
                at
            }
        };
        self.0[at].1 = read_until;
        Arc::clone(&self.0[at].0)
    }

    fn position(&self, target: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(name, _)| (**name).cmp(target))
    }
}

/// The markers of all accounts.
#[derive(Default)]
pub struct MarkersOfAccounts {
    by_account: BTreeMap<AccountId, Markers>,
    /// The channels with a marker of each account, so that renaming one visits no other accounts.
    by_channel: BTreeSet<(Arc<str>, AccountId)>,
}

impl MarkersOfAccounts {
    /// Sets a marker that was persisted.
    pub fn restore(&mut self, account: AccountId, target: &str, read_until: Timestamp) {
        let markers = self.by_account.entry(account).or_default();
        let target = markers.insert(target, read_until);
        self.index(account, target);
    }

    /// Returns the markers of the account, if it has any.
    pub fn of(&self, account: AccountId) -> Option<&Markers> {
        self.by_account.get(&account)
    }

    /// Advances a marker, and returns the changes, as [`Markers::set`] does.
    pub fn set(
        &mut self,
        account: AccountId,
        target: &str,
        read_until: Timestamp,
    ) -> Vec<(Arc<str>, Option<Timestamp>)> {
        let markers = self.by_account.entry(account).or_default();
        let changes = markers.set(target, read_until);
        for (target, read_until) in &changes {
            match read_until {
                Some(_) => self.index(account, Arc::clone(target)),
                None => drop(self.by_channel.remove(&(Arc::clone(target), account))),
            }
        }
        changes
    }

    /// Moves all markers of a channel to another name. Returns the accounts that had one, with its
    /// time.
    pub fn rename(&mut self, old: &str, new: &str) -> Vec<(AccountId, Timestamp)> {
        let old: Arc<str> = old.into();
        let first = (Arc::clone(&old), AccountId(i64::MIN));
        let with_marker = self.by_channel.range(first..);
        let with_marker = with_marker.take_while(|(name, _)| *name == old);
        let accounts: Vec<AccountId> = with_marker.map(|(_, account)| *account).collect();
        let mut moved = Vec::new();
        for account in accounts {
            self.by_channel.remove(&(Arc::clone(&old), account));
            let markers = self.by_account.get_mut(&account);
            let renamed = markers.and_then(|markers| markers.rename(&old, new));
            if let Some((name, read_until)) = renamed {
                self.index(account, name);
                moved.push((account, read_until));
            }
        }
        moved
    }

    fn index(&mut self, account: AccountId, target: Arc<str>) {
        if target.starts_with('#') {
            self.by_channel.insert((target, account));
        }
    }
}
