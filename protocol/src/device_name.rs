//! The name of a device: how a client that signs in with a password distinguishes itself from the
//! account's other clients.

use std::fmt;
use std::sync::Arc;

/// The maximum length of a name in bytes.
const MAX_LENGTH: usize = 32;

/// The name of a device, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceName(Arc<str>);

/// The error for a text that cannot name a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a device name has 1 to 32 of the characters A-Z a-z 0-9 . _ -")]
pub struct InvalidDeviceName;

impl DeviceName {
    /// Checks and folds `text`.
    pub fn parse(text: &str) -> Result<Self, InvalidDeviceName> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if (1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(is_allowed) {
            Ok(Self(text.to_ascii_lowercase().into()))
        } else {
            Err(InvalidDeviceName)
        }
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_plain_and_folded() {
        assert_eq!(
            DeviceName::parse("My.Phone_2-b").unwrap().as_str(),
            "my.phone_2-b"
        );
        assert!(DeviceName::parse(&"x".repeat(32)).is_ok());
        for bad in ["", &"x".repeat(33), "a b", "a/b", "a:b", "a@b", "é", "a\0"] {
            assert_eq!(DeviceName::parse(bad), Err(InvalidDeviceName), "{bad:?}");
        }
    }
}
