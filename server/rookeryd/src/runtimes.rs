//! The server's two runtimes, which run tasks on threads of their own.
//!
//! On the **chat** runtime run the core, the committer with the tasks that read history for it, and
//! the sessions. A message passes through four of these tasks; on a machine with two cores they
//! share one thread, and none of them has to wake another. The rest is on the **main** runtime: the
//! listeners with their TLS handshakes, the control plane, mails and housekeeping. So messages do
//! not wait for these.

use std::io;
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

/// How long the server waits for the blocking threads of a runtime when it stops.
const BLOCKING_TIMEOUT: Duration = Duration::from_secs(1);

/// Both runtimes.
pub struct Runtimes {
    main: Runtime,
    chat: Runtime,
}

impl Runtimes {
    /// Starts the threads: one on each core for the main runtime, and half as many for the chat.
    pub fn start() -> io::Result<Self> {
        let cores = available_parallelism().map_or(1, usize::from);
        let start = |threads| {
            Builder::new_multi_thread()
                .worker_threads(threads)
                .enable_all()
                .build()
        };
        Ok(Self {
            main: start(cores)?,
            chat: start((cores / 2).max(1))?,
        })
    }

    /// Runs the server, which is created with the handle of the chat runtime, on the main one.
    /// Returns once it has ended. What it does on blocking threads is finished by then or not
    /// needed; but one of them may look up the name of the mail server for as long as a resolver
    /// does not answer.
    pub fn run<S: Future>(self, server: impl FnOnce(Handle) -> S) -> S::Output {
        let result = self.main.block_on(server(self.chat.handle().clone()));
        // The sessions use what runs on the main one.
        self.chat.shutdown_timeout(BLOCKING_TIMEOUT);
        self.main.shutdown_timeout(BLOCKING_TIMEOUT);
        result
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use tokio::task::spawn_blocking;

    use super::*;

    #[test]
    fn the_server_stops_although_a_resolver_does_not_answer() {
        let (answer, lookup) = mpsc::channel::<()>();
        let (stopped, stops) = mpsc::channel();
        let server = thread::spawn(move || {
            let server = |_| async { drop(spawn_blocking(move || lookup.recv())) };
            Runtimes::start().expect("they start").run(server);
            stopped.send(()).expect("it is awaited");
        });
        let in_time = stops.recv_timeout(Duration::from_secs(30));
        drop(answer);
        server.join().expect("it does not panic");
        assert_eq!(in_time, Ok(()));
    }
}
