//! Rates per second over the last minute, computed from samples of the counters.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use rookery_control_api::{Counters, Rates as PerSecond};

use crate::metrics::METRICS;

/// How often the counters are sampled.
const INTERVAL: Duration = Duration::from_secs(5);
/// The number of samples that are stored; together they cover one minute.
const SAMPLES: usize = 12;

/// Samples of the counters, oldest first.
pub struct Rates(Mutex<VecDeque<(Timestamp, Counters)>>);

impl Rates {
    /// Creates the rates with a first sample.
    pub fn new(now: Timestamp, counters: Counters) -> Self {
        Self(Mutex::new(VecDeque::from([(now, counters)])))
    }

    /// Adds a sample. If all `SAMPLES` are stored, the oldest one is dropped.
    pub fn sample(&self, now: Timestamp, counters: Counters) {
        let mut samples = self.0.lock();
        if samples.len() == SAMPLES {
            samples.pop_front();
        }
        samples.push_back((now, counters));
    }

    /// Returns the growth of each counter per second since the oldest sample.
    pub fn per_second(&self, now: Timestamp, counters: &Counters) -> PerSecond {
        let oldest = self.0.lock().front().copied();
        let (since, before) = oldest.unwrap_or((now, *counters));
        counters.rates_since(&before, now.duration_since(since).as_secs_f64())
    }

    /// Samples the counters of this process until the task is dropped.
    pub async fn run(&self) {
        let mut ticks = tokio::time::interval(INTERVAL);
        loop {
            ticks.tick().await;
            self.sample(Timestamp::now(), METRICS.counters());
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
    fn rates_cover_the_last_minute() {
        let rates = Rates::new(at(0), received(100));
        let of = |second, messages| {
            rates
                .per_second(at(second), &received(messages))
                .messages_received
        };
        assert!(of(0, 100).abs() < 1e-9, "no time has passed");
        assert!((of(2, 120) - 10.0).abs() < 1e-9, "since the start");
        for second in (5..=300).step_by(5) {
            rates.sample(at(second), received(120));
        }
        assert!(
            of(300, 120).abs() < 1e-9,
            "messages before the last minute do not count"
        );
        assert!(
            (of(305, 240) - 2.0).abs() < 1e-9,
            "over a minute: {}",
            of(305, 240)
        );
        assert!(of(0, 500).abs() < 1e-9, "no rate if the clock was set back");
    }
}
