//! Mailed codes: six digits from a secret made for that one challenge (RFC 6238), kept as a hash,
//! good once.

use std::fmt;
use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use totp_rs::{Algorithm, Builder};

use super::random;

/// How long a code is good.
pub const LIFETIME_SECONDS: i64 = 300;
/// Wrong codes before the challenge is dead.
pub const TRIES: u8 = 5;

const DIGITS: u8 = 6;
/// The length that RFC 4226 §4 recommends.
const SECRET_BYTES: usize = 20;

/// Keeps hashes of a million possible codes from being looked up in a table made elsewhere.
static PEPPER: LazyLock<[u8; 32]> = LazyLock::new(random);

/// The server's side of a mailed code.
pub struct PendingCode {
    salt: [u8; 16],
    hash: [u8; 32],
    expires_at: Timestamp,
    attempts_left: u8,
}

/// What a code was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Right, and used up.
    Right,
    /// Wrong; so many tries are left.
    Wrong { attempts_left: u8 },
    /// Expired, used or tried too often: no code will do any more.
    Dead,
}

impl PendingCode {
    /// Makes a code: the digits for the mail, and what is kept.
    pub fn issue(now: Timestamp) -> (String, Self) {
        let digits = digits(now);
        let salt = random();
        let pending = Self {
            salt,
            hash: hash(&salt, &digits),
            expires_at: now
                .saturating_add(SignedDuration::from_secs(LIFETIME_SECONDS))
                .unwrap_or(now),
            attempts_left: TRIES,
        };
        (digits, pending)
    }

    /// Judges a code, in constant time; counts the try. Spaces around it do not count.
    pub fn check(&mut self, now: Timestamp, code: &str) -> Verdict {
        if self.attempts_left == 0 || now >= self.expires_at {
            return Verdict::Dead;
        }
        self.attempts_left -= 1;
        if self.matches(code) {
            self.attempts_left = 0;
            return Verdict::Right;
        }
        Verdict::Wrong {
            attempts_left: self.attempts_left,
        }
    }

    /// How many more codes will be looked at.
    pub fn attempts_left(&self) -> u8 {
        self.attempts_left
    }

    /// Whether it is the code, in constant time. Counts nothing: for those who have tries of their
    /// own. A code whose tries are used up may still come from elsewhere.
    pub fn is(&self, now: Timestamp, code: &str) -> bool {
        now < self.expires_at && self.matches(code)
    }

    fn matches(&self, code: &str) -> bool {
        bool::from(hash(&self.salt, code.trim()).ct_eq(&self.hash))
    }

    /// When no code will do any more.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

impl fmt::Debug for PendingCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PendingCode")
            .field("expires_at", &self.expires_at)
            .field("attempts_left", &self.attempts_left)
            .finish_non_exhaustive()
    }
}

/// Six digits that nobody can foretell.
pub fn digits(now: Timestamp) -> String {
    let totp = Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(DIGITS)
        .with_secret(random::<SECRET_BYTES>().to_vec())
        .build()
        .expect("six digits from a secret of 20 bytes follow RFC 6238");
    totp.generate(now.as_second().unsigned_abs()).to_string()
}

fn hash(salt: &[u8], code: &str) -> [u8; 32] {
    Sha256::new()
        .chain_update(*PEPPER)
        .chain_update(salt)
        .chain_update(code)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::constant(1_800_000_000 + second, 0)
    }

    /// A well-formed code that is not `code`.
    fn another(code: &str) -> &'static str {
        if code == "123456" { "654321" } else { "123456" }
    }

    #[test]
    fn the_right_code_is_six_digits_and_good_once() {
        let (code, mut pending) = PendingCode::issue(at(0));
        assert_eq!(code.len(), 6);
        assert!(code.bytes().all(|byte| byte.is_ascii_digit()), "{code}");
        assert_eq!(
            pending.check(at(LIFETIME_SECONDS - 1), &format!(" {code} ")),
            Verdict::Right
        );
        assert_eq!(
            pending.check(at(LIFETIME_SECONDS - 1), &code),
            Verdict::Dead
        );
    }

    #[test]
    fn five_wrong_codes_kill_the_challenge_for_the_right_one_too() {
        let (code, mut pending) = PendingCode::issue(at(0));
        for attempts_left in (0..TRIES).rev() {
            assert_eq!(
                pending.check(at(1), another(&code)),
                Verdict::Wrong { attempts_left }
            );
        }
        assert_eq!(pending.check(at(1), &code), Verdict::Dead);
    }

    #[test]
    fn the_right_code_still_does_at_the_last_try() {
        let (code, mut pending) = PendingCode::issue(at(0));
        for _ in 1..TRIES {
            pending.check(at(1), another(&code));
        }
        assert_eq!(pending.check(at(1), &code), Verdict::Right);
    }

    #[test]
    fn a_code_is_dead_when_its_time_is_over() {
        let (code, mut pending) = PendingCode::issue(at(0));
        assert_eq!(pending.expires_at(), at(LIFETIME_SECONDS));
        assert_eq!(pending.check(at(LIFETIME_SECONDS), &code), Verdict::Dead);
    }

    #[test]
    fn codes_of_one_moment_do_not_open_one_another() {
        let issued: Vec<_> = (0..20).map(|_| PendingCode::issue(at(0)).0).collect();
        assert!(
            issued.iter().any(|code| *code != issued[0]),
            "each challenge has a secret of its own"
        );
        let (_, mut pending) = PendingCode::issue(at(0));
        for odd in ["", "12345", "1234567", "abcdef", "１２３４５６"] {
            if pending.attempts_left > 0 {
                assert!(
                    matches!(pending.check(at(1), odd), Verdict::Wrong { .. }),
                    "{odd:?}"
                );
            }
        }
    }

    #[test]
    fn debug_shows_neither_salt_nor_hash() {
        let (code, pending) = PendingCode::issue(at(0));
        let text = format!("{pending:?}");
        assert!(
            !text.contains("hash") && !text.contains("salt") && !text.contains(&code),
            "{text}"
        );
    }
}
