//! Mail through lettre: to a folder of `.eml` files, or to a real server. Whoever sends never
//! waits.

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

/// Mails that may be on their way at once; the next is refused.
const QUEUE: usize = 1000;
/// Tries at work at once, so that one slow receiver does not hold up the others.
const WORKERS: usize = 8;
/// One try, from the connection to the server's receipt. Some servers make strangers wait for their
/// greeting.
const TRY_TIME: Duration = Duration::from_secs(30);
/// The pauses between tries; the last one repeats.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(45),
    Duration::from_mins(2),
];
/// No mail is tried for longer, however long it would be of use.
const PATIENCE: Duration = Duration::from_mins(10);

/// What is told of our own trouble.
const TROUBLE: &str = "mail does not leave this server at the moment";

/// A mail to one person, in plain text.
#[derive(Clone)]
pub struct Mail {
    pub to: Email,
    pub subject: String,
    /// A mailed code stands alone on its line.
    pub text: String,
    /// It is not worth sending any more after that: a code's lifetime.
    pub useful_for: Duration,
}

/// Leaves out the text: it holds codes.
impl std::fmt::Debug for Mail {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Mail")
            .field("to", &shortened(&self.to))
            .finish_non_exhaustive()
    }
}

/// How far a mail has come. The reasons are for the one who waits for it: what a stranger need not
/// know of the server (its folders, its mail server's name) is in the log and in [`Mailer::health`]
/// only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailState {
    Waiting,
    /// The last try failed, for that reason; another follows.
    Delayed(String),
    Sent,
    /// Given up, for that reason.
    Failed(String),
}

/// Takes mails and sees them on their way, so that nobody waits for a mail server.
#[derive(Clone)]
pub struct Mailer(Arc<MailQueue>);

struct MailQueue {
    config: Live<config::Mail>,
    runtime: Handle,
    queue: Arc<Semaphore>,
    workers: Semaphore,
    pauses: &'static [Duration],
    news: EventBus,
    /// What went wrong at the last try; none if it went well.
    trouble: Mutex<Option<String>>,
}

/// What is to be tried.
enum Errand {
    Deliver(Mail),
    /// All that a delivery does, up to the point where a mail would be handed over.
    Rehearse,
}

/// Why a try failed. The texts hold no secrets.
#[derive(Debug, thiserror::Error)]
enum Fault {
    /// The way is blocked, for any mail; it may clear.
    #[error("{0}")]
    Way(String),
    /// This one mail will never be taken.
    #[error("{0}")]
    Refused(String),
}

impl Mailer {
    /// Mail as the config says at the moment of each try. Needs a tokio runtime.
    pub fn start(config: Live<config::Mail>, news: EventBus) -> Self {
        Self::start_with(config, news, QUEUE, &PAUSES)
    }

    fn start_with(
        config: Live<config::Mail>,
        news: EventBus,
        queue: usize,
        pauses: &'static [Duration],
    ) -> Self {
        Self(Arc::new(MailQueue {
            config,
            runtime: Handle::current(),
            queue: Arc::new(Semaphore::new(queue)),
            workers: Semaphore::new(WORKERS),
            pauses,
            news,
            trouble: Mutex::default(),
        }))
    }

    /// Takes a mail; never waits. Follow its state, or drop it.
    pub fn send(&self, mail: Mail) -> watch::Receiver<MailState> {
        let useful_for = mail.useful_for;
        self.run(Errand::Deliver(mail), useful_for)
    }

    /// Goes the same way as a mail and fares the same, but sends none. Where a mail must not go out
    /// and nobody may notice that, this stands in for it.
    pub fn rehearse(&self, useful_for: Duration) -> watch::Receiver<MailState> {
        self.run(Errand::Rehearse, useful_for)
    }

    /// How the mail fares on the whole: `ok`, or what went wrong last.
    pub fn health(&self) -> Result<(), String> {
        self.0.trouble.lock().clone().map_or(Ok(()), Err)
    }

    fn run(&self, errand: Errand, useful_for: Duration) -> watch::Receiver<MailState> {
        let (state, follow) = watch::channel(MailState::Waiting);
        if let Ok(place) = Arc::clone(&self.0.queue).try_acquire_owned() {
            let deadline = Instant::now() + useful_for.min(PATIENCE);
            let office = Arc::clone(&self.0);
            self.0
                .runtime
                .spawn(async move { office.see_off(&errand, deadline, &state, place).await });
        } else {
            tracing::warn!("a mail was refused: too many are waiting");
            state.send_replace(MailState::Failed(
                "too many mails are waiting; try again later".to_owned(),
            ));
        }
        follow
    }
}

impl MailQueue {
    /// Tries until it is done, or of no use any more. Holds its place in the queue for as long.
    async fn see_off(
        &self,
        errand: &Errand,
        deadline: Instant,
        state: &watch::Sender<MailState>,
        _place: OwnedSemaphorePermit,
    ) {
        let to = errand.receiver();
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
                tokio::time::timeout(TRY_TIME, self.attempt(errand))
                    .await
                    .unwrap_or_else(|_| {
                        Err(Fault::Way(format!(
                            "no end after {} seconds",
                            TRY_TIME.as_secs()
                        )))
                    })
            };
            let reason = match outcome {
                Ok(file) => {
                    self.set_trouble(None);
                    errand.count(&METRICS.mails_sent);
                    if let Some(file) = file {
                        // Whoever tries the server out looks for the code there.
                        tracing::info!(%to, file = %file.display(), "mail written");
                    } else {
                        tracing::info!(%to, "mail sent");
                    }
                    state.send_replace(MailState::Sent);
                    return;
                }
                Err(Fault::Refused(reason)) => {
                    errand.count(&METRICS.mails_failed);
                    let why = without_addresses(&reason);
                    tracing::warn!(%to, reason = why, "mail refused");
                    self.news
                        .trouble(Component::Mail, format!("mail to {to} was refused: {why}"));
                    state.send_replace(MailState::Failed(reason));
                    return;
                }
                Err(Fault::Way(reason)) => reason,
            };
            let why = without_addresses(&reason);
            tracing::warn!(%to, reason = why, "mail could not be sent");
            self.news.trouble(
                Component::Mail,
                format!("mail to {to} could not be sent: {why}"),
            );
            self.set_trouble(Some(why));
            let pause = pauses.next().unwrap_or(PATIENCE);
            if Instant::now() + pause >= deadline {
                errand.count(&METRICS.mails_failed);
                state.send_replace(MailState::Failed(TROUBLE.to_owned()));
                return;
            }
            state.send_replace(MailState::Delayed(TROUBLE.to_owned()));
            tokio::time::sleep(pause).await;
        }
    }

    /// Gives the file, where the mail became one.
    async fn attempt(&self, errand: &Errand) -> Result<Option<PathBuf>, Fault> {
        let config = self.config.get();
        let message = match errand {
            Errand::Deliver(mail) => Some(compose::message(mail, &config.from)?),
            Errand::Rehearse => None,
        };
        match config.transport {
            MailTransport::Directory => directory::deliver(&config.directory, message).await,
            MailTransport::Smtp => smtp::deliver(&config.smtp, message).await.map(|()| None),
        }
    }

    fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock() = trouble;
    }
}

impl Errand {
    /// A rehearsal is no mail.
    fn count(&self, counter: &Counter) {
        if matches!(self, Self::Deliver(_)) {
            counter.increment();
        }
    }

    /// For the log.
    fn receiver(&self) -> String {
        match self {
            Self::Deliver(mail) => shortened(&mail.to),
            Self::Rehearse => "nobody (a rehearsal)".to_owned(),
        }
    }
}

/// An address so that its owner knows it and others learn little: `a…@e….org`.
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

/// `text` for the log: mail servers like to repeat the address they refuse.
fn without_addresses(text: &str) -> String {
    text.split(' ')
        .map(|word| if word.contains('@') { "…@…" } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}
