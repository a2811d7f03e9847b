//! How fast one session may send: a burst, then a steady rate.

use std::time::{Duration, Instant};

/// A leaky bucket kept as one point in time (GCRA).
#[derive(Debug)]
pub struct Flood {
    /// None where there is no limit.
    pace: Option<Pace>,
    /// When the bucket will be empty again.
    full_until: Instant,
}

#[derive(Debug)]
struct Pace {
    each: Duration,
    burst: Duration,
}

impl Flood {
    /// `burst` messages at once and `per_second` after that; 0 for either is no limit.
    pub fn new(burst: u32, per_second: u32, now: Instant) -> Self {
        let pace = (burst > 0 && per_second > 0).then(|| {
            let each = Duration::from_secs(1) / per_second;
            Pace {
                each,
                burst: each * burst,
            }
        });
        Self {
            pace,
            full_until: now,
        }
    }

    /// Counts a message of that weight. Gives the time from which the next one may be taken, if
    /// that is not at once.
    pub fn count(&mut self, now: Instant, weight: u32) -> Option<Instant> {
        let pace = self.pace.as_ref()?;
        self.full_until = self.full_until.max(now) + pace.each * weight;
        let next = (self.full_until + pace.each).checked_sub(pace.burst)?;
        (next > now).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_at_a_time() {
        let start = Instant::now();
        let mut flood = Flood::new(3, 2, start);
        assert_eq!(flood.count(start, 1), None);
        assert_eq!(flood.count(start, 1), None);
        let next = flood.count(start, 1).expect("the burst is used up");
        assert_eq!(next - start, Duration::from_millis(500));
        assert_eq!(
            flood.count(next, 1),
            Some(next + Duration::from_millis(500))
        );
        assert_eq!(
            flood.count(start + Duration::from_mins(1), 1),
            None,
            "a pause fills it again"
        );
    }

    #[test]
    fn what_goes_through_everything_counts_for_more() {
        let start = Instant::now();
        let mut flood = Flood::new(20, 4, start);
        assert_eq!(flood.count(start, 10), None);
        assert_eq!(
            flood.count(start, 10),
            Some(start + Duration::from_millis(250))
        );
        assert_eq!(
            flood.count(start + Duration::from_millis(250), 10),
            Some(start + Duration::from_millis(2750))
        );
    }

    #[test]
    fn zero_is_no_limit() {
        let start = Instant::now();
        let mut flood = Flood::new(0, 4, start);
        assert!((0..1000).all(|_| flood.count(start, 1).is_none()));
    }
}
