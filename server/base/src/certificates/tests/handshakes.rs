//! What clients and the server agree on.

use super::*;

fn self_signed() -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::default().self_signed(&key).unwrap();
    (certificate.der().clone(), key.into())
}

#[test]
fn key_exchange_is_post_quantum_and_tls_1_2_still_works() {
    let (fixture, certificates) = Fixture::opened();
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
    let (fixture, certificates) = Fixture::opened();
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
    let (fixture, certificates) = Fixture::opened();
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
    let (fixture, certificates) = Fixture::opened();
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
    let (mut fixture, certificates) = Fixture::opened();
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
fn the_servers_certificate_is_valid_for_a_year_and_shown_without_its_authority() {
    let (fixture, certificates) = Fixture::opened();
    let (client, _) = TestClient::new(&fixture)
        .connect(certificates.chat_tls())
        .unwrap();
    assert_eq!(client.peer_certificates().unwrap().len(), 1);
    let Validity { start, end } = x509::validity(&leaf(&client)).unwrap();
    assert!(end.duration_since(start) <= SignedDuration::from_hours(24 * 366));
}

#[test]
fn aes_128_is_chosen_whatever_the_client_prefers() {
    let (fixture, certificates) = Fixture::opened();
    for (versions, suite) in [
        (ONLY_1_3, CipherSuite::TLS13_AES_128_GCM_SHA256),
        (
            ONLY_1_2,
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        ),
    ] {
        let chosen = |reversed: bool| {
            let test_client = TestClient {
                versions,
                reversed_suites: reversed,
                ..TestClient::new(&fixture)
            };
            let (client, _) = test_client.connect(certificates.chat_tls()).unwrap();
            client.negotiated_cipher_suite().unwrap().suite()
        };
        assert_eq!([chosen(true), chosen(false)], [suite; 2]);
    }
}
