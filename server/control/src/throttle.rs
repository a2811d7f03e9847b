//! How often a sign-in may be tried. Pauses grow with each failure, and are bounded, so that
//! guessing takes for ever and yet nobody can lock an admin out.
//!
//! Three counts run over ten minutes: of one admin from one network (strict), of one network
//! whoever it claims to be, and of one admin from wherever (loose). The last could keep an admin
//! waiting while others guess, so its pause is short, and a network from which the admin has signed
//! in before is spared it.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use rookery_protocol::AccountName;

/// A count is forgotten when nothing was added to it for that long.
const WINDOW: SignedDuration = SignedDuration::from_mins(10);
/// Counts of each sort that are kept.
const COUNTS: usize = 4096;
/// Admins at networks they have signed in from.
const KNOWN: usize = 256;

/// The growing pause of one sort of count.
struct Pause {
    /// The free attempts, in units of `limits.failed_sign_ins`.
    free: u32,
    first_seconds: i64,
    longest_seconds: i64,
}

const BOTH: Pause = Pause {
    free: 1,
    first_seconds: 5,
    longest_seconds: 300,
};
const NETWORK: Pause = Pause {
    free: 4,
    first_seconds: 5,
    longest_seconds: 300,
};
const ADMIN: Pause = Pause {
    free: 10,
    first_seconds: 1,
    longest_seconds: 10,
};

impl Pause {
    /// How long after that many attempts the next may come.
    fn after(&self, attempts: u32, unit: u32) -> SignedDuration {
        let free = self.free.saturating_mul(unit);
        let Some(beyond) = attempts.checked_sub(free) else {
            return SignedDuration::ZERO;
        };
        let seconds = self.first_seconds << beyond.min(16);
        SignedDuration::from_secs(seconds.min(self.longest_seconds))
    }
}

/// Attempts that did not end in a sign-in.
#[derive(Clone, Copy)]
struct Count {
    attempts: u32,
    last: Timestamp,
}

/// The attempts of the last minutes.
#[derive(Default)]
pub struct Throttle {
    both: Counts<(Admin, IpAddr)>,
    networks: Counts<IpAddr>,
    admins: Counts<Admin>,
    known: Counts<(Admin, IpAddr)>,
}

/// Admins are named as accounts are, and compared as those are: another way to write a name is no
/// way around its count. None for all that can be nobody's name, however long.
type Admin = Option<AccountName>;

impl Throttle {
    /// Someone is about to try. Counts as a failure until [`Self::succeeded`] says otherwise, so
    /// that attempts side by side are no way around it. `unit` is `limits.failed_sign_ins`. Gives
    /// the seconds to wait if it is too early.
    pub fn begin(
        &mut self,
        now: Timestamp,
        admin: &str,
        network: IpAddr,
        unit: u32,
    ) -> Result<(), u64> {
        if unit == 0 {
            return Ok(());
        }
        let admin: Admin = AccountName::parse(admin).ok();
        let both = (admin.clone(), network);
        let mut wait = self
            .both
            .wait(now, &both, &BOTH, unit)
            .max(self.networks.wait(now, &network, &NETWORK, unit));
        if !self.known.0.contains_key(&both) {
            wait = wait.max(self.admins.wait(now, &admin, &ADMIN, unit));
        }
        if wait > SignedDuration::ZERO {
            // Rounded up: whoever waits that long is not too early.
            return Err(wait.as_secs().unsigned_abs() + u64::from(wait.subsec_nanos() > 0));
        }
        self.both.add(now, both, COUNTS);
        self.networks.add(now, network, COUNTS);
        self.admins.add(now, admin, COUNTS);
        Ok(())
    }

    /// The sign-in that began there has come to its good end.
    pub fn succeeded(&mut self, now: Timestamp, admin: &str, network: IpAddr) {
        let admin: Admin = AccountName::parse(admin).ok();
        let both = (admin.clone(), network);
        self.both.0.remove(&both);
        self.networks.take_back(&network);
        self.admins.take_back(&admin);
        self.known.add(now, both, KNOWN);
    }
}

struct Counts<K>(HashMap<K, Count>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash + Clone> Counts<K> {
    fn wait(&self, now: Timestamp, key: &K, pause: &Pause, unit: u32) -> SignedDuration {
        self.0
            .get(key)
            .filter(|count| now.duration_since(count.last) < WINDOW)
            .map_or(SignedDuration::ZERO, |count| {
                pause.after(count.attempts, unit) - now.duration_since(count.last)
            })
    }

    /// Adds one; makes room for it, if need be, by forgetting what is oldest.
    fn add(&mut self, now: Timestamp, key: K, room: usize) {
        if self.0.len() >= room && !self.0.contains_key(&key) {
            let oldest = self
                .0
                .iter()
                .min_by_key(|(_, count)| count.last)
                .map(|(key, _)| key.clone());
            oldest.map(|key| self.0.remove(&key));
        }
        let count = self.0.entry(key).or_insert(Count {
            attempts: 0,
            last: now,
        });
        if now.duration_since(count.last) >= WINDOW {
            count.attempts = 0;
        }
        *count = Count {
            attempts: count.attempts.saturating_add(1),
            last: now,
        };
    }

    fn take_back(&mut self, key: &K) {
        if let Some(count) = self.0.get_mut(key) {
            count.attempts = count.attempts.saturating_sub(1);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const UNIT: u32 = 10;

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
    }

    fn network(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn elsewhere(number: u32) -> IpAddr {
        IpAddr::from((10 << 24 | number).to_be_bytes())
    }

    #[test]
    fn pauses_grow_with_each_failure_up_to_five_minutes() {
        let mut throttle = Throttle::default();
        for _ in 0..UNIT {
            assert_eq!(throttle.begin(at(0), "root", network(1), UNIT), Ok(()));
        }
        let mut now = 0;
        let mut pauses = Vec::new();
        for _ in 0..10 {
            let Err(seconds) = throttle.begin(at(now), "Root", network(1), UNIT) else {
                panic!("no pause after {pauses:?}");
            };
            pauses.push(seconds);
            now += i64::try_from(seconds).unwrap();
            assert_eq!(
                throttle.begin(at(now), "root", network(1), UNIT),
                Ok(()),
                "after the pause"
            );
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300, 300]);
    }

    #[test]
    fn asking_too_early_makes_the_pause_no_longer() {
        let mut throttle = Throttle::default();
        for _ in 0..UNIT {
            throttle.begin(at(0), "root", network(1), UNIT).unwrap();
        }
        for _ in 0..100 {
            assert_eq!(throttle.begin(at(1), "root", network(1), UNIT), Err(4));
        }
        assert_eq!(throttle.begin(at(5), "root", network(1), UNIT), Ok(()));
    }

    #[test]
    fn failures_of_one_network_leave_the_admin_free_at_another() {
        let mut throttle = Throttle::default();
        while throttle.begin(at(0), "root", network(1), UNIT).is_ok() {}
        assert_eq!(throttle.begin(at(0), "root", network(2), UNIT), Ok(()));
    }

    #[test]
    fn another_way_to_write_the_name_is_no_way_around() {
        let mut throttle = Throttle::default();
        while throttle.begin(at(0), "root", network(1), UNIT).is_ok() {}
        for same in ["ROOT", "ｒｏｏｔ", "rｏOt"] {
            assert_eq!(
                throttle.begin(at(1), same, network(1), UNIT),
                Err(4),
                "{same}"
            );
        }
    }

    #[test]
    fn what_can_be_nobodys_name_takes_no_room() {
        let mut throttle = Throttle::default();
        for number in 0..20 {
            throttle
                .begin(at(0), &"x".repeat(1000 + number), network(1), 20)
                .unwrap();
        }
        assert_eq!((throttle.both.0.len(), throttle.admins.0.len()), (1, 1));
    }

    #[test]
    fn one_network_cannot_go_through_all_names() {
        let mut throttle = Throttle::default();
        let tried = (0..1000)
            .take_while(|name| {
                throttle
                    .begin(at(0), &format!("name{name}"), network(1), UNIT)
                    .is_ok()
            })
            .count();
        assert_eq!(tried, 4 * UNIT as usize);
    }

    #[test]
    fn guessing_from_everywhere_slows_strangers_down_but_not_the_admin_at_home() {
        let mut throttle = Throttle::default();
        throttle.begin(at(0), "root", network(1), UNIT).unwrap();
        throttle.succeeded(at(0), "root", network(1));
        let tried = (0..1000)
            .take_while(|number| {
                throttle
                    .begin(at(1), "root", elsewhere(*number), UNIT)
                    .is_ok()
            })
            .count();
        assert_eq!(tried, 10 * UNIT as usize);
        assert_eq!(
            throttle.begin(at(1), "root", network(1), UNIT),
            Ok(()),
            "a network known for its sign-ins"
        );
        for number in 0..100 {
            let _ = throttle.begin(
                at(60 * i64::from(number)),
                "root",
                elsewhere(5000 + number),
                UNIT,
            );
        }
        assert!(
            throttle
                .begin(at(6000), "root", network(2), UNIT)
                .map_or_else(|wait| wait <= 10, |()| true)
        );
    }

    #[test]
    fn a_sign_in_wipes_the_slate_and_so_does_time() {
        let mut throttle = Throttle::default();
        while throttle.begin(at(0), "root", network(1), UNIT).is_ok() {}
        throttle.succeeded(at(0), "ROOT", network(1));
        assert_eq!(throttle.begin(at(0), "root", network(1), UNIT), Ok(()));

        while throttle.begin(at(0), "other", network(2), UNIT).is_ok() {}
        for _ in 0..UNIT {
            assert_eq!(throttle.begin(at(600), "other", network(2), UNIT), Ok(()));
        }
    }

    #[test]
    fn the_counts_are_bounded_and_can_be_switched_off() {
        let mut throttle = Throttle::default();
        for number in 0..2 * u32::try_from(COUNTS).unwrap() {
            throttle
                .begin(
                    at(i64::from(number)),
                    &format!("name{number}"),
                    elsewhere(number),
                    UNIT,
                )
                .unwrap();
        }
        assert_eq!(throttle.both.0.len(), COUNTS);
        for _ in 0..1000 {
            assert_eq!(throttle.begin(at(9000), "root", network(1), 0), Ok(()));
        }
    }
}
