//! Counts recent messages, which shows operators the busiest users and channels.

use jiff::Timestamp;

/// The number of slots of a count.
const SLOTS: usize = 6;
/// The number of seconds that each slot covers. All slots together cover about a minute.
const SLOT_SECONDS: i64 = 10;

/// The number of messages in the last 50 to 60 seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recent {
    slots: [u32; SLOTS],
    /// The current slot, in slots since 1970.
    now: i64,
}

impl Recent {
    /// Counts one message.
    pub fn add(&mut self, now: Timestamp) {
        self.advance(now);
        let slot = &mut self.slots[slot_index(self.now)];
        *slot = slot.saturating_add(1);
    }

    /// Returns the number of messages.
    pub fn count(mut self, now: Timestamp) -> u32 {
        self.advance(now);
        self.slots
            .iter()
            .fold(0, |sum, slot| sum.saturating_add(*slot))
    }

    /// Empties the slots that have expired. If the clock was set back, all slots are in the future
    /// and are emptied.
    fn advance(&mut self, now: Timestamp) {
        let now = now.as_second().div_euclid(SLOT_SECONDS);
        let passed = now - std::mem::replace(&mut self.now, now);
        match usize::try_from(passed) {
            Ok(0) => {}
            Ok(1..SLOTS) => {
                for expired in now - passed + 1..=now {
                    self.slots[slot_index(expired)] = 0;
                }
            }
            _ => self.slots = [0; SLOTS],
        }
    }
}

fn slot_index(slot: i64) -> usize {
    // No message is older than 1970.
    usize::try_from(slot).unwrap_or_default() % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).expect("the time is in range")
    }

    #[test]
    fn messages_are_counted_for_about_a_minute() {
        let mut recent = Recent::default();
        assert_eq!(recent.count(at(0)), 0);
        for second in 0..60 {
            recent.add(at(second));
        }
        assert_eq!(recent.count(at(59)), 60);
        assert_eq!(
            recent.count(at(60)),
            50,
            "the first ten seconds have expired"
        );
        assert_eq!(recent.count(at(85)), 30);
        recent.add(at(85));
        assert_eq!(recent.count(at(85)), 31);
        assert_eq!(recent.count(at(139)), 1);
        assert_eq!(recent.count(at(140)), 0);
        assert_eq!(recent.count(at(1_000_000)), 0);
    }

    #[test]
    fn a_clock_that_is_set_back_starts_a_new_count() {
        let mut recent = Recent::default();
        recent.add(at(3600));
        recent.add(at(0));
        assert_eq!(recent.count(at(0)), 1);
        assert_eq!(recent.count(at(60)), 0);
    }
}
