//! The sessions of admins: lists them and ends them.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use rookery_control_api::{AdminSession, AdminSessionList, LogoutReply, SessionsEnded};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::operator::{SignedIn, role_of};
use crate::auth::permission::{AnyAdmin, Auditor};
use crate::auth::sessions::{Fingerprint, Session};
use crate::http::extract::{PathParams, QueryParams};
use crate::http::pages::PageOptions;
use crate::http::problem::{Kind, Refusal, response};
use crate::plane::ControlPlane;

/// Returns the routes of the sessions.
pub fn routes() -> OpenApiRouter<Arc<ControlPlane>> {
    OpenApiRouter::default()
        .routes(routes!(logout))
        .routes(routes!(list, end_all))
        .routes(routes!(end_one))
}

/// Ends this session: its token is no longer valid
#[utoipa::path(
    post, path = "/v1/logout", tag = "sign-in", security(("token" = [role_of(logout)])),
    responses((status = 200, description = "Signed out", body = LogoutReply))
)]
async fn logout(operator: SignedIn<AnyAdmin>) -> Result<Json<LogoutReply>, Refusal> {
    let session = operator.session();
    let detail = format!("signed in at {:.0} from {}", session.since, session.address);
    operator.allow(&operator.act("logout", ""), detail).await?;
    operator.plane.sessions.lock().end(&session.id);
    Ok(Json(LogoutReply {
        session: session.id.clone(),
    }))
}

/// Lists your own sessions; for an owner, all sessions
#[utoipa::path(
    get, path = "/v1/sessions", tag = "sign-in", params(PageOptions),
    security(("token" = [role_of(list)])),
    responses((
        status = 200, description = "One page of the sessions, oldest first",
        body = AdminSessionList,
    ))
)]
async fn list(
    operator: SignedIn<Auditor>,
    query: Result<QueryParams<PageOptions>, Refusal>,
) -> Result<Json<AdminSessionList>, Refusal> {
    let mut act = operator.act("sessions", "");
    let page = operator
        .audited(&mut act, async |_| query?.0.page())
        .await?;
    operator.allow_view(&act, "").await?;
    let admins = operator.read(rookery_store::Store::admins).await?;
    let fingerprints: HashMap<&str, Fingerprint> = admins
        .iter()
        .map(|admin| (admin.name.as_str(), Fingerprint::of(admin)))
        .collect();
    let idle_limit = operator.plane.idle_limit();
    let is_valid = |session: &&Session| {
        operator.may_end(session)
            && operator.now() < session.expires_at
            && !session.is_idle(operator.now(), idle_limit)
            && fingerprints.get(session.admin.as_str()) == Some(&session.fingerprint)
    };
    let mut sessions: Vec<AdminSession> = operator
        .plane
        .sessions
        .lock()
        .iter()
        .filter(is_valid)
        .map(|session| AdminSession {
            id: session.id.clone(),
            admin: session.admin.clone(),
            address: session.address.to_string(),
            since: session.since,
            last_used_at: session.used_at,
            expires_at: session.expires_at,
            current: session.id == operator.session_id(),
        })
        .collect();
    // The id distinguishes sessions that began at the same time.
    let key =
        |session: &AdminSession| format!("{:016x}-{}", session.since.as_microsecond(), session.id);
    sessions.sort_by_cached_key(key);
    let (sessions, next) = page.cut(sessions, key);
    Ok(Json(AdminSessionList { sessions, next }))
}

/// Ends one of your own sessions; as an owner, any session
#[utoipa::path(
    delete, path = "/v1/sessions/{id}", tag = "sign-in", security(("token" = [role_of(end_one)])),
    params(("id" = String, Path, description = "The session's id")),
    responses(
        (status = 200, description = "The token is no longer valid", body = SessionsEnded),
        response::NoSuchSession,
    )
)]
async fn end_one(
    operator: SignedIn<Auditor>,
    id: Result<PathParams<String>, Refusal>,
) -> Result<Json<SessionsEnded>, Refusal> {
    let mut act = operator.act("session end", "");
    let session = operator
        .audited(&mut act, async |act| {
            let PathParams(id) = id?;
            act.target.clone_from(&id);
            let sessions = operator.plane.sessions.lock();
            let found = sessions
                .by_id(&id)
                .filter(|session| operator.may_end(session));
            found.cloned().ok_or_else(|| {
                Kind::NoSuchSession.with_detail(format!(
                    "You have no session {id}; `admin-cli sessions` lists yours."
                ))
            })
        })
        .await?;
    let detail = format!("of {}, from {}", session.admin, session.address);
    operator.allow(&act, detail).await?;
    operator.plane.sessions.lock().end(&session.id);
    Ok(Json(SessionsEnded {
        sessions: vec![session.id],
    }))
}

/// Ends all of your sessions, including this one
#[utoipa::path(
    delete, path = "/v1/sessions", tag = "sign-in", security(("token" = [role_of(end_all)])),
    responses((status = 200, description = "The tokens are no longer valid", body = SessionsEnded))
)]
async fn end_all(operator: SignedIn<Auditor>) -> Result<Json<SessionsEnded>, Refusal> {
    let act = operator.act("session end", "all");
    operator.allow(&act, "").await?;
    let sessions = operator.plane.sessions.lock().end_all_of(operator.name());
    Ok(Json(SessionsEnded { sessions }))
}
