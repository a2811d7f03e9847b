//! Identifiers of sessions, users and requests, and the identity that a session has proved.

use jiff::Timestamp;
use rookery_protocol::{AccountName, Email};
use rookery_record::{AccountId, CredentialId};

/// One connection on the chat port. Never reused while the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// The account that a session has signed in to.
#[derive(Clone, Debug)]
pub struct Identity {
    pub id: AccountId,
    pub name: AccountName,
    pub email: Option<Email>,
    /// Whether this is the first sign-in of the account.
    pub new: bool,
    /// Not later than the moment at which the store was read.
    pub proved_at: Timestamp,
    /// The credential it signed in with, if that belongs to one device.
    pub credential: Option<CredentialId>,
}

/// A user. Never reused while the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(pub(crate) u64);
