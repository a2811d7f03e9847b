//! The content last written to each CSV file. Comparing a file with it reveals the rows that were
//! added by hand. The table is called `windows`.

use super::{Store, execute, find};
use crate::Result;

impl Store {
    /// Returns the content last written to the CSV file with that name.
    pub fn csv_content(&self, name: &str) -> Result<Option<String>> {
        find(
            &self.connection,
            "SELECT content FROM windows WHERE name = ?1",
            [name],
            |row| Ok(row.get(0)?),
        )
    }

    /// Records the content written to the CSV file with that name.
    pub fn set_csv_content(&mut self, name: &str, content: &str) -> Result<()> {
        let sql = "INSERT INTO windows (name, content) VALUES (?1, ?2)
                   ON CONFLICT (name) DO UPDATE SET content = excluded.content";
        execute(&self.connection, sql, [name, content]).map(drop)
    }
}
