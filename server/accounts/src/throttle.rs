//! How often the same may be tried: failed sign-ins and mails, by address and by whom they are for.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// Keys remembered at once. Past it the oldest thoughts go, so that memory stays bounded under
/// attack.
const MAX_KEYS: usize = 100_000;
/// Times remembered of one key, whatever the limit.
const MAX_TIMES: usize = 1000;

type Times = HashMap<Key, VecDeque<Timestamp>>;

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// Failed sign-ins from an address.
    FailuresFrom(IpAddr),
    /// Failed sign-ins for a name or email as typed (folded). One account counts apart by its name
    /// and by its email: if they counted together, it could be found out that they belong together.
    FailuresFor(String),
    /// Mails and registrations asked for from an address.
    MailsFrom(IpAddr),
    /// Mails to one email (folded).
    MailsTo(String),
}

/// So many minutes must pass before the next try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    pub minutes: i64,
}

/// The times of what was counted, by key.
#[derive(Debug, Default)]
pub struct Throttle {
    times: Mutex<Times>,
}

impl Key {
    fn window(&self) -> SignedDuration {
        match self {
            Self::FailuresFrom(_) | Self::FailuresFor(_) => SignedDuration::from_mins(10),
            Self::MailsFrom(_) | Self::MailsTo(_) => SignedDuration::from_hours(1),
        }
    }
}

impl Throttle {
    /// Whether none of the keys has reached `limit` (0: no limit).
    pub fn check(&self, now: Timestamp, keys: &[Key], limit: u32) -> Result<(), Wait> {
        check(&mut self.lock(), now, keys, limit)
    }

    /// Counts one more under every key.
    pub fn add(&self, now: Timestamp, keys: &[Key]) {
        add(&mut self.lock(), now, keys);
    }

    /// Counts one more under every key, or none if one of them has reached `limit` (0: no limit).
    pub fn count(&self, now: Timestamp, keys: &[Key], limit: u32) -> Result<(), Wait> {
        let mut times = self.lock();
        check(&mut times, now, keys, limit)?;
        add(&mut times, now, keys);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Times> {
        // No code inside can panic half-way.
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check(times: &mut Times, now: Timestamp, keys: &[Key], limit: u32) -> Result<(), Wait> {
    let limit = limit as usize;
    for key in keys {
        let Some(earlier) = times.get_mut(key) else {
            continue;
        };
        forget(earlier, key, now);
        if limit > 0 && earlier.len() >= limit {
            let free_at = earlier[earlier.len() - limit] + key.window();
            let minutes = (free_at.duration_since(now).as_secs() + 59) / 60;
            return Err(Wait {
                minutes: minutes.max(1),
            });
        }
    }
    Ok(())
}

fn add(times: &mut Times, now: Timestamp, keys: &[Key]) {
    make_room(times, now);
    for key in keys {
        let counted = times.entry(key.clone()).or_default();
        counted.push_back(now);
        if counted.len() > MAX_TIMES {
            counted.pop_front();
        }
    }
}

fn forget(times: &mut VecDeque<Timestamp>, key: &Key, now: Timestamp) {
    while times
        .front()
        .is_some_and(|&time| time + key.window() <= now)
    {
        times.pop_front();
    }
}

fn make_room(times: &mut Times, now: Timestamp) {
    if times.len() < MAX_KEYS {
        return;
    }
    times.retain(|key, times| {
        forget(times, key, now);
        !times.is_empty()
    });
    if times.len() >= MAX_KEYS {
        let mut newest: Vec<Timestamp> = times
            .values()
            .filter_map(|times| times.back().copied())
            .collect();
        let (_, &mut middle, _) = newest.select_nth_unstable(MAX_KEYS / 2);
        times.retain(|_, times| times.back().is_some_and(|&time| time > middle));
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
    fn the_limit_holds_for_a_window_and_tells_how_long() {
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
    fn one_full_key_keeps_the_others_uncounted() {
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
    fn memory_is_bounded_and_the_newest_is_kept() {
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
        assert!(throttle.lock().len() <= MAX_KEYS);
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
