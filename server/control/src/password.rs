//! How admins change their own password.

use axum::Json;
use rookery_control_api::{PasswordRequest, Problem, SessionsEnded};

use super::extract::Body;
use super::lock;
use super::notices::Notice;
use super::permission::{Anyone, Signed};
use super::problem::{Kind, Refusal};
use crate::admin_password;
use rookery_accounts::password;
use rookery_record::Admin;

/// Changes one's own password, which ends all of one's sessions, this one too
#[utoipa::path(
    put, path = "/v1/password", tag = "sign-in", security(("token" = ["auditor"])), request_body = PasswordRequest,
    responses(
        (status = 200, description = "The new password holds", body = SessionsEnded),
        (status = 403, description = "The present password is wrong", body = Problem,
            content_type = "application/problem+json"),
        (status = 429, description = "Too many attempts; `Retry-After` has the pause in seconds", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn change(
    operator: Signed<Anyone>,
    body: Result<Body<PasswordRequest>, Refusal>,
) -> Result<Json<SessionsEnded>, Refusal> {
    let step = operator.step("password", "");
    let hash = match new_hash(&operator, body).await {
        Ok(hash) => hash,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    let name = operator.name().to_owned();
    operator
        .record(step, move |store| {
            store.set_admin_password(&name, &hash, None)?;
            Ok(Ok(("all sessions of the admin end".to_owned(), ())))
        })
        .await?;
    let sessions = lock(&operator.plane.sessions).end_all_of(operator.name());
    operator.plane.notify(
        operator.admin(),
        operator.arrival(),
        &Notice::PasswordChanged,
    );
    Ok(Json(SessionsEnded { sessions }))
}

async fn new_hash(
    operator: &Signed<Anyone>,
    body: Result<Body<PasswordRequest>, Refusal>,
) -> Result<String, Refusal> {
    let Body(PasswordRequest { old, new }) = body.map_err(Refusal::without_content)?;
    let Admin {
        name,
        email,
        password_hash,
        ..
    } = operator.admin();
    let config = operator.plane.control.config.get();
    // Whoever has come by a token has not come by the password: it cannot be guessed here either.
    let network = operator.arrival().network();
    operator.plane.may_try(name, operator.arrival())?;
    if !password::verify(old.clone(), Some(password_hash.clone())).await {
        operator
            .plane
            .note_failure(operator.admin(), operator.arrival());
        return Err(Kind::WrongPassword.with_detail("That is not your present password."));
    }
    lock(&operator.plane.throttle).succeeded(operator.now(), name, network);
    if old == new {
        return Err(Kind::Invalid.with_detail("The new password is the old one."));
    }
    admin_password::check(
        &new,
        &[
            name,
            email.as_str(),
            &config.chat.network,
            &config.chat.server_name,
        ],
    )
    .map_err(|bad| Kind::Invalid.with_detail(bad.to_string()))?;
    Ok(password::hash(new).await)
}
