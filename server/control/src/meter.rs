//! How many refusals of strangers the audit trail takes: enough to see what goes on, too few to
//! fill a disk.
//!
//! From one network (an IPv4 address, or the first 64 bits of an IPv6 one) ten refusals a minute
//! are entered one by one; the others of that minute are counted, and the count is entered when the
//! minute is over. At most 64 networks are told apart at a time; all others share one such account.
//! RecentRefusals of admins who are signed in are not metered.

use std::collections::HashMap;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

/// RecentRefusals entered one by one, for each network and minute.
const ENTRIES: u32 = 10;
/// Networks told apart.
const NETWORKS: usize = 64;
/// How long a count runs.
const MINUTE: SignedDuration = SignedDuration::from_secs(60);

/// What to do with a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Enter it.
    Enter,
    /// Enter it, and say that those to come are only counted.
    EnterLast,
    /// It is counted.
    Count,
}

/// What was counted of one network in one minute.
#[derive(Debug, PartialEq, Eq)]
pub struct Counted {
    /// None for all those that are not told apart.
    pub network: Option<IpAddr>,
    pub since: Timestamp,
    pub refusals: u32,
}

/// The refusals of the current minute.
#[derive(Default)]
pub struct Meter {
    windows: HashMap<Option<IpAddr>, Window>,
}

struct Window {
    since: Timestamp,
    refusals: u32,
}

impl Meter {
    /// A stranger of that network was refused.
    pub fn take(&mut self, now: Timestamp, network: IpAddr) -> Measure {
        let known = self.windows.contains_key(&Some(network)) || self.windows.len() < NETWORKS;
        let key = known.then_some(network);
        let window = self.windows.entry(key).or_insert(Window {
            since: now,
            refusals: 0,
        });
        window.refusals = window.refusals.saturating_add(1);
        match window.refusals {
            0..ENTRIES => Measure::Enter,
            ENTRIES => Measure::EnterLast,
            _ => Measure::Count,
        }
    }

    /// Closes the counts whose minute is over; gives those that were more than what was entered.
    pub fn settle(&mut self, now: Timestamp) -> Vec<Counted> {
        let over = self
            .windows
            .extract_if(|_, window| now.duration_since(window.since) >= MINUTE);
        over.filter(|(_, window)| window.refusals > ENTRIES)
            .map(|(network, Window { since, refusals })| Counted {
                network,
                since,
                refusals: refusals - ENTRIES,
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
    fn a_flood_from_one_network_is_entered_ten_times_and_then_counted() {
        let mut meter = Meter::default();
        let measures: Vec<Measure> = (0..1000).map(|_| meter.take(at(0), network(1))).collect();
        assert_eq!(measures[..9], [Measure::Enter; 9]);
        assert_eq!(measures[9], Measure::EnterLast);
        assert!(
            measures[10..]
                .iter()
                .all(|measure| *measure == Measure::Count)
        );
        assert_eq!(
            meter.take(at(0), network(2)),
            Measure::Enter,
            "others are not touched by it"
        );

        assert_eq!(meter.settle(at(59)), []);
        let counted = Counted {
            network: Some(network(1)),
            since: at(0),
            refusals: 990,
        };
        assert_eq!(meter.settle(at(60)), [counted]);
        assert_eq!(meter.settle(at(60)), []);
        assert_eq!(
            meter.take(at(60), network(1)),
            Measure::Enter,
            "a new minute"
        );
    }

    #[test]
    fn a_flood_from_everywhere_is_bounded_too() {
        let mut meter = Meter::default();
        let entered = (0..=255)
            .flat_map(|last| std::iter::repeat_n(last, 100))
            .filter(|last| meter.take(at(0), network(*last)) != Measure::Count)
            .count();
        assert_eq!(entered, (NETWORKS + 1) * ENTRIES as usize);
        let counted: u32 = meter
            .settle(at(60))
            .iter()
            .map(|counted| counted.refusals)
            .sum();
        assert_eq!(
            counted as usize + entered,
            25_600,
            "nothing is left out of the sums"
        );
    }
}
