//! Limits the attempts to sign in. The pauses grow with each failure, so that guessing takes too
//! long, and are bounded, so that no one can lock an admin out.
//!
//! Attempts are counted in three ways, each over ten minutes:
//!
//! - of one admin from one network: the strictest limit;
//! - from one network, for all names together: a looser limit;
//! - of one admin from all networks together: the loosest limit. An attacker could use it to delay
//!   the admin, so its pause is short, and it does not apply to networks from which the admin has
//!   signed in.

use std::hash::Hash;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use rookery_base::rate_window::{RateWindows, Window};
use rookery_protocol::AccountName;

/// The unit of the limits: the number of attempts of one admin from one network without a pause. It
/// is no setting, so that the control plane cannot be left without a throttle.
const UNIT: u32 = 10;
/// A count is reset after this time without an attempt.
const RESET_AFTER: SignedDuration = SignedDuration::from_mins(10);
/// The maximum number of counts of each kind.
const MAX_COUNTS: usize = 4096;
/// The maximum number of remembered pairs of an admin and a network that the admin has signed in
/// from.
const MAX_SIGNED_IN: usize = 256;

/// The pauses that follow from one kind of count.
struct Pause {
    /// The number of attempts without a pause, in units of [`UNIT`].
    free: u32,
    first_seconds: i64,
    max_seconds: i64,
}

const PAIR: Pause = Pause {
    free: 1,
    first_seconds: 5,
    max_seconds: 300,
};
const NETWORK: Pause = Pause {
    free: 4,
    first_seconds: 5,
    max_seconds: 300,
};
const ADMIN: Pause = Pause {
    free: 10,
    first_seconds: 1,
    max_seconds: 10,
};

impl Pause {
    /// Returns the pause after `attempts`.
    fn after(&self, attempts: u32) -> SignedDuration {
        let free = self.free * UNIT;
        let Some(beyond) = attempts.checked_sub(free) else {
            return SignedDuration::ZERO;
        };
        let seconds = self.first_seconds << beyond.min(16);
        SignedDuration::from_secs(seconds.min(self.max_seconds))
    }
}

/// The attempts that did not lead to a sign-in.
struct Attempts {
    count: u32,
    last: Timestamp,
}

impl Window for Attempts {
    fn latest(&self) -> Timestamp {
        self.last
    }

    fn is_over(&self, now: Timestamp) -> bool {
        now.duration_since(self.last) >= RESET_AFTER
    }
}

/// The time of an admin's last sign-in from a network.
struct SignedInAt(Timestamp);

impl Window for SignedInAt {
    fn latest(&self) -> Timestamp {
        self.0
    }

    fn is_over(&self, _now: Timestamp) -> bool {
        false
    }
}

/// An admin's name, compared as account names are, so that other spellings share its count. None
/// for all names that no admin can have.
type AdminName = Option<AccountName>;

/// The attempts of the last minutes.
pub struct Throttle {
    pairs: RateWindows<(AdminName, IpAddr), Attempts>,
    networks: RateWindows<IpAddr, Attempts>,
    admins: RateWindows<AdminName, Attempts>,
    signed_in: RateWindows<(AdminName, IpAddr), SignedInAt>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            pairs: RateWindows::new(MAX_COUNTS),
            networks: RateWindows::new(MAX_COUNTS),
            admins: RateWindows::new(MAX_COUNTS),
            signed_in: RateWindows::new(MAX_SIGNED_IN),
        }
    }
}

impl Throttle {
    /// Begins an attempt; or returns the number of seconds to wait before one. The attempt counts
    /// as a failure until [`Self::succeeded`] is called, so that simultaneous attempts cannot evade
    /// the limit.
    pub fn begin(&mut self, now: Timestamp, admin: &str, network: IpAddr) -> Result<(), u64> {
        let admin: AdminName = AccountName::parse(admin).ok();
        let pair = (admin.clone(), network);
        let mut wait = remaining(&self.pairs, now, &pair, &PAIR).max(remaining(
            &self.networks,
            now,
            &network,
            &NETWORK,
        ));
        if !self.signed_in.contains(&pair) {
            wait = wait.max(remaining(&self.admins, now, &admin, &ADMIN));
        }
        if wait > SignedDuration::ZERO {
            // Rounded up, so that the next attempt is not too early.
            return Err(wait.as_secs().unsigned_abs() + u64::from(wait.subsec_nanos() > 0));
        }
        add(&mut self.pairs, now, pair);
        add(&mut self.networks, now, network);
        add(&mut self.admins, now, admin);
        Ok(())
    }

    /// Notes that an attempt led to a sign-in, so that it no longer counts as a failure.
    pub fn succeeded(&mut self, now: Timestamp, admin: &str, network: IpAddr) {
        let admin: AdminName = AccountName::parse(admin).ok();
        let pair = (admin.clone(), network);
        self.pairs.remove(&pair);
        subtract(&mut self.networks, &network);
        subtract(&mut self.admins, &admin);
        self.signed_in.get_or_open(now, pair, || SignedInAt(now)).0 = now;
    }
}

fn remaining<K: Clone + Eq + Hash + Ord>(
    counts: &RateWindows<K, Attempts>,
    now: Timestamp,
    key: &K,
    pause: &Pause,
) -> SignedDuration {
    counts
        .get(now, key)
        .map_or(SignedDuration::ZERO, |attempts| {
            pause.after(attempts.count) - now.duration_since(attempts.last)
        })
}

fn add<K: Clone + Eq + Hash + Ord>(counts: &mut RateWindows<K, Attempts>, now: Timestamp, key: K) {
    let attempts = counts.get_or_open(now, key, || Attempts {
        count: 0,
        last: now,
    });
    if attempts.is_over(now) {
        attempts.count = 0;
    }
    attempts.count = attempts.count.saturating_add(1);
    attempts.last = now;
}

fn subtract<K: Clone + Eq + Hash + Ord>(counts: &mut RateWindows<K, Attempts>, key: &K) {
    if let Some(attempts) = counts.get_mut(key) {
        attempts.count = attempts.count.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
    }

    fn network(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn distant(number: u32) -> IpAddr {
        IpAddr::from((10 << 24 | number).to_be_bytes())
    }

    #[test]
    fn pauses_grow_with_each_failure_up_to_five_minutes() {
        let mut throttle = Throttle::default();
        for _ in 0..UNIT {
            assert_eq!(throttle.begin(at(0), "root", network(1)), Ok(()));
        }
        let mut now = 0;
        let mut pauses = Vec::new();
        for _ in 0..10 {
            let Err(seconds) = throttle.begin(at(now), "Root", network(1)) else {
                panic!("no pause after {pauses:?}");
            };
            pauses.push(seconds);
            now += i64::try_from(seconds).unwrap();
            assert_eq!(
                throttle.begin(at(now), "root", network(1)),
                Ok(()),
                "after the pause"
            );
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300, 300]);
    }

    #[test]
    fn an_early_attempt_does_not_extend_the_pause() {
        let mut throttle = Throttle::default();
        for _ in 0..UNIT {
            throttle.begin(at(0), "root", network(1)).unwrap();
        }
        for _ in 0..100 {
            assert_eq!(throttle.begin(at(1), "root", network(1)), Err(4));
        }
        assert_eq!(throttle.begin(at(5), "root", network(1)), Ok(()));
    }

    #[test]
    fn failures_from_one_network_do_not_delay_the_admin_at_another() {
        let mut throttle = Throttle::default();
        while throttle.begin(at(0), "root", network(1)).is_ok() {}
        assert_eq!(throttle.begin(at(0), "root", network(2)), Ok(()));
    }

    #[test]
    fn other_spellings_of_a_name_share_its_count() {
        let mut throttle = Throttle::default();
        while throttle.begin(at(0), "root", network(1)).is_ok() {}
        for same in ["ROOT", "ｒｏｏｔ", "rｏOt"] {
            assert_eq!(throttle.begin(at(1), same, network(1)), Err(4), "{same}");
        }
    }

    #[test]
    fn all_invalid_names_share_one_count() {
        let mut throttle = Throttle::default();
        for number in 0..UNIT as usize {
            throttle
                .begin(at(0), &"x".repeat(1000 + number), network(1))
                .unwrap();
        }
        assert_eq!((throttle.pairs.len(), throttle.admins.len()), (1, 1));
    }

    #[test]
    fn one_network_cannot_try_all_names() {
        let mut throttle = Throttle::default();
        let tried = (0..1000)
            .take_while(|name| {
                throttle
                    .begin(at(0), &format!("name{name}"), network(1))
                    .is_ok()
            })
            .count();
        assert_eq!(tried, 4 * UNIT as usize);
    }

    #[test]
    fn distributed_guessing_delays_new_networks_but_not_one_the_admin_has_signed_in_from() {
        let mut throttle = Throttle::default();
        throttle.begin(at(0), "root", network(1)).unwrap();
        throttle.succeeded(at(0), "root", network(1));
        let tried = (0..1000)
            .take_while(|number| throttle.begin(at(1), "root", distant(*number)).is_ok())
            .count();
        assert_eq!(tried, 10 * UNIT as usize);
        assert_eq!(
            throttle.begin(at(1), "root", network(1)),
            Ok(()),
            "a network with an earlier sign-in"
        );
        for number in 0..100 {
            let _ = throttle.begin(at(60 * i64::from(number)), "root", distant(5000 + number));
        }
        assert!(
            throttle
                .begin(at(6000), "root", network(2))
                .map_or_else(|wait| wait <= 10, |()| true)
        );
    }

    #[test]
    fn a_sign_in_resets_the_counts_and_so_does_time() {
        let mut throttle = Throttle::default();
        while throttle.begin(at(0), "root", network(1)).is_ok() {}
        throttle.succeeded(at(0), "ROOT", network(1));
        assert_eq!(throttle.begin(at(0), "root", network(1)), Ok(()));

        while throttle.begin(at(0), "other", network(2)).is_ok() {}
        for _ in 0..UNIT {
            assert_eq!(throttle.begin(at(600), "other", network(2)), Ok(()));
        }
    }

    #[test]
    fn the_counts_are_bounded() {
        let mut throttle = Throttle::default();
        for number in 0..2 * u32::try_from(MAX_COUNTS).unwrap() {
            throttle
                .begin(
                    at(0) + SignedDuration::from_millis(i64::from(number)),
                    &format!("name{number}"),
                    distant(number),
                )
                .unwrap();
        }
        assert_eq!(throttle.pairs.len(), MAX_COUNTS);
    }
}
