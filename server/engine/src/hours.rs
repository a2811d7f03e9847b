//! Reports to the core that an hour of uptime has passed, for what must not depend on a clock that can
//! be set.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::handle::WeakSender;
use rookery_chat::event::Event;

const HOUR: Duration = Duration::from_hours(1);

/// Sends [`Event::HourPassed`] every hour until the core has stopped.
pub(crate) async fn run(core: WeakSender) {
    report(core, HOUR).await;
}

async fn report(core: WeakSender, hour: Duration) {
    let mut hours = interval_at(Instant::now() + hour, hour);
    // After a pause of the machine, the hours that were missed have not passed for the server.
    hours.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !core.is_closed() {
        hours.tick().await;
        core.send(Event::HourPassed).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handle::channel;

    #[tokio::test]
    async fn every_hour_is_reported_until_the_core_stops() {
        let (core, operators, mut queue) = channel();
        let hours = tokio::spawn(report(queue.weak_sender(), Duration::from_millis(1)));
        for _ in 0..3 {
            let mut events = Vec::new();
            queue.recv_many(&mut events, 1).await;
            assert!(matches!(events[..], [ref one] if matches!(one.event, Event::HourPassed)));
        }
        drop((core, operators, queue));
        hours.await.expect("it ends by itself");
    }
}
