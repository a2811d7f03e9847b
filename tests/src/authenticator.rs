//! An authenticator app.

use jiff::Timestamp;
use totp_rs::{Builder, Secret, Totp};

/// An authenticator app, as a phone has it.
#[derive(Debug)]
pub struct App(Totp);

impl App {
    /// Reads the key out of what `totp enrol` shows, or out of its link.
    pub fn scan(transcript: &str) -> Self {
        let (_, rest) = transcript
            .split_once("secret=")
            .unwrap_or_else(|| panic!("{transcript}"));
        let secret = Secret::try_from_base32(&rest[..32]).unwrap();
        Self(Builder::new().with_secret(secret).build().unwrap())
    }

    /// The code that the app will show so many half-minutes later.
    pub fn code(&self, later: i64) -> String {
        let second = Timestamp::now().as_second() + 30 * later;
        self.0.generate(second.unsigned_abs()).to_string()
    }
}
