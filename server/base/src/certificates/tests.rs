//! Tests with real certificate files and TLS handshakes.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use jiff::ToSpan as _;
use rcgen::{CertificateParams, CertifiedIssuer, DistinguishedName, DnType, Issuer, KeyPair};
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, NamedGroup, ProtocolVersion, ServerConnection,
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

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("certs").join(name)
    }

    fn open(&self, now: Timestamp) -> Certificates {
        Certificates::open_at(&self.config.tls, &self.config.admin, now).unwrap()
    }

    #[track_caller]
    fn assert_refused(&self, expected: &str) {
        let Err(error) = Certificates::open(&self.config.tls, &self.config.admin) else {
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

fn self_signed() -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::default().self_signed(&key).unwrap();
    (certificate.der().clone(), key.into())
}

fn mode(file: &Path) -> u32 {
    std::fs::metadata(file).unwrap().permissions().mode() & 0o777
}

fn leaf(client: &ClientConnection) -> CertificateDer<'static> {
    client.peer_certificates().unwrap()[0].clone().into_owned()
}

#[test]
fn the_first_start_creates_an_authority_and_a_certificate_for_every_name() {
    let fixture = Fixture::new();
    let certificates = fixture.open(Timestamp::now());
    assert_eq!(mode(&fixture.file("server.key")), 0o600);
    assert_eq!(mode(&fixture.file("ca.key")), 0o600);
    assert_eq!(mode(&fixture.file("server.pem")), 0o644);
    assert_eq!(std::fs::read_dir(fixture.file("")).unwrap().count(), 4);
    for name in [
        "localhost",
        "127.0.0.1",
        "::1",
        "chat.example.org",
        "192.0.2.7",
    ] {
        let test_client = TestClient {
            name,
            ..TestClient::new(&fixture)
        };
        test_client.connect(certificates.chat_tls()).unwrap();
        test_client
            .connect(certificates.admin_tls(&fixture.config.admin).unwrap())
            .unwrap();
    }
    let test_client = TestClient {
        name: "elsewhere.example.org",
        ..TestClient::new(&fixture)
    };
    assert!(test_client.connect(certificates.chat_tls()).is_err());
}

#[test]
fn a_later_start_uses_the_files_unchanged() {
    let fixture = Fixture::new();
    fixture.open(Timestamp::now());
    let before = std::fs::read(fixture.file("server.pem")).unwrap();
    let authority = std::fs::read(fixture.file("ca.pem")).unwrap();
    fixture.open(Timestamp::now());
    assert_eq!(std::fs::read(fixture.file("server.pem")).unwrap(), before);
    assert_eq!(std::fs::read(fixture.file("ca.pem")).unwrap(), authority);
}

#[test]
fn key_exchange_is_post_quantum_and_tls_1_2_still_works() {
    let fixture = Fixture::new();
    let certificates = fixture.open(Timestamp::now());
    let (client, _) = TestClient::new(&fixture)
        .connect(certificates.chat_tls())
        .unwrap();
    assert_eq!(client.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    let group = client.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, NamedGroup::X25519MLKEM768);

    let old = TestClient {
        versions: ONLY_1_2,
        ..TestClient::new(&fixture)
    };
    let (client, _) = old.connect(certificates.chat_tls()).unwrap();
    assert_eq!(client.protocol_version(), Some(ProtocolVersion::TLSv1_2));
}

#[test]
fn the_chat_port_accepts_any_client_certificate_or_none() {
    let fixture = Fixture::new();
    let certificates = fixture.open(Timestamp::now());
    let (_, server) = TestClient::new(&fixture)
        .connect(certificates.chat_tls())
        .unwrap();
    assert!(server.peer_certificates().is_none());
    for versions in [ONLY_1_3, ONLY_1_2] {
        let own = self_signed();
        let test_client = TestClient {
            certificate: Some((own.0.clone(), own.1)),
            versions,
            ..TestClient::new(&fixture)
        };
        let (_, server) = test_client.connect(certificates.chat_tls()).unwrap();
        assert_eq!(server.peer_certificates().unwrap()[0], own.0);
    }
}

#[test]
fn a_client_certificate_without_its_key_is_refused() {
    let fixture = Fixture::new();
    let certificates = fixture.open(Timestamp::now());
    let provider = aws_lc_rs::default_provider();
    let (stolen, _) = self_signed();
    let (_, other_key) = self_signed();
    for versions in [ONLY_1_3, ONLY_1_2] {
        let signing = provider
            .key_provider
            .load_private_key(other_key.clone_key())
            .unwrap();
        let pair = Arc::new(CertifiedKey::new(vec![stolen.clone()], signing));
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(fixture.file("ca.pem")).unwrap())
            .unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(provider.clone()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_client_cert_resolver(Arc::new(MismatchedPair(pair)));
        let mut client =
            ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap())
                .unwrap();
        let mut server = ServerConnection::new(certificates.chat_tls()).unwrap();
        assert!(exchange(&mut client, &mut server).is_err());
    }
}

/// Presents a certificate whose key does not match.
#[derive(Debug)]
struct MismatchedPair(Arc<CertifiedKey>);

impl rustls::client::ResolvesClientCert for MismatchedPair {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[test]
fn the_chat_port_accepts_clients_that_offer_any_protocol() {
    let fixture = Fixture::new();
    let certificates = fixture.open(Timestamp::now());
    for protocol in [b"irc".to_vec(), b"h2".to_vec()] {
        let test_client = TestClient {
            protocols: vec![protocol],
            ..TestClient::new(&fixture)
        };
        test_client.connect(certificates.chat_tls()).unwrap();
    }
    let test_client = TestClient {
        protocols: vec![b"http/1.1".to_vec()],
        ..TestClient::new(&fixture)
    };
    let (client, _) = test_client
        .connect(certificates.admin_tls(&fixture.config.admin).unwrap())
        .unwrap();
    assert_eq!(client.alpn_protocol(), Some(b"http/1.1".as_slice()));
}

#[test]
fn with_client_ca_the_admin_port_accepts_only_certificates_of_that_authority() {
    let mut fixture = Fixture::new();
    let certificates = fixture.open(Timestamp::now());
    let mut params = CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(fixture.file("admins.pem"), authority.pem()).unwrap();
    fixture.config.admin.client_ca = Some(fixture.file("admins.pem"));
    let tls = certificates.admin_tls(&fixture.config.admin).unwrap();

    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let signed = params.signed_by(&key, &authority).unwrap().der().clone();
    let admin = TestClient {
        certificate: Some((signed, key.into())),
        ..TestClient::new(&fixture)
    };
    admin.connect(Arc::clone(&tls)).unwrap();

    let self_signed_client = TestClient {
        certificate: Some(self_signed()),
        ..TestClient::new(&fixture)
    };
    assert!(self_signed_client.connect(Arc::clone(&tls)).is_err());
    assert!(TestClient::new(&fixture).connect(tls).is_err());
}

#[test]
fn a_reload_replaces_the_certificate_of_both_ports_and_ends_no_session() {
    let fixture = Fixture::new();
    let certificates = fixture.open(Timestamp::now());
    let test_client = TestClient::new(&fixture);
    let (chat, admin) = (
        certificates.chat_tls(),
        certificates.admin_tls(&fixture.config.admin).unwrap(),
    );
    let (mut client, mut server) = test_client.connect(Arc::clone(&chat)).unwrap();
    let before = leaf(&client);

    let other = Fixture::new();
    other.open(Timestamp::now());
    for name in ["server.pem", "server.key", "ca.pem", "ca.key"] {
        std::fs::copy(other.file(name), fixture.file(name)).unwrap();
    }
    certificates
        .reload(&fixture.config.tls, &fixture.config.admin)
        .unwrap();
    ping_pong(&mut client, &mut server).unwrap();
    let (client, _) = test_client.connect(chat).unwrap();
    assert_ne!(leaf(&client), before);
    let after = leaf(&client);
    assert_eq!(leaf(&test_client.connect(admin).unwrap().0), after);
}

#[test]
fn the_fingerprint_is_that_of_the_certificate_in_the_form_of_openssl() {
    let fixture = Fixture::new();
    let missing = format!("{:#}", fingerprint(&fixture.config.tls).unwrap_err());
    assert!(missing.contains("tls.certificate: "), "{missing}");
    fixture.open(Timestamp::now());
    let printed = fingerprint(&fixture.config.tls).unwrap();
    let presented = CertificateDer::from_pem_file(fixture.file("server.pem")).unwrap();
    assert_eq!(printed, fingerprint_of(&presented));
    assert_eq!(
        fingerprint_of(&CertificateDer::from(b"abc".to_vec())),
        "SHA-256 BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:\
         FF:61:F2:00:15:AD"
    );
}

#[test]
fn a_failed_reload_leaves_the_certificate_unchanged() {
    let fixture = Fixture::new();
    let certificates = fixture.open(Timestamp::now());
    std::fs::write(fixture.file("server.pem"), "not PEM").unwrap();
    let error = format!(
        "{:#}",
        certificates
            .reload(&fixture.config.tls, &fixture.config.admin)
            .unwrap_err()
    );
    assert!(
        error.contains("server.pem: no certificate found"),
        "{error}"
    );
    TestClient::new(&fixture)
        .connect(certificates.chat_tls())
        .unwrap();
}

#[test]
fn a_certificate_of_the_local_authority_is_renewed_before_it_expires() {
    let fixture = Fixture::new();
    let long_ago = Timestamp::now() - SignedDuration::from_hours(24 * 380);
    let certificates = fixture.open(long_ago);
    let end = certificates.expires_at().unwrap();
    let key = std::fs::read(fixture.file("server.key")).unwrap();
    let day = 24.hours();
    assert_eq!(end.duration_since(long_ago).as_hours() / 24, 363);

    certificates
        .reload_at(
            &fixture.config.tls,
            &fixture.config.admin,
            end - RENEW_BEFORE - day,
        )
        .unwrap();
    assert_eq!(certificates.expires_at(), Some(end), "not renewed yet");
    let now = end - RENEW_BEFORE + day;
    certificates
        .reload_at(&fixture.config.tls, &fixture.config.admin, now)
        .unwrap();
    assert!(certificates.expires_at().unwrap() > now + SignedDuration::from_hours(24 * 360));
    assert_eq!(
        std::fs::read(fixture.file("server.key")).unwrap(),
        key,
        "the key does not change, for clients that have pinned it"
    );
    TestClient::new(&fixture)
        .connect(certificates.chat_tls())
        .unwrap();
}

#[test]
fn the_servers_certificate_is_valid_for_a_year_and_shown_without_its_authority() {
    let fixture = Fixture::new();
    let certificates = fixture.open(Timestamp::now());
    let (client, _) = TestClient::new(&fixture)
        .connect(certificates.chat_tls())
        .unwrap();
    assert_eq!(client.peer_certificates().unwrap().len(), 1);
    let Validity { start, end } = x509::validity(&leaf(&client)).unwrap();
    assert!(end.duration_since(start) <= SignedDuration::from_hours(24 * 366));
}

#[test]
fn the_servers_order_of_cipher_suites_is_preferred() {
    let fixture = Fixture::new();
    let certificates = fixture.open(Timestamp::now());
    for versions in [ONLY_1_3, ONLY_1_2] {
        let chosen = |reversed: bool| {
            let test_client = TestClient {
                versions,
                reversed_suites: reversed,
                ..TestClient::new(&fixture)
            };
            let (client, _) = test_client.connect(certificates.chat_tls()).unwrap();
            client.negotiated_cipher_suite().unwrap().suite()
        };
        assert_eq!(chosen(true), chosen(false));
    }
}

#[test]
fn missing_files_at_a_path_that_was_set_are_an_error_and_are_not_created() {
    let mut fixture = Fixture::new();
    fixture.config.tls.create_missing = false;
    fixture.assert_refused("server.pem does not exist");
    let error = Certificates::check(&fixture.config.tls, &fixture.config.admin)
        .unwrap_err()
        .to_string();
    assert!(error.contains("server.pem does not exist"), "{error}");
    assert!(!fixture.file("").exists());
}

#[test]
fn a_check_reads_the_files_and_creates_none() {
    let mut fixture = Fixture::new();
    assert_eq!(
        Certificates::check(&fixture.config.tls, &fixture.config.admin).unwrap(),
        Vec::<String>::new()
    );
    assert!(!fixture.file("").exists());

    fixture.open(Timestamp::now());
    assert_eq!(
        Certificates::check(&fixture.config.tls, &fixture.config.admin).unwrap(),
        Vec::<String>::new()
    );
    fixture.config.admin.client_ca = Some(fixture.file("none.pem"));
    let error = Certificates::check(&fixture.config.tls, &fixture.config.admin).unwrap_err();
    assert!(error.to_string().contains("admin.client_ca: "), "{error}");
    fixture.config.admin.client_ca = None;
    std::fs::write(fixture.file("server.key"), "").unwrap();
    let error = Certificates::check(&fixture.config.tls, &fixture.config.admin).unwrap_err();
    assert!(error.to_string().contains("tls.private_key: "), "{error}");
}

#[test]
fn an_incomplete_chain_is_warned_of() {
    let fixture = Fixture::new();
    fixture.open(Timestamp::now());
    let authority = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params
    };
    let root =
        CertifiedIssuer::self_signed(authority("root"), KeyPair::generate().unwrap()).unwrap();
    let middle =
        CertifiedIssuer::signed_by(authority("middle"), KeyPair::generate().unwrap(), &root)
            .unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(["localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &middle)
        .unwrap()
        .pem();
    std::fs::write(fixture.file("server.key"), key.serialize_pem()).unwrap();
    let warnings = |chain: &[&str]| {
        std::fs::write(fixture.file("server.pem"), chain.concat()).unwrap();
        Certificates::check(&fixture.config.tls, &fixture.config.admin).unwrap()
    };
    let (middle, root) = (middle.pem(), root.pem());
    let warned = warnings(&[&leaf]);
    assert!(
        warned.len() == 1
            && warned[0].contains("server.pem: the file has the server's certificate"),
        "{warned:?}"
    );
    let warned = warnings(&[&leaf, &root]);
    assert!(
        warned.len() == 1 && warned[0].contains("server.pem: the certificates are not a chain"),
        "{warned:?}"
    );
    assert_eq!(warnings(&[&leaf, &middle]), Vec::<String>::new());
    assert_eq!(warnings(&[&leaf, &middle, &root]), Vec::<String>::new());
}

#[test]
fn a_certificate_of_the_local_authority_is_renewed_for_an_added_name_that_it_may_sign_for() {
    let fixture = Fixture::new();
    let certificates = fixture.open(Timestamp::now());
    let connect = |name, certificates: &Certificates| {
        let client = TestClient {
            name,
            ..TestClient::new(&fixture)
        };
        client.connect(certificates.chat_tls())
    };
    let mut tls = fixture.config.tls.clone();
    tls.names.push("new.chat.example.org".to_owned());
    certificates.reload(&tls, &fixture.config.admin).unwrap();
    connect("new.chat.example.org", &certificates).unwrap();

    // The authority was created for other names than this one.
    tls.names.push("elsewhere.example.org".to_owned());
    tls.names.push("newer.chat.example.org".to_owned());
    let before = std::fs::read(fixture.file("server.pem")).unwrap();
    certificates.reload(&tls, &fixture.config.admin).unwrap();
    connect("newer.chat.example.org", &certificates).unwrap();
    assert!(connect("elsewhere.example.org", &certificates).is_err());
    let renewed = std::fs::read(fixture.file("server.pem")).unwrap();
    assert_ne!(renewed, before);
    certificates.reload(&tls, &fixture.config.admin).unwrap();
    assert_eq!(
        std::fs::read(fixture.file("server.pem")).unwrap(),
        renewed,
        "nothing more can be done"
    );
    let warnings = Certificates::check(&tls, &fixture.config.admin).unwrap();
    assert!(
        matches!(&warnings[..], [warning] if warning.contains(" elsewhere.example.org")),
        "{warnings:?}"
    );
}

#[test]
fn who_steals_the_authoritys_key_cannot_sign_for_another_name() {
    let fixture = Fixture::new();
    let certificates = fixture.open(Timestamp::now());
    let stolen = std::fs::read_to_string(fixture.file("ca.key")).unwrap();
    let mut authority = CertificateParams::default();
    authority.distinguished_name = DistinguishedName::new();
    let names = [
        (DnType::OrganizationName, "Rookery"),
        (DnType::CommonName, "Rookery local authority"),
    ];
    for (kind, name) in names {
        authority.distinguished_name.push(kind, name);
    }
    let issuer = Issuer::new(authority, KeyPair::from_pem(&stolen).unwrap());
    let mut accepted = Vec::new();
    for name in ["chat.example.org", "bank.example", "192.0.2.7", "192.0.2.8"] {
        let key = KeyPair::generate().unwrap();
        let forged = CertificateParams::new([name.to_owned()])
            .unwrap()
            .signed_by(&key, &issuer)
            .unwrap();
        std::fs::write(fixture.file("server.pem"), forged.pem()).unwrap();
        std::fs::write(fixture.file("server.key"), key.serialize_pem()).unwrap();
        certificates
            .reload(&fixture.config.tls, &fixture.config.admin)
            .unwrap();
        let client = TestClient {
            name,
            ..TestClient::new(&fixture)
        };
        if client.connect(certificates.chat_tls()).is_ok() {
            accepted.push(name);
        }
    }
    assert_eq!(accepted, ["chat.example.org", "192.0.2.7"]);
}

#[test]
fn a_certificate_of_another_authority_is_never_overwritten() {
    let fixture = Fixture::new();
    fixture.open(Timestamp::now());
    let (certificate, key) = {
        let key = KeyPair::generate().unwrap();
        (
            CertificateParams::new(["localhost".to_owned()])
                .unwrap()
                .self_signed(&key)
                .unwrap(),
            key,
        )
    };
    std::fs::write(fixture.file("server.pem"), certificate.pem()).unwrap();
    std::fs::write(fixture.file("server.key"), key.serialize_pem()).unwrap();
    fixture.open(Timestamp::now());
    assert_eq!(
        std::fs::read_to_string(fixture.file("server.pem")).unwrap(),
        certificate.pem()
    );
}

#[test]
fn a_missing_file_of_a_pair_is_an_error_and_is_not_created() {
    for (missing, message) in [
        ("server.key", "tls.private_key: "),
        ("server.pem", "tls.certificate: "),
    ] {
        let fixture = Fixture::new();
        fixture.open(Timestamp::now());
        std::fs::remove_file(fixture.file(missing)).unwrap();
        fixture.assert_refused(message);
        assert!(!fixture.file(missing).exists());
    }
    let fixture = Fixture::new();
    fixture.open(Timestamp::now());
    for missing in ["server.key", "server.pem", "ca.key"] {
        std::fs::remove_file(fixture.file(missing)).unwrap();
    }
    fixture.assert_refused("ca.key is missing, but ");
}

#[test]
fn an_error_says_what_is_wrong_with_a_file() {
    let fixture = Fixture::new();
    fixture.open(Timestamp::now());
    let other = Fixture::new();
    other.open(Timestamp::now());
    let certificate = std::fs::read_to_string(fixture.file("server.pem")).unwrap();

    std::fs::copy(other.file("server.key"), fixture.file("server.key")).unwrap();
    fixture.assert_refused("server.key: this is not the key of the certificate in ");
    std::fs::write(fixture.file("server.key"), &certificate).unwrap();
    fixture.assert_refused("server.key: no private key found");
    std::fs::write(
        fixture.file("server.key"),
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    )
    .unwrap();
    fixture.assert_refused("tls.private_key: ");
    std::fs::write(fixture.file("server.pem"), &certificate[..200]).unwrap();
    fixture.assert_refused("server.pem: broken PEM: a BEGIN line has no END line");
    std::fs::write(fixture.file("server.pem"), certificate.replace('M', "!")).unwrap();
    fixture.assert_refused("server.pem: broken PEM");
}

#[test]
fn the_error_names_a_folder_that_cannot_be_created() {
    let fixture = Fixture::new();
    std::fs::write(fixture.folder.path().join("certs"), "a file in its place").unwrap();
    fixture.assert_refused("certs");
}

#[test]
fn an_unreadable_client_ca_is_an_error_at_start_and_at_reload() {
    let mut fixture = Fixture::new();
    let certificates = fixture.open(Timestamp::now());
    fixture.config.admin.client_ca = Some(fixture.file("none.pem"));
    fixture.assert_refused("admin.client_ca: ");
    let error = format!(
        "{:#}",
        certificates
            .reload(&fixture.config.tls, &fixture.config.admin)
            .unwrap_err()
    );
    assert!(error.contains("admin.client_ca: "), "{error}");
}
