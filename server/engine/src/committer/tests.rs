//! Tests of the committer with a real database.

use std::path::Path;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::time::timeout;

use super::*;
use rookery_record::HistorySync;
use rookery_record::{Metadata, PersistentChannel, PersistentTopic, Place};

const ALICE: SessionId = SessionId(1);
const BOB: SessionId = SessionId(2);

struct TestCommitter {
    folder: tempfile::TempDir,
    database: Database,
    batches: mpsc::Sender<Vec<Effect>>,
    alice: Arc<Sendq>,
    bob: Arc<Sendq>,
}

/// Starts a committer with a real database and two attached sessions.
async fn start() -> TestCommitter {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&file(folder.path()), HistorySync::Normal).unwrap();
    let (batches, receiver) = channel();
    let (policy, _) = watch::channel(Arc::default());
    let reader = HistoryReader::new(
        database.clone(),
        crate::handle::channel().2.history_sender(),
    );
    let (room, _) = mpsc::unbounded_channel();
    let committer = Committer::new(database.clone(), policy, EventBus::default(), reader, room);
    tokio::spawn(committer.run(receiver));
    let [alice, bob] = [(); 2].map(|()| Sendq::new(0));
    let attach = vec![
        Effect::Attach(ALICE, Arc::clone(&alice)),
        Effect::Attach(BOB, Arc::clone(&bob)),
    ];
    batches.send(attach).await.unwrap();
    TestCommitter {
        folder,
        database,
        batches,
        alice,
        bob,
    }
}

/// Opens the committer's database beside it, and adds the account that owns the channel.
fn database_with_alice(running: &TestCommitter) -> rusqlite::Connection {
    let database = rusqlite::Connection::open(file(running.folder.path())).unwrap();
    database
        .execute_batch(
            "INSERT INTO accounts (name, name_folded, name_skeleton, email, email_folded, created_at, greeted)
             VALUES ('alice', 'alice', 'alice', 'a@b.c', 'a@b.c', 0, 1)",
        )
        .unwrap();
    database
}

fn deliver(delivery: Delivery) -> Effect {
    Effect::Core(Output::Deliver(delivery))
}

fn file(folder: &Path) -> std::path::PathBuf {
    folder.join("rookery.db")
}

fn message(number: i64) -> Effect {
    let entry = HistoryEntry {
        msgid: format!("m{number}"),
        at: Timestamp::UNIX_EPOCH,
        place: Place::Channel(ChannelName::parse("#lobby").unwrap()),
        source: "alice!a@host".to_owned(),
        account: None,
        command: "PRIVMSG".to_owned(),
        text: format!("text {number}"),
        tags: String::new(),
    };
    let line = |to, text: String| Delivery {
        to: vec![to],
        line: Bytes::from(text),
    };
    Effect::Core(Output::Store {
        now: entry.at,
        entry: Box::new(entry),
        deliveries: vec![line(BOB, format!("delivered {number}"))],
        on_failure: Some(line(ALICE, format!("failed {number}"))),
    })
}

fn drain(sendq: &Sendq) -> Vec<String> {
    let (_, lines) = sendq.poll(&mut Context::from_waker(Waker::noop()), true);
    lines
        .iter()
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect()
}

/// Sends a batch and waits until all of it is applied.
async fn apply(running: &TestCommitter, mut batch: Vec<Effect>) {
    let (reply, answer) = oneshot::channel();
    batch.push(Effect::Measure(reply));
    running.batches.send(batch).await.unwrap();
    timeout(Duration::from_secs(10), answer)
        .await
        .expect("the committer applies everything")
        .unwrap();
}

#[tokio::test]
async fn a_message_that_was_delivered_is_in_the_database() {
    let running = start().await;
    let database = rusqlite::Connection::open(file(running.folder.path())).unwrap();
    for number in 0..50_i64 {
        running
            .batches
            .send(vec![message(number), message(number + 1000)])
            .await
            .unwrap();
        while drain(&running.bob).is_empty() {
            tokio::task::yield_now().await;
        }
        let stored: i64 = database
            .query_row("SELECT count(*) FROM history", [], |row| row.get(0))
            .unwrap();
        assert_eq!(stored, 2 * (number + 1));
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_stored_is_not_delivered_and_its_sender_receives_a_refusal() {
    let running = start().await;
    let database = rusqlite::Connection::open(file(running.folder.path())).unwrap();
    apply(&running, vec![message(1)]).await;
    assert_eq!(drain(&running.bob), ["delivered 1"]);
    database
        .execute_batch("ALTER TABLE history RENAME TO renamed")
        .unwrap();
    apply(&running, vec![message(2)]).await;
    assert_eq!(drain(&running.bob), [""; 0]);
    assert_eq!(drain(&running.alice), ["failed 2"]);
    database
        .execute_batch("ALTER TABLE renamed RENAME TO history")
        .unwrap();
    apply(&running, vec![message(3)]).await;
    assert_eq!(
        drain(&running.bob),
        ["delivered 3"],
        "messages are stored again once the database works"
    );
}

fn channel_of_alice(topic: &str) -> Effect {
    let at = Timestamp::UNIX_EPOCH;
    Effect::Core(Output::Persist(Box::new(Change::Channel(
        PersistentChannel {
            name: ChannelName::parse("#hers").unwrap(),
            former_names: Vec::new(),
            founder: AccountName::parse("alice").unwrap(),
            created_at: at,
            named_at: at,
            topic: Some(PersistentTopic {
                text: topic.to_owned(),
                by: "alice!a@host".to_owned(),
                at,
            }),
            modes: "nt".to_owned(),
            key: None,
            limit: None,
            lists: Vec::new(),
            access: Vec::new(),
            metadata: Metadata::new(),
        },
    ))))
}

#[tokio::test]
async fn a_change_is_in_the_database_before_later_messages_are_delivered() {
    let running = start().await;
    let database = database_with_alice(&running);
    for number in 0..50 {
        let topic = format!("topic {number}");
        let line = Delivery {
            to: vec![BOB],
            line: Bytes::from(topic.clone()),
        };
        running
            .batches
            .send(vec![channel_of_alice(&topic), deliver(line)])
            .await
            .unwrap();
        while drain(&running.bob).is_empty() {
            tokio::task::yield_now().await;
        }
        let stored: String = database
            .query_row("SELECT topic FROM channels", [], |row| row.get(0))
            .unwrap();
        assert_eq!(stored, topic);
    }
}

#[tokio::test]
async fn on_a_nearly_full_disk_messages_are_refused_and_changes_stored() {
    let running = start().await;
    let database = database_with_alice(&running);
    let count = |table| -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        database.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    // More than any disk has.
    assert_eq!(running.database.disk().check(|_| u64::MAX), DiskState::Low);
    apply(&running, vec![message(1), channel_of_alice("topic")]).await;
    assert_eq!(drain(&running.bob), [""; 0]);
    assert_eq!(drain(&running.alice), ["failed 1"]);
    assert_eq!((count("history"), count("channels")), (0, 1));
    assert_eq!(running.database.disk().check(|_| 0), DiskState::Normal);
    apply(&running, vec![message(2)]).await;
    assert_eq!(drain(&running.bob), ["delivered 2"]);
    assert_eq!(count("history"), 1);
}

#[tokio::test]
async fn a_change_that_cannot_be_stored_is_counted_and_later_effects_are_applied() {
    let running = start().await;
    let database = rusqlite::Connection::open(file(running.folder.path())).unwrap();
    database
        .execute_batch("ALTER TABLE channels RENAME TO renamed")
        .unwrap();
    let before = METRICS.changes_not_persisted.get();
    let line = |text: &'static str| {
        deliver(Delivery {
            to: vec![BOB],
            line: Bytes::from_static(text.as_bytes()),
        })
    };
    apply(&running, vec![channel_of_alice("lost"), line("one")]).await;
    assert!(METRICS.changes_not_persisted.get() > before);
    apply(&running, vec![message(2), line("three")]).await;
    assert_eq!(drain(&running.bob), ["one", "delivered 2", "three"]);
}

#[tokio::test]
async fn the_largest_send_queues_are_reported_with_their_sizes() {
    let running = start().await;
    let queue = QueueHandle::new(&running.batches);
    let depth = queue.read().await.unwrap();
    assert_eq!((depth.largest_sendq(), depth.largest_sendqs), (0, vec![]));
    let line = |to, bytes| {
        deliver(Delivery {
            to,
            line: Bytes::from(vec![b'x'; bytes]),
        })
    };
    apply(
        &running,
        vec![line(vec![ALICE, BOB], 10), line(vec![BOB], 7)],
    )
    .await;
    let depth = queue.read().await.unwrap();
    assert_eq!(
        (depth.largest_sendq(), &depth.largest_sendqs[..]),
        (17, &[(BOB, 17), (ALICE, 10)][..])
    );
    let drained = drain(&running.bob).concat().len();
    running.bob.sent(drained);
    assert_eq!(
        queue.read().await.unwrap().largest_sendqs,
        [(ALICE, 10)],
        "sent bytes no longer count"
    );

    let crowd = (100..200).map(|id| Effect::Attach(SessionId(id), Sendq::new(0)));
    apply(
        &running,
        crowd
            .chain([line((100..200).map(SessionId).collect(), 3)])
            .collect(),
    )
    .await;
    assert_eq!(
        queue.read().await.unwrap().largest_sendqs.len(),
        MAX_LARGEST_SENDQS,
        "the number of sessions is limited"
    );
}

#[tokio::test]
async fn effects_are_applied_in_order_and_a_detached_session_receives_nothing() {
    let running = start().await;
    let line = |text: &'static str| {
        deliver(Delivery {
            to: vec![ALICE, BOB],
            line: Bytes::from_static(text.as_bytes()),
        })
    };
    apply(&running, vec![line("one"), message(2), line("three")]).await;
    assert_eq!(drain(&running.bob), ["one", "delivered 2", "three"]);
    apply(&running, vec![Effect::Detach(BOB), line("four")]).await;
    assert_eq!(drain(&running.bob), [""; 0]);
    assert_eq!(drain(&running.alice), ["one", "three", "four"]);
}

#[test]
fn of_several_changes_of_one_subject_the_last_is_stored() {
    let marker = |account, target: &str, second| Change::ReadMarker {
        account: AccountId(account),
        target: target.to_owned(),
        read_until: Timestamp::from_second(second).ok(),
    };
    let removed = |name: &str| Change::ChannelRemoved(ChannelName::parse(name).unwrap());
    let metadata = |account: &str| Change::AccountMetadata {
        account: AccountName::parse(account).unwrap(),
        metadata: Metadata::new(),
    };
    let changes = [
        marker(1, "#x", 1),
        removed("#X"),
        metadata("alice"),
        Change::PresenceRemoved(AccountId(1)),
        Change::AlwaysOn(AccountId(1), None),
        // Those before are not stored.
        marker(2, "#x", 2),
        Change::PresenceRemoved(AccountId(2)),
        marker(1, "#y", 3),
        removed("#y"),
        removed("#x"),
        metadata("bob"),
        metadata("Alice"),
        Change::AlwaysOn(AccountId(2), Some(true)),
        Change::AlwaysOn(AccountId(1), Some(true)),
        Change::PresenceRemoved(AccountId(1)),
        marker(1, "#x", 4),
    ];
    let persist = |change: &Change| Effect::Core(Output::Persist(Box::new(change.clone())));
    let stored = to_store(&changes.iter().map(persist).collect::<Vec<_>>()).changes;
    assert_eq!(stored, changes[5..]);
}

#[tokio::test(start_paused = true)]
async fn a_group_waits_for_more_only_soon_after_another_and_only_if_it_is_small() {
    let (sender, mut batches) = channel();
    let mut group = Vec::new();
    let quiet = Instant::now();
    sender.send(vec![message(1)]).await.unwrap();
    assert!(next_group(&mut batches, &mut group, quiet).await);
    assert_eq!((group.len(), quiet.elapsed()), (1, Duration::ZERO));

    group.clear();
    let busy = Instant::now() + LINGER;
    sender.send(vec![message(2)]).await.unwrap();
    // It is sent while the group waits.
    let late = async { sender.send(vec![message(3)]).await.unwrap() };
    let (more, ()) = tokio::join!(next_group(&mut batches, &mut group, busy), late);
    assert!(more);
    assert_eq!(group.len(), 2, "the second follows soon enough");

    group.clear();
    let busy = Instant::now() + LINGER;
    for number in 0..MAX_WAITING_BATCHES {
        sender
            .send(vec![message(i64::try_from(number).unwrap())])
            .await
            .unwrap();
    }
    assert!(next_group(&mut batches, &mut group, busy).await);
    assert!(Instant::now() < busy, "a large group is committed at once");

    group.clear();
    drop(sender);
    assert!(!next_group(&mut batches, &mut group, Instant::now() + LINGER).await);
}
