//! Registrations that wait for their codes: which there are, and another mail for one that did not
//! arrive.

use std::time::Duration;

use axum::Json;
use rookery_control_api::{Problem, RegistrationEntry, RegistrationList, ResendReply};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::timeout;

use super::extract::{Options, Segment};
use super::permission::{Auditor, Moderator, Signed};
use super::problem::{Kind, Refusal};
use rookery_accounts::registration::Waiting;
use rookery_base::mail::MailState;

/// Registrations on a page when it is not told how many.
const DEFAULT_LIMIT: u16 = 100;
/// The most on a page.
const MAX_LIMIT: u16 = 1000;
/// How long an answer waits to tell how far a mail has come.
const MAIL_PATIENCE: Duration = Duration::from_secs(3);

/// What `GET /v1/registrations` may be told.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RegistrationOptions {
    /// Begins after this number: the `next` of the page before.
    #[param(minimum = 0)]
    after: Option<i64>,
    /// How many registrations at most; 100 when left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u16>,
}

/// The registrations that wait for their codes
#[utoipa::path(
    get, path = "/v1/registrations", tag = "accounts", params(RegistrationOptions),
    security(("token" = ["auditor"])),
    responses((status = 200, description = "One page of them, oldest first", body = RegistrationList))
)]
pub async fn list(
    operator: Signed<Auditor>,
    options: Result<Options<RegistrationOptions>, Refusal>,
) -> Result<Json<RegistrationList>, Refusal> {
    let step = operator.step("registrations", "");
    let asked = options.and_then(|Options(RegistrationOptions { after, limit })| {
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(
                Kind::BadRequest.with_detail(format!("`limit` is between 1 and {MAX_LIMIT}."))
            );
        }
        let after = u64::try_from(after.unwrap_or_default())
            .map_err(|_| Kind::BadRequest.with_detail("`after` is the `next` of another page."))?;
        Ok((after, usize::from(limit)))
    });
    let (after, limit) = match asked {
        Ok(asked) => asked,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    operator.allow(&step, "").await?;
    let waiting = operator
        .plane
        .control
        .accounts
        .waiting_registrations(operator.now());
    let mut rest = waiting
        .iter()
        .filter(|waiting| waiting.id > after)
        .peekable();
    let page: Vec<&Waiting> = rest.by_ref().take(limit).collect();
    let next = page
        .last()
        .filter(|_| rest.peek().is_some())
        .map(|last| last.id);
    Ok(Json(RegistrationList {
        registrations: page.into_iter().map(to_entry).collect(),
        next,
    }))
}

/// Mails another code for a registration
///
/// The code before is good no more.
#[utoipa::path(
    post, path = "/v1/registrations/{id}/resend", tag = "accounts", security(("token" = ["moderator"])),
    params(("id" = u64, Path, description = "The registration's number")),
    responses(
        (status = 200, description = "The mail is on its way", body = ResendReply),
        (status = 404, description = "No registration of that number waits for a code", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn resend(
    operator: Signed<Moderator>,
    id: Result<Segment<u64>, Refusal>,
) -> Result<Json<ResendReply>, Refusal> {
    let mut step = operator.step("resend", "");
    let accounts = &operator.plane.control.accounts;
    let asked = id.and_then(|Segment(id)| {
        step.target = format!("registration {id}");
        let waiting = accounts.waiting_registrations(operator.now());
        waiting
            .into_iter()
            .find(|waiting| waiting.id == id)
            .ok_or_else(|| gone(id))
    });
    let waiting = match asked {
        Ok(waiting) => waiting,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    step.target = waiting.name.to_string();
    operator.allow(&step, waiting.email.as_str()).await?;
    let resent = accounts
        .resend(operator.now(), waiting.id)
        .await
        .map_err(|error| {
            tracing::error!(%error, "a code could not be mailed again");
            Kind::StoreUnavailable
                .with_detail("The record cannot be read. The server's log says why.")
        })?;
    let Some((waiting, mail)) = resent else {
        return Err(operator.refuse(&step, gone(waiting.id)).await);
    };
    Ok(Json(ResendReply {
        registration: to_entry(&waiting),
        mail: how_mailed(mail).await,
    }))
}

fn gone(id: u64) -> Refusal {
    Kind::NoSuchRegistration.with_detail(format!(
        "No registration {id} waits for a code. It was made, or its code has expired."
    ))
}

/// How far a mail has come, in words, once that is known; soon in any case.
pub async fn how_mailed(mut mail: watch::Receiver<MailState>) -> String {
    let known = timeout(
        MAIL_PATIENCE,
        mail.wait_for(|state| *state != MailState::Waiting),
    )
    .await;
    match known.ok().and_then(Result::ok).as_deref() {
        None | Some(MailState::Waiting) => "waiting".to_owned(),
        Some(MailState::Sent) => "sent".to_owned(),
        Some(MailState::Delayed(why)) => format!("delayed: {why}"),
        Some(MailState::Failed(why)) => format!("failed: {why}"),
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
