//! Starts the parts of the server in the order of their dependencies, reloads while they run, and
//! stops them in order.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use data_encoding::BASE32_NOPAD;
use jiff::Timestamp;
use rookery_control_api::{Component, ServerEvent};
use rookery_protocol::AccountName;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at, timeout};

use crate::config_check::{check_files, emptiness, exposures};
use crate::data_folder;
use crate::metrics_port;
use crate::open_files::connection_capacity;
use crate::signals::{self, SignalAction, Signals};
use rookery_accounts::csv_sync::{CsvSync, Synced};
use rookery_accounts::password;
use rookery_accounts::{Accounts, AccountsConfig};
use rookery_base::certificates::Certificates;
use rookery_base::config::{Config, LiveConfig, Loaded, MailTransport};
use rookery_base::events::EventBus;
use rookery_base::mail::Mailer;
use rookery_base::metrics::METRICS;
use rookery_base::random::random;
use rookery_base::rates::Rates;
use rookery_chat::AdmissionPolicy;
use rookery_chat::Bans;
use rookery_chat::Chat;
use rookery_chat::request::{AddBans, EndAll};
use rookery_connection::{ChatPort, ConnectionConfig, Transport};
use rookery_control::handle::ControlHandle;
use rookery_control::{Control, ControlConfig, ReloadRequest};
use rookery_engine::probes::Probes;
use rookery_engine::quota::Connections;
use rookery_engine::{Engine, clock_watch, disk_watch, retention, settings, shrinking};
use rookery_record::clock::PLAUSIBLE_GAP;
use rookery_record::{Admin, Ban, ChatSnapshot, ClockRecord, Maintenance};
use rookery_store::{DATABASE_FILE, Database};

/// The time between two checks whether the certificate has to be renewed, or was.
const RENEWAL: Duration = Duration::from_hours(12);
/// How long the sessions may take to end when the server stops: to send what waits, to ask what the
/// client has received, and to close.
const STOP_TIMEOUT: Duration = Duration::from_secs(6);
/// How many connections the system completes before a port accepts them. A client that finds this
/// queue full tries again after a second.
const BACKLOG: u32 = 1024;

/// Serves until a signal stops the server. The core, the committer and the sessions run on
/// `chat_runtime`.
pub async fn run(loaded: Loaded, chat_runtime: Handle) -> Result<()> {
    if let Some(warning) = emptiness(&loaded) {
        tracing::warn!("{warning}");
    }
    let Loaded { config, file, .. } = loaded;
    if file.is_none() {
        let folder = std::env::current_dir()?;
        tracing::info!(
            folder = %folder.display(),
            "no config.toml in this folder, using the built-in defaults"
        );
    }
    // The certificates are loaded below, with the same warnings.
    check_files(&config)?;
    log_exposures(&config);
    let started_at = Timestamp::now();
    signals::let_large_files_fail()?;
    let capacity = connection_capacity()?;
    password::reserve_memory().context("cannot allocate memory for hashing passwords")?;
    let _lock = data_folder::lock(&config)?;
    let database = data_folder::open_database(&config)?;
    let verifier_key = data_folder::open_verifier_key(&config, &database).await?;
    let head_key = data_folder::open_head_key(&config)?;
    let database_file = config.data.directory.join(DATABASE_FILE);
    let unreadable = || format!("cannot use the database {}", database_file.display());
    let clock = clock_watch::start(database.clone())
        .await
        .with_context(unreadable)?;
    let certificates = Arc::new(Certificates::open(
        &config.tls,
        &config.admin,
        *clock.borrow(),
    )?);
    // Before the ports are open, since they show that the server runs: a reload that is requested
    // then must not end it.
    let mut signals = Signals::new()?;
    let listeners = Listeners::bind(&config)?;
    let (config_sender, live) = LiveConfig::new(config);
    let csv_sync = CsvSync::new(live.section(|config| &config.data), database.clone());
    let record = *clock.borrow();
    let stored = Stored::load(&database, &csv_sync, started_at, record)
        .await
        .with_context(unreadable)?;
    let has_admins = !stored.admins.is_empty();

    let config = live.get();
    let events = EventBus::default();
    let (chat, policy) = restore_chat(&config, stored, started_at);
    let engine = rookery_engine::start(
        &chat_runtime,
        chat,
        policy,
        database.clone(),
        events.clone(),
    );
    tokio::spawn(retention::run(
        live.section(|config| &config.history),
        clock.clone(),
        database.clone(),
    ));
    tokio::spawn(shrinking::run(database.clone()));
    tokio::spawn(disk_watch::run(
        live.section(|config| &config.limits),
        database.clone(),
        events.clone(),
    ));
    let mailer = Mailer::start(live.section(|config| &config.mail), events.clone());
    let accounts = Arc::new(Accounts::new(
        AccountsConfig {
            accounts: live.section(|config| &config.accounts),
            chat: live.section(|config| &config.chat),
            history: live.section(|config| &config.history),
            limits: live.section(|config| &config.limits),
            tls: live.section(|config| &config.tls),
        },
        database.clone(),
        mailer.clone(),
        csv_sync.clone(),
        events.clone(),
        verifier_key,
    ));
    let Engine {
        core,
        operators,
        commit_queue,
        admission_policy,
        mut tasks,
    } = engine;
    let connections = Arc::new(connections(config.limits.connections, capacity));
    let chat_port = Arc::new(ChatPort::new(
        ConnectionConfig {
            accounts: live.section(|config| &config.accounts),
            chat: live.section(|config| &config.chat),
            limits: live.section(|config| &config.limits),
            websocket: live.section(|config| &config.websocket),
        },
        Arc::clone(&accounts),
        core,
        Arc::clone(&certificates),
        Arc::clone(&connections),
        admission_policy.clone(),
        chat_runtime,
    ));
    let rates = Arc::new(Rates::new(started_at, METRICS.counters()));
    let probes = Probes {
        started_at,
        core: operators.clone(),
        commit_queue,
        database: database.clone(),
        connections,
        mailer: mailer.clone(),
        certificates: Arc::clone(&certificates),
        rates: Arc::clone(&rates),
        clock: clock.clone(),
    };
    tokio::spawn(async move { rates.run().await });
    let (reloads, reload_requests) = mpsc::channel(1);
    let control_handle = ControlHandle::new(operators);
    let control = Control {
        config: ControlConfig {
            accounts: live.section(|config| &config.accounts),
            admin: live.section(|config| &config.admin),
            chat: live.section(|config| &config.chat),
            tls: live.section(|config| &config.tls),
        },
        database: database.with_reserve(),
        csv_sync: csv_sync.clone(),
        core: control_handle.clone(),
        accounts,
        mailer,
        certificates: Arc::clone(&certificates),
        probes: probes.clone(),
        events: events.clone(),
        admission_policy,
        head_key,
        reloads,
    };
    let ports = listeners.serve(&config, chat_port, control, probes)?;
    log_hints(&config, has_admins);

    let server = Server {
        file,
        config: config_sender,
        certificates,
        csv_sync,
        core: control_handle,
        events,
        clock,
    };
    server
        .run(&mut signals, reload_requests, &mut tasks)
        .await?;
    tracing::info!("stopping");
    drop(ports);
    server.end_sessions().await;
    Ok(())
}

fn log_exposures(config: &Config) {
    for exposure in exposures(config) {
        tracing::warn!("{exposure}");
    }
}

/// Returns the count of connections to the chat, bounded by what the process can have open.
fn connections(limit: usize, capacity: Option<usize>) -> Connections {
    let Some(capacity) = capacity else {
        return Connections::default();
    };
    if limit == 0 || limit > capacity {
        tracing::warn!(
            connections = capacity,
            "the limit on open files permits fewer connections to the chat than \
             limits.connections; raise it (`ulimit -n`, or LimitNOFILE of systemd)"
        );
    }
    Connections::with_capacity(capacity)
}

/// The listeners of all ports.
struct Listeners {
    chat: TcpListener,
    admin: TcpListener,
    metrics: Option<TcpListener>,
    websocket: Option<TcpListener>,
}

impl Listeners {
    fn bind(config: &Config) -> Result<Self> {
        Ok(Self {
            chat: listen(config.chat.listen, "chat.listen")?,
            admin: listen(config.admin.listen, "admin.listen")?,
            metrics: listen_if_set(config.metrics.listen, "metrics.listen")?,
            websocket: listen_if_set(config.websocket.listen, "websocket.listen")?,
        })
    }

    /// Serves every port on a task of its own. Dropping the returned tasks closes the chat ports
    /// and the control plane.
    fn serve(
        self,
        config: &Config,
        chat_port: Arc<ChatPort>,
        control: Control,
        probes: Probes,
    ) -> Result<JoinSet<()>> {
        let (chat_address, admin_address) = (self.chat.local_addr()?, self.admin.local_addr()?);
        let mut ports = JoinSet::new();
        if let Some(listener) = self.metrics {
            tracing::info!(metrics = %listener.local_addr()?, "serving metrics, without sign-in");
            tokio::spawn(metrics_port::serve(probes, listener));
        }
        ports.spawn(Arc::clone(&chat_port).serve(Transport::Irc, self.chat));
        if let Some(listener) = self.websocket {
            tracing::info!(websocket = %listener.local_addr()?, "serving web clients");
            ports.spawn(chat_port.serve(Transport::WebSocket, listener));
        }
        ports.spawn(rookery_control::serve(control, self.admin));
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            chat = %chat_address,
            control_plane = %admin_address,
            data = %config.data.directory.display(),
            "Rookery is open"
        );
        Ok(ports)
    }
}

fn listen(address: SocketAddr, key: &str) -> Result<TcpListener> {
    let listening = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listening().map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => "; is another server running there?",
            io::ErrorKind::AddrNotAvailable => "; this machine does not have that address",
            _ => "",
        };
        anyhow!(error).context(format!("cannot listen on {address} ({key}){hint}"))
    })
}

fn listen_if_set(address: Option<SocketAddr>, key: &str) -> Result<Option<TcpListener>> {
    match address {
        Some(address) => listen(address, key).map(Some),
        None => Ok(None),
    }
}

/// The state that is read from the database at the start.
struct Stored {
    accounts_that_look_alike: Vec<[AccountName; 2]>,
    bans: Vec<Ban>,
    maintenance: Option<Maintenance>,
    admins: Vec<Admin>,
    chat: ChatSnapshot,
}

impl Stored {
    /// Imports the rows that were added to the CSV files, and reads the state.
    async fn load(
        database: &Database,
        csv_sync: &CsvSync,
        now: Timestamp,
        clock: ClockRecord,
    ) -> Result<Self> {
        csv_sync.sync(now).await?;
        // Bans that have expired too, if only by a clock that may be wrong; but not those that are
        // over, which would be in force again if the clock were set back by years.
        let known = clock.confirmed_at.unwrap_or(Timestamp::MIN);
        let over = known.saturating_sub(PLAUSIBLE_GAP)?;
        let stored = database.read(move |store| {
            Ok(Self {
                accounts_that_look_alike: store.accounts_that_look_alike()?,
                bans: store.bans(over)?,
                maintenance: store.maintenance()?,
                admins: store.admins()?,
                chat: store.chat_snapshot()?,
            })
        });
        Ok(stored.await?)
    }
}

/// Restores the core from the stored state, and creates the policy by which the chat port refuses
/// connections.
fn restore_chat(config: &Config, stored: Stored, now: Timestamp) -> (Chat, Arc<AdmissionPolicy>) {
    for [one, other] in &stored.accounts_that_look_alike {
        tracing::warn!(
            %one,
            %other,
            "the names of two accounts look alike: delete one of them; without \
             accounts.free_nicks, only one of them can be online at a time"
        );
    }
    if let Some(maintenance) = &stored.maintenance {
        tracing::warn!(
            by = %maintenance.by,
            since = %maintenance.since,
            "under maintenance: new connections are refused"
        );
    }
    let policy = Arc::new(AdmissionPolicy {
        bans: Bans::new(stored.bans, config.accounts.email_aliases()),
        maintenance: stored
            .maintenance
            .map(|maintenance| maintenance.refusal_text()),
    });
    let chat = Chat::new(
        settings::from_config(config),
        run_name(),
        Arc::clone(&policy),
        stored.chat,
        now,
    );
    (chat, policy)
}

/// Returns a name for this run of the server that no other run has: 50 random bits.
fn run_name() -> String {
    let mut name = BASE32_NOPAD.encode(&random::<7>()).to_ascii_lowercase();
    // Ten letters of five bits.
    name.truncate(10);
    name
}

/// Logs hints for an operator who starts the server for the first time.
fn log_hints(config: &Config, has_admins: bool) {
    if config.mail.transport == MailTransport::Directory {
        tracing::info!(
            folder = %config.mail.directory.display(),
            "no mail server configured: mails, with their codes, are written to files"
        );
    }
    if !has_admins {
        tracing::info!("no admin exists; create one with `rookeryd admin add NAME --email EMAIL`");
    }
}

/// The parts of the server that a reload or a stop affects.
struct Server {
    file: Option<PathBuf>,
    config: watch::Sender<Arc<Config>>,
    certificates: Arc<Certificates>,
    csv_sync: CsvSync,
    core: ControlHandle,
    events: EventBus,
    clock: watch::Receiver<ClockRecord>,
}

impl Server {
    /// Reloads on request and renews the certificate, until a signal stops the server. Fails if one
    /// of the engine's tasks ends.
    async fn run(
        &self,
        signals: &mut Signals,
        mut reload_requests: mpsc::Receiver<ReloadRequest>,
        engine_tasks: &mut JoinSet<()>,
    ) -> Result<()> {
        let mut renewal = interval_at(Instant::now() + RENEWAL, RENEWAL);
        let mut clock = self.clock.clone();
        loop {
            tokio::select! {
                action = signals.reload_or_stop() => match action {
                    SignalAction::Reload => drop(self.reload_and_report().await),
                    SignalAction::Stop => return Ok(()),
                },
                Some(request) = reload_requests.recv() => {
                    // The requester may no longer wait.
                    let _ = request.send(self.reload_and_report().await);
                }
                _ = renewal.tick() => self.renew_certificate(),
                // It may have been renewed, or not, because the clock was wrong.
                Ok(()) = clock.changed() => self.renew_certificate(),
                // The server cannot go on without them; its supervisor restarts it.
                _ = engine_tasks.join_next() => {
                    bail!("the core or the committer stopped unexpectedly; see the log above")
                }
            }
        }
    }

    /// Reloads, and reports the result to the log and to operators. Returns the problem if the
    /// reload failed.
    async fn reload_and_report(&self) -> Result<(), String> {
        let result = self.try_reload().await;
        match &result {
            Ok(()) => tracing::info!("config and certificates reloaded"),
            Err(problem) => tracing::error!("{problem}"),
        }
        self.events.publish_now(ServerEvent::Reloaded {
            problem: result.clone().err(),
        });
        result
    }

    async fn try_reload(&self) -> Result<(), String> {
        self.reload_config()
            .await
            .map_err(|error| format!("not reloaded, everything stays as it was: {error:#}"))?;
        self.import_files().await.map_err(|error| {
            format!("config and certificates reloaded, but not all CSV files: {error:#}")
        })
    }

    /// Loads the config and the certificates again: both, or neither if one has an error. The ports
    /// and the data folder stay the same.
    async fn reload_config(&self) -> Result<()> {
        let loaded = Config::load(self.file.as_deref())?;
        // An editor, or a full disk, may have truncated it before its text is written.
        if let (true, Some(file)) = (loaded.is_empty, &loaded.file) {
            bail!(
                "{} is empty. Reload again once it has its text; if you mean the built-in \
                 defaults, write a comment in it",
                file.display()
            );
        }
        let config = loaded.config;
        check_files(&config)?;
        log_exposures(&config);
        let clock = *self.clock.borrow();
        self.certificates
            .reload(&config.tls, &config.admin, clock)?;
        let settings = settings::from_config(&config);
        self.config.send_replace(Arc::new(config));
        Ok(self.core.reload(settings).await?)
    }

    /// Imports the rows that were added to the CSV files. New bans are in force when this returns.
    /// Fails if a file was not imported; the others were.
    async fn import_files(&self) -> Result<()> {
        let import = async { Ok::<_, anyhow::Error>(self.csv_sync.sync(Timestamp::now()).await?) };
        let request = |synced: &Synced| AddBans(synced.bans.clone());
        let (Synced { problems, .. }, _) = self.core.commit_then_request(import, request).await?;
        ensure!(problems.is_empty(), "{}", problems.join("; "));
        Ok(())
    }

    /// Renews a certificate of the local authority before it expires, and loads one that another
    /// program has renewed.
    fn renew_certificate(&self) {
        let config = Arc::clone(&self.config.borrow());
        let clock = *self.clock.borrow();
        if let Err(error) = self.certificates.reload(&config.tls, &config.admin, clock) {
            tracing::error!("cannot renew the certificate, the old one stays in use: {error:#}");
            self.events.component_failed(
                Component::Certificate,
                format!("the old one stays in use: {error:#}"),
            );
        }
    }

    /// Notifies every session that the server is stopping, and ends it. All messages that were sent
    /// before are stored when this returns.
    async fn end_sessions(&self) {
        let ended = self.core.request(EndAll {
            reason: "The server is stopping".to_owned(),
        });
        if timeout(STOP_TIMEOUT, ended).await.is_err() {
            tracing::warn!("some sessions did not end in time");
        }
    }
}
