//! The control plane: its listener, its sign-in, its handlers, its audit. It is reached through its
//! own port only.
#![allow(missing_docs)]

mod accounts;
pub mod admin_password;
mod admins;
mod announcements;
mod audit;
mod audit_reading;
mod authenticator;
mod bans;
mod chain_mail;
mod channels;
mod csv;
mod events;
mod extract;
mod idempotency;
mod invitations;
mod kicks;
mod listener;
mod maintenance;
mod messages;
mod meter;
mod notices;
mod openapi;
mod pages;
mod password;
mod permission;
mod problem;
mod registrations;
mod reload;
mod router;
mod sessions;
mod sign_in;
mod status;
mod stream;
mod targets;
#[cfg(test)]
mod tests;
mod throttle;
mod top;
mod totp;
mod users;

use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};

use audit::Trail;
use extract::Arrival;
use idempotency::Answers;
use notices::Failures;
use problem::{Kind, Refusal};
pub use reload::Request as ReloadRequest;
use rookery_accounts::Accounts;
use rookery_accounts::csv_sync::CsvSync;
use rookery_base::certificates::Certificates;
use rookery_base::config::LiveConfig;
use rookery_base::events::EventBus;
use rookery_base::mail::Mailer;
use rookery_chat::AdmissionPolicy;
use rookery_chat::event::{Act, Answer};
use rookery_engine::handle::CoreHandle;
use rookery_engine::probes::Probes;
use rookery_store::{Database, Result as StoreResult, Store};
use sessions::Sessions;
use sign_in::Challenges;
use throttle::Throttle;
use totp::Enrolments;

/// How often the trail looks for counts to enter.
const SETTLE_EVERY: Duration = Duration::from_secs(10);

/// What the control plane works with.
pub struct Control {
    pub config: LiveConfig,
    pub database: Database,
    pub windows: CsvSync,
    pub core: CoreHandle,
    pub accounts: Arc<Accounts>,
    pub mailer: Mailer,
    pub certificates: Arc<Certificates>,
    /// For the status.
    pub probes: Probes,
    pub news: EventBus,
    /// In force.
    pub gate: watch::Receiver<Arc<AdmissionPolicy>>,
    /// To whoever runs the server.
    pub reloads: mpsc::Sender<ReloadRequest>,
}

/// Serves until the task is dropped.
pub async fn serve(control: Control, listener: TcpListener) {
    let plane = Arc::new(Plane::new(control));
    let settle = async {
        let mut ticks = tokio::time::interval(SETTLE_EVERY);
        loop {
            ticks.tick().await;
            plane.trail.settle(Timestamp::now()).await;
        }
    };
    tokio::join!(
        listener::run(Arc::clone(&plane), listener),
        settle,
        chain_mail::run(&plane)
    );
}

/// The control plane at work: what it works with, and what it keeps in memory.
struct Plane {
    control: Control,
    trail: Trail,
    challenges: Mutex<Challenges>,
    sessions: Mutex<Sessions>,
    throttle: Mutex<Throttle>,
    answers: Mutex<Answers>,
    enrolments: Mutex<Enrolments>,
    failures: Mutex<Failures>,
    /// For answers that go on.
    streams: Arc<Semaphore>,
    /// Held by the one search that reads.
    searching: tokio::sync::Mutex<()>,
}

impl Plane {
    fn new(control: Control) -> Self {
        Self {
            trail: Trail::new(control.database.clone()),
            control,
            challenges: Mutex::default(),
            sessions: Mutex::default(),
            throttle: Mutex::default(),
            answers: Mutex::default(),
            enrolments: Mutex::default(),
            failures: Mutex::default(),
            streams: stream::places(),
            searching: tokio::sync::Mutex::default(),
        }
    }

    /// Reads from the record.
    async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&dyn Store) -> StoreResult<T> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.control.database.read(job).await.map_err(|error| {
            tracing::error!(%error, "the control plane cannot read the record");
            Kind::RecordUnavailable.because("The record cannot be read. The server's log says why.")
        })
    }

    /// Whether a password or a code of that admin may be tried from there now. It counts as wrong
    /// until [`Throttle::succeeded`] is told otherwise.
    fn may_try(&self, admin: &str, arrival: Arrival) -> Result<(), Refusal> {
        let unit = self.control.config.get().limits.failed_sign_ins;
        lock(&self.throttle)
            .begin(arrival.at, admin, arrival.network(), unit)
            .map_err(|seconds| {
                Kind::TooManyAttempts
                    .because(format!(
                        "Too many attempts failed. Try again in {seconds} seconds."
                    ))
                    .retry_after(seconds)
            })
    }

    /// Has the core act; its answer comes when all that it does is done.
    async fn act(&self, act: Act) -> Result<Answer, Refusal> {
        Ok(self.control.core.act(act).await?)
    }
}

/// The core gave an answer of another sort than the act has.
fn unexpected(answer: &impl Debug) -> Refusal {
    tracing::error!(?answer, "the core answered an act with something else");
    Kind::Internal.because("The server could not make sense of itself; its log has more.")
}

/// Locks what no code can leave half-changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes from the system's random source.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has random bytes to give");
    bytes
}
