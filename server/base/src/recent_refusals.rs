//! The sign-ins that were refused last, kept for operators who look later.

use std::collections::VecDeque;
use std::net::SocketAddr;

use jiff::Timestamp;
use parking_lot::Mutex;
use rookery_control_api::{Port, RefusedSignIn};

/// How many are kept; older ones give way.
pub const KEPT: usize = 20;
/// The most characters of a name or a reason that are kept: an email fits, and the reason of a ban.
const LONGEST: usize = 254;

/// Those of one port.
pub struct RecentRefusals {
    port: Port,
    /// The newest first.
    last: Mutex<VecDeque<RefusedSignIn>>,
}

impl RecentRefusals {
    /// None so far.
    pub fn at(port: Port) -> Self {
        Self {
            port,
            last: Mutex::default(),
        }
    }

    /// Someone who claimed that name was not let in.
    pub fn add(&self, at: Timestamp, name: &str, address: SocketAddr, why: &str) {
        let clip = |text: &str| text.chars().take(LONGEST).collect();
        let (port, name, address, why) = (self.port, clip(name), address.to_string(), clip(why));
        let mut last = self.last.lock();
        last.truncate(KEPT - 1);
        last.push_front(RefusedSignIn {
            at,
            port,
            name,
            address,
            reason: why,
        });
    }

    /// All that are kept, the newest first.
    pub fn last(&self) -> Vec<RefusedSignIn> {
        self.last.lock().iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept_and_nothing_is_long() {
        let refusals = RecentRefusals::at(Port::Chat);
        let address = SocketAddr::from(([192, 0, 2, 1], 1000));
        for number in 0..100 {
            refusals.add(
                Timestamp::UNIX_EPOCH,
                &format!("{number} {}", "ü".repeat(5000)),
                address,
                "wrong",
            );
        }
        let last = refusals.last();
        assert_eq!(last.len(), KEPT);
        assert!(last[0].name.starts_with("99 ü") && last[KEPT - 1].name.starts_with("80 ü"));
        assert!(
            last.iter()
                .all(|refused| refused.name.chars().count() == LONGEST)
        );
    }
}
