//! `config.toml`: every section and key, its default, and errors that name file, line and key.

mod check;
mod load;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use tokio::sync::watch;

use rookery_protocol::{Capabilities, Capability, CapabilityValues, ChannelName, Email};

pub use load::Loaded;

use rookery_record::{EmailAliases, HistorySync};

/// The whole config. Paths are relative to the folder the server was started in.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub chat: Chat,
    pub admin: Admin,
    pub tls: Tls,
    pub accounts: Accounts,
    pub mail: Mail,
    pub data: Data,
    pub history: History,
    pub limits: Limits,
    pub log: Log,
    pub metrics: Metrics,
    pub websocket: WebSocket,
}

impl Config {
    /// The capabilities that a session may ask for.
    pub fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::of(Capability::ALL);
        if !self.history.enabled {
            capabilities.remove(Capability::Chathistory);
            capabilities.remove(Capability::EventPlayback);
            capabilities.remove(Capability::Playback);
            capabilities.remove(Capability::MessageRedaction);
        }
        capabilities
    }
}

impl Config {
    /// What capabilities are listed with.
    pub fn capability_values(&self) -> CapabilityValues {
        CapabilityValues {
            email_required: self.accounts.verify_email,
            register_before_connect: self.accounts.register_before_connect,
            sts_seconds: u64::from(self.tls.sts_days) * 24 * 60 * 60,
        }
    }
}

/// `[chat]`: the chat port and what people see first.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Chat {
    pub listen: SocketAddr,
    /// The name the server gives itself in messages.
    pub server_name: String,
    pub network: String,
    /// Joined by everyone who is admitted.
    pub lobby: Vec<ChannelName>,
    /// The message of the day; none when empty.
    pub motd: String,
}

/// `[admin]`: the control plane's door.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    pub listen: SocketAddr,
    /// How long a sign-in holds.
    pub session_minutes: u32,
    /// How long it holds without being used.
    pub idle_minutes: u32,
    /// PEM file: only clients with a certificate of this authority may connect.
    pub client_ca: Option<PathBuf>,
    /// Whether the audit trail's newest entry, by number and hash, is mailed to all admins every
    /// day.
    pub mail_chain_head: bool,
}

/// `[tls]`: the server's certificate.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    pub certificate: PathBuf,
    pub private_key: PathBuf,
    /// More names and addresses for a certificate of our own making.
    pub names: Vec<String>,
    /// For how many days clients are to remember never to try without TLS.
    pub sts_days: u32,
}

/// `[accounts]`: who may come in.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a key of its own, and none depends on another"
)]
pub struct Accounts {
    /// Whether one must be signed in; otherwise guests may come too.
    pub required: bool,
    /// Whether a new account proves its email with a mailed code.
    pub verify_email: bool,
    /// Whether anyone may register.
    pub open: bool,
    /// Whether one may register before one is let in.
    pub register_before_connect: bool,
    /// Whether whoever is signed in may be shown under another nick than the account's name.
    pub free_nicks: bool,
    /// Whether whoever has not chosen stays, as a user, while no client is connected.
    pub always_on: bool,
    /// Mail domains that overlook dots before the `@`.
    pub emails_without_dots: Vec<String>,
    /// Mail domains that overlook a `+` before the `@` and what follows it.
    pub emails_without_tags: Vec<String>,
}

impl Accounts {
    /// Which spellings of an email are one to a ban.
    pub fn email_aliases(&self) -> EmailAliases {
        EmailAliases::new(&self.emails_without_dots, &self.emails_without_tags)
    }
}

/// How mail leaves.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum MailTransport {
    /// One `.eml` file per mail, in `mail.directory`.
    Directory,
    /// A real mail server, `[mail.smtp]`.
    Smtp,
}

/// `[mail]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Mail {
    pub transport: MailTransport,
    pub directory: PathBuf,
    pub from: Email,
    pub smtp: Smtp,
}

/// How the way to the mail server is protected.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum SmtpSecurity {
    /// TLS from the first byte.
    Tls,
    /// Plain at first, then TLS or nothing.
    StartTls,
    /// Not at all: for a relay on the same machine.
    None,
}

/// `[mail.smtp]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Smtp {
    pub host: String,
    /// 465 for `tls`, 587 for `starttls`, 25 for `none` when left out.
    pub port: Option<u16>,
    pub security: SmtpSecurity,
    pub username: Option<String>,
    /// Holds the password and nothing else.
    pub password_file: Option<PathBuf>,
    /// PEM file: an authority to trust besides the system's, for a mail server of one's own.
    pub ca: Option<PathBuf>,
}

/// `[data]`: where the record is kept.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    pub directory: PathBuf,
    /// Whether `users.csv` and `bans.csv` are kept beside the database.
    pub csv: bool,
}

/// `[history]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct History {
    pub enabled: bool,
    /// Older messages go; 0 keeps all.
    pub retention_days: u32,
    pub sync: HistorySync,
    /// Whether members of a channel may read what was said there before they joined.
    pub before_join: bool,
    /// How many messages of each channel and conversation a client is shown that it missed; 0 for
    /// none.
    pub replay_lines: usize,
    /// For how long one may redact a message of one's own; 0 for ever.
    pub redaction_minutes: u32,
}

/// `[limits]`: 0 switches a limit off.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections to the chat port.
    pub connections: usize,
    /// Connections to the chat port from one IP address, or one IPv6 network of 64 bits.
    pub connections_per_address: usize,
    /// From the first byte to the end of the TLS handshake.
    pub tls_handshake_seconds: u32,
    /// From the TLS handshake to the end of the IRC one.
    pub handshake_seconds: u32,
    /// In the waiting room.
    pub waiting_room_seconds: u32,
    /// Without a word before the server asks with `PING`, and again before it gives up.
    pub ping_seconds: u32,
    /// Bytes waiting to go to one session.
    pub sendq_bytes: usize,
    /// Messages a session may send at once.
    pub message_burst: u32,
    /// Messages a second a session may send after that.
    pub messages_per_second: u32,
    /// Channels one user may be in.
    pub channels_per_user: usize,
    /// Channels one account may own.
    pub owned_channels: usize,
    /// Entries in each list of a channel.
    pub channel_list_entries: usize,
    /// Nicks one session may monitor.
    pub monitor_entries: usize,
    /// Messages in one page of history.
    pub history_page: usize,
    /// Sign-ins that fail, for each address and account, in ten minutes.
    pub failed_sign_ins: u32,
    /// Mails to one email, and for one address, in an hour.
    pub mails_per_hour: u32,
    /// The fewest characters of an account's password.
    pub password_length: usize,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `[log]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`; or a filter by module, as
    /// `info,rookeryd::mail=debug`.
    pub level: String,
    pub format: LogFormat,
}

/// `[metrics]`: numbers for Prometheus, over plain HTTP.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Off when left out.
    pub listen: Option<SocketAddr>,
}

/// `[websocket]`: the chat for web clients, over WebSocket and TLS.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct WebSocket {
    /// Off when left out.
    pub listen: Option<SocketAddr>,
    /// The sites whose pages may connect, as `https://chat.example.org`; all when empty.
    pub origins: Vec<String>,
}

impl Default for Chat {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 6697)),
            server_name: "rookery.local".to_owned(),
            network: "Rookery".to_owned(),
            lobby: vec![valid("#lobby")],
            motd: String::new(),
        }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 6698)),
            session_minutes: 60,
            idle_minutes: 15,
            client_ca: None,
            mail_chain_head: false,
        }
    }
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            certificate: "certs/server.pem".into(),
            private_key: "certs/server.key".into(),
            names: Vec::new(),
            sts_days: 30,
        }
    }
}

impl Default for Accounts {
    fn default() -> Self {
        let list = |domains: &[&str]| domains.iter().map(|&domain| domain.to_owned()).collect();
        Self {
            required: true,
            verify_email: true,
            open: true,
            register_before_connect: true,
            free_nicks: false,
            always_on: false,
            emails_without_dots: list(&["gmail.com", "googlemail.com"]),
            emails_without_tags: list(&[
                "gmail.com",
                "googlemail.com",
                "outlook.com",
                "hotmail.com",
                "icloud.com",
                "fastmail.com",
                "proton.me",
                "protonmail.com",
            ]),
        }
    }
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            transport: MailTransport::Directory,
            directory: "data/mail".into(),
            from: valid("rookery@localhost"),
            smtp: Smtp::default(),
        }
    }
}

impl Default for Smtp {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: None,
            security: SmtpSecurity::StartTls,
            username: None,
            password_file: None,
            ca: None,
        }
    }
}

impl Default for Data {
    fn default() -> Self {
        Self {
            directory: "data".into(),
            csv: true,
        }
    }
}

impl Default for History {
    fn default() -> Self {
        Self {
            enabled: true,
            retention_days: 0,
            sync: HistorySync::Normal,
            before_join: true,
            replay_lines: 100,
            redaction_minutes: 0,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            connections_per_address: 100,
            tls_handshake_seconds: 10,
            handshake_seconds: 30,
            waiting_room_seconds: 900,
            ping_seconds: 120,
            sendq_bytes: 1 << 20,
            message_burst: 20,
            messages_per_second: 4,
            channels_per_user: 100,
            owned_channels: 20,
            channel_list_entries: 100,
            monitor_entries: 128,
            history_page: 100,
            failed_sign_ins: 10,
            mails_per_hour: 10,
            password_length: 8,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Text,
        }
    }
}

/// A built-in default. It is known to be valid: a test reads them all.
fn valid<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a built-in default is valid")
}

/// The configuration in force, which a reload replaces.
///
/// Only what wires the server together holds the whole of it. Everything else is given the
/// [`Live`] section it needs.
#[derive(Clone, Debug)]
pub struct LiveConfig(watch::Receiver<Arc<Config>>);

impl LiveConfig {
    /// Returns the live configuration, and the sender through which a reload replaces it.
    pub fn new(config: Config) -> (watch::Sender<Arc<Config>>, Self) {
        let (sender, receiver) = watch::channel(Arc::new(config));
        (sender, Self(receiver))
    }

    /// Returns the configuration as it is now.
    pub fn get(&self) -> Arc<Config> {
        Arc::clone(&self.0.borrow())
    }

    /// Returns the section that `select` picks; it follows every reload.
    pub fn section<T>(&self, select: fn(&Config) -> &T) -> Live<T> {
        Live {
            config: self.clone(),
            select,
        }
    }
}

/// One section of the configuration in force.
#[derive(Debug)]
pub struct Live<T: 'static> {
    config: LiveConfig,
    select: fn(&Config) -> &T,
}

impl<T> Live<T> {
    /// Returns the section as it is now. What is returned does not change with a later reload.
    pub fn get(&self) -> Section<T> {
        Section {
            config: self.config.get(),
            select: self.select,
        }
    }
}

// Not derived: a section need not be `Clone` for the handle to it to be.
impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self {
            config: self.config.clone(),
            select: self.select,
        }
    }
}

/// A section of the configuration at one moment.
pub struct Section<T: 'static> {
    config: Arc<Config>,
    select: fn(&Config) -> &T,
}

impl<T> Deref for Section<T> {
    type Target = T;

    fn deref(&self) -> &T {
        (self.select)(&self.config)
    }
}
