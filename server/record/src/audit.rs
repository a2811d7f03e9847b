//! The audit trail's entries and the hashes that chain them.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

/// Whether an act was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Allowed,
    Refused,
}

/// An entry to be added to the audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAudit {
    pub at: Timestamp,
    /// The admin's name as given; empty where nobody is signed in.
    pub actor: String,
    /// IP address and port, or `local` for `rookeryd admin`.
    pub origin: String,
    /// The control-plane session, by a short public name; never the token.
    pub session: String,
    /// `login`, `verify`, `kick`, `ban`, …
    pub act: String,
    pub target: String,
    pub outcome: Outcome,
    /// The reason of the act, or why it was refused.
    pub detail: String,
}

impl NewAudit {
    /// SHA-256 over the hash of the entry before and this one. Each text goes in after its length,
    /// so that no two entries give the same bytes.
    pub fn hash(&self, previous: &[u8; 32]) -> [u8; 32] {
        let Self {
            at,
            actor,
            origin,
            session,
            act,
            target,
            outcome,
            detail,
        } = self;
        let mut hasher = Sha256::new();
        hasher.update(b"rookery audit 1\n");
        hasher.update(previous);
        hasher.update(at.as_millisecond().to_be_bytes());
        hasher.update(match outcome {
            Outcome::Allowed => [1],
            Outcome::Refused => [0],
        });
        for text in [actor, origin, session, act, target, detail] {
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text);
        }
        hasher.finalize().into()
    }
}

/// An entry of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    pub id: i64,
    pub entry: NewAudit,
    /// The hash of the entry before; zeros for the first.
    pub previous: [u8; 32],
    /// [`NewAudit::hash`] of `previous` and `entry`.
    pub hash: [u8; 32],
}

/// Which entries of the trail are wanted. Texts are compared as a whole, letter case aside.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    pub actor: Option<String>,
    pub act: Option<String>,
    pub target: Option<String>,
    pub outcome: Option<Outcome>,
    /// From then on.
    pub since: Option<Timestamp>,
    /// Before then.
    pub until: Option<Timestamp>,
    pub page: AuditPage,
    /// At most so many.
    pub limit: usize,
}

/// Which of the entries that fit come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuditPage {
    #[default]
    Newest,
    /// The newest of those before that one.
    Before(i64),
    /// The oldest of those after that one; 0 for the first of all.
    After(i64),
}
