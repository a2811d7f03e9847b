//! The admin's own password.

use std::sync::Arc;

use axum::Json;
use rookery_control_api::{PasswordRequest, SessionsEnded};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::audit::notices::Notice;
use crate::auth;
use crate::auth::operator::{SignedIn, role_of};
use crate::auth::permission::AnyAdmin;
use crate::auth::throttle::Source;
use crate::http::extract::JsonBody;
use crate::http::problem::{Kind, Refusal, response};
use crate::plane::ControlPlane;
use rookery_accounts::password::{self, Password};
use rookery_base::secret::Secret;
use rookery_record::Admin;

/// Returns the route of the password.
pub fn routes() -> OpenApiRouter<Arc<ControlPlane>> {
    OpenApiRouter::default().routes(routes!(change))
}

/// Changes your password, which ends all of your sessions, including this one
///
/// An `Idempotency-Key` is ignored: nothing is remembered of a request with a password. A repeated
/// request changes nothing, because its session has ended.
#[utoipa::path(
    put, path = "/v1/password", tag = "sign-in", security(("token" = [role_of(change)])),
    request_body = PasswordRequest,
    responses(
        (status = 200, description = "The new password is valid", body = SessionsEnded),
        response::WrongPassword, response::TooManyAttempts,
    )
)]
async fn change(
    operator: SignedIn<AnyAdmin>,
    body: Result<JsonBody<PasswordRequest>, Refusal>,
) -> Result<Json<SessionsEnded>, Refusal> {
    let mut act = operator.act("password", "");
    let hash = operator
        .audited(&mut act, async |_| new_hash(&operator, body).await)
        .await?;
    let name = operator.name().to_owned();
    operator
        .record(act, move |store, _| {
            store.set_admin_password(&name, &hash, None)?;
            Ok(Ok(("all sessions of the admin end".to_owned(), ())))
        })
        .await?;
    let sessions = operator.plane.sessions.lock().end_all_of(operator.name());
    operator.plane.notify(
        operator.admin(),
        operator.origin(),
        &Notice::PasswordChanged,
    );
    Ok(Json(SessionsEnded { sessions }))
}

/// Checks the current password and the new one, and returns the new one's hash.
async fn new_hash(
    operator: &SignedIn<AnyAdmin>,
    body: Result<JsonBody<PasswordRequest>, Refusal>,
) -> Result<String, Refusal> {
    let JsonBody(PasswordRequest { old, new }) = body.map_err(Refusal::without_content)?;
    let (old, new) = (Secret::new(old), Secret::new(new));
    let Admin {
        name,
        email,
        password_hash,
        ..
    } = operator.admin();
    let chat = operator.plane.control.config.chat.get();
    // A stolen token must not become a way to guess the password.
    let source = Source::Session(name.clone());
    let origin = operator.origin();
    let attempt = operator
        .plane
        .begin_attempt(&source, origin.instant)
        .await?;
    if !password::verify(
        &password::OPERATORS_QUEUE,
        old.clone(),
        Some(password_hash.clone()),
    )
    .await
    {
        operator.plane.count_failure(operator.admin(), origin);
        return Err(Kind::WrongPassword.with_detail("The current password is wrong."));
    }
    drop(attempt);
    operator.plane.throttle.lock().succeeded(&source);
    let old = Password::prepare(old.expose());
    if old.is_ok() && old == Password::prepare(new.expose()) {
        return Err(Kind::Invalid.with_detail("The new password is the same as the old one."));
    }
    let new = auth::password::check(
        new.expose(),
        &[name, email.as_str(), &chat.network, &chat.server_name],
    )
    .map_err(|bad| Kind::Invalid.with_detail(bad.to_string()))?;
    Ok(password::hash(&password::OPERATORS_QUEUE, new).await)
}
