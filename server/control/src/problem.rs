//! What goes wrong on the control plane, as RFC 9457 problem documents.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rookery_control_api::{PROBLEM_TYPE, Problem};

use rookery_engine::handle::CoreStopped;

/// The kinds of problem: each has a URI reference, a title and a status of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request could not be read: its path, query or JSON.
    BadRequest,
    /// No token, or one that is good no more.
    NotSignedIn,
    /// Unknown name or wrong password; nobody is told which.
    LoginFailed,
    /// A wrong code; the challenge goes on waiting.
    CodeWrong,
    /// No code will do for that challenge any more.
    ChallengeDead,
    /// The admin's role may not do this.
    NotAllowed,
    /// The admin still has the initial password.
    OwnPasswordNeeded,
    /// This is for those who have signed in just now.
    SignInAgain,
    /// The present password, asked for once more, was wrong.
    PasswordWrong,
    /// There is no admin of that name.
    NoSuchAdmin,
    /// There is an admin of that name.
    AdminExists,
    /// Without this owner there would be none.
    LastOwner,
    /// No session of that name, none of the admin's own, or none of the user to be kicked.
    NoSuchSession,
    /// There is no authenticator app, or none waiting to be confirmed.
    NoAuthenticator,
    /// As many streams as there may be are under way.
    TooManyStreams,
    /// There is nothing under that path.
    NotFound,
    /// Nobody of that name is online.
    NotOnline,
    /// There is no account of that name.
    NoSuchAccount,
    /// The email to be invited has an account.
    HasAccount,
    /// There is no invitation of that number.
    NoSuchInvitation,
    /// No registration of that number waits for a code.
    NoSuchRegistration,
    /// The account has no credential of that number.
    NoSuchCredential,
    /// There is no channel of that name.
    NoSuchChannel,
    /// There is no ban of that number.
    NoSuchBan,
    /// There is no message of that id.
    NoSuchMessage,
    /// The config, a certificate or a CSV file is wrong; the detail says what stays as it was.
    NotReloaded,
    /// It hits the world, or whoever asks for it: it is done when asked for twice.
    NeedsConfirmation,
    /// The path knows other methods.
    MethodNotAllowed,
    /// The body did not come in time.
    RequestTimeout,
    /// The body is too big.
    TooLarge,
    /// The body is not JSON.
    NotJson,
    /// The body is not CSV.
    NotCsv,
    /// Well-formed, but not something that can be done.
    Invalid,
    /// The request with that key is not done yet.
    UnderWay,
    /// The key came with another request.
    KeyReused,
    /// Too many attempts; there is a pause to wait for.
    TooManyAttempts,
    /// The audit trail cannot be written, so nothing was done.
    AuditUnavailable,
    /// The record cannot be read.
    RecordUnavailable,
    /// The server is going down.
    Stopping,
    /// A fault of the server's own.
    Internal,
    /// What was asked for takes long, and goes on.
    NotFinished,
}

impl Kind {
    fn parts(self) -> (&'static str, &'static str, StatusCode) {
        match self {
            Self::BadRequest => (
                "bad-request",
                "The request cannot be read",
                StatusCode::BAD_REQUEST,
            ),
            Self::NotSignedIn => ("not-signed-in", "Not signed in", StatusCode::UNAUTHORIZED),
            Self::LoginFailed => (
                "login-failed",
                "The sign-in was refused",
                StatusCode::UNAUTHORIZED,
            ),
            Self::CodeWrong => ("wrong-code", "The code is wrong", StatusCode::UNAUTHORIZED),
            Self::ChallengeDead => (
                "challenge-expired",
                "The challenge is over",
                StatusCode::UNAUTHORIZED,
            ),
            Self::NotAllowed => (
                "not-allowed",
                "Your role may not do this",
                StatusCode::FORBIDDEN,
            ),
            Self::OwnPasswordNeeded => (
                "password-change-required",
                "Choose a password of your own first",
                StatusCode::FORBIDDEN,
            ),
            Self::SignInAgain => (
                "fresh-sign-in-required",
                "This needs a fresh sign-in",
                StatusCode::FORBIDDEN,
            ),
            Self::PasswordWrong => (
                "wrong-password",
                "The password is wrong",
                StatusCode::FORBIDDEN,
            ),
            Self::NoSuchAdmin => (
                "no-such-admin",
                "There is no such admin",
                StatusCode::NOT_FOUND,
            ),
            Self::AdminExists => (
                "admin-exists",
                "There is such an admin already",
                StatusCode::CONFLICT,
            ),
            Self::LastOwner => ("last-owner", "The last owner stays", StatusCode::CONFLICT),
            Self::NoSuchSession => (
                "no-such-session",
                "There is no such session",
                StatusCode::NOT_FOUND,
            ),
            Self::NoAuthenticator => (
                "no-authenticator",
                "There is no authenticator app",
                StatusCode::CONFLICT,
            ),
            Self::NotFound => ("not-found", "Nothing there", StatusCode::NOT_FOUND),
            Self::NotOnline => (
                "not-online",
                "Nobody of that name is online",
                StatusCode::NOT_FOUND,
            ),
            Self::NoSuchAccount => (
                "no-such-account",
                "There is no such account",
                StatusCode::NOT_FOUND,
            ),
            Self::HasAccount => (
                "account-exists",
                "The email has an account",
                StatusCode::CONFLICT,
            ),
            Self::NoSuchInvitation => (
                "no-such-invitation",
                "There is no such invitation",
                StatusCode::NOT_FOUND,
            ),
            Self::NoSuchRegistration => (
                "no-such-registration",
                "There is no such registration",
                StatusCode::NOT_FOUND,
            ),
            Self::NoSuchCredential => (
                "no-such-credential",
                "There is no such credential",
                StatusCode::NOT_FOUND,
            ),
            Self::NoSuchChannel => (
                "no-such-channel",
                "There is no such channel",
                StatusCode::NOT_FOUND,
            ),
            Self::NoSuchBan => ("no-such-ban", "There is no such ban", StatusCode::NOT_FOUND),
            Self::NoSuchMessage => (
                "no-such-message",
                "There is no such message",
                StatusCode::NOT_FOUND,
            ),
            Self::NotReloaded => (
                "reload-failed",
                "The reload failed",
                StatusCode::UNPROCESSABLE_ENTITY,
            ),
            Self::NeedsConfirmation => (
                "confirmation-required",
                "Confirm this first",
                StatusCode::CONFLICT,
            ),
            Self::MethodNotAllowed => (
                "method-not-allowed",
                "Not with that method",
                StatusCode::METHOD_NOT_ALLOWED,
            ),
            Self::RequestTimeout => (
                "request-timeout",
                "The request came too slowly",
                StatusCode::REQUEST_TIMEOUT,
            ),
            Self::TooLarge => (
                "body-too-large",
                "The request is too big",
                StatusCode::PAYLOAD_TOO_LARGE,
            ),
            Self::NotJson => (
                "not-json",
                "The request is not JSON",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ),
            Self::NotCsv => (
                "not-csv",
                "The request is not CSV",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ),
            Self::Invalid => (
                "invalid",
                "That cannot be done",
                StatusCode::UNPROCESSABLE_ENTITY,
            ),
            Self::UnderWay => ("in-progress", "Still under way", StatusCode::CONFLICT),
            Self::KeyReused => (
                "idempotency-key-reused",
                "The key came with another request",
                StatusCode::UNPROCESSABLE_ENTITY,
            ),
            Self::TooManyAttempts => (
                "too-many-attempts",
                "Too many attempts",
                StatusCode::TOO_MANY_REQUESTS,
            ),
            Self::TooManyStreams => (
                "too-many-streams",
                "Too many streams",
                StatusCode::TOO_MANY_REQUESTS,
            ),
            Self::AuditUnavailable => (
                "audit-unavailable",
                "The audit trail cannot be written",
                StatusCode::SERVICE_UNAVAILABLE,
            ),
            Self::RecordUnavailable => (
                "store-unavailable",
                "The record cannot be read",
                StatusCode::SERVICE_UNAVAILABLE,
            ),
            Self::Stopping => (
                "shutting-down",
                "The server is stopping",
                StatusCode::SERVICE_UNAVAILABLE,
            ),
            Self::Internal => (
                "internal-error",
                "A fault in the server",
                StatusCode::INTERNAL_SERVER_ERROR,
            ),
            Self::NotFinished => (
                "still-running",
                "Not finished yet",
                StatusCode::GATEWAY_TIMEOUT,
            ),
        }
    }

    /// The HTTP status it is answered with.
    pub fn status(self) -> StatusCode {
        self.parts().2
    }

    /// The kind in words.
    pub fn title(self) -> &'static str {
        self.parts().1
    }

    /// A refusal of this kind. `detail` tells the caller what happened and what to do.
    pub fn because(self, detail: impl Into<String>) -> Refusal {
        Refusal {
            kind: self,
            detail: detail.into(),
            retry_after: None,
        }
    }
}

/// Why a request was refused; what its caller is answered.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub kind: Kind,
    pub detail: String,
    /// Seconds until another try makes sense.
    pub retry_after: Option<u64>,
}

impl Refusal {
    /// Without what was sent, which its text may repeat, and which may be a secret: it is to be
    /// entered in the trail.
    pub fn without_content(self) -> Self {
        Self {
            detail: self.kind.title().to_owned(),
            ..self
        }
    }

    /// Tells the caller after how many seconds to try again.
    pub fn retry_after(self, seconds: u64) -> Self {
        Self {
            retry_after: Some(seconds),
            ..self
        }
    }
}

impl From<CoreStopped> for Refusal {
    /// The core is gone.
    fn from(_: CoreStopped) -> Self {
        Kind::Stopping.because("The server is stopping; its sessions end with it.")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (slug, title, status) = self.kind.parts();
        let problem = Problem {
            kind: format!("/problems/{slug}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self.detail,
        };
        let mut response = (status, axum::Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_TYPE));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    /// Every kind stands in `parts` as `("its-name", …`.
    #[test]
    fn every_kind_is_documented_with_its_status() {
        let manual = include_str!("../../../docs/control-plane.md");
        let source = include_str!("problem.rs");
        let parts = source
            .split("fn parts")
            .nth(1)
            .and_then(|rest| rest.split("/// The HTTP status").next());
        let slugs: Vec<&str> = parts
            .unwrap_or_default()
            .split("(\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert!(slugs.len() > 20, "{slugs:?}");
        for slug in slugs {
            assert!(
                manual.contains(&format!("| `/problems/{slug}` | ")),
                "{slug} is not in docs/control-plane.md"
            );
        }
    }
}
