//! The CSV windows onto the record: `users.csv` and `bans.csv`, written whole when the record changes, and rows that a
//! person adds to them taken in.

use jiff::Timestamp;

use crate::config::LiveConfig;
use crate::store::{Database, Result};

/// The CSV files beside the database.
#[derive(Clone)]
pub struct Windows {}

impl Windows {
    /// Over the record, in the data folder.
    pub fn new(_config: LiveConfig, _database: Database) -> Self {
        Self {}
    }

    /// Takes in the rows that people added, and the original's files; tells of each bad row in the log. Gives the bans that are new.
    pub async fn take_in(&self, _now: Timestamp) -> Result<Vec<crate::record::Ban>> {
        unimplemented!()
    }

    /// Writes `bans.csv` anew; done when it returns.
    pub async fn write_bans(&self, _now: Timestamp) -> Result<()> {
        unimplemented!()
    }

    /// Asks for `users.csv` to be written anew soon.
    pub fn users_changed(&self) {
        unimplemented!()
    }
}
