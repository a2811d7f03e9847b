//! How the server fares.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use rookery_protocol::control::{Health, Status};

use super::permission::{Auditor, Signed};
use super::problem::Refusal;
use super::{Plane, unexpected};
use crate::chat::event::{Act, Answer};

/// How the server fares
#[utoipa::path(
    get, path = "/v1/status", tag = "status", security(("token" = ["auditor"])),
    responses((status = 200, description = "The state of the server", body = Status))
)]
pub async fn status(operator: Signed<Auditor>) -> Result<Json<Status>, Refusal> {
    operator.allow(&operator.step("status", ""), "").await?;
    let control = &operator.plane.control;
    match operator.plane.act(Act::Count).await? {
        Answer::Counts { users, sessions, channels, bans } => Ok(Json(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            server_name: control.config.get().chat.server_name.clone(),
            started_at: control.started_at,
            users,
            sessions,
            connections: control.connections.count(),
            channels,
            bans,
            mail: control.mailer.health().err().unwrap_or_else(|| "ok".to_owned()),
            certificate_expires_at: control.certificates.expires_at(),
        })),
        other => Err(unexpected(&other)),
    }
}

/// Whether the server is well: the core answers, and the record can be read
#[utoipa::path(
    get, path = "/healthz", tag = "status",
    responses((status = 200, description = "It is well", body = Health))
)]
pub async fn healthz(State(plane): State<Arc<Plane>>) -> Result<Json<Health>, Refusal> {
    plane.read(|_| Ok(())).await?;
    plane.act(Act::Count).await?;
    Ok(Json(Health { status: "ok".to_owned() }))
}
