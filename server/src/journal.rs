//! The journal: takes what the core decided, commits its messages in groups, and only then lets it out.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::chat::event::{Answer, Delivery, SessionId};
use crate::record::HistoryEntry;
use crate::sendq::Sendq;
use crate::store::{Database, Durability};

/// Batches that may wait before the core has to.
const WAITING_BATCHES: usize = 16;

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
    /// Close the session's connection after this last line.
    End(SessionId, Bytes),
    Answer(oneshot::Sender<Answer>, Answer),
}

/// Where the core's batches go.
pub fn channel() -> (mpsc::Sender<Vec<Release>>, mpsc::Receiver<Vec<Release>>) {
    mpsc::channel(WAITING_BATCHES)
}

/// Commits and lets out until the core is gone. While one group is being committed, the next gathers.
pub async fn run(database: Database, mut batches: mpsc::Receiver<Vec<Release>>) {
    let mut outlet = Outlet::default();
    let mut gathered = Vec::new();
    while batches.recv_many(&mut gathered, WAITING_BATCHES).await > 0 {
        let mut releases: Vec<Release> = gathered.drain(..).flatten().collect();
        let stored = commit(&database, &mut releases).await;
        for release in releases {
            outlet.release(release, stored);
        }
        outlet.wake();
    }
}

/// Whether the messages of a group are on disk.
async fn commit(database: &Database, releases: &mut [Release]) -> bool {
    let entries: Vec<HistoryEntry> = releases
        .iter()
        .filter_map(|release| match release {
            Release::Store { entry, .. } => Some((**entry).clone()),
            _ => None,
        })
        .collect();
    if entries.is_empty() {
        return true;
    }
    let count = entries.len();
    let result = database.write(Durability::Message, move |store| store.append_history(&entries)).await;
    if let Err(error) = &result {
        tracing::error!(%error, messages = count, "messages could not be stored, and so were not sent");
    }
    result.is_ok()
}

/// Every session that can be sent to, and those to be woken at the end of the batch.
#[derive(Default)]
struct Outlet {
    sessions: HashMap<SessionId, Arc<Sendq>, foldhash::fast::FixedState>,
    touched: Vec<Arc<Sendq>>,
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
            Release::Store { then, otherwise, .. } => {
                if stored {
                    then.iter().for_each(|delivery| self.deliver(delivery));
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
            Release::Answer(reply, answer) => {
                // What is sent before an answer is on its way before it.
                self.wake();
                // Whoever asked may have gone.
                let _ = reply.send(answer);
            }
        }
    }

    fn deliver(&mut self, delivery: &Delivery) {
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
