//! A CSV file that comes through the control plane: read whole, and taken in as one.

use jiff::Timestamp;

use super::format::{self, AddedRow, File, Row};
use super::synchronizer::{self, Outcome};
use rookery_record::{Account, Ban, BanTarget};
use rookery_store::{Result, Store};

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Users,
    Bans,
}

/// The rows of a file, good and bad.
pub struct Import(Vec<AddedRow>);

/// What came of them.
#[derive(Debug)]
pub struct Imported {
    /// Rows that made an account or a ban.
    pub added: usize,
    /// Rows that the record had already.
    pub known: usize,
    /// The bans that are new.
    pub bans: Vec<Ban>,
    /// Line by line, why not.
    pub rejected: Vec<(u64, String)>,
}

impl Import {
    /// With the columns of the windows, or those of the original (`name,email`): a list of bans is
    /// told from its first line.
    pub fn read(kind: Kind, content: &[u8]) -> Self {
        let file = match kind {
            Kind::Users => File::Users,
            Kind::Bans if format::has_header(File::OriginalBans, content) => File::OriginalBans,
            Kind::Bans => File::Bans,
        };
        Self(format::added(file, content, ""))
    }

    /// How many: good rows and bad ones.
    pub fn rows(&self) -> usize {
        self.0.len()
    }

    /// Each ban that would be made, with its line.
    pub fn targets(&self) -> impl Iterator<Item = (u64, &BanTarget)> {
        self.0.iter().filter_map(|added| match &added.row {
            Ok(Row::Ban { target, .. }) => Some((added.line, target)),
            _ => None,
        })
    }

    /// Takes every good row in. Bans that do not say who made them are `by`'s.
    pub fn apply(self, store: &mut dyn Store, now: Timestamp, by: &str) -> Result<Imported> {
        let Outcome {
            added,
            accepted,
            bans,
            rejected,
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

/// The accounts, as `users.csv` has them.
pub fn users(accounts: &[Account]) -> String {
    format::of_users(accounts)
}

/// The bans, as `bans.csv` has them.
pub fn bans(bans: &[Ban]) -> String {
    format::of_bans(bans)
}
