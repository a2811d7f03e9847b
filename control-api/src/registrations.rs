//! Pending registrations.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text;

/// The reply to `GET /v1/registrations`: one page of the pending registrations.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RegistrationList {
    /// The registrations, oldest first.
    pub registrations: Vec<RegistrationEntry>,
    /// Where the next page starts, for `after`; `null` on the last page.
    pub next: Option<u64>,
}

/// A registration that waits for its mailed code.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RegistrationEntry {
    /// The id for `POST /v1/registrations/{id}/resend`.
    pub id: u64,
    /// The name of the account that is being registered.
    pub name: String,
    /// The address to which the code was mailed.
    pub email: String,
    /// Whether the email already belongs to an account. Its owner was notified, and this
    /// registration cannot be completed.
    pub email_taken: bool,
    /// When the code expires.
    #[schema(value_type = text::Time)]
    pub expires_at: Timestamp,
    /// The number of attempts left to enter the code.
    pub attempts_left: u8,
}

/// The reply to `POST /v1/registrations/{id}/resend`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ResendReply {
    /// The registration, with its new code.
    pub registration: RegistrationEntry,
    /// The state of the mail: `sent`, `waiting`, or why it cannot be sent.
    pub mail: String,
}
