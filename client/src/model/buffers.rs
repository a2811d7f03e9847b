//! The buffers of all places, which of them is the current one, and how much is unread. Bounded: the oldest lines of
//! the longest buffer go first.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Body, Buffer, Place};

/// Lines kept in one buffer.
const MAX_LINES: usize = 20_000;
/// Lines kept in all of them.
const MAX_LINES_TOGETHER: usize = 100_000;
/// Buffers for direct messages; strangers can open them, so they are bounded as well.
const MAX_BUFFERS: usize = 500;

/// All places.
#[derive(Debug)]
pub struct Buffers {
    pub(super) list: Vec<Buffer>,
    pub(super) current: usize,
    /// Somebody looks at the current one, as far as we know.
    watched: bool,
    together: usize,
    /// Places that count nothing and ring no bell.
    muted: BTreeSet<Place>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self {
            list: vec![Buffer::new(Place::Server)],
            current: 0,
            watched: true,
            together: 0,
            muted: BTreeSet::new(),
        }
    }
}

impl Buffers {
    /// In the order in which they are listed.
    pub fn list(&self) -> &[Buffer] {
        &self.list
    }

    /// The one that is shown.
    pub fn current(&self) -> &Buffer {
        &self.list[self.current]
    }

    /// Its place in the list.
    pub fn index(&self) -> usize {
        self.current
    }

    /// Shows the one at `index`, if there is one.
    pub fn show(&mut self, index: usize) {
        if index < self.list.len() && index != self.current {
            self.leave();
            self.current = index;
            if self.watched {
                self.look();
            }
        }
    }

    /// Shows the next one, or the one before.
    pub fn step(&mut self, forward: bool) {
        let count = self.list.len();
        self.show(if forward { self.current + 1 } else { self.current + count - 1 } % count);
    }

    /// Shows one with unread messages, those that call us first.
    pub fn show_unread(&mut self) {
        let unread = |buffer: &Buffer| (buffer.calls > 0, buffer.unread > 0);
        let found = (0..self.list.len()).rev().max_by_key(|&index| unread(&self.list[index]));
        if let Some(index) = found.filter(|&index| self.list[index].unread > 0) {
            self.show(index);
        }
    }

    /// Shows a place, which is opened if need be.
    pub fn open(&mut self, place: Place) {
        let index = self.at(place);
        self.show(index);
    }

    /// Whether someone looks at the terminal.
    pub fn watch(&mut self, watched: bool) {
        if watched && !self.watched {
            self.look();
        } else if !watched && self.watched {
            self.leave();
        }
        self.watched = watched;
    }

    /// Whether a place counts nothing and rings no bell.
    pub fn is_muted(&self, place: &Place) -> bool {
        self.muted.contains(place)
    }

    /// Mutes a place.
    pub fn mute(&mut self, place: Place) {
        self.muted.insert(place);
    }

    /// Ends that.
    pub fn unmute(&mut self, place: &Place) {
        self.muted.remove(place);
    }

    /// All that are muted.
    pub fn muted(&self) -> impl Iterator<Item = &Place> {
        self.muted.iter()
    }

    /// Puts the place away.
    pub fn close(&mut self, place: &Place) {
        let Some(index) = self.position(place) else { return };
        if *place == Place::Server {
            return;
        }
        let buffer = self.list.remove(index);
        self.together -= buffer.lines().len();
        if self.current == index {
            self.current = index.min(self.list.len() - 1);
            if self.watched {
                self.look();
            }
        } else if self.current > index {
            self.current -= 1;
        }
    }

    /// Writes something of our own where it is seen.
    pub fn tell(&mut self, at: Timestamp, words: &str) {
        self.push(self.current, at, Body::Info(words.into()));
    }

    /// The same for what was not done.
    pub fn refuse(&mut self, at: Timestamp, words: &str) {
        self.push(self.current, at, Body::Refused(words.into()));
    }

    /// Where that place is in the list, if it is open.
    pub(super) fn position(&self, place: &Place) -> Option<usize> {
        self.list.iter().position(|buffer| buffer.place == *place)
    }

    /// Somebody looks at that one, as far as we know.
    pub(super) fn is_seen(&self, index: usize) -> bool {
        index == self.current && self.watched
    }

    pub(super) fn push(&mut self, index: usize, at: Timestamp, body: Body) {
        let seen = self.is_seen(index);
        let buffer = &mut self.list[index];
        let id = buffer.push(at, body);
        if !seen {
            buffer.new_from.get_or_insert(id);
        }
        self.together += 1;
        if buffer.lines().len() > MAX_LINES {
            buffer.drop_first();
            self.together -= 1;
        }
        if self.together > MAX_LINES_TOGETHER
            && let Some(longest) = self.list.iter_mut().max_by_key(|buffer| buffer.lines().len())
        {
            longest.drop_first();
            self.together -= 1;
        }
    }

    /// The index of a place, which is opened if need be.
    pub(super) fn at(&mut self, place: Place) -> usize {
        let found = self.list.binary_search_by(|buffer| buffer.place.cmp(&place));
        found.unwrap_or_else(|mut index| {
            if self.list.len() >= MAX_BUFFERS
                && let Some(oldest) = self.least_wanted()
            {
                self.close(&oldest);
                index = self.list.partition_point(|buffer| buffer.place < place);
            }
            self.list.insert(index, Buffer::new(place));
            if index <= self.current {
                self.current += 1;
            }
            index
        })
    }

    /// The conversation with one person that has been silent longest, unless someone looks at it.
    fn least_wanted(&self) -> Option<Place> {
        let people = self
            .list
            .iter()
            .enumerate()
            .filter(|(index, buffer)| *index != self.current && matches!(buffer.place, Place::Person(_)));
        let (_, oldest) = people.min_by_key(|(_, buffer)| buffer.lines().back().map(|line| line.at))?;
        Some(oldest.place.clone())
    }

    /// A conversation with one person goes on under their new name.
    pub(super) fn follow_nick(&mut self, old: &str, new: &str) {
        let (Some(old), Some(new)) = (Place::person(old), Place::person(new)) else { return };
        let Some(from) = self.position(&old) else { return };
        if self.position(&new).is_some() {
            return;
        }
        let was_current = self.current == from;
        let mut buffer = self.list.remove(from);
        if self.current > from {
            self.current -= 1;
        }
        buffer.place = new.clone();
        let to = self.list.partition_point(|buffer| buffer.place < new);
        self.list.insert(to, buffer);
        if was_current {
            self.current = to;
        } else if self.current >= to {
            self.current += 1;
        }
    }

    /// What is in view is read from now on.
    fn look(&mut self) {
        let buffer = &mut self.list[self.current];
        (buffer.unread, buffer.calls) = (0, 0);
    }

    /// What comes from now on is new to whoever returns.
    fn leave(&mut self) {
        self.list[self.current].new_from = None;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
