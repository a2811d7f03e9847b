//! Signing in: the handshake and the waiting room, SASL, registration, mailed codes, credentials.
#![allow(missing_docs)]

pub mod authenticate;
pub mod codes;
pub mod credentials;
pub mod credentials_change;
pub mod csv_sync;
pub mod email_code;
pub mod handshake;
pub mod invitations;
pub mod mail_templates;
pub mod password;
pub mod pending;
pub mod registration;
pub mod reply_format;
pub mod sasl;
pub mod scram;
pub mod sign_in;
#[cfg(test)]
mod test_log;
#[cfg(test)]
mod tests;
pub mod throttle;

use std::net::SocketAddr;

use jiff::Timestamp;
use rookery_control_api::{Port, ServerEvent};
use rookery_protocol::{AccountName, Nick};
use sha2::{Digest as _, Sha256};
use tokio::sync::{OnceCell, Semaphore};

use crate::csv_sync::CsvSync;
use pending::PendingRegistrations;
use rookery_base::config::LiveConfig;
use rookery_base::events::EventBus;
use rookery_base::mail::Mailer;
use rookery_base::recent_refusals::RecentRefusals;
use rookery_chat::event::Identity;
use rookery_record::{Account, AccountId};
use rookery_store::{Database, Durability, Result};
use throttle::Throttle;

/// What is known of whoever is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    pub address: SocketAddr,
    /// SHA-256 of the client certificate.
    pub certificate: Option<[u8; 32]>,
    /// Version and key exchange, as `TLSv1.3 X25519MLKEM768`.
    pub tls: String,
}

/// What all sign-ins share.
pub struct Accounts {
    config: LiveConfig,
    database: Database,
    mailer: Mailer,
    csv: CsvSync,
    events: EventBus,
    throttle: Throttle,
    /// Passwords looked at in one moment.
    password_checks: Semaphore,
    pending: PendingRegistrations,
    /// Sign-ins.
    pub refused: RecentRefusals,
    /// Behind what SCRAM tells of accounts that are not there; read when it is first needed.
    decoy_key: OnceCell<[u8; 32]>,
}

impl Accounts {
    /// Over the record, its windows and the mail.
    pub fn new(
        config: LiveConfig,
        database: Database,
        mailer: Mailer,
        csv: CsvSync,
        events: EventBus,
    ) -> Self {
        Self {
            config,
            database,
            mailer,
            csv,
            events,
            throttle: Throttle::default(),
            password_checks: Semaphore::new(password::SLOTS),
            pending: PendingRegistrations::default(),
            refused: RecentRefusals::at(Port::Chat),
            decoy_key: OnceCell::new(),
        }
    }

    /// Whether the nick is, or looks like, the name of another account than `own`: nobody else may
    /// have it.
    pub async fn is_reserved(&self, nick: &Nick, own: Option<&AccountName>) -> Result<bool> {
        let Ok(name) = AccountName::parse(nick.as_str()) else {
            return Ok(false);
        };
        // No two accounts have names that look the same.
        if own.is_some_and(|own| own.skeleton() == name.skeleton()) {
            return Ok(false);
        }
        self.database
            .read(move |store| store.is_name_taken(&name))
            .await
    }

    /// Tells whoever watches that someone was not let in.
    pub fn report_refusal(
        &self,
        name: impl Into<String>,
        address: SocketAddr,
        why: impl Into<String>,
    ) {
        let (name, why) = (name.into(), why.into());
        self.refused.add(Timestamp::now(), &name, address, &why);
        let address = address.to_string();
        self.events.tell(ServerEvent::SignInRefused {
            name,
            address,
            reason: why,
        });
    }

    /// The account was welcomed; it is not new any more.
    pub async fn set_greeted(&self, account: AccountId) -> Result<()> {
        self.database
            .write(Durability::Message, move |store| store.set_greeted(account))
            .await
    }

    /// The source of what the server says.
    fn server_name(&self) -> String {
        self.config.get().chat.server_name.clone()
    }
}

fn identity(account: &Account, proved_at: Timestamp) -> Identity {
    Identity {
        id: account.id,
        name: account.name.clone(),
        email: account.email.clone(),
        new: !account.greeted,
        proved_at,
        credential: None,
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// As a device credential is kept. It needs no slow hash: it is random, not chosen.
fn device_hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}
