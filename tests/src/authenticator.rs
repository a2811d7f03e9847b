//! An authenticator app (RFC 6238).

use jiff::Timestamp;
use totp_rs::{Builder, Secret, Totp};

/// An authenticator app with one key.
#[derive(Debug)]
pub struct App(Totp);

impl App {
    /// Reads the key from the output of `totp enrol` or from an `otpauth:` link. Returns `None` if
    /// the text has no complete key.
    pub fn scan(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once("secret=")?;
        let secret = Secret::try_from_base32(rest.get(..32)?).unwrap();
        Some(Self(Builder::new().with_secret(secret).build().unwrap()))
    }

    /// Returns the code that the app shows `periods` times 30 seconds from now.
    pub fn code(&self, periods: i64) -> String {
        let second = Timestamp::now().as_second() + 30 * periods;
        self.0.generate(second.unsigned_abs()).to_string()
    }
}
