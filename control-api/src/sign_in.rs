//! An admin's sign-in, sessions and password.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text;

/// The body of `POST /v1/login`: the first factor.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// The admin's name.
    pub name: String,
    /// The admin's password.
    pub password: String,
    /// The device token of an earlier sign-in as this admin, so that failed attempts of others do
    /// not delay this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

impl fmt::Debug for LoginRequest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("LoginRequest")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A source of codes for the sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Factor {
    /// A mail, with six digits.
    Mail,
    /// An authenticator app, with six digits.
    Totp,
    /// One of the recovery codes, such as `abcd-efgh-ijkl-mnop-qrst-uvwx`.
    Recovery,
}

/// The reply to `POST /v1/login`: the password was correct, and the challenge waits for a code.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LoginReply {
    /// The id of the challenge, to be sent with the code.
    pub challenge: String,
    /// The sources whose codes are accepted.
    pub factors: Vec<Factor>,
    /// The address to which a code was mailed, abbreviated (`a…@e….org`); absent if none was
    /// mailed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_to: Option<String>,
    /// When the challenge expires.
    #[schema(value_type = text::Time)]
    pub expires_at: Timestamp,
    /// A warning, for example that mail is delayed at the moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// The body of `POST /v1/login/verify`: the second factor.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyRequest {
    /// The id of the challenge, from the reply to `POST /v1/login`.
    pub challenge: String,
    /// The six digits from the mail or the authenticator app, or a recovery code.
    pub code: String,
}

impl fmt::Debug for VerifyRequest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("VerifyRequest(…)")
    }
}

/// The reply to `POST /v1/login/verify`: the admin is signed in.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct VerifyReply {
    /// The token for the header `Authorization: Bearer`.
    pub token: String,
    /// When the token expires.
    #[schema(value_type = text::Time)]
    pub expires_at: Timestamp,
    /// A device token, for the next sign-in. It is a secret, but grants no access.
    pub device: String,
}

impl fmt::Debug for VerifyReply {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("VerifyReply")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// The reply to `POST /v1/logout`: the token is no longer valid.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LogoutReply {
    /// The id of the session that has ended, as the audit trail records it.
    pub session: String,
}

/// The reply to `GET /v1/sessions`: one page of sessions.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AdminSessionList {
    /// The admin's own sessions, oldest first. Owners see the sessions of all admins.
    pub sessions: Vec<AdminSession>,
    /// Where the next page starts, for `after`; `null` on the last page.
    pub next: Option<String>,
}

/// A session of an admin.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AdminSession {
    /// The id, as the audit trail records it and for `DELETE /v1/sessions/{id}`.
    pub id: String,
    /// The name of the admin.
    pub admin: String,
    /// The IP address and port from which the admin signed in.
    pub address: String,
    /// When the admin signed in.
    #[schema(value_type = text::Time)]
    pub since: Timestamp,
    /// When the session was last used.
    #[schema(value_type = text::Time)]
    pub last_used_at: Timestamp,
    /// When the session expires, unless it ends earlier because it is idle for too long.
    #[schema(value_type = text::Time)]
    pub expires_at: Timestamp,
    /// Whether this request was made with the session.
    pub current: bool,
}

/// The reply after sessions were ended.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SessionsEnded {
    /// The ids of the sessions that have ended, as the audit trail records them.
    pub sessions: Vec<String>,
}

/// The body of `PUT /v1/password`.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordRequest {
    /// The current password.
    pub old: String,
    /// The new password.
    pub new: String,
}

impl fmt::Debug for PasswordRequest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PasswordRequest(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stay_out_of_debug_output() {
        let login = LoginRequest {
            name: "root".to_owned(),
            password: "hunter2".to_owned(),
            device: Some("gadget".to_owned()),
        };
        assert_eq!(format!("{login:?}"), r#"LoginRequest { name: "root", .. }"#);
        let verify = VerifyRequest {
            challenge: "c0ffee".to_owned(),
            code: "123456".to_owned(),
        };
        assert_eq!(format!("{verify:?}"), "VerifyRequest(…)");
        let reply = VerifyReply {
            token: "sesame".to_owned(),
            expires_at: Timestamp::UNIX_EPOCH,
            device: "gadget".to_owned(),
        };
        let shown = format!("{reply:?}");
        assert!(!shown.contains("sesame") && !shown.contains("gadget"));
    }
}
