//! Invitations: emails that may register an account although registration is closed.

use jiff::Timestamp;
use rookery_protocol::Email;

/// The number of an invitation in the database; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InvitationId(pub i64);

/// A stored invitation.
#[derive(Clone)]
pub struct Invitation {
    /// Its number.
    pub id: InvitationId,
    /// The invited email.
    pub email: Email,
    /// The argon2id hash of the code in PHC form. A fast hash would not do, as a code is short and
    /// valid for days.
    pub code_hash: String,
    /// The number of attempts at entering the code that remain. If none remain, the invitation
    /// stays valid, but the email is verified by another code.
    pub attempts_left: u8,
    /// The admin who made it.
    pub by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// An invitation to be stored.
#[derive(Clone)]
pub struct NewInvitation {
    /// The invited email.
    pub email: Email,
    /// The argon2id hash of the code in PHC form.
    pub code_hash: String,
    /// The number of attempts at entering the code.
    pub attempts: u8,
    /// The admin who makes it.
    pub by: String,
    /// When it is made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}
