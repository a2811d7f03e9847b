//! Limits how many refusals of unauthenticated requests the audit trail records: enough to see an
//! attack, too few to fill a disk.
//!
//! From one network (an IPv4 address, or the first 64 bits of an IPv6 address), ten refusals a
//! minute are recorded one by one. The others of that minute are counted, and their number is
//! recorded when the minute is over. At most 64 networks are distinguished at a time; all others
//! share one count. Refusals of authenticated admins are not limited.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

use rookery_base::rate_window::{RateWindows, Window};

/// The maximum number of refusals that are recorded one by one, for each network and minute.
const MAX_RECORDED: u32 = 10;
/// The maximum number of networks that are distinguished.
const MAX_NETWORKS: usize = 64;
/// The period over which the refusals of a network are counted.
const MINUTE: SignedDuration = SignedDuration::from_secs(60);

/// What to do with a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Record it.
    Record,
    /// Record it, and note that the following ones are only counted.
    RecordLast,
    /// Count it without an entry.
    CountOnly,
}

/// The refusals of one network and minute that were only counted.
#[derive(Debug, PartialEq, Eq)]
pub struct CountedRefusals {
    /// None for the networks that are not distinguished.
    pub network: Option<IpAddr>,
    /// When the minute began.
    pub since: Timestamp,
    /// The number of refusals that were not recorded.
    pub refusals: u32,
}

/// The refusals of the current minute, by network.
pub struct RefusalMeter(RateWindows<Option<IpAddr>, Minute>);

struct Minute {
    since: Timestamp,
    refusals: u32,
}

impl Window for Minute {
    fn latest(&self) -> Timestamp {
        self.since
    }

    fn is_over(&self, now: Timestamp) -> bool {
        now.duration_since(self.since) >= MINUTE
    }
}

impl Default for RefusalMeter {
    fn default() -> Self {
        // One more for all networks that are not distinguished.
        Self(RateWindows::new(MAX_NETWORKS + 1))
    }
}

impl RefusalMeter {
    /// Counts a refusal of an unauthenticated request, and decides whether it is recorded.
    pub fn count(&mut self, now: Timestamp, network: IpAddr) -> Decision {
        let is_distinguished = self.0.contains(&Some(network)) || self.0.len() < MAX_NETWORKS;
        let key = is_distinguished.then_some(network);
        let minute = self.0.get_or_open(now, key, || Minute {
            since: now,
            refusals: 0,
        });
        minute.refusals = minute.refusals.saturating_add(1);
        match minute.refusals {
            0..MAX_RECORDED => Decision::Record,
            MAX_RECORDED => Decision::RecordLast,
            _ => Decision::CountOnly,
        }
    }

    /// Removes the minutes that are over, and returns the refusals that were only counted.
    pub fn remove_over(&mut self, now: Timestamp) -> Vec<CountedRefusals> {
        let over = self.0.remove_over(now);
        over.filter(|(_, minute)| minute.refusals > MAX_RECORDED)
            .map(|(network, Minute { since, refusals })| CountedRefusals {
                network,
                since,
                refusals: refusals - MAX_RECORDED,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
    }

    fn network(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn a_flood_from_one_network_is_recorded_ten_times_and_then_counted() {
        let mut meter = RefusalMeter::default();
        let decisions: Vec<Decision> = (0..1000).map(|_| meter.count(at(0), network(1))).collect();
        assert_eq!(decisions[..9], [Decision::Record; 9]);
        assert_eq!(decisions[9], Decision::RecordLast);
        assert!(
            decisions[10..]
                .iter()
                .all(|decision| *decision == Decision::CountOnly)
        );
        assert_eq!(
            meter.count(at(0), network(2)),
            Decision::Record,
            "other networks are not affected"
        );

        assert_eq!(meter.remove_over(at(59)), []);
        let counted = CountedRefusals {
            network: Some(network(1)),
            since: at(0),
            refusals: 990,
        };
        assert_eq!(meter.remove_over(at(60)), [counted]);
        assert_eq!(meter.remove_over(at(60)), []);
        assert_eq!(
            meter.count(at(60), network(1)),
            Decision::Record,
            "a new minute"
        );
    }

    #[test]
    fn a_flood_from_many_networks_is_bounded_too() {
        let mut meter = RefusalMeter::default();
        let recorded = (0..=255)
            .flat_map(|last| std::iter::repeat_n(last, 100))
            .filter(|last| meter.count(at(0), network(*last)) != Decision::CountOnly)
            .count();
        assert_eq!(recorded, (MAX_NETWORKS + 1) * MAX_RECORDED as usize);
        let counted: u32 = meter
            .remove_over(at(60))
            .iter()
            .map(|counted| counted.refusals)
            .sum();
        assert_eq!(
            counted as usize + recorded,
            25_600,
            "every refusal is recorded or counted"
        );
    }
}
