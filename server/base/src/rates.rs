//! How fast things go: what the counters have gained in the last minute.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use rookery_control_api::{Counters, Rates as PerSecond};

use crate::metrics::METRICS;

/// How often the counters are noted.
const EVERY: Duration = Duration::from_secs(5);
/// How many notes are kept: the oldest is a minute old.
const KEPT: usize = 12;

/// What the counters were, the oldest first.
pub struct Rates(Mutex<VecDeque<(Timestamp, Counters)>>);

impl Rates {
    /// From now on.
    pub fn new(now: Timestamp, counters: Counters) -> Self {
        Self(Mutex::new(VecDeque::from([(now, counters)])))
    }

    /// Notes what the counters are.
    pub fn note(&self, now: Timestamp, counters: Counters) {
        let mut notes = self.0.lock();
        if notes.len() == KEPT {
            notes.pop_front();
        }
        notes.push_back((now, counters));
    }

    /// What they have gained a second since the oldest note.
    pub fn per_second(&self, now: Timestamp, counters: &Counters) -> PerSecond {
        let oldest = self.0.lock().front().copied();
        let (since, before) = oldest.unwrap_or((now, *counters));
        counters.rates_since(&before, now.duration_since(since).as_secs_f64())
    }

    /// Notes the counters of this process for as long as it runs.
    pub async fn keep(&self) {
        let mut ticks = tokio::time::interval(EVERY);
        loop {
            ticks.tick().await;
            self.note(Timestamp::now(), METRICS.counters());
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
    }

    fn received(messages_received: u64) -> Counters {
        Counters {
            messages_received,
            ..Counters::default()
        }
    }

    #[test]
    fn rates_are_those_of_the_last_minute() {
        let rates = Rates::new(at(0), received(100));
        let of = |second, messages| {
            rates
                .per_second(at(second), &received(messages))
                .messages_received
        };
        assert!(of(0, 100).abs() < 1e-9, "no time has passed");
        assert!((of(2, 120) - 10.0).abs() < 1e-9, "since the start");
        for second in (5..=300).step_by(5) {
            rates.note(at(second), received(120));
        }
        assert!(of(300, 120).abs() < 1e-9, "what was before is over");
        assert!(
            (of(305, 240) - 2.0).abs() < 1e-9,
            "over a minute: {}",
            of(305, 240)
        );
        assert!(of(0, 500).abs() < 1e-9, "a clock that was set back");
    }
}
