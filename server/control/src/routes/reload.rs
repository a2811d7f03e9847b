//! Reloads the config, the certificates and the CSV files, as `SIGHUP` does.

use std::sync::Arc;

use axum::Json;
use jiff::Timestamp;
use rookery_control_api::ReloadReply;
use tokio::sync::oneshot;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::operator::{SignedIn, role_of};
use crate::auth::permission::Owner;
use crate::http::problem::{Kind, Refusal, response};
use crate::plane::ControlPlane;
use rookery_engine::handle::CoreStopped;

/// Returns the route of the reload.
pub fn routes() -> OpenApiRouter<Arc<ControlPlane>> {
    OpenApiRouter::default().routes(routes!(reload))
}

/// Reloads the config, the certificates and the CSV files
///
/// No session ends. The same as `SIGHUP`.
#[utoipa::path(
    post, path = "/v1/reload", tag = "server", security(("token" = [role_of(reload)])),
    responses(
        (status = 200, description = "The reload is complete", body = ReloadReply),
        response::ReloadFailed,
    )
)]
async fn reload(operator: SignedIn<Owner>) -> Result<Json<ReloadReply>, Refusal> {
    let act = operator.act("reload", "");
    operator.allow(&act, "").await?;
    let (request, answer) = oneshot::channel();
    operator
        .plane
        .control
        .reloads
        .send(request)
        .await
        .map_err(|_| CoreStopped)?;
    match answer.await.map_err(|_| CoreStopped)? {
        Ok(()) => Ok(Json(ReloadReply {
            reloaded_at: Timestamp::now(),
        })),
        Err(error) => {
            let refusal = Kind::ReloadFailed.with_detail(error);
            Err(operator.refuse(&act, refusal).await)
        }
    }
}
