//! The device credential: a random secret that `rook` keeps for one device instead of a password.

use std::fmt;

const PREFIX: &str = "rkd1_";
const LENGTH: usize = PREFIX.len() + 64;

/// 256 random bits in a form of its own (`rkd1_` and 64 hexadecimal digits), so that the server can
/// tell it from a password a person chose: it is stored as a plain hash and needs no slow one.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceCredential(String);

impl DeviceCredential {
    /// Makes the credential of 32 random bytes.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        use fmt::Write as _;
        let mut text = String::with_capacity(LENGTH);
        text.push_str(PREFIX);
        for byte in bytes {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }

    /// Reads a credential; `None` for anything of another form.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        let well_formed = text.len() == LENGTH
            && digits
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        well_formed.then(|| Self(text.to_owned()))
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DeviceCredential {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("DeviceCredential(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_its_own_form_and_no_other() {
        let credential = DeviceCredential::from_random([0xab; 32]);
        assert_eq!(
            DeviceCredential::parse(credential.expose()),
            Some(credential.clone())
        );
        assert_eq!(DeviceCredential::parse("hunter2"), None);
        assert_eq!(DeviceCredential::parse(&credential.expose()[..20]), None);
        assert_eq!(
            DeviceCredential::parse(&credential.expose().to_uppercase()),
            None
        );
        assert!(!format!("{credential:?}").contains("abab"));
    }
}
