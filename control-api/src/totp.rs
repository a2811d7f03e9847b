//! Authenticator apps (RFC 6238).

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /v1/totp`: the admin's own factors.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TotpStatus {
    /// When the authenticator app was enrolled; left out where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub enrolled_at: Option<Timestamp>,
    /// Whether a mailed code no longer suffices.
    pub required: bool,
    /// Recovery codes that are still good.
    pub recovery_codes: u32,
}

/// `POST /v1/totp`: an authenticator app is to be enrolled. It counts once a code of it is
/// confirmed.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct TotpEnrolment {
    /// For the app, as a link or a QR code.
    pub uri: String,
    /// For the app, typed by hand (Base32).
    pub secret: String,
    /// Until when a code can confirm it.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

impl fmt::Debug for TotpEnrolment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("TotpEnrolment")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// `POST /v1/totp/confirm` and `POST /v1/totp/disable`.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TotpCode {
    /// Six digits of the app. To disable, a recovery code does as well.
    pub code: String,
}

impl fmt::Debug for TotpCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("TotpCode(…)")
    }
}

/// `POST /v1/totp/confirm`: the app counts from now on.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct TotpConfirmed {
    /// Each is good once, in place of the app. They are not shown again.
    pub recovery_codes: Vec<String>,
}

impl fmt::Debug for TotpConfirmed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("TotpConfirmed(…)")
    }
}

/// `PUT /v1/totp/required`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TotpRequirement {
    /// Whether a mailed code no longer suffices.
    pub required: bool,
}
