//! Read markers: up to where a user has read each channel and conversation
//! (IRCv3 `draft/read-marker`).

use std::collections::BTreeMap;

use jiff::Timestamp;

/// The markers of one user; the one that lies furthest back goes when there is another.
const MARKERS: usize = 1000;

/// The markers of one user, by the folded name of the channel, or of the other side.
#[derive(Default)]
pub struct Markers(BTreeMap<Box<str>, Timestamp>);

impl Markers {
    /// Sets what was kept.
    pub fn restore(&mut self, target: String, read_until: Timestamp) {
        self.0.insert(target.into(), read_until);
    }

    /// Sets the marker, which only ever moves on. Gives what has changed: nothing, or it, and the
    /// one that is forgotten for it if there are too many.
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

    /// Returns the marker of that target.
    pub fn get(&self, target: &str) -> Option<Timestamp> {
        self.0.get(target).copied()
    }

    /// Moves a marker under another name. Gives where it stands.
    pub fn rename(&mut self, old: &str, new: &str) -> Option<Timestamp> {
        let read_until = self.0.remove(old)?;
        self.0.insert(new.into(), read_until);
        Some(read_until)
    }
}
