//! The windows table.

use super::{Store, execute, find};
use crate::Result;

impl Store {
    /// What was last written to the CSV window of that name.
    pub fn window(&self, name: &str) -> Result<Option<String>> {
        find(
            &self.connection,
            "SELECT content FROM windows WHERE name = ?1",
            [name],
            |row| Ok(row.get(0)?),
        )
    }

    pub fn set_window(&mut self, name: &str, content: &str) -> Result<()> {
        let sql = "INSERT INTO windows (name, content) VALUES (?1, ?2)
                   ON CONFLICT (name) DO UPDATE SET content = excluded.content";
        execute(&self.connection, sql, [name, content]).map(drop)
    }
}
