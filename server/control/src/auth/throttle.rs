//! Limits the attempts to sign in, so that guessing a password is hopeless, and so that the guesses
//! of others lock no admin out.
//!
//! Attempts are counted by where they are made from, each over ten minutes:
//!
//! - on a **known** network, from which an admin has signed in before: an attempt is *delayed*, by
//!   three seconds at most, and never refused for earlier ones. Otherwise anyone behind the address
//!   of an office or on the server itself could lock its admins out;
//! - from other networks: each failure of the network lengthens the *pause* until it may try again,
//!   up to five minutes. Besides, the attempts from other networks at one name are counted together
//!   and cause short pauses;
//! - with a **device token** ([`Device`]), of an earlier sign-in: the device's own attempts, five
//!   of which are neither delayed nor refused. After them, the token is of no use for ten minutes;
//! - with a **session**, for operations that ask for the password or a code again: a stolen token
//!   must not become a way to guess them, so the pauses are those of a strange network.
//!
//! Nothing here depends on whether a name is that of an admin, so it cannot be found out.
//!
//! Guessing stays slow because few attempts are in progress at the same time: at most
//! [`KNOWN_ATTEMPTS`] from all known networks together, for example, are delayed at a time.
//!
//! The time is that of a clock that only goes forward ([`Instant`]): a change of the system's time
//! neither ends nor extends a pause.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::time::{Duration, Instant};

use super::device::Device;
use rookery_protocol::AccountName;
use rookery_record::Network;
use tokio::sync::{Semaphore, SemaphorePermit};

/// The number of attempts without a pause or a delay. It is no setting, so that the control plane
/// cannot be left without a throttle.
const FREE: u32 = 10;
/// The same for all attempts at one name together, from other than known networks.
const FREE_OF_NAME: u32 = 100;
/// A count is reset after this time without an attempt.
const RESET_AFTER: Duration = Duration::from_mins(10);
/// The number of attempts with one device token before it is of no use for a while.
const FREE_OF_DEVICE: u32 = 5;
/// The number of counts of each kind.
const COUNTS: usize = 4096;
/// The maximum number of attempts in progress from known networks: delayed, or being checked.
const KNOWN_ATTEMPTS: usize = 16;
/// The maximum number of attempts in progress from other networks.
const OTHER_ATTEMPTS: usize = 16;
/// The maximum number of attempts in progress with a device token.
const DEVICE_ATTEMPTS: usize = 8;
/// The maximum number of attempts in progress with a session.
const SESSION_ATTEMPTS: usize = 4;

/// Where an attempt is made from.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// A network from which an admin has signed in before.
    Known(Network),
    /// Another network, at the admin of a name.
    Other {
        /// The network.
        network: Network,
        /// The name, as given.
        name: &'a str,
    },
    /// A client that the admin has signed in with before.
    Device(Device),
    /// A session of the admin with this name.
    Session(&'a str),
}

/// How long attempts have to wait, depending on their number.
struct Waits {
    free: u32,
    first_seconds: u64,
    max_seconds: u64,
}

const KNOWN: Waits = Waits {
    free: FREE,
    first_seconds: 1,
    max_seconds: 3,
};
const DEVICE: Waits = Waits {
    free: FREE_OF_DEVICE,
    first_seconds: RESET_AFTER.as_secs(),
    max_seconds: RESET_AFTER.as_secs(),
};
const STRICT: Waits = Waits {
    free: FREE,
    first_seconds: 5,
    max_seconds: 300,
};
const NAME: Waits = Waits {
    free: FREE_OF_NAME,
    first_seconds: 1,
    max_seconds: 10,
};

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
struct Counts {
    waits: Waits,
    hasher: RandomState,
    buckets: Vec<Option<Attempts>>,
}

impl Counts {
    fn new(waits: Waits) -> Self {
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

    /// Returns how long an attempt has to wait after the earlier ones, counted from the last one.
    fn wait(&mut self, now: Instant, key: impl Hash) -> (Duration, Option<Instant>) {
        let attempts = self.of(key);
        *attempts =
            attempts.filter(|attempts| now.saturating_duration_since(attempts.last) < RESET_AFTER);
        match *attempts {
            Some(Attempts { count, last }) => (self.waits.after(count), Some(last)),
            None => (Duration::ZERO, None),
        }
    }

    /// Returns the pause that is left.
    fn pause(&mut self, now: Instant, key: impl Hash) -> Duration {
        let (wait, last) = self.wait(now, key);
        last.map_or(Duration::ZERO, |last| {
            wait.saturating_sub(now.saturating_duration_since(last))
        })
    }

    fn add(&mut self, now: Instant, key: impl Hash) {
        let attempts = self.of(key);
        let count = attempts.map_or(0, |attempts| attempts.count);
        *attempts = Some(Attempts {
            count: count.saturating_add(1),
            last: now,
        });
    }

    fn subtract(&mut self, key: impl Hash) {
        if let Some(attempts) = self.of(key) {
            attempts.count = attempts.count.saturating_sub(1);
        }
    }

    fn reset(&mut self, key: impl Hash) {
        *self.of(key) = None;
    }
}

/// The attempts of the last minutes.
pub struct Throttle {
    known: Counts,
    devices: Counts,
    networks: Counts,
    names: Counts,
    sessions: Counts,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            known: Counts::new(KNOWN),
            devices: Counts::new(DEVICE),
            networks: Counts::new(STRICT),
            names: Counts::new(NAME),
            sessions: Counts::new(STRICT),
        }
    }
}

/// A name in the form by which names are compared, so that other spellings share its count. None
/// for all names that no admin can have.
fn folded(name: &str) -> Option<String> {
    let name = AccountName::parse(name).ok()?;
    Some(name.folded().to_owned())
}

impl Throttle {
    /// Whether the attempts of a device are still counted by themselves.
    pub fn trusts(&mut self, now: Instant, device: Device) -> bool {
        self.devices.pause(now, device).is_zero()
    }

    /// Begins an attempt. Returns by how long it is delayed; or, as an error, the number of seconds
    /// to wait before the next one. The attempt counts as a failure until [`Self::succeeded`] is
    /// called, so that simultaneous attempts cannot evade the limit.
    pub fn begin(&mut self, now: Instant, source: Source<'_>) -> Result<Duration, u64> {
        let pause = match source {
            Source::Known(network) => {
                let (delay, _) = self.known.wait(now, network);
                self.known.add(now, network);
                return Ok(delay);
            }
            Source::Device(device) => {
                self.devices.add(now, device);
                return Ok(Duration::ZERO);
            }
            Source::Other { network, name } => {
                let of_network = self.networks.pause(now, network);
                of_network.max(self.names.pause(now, folded(name)))
            }
            Source::Session(name) => self.sessions.pause(now, folded(name)),
        };
        if !pause.is_zero() {
            // Rounded up, so that the next attempt is not too early.
            return Err(pause.as_secs() + u64::from(pause.subsec_nanos() > 0));
        }
        match source {
            Source::Known(_) | Source::Device(_) => {}
            Source::Other { network, name } => {
                self.networks.add(now, network);
                self.names.add(now, folded(name));
            }
            Source::Session(name) => self.sessions.add(now, folded(name)),
        }
        Ok(Duration::ZERO)
    }

    /// Notes that an attempt led to a sign-in, so that it no longer counts as a failure.
    pub fn succeeded(&mut self, source: Source<'_>) {
        match source {
            Source::Known(network) => self.known.reset(network),
            // The sign-in returns a new token.
            Source::Device(_) => {}
            Source::Other { network, name } => {
                self.networks.subtract(network);
                self.names.subtract(folded(name));
            }
            Source::Session(name) => self.sessions.reset(folded(name)),
        }
    }
}

/// The attempts that are in progress.
pub struct Attempting {
    known: Semaphore,
    devices: Semaphore,
    other: Semaphore,
    sessions: Semaphore,
}

impl Default for Attempting {
    fn default() -> Self {
        Self {
            known: Semaphore::new(KNOWN_ATTEMPTS),
            devices: Semaphore::new(DEVICE_ATTEMPTS),
            other: Semaphore::new(OTHER_ATTEMPTS),
            sessions: Semaphore::new(SESSION_ATTEMPTS),
        }
    }
}

impl Attempting {
    /// Returns a permit for one more attempt, to be held while it is in progress. Returns none if
    /// there are too many.
    pub fn begin(&self, source: Source<'_>) -> Option<SemaphorePermit<'_>> {
        let permits = match source {
            Source::Known(_) => &self.known,
            Source::Device(_) => &self.devices,
            Source::Other { .. } => &self.other,
            Source::Session(_) => &self.sessions,
        };
        permits.try_acquire().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A throttle, and a clock that a test advances by hand.
    struct Test {
        throttle: Throttle,
        start: Instant,
        second: u64,
    }

    impl Test {
        fn new() -> Self {
            Self {
                throttle: Throttle::default(),
                start: Instant::now(),
                second: 0,
            }
        }

        fn begin(&mut self, source: Source<'_>) -> Result<Duration, u64> {
            let now = self.start + Duration::from_secs(self.second);
            self.throttle.begin(now, source)
        }
    }

    fn network(last: u8) -> Network {
        Network::of([192, 0, 2, last].into())
    }

    fn distant(number: u32) -> Network {
        Network::of((10 << 24 | number).to_be_bytes().into())
    }

    fn other(last: u8, name: &str) -> Source<'_> {
        Source::Other {
            network: network(last),
            name,
        }
    }

    #[test]
    fn pauses_grow_with_each_failure_up_to_five_minutes() {
        for source in [other(1, "root"), Source::Session("root")] {
            let mut test = Test::new();
            for _ in 0..FREE {
                assert_eq!(test.begin(source), Ok(Duration::ZERO));
            }
            let mut pauses = Vec::new();
            for _ in 0..10 {
                let Err(seconds) = test.begin(source) else {
                    panic!("no pause after {pauses:?}");
                };
                pauses.push(seconds);
                test.second += seconds;
                assert!(test.begin(source).is_ok(), "after the pause");
            }
            assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300, 300]);
        }
    }

    #[test]
    fn on_a_known_network_attempts_are_delayed_and_never_refused() {
        let mut test = Test::new();
        let delays: Vec<u64> = (0..100)
            .map(|_| test.begin(Source::Known(network(1))).unwrap().as_secs())
            .collect();
        assert_eq!(delays[..14], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 3]);
        assert!(delays[14..].iter().all(|delay| *delay == 3));
        test.throttle.succeeded(Source::Known(network(1)));
        assert_eq!(test.begin(Source::Known(network(1))), Ok(Duration::ZERO));
    }

    #[test]
    fn a_device_has_five_attempts_whatever_others_do() {
        let mut test = Test::new();
        let device = Device::new();
        while test.begin(other(1, "root")).is_ok() {}
        for _ in 0..FREE_OF_DEVICE {
            assert!(test.throttle.trusts(test.start, device));
            assert_eq!(test.begin(Source::Device(device)), Ok(Duration::ZERO));
        }
        assert!(!test.throttle.trusts(test.start, device));
        assert!(test.throttle.trusts(test.start, Device::new()));
        assert!(test.throttle.trusts(test.start + RESET_AFTER, device));
    }

    #[test]
    fn failures_elsewhere_neither_delay_nor_refuse_an_attempt_on_a_known_network() {
        let mut test = Test::new();
        for number in 0..1000 {
            let network = distant(number);
            let _ = test.begin(Source::Other {
                network,
                name: "root",
            });
        }
        assert_eq!(test.begin(Source::Known(network(1))), Ok(Duration::ZERO));
        assert_eq!(test.begin(Source::Session("root")), Ok(Duration::ZERO));
    }

    #[test]
    fn an_early_attempt_does_not_extend_the_pause() {
        let mut test = Test::new();
        for _ in 0..FREE {
            test.begin(other(1, "root")).unwrap();
        }
        test.second = 1;
        for _ in 0..100 {
            assert_eq!(test.begin(other(1, "root")), Err(4));
        }
        test.second = 5;
        assert!(test.begin(other(1, "root")).is_ok());
    }

    #[test]
    fn one_network_cannot_try_all_names_and_does_not_delay_another() {
        let mut test = Test::new();
        let tried = (0..1000)
            .take_while(|name| test.begin(other(1, &format!("name{name}"))).is_ok())
            .count();
        assert_eq!(tried, FREE as usize);
        assert!(test.begin(other(2, "root")).is_ok());
    }

    #[test]
    fn distributed_guessing_at_one_name_in_any_spelling_is_slow() {
        let mut test = Test::new();
        let mut tried = 0;
        for number in 0..1000 {
            let source = Source::Other {
                network: distant(number),
                name: ["root", "ROOT", "ｒｏｏｔ", "rｏOt"][number as usize % 4],
            };
            tried += u32::from(test.begin(source).is_ok());
        }
        assert_eq!(tried, FREE_OF_NAME);
        test.second = 3600;
        for number in 0..FREE_OF_NAME + 100 {
            let source = Source::Other {
                network: distant(number),
                name: "root",
            };
            if let Err(seconds) = test.begin(source) {
                assert!(seconds <= 10);
                test.second += 1;
            }
        }
    }

    #[test]
    fn made_up_names_and_networks_remove_no_count() {
        let mut test = Test::new();
        while test.begin(other(1, "root")).is_ok() {}
        for number in 0..20 * u32::try_from(COUNTS).unwrap() {
            let _ = test.begin(Source::Other {
                network: distant(number),
                name: &format!("name{number}"),
            });
        }
        assert!(test.begin(other(1, "root")).is_err());
    }

    #[test]
    fn a_sign_in_counts_as_no_failure_and_failures_are_forgotten() {
        let mut test = Test::new();
        while test.begin(other(1, "root")).is_ok() {}
        test.throttle.succeeded(other(1, "ROOT"));
        assert!(test.begin(other(1, "root")).is_ok());
        assert!(test.begin(other(1, "root")).is_err());
        test.second = RESET_AFTER.as_secs();
        for _ in 0..FREE {
            assert!(test.begin(other(1, "root")).is_ok());
        }
    }

    #[test]
    fn few_attempts_are_in_progress_at_a_time() {
        let attempting = Attempting::default();
        let known: Vec<_> = (0..=KNOWN_ATTEMPTS)
            .map_while(|_| attempting.begin(Source::Known(network(1))))
            .collect();
        assert_eq!(known.len(), KNOWN_ATTEMPTS);
        assert!(attempting.begin(other(2, "root")).is_some());
        drop(known);
        assert!(attempting.begin(Source::Known(network(1))).is_some());
    }
}
