//! A control plane without its port, and access to what it has written.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;

use axum::Router;
use tempfile::TempDir;

use super::*;
use crate::audit::head_key::HeadKey;
use crate::handle::ControlHandle;
use crate::plane::{Control, ControlConfig, ControlPlane, ReloadRequest};
use crate::routes::router;
use rookery_accounts::csv_sync::CsvSync;
use rookery_accounts::password::Password;
use rookery_accounts::verifier_key::VerifierKey;
use rookery_accounts::{Accounts, AccountsConfig};
use rookery_base::certificates::Certificates;
use rookery_base::config::{self, Config, LiveConfig};
use rookery_base::events::EventBus;
use rookery_base::mail::Mailer;
use rookery_base::rates::Rates;
use rookery_chat::event::Settings;
use rookery_chat::{AdmissionPolicy, Bans, Chat};
use rookery_engine::Engine;
use rookery_engine::handle::CoreHandle;
use rookery_engine::probes::Probes;
use rookery_engine::quota::Connections;
use rookery_record::{
    AuditQuery, Ban, ChatSnapshot, ClockRecord, HistorySync, Maintenance, NewAccount, NewAdmin,
};
use rookery_store::Database;

/// A control plane with a core but without a chat port, and with a manual clock.
pub(super) struct TestPlane {
    pub(super) folder: TempDir,
    pub(super) state: Arc<ControlPlane>,
    pub(super) router: Router,
    pub(super) database: Database,
    pub(super) accounts: Arc<Accounts>,
    pub(super) core: CoreHandle,
    /// The time of requests.
    pub(super) now: Cell<Timestamp>,
    /// The same time by a clock that only goes forward.
    instant: Cell<std::time::Instant>,
    /// The address that requests are sent from.
    pub(super) address: Cell<SocketAddr>,
    pub(super) next_session: Cell<u64>,
    /// The queue of requests to reload, until a test takes it.
    pub(super) reloads: RefCell<Option<tokio::sync::mpsc::Receiver<ReloadRequest>>>,
}

impl TestPlane {
    /// Starts a control plane with one admin, the owner `root`.
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        let plane = Self::over(folder).await;
        plane.add_admin("root").await;
        plane
    }

    /// Starts a control plane over the data in a folder.
    pub(super) async fn over(folder: TempDir) -> Self {
        let mut config = Config::default();
        config.data.directory = folder.path().join("data");
        config.mail.directory = folder.path().join("mail");
        config.tls.certificate = folder.path().join("certs/server.pem");
        config.tls.private_key = folder.path().join("certs/server.key");
        let now = Timestamp::now();
        let database = Database::open(
            &config.data.directory.join("rookery.db"),
            HistorySync::Normal,
        )
        .unwrap();
        let certificates = Arc::new(
            Certificates::open(&config.tls, &config.admin, ClockRecord::default()).unwrap(),
        );
        let (_, live) = LiveConfig::new(config);
        let csv_sync = CsvSync::new(live.section(|config| &config.data), database.clone());

        let settings = Settings {
            server_name: "rookery.test".to_owned(),
            network: "Rookery".to_owned(),
            slice_rows: 128,
            lobby: vec!["#lobby".parse().unwrap()],
            free_nicks: true,
            motd: String::new(),
            history: true,
            always_on: false,
            replay_lines: 0,
            sendq_bytes: 0,
            history_page: 0,
            history_before_join: true,
            redaction_minutes: 0,
            channels_per_user: 0,
            owned_channels: 0,
            owned_channel_bytes: 0,
            channel_list_entries: 0,
            sessions_per_account: 0,
            stored_bytes_per_day: 0,
            monitor_entries: 0,
            email_aliases: live.get().accounts.email_aliases(),
            capabilities: Capabilities::default(),
            capability_values: config::capability_values(&live.get().accounts, &live.get().tls),
        };
        let stored = database.read(|store| Ok((store.bans(Timestamp::MIN)?, store.maintenance()?)));
        let (bans, maintenance) = stored.await.unwrap();
        let policy = Arc::new(AdmissionPolicy {
            bans: Bans::new(bans, settings.email_aliases.clone()),
            maintenance: maintenance.as_ref().map(Maintenance::refusal_text),
        });
        let chat = Chat::new(
            settings,
            "run".to_owned(),
            Arc::clone(&policy),
            ChatSnapshot::default(),
            now,
        );
        let events = EventBus::default();
        let Engine {
            core,
            operators,
            commit_queue,
            admission_policy,
            mut tasks,
        } = rookery_engine::start(
            &tokio::runtime::Handle::current(),
            chat,
            policy,
            database.clone(),
            events.clone(),
        );
        tasks.detach_all();
        let mailer = Mailer::start(live.section(|config| &config.mail), events.clone());
        let probes = Probes {
            started_at: now,
            core: operators.clone(),
            commit_queue,
            database: database.clone(),
            connections: Arc::new(Connections::default()),
            mailer: mailer.clone(),
            certificates: Arc::clone(&certificates),
            rates: Arc::new(Rates::new(now, METRICS.counters())),
            clock: tokio::sync::watch::channel(ClockRecord::default()).1,
        };

        let accounts = Accounts::new(
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
            VerifierKey::create(folder.path()).unwrap(),
        );
        let accounts = Arc::new(accounts);
        let (reloads, reload_requests) = tokio::sync::mpsc::channel(1);
        let state = Arc::new(ControlPlane::new(Control {
            config: ControlConfig {
                accounts: live.section(|config| &config.accounts),
                admin: live.section(|config| &config.admin),
                chat: live.section(|config| &config.chat),
                tls: live.section(|config| &config.tls),
            },
            database: database.clone(),
            csv_sync,
            core: ControlHandle::new(operators),
            accounts: Arc::clone(&accounts),
            mailer,
            certificates,
            probes,
            events,
            admission_policy,
            head_key: HeadKey::create(folder.path()).unwrap(),
            reloads,
        }));
        Self {
            folder,
            router: router(Arc::clone(&state)),
            state,
            database,
            accounts,
            core,
            now: Cell::new(now),
            instant: Cell::new(std::time::Instant::now()),
            address: Cell::new("192.0.2.1:50000".parse().unwrap()),
            next_session: Cell::new(1),
            reloads: RefCell::new(Some(reload_requests)),
        }
    }

    /// Adds an admin with the role owner.
    pub(super) async fn add_admin(&self, name: &str) {
        self.add_admin_as(name, Role::Owner).await;
    }

    pub(super) async fn add_admin_as(&self, name: &str, role: Role) {
        let admin = NewAdmin {
            name: name.to_owned(),
            email: Email::parse(&format!("{name}@example.org")).unwrap(),
            password_hash: password::hash(
                &password::OPERATORS_QUEUE,
                Password::prepare(PASSWORD).unwrap(),
            )
            .await,
            role,
            created_at: self.now.get(),
            initial_password_expires_at: None,
        };
        let add = move |store: &mut rookery_store::Store| store.add_admin(&admin);
        assert!(self.database.write(Durability::Record, add).await.unwrap());
    }

    /// Adds an account with the email `NAME@example.org`.
    pub(super) async fn add_account(&self, name: &str) {
        let account = NewAccount {
            name: AccountName::parse(name).unwrap(),
            email: Some(Email::parse(&format!("{name}@example.org")).unwrap()),
            password_hash: Some("no password has this hash".to_owned()),
            created_at: self.now.get(),
            greeted: true,
        };
        let created = self
            .database
            .write(Durability::Record, move |store| {
                store.create_account(&account)
            })
            .await;
        created.unwrap().unwrap();
    }

    pub(super) fn advance(&self, time: SignedDuration) {
        self.now.set(self.now.get() + time);
        self.instant.set(self.instant.get() + time.unsigned_abs());
    }

    /// Returns the origin of the next request.
    pub(super) fn origin(&self) -> RequestOrigin {
        RequestOrigin {
            address: self.address.get(),
            at: self.now.get(),
            instant: self.instant.get(),
        }
    }

    /// Changes the system's time.
    pub(super) fn set_clock(&self, now: Timestamp) {
        self.now.set(now);
    }

    pub(super) fn set_address(&self, address: &str) {
        self.address
            .set(format!("{address}:50000").parse().unwrap());
    }

    /// Returns the mails sent so far, oldest first.
    pub(super) fn mails(&self) -> Vec<String> {
        let mut files: Vec<PathBuf> = fs::read_dir(self.folder.path().join("mail"))
            .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
            .unwrap_or_default();
        files.retain(|file| file.extension().is_some_and(|ending| ending == "eml"));
        files.sort();
        files
            .iter()
            .map(|file| fs::read_to_string(file).unwrap())
            .collect()
    }

    /// Returns the folder of the database and the CSV files.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Returns the whole audit trail, and checks its chain.
    pub(super) async fn trail(&self) -> Vec<NewAudit> {
        let entries = self
            .database
            .read(|store| {
                store.find_audit(&AuditQuery {
                    limit: 100_000,
                    ..AuditQuery::default()
                })
            })
            .await
            .unwrap();
        let mut previous = [0; 32];
        for entry in &entries {
            assert_eq!(
                entry.previous, previous,
                "each entry has the hash of the previous one"
            );
            previous = entry.hash;
        }
        entries.into_iter().map(|entry| entry.entry).collect()
    }

    /// Returns the newest entry of the trail, as `act target outcome: detail`.
    pub(super) async fn last_entry(&self) -> String {
        let NewAudit {
            act,
            target,
            outcome,
            detail,
            ..
        } = self.trail().await.pop().expect("an entry");
        let outcome = if outcome == Outcome::Allowed {
            "allowed"
        } else {
            "refused"
        };
        format!("{act} {target} {outcome}: {detail}")
    }

    /// Returns the stored bans that are in force.
    pub(super) async fn bans(&self) -> Vec<Ban> {
        let now = self.now.get();
        self.database
            .read(move |store| store.bans(now))
            .await
            .unwrap()
    }

    /// Makes every write to the trail fail.
    pub(super) fn break_trail(&self) {
        let connection = rusqlite::Connection::open(self.data().join("rookery.db")).unwrap();
        connection
            .execute_batch(
                "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END",
            )
            .unwrap();
    }
}
