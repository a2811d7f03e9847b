//! Password hashing (argon2id) on threads of its own, a bounded number at a time.

use std::sync::LazyLock;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use super::scram;
use rookery_record::ScramKeys;

/// 19 MiB, two passes, one lane: OWASP's recommendation for argon2id.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// The number of hashes computed at once. Others wait, so that sign-ins cannot exhaust the machine.
pub const SLOTS: usize = 2;

static HASH_PERMITS: Semaphore = Semaphore::const_new(SLOTS);

/// Verified in place of a missing hash, so that accounts without a password and names without an
/// account take the same time. No password is accepted for it.
static DECOY_HASH: LazyLock<String> = LazyLock::new(|| hash_blocking(""));

/// Hashes `password`. Returns the hash in PHC form.
pub async fn hash(password: String) -> String {
    run_hash(move || hash_blocking(&password)).await
}

/// What is stored of a password, for SASL `PLAIN` and for SCRAM.
#[derive(Clone)]
pub struct StoredPassword {
    /// The argon2id hash in PHC form.
    pub hash: String,
    /// The SCRAM keys.
    pub scram: ScramKeys,
}

impl StoredPassword {
    /// Derives what is stored for `password`.
    pub async fn derive(password: String) -> Self {
        run_hash(move || Self {
            hash: hash_blocking(&password),
            scram: scram::keys_of(&password),
        })
        .await
    }
}

/// Derives the SCRAM keys of `password`.
pub async fn scram_keys(password: String) -> ScramKeys {
    run_hash(move || scram::keys_of(&password)).await
}

/// Returns whether `password` matches `hash`. Without a hash it takes the same time and returns
/// false.
pub async fn verify(password: String, hash: Option<String>) -> bool {
    run_hash(move || verify_blocking(&password, hash.as_deref())).await
}

/// Hashes `password` on the calling thread, for tens of milliseconds. Returns the hash in PHC form.
pub fn hash_blocking(password: &str) -> String {
    argon2id()
        .hash_password(password.as_bytes())
        .expect("argon2id accepts any password that fits in memory, and the system provides a salt")
        .to_string()
}

fn verify_blocking(password: &str, hash: Option<&str>) -> bool {
    let known = hash.is_some();
    match PasswordHash::new(hash.unwrap_or(&DECOY_HASH)) {
        // The parameters are taken from the hash, so that old hashes stay valid when they are
        // raised.
        Ok(parsed) => {
            argon2id()
                .verify_password(password.as_bytes(), &parsed)
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
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_matches_its_own_hash_only() {
        let stored = StoredPassword::derive("correct horse".to_owned())
            .await
            .hash;
        assert!(
            stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{stored}"
        );
        assert!(verify("correct horse".to_owned(), Some(stored.clone())).await);
        assert!(!verify("correct horsf".to_owned(), Some(stored.clone())).await);
        assert_ne!(
            stored,
            hash_blocking("correct horse"),
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
