//! The enrolments of authenticator apps that wait for confirmation, in memory only.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::authenticator;
use crate::http::problem::{Kind, Refusal};
use rookery_record::Authenticator;

/// How long a new secret waits for its first code.
const LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// The number of wrong codes after which the enrolment has to begin again.
const MAX_ATTEMPTS: u8 = 5;

/// The secrets that wait for their first code: at most one for each admin.
#[derive(Default)]
pub struct Enrolments(HashMap<String, Enrolment>);

struct Enrolment {
    secret: [u8; 20],
    expires_at: Timestamp,
    attempts_left: u8,
}

impl Enrolments {
    /// Returns a new secret and when it expires. It replaces a secret that was waiting.
    pub fn begin(&mut self, now: Timestamp, admin: &str) -> ([u8; 20], Timestamp) {
        self.0.retain(|_, old| now < old.expires_at);
        let (secret, expires_at) = (authenticator::new_secret(), now + LIFETIME);
        let enrolment = Enrolment {
            secret,
            expires_at,
            attempts_left: MAX_ATTEMPTS,
        };
        self.0.insert(admin.to_owned(), enrolment);
        (secret, expires_at)
    }

    /// Returns the app if the code is right, which ends the enrolment.
    pub fn confirm(
        &mut self,
        now: Timestamp,
        admin: &str,
        code: &str,
    ) -> Result<Authenticator, Refusal> {
        let is_pending =
            |waiting: &&mut Enrolment| now < waiting.expires_at && waiting.attempts_left > 0;
        let Some(enrolment) = self.0.get_mut(admin).filter(is_pending) else {
            return Err(Kind::NoAuthenticator.with_detail(
                "No authenticator app is waiting for confirmation. Begin the enrolment again.",
            ));
        };
        enrolment.attempts_left -= 1;
        let Enrolment {
            secret,
            attempts_left,
            ..
        } = *enrolment;
        let Some(last_step) = authenticator::step_of(&secret, code, now) else {
            return Err(Kind::WrongCode.with_detail(format!(
                "That is not the app's current code; attempts left: {attempts_left}. If the next \
                 code fails too, compare the clocks of the server and the device."
            )));
        };
        self.0.remove(admin);
        Ok(Authenticator {
            secret,
            enrolled_at: now,
            last_step,
            required: false,
        })
    }
}
