//! Answers that go on: server-sent events, for as long as the sign-in that they were asked for
//! with.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use hyper::body::Frame;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::permission::{Auditor, Signed};
use super::problem::{Kind, Refusal};
use super::sessions::Operator;

/// Streams at once, of all admins together. A connection serves one each, and every network has
/// more of those.
pub const STREAMS: usize = 8;
/// Written ahead of a client that reads slowly; each is one event.
const WRITTEN_AHEAD: usize = 16;
/// While there is nothing to tell, a comment says that the server is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often it is looked whether the sign-in still stands.
const CHECK: Duration = Duration::from_millis(250);

/// A connection on which a stream is under way; it has more time than others.
#[derive(Clone)]
pub struct Lease(watch::Sender<bool>);

impl Lease {
    /// What a handler is given, and what tells whether a stream is under way.
    pub fn new() -> (Self, watch::Receiver<bool>) {
        let (lease, under_way) = watch::channel(false);
        (Self(lease), under_way)
    }
}

/// The lease of a stream under way.
struct Held(Option<Lease>);

impl Held {
    fn new(lease: Option<Lease>) -> Self {
        if let Some(lease) = &lease {
            lease.0.send_replace(true);
        }
        Self(lease)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(lease) = &self.0 {
            lease.0.send_replace(false);
        }
    }
}

/// What is left free of [`STREAMS`].
pub fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(STREAMS))
}

/// A place for one stream.
pub fn place(operator: &Operator) -> Result<OwnedSemaphorePermit, Refusal> {
    Arc::clone(&operator.plane.streams)
        .try_acquire_owned()
        .map_err(|_| {
            Kind::TooManyStreams
                .with_detail(format!(
                    "{STREAMS} streams of events are under way. End one, or try again later."
                ))
                .retry_after(60)
        })
}

/// Why a stream ends.
#[derive(Debug)]
pub enum Over {
    /// Its client has gone.
    Gone,
    /// Its sign-in has ended.
    SignedOut(&'static str),
}

/// The writing end of an answer.
pub struct Stream {
    operator: Signed<Auditor>,
    out: mpsc::Sender<Bytes>,
    checks: Interval,
    begun: Instant,
    said_at: Instant,
    _place: OwnedSemaphorePermit,
    _held: Held,
}

impl Stream {
    /// The writing end, and the answer.
    pub fn begin(
        operator: Signed<Auditor>,
        lease: Option<Extension<Lease>>,
        place: OwnedSemaphorePermit,
    ) -> (Self, Response) {
        let (out, feed) = mpsc::channel(WRITTEN_AHEAD);
        let held = Held::new(lease.map(|Extension(lease)| lease));
        let begun = Instant::now();
        let mut checks = interval(CHECK);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stream = Self {
            operator,
            out,
            checks,
            begun,
            said_at: begun,
            _place: place,
            _held: held,
        };
        let answer = (
            [(header::CONTENT_TYPE, "text/event-stream")],
            Body::new(Feed(feed)),
        )
            .into_response();
        (stream, answer)
    }

    /// Whose it is.
    pub fn operator(&self) -> &Operator {
        &self.operator
    }

    /// The time, reckoned from the request's.
    pub fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.begun.elapsed()).unwrap_or(SignedDuration::MAX);
        self.operator
            .now()
            .saturating_add(passed)
            .unwrap_or(Timestamp::MAX)
    }

    /// Waits until it is time for [`Self::check`]. Nothing is lost when it is dropped half-way.
    pub async fn pause(&mut self) {
        tokio::select! {
            () = self.out.closed() => {}
            _ = self.checks.tick() => {}
        }
    }

    /// Whether there is someone to tell still; if so, that is a use of the sign-in.
    pub async fn check(&mut self) -> Result<(), Over> {
        if self.out.is_closed() {
            return Err(Over::Gone);
        }
        self.operator
            .stands(self.now())
            .await
            .map_err(Over::SignedOut)?;
        if self.said_at.elapsed() >= KEEP_ALIVE {
            self.write(": still here\n\n".into()).await?;
        }
        Ok(())
    }

    /// Sends an event; waits for a slow client as long as the sign-in stands.
    pub async fn send(&mut self, name: &str, data: &impl Serialize) -> Result<(), Over> {
        self.write(event(name, data)).await
    }

    /// A last event, for whoever is still there to read it.
    pub fn send_last(self, name: &str, data: &impl Serialize) {
        // A client with a full queue learns by the end of the answer.
        let _ = self.out.try_send(event(name, data));
    }

    async fn write(&mut self, text: Bytes) -> Result<(), Over> {
        let place = loop {
            tokio::select! {
                place = self.out.reserve() => break place.map_err(|_| Over::Gone)?,
                _ = self.checks.tick() => self.operator.stands(self.now()).await.map_err(Over::SignedOut)?,
            }
        };
        place.send(text);
        self.said_at = Instant::now();
        Ok(())
    }
}

fn event(name: &str, data: &impl Serialize) -> Bytes {
    // JSON holds no line breaks of its own.
    let data = serde_json::to_string(data).expect("events are plain JSON");
    format!("event: {name}\ndata: {data}\n\n").into()
}

/// The body of the answer: what was written, as it comes.
struct Feed(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Feed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(context)
            .map(|text| text.map(|text| Ok(Frame::data(text))))
    }
}
