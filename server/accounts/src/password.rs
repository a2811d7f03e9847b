//! Passwords as argon2id, hashed and checked where nobody else has to wait.

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

/// Hashes at work at once; whoever comes next waits, so that sign-ins cannot eat the machine.
pub const SLOTS: usize = 2;

static HASH_PERMITS: Semaphore = Semaphore::const_new(SLOTS);

/// The hash of a password that nobody has, for accounts without one and names without an account.
static DECOY_HASH: LazyLock<String> = LazyLock::new(|| hash_blocking(""));

/// The hash of `password` in PHC form.
pub async fn hash(password: String) -> String {
    run_hash(move || hash_blocking(&password)).await
}

/// A password as it is kept: what PLAIN and what SCRAM check it against.
#[derive(Clone)]
pub struct StoredPassword {
    /// In PHC form.
    pub hash: String,
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

/// What SCRAM checks `password` against.
pub async fn scram_keys(password: String) -> ScramKeys {
    run_hash(move || scram::keys_of(&password)).await
}

/// Whether `password` is the one behind `hash`; without a hash, takes the same time and says no.
pub async fn verify(password: String, hash: Option<String>) -> bool {
    run_hash(move || verify_blocking(&password, hash.as_deref())).await
}

/// The hash of `password` in PHC form; keeps the thread busy for some ten milliseconds.
pub fn hash_blocking(password: &str) -> String {
    argon2id()
        .hash_password(password.as_bytes())
        .expect("argon2id takes any password that fits in memory, and the system gives a salt")
        .to_string()
}

fn verify_blocking(password: &str, hash: Option<&str>) -> bool {
    let known = hash.is_some();
    match PasswordHash::new(hash.unwrap_or(&DECOY_HASH)) {
        // The hash's own parameters count, so that older hashes stay good when ours are raised.
        Ok(parsed) => {
            argon2id()
                .verify_password(password.as_bytes(), &parsed)
                .is_ok()
                && known
        }
        Err(error) => {
            tracing::error!(%error, "a password hash in the record cannot be read, so it opens nothing");
            false
        }
    }
}

fn argon2id() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("the parameters are in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Returns the permits of which every hash holds one while it runs. Whoever holds all of them
/// delays every hash.
pub fn hash_permits() -> &'static Semaphore {
    &HASH_PERMITS
}

async fn run_hash<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> T {
    let slot = HASH_PERMITS
        .acquire()
        .await
        .expect("the slots are never closed");
    tokio::task::spawn_blocking(move || {
        // Held by the work, not by whoever waits for it: a client that goes away frees no slot
        // early.
        let _slot = slot;
        job()
    })
    .await
    .expect("hashing does not panic")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_opens_its_own_hash_only() {
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
    async fn nothing_opens_an_account_without_a_hash() {
        assert!(
            !verify(String::new(), None).await,
            "not even the password behind the stand-in"
        );
        assert!(!verify("anything".to_owned(), None).await);
        assert!(!verify("anything".to_owned(), Some("not a hash".to_owned())).await);
    }
}
