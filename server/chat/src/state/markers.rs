//! Read markers: the time up to which a user has read each channel and conversation
//! (IRCv3 `draft/read-marker`).

use std::collections::BTreeMap;

use jiff::Timestamp;

/// The maximum number of markers of one user; beyond it, the oldest is dropped.
const MARKERS: usize = 1000;

/// The markers of one user, by the folded name of the channel or of the other user.
#[derive(Default)]
pub struct Markers(BTreeMap<Box<str>, Timestamp>);

impl Markers {
    /// Sets a marker that was persisted.
    pub fn restore(&mut self, target: String, read_until: Timestamp) {
        self.0.insert(target.into(), read_until);
    }

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
