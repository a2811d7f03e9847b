//! What the end-to-end tests stand on: the real binaries in temporary folders, and clients to talk
//! to them.
//!
//! Everything here panics when what it waits for does not come: a test has no better answer.
#![allow(clippy::unwrap_used, missing_docs)]

pub mod admin;
pub mod authenticator;
pub mod control;
pub mod irc;
pub mod mailbox;
pub mod process;
pub mod programs;
pub mod record;
pub mod rook;
pub mod screen;
pub mod server;
pub mod tls;

use std::time::Duration;

/// How long anything may take before a test gives up. Ample, so that a busy machine fails no test.
pub const DEADLINE: Duration = Duration::from_secs(20);
/// How often a state is looked at that nobody can be told of (a file, a database).
pub const GLANCE: Duration = Duration::from_millis(10);

/// Looks again and again until there is something; panics at the deadline, with what was waited
/// for.
pub async fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = std::time::Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "waited too long for {what}");
        tokio::time::sleep(GLANCE).await;
    }
}
