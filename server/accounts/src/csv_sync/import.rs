//! CSV files that are sent to the control plane: parsed whole, and applied in one transaction.

use jiff::Timestamp;

use super::format::{self, AddedRow, File, RefusedFile, Row};
use super::synchronizer::{self, Outcome};
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

/// The rows of a file, good and bad, before they are applied.
pub struct Import(Vec<AddedRow>);

/// The result of [`Import::apply`].
#[derive(Debug)]
pub struct Imported {
    /// The number of rows that created an account or a ban.
    pub added: usize,
    /// The number of rows that the database already had.
    pub known: usize,
    /// The new bans.
    pub bans: Vec<Ban>,
    /// The number of each rejected line, with the reason.
    pub rejected: Vec<(u64, String)>,
}

impl Import {
    /// Parses a file with the columns of `users.csv` or `bans.csv`, or of the original server
    /// (`name,email`). For bans, the header decides which.
    ///
    /// # Errors
    /// If the file as a whole is refused.
    pub fn parse(kind: Kind, content: &[u8]) -> std::result::Result<Self, RefusedFile> {
        let file = match kind {
            Kind::Users => File::Users,
            Kind::Bans if format::has_header(File::OriginalBans, content) => File::OriginalBans,
            Kind::Bans => File::Bans,
        };
        format::check_text(file, content)?;
        format::added(file, content, "").map(Self)
    }

    /// Returns the number of rows, good and bad.
    pub fn rows(&self) -> usize {
        self.0.len()
    }

    /// Returns the target of every ban that would be made, with its line number.
    pub fn targets(&self) -> impl Iterator<Item = (u64, &BanTarget)> {
        self.0.iter().filter_map(|added| match &added.row {
            Ok(Row::Ban { target, .. }) => Some((added.line, target)),
            _ => None,
        })
    }

    /// Applies every good row. A ban whose row does not say who made it is made by `by`.
    ///
    /// # Errors
    /// If the database cannot be read or written.
    pub fn apply(self, store: &mut Store, now: Timestamp, by: &str) -> Result<Imported> {
        let Outcome {
            added,
            accepted,
            bans,
            rejected,
            ..
        } = synchronizer::import_rows(store, self.0, now, by)?;
        let known = accepted.len() - added;
        let rejected = rejected
            .into_iter()
            .map(|(line, _, reason)| (line, reason))
            .collect();
        Ok(Imported {
            added,
            known,
            bans,
            rejected,
        })
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
