//! Registrations that wait for their mailed codes.
//!
//! They are held in memory, bounded in number, and expire with their codes. Several may wait for
//! one name as long as they have the same email: each has its own secret and code. An attacker can
//! therefore neither block the owner of an email nor have the owner confirm a password that the
//! attacker chose.

use jiff::Timestamp;
use parking_lot::Mutex;
use rookery_protocol::{AccountName, Email};

use super::codes::{PendingCode, TRIES, Verdict};
use super::password::StoredPassword;
use rookery_record::Network;

/// The maximum number of registrations that wait at once.
const MAX_ATTEMPTS: usize = 5000;
/// The maximum number of registrations that wait for one name. Each has a code of its own.
const MAX_FOR_ONE_NAME: usize = 5;

/// The maximum number of wrong codes from other sessions, from all addresses together, for one
/// attempt. After that only its own session may complete it.
const MAX_FOREIGN_TRIES: usize = 25;

/// An account to be created.
#[derive(Clone)]
pub struct Registration {
    /// Its name.
    pub name: AccountName,
    /// Its email; `None` where emails are not verified and none was given.
    pub email: Option<Email>,
    /// Its first secret.
    pub secret: StoredSecret,
    /// Whether the mailbox already belongs to an account, so that no code completes the
    /// registration.
    pub is_decoy: bool,
    /// Whether registration is closed, so that the account is created only if the email is invited.
    pub needs_invitation: bool,
}

/// The first secret of an account, in the form in which it is stored.
#[derive(Clone)]
pub enum StoredSecret {
    /// A password.
    Password(StoredPassword),
    /// SHA-256 of a device credential.
    Device([u8; 32]),
}

/// Identifies one `REGISTER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptId(u64);

/// Why a registration was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PendingError {
    /// The name, or one that looks the same, is being registered with another email.
    NameReserved,
    /// Too many registrations are waiting.
    TooMany,
}

/// The outcome of a code check.
pub(crate) enum CodeCheck {
    /// The code is right; the registration no longer waits.
    Right(Box<Registration>),
    /// The code is wrong.
    Wrong {
        /// How many more codes will be checked.
        attempts_left: u8,
    },
    /// No registration of this name waits for a code.
    NotFound,
}

struct Attempt {
    id: AttemptId,
    skeleton: String,
    registration: Registration,
    code: PendingCode,
    /// The number of wrong codes from other sessions, by network; of few networks, since they are
    /// limited together.
    foreign_tries: Vec<(Network, u8)>,
}

impl Attempt {
    /// Checks a code from another session. A wrong one counts against the network it came from, not
    /// against the session that requested the code.
    fn check_foreign_code(&mut self, now: Timestamp, from: Network, code: &str) -> Verdict {
        let tries = &mut self.foreign_tries;
        let all: usize = tries.iter().map(|(_, wrong)| usize::from(*wrong)).sum();
        let at = tries.iter().position(|(known, _)| *known == from);
        let wrong = at.map_or(0, |at| tries[at].1);
        if wrong >= TRIES || all >= MAX_FOREIGN_TRIES {
            return Verdict::Invalid;
        }
        if self.code.is(now, code) {
            return Verdict::Right;
        }
        match at {
            Some(at) => tries[at].1 += 1,
            None => tries.push((from, 1)),
        }
        Verdict::Wrong {
            attempts_left: TRIES - wrong - 1,
        }
    }
}

/// A registration that waits for its code, as shown to operators.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The number of its attempt.
    pub id: u64,
    /// The name of the account.
    pub name: AccountName,
    /// The email that the code was mailed to.
    pub email: Email,
    /// Whether the mailbox already belongs to an account: no code completes the registration then.
    pub email_taken: bool,
    /// When the code expires.
    pub expires_at: Timestamp,
    /// How many more codes of its own session will be checked.
    pub attempts_left: u8,
}

impl Waiting {
    /// Returns `None` for an attempt without an email, which does not wait for a code.
    fn of(attempt: &Attempt) -> Option<Self> {
        let Attempt {
            id,
            registration,
            code,
            ..
        } = attempt;
        Some(Self {
            id: id.0,
            name: registration.name.clone(),
            email: registration.email.clone()?,
            email_taken: registration.is_decoy,
            expires_at: code.expires_at(),
            attempts_left: code.attempts_left(),
        })
    }
}

/// All registrations that wait for their codes.
#[derive(Default)]
pub(crate) struct PendingRegistrations {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    attempts: Vec<Attempt>,
    last_id: u64,
}

impl PendingRegistrations {
    /// Checks whether a registration would be accepted in place of the attempt `own`.
    pub fn check_can_add(
        &self,
        now: Timestamp,
        name: &AccountName,
        email: Option<&Email>,
        own: Option<AttemptId>,
    ) -> Result<(), PendingError> {
        let mut inner = self.inner.lock();
        inner.remove_expired(now);
        inner.check_can_add(name, &name.skeleton(), email, own)
    }

    /// Adds a registration that waits for `code`, in place of the session's `own` attempt.
    pub fn add(
        &self,
        now: Timestamp,
        registration: Registration,
        code: PendingCode,
        own: Option<AttemptId>,
    ) -> Result<AttemptId, PendingError> {
        let mut inner = self.inner.lock();
        inner.remove_expired(now);
        let skeleton = registration.name.skeleton();
        inner.check_can_add(
            &registration.name,
            &skeleton,
            registration.email.as_ref(),
            own,
        )?;
        inner.attempts.retain(|attempt| Some(attempt.id) != own);
        inner.last_id += 1;
        let id = AttemptId(inner.last_id);
        inner.attempts.push(Attempt {
            id,
            skeleton,
            registration,
            code,
            foreign_tries: Vec::new(),
        });
        Ok(id)
    }

    /// Checks a code for `name`. If the session itself has requested one, only that code is
    /// accepted. Otherwise, an attacker could register the same name and email with another
    /// password and have the owner of the email confirm it.
    pub fn check_code(
        &self,
        now: Timestamp,
        from: Network,
        name: &AccountName,
        own: Option<AttemptId>,
        code: &str,
    ) -> CodeCheck {
        let mut inner = self.inner.lock();
        inner.remove_expired(now);
        let mut most_tries = None;
        let candidates = inner
            .attempts
            .iter_mut()
            .enumerate()
            .filter(|(_, attempt)| {
                own.is_none_or(|own| attempt.id == own) && attempt.registration.name == *name
            });
        let mut right = None;
        for (index, attempt) in candidates {
            let verdict = match own {
                Some(_) => attempt.code.check(now, code),
                None => attempt.check_foreign_code(now, from, code),
            };
            match verdict {
                Verdict::Right if !attempt.registration.is_decoy => right = Some(index),
                Verdict::Wrong { attempts_left } => {
                    most_tries = most_tries.max(Some(attempts_left));
                }
                Verdict::Right | Verdict::Invalid => most_tries = most_tries.max(Some(0)),
            }
        }
        if let Some(index) = right {
            let Attempt {
                registration,
                skeleton,
                ..
            } = inner.attempts.swap_remove(index);
            inner
                .attempts
                .retain(|attempt| attempt.skeleton != skeleton);
            return CodeCheck::Right(Box::new(registration));
        }
        most_tries.map_or(CodeCheck::NotFound, |attempts_left| CodeCheck::Wrong {
            attempts_left,
        })
    }

    /// Whether the session that requested the code has not tried any yet.
    pub fn is_untried(&self, own: AttemptId) -> bool {
        let inner = self.inner.lock();
        let attempt = inner.attempts.iter().find(|attempt| attempt.id == own);
        attempt.is_some_and(|attempt| attempt.code.is_untried())
    }

    /// Returns all registrations that wait for a mailed code, oldest first.
    pub fn all(&self, now: Timestamp) -> Vec<Waiting> {
        let mut inner = self.inner.lock();
        inner.remove_expired(now);
        let mut all: Vec<Waiting> = inner.attempts.iter().filter_map(Waiting::of).collect();
        all.sort_unstable_by_key(|waiting| waiting.id);
        all
    }

    /// Replaces the code of a registration. Returns `None` if it no longer waits.
    pub fn renew(
        &self,
        now: Timestamp,
        id: u64,
        code: PendingCode,
    ) -> Option<(Waiting, Registration)> {
        let mut inner = self.inner.lock();
        inner.remove_expired(now);
        let attempt = inner
            .attempts
            .iter_mut()
            .find(|attempt| attempt.id == AttemptId(id))?;
        attempt.code = code;
        Some((Waiting::of(attempt)?, attempt.registration.clone()))
    }
}

impl Inner {
    fn remove_expired(&mut self, now: Timestamp) {
        self.attempts
            .retain(|attempt| now < attempt.code.expires_at());
    }

    fn check_can_add(
        &self,
        name: &AccountName,
        skeleton: &str,
        email: Option<&Email>,
        own: Option<AttemptId>,
    ) -> Result<(), PendingError> {
        let others = || {
            self.attempts
                .iter()
                .filter(|attempt| Some(attempt.id) != own)
        };
        let same =
            |attempt: &&Attempt| attempt.registration.name == *name || attempt.skeleton == skeleton;
        if others()
            .filter(same)
            .any(|attempt| attempt.registration.email.as_ref() != email)
        {
            return Err(PendingError::NameReserved);
        }
        if others().filter(same).count() >= MAX_FOR_ONE_NAME || others().count() >= MAX_ATTEMPTS {
            return Err(PendingError::TooMany);
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn codes_from_any_number_of_networks_are_limited_and_take_no_memory() {
        let (now, name) = (Timestamp::UNIX_EPOCH, AccountName::parse("alice").unwrap());
        let registration = Registration {
            name: name.clone(),
            email: None,
            secret: StoredSecret::Device([0; 32]),
            is_decoy: false,
            needs_invitation: false,
        };
        let (digits, code) = PendingCode::issue(now);
        let pending = PendingRegistrations::default();
        let own = pending.add(now, registration, code, None).unwrap();
        let wrong = if digits == "123456" {
            "654321"
        } else {
            "123456"
        };
        let check = |number: u32, code| {
            let from = Network::of(std::net::IpAddr::from(number.to_be_bytes()));
            pending.check_code(now, from, &name, None, code)
        };
        for number in 0..1000 {
            check(number, wrong);
        }
        let checked = check(1000, &digits);
        assert!(matches!(checked, CodeCheck::Wrong { attempts_left: 0 }));
        let tries = pending.inner.lock().attempts[0].foreign_tries.len();
        assert_eq!(tries, MAX_FOREIGN_TRIES);
        let from = Network::of([192, 0, 2, 1].into());
        let checked = pending.check_code(now, from, &name, Some(own), &digits);
        assert!(matches!(checked, CodeCheck::Right(_)));
    }
}
