//! What is known about the clock of the system: a table with one row.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Row, params};

use super::{Store, execute, find, optional_timestamp};
use crate::Result;
use rookery_record::{ClockRecord, NewTime};

fn read(row: &Row<'_>) -> Result<ClockRecord> {
    let steady: Option<i64> = row.get(2)?;
    let new_time = optional_timestamp(row, 1)?.zip(steady);
    Ok(ClockRecord {
        confirmed_at: optional_timestamp(row, 0)?,
        new_time: new_time.map(|(at, steady)| NewTime {
            at,
            steady: SignedDuration::from_millis(steady),
        }),
    })
}

impl Store {
    /// Returns what is known about the clock.
    pub fn clock(&self) -> Result<ClockRecord> {
        let sql = "SELECT confirmed_at, new_time, steady FROM clock";
        Ok(find(&self.connection, sql, [], read)?.unwrap_or_default())
    }

    /// Stores what is known about the clock.
    pub fn set_clock(&mut self, record: ClockRecord) -> Result<()> {
        let steady = |new: NewTime| i64::try_from(new.steady.as_millis()).unwrap_or(i64::MAX);
        execute(
            &self.connection,
            "UPDATE clock SET confirmed_at = ?1, new_time = ?2, steady = ?3",
            params![
                record.confirmed_at.map(Timestamp::as_millisecond),
                record.new_time.map(|new| new.at.as_millisecond()),
                record.new_time.map(steady),
            ],
        )
        .map(drop)
    }
}
