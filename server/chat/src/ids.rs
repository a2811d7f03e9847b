//! Identifiers of sessions and users, and the account that a session has signed in to.

use jiff::Timestamp;
use rookery_protocol::{AccountName, DeviceName, Email};
use rookery_record::{AccountId, CredentialId, PasswordFingerprint};

/// The number of a session: one connection on the chat port. Never reused while the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// The account that a session has signed in to.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The number of the account.
    pub id: AccountId,
    /// The name of the account.
    pub name: AccountName,
    /// The email of the account, if it has one.
    pub email: Option<Email>,
    /// Whether this is the first sign-in of the account.
    pub new: bool,
    /// When the credentials were verified; not later than the moment at which the account was read
    /// from the store.
    pub authenticated_at: Timestamp,
    /// What the session signed in with.
    pub signed_in_with: SignedInWith,
}

/// What a session has signed in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignedInWith {
    /// A credential, which belongs to a single device.
    Credential(CredentialId),
    /// The password. Several devices can use it, so the client may name its device.
    Password {
        /// The password that the account had then: a session that proved an earlier one than the
        /// present may change nothing.
        fingerprint: PasswordFingerprint,
        /// The name of the device.
        device: Option<DeviceName>,
    },
}

impl SignedInWith {
    /// A password that is not known, without a name of the device.
    pub const PASSWORD: Self = Self::Password {
        fingerprint: PasswordFingerprint::UNKNOWN,
        device: None,
    };

    /// Returns the credential, if one was used.
    pub fn credential(&self) -> Option<CredentialId> {
        match self {
            Self::Credential(credential) => Some(*credential),
            Self::Password { .. } => None,
        }
    }
}

/// The number of a user. Never reused while the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(pub(crate) u64);
