//! Mailed codes: six digits from a secret made for that one challenge (RFC 6238), kept as a hash, good once.

use jiff::Timestamp;

/// How long a code is good.
pub const LIFETIME_SECONDS: i64 = 300;
/// Wrong codes before the challenge is dead.
pub const TRIES: u8 = 5;

/// The server's side of a mailed code.
pub struct PendingCode {}

/// What a code was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Right, and used up.
    Right,
    /// Wrong; so many tries are left.
    Wrong { tries_left: u8 },
    /// Expired, used or tried too often: no code will do any more.
    Dead,
}

impl PendingCode {
    /// Makes a code: the digits for the mail, and what is kept.
    pub fn issue(_now: Timestamp) -> (String, Self) {
        unimplemented!()
    }

    /// Judges a code, in constant time; counts the try.
    pub fn judge(&mut self, _now: Timestamp, _code: &str) -> Verdict {
        unimplemented!()
    }

    /// When no code will do any more.
    pub fn expires_at(&self) -> Timestamp {
        unimplemented!()
    }
}
