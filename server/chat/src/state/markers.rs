//! Read markers: the time up to which a user has read each channel and conversation
//! (IRCv3 `draft/read-marker`).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rookery_record::AccountId;

/// The maximum number of markers of one user; beyond it, the oldest is dropped.
const MARKERS: usize = 1000;

/// The markers of one user, by the folded name of the channel or of the other user.
#[derive(Default)]
pub struct Markers(BTreeMap<Box<str>, Timestamp>);

impl Markers {
    /// Advances the marker. Returns the changes: none if it would move back, otherwise the new
    /// marker and, if there are too many, the removal of the oldest one.
    pub fn set(
        &mut self,
        target: Box<str>,
        read_until: Timestamp,
    ) -> Vec<(Box<str>, Option<Timestamp>)> {
        if self
            .0
            .get(&target)
            .is_some_and(|before| *before >= read_until)
        {
            return Vec::new();
        }
        self.0.insert(target.clone(), read_until);
        let mut changes = vec![(target, Some(read_until))];
        if self.0.len() > MARKERS
            && let Some(oldest) = self
                .0
                .iter()
                .min_by_key(|(_, at)| **at)
                .map(|(target, _)| target.clone())
        {
            self.0.remove(&oldest);
            changes.push((oldest, None));
        }
        changes
    }

    /// Returns the marker of the target.
    pub fn get(&self, target: &str) -> Option<Timestamp> {
        self.0.get(target).copied()
    }

    /// Moves a marker to another name. Returns its time.
    pub fn rename(&mut self, old: &str, new: &str) -> Option<Timestamp> {
        let read_until = self.0.remove(old)?;
        self.0.insert(new.into(), read_until);
        Some(read_until)
    }
}

/// The markers of all accounts.
#[derive(Default)]
pub struct MarkersOfAccounts {
    by_account: BTreeMap<AccountId, Markers>,
    /// The accounts with a marker of each channel, so that renaming one visits no others.
    by_channel: BTreeMap<Box<str>, BTreeSet<AccountId>>,
}

impl MarkersOfAccounts {
    /// Sets a marker that was persisted.
    pub fn restore(&mut self, account: AccountId, target: String, read_until: Timestamp) {
        self.index(account, &target);
        let markers = self.by_account.entry(account).or_default();
        markers.0.insert(target.into(), read_until);
    }

    /// Returns the markers of the account, if it has any.
    pub fn of(&self, account: AccountId) -> Option<&Markers> {
        self.by_account.get(&account)
    }

    /// Advances a marker, and returns the changes, as [`Markers::set`] does.
    pub fn set(
        &mut self,
        account: AccountId,
        target: Box<str>,
        read_until: Timestamp,
    ) -> Vec<(Box<str>, Option<Timestamp>)> {
        let markers = self.by_account.entry(account).or_default();
        let changes = markers.set(target, read_until);
        for (target, read_until) in &changes {
            match read_until {
                Some(_) => self.index(account, target),
                None => self.remove_from_index(account, target),
            }
        }
        changes
    }

    /// Moves all markers of a channel to another name. Returns the accounts that had one, with its
    /// time.
    pub fn rename(&mut self, old: &str, new: &str) -> Vec<(AccountId, Timestamp)> {
        let accounts = self.by_channel.remove(old).unwrap_or_default();
        let mut moved = Vec::new();
        for account in accounts {
            let markers = self.by_account.get_mut(&account);
            if let Some(read_until) = markers.and_then(|markers| markers.rename(old, new)) {
                self.index(account, new);
                moved.push((account, read_until));
            }
        }
        moved
    }

    fn index(&mut self, account: AccountId, target: &str) {
        if !target.starts_with('#') {
            return;
        }
        match self.by_channel.get_mut(target) {
            Some(accounts) => drop(accounts.insert(account)),
            None => drop(
                self.by_channel
                    .insert(target.into(), BTreeSet::from([account])),
            ),
        }
    }

    fn remove_from_index(&mut self, account: AccountId, target: &str) {
        if let Some(accounts) = self.by_channel.get_mut(target) {
            accounts.remove(&account);
            if accounts.is_empty() {
                self.by_channel.remove(target);
            }
        }
    }
}
