//! The device credential: a random secret that `rook` stores for one device in place of a password.

use std::fmt;

use data_encoding::HEXLOWER;

const PREFIX: &str = "rkd1_";
const RANDOM_BYTES: usize = 32;

/// A secret of 256 random bits, written as `rkd1_` and 64 hexadecimal digits.
///
/// The prefix lets the server distinguish a credential from a password that a person chose. A
/// credential cannot be guessed, so a fast hash is enough to store it safely.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceCredential(String);

impl DeviceCredential {
    /// Makes a credential from random bytes.
    pub fn from_random(bytes: [u8; RANDOM_BYTES]) -> Self {
        Self(format!("{PREFIX}{}", HEXLOWER.encode(&bytes)))
    }

    /// Parses a credential. Returns `None` if the text has any other form.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        let bytes = HEXLOWER.decode(digits.as_bytes()).ok()?;
        (bytes.len() == RANDOM_BYTES).then(|| Self(text.to_owned()))
    }

    /// Returns the secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Hides the secret, so that it cannot end up in a log.
impl fmt::Debug for DeviceCredential {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("DeviceCredential(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_its_own_form_and_no_other() {
        let credential = DeviceCredential::from_random([0xab; 32]);
        assert_eq!(
            DeviceCredential::parse(credential.expose()),
            Some(credential.clone())
        );
        assert_eq!(DeviceCredential::parse("hunter2"), None);
        assert_eq!(DeviceCredential::parse(&credential.expose()[..20]), None);
        assert_eq!(
            DeviceCredential::parse(&credential.expose()[..credential.expose().len() - 2]),
            None
        );
        assert_eq!(
            DeviceCredential::parse(&credential.expose().to_uppercase()),
            None
        );
        assert!(!format!("{credential:?}").contains("abab"));
    }
}
