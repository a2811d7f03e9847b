//! Which handler answers what, and what holds for every answer.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};

use super::problem::{Kind, Refusal};
use super::{
    Plane, accounts, admins, announcements, audit_reading, bans, channels, csv, events,
    idempotency, invitations, kicks, maintenance, messages, openapi, password, registrations,
    reload, sessions, sign_in, status, top, totp, users,
};

/// The most bytes a request's body may have.
const BODY_LIMIT: usize = 64 * 1024;
/// How long a request may take before its caller is told that it goes on.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// All routes of the control plane.
pub fn router(plane: Arc<Plane>) -> Router {
    // Files are larger than what else is sent.
    let imports = Router::new()
        .route("/v1/import/users", post(csv::import_users))
        .route("/v1/import/bans", post(csv::import_bans))
        .route_layer(middleware::from_fn_with_state(
            Arc::clone(&plane),
            idempotency::once,
        ))
        .layer(DefaultBodyLimit::max(csv::IMPORT_LIMIT));
    Router::new()
        .route("/v1/export/users", get(csv::export_users))
        .route("/v1/export/bans", get(csv::export_bans))
        .route("/v1/login", post(sign_in::login))
        .route("/v1/login/verify", post(sign_in::verify))
        .route("/v1/logout", post(sessions::logout))
        .route(
            "/v1/sessions",
            get(sessions::list).delete(sessions::end_all),
        )
        .route("/v1/sessions/{id}", delete(sessions::end_one))
        .route("/v1/password", put(password::change))
        .route("/v1/totp", get(totp::status).post(totp::enrol))
        .route("/v1/totp/confirm", post(totp::confirm))
        .route("/v1/totp/disable", post(totp::disable))
        .route("/v1/totp/required", put(totp::require))
        .route("/v1/admins", get(admins::list).post(admins::add))
        .route("/v1/admins/{name}", delete(admins::remove))
        .route("/v1/admins/{name}/role", put(admins::set_role))
        .route(
            "/v1/admins/{name}/password/reset",
            post(admins::reset_password),
        )
        .route("/v1/users", get(users::list))
        .route("/v1/users/{name}", get(users::show))
        .route("/v1/users/{name}/kick", post(kicks::kick))
        .route("/v1/kick", post(kicks::kick_all))
        .route("/v1/bans", get(bans::list).post(bans::add))
        .route("/v1/bans/{id}", delete(bans::remove))
        .route("/v1/accounts", get(accounts::list))
        .route("/v1/accounts/{name}", delete(accounts::delete))
        .route("/v1/accounts/{name}/disable", post(accounts::disable))
        .route("/v1/accounts/{name}/enable", post(accounts::enable))
        .route(
            "/v1/accounts/{name}/credentials/revoke",
            post(accounts::revoke),
        )
        .route(
            "/v1/accounts/{name}/credentials",
            get(accounts::credentials),
        )
        .route(
            "/v1/accounts/{name}/credentials/{id}",
            delete(accounts::revoke_one),
        )
        .route(
            "/v1/invitations",
            get(invitations::list).post(invitations::add),
        )
        .route("/v1/invitations/{id}", delete(invitations::revoke))
        .route("/v1/registrations", get(registrations::list))
        .route("/v1/registrations/{id}/resend", post(registrations::resend))
        .route("/v1/channels", get(channels::list))
        .route("/v1/channels/{name}", get(channels::show))
        .route("/v1/channels/{name}/close", post(channels::close))
        .route("/v1/channels/{name}/purge", post(channels::purge))
        .route("/v1/messages", get(messages::list))
        .route("/v1/messages/redact", post(messages::redact_author))
        .route("/v1/messages/{msgid}/redact", post(messages::redact))
        .route("/v1/announcements", post(announcements::announce))
        .route(
            "/v1/maintenance",
            get(maintenance::show).put(maintenance::set),
        )
        .route("/v1/reload", post(reload::reload))
        .route("/v1/audit", get(audit_reading::list))
        .route("/v1/audit/verify", get(audit_reading::verify))
        .route("/v1/events", get(events::events))
        .route("/v1/status", get(status::status))
        .route("/v1/top", get(top::top))
        .route("/healthz", get(status::healthz))
        .route("/v1/openapi.json", get(openapi::openapi))
        .route_layer(middleware::from_fn_with_state(
            Arc::clone(&plane),
            idempotency::once,
        ))
        .merge(imports)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn(around))
        .with_state(plane)
}

async fn not_found() -> Refusal {
    Kind::NotFound
        .with_detail("There is nothing under this path; /v1/openapi.json has all there is.")
}

async fn method_not_allowed() -> Refusal {
    Kind::MethodNotAllowed.with_detail("The header `Allow` has the methods of this path.")
}

/// Sees every request through, and sets what every answer carries.
///
/// A request runs as a task of its own: if its caller hangs up or loses patience half-way, what was
/// entered in the trail is done all the same.
async fn around(request: Request, next: Next) -> Response {
    let mut response = match tokio::time::timeout(REQUEST_TIMEOUT, tokio::spawn(next.run(request))).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            Kind::InternalError.with_detail("The request met a fault; the server's log has more.").into_response()
        }
        Err(_) => Kind::StillRunning
            .with_detail(
                "This takes longer than 30 seconds. What has begun goes on; look again before you repeat it.",
            )
            .into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
