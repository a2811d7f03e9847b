//! The core's inlet, and the one task that drives the core: events in, in batches, outputs on to the journal.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use rookery_protocol::Message;
use tokio::sync::{mpsc, oneshot};

use crate::chat::Chat;
use crate::chat::event::{Act, Answer, Candidate, Event, Identity, Output, SessionId, Ticket};
use crate::journal::Release;
use crate::library::Library;
use crate::sendq::Sendq;
use crate::store::Database;

/// Events that may wait before a connection has to.
const WAITING_EVENTS: usize = 4096;
/// Events the core takes in one go; their outputs make one batch.
const BATCH: usize = 512;

/// The core has stopped: the server is going down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server is stopping")]
pub struct Stopped;

/// The only way into the core.
#[derive(Clone)]
pub struct Inlet {
    events: mpsc::Sender<Envelope>,
    tickets: Arc<AtomicU64>,
}

struct Envelope {
    event: Event,
    /// Where lines for the session of an [`Event::Admit`] go.
    sendq: Option<Arc<Sendq>>,
    reply: Option<(Ticket, oneshot::Sender<Answer>)>,
}

/// The other end of an [`Inlet`].
pub struct Events {
    receiver: mpsc::Receiver<Envelope>,
    /// For what is read for the core; it keeps nobody waiting.
    back: mpsc::WeakSender<Envelope>,
}

/// The way back into the core of what is read for it.
#[derive(Clone)]
pub struct Back(mpsc::WeakSender<Envelope>);

impl Back {
    /// Gives the core an event, if it is still there.
    pub async fn send(&self, event: Event) {
        if let Some(events) = self.0.upgrade() {
            // It may have stopped.
            let _ = events.send(Envelope { event, sendq: None, reply: None }).await;
        }
    }
}

/// An inlet and where its events come out.
pub fn channel() -> (Inlet, Events) {
    let (sender, receiver) = mpsc::channel(WAITING_EVENTS);
    let back = sender.downgrade();
    (Inlet { events: sender, tickets: Arc::default() }, Events { receiver, back })
}

impl Inlet {
    /// How many events wait for the core.
    pub fn waiting(&self) -> usize {
        self.events.max_capacity() - self.events.capacity()
    }

    /// Gives an event that has no answer; waits while the core is behind.
    pub async fn send(&self, event: Event) -> Result<(), Stopped> {
        self.events.send(Envelope { event, sendq: None, reply: None }).await.map_err(|_| Stopped)
    }

    /// Asks for admission. When admitted, `sendq` gets what the session is to hear, the welcome first.
    pub async fn admit(
        &self,
        session: SessionId,
        sendq: Arc<Sendq>,
        candidate: Box<Candidate>,
    ) -> Result<Answer, Stopped> {
        self.ask(Some(sendq), |ticket| Event::Admit { ticket, session, candidate }).await
    }

    /// An admitted guest is someone after all.
    pub async fn sign_in(&self, session: SessionId, identity: Identity) -> Result<Answer, Stopped> {
        self.ask(None, |ticket| Event::SignIn { ticket, session, identity }).await
    }

    /// Under which nick the session is shown.
    pub async fn ask_nick(&self, session: SessionId) -> Result<Answer, Stopped> {
        self.ask(None, |ticket| Event::AskNick { ticket, session }).await
    }

    /// Asks for history; answered when the session has its reply.
    pub async fn ask_history(&self, session: SessionId, message: Message) -> Result<Answer, Stopped> {
        self.ask(None, |ticket| Event::AskHistory { ticket, session, message }).await
    }

    /// An act of the control plane; its answer comes when all that it does is done.
    pub async fn act(&self, act: Act) -> Result<Answer, Stopped> {
        self.ask(None, |ticket| Event::Control { ticket, act }).await
    }

    async fn ask(
        &self,
        sendq: Option<Arc<Sendq>>,
        event: impl FnOnce(Ticket) -> Event,
    ) -> Result<Answer, Stopped> {
        let ticket = Ticket(self.tickets.fetch_add(1, Ordering::Relaxed));
        let (reply, answer) = oneshot::channel();
        let envelope = Envelope { event: event(ticket), sendq, reply: Some((ticket, reply)) };
        self.events.send(envelope).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }
}

/// Drives the core until every inlet is gone.
pub async fn drive(
    mut core: Chat,
    mut events: Events,
    journal: mpsc::Sender<Vec<Release>>,
    database: Database,
) {
    let library = Library::new(database, Back(events.back));
    let mut waiting = HashMap::new();
    let mut batch = Vec::new();
    let mut outputs = Vec::new();
    while events.receiver.recv_many(&mut batch, BATCH).await > 0 {
        let now = Timestamp::now();
        let mut releases = Vec::with_capacity(batch.len());
        for Envelope { event, sendq, reply } in batch.drain(..) {
            waiting.extend(reply);
            match (&event, sendq) {
                (Event::Admit { session, .. }, Some(sendq)) => {
                    releases.push(Release::Attach(*session, sendq));
                }
                (Event::Gone { session, .. }, _) => releases.push(Release::Detach(*session)),
                _ => {}
            }
            core.handle(now, event, &mut outputs);
            releases.extend(outputs.drain(..).filter_map(|output| match output {
                Output::Deliver(delivery) => Some(Release::Deliver(delivery)),
                Output::Store { entry, then, otherwise } => Some(Release::Store { entry, then, otherwise }),
                Output::Keep(change) => Some(Release::Keep(change)),
                Output::End { session, line } => Some(Release::End(session, line)),
                Output::Bans(bans) => Some(Release::Bans(bans)),
                Output::Answer { ticket, answer } => {
                    waiting.remove(&ticket).map(|reply| Release::Answer(reply, answer))
                }
                Output::Happened(event) => Some(Release::Happened(event)),
                Output::Fetch(fetch) => Some(Release::Answer(library.fetch(fetch), Answer::Done)),
            }));
        }
        if !releases.is_empty() && journal.send(releases).await.is_err() {
            break;
        }
    }
}
