//! Maintenance mode: a table with one row during maintenance, and none otherwise.

use rusqlite::{Row, params};

use super::{Store, find, timestamp};
use crate::Result;
use rookery_record::Maintenance;

fn read(row: &Row<'_>) -> Result<Maintenance> {
    Ok(Maintenance {
        message: row.get(0)?,
        by: row.get(1)?,
        since: timestamp(row, 2)?,
    })
}

impl Store {
    /// Returns the maintenance in force; `None` in normal operation.
    pub fn maintenance(&self) -> Result<Option<Maintenance>> {
        find(
            &self.connection,
            "SELECT message, by, since FROM maintenance",
            [],
            read,
        )
    }

    /// Starts maintenance, replacing one that is in force. `None` ends it.
    pub fn set_maintenance(&mut self, maintenance: Option<&Maintenance>) -> Result<()> {
        self.execute("DELETE FROM maintenance")?;
        if let Some(Maintenance { message, by, since }) = maintenance {
            self.connection
                .prepare_cached(
                    "INSERT INTO maintenance (id, message, by, since) VALUES (1, ?1, ?2, ?3)",
                )?
                .execute(params![message, by, since.as_millisecond()])?;
        }
        Ok(())
    }
}
