//! Maintenance: nobody new is let in until it is over, also over a restart.

use axum::Json;
use rookery_control_api::{MaintenanceRequest, MaintenanceState, ServerEvent};

use super::extract::{self, Body};
use super::permission::{Auditor, Owner, Signed};
use super::problem::{Kind, Refusal};
use rookery_chat::event::Act;
use rookery_record::Maintenance;

/// What whoever connects is told when nothing else is given.
const MESSAGE: &str = "please try again later";

/// Whether the server is under maintenance
#[utoipa::path(
    get, path = "/v1/maintenance", tag = "server", security(("token" = ["auditor"])),
    responses((status = 200, description = "Whether, since when, and what is said to whoever connects",
        body = MaintenanceState))
)]
pub async fn show(operator: Signed<Auditor>) -> Result<Json<MaintenanceState>, Refusal> {
    operator
        .allow(&operator.step("maintenance", ""), "")
        .await?;
    Ok(Json(to_state(
        operator.read(|store| store.maintenance()).await?,
    )))
}

/// Begins or ends maintenance
///
/// While it lasts, nobody new is let in: whoever connects is told why, and disconnected. Those who
/// are in stay. It lasts until it is ended, also over a restart.
#[utoipa::path(
    put, path = "/v1/maintenance", tag = "server", security(("token" = ["owner"])),
    request_body = MaintenanceRequest,
    responses((status = 200, description = "It holds from now on", body = MaintenanceState))
)]
pub async fn set(
    operator: Signed<Owner>,
    body: Result<Body<MaintenanceRequest>, Refusal>,
) -> Result<Json<MaintenanceState>, Refusal> {
    let mut step = operator.step("set-maintenance", "");
    let asked = body.and_then(|Body(request)| {
        if request.on { "on" } else { "off" }.clone_into(&mut step.target);
        let message = extract::one_line("message", request.message.as_deref(), MESSAGE)?;
        match (request.on, request.message) {
            (true, _) => Ok(Some(message)),
            (false, None) => Ok(None),
            (false, Some(_)) => Err(Kind::Invalid.because("A `message` is for `on` only.")),
        }
    });
    let message = match asked {
        Ok(message) => message,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    let by = operator.name().to_owned();
    let next = message.map(|message| Maintenance {
        message,
        by: by.clone(),
        since: operator.now(),
    });
    let commit = operator.record(step, move |store| {
        store.set_maintenance(next.as_ref())?;
        let detail = next.map(|next| next.message).unwrap_or_default();
        Ok(Ok((detail, store.maintenance()?)))
    });
    let acts = |next: &Option<Maintenance>| {
        vec![Act::SetMaintenance(next.as_ref().map(Maintenance::refusal_text))]
    };
    let (next, _) = operator
        .plane
        .control
        .core
        .commit_and_act(commit, acts)
        .await?;
    let message = next.as_ref().map(|next| next.message.clone());
    operator
        .plane
        .control
        .news
        .tell(ServerEvent::Maintenance { by, message });
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
