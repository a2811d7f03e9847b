//! Pages of the file that deleted rows have left free, and their return to the file system.
//!
//! A new database is created with `auto_vacuum = INCREMENTAL`: pages from the end of the file can
//! be moved into free ones a few at a time, so that other writes do not wait long.

use super::Store;
use crate::Result;

/// The number of the file's pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageCounts {
    /// All pages.
    pub total: u64,
    /// Those that hold nothing.
    pub free: u64,
}

impl Store {
    /// Returns the number of pages.
    pub fn page_counts(&self) -> Result<PageCounts> {
        let pragma = |name| -> Result<u64> {
            let count = self
                .connection
                .pragma_query_value(None, name, |row| row.get::<_, i64>(0))?;
            Ok(count.try_into().unwrap_or(0))
        };
        Ok(PageCounts {
            total: pragma("page_count")?,
            free: pragma("freelist_count")?,
        })
    }

    /// Removes up to `pages` free pages from the file. Its size changes with the next checkpoint,
    /// which follows soon.
    pub fn release_pages(&mut self, pages: u32) -> Result<()> {
        let sql = format!("PRAGMA incremental_vacuum({pages})");
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        // Each step removes one page.
        while rows.next()?.is_some() {}
        drop(rows);
        drop(statement);
        self.needs_scrub = true;
        Ok(())
    }

    /// Rewrites a file that was created without `auto_vacuum`, so that [`Self::release_pages`]
    /// works on it. Takes as long as copying the file. Returns whether there was something to do.
    pub(crate) fn enable_release(&mut self) -> Result<bool> {
        let mode: i64 = self
            .connection
            .pragma_query_value(None, "auto_vacuum", |row| row.get(0))?;
        if mode != 0 {
            return Ok(false);
        }
        self.connection.execute_batch("VACUUM")?;
        self.needs_scrub = true;
        Ok(true)
    }
}
