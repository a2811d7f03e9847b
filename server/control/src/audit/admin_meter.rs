//! Limits how many entries the reads and the refused requests of one admin add to the audit trail,
//! so that an admin who may only read cannot hide the acts of others in it, or fill the disk.
//!
//! In a minute, [`MAX_READS`] reads of an admin are recorded, and further ones refused.
//! [`MAX_REFUSALS`] refusals are recorded one by one. The others are counted, and their number is
//! recorded in one entry when the minute is over.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::refusal_meter::Decision;

/// The maximum number of reads of one admin that are recorded in a minute.
const MAX_READS: u32 = 120;
/// The maximum number of refusals of one admin that are recorded one by one in a minute.
const MAX_REFUSALS: u32 = 60;
/// The period over which entries are counted.
const MINUTE: SignedDuration = SignedDuration::from_secs(60);

/// The current minute of each admin.
#[derive(Default)]
pub struct AdminMeter(BTreeMap<String, Minute>);

struct Minute {
    since: Timestamp,
    reads: u32,
    refusals: u32,
    /// When the first refusal was only counted, and the number of these.
    counted: Option<(Timestamp, u32)>,
}

/// The refusals of one admin that were only counted.
#[derive(Debug, PartialEq, Eq)]
pub struct CountedRefusals {
    /// The name of the admin.
    pub admin: String,
    /// When the first of them was counted.
    pub since: Timestamp,
    /// Their number.
    pub refusals: u32,
}

impl AdminMeter {
    /// Counts a read that is to be recorded. The error is the number of seconds until the next is
    /// accepted.
    pub fn count_read(&mut self, now: Timestamp, admin: &str) -> Result<(), u64> {
        let minute = self.minute(now, admin);
        if minute.reads >= MAX_READS {
            let left = MINUTE - now.duration_since(minute.since).abs();
            return Err(left.as_secs().unsigned_abs().max(1));
        }
        minute.reads += 1;
        Ok(())
    }

    /// Counts a refusal, and decides whether it is recorded.
    pub fn count_refusal(&mut self, now: Timestamp, admin: &str) -> Decision {
        let minute = self.minute(now, admin);
        if minute.refusals >= MAX_REFUSALS {
            let (_, counted) = minute.counted.get_or_insert((now, 0));
            *counted = counted.saturating_add(1);
            return Decision::CountOnly;
        }
        minute.refusals += 1;
        if minute.refusals == MAX_REFUSALS {
            Decision::RecordLast
        } else {
            Decision::Record
        }
    }

    /// Returns the refusals that were only counted in a minute that is over.
    pub fn remove_over(&mut self, now: Timestamp) -> Vec<CountedRefusals> {
        let over = self.0.extract_if(.., |_, minute| minute.is_over(now));
        let counted = over.filter_map(|(admin, minute)| {
            let (since, refusals) = minute.counted?;
            Some(CountedRefusals {
                admin,
                since,
                refusals,
            })
        });
        counted.collect()
    }

    /// Returns the current minute of an admin. One that is over begins again; what was counted in
    /// it stays until [`Self::remove_over`] is called.
    fn minute(&mut self, now: Timestamp, admin: &str) -> &mut Minute {
        let minute = self.0.entry(admin.to_owned()).or_insert(Minute {
            since: now,
            reads: 0,
            refusals: 0,
            counted: None,
        });
        if minute.is_over(now) {
            *minute = Minute {
                since: now,
                reads: 0,
                refusals: 0,
                counted: minute.counted,
            };
        }
        minute
    }
}

impl Minute {
    /// A minute also ends when the clock was set back, so that it cannot last for long.
    fn is_over(&self, now: Timestamp) -> bool {
        now.duration_since(self.since).abs() >= MINUTE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
    }

    #[test]
    fn each_admin_has_a_number_of_reads_in_a_minute() {
        let mut meter = AdminMeter::default();
        let accepted = (0..1000).filter(|_| meter.count_read(at(0), "audi").is_ok());
        assert_eq!(accepted.count(), 120);
        assert_eq!(meter.count_read(at(20), "audi"), Err(40));
        assert_eq!(meter.count_read(at(20), "root"), Ok(()));
        assert_eq!(meter.count_read(at(60), "audi"), Ok(()), "a new minute");
    }

    #[test]
    fn every_refusal_is_recorded_or_counted_also_when_the_clock_is_set_back() {
        let mut meter = AdminMeter::default();
        let mut recorded = 0;
        for second in [3600, 3630, 0, 30] {
            for _ in 0..100 {
                recorded +=
                    u32::from(meter.count_refusal(at(second), "audi") != Decision::CountOnly);
            }
        }
        assert_eq!(recorded, 2 * 60);
        assert_eq!(meter.remove_over(at(59)), []);
        let counted = CountedRefusals {
            admin: "audi".to_owned(),
            since: at(3600),
            refusals: 400 - 2 * 60,
        };
        assert_eq!(meter.remove_over(at(60)), [counted]);
        assert_eq!(meter.remove_over(at(120)), []);
    }
}
