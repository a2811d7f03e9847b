//! Verifies the audit trail: finds the entry that was changed, removed or moved.
//!
//! Each entry contains the SHA-256 hash of the entry before it, and its own hash over all its
//! fields including the previous hash. Someone who changes, removes or moves an entry therefore has
//! to recompute every later hash, which changes the newest one (the head). So a head that was
//! recorded elsewhere, for example in the daily mail, proves all entries up to it. Without such a
//! head, it cannot be detected here that the newest entries were cut off, or that every hash from
//! some entry on was recomputed. While the store is open, [`Store::append_audit`] detects it.
//!
//! The oldest entries may have been archived ([`Store::archive_audit`]). The trail in the database
//! then continues the archive, and an act in it says so. The archive itself is a file.
//!
//! The same verifier checks the trail in the database, page by page, and an exported or archived
//! file; and several of them in a row, as one chain.

use rookery_control_api::{AuditDefect, AuditOutcome, AuditRecord, AuditVerdict, ChainHead};

use std::cmp::Ordering;

use crate::{Result, Store, StoreError};
use data_encoding::HEXLOWER;
use rookery_record::{AuditEntry, AuditHead, AuditPage, AuditQuery, Outcome};

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
    /// It is the head that was recorded elsewhere, but was archived.
    #[error("it was archived: verify the trail together with the archive that has it")]
    Archived,
    /// It is both in the archive and in the database.
    #[error(
        "it is in the database and in the archive: the archiving was interrupted, and the archive \
         with entry {newest} may be deleted"
    )]
    NotRemoved {
        /// The number of the archive's last entry.
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
    /// The entry that the first one continues, which was archived.
    archived: Option<AuditHead>,
    /// The last intact entry, or else the archived one.
    newest: Option<AuditHead>,
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
            archived: None,
            newest: None,
            entries: 0,
            expected,
            defect: None,
            page: PAGE,
        }
    }

    /// Creates a verifier of a trail that continues an archived entry.
    pub fn continuing(archived: AuditHead, expected: Option<ChainHead>) -> Self {
        Self {
            archived: Some(archived),
            newest: Some(archived),
            ..Self::new(expected)
        }
    }

    /// Begins with a stored trail, whose pages are then checked by [`Self::check_page`]. Unless
    /// archives were checked before, it may continue an archived entry.
    pub fn begin_store(&mut self, store: &Store) -> Result<()> {
        let archived = store.newest_archived_audit()?;
        match self.newest {
            None => (self.archived, self.newest) = (archived, archived),
            Some((newest, _)) => {
                let first = archived.map_or(0, |(id, _)| id) + 1;
                if first <= newest {
                    self.defect
                        .get_or_insert((first, Defect::NotRemoved { newest }));
                }
            }
        }
        Ok(())
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
            .as_ref()
            .filter(|head| head.id > newest)
            .map(|head| (head.id, Defect::CutOff { newest }));
        let archived = self.archived.map(to_head);
        let not_shown = self.expected.zip(archived.as_ref());
        let not_shown = not_shown.and_then(|(head, archived)| match head.id.cmp(&archived.id) {
            Ordering::Less => Some((head.id, Defect::Archived)),
            Ordering::Equal if head != *archived => Some((head.id, Defect::Rewritten)),
            _ => None,
        });
        let defect = self.defect.or(cut_off).or(not_shown);
        AuditVerdict {
            intact: defect.is_none(),
            entries: self.entries,
            archived,
            head: self.newest.map(to_head),
            defect: defect.map(|(id, defect)| AuditDefect {
                id,
                description: defect.to_string(),
            }),
        }
    }
}

/// Returns a head in the form of the API.
pub fn to_head((id, hash): AuditHead) -> ChainHead {
    ChainHead {
        id,
        hash: HEXLOWER.encode(&hash),
    }
}

/// Returns an entry in the form of the API, which is also that of a line of an export or archive.
pub fn to_record(
    AuditEntry {
        id,
        entry,
        previous,
        hash,
    }: AuditEntry,
) -> AuditRecord {
    AuditRecord {
        id,
        at: entry.at,
        actor: entry.actor,
        origin: entry.origin,
        session: entry.session,
        act: entry.act,
        target: entry.target,
        outcome: match entry.outcome {
            Outcome::Allowed => AuditOutcome::Allowed,
            Outcome::Refused => AuditOutcome::Refused,
        },
        detail: entry.detail,
        previous: HEXLOWER.encode(&previous),
        hash: HEXLOWER.encode(&hash),
    }
}

#[cfg(test)]
pub(crate) mod tests;
