//! Standard output that nothing reads any longer.

use std::io;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

/// Waits until nothing can read standard output, as when `head` at the other end of a pipe has
/// ended. A write would fail then, but there may be nothing to write for a long time. Waits forever
/// if the system cannot tell.
pub fn wait_until_output_is_closed() {
    let stdout = io::stdout();
    // The end of the reader is reported even if no event is requested.
    let mut outputs = [PollFd::new(&stdout, PollFlags::empty())];
    loop {
        match poll(&mut outputs, None) {
            Ok(_)
                if outputs[0]
                    .revents()
                    .intersects(PollFlags::ERR | PollFlags::HUP) =>
            {
                return;
            }
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) | Err(_) => loop {
                std::thread::park();
            },
        }
    }
}
