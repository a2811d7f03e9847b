//! The configuration: `config.toml`, its defaults, its checks, and access to the current values.
//!
//! `sections` declares every section and key with its default, `load` reads the file, and `check`
//! refuses values that cannot work. An error names the file, the line and the key. An unknown key
//! is an error, so that a misspelt one is never ignored.
//!
//! A reload replaces the whole [`Config`] at once. The other parts of the server read their
//! sections through [`Live`] and so never see a half-finished reload.

mod check;
mod load;
mod sections;
#[cfg(test)]
mod tests;

use std::ops::Deref;
use std::sync::Arc;

use rookery_protocol::CapabilityValues;
use serde::Deserialize;
use tokio::sync::watch;

pub use load::{ConfigError, Loaded};
pub use sections::{
    ANY_ORIGIN, Accounts, Admin, Chat, Data, History, Limits, Log, LogFormat, Mail, MailTransport,
    Metrics, Process, Smtp, SmtpSecurity, Tls, WebSocket,
};

/// The whole configuration. [`Config::load`] resolves relative paths against the folder of the
/// file, so the server finds its data wherever it is started from.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `[chat]`.
    pub chat: Chat,
    /// `[admin]`.
    pub admin: Admin,
    /// `[tls]`.
    pub tls: Tls,
    /// `[accounts]`.
    pub accounts: Accounts,
    /// `[mail]`.
    pub mail: Mail,
    /// `[data]`.
    pub data: Data,
    /// `[history]`.
    pub history: History,
    /// `[limits]`.
    pub limits: Limits,
    /// `[log]`.
    pub log: Log,
    /// `[metrics]`.
    pub metrics: Metrics,
    /// `[process]`.
    pub process: Process,
    /// `[websocket]`.
    pub websocket: WebSocket,
}

/// Returns the values of the capabilities that are advertised in `CAP LS 302`.
pub fn capability_values(accounts: &Accounts, tls: &Tls) -> CapabilityValues {
    CapabilityValues {
        email_required: accounts.verify_email,
        register_before_connect: accounts.register_before_connect,
        sts_seconds: u64::from(tls.sts_days) * 24 * 60 * 60,
    }
}

/// The current configuration, which a reload replaces.
///
/// Only the code that assembles the server holds the whole configuration. Everything else receives
/// the [`Live`] section that it needs.
#[derive(Clone, Debug)]
pub struct LiveConfig(watch::Receiver<Arc<Config>>);

impl LiveConfig {
    /// Returns the live configuration, and the sender through which a reload replaces it.
    pub fn new(config: Config) -> (watch::Sender<Arc<Config>>, Self) {
        let (sender, receiver) = watch::channel(Arc::new(config));
        (sender, Self(receiver))
    }

    /// Returns the current configuration.
    pub fn get(&self) -> Arc<Config> {
        Arc::clone(&self.0.borrow())
    }

    /// Returns the section that `select` selects. It follows every reload.
    pub fn section<T>(&self, select: fn(&Config) -> &T) -> Live<T> {
        Live {
            config: self.clone(),
            select,
        }
    }
}

/// One section of the current configuration.
#[derive(Debug)]
pub struct Live<T: 'static> {
    config: LiveConfig,
    select: fn(&Config) -> &T,
}

impl<T> Live<T> {
    /// Returns the current section. A later reload does not change the returned value.
    pub fn get(&self) -> Section<T> {
        Section {
            config: self.config.get(),
            select: self.select,
        }
    }
}

// Not derived, because a derived `Clone` would require `T: Clone`.
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
