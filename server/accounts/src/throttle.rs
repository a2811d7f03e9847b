//! Limits on the rates of failed sign-ins and of mails.
//!
//! Failures are limited strictly by network, and gently by account, so that someone who guesses
//! passwords is stopped and the owner of the account is not:
//!
//! - After `failed_sign_ins` failures within ten minutes, a network must wait until the oldest is
//!   ten minutes old. Attempts in the meantime count as failures. A site, of which an IPv6 client
//!   may use many networks, is limited in the same way to a multiple of that
//!   ([`NETWORKS_OF_SITE`]); mails and registrations likewise.
//! - After that many failures for one name or email from any networks, each further one starts a
//!   short pause for it, which doubles up to [`LONGEST_PAUSE`].
//! - From a network in which the owner has signed in to the account before, neither applies, and
//!   only the failures for that account from that network are limited.
//!
//! Right passwords are counted by account, because each costs a hash: after
//! [`SIGN_INS_OF_ACCOUNT`] within ten minutes, none is checked until the oldest is ten minutes old.
//! Nobody but those who know the password can bring this about.
//!
//! Time is that of a monotonic clock, so that setting the clock of the system neither lifts a limit
//! nor extends one. Each key has a sliding window with the times of its last events. The number of
//! keys is bounded ([`RateWindows`]). The failures for names are counted in a table of fixed size,
//! because names can be made up: no count can be displaced by others.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use rookery_base::rate_window::{RateWindows, Window};
use rookery_record::{AccountId, NETWORKS_OF_SITE, Network};

/// The maximum number of keys with events.
const MAX_KEYS: usize = 100_000;
/// The maximum number of times remembered for one key, whatever the limit.
const MAX_TIMES: usize = 4000;
/// The number of counts of failures by name. Names that share one by chance share its pauses.
const NAMES: usize = 1 << 14;
/// How often an account may sign in with its password in ten minutes: all sessions that an account
/// may have, several times over.
pub const SIGN_INS_OF_ACCOUNT: u32 = 200;
/// How many taken names may be tried for each registration.
const TAKEN_NAMES: u32 = 10;
/// How many hours' registrations may be completed in a day.
const HOURS_OF_ACCOUNTS: u32 = 5;
/// The longest pause between two attempts at one name.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_secs(10);
/// How long failures count.
const FAILURE_WINDOW: SignedDuration = SignedDuration::from_mins(10);

/// A kind of event that is counted, and whose.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Failed sign-ins from a network.
    FailuresFrom(Network),
    /// Failed sign-ins from a site.
    FailuresFromSite(Network),
    /// Failed sign-ins to an account from a network in which its owner has signed in before.
    FailuresAt(AccountId, Network),
    /// Sign-ins to an account with the right password.
    SignInsOf(AccountId),
    /// Mails and registrations requested from a network.
    MailsFrom(Network),
    /// Mails and registrations requested from a site.
    MailsFromSite(Network),
    /// Registrations from a network of names that were taken.
    TakenNamesFrom(Network),
    /// Registrations from a site of names that were taken.
    TakenNamesFromSite(Network),
    /// Accounts created from a network without an invitation.
    AccountsFrom(Network),
    /// Accounts created from a site without an invitation.
    AccountsFromSite(Network),
    /// Codes for signing in to an account, requested from a network in which its owner has signed
    /// in before.
    MailsAt(AccountId, Network),
    /// Codes for signing in to one mailbox.
    MailsTo(String),
    /// Mails to one mailbox for a registration or a change of the email. They are counted apart, so
    /// that strangers who register with an email do not use up the codes of its owner.
    RegistrationsTo(String),
    /// Those of them that were requested from a network.
    RegistrationsFromTo(Network, String),
    /// Codes for signing in that were requested from a network for one mailbox.
    MailsFromTo(Network, String),
    /// Mails requested by sessions that are signed in to the account.
    MailsOf(AccountId),
}

impl Key {
    fn window(&self) -> SignedDuration {
        match self {
            Self::FailuresFrom(_)
            | Self::FailuresFromSite(_)
            | Self::FailuresAt(..)
            | Self::SignInsOf(_) => FAILURE_WINDOW,
            Self::MailsFrom(_)
            | Self::MailsFromSite(_)
            | Self::TakenNamesFrom(_)
            | Self::TakenNamesFromSite(_)
            | Self::MailsAt(..)
            | Self::MailsTo(_)
            | Self::RegistrationsTo(_)
            | Self::RegistrationsFromTo(..)
            | Self::MailsFromTo(..)
            | Self::MailsOf(_) => SignedDuration::from_hours(1),
            Self::AccountsFrom(_) | Self::AccountsFromSite(_) => SignedDuration::from_hours(24),
        }
    }
}

/// Returns what limits the mails and registrations that a network may request: `limit` for itself,
/// and a multiple for its site.
pub fn mails_from(network: Network, limit: u32) -> Vec<(Key, u32)> {
    vec![
        (Key::MailsFrom(network), limit),
        (Key::MailsFromSite(network.site()), of_site(limit)),
    ]
}

/// Returns what limits the taken names that a network may try to register in an hour: several for
/// each of its `limit` registrations, and a multiple for its site.
pub fn taken_names_from(network: Network, limit: u32) -> Vec<(Key, u32)> {
    let limit = limit.saturating_mul(TAKEN_NAMES);
    vec![
        (Key::TakenNamesFrom(network), limit),
        (Key::TakenNamesFromSite(network.site()), of_site(limit)),
    ]
}

/// Returns what limits the accounts that a network may create in a day, where `limit` is how many
/// it may register in an hour, and a multiple for its site.
pub fn accounts_from(network: Network, limit: u32) -> Vec<(Key, u32)> {
    let limit = limit.saturating_mul(HOURS_OF_ACCOUNTS);
    vec![
        (Key::AccountsFrom(network), limit),
        (Key::AccountsFromSite(network.site()), of_site(limit)),
    ]
}

fn of_site(limit: u32) -> u32 {
    limit.saturating_mul(NETWORKS_OF_SITE.get())
}

/// An attempt to sign in, or to enter a code.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The network that it comes from.
    pub network: Network,
    /// The name or email as typed (folded); `None` for a code. The name and the email of one
    /// account are counted separately: counting them together would reveal that they belong
    /// together.
    pub name: Option<String>,
    /// The account, if its owner has signed in from that network before.
    pub known: Option<AccountId>,
}

impl Attempt {
    /// Returns the key whose limit applies.
    fn key(&self) -> Key {
        match self.known {
            Some(account) => Key::FailuresAt(account, self.network),
            None => Key::FailuresFrom(self.network),
        }
    }
}

/// The number of minutes that must pass before the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Rounded up; at least one.
    pub minutes: i64,
}

impl Wait {
    fn between(now: Timestamp, free_at: Timestamp) -> Self {
        let minutes = (free_at.duration_since(now).as_secs() + 59) / 60;
        Self {
            minutes: minutes.max(1),
        }
    }
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

/// The failures for one name.
#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Timestamp,
}

impl Failures {
    const NONE: Self = Self {
        count: 0,
        last: Timestamp::MIN,
    };

    fn are_over(self, now: Timestamp) -> bool {
        self.count == 0 || self.last + FAILURE_WINDOW <= now
    }

    /// Returns when the next attempt may be made.
    fn free_at(self, limit: u32) -> Option<Timestamp> {
        let doublings = self.count.checked_sub(limit)?;
        let pause = SignedDuration::from_secs(1_i64 << doublings.min(8));
        Some(self.last + pause.min(LONGEST_PAUSE))
    }

    fn add(&mut self, now: Timestamp) {
        if self.are_over(now) {
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        self.last = now;
    }
}

/// Returns the time of a clock that is never set.
type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// Counts events by key.
pub struct Throttle {
    clock: Clock,
    times: Mutex<RateWindows<Key, Times>>,
    /// By the hash of the name.
    names: Mutex<Box<[Failures]>>,
    hasher: RandomState,
}

impl fmt::Debug for Throttle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Throttle").finish_non_exhaustive()
    }
}

impl Default for Throttle {
    fn default() -> Self {
        let started = Instant::now();
        let elapsed = move || SignedDuration::try_from(started.elapsed()).unwrap_or_default();
        Self::with_clock(Box::new(move || Timestamp::UNIX_EPOCH + elapsed()))
    }
}

impl Throttle {
    /// Creates a throttle that measures time by `clock`.
    pub fn with_clock(clock: Clock) -> Self {
        Self {
            clock,
            times: Mutex::new(RateWindows::new(MAX_KEYS)),
            names: Mutex::new(vec![Failures::NONE; NAMES].into()),
            hasher: RandomState::new(),
        }
    }

    /// Checks that the attempt may be made (limit 0: no limit). One that is refused too early
    /// counts as a failure of its network.
    pub fn check(&self, attempt: &Attempt, limit: u32) -> Result<(), Wait> {
        if limit == 0 {
            return Ok(());
        }
        let now = (self.clock)();
        let mut times = self.times.lock();
        let key = attempt.key();
        let mut checked = check(&mut times, now, &key, limit);
        if attempt.known.is_none() {
            let site = Key::FailuresFromSite(attempt.network.site());
            checked = checked.and(check(&mut times, now, &site, of_site(limit)));
        }
        if checked.is_err() {
            add(&mut times, now, key);
            return checked;
        }
        let Some(name) = attempt.name.as_deref().filter(|_| attempt.known.is_none()) else {
            return Ok(());
        };
        let failures = self.names.lock()[self.index(name)];
        match failures.free_at(limit) {
            Some(free_at) if now < free_at && !failures.are_over(now) => {
                add(&mut times, now, key);
                Err(Wait::between(now, free_at))
            }
            _ => Ok(()),
        }
    }

    /// Checks that the account may sign in with its password once more.
    pub fn check_sign_ins(&self, account: AccountId) -> Result<(), Wait> {
        let (now, key) = ((self.clock)(), Key::SignInsOf(account));
        check(&mut self.times.lock(), now, &key, SIGN_INS_OF_ACCOUNT)
    }

    /// Counts a sign-in to the account with its password.
    pub fn add_sign_in(&self, account: AccountId) {
        let (now, key) = ((self.clock)(), Key::SignInsOf(account));
        add(&mut self.times.lock(), now, key);
    }

    /// Counts a failure.
    pub fn add_failure(&self, attempt: &Attempt) {
        let now = (self.clock)();
        let mut times = self.times.lock();
        add(&mut times, now, Key::FailuresFrom(attempt.network));
        let site = attempt.network.site();
        add(&mut times, now, Key::FailuresFromSite(site));
        if attempt.known.is_some() {
            add(&mut times, now, attempt.key());
        } else if let Some(name) = &attempt.name {
            self.names.lock()[self.index(name)].add(now);
        }
    }

    /// Checks that none of the keys has reached its limit (0: no limit), and counts nothing.
    pub fn check_all(&self, keys: &[(Key, u32)]) -> Result<(), Wait> {
        let now = (self.clock)();
        let mut times = self.times.lock();
        keys.iter()
            .try_for_each(|(key, limit)| check(&mut times, now, key, *limit))
    }

    /// Counts one event for every key, or for none if one of them has reached its limit (0: no
    /// limit).
    pub fn count(&self, keys: Vec<(Key, u32)>) -> Result<(), Wait> {
        let now = (self.clock)();
        let mut times = self.times.lock();
        for (key, limit) in &keys {
            check(&mut times, now, key, *limit)?;
        }
        for (key, _) in keys {
            add(&mut times, now, key);
        }
        Ok(())
    }

    fn index(&self, name: &str) -> usize {
        usize::try_from(self.hasher.hash_one(name) % NAMES as u64).unwrap_or_default()
    }
}

fn check(
    windows: &mut RateWindows<Key, Times>,
    now: Timestamp,
    key: &Key,
    limit: u32,
) -> Result<(), Wait> {
    if limit == 0 {
        return Ok(());
    }
    let window = windows.get_mut(key);
    match window.and_then(|times| times.free_at(now, limit as usize)) {
        Some(free_at) => Err(Wait::between(now, free_at)),
        None => Ok(()),
    }
}

fn add(windows: &mut RateWindows<Key, Times>, now: Timestamp, key: Key) {
    let window = key.window();
    let open = || Times {
        window,
        times: VecDeque::new(),
    };
    windows.get_or_open(now, key, open).add(now);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    /// A throttle, and its clock in seconds.
    fn throttle() -> (Throttle, Arc<AtomicI64>) {
        let seconds = Arc::new(AtomicI64::new(0));
        let clock = Arc::clone(&seconds);
        let now = move || {
            Timestamp::UNIX_EPOCH + SignedDuration::from_secs(clock.load(Ordering::Relaxed))
        };
        (Throttle::with_clock(Box::new(now)), seconds)
    }

    fn network(text: &str) -> Network {
        Network::of(text.parse().unwrap())
    }

    fn attempt(from: &str, name: &str) -> Attempt {
        Attempt {
            network: network(from),
            name: Some(name.to_owned()),
            known: None,
        }
    }

    fn known(from: &str, name: &str) -> Attempt {
        Attempt {
            known: Some(AccountId(1)),
            ..attempt(from, name)
        }
    }

    fn fail(throttle: &Throttle, attempt: &Attempt, times: u32) {
        for _ in 0..times {
            throttle.add_failure(attempt);
        }
    }

    #[test]
    fn a_network_waits_for_ten_minutes_and_attempts_in_the_meantime_count() {
        let (throttle, clock) = throttle();
        let guess = attempt("192.0.2.1", "a");
        fail(&throttle, &guess, 3);
        assert_eq!(throttle.check(&guess, 3), Err(Wait { minutes: 10 }));
        clock.store(590, Ordering::Relaxed);
        let other = attempt("192.0.2.1", "b");
        assert_eq!(throttle.check(&other, 5), Ok(()), "one refused attempt");
        assert_eq!(throttle.check(&other, 3), Err(Wait { minutes: 1 }));
        clock.store(601, Ordering::Relaxed);
        throttle.check(&other, 3).unwrap();
        fail(&throttle, &other, 2);
        assert!(throttle.check(&other, 3).is_err(), "with the refused one");
        throttle.check(&other, 0).unwrap();
    }

    #[test]
    fn failures_from_elsewhere_never_stop_the_owner_for_long() {
        let (throttle, clock) = throttle();
        for host in 1..=200 {
            fail(&throttle, &attempt(&format!("198.51.100.{host}"), "a"), 1);
        }
        let new_network = attempt("192.0.2.1", "a");
        assert!(throttle.check(&new_network, 10).is_err());
        throttle.check(&attempt("192.0.2.1", "b"), 10).unwrap();
        throttle.check(&known("192.0.2.9", "a"), 10).unwrap();
        clock.store(LONGEST_PAUSE.as_secs(), Ordering::Relaxed);
        throttle.check(&new_network, 10).unwrap();
    }

    #[test]
    fn pauses_grow_with_each_failure_and_end_with_the_window() {
        let (throttle, clock) = throttle();
        let from = |host: i64| attempt(&format!("198.51.100.{host}"), "a");
        fail(&throttle, &from(1), 2);
        throttle.check(&from(2), 3).unwrap();
        for (host, pause) in [(3, 1), (4, 2), (5, 4), (6, 8), (7, 10), (8, 10)] {
            fail(&throttle, &from(host), 1);
            clock.fetch_add(pause - 1, Ordering::Relaxed);
            assert!(throttle.check(&from(100 + host), 3).is_err(), "{pause}");
            clock.fetch_add(1, Ordering::Relaxed);
            throttle.check(&from(100 + host), 3).unwrap();
        }
        clock.fetch_add(FAILURE_WINDOW.as_secs(), Ordering::Relaxed);
        fail(&throttle, &from(9), 1);
        throttle.check(&from(10), 3).unwrap();
    }

    #[test]
    fn a_known_network_is_limited_by_its_own_failures_for_the_account() {
        let (throttle, _) = throttle();
        fail(&throttle, &attempt("192.0.2.1", "other"), 9);
        let owner = known("192.0.2.1", "a");
        throttle.check(&owner, 2).unwrap();
        fail(&throttle, &owner, 2);
        assert!(throttle.check(&owner, 2).is_err());
    }

    #[test]
    fn made_up_names_do_not_displace_the_count_of_a_name() {
        let (throttle, _) = throttle();
        fail(&throttle, &attempt("198.51.100.1", "a"), 5);
        for index in 0..2 * MAX_KEYS {
            fail(&throttle, &attempt("198.51.100.2", &format!("x{index}")), 1);
        }
        assert!(throttle.check(&attempt("192.0.2.1", "a"), 5).is_err());
    }

    #[test]
    fn an_account_signs_in_with_its_password_only_so_often() {
        let (throttle, clock) = throttle();
        let sign_in = |account| {
            let checked = throttle.check_sign_ins(AccountId(account));
            checked
                .is_ok()
                .then(|| throttle.add_sign_in(AccountId(account)))
                .is_some()
        };
        let limit = SIGN_INS_OF_ACCOUNT as usize;
        assert_eq!((0..2 * limit).filter(|_| sign_in(1)).count(), limit);
        assert!(sign_in(2), "another account");
        clock.store(FAILURE_WINDOW.as_secs(), Ordering::Relaxed);
        assert!(sign_in(1));
    }

    #[test]
    fn one_full_key_leaves_the_others_uncounted() {
        let (throttle, _) = throttle();
        let to = |name: &str| (Key::MailsTo(name.to_owned()), 1);
        throttle.count(vec![to("full")]).unwrap();
        assert!(throttle.count(vec![to("free"), to("full")]).is_err());
        throttle.count(vec![to("free")]).unwrap();
    }

    #[test]
    fn memory_is_bounded_and_the_newest_counts_remain() {
        let (throttle, clock) = throttle();
        let to = |index: usize| vec![(Key::MailsTo(index.to_string()), 1)];
        for index in 0..MAX_KEYS + 10 {
            clock.store(i64::try_from(index / 100).unwrap(), Ordering::Relaxed);
            throttle.count(to(index)).unwrap();
        }
        assert!(throttle.times.lock().len() <= MAX_KEYS);
        assert!(throttle.count(to(MAX_KEYS + 9)).is_err());
    }

    #[test]
    fn a_site_fails_and_asks_for_mails_only_a_few_times_as_often_as_a_network() {
        let (throttle, _) = throttle();
        let of_site = |net: u32| format!("2001:db8:0:{net:x}::1");
        let mut tries = 0;
        for net in 0..100 {
            let guess = attempt(&of_site(net), &format!("name{net}"));
            while throttle.check(&guess, 3).is_ok() {
                throttle.add_failure(&guess);
                tries += 1;
            }
        }
        assert_eq!(tries, 3 * NETWORKS_OF_SITE.get());
        throttle.check(&known(&of_site(101), "a"), 3).unwrap();
        throttle.check(&attempt("2001:db8:1::1", "b"), 3).unwrap();
        let mail = |net| {
            throttle
                .count(mails_from(network(&of_site(net)), 2))
                .is_ok()
        };
        assert_eq!((0..100).filter(|&net| mail(net)).count(), 8);
        assert_eq!((0..100).filter(|_| mail(0)).count(), 0);
    }
}
