//! What is known about the clock of the system, which may be wrong.
//!
//! Whatever cannot be undone needs more than the clock: a clock that is wrong for a moment must not
//! delete what is not due. So the last time that was confirmed is remembered. A clock that shows a
//! time soon after it is right. One that shows another time may have been set, wrongly or rightly,
//! or the server may have been stopped for long; it has to run steadily for a day first.

use jiff::{SignedDuration, Timestamp};

/// How far the clock may be from where it is expected, so that it is regarded as right: the server
/// may have been stopped for a while, or the machine suspended. A clock that is wrong by less than
/// this is not noticed, so what is deleted has to be due for this long.
pub const PLAUSIBLE_GAP: SignedDuration = SignedDuration::from_hours(24);
/// For how long the server has to run while the clock runs steadily, to confirm a new time.
const CONFIRMED_AFTER: SignedDuration = SignedDuration::from_hours(24);
/// How long the server may be stopped before the confirmation of a new time begins again. A server
/// that runs once a week can confirm it, too.
const LONGEST_STOP: SignedDuration = SignedDuration::from_hours(8 * 24);

/// What is known about the clock of the system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockRecord {
    /// The last time that the clock showed while it was regarded as right; `None` before the first.
    pub confirmed_at: Option<Timestamp>,
    /// The time that is to be confirmed; `None` if the clock is regarded as right.
    pub new_time: Option<NewTime>,
}

/// A time that is to be confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewTime {
    /// What the clock showed last.
    pub at: Timestamp,
    /// For how long the clock has run steadily.
    pub steady: SignedDuration,
}

/// The period in which the present is: one moment if the clock is regarded as right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Present {
    /// The earliest time that it may be.
    pub earliest: Timestamp,
    /// The latest time that it may be.
    pub latest: Timestamp,
}

impl From<Timestamp> for Present {
    fn from(now: Timestamp) -> Self {
        Self {
            earliest: now,
            latest: now,
        }
    }
}

impl ClockRecord {
    /// Notes that the clock shows `now`. `elapsed` is the time since the last note by a clock that
    /// nobody can set, or zero for the first one after a start.
    pub fn observe(&mut self, now: Timestamp, elapsed: SignedDuration) {
        let is_expected = |last: Timestamp, longest: SignedDuration| {
            let gap = now.duration_since(last).saturating_sub(elapsed);
            (-PLAUSIBLE_GAP..=longest).contains(&gap)
        };
        let is_right = |confirmed| is_expected(confirmed, PLAUSIBLE_GAP);
        // The first time is as good as any: a new server has nothing that could be deleted.
        if self.confirmed_at.is_none_or(is_right) {
            self.confirmed_at = Some(now);
            self.new_time = None;
            return;
        }
        let steady = match self.new_time {
            Some(new) if is_expected(new.at, LONGEST_STOP) => new.steady.saturating_add(elapsed),
            _ => SignedDuration::ZERO,
        };
        if steady >= CONFIRMED_AFTER {
            self.confirmed_at = Some(now);
            self.new_time = None;
        } else {
            self.new_time = Some(NewTime { at: now, steady });
        }
    }

    /// Returns the time before which what is older than `age` can be deleted: it has been due for
    /// longer than the clock may be wrong unnoticed. Returns `None` while the clock is not regarded
    /// as right, or if nothing can be that old.
    pub fn deletable_before(&self, age: SignedDuration) -> Option<Timestamp> {
        let now = self.confirmed_at.filter(|_| self.new_time.is_none())?;
        now.checked_sub(age.checked_add(PLAUSIBLE_GAP)?).ok()
    }

    /// Returns the period in which the present is while the clock shows `now`.
    pub fn present(&self, now: Timestamp) -> Present {
        let Some(confirmed) = self.confirmed_at else {
            return now.into();
        };
        if now.duration_since(confirmed).abs() <= PLAUSIBLE_GAP {
            return now.into();
        }
        Present {
            earliest: now.min(confirmed),
            latest: now.max(confirmed),
        }
    }

    /// Returns why the clock may be wrong; `Ok` if it is regarded as right.
    pub fn health(&self) -> Result<(), String> {
        let (Some(confirmed), Some(new)) = (self.confirmed_at, self.new_time) else {
            return Ok(());
        };
        let left = CONFIRMED_AFTER.saturating_sub(new.steady).as_secs();
        let left = left.unsigned_abs().div_ceil(60 * 60);
        Err(format!(
            "the clock shows {:.0}, but was at {confirmed:.0} when it was last known to be right; \
             no old messages are deleted until it has run steadily for {left} h",
            new.at
        ))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::constant(1_800_000_000, 0);
    const HOUR: SignedDuration = SignedDuration::from_hours(1);
    const DAY: SignedDuration = SignedDuration::from_hours(24);

    /// A server that runs, with a clock that can be set.
    struct Machine {
        record: ClockRecord,
        now: Timestamp,
    }

    impl Machine {
        /// Returns a machine whose clock is right.
        fn new() -> Self {
            let record = ClockRecord {
                confirmed_at: Some(START),
                new_time: None,
            };
            Self { record, now: START }
        }

        /// Runs the server for some hours.
        fn run(&mut self, hours: i64) {
            for _ in 0..hours * 6 {
                self.now += HOUR / 6;
                self.record.observe(self.now, HOUR / 6);
            }
        }

        /// Sets the clock while the server runs.
        fn set(&mut self, by: SignedDuration) {
            self.now += by;
            self.record.observe(self.now, SignedDuration::ZERO);
        }

        /// Whether messages may be deleted that are older than a day; never any that are not.
        fn deletes(&self) -> bool {
            let before = self.record.deletable_before(DAY);
            assert!(before.is_none_or(|before| before == self.now - 2 * DAY));
            assert_eq!(before.is_some(), self.record.health().is_ok());
            before.is_some()
        }
    }

    #[test]
    fn a_clock_that_was_set_has_to_run_for_a_day_before_anything_is_deleted() {
        for by in [40 * DAY, -40 * DAY, 25 * HOUR, -49 * HOUR] {
            let mut machine = Machine::new();
            machine.run(100);
            assert!(machine.deletes());
            machine.set(by);
            assert!(!machine.deletes(), "{by}");
            machine.run(23);
            assert!(!machine.deletes(), "{by}");
            machine.run(1);
            assert!(machine.deletes(), "{by}");
        }
    }

    #[test]
    fn a_clock_that_was_wrong_for_less_than_a_day_is_right_at_once() {
        let mut machine = Machine::new();
        machine.set(40 * DAY);
        machine.run(20);
        machine.set(-40 * DAY);
        assert!(machine.deletes());
    }

    #[test]
    fn another_change_begins_the_day_again() {
        let mut machine = Machine::new();
        machine.set(40 * DAY);
        machine.run(20);
        machine.set(40 * DAY);
        machine.run(20);
        assert!(!machine.deletes());
    }

    #[test]
    fn restarts_neither_stop_the_deletion_nor_begin_the_day_again() {
        // At nights, and at a weekend.
        let mut machine = Machine::new();
        for stopped in [14, 14, 23, 14] {
            machine.run(10);
            machine.set(stopped * HOUR);
            assert!(machine.deletes());
        }
        machine.set(62 * HOUR);
        for _ in 0..2 {
            machine.run(10);
            assert!(!machine.deletes());
            machine.set(14 * HOUR);
        }
        machine.run(10);
        assert!(machine.deletes());
        // A server that runs once a week.
        machine.set(7 * DAY);
        for _ in 0..5 {
            machine.run(4);
            assert!(!machine.deletes());
            machine.set(7 * DAY);
        }
        machine.run(4);
        assert!(machine.deletes());
    }

    #[test]
    fn the_present_is_between_the_clock_and_the_last_time_that_was_right() {
        let machine = Machine::new();
        let present = |now| {
            let Present { earliest, latest } = machine.record.present(now);
            (earliest, latest)
        };
        let (soon, late, early) = (START + 23 * HOUR, START + 2 * DAY, START - 2 * DAY);
        assert_eq!(present(soon), (soon, soon));
        assert_eq!(present(late), (START, late));
        assert_eq!(present(early), (early, START));
    }
}
