//! How admins enrol an authenticator app for themselves, and do away with it.

use std::collections::HashMap;

use axum::Json;
use jiff::{SignedDuration, Timestamp};
use rookery_control_api::{
    Problem, TotpCode, TotpConfirmed, TotpEnrolment, TotpRequirement, TotpStatus,
};

use super::audit::Step;
use super::authenticator::{self, Proof};
use super::extract::Body;
use super::lock;
use super::notices::Notice;
use super::permission::{Auditor, Signed};
use super::problem::{Kind, Refusal};
use super::sessions::Operator;
use rookery_record::Authenticator;
use rookery_store::{Result as StoreResult, Store};

/// How long a new secret waits for its first code.
const LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// Wrong codes before it has to be made anew.
const TRIES: u8 = 5;

/// The secrets that wait for their first code, by their admin: at most so many as there are admins.
#[derive(Default)]
pub struct Enrolments(HashMap<String, Enrolment>);

struct Enrolment {
    secret: [u8; 20],
    expires_at: Timestamp,
    attempts_left: u8,
}

impl Enrolments {
    /// A new secret, in the place of one before.
    fn begin(&mut self, now: Timestamp, admin: &str) -> ([u8; 20], Timestamp) {
        self.0.retain(|_, old| now < old.expires_at);
        let (secret, expires_at) = (authenticator::new_secret(), now + LIFETIME);
        self.0.insert(
            admin.to_owned(),
            Enrolment {
                secret,
                expires_at,
                attempts_left: TRIES,
            },
        );
        (secret, expires_at)
    }

    /// The app, if the code is its; the secret waits no more then.
    fn confirm(
        &mut self,
        now: Timestamp,
        admin: &str,
        code: &str,
    ) -> Result<Authenticator, Refusal> {
        let alive = |one: &&mut Enrolment| now < one.expires_at && one.attempts_left > 0;
        let Some(enrolment) = self.0.get_mut(admin).filter(alive) else {
            return Err(Kind::NoAuthenticator
                .with_detail("No app is waiting to be confirmed; enrol it anew."));
        };
        enrolment.attempts_left -= 1;
        let Enrolment {
            secret,
            attempts_left,
            ..
        } = *enrolment;
        let Some(last_step) = authenticator::step_of(&secret, code, now) else {
            return Err(Kind::WrongCode.with_detail(format!(
                "That is not the app's code of now; tries left: {attempts_left}. If it goes on, look whether the clocks \
                 of the server and the app agree."
            )));
        };
        self.0.remove(admin);
        Ok(Authenticator {
            secret,
            enrolled_at: now,
            last_step,
            required: false,
        })
    }
}

/// One's own factors beside password and mail
#[utoipa::path(
    get, path = "/v1/totp", tag = "sign-in", security(("token" = ["auditor"])),
    responses((status = 200, description = "What is enrolled", body = TotpStatus))
)]
pub async fn status(operator: Signed<Auditor>) -> Result<Json<TotpStatus>, Refusal> {
    operator.allow(&operator.step("totp", ""), "").await?;
    let admin = operator.admin();
    Ok(Json(TotpStatus {
        enrolled_at: admin.authenticator.as_ref().map(|app| app.enrolled_at),
        required: admin.authenticator.as_ref().is_some_and(|app| app.required),
        recovery_codes: admin.recovery_codes,
    }))
}

/// Begins to enrol an authenticator app
///
/// It counts once a code of it is confirmed; one that is enrolled already counts until then.
#[utoipa::path(
    post, path = "/v1/totp", tag = "sign-in", security(("token" = ["auditor"])),
    responses((status = 200, description = "The app's secret", body = TotpEnrolment))
)]
pub async fn enrol(operator: Signed<Auditor>) -> Result<Json<TotpEnrolment>, Refusal> {
    let step = operator.step("totp enrol", "");
    operator.freshly_signed_in(&step).await?;
    operator.allow(&step, "").await?;
    let (secret, expires_at) =
        lock(&operator.plane.enrolments).begin(operator.now(), operator.name());
    let issuer = &operator.plane.control.config.get().chat.network;
    let uri = authenticator::uri(&secret, issuer, operator.name());
    Ok(Json(TotpEnrolment {
        uri,
        secret: authenticator::base32(&secret),
        expires_at,
    }))
}

/// Confirms an authenticator app with a code of it; gives the recovery codes
///
/// All of one's sessions end, this one too.
#[utoipa::path(
    post, path = "/v1/totp/confirm", tag = "sign-in", security(("token" = ["auditor"])), request_body = TotpCode,
    responses(
        (status = 200, description = "The app counts", body = TotpConfirmed),
        (status = 401, description = "Not signed in; or: the code is wrong", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "No app is waiting to be confirmed", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn confirm(
    operator: Signed<Auditor>,
    body: Result<Body<TotpCode>, Refusal>,
) -> Result<Json<TotpConfirmed>, Refusal> {
    let step = operator.step("totp confirm", "");
    operator.freshly_signed_in(&step).await?;
    let app = body
        .map_err(Refusal::without_content)
        .and_then(|Body(TotpCode { code })| {
            lock(&operator.plane.enrolments).confirm(operator.now(), operator.name(), &code)
        });
    let app = match app {
        Ok(app) => app,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    let (recovery_codes, hashes) = authenticator::recovery_codes();
    let name = operator.name().to_owned();
    let change =
        move |store: &mut dyn Store| store.set_authenticator(&name, &app, &hashes).map(found);
    change_factor(&operator, step, "an authenticator app was enrolled", change).await?;
    Ok(Json(TotpConfirmed { recovery_codes }))
}

/// Does away with the authenticator app and the recovery codes
///
/// All of one's sessions end, this one too.
#[utoipa::path(
    post, path = "/v1/totp/disable", tag = "sign-in", security(("token" = ["auditor"])), request_body = TotpCode,
    responses(
        (status = 200, description = "Mailed codes are the only second factor again", body = TotpStatus),
        (status = 401, description = "Not signed in; or: the code is wrong", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "No app is enrolled", body = Problem,
            content_type = "application/problem+json"),
        (status = 429, description = "Too many attempts; `Retry-After` has the pause in seconds", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn disable(
    operator: Signed<Auditor>,
    body: Result<Body<TotpCode>, Refusal>,
) -> Result<Json<TotpStatus>, Refusal> {
    let step = operator.step("totp disable", "");
    let proof = body
        .map_err(Refusal::without_content)
        .and_then(|Body(TotpCode { code })| {
            let app = operator
                .admin()
                .authenticator
                .as_ref()
                .ok_or_else(none_enrolled)?;
            operator
                .plane
                .may_try(operator.name(), operator.arrival())?;
            Proof::read(app, &code, operator.now()).ok_or_else(|| {
                operator
                    .plane
                    .note_failure(operator.admin(), operator.arrival());
                wrong_code()
            })
        });
    let proof = match proof {
        Ok(proof) => proof,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    let name = operator.name().to_owned();
    let change = move |store: &mut dyn Store| {
        if !proof.use_up(store, &name)? {
            return Ok(Err(wrong_code()));
        }
        store.remove_authenticator(&name).map(found)
    };
    change_factor(&operator, step, "the authenticator app was removed", change).await?;
    lock(&operator.plane.throttle).succeeded(
        operator.now(),
        operator.name(),
        operator.arrival().network(),
    );
    Ok(Json(TotpStatus {
        enrolled_at: None,
        required: false,
        recovery_codes: 0,
    }))
}

/// Says whether a mailed code still suffices beside the authenticator app
///
/// All of one's sessions end, this one too.
#[utoipa::path(
    put, path = "/v1/totp/required", tag = "sign-in", security(("token" = ["auditor"])),
    request_body = TotpRequirement,
    responses(
        (status = 200, description = "So it is", body = TotpStatus),
        (status = 409, description = "No app is enrolled", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn require(
    operator: Signed<Auditor>,
    body: Result<Body<TotpRequirement>, Refusal>,
) -> Result<Json<TotpStatus>, Refusal> {
    let step = operator.step("totp require", "");
    let asked = body.and_then(|Body(TotpRequirement { required })| {
        let app = operator
            .admin()
            .authenticator
            .as_ref()
            .ok_or_else(none_enrolled)?;
        Ok((required, app.enrolled_at))
    });
    let (required, enrolled_at) = match asked {
        Ok(asked) => asked,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    operator.freshly_signed_in(&step).await?;
    let what = if required {
        "a mailed code no longer suffices"
    } else {
        "a mailed code suffices again"
    };
    let name = operator.name().to_owned();
    let change =
        move |store: &mut dyn Store| store.require_authenticator(&name, required).map(found);
    change_factor(&operator, step, what, change).await?;
    let recovery_codes = operator.admin().recovery_codes;
    Ok(Json(TotpStatus {
        enrolled_at: Some(enrolled_at),
        required,
        recovery_codes,
    }))
}

/// Changes a factor, ends the sessions that came by the factors before, and tells the admin.
async fn change_factor(
    operator: &Operator,
    step: Step,
    what: &'static str,
    change: impl FnOnce(&mut dyn Store) -> StoreResult<Result<(), Refusal>> + Send + 'static,
) -> Result<(), Refusal> {
    operator
        .record(step, move |store| {
            Ok(change(store)?.map(|()| (what.to_owned(), ())))
        })
        .await?;
    lock(&operator.plane.sessions).end_all_of(operator.name());
    operator
        .plane
        .notify(operator.admin(), operator.arrival(), &Notice::Changed(what));
    Ok(())
}

fn found(found: bool) -> Result<(), Refusal> {
    if found { Ok(()) } else { Err(none_enrolled()) }
}

fn none_enrolled() -> Refusal {
    Kind::NoAuthenticator.with_detail("No authenticator app is enrolled.")
}

fn wrong_code() -> Refusal {
    Kind::WrongCode
        .with_detail("That is not a code of now, or it was used. Wait for the app's next one.")
}
