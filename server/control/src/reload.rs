//! Reading the config anew, as `SIGHUP` does.

use axum::Json;
use jiff::Timestamp;
use rookery_control_api::{Problem, ReloadReply};
use tokio::sync::oneshot;

use super::permission::{Owner, Signed};
use super::problem::{Kind, Refusal};

/// Asks whoever runs the server to reload; answered with what went wrong, in words, if something
/// did.
pub type Request = oneshot::Sender<Result<(), String>>;

/// Reads the config, the certificates and the CSV files anew
///
/// No session is dropped. The same as `SIGHUP`.
#[utoipa::path(
    post, path = "/v1/reload", tag = "server", security(("token" = ["owner"])),
    responses(
        (status = 200, description = "They are in force", body = ReloadReply),
        (status = 422, description = "Something in them is wrong; the detail names file, line and key", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn reload(operator: Signed<Owner>) -> Result<Json<ReloadReply>, Refusal> {
    operator.allow(&operator.step("reload", ""), "").await?;
    let stopping =
        || Kind::ShuttingDown.with_detail("The server is stopping; its sessions end with it.");
    let (request, answer) = oneshot::channel();
    operator
        .plane
        .control
        .reloads
        .send(request)
        .await
        .map_err(|_| stopping())?;
    match answer.await.map_err(|_| stopping())? {
        Ok(()) => Ok(Json(ReloadReply {
            reloaded_at: Timestamp::now(),
        })),
        Err(why) => Err(operator
            .refuse(
                &operator.step("reload", ""),
                Kind::ReloadFailed.with_detail(why),
            )
            .await),
    }
}
