//! Invitations.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /v1/invitations`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InvitationRequest {
    /// Who is invited.
    pub email: String,
}

/// An invitation.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct InvitationEntry {
    /// For `DELETE /v1/invitations/{id}`.
    pub id: i64,
    /// Who is invited.
    pub email: String,
    /// The admin who invites.
    pub by: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// How often its code may still be tried. With 0, the invitation stands, and another code is
    /// mailed to whoever registers with the email.
    pub attempts_left: u8,
}

/// `POST /v1/invitations` is done.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct InvitationReply {
    /// The invitation.
    pub invitation: InvitationEntry,
    /// How far the mail has come: `sent`, `waiting`, or what goes wrong with it.
    pub mail: String,
}

/// `GET /v1/invitations`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct InvitationList {
    /// Oldest first; those that were used or have expired are left out.
    pub invitations: Vec<InvitationEntry>,
    /// Where the next page begins, for `after`; none when this was the last.
    pub next: Option<i64>,
}

/// `DELETE /v1/invitations/{id}` is done.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct InvitationRevoked {
    /// The invitation that is good no more.
    pub invitation: InvitationEntry,
}
