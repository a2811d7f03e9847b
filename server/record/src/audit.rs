//! The entries of the audit trail, and the hashes that chain them.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

/// Whether an act was allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was allowed.
    Allowed,
    /// It was refused.
    Refused,
}

/// An entry to be added to the audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAudit {
    /// When the act happened.
    pub at: Timestamp,
    /// The name of the admin, or the name that was typed at a sign-in; empty if there is none.
    pub actor: String,
    /// The IP address and port of the client, or `local` for `rookeryd admin`.
    pub origin: String,
    /// A short public name of the control-plane session; never its token.
    pub session: String,
    /// The name of the act, such as `login` or `ban`.
    pub act: String,
    /// The object of the act, such as a user or a ban; empty if there is none.
    pub target: String,
    /// Whether it was allowed.
    pub outcome: Outcome,
    /// The reason for the act, or why it was refused.
    pub detail: String,
}

impl NewAudit {
    /// Returns the SHA-256 hash of this entry and the hash of the previous one. Each text is
    /// preceded by its length, so that different entries never hash the same bytes.
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
    /// Its number; later entries have higher ones.
    pub id: i64,
    /// Its content.
    pub entry: NewAudit,
    /// The hash of the previous entry; zeros for the first.
    pub previous: [u8; 32],
    /// [`NewAudit::hash`] of `previous` and `entry`.
    pub hash: [u8; 32],
}

/// The number and the hash of an entry, which prove all entries up to it.
pub type AuditHead = (i64, [u8; 32]);

/// Selects entries of the trail. Texts must be equal, ignoring letter case.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// The name of the admin.
    pub actor: Option<String>,
    /// The name of the act.
    pub act: Option<String>,
    /// The target.
    pub target: Option<String>,
    /// The outcome.
    pub outcome: Option<Outcome>,
    /// Entries at this time or later.
    pub since: Option<Timestamp>,
    /// Entries before this time.
    pub until: Option<Timestamp>,
    /// Which of the selected entries are returned.
    pub page: AuditPage,
    /// The maximum number of entries.
    pub limit: usize,
}

/// Where a page of entries begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuditPage {
    /// The newest entries.
    #[default]
    Newest,
    /// The newest entries before this one.
    Before(i64),
    /// The oldest entries after this one; 0 for the beginning of the trail.
    After(i64),
}
