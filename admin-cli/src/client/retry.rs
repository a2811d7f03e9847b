//! When a request is tried again, and how often.
//!
//! The port of the control plane closes connections to make room for others, and refuses requests
//! without a session while many wait. Soon afterwards, the same request may succeed.

use std::time::{Duration, Instant};

use ureq::http::{HeaderMap, header};

use super::tls::NotConnected;
use crate::failure::Failure;

/// The maximum number of tries, including the first one.
const MAX_TRIES: u32 = 5;
/// The time within which each try begins.
const PERIOD: Duration = Duration::from_secs(10);
/// The pause before the second try. It doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Whether a request is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retries {
    /// Yes, and the first time a notice is printed.
    Announced,
    /// Yes, and nothing is printed.
    Silent,
    None,
}

/// Why a try has failed.
pub(super) enum TryError {
    /// There is no reply, or a part of one.
    NoReply {
        error: ureq::Error,
        /// Whether the server may have received the request.
        was_sent: bool,
    },
    /// The server is busy, and asks for a pause before the next try.
    Busy(Failure, Duration),
    /// The server refuses the request.
    Refused(Failure),
}

impl From<ureq::Error> for TryError {
    fn from(error: ureq::Error) -> Self {
        let not_connected = match error {
            ureq::Error::Other(cause) => {
                cause.downcast::<NotConnected>().map_err(ureq::Error::Other)
            }
            error => Err(error),
        };
        match not_connected {
            Ok(cause) => Self::NoReply {
                error: cause.0,
                was_sent: false,
            },
            Err(error) => Self::NoReply {
                error,
                was_sent: true,
            },
        }
    }
}

/// The tries of one request.
pub(super) struct Tries {
    began: Instant,
    /// The number of tries, including the one that is under way.
    count: u32,
}

impl Tries {
    /// Begins the first try.
    pub(super) fn begin() -> Self {
        Self {
            began: Instant::now(),
            count: 1,
        }
    }

    /// Whether only one try has begun.
    pub(super) fn is_first(&self) -> bool {
        self.count == 1
    }

    /// Returns the pause before the next try, which is the one that the server has `asked` for, if
    /// any; `None` if there is no further try.
    pub(super) fn next_pause(&mut self, asked: Option<Duration>) -> Option<Duration> {
        if self.count == MAX_TRIES {
            return None;
        }
        let doubled = FIRST_PAUSE * 2_u32.pow(self.count - 1);
        let random = getrandom::u32().unwrap_or_default();
        let pause = asked.unwrap_or_else(|| jittered(doubled, random));
        self.count += 1;
        (pause < PERIOD.saturating_sub(self.began.elapsed())).then_some(pause)
    }
}

/// Returns the pause that the server asks for.
pub(super) fn asked_pause(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    Some(Duration::from_secs(seconds.parse().ok()?))
}

/// Shortens a pause by up to a half at random, so that what was refused at the same time is not
/// tried again at the same time.
fn jittered(pause: Duration, random: u32) -> Duration {
    pause.mul_f64(1.0 - f64::from(random) / f64::from(u32::MAX) / 2.0)
}
