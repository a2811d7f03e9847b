//! Keeps `history.retention_days`: old messages go, a few at a time, so that the chat never waits for it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;

use crate::config::LiveConfig;
use crate::store::{Database, Durability, Result};

/// Between two looks at what has grown too old.
const PAUSE: Duration = Duration::from_mins(10);
/// Messages that go in one transaction.
const AT_ONCE: usize = 500;
/// Between two transactions, for others to write.
const BREATH: Duration = Duration::from_millis(20);

/// Runs until its task is dropped.
pub async fn keep(config: LiveConfig, database: Database) {
    loop {
        let days = config.get().history.retention_days;
        if days > 0
            && let Err(error) = expire(&database, Timestamp::now(), days).await
        {
            tracing::error!(%error, "old messages could not be removed");
        }
        sleep(PAUSE).await;
    }
}

/// Takes away what is older than `days` at `now`.
async fn expire(database: &Database, now: Timestamp, days: u32) -> Result<()> {
    let age = SignedDuration::from_hours(24 * i64::from(days));
    // Before the first moment there is: nothing is that old.
    let Ok(before) = now.checked_sub(age) else { return Ok(()) };
    loop {
        let gone =
            database.write(Durability::Message, move |store| store.expire_history(before, AT_ONCE)).await?;
        if gone < AT_ONCE {
            return Ok(());
        }
        sleep(BREATH).await;
    }
}
