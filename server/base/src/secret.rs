//! Texts that prove who someone is. They must not appear in a log, nor stay in memory.

use std::fmt;

use zeroize::Zeroizing;

/// A password, a code or another secret text. Its memory is overwritten when it is dropped.
///
/// It cannot be changed, because a text that grows leaves a copy where it was before.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over, without a copy of it.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Returns the text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Secret").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_takes_its_text_over_and_is_not_printed() {
        /// A type that is not overwritten on drop would not compile.
        fn is_overwritten(_: &impl zeroize::ZeroizeOnDrop) {}

        let text = String::from("correct horse");
        let address = text.as_ptr();
        let secret = Secret::new(text);
        assert_eq!(
            secret.expose().as_ptr(),
            address,
            "a copy would be left behind"
        );
        assert_eq!(format!("{secret:?}"), "Secret { .. }");
        is_overwritten(&secret.0);
    }
}
