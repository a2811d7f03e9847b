//! Who is signed in: tokens, kept as hashes and in memory only, and the admin behind each request.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use jiff::{SignedDuration, Timestamp};
use rookery_control_api::{
    AdminSession, AdminSessionList, LogoutReply, Problem, Role, SessionsEnded,
};
use sha2::{Digest as _, Sha256};

use super::audit::{self, Step};
use super::extract::{Arrival, Options, Segment};
use super::pages::PageOptions;
use super::permission::{Anyone, Auditor, Permission, Signed};
use super::problem::{Kind, Refusal};
use super::{Plane, hex, lock, random};
use crate::record::{Admin, Outcome};
use crate::store::{Durability, Result as StoreResult, Store};

/// What a token begins with, so that it is known for one wherever it turns up.
const PREFIX: &str = "rka1_";
/// Sessions of one admin; the oldest gives way.
const SESSIONS_PER_ADMIN: usize = 10;
/// How long a session that has expired is remembered, for the trail to name it.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);

/// How long after a sign-in its admin may change who comes in, and how.
const FRESH: SignedDuration = SignedDuration::from_mins(10);

/// Why a session has ended that nobody has.
const CHANGED: &str = "the admin was removed, or has another password, role or factor";

/// A hash over an admin's password, role and authenticator app. A session dies when its admin's
/// changes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of the admin as it is now.
    pub fn of(admin: &Admin) -> Self {
        let mut digest = Sha256::new();
        digest.update(admin.role.as_str());
        digest.update("\n");
        digest.update(&admin.password_hash);
        if let Some(app) = &admin.authenticator {
            digest.update("\n");
            digest.update(app.secret);
            digest.update([u8::from(app.required)]);
        }
        Self(digest.finalize().into())
    }
}

/// One sign-in of an admin, from the right code to its end.
#[derive(Clone)]
pub struct Session {
    /// The public name, for the trail.
    pub id: String,
    pub admin: String,
    fingerprint: Fingerprint,
    from: SocketAddr,
    since: Timestamp,
    used_at: Timestamp,
    pub expires_at: Timestamp,
}

impl Session {
    /// A session that begins now.
    pub fn begin(admin: String, fingerprint: Fingerprint, arrival: Arrival, minutes: u32) -> Self {
        let Arrival { from, at } = arrival;
        let expires_at = at + SignedDuration::from_mins(i64::from(minutes));
        Self {
            id: hex(&random::<4>()),
            admin,
            fingerprint,
            from,
            since: at,
            used_at: at,
            expires_at,
        }
    }
}

/// All sessions, by the SHA-256 of their token: the tokens themselves are nowhere, and a comparison
/// of hashes tells by its time nothing about them.
#[derive(Default)]
pub struct Sessions(HashMap<[u8; 32], Session>);

impl Sessions {
    /// Keeps a session; gives the token that opens it.
    pub fn add(&mut self, session: Session) -> String {
        self.0
            .retain(|_, old| session.since.duration_since(old.expires_at) < REMEMBERED);
        if let Some(oldest) = self.gives_way(&session.admin) {
            self.end(&oldest.id);
        }
        let token = format!("{PREFIX}{}", hex(&random::<32>()));
        self.0.insert(digest(&token), session);
        token
    }

    /// The session that has to end before the admin can have one more.
    pub fn gives_way(&self, admin: &str) -> Option<Session> {
        let of_admin = || self.0.values().filter(|session| session.admin == admin);
        let full = of_admin().count() >= SESSIONS_PER_ADMIN;
        full.then(|| of_admin().min_by_key(|session| session.since).cloned())
            .flatten()
    }

    fn find(&self, token: &str) -> Option<Session> {
        self.0.get(&digest(token)).cloned()
    }

    fn by_id(&self, id: &str) -> Option<&Session> {
        self.0.values().find(|session| session.id == id)
    }

    fn end(&mut self, id: &str) {
        self.0.retain(|_, session| session.id != id);
    }

    /// Ends every session of an admin; gives their names.
    pub fn end_all_of(&mut self, admin: &str) -> Vec<String> {
        let ended = self.0.extract_if(|_, session| session.admin == admin);
        ended.map(|(_, session)| session.id).collect()
    }

    /// The session is in use, and not idle.
    fn touch(&mut self, id: &str, now: Timestamp) {
        if let Some(session) = self.0.values_mut().find(|session| session.id == id) {
            session.used_at = session.used_at.max(now);
        }
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// The admin behind a request, who is signed in and may do what was asked for.
pub struct Operator {
    pub plane: Arc<Plane>,
    arrival: Arrival,
    session: Session,
    admin: Admin,
}

impl Operator {
    /// From where the request came.
    pub fn address(&self) -> IpAddr {
        self.arrival.from.ip().to_canonical()
    }

    /// An act of this admin.
    pub fn step(&self, act: &'static str, target: impl Into<String>) -> Step {
        Step {
            arrival: self.arrival,
            actor: self.session.admin.clone(),
            session: self.session.id.clone(),
            act,
            target: target.into(),
        }
    }

    /// Enters that the act is let through. If it cannot be entered, it must not be done.
    pub async fn allow(&self, step: &Step, detail: impl Into<String>) -> Result<(), Refusal> {
        self.plane.trail.allow(step, detail).await
    }

    /// Enters that the admin looks at something that a screen shows anew every few seconds: once a
    /// minute.
    pub async fn look(&self, step: &Step) -> Result<(), Refusal> {
        self.plane.trail.look(step).await
    }

    /// Enters that the act is refused; gives the refusal to answer.
    pub async fn refuse(&self, step: &Step, refusal: Refusal) -> Refusal {
        self.plane.trail.refuse(step, refusal).await
    }

    /// Reads from the record.
    pub async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&dyn Store) -> StoreResult<T> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.plane.read(job).await
    }

    /// The public name of the sign-in.
    pub fn session_id(&self) -> &str {
        &self.session.id
    }

    /// When the request came.
    pub fn now(&self) -> Timestamp {
        self.arrival.at
    }

    /// The admin's name.
    pub fn name(&self) -> &str {
        &self.session.admin
    }

    /// The admin, as the record had it when the request came.
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// From where and when the request came.
    pub fn arrival(&self) -> Arrival {
        self.arrival
    }

    /// Whether the sign-in still stands; if so, that is a use of it. If not, how it ended.
    pub async fn stands(&self, now: Timestamp) -> Result<(), &'static str> {
        let expires_at = lock(&self.plane.sessions)
            .by_id(&self.session.id)
            .map(|session| session.expires_at);
        if now >= expires_at.ok_or("the session was ended")? {
            return Err("the session has expired");
        }
        let name = self.session.admin.clone();
        let admin = self.plane.read(move |store| store.admin(&name)).await;
        let admin = admin.map_err(|_| "the record cannot be read")?;
        if admin.is_none_or(|admin| Fingerprint::of(&admin) != self.session.fingerprint) {
            return Err(CHANGED);
        }
        lock(&self.plane.sessions).touch(&self.session.id, now);
        Ok(())
    }

    /// Refuses, and enters that, unless both factors were proved just now: for what changes who may
    /// come in.
    pub async fn freshly_signed_in(&self, step: &Step) -> Result<(), Refusal> {
        if self.arrival.at.duration_since(self.session.since) < FRESH {
            return Ok(());
        }
        let minutes = FRESH.as_mins();
        let refusal = Kind::SignInAgain.because(format!(
            "This needs a sign-in of the last {minutes} minutes. Sign in again."
        ));
        Err(self.refuse(step, refusal).await)
    }

    /// Changes the record and enters that, both or neither. `job` gives what to enter, and what
    /// came of it; or it changes nothing and gives a refusal, which is entered too.
    pub async fn record<T: Send + 'static>(
        &self,
        step: Step,
        job: impl FnOnce(&mut dyn Store) -> StoreResult<Result<(String, T), Refusal>> + Send + 'static,
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
        let done = written.await.map_err(|error| audit::unavailable(&error))?;
        done.map(|(_, value)| value)
    }
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

/// The session that a token opens; or why it opens none, for the trail, and what to answer.
async fn session_of(
    plane: &Plane,
    token: Option<&str>,
    step: &mut Step,
) -> Result<(Session, Admin), (&'static str, Refusal)> {
    let refuse = |why| {
        (
            why,
            Kind::NotSignedIn.because("Sign in with POST /v1/login and POST /v1/login/verify."),
        )
    };
    let token = token.ok_or_else(|| refuse("no token"))?;
    let found = lock(&plane.sessions).find(token);
    let session = found.ok_or_else(|| refuse("no session has that token"))?;
    step.actor.clone_from(&session.admin);
    step.session.clone_from(&session.id);
    if step.arrival.at >= session.expires_at {
        return Err(refuse("the session has expired"));
    }
    if step.arrival.at.duration_since(session.used_at) >= plane.idle_limit() {
        lock(&plane.sessions).end(&session.id);
        return Err(refuse("the session was idle for too long"));
    }
    // Admins are managed by another process; the record alone knows whether this one still is one.
    let name = session.admin.clone();
    let admin = plane.read(move |store| store.admin(&name)).await;
    let admin = admin.map_err(|refusal| ("the record cannot be read", refusal))?;
    let Some(admin) = admin.filter(|admin| Fingerprint::of(admin) == session.fingerprint) else {
        lock(&plane.sessions).end(&session.id);
        return Err(refuse(CHANGED));
    };
    lock(&plane.sessions).touch(&session.id, step.arrival.at);
    Ok((session, admin))
}

impl Operator {
    /// The admin behind a request; or, entered in the trail, why there is none, or why its role may
    /// not do this.
    pub async fn admit<P: Permission>(
        parts: &mut Parts,
        plane: &Arc<Plane>,
    ) -> Result<Self, Refusal> {
        let Ok(arrival) = Arrival::from_request_parts(parts, plane).await;
        let mut step = Step::of_stranger(arrival, "request");
        step.target = format!("{} {}", parts.method, parts.uri.path());
        let (session, admin) = match session_of(plane, bearer_token(parts), &mut step).await {
            Ok(found) => found,
            Err((why, refusal)) => {
                return Err(plane.trail.refuse_stranger(&step, why, refusal).await);
            }
        };
        let refusal = if admin.role < P::ROLE {
            Some(Kind::NotAllowed.because(format!(
                "This is for the role {}, and yours is {}. An owner of this server can do it, or change that.",
                P::ROLE,
                admin.role
            )))
        } else if admin.initial_password_expires_at.is_some() && !P::BEFORE_OWN_PASSWORD {
            let detail = "You have an initial password. Choose one of your own with PUT /v1/password \
                          (`admin-cli passwd`), and sign in again.";
            Some(Kind::OwnPasswordNeeded.because(detail))
        } else {
            None
        };
        match refusal {
            Some(refusal) => Err(plane.trail.refuse(&step, refusal).await),
            None => Ok(Self {
                plane: Arc::clone(plane),
                arrival,
                session,
                admin,
            }),
        }
    }
}

/// Ends this sign-in: its token is good no more
#[utoipa::path(
    post, path = "/v1/logout", tag = "sign-in", security(("token" = ["auditor"])),
    responses((status = 200, description = "Signed out", body = LogoutReply))
)]
pub async fn logout(operator: Signed<Anyone>) -> Result<Json<LogoutReply>, Refusal> {
    let session = &operator.session;
    let detail = format!("signed in at {:.0} from {}", session.since, session.from);
    operator.allow(&operator.step("logout", ""), detail).await?;
    lock(&operator.plane.sessions).end(&session.id);
    Ok(Json(LogoutReply {
        session: session.id.clone(),
    }))
}

/// The sign-ins that stand: one's own, and to an owner everyone's
#[utoipa::path(
    get, path = "/v1/sessions", tag = "sign-in", params(PageOptions), security(("token" = ["auditor"])),
    responses((status = 200, description = "One page of the sessions, oldest first", body = AdminSessionList))
)]
pub async fn list(
    operator: Signed<Auditor>,
    options: Result<Options<PageOptions>, Refusal>,
) -> Result<Json<AdminSessionList>, Refusal> {
    let step = operator.step("sessions", "");
    let page = match options.and_then(|Options(options)| options.page()) {
        Ok(page) => page,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    operator.allow(&step, "").await?;
    let admins = operator.read(|store| store.admins()).await?;
    let prints: HashMap<&str, Fingerprint> = admins
        .iter()
        .map(|admin| (admin.name.as_str(), Fingerprint::of(admin)))
        .collect();
    let idle_limit = operator.plane.idle_limit();
    let stands = |session: &&Session| {
        operator.may_end(session)
            && operator.now() < session.expires_at
            && operator.now().duration_since(session.used_at) < idle_limit
            && prints.get(session.admin.as_str()) == Some(&session.fingerprint)
    };
    let mut sessions: Vec<AdminSession> = lock(&operator.plane.sessions)
        .0
        .values()
        .filter(stands)
        .map(|session| AdminSession {
            id: session.id.clone(),
            admin: session.admin.clone(),
            address: session.from.to_string(),
            since: session.since,
            last_used_at: session.used_at,
            expires_at: session.expires_at,
            current: session.id == operator.session.id,
        })
        .collect();
    // The moment alone may be that of two.
    let place =
        |session: &AdminSession| format!("{:016x}-{}", session.since.as_microsecond(), session.id);
    sessions.sort_by_cached_key(place);
    let (sessions, next) = page.cut(sessions, place);
    Ok(Json(AdminSessionList { sessions, next }))
}

/// Ends a sign-in: one's own, and an owner anyone's
#[utoipa::path(
    delete, path = "/v1/sessions/{id}", tag = "sign-in", security(("token" = ["auditor"])),
    params(("id" = String, Path, description = "The session's name")),
    responses(
        (status = 200, description = "Its token is good no more", body = SessionsEnded),
        (status = 404, description = "There is no such session, or it is another's", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn end_one(
    operator: Signed<Auditor>,
    id: Result<Segment<String>, Refusal>,
) -> Result<Json<SessionsEnded>, Refusal> {
    let mut step = operator.step("session end", "");
    let found = id.and_then(|Segment(id)| {
        step.target.clone_from(&id);
        let sessions = lock(&operator.plane.sessions);
        let found = sessions
            .0
            .values()
            .find(|session| session.id == id && operator.may_end(session));
        found.cloned().ok_or_else(|| {
            let detail = format!(
                "There is no session {id} of yours; `admin-cli sessions` has those there are."
            );
            Kind::NoSuchSession.because(detail)
        })
    });
    let session = match found {
        Ok(session) => session,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    operator
        .allow(
            &step,
            format!("of {}, from {}", session.admin, session.from),
        )
        .await?;
    lock(&operator.plane.sessions).end(&session.id);
    Ok(Json(SessionsEnded {
        sessions: vec![session.id],
    }))
}

/// Ends all of one's own sign-ins, this one too
#[utoipa::path(
    delete, path = "/v1/sessions", tag = "sign-in", security(("token" = ["auditor"])),
    responses((status = 200, description = "Their tokens are good no more", body = SessionsEnded))
)]
pub async fn end_all(operator: Signed<Auditor>) -> Result<Json<SessionsEnded>, Refusal> {
    operator
        .allow(&operator.step("session end", "all"), "")
        .await?;
    let sessions = lock(&operator.plane.sessions).end_all_of(operator.name());
    Ok(Json(SessionsEnded { sessions }))
}

impl Operator {
    fn may_end(&self, session: &Session) -> bool {
        session.admin == self.session.admin || self.admin.role == Role::Owner
    }
}

impl Plane {
    /// How long a session holds without being used.
    fn idle_limit(&self) -> SignedDuration {
        SignedDuration::from_mins(i64::from(self.control.config.get().admin.idle_minutes))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn session(admin: &str, second: i64) -> Session {
        let at = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second);
        let arrival = Arrival {
            from: "192.0.2.1:1000".parse().unwrap(),
            at,
        };
        Session::begin(admin.to_owned(), Fingerprint([0; 32]), arrival, 60)
    }

    #[test]
    fn a_token_opens_its_own_session_and_no_other_does() {
        let mut sessions = Sessions::default();
        let token = sessions.add(session("root", 0));
        let other = sessions.add(session("root", 1));
        assert_ne!(token, other);
        assert_eq!(token.len(), PREFIX.len() + 64);
        let found = sessions.find(&token).unwrap();
        assert_eq!(
            found.expires_at,
            Timestamp::UNIX_EPOCH + SignedDuration::from_mins(60)
        );
        assert_ne!(found.id, sessions.find(&other).unwrap().id);
        assert!(sessions.find(&token.to_uppercase()).is_none());
        assert!(sessions.find("").is_none());
        sessions.end(&found.id);
        assert!(sessions.find(&token).is_none());
        assert!(sessions.find(&other).is_some());
    }

    #[test]
    fn the_oldest_of_too_many_sessions_gives_way() {
        let mut sessions = Sessions::default();
        let others = sessions.add(session("other", 0));
        let tokens: Vec<String> = (1..=12)
            .map(|second| sessions.add(session("root", second)))
            .collect();
        let open = |token: &String| sessions.find(token).is_some();
        assert_eq!(
            tokens.iter().map(open).collect::<Vec<_>>(),
            [&[false; 2][..], &[true; 10]].concat()
        );
        assert!(open(&others));
    }
}
