//! The operators of the control plane and their means of signing in.

use std::fmt;

use jiff::Timestamp;
use rookery_control_api::Role;
use rookery_protocol::Email;

/// An operator of the control plane.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The name.
    pub name: String,
    /// The email that codes and notices are sent to.
    pub email: Email,
    /// The argon2id hash of the password in PHC form.
    pub password_hash: String,
    /// What the admin may do.
    pub role: Role,
    /// When the admin was added.
    pub created_at: Timestamp,
    /// When an initial password, which the admin did not choose, stops being valid; `None` for a
    /// password that the admin chose.
    pub initial_password_expires_at: Option<Timestamp>,
    /// The authenticator app, if one is enrolled.
    pub authenticator: Option<Authenticator>,
    /// The number of recovery codes that have not been used.
    pub recovery_codes: u32,
}

/// An admin to be created.
#[derive(Clone, Debug)]
pub struct NewAdmin {
    /// The name.
    pub name: String,
    /// The email that codes and notices are sent to.
    pub email: Email,
    /// The argon2id hash of the password in PHC form.
    pub password_hash: String,
    /// What the admin may do.
    pub role: Role,
    /// When the admin is added.
    pub created_at: Timestamp,
    /// When the password stops being valid, if the admin did not choose it.
    pub initial_password_expires_at: Option<Timestamp>,
}

/// An authenticator app (RFC 6238) whose possession of the secret was verified. `Debug` omits the
/// secret.
#[derive(Clone)]
pub struct Authenticator {
    /// The secret that is shared with the app, and therefore cannot be stored as a hash.
    pub secret: [u8; 20],
    /// When the app was enrolled.
    pub enrolled_at: Timestamp,
    /// The time step of the last accepted code; only codes of later steps are accepted.
    pub last_step: u64,
    /// Whether a code of the app is required, so that a mailed code is not enough.
    pub required: bool,
}

impl Authenticator {
    /// Returns whether a code of that time step is accepted: a later one than was used. A step that
    /// was used is ignored if it is beyond every step that a code of the present can have: it was
    /// used while the clock was ahead, and would lock the admin out.
    pub fn accepts_step(&self, step: u64) -> bool {
        step > self.last_step || step + 2 < self.last_step
    }
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
