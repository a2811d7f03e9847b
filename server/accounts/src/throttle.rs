//! Limits on the rates of failed sign-ins and of mails.
//!
//! Failures are limited strictly by network, and gently by account, so that someone who guesses
//! passwords is stopped and the owner of the account is not:
//!
//! - After `failed_sign_ins` failures within ten minutes, a network must wait until the oldest is
//!   ten minutes old. A site, of which an IPv6 client may use many networks, is limited in the same
//!   way to a multiple of that ([`NETWORKS_OF_SITE`]); mails and registrations likewise.
//! - After that many failures for one name or email from any networks, each further attempt starts
//!   a short pause for it, for the sites that have failed at it as often ([`NameAttempts`]): those
//!   who guess must not use up the turns of the owner, who has not failed, or has only mistyped the
//!   password.
//! - From a network in which the owner has signed in to the account before, neither applies, and
//!   only the failures for that account from that network count. After that many within ten
//!   minutes, one attempt in ten seconds is made, which is drawn by lot from those that wait
//!   ([`Draws`]). Someone who guesses there, such as a neighbour behind the same address, makes at
//!   most 360 guesses an hour so, and cannot keep the owner out.
//!
//! An attempt that is refused counts as no failure: nothing was guessed.
//!
//! So `k` sites together make at most 360 + 3 `k` guesses an hour at one name or email: one in ten
//! seconds, and three of each site before it counts as one that guesses. However many there are,
//! they make at most 11,160, one in ten seconds and three in a second. It takes 3600 sites that
//! guess without end to keep an owner who has not failed out, and `k` sites do so for at most `k`
//! seconds in an hour.
//!
//! Right passwords are counted by account, because each costs a hash: after
//! [`SIGN_INS_OF_ACCOUNT`] within ten minutes, none is checked until the oldest is ten minutes old.
//! Nobody but those who know the password can bring this about.
//!
//! Time is that of a monotonic clock, so that setting the clock of the system neither lifts a limit
//! nor extends one. Each key has a sliding window with the times of its last events. The number of
//! keys is bounded ([`RateWindows`]). The failures for names are counted in tables of fixed size
//! ([`Counts`]), because names can be made up: no count can be displaced by others.

mod draws;

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio::time::sleep;

use rookery_base::attempt_counts::{Counts, NameAttempts};
use rookery_base::rate_window::{RateWindows, Window};
use rookery_record::{AccountId, NETWORKS_OF_SITE, Network};

use draws::Draws;
pub use draws::Ticket;

/// The maximum number of keys with events.
const MAX_KEYS: usize = 100_000;
/// The maximum number of times remembered for one key, and so the highest limit.
const MAX_TIMES: usize = 4000;
/// The number of counts of failures by name. Names that share one by chance share its pauses.
const NAMES: usize = 1 << 14;
/// The number of counts of the failures of one site at one name. Those that share one by chance
/// count as one.
const SITES_AT_NAMES: usize = 1 << 15;
/// How often an account may sign in with its password in ten minutes: all sessions that an account
/// may have, several times over.
pub const SIGN_INS_OF_ACCOUNT: u32 = 200;
/// How many taken names may be tried for each registration.
const TAKEN_NAMES: u32 = 10;
/// How many hours' registrations may be completed in a day.
const HOURS_OF_ACCOUNTS: u32 = 5;
/// How long failures count.
const FAILURE_WINDOW: SignedDuration = SignedDuration::from_mins(10);
/// How long the failures of a site at a name decide on its turns, after the last one. Long, so that
/// a site seldom has those of one that has not failed.
const SITE_AT_NAME_WINDOW: Duration = Duration::from_hours(1);

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
    /// Returns the account and the network, if its owner has signed in from there before.
    fn at_known(&self) -> Option<(AccountId, Network)> {
        Some((self.known?, self.network))
    }

    /// Returns the name and the site, if the attempt counts for the name.
    fn at_name(&self) -> Option<(&str, Network)> {
        let name = self.name.as_deref().filter(|_| self.known.is_none())?;
        Some((name, self.network.site()))
    }
}

/// The number of minutes that must pass before the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Rounded up; at least one.
    pub minutes: i64,
}

impl Wait {
    fn of(time: SignedDuration) -> Self {
        let minutes = (time.as_secs() + 59) / 60;
        Self {
            minutes: minutes.max(1),
        }
    }
}

/// Why an attempt is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotBegun {
    /// Too many have failed recently.
    TooManyFailures(Wait),
    /// Too many have failed recently in the same network, and another attempt was drawn.
    NotDrawn,
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

/// The failures at names from other networks than those of their owners.
struct Names {
    attempts: NameAttempts,
    of_sites: Counts,
}

impl Names {
    fn new() -> Self {
        Self {
            attempts: NameAttempts::new(NAMES),
            of_sites: Counts::new(SITES_AT_NAMES, SITE_AT_NAME_WINDOW),
        }
    }

    /// Checks that the pauses are over (limit 0: there are none).
    fn check(&mut self, now: Instant, attempt: &Attempt, limit: u32) -> Result<(), Wait> {
        let Some(at) = attempt.at_name().filter(|_| limit > 0) else {
            return Ok(());
        };
        let failures = self.of_sites.count(now, at);
        let pause = self.attempts.pause(now, at.0, failures, limit);
        if pause.is_zero() {
            return Ok(());
        }
        let pause = SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX);
        Err(Wait::of(pause))
    }

    /// Notes that the attempt is made now.
    fn take_turn(&mut self, now: Instant, attempt: &Attempt) {
        if let Some(at) = attempt.at_name() {
            let failures = self.of_sites.count(now, at);
            self.attempts.take_turn(now, at.0, failures);
        }
    }

    fn return_turn(&mut self, now: Instant, attempt: &Attempt) {
        if let Some(at) = attempt.at_name() {
            let failures = self.of_sites.count(now, at);
            self.attempts.return_turn(at.0, failures);
        }
    }

    fn add_failure(&mut self, now: Instant, attempt: &Attempt) {
        if let Some(at) = attempt.at_name() {
            self.attempts.add(now, at.0);
            self.of_sites.add(now, at);
        }
    }
}

/// Returns the time of a clock that is never set.
type Clock = Box<dyn Fn() -> Instant + Send + Sync>;

/// Counts events by key.
pub struct Throttle {
    clock: Clock,
    started: Instant,
    times: Mutex<RateWindows<Key, Times>>,
    names: Mutex<Names>,
    draws: Mutex<Draws>,
}

impl fmt::Debug for Throttle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Throttle").finish_non_exhaustive()
    }
}

impl Default for Throttle {
    fn default() -> Self {
        Self::with_clock(Box::new(Instant::now))
    }
}

impl Throttle {
    /// Creates a throttle that measures time by `clock`.
    pub fn with_clock(clock: Clock) -> Self {
        Self {
            started: clock(),
            clock,
            times: Mutex::new(RateWindows::new(MAX_KEYS)),
            names: Mutex::new(Names::new()),
            draws: Mutex::new(Draws::default()),
        }
    }

    /// Returns a time of the clock in the form in which the windows compare it.
    fn timestamp(&self, now: Instant) -> Timestamp {
        let elapsed = now.saturating_duration_since(self.started);
        Timestamp::UNIX_EPOCH + SignedDuration::try_from(elapsed).unwrap_or_default()
    }

    fn now(&self) -> Timestamp {
        self.timestamp((self.clock)())
    }

    /// Checks that the attempt is not refused before it is begun (limit 0: no limit).
    pub fn check(&self, attempt: &Attempt, limit: u32) -> Result<(), Wait> {
        if attempt.known.is_some() {
            return Ok(());
        }
        let now = (self.clock)();
        self.check_network(now, attempt.network, limit)?;
        self.names.lock().check(now, attempt, limit)
    }

    /// Checks that the attempt may be made (limit 0: no limit), and takes its turn: other attempts
    /// wait for the pause, also before it is known to have failed. Returns a ticket if it has to be
    /// drawn first: [`Self::is_drawn`].
    pub fn begin(&self, attempt: &Attempt, limit: u32) -> Result<Option<Ticket>, Wait> {
        let now = (self.clock)();
        if let Some(place) = attempt.at_known() {
            let key = Key::FailuresAt(place.0, place.1);
            let checked = check(&mut self.times.lock(), self.timestamp(now), &key, limit);
            return Ok(match checked {
                Ok(()) => None,
                Err(_) => self.draws.lock().enter(now, place),
            });
        }
        self.check_network(now, attempt.network, limit)?;
        let mut names = self.names.lock();
        names.check(now, attempt, limit)?;
        names.take_turn(now, attempt);
        Ok(None)
    }

    /// Waits until the attempt is drawn, and may be made, or another one is, or the caller drops
    /// this. Returns whether it is drawn.
    pub async fn is_drawn(&self, attempt: &Attempt, mut ticket: Ticket) -> bool {
        loop {
            let left = ticket.until.saturating_duration_since((self.clock)());
            tokio::select! {
                biased;
                drawn = &mut ticket.drawn => return drawn.is_ok(),
                () = sleep(left) => {}
            }
            if let Some(place) = attempt.at_known() {
                self.draws.lock().draw((self.clock)(), place);
            }
        }
    }

    /// Returns the number of attempts that wait until they are drawn.
    #[cfg(test)]
    pub fn waiting_attempts(&self) -> usize {
        self.draws.lock().waiting()
    }

    fn check_network(&self, now: Instant, network: Network, limit: u32) -> Result<(), Wait> {
        let now = self.timestamp(now);
        let mut times = self.times.lock();
        check(&mut times, now, &Key::FailuresFrom(network), limit)?;
        let site = Key::FailuresFromSite(network.site());
        check(&mut times, now, &site, of_site(limit))
    }

    /// Checks that the account may sign in with its password once more.
    pub fn check_sign_ins(&self, account: AccountId) -> Result<(), Wait> {
        let (now, key) = (self.now(), Key::SignInsOf(account));
        check(&mut self.times.lock(), now, &key, SIGN_INS_OF_ACCOUNT)
    }

    /// Counts a sign-in to the account with its password.
    pub fn add_sign_in(&self, account: AccountId) {
        let (now, key) = (self.now(), Key::SignInsOf(account));
        add(&mut self.times.lock(), now, key);
    }

    /// Takes back that the attempt, which led to a sign-in, used up a turn: the owner's next device
    /// need not wait.
    pub fn succeeded(&self, attempt: &Attempt) {
        let now = (self.clock)();
        self.names.lock().return_turn(now, attempt);
        if let Some(place) = attempt.at_known() {
            self.draws.lock().end_pause(now, place);
        }
    }

    /// Counts a failure.
    pub fn add_failure(&self, attempt: &Attempt) {
        let now = (self.clock)();
        self.names.lock().add_failure(now, attempt);
        let now = self.timestamp(now);
        let mut times = self.times.lock();
        add(&mut times, now, Key::FailuresFrom(attempt.network));
        let site = attempt.network.site();
        add(&mut times, now, Key::FailuresFromSite(site));
        if let Some((account, network)) = attempt.at_known() {
            add(&mut times, now, Key::FailuresAt(account, network));
        }
    }

    /// Checks that none of the keys has reached its limit (0: no limit), and counts nothing.
    pub fn check_all(&self, keys: &[(Key, u32)]) -> Result<(), Wait> {
        let now = self.now();
        let mut times = self.times.lock();
        keys.iter()
            .try_for_each(|(key, limit)| check(&mut times, now, key, *limit))
    }

    /// Counts one event for every key, or for none if one of them has reached its limit (0: no
    /// limit).
    pub fn count(&self, keys: Vec<(Key, u32)>) -> Result<(), Wait> {
        let now = self.now();
        let mut times = self.times.lock();
        for (key, limit) in &keys {
            check(&mut times, now, key, *limit)?;
        }
        for (key, _) in keys {
            add(&mut times, now, key);
        }
        Ok(())
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
    // More times than that are not remembered.
    let limit = (limit as usize).min(MAX_TIMES);
    let window = windows.get_mut(key);
    match window.and_then(|times| times.free_at(now, limit)) {
        Some(free_at) => Err(Wait::of(free_at.duration_since(now))),
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
mod tests;
