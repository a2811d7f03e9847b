//! Token buckets: limits that allow a burst, and then a steady rate.
//!
//! A bucket is stored as the time at which it will be full again (the generic cell rate algorithm,
//! GCRA), so that it is one number and needs no lock. Times are durations since a moment that the
//! owner of the buckets chooses. This module bounds the number of buckets, because clients choose
//! the keys. A bucket that is not full is never removed, so that made-up names and addresses cannot
//! restore the tokens of others.

use std::cell::Cell;
use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rookery_record::{AccountId, Network};

/// How often buckets that are full again are looked for, if there are too many.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// What uses up the tokens: an account with all its sessions, or else the network of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Payer {
    /// The account that the client is signed in to.
    Account(AccountId),
    /// The network of a client that is not signed in.
    Network(Network),
}

/// How many tokens a bucket holds, and how fast it fills.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// The nanoseconds in which the bucket receives a token.
    interval: NonZeroU64,
    /// The nanoseconds in which an empty bucket becomes full.
    burst: u64,
}

impl Rate {
    /// Returns the rate of a bucket that holds `burst` tokens and receives `tokens` in each
    /// `period`; `None`, for no limit, if either is 0.
    pub fn new(burst: u64, tokens: u64, period: Duration) -> Option<Self> {
        let interval = nanoseconds(period).checked_div(tokens)?;
        let interval = NonZeroU64::new(interval)?;
        (burst > 0).then(|| Self {
            interval,
            burst: interval.get().saturating_mul(burst),
        })
    }

    /// Returns the rate of a bucket that holds and receives `factor` times as many tokens.
    #[must_use]
    pub fn times(self, factor: NonZeroU64) -> Self {
        let interval = NonZeroU64::new(self.interval.get() / factor);
        Self {
            interval: interval.unwrap_or(NonZeroU64::MIN),
            ..self
        }
    }

    fn time_of(self, tokens: u64) -> u64 {
        self.interval.get().saturating_mul(tokens)
    }
}

/// A token bucket; at first it is full.
#[derive(Debug, Default)]
pub struct TokenBucket {
    /// When the bucket will be full, in nanoseconds.
    full_at: AtomicU64,
}

impl TokenBucket {
    /// Takes tokens out of the bucket if it has that many. Returns whether it had.
    pub fn try_take(&self, now: Duration, rate: Rate, tokens: u64) -> bool {
        let now = nanoseconds(now);
        self.update(|full_at| {
            let full_at = full_at.max(now).saturating_add(rate.time_of(tokens));
            (full_at.saturating_sub(rate.burst) <= now).then_some(full_at)
        })
        .is_some()
    }

    /// Takes as many of these tokens out of the bucket as it has. Returns how many it has not.
    pub fn take_up_to(&self, now: Duration, rate: Rate, tokens: u64) -> u64 {
        let now = nanoseconds(now);
        let rest = Cell::new(tokens);
        self.update(|full_at| {
            let full_at = full_at.max(now);
            let left = rate.burst.saturating_sub(full_at - now);
            let taken = tokens.min(left / rate.time_of(1).max(1));
            rest.set(tokens - taken);
            Some(full_at.saturating_add(rate.time_of(taken)))
        });
        rest.get()
    }

    /// Takes tokens out of the bucket, which may have fewer; it is in debt then. Returns when it
    /// will have `next` tokens, if that is later than `now`.
    pub fn take(&self, now: Duration, rate: Rate, tokens: u64, next: u64) -> Option<Duration> {
        self.take_within(now, rate, tokens, next, Duration::MAX)
    }

    /// As [`Self::take`], but takes fewer if the bucket would otherwise have `next` tokens only
    /// after more than `longest`.
    pub fn take_within(
        &self,
        now: Duration,
        rate: Rate,
        tokens: u64,
        next: u64,
        longest: Duration,
    ) -> Option<Duration> {
        let start = nanoseconds(now);
        let latest = start
            .saturating_add(nanoseconds(longest))
            .saturating_add(rate.burst)
            .saturating_sub(rate.time_of(next));
        let full_at = self.update(|at| {
            let full_at = at.max(start).saturating_add(rate.time_of(tokens));
            Some(full_at.min(latest.max(at)))
        })?;
        let ready_at = full_at
            .saturating_add(rate.time_of(next))
            .saturating_sub(rate.burst);
        (ready_at > start).then(|| Duration::from_nanos(ready_at))
    }

    /// Replaces the time at which the bucket will be full, unless `change` returns `None`. Returns
    /// the new time.
    fn update(&self, change: impl Fn(u64) -> Option<u64>) -> Option<u64> {
        let mut before = self.full_at.load(Ordering::Relaxed);
        loop {
            let after = change(before)?;
            match self.full_at.compare_exchange_weak(
                before,
                after,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(after),
                Err(changed) => before = changed,
            }
        }
    }

    fn is_full(&self, now: Duration) -> bool {
        self.full_at.load(Ordering::Relaxed) <= nanoseconds(now)
    }
}

/// A bounded number of buckets, each with its key.
#[derive(Debug)]
pub struct TokenBuckets<K> {
    buckets: HashMap<K, Arc<TokenBucket>>,
    capacity: usize,
    /// The bucket of all keys for which there is no space.
    others: Arc<TokenBucket>,
    swept_at: Option<Duration>,
}

impl<K: Eq + Hash> TokenBuckets<K> {
    /// Creates a table that holds at most `capacity` buckets. Further keys share one bucket.
    pub fn new(capacity: usize) -> Self {
        Self {
            buckets: HashMap::new(),
            capacity,
            others: Arc::default(),
            swept_at: None,
        }
    }

    /// Returns the bucket of a key. If the table is full, buckets that are full and that nothing
    /// else refers to are removed; if there are none, the key shares a bucket with others.
    pub fn get(&mut self, now: Duration, key: K) -> Arc<TokenBucket> {
        if let Some(bucket) = self.buckets.get(&key) {
            return Arc::clone(bucket);
        }
        if self.buckets.len() >= self.capacity {
            self.sweep(now);
        }
        if self.buckets.len() >= self.capacity {
            return Arc::clone(&self.others);
        }
        Arc::clone(self.buckets.entry(key).or_default())
    }

    /// Adapts to a clock that was set back by that much: the buckets are as full as before.
    pub fn set_clock_back(&mut self, by: Duration) {
        let by = nanoseconds(by);
        for bucket in self.buckets.values().chain([&self.others]) {
            bucket.update(|full_at| Some(full_at.saturating_sub(by)));
        }
        self.swept_at = None;
    }

    fn sweep(&mut self, now: Duration) {
        if self
            .swept_at
            .is_some_and(|at| now.saturating_sub(at) < SWEEP_INTERVAL)
        {
            return;
        }
        self.swept_at = Some(now);
        self.buckets
            .retain(|_, bucket| Arc::strong_count(bucket) > 1 || !bucket.is_full(now));
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn to_take_more_than_a_bucket_may_owe_does_not_fill_it() {
        let rate = Rate::new(100, 10, 2 * SECOND).unwrap();
        let bucket = TokenBucket::default();
        let (now, longest) = (1000 * SECOND, 60 * SECOND);
        for tokens in [100, 1000, 1000] {
            bucket.take_within(now, rate, tokens, tokens, longest);
            assert!(!bucket.try_take(now, rate, 10), "{tokens}");
        }
    }

    fn rate(burst: u64, per_second: u64) -> Rate {
        Rate::new(burst, per_second, SECOND).unwrap()
    }

    #[test]
    fn a_bucket_allows_a_burst_and_then_a_steady_rate() {
        let bucket = TokenBucket::default();
        let take =
            |milliseconds| bucket.try_take(Duration::from_millis(milliseconds), rate(3, 2), 1);
        assert!(take(0) && take(0) && take(0));
        assert!(!take(0) && !take(499));
        assert!(take(500));
        assert!(!take(500), "a refusal takes nothing");
        assert!(take(1000));
        assert!(take(9000) && take(9000) && take(9000) && !take(9000));
    }

    #[test]
    fn what_a_bucket_has_is_taken_even_if_it_is_not_enough() {
        let bucket = TokenBucket::default();
        let take = |seconds, tokens| bucket.take_up_to(seconds * SECOND, rate(10, 2), tokens);
        assert_eq!(take(1, 7), 0);
        assert_eq!(take(1, 7), 4);
        assert_eq!(take(1, 7), 7);
        assert_eq!(take(3, 7), 3);
        assert_eq!(take(60, 10), 0);
    }

    #[test]
    fn tokens_that_are_taken_beyond_the_burst_delay_the_next() {
        let bucket = TokenBucket::default();
        assert_eq!(bucket.take(SECOND, rate(10, 2), 9, 1), None);
        assert_eq!(
            bucket.take(SECOND, rate(10, 2), 5, 1),
            Some(SECOND + Duration::from_millis(2500))
        );
    }

    #[test]
    fn a_multiple_of_a_rate_allows_a_multiple_of_its_burst() {
        let bucket = TokenBucket::default();
        let rate = rate(2, 1).times(NonZeroU64::new(5).unwrap());
        let take = |now| bucket.try_take(now, rate, 1);
        assert!((0..10).all(|_| take(SECOND)) && !take(SECOND));
        assert!((0..5).all(|_| take(2 * SECOND)) && !take(2 * SECOND));
    }

    #[test]
    fn without_a_burst_or_a_rate_there_is_no_limit() {
        assert!(Rate::new(0, 4, SECOND).is_none());
        assert!(Rate::new(4, 0, SECOND).is_none());
    }

    #[test]
    fn memory_is_bounded_and_made_up_keys_restore_no_tokens() {
        let mut buckets = TokenBuckets::new(8);
        assert!(buckets.get(SECOND, 0).try_take(SECOND, rate(1, 1), 1));
        let held = buckets.get(SECOND, 1);
        for key in 2..100 {
            buckets.get(SECOND, key).take(SECOND, rate(1, 1), 10, 1);
        }
        assert_eq!(buckets.buckets.len(), 8);
        assert!(!buckets.get(SECOND, 0).try_take(SECOND, rate(1, 1), 1));
        assert!(
            !buckets.get(SECOND, 1000).try_take(SECOND, rate(1, 1), 1),
            "keys without a bucket of their own share one"
        );
        let later = 30 * SECOND;
        let new = buckets.get(later, 1000);
        assert!(new.try_take(later, rate(1, 1), 1), "there is space again");
        assert!(Arc::ptr_eq(&held, &buckets.get(later, 1)), "it is in use");
    }
}
