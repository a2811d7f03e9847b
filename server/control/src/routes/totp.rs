//! The admin's own authenticator app: enrolment, confirmation and removal.

use std::sync::Arc;

use axum::Json;
use rookery_control_api::{TotpCode, TotpConfirmed, TotpEnrolment, TotpRequirement, TotpStatus};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::audit::notices::Notice;
use crate::audit::trail::Act;
use crate::auth::authenticator::{self, Proof};
use crate::auth::operator::{Operator, SignedIn, role_of};
use crate::auth::permission::Auditor;
use crate::auth::throttle::Source;
use crate::http::extract::JsonBody;
use crate::http::problem::{Kind, Refusal, response};
use crate::plane::ControlPlane;
use rookery_record::Authenticator;
use rookery_store::{Result as StoreResult, Store};

/// Returns the routes of the authenticator app.
pub fn routes() -> OpenApiRouter<Arc<ControlPlane>> {
    OpenApiRouter::default()
        .routes(routes!(status, enrol))
        .routes(routes!(confirm))
        .routes(routes!(disable))
        .routes(routes!(require))
}

/// Returns your factors besides the password and mailed codes
#[utoipa::path(
    get, path = "/v1/totp", tag = "sign-in", security(("token" = [role_of(status)])),
    responses((status = 200, description = "The enrolled app, if any", body = TotpStatus))
)]
async fn status(operator: SignedIn<Auditor>) -> Result<Json<TotpStatus>, Refusal> {
    operator.allow_view(&operator.act("totp", ""), "").await?;
    let admin = operator.admin();
    Ok(Json(TotpStatus {
        enrolled_at: admin.authenticator.as_ref().map(|app| app.enrolled_at),
        required: admin.authenticator.as_ref().is_some_and(|app| app.required),
        recovery_codes: admin.recovery_codes,
    }))
}

/// Begins the enrolment of an authenticator app
///
/// The app takes effect when one of its codes is confirmed. An app that is already enrolled stays
/// in effect until then.
#[utoipa::path(
    post, path = "/v1/totp", tag = "sign-in", security(("token" = [role_of(enrol)])),
    responses(
        (status = 200, description = "The secret for the app", body = TotpEnrolment),
        response::TooManyRequests,
    )
)]
async fn enrol(operator: SignedIn<Auditor>) -> Result<Json<TotpEnrolment>, Refusal> {
    let act = operator.act("totp enrol", "");
    operator.require_fresh_sign_in(&act).await?;
    operator.allow_read(&act, "").await?;
    let (secret, expires_at) = operator
        .plane
        .enrolments
        .lock()
        .begin(operator.now(), operator.name());
    let issuer = &operator.plane.control.config.chat.get().network;
    let uri = authenticator::uri(&secret, issuer, operator.name());
    Ok(Json(TotpEnrolment {
        uri,
        secret: authenticator::base32(&secret),
        expires_at,
    }))
}

/// Confirms an authenticator app with one of its codes, and returns the recovery codes
///
/// All of your sessions end, including this one.
#[utoipa::path(
    post, path = "/v1/totp/confirm", tag = "sign-in", security(("token" = [role_of(confirm)])),
    request_body = TotpCode,
    responses(
        (status = 200, description = "The app is in effect", body = TotpConfirmed),
        response::WrongCode, response::NoAuthenticator,
    )
)]
async fn confirm(
    operator: SignedIn<Auditor>,
    body: Result<JsonBody<TotpCode>, Refusal>,
) -> Result<Json<TotpConfirmed>, Refusal> {
    let mut act = operator.act("totp confirm", "");
    operator.require_fresh_sign_in(&act).await?;
    let app = operator
        .audited(&mut act, async |_| {
            let JsonBody(TotpCode { code }) = body.map_err(Refusal::without_content)?;
            let mut enrolments = operator.plane.enrolments.lock();
            enrolments.confirm(operator.now(), operator.name(), &code)
        })
        .await?;
    let (recovery_codes, hashes) = authenticator::recovery_codes();
    let name = operator.name().to_owned();
    let change = move |store: &mut Store| {
        store
            .set_authenticator(&name, &app, &hashes)
            .map(ensure_enrolled)
    };
    change_factor(&operator, act, "an authenticator app was enrolled", change).await?;
    Ok(Json(TotpConfirmed { recovery_codes }))
}

/// Removes the authenticator app and the recovery codes
///
/// All of your sessions end, including this one.
#[utoipa::path(
    post, path = "/v1/totp/disable", tag = "sign-in", security(("token" = [role_of(disable)])),
    request_body = TotpCode,
    responses(
        (status = 200, description = "Mailed codes are the only second factor again",
            body = TotpStatus),
        response::WrongCode, response::NoAuthenticator, response::TooManyAttempts,
    )
)]
async fn disable(
    operator: SignedIn<Auditor>,
    body: Result<JsonBody<TotpCode>, Refusal>,
) -> Result<Json<TotpStatus>, Refusal> {
    let mut act = operator.act("totp disable", "");
    let proof = operator
        .audited(&mut act, async |_| {
            let JsonBody(TotpCode { code }) = body.map_err(Refusal::without_content)?;
            let app = enrolled(&operator)?;
            let (plane, origin) = (&operator.plane, operator.origin());
            let source = Source::Session(operator.name().to_owned());
            let _attempt = plane.begin_attempt(&source, origin.instant).await?;
            Proof::parse(app, &code, operator.now()).ok_or_else(|| {
                plane.count_failure(operator.admin(), origin);
                wrong_code()
            })
        })
        .await?;
    let name = operator.name().to_owned();
    let change = move |store: &mut Store| {
        if !proof.use_up(store, &name)? {
            return Ok(Err(wrong_code()));
        }
        store.remove_authenticator(&name).map(ensure_enrolled)
    };
    change_factor(&operator, act, "the authenticator app was removed", change).await?;
    let source = Source::Session(operator.name().to_owned());
    operator.plane.throttle.lock().succeeded(&source);
    Ok(Json(TotpStatus {
        enrolled_at: None,
        required: false,
        recovery_codes: 0,
    }))
}

/// Sets whether the authenticator app is required, so that mailed codes are not accepted
///
/// All of your sessions end, including this one.
#[utoipa::path(
    put, path = "/v1/totp/required", tag = "sign-in", security(("token" = [role_of(require)])),
    request_body = TotpRequirement,
    responses(
        (status = 200, description = "The new requirement", body = TotpStatus),
        response::NoAuthenticator,
    )
)]
async fn require(
    operator: SignedIn<Auditor>,
    body: Result<JsonBody<TotpRequirement>, Refusal>,
) -> Result<Json<TotpStatus>, Refusal> {
    let mut act = operator.act("totp require", "");
    let (required, enrolled_at) = operator
        .audited(&mut act, async |_| {
            let JsonBody(TotpRequirement { required }) = body?;
            Ok((required, enrolled(&operator)?.enrolled_at))
        })
        .await?;
    operator.require_fresh_sign_in(&act).await?;
    let change = if required {
        "mailed codes are no longer accepted"
    } else {
        "mailed codes are accepted again"
    };
    let name = operator.name().to_owned();
    let write = move |store: &mut Store| {
        store
            .require_authenticator(&name, required)
            .map(ensure_enrolled)
    };
    change_factor(&operator, act, change, write).await?;
    let recovery_codes = operator.admin().recovery_codes;
    Ok(Json(TotpStatus {
        enrolled_at: Some(enrolled_at),
        required,
        recovery_codes,
    }))
}

/// Changes a factor and records it, ends the admin's sessions and notifies the admin.
async fn change_factor(
    operator: &Operator,
    act: Act,
    change: &'static str,
    write: impl FnOnce(&mut Store) -> StoreResult<Result<(), Refusal>> + Send + 'static,
) -> Result<(), Refusal> {
    operator
        .record(act, move |store, _| {
            Ok(write(store)?.map(|()| (change.to_owned(), ())))
        })
        .await?;
    operator.plane.sessions.lock().end_all_of(operator.name());
    operator.plane.notify(
        operator.admin(),
        operator.origin(),
        &Notice::Changed(change),
    );
    Ok(())
}

fn enrolled(operator: &Operator) -> Result<&Authenticator, Refusal> {
    let app = operator.admin().authenticator.as_ref();
    app.ok_or_else(not_enrolled)
}

fn ensure_enrolled(is_enrolled: bool) -> Result<(), Refusal> {
    if is_enrolled {
        Ok(())
    } else {
        Err(not_enrolled())
    }
}

fn not_enrolled() -> Refusal {
    Kind::NoAuthenticator.with_detail("No authenticator app is enrolled.")
}

fn wrong_code() -> Refusal {
    Kind::WrongCode.with_detail(
        "That is not a current code, or it was used before. Wait for the app's next one.",
    )
}
