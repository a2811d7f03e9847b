//! Device tokens: secrets that a client stores after a sign-in, so that the guesses of others never
//! delay the next one (OWASP, "Slow Down Online Guessing Attacks with Device Cookies").
//!
//! A token grants nothing: the password and a code are required anyway. It only shows that
//! its holder has signed in before, so that the [`Throttle`](super::throttle::Throttle) counts the
//! holder's attempts by themselves.
//!
//! Nothing is stored. A token is a random id, authenticated with the admin's stored password hash
//! as the key (HMAC-SHA256). So it is valid for that admin only, and until the password changes.

use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;

use rookery_base::random::random;
use rookery_record::Admin;

/// The prefix of every device token.
const PREFIX: &str = "rkd1_";
const ID_BYTES: usize = 16;

/// A client that an admin has signed in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Device([u8; ID_BYTES]);

impl Device {
    /// Returns a new device of an admin.
    pub fn new() -> Self {
        Self(random())
    }

    /// Returns the token of a device of an admin.
    pub fn token(self, admin: &Admin) -> String {
        let tag = hmac::sign(&key(admin), &self.0);
        let (id, tag) = (HEXLOWER.encode(&self.0), HEXLOWER.encode(tag.as_ref()));
        format!("{PREFIX}{id}{tag}")
    }

    /// Returns the device of a token. Returns none if the token is not one of this admin.
    pub fn parse(token: &str, admin: &Admin) -> Option<Self> {
        let bytes = HEXLOWER
            .decode(token.strip_prefix(PREFIX)?.as_bytes())
            .ok()?;
        let (id, tag) = bytes.split_first_chunk::<ID_BYTES>()?;
        hmac::verify(&key(admin), id, tag).ok()?;
        Some(Self(*id))
    }
}

fn key(admin: &Admin) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, admin.password_hash.as_bytes())
}
