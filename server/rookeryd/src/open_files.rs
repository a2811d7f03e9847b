//! The number of files that the process may have open. Each connection is one, so a limit that is
//! too low must not let the chat use up what the control plane and the database need.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How many open files the chat leaves for everything else: the connections to the control port,
/// the database, mails. If the process may have few files open, half of them.
const RESERVED: u64 = 1024;

/// Raises the limit as far as the system permits. Returns how many connections to the chat it has
/// room for; `None` means any number.
pub fn connection_capacity() -> Option<usize> {
    let before = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: before.maximum,
        ..before
    };
    // If the limit stays as it is, there is room for fewer connections.
    let _ = setrlimit(Resource::Nofile, raised);
    capacity(getrlimit(Resource::Nofile).current?)
}

fn capacity(limit: u64) -> Option<usize> {
    usize::try_from(limit - RESERVED.min(limit / 2)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chat_leaves_open_files_for_the_rest() {
        assert_eq!(capacity(1_048_576), Some(1_047_552));
        assert_eq!(capacity(1024), Some(512));
        assert_eq!(capacity(u64::MAX), Some(usize::MAX - 1024));
    }

    #[test]
    fn the_limit_is_raised_to_what_the_system_permits() {
        let maximum = getrlimit(Resource::Nofile).maximum;
        assert_eq!(connection_capacity(), maximum.and_then(capacity));
    }
}
