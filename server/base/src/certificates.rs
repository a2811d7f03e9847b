//! The server's certificate: created at the first start, loaded, and reloaded without ending a
//! session.
//!
//! The clock may be wrong. A certificate that is signed while it may be wrong is valid at each time
//! that may be the right one, so that no client refuses it ([`Present`]).
//!
//! [`Certificates`] owns the certificate that every port presents, and builds each port's TLS
//! configuration. `authority` creates a certificate signed by a local authority and renews it; it
//! never changes one that another authority signed. This module only verifies client certificates;
//! the accounts crate and the control plane decide what they permit.

mod authority;
mod client;
#[cfg(test)]
mod tests;
mod x509;

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use jiff::{SignedDuration, Timestamp};
use parking_lot::RwLock;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, ServerConfig};
use sha2::{Digest as _, Sha256};

use crate::config::{Admin, Tls};
use crate::pem;
use rookery_record::{ClockRecord, Present};
use x509::Validity;

/// The time before its expiry at which a certificate of the local authority is renewed. For any
/// other certificate, a warning is logged instead.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The cipher suites that precede all others in the server's order.
const PREFERRED_SUITES: [CipherSuite; 3] = [
    CipherSuite::TLS13_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
];

/// The server's certificate and the TLS configurations that use it.
pub struct Certificates {
    current: Arc<CurrentCertificate>,
    provider: Arc<CryptoProvider>,
    chat_tls: Arc<ServerConfig>,
    web_tls: Arc<ServerConfig>,
}

impl Certificates {
    /// Checks the files that `[tls]` and `admin.client_ca` name as [`Self::open`] does, but creates
    /// and changes none. Returns a warning for each reason why clients may refuse the certificate.
    pub fn check(tls: &Tls, admin: &Admin) -> anyhow::Result<Vec<String>> {
        let provider = provider();
        client_verifier(&provider, admin)?;
        if !authority::pair_exists(tls)? {
            return Ok(Vec::new());
        }
        let pair = read_pair(tls, &provider)?;
        Ok(warnings(tls, &pair.cert, Timestamp::now()))
    }

    /// Loads the files that `[tls]` names. If they are missing and the paths are the default ones,
    /// creates a certificate, and a local authority to sign it.
    pub fn open(tls: &Tls, admin: &Admin, clock: ClockRecord) -> anyhow::Result<Self> {
        Self::open_at(tls, admin, clock.present(Timestamp::now()))
    }

    fn open_at(tls: &Tls, admin: &Admin, present: Present) -> anyhow::Result<Self> {
        let provider = provider();
        authority::create_missing(tls, present)?;
        let loaded = load(tls, &provider, present)?;
        log_fingerprint(tls, &loaded);
        let current = Arc::new(CurrentCertificate(RwLock::new(loaded)));
        let verifier = Arc::new(client::AcceptsAnyCertificate::new(&provider));
        let chat_tls = Arc::new(server_config(&provider, verifier, &current)?);
        let no_client_auth = WebPkiClientVerifier::no_client_auth();
        let web_tls = Arc::new(server_config(&provider, no_client_auth, &current)?);
        let certificates = Self {
            current,
            provider,
            chat_tls,
            web_tls,
        };
        // Reports an unusable `admin.client_ca` at the start, not at each connection.
        certificates.admin_tls(admin)?;
        Ok(certificates)
    }

    /// Loads the files again. If that fails, the current certificate remains in use.
    pub fn reload(&self, tls: &Tls, admin: &Admin, clock: ClockRecord) -> anyhow::Result<()> {
        self.reload_at(tls, admin, clock.present(Timestamp::now()))
    }

    fn reload_at(&self, tls: &Tls, admin: &Admin, present: Present) -> anyhow::Result<()> {
        self.admin_tls(admin)?;
        let loaded = load(tls, &self.provider, present)?;
        if loaded.cert.first() != self.current.get().cert.first() {
            log_fingerprint(tls, &loaded);
        }
        self.current.set(loaded);
        Ok(())
    }

    /// Returns the TLS configuration of the chat port. It requests a client certificate and accepts
    /// any, because SASL EXTERNAL identifies an account by the certificate's fingerprint.
    ///
    /// It has no list of protocols (ALPN), because with one it would refuse clients that offer only
    /// others.
    pub fn chat_tls(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.chat_tls)
    }

    /// Returns the TLS configuration of the port for web clients. It requests no client
    /// certificate, because a browser would prompt its user for one.
    pub fn web_tls(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.web_tls)
    }

    /// Returns the configuration of the control plane's port. With `admin.client_ca`, it requires a
    /// client certificate that this authority signed.
    pub fn admin_tls(&self, config: &Admin) -> anyhow::Result<Arc<ServerConfig>> {
        let verifier = client_verifier(&self.provider, config)?;
        let mut tls = server_config(&self.provider, verifier, &self.current)?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(tls))
    }

    /// Returns when the current certificate expires, or `None` if its dates cannot be read.
    pub fn expires_at(&self) -> Option<Timestamp> {
        x509::validity(self.current.get().cert.first()?).map(|validity| validity.end)
    }
}

/// The certificate that new handshakes use. All ports share it, so a reload replaces it for all.
#[derive(Debug)]
struct CurrentCertificate(RwLock<Arc<CertifiedKey>>);

impl CurrentCertificate {
    fn get(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0.read())
    }

    fn set(&self, certificate: Arc<CertifiedKey>) {
        *self.0.write() = certificate;
    }
}

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.get())
    }
}

/// Returns the cryptography of the server's ports. AES-128 is preferred to AES-256, as in browsers
/// and in Go: nobody can break either, and the SHA-384 that comes with AES-256 makes handshakes
/// cost more CPU.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider
        .cipher_suites
        .sort_by_key(|suite| !PREFERRED_SUITES.contains(&suite.suite()));
    Arc::new(provider)
}

/// Returns the verifier of client certificates on the control plane's port.
fn client_verifier(
    provider: &Arc<CryptoProvider>,
    config: &Admin,
) -> anyhow::Result<Arc<dyn ClientCertVerifier>> {
    let Some(file) = &config.client_ca else {
        return Ok(WebPkiClientVerifier::no_client_auth());
    };
    let verifier = || {
        let roots = Arc::new(pem::authorities(file)?);
        let provider = Arc::clone(provider);
        let verifier: Arc<dyn ClientCertVerifier> =
            WebPkiClientVerifier::builder_with_provider(roots, provider).build()?;
        anyhow::Ok(verifier)
    };
    verifier().with_context(|| format!("admin.client_ca: {}", file.display()))
}

/// Returns a configuration for TLS 1.3 and 1.2 without session resumption: sessions last for hours,
/// so saving one handshake is not worth the memory for tickets. The cipher suite is the first in
/// the server's order that the client offers.
fn server_config(
    provider: &Arc<CryptoProvider>,
    verifier: Arc<dyn ClientCertVerifier>,
    current: &Arc<CurrentCertificate>,
) -> anyhow::Result<ServerConfig> {
    let resolver: Arc<dyn ResolvesServerCert> = Arc::<CurrentCertificate>::clone(current);
    let mut tls = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(resolver);
    tls.session_storage = Arc::new(NoServerSessionStorage {});
    tls.send_tls13_tickets = 0;
    tls.ignore_client_order = true;
    Ok(tls)
}

/// Reads the certificate and its key. A certificate of the local authority is renewed first if it
/// expires soon, is not valid yet or lacks a name.
fn load(
    tls: &Tls,
    provider: &CryptoProvider,
    present: Present,
) -> anyhow::Result<Arc<CertifiedKey>> {
    let mut pair = read_pair(tls, provider)?;
    match authority::renew(tls, &pair.cert[0], present) {
        Ok(true) => pair = read_pair(tls, provider)?,
        Ok(false) => {}
        Err(error) => {
            tracing::warn!("the server's certificate could not be renewed: {error:#}");
        }
    }
    for warning in warnings(tls, &pair.cert, present.latest) {
        tracing::warn!("{warning}");
    }
    Ok(Arc::new(pair))
}

fn read_pair(tls: &Tls, provider: &CryptoProvider) -> anyhow::Result<CertifiedKey> {
    let (certificate, private_key) = (tls.certificate.display(), tls.private_key.display());
    let chain = pem::certificates(&tls.certificate)
        .with_context(|| format!("tls.certificate: {certificate}"))?;
    let key = pem::private_key(&tls.private_key)
        .and_then(|key| {
            let loaded = provider.key_provider.load_private_key(key);
            loaded.map_err(|_| anyhow!(pem::DAMAGED_KEY))
        })
        .with_context(|| format!("tls.private_key: {private_key}"))?;
    let pair = CertifiedKey::new(chain, key);
    match pair.keys_match() {
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => {
            anyhow::bail!(
                "tls.private_key: {private_key}: this is not the key of the certificate in \
                 {certificate}"
            )
        }
        Err(rustls::Error::InconsistentKeys(_)) | Ok(()) => {}
        Err(_) => anyhow::bail!(
            "tls.certificate: {certificate}: {}",
            pem::DAMAGED_CERTIFICATE
        ),
    }
    verify_signature(tls, &pair.cert).with_context(|| format!("tls.certificate: {certificate}"))?;
    Ok(pair)
}

/// Fails if the server's certificate names the local authority as its issuer, which has not made
/// its signature: then every client refuses it.
fn verify_signature(tls: &Tls, chain: &[CertificateDer<'_>]) -> anyhow::Result<()> {
    match x509::Fields::of(&chain[0]) {
        Some(fields) if chain.len() == 1 && !fields.is_self_issued() => {
            authority::verify_signature(tls, &chain[0], &fields)
        }
        Some(_) | None => Ok(()),
    }
}

/// Returns a warning if a certificate of another authority is not signed with the key that its
/// names suggest. Two authorities may have one name, so that is no proof that clients refuse it.
fn signature_warning(
    chain: &[CertificateDer<'_>],
    fields: &[x509::Fields<'_>],
) -> Option<&'static str> {
    let (issuer, warning) = if fields[0].is_self_issued() {
        (
            0,
            "the signature is not made with the certificate's own key: unless an authority of the \
             same name has signed it, the file is damaged, and clients refuse it",
        )
    } else {
        (
            1,
            "the signature is not that of the certificate that follows it: unless the authority \
             has another certificate of that name, the file is damaged, and clients refuse it",
        )
    };
    let is_named = fields.get(issuer)?.subject == fields[0].issuer;
    let is_signed = x509::is_signed_with_key_of(&chain[0], &chain[issuer]);
    (is_named && is_signed == Some(false)).then_some(warning)
}

/// Returns the fingerprint of the certificate in the file that `[tls]` names, as clients show it.
pub fn fingerprint(tls: &Tls) -> anyhow::Result<String> {
    let chain = pem::certificates(&tls.certificate)
        .with_context(|| format!("tls.certificate: {}", tls.certificate.display()))?;
    Ok(fingerprint_of(&chain[0]))
}

/// Formats the fingerprint of a certificate as `openssl x509 -fingerprint -sha256` and `rook` do.
fn fingerprint_of(certificate: &CertificateDer<'_>) -> String {
    let bytes = Sha256::digest(certificate);
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("SHA-256 {}", pairs.join(":"))
}

fn log_fingerprint(tls: &Tls, loaded: &CertifiedKey) {
    tracing::info!(
        "the fingerprint of {} is {}",
        tls.certificate.display(),
        fingerprint_of(&loaded.cert[0])
    );
}

/// Returns a warning for each reason why clients may refuse the certificate.
fn warnings(tls: &Tls, chain: &[CertificateDer<'_>], now: Timestamp) -> Vec<String> {
    let file = tls.certificate.display();
    let fields: Option<Vec<_>> = chain.iter().map(|der| x509::Fields::of(der)).collect();
    let Some((fields, validity)) = fields.and_then(|fields| {
        let validity = fields[0].validity()?;
        Some((fields, validity))
    }) else {
        return vec![format!(
            "{file}: the certificate's dates and names cannot be read"
        )];
    };
    let is_own = chain.len() == 1 && authority::is_own(&fields[0]);
    let damage = authority::damage_warning(tls, is_own);
    // What a damaged authority has signed, and may sign, is unknown.
    let (chain_warning, authority_warning) = match damage {
        Some(damage) => (None, Some(damage)),
        None => (
            chain_warning(tls, chain, &fields, is_own),
            authority::permission_warning(tls, &chain[0]),
        ),
    };
    [
        validity_warning(validity, now),
        chain_warning.map(str::to_owned),
    ]
    .into_iter()
    .flatten()
    .map(|warning| format!("{file}: {warning}"))
    .chain(authority_warning)
    .collect()
}

fn validity_warning(Validity { start, end }: Validity, now: Timestamp) -> Option<String> {
    if end <= now {
        Some(format!(
            "the certificate expired on {end}; clients refuse it"
        ))
    } else if start > now {
        Some(format!(
            "the certificate is not valid before {start}; clients refuse it until then"
        ))
    } else if end < now + RENEW_BEFORE {
        Some(format!("the certificate expires soon, on {end}"))
    } else {
        None
    }
}

/// Returns what is wrong with a chain. Whether the authority that it leads to is one that clients
/// trust is not checked, because that differs from client to client.
fn chain_warning(
    tls: &Tls,
    chain: &[CertificateDer<'_>],
    fields: &[x509::Fields<'_>],
    is_own: bool,
) -> Option<&'static str> {
    if let Some(warning) = signature_warning(chain, fields) {
        return Some(warning);
    }
    if fields
        .windows(2)
        .any(|pair| pair[0].issuer != pair[1].subject)
    {
        return Some(
            "the certificates are not a chain: each has to be followed by that of its issuer, the \
             server's own first",
        );
    }
    let is_alone = fields.len() == 1 && !fields[0].is_self_issued();
    let start = fields[0].validity()?.start;
    if !is_alone || authority::has_signed(tls, &chain[0], start) {
        return None;
    }
    Some(if is_own {
        "the local authority may not sign for the names in it, or was not valid yet: clients \
         refuse it. Move it and its key away, and restart to create new ones"
    } else {
        "the file has the server's certificate alone. If an intermediate authority issued it, add \
         that certificate (from Let's Encrypt, use fullchain.pem): clients refuse an incomplete \
         chain"
    })
}
