//! The server's certificate: made at the first start, loaded, and loaded anew without dropping a session.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::ServerConfig;

use crate::config::Config;

/// The certificate in force on both ports.
pub struct Certificates {}

impl Certificates {
    /// Loads what `[tls]` names; makes a local authority and a certificate where there are none.
    pub fn open(_config: &Config) -> anyhow::Result<Self> {
        unimplemented!()
    }

    /// Loads the files anew; on an error the old certificate stays in force.
    pub fn reload(&self, _config: &Config) -> anyhow::Result<()> {
        unimplemented!()
    }

    /// For the chat port. A client certificate is asked for, and any is taken: SASL EXTERNAL goes by its fingerprint.
    pub fn chat_tls(&self) -> Arc<ServerConfig> {
        unimplemented!()
    }

    /// For the admin port; with `admin.client_ca`, only for clients that it has signed.
    pub fn admin_tls(&self, _config: &Config) -> anyhow::Result<Arc<ServerConfig>> {
        unimplemented!()
    }

    /// When the certificate in force ends.
    pub fn expires_at(&self) -> Option<Timestamp> {
        unimplemented!()
    }
}
