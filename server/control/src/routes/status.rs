//! The status and the health of the server.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use rookery_control_api::{Health, Status};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::operator::{SignedIn, role_of};
use crate::auth::permission::Auditor;
use crate::http::extract::RequestOrigin;
use crate::http::problem::{Kind, Refusal, response};
use crate::plane::ControlPlane;
use rookery_base::metrics::METRICS;
use rookery_chat::request::Count;

/// Returns the routes of the status.
pub fn routes() -> OpenApiRouter<Arc<ControlPlane>> {
    OpenApiRouter::default()
        .routes(routes!(status))
        .routes(routes!(healthz))
}

/// Returns the status of the server
#[utoipa::path(
    get, path = "/v1/status", tag = "status", security(("token" = [role_of(status)])),
    responses((status = 200, description = "The status of the server", body = Status))
)]
async fn status(operator: SignedIn<Auditor>) -> Result<Json<Status>, Refusal> {
    operator.allow_view(&operator.act("status", ""), "").await?;
    let control = &operator.plane.control;
    let now = control.probes.read().await?;
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        server_name: control.config.chat.get().server_name.clone(),
        started_at: now.started_at,
        users: now.users,
        sessions: now.sessions,
        connections: now.connections,
        channels: now.channels,
        bans: now.bans,
        maintenance: operator
            .read(rookery_store::Store::maintenance)
            .await?
            .map(|maintenance| maintenance.message),
        messages_stored: METRICS.messages_stored.get(),
        rates: control
            .probes
            .rates
            .per_second(operator.now(), &METRICS.counters()),
        core_queue_events: now.core_queue_events,
        commit_queue_batches: now.commit_queue_batches,
        largest_sendq_bytes: now.largest_sendq,
        store_bytes: now.store_bytes,
        disk_free_bytes: now.disk_free_bytes,
        store: now.store.err().unwrap_or_else(|| "ok".to_owned()),
        mail: now.mail.err().unwrap_or_else(|| "ok".to_owned()),
        clock: now.clock.err().unwrap_or_else(|| "ok".to_owned()),
        certificate_expires_at: now.certificate_expires_at,
    }))
}

/// Checks that the server works: that the core answers, that the database can be read, and that
/// there is space for messages
#[utoipa::path(
    get, path = "/healthz", tag = "status",
    responses((status = 200, description = "The server works", body = Health), response::Busy)
)]
async fn healthz(
    State(plane): State<Arc<ControlPlane>>,
    origin: RequestOrigin,
) -> Result<Json<Health>, Refusal> {
    let _permit = plane.health_checks.begin(origin).await?;
    plane
        .health
        .get(Instant::now, async || check(&plane).await)
        .await?;
    Ok(Json(Health {
        status: "ok".to_owned(),
    }))
}

async fn check(plane: &ControlPlane) -> Result<(), Refusal> {
    plane.read(|_| Ok(())).await?;
    plane.request(Count).await?;
    if plane.control.probes.store().await.is_err() {
        // Anyone may ask, so the answer has no paths and figures.
        return Err(Kind::StoreUnavailable.with_detail(
            "Messages cannot be stored; `admin-cli status` and the server's log say why.",
        ));
    }
    Ok(())
}
