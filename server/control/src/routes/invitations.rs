//! The invitations, with which an account can be registered even if registration is closed.

use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use rookery_base::mail::Requester;
use rookery_control_api::{
    InvitationEntry, InvitationList, InvitationReply, InvitationRequest, InvitationRevoked, count,
};
use rookery_protocol::Email;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::registrations::mail_state;
use crate::auth::operator::{SignedIn, role_of};
use crate::auth::permission::{Auditor, Moderator};
use crate::http::extract::{JsonBody, PathParams, QueryParams};
use crate::http::pages::NumberPageOptions;
use crate::http::problem::{Kind, Refusal, response};
use crate::plane::ControlPlane;
use rookery_record::{Invitation, InvitationId};

/// The minimum time between two invitations of the same email.
const MIN_INTERVAL: SignedDuration = SignedDuration::from_mins(1);

/// Returns the routes of the invitations.
pub fn routes() -> OpenApiRouter<Arc<ControlPlane>> {
    OpenApiRouter::default()
        .routes(routes!(list, add))
        .routes(routes!(revoke))
}

/// Lists the valid invitations
#[utoipa::path(
    get, path = "/v1/invitations", tag = "accounts", params(NumberPageOptions),
    security(("token" = [role_of(list)])),
    responses((
        status = 200, description = "One page of the invitations, oldest first",
        body = InvitationList,
    ))
)]
async fn list(
    operator: SignedIn<Auditor>,
    query: Result<QueryParams<NumberPageOptions>, Refusal>,
) -> Result<Json<InvitationList>, Refusal> {
    let mut act = operator.act("invitations", "");
    let page = operator
        .audited(&mut act, async |_| query?.0.page())
        .await?;
    operator.allow_view(&act, "").await?;
    let now = operator.now();
    let (after, limit) = (
        InvitationId(page.after.unwrap_or_default()),
        page.fetch_limit(),
    );
    let found = operator
        .read(move |store| store.invitations(now, after, limit))
        .await?;
    let (found, next) = page.cut_fetched(found, |invitation| invitation.id.0);
    Ok(Json(InvitationList {
        invitations: found.iter().map(to_entry).collect(),
        next,
    }))
}

/// Invites an email
///
/// A code is mailed to it, valid for seven days, with which an account can be registered even if
/// registration is closed. An earlier invitation of the same email is replaced.
#[utoipa::path(
    post, path = "/v1/invitations", tag = "accounts", security(("token" = [role_of(add)])),
    request_body = InvitationRequest,
    responses(
        (status = 201, description = "The invitation, and how far its mail is",
            body = InvitationReply),
        response::AccountExists, response::TooManyAttempts,
    )
)]
async fn add(
    operator: SignedIn<Moderator>,
    body: Result<JsonBody<InvitationRequest>, Refusal>,
) -> Result<(StatusCode, Json<InvitationReply>), Refusal> {
    let mut act = operator.act("invite", "");
    let email = operator
        .audited(&mut act, async |act| {
            let JsonBody(request) = body?;
            act.target.clone_from(&request.email);
            Email::parse(&request.email)
                .and_then(|email| email.check_new().map(|()| email))
                .map_err(|error| Kind::Invalid.with_detail(format!("`email`: {error}.")))
        })
        .await?;
    let now = operator.now();
    let control = &operator.plane.control;
    let aliases = control.config.accounts.get().email_aliases();
    let (new, mail) = control
        .accounts
        .invitation(now, email, operator.name().to_owned())
        .await;
    let invitation = operator
        .record(act, move |store, _| {
            if let Some(account) = store.accounts_of_mailbox(&new.email, &aliases)?.first() {
                let detail = format!(
                    "The mailbox of {} already belongs to the account {}.",
                    new.email, account.name
                );
                return Ok(Err(Kind::AccountExists.with_detail(detail)));
            }
            let earlier = store.invitation_for(&new.email, now)?;
            if let Some(wait) = earlier.and_then(|earlier| seconds_to_wait(&earlier, now)) {
                let detail = format!(
                    "{} was invited less than a minute ago. Try again in {}.",
                    new.email,
                    count(wait, "second", "seconds")
                );
                let refusal = Kind::TooManyAttempts.with_detail(detail);
                return Ok(Err(refusal.retry_after(wait)));
            }
            Ok(Ok((
                format!("until {:.0}", new.expires_at),
                store.add_invitation(&new)?,
            )))
        })
        .await?;
    let requester = Requester::OnBehalf(operator.name().into());
    let mail = mail_state(control.mailer.send(mail, requester)).await;
    let reply = InvitationReply {
        invitation: to_entry(&invitation),
        mail,
    };
    Ok((StatusCode::CREATED, Json(reply)))
}

/// Returns the number of seconds until the same email can be invited again; none if it can be now.
/// An invitation from the future was made while the clock was wrong, and delays nothing for longer.
fn seconds_to_wait(earlier: &Invitation, now: Timestamp) -> Option<u64> {
    let left = MIN_INTERVAL.saturating_sub(now.duration_since(earlier.created_at).abs());
    left.is_positive()
        .then(|| left.as_secs().unsigned_abs() + 1)
}

/// Revokes an invitation
#[utoipa::path(
    delete, path = "/v1/invitations/{id}", tag = "accounts",
    security(("token" = [role_of(revoke)])),
    params(("id" = i64, Path, description = "The invitation's number")),
    responses(
        (status = 200, description = "The revoked invitation", body = InvitationRevoked),
        response::NoSuchInvitation,
    )
)]
async fn revoke(
    operator: SignedIn<Moderator>,
    id: Result<PathParams<i64>, Refusal>,
) -> Result<Json<InvitationRevoked>, Refusal> {
    let mut act = operator.act("revoke-invitation", "");
    let PathParams(id) = operator.audited(&mut act, async |_| id).await?;
    act.target = format!("invitation {id}");
    let invitation = operator
        .record(act, move |store, _| {
            let Some(invitation) = store.remove_invitation(InvitationId(id))? else {
                let detail = format!(
                    "There is no invitation {id}; `admin-cli invitations` lists the valid ones."
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
