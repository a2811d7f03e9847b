//! Limits how many refusals of unauthenticated requests the audit trail records: enough to see an
//! attack, too few to fill a disk.
//!
//! In a minute, ten refusals of one network (an IPv4 address, or the first 64 bits of an IPv6
//! address) and 60 of all networks together are recorded one by one. The others are counted, and
//! their number is recorded in one entry when the minute is over. Those of authenticated admins are
//! limited by [`AdminMeter`](super::admin_meter::AdminMeter).

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use rookery_record::Network;

/// The maximum number of refusals of one network that are recorded one by one in a minute.
const MAX_OF_NETWORK: u32 = 10;
/// The maximum number of refusals of all networks that are recorded one by one in a minute.
const MAX_RECORDED: u32 = 60;
/// The period over which refusals are counted.
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

impl Decision {
    /// Returns the detail of the entry for a refusal with this reason, if there is to be one.
    pub fn detail(self, reason: &str) -> Option<String> {
        match self {
            Self::Record => Some(reason.to_owned()),
            Self::RecordLast => Some(format!(
                "{reason}; further ones are only counted for a minute"
            )),
            Self::CountOnly => None,
        }
    }
}

/// The refusals of one minute that were only counted.
#[derive(Debug, PartialEq, Eq)]
pub struct CountedRefusals {
    /// The network that all of them are of; None if they are of several.
    pub network: Option<Network>,
    /// When the minute began.
    pub since: Timestamp,
    /// The number of refusals that were not recorded.
    pub refusals: u32,
}

/// The refusals of the current minute.
#[derive(Default)]
pub struct RefusalMeter(Option<Minute>);

struct Minute {
    since: Timestamp,
    recorded: u32,
    /// The number of recorded refusals of each network; at most [`MAX_RECORDED`] networks.
    recorded_of: HashMap<Network, u32>,
    counted: Option<CountedRefusals>,
}

impl RefusalMeter {
    /// Counts a refusal of an unauthenticated request, and decides whether it is recorded.
    pub fn count(&mut self, now: Timestamp, network: Network) -> Decision {
        let minute = self.minute(now);
        let of_network = minute.recorded_of.get(&network).copied().unwrap_or(0);
        if minute.recorded >= MAX_RECORDED || of_network >= MAX_OF_NETWORK {
            minute.count_only(network);
            return Decision::CountOnly;
        }
        minute.recorded += 1;
        minute.recorded_of.insert(network, of_network + 1);
        if minute.recorded == MAX_RECORDED || of_network + 1 == MAX_OF_NETWORK {
            Decision::RecordLast
        } else {
            Decision::Record
        }
    }

    /// Counts a refusal that is not recorded.
    pub fn count_only(&mut self, now: Timestamp, network: Network) {
        self.minute(now).count_only(network);
    }

    fn minute(&mut self, now: Timestamp) -> &mut Minute {
        self.0.get_or_insert_with(|| Minute {
            since: now,
            recorded: 0,
            recorded_of: HashMap::new(),
            counted: None,
        })
    }

    /// Ends the minute if it is over, and returns the refusals that were only counted. A minute
    /// also ends when the clock was set back, so that it cannot last for long.
    pub fn remove_over(&mut self, now: Timestamp) -> Option<CountedRefusals> {
        let is_over = |minute: &mut Minute| now.duration_since(minute.since).abs() >= MINUTE;
        self.0.take_if(is_over)?.counted
    }
}

impl Minute {
    fn count_only(&mut self, network: Network) {
        let counted = self.counted.get_or_insert(CountedRefusals {
            network: Some(network),
            since: self.since,
            refusals: 0,
        });
        counted.network = counted.network.filter(|first| *first == network);
        counted.refusals = counted.refusals.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
    }

    fn network(last: u8) -> Network {
        Network::of([192, 0, 2, last].into())
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

        assert_eq!(meter.remove_over(at(59)), None);
        let counted = CountedRefusals {
            network: Some(network(1)),
            since: at(0),
            refusals: 990,
        };
        assert_eq!(meter.remove_over(at(60)), Some(counted));
        assert_eq!(meter.remove_over(at(60)), None);
        assert_eq!(
            meter.count(at(60), network(1)),
            Decision::Record,
            "a new minute"
        );
    }

    #[test]
    fn all_strangers_together_have_sixty_entries_a_minute_and_one_for_the_rest() {
        let mut meter = RefusalMeter::default();
        let recorded = (0..=255)
            .flat_map(|last| std::iter::repeat_n(last, 100))
            .filter(|last| meter.count(at(0), network(*last)) != Decision::CountOnly)
            .count();
        assert_eq!(recorded, 60);
        let counted = CountedRefusals {
            network: None,
            since: at(0),
            refusals: 25_600 - 60,
        };
        assert_eq!(
            meter.remove_over(at(60)),
            Some(counted),
            "every refusal is recorded or counted"
        );
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_prolong_the_minute() {
        let mut meter = RefusalMeter::default();
        for _ in 0..11 {
            meter.count(at(3600), network(1));
        }
        assert!(meter.remove_over(at(0)).is_some());
        assert_eq!(meter.count(at(0), network(1)), Decision::Record);
    }
}
