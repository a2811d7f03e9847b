//! Invitations to create an account.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text;

/// The body of `POST /v1/invitations`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InvitationRequest {
    /// The invited email address.
    #[schema(value_type = text::Email)]
    pub email: String,
}

/// An open invitation.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct InvitationEntry {
    /// The id for `DELETE /v1/invitations/{id}`.
    pub id: i64,
    /// The invited email address.
    pub email: String,
    /// The name of the admin who sent the invitation.
    pub by: String,
    /// When the invitation was sent.
    #[schema(value_type = text::Time)]
    pub created_at: Timestamp,
    /// When the invitation expires.
    #[schema(value_type = text::Time)]
    pub expires_at: Timestamp,
    /// The number of attempts left to enter the code. At 0, the invitation remains open: someone
    /// who registers with the email is mailed another code.
    pub attempts_left: u8,
}

/// The reply to `POST /v1/invitations`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct InvitationReply {
    /// The invitation.
    pub invitation: InvitationEntry,
    /// The state of the mail: `sent`, `waiting`, or why it cannot be sent.
    pub mail: String,
}

/// The reply to `GET /v1/invitations`: one page of the open invitations.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct InvitationList {
    /// The invitations, oldest first, without those that were used or have expired.
    pub invitations: Vec<InvitationEntry>,
    /// Where the next page starts, for `after`; `null` on the last page.
    pub next: Option<i64>,
}

/// The reply to `DELETE /v1/invitations/{id}`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct InvitationRevoked {
    /// The invitation that was revoked.
    pub invitation: InvitationEntry,
}
