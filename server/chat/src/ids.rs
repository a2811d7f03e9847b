//! Identifiers of sessions and users, and the account that a session has signed in to.

use jiff::Timestamp;
use rookery_protocol::{AccountName, Email};
use rookery_record::{AccountId, CredentialId};

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
    /// The credential that the session signed in with, if it belongs to a single device.
    pub credential: Option<CredentialId>,
}

/// The number of a user. Never reused while the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(pub(crate) u64);
