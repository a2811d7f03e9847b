//! The state that all handlers share: the parts of the server that they use, and what the control
//! plane holds in memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::audit::head_key::HeadKey;
use crate::audit::notices::{Failures, Notice};
use crate::audit::trail::Trail;
use crate::auth::challenges::Challenges;
use crate::auth::enrolments::Enrolments;
use crate::auth::sessions::Sessions;
use crate::auth::throttle::{Attempting, Holder, Source, Throttle};
use crate::fair_limit::Permit;
use crate::handle::ControlHandle;
use crate::health::HealthCache;
use crate::http::extract::RequestOrigin;
use crate::http::idempotency::answers::Answers;
use crate::http::places::Places;
use crate::http::problem::{Kind, Refusal};
use crate::http::stranger_limit::StrangerLimit;
use crate::http::stream_places::StreamPlaces;
use crate::import_turns::ImportTurns;
use crate::requests_in_progress::RequestsInProgress;
use rookery_accounts::Accounts;
use rookery_accounts::csv_sync::CsvSync;
use rookery_base::certificates::Certificates;
use rookery_base::config::{self, Live};
use rookery_base::events::EventBus;
use rookery_base::mail::{Mailer, Requester};
use rookery_base::turns::Turns;
use rookery_chat::AdmissionPolicy;
use rookery_chat::request::Request;
use rookery_engine::Awaited;
use rookery_engine::probes::Probes;
use rookery_record::Admin;
use rookery_store::{Database, Result as StoreResult, Store};

/// The pause before the networks of admins are read again after a failure.
const RETRY_PAUSE: Duration = Duration::from_secs(10);

/// A request to reload the config, the certificates and the CSV files. The answer is an error
/// message if one of them is invalid.
pub type ReloadRequest = oneshot::Sender<Result<(), String>>;

/// The sections of the config that the control plane reads. It needs the whole config nowhere: a
/// reload is only requested here ([`Control::reloads`]), and performed by `rookeryd`.
pub struct ControlConfig {
    /// `[accounts]`, for the rules by which different spellings of an email are one.
    pub accounts: Live<config::Accounts>,
    /// `[admin]`, for the duration of sessions, the authority of client certificates, and whether
    /// the head of the audit trail is mailed.
    pub admin: Live<config::Admin>,
    /// `[chat]`, for the names of the server and the network.
    pub chat: Live<config::Chat>,
    /// `[tls]`, for how long browsers remember to use TLS only.
    pub tls: Live<config::Tls>,
}

/// The parts of the server that the control plane uses.
pub struct Control {
    /// The sections of the current config that the control plane reads.
    pub config: ControlConfig,
    /// The database.
    pub database: Database,
    /// The CSV files next to the database.
    pub csv_sync: CsvSync,
    /// The chat's core.
    pub core: ControlHandle,
    /// Registrations, invitations and sign-ins on the chat port.
    pub accounts: Arc<Accounts>,
    /// Outgoing mail.
    pub mailer: Mailer,
    /// The certificates of the control port.
    pub certificates: Arc<Certificates>,
    /// The figures for the status and the activity.
    pub probes: Probes,
    /// The events for operators.
    pub events: EventBus,
    /// The admission policy in force, with its bans.
    pub admission_policy: watch::Receiver<Arc<AdmissionPolicy>>,
    /// The key that signs the newest entry of the audit trail.
    pub head_key: HeadKey,
    /// The queue of requests to reload.
    pub reloads: mpsc::Sender<ReloadRequest>,
}

/// The control plane at run time: its dependencies, and its state in memory.
pub struct ControlPlane {
    pub control: Control,
    pub trail: Trail,
    pub challenges: Mutex<Challenges>,
    pub sessions: Mutex<Sessions>,
    pub throttle: Mutex<Throttle>,
    /// Limits the sign-ins that read from the database before the throttle is asked.
    pub logins: StrangerLimit,
    /// Limits the requests for the server's health.
    pub health_checks: StrangerLimit,
    attempting: Attempting,
    /// The connections to the control port.
    pub places: Arc<Places>,
    /// Notified when the networks from which admins have signed in may have changed.
    pub admin_networks_changed: Notify,
    pub answers: Mutex<Answers>,
    /// TLS handshakes need much more CPU than requests, which must not wait for many of them.
    pub handshake_turns: Turns,
    pub enrolments: Mutex<Enrolments>,
    failures: Mutex<Failures>,
    /// The open event streams.
    pub streams: Arc<StreamPlaces>,
    /// The last answer of `GET /healthz`.
    pub health: HealthCache,
    /// Held by the one operator's read of the store that may take long.
    pub long_read: tokio::sync::Mutex<()>,
    /// The imports of CSV files.
    pub imports: ImportTurns,
    /// The requests of signed-in admins.
    pub requests: Arc<RequestsInProgress>,
}

impl ControlPlane {
    pub fn new(control: Control) -> Self {
        Self {
            trail: Trail::new(control.database.clone()),
            control,
            challenges: Mutex::default(),
            sessions: Mutex::default(),
            throttle: Mutex::default(),
            logins: StrangerLimit::default(),
            health_checks: StrangerLimit::default(),
            attempting: Attempting::default(),
            places: Arc::default(),
            admin_networks_changed: Notify::new(),
            answers: Mutex::default(),
            handshake_turns: Turns::on_half_of_the_cores(),
            enrolments: Mutex::default(),
            failures: Mutex::default(),
            streams: Arc::default(),
            health: HealthCache::default(),
            long_read: tokio::sync::Mutex::default(),
            imports: ImportTurns::default(),
            requests: Arc::default(),
        }
    }

    /// Keeps places for the networks from which admins have signed in: at the start, and whenever
    /// they change.
    pub async fn keep_places_for_known_networks(&self) {
        loop {
            let pause = match self.control.database.read(Store::admin_networks).await {
                Ok(networks) => {
                    self.places.set_known(&networks);
                    Duration::MAX
                }
                Err(error) => {
                    tracing::warn!(
                        %error,
                        "cannot read from which networks admins have signed in: those known so \
                         far have places on the control port that are kept for them"
                    );
                    RETRY_PAUSE
                }
            };
            // Whether they have changed or the pause is over, they are read.
            let _ = timeout(pause, self.admin_networks_changed.notified()).await;
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

    /// Begins an attempt to sign in, which may be delayed and wait for others. The attempt counts
    /// as a failure until [`Throttle::succeeded`] is called, and is in progress until the permit is
    /// dropped.
    pub async fn begin_attempt(
        &self,
        source: &Source,
        now: Instant,
    ) -> Result<Permit<'_, Holder>, Refusal> {
        let Some(permit) = self.attempting.begin(source).await else {
            return Err(too_many_attempts(
                1,
                "Too many attempts are in progress at the moment.",
            ));
        };
        let begun = self.throttle.lock().begin(now, source);
        let delay =
            begun.map_err(|seconds| too_many_attempts(seconds, "Too many attempts failed."))?;
        tokio::time::sleep(delay).await;
        Ok(permit)
    }

    /// Counts a wrong password or code of an admin, and notifies the admin when there are many.
    pub fn count_failure(&self, admin: &Admin, origin: RequestOrigin) {
        if self.failures.lock().add(origin.at, &admin.name) {
            self.notify(admin, origin, &Notice::RepeatedFailures);
        }
    }

    /// Notifies an admin of a wrong code after the right password, at most once an hour.
    pub fn count_wrong_code(&self, admin: &Admin, origin: RequestOrigin) {
        if self.failures.lock().add_wrong_code(origin.at, &admin.name) {
            self.notify(admin, origin, &Notice::WrongCode);
        }
    }

    /// Mails a security notice to an admin. Does not wait for its delivery: the status reports the
    /// state of mail.
    pub fn notify(&self, admin: &Admin, origin: RequestOrigin, notice: &Notice) {
        let server = &self.control.config.chat.get().server_name;
        let mail = notice.to_mail(server, admin, origin);
        drop(self.control.mailer.send(mail, Requester::Operator));
    }

    /// Returns how long a session stays valid without a request.
    pub fn idle_limit(&self) -> SignedDuration {
        SignedDuration::from_mins(i64::from(self.control.config.admin.get().idle_minutes))
    }

    /// Sends a request to the core. Returns the reply, once everything that the request does is
    /// done.
    pub async fn request<R>(&self, request: R) -> Result<R::Reply, Refusal>
    where
        R: Request<Reply: Awaited>,
    {
        Ok(self.control.core.request(request).await?)
    }
}

fn too_many_attempts(seconds: u64, reason: &str) -> Refusal {
    let unit = if seconds == 1 { "second" } else { "seconds" };
    Kind::TooManyAttempts
        .with_detail(format!("{reason} Try again in {seconds} {unit}."))
        .retry_after(seconds)
}
