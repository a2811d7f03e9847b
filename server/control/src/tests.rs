//! Tests of the control plane as a whole: the real router with a real store, core and mail folder.
#![allow(clippy::unwrap_used)]

mod accounts;
mod acts;
mod admins;
mod announcements;
mod audit_reading;
mod bans;
mod channels;
mod commit_order;
mod csv;
mod events;
mod factors;
mod idempotency;
mod invitations;
mod kicks;
mod listener;
mod maintenance;
mod messages;
mod own_sessions;
mod pages;
mod problems;
mod registrations;
mod roles;
mod signing_in;
mod top;
mod users;

use std::cell::{Cell, RefCell};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use jiff::{SignedDuration, Timestamp};
use rookery_control_api::Role;
use rookery_protocol::{AccountName, Capabilities, Email};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::auth::sessions::{Fingerprint, Session};
use crate::handle::ControlHandle;
use crate::http::extract::Arrival;
use crate::plane::{Control, ControlPlane, ReloadRequest};
use crate::routes::router;
use rookery_accounts::csv_sync::CsvSync;
use rookery_accounts::{Accounts, password};
use rookery_base::certificates::Certificates;
use rookery_base::config::{Config, LiveConfig};
use rookery_base::events::EventBus;
use rookery_base::mail::Mailer;
use rookery_base::metrics::METRICS;
use rookery_base::rates::Rates;
use rookery_chat::AdmissionPolicy;
use rookery_chat::Bans;
use rookery_chat::Chat;
use rookery_chat::event::{Candidate, Disconnect, Identity, SessionId, Settings};
use rookery_chat::request::{Admission, ListChannels};
use rookery_engine::Engine;
use rookery_engine::handle::{CoreHandle, SessionEvent};
use rookery_engine::probes::Probes;
use rookery_engine::quota::Connections;
use rookery_engine::sendq::{Sendq, State};
use rookery_record::{AccountId, Ban, ChatSnapshot, NewAccount, NewAdmin, NewAudit, Outcome};
use rookery_record::{AuditQuery, HistorySync};
use rookery_store::{Database, Durability};

const PASSWORD: &str = "correct horse battery staple";

/// A control plane with a core but without a chat port, and with a manual clock.
struct TestPlane {
    folder: TempDir,
    state: Arc<ControlPlane>,
    router: Router,
    database: Database,
    accounts: Arc<Accounts>,
    core: CoreHandle,
    now: Cell<Timestamp>,
    /// The origin of requests.
    from: Cell<SocketAddr>,
    next_session: Cell<u64>,
    /// The requested reloads.
    reloads: RefCell<Option<tokio::sync::mpsc::Receiver<ReloadRequest>>>,
}

/// The answer to a request.
#[derive(Debug)]
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Returns a text field of the body.
    fn field(&self, name: &str) -> String {
        self.json()[name]
            .as_str()
            .unwrap_or_else(|| panic!("no {name} in {self:?}"))
            .to_owned()
    }

    /// Returns the type of the problem.
    fn problem(&self) -> String {
        assert_eq!(
            self.headers[header::CONTENT_TYPE],
            "application/problem+json",
            "{self:?}"
        );
        assert_eq!(self.json()["status"], self.status.as_u16());
        self.field("type")
    }
}

impl TestPlane {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.data.directory = folder.path().join("data");
        config.mail.directory = folder.path().join("mail");
        config.tls.certificate = folder.path().join("certs/server.pem");
        config.tls.private_key = folder.path().join("certs/server.key");
        fs::create_dir(&config.data.directory).unwrap();
        let now = Timestamp::now();
        let database = Database::open(
            &config.data.directory.join("rookery.db"),
            HistorySync::Normal,
        )
        .unwrap();
        let certificates = Arc::new(Certificates::open(&config).unwrap());
        let (_, live) = LiveConfig::new(config);
        let csv_sync = CsvSync::new(live.clone(), database.clone());

        let settings = Settings {
            server_name: "rookery.test".to_owned(),
            network: "Rookery".to_owned(),
            lobby: vec!["#lobby".parse().unwrap()],
            free_nicks: false,
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
            channel_list_entries: 0,
            monitor_entries: 0,
            email_aliases: live.get().accounts.email_aliases(),
            capabilities: Capabilities::default(),
            capability_values: live.get().capability_values(),
        };
        let bans = Bans::new([], settings.email_aliases.clone());
        let gate = Arc::new(AdmissionPolicy {
            bans,
            maintenance: None,
        });
        let chat = Chat::new(
            settings,
            "run".to_owned(),
            Arc::clone(&gate),
            ChatSnapshot::default(),
            now,
        );
        let news = EventBus::default();
        let Engine {
            core,
            operators,
            commit_queue,
            admission_policy,
            mut tasks,
        } = rookery_engine::start(chat, gate, database.clone(), news.clone());
        tasks.detach_all();
        let mailer = Mailer::start(live.section(|config| &config.mail), news.clone());
        let probes = Probes {
            started_at: now,
            core: operators.clone(),
            commit_queue,
            database: database.clone(),
            connections: Arc::new(Connections::default()),
            mailer: mailer.clone(),
            certificates: Arc::clone(&certificates),
            rates: Arc::new(Rates::new(now, METRICS.counters())),
        };

        let accounts = Accounts::new(
            live.clone(),
            database.clone(),
            mailer.clone(),
            csv_sync.clone(),
            news.clone(),
        );
        let accounts = Arc::new(accounts);
        let (reloads, reload_requests) = tokio::sync::mpsc::channel(1);
        let state = Arc::new(ControlPlane::new(Control {
            config: live.clone(),
            database: database.clone(),
            csv_sync,
            core: ControlHandle::new(operators),
            accounts: Arc::clone(&accounts),
            mailer,
            certificates,
            probes,
            events: news,
            admission_policy,
            reloads,
        }));
        let plane = Self {
            folder,
            router: router(Arc::clone(&state)),
            state,
            database,
            accounts,
            core,
            now: Cell::new(now),
            from: Cell::new("192.0.2.1:50000".parse().unwrap()),
            next_session: Cell::new(1),
            reloads: RefCell::new(Some(reload_requests)),
        };
        plane.add_admin("root").await;
        plane
    }

    /// Adds an owner.
    async fn add_admin(&self, name: &str) {
        self.add_admin_as(name, Role::Owner).await;
    }

    async fn add_admin_as(&self, name: &str, role: Role) {
        let admin = NewAdmin {
            name: name.to_owned(),
            email: Email::parse(&format!("{name}@example.org")).unwrap(),
            password_hash: password::hash(PASSWORD.to_owned()).await,
            role,
            created_at: self.now.get(),
            initial_password_expires_at: None,
        };
        let add = move |store: &mut rookery_store::Store| store.add_admin(&admin);
        assert!(self.database.write(Durability::Record, add).await.unwrap());
    }

    /// Adds an account with the email `NAME@example.org`.
    async fn add_account(&self, name: &str) {
        let account = NewAccount {
            name: AccountName::parse(name).unwrap(),
            email: Some(Email::parse(&format!("{name}@example.org")).unwrap()),
            password_hash: Some("no password has this hash".to_owned()),
            created_at: self.now.get(),
            greeted: true,
        };
        let made = self
            .database
            .write(Durability::Record, move |store| {
                store.create_account(&account)
            })
            .await;
        made.unwrap().unwrap();
    }

    fn advance(&self, time: SignedDuration) {
        self.now.set(self.now.get() + time);
    }

    fn set_address(&self, address: &str) {
        self.from.set(format!("{address}:50000").parse().unwrap());
    }

    /// Sends a request.
    async fn send(&self, request: axum::http::request::Builder, body: impl Into<Body>) -> Reply {
        let arrival = Arrival {
            from: self.from.get(),
            at: self.now.get(),
        };
        let request = request.extension(arrival).body(body.into()).unwrap();
        let service = TowerToHyperService::new(self.router.clone());
        let (parts, body) = service.call(request).await.unwrap().into_parts();
        // A stream of events has no end.
        let is_stream = parts
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|it| it == "text/event-stream");
        let bytes = if is_stream {
            Vec::new()
        } else {
            to_bytes(body, usize::MAX).await.unwrap().to_vec()
        };
        let text = String::from_utf8(bytes).unwrap();
        Reply {
            status: parts.status,
            headers: parts.headers,
            text,
        }
    }

    async fn get(&self, token: &str, path: &str) -> Reply {
        self.send(
            Request::get(path).header("Authorization", format!("Bearer {token}")),
            "",
        )
        .await
    }

    async fn delete(&self, token: &str, path: &str) -> Reply {
        self.send(
            Request::delete(path).header("Authorization", format!("Bearer {token}")),
            "",
        )
        .await
    }

    async fn put(&self, token: &str, path: &str, body: &Value) -> Reply {
        let request = Request::put(path)
            .header("Authorization", format!("Bearer {token}"))
            .header("Content-Type", "application/json");
        self.send(request, body.to_string()).await
    }

    async fn post(&self, token: &str, path: &str, body: &Value) -> Reply {
        let request = Request::post(path)
            .header("Authorization", format!("Bearer {token}"))
            .header("Content-Type", "application/json");
        self.send(request, body.to_string()).await
    }

    /// Sends `POST /v1/login`.
    async fn login(&self, name: &str, password: &str) -> Reply {
        let request = Request::post("/v1/login").header("Content-Type", "application/json");
        self.send(
            request,
            json!({ "name": name, "password": password }).to_string(),
        )
        .await
    }

    /// Sends `POST /v1/login/verify`.
    async fn verify(&self, challenge: &str, code: &str) -> Reply {
        let request = Request::post("/v1/login/verify").header("Content-Type", "application/json");
        self.send(
            request,
            json!({ "challenge": challenge, "code": code }).to_string(),
        )
        .await
    }

    /// Sends the first factor; returns the challenge and the mailed code.
    async fn challenge(&self, name: &str) -> (String, String) {
        let before = self.code_mails().len();
        let reply = self.login(name, PASSWORD).await;
        assert_eq!(reply.status, StatusCode::ACCEPTED, "{reply:?}");
        let code = self.code_of_mail(before).await;
        (reply.field("challenge"), code)
    }

    /// Waits for the code mail of an index, and returns its code.
    async fn code_of_mail(&self, number: usize) -> String {
        let mail = eventually("a mail with the code", || {
            self.code_mails().get(number).cloned()
        })
        .await;
        let is_code =
            |line: &&str| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit());
        mail.lines()
            .find(is_code)
            .expect("a code alone on its line")
            .to_owned()
    }

    /// Signs in with both factors and returns the token.
    async fn sign_in(&self, name: &str) -> String {
        let (challenge, code) = self.challenge(name).await;
        let reply = self.verify(&challenge, &code).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        reply.field("token")
    }

    /// Opens a session without a sign-in and returns its token.
    async fn open_session(&self, name: &str) -> String {
        self.open_session_for(name, 60).await
    }

    /// Opens a session that expires after some minutes.
    async fn open_session_for(&self, name: &str, minutes: u32) -> String {
        let name = name.to_owned();
        let admin = self
            .database
            .read(move |store| store.admin(&name))
            .await
            .unwrap()
            .unwrap();
        let arrival = Arrival {
            from: self.from.get(),
            at: self.now.get(),
        };
        let session = Session::begin(
            admin.name.clone(),
            Fingerprint::of(&admin),
            arrival,
            minutes,
        );
        self.state.sessions.lock().add(session)
    }

    /// Returns the mails with codes.
    fn code_mails(&self) -> Vec<String> {
        let mut mails = self.mails();
        mails.retain(|mail| mail.contains("Subject: Your code for the control plane"));
        mails
    }

    /// Waits for a mail that contains a text.
    async fn mail_with(&self, text: &str) -> String {
        eventually(text, || {
            self.mails().into_iter().find(|mail| mail.contains(text))
        })
        .await
    }

    /// Returns the mails sent so far, oldest first.
    fn mails(&self) -> Vec<String> {
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

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Returns the whole audit trail, and checks its chain.
    async fn trail(&self) -> Vec<NewAudit> {
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

    /// Returns the newest entry, as `act target outcome: detail`.
    async fn last_entry(&self) -> String {
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

    async fn bans(&self) -> Vec<Ban> {
        let now = self.now.get();
        self.database
            .read(move |store| store.bans(now))
            .await
            .unwrap()
    }

    /// Makes every write to the trail fail.
    fn break_trail(&self) {
        let connection = rusqlite::Connection::open(self.data().join("rookery.db")).unwrap();
        connection
            .execute_batch(
                "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END",
            )
            .unwrap();
    }

    /// Returns the identity of an account as stored.
    async fn identity(&self, name: &str) -> Identity {
        let name = AccountName::parse(name).unwrap();
        let account = self
            .database
            .read(move |store| store.account_by_name(&name))
            .await
            .unwrap()
            .unwrap();
        Identity {
            id: account.id,
            name: account.name,
            email: account.email,
            new: false,
            authenticated_at: Timestamp::now(),
            credential: None,
        }
    }

    /// Connects a user; the task ends with the session and returns everything it was sent.
    async fn connect(&self, name: &str) -> tokio::task::JoinHandle<String> {
        self.connect_as(identity(name)).await
    }

    async fn connect_as(&self, identity: Identity) -> tokio::task::JoinHandle<String> {
        let session = SessionId(self.next_session.get());
        self.next_session.set(session.0 + 1);
        let sendq = Arc::new(Sendq::new(0));
        let answer = self
            .core
            .admit(session, Arc::clone(&sendq), Box::new(candidate(identity)))
            .await;
        assert!(matches!(answer, Ok(Admission::Admitted)), "{answer:?}");
        let core = self.core.clone();
        tokio::spawn(async move {
            let mut received = String::new();
            loop {
                let next = std::future::poll_fn(|context| match sendq.poll(context, true) {
                    (State::Open, lines) if lines.is_empty() => Poll::Pending,
                    next => Poll::Ready(next),
                });
                let (state, lines) = next.await;
                for line in &lines {
                    sendq.sent(line.len());
                    received.push_str(std::str::from_utf8(line).unwrap());
                }
                if state != State::Open && lines.is_empty() {
                    break;
                }
            }
            let _ = core
                .send(SessionEvent::gone(session, Disconnect::lost(""), false))
                .await;
            received
        })
    }

    /// Sends a line from the session that connected last.
    async fn send_from_last(&self, line: &str) {
        let session = SessionId(self.next_session.get() - 1);
        let message = rookery_protocol::Message::parse(line).unwrap();
        self.core
            .send(SessionEvent::command(session, message))
            .await
            .unwrap();
    }

    /// Returns the answer of the core to another candidate of a name.
    async fn admission(&self, name: &str) -> Admission {
        self.admission_as(identity(name)).await
    }

    async fn admission_as(&self, identity: Identity) -> Admission {
        let session = SessionId(self.next_session.get());
        self.next_session.set(session.0 + 1);
        let sendq = Arc::new(Sendq::new(0));
        self.core
            .admit(session, sendq, Box::new(candidate(identity)))
            .await
            .unwrap()
    }
}

/// Delays every password hash until the returned permits are dropped.
async fn hold_hash_permits() -> tokio::sync::SemaphorePermit<'static> {
    let all = u32::try_from(password::SLOTS).unwrap();
    password::hash_permits().acquire_many(all).await.unwrap()
}

/// Returns an identity that only the core knows.
fn identity(name: &str) -> Identity {
    Identity {
        id: AccountId(7),
        name: AccountName::parse(name).unwrap(),
        email: Email::parse(&format!("{name}@example.org")).ok(),
        new: false,
        authenticated_at: Timestamp::now(),
        credential: None,
    }
}

/// Returns a candidate with an identity.
fn candidate(identity: Identity) -> Candidate {
    Candidate {
        nick: identity.name.to_nick(),
        username: "user".to_owned(),
        realname: identity.name.to_string(),
        identity: Some(identity),
        capabilities: Capabilities::default(),
        away_state: rookery_chat::AwayState::Here,
        address: "198.51.100.7:6000".parse().unwrap(),
        tls: "TLSv1.3 X25519MLKEM768".to_owned(),
    }
}

/// Waits for a state until a deadline.
async fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "timed out waiting for {what}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Returns a different code.
fn another(code: &str) -> &'static str {
    if code == "123456" { "654321" } else { "123456" }
}
