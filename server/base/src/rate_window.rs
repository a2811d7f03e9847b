//! Time windows of events by key, for rate limits: failed sign-ins by address, mails by recipient,
//! refusals by network.
//!
//! Each limiter defines what a window records and when it is over: for example a count since the
//! first event, a count that resets after inactivity, or the times of the last events. This module
//! bounds the number of windows, because clients choose the keys: when there are too many, the
//! oldest windows are removed.

use std::collections::HashMap;
use std::hash::Hash;

use jiff::Timestamp;

/// The record of the events of one key.
pub trait Window {
    /// Returns the time by which windows are compared. When there are too many, those with the
    /// earliest times are removed.
    fn latest(&self) -> Timestamp;

    /// Whether the window no longer has any effect.
    fn is_over(&self, now: Timestamp) -> bool;
}

/// A bounded number of windows, each with its key.
#[derive(Debug)]
pub struct RateWindows<K, W> {
    windows: HashMap<K, W>,
    capacity: usize,
}

impl<K: Clone + Eq + Hash + Ord, W: Window> RateWindows<K, W> {
    /// Returns an empty set that holds at most `capacity` windows.
    pub fn new(capacity: usize) -> Self {
        Self {
            windows: HashMap::new(),
            capacity,
        }
    }

    /// Returns the window of a key, unless there is none or it is over.
    pub fn get(&self, now: Timestamp, key: &K) -> Option<&W> {
        self.windows.get(key).filter(|window| !window.is_over(now))
    }

    /// Returns the window of a key, whether or not it is over.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut W> {
        self.windows.get_mut(key)
    }

    /// Returns the window of a key, or opens one. If the set is full, the windows that are over are
    /// removed; if there are none, the older half.
    pub fn get_or_open(&mut self, now: Timestamp, key: K, open: impl FnOnce() -> W) -> &mut W {
        if self.windows.len() >= self.capacity && !self.windows.contains_key(&key) {
            self.evict(now);
        }
        self.windows.entry(key).or_insert_with(open)
    }

    /// Removes and returns the windows that are over.
    pub fn remove_over(&mut self, now: Timestamp) -> impl Iterator<Item = (K, W)> {
        self.windows
            .extract_if(move |_, window| window.is_over(now))
    }

    /// Whether the key has a window, over or not.
    pub fn contains(&self, key: &K) -> bool {
        self.windows.contains_key(key)
    }

    /// Returns the number of windows, over or not.
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// Whether there is no window.
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// Removes the windows that are over or, if there are none, the older half.
    fn evict(&mut self, now: Timestamp) {
        self.windows.retain(|_, window| !window.is_over(now));
        if self.windows.len() < self.capacity {
            return;
        }
        let mut oldest: Vec<(Timestamp, K)> = self
            .windows
            .iter()
            .map(|(key, window)| (window.latest(), key.clone()))
            .collect();
        let half = self.capacity.div_ceil(2).min(oldest.len());
        oldest.select_nth_unstable(half - 1);
        for (_, key) in &oldest[..half] {
            self.windows.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    struct Last(Timestamp);

    impl Window for Last {
        fn latest(&self) -> Timestamp {
            self.0
        }

        fn is_over(&self, now: Timestamp) -> bool {
            now.duration_since(self.0) >= SignedDuration::from_mins(1)
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::constant(second, 0)
    }

    fn filled(count: i64) -> RateWindows<i64, Last> {
        let mut windows = RateWindows::new(8);
        for second in 0..count {
            windows.get_or_open(at(second), second, || Last(at(second)));
        }
        windows
    }

    #[test]
    fn a_window_that_is_over_is_not_returned_and_can_be_removed() {
        let mut windows = filled(2);
        assert!(windows.get(at(59), &0).is_some());
        assert!(windows.get(at(60), &0).is_none());
        let over: Vec<i64> = windows.remove_over(at(60)).map(|(key, _)| key).collect();
        assert_eq!((over, windows.len()), (vec![0], 1));
    }

    #[test]
    fn the_older_half_of_a_full_set_is_removed() {
        let windows = filled(9);
        assert_eq!(windows.len(), 5);
        assert!((4..9).all(|key| windows.contains(&key)));
    }

    #[test]
    fn windows_of_a_full_set_that_are_over_are_removed_first() {
        let mut windows = filled(8);
        windows.get_or_open(at(62), 100, || Last(at(62)));
        assert_eq!(windows.len(), 6);
        assert!(windows.contains(&3) && !windows.contains(&2));
    }

    #[test]
    fn a_set_with_a_capacity_of_one_never_holds_more() {
        let mut windows = RateWindows::new(1);
        for second in 0..3 {
            windows.get_or_open(at(second), second, || Last(at(second)));
            assert_eq!(windows.len(), 1);
        }
    }
}
