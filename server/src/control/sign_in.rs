//! Signing in: the password first, then the mailed code of a challenge.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use rookery_protocol::control::{LoginReply, LoginRequest, Problem, VerifyReply, VerifyRequest};

use super::audit::Step;
use super::extract::{Arrival, Body};
use super::problem::{Kind, Refusal};
use super::sessions::{Fingerprint, Session};
use super::{Plane, hex, lock, random};
use crate::accounts::codes::{self, PendingCode, Verdict};
use crate::accounts::password;
use crate::mail::{self, Mail};
use crate::record::Admin;

/// Challenges of one admin; the oldest gives way.
const CHALLENGES_PER_ADMIN: usize = 8;
/// How long a dead challenge is remembered, for the trail to name its admin.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(10);

/// One sign-in attempt waiting for its code.
struct Challenge {
    admin: String,
    fingerprint: Fingerprint,
    /// The code has to come from where the password came from.
    network: IpAddr,
    code: PendingCode,
}

/// The sign-ins that wait for their code, by what the client sends along with it. A right password comes before each,
/// so there are at most so many for each admin there is.
#[derive(Default)]
pub struct Challenges(HashMap<String, Challenge>);

/// What a code was found to be.
enum Judged {
    Right { admin: String, fingerprint: Fingerprint },
    Wrong { admin: String, tries_left: u8 },
    Dead { admin: Option<String>, why: &'static str },
}

impl Challenges {
    fn add(&mut self, now: Timestamp, challenge: Challenge) -> String {
        self.0.retain(|_, old| now.duration_since(old.code.expires_at()) < REMEMBERED);
        let of_admin = || self.0.iter().filter(|(_, old)| old.admin == challenge.admin);
        if of_admin().count() >= CHALLENGES_PER_ADMIN {
            let oldest = of_admin().min_by_key(|(_, old)| old.code.expires_at()).map(|(id, _)| id.clone());
            oldest.map(|id| self.0.remove(&id));
        }
        let id = hex(&random::<16>());
        self.0.insert(id.clone(), challenge);
        id
    }

    /// Judges a code. Whoever comes here has the only reference, so that of many at once one is right at most.
    fn judge(&mut self, now: Timestamp, id: &str, network: IpAddr, code: &str) -> Judged {
        let Some(challenge) = self.0.get_mut(id) else {
            return Judged::Dead { admin: None, why: "there is no such challenge" };
        };
        let admin = challenge.admin.clone();
        if challenge.network != network {
            return Judged::Dead { admin: Some(admin), why: "the challenge belongs to another address" };
        }
        match challenge.code.judge(now, code) {
            Verdict::Right => Judged::Right { admin, fingerprint: challenge.fingerprint },
            Verdict::Wrong { tries_left } => Judged::Wrong { admin, tries_left },
            Verdict::Dead => {
                Judged::Dead { admin: Some(admin), why: "the code is used, expired or was tried too often" }
            }
        }
    }
}

/// The first factor: name and password
///
/// A right password has a code mailed to the admin. A wrong one and an unknown name are answered alike, and after the
/// same time.
#[utoipa::path(
    post, path = "/v1/login", tag = "sign-in", request_body = LoginRequest,
    responses(
        (status = 202, description = "The code is on its way", body = LoginReply),
        (status = 401, description = "Unknown name or wrong password", body = Problem,
            content_type = "application/problem+json"),
        (status = 429, description = "Too many attempts; `Retry-After` has the pause in seconds", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn login(
    State(plane): State<Arc<Plane>>,
    arrival: Arrival,
    body: Result<Body<LoginRequest>, Refusal>,
) -> Result<(StatusCode, Json<LoginReply>), Refusal> {
    let mut step = Step::of_stranger(arrival, "login");
    let request = match body {
        Ok(Body(request)) => request,
        Err(refusal) => return Err(refuse_unread(&plane, &step, refusal).await),
    };
    step.actor.clone_from(&request.name);

    let unit = plane.control.config.get().limits.failed_sign_ins;
    let may_try = lock(&plane.throttle).begin(arrival.at, &request.name, arrival.network(), unit);
    if let Err(seconds) = may_try {
        let refusal = Kind::TooManyAttempts
            .because(format!("Too many sign-ins failed. Try again in {seconds} seconds."))
            .retry_after(seconds);
        return Err(plane.trail.refuse_stranger(&step, "too many attempts", refusal).await);
    }

    let name = request.name;
    let admin = match plane.read(move |store| store.admin(&name)).await {
        Ok(admin) => admin,
        Err(refusal) => {
            return Err(plane.trail.refuse_stranger(&step, "the record cannot be read", refusal).await);
        }
    };
    let known = admin.is_some();
    let hash = admin.as_ref().map(|admin| admin.password_hash.clone());
    let right = password::verify(request.password, hash).await;
    let Some(admin) = admin.filter(|_| right) else {
        let why = if known { "wrong password" } else { "there is no such admin" };
        let refusal = Kind::LoginFailed.because("The name or the password is wrong.");
        return Err(plane.trail.refuse_stranger(&step, why, refusal).await);
    };
    send_code(&plane, arrival, step, admin).await
}

async fn send_code(
    plane: &Plane,
    arrival: Arrival,
    mut step: Step,
    admin: Admin,
) -> Result<(StatusCode, Json<LoginReply>), Refusal> {
    let sent_to = mail::shortened(&admin.email);
    step.actor.clone_from(&admin.name);
    plane.trail.allow(&step, format!("right password; a code goes to {sent_to}")).await?;

    let (digits, code) = PendingCode::issue(arrival.at);
    let expires_at = code.expires_at();
    let fingerprint = Fingerprint::of(&admin);
    let mail = code_mail(&plane.control.config.get().chat.server_name, &admin, arrival, &digits);
    let challenge = Challenge { admin: admin.name, fingerprint, network: arrival.network(), code };
    let challenge = lock(&plane.challenges).add(arrival.at, challenge);
    // The state of this one mail is nobody's to follow here: `warning` tells how mail fares on the whole.
    drop(plane.control.mailer.send(mail));

    let late = |problem| format!("Mail is late at the moment: {problem}");
    let warning = plane.control.mailer.health().err().map(late);
    Ok((StatusCode::ACCEPTED, Json(LoginReply { challenge, sent_to, expires_at, warning })))
}

fn code_mail(server: &str, admin: &Admin, arrival: Arrival, digits: &str) -> Mail {
    let Admin { name, email, .. } = admin;
    let from = arrival.from.ip().to_canonical();
    Mail {
        to: email.clone(),
        subject: "Your code for the control plane".to_owned(),
        text: format!(
            "Someone is signing in to the control plane of {server}\n\
             as {name}, from {from}. The code is\n\n\
             {digits}\n\n\
             It is good once, for five minutes. If this was not you, someone else\n\
             knows your password: have it changed on the server with\n\
             `rookeryd admin passwd {name}`.\n"
        ),
        useful_for: Duration::from_secs(codes::LIFETIME_SECONDS.unsigned_abs()),
    }
}

/// The second factor: the mailed code
#[utoipa::path(
    post, path = "/v1/login/verify", tag = "sign-in", request_body = VerifyRequest,
    responses(
        (status = 200, description = "Signed in", body = VerifyReply),
        (status = 401, description = "A wrong code, or a challenge that is over", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn verify(
    State(plane): State<Arc<Plane>>,
    arrival: Arrival,
    body: Result<Body<VerifyRequest>, Refusal>,
) -> Result<Json<VerifyReply>, Refusal> {
    let mut step = Step::of_stranger(arrival, "verify");
    let request = match body {
        Ok(Body(request)) => request,
        Err(refusal) => return Err(refuse_unread(&plane, &step, refusal).await),
    };
    let network = arrival.network();
    let judged = lock(&plane.challenges).judge(arrival.at, &request.challenge, network, &request.code);
    let (admin, fingerprint) = match judged {
        Judged::Right { admin, fingerprint } => (admin, fingerprint),
        Judged::Wrong { admin, tries_left } => {
            step.actor = admin;
            let refusal = Kind::CodeWrong.because(match tries_left {
                0 => "That is not the code, and it was the last try. Sign in again.".to_owned(),
                1 => "That is not the code. One try is left.".to_owned(),
                more => format!("That is not the code. {more} tries are left."),
            });
            let why = format!("wrong code; tries left: {tries_left}");
            return Err(plane.trail.refuse_stranger(&step, &why, refusal).await);
        }
        Judged::Dead { admin, why } => {
            step.actor = admin.unwrap_or_default();
            let refusal = Kind::ChallengeDead.because(
                "No code will do for this challenge: it was used, has expired or was tried too often, or it was \
                 made for another address. Sign in again.",
            );
            return Err(plane.trail.refuse_stranger(&step, why, refusal).await);
        }
    };

    // Should the admin have another password by now, the fingerprint from the login makes the session dead from birth.
    let minutes = plane.control.config.get().admin.session_minutes;
    let session = Session::begin(admin.clone(), fingerprint, arrival, minutes);
    let expires_at = session.expires_at;
    step.actor.clone_from(&admin);
    step.session.clone_from(&session.id);
    let gives_way = lock(&plane.sessions).gives_way(&admin);
    let detail =
        gives_way.map_or("signed in".to_owned(), |old| format!("signed in; session {} ends", old.id));
    plane.trail.allow(&step, detail).await?;

    lock(&plane.throttle).succeeded(arrival.at, &admin, network);
    let token = lock(&plane.sessions).add(session);
    Ok(Json(VerifyReply { token, expires_at }))
}

/// The refusal's own text may hold what was sent, and that may be a password or a code: it is not entered.
async fn refuse_unread(plane: &Plane, step: &Step, refusal: Refusal) -> Refusal {
    let why = refusal.kind.title();
    plane.trail.refuse_stranger(step, why, refusal).await
}
