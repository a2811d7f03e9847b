//! Identifiers: of sessions, of users, of requests to the core, and the account that a session
//! proved to own.

use jiff::Timestamp;
use rookery_protocol::{AccountName, Email};
use rookery_record::{AccountId, CredentialId};

/// One TLS connection on the chat port; never used twice while the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// Ties an answer to the event that asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// The account that a session has proved to be its own.
#[derive(Clone, Debug)]
pub struct Identity {
    pub id: AccountId,
    pub name: AccountName,
    pub email: Option<Email>,
    /// Never greeted before.
    pub new: bool,
    /// Not after the moment at which the record was asked.
    pub proved_at: Timestamp,
    /// What it was proved with, if that belongs to one device.
    pub credential: Option<CredentialId>,
}

/// One user for as long as it is here; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(pub(crate) u64);
