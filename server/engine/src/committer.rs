//! The journal: takes what the core decided, commits its messages and changes in groups, and only
//! then lets it out.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rookery_control_api::{Component, TimedEvent};
use tokio::sync::{mpsc, oneshot, watch};

use crate::handle::CoreStopped;
use crate::sendq::Sendq;
use rookery_base::events::EventBus;
use rookery_base::metrics::METRICS;
use rookery_chat::AdmissionPolicy;
use rookery_chat::event::{Answer, Delivery, SessionId};
use rookery_record::{Change, HistoryEntry};
use rookery_store::{Database, Durability, Store};

/// Batches that may wait before the core has to.
const WAITING_BATCHES: usize = 16;
/// The sessions that are told for which most waits.
const LARGEST_SENDQS: usize = 20;

/// What is to be let out, in order.
#[derive(Debug)]
pub enum Release {
    /// From here on the session can be sent to.
    Attach(SessionId, Arc<Sendq>),
    /// Its connection has ended.
    Detach(SessionId),
    Deliver(Delivery),
    Store {
        entry: Box<HistoryEntry>,
        then: Vec<Delivery>,
        otherwise: Option<Delivery>,
    },
    /// To be on disk before what follows is let out; see
    /// [`Output::Persist`](rookery_chat::event::Output::Persist).
    Persist(Box<Change>),
    /// Close the session's connection after this last line.
    End(SessionId, Bytes),
    /// From now on people are kept out by this.
    AdmissionPolicy(Arc<AdmissionPolicy>),
    /// Whoever watches the server is told.
    Happened(TimedEvent),
    Answer(oneshot::Sender<Answer>, Answer),
    /// Tell for which sessions most waits to be sent, and how many bytes; the most first.
    Measure(oneshot::Sender<Vec<(SessionId, usize)>>),
}

/// Where the core's batches go.
pub fn channel() -> (mpsc::Sender<Vec<Release>>, mpsc::Receiver<Vec<Release>>) {
    mpsc::channel(WAITING_BATCHES)
}

/// A look at the journal from outside; it ends with the core all the same.
#[derive(Clone)]
pub struct QueueHandle(mpsc::WeakSender<Vec<Release>>);

/// How much the journal has to do.
#[derive(Debug)]
pub struct QueueDepth {
    pub waiting_batches: usize,
    /// For which sessions most waits to be sent, and how many bytes; the most first.
    pub largest_sendqs: Vec<(SessionId, usize)>,
}

impl QueueDepth {
    /// What waits for the session with the most to be sent.
    pub fn largest_sendq(&self) -> usize {
        self.largest_sendqs.first().map_or(0, |(_, bytes)| *bytes)
    }
}

impl QueueHandle {
    /// Of the journal that these batches go to.
    pub fn new(batches: &mpsc::Sender<Vec<Release>>) -> Self {
        Self(batches.downgrade())
    }

    /// Asks the journal, behind all that waits for it.
    pub async fn read(&self) -> Result<QueueDepth, CoreStopped> {
        let batches = self.0.upgrade().ok_or(CoreStopped)?;
        let waiting_batches = batches.max_capacity() - batches.capacity();
        let (reply, answer) = oneshot::channel();
        batches
            .send(vec![Release::Measure(reply)])
            .await
            .map_err(|_| CoreStopped)?;
        drop(batches);
        let largest_sendqs = answer.await.map_err(|_| CoreStopped)?;
        Ok(QueueDepth {
            waiting_batches,
            largest_sendqs,
        })
    }
}

/// Commits and lets out until the core is gone. While one group is being committed, the next
/// gathers.
pub async fn run(
    database: Database,
    mut batches: mpsc::Receiver<Vec<Release>>,
    gate: watch::Sender<Arc<AdmissionPolicy>>,
    news: EventBus,
) {
    let mut outlet = Outlet {
        sessions: HashMap::default(),
        touched: Vec::new(),
        gate,
        news,
    };
    let mut gathered = Vec::new();
    while batches.recv_many(&mut gathered, WAITING_BATCHES).await > 0 {
        let releases: Vec<Release> = gathered.drain(..).flatten().collect();
        let stored = commit(&database, &releases, &outlet.news).await;
        for release in releases {
            outlet.release(release, stored);
        }
        outlet.wake();
    }
}

/// Whether the messages and the changes of a group are on disk: all of them, or none.
async fn commit(database: &Database, releases: &[Release], news: &EventBus) -> bool {
    let (mut entries, mut changes): (Vec<HistoryEntry>, Vec<Change>) = (Vec::new(), Vec::new());
    for release in releases {
        match release {
            Release::Store { entry, .. } => entries.push((**entry).clone()),
            Release::Persist(change) => changes.push((**change).clone()),
            _ => {}
        }
    }
    if entries.is_empty() && changes.is_empty() {
        return true;
    }
    let (messages, kept) = (entries.len(), changes.len());
    let begun = Instant::now();
    let write = move |store: &mut dyn Store| {
        store.append_history(&entries)?;
        changes.iter().try_for_each(|change| store.keep(change))
    };
    let result = database.write(Durability::Message, write).await;
    METRICS.commits.observe(begun.elapsed());
    match &result {
        Ok(()) => METRICS.messages_stored.add(messages),
        Err(error) => {
            METRICS.messages_not_stored.add(messages);
            METRICS.changes_not_kept.add(kept);
            if messages > 0 {
                tracing::error!(%error, messages, "messages could not be stored, and so were not sent");
                let detail = format!(
                    "{messages} messages could not be stored, and so were not sent: {error}"
                );
                news.trouble(Component::Store, detail);
            }
            if kept > 0 {
                tracing::error!(
                    %error,
                    changes = kept,
                    "changes (channels and the like) could not be stored: they hold until the server stops"
                );
            }
        }
    }
    result.is_ok()
}

/// Every session that can be sent to, and those to be woken at the end of the batch.
struct Outlet {
    sessions: HashMap<SessionId, Arc<Sendq>, foldhash::fast::FixedState>,
    touched: Vec<Arc<Sendq>>,
    /// Those who keep people out before they reach the core look here.
    gate: watch::Sender<Arc<AdmissionPolicy>>,
    news: EventBus,
}

impl Outlet {
    fn release(&mut self, release: Release, stored: bool) {
        match release {
            Release::Attach(session, sendq) => {
                self.sessions.insert(session, sendq);
            }
            Release::Detach(session) => {
                self.sessions.remove(&session);
            }
            Release::Deliver(delivery) => self.deliver(&delivery),
            Release::Store {
                then, otherwise, ..
            } => {
                if stored {
                    for delivery in &then {
                        self.deliver(delivery);
                    }
                } else if let Some(refusal) = otherwise {
                    self.deliver(&refusal);
                }
            }
            Release::End(session, line) => {
                if let Some(sendq) = self.sessions.get(&session) {
                    sendq.push(line);
                    sendq.end();
                    self.touched.push(Arc::clone(sendq));
                }
            }
            // Committed with its group.
            Release::Persist(_) => {}
            Release::AdmissionPolicy(gate) => drop(self.gate.send_replace(gate)),
            Release::Happened(event) => self.news.publish(event),
            Release::Measure(reply) => {
                // Whoever asked may have gone.
                let _ = reply.send(self.largest_sendqs());
            }
            Release::Answer(reply, answer) => {
                // What is sent before an answer is on its way before it.
                self.wake();
                // Whoever asked may have gone.
                let _ = reply.send(answer);
            }
        }
    }

    fn largest_sendqs(&self) -> Vec<(SessionId, usize)> {
        let sizes = self
            .sessions
            .iter()
            .map(|(session, sendq)| (*session, sendq.bytes()));
        let mut waiting: Vec<_> = sizes.filter(|(_, bytes)| *bytes > 0).collect();
        waiting.sort_unstable_by_key(|(session, bytes)| (Reverse(*bytes), *session));
        waiting.truncate(LARGEST_SENDQS);
        waiting
    }

    fn deliver(&mut self, delivery: &Delivery) {
        METRICS.deliveries.add(delivery.to.len());
        METRICS
            .delivered_bytes
            .add(delivery.to.len() * delivery.line.len());
        for session in &delivery.to {
            if let Some(sendq) = self.sessions.get(session)
                && sendq.push(delivery.line.clone())
            {
                self.touched.push(Arc::clone(sendq));
            }
        }
    }

    fn wake(&mut self) {
        for sendq in self.touched.drain(..) {
            sendq.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::task::{Context, Waker};
    use std::time::Duration;

    use jiff::Timestamp;
    use rookery_protocol::{AccountName, ChannelName};
    use tokio::time::timeout;

    use super::*;
    use rookery_record::HistorySync;
    use rookery_record::{PersistentChannel, PersistentTopic, Place};

    const ALICE: SessionId = SessionId(1);
    const BOB: SessionId = SessionId(2);

    struct Running {
        folder: tempfile::TempDir,
        batches: mpsc::Sender<Vec<Release>>,
        alice: Arc<Sendq>,
        bob: Arc<Sendq>,
    }

    /// A journal over a real database, with two sessions attached.
    async fn start() -> Running {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&file(folder.path()), HistorySync::Normal).unwrap();
        let (batches, receiver) = channel();
        let (bans, _) = watch::channel(Arc::default());
        tokio::spawn(run(database, receiver, bans, EventBus::default()));
        let [alice, bob] = [(); 2].map(|()| Arc::new(Sendq::new(0)));
        let attach = vec![
            Release::Attach(ALICE, Arc::clone(&alice)),
            Release::Attach(BOB, Arc::clone(&bob)),
        ];
        batches.send(attach).await.unwrap();
        Running {
            folder,
            batches,
            alice,
            bob,
        }
    }

    fn file(folder: &Path) -> std::path::PathBuf {
        folder.join("rookery.db")
    }

    fn message(number: i64) -> Release {
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
        Release::Store {
            entry: Box::new(entry),
            then: vec![line(BOB, format!("heard {number}"))],
            otherwise: Some(line(ALICE, format!("failed {number}"))),
        }
    }

    fn drain(sendq: &Sendq) -> Vec<String> {
        let (_, lines) = sendq.poll(&mut Context::from_waker(Waker::noop()), true);
        lines
            .iter()
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect()
    }

    /// Sends a batch and waits until all of it is let out.
    async fn release(running: &Running, mut batch: Vec<Release>) {
        let (reply, answer) = oneshot::channel();
        batch.push(Release::Answer(reply, Answer::Done));
        running.batches.send(batch).await.unwrap();
        timeout(Duration::from_secs(10), answer)
            .await
            .expect("the journal lets everything out")
            .unwrap();
    }

    #[tokio::test]
    async fn whatever_was_heard_is_in_the_record() {
        let running = start().await;
        let record = rusqlite::Connection::open(file(running.folder.path())).unwrap();
        for number in 0..50_i64 {
            running
                .batches
                .send(vec![message(number), message(number + 1000)])
                .await
                .unwrap();
            while drain(&running.bob).is_empty() {
                tokio::task::yield_now().await;
            }
            let stored: i64 = record
                .query_row("SELECT count(*) FROM history", [], |row| row.get(0))
                .unwrap();
            assert_eq!(stored, 2 * (number + 1));
        }
    }

    #[tokio::test]
    async fn a_message_that_cannot_be_stored_is_heard_by_nobody_and_its_sender_is_told() {
        let running = start().await;
        let record = rusqlite::Connection::open(file(running.folder.path())).unwrap();
        release(&running, vec![message(1)]).await;
        assert_eq!(drain(&running.bob), ["heard 1"]);
        record
            .execute_batch("ALTER TABLE history RENAME TO away")
            .unwrap();
        release(&running, vec![message(2)]).await;
        assert_eq!(drain(&running.bob), [""; 0]);
        assert_eq!(drain(&running.alice), ["failed 2"]);
        record
            .execute_batch("ALTER TABLE away RENAME TO history")
            .unwrap();
        release(&running, vec![message(3)]).await;
        assert_eq!(
            drain(&running.bob),
            ["heard 3"],
            "the journal goes on when the record is well again"
        );
    }

    fn channel_of_alice(topic: &str) -> Release {
        let at = Timestamp::UNIX_EPOCH;
        Release::Persist(Box::new(Change::Channel(PersistentChannel {
            name: ChannelName::parse("#hers").unwrap(),
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
            metadata: rookery_record::Metadata::new(),
        })))
    }

    #[tokio::test]
    async fn a_change_is_in_the_record_before_what_follows_it_is_heard() {
        let running = start().await;
        let record = rusqlite::Connection::open(file(running.folder.path())).unwrap();
        record
            .execute_batch(
                "INSERT INTO accounts (name, name_folded, name_skeleton, email, email_folded, created_at, greeted)
                 VALUES ('alice', 'alice', 'alice', 'a@b.c', 'a@b.c', 0, 1)",
            )
            .unwrap();
        for number in 0..50 {
            let topic = format!("topic {number}");
            let line = Delivery {
                to: vec![BOB],
                line: Bytes::from(topic.clone()),
            };
            running
                .batches
                .send(vec![channel_of_alice(&topic), Release::Deliver(line)])
                .await
                .unwrap();
            while drain(&running.bob).is_empty() {
                tokio::task::yield_now().await;
            }
            let kept: String = record
                .query_row("SELECT topic FROM channels", [], |row| row.get(0))
                .unwrap();
            assert_eq!(kept, topic);
        }
    }

    #[tokio::test]
    async fn a_change_that_cannot_be_kept_is_counted_and_the_chat_goes_on() {
        let running = start().await;
        let record = rusqlite::Connection::open(file(running.folder.path())).unwrap();
        record
            .execute_batch("ALTER TABLE channels RENAME TO away")
            .unwrap();
        let before = METRICS.changes_not_kept.get();
        let line = |text: &'static str| {
            Release::Deliver(Delivery {
                to: vec![BOB],
                line: Bytes::from_static(text.as_bytes()),
            })
        };
        release(&running, vec![channel_of_alice("lost"), line("one")]).await;
        assert!(METRICS.changes_not_kept.get() > before);
        release(&running, vec![message(2), line("three")]).await;
        assert_eq!(drain(&running.bob), ["one", "heard 2", "three"]);
    }

    #[tokio::test]
    async fn the_sessions_are_told_for_which_most_waits() {
        let running = start().await;
        let gauge = QueueHandle::new(&running.batches);
        let depth = gauge.read().await.unwrap();
        assert_eq!((depth.largest_sendq(), depth.largest_sendqs), (0, vec![]));
        let line = |to, bytes| {
            Release::Deliver(Delivery {
                to,
                line: Bytes::from(vec![b'x'; bytes]),
            })
        };
        release(
            &running,
            vec![line(vec![ALICE, BOB], 10), line(vec![BOB], 7)],
        )
        .await;
        let depth = gauge.read().await.unwrap();
        assert_eq!(
            (depth.largest_sendq(), &depth.largest_sendqs[..]),
            (17, &[(BOB, 17), (ALICE, 10)][..])
        );
        let taken = drain(&running.bob).concat().len();
        running.bob.sent(taken);
        assert_eq!(
            gauge.read().await.unwrap().largest_sendqs,
            [(ALICE, 10)],
            "what was sent waits no more"
        );

        let crowd = (100..200).map(|id| Release::Attach(SessionId(id), Arc::new(Sendq::new(0))));
        release(
            &running,
            crowd
                .chain([line((100..200).map(SessionId).collect(), 3)])
                .collect(),
        )
        .await;
        assert_eq!(
            gauge.read().await.unwrap().largest_sendqs.len(),
            LARGEST_SENDQS,
            "and no more than fit"
        );
    }

    #[tokio::test]
    async fn the_order_is_kept_and_nothing_reaches_a_session_that_is_gone() {
        let running = start().await;
        let line = |text: &'static str| {
            Release::Deliver(Delivery {
                to: vec![ALICE, BOB],
                line: Bytes::from_static(text.as_bytes()),
            })
        };
        release(&running, vec![line("one"), message(2), line("three")]).await;
        assert_eq!(drain(&running.bob), ["one", "heard 2", "three"]);
        release(&running, vec![Release::Detach(BOB), line("four")]).await;
        assert_eq!(drain(&running.bob), [""; 0]);
        assert_eq!(drain(&running.alice), ["one", "three", "four"]);
    }
}
