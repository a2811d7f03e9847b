//! Limits the attempts to sign in, so that guessing a password is hopeless, and so that the guesses
//! of others lock no admin out.
//!
//! Attempts are counted by where they are made from, each over ten minutes:
//!
//! - on a **known** network, from which an admin has signed in before: an attempt is *delayed*, by
//!   three seconds at most, and never refused for earlier ones. Otherwise anyone behind the address
//!   of an office or on the server itself could lock its admins out;
//! - from other networks: each failure of the network lengthens the *pause* until it may try again,
//!   up to five minutes, and after [`FREE_OF_SITE`] failures in all networks of its site together,
//!   so does each failure there. Besides, the attempts from other networks at one name are counted
//!   together and cause short pauses, each for the sites that have failed as often
//!   ([`NameAttempts`]);
//! - with a **device token** ([`Device`]), of an earlier sign-in: the device's own attempts, five
//!   of which are neither delayed nor refused. After them, the token is of no use for ten minutes;
//! - with a **session**, for operations that ask for the password or a code again: a stolen token
//!   must not become a way to guess them, so the pauses are those of a strange network.
//!
//! Nothing here depends on whether a name is that of an admin, so it cannot be found out.
//!
//! Guessing stays slow because few attempts are in progress at the same time: at most
//! [`KNOWN_ATTEMPTS`] from all known networks together, for example, are delayed at a time. One
//! network has a quarter of them ([`FairLimit`]), so that those who guess from an admin's network
//! do not keep the admins of other networks out.
//!
//! The time is that of a clock that only goes forward ([`Instant`]): a change of the system's time
//! neither ends nor extends a pause.

use std::time::{Duration, Instant};

use super::device::Device;
use crate::fair_limit::{FairLimit, Permit};
use rookery_accounts::hash_slots::HashQueue;
use rookery_accounts::password::{KNOWN_NETWORKS_QUEUE, OPERATORS_QUEUE, STRANGERS_QUEUE};
use rookery_base::attempt_counts::{Counts, NameAttempts, Waits};
use rookery_protocol::AccountName;
use rookery_record::Network;

/// A count is reset after this time without an attempt.
const RESET_AFTER: Duration = Duration::from_mins(10);
/// The number of counts of each kind.
const COUNTS: usize = 4096;
/// The number of attempts without a pause or a delay. It is no setting, so that the control plane
/// cannot be left without a throttle.
const FREE: u32 = 10;
/// The same for all networks of a site together ([`Network::of_site`]). A site may have 65,536
/// networks, whose counts would otherwise cover all others.
const FREE_OF_SITE: u32 = 40;
/// The same for all attempts at one name together, from other than known networks.
const FREE_OF_NAME: u32 = 100;
/// The number of attempts with one device token before it is of no use for a while.
const FREE_OF_DEVICE: u32 = 5;
/// The maximum number of attempts in progress from known networks: delayed, or being checked.
const KNOWN_ATTEMPTS: usize = 16;
/// The maximum number of attempts from known networks that wait for these: for twelve seconds, if a
/// network has all that it may have. Where fewer guess at a time, an admin there is never refused.
const KNOWN_WAITING: usize = 64;
/// The maximum number of attempts in progress from other networks.
const OTHER_ATTEMPTS: usize = 16;
/// The maximum number of attempts in progress with a device token.
const DEVICE_ATTEMPTS: usize = 8;
/// The maximum number of attempts in progress with a session.
const SESSION_ATTEMPTS: usize = 4;

/// Where an attempt is made from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A network from which an admin has signed in before.
    Known(Network),
    /// Another network, at the admin of a name.
    Other {
        /// The network.
        network: Network,
        /// The name, as given.
        name: String,
    },
    /// A client that the admin has signed in with before.
    Device(Device),
    /// A session of the admin with this name.
    Session(String),
}

impl Source {
    /// Returns the queue in which the attempt waits until its password is checked.
    pub fn hash_queue(&self) -> &'static HashQueue {
        match self {
            Self::Device(_) | Self::Session(_) => &OPERATORS_QUEUE,
            Self::Known(_) => &KNOWN_NETWORKS_QUEUE,
            Self::Other { .. } => &STRANGERS_QUEUE,
        }
    }
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
const SITE: Waits = Waits {
    free: FREE_OF_SITE,
    ..STRICT
};

/// The attempts of the last minutes.
pub struct Throttle {
    known: Counts,
    devices: Counts,
    networks: Counts,
    sites: Counts,
    names: NameAttempts,
    sessions: Counts,
}

impl Default for Throttle {
    fn default() -> Self {
        let counts = || Counts::new(COUNTS, RESET_AFTER);
        Self {
            known: counts(),
            devices: counts(),
            networks: counts(),
            sites: counts(),
            names: NameAttempts::new(COUNTS),
            sessions: counts(),
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
        self.devices.pause(now, device, &DEVICE).is_zero()
    }

    /// Begins an attempt. Returns by how long it is delayed; or, as an error, the number of seconds
    /// to wait before the next one. The attempt counts as a failure until [`Self::succeeded`] is
    /// called, so that simultaneous attempts cannot evade the limit.
    pub fn begin(&mut self, now: Instant, source: &Source) -> Result<Duration, u64> {
        let pause = match source {
            Source::Known(network) => {
                let delay = self.known.wait(now, network, &KNOWN);
                self.known.add(now, network);
                return Ok(delay);
            }
            Source::Device(device) => self.devices.pause(now, device, &DEVICE),
            Source::Other { network, name } => {
                let of_network = self.networks.pause(now, network, &STRICT);
                let of_site = self.sites.pause(now, network.site(), &SITE);
                let failures = self.sites.count(now, network.site());
                let of_name = self.names.pause(now, folded(name), failures, FREE_OF_NAME);
                of_network.max(of_site).max(of_name)
            }
            Source::Session(name) => self.sessions.pause(now, folded(name), &STRICT),
        };
        if !pause.is_zero() {
            // Rounded up, so that the next attempt is not too early.
            return Err(pause.as_secs() + u64::from(pause.subsec_nanos() > 0));
        }
        match source {
            Source::Known(_) => {}
            Source::Device(device) => self.devices.add(now, device),
            Source::Other { network, name } => {
                let failures = self.sites.count(now, network.site());
                self.names.take_turn(now, folded(name), failures);
                self.networks.add(now, network);
                self.sites.add(now, network.site());
                self.names.add(now, folded(name));
            }
            Source::Session(name) => self.sessions.add(now, folded(name)),
        }
        Ok(Duration::ZERO)
    }

    /// Notes that an attempt led to a sign-in, so that it no longer counts as a failure.
    pub fn succeeded(&mut self, source: &Source) {
        match source {
            Source::Known(network) => self.known.reset(network),
            Source::Device(device) => self.devices.subtract(device),
            Source::Other { network, name } => {
                self.networks.subtract(network);
                self.sites.subtract(network.site());
                self.names.subtract(folded(name));
            }
            Source::Session(name) => self.sessions.reset(folded(name)),
        }
    }
}

/// What shares the permits of a kind of source.
#[derive(Clone, PartialEq)]
pub enum Holder {
    /// A network from which an admin has signed in, or the site of another network.
    Network(Network),
    /// A device.
    Device(Device),
    /// The sessions of the admin with this name.
    Admin(String),
}

/// The attempts that are in progress, or wait for others.
pub struct Attempting {
    known: FairLimit<Holder>,
    devices: FairLimit<Holder>,
    other: FairLimit<Holder>,
    sessions: FairLimit<Holder>,
}

impl Default for Attempting {
    fn default() -> Self {
        Self {
            known: FairLimit::new(KNOWN_ATTEMPTS, KNOWN_WAITING),
            devices: FairLimit::new(DEVICE_ATTEMPTS, DEVICE_ATTEMPTS),
            other: FairLimit::new(OTHER_ATTEMPTS, OTHER_ATTEMPTS),
            sessions: FairLimit::new(SESSION_ATTEMPTS, SESSION_ATTEMPTS),
        }
    }
}

impl Attempting {
    /// Waits for a permit for one more attempt, to be held while it is in progress. Returns none if
    /// too many are waiting.
    pub async fn begin(&self, source: &Source) -> Option<Permit<'_, Holder>> {
        let (limit, holder) = match source {
            Source::Known(network) => (&self.known, Holder::Network(*network)),
            Source::Device(device) => (&self.devices, Holder::Device(*device)),
            Source::Other { network, .. } => (&self.other, Holder::Network(network.site())),
            Source::Session(name) => (&self.sessions, Holder::Admin(name.clone())),
        };
        limit.begin(holder).await
    }
}

#[cfg(test)]
mod tests;
