//! The authenticated admin behind a request, and what a handler does on the admin's behalf.

use std::marker::PhantomData;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use jiff::{SignedDuration, Timestamp};
use rookery_control_api::Role;

use super::permission::Permission;
use super::sessions::{Fingerprint, Session};
use crate::audit::trail::{self, Step};
use crate::http::extract::Arrival;
use crate::http::problem::{Kind, Refusal};
use crate::plane::ControlPlane;
use rookery_record::{Admin, Outcome};
use rookery_store::{Durability, Result as StoreResult, Store};

/// How long after a sign-in its session may change who has access.
const FRESH: SignedDuration = SignedDuration::from_mins(10);

/// The reason given when a session ends because its admin has changed since signing in.
const CHANGED: &str = "the admin was removed, or has another password, role or factor";

/// An [`Operator`] whose role is at least that of `P`. As an extractor, it is the only way to an
/// operator: a request without a session or with too low a role is refused and recorded before the
/// handler runs.
///
/// A handler's OpenAPI description repeats the role, as `security(("token" = ["moderator"]))`. A
/// test sends requests of every role and compares the two.
pub struct Signed<P>(Operator, PhantomData<P>);

impl<P> Deref for Signed<P> {
    type Target = Operator;

    fn deref(&self) -> &Operator {
        &self.0
    }
}

impl<P: Permission> FromRequestParts<Arc<ControlPlane>> for Signed<P> {
    type Rejection = Refusal;

    async fn from_request_parts(
        parts: &mut Parts,
        plane: &Arc<ControlPlane>,
    ) -> Result<Self, Refusal> {
        Operator::authenticate::<P>(parts, plane)
            .await
            .map(|operator| Self(operator, PhantomData))
    }
}

/// The authenticated admin behind a request.
pub struct Operator {
    pub plane: Arc<ControlPlane>,
    arrival: Arrival,
    session: Session,
    admin: Admin,
}

impl Operator {
    /// Authenticates a request and checks the role. A refusal is recorded.
    async fn authenticate<P: Permission>(
        parts: &mut Parts,
        plane: &Arc<ControlPlane>,
    ) -> Result<Self, Refusal> {
        let Ok(arrival) = Arrival::from_request_parts(parts, plane).await;
        let mut step = Step::of_stranger(arrival, "request");
        step.target = format!("{} {}", parts.method, parts.uri.path());
        let (session, admin) = match find_session(plane, bearer_token(parts), &mut step).await {
            Ok(found) => found,
            Err((reason, refusal)) => {
                return Err(plane.trail.refuse_stranger(&step, reason, refusal).await);
            }
        };
        if let Err(refusal) = check_permission::<P>(&admin) {
            return Err(plane.trail.refuse(&step, refusal).await);
        }
        Ok(Self {
            plane: Arc::clone(plane),
            arrival,
            session,
            admin,
        })
    }

    /// Returns the origin and time of the request.
    pub fn arrival(&self) -> Arrival {
        self.arrival
    }

    /// Returns the address that the request came from.
    pub fn address(&self) -> IpAddr {
        self.arrival.from.ip().to_canonical()
    }

    /// Returns when the request arrived.
    pub fn now(&self) -> Timestamp {
        self.arrival.at
    }

    /// Returns the admin's name.
    pub fn name(&self) -> &str {
        &self.session.admin
    }

    /// Returns the admin as stored when the request arrived.
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// Returns the public id of the session.
    pub fn session_id(&self) -> &str {
        &self.session.id
    }

    /// Returns the session as it was when the request arrived.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Whether the operator may see and end a session: its own admin may, and an owner.
    pub fn may_end(&self, session: &Session) -> bool {
        session.admin == self.session.admin || self.admin.role == Role::Owner
    }

    /// Returns an act of this admin, to be recorded.
    pub fn step(&self, act: &'static str, target: impl Into<String>) -> Step {
        Step {
            arrival: self.arrival,
            actor: self.session.admin.clone(),
            session: self.session.id.clone(),
            act,
            target: target.into(),
        }
    }

    /// Runs the checks before an act. If they refuse it, the refusal is recorded. The checks set
    /// the step's target as soon as they know it.
    pub async fn audited<T>(
        &self,
        step: &mut Step,
        checks: impl AsyncFnOnce(&mut Step) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        match checks(step).await {
            Ok(checked) => Ok(checked),
            Err(refusal) => Err(self.refuse(step, refusal).await),
        }
    }

    /// Records that an act is allowed. On an error, it must not be done.
    pub async fn allow(&self, step: &Step, detail: impl Into<String>) -> Result<(), Refusal> {
        self.plane.trail.allow(step, detail).await
    }

    /// Records a view that a screen repeats every few seconds; at most once a minute.
    pub async fn allow_view(&self, step: &Step) -> Result<(), Refusal> {
        self.plane.trail.allow_view(step).await
    }

    /// Records that an act is refused, and returns the refusal to answer.
    pub async fn refuse(&self, step: &Step, refusal: Refusal) -> Refusal {
        self.plane.trail.refuse(step, refusal).await
    }

    /// Requires that the session began in the last few minutes: for operations that change who has
    /// access. A refusal is recorded.
    pub async fn require_fresh_sign_in(&self, step: &Step) -> Result<(), Refusal> {
        if self.arrival.at.duration_since(self.session.since) < FRESH {
            return Ok(());
        }
        let minutes = FRESH.as_mins();
        let refusal = Kind::FreshSignInRequired.with_detail(format!(
            "This requires a sign-in of the last {minutes} minutes. Sign in again."
        ));
        Err(self.refuse(step, refusal).await)
    }

    /// Reads from the store.
    pub async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Store) -> StoreResult<T> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.plane.read(job).await
    }

    /// Changes the store and records it, in one transaction. `job` returns the detail for the trail
    /// and a result; or it changes nothing and returns a refusal, which is recorded instead.
    pub async fn record<T: Send + 'static>(
        &self,
        step: Step,
        job: impl FnOnce(&mut Store) -> StoreResult<Result<(String, T), Refusal>> + Send + 'static,
    ) -> Result<T, Refusal> {
        let written = self
            .plane
            .control
            .database
            .write(Durability::Record, move |store| {
                let done = job(store)?;
                store.append_audit(&match &done {
                    Ok((detail, _)) => step.entry(Outcome::Allowed, detail),
                    Err(refusal) => step.entry(Outcome::Refused, &refusal.detail),
                })?;
                Ok(done)
            });
        let done = written.await.map_err(|error| trail::unavailable(&error))?;
        done.map(|(_, value)| value)
    }

    /// Checks that the session is still valid, which counts as a use of it. Returns how it ended,
    /// if not.
    pub async fn check_session(&self, now: Timestamp) -> Result<(), &'static str> {
        let expires_at = self
            .plane
            .sessions
            .lock()
            .by_id(&self.session.id)
            .map(|session| session.expires_at);
        if now >= expires_at.ok_or("the session was ended")? {
            return Err("the session has expired");
        }
        let name = self.session.admin.clone();
        let admin = self.plane.read(move |store| store.admin(&name)).await;
        let admin = admin.map_err(|_| "the database cannot be read")?;
        if admin.is_none_or(|admin| Fingerprint::of(&admin) != self.session.fingerprint) {
            return Err(CHANGED);
        }
        self.plane.sessions.lock().touch(&self.session.id, now);
        Ok(())
    }
}

fn check_permission<P: Permission>(admin: &Admin) -> Result<(), Refusal> {
    if admin.role < P::ROLE {
        return Err(Kind::NotAllowed.with_detail(format!(
            "This is for the role {}, and yours is {}. Ask an owner of this server.",
            P::ROLE,
            admin.role
        )));
    }
    if admin.initial_password_expires_at.is_some() && !P::WITH_INITIAL_PASSWORD {
        return Err(Kind::PasswordChangeRequired.with_detail(
            "You have an initial password. Choose your own with PUT /v1/password (`admin-cli \
             passwd`), and sign in again.",
        ));
    }
    Ok(())
}

fn bearer_token(parts: &Parts) -> Option<&str> {
    let (scheme, token) = parts
        .headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Returns the session of a token and its admin; or the reason why there is none, for the trail,
/// and the refusal.
async fn find_session(
    plane: &ControlPlane,
    token: Option<&str>,
    step: &mut Step,
) -> Result<(Session, Admin), (&'static str, Refusal)> {
    let refuse = |reason| {
        let detail = "Sign in with POST /v1/login and POST /v1/login/verify.";
        (reason, Kind::NotSignedIn.with_detail(detail))
    };
    let token = token.ok_or_else(|| refuse("no token"))?;
    let found = plane.sessions.lock().find(token);
    let session = found.ok_or_else(|| refuse("no session has that token"))?;
    step.actor.clone_from(&session.admin);
    step.session.clone_from(&session.id);
    if step.arrival.at >= session.expires_at {
        return Err(refuse("the session has expired"));
    }
    if step.arrival.at.duration_since(session.used_at) >= plane.idle_limit() {
        plane.sessions.lock().end(&session.id);
        return Err(refuse("the session was idle for too long"));
    }
    // `rookeryd admin` changes admins from another process, so only the store is up to date.
    let name = session.admin.clone();
    let admin = plane.read(move |store| store.admin(&name)).await;
    let admin = admin.map_err(|refusal| ("the database cannot be read", refusal))?;
    let Some(admin) = admin.filter(|admin| Fingerprint::of(admin) == session.fingerprint) else {
        plane.sessions.lock().end(&session.id);
        return Err(refuse(CHANGED));
    };
    plane.sessions.lock().touch(&session.id, step.arrival.at);
    Ok((session, admin))
}
