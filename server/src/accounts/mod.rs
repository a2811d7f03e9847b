//! Signing in: the handshake and the waiting room, SASL, registration, mailed codes, credentials.

pub mod codes;
pub mod handshake;
pub mod password;
pub mod sign_in;

use std::net::SocketAddr;

use rookery_protocol::Nick;

use crate::config::LiveConfig;
use crate::mail::Mailer;
use crate::record::AccountId;
use crate::store::{Database, Result};
use crate::windows::Windows;

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
pub struct Accounts {}

impl Accounts {
    /// Over the record, its windows and the mail.
    pub fn new(_config: LiveConfig, _database: Database, _mailer: Mailer, _windows: Windows) -> Self {
        Self {}
    }

    /// Whether the nick is, or looks like, the name of an account: guests may not have it.
    pub async fn is_reserved(&self, _nick: &Nick) -> Result<bool> {
        unimplemented!()
    }

    /// The account was welcomed; it is not new any more.
    pub async fn set_greeted(&self, _account: AccountId) -> Result<()> {
        unimplemented!()
    }
}
