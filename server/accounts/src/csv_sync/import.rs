//! CSV files that are sent to the control plane: parsed whole, and applied in steps.

use jiff::Timestamp;

use super::format::{self, AddedRow, File, RefusedFile, Row};
use super::rows::{Importer, Outcome, STEP};
use rookery_record::{Account, Ban, BanTarget};
use rookery_store::{Result, Store};

/// What a file contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Accounts.
    Users,
    /// Bans.
    Bans,
}

/// The rows of a file, good and bad, that are not applied yet.
pub struct Import {
    rows: Vec<AddedRow>,
    importer: Importer,
}

/// The maximum number of rejected rows that the result of an import lists.
pub const MAX_LISTED: usize = 1000;

/// The result of a step, or of several.
#[derive(Debug, Default)]
pub struct Imported {
    /// The number of rows that created an account or a ban.
    pub added: usize,
    /// The number of rows that the database already had.
    pub known: usize,
    /// The number of each rejected line, with the reason, of the first [`MAX_LISTED`].
    pub rejected: Vec<(u64, String)>,
    /// The number of further rejected rows.
    pub more_rejected: usize,
}

impl Import {
    /// Parses a file with the columns of `users.csv` or `bans.csv`, or of the original server
    /// (`name,email`). For bans, the header decides which. A ban whose row does not say who made it
    /// is made by `author`.
    ///
    /// # Errors
    /// If the file as a whole is refused.
    pub fn parse(
        kind: Kind,
        content: &[u8],
        now: Timestamp,
        author: &str,
    ) -> std::result::Result<Self, RefusedFile> {
        let file = match kind {
            Kind::Users => File::Users,
            Kind::Bans if format::has_header(File::OriginalBans, content) => File::OriginalBans,
            Kind::Bans => File::Bans,
        };
        format::check_text(file, content)?;
        // The next step takes its rows from the end.
        let mut rows = format::added(file, content, "")?;
        rows.reverse();
        let importer = Importer::of_operator(now, author);
        Ok(Self { rows, importer })
    }

    /// Returns the number of rows, good and bad, that are not applied yet.
    pub fn remaining(&self) -> usize {
        self.rows.len()
    }

    /// Returns the target of every ban that would be made, with its line number.
    pub fn targets(&self) -> impl Iterator<Item = (u64, &BanTarget)> {
        let rows = self.rows.iter().rev();
        rows.filter_map(|added| match &added.row {
            Ok(Row::Ban { target, .. }) => Some((added.line, target)),
            _ => None,
        })
    }

    /// Applies the good rows among the next [`STEP`] rows, and adds what that did to `imported`.
    /// Returns the new bans.
    ///
    /// # Errors
    /// If the database cannot be read or written.
    pub fn apply_step(&mut self, store: &mut Store, imported: &mut Imported) -> Result<Vec<Ban>> {
        let rows = self.next_step();
        let outcome = self.importer.apply(store, rows)?;
        Ok(imported.add(outcome))
    }

    /// Adds to `imported` what [`Self::apply_step`] would do, and changes nothing.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn dry_run_step(&mut self, store: &Store, imported: &mut Imported) -> Result<()> {
        let rows = self.next_step();
        imported.add(self.importer.dry_run(store, rows)?);
        Ok(())
    }

    fn next_step(&mut self) -> Vec<AddedRow> {
        let rest = self.rows.len().saturating_sub(STEP);
        let mut rows = self.rows.split_off(rest);
        rows.reverse();
        rows
    }
}

impl Imported {
    fn add(&mut self, outcome: Outcome) -> Vec<Ban> {
        self.added += outcome.added;
        self.known += outcome.accepted.len() - outcome.added;
        let count = outcome.rejected.len();
        let listed = count.min(MAX_LISTED - self.rejected.len());
        let rejected = outcome.rejected.into_iter().take(listed);
        self.rejected
            .extend(rejected.map(|(line, _, reason)| (line, reason)));
        self.more_rejected += count - listed;
        outcome.bans
    }
}

/// Returns the accounts in the format of `users.csv`.
pub fn users(accounts: &[Account]) -> String {
    format::of_users(accounts)
}

/// Returns the bans in the format of `bans.csv`.
pub fn bans(bans: &[Ban]) -> String {
    format::of_bans(bans)
}
