//! Handles to the core: for sessions, for operators, and for the results of reading history.
//!
//! All of them lead into one queue, which the core's task empties. [`CoreHandle`] is what the chat
//! port holds: it admits a session, signs it in, and forwards what the session sends. It has
//! no way to make a request of an operator. Those go through [`OperatorPort`]. Only
//! [`start`](crate::start) returns one, for the core that it starts, and nothing else leads to it:
//! `rookeryd` hands it to the control plane and to the probes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rookery_protocol::Message;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use crate::pending::{Awaited, Register, register};
use crate::sendq::Sendq;
use rookery_chat::event::{Candidate, Disconnect, Event, Identity, LineFault, SessionId, Settings};
use rookery_chat::request::{Admission, ReplyFormat, Request};
use rookery_chat::ticket::Ticket;

/// How many events may wait for the core before those who send more have to wait.
const WAITING_EVENTS: usize = 4096;
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
pub(crate) struct Envelope {
    pub event: Event,
    /// The send queue of the session, for an [`Event::Admit`].
    pub sendq: Option<Arc<Sendq>>,
    /// Enters the caller that waits for the reply to the event, if there is one.
    pub register: Option<Register>,
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
pub(crate) struct EventQueue {
    receiver: mpsc::Receiver<Envelope>,
    /// Leads back into the queue without keeping it open.
    back: mpsc::WeakSender<Envelope>,
}

impl EventQueue {
    /// Waits for events and moves up to `most` of them into `batch`. Returns how many; 0 once every
    /// way into the core is closed.
    pub async fn recv_many(&mut self, batch: &mut Vec<Envelope>, most: usize) -> usize {
        self.receiver.recv_many(batch, most).await
    }

    /// Returns the way back into the queue for what is read for the core.
    pub fn history_sender(&self) -> HistorySender {
        HistorySender(self.back.clone())
    }
}

/// Makes the queue of a core, with both ways into it. This is the only source of an
/// [`OperatorPort`].
pub(crate) fn channel() -> (CoreHandle, OperatorPort, EventQueue) {
    let (events, receiver) = mpsc::channel(WAITING_EVENTS);
    let back = events.downgrade();
    let queue = Queue {
        events,
        tickets: Arc::default(),
    };
    (
        CoreHandle(queue.clone()),
        OperatorPort(queue),
        EventQueue { receiver, back },
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
            register: Some(register(number, sender)),
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
        Self(Event::Disconnected {
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
    pub async fn history_command(
        &self,
        session: SessionId,
        message: Message,
    ) -> Result<(), CoreStopped> {
        let event = |ticket| Event::HistoryCommand {
            ticket,
            session,
            message,
        };
        self.0.ask(None, event).await
    }
}

/// The way into the core for operators.
///
/// The compiler keeps it from the chat port: it has no public constructor, [`start`](crate::start)
/// returns one for the core that it starts, and no method of [`CoreHandle`] leads to it. The
/// control plane's `ControlHandle`, which wraps it, is in a crate that `rookery-accounts` and
/// `rookery-connection` do not depend on.
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

    /// Replaces the settings of the core.
    pub async fn reload(&self, settings: Settings) -> Result<(), CoreStopped> {
        self.0.send(Event::Reload(Box::new(settings))).await
    }
}

/// The way back into the core for what was read for it. It does not keep the queue open.
#[derive(Clone)]
pub(crate) struct HistorySender(mpsc::WeakSender<Envelope>);

impl HistorySender {
    /// Sends the core an event, if it still runs.
    pub async fn send(&self, event: Event) {
        if let Some(events) = self.0.upgrade() {
            // The core may have stopped.
            let _ = events.send(event.into()).await;
        }
    }
}
