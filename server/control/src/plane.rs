//! The state that all handlers share.

use std::sync::Arc;

use jiff::SignedDuration;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::audit::notices::{Failures, Notice};
use crate::audit::trail::Trail;
use crate::auth::challenges::Challenges;
use crate::auth::enrolments::Enrolments;
use crate::auth::sessions::Sessions;
use crate::auth::throttle::Throttle;
use crate::handle::ControlHandle;
use crate::http::extract::Arrival;
use crate::http::idempotency::answers::Answers;
use crate::http::problem::{Kind, Refusal};
use rookery_accounts::Accounts;
use rookery_accounts::csv_sync::CsvSync;
use rookery_base::certificates::Certificates;
use rookery_base::config::LiveConfig;
use rookery_base::events::EventBus;
use rookery_base::mail::Mailer;
use rookery_chat::AdmissionPolicy;
use rookery_chat::request::Request;
use rookery_engine::Awaited;
use rookery_engine::probes::Probes;
use rookery_record::Admin;
use rookery_store::{Database, Result as StoreResult, Store};

/// The maximum number of event streams, of all admins together. Each takes one connection, and one
/// network may have more of those, so that streams cannot block an admin's other requests.
pub const MAX_STREAMS: usize = 8;

/// A request to reload the config, the certificates and the CSV files. The answer is the error
/// message, if something is wrong with them.
pub type ReloadRequest = oneshot::Sender<Result<(), String>>;

/// What the control plane needs from the rest of the server.
pub struct Control {
    /// The config in force.
    pub config: LiveConfig,
    /// The store.
    pub database: Database,
    /// The CSV files beside the store.
    pub csv_sync: CsvSync,
    /// The chat's core.
    pub core: ControlHandle,
    /// Registrations, invitations and sign-ins on the chat port.
    pub accounts: Arc<Accounts>,
    /// Outgoing mail.
    pub mailer: Mailer,
    /// The certificates of the control port.
    pub certificates: Arc<Certificates>,
    /// The figures of the status.
    pub probes: Probes,
    /// Live events for operators.
    pub events: EventBus,
    /// The admission policy in force, with its bans.
    pub admission_policy: watch::Receiver<Arc<AdmissionPolicy>>,
    /// Where reloads are requested.
    pub reloads: mpsc::Sender<ReloadRequest>,
}

/// The control plane at run time: its dependencies, and what it remembers in memory.
pub struct ControlPlane {
    pub control: Control,
    pub trail: Trail,
    pub challenges: Mutex<Challenges>,
    pub sessions: Mutex<Sessions>,
    pub throttle: Mutex<Throttle>,
    pub answers: Mutex<Answers>,
    pub enrolments: Mutex<Enrolments>,
    failures: Mutex<Failures>,
    /// One permit for each event stream that may still be opened.
    pub streams: Arc<Semaphore>,
    /// Held by the one message search that reads the store.
    pub search: tokio::sync::Mutex<()>,
}

impl ControlPlane {
    pub fn new(control: Control) -> Self {
        Self {
            trail: Trail::new(control.database.clone()),
            control,
            challenges: Mutex::default(),
            sessions: Mutex::default(),
            throttle: Mutex::default(),
            answers: Mutex::default(),
            enrolments: Mutex::default(),
            failures: Mutex::default(),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            search: tokio::sync::Mutex::default(),
        }
    }

    /// Reads from the store.
    pub async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Store) -> StoreResult<T> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.control.database.read(job).await.map_err(|error| {
            tracing::error!(%error, "the control plane cannot read the database");
            Kind::StoreUnavailable.with_detail("The database cannot be read; see the server's log.")
        })
    }

    /// Checks that a password or code of an admin may be tried from an address now. The attempt
    /// counts as a failure until [`Throttle::succeeded`] is called.
    pub fn begin_attempt(&self, admin: &str, arrival: Arrival) -> Result<(), Refusal> {
        let unit = self.control.config.get().limits.failed_sign_ins;
        self.throttle
            .lock()
            .begin(arrival.at, admin, arrival.network(), unit)
            .map_err(|seconds| {
                Kind::TooManyAttempts
                    .with_detail(format!(
                        "Too many attempts failed. Try again in {seconds} seconds."
                    ))
                    .retry_after(seconds)
            })
    }

    /// Counts a wrong password or code of an admin, and notifies the admin when there are many.
    pub fn count_failure(&self, admin: &Admin, arrival: Arrival) {
        if self.failures.lock().add(arrival.at, &admin.name) {
            self.notify(admin, arrival, &Notice::RepeatedFailures);
        }
    }

    /// Mails a security notice to an admin, without waiting for its delivery: the status reports
    /// how mail works.
    pub fn notify(&self, admin: &Admin, arrival: Arrival, notice: &Notice) {
        let server = &self.control.config.get().chat.server_name;
        drop(
            self.control
                .mailer
                .send(notice.to_mail(server, admin, arrival)),
        );
    }

    /// Returns how long a session stays valid without a request.
    pub fn idle_limit(&self) -> SignedDuration {
        SignedDuration::from_mins(i64::from(self.control.config.get().admin.idle_minutes))
    }

    /// Makes a request of the core. The reply arrives when everything that the request does is
    /// done.
    pub async fn ask<R>(&self, request: R) -> Result<R::Reply, Refusal>
    where
        R: Request<Reply: Awaited>,
    {
        Ok(self.control.core.ask(request).await?)
    }
}
