//! The local authority: creates and renews the certificate.

use super::*;

fn mode(file: &Path) -> u32 {
    std::fs::metadata(file).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_first_start_creates_an_authority_and_a_certificate_for_every_name() {
    let (fixture, certificates) = Fixture::opened();
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
    let (fixture, _) = Fixture::opened();
    let before = std::fs::read(fixture.file("server.pem")).unwrap();
    let authority = std::fs::read(fixture.file("ca.pem")).unwrap();
    fixture.open(Timestamp::now());
    assert_eq!(std::fs::read(fixture.file("server.pem")).unwrap(), before);
    assert_eq!(std::fs::read(fixture.file("ca.pem")).unwrap(), authority);
}

#[test]
fn a_reload_replaces_the_certificate_of_both_ports_and_ends_no_session() {
    let (fixture, certificates) = Fixture::opened();
    let test_client = TestClient::new(&fixture);
    let (chat, admin) = (
        certificates.chat_tls(),
        certificates.admin_tls(&fixture.config.admin).unwrap(),
    );
    let (mut client, mut server) = test_client.connect(Arc::clone(&chat)).unwrap();
    let before = leaf(&client);

    let (other, _) = Fixture::opened();
    for name in ["server.pem", "server.key", "ca.pem", "ca.key"] {
        std::fs::copy(other.file(name), fixture.file(name)).unwrap();
    }
    certificates
        .reload(
            &fixture.config.tls,
            &fixture.config.admin,
            ClockRecord::default(),
        )
        .unwrap();
    ping_pong(&mut client, &mut server).unwrap();
    let (client, _) = test_client.connect(chat).unwrap();
    assert_ne!(leaf(&client), before);
    let after = leaf(&client);
    assert_eq!(leaf(&test_client.connect(admin).unwrap().0), after);
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

    fixture.reload(&certificates, end - RENEW_BEFORE - day);
    assert_eq!(certificates.expires_at(), Some(end), "not renewed yet");
    let now = end - RENEW_BEFORE + day;
    fixture.reload(&certificates, now);
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

/// Whether a client that trusts the authority, and whose clock shows that time, accepts the
/// certificate that is served.
fn is_accepted(fixture: &Fixture, certificates: &Certificates, at: Timestamp) -> bool {
    let served = certificates.current.get().cert[0].clone();
    let authority = CertificateDer::from_pem_file(fixture.file("ca.pem")).unwrap();
    let Validity { start, end } = x509::validity(&authority).unwrap();
    super::super::authority::has_signed(&fixture.config.tls, &served, at) && start <= at && at < end
}

#[test]
fn a_clock_that_is_wrong_for_a_while_locks_no_client_out() {
    let fixture = Fixture::new();
    let now: Timestamp = "2026-11-29T12:00:00Z".parse().unwrap();
    let year = SignedDuration::from_hours(24 * 365);
    let certificates = fixture.open(now);
    let before = std::fs::read(fixture.file("server.pem")).unwrap();
    let (key, authority) = (
        std::fs::read(fixture.file("server.key")).unwrap(),
        std::fs::read(fixture.file("ca.pem")).unwrap(),
    );
    let clock = ClockRecord {
        confirmed_at: Some(now),
        new_time: None,
    };
    for wrong in [now + 5 * year, now - year, Timestamp::UNIX_EPOCH] {
        let present = clock.present(wrong);
        let restarted = fixture.open(present);
        fixture.reload(&certificates, present);
        for certificates in [&restarted, &certificates] {
            assert!(is_accepted(&fixture, certificates, now), "{wrong}");
            let is_served =
                wrong == Timestamp::UNIX_EPOCH || is_accepted(&fixture, certificates, wrong);
            assert!(is_served, "{wrong}: to clients with the same clock");
        }
        fixture.reload(&certificates, clock.present(now));
        let der = CertificateDer::from_pem_file(fixture.file("server.pem")).unwrap();
        let Validity { start, end } = x509::validity(&der).unwrap();
        assert_eq!(end.duration_since(start), year, "no longer than usual");
    }
    assert_eq!(std::fs::read(fixture.file("server.key")).unwrap(), key);
    assert_eq!(std::fs::read(fixture.file("ca.pem")).unwrap(), authority);
    // Where a clock was wrong but the certificate is valid, it stays.
    std::fs::write(fixture.file("server.pem"), &before).unwrap();
    for wrong in [now + year / 2, Timestamp::UNIX_EPOCH] {
        fixture.open(clock.present(wrong));
        fixture.open(Timestamp::UNIX_EPOCH);
        assert_eq!(std::fs::read(fixture.file("server.pem")).unwrap(), before);
    }
}

#[test]
fn a_first_start_with_a_wrong_clock_heals_once_the_clock_is_right() {
    let now: Timestamp = "2026-11-29T12:00:00Z".parse().unwrap();
    let year = SignedDuration::from_hours(24 * 365);
    for wrong in [
        Timestamp::UNIX_EPOCH,
        now - year,
        now + 5 * year,
        now + 30 * year,
    ] {
        let fixture = Fixture::new();
        let mut clock = ClockRecord::default();
        let mut present = |at| {
            clock.observe(at, SignedDuration::ZERO);
            clock.present(at)
        };
        let certificates = fixture.open(present(wrong));
        let authority = std::fs::read(fixture.file("ca.pem")).unwrap();
        fixture.reload(&certificates, present(now));
        assert!(is_accepted(&fixture, &certificates, now), "{wrong}");
        let restarted = fixture.open(present(now));
        assert!(is_accepted(&fixture, &restarted, now), "{wrong}");
        assert_eq!(std::fs::read(fixture.file("ca.pem")).unwrap(), authority);
    }
}

#[test]
fn a_certificate_of_the_local_authority_is_renewed_for_an_added_name_that_it_may_sign_for() {
    let (fixture, certificates) = Fixture::opened();
    let connect = |name, certificates: &Certificates| {
        let client = TestClient {
            name,
            ..TestClient::new(&fixture)
        };
        client.connect(certificates.chat_tls())
    };
    let mut tls = fixture.config.tls.clone();
    tls.names.push("new.chat.example.org".to_owned());
    certificates
        .reload(&tls, &fixture.config.admin, ClockRecord::default())
        .unwrap();
    connect("new.chat.example.org", &certificates).unwrap();

    // The authority was created for other names than this one.
    tls.names.push("elsewhere.example.org".to_owned());
    tls.names.push("newer.chat.example.org".to_owned());
    let before = std::fs::read(fixture.file("server.pem")).unwrap();
    certificates
        .reload(&tls, &fixture.config.admin, ClockRecord::default())
        .unwrap();
    connect("newer.chat.example.org", &certificates).unwrap();
    assert!(connect("elsewhere.example.org", &certificates).is_err());
    let renewed = std::fs::read(fixture.file("server.pem")).unwrap();
    assert_ne!(renewed, before);
    certificates
        .reload(&tls, &fixture.config.admin, ClockRecord::default())
        .unwrap();
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
    let (fixture, certificates) = Fixture::opened();
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
            .reload(
                &fixture.config.tls,
                &fixture.config.admin,
                ClockRecord::default(),
            )
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
    let (fixture, _) = Fixture::opened();
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
