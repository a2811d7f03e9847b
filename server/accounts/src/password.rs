//! Passwords: their preparation, and their hashing (argon2id) on threads of its own, a bounded
//! number at a time.
//!
//! Every password, of accounts and of admins, is a [`Password`] before it is hashed or derived
//! from, so that what a person types is compared in one form, however the keyboard encodes it.

use std::fmt;
use std::sync::LazyLock;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use precis_profiles::OpaqueString;
use precis_profiles::precis_core::profile::PrecisFastInvocation as _;
use precis_profiles::precis_core::{CodepointInfo, Error, UnexpectedError};

use super::scram;
use super::verifier_key::VerifierKey;
use rookery_protocol::AccountName;
use rookery_record::ScramVerifier;

/// 19 MiB, two passes, one lane: OWASP's recommendation for argon2id.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// The number of hashes computed at once. Others wait, so that sign-ins cannot exhaust the machine.
pub const SLOTS: usize = 2;

static HASH_PERMITS: Semaphore = Semaphore::const_new(SLOTS);

/// Verified in place of a missing hash, so that accounts without a password and names without an
/// account take the same time. No password is accepted for it.
static DECOY_HASH: LazyLock<String> =
    LazyLock::new(|| hash_blocking(&Password::generated(String::new())));

/// A password in the form that is hashed, prepared by the profile `OpaqueString` (RFC 8265 §4.2):
/// in Unicode's normalization form C, with only the ordinary space, and without characters that
/// cannot be typed reliably.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

/// The reason why a password cannot be prepared. The messages are shown to the person who chose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPassword {
    /// It contains a character that the profile disallows.
    #[error("A password cannot contain the character U+{0:04X}")]
    Character(u32),
    /// It contains a character that is allowed only between others, such as a joiner.
    #[error("A password cannot begin or end with an invisible character that joins others")]
    Joiner,
}

impl From<Error> for BadPassword {
    fn from(error: Error) -> Self {
        match error {
            Error::BadCodepoint(CodepointInfo { cp, .. })
            | Error::Unexpected(
                UnexpectedError::ContextRuleNotApplicable(CodepointInfo { cp, .. })
                | UnexpectedError::MissingContextRule(CodepointInfo { cp, .. }),
            ) => Self::Character(cp),
            Error::Unexpected(
                UnexpectedError::ProfileRuleNotApplicable | UnexpectedError::Undefined,
            )
            | Error::Invalid => Self::Joiner,
        }
    }
}

impl Password {
    /// Prepares a password as typed. One that is empty is left to the rules about length.
    ///
    /// # Errors
    /// If it contains a character that the profile disallows.
    pub fn prepare(typed: &str) -> Result<Self, BadPassword> {
        if typed.is_empty() {
            return Ok(Self(String::new()));
        }
        Ok(Self(OpaqueString::enforce(typed)?.into_owned()))
    }

    /// Returns a secret that the server has generated from ASCII letters, digits and dashes, which
    /// preparation would not change.
    pub fn generated(secret: String) -> Self {
        Self(secret)
    }

    /// Returns the prepared text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Password").finish_non_exhaustive()
    }
}

/// Hashes `password`. Returns the hash in PHC form.
pub async fn hash(password: Password) -> String {
    run_hash(move || hash_blocking(&password)).await
}

/// What is stored of a password, for SASL `PLAIN` and for SCRAM.
#[derive(Clone)]
pub struct StoredPassword {
    /// The argon2id hash in PHC form.
    pub hash: String,
    /// The SCRAM verifier.
    pub scram: ScramVerifier,
}

impl StoredPassword {
    /// Derives what is stored for the password of `account`.
    pub async fn derive(key: &VerifierKey, account: &AccountName, password: Password) -> Self {
        let (hash, keys) =
            run_hash(move || (hash_blocking(&password), scram::keys_of(&password))).await;
        Self {
            hash,
            scram: key.encrypt(account, &keys),
        }
    }
}

/// Derives the SCRAM verifier of the password of `account`.
pub(crate) async fn scram_verifier(
    key: &VerifierKey,
    account: &AccountName,
    password: Password,
) -> ScramVerifier {
    let keys = run_hash(move || scram::keys_of(&password)).await;
    key.encrypt(account, &keys)
}

/// Returns whether the password as typed matches `hash`. Without a hash, or with a password that
/// cannot be prepared and thus was never set, it takes the same time and returns false.
pub async fn verify(typed: String, hash: Option<String>) -> bool {
    run_hash(move || match Password::prepare(&typed) {
        Ok(password) => verify_blocking(&password, hash.as_deref()),
        Err(_) => verify_blocking(&Password::generated(typed), None),
    })
    .await
}

/// Hashes `password` on the calling thread, for tens of milliseconds. Returns the hash in PHC form.
pub fn hash_blocking(password: &Password) -> String {
    argon2id()
        .hash_password(password.0.as_bytes())
        .expect("argon2id accepts any password that fits in memory, and the system provides a salt")
        .to_string()
}

fn verify_blocking(password: &Password, hash: Option<&str>) -> bool {
    let known = hash.is_some();
    match PasswordHash::new(hash.unwrap_or(&DECOY_HASH)) {
        // The parameters are taken from the hash, so that old hashes stay valid when they are
        // raised.
        Ok(parsed) => {
            argon2id()
                .verify_password(password.0.as_bytes(), &parsed)
                .is_ok()
                && known
        }
        Err(error) => {
            tracing::error!(%error, "a stored password hash is malformed and matches nothing");
            false
        }
    }
}

fn argon2id() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("the parameters are in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Returns the semaphore of which every hash holds a permit while it runs. A test that holds all
/// permits delays every hash.
pub fn hash_permits() -> &'static Semaphore {
    &HASH_PERMITS
}

async fn run_hash<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> T {
    let permit = HASH_PERMITS
        .acquire()
        .await
        .expect("the semaphore is never closed");
    tokio::task::spawn_blocking(move || {
        // Held by the hash and not by the caller: a client that disconnects frees no permit early.
        let _permit = permit;
        job()
    })
    .await
    .expect("hashing does not panic")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_the_same_in_every_encoding_of_its_characters() {
        let composed = "une cl\u{e9} \u{e0} molette";
        let decomposed = "une cle\u{301} a\u{300} molette";
        let other_spaces = "une\u{a0}cl\u{e9}\u{2003}\u{e0}\u{3000}molette";
        let stored = hash(Password::prepare(decomposed).unwrap()).await;
        for typed in [composed, decomposed, other_spaces] {
            let matches = verify(typed.to_owned(), Some(stored.clone())).await;
            assert!(matches, "{typed:?}");
        }
        let without_accents = "une cle a molette".to_owned();
        assert!(!verify(without_accents, Some(stored)).await);
    }

    #[test]
    fn a_password_that_cannot_be_typed_reliably_is_refused_with_the_reason() {
        for (typed, reason) in [
            ("bell\u{7}", "U+0007"),
            ("tab\there", "U+0009"),
            ("soft\u{ad}hyphen", "U+00AD"),
            ("bidi\u{202e}", "U+202E"),
            ("unassigned\u{378}", "U+0378"),
            ("joiner a\u{200d}b", "U+200D"),
            ("\u{200d}joiner", "joins others"),
        ] {
            let error = Password::prepare(typed).unwrap_err().to_string();
            assert!(error.contains(reason), "{typed:?}: {error}");
        }
        for good in [
            "",
            " four  spaces ",
            "Пароль 密码 \u{1f426}",
            "100% & = ; : \\",
        ] {
            assert_eq!(Password::prepare(good).unwrap().as_str(), good);
        }
    }

    #[tokio::test]
    async fn a_password_that_cannot_be_prepared_matches_nothing() {
        let typed = "bell\u{7}";
        let stored = hash(Password::generated(typed.to_owned())).await;
        assert!(!verify(typed.to_owned(), Some(stored)).await);
    }

    #[tokio::test]
    async fn a_password_matches_its_own_hash_only() {
        let stored = hash(Password::prepare("correct horse").unwrap()).await;
        assert!(
            stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{stored}"
        );
        assert!(verify("correct horse".to_owned(), Some(stored.clone())).await);
        assert!(!verify("correct horsf".to_owned(), Some(stored.clone())).await);
        assert_ne!(
            stored,
            hash_blocking(&Password::prepare("correct horse").unwrap()),
            "each hash has a salt of its own"
        );
    }

    #[tokio::test]
    async fn no_password_matches_a_missing_hash() {
        assert!(
            !verify(String::new(), None).await,
            "not even the password of the decoy hash"
        );
        assert!(!verify("anything".to_owned(), None).await);
        assert!(!verify("anything".to_owned(), Some("not a hash".to_owned())).await);
    }
}
