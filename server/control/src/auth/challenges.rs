//! The sign-in attempts that wait for their second factor, in memory only.

use std::collections::HashMap;

use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};

use super::sessions::Fingerprint;
use rookery_accounts::codes::{self, PendingCode, Verdict};
use rookery_base::random::random;
use rookery_record::Network;

/// The maximum number of challenges of one admin; the oldest is removed first.
const CHALLENGES_PER_ADMIN: usize = 8;
/// The maximum number of codes that are mailed to an admin while none of them is used. More would
/// only fill the mailbox; the newest one stays valid for further challenges.
const UNUSED_CODES: usize = 5;
/// How long an expired challenge is remembered, so that the trail can record whose it was.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(10);
/// The number of codes that may be tried for a challenge, of all factors together.
const MAX_ATTEMPTS: u8 = codes::TRIES;
/// How long a challenge accepts codes.
const LIFETIME: SignedDuration = SignedDuration::from_secs(codes::LIFETIME_SECONDS);

/// A sign-in attempt that waits for its second factor.
pub struct Challenge {
    admin: String,
    fingerprint: Fingerprint,
    /// The network that the password was sent from; the code has to be sent from it too.
    network: Network,
    pub expires_at: Timestamp,
    attempts_left: u8,
    is_used: bool,
    /// The code that was mailed. None if the admin requires the authenticator app.
    mailed: Option<PendingCode>,
}

impl Challenge {
    /// Returns a challenge for an admin whose password was right.
    pub fn new(
        now: Timestamp,
        admin: String,
        fingerprint: Fingerprint,
        network: Network,
        mailed: Option<PendingCode>,
    ) -> Self {
        let code_expires_at = mailed.as_ref().map(PendingCode::expires_at);
        Self {
            admin,
            fingerprint,
            network,
            // A code that was mailed for an earlier challenge expires earlier.
            expires_at: code_expires_at.map_or(now + LIFETIME, |end| end.min(now + LIFETIME)),
            attempts_left: MAX_ATTEMPTS,
            is_used: false,
            mailed,
        }
    }
}

/// All challenges, by the id that the client sends with the code. Only the right password opens
/// one, so their number is bounded by that of the admins.
#[derive(Default)]
pub struct Challenges {
    by_id: HashMap<String, Challenge>,
    /// The valid mailed codes of each admin, oldest first. A sign-in with one removes all.
    mailed: HashMap<String, Vec<PendingCode>>,
}

/// The result of checking a code against a challenge.
pub enum CodeCheck {
    /// The code is the mailed one, and the challenge is now used.
    Mailed {
        admin: String,
        fingerprint: Fingerprint,
    },
    /// The code is not the mailed one, but may belong to another factor.
    NotMailed {
        admin: String,
        fingerprint: Fingerprint,
        attempts_left: u8,
    },
    /// The challenge accepts no code.
    Closed {
        /// None if the challenge is unknown.
        admin: Option<String>,
        reason: &'static str,
    },
}

impl Challenges {
    /// Whether [`Self::next_code`] returns a code to be mailed.
    pub fn mails_next_code(&mut self, now: Timestamp, admin: &str) -> bool {
        self.valid_codes(now, admin).len() < UNUSED_CODES
    }

    /// Returns the code for an admin's next challenge, and its digits if they are to be mailed. If
    /// they are not, it is the code that was mailed last.
    pub fn next_code(&mut self, now: Timestamp, admin: &str) -> (Option<String>, PendingCode) {
        let codes = self.valid_codes(now, admin);
        if let Some(newest) = codes.last()
            && codes.len() >= UNUSED_CODES
        {
            return (None, newest.clone());
        }
        let (digits, code) = PendingCode::issue(now);
        codes.push(code.clone());
        (Some(digits), code)
    }

    fn valid_codes(&mut self, now: Timestamp, admin: &str) -> &mut Vec<PendingCode> {
        let codes = self.mailed.entry(admin.to_owned()).or_default();
        codes.retain(|code| now < code.expires_at());
        codes
    }

    /// Adds a challenge and returns its id.
    pub fn add(&mut self, now: Timestamp, challenge: Challenge) -> String {
        self.by_id
            .retain(|_, old| now.duration_since(old.expires_at) < REMEMBERED);
        let of_admin = || {
            self.by_id
                .iter()
                .filter(|(_, old)| old.admin == challenge.admin)
        };
        if of_admin().count() >= CHALLENGES_PER_ADMIN {
            let oldest = of_admin()
                .min_by_key(|(_, old)| old.expires_at)
                .map(|(id, _)| id.clone());
            oldest.map(|id| self.by_id.remove(&id));
        }
        let id = HEXLOWER.encode(&random::<16>());
        self.by_id.insert(id.clone(), challenge);
        id
    }

    /// Counts an attempt and compares the code with the mailed one. Callers are serialized by the
    /// lock, so that of simultaneous right codes only one succeeds.
    pub fn check(&mut self, now: Timestamp, id: &str, network: Network, code: &str) -> CodeCheck {
        let Some(challenge) = self.by_id.get_mut(id) else {
            return CodeCheck::Closed {
                admin: None,
                reason: "no such challenge",
            };
        };
        let admin = challenge.admin.clone();
        if challenge.network != network {
            return CodeCheck::Closed {
                admin: Some(admin),
                reason: "the challenge belongs to another address",
            };
        }
        if challenge.is_used || challenge.attempts_left == 0 || now >= challenge.expires_at {
            return CodeCheck::Closed {
                admin: Some(admin),
                reason: "the challenge is used, expired or out of attempts",
            };
        }
        challenge.attempts_left -= 1;
        let Challenge {
            fingerprint,
            attempts_left,
            ..
        } = *challenge;
        let verdict = challenge
            .mailed
            .as_mut()
            .map(|mailed| mailed.check(now, code));
        if let Some(Verdict::Right) = verdict {
            challenge.is_used = true;
            self.mailed.remove(&admin);
            for other in self.by_id.values_mut().filter(|other| other.admin == admin) {
                // A code that several challenges have is valid once.
                other.mailed.take_if(|mailed| mailed.is(now, code));
            }
            return CodeCheck::Mailed { admin, fingerprint };
        }
        CodeCheck::NotMailed {
            admin,
            fingerprint,
            attempts_left,
        }
    }

    /// Marks a challenge as used, for a code of another factor. Returns false if it already was.
    pub fn claim(&mut self, id: &str) -> bool {
        self.by_id
            .get_mut(id)
            .is_some_and(|challenge| !std::mem::replace(&mut challenge.is_used, true))
    }

    /// Marks a challenge as unused again, because the code that claimed it was not valid.
    pub fn release(&mut self, id: &str) {
        if let Some(challenge) = self.by_id.get_mut(id) {
            challenge.is_used = false;
        }
    }
}
