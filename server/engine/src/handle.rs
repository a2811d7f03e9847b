//! Handles to the core: for sessions, for operators, and for the results of reading history.
//!
//! All of them send to one queue, which the core's task empties. [`CoreHandle`] is for the chat
//! port: it admits a session, signs it in, and forwards the messages of the session. It cannot send
//! the requests of operators; those go through [`OperatorPort`]. There is only one source of an
//! `OperatorPort`: [`start`](crate::start), for the core that it starts. `rookeryd` passes it to
//! the control plane and to the probes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rookery_protocol::Message;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use crate::pending::{Awaited, Register, register};
use crate::sendq::Sendq;
use rookery_chat::event::{
    Candidate, Disconnect, Event, Identity, LineFault, Revoked, SessionId, Settings,
};
use rookery_chat::request::{Admission, Replied, ReplyFormat, Request};
use rookery_chat::ticket::Ticket;
use rookery_record::Mark;

/// The number of events that may wait for the core. When it is reached, senders have to wait.
const MAX_WAITING_EVENTS: usize = 4096;

/// The core has stopped, because the server is stopping.
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
    /// The send queue of the session that an [`Event::Admit`] is for.
    pub sendq: Option<Arc<Sendq>>,
    /// Registers the caller that waits for the reply to the event, if there is one.
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
    /// Sends to the same queue without keeping it open.
    sender: mpsc::WeakSender<Envelope>,
}

impl EventQueue {
    /// Waits for events and moves up to `limit` of them into `batch`. Returns their number; 0 once
    /// every handle to the core is dropped.
    pub async fn recv_many(&mut self, batch: &mut Vec<Envelope>, limit: usize) -> usize {
        self.receiver.recv_many(batch, limit).await
    }

    /// Returns a sender for the results of reading history.
    pub fn history_sender(&self) -> HistorySender {
        HistorySender(self.sender.clone())
    }
}

/// Creates the queue of a core and both handles to it. This is the only source of an
/// [`OperatorPort`].
pub(crate) fn channel() -> (CoreHandle, OperatorPort, EventQueue) {
    let (events, receiver) = mpsc::channel(MAX_WAITING_EVENTS);
    let sender = events.downgrade();
    let queue = Queue {
        events,
        tickets: Arc::default(),
    };
    (
        CoreHandle(queue.clone()),
        OperatorPort(queue),
        EventQueue { receiver, sender },
    )
}

impl Queue {
    async fn send(&self, event: Event) -> Result<(), CoreStopped> {
        let sent = self.events.send(event.into()).await;
        sent.map_err(|_| CoreStopped)
    }

    /// Queues the event that `event` creates for a new ticket. Returns the receiver of the reply.
    async fn enqueue<T: Awaited>(
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

    /// Queues the event that `event` creates for a new ticket, and returns the reply.
    async fn request<T: Awaited>(
        &self,
        sendq: Option<Arc<Sendq>>,
        event: impl FnOnce(Ticket<T>) -> Event,
    ) -> Result<T, CoreStopped> {
        let reply = self.enqueue(sendq, event).await?;
        reply.await.map_err(|_| CoreStopped)
    }
}

/// An event of an admitted session. It cannot be a request of an operator, so a function with this
/// parameter cannot be called with one.
pub struct SessionEvent(Event);

impl SessionEvent {
    /// Returns the event that the session sent a message.
    pub fn command(session: SessionId, message: Message) -> Self {
        Self(Event::Command { session, message })
    }

    /// Returns the event that the session's client has received everything up to the mark.
    pub fn received(session: SessionId, until: Mark) -> Self {
        Self(Event::Received { session, until })
    }

    /// Returns the event that the session sent a line that is not a message.
    pub fn bad_line(session: SessionId, fault: LineFault) -> Self {
        Self(Event::BadLine { session, fault })
    }

    /// Returns the event that the session's connection has ended. According to how it ended, the
    /// client has received everything up to the mark, if that is known.
    pub fn disconnected(
        session: SessionId,
        disconnect: Disconnect,
        received: Option<Mark>,
    ) -> Self {
        Self(Event::Disconnected {
            session,
            disconnect,
            received,
        })
    }
}

/// The handle to the core for sessions. It has no method for what only operators may do; see the
/// module's documentation.
#[derive(Clone)]
pub struct CoreHandle(Queue);

impl CoreHandle {
    /// Sends an event without waiting. If the core's queue is full, returns the event.
    pub fn try_send(&self, event: SessionEvent) -> Result<Option<Box<SessionEvent>>, CoreStopped> {
        match self.0.events.try_send(event.0.into()) {
            Ok(()) => Ok(None),
            Err(TrySendError::Full(Envelope { event, .. })) => {
                Ok(Some(Box::new(SessionEvent(event))))
            }
            Err(TrySendError::Closed(_)) => Err(CoreStopped),
        }
    }

    /// Sends an event. Waits while the core's queue is full.
    pub async fn send(&self, event: SessionEvent) -> Result<(), CoreStopped> {
        self.0.send(event.0).await
    }

    /// Requests the admission of a session. If it is admitted, everything that is sent to it is
    /// added to `sendq`, beginning with the welcome.
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
        self.0.request(Some(sendq), event).await
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
        self.0.request(None, event).await
    }

    /// Returns the format of replies to the session; `None` if the session has ended.
    pub async fn reply_format(
        &self,
        session: SessionId,
    ) -> Result<Option<ReplyFormat>, CoreStopped> {
        let event = |ticket| Event::GetReplyFormat { ticket, session };
        self.0.request(None, event).await
    }

    /// Ends the sessions that signed in with what their account no longer accepts; after a change
    /// of the password, except the session `by` which it was made.
    pub async fn access_revoked(
        &self,
        revoked: Revoked,
        by: Option<SessionId>,
    ) -> Result<(), CoreStopped> {
        self.0.send(Event::AccessRevoked { revoked, by }).await
    }

    /// Ends a session whose place another one has taken.
    pub async fn displaced(&self, session: SessionId) -> Result<(), CoreStopped> {
        self.0.send(Event::Displaced(session)).await
    }

    /// Sends a command whose reply may be long. Returns once the reply is in the session's send
    /// queue.
    pub async fn awaited_command(
        &self,
        session: SessionId,
        message: Message,
    ) -> Result<Replied, CoreStopped> {
        let event = |ticket| Event::AwaitedCommand {
            ticket,
            session,
            message,
        };
        self.0.request(None, event).await
    }
}

/// The handle to the core for operators.
///
/// The compiler ensures that the chat port has none: there is no public constructor, only
/// [`start`](crate::start) returns one, for the core that it starts, and no method of
/// [`CoreHandle`] does. The control plane's `ControlHandle`, which wraps it, is in a crate that
/// `rookery-accounts` and `rookery-connection` do not depend on.
#[derive(Clone)]
pub struct OperatorPort(Queue);

impl OperatorPort {
    /// Returns the number of events that wait for the core.
    pub fn waiting_events(&self) -> usize {
        self.0.events.max_capacity() - self.0.events.capacity()
    }

    /// Sends a request. Returns the reply, once everything that the request does is done.
    pub async fn request<R>(&self, request: R) -> Result<R::Reply, CoreStopped>
    where
        R: Request<Reply: Awaited>,
    {
        self.enqueue(request).await?.await.map_err(|_| CoreStopped)
    }

    /// Queues a request. Requests are handled in the order in which they are queued. Returns the
    /// receiver of the reply.
    pub async fn enqueue<R>(&self, request: R) -> Result<oneshot::Receiver<R::Reply>, CoreStopped>
    where
        R: Request<Reply: Awaited>,
    {
        let event = |ticket| Event::Control(request.with_ticket(ticket));
        self.0.enqueue(None, event).await
    }

    /// Replaces the settings of the core.
    pub async fn reload(&self, settings: Settings) -> Result<(), CoreStopped> {
        self.0.send(Event::Reload(Box::new(settings))).await
    }
}

/// The sender of the results of reading history to the core. It does not keep the queue open.
#[derive(Clone)]
pub(crate) struct HistorySender(mpsc::WeakSender<Envelope>);

impl HistorySender {
    /// Sends an event to the core, if it still runs.
    pub async fn send(&self, event: Event) {
        if let Some(events) = self.0.upgrade() {
            // Sending fails if the core has stopped, which is no error.
            let _ = events.send(event.into()).await;
        }
    }
}
