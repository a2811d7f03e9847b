//! Returns the space of deleted messages to the file system, a little at a time, so that the chat
//! does not wait for it.

use std::time::Duration;

use tokio::time::sleep;

use rookery_store::{Database, Durability, PageCounts, Result, Store};

/// The time between two looks at the database.
const INTERVAL: Duration = Duration::from_secs(5);
/// The number of pages (of 4 KiB) that one transaction returns.
const STEP: u32 = 256;
/// The pause between two transactions, in which other jobs can write.
const PAUSE: Duration = Duration::from_millis(20);
/// Fewer free pages than these (1 MiB) are not worth moving others.
const MIN_FREE: u64 = 256;
/// Free pages up to this part of the file stay, for the next messages.
const MAX_FREE_PART: u64 = 8;

/// Shrinks the file, whenever enough of it is free, until its task is dropped.
pub async fn run(database: Database) {
    // It makes room, also on a full disk.
    let database = database.with_reserve();
    loop {
        if let Err(error) = shrink(&database).await {
            tracing::error!(%error, "cannot return free space of the database to the disk");
        }
        sleep(INTERVAL).await;
    }
}

/// Returns all free pages, if there are enough of them.
async fn shrink(database: &Database) -> Result<()> {
    let PageCounts { total, free } = database.read(Store::page_counts).await?;
    if free < MIN_FREE.max(total / MAX_FREE_PART) {
        return Ok(());
    }
    let mut left = free;
    while left > 0 {
        let release = |store: &mut Store| {
            store.release_pages(STEP)?;
            Ok(store.page_counts()?.free)
        };
        let now = database.write(Durability::Message, release).await?;
        if now >= left {
            // More is deleted at the moment than is returned.
            return Ok(());
        }
        left = now;
        sleep(PAUSE).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rookery_protocol::ChannelName;

    use super::*;
    use rookery_record::{HistoryEntry, HistorySync, Place};

    #[tokio::test]
    async fn the_file_shrinks_after_messages_are_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rookery.db");
        let database = Database::open(&file, HistorySync::Normal).unwrap();
        let channel = ChannelName::parse("#nest").unwrap();
        let entries: Vec<_> = (0..20_000)
            .map(|number| HistoryEntry {
                msgid: format!("m{number}"),
                at: Timestamp::UNIX_EPOCH,
                place: Place::Channel(channel.clone()),
                source: "alice!a@host".to_owned(),
                account: None,
                command: "PRIVMSG".to_owned(),
                text: "moss ".repeat(80),
                tags: String::new(),
            })
            .collect();
        let append = move |store: &mut Store| store.append_history(&entries);
        database.write(Durability::Message, append).await.unwrap();
        let purge = move |store: &mut Store| {
            store.purge_history(&channel, Timestamp::MAX, i64::MAX, 20_000)
        };
        database.write(Durability::Message, purge).await.unwrap();
        let before = database.read(Store::page_counts).await.unwrap();
        assert!(before.free > MIN_FREE, "{before:?}");
        shrink(&database).await.unwrap();
        let after = database.read(Store::page_counts).await.unwrap();
        assert_eq!(after.free, 0);
        assert!(after.total < before.total - before.free + 100, "{after:?}");
        let size = || std::fs::metadata(&file).unwrap().len();
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while size() > after.total * 4096 {
            assert!(std::time::Instant::now() < deadline, "{} bytes", size());
            sleep(Duration::from_millis(20)).await;
        }
    }
}
