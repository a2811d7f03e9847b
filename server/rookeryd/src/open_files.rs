//! The number of files that the process may have open. Each connection is one, so a limit that is
//! too low must not let the chat use up what the control plane and the database need.

use anyhow::{Result, ensure};
use rustix::io;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The lowest limit with which the server starts. Of these files, strangers can hold 832 by their
/// connections to the control port and 320 by those to the chat, of which 64 wait for a place.
const LEAST: u64 = 1280;
/// The most that macOS permits (`OPEN_MAX`), where the default limit is too low to start with and
/// can be raised, but not to its maximum, which is infinite.
const MOST_ON_MACOS: u64 = 10_240;
/// How many open files the chat leaves for everything else: the connections to the control port,
/// the database, mails. If the process may have few files open, three quarters of them.
const RESERVED: u64 = 1280;

/// Raises the limit as far as the system permits. Returns how many connections to the chat it has
/// room for; `None` means any number.
///
/// # Errors
/// If strangers could use up all files.
pub fn connection_capacity() -> Result<Option<usize>> {
    raise(getrlimit(Resource::Nofile), |raised| {
        setrlimit(Resource::Nofile, raised)
    });
    let limit = getrlimit(Resource::Nofile).current;
    limit.map_or(Ok(None), capacity)
}

/// Raises the limit to its maximum or, if that is not permitted, as far as macOS permits. If it
/// stays as it is, there is room for fewer connections.
fn raise(before: Rlimit, set: impl Fn(Rlimit) -> io::Result<()>) {
    let raise_to = |current| set(Rlimit { current, ..before });
    let is_lower = before
        .current
        .is_some_and(|current| current < MOST_ON_MACOS);
    if raise_to(before.maximum).is_err() && is_lower {
        let _ = raise_to(Some(MOST_ON_MACOS));
    }
}

fn capacity(limit: u64) -> Result<Option<usize>> {
    ensure!(
        limit >= LEAST,
        "the system permits {limit} open files, and the server needs {LEAST}: raise the limit \
         (`ulimit -n`, or LimitNOFILE of systemd)"
    );
    Ok(usize::try_from(limit - RESERVED.min(limit / 4 * 3)).ok())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use rustix::io::Errno;

    use super::*;

    #[test]
    fn the_chat_leaves_open_files_for_the_rest() {
        let capacity = |limit| capacity(limit).expect("it is high enough");
        assert_eq!(capacity(1_048_576), Some(1_047_296));
        assert_eq!(capacity(1280), Some(320));
        assert_eq!(capacity(u64::MAX), Some(usize::MAX - 1280));
    }

    #[test]
    fn a_limit_that_strangers_could_use_up_is_refused_with_what_to_do() {
        let error = capacity(1279).expect_err("it is too low").to_string();
        assert!(error.contains("1279") && error.contains("1280") && error.contains("ulimit -n"));
    }

    #[test]
    fn the_limit_is_raised_where_it_cannot_be_infinite() {
        let raised = Cell::new(None);
        let macos = |limit: Rlimit| {
            let current = limit.current.filter(|current| *current <= 10_240);
            raised.set(Some(current.ok_or(Errno::INVAL)?));
            Ok(())
        };
        let default = Rlimit {
            current: Some(256),
            maximum: None,
        };
        raise(default, macos);
        assert_eq!(raised.get(), Some(10_240));
    }

    #[test]
    fn the_limit_is_raised_to_what_the_system_permits() {
        let maximum = getrlimit(Resource::Nofile).maximum;
        let expected = maximum.map_or(Ok(None), capacity).expect("it is enough");
        assert_eq!(connection_capacity().expect("it is enough"), expected);
    }
}
