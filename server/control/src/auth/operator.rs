//! The authenticated admin behind a request, and what a handler does on the admin's behalf.

use std::marker::PhantomData;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use jiff::{SignedDuration, Timestamp};
use rookery_control_api::Role;

use super::permission::Permission;
use super::sessions::{Fingerprint, Session};
use crate::audit::trail::Act;
use crate::http::extract::RequestOrigin;
use crate::http::problem::{Kind, Refusal};
use crate::plane::ControlPlane;
use crate::requests_in_progress::InProgress;
use rookery_record::{Admin, Outcome};
use rookery_store::{Durability, Result as StoreResult, Store};

/// How long after its sign-in a session may change who has access.
const FRESH: SignedDuration = SignedDuration::from_mins(10);

/// Why a session ends, or is not opened, whose admin has changed since signing in, for the trail
/// and the event stream.
pub const CHANGED: &str = "the admin was removed, or has another password, role or factor";

/// The detail for an act whose admin has changed while it was checked.
const CHANGED_MEANWHILE: &str = "You were removed, or your password, role or factor was changed in \
                                 the meantime. Sign in again; if you did not change it, tell an \
                                 owner of this server.";

/// The detail for an act whose session was ended while it was checked.
const ENDED_MEANWHILE: &str = "Your session was ended in the meantime. Sign in again.";

/// An [`Operator`] whose role is at least that of `P`.
///
/// Only this extractor creates an operator. It refuses and records a request without a session or
/// with too low a role before the handler runs.
///
/// It is also the only declaration of the role that a handler requires: the handler's OpenAPI
/// description derives it with [`role_of`].
pub struct SignedIn<P>(Operator, PhantomData<P>);

impl<P> Deref for SignedIn<P> {
    type Target = Operator;

    fn deref(&self) -> &Operator {
        &self.0
    }
}

impl<P: Permission> FromRequestParts<Arc<ControlPlane>> for SignedIn<P> {
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

/// A handler whose first parameter is a [`SignedIn`]. `Parameters` are its permission and the types
/// of its other parameters.
pub trait SignedInHandler<Parameters> {
    /// The lowest role that may use the operation.
    const ROLE: Role;
}

impl<F, P, R> SignedInHandler<(P,)> for F
where
    F: FnOnce(SignedIn<P>) -> R,
    P: Permission,
{
    const ROLE: Role = P::ROLE;
}

impl<F, P, A, R> SignedInHandler<(P, A)> for F
where
    F: FnOnce(SignedIn<P>, A) -> R,
    P: Permission,
{
    const ROLE: Role = P::ROLE;
}

impl<F, P, A, B, R> SignedInHandler<(P, A, B)> for F
where
    F: FnOnce(SignedIn<P>, A, B) -> R,
    P: Permission,
{
    const ROLE: Role = P::ROLE;
}

/// Returns the role that a handler requires, for its OpenAPI description:
/// `security(("token" = [role_of(handler)]))`.
pub fn role_of<H: SignedInHandler<Parameters>, Parameters>(_handler: H) -> Role {
    H::ROLE
}

/// The authenticated admin behind a request.
pub struct Operator {
    pub plane: Arc<ControlPlane>,
    origin: RequestOrigin,
    session: Session,
    admin: Admin,
    _in_progress: InProgress,
}

impl Operator {
    /// Authenticates a request and checks the role. A refusal is recorded.
    async fn authenticate<P: Permission>(
        parts: &mut Parts,
        plane: &Arc<ControlPlane>,
    ) -> Result<Self, Refusal> {
        let Ok(origin) = RequestOrigin::from_request_parts(parts, plane).await;
        let mut act = Act::unauthenticated(origin, "request");
        act.target = format!("{} {}", parts.method, parts.uri.path());
        let (session, admin) =
            match find_session(plane, bearer_token(&parts.headers), &mut act).await {
                Ok(found) => found,
                Err((reason, refusal)) => {
                    return Err(plane
                        .trail
                        .refuse_unauthenticated(&act, reason, refusal)
                        .await);
                }
            };
        // Recording the refusal would be what the limit prevents.
        let in_progress = plane.requests.begin(&session.admin)?;
        if let Err(refusal) = check_permission::<P>(&admin) {
            return Err(plane.trail.refuse(&act, refusal).await);
        }
        Ok(Self {
            plane: Arc::clone(plane),
            origin,
            session,
            admin,
            _in_progress: in_progress,
        })
    }

    /// Returns the origin and time of the request.
    pub fn origin(&self) -> RequestOrigin {
        self.origin
    }

    /// Returns the IP address that the request was sent from.
    pub fn address(&self) -> IpAddr {
        self.origin.address.ip().to_canonical()
    }

    /// Returns when the request arrived.
    pub fn now(&self) -> Timestamp {
        self.origin.at
    }

    /// Returns the admin's name.
    pub fn name(&self) -> &str {
        &self.session.admin
    }

    /// Returns the admin as it was stored when the request arrived.
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

    /// Whether the operator may see and end a session: one of the admin's own, or any for an owner.
    pub fn may_end(&self, session: &Session) -> bool {
        session.admin == self.session.admin || self.admin.role == Role::Owner
    }

    /// Returns an act of this admin, to be recorded.
    pub fn act(&self, name: &'static str, target: impl Into<String>) -> Act {
        Act {
            origin: self.origin,
            actor: self.session.admin.clone(),
            session: self.session.id.clone(),
            name,
            target: target.into(),
        }
    }

    /// Runs the checks that precede an act, and records a refusal. The checks set the act's target
    /// as soon as it is known, so that the entry names it.
    pub async fn audited<T>(
        &self,
        act: &mut Act,
        checks: impl AsyncFnOnce(&mut Act) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        match checks(act).await {
            Ok(checked) => Ok(checked),
            Err(refusal) => Err(self.refuse(act, refusal).await),
        }
    }

    /// Records that an act is allowed. On an error, the act must not be performed; it is refused
    /// as in [`Self::record`].
    pub async fn allow(&self, act: &Act, detail: impl Into<String>) -> Result<(), Refusal> {
        let detail = detail.into();
        self.record(act.clone(), move |_, _| Ok(Ok((detail, ()))))
            .await
    }

    /// Records a read. Refuses it if the admin has read too much in the last minute, and is no
    /// owner: owners decide who has access at all.
    pub async fn allow_read(&self, act: &Act, detail: impl Into<String>) -> Result<(), Refusal> {
        match self.admin.role {
            Role::Owner => {}
            Role::Auditor | Role::Moderator => self.plane.trail.count_read(act).await?,
        }
        self.allow(act, detail).await
    }

    /// Records a read as [`Self::allow_read`] does, but a repeated one only once a minute: a screen
    /// refreshes every few seconds, and so many entries would hide the others.
    pub async fn allow_view(&self, act: &Act, detail: impl Into<String>) -> Result<(), Refusal> {
        let detail = detail.into();
        if self.plane.trail.was_viewed(act, &detail) {
            return Ok(());
        }
        self.allow_read(act, detail.as_str()).await?;
        self.plane.trail.viewed(act, &detail);
        Ok(())
    }

    /// Records that an act is refused, and returns the refusal to answer with.
    pub async fn refuse(&self, act: &Act, refusal: Refusal) -> Refusal {
        self.plane.trail.refuse(act, refusal).await
    }

    /// Checks that the session began in the last few minutes, for operations that change who has
    /// access. A refusal is recorded.
    pub async fn require_fresh_sign_in(&self, act: &Act) -> Result<(), Refusal> {
        if self.origin.at.duration_since(self.session.since).abs() < FRESH {
            return Ok(());
        }
        let minutes = FRESH.as_mins();
        let refusal = Kind::FreshSignInRequired.with_detail(format!(
            "This requires a sign-in in the last {minutes} minutes. Sign in again."
        ));
        Err(self.refuse(act, refusal).await)
    }

    /// Reads from the store.
    pub async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Store) -> StoreResult<T> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.plane.read(job).await
    }

    /// Reads from the store what may take long: a whole table, or a search. One such read runs at a
    /// time, so that other reads always have a free connection to the store.
    pub async fn read_long<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Store) -> StoreResult<T> + Send + 'static,
    ) -> Result<T, Refusal> {
        let _turn = self.plane.long_read.lock().await;
        self.read(job).await
    }

    /// Changes the store and records the act, in one transaction. `job` returns the detail for the
    /// trail and a result; or it changes nothing and returns a refusal, which is recorded instead.
    /// It may set the act's target. If the admin has changed or the session was ended since the
    /// request was checked, such as while its body arrived, the act is refused without `job`.
    pub async fn record<T: Send + 'static>(
        &self,
        mut act: Act,
        job: impl FnOnce(&mut Store, &mut Act) -> StoreResult<Result<(String, T), Refusal>>
        + Send
        + 'static,
    ) -> Result<T, Refusal> {
        let authority = self.authority();
        let written = self
            .plane
            .control
            .database
            .write(Durability::Record, move |store| {
                let result = match authority.check(store)? {
                    Ok(()) => job(store, &mut act)?,
                    Err(refusal) => Err(refusal),
                };
                store.append_audit(&match &result {
                    Ok((detail, _)) => act.entry(Outcome::Allowed, detail),
                    Err(refusal) => act.entry(Outcome::Refused, &refusal.detail),
                })?;
                Ok(result)
            });
        let result = written
            .await
            .map_err(|error| self.plane.trail.unavailable(&error))?;
        result.map(|(_, value)| value)
    }

    /// Returns what an act rests on, for its transaction.
    pub fn authority(&self) -> Authority {
        Authority {
            plane: Arc::clone(&self.plane),
            session: self.session.clone(),
        }
    }

    /// Checks that the session is still valid, which counts as a use of it. The error is the reason
    /// why it has ended.
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
        if !is_unchanged(admin.as_ref(), self.session.fingerprint) {
            return Err(CHANGED);
        }
        self.plane.sessions.lock().touch(&self.session.id, now);
        Ok(())
    }
}

/// What an act rests on: the session, and its admin as when signing in.
pub struct Authority {
    plane: Arc<ControlPlane>,
    session: Session,
}

impl Authority {
    /// Checks, in the transaction of an act, that it still stands.
    fn check(&self, store: &Store) -> StoreResult<Result<(), Refusal>> {
        let Session {
            id,
            admin,
            fingerprint,
            ..
        } = &self.session;
        let detail = if !is_unchanged(store.admin(admin)?.as_ref(), *fingerprint) {
            CHANGED_MEANWHILE
        } else if self.plane.sessions.lock().by_id(id).is_none() {
            ENDED_MEANWHILE
        } else {
            return Ok(Ok(()));
        };
        Ok(Err(Kind::NotSignedIn.with_detail(detail)))
    }

    /// Checks it for a step of an act that was allowed before. Records the refusal of the rest,
    /// with what the earlier steps did.
    pub fn check_step(
        &self,
        store: &mut Store,
        act: &Act,
        done: &str,
    ) -> StoreResult<Result<(), Refusal>> {
        let Err(mut refusal) = self.check(store)? else {
            return Ok(Ok(()));
        };
        refusal.detail = format!("{done}. {}", refusal.detail);
        store.append_audit(&act.entry(Outcome::Refused, &refusal.detail))?;
        Ok(Err(refusal))
    }
}

/// Whether an admin as stored is still the one whose session has this fingerprint.
pub fn is_unchanged(admin: Option<&Admin>, fingerprint: Fingerprint) -> bool {
    admin.is_some_and(|admin| Fingerprint::of(admin) == fingerprint)
}

fn check_permission<P: Permission>(admin: &Admin) -> Result<(), Refusal> {
    if admin.role < P::ROLE {
        return Err(Kind::NotAllowed.with_detail(format!(
            "This requires the role {}, and yours is {}. Ask an owner of this server.",
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

/// Returns the name of the admin whose session's token a request has. Only the listener uses it, to
/// decide about the connection's place: it does not check that the admin is still the same.
pub fn operator_of(plane: &ControlPlane, headers: &HeaderMap, now: Timestamp) -> Option<String> {
    let session = plane.sessions.lock().find(bearer_token(headers)?)?;
    let is_valid = now < session.expires_at && !session.is_idle(now, plane.idle_limit());
    is_valid.then_some(session.admin)
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Returns the session of a token, and its admin. The error is the reason, for the trail, and the
/// refusal.
async fn find_session(
    plane: &ControlPlane,
    token: Option<&str>,
    act: &mut Act,
) -> Result<(Session, Admin), (&'static str, Refusal)> {
    let refuse = |reason| {
        let detail = "Sign in with POST /v1/login and POST /v1/login/verify.";
        (reason, Kind::NotSignedIn.with_detail(detail))
    };
    let token = token.ok_or_else(|| refuse("no token"))?;
    let found = plane.sessions.lock().find(token);
    let session = found.ok_or_else(|| refuse("no session has that token"))?;
    act.actor.clone_from(&session.admin);
    act.session.clone_from(&session.id);
    if act.origin.at >= session.expires_at {
        return Err(refuse("the session has expired"));
    }
    if session.is_idle(act.origin.at, plane.idle_limit()) {
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
    plane.sessions.lock().touch(&session.id, act.origin.at);
    Ok((session, admin))
}
