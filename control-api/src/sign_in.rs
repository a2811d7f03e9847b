//! Signing in, an admin's sessions and password.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /v1/login`: the first factor.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// The admin's name.
    pub name: String,
    /// The admin's password.
    pub password: String,
}

impl fmt::Debug for LoginRequest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("LoginRequest")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What a code may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Factor {
    /// A mail: six digits.
    Mail,
    /// An authenticator app: six digits.
    Totp,
    /// One of the recovery codes, as `abcd-efgh-ijkl-mnop-qrst-uvwx`.
    Recovery,
}

/// The password was right; a challenge waits for its code.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LoginReply {
    /// What to send along with the code.
    pub challenge: String,
    /// What the code may come from.
    pub factors: Vec<Factor>,
    /// Where the code went, shortened so that it tells little (`a…@e….org`); left out where none is
    /// mailed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_to: Option<String>,
    /// When the challenge dies.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// What to know while waiting: mail is late at the moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// `POST /v1/login/verify`: the second factor.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyRequest {
    /// From the login's reply.
    pub challenge: String,
    /// The six digits of the mail or the authenticator app, or a recovery code.
    pub code: String,
}

impl fmt::Debug for VerifyRequest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("VerifyRequest(…)")
    }
}

/// The admin is signed in.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct VerifyReply {
    /// For `Authorization: Bearer`.
    pub token: String,
    /// When the token dies.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

impl fmt::Debug for VerifyReply {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("VerifyReply")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// `POST /v1/logout`: the token is good no more.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LogoutReply {
    /// The session that has ended, by the name the audit trail has for it.
    pub session: String,
}

/// `GET /v1/sessions`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AdminSessionList {
    /// The admin's own, oldest first; an owner sees everyone's.
    pub sessions: Vec<AdminSession>,
    /// Where the next page begins, for `after`; none when this was the last.
    pub next: Option<String>,
}

/// A sign-in of an admin that stands.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AdminSession {
    /// As the audit trail names it, and for `DELETE /v1/sessions/{id}`.
    pub id: String,
    /// Whose it is.
    pub admin: String,
    /// IP address and port it began from.
    pub from: String,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// When it was last used.
    #[schema(value_type = String, format = DateTime)]
    pub used_at: Timestamp,
    /// When it ends, unless it is idle for too long before.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// Sign-ins have ended.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SessionsEnded {
    /// By the names that the audit trail has for them.
    pub sessions: Vec<String>,
}

/// `PUT /v1/password`.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordRequest {
    /// The present password.
    pub old: String,
    /// The one to come.
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
        };
        assert!(!format!("{reply:?}").contains("sesame"));
    }
}
