//! Event streams: server-sent events, which end with the session that requested them.

use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::poll_fn;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::stream_places::StreamPlace;
use crate::auth::operator::{Operator, SignedIn};
use crate::auth::permission::Auditor;

/// The maximum number of events that are queued for a client that reads slowly.
const MAX_QUEUED: usize = 16;
/// How often a comment is sent while there are no events, so that the client knows that the
/// connection is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often the session is checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// Whether a connection has an open stream. The listener does not limit the age of such a
/// connection.
#[derive(Clone)]
pub struct StreamState(watch::Sender<bool>);

impl StreamState {
    /// Returns the state, which the handlers of a connection set, and the receiver for the
    /// listener.
    pub fn new() -> (Self, watch::Receiver<bool>) {
        let (state, is_open) = watch::channel(false);
        (Self(state), is_open)
    }
}

/// Marks a connection as streaming until it is dropped.
struct OpenStream(Option<StreamState>);

impl OpenStream {
    fn new(state: Option<StreamState>) -> Self {
        if let Some(state) = &state {
            state.0.send_replace(true);
        }
        Self(state)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        if let Some(state) = &self.0 {
            state.0.send_replace(false);
        }
    }
}

/// Why a stream ends.
#[derive(Debug)]
pub enum StreamEnd {
    /// The client disconnected.
    Disconnected,
    /// The session ended, or a newer stream took the place; the reason is for the client.
    Ended(&'static str),
}

/// The sending end of a stream.
pub struct EventStream {
    operator: SignedIn<Auditor>,
    events: mpsc::Sender<Event>,
    checks: Interval,
    opened_at: Instant,
    sent_at: Instant,
    place: StreamPlace,
    _open: OpenStream,
}

impl EventStream {
    /// Returns the sending end, and the response that streams what is sent.
    pub fn open(
        operator: SignedIn<Auditor>,
        state: Option<Extension<StreamState>>,
        place: StreamPlace,
    ) -> (Self, Response) {
        let (events, mut queue) = mpsc::channel(MAX_QUEUED);
        let open = OpenStream::new(state.map(|Extension(state)| state));
        let opened_at = Instant::now();
        let mut checks = interval(CHECK_INTERVAL);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stream = Self {
            operator,
            events,
            checks,
            opened_at,
            sent_at: opened_at,
            place,
            _open: open,
        };
        let body = poll_fn(move |context| {
            let next = queue.poll_recv(context);
            next.map(|event| event.map(Ok::<Event, Infallible>))
        });
        (stream, Sse::new(body).into_response())
    }

    /// Returns the operator who opened the stream.
    pub fn operator(&self) -> &Operator {
        &self.operator
    }

    /// Returns the current time: that of the request, plus the age of the stream.
    pub fn now(&self) -> Timestamp {
        let passed =
            SignedDuration::try_from(self.opened_at.elapsed()).unwrap_or(SignedDuration::MAX);
        self.operator
            .now()
            .saturating_add(passed)
            .unwrap_or(Timestamp::MAX)
    }

    /// Waits until the next [`Self::check`] is due. Cancel-safe.
    pub async fn wait(&mut self) {
        tokio::select! {
            () = self.events.closed() => {}
            _ = self.checks.tick() => {}
        }
    }

    /// Checks that the client is connected and its session valid, which counts as a use of the
    /// session, and sends a comment if it is due.
    pub async fn check(&mut self) -> Result<(), StreamEnd> {
        if self.events.is_closed() {
            return Err(StreamEnd::Disconnected);
        }
        self.check_session().await?;
        if self.sent_at.elapsed() >= KEEP_ALIVE {
            self.write(Event::default().comment("keep-alive")).await?;
        }
        Ok(())
    }

    /// Sends an event. Waits for a client that reads slowly as long as its session is valid.
    pub async fn send(&mut self, name: &str, data: &impl Serialize) -> Result<(), StreamEnd> {
        self.write(event(name, data)).await
    }

    /// Sends a last event and ends the stream. If the client's queue is full, the event is dropped.
    pub fn send_last(self, name: &str, data: &impl Serialize) {
        let _ = self.events.try_send(event(name, data));
    }

    async fn write(&mut self, event: Event) -> Result<(), StreamEnd> {
        let events = self.events.clone();
        let place = loop {
            tokio::select! {
                place = events.reserve() => break place.map_err(|_| StreamEnd::Disconnected)?,
                _ = self.checks.tick() => self.check_session().await?,
            }
        };
        place.send(event);
        self.sent_at = Instant::now();
        Ok(())
    }

    async fn check_session(&self) -> Result<(), StreamEnd> {
        if self.place.is_displaced() {
            return Err(StreamEnd::Ended("a newer stream of yours took its place"));
        }
        self.operator
            .check_session(self.now())
            .await
            .map_err(StreamEnd::Ended)
    }
}

fn event(name: &str, data: &impl Serialize) -> Event {
    Event::default()
        .event(name)
        .json_data(data)
        .expect("events are plain JSON")
}
