//! Drives the handshake of sessions message by message, over a real database and mail folder.
#![allow(clippy::unwrap_used)]

mod credentials;
mod credentials_change;
mod devices;
mod email_codes;
mod handshake;
mod hash_turns;
mod invitations;
mod registration;
mod sasl;
mod scram;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use rookery_protocol::{AccountName, DeviceCredential, Email, Message};
use tempfile::TempDir;
use tokio::sync::{Notify, watch};

use super::handshake::{Handshake, Next};
use super::password::{Password, hash_blocking};
use super::throttle::Throttle;
use super::verifier_key::VerifierKey;
use super::{Accounts, AccountsConfig, Peer};
use crate::csv_sync::CsvSync;
use rookery_base::config::{Config, LiveConfig};
use rookery_base::events::EventBus;
use rookery_base::mail::Mailer;
use rookery_chat::event::Candidate;
use rookery_record::HistorySync;
use rookery_record::{Account, BanTarget, Network, NewAccount, NewBan};
use rookery_store::{Database, Durability, Store};

const PASSWORD: &str = "correct horse";

/// The time at which all tests begin.
fn start() -> Timestamp {
    Timestamp::constant(1_800_000_000, 0)
}

fn device(seed: u8) -> String {
    DeviceCredential::from_random([seed; 32])
        .expose()
        .to_owned()
}

fn prepared(password: &str) -> Password {
    Password::prepare(password).unwrap()
}

/// The accounts of a server, without the rest of it.
struct TestServer {
    folder: TempDir,
    accounts: Arc<Accounts>,
    database: Database,
    config: watch::Sender<Arc<Config>>,
    /// The monotonic clock.
    seconds: Arc<AtomicI64>,
}

impl TestServer {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::over(tempfile::tempdir().unwrap(), change)
    }

    /// Creates the server over the data in `folder`, with a new key for SCRAM verifiers.
    fn over(folder: TempDir, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.data.directory = folder.path().to_owned();
        config.mail.directory = folder.path().join("mail");
        config.limits.failed_sign_ins = 100;
        config.limits.mails_per_hour = 100;
        change(&mut config);
        let (sender, live) = LiveConfig::new(config);
        let database =
            Database::open(&folder.path().join("rookery.db"), HistorySync::Normal).unwrap();
        let csv = CsvSync::new(live.section(|config| &config.data), database.clone());
        let mailer = Mailer::start(live.section(|config| &config.mail), EventBus::default());
        let mut accounts = Accounts::new(
            AccountsConfig {
                accounts: live.section(|config| &config.accounts),
                chat: live.section(|config| &config.chat),
                history: live.section(|config| &config.history),
                limits: live.section(|config| &config.limits),
                tls: live.section(|config| &config.tls),
            },
            database.clone(),
            mailer,
            csv,
            EventBus::default(),
            VerifierKey::create(folder.path()).unwrap(),
        );
        let seconds = Arc::new(AtomicI64::new(0));
        let clock = Arc::clone(&seconds);
        let started = Instant::now();
        accounts.throttle = Throttle::with_clock(Box::new(move || {
            let seconds = clock.load(Ordering::Relaxed);
            started + Duration::from_secs(seconds.try_into().unwrap())
        }));
        let accounts = Arc::new(accounts);
        Self {
            folder,
            accounts,
            database,
            config: sender,
            seconds,
        }
    }

    /// Creates a server with the account of alice, whose password is [`PASSWORD`].
    async fn with_alice() -> Self {
        Self::with_alice_and(|_| {}).await
    }

    async fn with_alice_and(change: impl FnOnce(&mut Config)) -> Self {
        let server = Self::with(change);
        server
            .account("alice", "alice@example.org", Some(PASSWORD))
            .await;
        server
    }

    fn client(&self) -> Client {
        self.client_from("192.0.2.1", None)
    }

    /// Signs a new connection in by SASL `PLAIN`.
    async fn sign_in(&self, name: &str, secret: &str) -> Received {
        self.client().plain(name, secret).await
    }

    fn client_from(&self, address: &str, certificate: Option<[u8; 32]>) -> Client {
        let address = (address.parse::<std::net::IpAddr>().unwrap(), 5000).into();
        let peer = Peer {
            address,
            certificate,
            tls: "TLSv1.3 X25519MLKEM768".into(),
            ending: Arc::default(),
        };
        Client {
            ending: Arc::clone(&peer.ending),
            machine: Handshake::new(Arc::clone(&self.accounts), peer),
            now: start(),
            seconds: Arc::clone(&self.seconds),
        }
    }

    /// Creates an account.
    async fn account(&self, name: &str, email: &str, password: Option<&str>) {
        let account = NewAccount {
            name: AccountName::parse(name).unwrap(),
            email: Some(Email::parse(email).unwrap()),
            password_hash: password.map(|password| hash_blocking(&prepared(password))),
            created_at: start(),
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

    /// Changes the account with this name.
    async fn change_account(
        &self,
        name: &str,
        change: impl FnOnce(&mut Store, Account) -> rookery_store::Result<()> + Send + 'static,
    ) {
        let name = AccountName::parse(name).unwrap();
        let changed = self.database.write(Durability::Record, move |store| {
            let account = store.account_by_name(&name)?.unwrap();
            change(store, account)
        });
        changed.await.unwrap();
    }

    /// Invites an email. Returns the code of the invitation, which is not mailed.
    async fn invite(&self, email: &str) -> String {
        let email = Email::parse(email).unwrap();
        let (new, mail) = self
            .accounts
            .invitation(start(), email, "root".to_owned())
            .await;
        self.database
            .write(Durability::Record, move |store| store.add_invitation(&new))
            .await
            .unwrap();
        code_in(&mail.text).expect("a code alone on its line")
    }

    async fn ban(&self, target: &str) {
        let ban = NewBan {
            target: BanTarget::parse(target).unwrap(),
            reason: "spam".to_owned(),
            by: "root".to_owned(),
            created_at: start(),
            expires_at: None,
        };
        self.database
            .write(Durability::Record, move |store| store.add_ban(&ban))
            .await
            .unwrap();
    }

    /// Waits until so many attempts wait until they are drawn.
    async fn waiting_attempts(&self, count: usize) {
        let all = async {
            while self.accounts.throttle.waiting_attempts() != count {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), all)
            .await
            .expect("they wait");
    }

    fn mail_files(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.folder.path().join("mail")) else {
            return Vec::new();
        };
        let mut files: Vec<_> = entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "eml"))
            .collect();
        files.sort();
        files
    }

    /// Waits until `count` mails have been sent in all. Returns the text of the last.
    async fn mail(&self, count: usize) -> String {
        let arrival = async {
            while self.mail_files().len() < count {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), arrival)
            .await
            .expect("the mail arrives in time");
        let files = self.mail_files();
        assert_eq!(files.len(), count, "no more mails than expected");
        std::fs::read_to_string(&files[count - 1]).unwrap()
    }

    /// Waits until `count` mails have been sent in all. Returns the code in the last.
    async fn code(&self, count: usize) -> String {
        let text = self.mail(count).await;
        code_in(&text).unwrap_or_else(|| panic!("no code stands alone in {text}"))
    }
}

fn code_in(text: &str) -> Option<String> {
    let is_code = |line: &&str| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit());
    text.lines().find(is_code).map(str::to_owned)
}

/// Returns a well-formed code that is not `code`.
fn another(code: &str) -> &'static str {
    if code == "123456" { "654321" } else { "123456" }
}

/// The result of a message.
#[derive(Debug)]
struct Received {
    lines: Vec<String>,
    next: Next,
}

impl Received {
    fn has(&self, part: &str) -> bool {
        self.lines.iter().any(|line| line.contains(part))
    }

    #[track_caller]
    fn expect(&self, part: &str) -> &Self {
        assert!(self.has(part), "{part:?} in {:#?}", self.lines);
        self
    }

    #[track_caller]
    fn stays(&self) -> &Self {
        assert!(matches!(self.next, Next::Stay), "{self:?}");
        self
    }

    #[track_caller]
    fn admitted(&self) -> &Candidate {
        match &self.next {
            Next::Admit(candidate) => candidate,
            _ => panic!("not admitted: {self:?}"),
        }
    }

    #[track_caller]
    fn closed(&self) -> &str {
        match &self.next {
            Next::Close(reason) => reason,
            _ => panic!("not closed: {self:?}"),
        }
    }
}

/// One connection.
struct Client {
    machine: Handshake,
    /// [`Peer::ending`].
    ending: Arc<Notify>,
    now: Timestamp,
    seconds: Arc<AtomicI64>,
}

impl Client {
    async fn send(&mut self, line: &str) -> Received {
        let step = self
            .machine
            .handle(self.now, Message::parse(line).unwrap())
            .await;
        Received {
            lines: step.replies.iter().map(ToString::to_string).collect(),
            next: step.next,
        }
    }

    async fn verify(&mut self, name: &str, code: &str) -> Received {
        self.send(&format!("VERIFY {name} {code}")).await
    }

    fn advance(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Sends `NICK` and `USER`.
    async fn finish_handshake(&mut self, nick: &str) -> Received {
        self.send(&format!("NICK {nick}")).await.stays();
        self.send(&format!("USER {nick} 0 * :{nick} the rook"))
            .await
    }

    /// Runs a SASL exchange of one response. Returns the result of the last message.
    async fn sasl(&mut self, mechanism: &str, payload: &[u8]) -> Received {
        self.send(&format!("AUTHENTICATE {mechanism}"))
            .await
            .expect("AUTHENTICATE +");
        self.respond(payload).await
    }

    async fn respond(&mut self, payload: &[u8]) -> Received {
        let text = STANDARD.encode(payload);
        let mut chunks: Vec<&str> = text
            .as_bytes()
            .chunks(400)
            .map(|chunk| std::str::from_utf8(chunk).unwrap())
            .collect();
        if text.len().is_multiple_of(400) {
            chunks.push("+");
        }
        let (last, before) = chunks.split_last().unwrap();
        for chunk in before {
            let received = self.send(&format!("AUTHENTICATE {chunk}")).await;
            assert!(received.lines.is_empty(), "{received:?}");
        }
        self.send(&format!("AUTHENTICATE {last}")).await
    }

    async fn plain(&mut self, name: &str, secret: &str) -> Received {
        self.sasl("PLAIN", format!("\0{name}\0{secret}").as_bytes())
            .await
    }

    async fn request_code(&mut self, name: &str, email: &str) -> Received {
        self.sasl("X-EMAIL-CODE", format!("{name}\0{email}").as_bytes())
            .await
    }

    async fn submit_code(&mut self, code: &str, credential: &str) -> Received {
        self.respond(format!("{code}\0{credential}").as_bytes())
            .await
    }

    /// Waits for the next notice about a mail.
    async fn next_mail_notice(&mut self) -> Vec<String> {
        let notices =
            tokio::time::timeout(Duration::from_secs(20), self.machine.next_mail_notice()).await;
        notices
            .expect("there are notices")
            .iter()
            .map(ToString::to_string)
            .collect()
    }
}
