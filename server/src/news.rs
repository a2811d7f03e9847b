//! What happens, told to whoever watches the server. Nobody waits for a watcher, and while nobody
//! watches, nothing is kept.

use std::sync::Arc;

use jiff::Timestamp;
use rookery_protocol::control::{Happening, LiveEvent, Part};
use tokio::sync::broadcast;

/// Events that a watcher may be behind; it misses the oldest of what is beyond.
const KEPT: usize = 1024;

/// Where the floors say what happened, and where watchers hear it.
#[derive(Clone)]
pub struct News(broadcast::Sender<Arc<LiveEvent>>);

impl Default for News {
    fn default() -> Self {
        Self(broadcast::Sender::new(KEPT))
    }
}

impl News {
    /// Tells every watcher.
    pub fn publish(&self, event: LiveEvent) {
        if self.0.receiver_count() > 0 {
            // The last one may just have gone.
            let _ = self.0.send(Arc::new(event));
        }
    }

    /// Something has happened just now.
    pub fn tell(&self, what: Happening) {
        self.publish(LiveEvent {
            at: Timestamp::now(),
            what,
        });
    }

    /// Something that the server needs has just failed.
    pub fn trouble(&self, with: Part, detail: impl Into<String>) {
        self.tell(Happening::Trouble {
            with,
            detail: detail.into(),
        });
    }

    /// Hears all that is told from now on.
    pub fn watch(&self) -> broadcast::Receiver<Arc<LiveEvent>> {
        self.0.subscribe()
    }
}
