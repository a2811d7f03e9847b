//! Requests that are recognised when they arrive again.

/// The header by which the server recognises a request that it has carried out already.
pub const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// The paths of which the server ignores an [`IDEMPOTENCY_KEY`]: nothing is remembered of a request
/// with a password, and a sign-in has no session yet to which a key could belong.
pub const PATHS_WITHOUT_KEY: [&str; 3] = ["/v1/login", "/v1/login/verify", "/v1/password"];

/// Whether the server ignores an [`IDEMPOTENCY_KEY`] of a request with this path.
pub fn ignores_idempotency_key(path: &str) -> bool {
    PATHS_WITHOUT_KEY.contains(&path)
}
