//! Kicks: of one session, of one user, of all that match.

use axum::Json;
use rookery_control_api::{
    KickPreview, KickReply, KickRequest, MassKickReply, MassKickRequest, Problem,
};
use rookery_protocol::Nick;

use super::extract::{self, Body, Segment};
use super::permission::{Moderator, Signed};
use super::problem::{Kind, Refusal};
use super::sessions::Operator;
use super::{targets, unexpected, users};
use rookery_chat::event::{Act, Answer, Kicked, SessionId};

/// Ends every session of a user, or one of them; the user may come back
///
/// The sessions are gone when the answer comes.
#[utoipa::path(
    post, path = "/v1/users/{name}/kick", tag = "users", security(("token" = ["moderator"])),
    params(("name" = String, Path, description = "The user's nick")), request_body = KickRequest,
    responses(
        (status = 200, description = "The sessions are gone", body = KickReply),
        (status = 404, description = "Nobody of that name is online, or has such a session", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn kick(
    operator: Signed<Moderator>,
    name: Result<Segment<String>, Refusal>,
    body: Result<Body<KickRequest>, Refusal>,
) -> Result<Json<KickReply>, Refusal> {
    let mut step = operator.step("kick", "");
    if let Ok(Segment(name)) = &name {
        step.target.clone_from(name);
    }
    let asked = async {
        let (Segment(name), Body(request)) = (name?, body?);
        let reason = extract::reason(request.reason.as_deref())?;
        let user = users::existing(&operator, &name).await?;
        user.nick.as_str().clone_into(&mut step.target);
        let Some(id) = request.session else {
            return Ok((Kicked::User(user.nick), reason));
        };
        if !user.sessions.iter().any(|session| session.id.0 == id) {
            let detail = format!(
                "{name} has no session {id}; `admin-cli whois {name}` has those there are."
            );
            return Err(Kind::NoSuchSession.with_detail(detail));
        }
        Ok((Kicked::Session(user.nick, SessionId(id)), reason))
    };
    let (whom, reason) = match asked.await {
        Ok(asked) => asked,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    let detail = match &whom {
        Kicked::Session(_, id) => format!("session {}: {reason}", id.0),
        Kicked::User(_) | Kicked::Covered(_) => reason.clone(),
    };
    operator.allow(&step, detail).await?;
    Ok(Json(end(&operator, Act::Kick { whom, reason }).await?))
}

/// Ends every session that a ban of that target would end; the users may come back
///
/// The sessions are gone when the answer comes. With `dry_run`, nothing is done: the answer tells
/// who would be hit now.
#[utoipa::path(
    post, path = "/v1/kick", tag = "users", security(("token" = ["moderator"])), request_body = MassKickRequest,
    responses(
        (status = 200, description = "The sessions are gone; or, of a dry run, who would be hit now",
            body = MassKickReply),
        (status = 409, description = "It covers the world, or the admin who asks: send it again with `confirm`",
            body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn kick_all(
    operator: Signed<Moderator>,
    body: Result<Body<MassKickRequest>, Refusal>,
) -> Result<Json<MassKickReply>, Refusal> {
    let mut step = operator.step("kick", "");
    let asked = async {
        let Body(request) = body?;
        step.target.clone_from(&request.target);
        let target = targets::parse(&request.target)?;
        let reason = extract::reason(request.reason.as_deref())?;
        if !request.dry_run && !request.confirm {
            targets::ask_twice(&operator, &target, "kick").await?;
        }
        Ok((target, reason, request.dry_run))
    };
    let (target, reason, dry_run) = match asked.await {
        Ok(asked) => asked,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    if dry_run {
        operator.allow(&step, "all that match; dry run").await?;
        let users = targets::covered(&operator, &target).await?;
        return Ok(Json(MassKickReply::Preview(KickPreview {
            target: target.to_string(),
            users,
        })));
    }
    operator
        .allow(&step, format!("all that match: {reason}"))
        .await?;
    let act = Act::Kick {
        whom: Kicked::Covered(target),
        reason,
    };
    Ok(Json(MassKickReply::Done(end(&operator, act).await?)))
}

/// Has the core end sessions.
async fn end(operator: &Operator, act: Act) -> Result<KickReply, Refusal> {
    match operator.plane.act(act).await? {
        Answer::Ended { users, sessions } => Ok(ended(&users, sessions)),
        other => Err(unexpected(&other)),
    }
}

/// What a kick or ban did.
pub fn ended(users: &[Nick], sessions: usize) -> KickReply {
    KickReply {
        users: users.iter().map(ToString::to_string).collect(),
        sessions,
    }
}
