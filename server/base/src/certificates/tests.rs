//! Certificates on a real disk, and real handshakes with them.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use jiff::ToSpan as _;
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, NamedGroup, ProtocolVersion, ServerConnection,
    SupportedProtocolVersion, version,
};
use tempfile::TempDir;

use super::*;

const ONLY_1_3: &[&SupportedProtocolVersion] = &[&version::TLS13];
const ONLY_1_2: &[&SupportedProtocolVersion] = &[&version::TLS12];

/// A folder for certificates, and the config that names it.
struct House {
    folder: TempDir,
    config: Config,
}

impl House {
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
        Certificates::open_at(&self.config, now).unwrap()
    }

    #[track_caller]
    fn assert_refused(&self, expected: &str) {
        let Err(error) = Certificates::open(&self.config) else {
            panic!("must be refused")
        };
        let error = format!("{error:#}");
        assert!(
            error.contains(expected),
            "said: {error}\nexpected: {expected}"
        );
    }
}

/// How a client comes in; it trusts the authority that the server made.
struct Visit {
    authority: PathBuf,
    name: &'static str,
    versions: &'static [&'static SupportedProtocolVersion],
    protocols: Vec<Vec<u8>>,
    certificate: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
}

impl Visit {
    fn to(house: &House) -> Self {
        Self {
            authority: house.file("ca.pem"),
            name: "localhost",
            versions: rustls::DEFAULT_VERSIONS,
            protocols: Vec::new(),
            certificate: None,
        }
    }

    fn client(&self) -> ClientConnection {
        let provider = Arc::new(aws_lc_rs::default_provider());
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

    /// Shakes hands, and says one word each way.
    fn shake(
        &self,
        tls: Arc<ServerConfig>,
    ) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
        let mut client = self.client();
        let mut server = ServerConnection::new(tls).unwrap();
        exchange(&mut client, &mut server)?;
        assert!(!client.is_handshaking() && !server.is_handshaking());
        talk(&mut client, &mut server)?;
        Ok((client, server))
    }
}

/// Carries bytes back and forth until both are silent.
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

fn talk(client: &mut ClientConnection, server: &mut ServerConnection) -> Result<(), rustls::Error> {
    use std::io::{Read as _, Write as _};
    client.writer().write_all(b"ping").unwrap();
    server.writer().write_all(b"pong").unwrap();
    exchange(client, server)?;
    let mut heard = [0; 4];
    server.reader().read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"ping");
    client.reader().read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"pong");
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
fn the_first_start_makes_an_authority_and_a_certificate_for_every_name() {
    let house = House::new();
    let certificates = house.open(Timestamp::now());
    assert_eq!(mode(&house.file("server.key")), 0o600);
    assert_eq!(mode(&house.file("ca.key")), 0o600);
    assert_eq!(mode(&house.file("server.pem")), 0o644);
    assert_eq!(std::fs::read_dir(house.file("")).unwrap().count(), 4);
    for name in [
        "localhost",
        "127.0.0.1",
        "::1",
        "chat.example.org",
        "192.0.2.7",
    ] {
        let visit = Visit {
            name,
            ..Visit::to(&house)
        };
        visit.shake(certificates.chat_tls()).unwrap();
        visit
            .shake(certificates.admin_tls(&house.config).unwrap())
            .unwrap();
    }
    let visit = Visit {
        name: "elsewhere.example.org",
        ..Visit::to(&house)
    };
    assert!(visit.shake(certificates.chat_tls()).is_err());
}

#[test]
fn a_later_start_takes_the_files_as_they_are() {
    let house = House::new();
    house.open(Timestamp::now());
    let before = std::fs::read(house.file("server.pem")).unwrap();
    let authority = std::fs::read(house.file("ca.pem")).unwrap();
    house.open(Timestamp::now());
    assert_eq!(std::fs::read(house.file("server.pem")).unwrap(), before);
    assert_eq!(std::fs::read(house.file("ca.pem")).unwrap(), authority);
}

#[test]
fn key_exchange_is_post_quantum_and_tls_1_2_still_works() {
    let house = House::new();
    let certificates = house.open(Timestamp::now());
    let (client, _) = Visit::to(&house).shake(certificates.chat_tls()).unwrap();
    assert_eq!(client.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    let group = client.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, NamedGroup::X25519MLKEM768);

    let old = Visit {
        versions: ONLY_1_2,
        ..Visit::to(&house)
    };
    let (client, _) = old.shake(certificates.chat_tls()).unwrap();
    assert_eq!(client.protocol_version(), Some(ProtocolVersion::TLSv1_2));
}

#[test]
fn the_chat_port_takes_any_client_certificate_and_none() {
    let house = House::new();
    let certificates = house.open(Timestamp::now());
    let (_, server) = Visit::to(&house).shake(certificates.chat_tls()).unwrap();
    assert!(server.peer_certificates().is_none());
    for versions in [ONLY_1_3, ONLY_1_2] {
        let own = self_signed();
        let visit = Visit {
            certificate: Some((own.0.clone(), own.1)),
            versions,
            ..Visit::to(&house)
        };
        let (_, server) = visit.shake(certificates.chat_tls()).unwrap();
        assert_eq!(server.peer_certificates().unwrap()[0], own.0);
    }
}

#[test]
fn a_client_certificate_needs_its_key() {
    let house = House::new();
    let certificates = house.open(Timestamp::now());
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
            .add(CertificateDer::from_pem_file(house.file("ca.pem")).unwrap())
            .unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(provider.clone()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_client_cert_resolver(Arc::new(Presents(pair)));
        let mut client =
            ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap())
                .unwrap();
        let mut server = ServerConnection::new(certificates.chat_tls()).unwrap();
        assert!(exchange(&mut client, &mut server).is_err());
    }
}

/// Shows a certificate whether or not the key fits.
#[derive(Debug)]
struct Presents(Arc<CertifiedKey>);

impl rustls::client::ResolvesClientCert for Presents {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[test]
fn the_chat_port_turns_nobody_away_for_the_protocols_they_offer() {
    let house = House::new();
    let certificates = house.open(Timestamp::now());
    for protocol in [b"irc".to_vec(), b"h2".to_vec()] {
        let visit = Visit {
            protocols: vec![protocol],
            ..Visit::to(&house)
        };
        visit.shake(certificates.chat_tls()).unwrap();
    }
    let visit = Visit {
        protocols: vec![b"http/1.1".to_vec()],
        ..Visit::to(&house)
    };
    let (client, _) = visit
        .shake(certificates.admin_tls(&house.config).unwrap())
        .unwrap();
    assert_eq!(client.alpn_protocol(), Some(b"http/1.1".as_slice()));
}

#[test]
fn with_client_ca_the_admin_port_takes_only_whom_it_signed() {
    let mut house = House::new();
    let certificates = house.open(Timestamp::now());
    let mut params = CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(house.file("admins.pem"), authority.pem()).unwrap();
    house.config.admin.client_ca = Some(house.file("admins.pem"));
    let tls = certificates.admin_tls(&house.config).unwrap();

    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let signed = params.signed_by(&key, &authority).unwrap().der().clone();
    let admin = Visit {
        certificate: Some((signed, key.into())),
        ..Visit::to(&house)
    };
    admin.shake(Arc::clone(&tls)).unwrap();

    let stranger = Visit {
        certificate: Some(self_signed()),
        ..Visit::to(&house)
    };
    assert!(stranger.shake(Arc::clone(&tls)).is_err());
    assert!(Visit::to(&house).shake(tls).is_err());
}

#[test]
fn a_reload_changes_both_ports_and_drops_no_session() {
    let house = House::new();
    let certificates = house.open(Timestamp::now());
    let visit = Visit::to(&house);
    let (chat, admin) = (
        certificates.chat_tls(),
        certificates.admin_tls(&house.config).unwrap(),
    );
    let (mut client, mut server) = visit.shake(Arc::clone(&chat)).unwrap();
    let before = leaf(&client);

    let other = House::new();
    other.open(Timestamp::now());
    for name in ["server.pem", "server.key", "ca.pem", "ca.key"] {
        std::fs::copy(other.file(name), house.file(name)).unwrap();
    }
    certificates.reload(&house.config).unwrap();
    talk(&mut client, &mut server).unwrap();
    let (client, _) = visit.shake(chat).unwrap();
    assert_ne!(leaf(&client), before);
    let after = leaf(&client);
    assert_eq!(leaf(&visit.shake(admin).unwrap().0), after);
}

#[test]
fn a_reload_that_fails_leaves_the_certificate_in_force() {
    let house = House::new();
    let certificates = house.open(Timestamp::now());
    std::fs::write(house.file("server.pem"), "gone").unwrap();
    let error = format!("{:#}", certificates.reload(&house.config).unwrap_err());
    assert!(
        error.contains("server.pem: there is no certificate in it"),
        "{error}"
    );
    Visit::to(&house).shake(certificates.chat_tls()).unwrap();
}

#[test]
fn our_own_certificate_is_renewed_when_its_end_is_close() {
    let house = House::new();
    let long_ago = Timestamp::now() - SignedDuration::from_hours(24 * 380);
    let certificates = house.open(long_ago);
    let end = certificates.expires_at().unwrap();
    let key = std::fs::read(house.file("server.key")).unwrap();
    let day = 24.hours();
    assert_eq!(end.duration_since(long_ago).as_hours() / 24, 396);

    certificates
        .reload_at(&house.config, end - CLOSE_TO_THE_END - day)
        .unwrap();
    assert_eq!(certificates.expires_at(), Some(end), "not yet");
    let now = end - CLOSE_TO_THE_END + day;
    certificates.reload_at(&house.config, now).unwrap();
    assert!(certificates.expires_at().unwrap() > now + SignedDuration::from_hours(24 * 390));
    assert_eq!(
        std::fs::read(house.file("server.key")).unwrap(),
        key,
        "whoever pinned the key is not alarmed"
    );
    Visit::to(&house).shake(certificates.chat_tls()).unwrap();
}

#[test]
fn our_own_certificate_is_renewed_for_a_name_that_is_added() {
    let mut house = House::new();
    let certificates = house.open(Timestamp::now());
    house.config.tls.names.push("new.example.org".to_owned());
    certificates.reload(&house.config).unwrap();
    Visit {
        name: "new.example.org",
        ..Visit::to(&house)
    }
    .shake(certificates.chat_tls())
    .unwrap();
}

#[test]
fn the_certificate_of_another_authority_is_never_written_over() {
    let house = House::new();
    house.open(Timestamp::now());
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
    std::fs::write(house.file("server.pem"), certificate.pem()).unwrap();
    std::fs::write(house.file("server.key"), key.serialize_pem()).unwrap();
    house.open(Timestamp::now());
    assert_eq!(
        std::fs::read_to_string(house.file("server.pem")).unwrap(),
        certificate.pem()
    );
}

#[test]
fn one_of_a_pair_alone_is_an_error_and_nothing_is_written() {
    for (gone, message) in [
        ("server.key", "tls.private_key: "),
        ("server.pem", "tls.certificate: "),
    ] {
        let house = House::new();
        house.open(Timestamp::now());
        std::fs::remove_file(house.file(gone)).unwrap();
        house.assert_refused(message);
        assert!(!house.file(gone).exists());
    }
    let house = House::new();
    house.open(Timestamp::now());
    for gone in ["server.key", "server.pem", "ca.key"] {
        std::fs::remove_file(house.file(gone)).unwrap();
    }
    house.assert_refused("ca.key is missing while ");
}

#[test]
fn what_is_wrong_with_the_files_is_said() {
    let house = House::new();
    house.open(Timestamp::now());
    let other = House::new();
    other.open(Timestamp::now());
    let certificate = std::fs::read_to_string(house.file("server.pem")).unwrap();

    std::fs::copy(other.file("server.key"), house.file("server.key")).unwrap();
    house.assert_refused("server.key: is not the key of the certificate in ");
    std::fs::write(house.file("server.key"), &certificate).unwrap();
    house.assert_refused("server.key: there is no private key in it");
    std::fs::write(
        house.file("server.key"),
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    )
    .unwrap();
    house.assert_refused("tls.private_key: ");
    std::fs::write(house.file("server.pem"), &certificate[..200]).unwrap();
    house.assert_refused("server.pem: broken PEM: a BEGIN line has no END line");
    std::fs::write(house.file("server.pem"), certificate.replace('M', "!")).unwrap();
    house.assert_refused("server.pem: broken PEM");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let house = House::new();
    std::fs::write(house.folder.path().join("certs"), "a file in its place").unwrap();
    house.assert_refused("certs");
}

#[test]
fn an_authority_for_admins_that_cannot_be_read_is_named_at_start_and_reload() {
    let mut house = House::new();
    let certificates = house.open(Timestamp::now());
    house.config.admin.client_ca = Some(house.file("none.pem"));
    house.assert_refused("admin.client_ca: ");
    let error = format!("{:#}", certificates.reload(&house.config).unwrap_err());
    assert!(error.contains("admin.client_ca: "), "{error}");
}
