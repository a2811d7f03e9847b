//! Registrations that wait for their codes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /v1/registrations`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RegistrationList {
    /// Oldest first.
    pub registrations: Vec<RegistrationEntry>,
    /// Where the next page begins, for `after`; none when this was the last.
    pub next: Option<u64>,
}

/// A registration that waits for its code.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RegistrationEntry {
    /// For `POST /v1/registrations/{id}/resend`.
    pub id: u64,
    /// The account to be.
    pub name: String,
    /// Where the code was mailed.
    pub email: String,
    /// Whether an account has that email already: its owner was told so, and no code makes this
    /// account.
    pub email_taken: bool,
    /// When its code ends.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// How often its code may still be tried.
    pub attempts_left: u8,
}

/// `POST /v1/registrations/{id}/resend` is done.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ResendReply {
    /// The registration, with its new code.
    pub registration: RegistrationEntry,
    /// How far the mail has come: `sent`, `waiting`, or what goes wrong with it.
    pub mail: String,
}
