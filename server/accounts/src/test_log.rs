//! Captures what a test logs on its own thread.
//!
//! One subscriber serves the whole process: `tracing` caches for each callsite whether anyone is
//! interested in it, and the subscriber of one thread would not be asked if another thread passes
//! the callsite first.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Once;

use tracing::Level;

thread_local! {
    static CAPTURED: RefCell<Option<Rc<RefCell<Vec<u8>>>>> = const { RefCell::new(None) };
}

/// Captures the log of this thread until it is dropped.
pub struct TestLog(Rc<RefCell<Vec<u8>>>);

impl TestLog {
    /// Starts to capture.
    pub fn capture() -> Self {
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            tracing_subscriber::fmt()
                .with_max_level(Level::TRACE)
                .with_ansi(false)
                .without_time()
                .with_writer(|| OfThisThread)
                .init();
        });
        // Callsites may have been passed before there was a subscriber.
        tracing::callsite::rebuild_interest_cache();
        let captured = Rc::default();
        CAPTURED.set(Some(Rc::clone(&captured)));
        Self(captured)
    }

    /// Returns what has been logged so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.borrow()).into_owned()
    }
}

impl Drop for TestLog {
    fn drop(&mut self) {
        CAPTURED.set(None);
    }
}

struct OfThisThread;

impl Write for OfThisThread {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        CAPTURED.with_borrow(|captured| {
            if let Some(captured) = captured {
                captured.borrow_mut().extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
