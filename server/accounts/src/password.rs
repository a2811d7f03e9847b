//! Passwords: their preparation, and their hashing (argon2id) in a bounded number of slots.
//!
//! Every password, of accounts and of admins, is a [`Password`] before it is hashed or derived
//! from, so that what a person types is compared in one form, however the keyboard encodes it.

use std::collections::TryReserveError;
use std::sync::OnceLock;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Params, Version};

use precis_profiles::OpaqueString;
use precis_profiles::precis_core::profile::PrecisFastInvocation as _;
use precis_profiles::precis_core::{CodepointInfo, Error, UnexpectedError};

use super::hash_slots::{HashMemory, HashQueue, HashSlots};
use super::scram;
use super::verifier_key::VerifierKey;
use rookery_base::secret::Secret;
use rookery_protocol::AccountName;
use rookery_record::ScramVerifier;

/// 19 MiB, two passes, one lane: OWASP's recommendation for argon2id.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// The slots for passwords and codes of the chat. Further hashes wait, so that sign-ins cannot
/// exhaust the machine.
pub static CHAT_SLOTS: HashSlots = HashSlots::new(2);
/// The queue for them.
pub static CHAT_QUEUE: HashQueue = HashQueue::of(&CHAT_SLOTS);
/// The slot for passwords of admins, which never waits for the chat.
pub static CONTROL_SLOTS: HashSlots = HashSlots::new(1);
/// The queue of those who have shown that they are admins, by a session or the token of a device.
pub static OPERATORS_QUEUE: HashQueue = HashQueue::of(&CONTROL_SLOTS);
/// The queue of those on networks from which an admin has signed in.
pub static KNOWN_NETWORKS_QUEUE: HashQueue = HashQueue::of(&CONTROL_SLOTS);
/// The queue of everyone else who tries to sign in to the control plane.
pub static STRANGERS_QUEUE: HashQueue = HashQueue::of(&CONTROL_SLOTS);

/// A password in the form that is hashed, prepared by the profile `OpaqueString` (RFC 8265 §4.2):
/// in Unicode's normalization form C, with only the ordinary space, and without characters that
/// cannot be typed reliably.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Password(Secret);

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
            return Ok(Self(Secret::from("")));
        }
        let prepared = OpaqueString::enforce(typed)?;
        Ok(Self(Secret::new(prepared.into_owned())))
    }

    /// Returns a secret that the server has generated from ASCII letters, digits and dashes, which
    /// preparation would not change.
    pub fn generated(secret: String) -> Self {
        Self(Secret::new(secret))
    }

    /// Returns the prepared text.
    pub fn as_str(&self) -> &str {
        self.0.expose()
    }
}

/// Allocates what all slots need, so that no later lack of memory ends the process when a password
/// is hashed. The memory is not used before.
///
/// # Errors
/// If there is too little memory.
pub fn reserve_memory() -> Result<(), TryReserveError> {
    let blocks = params().block_count();
    CHAT_SLOTS.reserve(blocks)?;
    CONTROL_SLOTS.reserve(blocks)
}

fn params() -> Params {
    Params::new(MEMORY_KIB, PASSES, LANES, None).expect("the parameters are in range")
}

/// Hashes `password` when it is its turn in `queue`. Returns the hash in PHC form.
pub async fn hash(queue: &HashQueue, password: Password) -> String {
    queue.run(move |memory| hash_in(memory, &password)).await
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
        let (hash, keys) = CHAT_QUEUE
            .run(move |memory| (hash_in(memory, &password), scram::keys_of(&password)))
            .await;
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
    let keys = CHAT_QUEUE.run(move |_| scram::keys_of(&password)).await;
    key.encrypt(account, &keys)
}

/// Returns whether the password as typed matches `hash`. Without a hash, or with a password that
/// cannot be prepared and thus was never set, it takes the same time and returns false.
pub async fn verify(queue: &HashQueue, typed: Secret, hash: Option<String>) -> bool {
    queue
        .run(move |memory| match Password::prepare(typed.expose()) {
            Ok(password) => verify_in(memory, &password, hash.as_deref()),
            Err(_) => verify_in(memory, &Password(typed), None),
        })
        .await
}

/// Hashes `password` on the calling thread, for tens of milliseconds. Returns the hash in PHC form.
pub fn hash_blocking(password: &Password) -> String {
    hash_in(&mut HashMemory::default(), password)
}

fn hash_in(memory: &mut HashMemory, password: &Password) -> String {
    let params = params();
    let salt = Salt::generate();
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    memory
        .hash(&argon2, password.as_str().as_bytes(), &salt, &mut output)
        .expect("argon2id accepts any password that fits in memory");
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params).expect("the parameters have a text form"),
        salt: Some(salt),
        hash: Some(Output::new(&output).expect("the length is in range")),
    };
    hash.to_string()
}

fn verify_in(memory: &mut HashMemory, password: &Password, hash: Option<&str>) -> bool {
    /// Verified in place of a missing hash, so that accounts without a password and names without
    /// an account take the same time. No password is accepted for it.
    static DECOY_HASH: OnceLock<String> = OnceLock::new();
    let known = hash.is_some();
    let hash = hash.unwrap_or_else(|| {
        DECOY_HASH.get_or_init(|| hash_in(memory, &Password::generated(String::new())))
    });
    match matches(memory, password, hash) {
        Ok(matches) => matches && known,
        Err(error) => {
            tracing::error!(%error, "a stored password hash is malformed and matches nothing");
            false
        }
    }
}

/// Returns whether the password matches the hash, compared in constant time. The parameters are
/// taken from the hash, so that old hashes stay valid when they are raised.
fn matches(
    memory: &mut HashMemory,
    password: &Password,
    hash: &str,
) -> argon2::password_hash::Result<bool> {
    use argon2::password_hash::Error;
    let parsed = PasswordHash::new(hash).map_err(|_| Error::EncodingInvalid)?;
    let (Some(salt), Some(expected)) = (parsed.salt, parsed.hash) else {
        return Err(Error::EncodingInvalid);
    };
    let version = parsed
        .version
        .map_or(Ok(Version::V0x13), Version::try_from)?;
    let argon2 = Argon2::new(
        Algorithm::try_from(parsed.algorithm.as_str())?,
        version,
        Params::try_from(&parsed)?,
    );
    let mut output = [0; Output::MAX_LENGTH];
    let output = &mut output[..expected.len()];
    memory.hash(&argon2, password.0.expose().as_bytes(), &salt, output)?;
    let computed = Output::new(output).map_err(|_| Error::OutputSize)?;
    Ok(computed == expected)
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
        let stored = hash(&CHAT_QUEUE, Password::prepare(decomposed).unwrap()).await;
        for typed in [composed, decomposed, other_spaces] {
            let matches = verify(&CHAT_QUEUE, Secret::from(typed), Some(stored.clone())).await;
            assert!(matches, "{typed:?}");
        }
        let without_accents = Secret::from("une cle a molette");
        assert!(!verify(&CHAT_QUEUE, without_accents, Some(stored)).await);
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
        let stored = hash(&CHAT_QUEUE, Password::generated(typed.to_owned())).await;
        assert!(!verify(&CHAT_QUEUE, Secret::from(typed), Some(stored)).await);
    }

    #[tokio::test]
    async fn a_password_matches_its_own_hash_only() {
        let stored = hash(&CHAT_QUEUE, Password::prepare("correct horse").unwrap()).await;
        assert!(
            stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{stored}"
        );
        assert!(
            verify(
                &CHAT_QUEUE,
                Secret::from("correct horse"),
                Some(stored.clone())
            )
            .await
        );
        assert!(
            !verify(
                &CHAT_QUEUE,
                Secret::from("correct horsf"),
                Some(stored.clone())
            )
            .await
        );
        assert_ne!(
            stored,
            hash_blocking(&Password::prepare("correct horse").unwrap()),
            "each hash has a salt of its own"
        );
    }

    #[tokio::test]
    async fn no_password_matches_a_missing_hash() {
        assert!(
            !verify(&CHAT_QUEUE, Secret::from(""), None).await,
            "not even the password of the decoy hash"
        );
        assert!(!verify(&CHAT_QUEUE, Secret::from("anything"), None).await);
        assert!(
            !verify(
                &CHAT_QUEUE,
                Secret::from("anything"),
                Some("not a hash".to_owned())
            )
            .await
        );
    }
}
