//! What happens, told to whoever watches the server. Nobody waits for a watcher, and while nobody
//! watches, nothing is kept.

use std::sync::Arc;

use jiff::Timestamp;
use rookery_control_api::{Component, ServerEvent, TimedEvent};
use tokio::sync::broadcast;

/// Events that a watcher may be behind; it misses the oldest of what is beyond.
const KEPT: usize = 1024;

/// Where the floors say what happened, and where watchers hear it.
#[derive(Clone)]
pub struct EventBus(broadcast::Sender<Arc<TimedEvent>>);

impl Default for EventBus {
    fn default() -> Self {
        Self(broadcast::Sender::new(KEPT))
    }
}

impl EventBus {
    /// Tells every watcher.
    pub fn publish(&self, event: TimedEvent) {
        if self.0.receiver_count() > 0 {
            // The last one may just have gone.
            let _ = self.0.send(Arc::new(event));
        }
    }

    /// Something has happened just now.
    pub fn tell(&self, what: ServerEvent) {
        self.publish(TimedEvent {
            at: Timestamp::now(),
            what,
        });
    }

    /// Something that the server needs has just failed.
    pub fn trouble(&self, component: Component, detail: impl Into<String>) {
        self.tell(ServerEvent::ComponentFailed {
            component,
            detail: detail.into(),
        });
    }

    /// Hears all that is told from now on.
    pub fn watch(&self) -> broadcast::Receiver<Arc<TimedEvent>> {
        self.0.subscribe()
    }
}
