//! Passwords as argon2id, hashed and checked where nobody else has to wait.

use argon2::password_hash::PasswordHasher as _;
use argon2::{Algorithm, Argon2, Params, Version};

/// What a hash costs: OWASP's first choice for Argon2id, 19 MiB and two passes over them.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// The hash of `password` in PHC form.
pub async fn hash(_password: String) -> String {
    unimplemented!()
}

/// Whether `password` is the one behind `hash`; without a hash, takes the same time and says no.
pub async fn verify(_password: String, _hash: Option<String>) -> bool {
    unimplemented!()
}

/// The hash of `password` in PHC form, under a salt of its own. Takes tens of milliseconds of the calling thread.
pub fn hash_blocking(password: &str) -> String {
    let params =
        Params::new(MEMORY_KIB, PASSES, LANES, None).expect("these parameters are within Argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password(password.as_bytes())
        .expect("the system gives random bytes, and no password reaches Argon2's bound of 4 GiB")
        .to_string()
}
