//! The sections of `config.toml`: every key and its default.
//!
//! The operators' documentation of a key is its comment in the shipped `config.toml`. A test checks
//! that the file has every key, with its default.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use rookery_protocol::{AccountName, Capabilities, Capability, ChannelName, Email};
use rookery_record::{EmailAliases, HistorySync};
use serde::Deserialize;

/// `[chat]`: the chat port, and what users see first.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Chat {
    /// The address and port for IRC clients, over TLS only.
    pub listen: SocketAddr,
    /// The server's name in messages; it has the form of a host name.
    pub server_name: String,
    /// The network's name, in one word.
    pub network: String,
    /// The channels that every user joins on sign-in.
    pub lobby: Vec<ChannelName>,
    /// The message of the day. There is none if it is empty.
    pub motd: String,
}

/// `[admin]`: the control plane.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// The address and port for `admin-cli`.
    pub listen: SocketAddr,
    /// How many minutes a session lasts after the sign-in, from 1 to 1440.
    pub session_minutes: u32,
    /// After how many minutes without a request a session ends, from 1 to 1440.
    pub idle_minutes: u32,
    /// A PEM file with a certificate authority. If it is set, only clients with a certificate of
    /// this authority can connect.
    pub client_ca: Option<PathBuf>,
    /// Whether the number and hash of the audit trail's newest entry are mailed to all admins once
    /// a day.
    pub mail_chain_head: bool,
}

/// `[tls]`: the server's certificate.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// A PEM file with the server's certificate, followed by the intermediate ones.
    pub certificate: PathBuf,
    /// A PEM file with the certificate's private key.
    pub private_key: PathBuf,
    /// Whether the server creates the two files if they are missing: only if both are at their
    /// default paths. Not a key.
    #[serde(skip)]
    pub create_missing: bool,
    /// Additional host names and IP addresses for a certificate that the server creates.
    pub names: Vec<String>,
    /// For how many days clients remember to connect over TLS only (IRCv3 sts); 0 disables this.
    pub sts_days: u32,
}

/// `[accounts]`: who may sign in and register.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a key of its own, and none depends on another"
)]
pub struct Accounts {
    /// Whether users must sign in to an account. If not, guests are admitted too.
    pub required: bool,
    /// Whether the email of a new account is verified with a mailed code.
    pub verify_email: bool,
    /// Whether anyone may register. If not, an invitation is needed.
    pub open: bool,
    /// Whether a session may register before it is admitted. Must be true if `required` is.
    pub register_before_connect: bool,
    /// Whether a user may have another nick than the account's name.
    pub free_nicks: bool,
    /// Whether users stay in their channels while no client of theirs is connected, unless the
    /// account's `always-on` setting overrides this.
    pub always_on: bool,
    /// The names that nobody may take, nor one that looks the same, as an account's name or a nick.
    pub reserved_names: Vec<AccountName>,
    /// The mail domains that ignore dots before the `@`.
    pub emails_without_dots: Vec<String>,
    /// The mail domains that ignore a `+` before the `@` and what follows it.
    pub emails_without_tags: Vec<String>,
}

impl Accounts {
    /// Returns the rules by which a ban treats different spellings of an email as one.
    pub fn email_aliases(&self) -> EmailAliases {
        EmailAliases::new(&self.emails_without_dots, &self.emails_without_tags)
    }
}

/// `mail.transport`: how mail is sent.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum MailTransport {
    /// Each mail is written as an `.eml` file into `mail.directory`.
    Directory,
    /// Mail is sent through the mail server of `[mail.smtp]`.
    Smtp,
}

/// `[mail]`: outgoing mail.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Mail {
    /// How mail is sent.
    pub transport: MailTransport,
    /// The folder for the `.eml` files of the `directory` transport.
    pub directory: PathBuf,
    /// The sender of every mail.
    pub from: Email,
    /// The name or address with which the server introduces itself to mail
    /// servers (`EHLO`, RFC 5321 §4.1.1.1). The default is the machine's name.
    pub hello_name: Option<String>,
    /// `[mail.smtp]`.
    pub smtp: Smtp,
}

/// `mail.smtp.security`: how the connection to the mail server is encrypted.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum SmtpSecurity {
    /// TLS from the first byte.
    Tls,
    /// Plaintext at first, then TLS by STARTTLS. If the server does not offer it, no mail is sent.
    StartTls,
    /// No encryption, for a relay on the same machine.
    None,
}

/// `[mail.smtp]`: the mail server of the `smtp` transport.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Smtp {
    /// The mail server's host name or IP address.
    pub host: String,
    /// The mail server's port. The default is 465 for `tls`, 587 for `starttls`, and 25 for `none`.
    pub port: Option<u16>,
    /// How the connection is encrypted.
    pub security: SmtpSecurity,
    /// The user name, for mail servers that require authentication.
    pub username: Option<String>,
    /// A file that contains the password and nothing else.
    pub password_file: Option<PathBuf>,
    /// A PEM file with a certificate authority to trust in addition to the system's.
    pub ca: Option<PathBuf>,
}

/// `[data]`: where the server stores its data.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// The folder of `rookery.db`, `users.csv` and `bans.csv`.
    pub directory: PathBuf,
    /// Whether the server creates the folder if it is missing: only at its default path. Not a key.
    #[serde(skip)]
    pub create_missing: bool,
    /// Whether `users.csv` and `bans.csv` are kept in sync with the database.
    pub csv: bool,
}

impl Data {
    /// Fails if the folder is missing and may not be created, or is not a folder. A missing folder
    /// at a path that the operator set is more likely a mistake, and the server would start without
    /// its data.
    pub fn check_folder(&self) -> anyhow::Result<()> {
        let exists = self
            .directory
            .try_exists()
            .with_context(|| format!("data.directory: {}", self.directory.display()))?;
        ensure!(
            exists || self.create_missing,
            "data.directory: {} does not exist; create this folder if a new server is to start in \
             it",
            self.directory.display()
        );
        ensure!(
            !exists || self.directory.is_dir(),
            "data.directory: {} is not a folder",
            self.directory.display()
        );
        Ok(())
    }
}

/// `[history]`: stored messages.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct History {
    /// Whether messages are stored.
    pub enabled: bool,
    /// After how many days messages are deleted; 0 means never.
    pub retention_days: u32,
    /// Which failures a message survives once any client has received it.
    pub sync: HistorySync,
    /// Whether members of a channel may read messages from before they joined.
    pub before_join: bool,
    /// The maximum number of missed messages of each channel and conversation that are replayed to
    /// a client that reconnects; 0 means none.
    pub replay_lines: usize,
    /// For how many minutes users may redact their own messages; 0 means without limit.
    pub redaction_minutes: u32,
}

impl History {
    /// Returns the capabilities that the server offers. If history is disabled, those that need it
    /// are left out.
    pub fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::of(Capability::ALL);
        if !self.enabled {
            capabilities.remove(Capability::Chathistory);
            capabilities.remove(Capability::EventPlayback);
            capabilities.remove(Capability::Playback);
            capabilities.remove(Capability::MessageRedaction);
        }
        capabilities
    }
}

/// `[limits]`: limits on what one client, or all clients together, may use.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The maximum number of connections to the chat port; 0 means no limit.
    pub connections: usize,
    /// The maximum number of connections to the chat port from one IPv4 address or one IPv6 /64
    /// network; 0 means no limit.
    pub connections_per_address: usize,
    /// The number of new connections to the chat port per second, after a burst, from one IPv4
    /// address or one IPv6 /64 network, and four times as many from an IPv6 /48 network; 0 means no
    /// limit.
    pub connect_rate: u32,
    /// The maximum number of new connections at once, as for `connect_rate`; 0 means no limit.
    pub connect_burst: u32,
    /// The maximum number of sessions that one account may have. A further one ends the oldest. 0
    /// means no limit.
    pub sessions_per_account: usize,
    /// The maximum duration of the TLS handshake in seconds, including the wait for the first byte;
    /// 0 means no limit.
    pub tls_handshake_seconds: u32,
    /// The maximum duration in seconds of the IRC handshake, which follows the TLS handshake; 0
    /// means no limit.
    pub handshake_seconds: u32,
    /// The maximum time in seconds that a session may spend in the waiting room, where it signs in
    /// or registers; 0 means no limit.
    pub waiting_room_seconds: u32,
    /// The seconds of silence after which the server sends `PING`, and again the seconds without an
    /// answer after which it ends the session; 0 means never.
    pub ping_seconds: u32,
    /// The maximum size of a session's send queue in bytes; 0 means no limit.
    pub sendq_bytes: usize,
    /// The maximum size of all send queues together in bytes; 0 means no limit.
    pub sendq_total_bytes: usize,
    /// The maximum number of messages that a session may send at once; 0 means no limit.
    pub message_burst: u32,
    /// The number of messages per second that a session may send after a burst; 0 means no limit.
    pub messages_per_second: u32,
    /// The maximum number of bytes that one account, or one network of guests, may have stored in
    /// the history in a day; 0 means no limit.
    pub stored_bytes_per_day: u64,
    /// The maximum number of channels that one user may be in; 0 means no limit.
    pub channels_per_user: usize,
    /// The maximum number of channels that one account may own; 0 means no limit.
    pub owned_channels: usize,
    /// The maximum number of bytes that the masks, access entries and metadata of all channels that
    /// one account owns may take, each with 128 bytes beside its texts; 0 means no limit. Each
    /// channel may hold a 16th in any case, and a channel without an owner a 16th at most.
    pub owned_channel_bytes: usize,
    /// The maximum number of entries in each list of a channel; 0 means no limit.
    pub channel_list_entries: usize,
    /// The maximum number of nicks that one session may monitor; 0 means no limit.
    pub monitor_entries: usize,
    /// The maximum number of messages in one page of history; 0 means no limit.
    pub history_page: usize,
    /// The maximum number of failed sign-ins on the chat port in ten minutes for each address or
    /// IPv6 /64 network, four times as many for an IPv6 /48 network, and the number for one account
    /// after which there are short pauses, except where its owner has signed in before; 0 means no
    /// limit. The control plane has limits of its own.
    pub failed_sign_ins: u32,
    /// The maximum number of mails per hour to one mailbox for registrations, of those for
    /// sign-ins, and of mails and registrations at the request of one address or IPv6 /64 network,
    /// four times as many of an IPv6 /48 network; 0 means no limit. Ten times as many registrations
    /// of names that are taken, and five times as many accounts in a day.
    pub mails_per_hour: u32,
    /// The minimum length of an account's password in characters; 0 means no minimum, and that
    /// common passwords are permitted.
    pub password_length: usize,
    /// The free space in MiB below which messages are no longer stored, and so not delivered; 0
    /// means no limit. `None` means 256, or a tenth of a disk on which that is less.
    pub disk_reserve_mb: Option<u32>,
}

/// `log.format`: how the log is written.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text lines for people.
    Text,
    /// One JSON object per line, for programs.
    Json,
}

/// `[log]`: the log on standard error.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace` or `off`; or a filter by module, for example
    /// `info,rookery_base::mail=debug`.
    pub level: String,
    /// How the log is written.
    pub format: LogFormat,
}

/// `[metrics]`: metrics for Prometheus, over plain HTTP.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// The address and port. If it is not set, metrics are not served.
    pub listen: Option<SocketAddr>,
}

/// `[process]`: the server's process.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Process {
    /// Whether the process gives up access to what it does not need. Read at the start only.
    pub sandbox: bool,
}

/// In `websocket.origins`: the pages of any site may connect.
pub const ANY_ORIGIN: &str = "*";

/// `[websocket]`: the chat for web clients, over WebSocket and TLS.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct WebSocket {
    /// The address and port. If it is not set, web clients are not served.
    pub listen: Option<SocketAddr>,
    /// The sites whose pages may connect, for example `https://chat.example.org`, or
    /// [`ANY_ORIGIN`]. If it is empty, the pages of the server's own host may.
    pub origins: Vec<String>,
}

impl Default for Chat {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 6697)),
            server_name: "rookery.local".to_owned(),
            network: "Rookery".to_owned(),
            lobby: vec![parsed("#lobby")],
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
            create_missing: true,
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
            reserved_names: [
                "NickServ", "ChanServ", "OperServ", "MemoServ", "HostServ", "BotServ",
            ]
            .map(parsed)
            .to_vec(),
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
            from: parsed("rookery@localhost"),
            hello_name: None,
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
            create_missing: true,
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
            connect_rate: 20,
            connect_burst: 200,
            sessions_per_account: 20,
            tls_handshake_seconds: 10,
            handshake_seconds: 30,
            waiting_room_seconds: 900,
            ping_seconds: 120,
            sendq_bytes: 1 << 20,
            sendq_total_bytes: 256 << 20,
            message_burst: 20,
            messages_per_second: 4,
            stored_bytes_per_day: 64 << 20,
            channels_per_user: 100,
            owned_channels: 20,
            owned_channel_bytes: 128 << 10,
            channel_list_entries: 100,
            monitor_entries: 128,
            history_page: 100,
            failed_sign_ins: 10,
            mails_per_hour: 10,
            password_length: 8,
            disk_reserve_mb: None,
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

/// Parses a built-in default. Tests create all defaults, so an invalid one fails them.
fn parsed<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a built-in default is valid")
}
