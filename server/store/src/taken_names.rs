//! The names that accounts have or had, in memory.
//!
//! The nick of each new session is compared with them. For most, a look at this set shows that
//! nobody has the name, so that the database is not read.

use std::collections::HashSet;
use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;
use parking_lot::RwLock;
use rookery_protocol::AccountName;

/// The hashes of folded names and skeletons. It may contain more than the database does: those of
/// a transaction that was rolled back, and of different names with the same hash. It never contains
/// less, since each name is added before its transaction is committed.
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
