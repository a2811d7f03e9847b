//! The server's certificate: made at the first start, loaded, and loaded anew without dropping a
//! session.

mod authority;
mod client;
mod pem;
#[cfg(test)]
mod tests;
mod validity;

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use parking_lot::RwLock;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};

use crate::config::{Config, Tls};

/// From here on an end that comes closer is spoken of, and a certificate of our own making is
/// renewed.
const CLOSE_TO_THE_END: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The certificate in force on both ports.
pub struct Certificates {
    in_force: Arc<InForce>,
    provider: Arc<CryptoProvider>,
    chat_tls: Arc<ServerConfig>,
    web_tls: Arc<ServerConfig>,
}

impl Certificates {
    /// Loads what `[tls]` names; makes a local authority and a certificate where there are none.
    pub fn open(config: &Config) -> anyhow::Result<Self> {
        Self::open_at(config, Timestamp::now())
    }

    fn open_at(config: &Config, now: Timestamp) -> anyhow::Result<Self> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        authority::make_missing(&config.tls, now)?;
        let in_force = Arc::new(InForce(RwLock::new(load(&config.tls, &provider, now)?)));
        let verifier = Arc::new(client::TakesAny::new(&provider));
        let chat_tls = Arc::new(server_config(&provider, verifier, &in_force)?);
        let nobody = WebPkiClientVerifier::no_client_auth();
        let web_tls = Arc::new(server_config(&provider, nobody, &in_force)?);
        let certificates = Self {
            in_force,
            provider,
            chat_tls,
            web_tls,
        };
        // What is wrong there is said now, and not to nobody at each connection.
        certificates.admin_tls(config)?;
        Ok(certificates)
    }

    /// Loads the files anew; on an error the old certificate stays in force.
    pub fn reload(&self, config: &Config) -> anyhow::Result<()> {
        self.reload_at(config, Timestamp::now())
    }

    fn reload_at(&self, config: &Config, now: Timestamp) -> anyhow::Result<()> {
        self.admin_tls(config)?;
        self.in_force.set(load(&config.tls, &self.provider, now)?);
        Ok(())
    }

    /// For the chat port. A client certificate is asked for, and any is taken: SASL EXTERNAL goes
    /// by its fingerprint.
    ///
    /// No protocol is negotiated (ALPN): a list of ours would turn away the clients that offer
    /// something else.
    pub fn chat_tls(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.chat_tls)
    }

    /// For web clients. No client certificate is asked for: a browser would ask its user for one.
    pub fn web_tls(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.web_tls)
    }

    /// For the admin port; with `admin.client_ca`, only for clients that it has signed.
    pub fn admin_tls(&self, config: &Config) -> anyhow::Result<Arc<ServerConfig>> {
        let verifier = match &config.admin.client_ca {
            None => WebPkiClientVerifier::no_client_auth(),
            Some(file) => self
                .signed_by(file)
                .with_context(|| format!("admin.client_ca: {}", file.display()))?,
        };
        let mut tls = server_config(&self.provider, verifier, &self.in_force)?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(tls))
    }

    fn signed_by(&self, file: &Path) -> anyhow::Result<Arc<dyn ClientCertVerifier>> {
        let mut roots = RootCertStore::empty();
        for certificate in pem::certificates(file)? {
            roots.add(certificate)?;
        }
        Ok(
            WebPkiClientVerifier::builder_with_provider(
                Arc::new(roots),
                Arc::clone(&self.provider),
            )
            .build()?,
        )
    }

    /// When the certificate in force ends.
    pub fn expires_at(&self) -> Option<Timestamp> {
        validity::of(self.in_force.get().cert.first()?).map(|validity| validity.end)
    }
}

/// The certificate that new handshakes get. All ports hold the same one, so that a reload changes
/// it for all.
#[derive(Debug)]
struct InForce(RwLock<Arc<CertifiedKey>>);

impl InForce {
    fn get(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0.read())
    }

    fn set(&self, next: Arc<CertifiedKey>) {
        *self.0.write() = next;
    }
}

impl ResolvesServerCert for InForce {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.get())
    }
}

/// TLS 1.3 and 1.2, no resumption: sessions last for hours, and what a ticket would save once is
/// not worth keeping for every one of them.
fn server_config(
    provider: &Arc<CryptoProvider>,
    verifier: Arc<dyn ClientCertVerifier>,
    in_force: &Arc<InForce>,
) -> anyhow::Result<ServerConfig> {
    let resolver: Arc<dyn ResolvesServerCert> = Arc::<InForce>::clone(in_force);
    let mut tls = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(resolver);
    tls.session_storage = Arc::new(NoServerSessionStorage {});
    tls.send_tls13_tickets = 0;
    Ok(tls)
}

/// Reads certificate and key, renewed first if they are our own and it is time.
fn load(tls: &Tls, provider: &CryptoProvider, now: Timestamp) -> anyhow::Result<Arc<CertifiedKey>> {
    let mut loaded = read_pair(tls, provider)?;
    match authority::renew(tls, &loaded.cert[0], now) {
        Ok(true) => loaded = read_pair(tls, provider)?,
        Ok(false) => {}
        Err(error) => {
            tracing::warn!("the server's certificate could not be renewed: {error:#}");
        }
    }
    tell_of_the_end(tls, &loaded.cert[0], now);
    Ok(Arc::new(loaded))
}

fn read_pair(tls: &Tls, provider: &CryptoProvider) -> anyhow::Result<CertifiedKey> {
    let (certificate, private_key) = (tls.certificate.display(), tls.private_key.display());
    let chain = pem::certificates(&tls.certificate)
        .with_context(|| format!("tls.certificate: {certificate}"))?;
    let key = pem::private_key(&tls.private_key)
        .and_then(|key| Ok(provider.key_provider.load_private_key(key)?))
        .with_context(|| format!("tls.private_key: {private_key}"))?;
    let pair = CertifiedKey::new(chain, key);
    match pair.keys_match() {
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => {
            anyhow::bail!(
                "tls.private_key: {private_key}: is not the key of the certificate in {certificate}"
            )
        }
        Err(rustls::Error::InconsistentKeys(_)) | Ok(()) => Ok(pair),
        Err(error) => Err(error).with_context(|| format!("tls.certificate: {certificate}")),
    }
}

fn tell_of_the_end(tls: &Tls, certificate: &CertificateDer<'_>, now: Timestamp) {
    let file = tls.certificate.display();
    match validity::of(certificate) {
        None => tracing::warn!("{file}: cannot tell when the certificate ends"),
        Some(validity) if validity.end <= now => {
            tracing::warn!(
                "{file}: the certificate ended on {}; clients will refuse it",
                validity.end
            );
        }
        Some(validity) if validity.start > now => {
            tracing::warn!(
                "{file}: the certificate begins on {}; clients will refuse it until then",
                validity.start
            );
        }
        Some(validity) if validity.end < now + CLOSE_TO_THE_END => {
            tracing::warn!("{file}: the certificate ends soon, on {}", validity.end);
        }
        Some(_) => {}
    }
}
