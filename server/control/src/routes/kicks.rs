//! Kicks of one session, of one user, or of all users that a target covers.

use std::sync::Arc;

use axum::Json;
use rookery_control_api::{
    KickPreview, KickReply, KickRequest, MassKickDone, MassKickReply, MassKickRequest,
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{targets, users};
use crate::auth::operator::{Operator, SignedIn, role_of};
use crate::auth::permission::Moderator;
use crate::http::extract::{self, JsonBody, PathParams};
use crate::http::problem::{Kind, Refusal, response};
use crate::plane::ControlPlane;
use rookery_chat::event::SessionId;
use rookery_chat::request::{Ended, Kick, KickTarget};

/// Returns the routes of the kicks.
pub fn routes() -> OpenApiRouter<Arc<ControlPlane>> {
    OpenApiRouter::default()
        .routes(routes!(kick))
        .routes(routes!(kick_all))
}

/// Ends all sessions of a user, or one of them; the user may reconnect
///
/// The sessions have ended when the answer is sent.
#[utoipa::path(
    post, path = "/v1/users/{name}/kick", tag = "users", security(("token" = [role_of(kick)])),
    params(("name" = String, Path, description = "The user's nick")), request_body = KickRequest,
    responses(
        (status = 200, description = "The ended sessions", body = KickReply),
        response::NotOnline, response::NoSuchSession,
    )
)]
async fn kick(
    operator: SignedIn<Moderator>,
    name: Result<PathParams<String>, Refusal>,
    body: Result<JsonBody<KickRequest>, Refusal>,
) -> Result<Json<KickReply>, Refusal> {
    let mut act = operator.act("kick", "");
    let (target, reason) = operator
        .audited(&mut act, async |act| {
            let PathParams(name) = name?;
            act.target.clone_from(&name);
            let JsonBody(request) = body?;
            let reason = extract::reason(request.reason.as_deref())?;
            let user = users::existing(&operator, &name).await?;
            user.nick.as_str().clone_into(&mut act.target);
            let Some(id) = request.session else {
                return Ok((KickTarget::User(user.nick), reason));
            };
            if !user.sessions.iter().any(|session| session.id.0 == id) {
                let detail = format!(
                    "{name} has no session {id}; `admin-cli whois {name}` lists the sessions."
                );
                return Err(Kind::NoSuchSession.with_detail(detail));
            }
            Ok((KickTarget::Session(user.nick, SessionId(id)), reason))
        })
        .await?;
    let detail = match &target {
        KickTarget::Session(_, id) => format!("session {}: {reason}", id.0),
        KickTarget::User(_) | KickTarget::Covered { .. } => reason.clone(),
    };
    operator.allow(&act, detail).await?;
    Ok(Json(end(&operator, Kick { target, reason }).await?))
}

/// Ends all sessions that a ban of the target would end; the users may reconnect
///
/// The sessions have ended when the answer is sent. With `dry_run`, nothing is done, and the answer
/// lists the users who would be affected now. A name without an account is refused while another
/// user has it as nick: `POST /v1/users/{name}/kick` takes nicks.
#[utoipa::path(
    post, path = "/v1/kick", tag = "users", security(("token" = [role_of(kick_all)])),
    request_body = MassKickRequest,
    responses(
        (status = 200,
            description = "The ended sessions; for a dry run, the users who would be affected",
            body = MassKickReply),
        response::ConfirmationRequired,
    )
)]
async fn kick_all(
    operator: SignedIn<Moderator>,
    body: Result<JsonBody<MassKickRequest>, Refusal>,
) -> Result<Json<MassKickReply>, Refusal> {
    let mut act = operator.act("kick", "");
    let (target, account_email, note, reason, dry_run) = operator
        .audited(&mut act, async |act| {
            let JsonBody(request) = body?;
            act.target.clone_from(&request.target);
            let target = targets::parse(&request.target)?;
            let reason = extract::reason(request.reason.as_deref())?;
            let note = targets::ensure_account_is_meant(&operator, &target, "kick").await?;
            if !request.dry_run && !request.confirm {
                targets::ensure_confirmed(&operator, &target, "kick").await?;
            }
            let account_email = targets::account_email(&operator, &target).await?;
            Ok((target, account_email, note, reason, request.dry_run))
        })
        .await?;
    if dry_run {
        operator.allow(&act, "all that match; dry run").await?;
        let users = targets::covered(&operator, &target, account_email).await?;
        return Ok(Json(MassKickReply::Preview(KickPreview {
            target: target.to_string(),
            users,
            doubt: targets::doubt(&operator, &target).await?,
            note,
        })));
    }
    let detail = format!("all that match: {reason}");
    operator.allow(&act, detail).await?;
    let kick = Kick {
        target: KickTarget::Covered {
            target,
            account_email,
        },
        reason,
    };
    let ended = end(&operator, kick).await?;
    Ok(Json(MassKickReply::Done(MassKickDone { ended, note })))
}

/// Ends the sessions.
async fn end(operator: &Operator, kick: Kick) -> Result<KickReply, Refusal> {
    Ok(to_reply(&operator.plane.request(kick).await?))
}

/// Returns the sessions that a kick or a ban has ended, in the form of the API.
pub fn to_reply(ended: &Ended) -> KickReply {
    KickReply {
        users: ended.users.iter().map(ToString::to_string).collect(),
        sessions: ended.sessions,
    }
}
