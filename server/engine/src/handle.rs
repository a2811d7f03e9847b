//! The ways into the core: one for sessions, one for operators, and one back for what was read.
//!
//! All of them lead into one queue, which the core's task empties. [`CoreHandle`] is what the chat
//! port holds: it can admit a session, sign it in, and bring the core what it sends. It has no way
//! to make a request of an operator. Those go through [`OperatorPort`], which [`channel`] makes once
//! for a core and which nothing else makes or leads to: only whoever starts the core can hand it
//! on, and `rookeryd` hands it to the control plane and to the probes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use rookery_protocol::Message;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use crate::committer::Release;
use crate::history_reader::HistoryReader;
use crate::pending::{Awaited, PendingReplies};
use crate::sendq::Sendq;
use rookery_chat::Chat;
use rookery_chat::event::{
    Candidate, Disconnect, Event, Identity, LineFault, Output, SessionId, Settings,
};
use rookery_chat::request::{Admission, ReplyFormat, Request};
use rookery_chat::ticket::Ticket;
use rookery_store::Database;

/// Events that may wait before a connection has to.
const WAITING_EVENTS: usize = 4096;
/// Events the core takes in one go; their outputs make one batch.
const BATCH: usize = 512;
/// What they let out that is handed on before the rest of them is looked at: a few long answers to
/// many who ask at once would otherwise all be in memory.
const RELEASES: usize = 4096;

/// The core has stopped: the server is going down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server is stopping")]
pub struct CoreStopped;

/// The sending end of the core's queue.
#[derive(Clone)]
struct Queue {
    events: mpsc::Sender<Envelope>,
    tickets: Arc<AtomicU64>,
}

/// An event on its way to the core.
struct Envelope {
    event: Event,
    /// The send queue of the session, for an [`Event::Admit`].
    sendq: Option<Arc<Sendq>>,
    /// Enters the caller that waits for the reply to the event, if it has one.
    register: Option<Box<dyn FnOnce(&mut PendingReplies) + Send>>,
}

impl From<Event> for Envelope {
    fn from(event: Event) -> Self {
        Self {
            event,
            sendq: None,
            register: None,
        }
    }
}

/// The receiving end of the core's queue.
pub struct Events {
    receiver: mpsc::Receiver<Envelope>,
    /// Leads back into the queue without keeping it open.
    back: mpsc::WeakSender<Envelope>,
}

/// Makes the queue of a core. This is the only source of an [`OperatorPort`].
pub fn channel() -> (CoreHandle, OperatorPort, Events) {
    let (events, receiver) = mpsc::channel(WAITING_EVENTS);
    let back = events.downgrade();
    let queue = Queue {
        events,
        tickets: Arc::default(),
    };
    (
        CoreHandle(queue.clone()),
        OperatorPort(queue),
        Events { receiver, back },
    )
}

impl Queue {
    async fn send(&self, event: Event) -> Result<(), CoreStopped> {
        let sent = self.events.send(event.into()).await;
        sent.map_err(|_| CoreStopped)
    }

    /// Queues the event that `event` makes of a ticket. Returns the reply, which is still to come.
    async fn begin<T: Awaited>(
        &self,
        sendq: Option<Arc<Sendq>>,
        event: impl FnOnce(Ticket<T>) -> Event,
    ) -> Result<oneshot::Receiver<T>, CoreStopped> {
        let number = self.tickets.fetch_add(1, Ordering::Relaxed);
        let (sender, reply) = oneshot::channel();
        let envelope = Envelope {
            event: event(Ticket::new(number)),
            sendq,
            register: Some(Box::new(move |pending| pending.insert(number, sender))),
        };
        self.events.send(envelope).await.map_err(|_| CoreStopped)?;
        Ok(reply)
    }

    async fn ask<T: Awaited>(
        &self,
        sendq: Option<Arc<Sendq>>,
        event: impl FnOnce(Ticket<T>) -> Event,
    ) -> Result<T, CoreStopped> {
        let reply = self.begin(sendq, event).await?;
        reply.await.map_err(|_| CoreStopped)
    }
}

/// What an admitted session did. It holds events of sessions only, so that what takes one cannot be
/// given a request of an operator.
pub struct SessionEvent(Event);

impl SessionEvent {
    /// The session sent a message.
    pub fn command(session: SessionId, message: Message) -> Self {
        Self(Event::Command { session, message })
    }

    /// The session sent a line that is no message.
    pub fn bad_line(session: SessionId, fault: LineFault) -> Self {
        Self(Event::BadLine { session, fault })
    }

    /// The session's connection has ended. If it was `lost`, the client may not have received what
    /// was sent last.
    pub fn gone(session: SessionId, disconnect: Disconnect, lost: bool) -> Self {
        Self(Event::Gone {
            session,
            disconnect,
            lost,
        })
    }
}

/// The way into the core for sessions. It has no method for what only operators may do; see the
/// module's documentation.
#[derive(Clone)]
pub struct CoreHandle(Queue);

impl CoreHandle {
    /// Sends an event without waiting. Returns the event while the core's queue is full.
    pub fn try_send(&self, event: SessionEvent) -> Result<Option<Box<SessionEvent>>, CoreStopped> {
        match self.0.events.try_send(event.0.into()) {
            Ok(()) => Ok(None),
            Err(TrySendError::Full(Envelope { event, .. })) => {
                Ok(Some(Box::new(SessionEvent(event))))
            }
            Err(TrySendError::Closed(_)) => Err(CoreStopped),
        }
    }

    /// Sends an event; waits while the core's queue is full.
    pub async fn send(&self, event: SessionEvent) -> Result<(), CoreStopped> {
        self.0.send(event.0).await
    }

    /// Asks for a session's admission. If it is admitted, what is sent to it is put into `sendq`,
    /// the welcome first.
    pub async fn admit(
        &self,
        session: SessionId,
        sendq: Arc<Sendq>,
        candidate: Box<Candidate>,
    ) -> Result<Admission, CoreStopped> {
        let event = |ticket| Event::Admit {
            ticket,
            session,
            candidate,
        };
        self.0.ask(Some(sendq), event).await
    }

    /// Signs an admitted session in.
    pub async fn sign_in(
        &self,
        session: SessionId,
        identity: Identity,
    ) -> Result<Admission, CoreStopped> {
        let event = |ticket| Event::SignIn {
            ticket,
            session,
            identity,
        };
        self.0.ask(None, event).await
    }

    /// Returns what a reply to the session depends on; `None` if the session has ended.
    pub async fn reply_format(
        &self,
        session: SessionId,
    ) -> Result<Option<ReplyFormat>, CoreStopped> {
        let event = |ticket| Event::GetReplyFormat { ticket, session };
        self.0.ask(None, event).await
    }

    /// Sends a command that may have history read. Returns when its answer is in the session's send
    /// queue.
    pub async fn ask_history(
        &self,
        session: SessionId,
        message: Message,
    ) -> Result<(), CoreStopped> {
        let event = |ticket| Event::AskHistory {
            ticket,
            session,
            message,
        };
        self.0.ask(None, event).await
    }
}

/// The way into the core for operators.
///
/// The compiler keeps it from the chat port: it has no public constructor, [`channel`] returns one
/// for a new core only, and no method of [`CoreHandle`] leads to it. The control plane's
/// `ControlHandle`, which wraps it, is in a crate that `rookery-accounts` and `rookery-connection` do
/// not depend on.
#[derive(Clone)]
pub struct OperatorPort(Queue);

impl OperatorPort {
    /// Returns how many events wait for the core.
    pub fn waiting(&self) -> usize {
        self.0.events.max_capacity() - self.0.events.capacity()
    }

    /// Makes a request. Returns the reply, which comes when all that the request does is done.
    pub async fn ask<R>(&self, request: R) -> Result<R::Reply, CoreStopped>
    where
        R: Request<Reply: Awaited>,
    {
        self.begin(request).await?.await.map_err(|_| CoreStopped)
    }

    /// Queues a request, behind all that was queued before it. Returns the reply, which is still to
    /// come.
    pub async fn begin<R>(&self, request: R) -> Result<oneshot::Receiver<R::Reply>, CoreStopped>
    where
        R: Request<Reply: Awaited>,
    {
        let event = |ticket| Event::Control(request.with_ticket(ticket));
        self.0.begin(None, event).await
    }

    /// Gives the core new settings.
    pub async fn reload(&self, settings: Settings) -> Result<(), CoreStopped> {
        self.0.send(Event::Reload(Box::new(settings))).await
    }
}

/// The way back into the core for what was read for it.
#[derive(Clone)]
pub struct HistorySender(mpsc::WeakSender<Envelope>);

impl HistorySender {
    /// Sends the core an event, if it still runs.
    pub async fn send(&self, event: Event) {
        if let Some(events) = self.0.upgrade() {
            // The core may have stopped.
            let _ = events.send(event.into()).await;
        }
    }
}

/// Runs the core until every way into it is dropped.
pub async fn drive(
    mut chat: Chat,
    mut events: Events,
    journal: mpsc::Sender<Vec<Release>>,
    database: Database,
) {
    let library = HistoryReader::new(database, HistorySender(events.back));
    let mut pending = PendingReplies::default();
    let mut batch = Vec::new();
    let mut outputs = Vec::new();
    while events.receiver.recv_many(&mut batch, BATCH).await > 0 {
        let now = Timestamp::now();
        let mut releases = Vec::with_capacity(batch.len());
        for Envelope {
            event,
            sendq,
            register,
        } in batch.drain(..)
        {
            if let Some(register) = register {
                register(&mut pending);
            }
            match (&event, sendq) {
                (Event::Admit { session, .. }, Some(sendq)) => {
                    releases.push(Release::Attach(*session, sendq));
                }
                (Event::Gone { session, .. }, _) => releases.push(Release::Detach(*session)),
                _ => {}
            }
            chat.handle(now, event, &mut outputs);
            releases.extend(outputs.drain(..).filter_map(|output| match output {
                Output::Deliver(delivery) => Some(Release::Deliver(delivery)),
                Output::Store {
                    entry,
                    then,
                    otherwise,
                } => Some(Release::Store {
                    entry,
                    then,
                    otherwise,
                }),
                Output::Persist(change) => Some(Release::Persist(change)),
                Output::End { session, line } => Some(Release::End(session, line)),
                Output::AdmissionPolicy(gate) => Some(Release::AdmissionPolicy(gate)),
                Output::Answer(answer) => pending.resolve(answer).map(Release::Reply),
                Output::Happened(event) => Some(Release::Happened(event)),
                Output::Fetch(fetch) => Some(Release::Reply(library.fetch(fetch))),
            }));
            if releases.len() >= RELEASES
                && journal.send(std::mem::take(&mut releases)).await.is_err()
            {
                return;
            }
        }
        if !releases.is_empty() && journal.send(releases).await.is_err() {
            break;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rookery_record::ChatSnapshot;

    fn alice() -> Candidate {
        Candidate {
            nick: rookery_protocol::Nick::parse("alice").unwrap(),
            username: String::new(),
            realname: String::new(),
            identity: None,
            capabilities: rookery_protocol::Capabilities::NONE,
            away_state: rookery_chat::always_on::AwayState::Here,
            address: ([192, 0, 2, 1], 5000).into(),
            tls: String::new(),
        }
    }

    #[tokio::test]
    async fn what_is_let_out_by_many_long_answers_goes_on_in_parts() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(
            &folder.path().join("rookery.db"),
            rookery_record::HistorySync::Normal,
        )
        .unwrap();
        let mut config = rookery_base::config::Config::default();
        config.chat.motd = "a line\n".repeat(50);
        let settings = crate::settings::of(&config);
        let chat = Chat::new(
            settings,
            String::new(),
            Arc::default(),
            ChatSnapshot::default(),
            Timestamp::now(),
        );
        let (core, port, events) = channel();
        let session = SessionId(1);
        let candidate = Box::new(alice());
        let admit = Event::Admit {
            ticket: Ticket::new(0),
            session,
            candidate,
        };
        core.0.send(admit).await.unwrap();
        for _ in 0..BATCH - 1 {
            let message = Message::parse("MOTD").unwrap();
            core.send(SessionEvent::command(session, message))
                .await
                .unwrap();
        }
        drop((core, port));
        let (journal, mut batches) = crate::committer::channel();
        tokio::spawn(drive(chat, events, journal, database));
        let mut all = 0;
        while let Some(releases) = batches.recv().await {
            assert!(
                releases.len() < RELEASES + 100,
                "{} at once",
                releases.len()
            );
            all += releases.len();
        }
        assert!(all > 50 * (BATCH - 1), "{all} in all");
    }
}
