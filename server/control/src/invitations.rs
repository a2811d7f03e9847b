//! Invitations: who may make an account though registration is closed.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use jiff::SignedDuration;
use rookery_control_api::{
    InvitationEntry, InvitationList, InvitationReply, InvitationRequest, InvitationRevoked, Problem,
};
use rookery_protocol::Email;
use serde::Deserialize;

use super::extract::{Body, Options, Segment};
use super::permission::{Auditor, Moderator, Signed};
use super::problem::{Kind, Refusal};
use super::registrations::how_mailed;
use rookery_record::{Invitation, InvitationId};

/// Invitations on a page when it is not told how many.
const DEFAULT_LIMIT: u16 = 100;
/// The most on a page.
const MAX_LIMIT: u16 = 1000;
/// Between two invitations of the same email.
const PAUSE: SignedDuration = SignedDuration::from_mins(1);

/// What `GET /v1/invitations` may be told.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct InvitationOptions {
    /// Begins after this number: the `next` of the page before.
    after: Option<i64>,
    /// How many invitations at most; 100 when left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u16>,
}

/// The invitations that are good
#[utoipa::path(
    get, path = "/v1/invitations", tag = "accounts", params(InvitationOptions),
    security(("token" = ["auditor"])),
    responses((status = 200, description = "One page of the invitations, oldest first", body = InvitationList))
)]
pub async fn list(
    operator: Signed<Auditor>,
    options: Result<Options<InvitationOptions>, Refusal>,
) -> Result<Json<InvitationList>, Refusal> {
    let step = operator.step("invitations", "");
    let asked = options.and_then(|Options(InvitationOptions { after, limit })| {
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(
                Kind::BadRequest.with_detail(format!("`limit` is between 1 and {MAX_LIMIT}."))
            );
        }
        Ok((InvitationId(after.unwrap_or_default()), usize::from(limit)))
    });
    let (after, limit) = match asked {
        Ok(asked) => asked,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    operator.allow(&step, "").await?;
    let now = operator.now();
    // One more tells whether there is another page.
    let mut found = operator
        .read(move |store| store.invitations(now, after, limit + 1))
        .await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| has_more).map(|last| last.id.0);
    Ok(Json(InvitationList {
        invitations: found.iter().map(to_entry).collect(),
        next,
    }))
}

/// Invites an email
///
/// A code is mailed there, good for seven days, with which an account can be made, also where
/// registration is closed. An invitation of the same email is replaced.
#[utoipa::path(
    post, path = "/v1/invitations", tag = "accounts", security(("token" = ["moderator"])),
    request_body = InvitationRequest,
    responses(
        (status = 201, description = "The invitation is good, and its mail on its way", body = InvitationReply),
        (status = 409, description = "The email has an account", body = Problem,
            content_type = "application/problem+json"),
        (status = 429, description = "The email was invited a moment ago", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn add(
    operator: Signed<Moderator>,
    body: Result<Body<InvitationRequest>, Refusal>,
) -> Result<Response, Refusal> {
    let mut step = operator.step("invite", "");
    let asked = body.and_then(|Body(request)| {
        step.target.clone_from(&request.email);
        Email::parse(&request.email)
            .map_err(|error| Kind::Invalid.with_detail(format!("`email`: {error}.")))
    });
    let email = match asked {
        Ok(email) => email,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    let now = operator.now();
    let control = &operator.plane.control;
    let (new, letter) = control
        .accounts
        .invitation(now, email, operator.name().to_owned())
        .await;
    let invitation = operator
        .record(step, move |store| {
            if let Some(account) = store.account_by_email(&new.email)? {
                let detail = format!(
                    "{} belongs to the account {} already.",
                    new.email, account.name
                );
                return Ok(Err(Kind::AccountExists.with_detail(detail)));
            }
            let earlier = store.invitation_for(&new.email, now)?;
            if let Some(wait) = earlier.and_then(|earlier| pause_after(&earlier, now)) {
                let detail = format!(
                    "{} was invited a moment ago. Wait {wait} seconds.",
                    new.email
                );
                return Ok(Err(Kind::TooManyAttempts
                    .with_detail(detail)
                    .retry_after(wait)));
            }
            Ok(Ok((
                format!("until {:.0}", new.expires_at),
                store.add_invitation(&new)?,
            )))
        })
        .await?;
    let mail = how_mailed(control.mailer.send(letter)).await;
    let reply = InvitationReply {
        invitation: to_entry(&invitation),
        mail,
    };
    Ok((StatusCode::CREATED, Json(reply)).into_response())
}

/// For how many seconds more the same email is not invited again.
fn pause_after(earlier: &Invitation, now: jiff::Timestamp) -> Option<u64> {
    let left = PAUSE.saturating_sub(now.duration_since(earlier.created_at));
    (left.is_positive()).then(|| left.as_secs().unsigned_abs() + 1)
}

/// Takes an invitation back
#[utoipa::path(
    delete, path = "/v1/invitations/{id}", tag = "accounts", security(("token" = ["moderator"])),
    params(("id" = i64, Path, description = "The invitation's number")),
    responses(
        (status = 200, description = "It is good no more", body = InvitationRevoked),
        (status = 404, description = "There is no invitation of that number", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn revoke(
    operator: Signed<Moderator>,
    id: Result<Segment<i64>, Refusal>,
) -> Result<Json<InvitationRevoked>, Refusal> {
    let mut step = operator.step("revoke-invitation", "");
    let id = match id {
        Ok(Segment(id)) => InvitationId(id),
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    step.target = format!("invitation {}", id.0);
    let invitation = operator
        .record(step, move |store| {
            let Some(invitation) = store.remove_invitation(id)? else {
                let detail = format!(
                    "There is no invitation {}. The list has those that are good.",
                    id.0
                );
                return Ok(Err(Kind::NoSuchInvitation.with_detail(detail)));
            };
            Ok(Ok((invitation.email.to_string(), invitation)))
        })
        .await?;
    Ok(Json(InvitationRevoked {
        invitation: to_entry(&invitation),
    }))
}

fn to_entry(invitation: &Invitation) -> InvitationEntry {
    InvitationEntry {
        id: invitation.id.0,
        email: invitation.email.to_string(),
        by: invitation.by.clone(),
        created_at: invitation.created_at,
        expires_at: invitation.expires_at,
        attempts_left: invitation.attempts_left,
    }
}
