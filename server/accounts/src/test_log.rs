//! What a test logs on its own thread.
//!
//! One subscriber serves the whole process: `tracing` decides once for each place in the code
//! whether anyone listens there, and a subscriber of one thread would not be asked when another
//! thread comes by first.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Once;

use tracing::Level;

thread_local! {
    static HEARD: RefCell<Option<Rc<RefCell<Vec<u8>>>>> = const { RefCell::new(None) };
}

/// Listens to this thread until it is dropped.
pub struct HeardLog(Rc<RefCell<Vec<u8>>>);

impl HeardLog {
    /// Listens from now on.
    pub fn listen() -> Self {
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            tracing_subscriber::fmt()
                .with_max_level(Level::TRACE)
                .with_ansi(false)
                .without_time()
                .with_writer(|| OfThisThread)
                .init();
        });
        // For the places that were passed before there was a subscriber.
        tracing::callsite::rebuild_interest_cache();
        let heard = Rc::default();
        HEARD.set(Some(Rc::clone(&heard)));
        Self(heard)
    }

    /// All that was logged so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.borrow()).into_owned()
    }
}

impl Drop for HeardLog {
    fn drop(&mut self) {
        HEARD.set(None);
    }
}

struct OfThisThread;

impl Write for OfThisThread {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        HEARD.with_borrow(|heard| {
            if let Some(heard) = heard {
                heard.borrow_mut().extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
