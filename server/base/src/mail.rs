//! Outgoing mail: queues mails and sends them with lettre, either to a mail server (SMTP) or as
//! `.eml` files into a folder.
//!
//! The caller never waits: [`Mailer::send`] returns at once, and the caller may follow the
//! [`MailState`]. After a transient failure, a mail is tried again until it is no longer useful.
//! The queue is in memory only, so a restart loses it; all mails are short-lived codes and notices
//! that a user or operator can request again.
//!
//! This module does not interpret mails, and never logs their text or the receiver's full address.

mod attempts;
mod bounded;
mod compose;
mod directory;
mod places;
mod smtp;
#[cfg(test)]
mod tests;

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use parking_lot::Mutex;
use rookery_control_api::Component;
use rookery_protocol::Email;
use rookery_record::Network;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::{self, Live, MailTransport, SmtpSecurity};
use crate::events::EventBus;
use crate::metrics::{Counter, METRICS};
use crate::pem;
use attempts::{Attempt, Attempts, Kind, MIN_TIME};
use places::{Place, Places};

/// The maximum number of mails of each [`Lane`] that are queued or being sent. When it is reached,
/// a further mail takes the place of one that waits to be tried again, or of one of a requester
/// that has more waiting, or fails at once.
const QUEUE_CAPACITY: usize = 1000;
/// The timeout of one attempt, from connecting to the mail server's final reply. Some servers delay
/// their greeting to unknown clients.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
/// The pauses between attempts. The last one repeats.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(45),
    Duration::from_mins(2),
];
/// The maximum time for all attempts to send one mail, even if it is useful for longer.
const MAX_RETRY_TIME: Duration = Duration::from_mins(10);

/// The reason that a waiting user receives if the failure is on the server's side.
const CANNOT_SEND: &str = "this server cannot send mail at the moment";
/// The reason that a waiting user receives if there is no place for its mail.
const TOO_MANY: &str = "too many mails are waiting; try again later";
/// The reason that a waiting user receives if only its own mail is not accepted yet.
const NOT_ACCEPTED_YET: &str = "the mail server has not accepted mail to your address yet";

/// A plain-text mail to one person.
#[derive(Clone)]
pub struct Mail {
    /// The receiver.
    pub to: Email,
    /// The subject line.
    pub subject: String,
    /// The body. A mailed code is on a line of its own.
    pub text: String,
    /// How long the mail is useful, for example the lifetime of the code in it.
    pub useful_for: Duration,
}

/// Omits the text, because it may contain a code.
impl std::fmt::Debug for Mail {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Mail")
            .field("to", &shortened(&self.to))
            .finish_non_exhaustive()
    }
}

/// The progress of a mail. The reasons are shown to the user who waits for it, so they name neither
/// the server's folders nor its mail server. Those details are in the log and in
/// [`Mailer::health`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailState {
    /// The first attempt has not ended.
    Waiting,
    /// The last attempt failed for this reason. Another one follows.
    Delayed(String),
    /// The mail server has accepted the mail, or its file has been written.
    Sent,
    /// The mail could not be sent for this reason. It is not tried again.
    Failed(String),
}

/// On whose behalf a mail is sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Requester {
    /// Someone at this site ([`Network::of_site`]). Sites take turns: one may request as many mails
    /// as four networks, whether it uses one of its networks or thousands.
    Site(Network),
    /// An operator who signs in, or the control plane. What others request does not delay this.
    Operator,
    /// The operator with this name, to an address that the operator has chosen: an invitation, or a
    /// code for an account. Its receiver may take long, which delays no operator's sign-in.
    /// Operators take turns.
    OnBehalf(Arc<str>),
}

/// A handle to the mail queue.
#[derive(Clone)]
pub struct Mailer(Arc<MailQueue>);

struct MailQueue {
    config: Live<config::Mail>,
    runtime: Handle,
    users: Lane,
    operators: Lane,
    on_behalf: Lane,
    pauses: &'static [Duration],
    events: EventBus,
    health: Mutex<Health>,
}

/// Whether mail can be sent.
#[derive(Default)]
struct Health {
    /// The reason why no mail could be sent at the last attempt; `None` if mail can be sent.
    last_failure: Option<String>,
    /// Whether a task tries until mail can be sent.
    is_probing: bool,
}

/// The places of those who do not delay others.
struct Lane {
    /// One place for each mail that may be queued or being sent.
    places: Arc<Places>,
    attempts: Attempts,
}

impl Lane {
    fn new(capacity: usize) -> Self {
        Self {
            places: Places::new(capacity),
            attempts: Attempts::default(),
        }
    }
}

/// A queued job.
enum Job {
    Send(Mail),
    /// Does what sending a mail does, up to the point where the mail would be transferred.
    Dummy,
}

/// Why an attempt failed. The texts contain no secrets.
#[derive(Debug, thiserror::Error)]
enum SendError {
    /// No mail can be sent at the moment. A later attempt may succeed.
    #[error("{0}")]
    Broken(String),
    /// This mail is not accepted at the moment (an unknown sender is often made to try again after
    /// a few minutes: greylisting). Others may be.
    #[error("{0}")]
    Deferred(String),
    /// The mail server took the sender, but did not answer about the receiver or the text in time.
    /// If that holds for one mail, it may hold for others or not.
    #[error("{0}")]
    Unanswered(String),
    /// This mail will never be accepted.
    #[error("{0}")]
    Refused(String),
}

/// Checks the files that `[mail.smtp]` names, or the folder for mails, whichever is used.
pub fn check(config: &config::Mail) -> anyhow::Result<()> {
    let smtp = &config.smtp;
    if config.transport == MailTransport::Directory {
        // A missing folder is created with the first mail.
        let existing = config.directory.ancestors().find(|path| path.exists());
        ensure!(
            existing.is_none_or(Path::is_dir),
            "mail.directory: {} is not a folder",
            existing.unwrap_or(&config.directory).display()
        );
        return Ok(());
    }
    if let Some(file) = &smtp.password_file {
        std::fs::read_to_string(file)
            .map_err(|error| match error.kind() {
                io::ErrorKind::InvalidData => anyhow!("the file is not text in UTF-8"),
                _ => error.into(),
            })
            .and_then(|password| {
                ensure!(!password.trim().is_empty(), "the file holds no password");
                ensure!(
                    password.trim().lines().count() == 1,
                    "the file holds more than one line"
                );
                Ok(())
            })
            .with_context(|| format!("mail.smtp.password_file: {}", file.display()))?;
    }
    if let Some(file) = &smtp.ca {
        pem::authorities(file).with_context(|| format!("mail.smtp.ca: {}", file.display()))?;
    }
    Ok(())
}

/// Returns a warning if codes are sent to another machine in clear.
pub fn exposure(config: &config::Mail) -> Option<String> {
    let smtp = &config.smtp;
    let is_local = smtp.host == "localhost"
        || smtp
            .host
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback());
    let is_exposed =
        config.transport == MailTransport::Smtp && smtp.security == SmtpSecurity::None && !is_local;
    is_exposed.then(|| {
        format!(
            "mail.smtp.security: \"none\" sends codes in clear to {}; use \"starttls\" or \"tls\"",
            smtp.host
        )
    })
}

impl Mailer {
    /// Starts with an empty queue. Each attempt uses the current configuration. Must be called
    /// within a tokio runtime.
    pub fn start(config: Live<config::Mail>, events: EventBus) -> Self {
        Self::start_with(config, events, QUEUE_CAPACITY, &PAUSES)
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
            users: Lane::new(capacity),
            operators: Lane::new(capacity),
            on_behalf: Lane::new(capacity),
            pauses,
            events,
            health: Mutex::default(),
        }))
    }

    /// Queues a mail and returns a receiver of its state, which the caller may drop. Never waits.
    pub fn send(&self, mail: Mail, requester: Requester) -> watch::Receiver<MailState> {
        let useful_for = mail.useful_for;
        self.enqueue(Job::Send(mail), useful_for, requester)
    }

    /// Behaves like [`send`](Self::send) and takes about as long, but sends no mail. It is used
    /// where no mail must be sent and the client must not notice the difference.
    pub fn send_dummy(
        &self,
        useful_for: Duration,
        requester: Requester,
    ) -> watch::Receiver<MailState> {
        self.enqueue(Job::Dummy, useful_for, requester)
    }

    /// Whether mail can be sent, as far as the last attempt shows. The error is the reason why not;
    /// that one mail is refused, to any receiver, is no such reason, nor that the mail server does
    /// not answer about a receiver who is no operator. While no mail can be sent, attempts are made
    /// every few minutes, also without a mail.
    pub fn health(&self) -> Result<(), String> {
        let health = self.0.health.lock();
        health.last_failure.clone().map_or(Ok(()), Err)
    }

    fn enqueue(
        &self,
        job: Job,
        useful_for: Duration,
        requester: Requester,
    ) -> watch::Receiver<MailState> {
        let (state, receiver) = watch::channel(MailState::Waiting);
        if let Some(mut place) = self.0.lane(&requester).places.take(requester.clone()) {
            let deadline = Instant::now() + useful_for.min(MAX_RETRY_TIME);
            let queue = Arc::clone(&self.0);
            self.0.runtime.spawn(async move {
                let process = queue.process(&job, &requester, deadline, &mut place, &state);
                process.await;
            });
        } else {
            tracing::warn!("a mail was not queued: too many mails are waiting");
            state.send_replace(MailState::Failed(TOO_MANY.to_owned()));
        }
        receiver
    }
}

impl MailQueue {
    fn lane(&self, requester: &Requester) -> &Lane {
        match requester {
            Requester::Site(_) => &self.users,
            Requester::Operator => &self.operators,
            Requester::OnBehalf(_) => &self.on_behalf,
        }
    }

    /// Tries until the job succeeds, is refused, or is no longer useful.
    async fn process(
        self: &Arc<Self>,
        job: &Job,
        requester: &Requester,
        deadline: Instant,
        place: &mut Place,
        state: &watch::Sender<MailState>,
    ) {
        let to = job.receiver();
        let mut pauses = self
            .pauses
            .iter()
            .chain(self.pauses.last().into_iter().cycle())
            .copied();
        let attempts = &self.lane(requester).attempts;
        let first = attempts.begin(requester.clone(), Kind::First);
        let Some(mut attempt) = place.wait(Kind::First, first).await else {
            self.give_up(job, state);
            return;
        };
        loop {
            let (reason, shown) = match self.try_once(job, requester, attempt).await {
                Ok(file) => {
                    job.count(&METRICS.mails_sent);
                    if let Some(file) = file {
                        // An operator who tries out the server finds the code in this file.
                        tracing::info!(%to, file = %file.display(), "mail written");
                    } else {
                        tracing::info!(%to, "mail sent");
                    }
                    state.send_replace(MailState::Sent);
                    return;
                }
                Err(SendError::Refused(reason)) => {
                    job.count(&METRICS.mails_failed);
                    let logged = without_addresses(&reason);
                    tracing::warn!(%to, reason = logged, "mail refused");
                    self.events.component_failed(
                        Component::Mail,
                        format!("mail to {to} was refused: {logged}"),
                    );
                    state.send_replace(MailState::Failed(reason));
                    return;
                }
                Err(SendError::Broken(reason)) => (reason, CANNOT_SEND),
                Err(SendError::Deferred(reason) | SendError::Unanswered(reason)) => {
                    (reason, NOT_ACCEPTED_YET)
                }
            };
            let logged = without_addresses(&reason);
            tracing::warn!(%to, reason = logged, "mail could not be sent");
            self.events.component_failed(
                Component::Mail,
                format!("mail to {to} could not be sent: {logged}"),
            );
            let pause = pauses.next().unwrap_or(MAX_RETRY_TIME);
            if Instant::now() + pause >= deadline {
                job.count(&METRICS.mails_failed);
                state.send_replace(MailState::Failed(shown.to_owned()));
                self.start_probe();
                return;
            }
            state.send_replace(MailState::Delayed(shown.to_owned()));
            // A mail that waits for its turn can lose its place, too.
            let turn = async {
                tokio::time::sleep(pause).await;
                attempts.begin(requester.clone(), Kind::Retry).await
            };
            let Some(retry) = place.wait(Kind::Retry, turn).await else {
                self.give_up(job, state);
                return;
            };
            attempt = retry;
        }
    }

    /// Notes that a mail has lost its place.
    fn give_up(self: &Arc<Self>, job: &Job, state: &watch::Sender<MailState>) {
        job.count(&METRICS.mails_failed);
        tracing::warn!(to = %job.receiver(), "mail given up: too many mails are waiting");
        state.send_replace(MailState::Failed(TOO_MANY.to_owned()));
        self.start_probe();
    }

    /// Makes one attempt, which has begun, and remembers whether mail can be sent.
    async fn try_once(
        &self,
        job: &Job,
        requester: &Requester,
        attempt: Attempt<'_>,
    ) -> Result<Option<PathBuf>, SendError> {
        let outcome = tokio::select! {
            biased;
            outcome = self.attempt(job) => outcome,
            () = attempt.abandoned() => {
                let seconds = MIN_TIME.as_secs();
                let reason = format!("took more than {seconds} seconds while many others do");
                return Err(SendError::Deferred(reason));
            }
        };
        let mut health = self.health.lock();
        match (&outcome, requester) {
            // Nobody else chooses the addresses of operators, so a server that does not answer
            // about these probably answers about none.
            (Err(SendError::Broken(reason)), _)
            | (Err(SendError::Unanswered(reason)), Requester::Operator) => {
                health.last_failure = Some(without_addresses(reason));
            }
            (Err(SendError::Unanswered(_)), Requester::Site(_) | Requester::OnBehalf(_)) => {}
            (Ok(_) | Err(SendError::Deferred(_) | SendError::Refused(_)), _) => {
                health.last_failure = None;
            }
        }
        drop(health);
        outcome
    }

    /// Starts a task that tries until mail can be sent, unless mail can be sent or there is such a
    /// task. When a mail is given up, there may be no other one that would show when the fault is
    /// over.
    fn start_probe(self: &Arc<Self>) {
        let mut health = self.health.lock();
        if health.is_probing || health.last_failure.is_none() {
            return;
        }
        health.is_probing = true;
        let pause = self.pauses.last().copied().unwrap_or(MAX_RETRY_TIME);
        let queue = Arc::downgrade(self);
        self.runtime.spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                let Some(queue) = queue.upgrade() else {
                    return;
                };
                let attempts = &queue.operators.attempts;
                let requester = Requester::Operator;
                let attempt = attempts.begin(requester.clone(), Kind::First).await;
                // The outcome is remembered.
                let _ = queue.try_once(&Job::Dummy, &requester, attempt).await;
                let mut health = queue.health.lock();
                if health.last_failure.is_none() {
                    health.is_probing = false;
                    tracing::info!("mail can be sent again");
                    return;
                }
            }
        });
    }

    /// Makes one attempt. Returns the file that was written, if the transport writes files.
    async fn attempt(&self, job: &Job) -> Result<Option<PathBuf>, SendError> {
        let deadline = Instant::now() + ATTEMPT_TIMEOUT;
        let config = self.config.get();
        let message = match job {
            Job::Send(mail) => Some(compose::message(mail, &config.from)?),
            Job::Dummy => None,
        };
        match config.transport {
            MailTransport::Directory => {
                let written = directory::deliver(&config.directory, message);
                let written = tokio::time::timeout_at(deadline, written).await;
                written.unwrap_or_else(|_| Err(SendError::Broken(timed_out())))
            }
            MailTransport::Smtp => {
                let sent = smtp::deliver(&config, message, deadline).await;
                sent.map(|()| None)
            }
        }
    }
}

/// Returns the reason of an attempt that has taken all its time.
fn timed_out() -> String {
    format!("timed out after {} seconds", ATTEMPT_TIMEOUT.as_secs())
}

impl Job {
    /// Increments `counter`, unless this is a dummy.
    fn count(&self, counter: &Counter) {
        if matches!(self, Self::Send(_)) {
            counter.increment();
        }
    }

    /// Returns the receiver for the log.
    fn receiver(&self) -> String {
        match self {
            Self::Send(mail) => shortened(&mail.to),
            Self::Dummy => "nobody (a dummy)".to_owned(),
        }
    }
}

/// Shortens an address so that its owner recognizes it but others learn little: `a…@e….org`.
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

/// Replaces addresses in `text`, which is for the log: mail servers often repeat the address that
/// they refuse.
fn without_addresses(text: &str) -> String {
    text.split(' ')
        .map(|word| if word.contains('@') { "…@…" } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}
