//! The most recent refused sign-ins of a port, which operators can list.
//!
//! They are in memory only and lost at a restart. What must persist is in the audit trail.

use std::collections::VecDeque;
use std::net::SocketAddr;

use jiff::Timestamp;
use parking_lot::Mutex;
use rookery_control_api::{Port, RefusedSignIn};

/// The number of sign-ins that are stored. When it is reached, a new one replaces the oldest.
const CAPACITY: usize = 20;
/// The maximum length in characters of a stored name or reason. Any email address fits, and so does
/// the reason of a ban.
const MAX_TEXT: usize = 254;

/// The most recent refused sign-ins of one port.
pub struct RecentRefusals {
    port: Port,
    /// Newest first.
    refusals: Mutex<VecDeque<RefusedSignIn>>,
}

impl RecentRefusals {
    /// Creates an empty list for `port`.
    pub fn new(port: Port) -> Self {
        Self {
            port,
            refusals: Mutex::default(),
        }
    }

    /// Adds a refused sign-in: the name that the client claimed, its address, and the reason.
    pub fn add(&self, at: Timestamp, name: &str, address: SocketAddr, reason: &str) {
        let clip = |text: &str| text.chars().take(MAX_TEXT).collect();
        let refusal = RefusedSignIn {
            at,
            port: self.port,
            name: clip(name),
            address: address.to_string(),
            reason: clip(reason),
        };
        let mut refusals = self.refusals.lock();
        refusals.truncate(CAPACITY - 1);
        refusals.push_front(refusal);
    }

    /// Returns the stored sign-ins, newest first.
    pub fn list(&self) -> Vec<RefusedSignIn> {
        self.refusals.lock().iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_refusals_are_stored_and_long_texts_are_clipped() {
        let refusals = RecentRefusals::new(Port::Chat);
        let address = SocketAddr::from(([192, 0, 2, 1], 1000));
        for number in 0..100 {
            refusals.add(
                Timestamp::UNIX_EPOCH,
                &format!("{number} {}", "ü".repeat(5000)),
                address,
                "wrong",
            );
        }
        let list = refusals.list();
        assert_eq!(list.len(), CAPACITY);
        assert!(list[0].name.starts_with("99 ü") && list[CAPACITY - 1].name.starts_with("80 ü"));
        assert!(
            list.iter()
                .all(|refused| refused.name.chars().count() == MAX_TEXT)
        );
    }
}
