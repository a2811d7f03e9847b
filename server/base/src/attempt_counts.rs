//! Counts of attempts by key, and how long the next attempt has to wait.
//!
//! The counts are in tables of fixed size: a key belongs to one of them, by a hash that nobody can
//! compute. So no number of made-up keys removes a count, and nobody can choose a key that shares a
//! certain one's.
//!
//! The time is that of a clock that only goes forward ([`Instant`]).

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::time::{Duration, Instant};

/// How long the attempts at a name count after the last one.
const RESET_NAME_AFTER: Duration = Duration::from_mins(10);
/// The number of failures of a site from which on it makes no difference how often it has failed.
pub const MANY_OF_SITE: u32 = 3;
/// The longest pause between attempts at one name from sites with fewer failures: so short that
/// hundreds of sites are needed to use up every turn.
const MAX_PAUSE_AFTER_FEW: Duration = Duration::from_secs(1);

/// How long attempts have to wait, depending on their number.
pub struct Waits {
    /// The number of attempts that cause no wait.
    pub free: u32,
    /// The wait after these, in seconds. It doubles with each further attempt.
    pub first_seconds: u64,
    /// The longest wait, in seconds.
    pub max_seconds: u64,
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

/// The attempts that count for one key.
#[derive(Clone, Copy)]
struct Attempts {
    count: u32,
    last: Instant,
}

/// Counts of attempts by key.
pub struct Counts {
    reset_after: Duration,
    hasher: RandomState,
    buckets: Vec<Option<Attempts>>,
}

impl Counts {
    /// Creates a table of `size` counts, each of which is reset after that time without an attempt.
    ///
    /// # Panics
    /// If `size` is 0.
    pub fn new(size: usize, reset_after: Duration) -> Self {
        assert!(size > 0, "keys need a count");
        Self {
            reset_after,
            hasher: RandomState::new(),
            buckets: vec![None; size],
        }
    }

    fn of(&mut self, key: impl Hash) -> &mut Option<Attempts> {
        let hash = self.hasher.hash_one(key);
        let index = usize::try_from(hash % self.buckets.len() as u64)
            .expect("it is below the number of counts");
        &mut self.buckets[index]
    }

    /// Returns the attempts that count at this time.
    fn current(&mut self, now: Instant, key: impl Hash) -> &mut Option<Attempts> {
        let reset_after = self.reset_after;
        let attempts = self.of(key);
        *attempts =
            attempts.filter(|attempts| now.saturating_duration_since(attempts.last) < reset_after);
        attempts
    }

    /// Returns the number of attempts.
    pub fn count(&mut self, now: Instant, key: impl Hash) -> u32 {
        self.current(now, key).map_or(0, |attempts| attempts.count)
    }

    /// Returns how long an attempt has to wait after the last one.
    pub fn wait(&mut self, now: Instant, key: impl Hash, waits: &Waits) -> Duration {
        waits.after(self.count(now, key))
    }

    /// Returns what is left of the time to wait after the last attempt.
    pub fn pause(&mut self, now: Instant, key: impl Hash, waits: &Waits) -> Duration {
        let Some(Attempts { count, last }) = *self.current(now, key) else {
            return Duration::ZERO;
        };
        left(now, waits.after(count), last)
    }

    /// Counts an attempt.
    pub fn add(&mut self, now: Instant, key: impl Hash) {
        let attempts = self.current(now, key);
        let count = attempts.map_or(0, |attempts| attempts.count);
        *attempts = Some(Attempts {
            count: count.saturating_add(1),
            last: now,
        });
    }

    /// Takes back one attempt.
    pub fn subtract(&mut self, key: impl Hash) {
        if let Some(attempts) = self.of(key) {
            attempts.count = attempts.count.saturating_sub(1);
        }
    }

    /// Takes back all attempts.
    pub fn reset(&mut self, key: impl Hash) {
        *self.of(key) = None;
    }
}

/// Attempts at names by strangers anywhere, those at one name counted together.
///
/// After a number of them, each causes a pause of one second, which doubles up to ten seconds, but
/// only for the sites that have failed as often: never, once or twice, or more often. The pauses of
/// those that have failed less often than [`MANY_OF_SITE`] last a second at most. So a site that
/// guesses again and again does not use up the turns of one that has not failed, or has only
/// mistyped a password.
pub struct NameAttempts {
    names: Counts,
    /// By the name and how often the site has failed. Only the time of the last one matters.
    turns: Counts,
}

impl NameAttempts {
    /// Creates tables of `size` counts.
    pub fn new(size: usize) -> Self {
        Self {
            names: Counts::new(size, RESET_NAME_AFTER),
            turns: Counts::new(size, RESET_NAME_AFTER),
        }
    }

    /// Returns what is left of the pause until the next attempt at a name, of which `free` cause no
    /// pause, from a site that has failed so often.
    pub fn pause(&mut self, now: Instant, name: impl Hash, failures: u32, free: u32) -> Duration {
        let waits = Waits {
            free,
            first_seconds: 1,
            max_seconds: 10,
        };
        let mut wait = self.names.wait(now, &name, &waits);
        if failures < MANY_OF_SITE {
            wait = wait.min(MAX_PAUSE_AFTER_FEW);
        }
        let last = *self.turns.current(now, turn(&name, failures));
        last.map_or(Duration::ZERO, |attempts| left(now, wait, attempts.last))
    }

    /// Notes the time of an attempt from a site that has failed so often. The next one from such a
    /// site has to wait for the pause.
    pub fn take_turn(&mut self, now: Instant, name: impl Hash, failures: u32) {
        self.turns.add(now, turn(&name, failures));
    }

    /// Takes back that a turn was used up.
    pub fn return_turn(&mut self, name: impl Hash, failures: u32) {
        self.turns.reset(turn(&name, failures));
    }

    /// Counts an attempt.
    pub fn add(&mut self, now: Instant, name: impl Hash) {
        self.names.add(now, name);
    }

    /// Takes back one attempt.
    pub fn subtract(&mut self, name: impl Hash) {
        self.names.subtract(name);
    }
}

fn turn<N: Hash>(name: &N, failures: u32) -> (&N, u32) {
    (name, failures.min(MANY_OF_SITE))
}

/// Returns what is left of the time to wait after the last attempt.
fn left(now: Instant, wait: Duration, last: Instant) -> Duration {
    wait.saturating_sub(now.saturating_duration_since(last))
}
