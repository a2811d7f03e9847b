//! The harness of the end-to-end tests: it starts the real binaries in temporary folders, and has
//! clients for every port and program.
//!
//! Functions that wait panic if what they wait for does not happen before [`DEADLINE`], and show
//! what happened instead.
#![allow(clippy::unwrap_used, missing_docs)]

pub mod admin;
pub mod authenticator;
pub mod control;
pub mod database;
pub mod irc;
pub mod mailbox;
pub mod metrics;
pub mod process;
pub mod programs;
pub mod rook;
pub mod screen;
pub mod server;
pub mod tls;

use std::time::Duration;

/// How long a test waits before it fails. Long enough that a busy machine fails no test.
pub const DEADLINE: Duration = Duration::from_secs(20);
/// How often a test polls something that sends no notification, such as a file or a database.
pub const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Polls until `poll` returns a value. At the deadline, panics with the description.
pub async fn wait_for<T>(description: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let start = std::time::Instant::now();
    loop {
        if let Some(found) = poll() {
            return found;
        }
        assert!(
            start.elapsed() < DEADLINE,
            "waited too long for {description}"
        );
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
