//! The operators of the control plane, and what each proves it with.

use std::fmt;

use jiff::Timestamp;
use rookery_control_api::Role;
use rookery_protocol::Email;

/// An operator of the control plane.
#[derive(Clone, Debug)]
pub struct Admin {
    pub name: String,
    pub email: Email,
    /// Argon2id in PHC form.
    pub password_hash: String,
    pub role: Role,
    pub created_at: Timestamp,
    /// Until when a password that was not of the admin's own choosing opens anything; none for one
    /// that was.
    pub initial_password_expires_at: Option<Timestamp>,
    pub authenticator: Option<Authenticator>,
    /// Recovery codes that are still good.
    pub recovery_codes: u32,
}

/// An admin to be made.
#[derive(Clone, Debug)]
pub struct NewAdmin {
    pub name: String,
    pub email: Email,
    pub password_hash: String,
    pub role: Role,
    pub created_at: Timestamp,
    pub initial_password_expires_at: Option<Timestamp>,
}

/// An authenticator app that has shown that it holds the secret.
#[derive(Clone)]
pub struct Authenticator {
    /// Shared with the app, so it has to be readable.
    pub secret: [u8; 20],
    pub enrolled_at: Timestamp,
    /// The time step of the last code that was taken; only later ones are good.
    pub last_step: u64,
    /// Whether mail alone no longer suffices.
    pub required: bool,
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            enrolled_at,
            required,
            ..
        } = self;
        out.debug_struct("Authenticator")
            .field("enrolled_at", enrolled_at)
            .field("required", required)
            .finish_non_exhaustive()
    }
}
