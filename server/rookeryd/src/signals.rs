//! The signals that the server handles.

use anyhow::Result;
use rustix::process;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Lets a write to a file that reaches the limit of its size (`ulimit -f`) fail, as on a full disk.
/// By default, the signal that the system sends then ends the process.
pub fn let_large_files_fail() -> Result<()> {
    // It stays handled after the stream is dropped.
    drop(signal(SignalKind::from_raw(
        process::Signal::XFSZ.as_raw(),
    ))?);
    Ok(())
}

/// The action that a signal requests.
#[derive(PartialEq, Eq)]
pub enum SignalAction {
    /// Read the config again.
    Reload,
    /// End all sessions, and then the server.
    Stop,
}

/// The signals that the server handles.
pub struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Handles them from now on.
    pub fn new() -> Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next signal.
    pub async fn reload_or_stop(&mut self) -> SignalAction {
        tokio::select! {
            _ = self.hangup.recv() => SignalAction::Reload,
            _ = self.terminate.recv() => SignalAction::Stop,
            _ = self.interrupt.recv() => SignalAction::Stop,
        }
    }
}
