//! Outgoing mail: queues mails and sends them through lettre, either to a mail server (SMTP) or as
//! `.eml` files into a folder.
//!
//! The caller never waits: [`Mailer::send`] returns at once, and the caller may follow the
//! [`MailState`]. A mail is tried again after a transient failure until it expires.
//! Mails wait in memory only, so a restart loses them; all of them are short-lived codes and
//! notices that a user or operator can ask for again.
//!
//! This module does not know what a mail is about, and never logs its text or the receiver's whole
//! address.

mod compose;
mod directory;
mod smtp;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rookery_control_api::Component;
use rookery_protocol::Email;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use crate::config::{self, Live, MailTransport};
use crate::events::EventBus;
use crate::metrics::{Counter, METRICS};

/// The most mails that are queued or being sent. Another one fails at once.
const QUEUE: usize = 1000;
/// The number of mails that are sent at the same time, so that one slow mail server does not delay
/// the others.
const WORKERS: usize = 8;
/// The most time for one try, from connecting to the mail server's final reply. Some servers delay
/// their greeting to unknown clients.
const TRY_TIMEOUT: Duration = Duration::from_secs(30);
/// The pauses between tries. The last one repeats.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(45),
    Duration::from_mins(2),
];
/// The most time for all tries of one mail, even if it would be useful for longer.
const MAX_RETRY_TIME: Duration = Duration::from_mins(10);

/// The reason that a waiting user reads if the failure is on the server's side.
const CANNOT_SEND: &str = "this server cannot send mail at the moment";

/// A plain-text mail to one person.
#[derive(Clone)]
pub struct Mail {
    /// The receiver.
    pub to: Email,
    /// The subject line.
    pub subject: String,
    /// The body. A mailed code stands alone on its line.
    pub text: String,
    /// For how long the mail is worth sending: the lifetime of the code in it.
    pub useful_for: Duration,
}

/// Leaves out the text, because it holds codes.
impl std::fmt::Debug for Mail {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Mail")
            .field("to", &shortened(&self.to))
            .finish_non_exhaustive()
    }
}

/// The progress of a mail. The reasons are for the user who waits for it, so they do not name the
/// server's folders or its mail server: that is in the log and in [`Mailer::health`] only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailState {
    /// The first try has not ended.
    Waiting,
    /// The last try failed, for this reason. Another one follows.
    Delayed(String),
    /// The mail server or the folder has the mail.
    Sent,
    /// The mail was given up, for this reason.
    Failed(String),
}

/// A handle to the mail queue.
#[derive(Clone)]
pub struct Mailer(Arc<MailQueue>);

struct MailQueue {
    config: Live<config::Mail>,
    runtime: Handle,
    /// One permit for each mail that may be queued.
    places: Arc<Semaphore>,
    workers: Semaphore,
    pauses: &'static [Duration],
    events: EventBus,
    /// Why the last try failed; `None` if it succeeded.
    last_failure: Mutex<Option<String>>,
}

/// What a worker does.
enum Job {
    Send(Mail),
    /// Does everything that sending does, up to the point where the mail would be handed over.
    Dummy,
}

/// Why a try failed. The texts hold no secrets.
#[derive(Debug, thiserror::Error)]
enum SendError {
    /// No mail can be sent at the moment; a later try may succeed.
    #[error("{0}")]
    Transient(String),
    /// This mail will never be accepted.
    #[error("{0}")]
    Refused(String),
}

impl Mailer {
    /// Starts an empty queue. Each try uses the configuration as it is at that moment. Must be
    /// called within a tokio runtime.
    pub fn start(config: Live<config::Mail>, events: EventBus) -> Self {
        Self::start_with(config, events, QUEUE, &PAUSES)
    }

    fn start_with(
        config: Live<config::Mail>,
        events: EventBus,
        capacity: usize,
        pauses: &'static [Duration],
    ) -> Self {
        Self(Arc::new(MailQueue {
            config,
            runtime: Handle::current(),
            places: Arc::new(Semaphore::new(capacity)),
            workers: Semaphore::new(WORKERS),
            pauses,
            events,
            last_failure: Mutex::default(),
        }))
    }

    /// Queues a mail and returns its state, which may be followed or dropped. Never waits.
    pub fn send(&self, mail: Mail) -> watch::Receiver<MailState> {
        let useful_for = mail.useful_for;
        self.enqueue(Job::Send(mail), useful_for)
    }

    /// Does what [`send`](Self::send) does and takes as long, but sends no mail. It stands in for a
    /// mail that must not be sent where nobody may notice the difference.
    pub fn send_dummy(&self, useful_for: Duration) -> watch::Receiver<MailState> {
        self.enqueue(Job::Dummy, useful_for)
    }

    /// Whether mail can be sent: an error says why the last try failed.
    pub fn health(&self) -> Result<(), String> {
        self.0.last_failure.lock().clone().map_or(Ok(()), Err)
    }

    fn enqueue(&self, job: Job, useful_for: Duration) -> watch::Receiver<MailState> {
        let (state, follow) = watch::channel(MailState::Waiting);
        if let Ok(place) = Arc::clone(&self.0.places).try_acquire_owned() {
            let deadline = Instant::now() + useful_for.min(MAX_RETRY_TIME);
            let queue = Arc::clone(&self.0);
            self.0
                .runtime
                .spawn(async move { queue.process(&job, deadline, &state, place).await });
        } else {
            tracing::warn!("a mail was not queued: too many mails are waiting");
            state.send_replace(MailState::Failed(
                "too many mails are waiting; try again later".to_owned(),
            ));
        }
        follow
    }
}

impl MailQueue {
    /// Tries until the job succeeds, is refused, or is of no use any longer. Holds its place in the
    /// queue until then.
    async fn process(
        &self,
        job: &Job,
        deadline: Instant,
        state: &watch::Sender<MailState>,
        _place: OwnedSemaphorePermit,
    ) {
        let to = job.receiver();
        let mut pauses = self
            .pauses
            .iter()
            .chain(self.pauses.last().into_iter().cycle())
            .copied();
        loop {
            let outcome = {
                let _worker = self
                    .workers
                    .acquire()
                    .await
                    .expect("the workers are never closed");
                tokio::time::timeout(TRY_TIMEOUT, self.attempt(job))
                    .await
                    .unwrap_or_else(|_| {
                        Err(SendError::Transient(format!(
                            "timed out after {} seconds",
                            TRY_TIMEOUT.as_secs()
                        )))
                    })
            };
            let reason = match outcome {
                Ok(file) => {
                    self.set_last_failure(None);
                    job.count(&METRICS.mails_sent);
                    if let Some(file) = file {
                        // People who try the server out look for the code in this file.
                        tracing::info!(%to, file = %file.display(), "mail written");
                    } else {
                        tracing::info!(%to, "mail sent");
                    }
                    state.send_replace(MailState::Sent);
                    return;
                }
                Err(SendError::Refused(reason)) => {
                    job.count(&METRICS.mails_failed);
                    let why = without_addresses(&reason);
                    tracing::warn!(%to, reason = why, "mail refused");
                    self.events.component_failed(
                        Component::Mail,
                        format!("mail to {to} was refused: {why}"),
                    );
                    state.send_replace(MailState::Failed(reason));
                    return;
                }
                Err(SendError::Transient(reason)) => reason,
            };
            let why = without_addresses(&reason);
            tracing::warn!(%to, reason = why, "mail could not be sent");
            self.events.component_failed(
                Component::Mail,
                format!("mail to {to} could not be sent: {why}"),
            );
            self.set_last_failure(Some(why));
            let pause = pauses.next().unwrap_or(MAX_RETRY_TIME);
            if Instant::now() + pause >= deadline {
                job.count(&METRICS.mails_failed);
                state.send_replace(MailState::Failed(CANNOT_SEND.to_owned()));
                return;
            }
            state.send_replace(MailState::Delayed(CANNOT_SEND.to_owned()));
            tokio::time::sleep(pause).await;
        }
    }

    /// Tries once. Returns the file that was written, if the transport writes files.
    async fn attempt(&self, job: &Job) -> Result<Option<PathBuf>, SendError> {
        let config = self.config.get();
        let message = match job {
            Job::Send(mail) => Some(compose::message(mail, &config.from)?),
            Job::Dummy => None,
        };
        match config.transport {
            MailTransport::Directory => directory::deliver(&config.directory, message).await,
            MailTransport::Smtp => smtp::deliver(&config.smtp, message).await.map(|()| None),
        }
    }

    fn set_last_failure(&self, reason: Option<String>) {
        *self.last_failure.lock() = reason;
    }
}

impl Job {
    /// Increments `counter`, unless this is a dummy.
    fn count(&self, counter: &Counter) {
        if matches!(self, Self::Send(_)) {
            counter.increment();
        }
    }

    /// Returns the receiver as the log shows it.
    fn receiver(&self) -> String {
        match self {
            Self::Send(mail) => shortened(&mail.to),
            Self::Dummy => "nobody (a dummy)".to_owned(),
        }
    }
}

/// Shortens an address so that its owner recognizes it and others learn little: `a…@e….org`.
pub fn shortened(email: &Email) -> String {
    let first = |text: &str| text.chars().next().map(String::from).unwrap_or_default();
    let (local, domain) = email
        .as_str()
        .rsplit_once('@')
        .unwrap_or((email.as_str(), ""));
    match domain.rsplit_once('.') {
        Some((name, top)) => format!("{}…@{}….{top}", first(local), first(name)),
        None => format!("{}…@{}…", first(local), first(domain)),
    }
}

/// Returns `text` for the log: mail servers often repeat the address that they refuse.
fn without_addresses(text: &str) -> String {
    text.split(' ')
        .map(|word| if word.contains('@') { "…@…" } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}
