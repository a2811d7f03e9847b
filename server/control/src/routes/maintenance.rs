//! Maintenance, during which no new session is admitted. It lasts until it is ended, across
//! restarts.

use std::sync::Arc;

use axum::Json;
use rookery_control_api::{MaintenanceRequest, MaintenanceState, ServerEvent};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::operator::{SignedIn, role_of};
use crate::auth::permission::{Auditor, Owner};
use crate::http::extract::{self, JsonBody};
use crate::http::problem::{Kind, Refusal};
use crate::plane::ControlPlane;
use rookery_chat::request::SetMaintenance;
use rookery_record::Maintenance;

/// The message to clients that are refused, if the request has none.
const DEFAULT_MESSAGE: &str = "please try again later";

/// Returns the routes of the maintenance.
pub fn routes() -> OpenApiRouter<Arc<ControlPlane>> {
    OpenApiRouter::default().routes(routes!(show, set))
}

/// Returns whether the server is under maintenance
#[utoipa::path(
    get, path = "/v1/maintenance", tag = "server", security(("token" = [role_of(show)])),
    responses((
        status = 200, description = "The state, with its start and the message to clients",
        body = MaintenanceState,
    ))
)]
async fn show(operator: SignedIn<Auditor>) -> Result<Json<MaintenanceState>, Refusal> {
    let act = operator.act("maintenance", "");
    operator.allow_view(&act, "").await?;
    let maintenance = operator.read(rookery_store::Store::maintenance).await?;
    Ok(Json(to_state(maintenance)))
}

/// Starts or ends maintenance
///
/// During maintenance, a client that connects is sent the message and disconnected. Existing
/// sessions stay. Maintenance lasts until it is ended, across restarts.
#[utoipa::path(
    put, path = "/v1/maintenance", tag = "server", security(("token" = [role_of(set)])),
    request_body = MaintenanceRequest,
    responses((status = 200, description = "The new state", body = MaintenanceState))
)]
async fn set(
    operator: SignedIn<Owner>,
    body: Result<JsonBody<MaintenanceRequest>, Refusal>,
) -> Result<Json<MaintenanceState>, Refusal> {
    let mut act = operator.act("set-maintenance", "");
    let message = operator
        .audited(&mut act, async |act| {
            let JsonBody(request) = body?;
            if request.on { "on" } else { "off" }.clone_into(&mut act.target);
            let message =
                extract::one_line("message", request.message.as_deref(), DEFAULT_MESSAGE)?;
            match (request.on, request.message) {
                (true, _) => Ok(Some(message)),
                (false, None) => Ok(None),
                (false, Some(_)) => {
                    Err(Kind::Invalid.with_detail("Send `message` only together with `on`."))
                }
            }
        })
        .await?;
    let by = operator.name().to_owned();
    let next = message.map(|message| Maintenance {
        message,
        by: by.clone(),
        since: operator.now(),
    });
    let commit = operator.record(act, move |store, _| {
        store.set_maintenance(next.as_ref())?;
        let detail = next.map(|next| next.message).unwrap_or_default();
        Ok(Ok((detail, store.maintenance()?)))
    });
    let request =
        |next: &Option<Maintenance>| SetMaintenance(next.as_ref().map(Maintenance::refusal_text));
    let core = &operator.plane.control.core;
    let (next, ()) = core.commit_then_request(commit, request).await?;
    let message = next.as_ref().map(|next| next.message.clone());
    operator
        .plane
        .control
        .events
        .publish_now(ServerEvent::Maintenance { by, message });
    Ok(Json(to_state(next)))
}

fn to_state(maintenance: Option<Maintenance>) -> MaintenanceState {
    let on = maintenance.is_some();
    let (message, by, since) = match maintenance {
        Some(Maintenance { message, by, since }) => (Some(message), Some(by), Some(since)),
        None => (None, None, None),
    };
    MaintenanceState {
        on,
        message,
        by,
        since,
    }
}
