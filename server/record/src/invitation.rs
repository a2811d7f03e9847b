//! Invitations: the emails that may make an account though registration is closed.

use jiff::Timestamp;
use rookery_protocol::Email;

/// An invitation's number in the record; never given again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InvitationId(pub i64);

/// One invitation as it stands in the record.
#[derive(Clone)]
pub struct Invitation {
    pub id: InvitationId,
    pub email: Email,
    /// Argon2id in PHC form: a code is short, and good for days.
    pub code_hash: String,
    /// How many more codes will be looked at. With none left, the invitation stands, and the email
    /// is proved by another code.
    pub attempts_left: u8,
    /// The admin who made it.
    pub by: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// An invitation to be made.
#[derive(Clone)]
pub struct NewInvitation {
    pub email: Email,
    pub code_hash: String,
    pub tries: u8,
    pub by: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}
