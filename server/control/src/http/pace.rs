//! The pace at which the requests of a stranger's connection are handled. Its requests come one
//! after the other without a new handshake, so nothing else limits their number.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// The number of requests that are handled without a pause. A sign-in takes a few.
const BURST: u32 = 50;
/// The time between two requests after that.
const INTERVAL: Duration = Duration::from_millis(25);
/// How many bytes of an answer count as another request. Answers to strangers are shorter, except
/// the description of the control plane.
const BYTES_OF_REQUEST: u64 = 4096;

/// The pace of one connection.
pub struct Pace {
    /// When all requests so far would have been handled without a burst.
    paid_until: Mutex<Instant>,
}

impl Pace {
    /// Begins with a full burst.
    pub fn new(now: Instant) -> Self {
        Self {
            paid_until: Mutex::new(now),
        }
    }

    /// Returns when a request is to be handled that arrives now.
    pub fn next(&self, now: Instant) -> Instant {
        self.count(now, 1)
    }

    /// Counts an answer of this length in bytes, which delays the next request if it is long.
    pub fn count_answer(&self, now: Instant, length: u64) {
        let requests = u32::try_from(length / BYTES_OF_REQUEST).unwrap_or(u32::MAX);
        self.count(now, requests);
    }

    /// Counts requests. Returns when the last one is to be handled.
    fn count(&self, now: Instant, requests: u32) -> Instant {
        let mut paid_until = self.paid_until.lock();
        *paid_until = now.max(*paid_until) + INTERVAL.saturating_mul(requests);
        now.max(*paid_until - INTERVAL * BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_handled_at_once_and_then_a_steady_rate() {
        let start = Instant::now();
        let pace = Pace::new(start);
        let mut now = start;
        for _ in 0..BURST + 50 {
            now = pace.next(now);
        }
        assert_eq!(now - start, INTERVAL * 50);
        let later = now + INTERVAL * 3;
        let at_once = (0..10).take_while(|_| pace.next(later) == later);
        assert_eq!(
            at_once.count(),
            3,
            "a pause allows as many as it would take"
        );
    }

    #[test]
    fn a_long_answer_counts_as_many_requests() {
        let start = Instant::now();
        let pace = Pace::new(start);
        for answered in [0, BYTES_OF_REQUEST - 1, 49 * BYTES_OF_REQUEST] {
            assert_eq!(pace.next(start), start);
            pace.count_answer(start, answered);
        }
        assert_eq!(pace.next(start), start + INTERVAL * 3);
    }
}
