//! Problem documents ([RFC 9457]), with which the control plane answers every request that it
//! refuses.
//!
//! The table below declares each kind of problem once: its URI reference, its title and its HTTP
//! status. The reference and the title never change from one occurrence to the next (RFC 9457
//! §3.1.1 and §3.1.3). `detail` says what happened in a particular request, and what to do.
//! `docs/control-plane.md` lists the same kinds, and a test compares the two.
//!
//! [RFC 9457]: https://www.rfc-editor.org/rfc/rfc9457

use std::collections::BTreeMap;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rookery_control_api::{PROBLEM_TYPE, Problem};
use utoipa::ToSchema as _;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response as ResponseSpec, ResponseBuilder};

use rookery_engine::handle::CoreStopped;

/// Declares [`Kind`], and for each kind a type of the same name in [`response`].
macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident = $slug:literal, $title:literal, $status:ident;)+) => {
        /// The kinds of problem.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind {
            $($(#[doc = $doc])+ $kind,)+
        }

        impl Kind {
            /// Every kind.
            #[cfg(test)]
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// Returns the last part of the kind's URI reference.
            pub fn slug(self) -> &'static str {
                match self { $(Self::$kind => $slug,)+ }
            }

            /// Returns the summary that is the same for every problem of the kind.
            pub fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)+ }
            }

            /// Returns the HTTP status that a problem of the kind is answered with.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status,)+ }
            }
        }

        /// The kinds as types, for the `responses(...)` of a handler's OpenAPI description.
        #[allow(dead_code, reason = "a handler names only the problems of its own")]
        pub mod response {
            use super::{BTreeMap, Kind, RefOr, ResponseSpec, spec};

            $(
                $(#[doc = $doc])+
                pub struct $kind;

                impl utoipa::IntoResponses for $kind {
                    fn responses() -> BTreeMap<String, RefOr<ResponseSpec>> {
                        spec(Kind::$kind)
                    }
                }
            )+
        }
    };
}

kinds! {
    /// The path, the query, a header or the JSON of the request cannot be read.
    BadRequest = "bad-request", "The request cannot be read", BAD_REQUEST;
    /// The request has no token, or its token is not valid or no longer valid.
    NotSignedIn = "not-signed-in", "Not signed in", UNAUTHORIZED;
    /// The name is unknown or the password is wrong; the answer does not say which.
    LoginFailed = "login-failed", "Sign-in failed", UNAUTHORIZED;
    /// The code is wrong.
    WrongCode = "wrong-code", "Wrong code", UNAUTHORIZED;
    /// The challenge accepts no code: it is used, expired, exhausted or bound to another address.
    ChallengeExpired = "challenge-expired", "The challenge has expired", UNAUTHORIZED;
    /// The operation requires a higher role.
    NotAllowed = "not-allowed", "Your role does not allow this", FORBIDDEN;
    /// The admin still has an initial password and has to replace it first.
    PasswordChangeRequired = "password-change-required", "Change your password first", FORBIDDEN;
    /// The operation requires a sign-in in the last few minutes.
    FreshSignInRequired = "fresh-sign-in-required", "A fresh sign-in is required", FORBIDDEN;
    /// The current password, which the operation requires, is wrong.
    WrongPassword = "wrong-password", "Wrong password", FORBIDDEN;
    /// No admin has the name.
    NoSuchAdmin = "no-such-admin", "No such admin", NOT_FOUND;
    /// The admin, or the user to be kicked, has no such session.
    NoSuchSession = "no-such-session", "No such session", NOT_FOUND;
    /// No route has the path.
    NotFound = "not-found", "Not found", NOT_FOUND;
    /// No user with the nick is online.
    NotOnline = "not-online", "The user is not online", NOT_FOUND;
    /// No account has the name.
    NoSuchAccount = "no-such-account", "No such account", NOT_FOUND;
    /// The account has no credential with the number.
    NoSuchCredential = "no-such-credential", "No such credential", NOT_FOUND;
    /// No invitation has the number.
    NoSuchInvitation = "no-such-invitation", "No such invitation", NOT_FOUND;
    /// No pending registration has the number.
    NoSuchRegistration = "no-such-registration", "No such registration", NOT_FOUND;
    /// No channel has the name.
    NoSuchChannel = "no-such-channel", "No such channel", NOT_FOUND;
    /// No ban has the number.
    NoSuchBan = "no-such-ban", "No such ban", NOT_FOUND;
    /// No message has the id.
    NoSuchMessage = "no-such-message", "No such message", NOT_FOUND;
    /// The path exists, but not with the request's method.
    MethodNotAllowed = "method-not-allowed", "Method not allowed", METHOD_NOT_ALLOWED;
    /// The body did not arrive in time.
    RequestTimeout = "request-timeout", "The request took too long to arrive", REQUEST_TIMEOUT;
    /// The operation would affect everyone, the caller, or many messages; it has to be confirmed.
    ConfirmationRequired = "confirmation-required", "Confirmation required", CONFLICT;
    /// An admin already has the name.
    AdminExists = "admin-exists", "The admin already exists", CONFLICT;
    /// An account already has the email that is to be invited.
    AccountExists = "account-exists", "The email already has an account", CONFLICT;
    /// No other owner would remain.
    LastOwner = "last-owner", "Cannot remove the last owner", CONFLICT;
    /// No authenticator app is enrolled, or none is waiting for confirmation.
    NoAuthenticator = "no-authenticator", "No authenticator app", CONFLICT;
    /// The first request with the idempotency key, or another import of the admin, is not finished.
    InProgress = "in-progress", "The request is still in progress", CONFLICT;
    /// The body is longer than allowed.
    BodyTooLarge = "body-too-large", "The body is too large", PAYLOAD_TOO_LARGE;
    /// The body is not declared as JSON.
    NotJson = "not-json", "The body is not JSON", UNSUPPORTED_MEDIA_TYPE;
    /// The body is not declared as CSV.
    NotCsv = "not-csv", "The body is not CSV", UNSUPPORTED_MEDIA_TYPE;
    /// The request is well-formed but cannot be carried out.
    Invalid = "invalid", "The request is invalid", UNPROCESSABLE_ENTITY;
    /// The config, a certificate or a CSV file has an error; the detail says what stays in force.
    ReloadFailed = "reload-failed", "The reload failed", UNPROCESSABLE_ENTITY;
    /// The idempotency key was used for a different request.
    IdempotencyKeyReused = "idempotency-key-reused",
        "The idempotency key belongs to another request", UNPROCESSABLE_ENTITY;
    /// Too many attempts were made; `Retry-After` has the pause in seconds.
    TooManyAttempts = "too-many-attempts", "Too many attempts", TOO_MANY_REQUESTS;
    /// The admin has sent too many requests; `Retry-After` has the pause in seconds.
    TooManyRequests = "too-many-requests", "Too many requests", TOO_MANY_REQUESTS;
    /// The server has a fault of its own.
    InternalError = "internal-error", "Internal error", INTERNAL_SERVER_ERROR;
    /// The audit trail cannot be written, so nothing was done.
    AuditUnavailable = "audit-unavailable", "The audit trail cannot be written",
        SERVICE_UNAVAILABLE;
    /// The database cannot be read or written.
    StoreUnavailable = "store-unavailable", "The database is unavailable", SERVICE_UNAVAILABLE;
    /// Too many requests without a session are being handled.
    Busy = "busy", "The server is busy", SERVICE_UNAVAILABLE;
    /// The server is shutting down.
    ShuttingDown = "shutting-down", "The server is shutting down", SERVICE_UNAVAILABLE;
    /// The operation takes longer than a request may, and continues.
    StillRunning = "still-running", "The operation is still running", GATEWAY_TIMEOUT;
}

impl Kind {
    /// Returns a refusal of this kind. `detail` says what happened and what to do.
    pub fn with_detail(self, detail: impl Into<String>) -> Refusal {
        Refusal {
            kind: self,
            detail: detail.into(),
            retry_after: None,
        }
    }
}

/// The OpenAPI response of one kind, keyed by status and slug: an operation may have several
/// problems of one status, which [`merge_problems`] then describes together.
fn spec(kind: Kind) -> BTreeMap<String, RefOr<ResponseSpec>> {
    let key = format!("{} {}", kind.status().as_str(), kind.slug());
    let response = ResponseBuilder::new().description(kind.title());
    BTreeMap::from([(key, RefOr::T(response.build()))])
}

/// Adds `general` problems to an operation's responses, and merges them with those that the
/// operation declares: one response for each status, whose description lists the titles.
pub fn merge_problems(
    responses: &mut BTreeMap<String, RefOr<ResponseSpec>>,
    general: impl IntoIterator<Item = Kind>,
) {
    for kind in general {
        responses.append(&mut spec(kind));
    }
    let mut titles: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, response) in std::mem::take(responses) {
        match (key.split_once(' '), response) {
            (Some((status, _)), RefOr::T(response)) => titles
                .entry(status.to_owned())
                .or_default()
                .push(response.description),
            (_, response) => drop(responses.insert(key, response)),
        }
    }
    for (status, titles) in titles {
        let schema = Ref::from_schema_name(Problem::name());
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response = ResponseBuilder::new()
            .description(titles.join("; or: "))
            .content(PROBLEM_TYPE, content)
            .build();
        responses.insert(status, RefOr::T(response));
    }
}

/// The refusal of a request, which is answered with a problem document.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The kind of problem.
    pub kind: Kind,
    /// What happened in this case, and what to do.
    pub detail: String,
    /// Seconds after which another attempt makes sense.
    pub retry_after: Option<u64>,
}

impl Refusal {
    /// Replaces the detail by the kind's title, for a request that may contain a secret: the detail
    /// may quote the request, and it is written to the audit trail.
    pub fn without_content(self) -> Self {
        Self {
            detail: self.kind.title().to_owned(),
            ..self
        }
    }

    /// Adds the header `Retry-After`.
    pub fn retry_after(self, seconds: u64) -> Self {
        Self {
            retry_after: Some(seconds),
            ..self
        }
    }
}

impl From<CoreStopped> for Refusal {
    fn from(_: CoreStopped) -> Self {
        Kind::ShuttingDown.with_detail("The server is shutting down, and its sessions end with it.")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.kind.status();
        let problem = Problem {
            kind: format!("/problems/{}", self.kind.slug()),
            title: self.kind.title().to_owned(),
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
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_manual_lists_exactly_these_kinds_with_their_statuses() {
        let manual = include_str!("../../../../docs/control-plane.md");
        let listed: BTreeSet<String> = manual
            .lines()
            .filter(|line| line.starts_with("| `/problems/"))
            .map(|line| line.split('|').take(3).collect::<Vec<_>>().join("|"))
            .collect();
        let declared: BTreeSet<String> = Kind::ALL
            .iter()
            .map(|kind| {
                format!(
                    "| `/problems/{}` | {} ",
                    kind.slug(),
                    kind.status().as_str()
                )
            })
            .collect();
        assert_eq!(listed, declared);
        assert_eq!(
            declared.len(),
            Kind::ALL.len(),
            "each has a slug of its own"
        );
    }
}
