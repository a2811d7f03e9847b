//! The things that are kept, as plain data: accounts, credentials, bans, messages, channels,
//! admins, the audit trail.
#![allow(missing_docs)]

pub mod admin;
pub mod audit;
pub mod ban;
pub mod change;
pub mod channel;
pub mod history;
pub mod invitation;
pub mod mailbox;
pub mod maintenance;
pub mod search;

use jiff::Timestamp;
use rookery_protocol::{AccountName, Email};

pub use admin::{Admin, Authenticator, NewAdmin};
pub use audit::{AuditEntry, AuditPage, AuditQuery, NewAudit, Outcome};
pub use ban::{Ban, BanId, NewBan, covers_account};
pub use change::{Change, ChatSnapshot, DeviceMark, Membership, Presence};
pub use channel::{Access, AccessLevel, ListedMask, PersistentChannel, PersistentTopic};
pub use history::{
    HistoryEntry, HistorySync, HistoryTarget, PageQuery, Party, Place, Point, Reading, Redactor,
    Selection, SeveralQuery, TargetsQuery,
};
pub use invitation::{Invitation, InvitationId, NewInvitation};
pub use mailbox::EmailAliases;
pub use maintenance::Maintenance;
pub use rookery_protocol::BanTarget;
pub use search::{Cursor, FoundMessages, MessageQuery};

/// What somebody or something says of itself: values by their keys.
pub type Metadata = std::collections::BTreeMap<String, String>;

/// An account's number in the record; never given again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(pub i64);

/// A name and its email.
#[derive(Clone, Debug)]
pub struct Account {
    pub id: AccountId,
    pub name: AccountName,
    /// None only for one made while no email had to be verified.
    pub email: Option<Email>,
    /// Argon2id in PHC form; none where only devices, certificates or mailed codes open it.
    pub password_hash: Option<String>,
    pub created_at: Timestamp,
    /// Whether it was ever welcomed.
    pub greeted: bool,
    /// Why an admin has disabled it; none for one that is open.
    pub disabled: Option<String>,
}

/// An account to be made.
#[derive(Clone, Debug)]
pub struct NewAccount {
    pub name: AccountName,
    pub email: Option<Email>,
    pub password_hash: Option<String>,
    pub created_at: Timestamp,
    pub greeted: bool,
}

/// What SCRAM-SHA-256 checks a password against (RFC 5802 §3, RFC 7677).
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    pub salt: [u8; 16],
    pub iterations: u32,
    pub stored_key: [u8; 32],
    pub server_key: [u8; 32],
}

impl std::fmt::Debug for ScramKeys {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("ScramKeys")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

/// Why an account cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Another has the name, or one that looks the same.
    Name,
    /// Another has the email.
    Email,
}

/// A credential's number in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CredentialId(pub i64);

/// A client of an account, as far as it can be told from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Device {
    pub account: AccountId,
    /// What it signs in with; none for all those together that sign in with what its owner
    /// remembers.
    pub credential: Option<CredentialId>,
}

/// What opens an account besides its password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// A device credential; kept as its SHA-256.
    Device,
    /// A client certificate, by its SHA-256 fingerprint.
    Certificate,
}

/// A credential of an account.
#[derive(Clone, Debug)]
pub struct Credential {
    pub id: CredentialId,
    pub kind: CredentialKind,
    pub hash: [u8; 32],
    pub created_at: Timestamp,
    pub used_at: Option<Timestamp>,
}
