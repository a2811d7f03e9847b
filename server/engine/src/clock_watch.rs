//! Watches the clock of the system, and remembers when it was last right: what cannot be undone has
//! to wait while it may be wrong ([`ClockRecord`]).

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use rookery_record::ClockRecord;
use rookery_store::{Database, Durability, Result, Store};

/// The time between two looks at the clock.
const INTERVAL: Duration = Duration::from_mins(1);
/// The number of looks after which the record is stored, if nothing has changed.
const STORED_EVERY: u32 = 10;
/// A change of the clock by more than this is reported to those who wait for one.
const JUMP: SignedDuration = SignedDuration::from_mins(1);

/// Looks at the clock, and then again and again in a task of its own. Returns what is known about
/// it; the receiver is notified when the clock was set, or found to be right.
///
/// # Errors
/// If the record cannot be read.
pub async fn start(database: Database) -> Result<watch::Receiver<ClockRecord>> {
    let mut record = database.read(Store::clock).await?;
    record.observe(Timestamp::now(), SignedDuration::ZERO);
    report(ClockRecord::default(), record);
    let (sender, receiver) = watch::channel(record);
    tokio::spawn(run(sender, database));
    Ok(receiver)
}

async fn run(sender: watch::Sender<ClockRecord>, database: Database) {
    let (mut looked_at, mut showed) = (Instant::now(), Timestamp::now());
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for look in 0_u32.. {
        ticks.tick().await;
        let now = Timestamp::now();
        let elapsed = SignedDuration::try_from(looked_at.elapsed()).unwrap_or_default();
        let was_set = was_set(showed, now, elapsed);
        (looked_at, showed) = (Instant::now(), now);

        let before = *sender.borrow();
        let mut record = before;
        record.observe(now, elapsed);
        let is_changed = record.new_time.is_some() != before.new_time.is_some();
        if is_changed {
            report(before, record);
        }
        sender.send_if_modified(|known| {
            *known = record;
            is_changed || was_set
        });
        if (is_changed || look % STORED_EVERY == 0)
            && let Err(error) = store(&database, record).await
        {
            tracing::error!(%error, "cannot store when the clock was right");
        }
    }
}

/// Whether the clock was set between two looks at it that were `elapsed` apart.
fn was_set(before: Timestamp, now: Timestamp, elapsed: SignedDuration) -> bool {
    let step = now.duration_since(before).saturating_sub(elapsed);
    step.abs() > JUMP
}

async fn store(database: &Database, record: ClockRecord) -> Result<()> {
    let job = move |store: &mut Store| store.set_clock(record);
    database.write(Durability::Message, job).await
}

/// Logs that the clock is regarded as wrong, or as right again.
fn report(before: ClockRecord, record: ClockRecord) {
    match (before.health(), record.health()) {
        (_, Err(problem)) => tracing::warn!("{problem}"),
        (Err(_), Ok(())) => tracing::info!("the clock is regarded as right again"),
        (Ok(()), Ok(())) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_was_set_if_it_shows_another_time_than_has_passed() {
        let (start, minute) = (Timestamp::UNIX_EPOCH, SignedDuration::from_mins(1));
        assert!(!was_set(start, start + minute * 5, minute * 5));
        for by in [minute * 5, -minute * 5] {
            assert!(was_set(start, start + minute + by, minute), "{by}");
        }
    }
}
