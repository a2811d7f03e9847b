//! Verifies the audit trail: finds the entry that was changed, removed or moved.
//!
//! Each entry contains the SHA-256 hash of the entry before it, and its own hash over all its
//! fields including the previous hash. Someone who changes, removes or moves an entry therefore has
//! to recompute every later hash, which changes the newest one (the head). So a head that was
//! recorded elsewhere, for example in the daily mail, proves all entries up to it. Without such a
//! head, it cannot be detected here that the newest entries were cut off, or that every hash from
//! some entry on was recomputed. While the store is open, [`Store::append_audit`] detects it.
//!
//! The same verifier checks the trail in the database, page by page, and an exported file.

use rookery_control_api::{AuditDefect, AuditVerdict, ChainHead};

use crate::{Result, Store, StoreError};
use data_encoding::HEXLOWER;
use rookery_record::{AuditEntry, AuditPage, AuditQuery};

/// The number of entries that are read in one query.
const PAGE: usize = 1000;

/// The reason why an entry breaks the chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// The hash does not match the fields.
    #[error("it was changed: its hash does not match its content")]
    Changed,
    /// The entries directly before it are missing.
    #[error("{} before it", missing(*first, *last))]
    Missing {
        /// The first missing number.
        first: i64,
        /// The last missing number.
        last: i64,
    },
    /// Its number is not greater than that of the entry before it.
    #[error("it comes after entry {after}, out of order")]
    OutOfOrder {
        /// The number of the entry before it.
        after: i64,
    },
    /// The previous hash that it contains is not the hash of the entry before it.
    #[error(
        "it does not continue entry {after}: that entry was changed and its hash recomputed, \
         or entries were removed or moved"
    )]
    Discontinued {
        /// The number of the entry before it.
        after: i64,
    },
    /// It is the first entry, but contains the hash of an entry before it.
    #[error("it is not the first: there were entries before it")]
    NotTheFirst,
    /// It differs from the head that was recorded elsewhere.
    #[error("its hash differs from the known head: it, or an entry before it, was rewritten")]
    Rewritten,
    /// It is the head that was recorded elsewhere, but the trail ends before it.
    #[error("it is missing: the trail ends at entry {newest}")]
    CutOff {
        /// The number of the trail's last entry.
        newest: i64,
    },
    /// It could not be read.
    #[error("{0}")]
    Unreadable(String),
}

fn missing(first: i64, last: i64) -> String {
    if first == last {
        format!("entry {first} is missing")
    } else {
        format!("entries {first} to {last} are missing")
    }
}

/// Verifies the chain, entry by entry, from the first one on.
pub struct ChainVerifier {
    /// The number and hash of the last intact entry.
    newest: Option<(i64, [u8; 32])>,
    entries: u64,
    /// A head that was recorded elsewhere. It must be part of the chain.
    expected: Option<ChainHead>,
    /// The first entry that breaks the chain, and how.
    defect: Option<(i64, Defect)>,
    page: usize,
}

impl ChainVerifier {
    /// Creates a verifier that has not seen an entry yet. `expected` is a head that was recorded
    /// elsewhere.
    pub fn new(expected: Option<ChainHead>) -> Self {
        Self {
            newest: None,
            entries: 0,
            expected,
            defect: None,
            page: PAGE,
        }
    }

    /// Checks the next entry. Returns false if it, or an earlier one, breaks the chain.
    pub fn check(&mut self, entry: &AuditEntry) -> bool {
        if self.defect.is_none() {
            if let Some(defect) = self.defect_of(entry) {
                self.defect = Some((entry.id, defect));
            } else {
                self.newest = Some((entry.id, entry.hash));
                self.entries += 1;
            }
        }
        self.defect.is_none()
    }

    fn defect_of(
        &self,
        AuditEntry {
            id,
            entry,
            previous,
            hash,
        }: &AuditEntry,
    ) -> Option<Defect> {
        let (newest, last_hash) = self.newest.unwrap_or_default();
        if *id <= newest {
            return Some(Defect::OutOfOrder { after: newest });
        }
        if *id > newest + 1 {
            return Some(Defect::Missing {
                first: newest + 1,
                last: id - 1,
            });
        }
        if entry.hash(previous) != *hash {
            return Some(Defect::Changed);
        }
        if *previous != last_hash {
            return Some(if newest == 0 {
                Defect::NotTheFirst
            } else {
                Defect::Discontinued { after: newest }
            });
        }
        let is_rewritten = |head: &ChainHead| head.id == *id && head.hash != HEXLOWER.encode(hash);
        self.expected
            .as_ref()
            .filter(|head| is_rewritten(head))
            .map(|_| Defect::Rewritten)
    }

    /// Records that the next entry cannot be read, and why.
    pub fn record_unreadable(&mut self, reason: String) {
        let next = self.newest.map_or(1, |(id, _)| id + 1);
        self.defect
            .get_or_insert((next, Defect::Unreadable(reason)));
    }

    /// Checks the next page of the stored trail. Returns false when there is nothing left to check.
    pub fn check_page(&mut self, store: &Store) -> Result<bool> {
        // The server never writes numbers below 1, so the first page includes them to report them.
        let after = self.newest.map_or(i64::MIN, |(id, _)| id);
        let query = AuditQuery {
            page: AuditPage::After(after),
            limit: self.page,
            ..AuditQuery::default()
        };
        match store.find_audit(&query) {
            Ok(entries) => {
                Ok(entries.iter().all(|entry| self.check(entry)) && entries.len() == self.page)
            }
            // Read the entries one by one to find the unreadable one.
            Err(StoreError::Corrupt(_)) if self.page > 1 => {
                self.page = 1;
                Ok(true)
            }
            Err(StoreError::Corrupt(reason)) => {
                self.record_unreadable(reason);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the result. Called after the last entry.
    pub fn verdict(self) -> AuditVerdict {
        let newest = self.newest.map_or(0, |(id, _)| id);
        let cut_off = self
            .expected
            .filter(|head| head.id > newest)
            .map(|head| (head.id, Defect::CutOff { newest }));
        let defect = self.defect.or(cut_off);
        AuditVerdict {
            intact: defect.is_none(),
            entries: self.entries,
            head: self.newest.map(|(id, hash)| ChainHead {
                id,
                hash: HEXLOWER.encode(&hash),
            }),
            defect: defect.map(|(id, defect)| AuditDefect {
                id,
                description: defect.to_string(),
            }),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{DATABASE_FILE, Store};
    use rookery_record::{NewAudit, Outcome};

    /// Returns an entry for the kick of `user{number}`.
    pub fn entry(number: usize) -> NewAudit {
        NewAudit {
            at: Timestamp::UNIX_EPOCH,
            actor: "root".to_owned(),
            origin: "local".to_owned(),
            session: String::new(),
            act: "kick".to_owned(),
            target: format!("user{number}"),
            outcome: Outcome::Allowed,
            detail: String::new(),
        }
    }

    /// Returns a trail of `length` entries, chained as the store chains them.
    fn trail(length: usize) -> Vec<AuditEntry> {
        let mut previous = [0; 32];
        (1..=length)
            .map(|number| {
                let entry = entry(number);
                let hash = entry.hash(&previous);
                let before = std::mem::replace(&mut previous, hash);
                AuditEntry {
                    id: number.try_into().unwrap(),
                    entry,
                    previous: before,
                    hash,
                }
            })
            .collect()
    }

    fn head(entry: &AuditEntry) -> ChainHead {
        ChainHead {
            id: entry.id,
            hash: HEXLOWER.encode(&entry.hash),
        }
    }

    fn verify(trail: &[AuditEntry], expected: Option<ChainHead>) -> AuditVerdict {
        let mut verifier = ChainVerifier::new(expected);
        for entry in trail {
            verifier.check(entry);
        }
        verifier.verdict()
    }

    /// Returns the number of the entry at which the chain breaks, and how it breaks.
    fn defect(trail: &[AuditEntry], expected: Option<ChainHead>) -> (i64, String) {
        let verdict = verify(trail, expected);
        assert!(!verdict.intact);
        let AuditDefect { id, description } = verdict.defect.unwrap();
        (id, description)
    }

    #[test]
    fn an_unchanged_trail_is_intact() {
        let trail = trail(5);
        let verdict = verify(&trail, Some(head(&trail[2])));
        assert_eq!(
            (verdict.intact, verdict.entries, verdict.defect),
            (true, 5, None)
        );
        assert_eq!(verdict.head, Some(head(&trail[4])));
        assert!(verify(&[], None).intact, "an empty trail is intact");
    }

    #[test]
    fn a_change_of_any_field_is_reported_at_its_entry() {
        let changes: [fn(&mut AuditEntry); 9] = [
            |entry| entry.entry.at = Timestamp::MAX,
            |entry| entry.entry.actor.push('x'),
            |entry| entry.entry.origin.clear(),
            |entry| entry.entry.session.push('x'),
            |entry| entry.entry.act = "ban".to_owned(),
            |entry| entry.entry.target = "someone else".to_owned(),
            |entry| entry.entry.outcome = Outcome::Refused,
            |entry| entry.entry.detail.push('x'),
            |entry| entry.hash[31] ^= 1,
        ];
        for change in changes {
            let mut trail = trail(5);
            change(&mut trail[2]);
            assert_eq!(defect(&trail, None), (3, Defect::Changed.to_string()));
        }
    }

    #[test]
    fn a_change_with_a_recomputed_hash_is_reported_at_the_next_entry() {
        let mut trail = trail(5);
        trail[2].entry.target = "someone else".to_owned();
        trail[2].hash = trail[2].entry.hash(&trail[2].previous);
        assert_eq!(
            defect(&trail, None),
            (4, Defect::Discontinued { after: 3 }.to_string())
        );
    }

    #[test]
    fn removed_entries_are_reported() {
        let mut one = trail(5);
        one.remove(2);
        assert_eq!(
            defect(&one, None),
            (4, "entry 3 is missing before it".to_owned())
        );
        let mut first = trail(5);
        first.drain(..2);
        assert_eq!(
            defect(&first, None),
            (3, "entries 1 to 2 are missing before it".to_owned())
        );
        let mut renumbered = trail(5);
        renumbered.remove(2);
        renumbered[2].id = 3;
        assert_eq!(
            defect(&renumbered, None),
            (3, Defect::Discontinued { after: 2 }.to_string())
        );
        let mut beheaded = trail(5);
        beheaded.remove(0);
        beheaded[0].id = 1;
        assert_eq!(
            defect(&beheaded, None),
            (1, Defect::NotTheFirst.to_string())
        );
    }

    #[test]
    fn reordered_entries_are_reported() {
        let mut swapped = trail(5);
        swapped.swap(2, 3);
        assert_eq!(defect(&swapped, None).0, 4);
        let mut twice = trail(3);
        twice.push(twice[1].clone());
        assert_eq!(
            defect(&twice, None),
            (2, Defect::OutOfOrder { after: 3 }.to_string())
        );
        // In the database, the numbers define the order.
        let mut renumbered = trail(5);
        renumbered.swap(2, 3);
        (renumbered[2].id, renumbered[3].id) = (3, 4);
        assert_eq!(
            defect(&renumbered, None),
            (3, Defect::Discontinued { after: 2 }.to_string())
        );
    }

    #[test]
    fn only_a_known_head_reveals_removed_newest_entries_or_a_recomputed_trail() {
        let whole = trail(5);
        assert!(verify(&whole[..3], None).intact);
        assert_eq!(
            defect(&whole[..3], Some(head(&whole[4]))),
            (5, Defect::CutOff { newest: 3 }.to_string())
        );
        let mut forged = trail(5);
        let mut previous = [0; 32];
        for entry in &mut forged {
            entry.entry.actor = "nobody".to_owned();
            entry.previous = previous;
            entry.hash = entry.entry.hash(&previous);
            previous = entry.hash;
        }
        assert!(verify(&forged, None).intact);
        assert_eq!(
            defect(&forged, Some(head(&whole[3]))),
            (4, Defect::Rewritten.to_string())
        );
    }

    #[test]
    fn a_stored_trail_is_checked_page_by_page_and_an_unreadable_entry_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(DATABASE_FILE);
        let mut sqlite = Store::open(&file).unwrap();
        sqlite
            .transaction(false, |store| {
                (0..=PAGE * 2).try_for_each(|number| store.append_audit(&entry(number)).map(drop))
            })
            .unwrap();
        let verdict = || {
            let mut verifier = ChainVerifier::new(None);
            while verifier.check_page(&sqlite).unwrap() {}
            verifier.verdict()
        };
        assert_eq!((verdict().intact, verdict().entries), (true, 2001));

        let other = rusqlite::Connection::open(&file).unwrap();
        other
            .execute_batch("PRAGMA ignore_check_constraints = 1")
            .unwrap();
        for (change, undo, id) in [
            (
                "INSERT INTO audit SELECT -5, at, actor, origin, session, act, target, outcome, detail, previous, hash FROM audit WHERE id = 1",
                "DELETE FROM audit WHERE id < 1",
                -5,
            ),
            (
                "UPDATE audit SET detail = 'x' WHERE id = 1500",
                "UPDATE audit SET detail = '' WHERE id = 1500",
                1500,
            ),
            (
                "UPDATE audit SET outcome = 'maybe' WHERE id = 7",
                "UPDATE audit SET outcome = 'allowed' WHERE id = 7",
                7,
            ),
            ("UPDATE audit SET hash = x'00' WHERE id = 1", "", 1),
        ] {
            other.execute_batch(change).unwrap();
            let found = verdict().defect.unwrap();
            assert_eq!(found.id, id, "{found:?}");
            if change.contains("maybe") {
                assert!(
                    found.description.contains("in entry 7 of the audit trail"),
                    "{found:?}"
                );
            }
            other.execute_batch(undo).unwrap();
        }
    }
}
