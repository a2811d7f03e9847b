//! The event bus: what happens on the server, published to the operators who follow it.
//!
//! Publishing never waits for a subscriber. While there is no subscriber, an event is dropped, so
//! the bus is no record: the audit trail and the log are.

use std::sync::Arc;

use jiff::Timestamp;
use rookery_control_api::{Component, ServerEvent, TimedEvent};
use tokio::sync::broadcast;

/// The number of events that a subscriber may lag behind. One that lags further misses the oldest.
const CAPACITY: usize = 1024;

/// Publishes events to every subscriber. Clones share the same subscribers.
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
            // Fails if the last subscriber has just unsubscribed, which is no error.
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

    /// Publishes that a component the server depends on has just failed.
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
