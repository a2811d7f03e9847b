//! The routes, one module per resource, and the middleware around them.
//!
//! A handler's `#[utoipa::path]` is the only declaration of its method and path: the router and the
//! OpenAPI document are both built from it.

mod accounts;
mod admins;
mod announcements;
mod audit;
mod bans;
mod channels;
mod csv;
mod document;
mod events;
mod invitations;
mod kicks;
mod maintenance;
mod messages;
mod password;
mod registrations;
mod reload;
mod sessions;
mod sign_in;
mod status;
mod targets;
mod top;
mod totp;
mod users;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::http::idempotency;
use crate::http::problem::{Kind, Refusal};
use crate::openapi;
use crate::plane::ControlPlane;

/// The maximum number of bytes of a request's body.
const BODY_LIMIT: usize = 64 * 1024;
/// How long a request may take. After that, it is answered that the operation continues.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Returns the router of the control plane.
pub fn router(plane: Arc<ControlPlane>) -> Router {
    let once = middleware::from_fn_with_state(Arc::clone(&plane), idempotency::once);
    // A file to import may be larger than other bodies. This limit has to wrap `once`, which reads
    // the body.
    let imports = csv::import_routes()
        .route_layer(once.clone())
        .layer(DefaultBodyLimit::max(csv::IMPORT_LIMIT));
    // The description that is built along with the router is dropped; see `document`.
    let (router, _) = small_body_routes()
        .route_layer(once)
        .merge(imports)
        .split_for_parts();
    router
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn(run_to_completion))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&plane),
            strict_transport_security,
        ))
        .with_state(plane)
}

/// Returns every route, except for those that accept a file.
fn small_body_routes() -> OpenApiRouter<Arc<ControlPlane>> {
    OpenApiRouter::default()
        .merge(sign_in::routes())
        .merge(sessions::routes())
        .merge(password::routes())
        .merge(totp::routes())
        .merge(admins::routes())
        .merge(users::routes())
        .merge(kicks::routes())
        .merge(bans::routes())
        .merge(accounts::routes())
        .merge(invitations::routes())
        .merge(registrations::routes())
        .merge(channels::routes())
        .merge(messages::routes())
        .merge(csv::export_routes())
        .merge(announcements::routes())
        .merge(maintenance::routes())
        .merge(reload::routes())
        .merge(audit::routes())
        .merge(events::routes())
        .merge(status::routes())
        .merge(top::routes())
        .merge(document::routes())
}

/// Returns the OpenAPI description of every route.
fn description() -> OpenApi {
    OpenApiRouter::with_openapi(openapi::base())
        .merge(small_body_routes())
        .merge(csv::import_routes())
        .into_openapi()
}

async fn not_found() -> Refusal {
    Kind::NotFound.with_detail("No route has this path; /v1/openapi.json lists all of them.")
}

async fn method_not_allowed() -> Refusal {
    Kind::MethodNotAllowed.with_detail("The header `Allow` lists the methods of this path.")
}

/// Adds the header `Strict-Transport-Security`, unless `tls.sts_days` is 0. Browsers ignore it for
/// an IP address, and if they do not trust the certificate (RFC 6797 §8.1).
async fn strict_transport_security(
    State(plane): State<Arc<ControlPlane>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    let days = u64::from(plane.control.config.tls.get().sts_days);
    if days > 0 {
        let value = format!("max-age={}", days * 24 * 60 * 60);
        let value = HeaderValue::try_from(value).expect("a number is a valid header value");
        let headers = response.headers_mut();
        headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
    response
}

/// Runs each request as a task of its own, so that an act that was recorded is completed even if
/// the client disconnects or the request times out. Sets the headers that every answer has.
async fn run_to_completion(request: Request, next: Next) -> Response {
    let task = tokio::spawn(next.run(request));
    let mut response = match tokio::time::timeout(REQUEST_TIMEOUT, task).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => Kind::InternalError
            .with_detail("Internal error; see the server's log.")
            .into_response(),
        Err(_) => Kind::StillRunning
            .with_detail(
                "The operation takes longer than 30 seconds and continues. Check its result \
                 before you repeat it.",
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
