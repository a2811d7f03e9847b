//! The sessions of signed-in admins, in memory only.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Instant;

use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::http::extract::RequestOrigin;
use rookery_base::random::random;
use rookery_record::Admin;

/// The prefix of every token, by which one can be recognized in a log or a repository.
const TOKEN_PREFIX: &str = "rka1_";
/// The maximum number of sessions of one admin; the oldest ends first.
const SESSIONS_PER_ADMIN: usize = 10;
/// How long an expired session is remembered, so that the trail can record whose token is used.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);

/// A hash of an admin's password, role and authenticator app. A session ends when it changes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Returns the fingerprint of an admin.
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

/// One sign-in of an admin, from its second factor to its end.
#[derive(Clone)]
pub struct Session {
    /// The public id, for lists and the trail.
    pub id: String,
    pub admin: String,
    pub fingerprint: Fingerprint,
    /// The address that the admin signed in from.
    pub address: SocketAddr,
    /// When the admin signed in.
    pub since: Timestamp,
    /// The same by a clock that nobody can set.
    began: Instant,
    /// When the session was last used.
    pub used_at: Timestamp,
    pub expires_at: Timestamp,
}

impl Session {
    /// Returns a session that begins now and expires after `minutes`.
    pub fn begin(
        admin: String,
        fingerprint: Fingerprint,
        origin: RequestOrigin,
        minutes: u32,
    ) -> Self {
        let RequestOrigin {
            address,
            at,
            instant,
        } = origin;
        let expires_at = at + SignedDuration::from_mins(i64::from(minutes));
        Self {
            id: HEXLOWER.encode(&random::<8>()),
            admin,
            fingerprint,
            address,
            since: at,
            began: instant,
            used_at: at,
            expires_at,
        }
    }

    /// Whether the session was not used for as long as the limit. A session that was used in the
    /// future counts as idle too: the clock was wrong, and would let it last for too long.
    pub fn is_idle(&self, now: Timestamp, limit: SignedDuration) -> bool {
        now.duration_since(self.used_at).abs() >= limit
    }
}

/// All sessions, by the SHA-256 of their tokens. The tokens themselves are not stored, and the time
/// that a comparison of hashes takes reveals nothing about them.
#[derive(Default)]
pub struct Sessions(HashMap<[u8; 32], Session>);

impl Sessions {
    /// Adds a session and returns its token.
    pub fn add(&mut self, session: Session) -> String {
        self.0
            .retain(|_, old| session.since.duration_since(old.expires_at) < REMEMBERED);
        if let Some(oldest) = self.next_to_end(&session.admin) {
            self.end(&oldest.id);
        }
        let token = format!("{TOKEN_PREFIX}{}", HEXLOWER.encode(&random::<32>()));
        self.0.insert(digest(&token), session);
        token
    }

    /// Returns the session that ends at the admin's next sign-in, if the admin has as many as
    /// allowed.
    pub fn next_to_end(&self, admin: &str) -> Option<Session> {
        let of_admin = || self.0.values().filter(|session| session.admin == admin);
        let is_full = of_admin().count() >= SESSIONS_PER_ADMIN;
        is_full
            .then(|| of_admin().min_by_key(|session| session.began).cloned())
            .flatten()
    }

    /// Returns the session of a token.
    pub fn find(&self, token: &str) -> Option<Session> {
        self.0.get(&digest(token)).cloned()
    }

    /// Returns the session with a public id.
    pub fn by_id(&self, id: &str) -> Option<&Session> {
        self.0.values().find(|session| session.id == id)
    }

    /// Returns all sessions, including expired ones.
    pub fn iter(&self) -> impl Iterator<Item = &Session> {
        self.0.values()
    }

    /// Ends the session with a public id.
    pub fn end(&mut self, id: &str) {
        self.0.retain(|_, session| session.id != id);
    }

    /// Ends every session of an admin and returns their public ids.
    pub fn end_all_of(&mut self, admin: &str) -> Vec<String> {
        let ended = self.0.extract_if(|_, session| session.admin == admin);
        ended.map(|(_, session)| session.id).collect()
    }

    /// Notes a use of the session, which resets its idle time.
    pub fn touch(&mut self, id: &str, now: Timestamp) {
        if let Some(session) = self.0.values_mut().find(|session| session.id == id) {
            session.used_at = session.used_at.max(now);
        }
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;
    use std::time::Duration;

    use super::*;

    fn session(admin: &str, second: i64) -> Session {
        Session::begin(admin.to_owned(), Fingerprint([0; 32]), origin(second), 60)
    }

    fn origin(second: i64) -> RequestOrigin {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        RequestOrigin {
            address: "192.0.2.1:1000".parse().unwrap(),
            at: Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second),
            instant: *START + Duration::from_secs(second.unsigned_abs()),
        }
    }

    #[test]
    fn a_token_is_valid_for_its_own_session_only() {
        let mut sessions = Sessions::default();
        let token = sessions.add(session("root", 0));
        let other = sessions.add(session("root", 1));
        assert_ne!(token, other);
        assert_eq!(token.len(), TOKEN_PREFIX.len() + 64);
        let found = sessions.find(&token).unwrap();
        assert_eq!(
            found.expires_at,
            Timestamp::UNIX_EPOCH + SignedDuration::from_mins(60)
        );
        assert_ne!(found.id, sessions.find(&other).unwrap().id);
        assert_eq!(found.id.len(), 16, "64 bits");
        assert!(sessions.find(&token.to_uppercase()).is_none());
        assert!(sessions.find("").is_none());
        sessions.end(&found.id);
        assert!(sessions.find(&token).is_none());
        assert!(sessions.find(&other).is_some());
    }

    #[test]
    fn the_oldest_of_too_many_sessions_ends() {
        let mut sessions = Sessions::default();
        let other = sessions.add(session("other", 0));
        let tokens: Vec<String> = (1..=12)
            .map(|second| sessions.add(session("root", second)))
            .collect();
        let is_open = |token: &String| sessions.find(token).is_some();
        assert_eq!(
            tokens.iter().map(is_open).collect::<Vec<_>>(),
            [&[false; 2][..], &[true; 10]].concat()
        );
        assert!(is_open(&other));
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_make_the_newest_session_the_oldest() {
        let mut sessions = Sessions::default();
        let mut token = String::new();
        for second in 1..=12 {
            let set_back = RequestOrigin {
                at: Timestamp::UNIX_EPOCH - SignedDuration::from_secs(second),
                ..origin(second)
            };
            token = sessions.add(Session::begin(
                "root".to_owned(),
                Fingerprint([0; 32]),
                set_back,
                60,
            ));
        }
        let next = sessions.next_to_end("root").unwrap();
        assert_ne!(next.id, sessions.find(&token).unwrap().id);
    }
}
