//! Limits how many refusals are logged.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How often refusals of one kind are logged.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Decides which refusals of one kind are logged.
#[derive(Default)]
pub struct RefusalLog(Mutex<Refusals>);

#[derive(Default)]
struct Refusals {
    logged_at: Option<Instant>,
    since: u64,
}

impl RefusalLog {
    /// Counts a refusal. Returns the number of refusals since the last that was logged if this one
    /// is to be logged.
    pub fn count(&self, now: Instant) -> Option<u64> {
        let mut refusals = self.0.lock();
        refusals.since += 1;
        if refusals
            .logged_at
            .is_some_and(|at| now.saturating_duration_since(at) < LOG_INTERVAL)
        {
            return None;
        }
        refusals.logged_at = Some(now);
        Some(std::mem::take(&mut refusals.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_logged_with_their_number_and_seldom() {
        let (log, start) = (RefusalLog::default(), Instant::now());
        assert_eq!(log.count(start), Some(1));
        assert!((0..99).all(|_| log.count(start).is_none()));
        assert_eq!(log.count(start + LOG_INTERVAL), Some(100));
    }
}
