//! Tests with real certificate files and TLS handshakes.
#![allow(clippy::unwrap_used)]

mod authority;
mod files;
mod handshakes;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use jiff::ToSpan as _;
use rcgen::{CertificateParams, CertifiedIssuer, DistinguishedName, DnType, Issuer, KeyPair};
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, NamedGroup, ProtocolVersion, RootCertStore, ServerConnection,
    SupportedProtocolVersion, version,
};
use tempfile::TempDir;

use super::*;
use crate::config::Config;

const ONLY_1_3: &[&SupportedProtocolVersion] = &[&version::TLS13];
const ONLY_1_2: &[&SupportedProtocolVersion] = &[&version::TLS12];

/// A folder for certificates, and a config that refers to it.
struct Fixture {
    folder: TempDir,
    config: Config,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.tls.certificate = folder.path().join("certs/server.pem");
        config.tls.private_key = folder.path().join("certs/server.key");
        config.tls.names = vec!["chat.example.org".to_owned(), "192.0.2.7".to_owned()];
        Self { folder, config }
    }

    /// Returns the fixture after the first start, and its certificates.
    fn opened() -> (Self, Certificates) {
        let fixture = Self::new();
        let certificates = fixture.open(Timestamp::now());
        (fixture, certificates)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("certs").join(name)
    }

    fn open(&self, present: impl Into<Present>) -> Certificates {
        Certificates::open_at(&self.config.tls, &self.config.admin, present.into()).unwrap()
    }

    fn reload(&self, certificates: &Certificates, present: impl Into<Present>) {
        certificates
            .reload_at(&self.config.tls, &self.config.admin, present.into())
            .unwrap();
    }

    #[track_caller]
    fn assert_refused(&self, expected: &str) {
        let Err(error) = Certificates::open_at(
            &self.config.tls,
            &self.config.admin,
            Timestamp::now().into(),
        ) else {
            panic!("must be refused")
        };
        let error = format!("{error:#}");
        assert!(
            error.contains(expected),
            "actual:   {error}\nexpected: {expected}"
        );
    }
}

/// The settings of a client, which trusts the authority that the server created.
struct TestClient {
    authority: PathBuf,
    name: &'static str,
    versions: &'static [&'static SupportedProtocolVersion],
    protocols: Vec<Vec<u8>>,
    /// Whether the client prefers the cipher suites in the reverse of the default order.
    reversed_suites: bool,
    certificate: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
}

impl TestClient {
    fn new(fixture: &Fixture) -> Self {
        Self {
            authority: fixture.file("ca.pem"),
            name: "localhost",
            versions: rustls::DEFAULT_VERSIONS,
            protocols: Vec::new(),
            reversed_suites: false,
            certificate: None,
        }
    }

    fn client(&self) -> ClientConnection {
        let mut provider = aws_lc_rs::default_provider();
        if self.reversed_suites {
            provider.cipher_suites.reverse();
        }
        let provider = Arc::new(provider);
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(&self.authority).unwrap())
            .unwrap();
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .unwrap();
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(self.versions)
            .unwrap()
            .with_webpki_verifier(verifier);
        let mut config = match &self.certificate {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => builder
                .with_client_auth_cert(vec![certificate.clone()], key.clone_key())
                .unwrap(),
        };
        config.alpn_protocols.clone_from(&self.protocols);
        ClientConnection::new(Arc::new(config), ServerName::try_from(self.name).unwrap()).unwrap()
    }

    /// Completes a handshake, and sends a few bytes in both directions.
    fn connect(
        &self,
        tls: Arc<ServerConfig>,
    ) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
        let mut client = self.client();
        let mut server = ServerConnection::new(tls).unwrap();
        exchange(&mut client, &mut server)?;
        assert!(!client.is_handshaking() && !server.is_handshaking());
        ping_pong(&mut client, &mut server)?;
        Ok((client, server))
    }
}

/// Passes bytes between client and server until neither has more to send.
fn exchange(
    client: &mut ClientConnection,
    server: &mut ServerConnection,
) -> Result<(), rustls::Error> {
    while client.wants_write() || server.wants_write() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets()?;
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets()?;
        }
    }
    Ok(())
}

fn ping_pong(
    client: &mut ClientConnection,
    server: &mut ServerConnection,
) -> Result<(), rustls::Error> {
    use std::io::{Read as _, Write as _};
    client.writer().write_all(b"ping").unwrap();
    server.writer().write_all(b"pong").unwrap();
    exchange(client, server)?;
    let mut received = [0; 4];
    server.reader().read_exact(&mut received).unwrap();
    assert_eq!(&received, b"ping");
    client.reader().read_exact(&mut received).unwrap();
    assert_eq!(&received, b"pong");
    Ok(())
}

fn leaf(client: &ClientConnection) -> CertificateDer<'static> {
    client.peer_certificates().unwrap()[0].clone().into_owned()
}
