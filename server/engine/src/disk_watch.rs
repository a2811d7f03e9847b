//! Looks at the disk under the database every second, and reports to the log and to operators when
//! it runs full, when the database's files are no longer there, and when all is well again.

use std::sync::Arc;
use std::time::Duration;

use rookery_control_api::Component;
use tokio::time::{MissedTickBehavior, interval};

use rookery_base::config::{Limits, Live};
use rookery_base::events::EventBus;
use rookery_store::{Database, Disk, DiskState};

/// The reserve in bytes if the config does not set one.
const DEFAULT_RESERVE: u64 = 256 << 20;
/// The part of the disk that this reserve may be.
const MAX_PART: u64 = 10;
/// The time between two checks.
const INTERVAL: Duration = Duration::from_secs(1);

/// Watches the disk until its task is dropped.
pub async fn run(config: Live<Limits>, database: Database, events: EventBus) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reported = DiskState::Normal;
    loop {
        ticks.tick().await;
        let configured = config.get().disk_reserve_mb;
        let disk = Arc::clone(database.disk());
        // A disk that hangs must not hold up a thread of the runtime.
        let checked =
            tokio::task::spawn_blocking(move || disk.check(|total| reserve(configured, total)))
                .await;
        if let Ok(state) = checked
            && state != reported
        {
            report(database.disk(), &events);
            reported = state;
        }
    }
}

/// Returns how many bytes have to be free for messages, on a disk of `total` bytes.
fn reserve(configured_mb: Option<u32>, total: u64) -> u64 {
    match configured_mb {
        Some(mb) => u64::from(mb) << 20,
        None => DEFAULT_RESERVE.min(total / MAX_PART),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_reserve_is_a_small_part_of_a_small_disk() {
        assert_eq!(reserve(None, 1 << 40), 256 << 20);
        assert_eq!(reserve(None, 20 << 20), 2 << 20);
        assert_eq!(reserve(Some(256), 20 << 20), 256 << 20, "as configured");
        assert_eq!(reserve(Some(0), 1 << 40), 0);
    }
}
