//! Counts of attempts, and how long the next one has to wait.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::time::{Duration, Instant};

/// A count is reset after this time without an attempt.
pub(super) const RESET_AFTER: Duration = Duration::from_mins(10);
/// The number of counts of each kind.
pub(super) const COUNTS: usize = 4096;

/// How long attempts have to wait, depending on their number.
pub(super) struct Waits {
    pub(super) free: u32,
    pub(super) first_seconds: u64,
    pub(super) max_seconds: u64,
}

impl Waits {
    /// Returns the time to wait after `attempts`.
    fn after(&self, attempts: u32) -> Duration {
        let Some(beyond) = attempts.checked_sub(self.free) else {
            return Duration::ZERO;
        };
        let seconds = self.first_seconds << beyond.min(16);
        Duration::from_secs(seconds.min(self.max_seconds))
    }
}

/// The attempts that did not lead to a sign-in.
#[derive(Clone, Copy)]
struct Attempts {
    count: u32,
    last: Instant,
}

/// Counts of attempts by key.
///
/// A key belongs to one of a fixed number of counts, by a hash that nobody can compute. So no
/// number of made-up keys removes a count, and nobody can choose a key that shares a certain one's.
pub(super) struct Counts {
    waits: Waits,
    hasher: RandomState,
    buckets: Vec<Option<Attempts>>,
}

impl Counts {
    pub(super) fn new(waits: Waits) -> Self {
        Self {
            waits,
            hasher: RandomState::new(),
            buckets: vec![None; COUNTS],
        }
    }

    fn of(&mut self, key: impl Hash) -> &mut Option<Attempts> {
        let hash = self.hasher.hash_one(key);
        let index =
            usize::try_from(hash % COUNTS as u64).expect("it is below the number of counts");
        &mut self.buckets[index]
    }

    /// Returns the attempts that count at this time.
    fn current(&mut self, now: Instant, key: impl Hash) -> Option<Attempts> {
        let attempts = self.of(key);
        *attempts =
            attempts.filter(|attempts| now.saturating_duration_since(attempts.last) < RESET_AFTER);
        *attempts
    }

    /// Returns the number of attempts.
    pub(super) fn count(&mut self, now: Instant, key: impl Hash) -> u32 {
        self.current(now, key).map_or(0, |attempts| attempts.count)
    }

    /// Returns how long an attempt has to wait after the earlier ones, counted from the last one.
    pub(super) fn wait(&mut self, now: Instant, key: impl Hash) -> (Duration, Option<Instant>) {
        match self.current(now, key) {
            Some(Attempts { count, last }) => (self.waits.after(count), Some(last)),
            None => (Duration::ZERO, None),
        }
    }

    /// Returns the pause that is left.
    pub(super) fn pause(&mut self, now: Instant, key: impl Hash) -> Duration {
        let (wait, last) = self.wait(now, key);
        left(now, wait, last)
    }

    pub(super) fn add(&mut self, now: Instant, key: impl Hash) {
        let attempts = self.of(key);
        let count = attempts.map_or(0, |attempts| attempts.count);
        *attempts = Some(Attempts {
            count: count.saturating_add(1),
            last: now,
        });
    }

    pub(super) fn subtract(&mut self, key: impl Hash) {
        if let Some(attempts) = self.of(key) {
            attempts.count = attempts.count.saturating_sub(1);
        }
    }

    pub(super) fn reset(&mut self, key: impl Hash) {
        *self.of(key) = None;
    }
}

/// Returns what is left of the time to wait after the last attempt.
pub(super) fn left(now: Instant, wait: Duration, last: Option<Instant>) -> Duration {
    last.map_or(Duration::ZERO, |last| {
        wait.saturating_sub(now.saturating_duration_since(last))
    })
}
