//! Starts each floor on top of the one below, reloads while they stand, and stops them in order.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use rookery_control_api::{Component, ServerEvent};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at, timeout};

use crate::metrics_port;
use rookery_accounts::Accounts;
use rookery_accounts::csv_sync::CsvSync;
use rookery_base::certificates::Certificates;
use rookery_base::config::{Config, LiveConfig, Loaded, MailTransport};
use rookery_base::events::EventBus;
use rookery_base::mail::Mailer;
use rookery_base::metrics::METRICS;
use rookery_base::rates::Rates;
use rookery_chat::AdmissionPolicy;
use rookery_chat::Bans;
use rookery_chat::Chat;
use rookery_chat::event::{Act, Event};
use rookery_connection::{ChatPort, Door};
use rookery_control::Control;
use rookery_engine::handle::{self, CoreHandle};
use rookery_engine::probes::Probes;
use rookery_engine::quota::Connections;
use rookery_engine::{committer, retention, settings};
use rookery_record::Ban;
use rookery_store::{DATABASE_FILE, Database, Durability};

/// Between two looks at whether the certificate was, or has to be, renewed.
const RENEWAL: Duration = Duration::from_hours(12);
/// How long the last words to everyone may take when the server stops.
const FAREWELL: Duration = Duration::from_secs(4);

/// What a reload has to reach.
struct Server {
    file: Option<PathBuf>,
    config: watch::Sender<Arc<Config>>,
    certificates: Arc<Certificates>,
    windows: CsvSync,
    core: CoreHandle,
    news: EventBus,
}

/// Serves until it is told to stop.
pub async fn run(loaded: Loaded) -> Result<()> {
    let Loaded { config, file } = loaded;
    if file.is_none() {
        tracing::info!("no config.toml here: the built-in defaults are in force");
    }
    let started_at = Timestamp::now();
    let folder = &config.data.directory;
    let database =
        Database::open(&folder.join(DATABASE_FILE), config.history.sync).with_context(|| {
            format!(
                "the data folder {} cannot be used (data.directory)",
                folder.display()
            )
        })?;
    let certificates = Arc::new(Certificates::open(&config)?);
    let chat_listener = listen(config.chat.listen, "chat.listen").await?;
    let admin_listener = listen(config.admin.listen, "admin.listen").await?;
    let metrics_listener = match config.metrics.listen {
        Some(address) => Some(listen(address, "metrics.listen").await?),
        None => None,
    };
    let web_listener = match config.websocket.listen {
        Some(address) => Some(listen(address, "websocket.listen").await?),
        None => None,
    };
    let (chat_address, admin_address) = (chat_listener.local_addr()?, admin_listener.local_addr()?);

    let (config_sender, live) = LiveConfig::new(config);
    let config = live.get();
    let windows = CsvSync::new(live.clone(), database.clone());
    windows
        .take_in(started_at)
        .await
        .context("the CSV files could not be taken in")?;
    database
        .write(Durability::Message, |store| store.all_gone())
        .await
        .context("the record cannot be written")?;
    let (bans, maintenance, admins, restored) = database
        .read(move |store| {
            Ok((
                store.bans(started_at)?,
                store.maintenance()?,
                store.admins()?,
                store.restored()?,
            ))
        })
        .await
        .context("the record cannot be read")?;

    if let Some(maintenance) = &maintenance {
        tracing::warn!(by = %maintenance.by, since = %maintenance.since, "under maintenance: nobody new is let in");
    }
    let gate = Arc::new(AdmissionPolicy {
        bans: Bans::new(bans, config.accounts.email_aliases()),
        maintenance: maintenance.map(|maintenance| maintenance.told()),
    });
    let chat = Chat::new(
        settings::of(&config),
        run_name(),
        Arc::clone(&gate),
        restored,
        started_at,
    );
    let (gate_sender, gate) = watch::channel(gate);
    let news = EventBus::default();
    let (core, events) = handle::channel();
    let (to_journal, batches) = committer::channel();
    let journal = committer::QueueHandle::new(&to_journal);
    let mut floors = JoinSet::new();
    floors.spawn(handle::drive(chat, events, to_journal, database.clone()));
    floors.spawn(committer::run(
        database.clone(),
        batches,
        gate_sender,
        news.clone(),
    ));
    tokio::spawn(retention::keep(live.clone(), database.clone()));

    let mailer = Mailer::start(live.clone(), news.clone());
    let accounts = Accounts::new(
        live.clone(),
        database.clone(),
        mailer.clone(),
        windows.clone(),
        news.clone(),
    );
    let accounts = Arc::new(accounts);
    let connections = Arc::new(Connections::default());
    let chat_port = Arc::new(ChatPort::new(
        live.clone(),
        Arc::clone(&accounts),
        core.clone(),
        Arc::clone(&certificates),
        Arc::clone(&connections),
        gate.clone(),
    ));
    let (reloads, mut reload_requests) = mpsc::channel(1);
    let rates = Arc::new(Rates::new(started_at, METRICS.counters()));
    let probes = Probes {
        started_at,
        core: core.clone(),
        journal,
        database: database.clone(),
        connections,
        mailer: mailer.clone(),
        certificates: Arc::clone(&certificates),
        rates: Arc::clone(&rates),
    };
    tokio::spawn(async move { rates.keep().await });
    if let Some(listener) = metrics_listener {
        tracing::info!(metrics = %listener.local_addr()?, "metrics are open to whoever reaches that address");
        tokio::spawn(metrics_port::serve(probes.clone(), listener));
    }
    let control = Control {
        config: live.clone(),
        database,
        windows: windows.clone(),
        core: core.clone(),
        accounts,
        mailer,
        certificates: Arc::clone(&certificates),
        probes,
        news: news.clone(),
        gate,
        reloads,
    };
    let mut signals = Signals::new()?;
    let mut doors = JoinSet::new();
    doors.spawn(Arc::clone(&chat_port).serve(Door::Irc, chat_listener));
    if let Some(listener) = web_listener {
        tracing::info!(websocket = %listener.local_addr()?, "web clients may connect");
        doors.spawn(chat_port.serve(Door::Web, listener));
    }
    let admin = tokio::spawn(rookery_control::serve(control, admin_listener));
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        chat = %chat_address,
        control_plane = %admin_address,
        data = %config.data.directory.display(),
        "Rookery is open"
    );
    if config.mail.transport == MailTransport::Directory {
        tracing::info!(
            folder = %config.mail.directory.display(),
            "no mail server is named in the config: every mail, with its code, becomes a file"
        );
    }
    if admins.is_empty() {
        tracing::info!(
            "there is no admin yet: `rookeryd admin add NAME --email EMAIL` makes the first"
        );
    }

    let server = Server {
        file,
        config: config_sender,
        certificates,
        windows,
        core,
        news,
    };
    let mut renewal = interval_at(Instant::now() + RENEWAL, RENEWAL);
    loop {
        tokio::select! {
            asked = signals.reload_or_stop() => match asked {
                Asked::Reload => drop(server.reload_and_tell().await),
                Asked::Stop => break,
            },
            Some(request) = reload_requests.recv() => {
                // Whoever asked may have gone.
                let _ = request.send(server.reload_and_tell().await);
            }
            _ = renewal.tick() => server.renew_certificate(),
            // Nothing goes on without the core and the journal: whoever supervises the server
            // starts it again.
            _ = floors.join_next() => bail!("the chat or the journal broke down; what it says above is why"),
        }
    }
    tracing::info!("stopping");
    doors.abort_all();
    admin.abort();
    server.farewell().await;
    Ok(())
}

impl Server {
    /// Reloads and says in the log how that went; gives what went wrong.
    async fn reload_and_tell(&self) -> Result<(), String> {
        let done = self.try_reload().await;
        match &done {
            Ok(()) => tracing::info!("config and certificates are loaded anew"),
            Err(problem) => tracing::error!("{problem}"),
        }
        self.news.tell(ServerEvent::Reloaded {
            problem: done.clone().err(),
        });
        done
    }

    async fn try_reload(&self) -> Result<(), String> {
        let nothing =
            |error: anyhow::Error| format!("not reloaded, all stays as it was: {error:#}");
        self.reload().await.map_err(nothing)?;
        let rest = |error: anyhow::Error| {
            format!("config and certificates are loaded anew, but not all CSV files: {error:#}")
        };
        self.take_in_files().await.map_err(rest)
    }

    /// Takes the certificate anew: ours is renewed in time, and one that another program renews is
    /// taken up.
    fn renew_certificate(&self) {
        if let Err(error) = self.certificates.reload(&self.config.borrow()) {
            tracing::error!("the certificate stays the old one: {error:#}");
            self.news.trouble(
                Component::Certificate,
                format!("it stays the old one: {error:#}"),
            );
        }
    }

    /// Takes the config and the certificates anew; on an error, neither. Listeners and the data
    /// folder stay what they are.
    async fn reload(&self) -> Result<()> {
        let config = Config::load(self.file.as_deref())?.config;
        self.certificates.reload(&config)?;
        let settings = settings::of(&config);
        self.config.send_replace(Arc::new(config));
        Ok(self.core.send(Event::Reload(Box::new(settings))).await?)
    }

    /// Takes in what people added to the CSV files; bans among it hold when this returns.
    async fn take_in_files(&self) -> Result<()> {
        let take_in =
            async { Ok::<_, anyhow::Error>(self.windows.take_in(Timestamp::now()).await?) };
        let acts = |bans: &Vec<Ban>| bans.iter().cloned().map(Act::AddBan).collect();
        self.core.commit_and_act(take_in, acts).await.map(drop)
    }

    /// Tells everyone that the server stops. What was said before is stored when this returns.
    async fn farewell(&self) {
        let goodbye = self.core.act(Act::EndAll {
            reason: "The server is stopping".to_owned(),
        });
        if timeout(FAREWELL, goodbye).await.is_err() {
            tracing::warn!("some sessions did not end in time");
        }
    }
}

async fn listen(address: std::net::SocketAddr, key: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address} ({key}); is another server running there?")
    })
}

/// A name for this run of the server that no other run has: 50 random bits.
fn run_name() -> String {
    const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut random = [0; 10];
    getrandom::fill(&mut random).expect("the system gives random bytes");
    random
        .iter()
        .map(|byte| char::from(DIGITS[usize::from(byte % 32)]))
        .collect()
}

/// What a signal asks for.
#[derive(PartialEq, Eq)]
enum Asked {
    Reload,
    Stop,
}

/// The signals the server listens to.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn reload_or_stop(&mut self) -> Asked {
        tokio::select! {
            _ = self.hangup.recv() => Asked::Reload,
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
        }
    }
}
