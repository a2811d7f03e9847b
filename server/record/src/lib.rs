//! The data that the Rookery server stores, as plain types: accounts, credentials, bans, messages,
//! channels, admins, the audit trail.
//!
//! The crate contains the types that the chat, the store and everything above share, with the rules
//! that depend on nothing but the data itself. It must not contain I/O, SQL or state, and it may
//! depend only on the crates for the protocol and the control plane's types.

pub mod admin;
pub mod audit;
pub mod ban;
pub mod change;
pub mod channel;
pub mod clock;
pub mod history;
pub mod invitation;
pub mod mailbox;
pub mod maintenance;
pub mod network;
pub mod search;

use jiff::Timestamp;
use rookery_protocol::{AccountName, DeviceName, Email};
use sha2::{Digest as _, Sha256};

pub use admin::{Admin, Authenticator, NewAdmin};
pub use audit::{AuditEntry, AuditHead, AuditPage, AuditQuery, NewAudit, Outcome};
pub use ban::{Ban, BanId, NewBan, ban_text, covers_account};
pub use change::{Change, ChatSnapshot, DeviceMark, Mark, Membership, Presence};
pub use channel::{Access, AccessLevel, ListedMask, PersistentChannel, PersistentTopic};
pub use clock::{ClockRecord, NewTime, Present};
pub use history::{
    Conversation, HistoryEntry, HistorySync, HistoryTarget, NewestMessages, NewestOfSeveral,
    PageQuery, Participant, Place, Point, ReadableTarget, Redactor, Selection, SeveralQuery,
    TargetKind, TargetsQuery, message_number,
};
pub use invitation::{Invitation, InvitationId, NewInvitation};
pub use mailbox::{EmailAliases, mailbox_key, other_domains, pattern_domains};
pub use maintenance::Maintenance;
pub use network::{NETWORKS_OF_SITE, Network};
pub use rookery_protocol::BanTarget;
pub use search::{Cursor, FoundMessages, MessageQuery};

/// The metadata of an account or a channel (IRCv3 draft/metadata-2): values by key.
pub type Metadata = std::collections::BTreeMap<String, String>;

/// The number of an account in the database; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(pub i64);

/// An account: a name, and how its owner can sign in.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its number.
    pub id: AccountId,
    /// Its name, as its owner wrote it.
    pub name: AccountName,
    /// Its email; `None` only if it was created while emails were not verified.
    pub email: Option<Email>,
    /// The argon2id hash of its password in PHC form; `None` if it has no password.
    pub password_hash: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Whether it has been welcomed once.
    pub greeted: bool,
    /// Why an admin has disabled it; `None` if it is enabled.
    pub disabled: Option<String>,
}

impl Account {
    /// Returns the fingerprint of its password, if it has one.
    pub fn password_fingerprint(&self) -> Option<PasswordFingerprint> {
        self.password_hash.as_deref().map(PasswordFingerprint::of)
    }
}

/// Identifies a password that an account has or had, by its stored hash. Each has a salt of its
/// own, so that setting the same password again makes another fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordFingerprint([u8; 32]);

impl PasswordFingerprint {
    /// The fingerprint of no password.
    pub const UNKNOWN: Self = Self([0; 32]);

    /// Returns the fingerprint of the password with this hash.
    pub fn of(password_hash: &str) -> Self {
        Self(Sha256::digest(password_hash).into())
    }
}

/// An account to be created.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Its name.
    pub name: AccountName,
    /// Its email, if it has one.
    pub email: Option<Email>,
    /// The argon2id hash of its password in PHC form, if it has one.
    pub password_hash: Option<String>,
    /// When it is created.
    pub created_at: Timestamp,
    /// Whether it counts as welcomed already.
    pub greeted: bool,
}

/// What SCRAM-SHA-256 checks a password with (RFC 5802 §3, RFC 7677), as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramVerifier {
    /// The salt of the password.
    pub salt: [u8; 16],
    /// The number of PBKDF2 iterations.
    pub iterations: u32,
    /// The keys of the password, encrypted with a key that the store does not have.
    pub encrypted_keys: Vec<u8>,
}

/// The property of an account that another account already has, so that the account cannot be
/// created or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountConflict {
    /// Another account has the name, or one that looks the same.
    Name,
    /// Another account has the email.
    Email,
}

/// The number of a credential in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CredentialId(pub i64);

/// A device of an account. Sessions of one device share how far they have read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Device {
    /// The account.
    pub account: AccountId,
    /// What distinguishes it from the account's other devices.
    pub key: DeviceKey,
}

/// What distinguishes a device from the other devices of its account. Those that sign in with the
/// password and name no device are distinguished only by whether their clients have
/// `znc.in/playback`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeviceKey {
    /// The credential that it signs in with.
    Credential(CredentialId),
    /// It signs in with the password, under this name.
    Named(DeviceName),
    /// It signs in with the password and has no name, and its client has no `znc.in/playback`.
    Password,
    /// It signs in with the password and has no name, and its client has `znc.in/playback`.
    PasswordWithPlayback,
}

/// The kinds of credentials besides the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// A device credential, stored as its SHA-256 hash.
    Device,
    /// A client certificate, stored as its SHA-256 fingerprint.
    Certificate,
}

/// A credential of an account.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Its number.
    pub id: CredentialId,
    /// Its kind.
    pub kind: CredentialKind,
    /// The SHA-256 hash or fingerprint.
    pub hash: [u8; 32],
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last used to sign in.
    pub used_at: Option<Timestamp>,
    /// How its client describes the device.
    pub label: Option<String>,
}
