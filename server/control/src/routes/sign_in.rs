//! The sign-in of an admin: the password first, then a code. The order of the checks is documented
//! in [`auth`](crate::auth).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use rookery_control_api::{Factor, LoginReply, LoginRequest, VerifyReply, VerifyRequest};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::audit::notices::Notice;
use crate::audit::trail::Act;
use crate::auth::authenticator::Proof;
use crate::auth::challenges::{Challenge, CodeCheck};
use crate::auth::device::Device;
use crate::auth::operator::{CHANGED, is_unchanged};
use crate::auth::sessions::{Fingerprint, Session};
use crate::auth::throttle::Source;
use crate::fair_limit::Permit;
use crate::http::extract::{JsonBody, RequestOrigin};
use crate::http::places::{Owner, Place};
use crate::http::problem::{Kind, Refusal, response};
use crate::plane::ControlPlane;
use rookery_accounts::codes;
use rookery_accounts::password;
use rookery_base::mail::{self, Mail, Requester};
use rookery_base::metrics::METRICS;
use rookery_base::secret::Secret;
use rookery_record::{Admin, Network, Outcome};
use rookery_store::Durability;

/// Returns the routes of the sign-in.
pub fn routes() -> OpenApiRouter<Arc<ControlPlane>> {
    OpenApiRouter::default()
        .routes(routes!(login))
        .routes(routes!(verify))
}

/// Checks the first factor: name and password
///
/// If the password is right, a code is mailed to the admin, unless the admin requires an
/// authenticator app. A wrong password and an unknown name get the same answer after the same time.
#[utoipa::path(
    post, path = "/v1/login", tag = "sign-in", request_body = LoginRequest,
    responses(
        (status = 202, description = "The second factor is required", body = LoginReply),
        response::LoginFailed, response::TooManyAttempts, response::Busy,
    )
)]
async fn login(
    State(plane): State<Arc<ControlPlane>>,
    origin: RequestOrigin,
    own_place: Option<Extension<Arc<Place>>>,
    body: Result<JsonBody<LoginRequest>, Refusal>,
) -> Result<(StatusCode, Json<LoginReply>), Refusal> {
    let permit = plane.logins.begin(origin).await;
    // The refusal is only counted in the trail, because it must not wait for the database either.
    let permit = permit.inspect_err(|_| plane.trail.count_unauthenticated(origin))?;
    let mut act = Act::unauthenticated(origin, "login");
    let recognize = |device| {
        own_place.inspect(|own_place| own_place.recognize(Owner::Device(device)));
    };
    match check_password(&plane, origin, &mut act, body, permit, recognize).await {
        Ok(checked) => challenge(&plane, origin, act, checked).await,
        Err((reason, refusal)) => Err(plane
            .trail
            .refuse_unauthenticated(&act, reason, refusal)
            .await),
    }
}

/// Returns the admin if the name and the password are right, and where they were sent from. The
/// error is the reason, for the trail, and the refusal. Calls `recognize` with the device whose
/// token the client presents.
async fn check_password(
    plane: &ControlPlane,
    origin: RequestOrigin,
    act: &mut Act,
    body: Result<JsonBody<LoginRequest>, Refusal>,
    permit: Permit<'_, Network>,
    recognize: impl FnOnce(Device),
) -> Result<(Admin, Source), (&'static str, Refusal)> {
    let JsonBody(request) = body.map_err(without_secret)?;
    act.actor.clone_from(&request.name);
    let (name, network) = (request.name.clone(), origin.network());
    let read = plane.read(move |store| {
        let is_known = store.is_admin_network(&network.to_string())?;
        Ok((store.admin(&name)?, is_known))
    });
    let (admin, is_known) = read.await.map_err(unreadable)?;
    drop(permit);
    let device = request.device.as_deref().zip(admin.as_ref());
    let device = device
        .and_then(|(token, admin)| Device::parse(token, admin))
        .filter(|device| plane.throttle.lock().trusts(origin.instant, *device));
    let source = match device {
        Some(device) => {
            recognize(device);
            Source::Device(device)
        }
        None if is_known => Source::Known(network),
        None => Source::Other {
            network,
            name: request.name,
        },
    };
    let _attempt = plane
        .begin_attempt(&source, origin.instant)
        .await
        .map_err(|refusal| ("too many attempts", refusal))?;
    let hash = admin.as_ref().map(|admin| admin.password_hash.clone());
    let password = Secret::new(request.password);
    let is_right = password::verify(source.hash_queue(), password, hash).await;
    let has_expired = |admin: &Admin| {
        admin
            .initial_password_expires_at
            .is_some_and(|end| origin.at >= end)
    };
    let reason = match admin {
        Some(admin) if !is_right => {
            plane.count_failure(&admin, origin);
            "wrong password"
        }
        Some(admin) if has_expired(&admin) => "the initial password has expired",
        Some(admin) => return Ok((admin, source)),
        None => "no such admin",
    };
    let refusal = Kind::LoginFailed.with_detail("The name or the password is wrong.");
    Err((reason, refusal))
}

/// Opens a challenge and mails its code, if the admin accepts mailed codes.
async fn challenge(
    plane: &ControlPlane,
    origin: RequestOrigin,
    mut act: Act,
    (admin, source): (Admin, Source),
) -> Result<(StatusCode, Json<LoginReply>), Refusal> {
    let factors = factors(&admin);
    let sent_to = factors
        .contains(&Factor::Mail)
        .then(|| mail::shortened(&admin.email));
    act.actor.clone_from(&admin.name);
    let mails_code = plane
        .challenges
        .lock()
        .mails_next_code(origin.at, &admin.name);
    let detail = match &sent_to {
        Some(sent_to) if mails_code => format!("right password; a code is mailed to {sent_to}"),
        Some(sent_to) => {
            format!("right password; the code that was mailed last to {sent_to} is required")
        }
        None => "right password; a code of the authenticator app is required".to_owned(),
    };
    plane.trail.allow(&act, detail).await?;

    let fingerprint = Fingerprint::of(&admin);
    let (digits, mailed) = sent_to
        .is_some()
        .then(|| plane.challenges.lock().next_code(origin.at, &admin.name))
        .unzip();
    let server = &plane.control.config.chat.get().server_name;
    let code_mail = digits
        .flatten()
        .map(|digits| code_mail(server, &admin, origin, &digits));
    let challenge = Challenge::new(
        origin.at,
        admin.name,
        fingerprint,
        origin.network(),
        source,
        mailed,
    );
    let expires_at = challenge.expires_at;
    let challenge = plane.challenges.lock().add(origin.at, challenge);
    let mut warning = None;
    if let Some(code_mail) = code_mail {
        // The answer does not wait for the delivery of this mail, but reports how mail works.
        drop(plane.control.mailer.send(code_mail, Requester::Operator));
        let health = plane.control.mailer.health();
        warning = health
            .err()
            .map(|problem| format!("Mail is delayed at the moment: {problem}"));
    } else if sent_to.is_some() {
        warning = Some(
            "Several codes were mailed in the last minutes, so no other is: the newest one is \
             valid."
                .to_owned(),
        );
    }
    let reply = LoginReply {
        challenge,
        factors,
        sent_to,
        expires_at,
        warning,
    };
    Ok((StatusCode::ACCEPTED, Json(reply)))
}

/// Returns the factors whose codes the admin may use.
fn factors(admin: &Admin) -> Vec<Factor> {
    let app = admin.authenticator.as_ref();
    let mail = app.is_none_or(|app| !app.required).then_some(Factor::Mail);
    let totp = app.map(|_| Factor::Totp);
    let recovery = app
        .filter(|_| admin.recovery_codes > 0)
        .map(|_| Factor::Recovery);
    mail.into_iter().chain(totp).chain(recovery).collect()
}

fn code_mail(server: &str, admin: &Admin, origin: RequestOrigin, digits: &str) -> Mail {
    let Admin { name, email, .. } = admin;
    let from = origin.address.ip().to_canonical();
    let minutes = codes::LIFETIME_MINUTES;
    Mail {
        to: email.clone(),
        subject: "Your code for the control plane".to_owned(),
        text: format!(
            "Someone is signing in to the control plane of {server}\n\
             as {name}, from {from}. The code is\n\n\
             {digits}\n\n\
             It is valid once, for {minutes} minutes. If this was not you, someone else\n\
             knows your password. Have it changed on the server with\n\
             `rookeryd admin passwd {name}`.\n"
        ),
        useful_for: Duration::from_secs(codes::LIFETIME_SECONDS.unsigned_abs()),
    }
}

/// Checks the second factor: a mailed code, a code of the authenticator app, or a recovery code
#[utoipa::path(
    post, path = "/v1/login/verify", tag = "sign-in", request_body = VerifyRequest,
    responses(
        (status = 200, description = "Signed in", body = VerifyReply),
        response::WrongCode, response::ChallengeExpired,
    )
)]
async fn verify(
    State(plane): State<Arc<ControlPlane>>,
    origin: RequestOrigin,
    own_place: Option<Extension<Arc<Place>>>,
    body: Result<JsonBody<VerifyRequest>, Refusal>,
) -> Result<Json<VerifyReply>, Refusal> {
    let mut act = Act::unauthenticated(origin, "verify");
    match check_code(&plane, origin, &mut act, body).await {
        Ok(checked) => {
            let name = checked.admin.name.clone();
            let reply = open_session(&plane, origin, act, checked).await?;
            own_place.inspect(|own_place| own_place.recognize(Owner::Operator(name)));
            Ok(reply)
        }
        Err((reason, refusal)) => Err(plane
            .trail
            .refuse_unauthenticated(&act, &reason, refusal)
            .await),
    }
}

/// The result of a right code: a mailed one is used already, any other still has to be used up.
struct Checked {
    admin: Admin,
    challenge: String,
    /// Where the password was sent from.
    source: Source,
    /// None for the mailed code.
    proof: Option<(Proof, AttemptsLeft)>,
}

type AttemptsLeft = u8;

/// Checks a code. The error is the reason, for the trail, and the refusal.
async fn check_code(
    plane: &ControlPlane,
    origin: RequestOrigin,
    act: &mut Act,
    body: Result<JsonBody<VerifyRequest>, Refusal>,
) -> Result<Checked, (String, Refusal)> {
    let own = |(reason, refusal): (&str, Refusal)| (reason.to_owned(), refusal);
    let JsonBody(request) = body.map_err(without_secret).map_err(own)?;
    let check = plane.challenges.lock().check(
        origin.at,
        &request.challenge,
        origin.network(),
        &request.code,
    );
    let (name, fingerprint, source, attempts_left) = match check {
        CodeCheck::Mailed {
            admin,
            fingerprint,
            source,
        } => (admin, fingerprint, source, None),
        CodeCheck::NotMailed {
            admin,
            fingerprint,
            source,
            attempts_left,
        } => (admin, fingerprint, source, Some(attempts_left)),
        CodeCheck::Closed { admin, reason } => {
            act.actor = admin.unwrap_or_default();
            return Err(own((reason, challenge_expired())));
        }
    };
    act.actor.clone_from(&name);
    // The admin must not have changed since the password was checked.
    let admin = plane
        .read(move |store| store.admin(&name))
        .await
        .map_err(unreadable)
        .map_err(own)?;
    let Some(admin) = admin.filter(|admin| is_unchanged(Some(admin), fingerprint)) else {
        return Err(own((CHANGED, challenge_expired())));
    };
    let app = admin.authenticator.as_ref();
    let proof = app.and_then(|app| Proof::parse(app, &request.code, origin.at));
    // A recovery code cannot be guessed, and is the way out of the lock.
    let is_recovery = matches!(proof, Some(Proof::Recovery(_)));
    if !is_recovery && !count_code(plane, &admin).await.map_err(own)? {
        return Err(own(("too many codes led to no sign-in", locked(&admin))));
    }
    let Some(attempts_left) = attempts_left else {
        return Ok(Checked {
            admin,
            challenge: request.challenge,
            source,
            proof: None,
        });
    };
    let Some(proof) = proof else {
        plane.count_failure(&admin, origin);
        plane.count_wrong_code(&admin, origin);
        let reason = format!("wrong code; attempts left: {attempts_left}");
        return Err((reason, wrong_code(attempts_left)));
    };
    Ok(Checked {
        admin,
        challenge: request.challenge,
        source,
        proof: Some((proof, attempts_left)),
    })
}

/// Counts a code that is tried for an admin, durably. Returns false if the admin is locked.
async fn count_code(plane: &ControlPlane, admin: &Admin) -> Result<bool, (&'static str, Refusal)> {
    let name = admin.name.clone();
    let counted = plane
        .control
        .database
        .write(Durability::Record, move |store| {
            store.count_tried_code(&name)
        })
        .await;
    counted.map_err(|error| {
        let refusal = plane.trail.unavailable(&error);
        ("the code cannot be counted", refusal)
    })
}

/// Why a session is not opened after a right code.
enum Unopened {
    /// The admin is no longer the one whose password and code were checked.
    AdminChanged,
    /// The code was used before, or is no longer valid.
    CodeUsed,
}

/// Uses the code up, records the sign-in and opens the session.
async fn open_session(
    plane: &ControlPlane,
    origin: RequestOrigin,
    mut act: Act,
    checked: Checked,
) -> Result<Json<VerifyReply>, Refusal> {
    let Checked {
        admin,
        challenge,
        source,
        proof,
    } = checked;
    let minutes = plane.control.config.admin.get().session_minutes;
    let session = Session::begin(admin.name.clone(), Fingerprint::of(&admin), origin, minutes);
    let expires_at = session.expires_at;
    let refused_act = act.clone();
    act.session.clone_from(&session.id);
    let factor = match &proof {
        None => "a mailed code",
        Some((Proof::App(_), _)) => "the authenticator app",
        Some((Proof::Recovery(_), _)) => "a recovery code",
    };
    let detail = match plane.sessions.lock().next_to_end(&admin.name) {
        Some(old) => format!("signed in with {factor}; session {} ends", old.id),
        None => format!("signed in with {factor}"),
    };

    // For a mailed code, the check has already marked the challenge as used.
    if proof.is_some() && !plane.challenges.lock().claim(&challenge) {
        let reason = "the challenge was used in the meantime";
        return Err(plane
            .trail
            .refuse_unauthenticated(&refused_act, reason, challenge_expired())
            .await);
    }
    let is_recovery = matches!(proof, Some((Proof::Recovery(_), _)));
    let (proof, attempts_left) = proof.unzip();
    let (name, network) = (admin.name.clone(), origin.network().to_string());
    let fingerprint = session.fingerprint;
    // The used code, the network and the entry are written together or not at all, and only if the
    // admin has not changed since the code was checked.
    let written = plane
        .control
        .database
        .write(Durability::Record, move |store| {
            if !is_unchanged(store.admin(&name)?.as_ref(), fingerprint) {
                return Ok(Err(Unopened::AdminChanged));
            }
            let is_used_up = proof.map_or(Ok(true), |proof| proof.use_up(store, &name))?;
            if !is_used_up {
                return Ok(Err(Unopened::CodeUsed));
            }
            let is_new_network = store.remember_admin_network(&name, &network, origin.at)?;
            store.unlock_admin(&name)?;
            store.append_audit(&act.entry(Outcome::Allowed, detail))?;
            Ok(Ok(is_new_network))
        });
    let opened = written
        .await
        .map_err(|error| plane.trail.unavailable(&error))?;
    let is_new_network = match opened {
        Ok(is_new_network) => is_new_network,
        Err(unopened) => {
            let (reason, refusal) = match unopened {
                Unopened::AdminChanged => (CHANGED, challenge_expired()),
                Unopened::CodeUsed => {
                    plane.count_failure(&admin, origin);
                    plane.challenges.lock().release(&challenge);
                    let refusal = wrong_code(attempts_left.unwrap_or_default());
                    ("the code was used before", refusal)
                }
            };
            return Err(plane
                .trail
                .refuse_unauthenticated(&refused_act, reason, refusal)
                .await);
        }
    };
    plane.admin_networks_changed.notify_one();
    if is_new_network {
        plane.notify(&admin, origin, &Notice::NewAddress);
    }
    if is_recovery {
        let left = admin.recovery_codes.saturating_sub(1);
        plane.notify(&admin, origin, &Notice::RecoveryCodeUsed { left });
    }
    plane.throttle.lock().succeeded(&source);
    METRICS.control_sign_ins.increment();
    let token = plane.sessions.lock().add(session);
    let device = Device::new().token(&admin);
    Ok(Json(VerifyReply {
        token,
        expires_at,
        device,
    }))
}

fn challenge_expired() -> Refusal {
    Kind::ChallengeExpired.with_detail(
        "This challenge accepts no code: it is used, expired, out of attempts, or belongs to \
         another address. Sign in again.",
    )
}

fn locked(admin: &Admin) -> Refusal {
    Kind::WrongCode.with_detail(format!(
        "Too many codes were wrong. Sign in with a recovery code, or run `rookeryd admin unlock \
         {}` on the server.",
        admin.name
    ))
}

fn wrong_code(attempts_left: AttemptsLeft) -> Refusal {
    Kind::WrongCode.with_detail(match attempts_left {
        0 => "The code is wrong, and no attempts are left. Sign in again.".to_owned(),
        1 => "The code is wrong. One attempt is left.".to_owned(),
        more => format!("The code is wrong. {more} attempts are left."),
    })
}

fn unreadable(refusal: Refusal) -> (&'static str, Refusal) {
    ("the database cannot be read", refusal)
}

/// Returns the title of a refusal as the reason for the trail, and the refusal. Its detail may
/// quote the request, with a password or a code in it, so the trail must not have it.
fn without_secret(refusal: Refusal) -> (&'static str, Refusal) {
    (refusal.kind.title(), refusal)
}
