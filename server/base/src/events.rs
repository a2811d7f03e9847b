//! The event bus: publishes what happens on the server to the operators who follow it live.
//!
//! Publishing never waits for a subscriber, and an event that nobody follows is dropped. The bus is
//! therefore not a record; the audit trail and the log are.

use std::sync::Arc;

use jiff::Timestamp;
use rookery_control_api::{Component, ServerEvent, TimedEvent};
use tokio::sync::broadcast;

/// The number of events that a subscriber may lag behind. One that lags further loses the oldest.
const CAPACITY: usize = 1024;

/// Publishes events to all subscribers. Clones share their subscribers.
#[derive(Clone)]
pub struct EventBus(broadcast::Sender<Arc<TimedEvent>>);

impl Default for EventBus {
    fn default() -> Self {
        Self(broadcast::Sender::new(CAPACITY))
    }
}

impl EventBus {
    /// Publishes an event that already has its time.
    pub fn publish(&self, event: TimedEvent) {
        if self.0.receiver_count() > 0 {
            // This fails if the last subscriber has just unsubscribed, which is no error.
            let _ = self.0.send(Arc::new(event));
        }
    }

    /// Publishes an event that happens now.
    pub fn publish_now(&self, event: ServerEvent) {
        self.publish(TimedEvent {
            at: Timestamp::now(),
            event,
        });
    }

    /// Publishes that a component that the server depends on has just failed.
    pub fn component_failed(&self, component: Component, detail: impl Into<String>) {
        self.publish_now(ServerEvent::ComponentFailed {
            component,
            detail: detail.into(),
        });
    }

    /// Returns a receiver of every event that is published from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<TimedEvent>> {
        self.0.subscribe()
    }
}
