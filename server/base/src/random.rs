//! Random bytes for codes, tokens and ids.

/// Returns `N` bytes from the operating system's random source.
///
/// # Panics
///
/// If the system has no random source: no secret could be made then, and nothing is safe to do.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has a random source");
    bytes
}
