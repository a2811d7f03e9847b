//! The pace at which the requests of a stranger's connection are handled. Its requests come one
//! after the other without a new handshake, so nothing else limits their number.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// The number of requests that are handled without a pause. A sign-in takes a few.
const BURST: u32 = 50;
/// The time between two requests after that.
const INTERVAL: Duration = Duration::from_millis(25);

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
        let mut paid_until = self.paid_until.lock();
        *paid_until = now.max(*paid_until) + INTERVAL;
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
}
