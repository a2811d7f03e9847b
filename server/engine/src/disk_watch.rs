//! Looks at the disk under the database every second, and reports to the log and to operators when
//! it runs full, when the database's files are no longer there, and when all is well again.

use std::sync::Arc;
use std::time::Duration;

use rookery_control_api::Component;
use tokio::time::{MissedTickBehavior, interval};

use rookery_base::config::{Limits, Live};
use rookery_base::events::EventBus;
use rookery_store::{Database, Disk, DiskState};

/// The time between two checks.
const INTERVAL: Duration = Duration::from_secs(1);

/// Watches the disk until its task is dropped.
pub async fn run(config: Live<Limits>, database: Database, events: EventBus) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reported = DiskState::Normal;
    loop {
        ticks.tick().await;
        let limit = u64::from(config.get().disk_reserve_mb) << 20;
        let disk = Arc::clone(database.disk());
        // A disk that hangs must not hold up a thread of the runtime.
        let checked = tokio::task::spawn_blocking(move || disk.check(limit)).await;
        if let Ok(state) = checked
            && state != reported
        {
            report(database.disk(), &events);
            reported = state;
        }
    }
}

fn report(disk: &Disk, events: &EventBus) {
    match disk.health() {
        Ok(()) => tracing::info!("everything can be stored again"),
        Err(problem) => {
            tracing::error!("{problem}");
            events.component_failed(Component::Store, problem);
        }
    }
}
