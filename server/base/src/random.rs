//! Random bytes for codes, tokens and ids.

/// Returns `N` bytes from the operating system's random source.
///
/// # Panics
///
/// Panics if the system has no random source, since the server could then create no secret.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has a random source");
    bytes
}
