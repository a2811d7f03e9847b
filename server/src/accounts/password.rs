//! Passwords as argon2id, hashed and checked where nobody else has to wait.

/// The hash of `password` in PHC form.
pub async fn hash(_password: String) -> String {
    unimplemented!()
}

/// Whether `password` is the one behind `hash`; without a hash, takes the same time and says no.
pub async fn verify(_password: String, _hash: Option<String>) -> bool {
    unimplemented!()
}
