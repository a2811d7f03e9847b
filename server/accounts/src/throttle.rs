//! Limits on the rates of failed sign-ins and of mails, by address and by account or recipient.
//!
//! Each key has a sliding window with the times of its last events. The number of keys is bounded
//! ([`RateWindows`]), so that an attacker with many addresses or names cannot exhaust the memory.

use std::collections::VecDeque;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use rookery_base::rate_window::{RateWindows, Window};

/// The maximum number of keys with events.
const MAX_KEYS: usize = 100_000;
/// The maximum number of times remembered for one key, whatever the limit.
const MAX_TIMES: usize = 1000;

/// A kind of event that is counted, and whose.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Failed sign-ins from an address.
    FailuresFrom(IpAddr),
    /// Failed sign-ins for a name or email as typed (folded). The name and the email of one account
    /// are counted separately: counting them together would reveal that they belong together.
    FailuresFor(String),
    /// Mails and registrations requested from an address.
    MailsFrom(IpAddr),
    /// Mails to one email (folded).
    MailsTo(String),
}

impl Key {
    fn window(&self) -> SignedDuration {
        match self {
            Self::FailuresFrom(_) | Self::FailuresFor(_) => SignedDuration::from_mins(10),
            Self::MailsFrom(_) | Self::MailsTo(_) => SignedDuration::from_hours(1),
        }
    }
}

/// The number of minutes that must pass before the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Rounded up; at least one.
    pub minutes: i64,
}

/// The times of one key's events, oldest first.
#[derive(Debug)]
struct Times {
    window: SignedDuration,
    times: VecDeque<Timestamp>,
}

impl Times {
    /// Returns when the oldest of the last `limit` events leaves the window, if there are that
    /// many.
    fn free_at(&mut self, now: Timestamp, limit: usize) -> Option<Timestamp> {
        while self
            .times
            .front()
            .is_some_and(|&time| time + self.window <= now)
        {
            self.times.pop_front();
        }
        let index = self.times.len().checked_sub(limit)?;
        self.times.get(index).map(|&time| time + self.window)
    }

    fn add(&mut self, now: Timestamp) {
        self.times.push_back(now);
        if self.times.len() > MAX_TIMES {
            self.times.pop_front();
        }
    }
}

impl Window for Times {
    fn latest(&self) -> Timestamp {
        self.times.back().copied().unwrap_or(Timestamp::MIN)
    }

    fn is_over(&self, now: Timestamp) -> bool {
        self.times
            .back()
            .is_none_or(|&time| time + self.window <= now)
    }
}

/// Counts events by key.
#[derive(Debug)]
pub struct Throttle {
    times: Mutex<RateWindows<Key, Times>>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            times: Mutex::new(RateWindows::new(MAX_KEYS)),
        }
    }
}

impl Throttle {
    /// Checks that none of the keys has reached `limit` (0: no limit).
    pub fn check(&self, now: Timestamp, keys: &[Key], limit: u32) -> Result<(), Wait> {
        check(&mut self.times.lock(), now, keys, limit)
    }

    /// Counts one event for every key.
    pub fn add(&self, now: Timestamp, keys: &[Key]) {
        add(&mut self.times.lock(), now, keys);
    }

    /// Counts one event for every key, or for none if one of them has reached `limit` (0: no
    /// limit).
    pub fn count(&self, now: Timestamp, keys: &[Key], limit: u32) -> Result<(), Wait> {
        let mut windows = self.times.lock();
        check(&mut windows, now, keys, limit)?;
        add(&mut windows, now, keys);
        Ok(())
    }
}

fn check(
    windows: &mut RateWindows<Key, Times>,
    now: Timestamp,
    keys: &[Key],
    limit: u32,
) -> Result<(), Wait> {
    if limit == 0 {
        return Ok(());
    }
    for key in keys {
        let window = windows.get_mut(key);
        if let Some(free_at) = window.and_then(|times| times.free_at(now, limit as usize)) {
            let minutes = (free_at.duration_since(now).as_secs() + 59) / 60;
            return Err(Wait {
                minutes: minutes.max(1),
            });
        }
    }
    Ok(())
}

fn add(windows: &mut RateWindows<Key, Times>, now: Timestamp, keys: &[Key]) {
    for key in keys {
        let open = || Times {
            window: key.window(),
            times: VecDeque::new(),
        };
        windows.get_or_open(now, key.clone(), open).add(now);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rookery_base::net::network;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::constant(1_800_000_000 + second, 0)
    }

    fn name(text: &str) -> Key {
        Key::FailuresFor(text.to_owned())
    }

    #[test]
    fn the_limit_applies_for_one_window_and_the_wait_is_reported() {
        let throttle = Throttle::default();
        for second in 0..3 {
            throttle.count(at(second), &[name("a")], 3).unwrap();
        }
        assert_eq!(
            throttle.count(at(3), &[name("a")], 3),
            Err(Wait { minutes: 10 })
        );
        assert_eq!(
            throttle.count(at(590), &[name("a")], 3),
            Err(Wait { minutes: 1 })
        );
        throttle.count(at(3), &[name("b")], 3).unwrap();
        throttle.count(at(600), &[name("a")], 3).unwrap();
        throttle.count(at(600), &[name("a")], 0).unwrap();
    }

    #[test]
    fn one_full_key_leaves_the_others_uncounted() {
        let throttle = Throttle::default();
        throttle.count(at(0), &[name("full")], 1).unwrap();
        assert!(
            throttle
                .count(at(0), &[name("free"), name("full")], 1)
                .is_err()
        );
        throttle.count(at(0), &[name("free")], 1).unwrap();
    }

    #[test]
    fn a_check_counts_nothing() {
        let throttle = Throttle::default();
        for _ in 0..10 {
            throttle.check(at(0), &[name("a")], 1).unwrap();
        }
        throttle.add(at(0), &[name("a")]);
        assert!(throttle.check(at(0), &[name("a")], 1).is_err());
    }

    #[test]
    fn memory_is_bounded_and_the_newest_counts_remain() {
        let throttle = Throttle::default();
        let count = i64::try_from(MAX_KEYS).unwrap() + 10;
        for index in 0..count {
            throttle
                .count(
                    at(0) + SignedDuration::from_micros(index),
                    &[Key::MailsTo(index.to_string())],
                    1,
                )
                .unwrap();
        }
        assert!(throttle.times.lock().len() <= MAX_KEYS);
        assert!(
            throttle
                .count(at(1), &[Key::MailsTo((count - 1).to_string())], 1)
                .is_err()
        );
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let parse = |text: &str| network(text.parse().unwrap());
        assert_eq!(parse("2001:db8::1"), parse("2001:db8::ffff:0:1"));
        assert_ne!(parse("2001:db8::1"), parse("2001:db8:0:1::1"));
        assert_eq!(parse("::ffff:192.0.2.1"), parse("192.0.2.1"));
        assert_ne!(parse("192.0.2.1"), parse("192.0.2.2"));
    }
}
