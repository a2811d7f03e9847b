//! Deletes what has expired, while the clock is known to be right: old messages, if
//! `history.retention_days` is set, and invitations. Messages are deleted in small batches, so that
//! the chat does not wait for the deletion.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::sleep;

use rookery_base::config::{History, Live};
use rookery_record::ClockRecord;
use rookery_store::{Database, Durability, ExpiryProgress, Result, Store};

/// The time between two deletions of expired messages.
const INTERVAL: Duration = Duration::from_mins(10);
/// The maximum number of messages that are deleted in one transaction.
const BATCH: usize = 500;
/// The pause between two transactions, in which other jobs can write.
const PAUSE: Duration = Duration::from_millis(20);

/// Deletes what has expired until its task is dropped.
pub async fn run(config: Live<History>, clock: watch::Receiver<ClockRecord>, database: Database) {
    // It makes room, also on a full disk.
    let database = database.with_reserve();
    loop {
        let (record, days) = (*clock.borrow(), config.get().retention_days);
        if let Err(error) = expire(&database, record, days).await {
            tracing::error!(%error, "cannot delete what has expired");
        }
        sleep(INTERVAL).await;
    }
}

/// Deletes messages that are older than `days`, none if that is 0, and expired invitations.
async fn expire(database: &Database, clock: ClockRecord, days: u32) -> Result<()> {
    if let Some(before) = clock.deletable_before(SignedDuration::ZERO) {
        let job = move |store: &mut Store| store.expire_invitations(before);
        database.write(Durability::Message, job).await?;
    }
    let age = SignedDuration::from_hours(24 * i64::from(days));
    match clock.deletable_before(age) {
        Some(before) if days > 0 => expire_messages(database, before).await,
        _ => Ok(()),
    }
}

async fn expire_messages(database: &Database, before: Timestamp) -> Result<()> {
    let mut progress = ExpiryProgress::default();
    while progress != ExpiryProgress::Done {
        let from = progress;
        let job = move |store: &mut Store| store.expire_history(before, from, BATCH);
        progress = database.write(Durability::Message, job).await?;
        sleep(PAUSE).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::{Context, Waker};

    use bytes::Bytes;
    use rookery_protocol::ChannelName;
    use tokio::sync::{mpsc, watch};

    use super::*;
    use crate::committer::{self, Committer, Effect};
    use crate::history_reader::HistoryReader;
    use crate::sendq::Sendq;
    use rookery_base::events::EventBus;
    use rookery_chat::event::{Delivery, Output, SessionId};
    use rookery_record::{HistoryEntry, HistorySync, NewTime, Place};

    const ALICE: SessionId = SessionId(1);
    const OLD: i64 = 20_000;

    fn entry(msgid: String, at: Timestamp, number: i64) -> HistoryEntry {
        HistoryEntry {
            msgid,
            at,
            place: Place::Channel(ChannelName::parse(&format!("#x{}", number % 50)).unwrap()),
            source: "alice!a@host".to_owned(),
            account: None,
            command: "PRIVMSG".to_owned(),
            text: "hello".to_owned(),
            tags: String::new(),
        }
    }

    #[tokio::test]
    async fn messages_are_delivered_while_many_old_ones_are_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rookery.db");
        let database = Database::open(&file, HistorySync::Normal).unwrap();
        let old: Vec<_> = (0..OLD)
            .map(|number| entry(format!("old-{number}"), Timestamp::UNIX_EPOCH, number))
            .collect();
        database
            .write(Durability::Message, move |store| store.append_history(&old))
            .await
            .unwrap();
        let (batches, receiver) = committer::channel();
        let (policy, _) = watch::channel(Arc::default());
        let core = crate::handle::channel().2.history_sender();
        let reader = HistoryReader::new(database.clone(), core);
        let (room, _) = mpsc::unbounded_channel();
        let committer = Committer::new(database.clone(), policy, EventBus::default(), reader, room);
        tokio::spawn(committer.run(receiver));
        let alice = Sendq::new(0);
        batches
            .send(vec![Effect::Attach(ALICE, Arc::clone(&alice))])
            .await
            .unwrap();
        let connection = rusqlite::Connection::open(&file).unwrap();
        let count = |condition: &str| -> i64 {
            let sql = format!("SELECT count(*) FROM history WHERE {condition}");
            connection.query_row(&sql, [], |row| row.get(0)).unwrap()
        };

        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(49);
        let clock = ClockRecord {
            confirmed_at: Some(now),
            new_time: None,
        };
        let set = ClockRecord {
            confirmed_at: Some(Timestamp::UNIX_EPOCH),
            new_time: Some(NewTime {
                at: now,
                steady: SignedDuration::ZERO,
            }),
        };
        expire(&database, set, 1).await.unwrap();
        assert_eq!(count("msgid LIKE 'old-%'"), OLD, "the clock may be wrong");
        let expiry = tokio::spawn({
            let database = database.clone();
            async move { expire(&database, clock, 1).await }
        });
        while count("msgid LIKE 'old-%'") == OLD {
            tokio::task::yield_now().await;
        }
        for number in 0..5 {
            let entry = Box::new(entry(format!("new-{number}"), now, 1));
            let deliveries = vec![Delivery {
                to: vec![ALICE],
                line: Bytes::from_static(b"hello\r\n"),
            }];
            batches
                .send(vec![Effect::Core(Output::Store {
                    now: entry.at,
                    entry,
                    deliveries,
                    on_failure: None,
                })])
                .await
                .unwrap();
            while alice
                .poll(&mut Context::from_waker(Waker::noop()), true)
                .1
                .is_empty()
            {
                tokio::task::yield_now().await;
            }
            assert!(
                count("msgid LIKE 'old-%'") > 0,
                "all old messages were deleted before message {number} was delivered"
            );
        }
        expiry.await.unwrap().unwrap();
        assert_eq!(
            (count("msgid LIKE 'old-%'"), count("msgid LIKE 'new-%'")),
            (0, 5)
        );
    }
}
