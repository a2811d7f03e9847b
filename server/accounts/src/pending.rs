//! The registrations that wait for their codes. They are kept in memory, bounded, and die with
//! their codes.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rookery_protocol::{AccountName, Email};

use super::codes::{PendingCode, TRIES, Verdict};
use super::password::StoredPassword;
use rookery_base::net::network;

/// Registrations that may wait at once.
const MAX_ATTEMPTS: usize = 5000;
/// Of these, for one name: each mail has a code of its own, and all stay good.
const MAX_FOR_ONE_NAME: usize = 5;

/// Wrong codes of other sessions for one attempt, wherever they come from; then only its own
/// session may go on.
const MAX_FOREIGN_TRIES: usize = 25;

/// An account that is to be made.
#[derive(Clone)]
pub struct Registration {
    pub name: AccountName,
    pub email: Option<Email>,
    pub secret: StoredSecret,
    /// The email belongs to an account already: no code makes this one.
    pub is_decoy: bool,
    /// Registration was closed: only an invitation makes it good.
    pub needs_invitation: bool,
}

/// What will open the account, as it is kept.
#[derive(Clone)]
pub enum StoredSecret {
    Password(StoredPassword),
    /// SHA-256 of a device credential.
    Device([u8; 32]),
}

/// One `REGISTER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptId(u64);

/// Why a registration cannot wait here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CannotWait {
    /// The name, or one that looks the same, is being registered with another email.
    NameHeld,
    /// There are too many.
    Full,
}

/// What a code was found to be.
pub enum CodeCheck {
    /// Right: the registration is taken out.
    Right(Box<Registration>),
    /// Wrong; so many tries are left.
    Wrong { attempts_left: u8 },
    /// Nothing of that name waits for a code.
    NotFound,
}

struct Attempt {
    id: AttemptId,
    skeleton: String,
    registration: Registration,
    code: PendingCode,
    /// The wrong codes of others than the session whose attempt it is, by where they came from.
    strangers: Vec<(IpAddr, u8)>,
}

impl Attempt {
    /// Judges the code of another session. Whoever guesses uses up tries of their own, and not
    /// those of the session that has asked for the code.
    fn check_foreign_code(&mut self, now: Timestamp, from: IpAddr, code: &str) -> Verdict {
        let from = network(from);
        let all: usize = self
            .strangers
            .iter()
            .map(|(_, wrong)| usize::from(*wrong))
            .sum();
        let at = self
            .strangers
            .iter()
            .position(|(known, _)| *known == from)
            .unwrap_or_else(|| {
                self.strangers.push((from, 0));
                self.strangers.len() - 1
            });
        let wrong = &mut self.strangers[at].1;
        if *wrong >= TRIES || all >= MAX_FOREIGN_TRIES {
            return Verdict::Dead;
        }
        if self.code.is(now, code) {
            return Verdict::Right;
        }
        *wrong += 1;
        Verdict::Wrong {
            attempts_left: TRIES - *wrong,
        }
    }
}

/// A registration that waits, as operators see it.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Of its [`AttemptId`].
    pub id: u64,
    pub name: AccountName,
    pub email: Email,
    /// The email belongs to an account already: no code makes this one.
    pub email_taken: bool,
    pub expires_at: Timestamp,
    pub attempts_left: u8,
}

impl Waiting {
    /// None for one without an email, which waits for no code.
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

/// All that wait.
#[derive(Default)]
pub struct PendingRegistrations {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    attempts: Vec<Attempt>,
    last_id: u64,
}

impl PendingRegistrations {
    /// Whether a registration could wait here; `own` is an attempt that it would take the place of.
    pub fn ensure_room(
        &self,
        now: Timestamp,
        name: &AccountName,
        email: Option<&Email>,
        own: Option<AttemptId>,
    ) -> Result<(), CannotWait> {
        let mut inner = self.lock();
        inner.forget(now);
        inner.ensure_room(name, &name.skeleton(), email, own)
    }

    /// Lets a registration wait for its code, in the place of the session's `own` attempt if there
    /// is one.
    pub fn add(
        &self,
        now: Timestamp,
        registration: Registration,
        code: PendingCode,
        own: Option<AttemptId>,
    ) -> Result<AttemptId, CannotWait> {
        let mut inner = self.lock();
        inner.forget(now);
        let skeleton = registration.name.skeleton();
        inner.ensure_room(
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
            strangers: Vec::new(),
        });
        Ok(id)
    }

    /// Judges a code for `name`. Where the session itself has asked for one, only that code will
    /// do: otherwise a stranger could register the same name and email with a password of their
    /// own, and have the owner of the email confirm it.
    pub fn check_code(
        &self,
        now: Timestamp,
        from: IpAddr,
        name: &AccountName,
        own: Option<AttemptId>,
        code: &str,
    ) -> CodeCheck {
        let mut inner = self.lock();
        inner.forget(now);
        let mut most_tries = None;
        let meant = inner
            .attempts
            .iter_mut()
            .enumerate()
            .filter(|(_, attempt)| {
                own.is_none_or(|own| attempt.id == own) && attempt.registration.name == *name
            });
        let mut right = None;
        for (index, attempt) in meant {
            let verdict = match own {
                Some(_) => attempt.code.check(now, code),
                None => attempt.check_foreign_code(now, from, code),
            };
            match verdict {
                Verdict::Right if !attempt.registration.is_decoy => right = Some(index),
                Verdict::Wrong { attempts_left } => {
                    most_tries = most_tries.max(Some(attempts_left))
                }
                Verdict::Right | Verdict::Dead => most_tries = most_tries.max(Some(0)),
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

    /// All that wait, oldest first.
    pub fn all(&self, now: Timestamp) -> Vec<Waiting> {
        let mut inner = self.lock();
        inner.forget(now);
        let mut all: Vec<Waiting> = inner.attempts.iter().filter_map(Waiting::of).collect();
        all.sort_unstable_by_key(|waiting| waiting.id);
        all
    }

    /// Lets a registration wait for another code, instead of the one before. None if it does not
    /// wait any more.
    pub fn renew(
        &self,
        now: Timestamp,
        id: u64,
        code: PendingCode,
    ) -> Option<(Waiting, Registration)> {
        let mut inner = self.lock();
        inner.forget(now);
        let attempt = inner
            .attempts
            .iter_mut()
            .find(|attempt| attempt.id == AttemptId(id))?;
        attempt.code = code;
        Some((Waiting::of(attempt)?, attempt.registration.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code inner can panic half-way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn forget(&mut self, now: Timestamp) {
        self.attempts
            .retain(|attempt| now < attempt.code.expires_at());
    }

    fn ensure_room(
        &self,
        name: &AccountName,
        skeleton: &str,
        email: Option<&Email>,
        own: Option<AttemptId>,
    ) -> Result<(), CannotWait> {
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
            return Err(CannotWait::NameHeld);
        }
        if others().filter(same).count() >= MAX_FOR_ONE_NAME || others().count() >= MAX_ATTEMPTS {
            return Err(CannotWait::Full);
        }
        Ok(())
    }
}
