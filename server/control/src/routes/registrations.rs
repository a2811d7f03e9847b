//! The registrations that wait for their codes: lists them, and mails another code.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use rookery_control_api::{RegistrationEntry, RegistrationList, ResendReply};
use tokio::sync::watch;
use tokio::time::timeout;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::operator::{SignedIn, role_of};
use crate::auth::permission::{Auditor, Moderator};
use crate::http::extract::{PathParams, QueryParams};
use crate::http::pages::NumberPageOptions;
use crate::http::problem::{Kind, Refusal, response};
use crate::plane::ControlPlane;
use rookery_accounts::registration::Waiting;
use rookery_base::mail::MailState;

/// How long an answer waits for the delivery of a mail.
const MAIL_TIMEOUT: Duration = Duration::from_secs(3);

/// Returns the routes of the registrations.
pub fn routes() -> OpenApiRouter<Arc<ControlPlane>> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(resend))
}

/// Lists the registrations that wait for their codes
#[utoipa::path(
    get, path = "/v1/registrations", tag = "accounts", params(NumberPageOptions),
    security(("token" = [role_of(list)])),
    responses((
        status = 200, description = "One page of the registrations, oldest first",
        body = RegistrationList,
    ))
)]
async fn list(
    operator: SignedIn<Auditor>,
    query: Result<QueryParams<NumberPageOptions>, Refusal>,
) -> Result<Json<RegistrationList>, Refusal> {
    let mut act = operator.act("registrations", "");
    let page = operator
        .audited(&mut act, async |_| query?.0.page())
        .await?;
    operator.allow_view(&act, "").await?;
    let accounts = &operator.plane.control.accounts;
    let waiting = accounts.waiting_registrations(operator.now());
    // The numbers count from 1, so each fits into an `i64`.
    let (waiting, next) = page.cut(waiting, |waiting| waiting.id.cast_signed());
    Ok(Json(RegistrationList {
        registrations: waiting.iter().map(to_entry).collect(),
        next: next.map(i64::cast_unsigned),
    }))
}

/// Mails another code for a registration
///
/// The previous code is no longer valid.
#[utoipa::path(
    post, path = "/v1/registrations/{id}/resend", tag = "accounts",
    security(("token" = [role_of(resend)])),
    params(("id" = u64, Path, description = "The registration's number")),
    responses(
        (status = 200, description = "The registration, and how far its mail is",
            body = ResendReply),
        response::NoSuchRegistration,
    )
)]
async fn resend(
    operator: SignedIn<Moderator>,
    id: Result<PathParams<u64>, Refusal>,
) -> Result<Json<ResendReply>, Refusal> {
    let mut act = operator.act("resend", "");
    let accounts = &operator.plane.control.accounts;
    let waiting = operator
        .audited(&mut act, async |act| {
            let PathParams(id) = id?;
            act.target = format!("registration {id}");
            let waiting = accounts.waiting_registrations(operator.now());
            waiting
                .into_iter()
                .find(|waiting| waiting.id == id)
                .ok_or_else(|| no_such_registration(id))
        })
        .await?;
    act.target = waiting.name.to_string();
    operator.allow(&act, waiting.email.as_str()).await?;
    let resent = accounts
        .resend(operator.now(), operator.name(), waiting.id)
        .await
        .map_err(|error| {
            tracing::error!(%error, "cannot mail another code for a registration");
            Kind::StoreUnavailable.with_detail("The database cannot be read; see the server's log.")
        })?;
    let Some((waiting, mail)) = resent else {
        let refusal = no_such_registration(waiting.id);
        return Err(operator.refuse(&act, refusal).await);
    };
    Ok(Json(ResendReply {
        registration: to_entry(&waiting),
        mail: mail_state(mail).await,
    }))
}

fn no_such_registration(id: u64) -> Refusal {
    Kind::NoSuchRegistration.with_detail(format!(
        "No registration {id} is waiting for a code: it was completed, or its code has expired."
    ))
}

/// Returns the state of a mail, once its delivery was attempted or a few seconds have passed.
pub async fn mail_state(mut mail: watch::Receiver<MailState>) -> String {
    let attempted = mail.wait_for(|state| *state != MailState::Waiting);
    let state = timeout(MAIL_TIMEOUT, attempted).await;
    match state.ok().and_then(Result::ok).as_deref() {
        None | Some(MailState::Waiting) => "waiting".to_owned(),
        Some(MailState::Sent) => "sent".to_owned(),
        Some(MailState::Delayed(reason)) => format!("delayed: {reason}"),
        Some(MailState::Failed(reason)) => format!("failed: {reason}"),
    }
}

fn to_entry(waiting: &Waiting) -> RegistrationEntry {
    RegistrationEntry {
        id: waiting.id,
        name: waiting.name.to_string(),
        email: waiting.email.to_string(),
        email_taken: waiting.email_taken,
        expires_at: waiting.expires_at,
        attempts_left: waiting.attempts_left,
    }
}
