//! The names that accounts have or had, in memory.
//!
//! The nick of each new session is compared with them. Most nicks are not among them, so that the
//! database does not have to be read.

use std::collections::HashSet;
use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;
use parking_lot::RwLock;
use rookery_protocol::AccountName;

/// The hashes of folded names and skeletons. A name may be in this set and not in the database, if
/// a transaction was rolled back or if two names have the same hash. A name in the database is
/// always in this set, because it is added before its transaction is committed, and only the server
/// creates and deletes accounts.
#[derive(Debug, Default)]
pub(crate) struct TakenNames(RwLock<HashSet<u64, FixedState>>);

impl TakenNames {
    /// Adds the folded name of an account and its skeleton.
    pub fn add(&self, folded: &str, skeleton: &str) {
        self.0.write().extend([hash(folded), hash(skeleton)]);
    }

    /// Whether an account may have or have had that name, or one that looks the same. If not, the
    /// database has none.
    pub fn may_contain(&self, name: &AccountName) -> bool {
        let hashes = [hash(name.folded()), hash(&name.skeleton())];
        let names = self.0.read();
        hashes.iter().any(|hash| names.contains(hash))
    }
}

fn hash(name: &str) -> u64 {
    FixedState::default().hash_one(name)
}
