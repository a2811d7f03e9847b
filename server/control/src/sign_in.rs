//! Signing in: the password first, then a code for the challenge.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use rookery_control_api::{Factor, LoginReply, LoginRequest, Problem, VerifyReply, VerifyRequest};

use super::audit::{self, Step};
use super::authenticator::Proof;
use super::extract::{Arrival, Body};
use super::notices::Notice;
use super::problem::{Kind, Refusal};
use super::sessions::{Fingerprint, Session};
use data_encoding::HEXLOWER;

use super::{Plane, lock, random};
use rookery_accounts::codes::{self, PendingCode, Verdict};
use rookery_accounts::password;
use rookery_base::mail::{self, Mail};
use rookery_base::metrics::METRICS;
use rookery_record::{Admin, Outcome};
use rookery_store::Durability;

/// Challenges of one admin; the oldest gives way.
const CHALLENGES_PER_ADMIN: usize = 8;
/// How long a dead challenge is remembered, for the trail to name its admin.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(10);

/// Wrong codes before a challenge is dead, whatever factor they were meant for.
const TRIES: u8 = codes::TRIES;
/// How long a challenge waits.
const LIFETIME: SignedDuration = SignedDuration::from_secs(codes::LIFETIME_SECONDS);

/// One sign-in attempt waiting for its code.
struct Challenge {
    admin: String,
    fingerprint: Fingerprint,
    /// The code has to come from where the password came from.
    network: IpAddr,
    expires_at: Timestamp,
    attempts_left: u8,
    used: bool,
    /// None where mail alone does not suffice.
    mailed: Option<PendingCode>,
}

/// The sign-ins that wait for their code, by what the client sends along with it. A right password
/// comes before each, so there are at most so many for each admin there is.
#[derive(Default)]
pub struct Challenges(HashMap<String, Challenge>);

/// What a code was found to be.
enum Judged {
    /// The mailed one.
    Right {
        admin: String,
        fingerprint: Fingerprint,
    },
    /// Not the mailed one; it may be of another factor.
    NotMailed {
        admin: String,
        fingerprint: Fingerprint,
        attempts_left: u8,
    },
    Dead {
        admin: Option<String>,
        why: &'static str,
    },
}

impl Challenges {
    fn add(&mut self, now: Timestamp, challenge: Challenge) -> String {
        self.0
            .retain(|_, old| now.duration_since(old.expires_at) < REMEMBERED);
        let of_admin = || {
            self.0
                .iter()
                .filter(|(_, old)| old.admin == challenge.admin)
        };
        if of_admin().count() >= CHALLENGES_PER_ADMIN {
            let oldest = of_admin()
                .min_by_key(|(_, old)| old.expires_at)
                .map(|(id, _)| id.clone());
            oldest.map(|id| self.0.remove(&id));
        }
        let id = HEXLOWER.encode(&random::<16>());
        self.0.insert(id.clone(), challenge);
        id
    }

    /// Judges a code and counts the try. Whoever comes here has the only reference, so that of many
    /// at once one is right at most.
    fn judge(&mut self, now: Timestamp, id: &str, network: IpAddr, code: &str) -> Judged {
        let Some(challenge) = self.0.get_mut(id) else {
            return Judged::Dead {
                admin: None,
                why: "there is no such challenge",
            };
        };
        let admin = challenge.admin.clone();
        if challenge.network != network {
            return Judged::Dead {
                admin: Some(admin),
                why: "the challenge belongs to another address",
            };
        }
        if challenge.used || challenge.attempts_left == 0 || now >= challenge.expires_at {
            return Judged::Dead {
                admin: Some(admin),
                why: "the code is used, expired or was tried too often",
            };
        }
        challenge.attempts_left -= 1;
        let Challenge {
            fingerprint,
            attempts_left,
            ..
        } = *challenge;
        match challenge
            .mailed
            .as_mut()
            .map(|mailed| mailed.check(now, code))
        {
            Some(Verdict::Right) => {
                challenge.used = true;
                Judged::Right { admin, fingerprint }
            }
            _ => Judged::NotMailed {
                admin,
                fingerprint,
                attempts_left,
            },
        }
    }

    /// Gives a challenge back: the code that took it was good for nothing.
    fn release(&mut self, id: &str) {
        if let Some(challenge) = self.0.get_mut(id) {
            challenge.used = false;
        }
    }

    /// Takes the challenge for a code that was found to be right; false if another was faster.
    fn claim(&mut self, id: &str) -> bool {
        self.0
            .get_mut(id)
            .is_some_and(|challenge| !std::mem::replace(&mut challenge.used, true))
    }
}

/// The first factor: name and password
///
/// A right password has a code mailed to the admin, unless the admin wants an authenticator app's.
/// A wrong one and an unknown name are answered alike, and after the same time.
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

    if let Err(refusal) = plane.may_try(&request.name, arrival) {
        return Err(plane
            .trail
            .refuse_stranger(&step, "too many attempts", refusal)
            .await);
    }

    let name = request.name;
    let admin = match plane.read(move |store| store.admin(&name)).await {
        Ok(admin) => admin,
        Err(refusal) => {
            return Err(plane
                .trail
                .refuse_stranger(&step, "the record cannot be read", refusal)
                .await);
        }
    };
    let hash = admin.as_ref().map(|admin| admin.password_hash.clone());
    let right = password::verify(request.password, hash).await;
    let refusal = Kind::LoginFailed.because("The name or the password is wrong.");
    let why = match admin {
        Some(admin) if !right => {
            plane.note_failure(&admin, arrival);
            "wrong password"
        }
        Some(admin)
            if admin
                .initial_password_expires_at
                .is_some_and(|end| arrival.at >= end) =>
        {
            "the initial password has expired"
        }
        Some(admin) => return challenge(&plane, arrival, step, admin).await,
        None => "there is no such admin",
    };
    Err(plane.trail.refuse_stranger(&step, why, refusal).await)
}

async fn challenge(
    plane: &Plane,
    arrival: Arrival,
    mut step: Step,
    admin: Admin,
) -> Result<(StatusCode, Json<LoginReply>), Refusal> {
    let factors = factors(&admin);
    let sent_to = factors
        .contains(&Factor::Mail)
        .then(|| mail::shortened(&admin.email));
    step.actor.clone_from(&admin.name);
    let detail = match &sent_to {
        Some(sent_to) => format!("right password; a code goes to {sent_to}"),
        None => "right password; the authenticator app is asked for".to_owned(),
    };
    plane.trail.allow(&step, detail).await?;

    let fingerprint = Fingerprint::of(&admin);
    let (digits, mailed) = sent_to
        .is_some()
        .then(|| PendingCode::issue(arrival.at))
        .unzip();
    let letter = digits.map(|digits| {
        code_mail(
            &plane.control.config.get().chat.server_name,
            &admin,
            arrival,
            &digits,
        )
    });
    let expires_at = arrival.at + LIFETIME;
    let challenge = Challenge {
        admin: admin.name,
        fingerprint,
        network: arrival.network(),
        expires_at,
        attempts_left: TRIES,
        used: false,
        mailed,
    };
    let challenge = lock(&plane.challenges).add(arrival.at, challenge);
    // The state of this one mail is nobody's to follow here: `warning` tells how mail fares on the
    // whole.
    let mailed = letter.map(|letter| drop(plane.control.mailer.send(letter)));

    let late = |problem| format!("Mail is late at the moment: {problem}");
    let warning = mailed
        .and_then(|()| plane.control.mailer.health().err())
        .map(late);
    Ok((
        StatusCode::ACCEPTED,
        Json(LoginReply {
            challenge,
            factors,
            sent_to,
            expires_at,
            warning,
        }),
    ))
}

/// What the admin's codes may come from.
fn factors(admin: &Admin) -> Vec<Factor> {
    let app = admin.authenticator.as_ref();
    let mail = app.is_none_or(|app| !app.required).then_some(Factor::Mail);
    let totp = app.map(|_| Factor::Totp);
    let recovery = app
        .filter(|_| admin.recovery_codes > 0)
        .map(|_| Factor::Recovery);
    mail.into_iter().chain(totp).chain(recovery).collect()
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

/// The second factor: a code of the mail or the authenticator app, or a recovery code
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
    let judged = lock(&plane.challenges).judge(
        arrival.at,
        &request.challenge,
        arrival.network(),
        &request.code,
    );
    let (name, fingerprint, attempts_left) = match judged {
        Judged::Right { admin, fingerprint } => (admin, fingerprint, None),
        Judged::NotMailed {
            admin,
            fingerprint,
            attempts_left,
        } => (admin, fingerprint, Some(attempts_left)),
        Judged::Dead { admin, why } => {
            step.actor = admin.unwrap_or_default();
            return Err(plane.trail.refuse_stranger(&step, why, dead()).await);
        }
    };
    step.actor.clone_from(&name);
    // Nothing that has changed since the password was right lets anyone in.
    let admin = match plane.read(move |store| store.admin(&name)).await {
        Ok(admin) => admin,
        Err(refusal) => {
            return Err(plane
                .trail
                .refuse_stranger(&step, "the record cannot be read", refusal)
                .await);
        }
    };
    let Some(admin) = admin.filter(|admin| Fingerprint::of(admin) == fingerprint) else {
        let why = "the admin was removed, or has another password, role or factor";
        return Err(plane.trail.refuse_stranger(&step, why, dead()).await);
    };
    let proof = match attempts_left {
        None => None,
        Some(attempts_left) => {
            let app = admin.authenticator.as_ref();
            let Some(proof) = app.and_then(|app| Proof::read(app, &request.code, arrival.at))
            else {
                plane.note_failure(&admin, arrival);
                let why = format!("wrong code; tries left: {attempts_left}");
                return Err(plane
                    .trail
                    .refuse_stranger(&step, &why, wrong_code(attempts_left))
                    .await);
            };
            Some((proof, attempts_left))
        }
    };
    open_session(&plane, arrival, step, admin, &request.challenge, proof).await
}

/// The code was right, or would be if it is not used up in this very moment: uses it up, and opens
/// the session.
async fn open_session(
    plane: &Plane,
    arrival: Arrival,
    mut step: Step,
    admin: Admin,
    challenge: &str,
    proof: Option<(Proof, u8)>,
) -> Result<Json<VerifyReply>, Refusal> {
    let minutes = plane.control.config.get().admin.session_minutes;
    let session = Session::begin(
        admin.name.clone(),
        Fingerprint::of(&admin),
        arrival,
        minutes,
    );
    let expires_at = session.expires_at;
    let refused = step.clone();
    step.session.clone_from(&session.id);
    let gives_way = lock(&plane.sessions).gives_way(&admin.name);
    let with = match &proof {
        None => "a mailed code",
        Some((Proof::App(_), _)) => "the authenticator app",
        Some((Proof::Recovery(_), _)) => "a recovery code",
    };
    let detail = match gives_way {
        Some(old) => format!("signed in with {with}; session {} ends", old.id),
        None => format!("signed in with {with}"),
    };

    let name = admin.name.clone();
    let network = arrival.network().to_string();
    let by_recovery = matches!(proof, Some((Proof::Recovery(_), _)));
    let attempts_left = proof
        .as_ref()
        .map_or(0, |(_, attempts_left)| *attempts_left);
    // The mailed code has taken the challenge already.
    if proof.is_some() && !lock(&plane.challenges).claim(challenge) {
        return Err(plane
            .trail
            .refuse_stranger(&refused, "the challenge was used meanwhile", dead())
            .await);
    }
    // What is used up, where from, and the entry: all in one, or nothing.
    let written = plane
        .control
        .database
        .write(Durability::Record, move |store| {
            let used = proof.map_or(Ok(true), |(proof, _)| proof.use_up(store, &name))?;
            if !used {
                return Ok(None);
            }
            let new_network = store.remember_admin_network(&name, &network, arrival.at)?;
            store.append_audit(&step.entry(Outcome::Allowed, detail))?;
            Ok(Some(new_network))
        });
    let Some(new_network) = written.await.map_err(|error| audit::unavailable(&error))? else {
        plane.note_failure(&admin, arrival);
        lock(&plane.challenges).release(challenge);
        return Err(plane
            .trail
            .refuse_stranger(
                &refused,
                "the code was used before",
                wrong_code(attempts_left),
            )
            .await);
    };
    if new_network {
        plane.notify(&admin, arrival, &Notice::NewAddress);
    }
    if by_recovery {
        let left = admin.recovery_codes.saturating_sub(1);
        plane.notify(&admin, arrival, &Notice::RecoveryCodeUsed { left });
    }
    lock(&plane.throttle).succeeded(arrival.at, &admin.name, arrival.network());
    METRICS.control_sign_ins.increment();
    let token = lock(&plane.sessions).add(session);
    Ok(Json(VerifyReply { token, expires_at }))
}

fn dead() -> Refusal {
    Kind::ChallengeDead.because(
        "No code will do for this challenge: it was used, has expired or was tried too often, or it was made for \
         another address. Sign in again.",
    )
}

fn wrong_code(attempts_left: u8) -> Refusal {
    Kind::CodeWrong.because(match attempts_left {
        0 => "That is not the code, and it was the last try. Sign in again.".to_owned(),
        1 => "That is not the code. One try is left.".to_owned(),
        more => format!("That is not the code. {more} tries are left."),
    })
}

/// The refusal's own text may hold what was sent, and that may be a password or a code: it is not
/// entered.
async fn refuse_unread(plane: &Plane, step: &Step, refusal: Refusal) -> Refusal {
    let why = refusal.kind.title();
    plane.trail.refuse_stranger(step, why, refusal).await
}
