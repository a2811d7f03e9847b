//! Authenticator apps (RFC 6238).

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text;

/// The reply to `GET /v1/totp`: the state of the admin's own authenticator app.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TotpStatus {
    /// When the app was enrolled; absent if none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<text::Time>)]
    pub enrolled_at: Option<Timestamp>,
    /// Whether a code from the app is required, so that mailed codes are not accepted.
    pub required: bool,
    /// The number of unused recovery codes.
    pub recovery_codes: u32,
}

/// The reply to `POST /v1/totp`: a secret for an authenticator app. The app is enrolled once a code
/// from it is confirmed.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct TotpEnrolment {
    /// The secret as an `otpauth` URI, for a link or a QR code.
    pub uri: String,
    /// The secret in Base32, to be typed into the app.
    pub secret: String,
    /// Until when the enrolment can be confirmed.
    #[schema(value_type = text::Time)]
    pub expires_at: Timestamp,
}

impl fmt::Debug for TotpEnrolment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("TotpEnrolment")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// The body of `POST /v1/totp/confirm` and `POST /v1/totp/disable`.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TotpCode {
    /// Six digits from the app. `POST /v1/totp/disable` also accepts a recovery code.
    pub code: String,
}

impl fmt::Debug for TotpCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("TotpCode(…)")
    }
}

/// The reply to `POST /v1/totp/confirm`: the app is enrolled.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct TotpConfirmed {
    /// The recovery codes. Each can be used once in place of the app. They cannot be retrieved
    /// again.
    pub recovery_codes: Vec<String>,
}

impl fmt::Debug for TotpConfirmed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("TotpConfirmed(…)")
    }
}

/// The body of `PUT /v1/totp/required`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TotpRequirement {
    /// Whether a code from the app is required, so that mailed codes are not accepted.
    pub required: bool,
}
