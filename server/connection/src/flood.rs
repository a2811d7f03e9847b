//! Flood control: a session may send a burst of messages, and then a steady rate.

use std::time::{Duration, Instant};

use rookery_chat::Weight;

/// A rate limit by the generic cell rate algorithm (GCRA). This is a leaky bucket that is stored as
/// the time at which it will be empty.
#[derive(Debug)]
pub struct Flood {
    /// `None` if there is no limit.
    rate: Option<Rate>,
    empty_at: Instant,
}

#[derive(Debug)]
struct Rate {
    /// The time that an ordinary message takes.
    interval: Duration,
    /// The time that a burst takes.
    burst: Duration,
}

impl Flood {
    /// Allows `burst` messages at once and `per_second` after that; if either is 0, there is no
    /// limit.
    pub fn new(burst: u32, per_second: u32, now: Instant) -> Self {
        let rate = (burst > 0 && per_second > 0).then(|| {
            let interval = Duration::from_secs(1) / per_second;
            Rate {
                interval,
                burst: interval * burst,
            }
        });
        Self {
            rate,
            empty_at: now,
        }
    }

    /// Counts a message, or a reply, of the given weight. Returns when the next message may be
    /// read, if that is later than `now`.
    pub fn count(&mut self, now: Instant, weight: Weight) -> Option<Instant> {
        let rate = self.rate.as_ref()?;
        self.empty_at = self.empty_at.max(now) + rate.interval * weight.tenths() / 10;
        let next = (self.empty_at + rate.interval).checked_sub(rate.burst)?;
        (next > now).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_burst_messages_pass_one_at_a_time() {
        let start = Instant::now();
        let mut flood = Flood::new(3, 2, start);
        assert_eq!(flood.count(start, Weight::messages(1)), None);
        assert_eq!(flood.count(start, Weight::messages(1)), None);
        let next = flood
            .count(start, Weight::messages(1))
            .expect("the burst is used up");
        assert_eq!(next - start, Duration::from_millis(500));
        assert_eq!(
            flood.count(next, Weight::messages(1)),
            Some(next + Duration::from_millis(500))
        );
        assert_eq!(
            flood.count(start + Duration::from_mins(1), Weight::messages(1)),
            None,
            "a pause allows a burst again"
        );
    }

    #[test]
    fn commands_that_visit_everything_count_as_more() {
        let start = Instant::now();
        let mut flood = Flood::new(20, 4, start);
        assert_eq!(flood.count(start, Weight::messages(10)), None);
        assert_eq!(
            flood.count(start, Weight::messages(10)),
            Some(start + Duration::from_millis(250))
        );
        assert_eq!(
            flood.count(start + Duration::from_millis(250), Weight::messages(10)),
            Some(start + Duration::from_millis(2750))
        );
    }

    #[test]
    fn ten_light_commands_count_as_one_message() {
        let start = Instant::now();
        let mut flood = Flood::new(2, 1, start);
        assert!((0..10).all(|_| flood.count(start, Weight::LIGHT).is_none()));
        assert!((0..10).any(|_| flood.count(start, Weight::LIGHT).is_some()));
    }

    #[test]
    fn zero_is_no_limit() {
        let start = Instant::now();
        let mut flood = Flood::new(0, 4, start);
        assert!((0..1000).all(|_| flood.count(start, Weight::messages(1)).is_none()));
    }
}
