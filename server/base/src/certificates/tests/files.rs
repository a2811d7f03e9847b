//! Missing and bad files, and what a check says of them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::*;

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
    let (fixture, certificates) = Fixture::opened();
    std::fs::write(fixture.file("server.pem"), "not PEM").unwrap();
    let error = format!(
        "{:#}",
        certificates
            .reload(
                &fixture.config.tls,
                &fixture.config.admin,
                ClockRecord::default(),
            )
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
    let (fixture, _) = Fixture::opened();
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
fn a_missing_file_of_a_pair_is_an_error_and_is_not_created() {
    for (missing, message) in [
        ("server.key", "tls.private_key: "),
        ("server.pem", "tls.certificate: "),
    ] {
        let (fixture, _) = Fixture::opened();
        std::fs::remove_file(fixture.file(missing)).unwrap();
        fixture.assert_refused(message);
        assert!(!fixture.file(missing).exists());
    }
    let (fixture, _) = Fixture::opened();
    for missing in ["server.key", "server.pem", "ca.key"] {
        std::fs::remove_file(fixture.file(missing)).unwrap();
    }
    fixture.assert_refused("ca.key is missing, but ");
}

#[test]
fn an_error_says_what_is_wrong_with_a_file() {
    let (fixture, _) = Fixture::opened();
    let (other, _) = Fixture::opened();
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
    fixture.assert_refused("server.key: the text between BEGIN and END is not an RSA");
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    std::fs::copy(other.file("server.key"), fixture.file("server.key")).unwrap();
    std::fs::write(fixture.file("server.pem"), damaged).unwrap();
    fixture.assert_refused("server.pem: the text between BEGIN CERTIFICATE and END is not");
    std::fs::write(fixture.file("server.pem"), &certificate[..200]).unwrap();
    fixture.assert_refused("server.pem: broken PEM: a BEGIN line has no END line");
    std::fs::write(fixture.file("server.pem"), certificate.replace('M', "!")).unwrap();
    fixture.assert_refused("server.pem: broken PEM");
}

/// Writes DER as a PEM file.
fn write_certificate(file: &Path, der: &[u8]) {
    let text = BASE64_STANDARD.encode(der);
    let pem = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
    std::fs::write(file, pem).unwrap();
}

#[test]
fn a_certificate_with_any_changed_byte_is_refused_and_a_reload_keeps_the_old_one() {
    let (fixture, certificates) = Fixture::opened();
    let check = || Certificates::check(&fixture.config.tls, &fixture.config.admin);
    let intact = CertificateDer::from_pem_file(fixture.file("server.pem")).unwrap();
    for position in 0..intact.len() {
        let mut damaged = intact.to_vec();
        damaged[position] ^= 1;
        write_certificate(&fixture.file("server.pem"), &damaged);
        let error = check().expect_err(&format!("byte {position}"));
        assert!(format!("{error:#}").contains("server.pem"), "{error:#}");
    }
    let mut damaged = intact.to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    write_certificate(&fixture.file("server.pem"), &damaged);
    fixture.assert_refused("ca.pem as its issuer, but the signature is not of that authority");
    let (tls, admin) = (&fixture.config.tls, &fixture.config.admin);
    certificates
        .reload(tls, admin, ClockRecord::default())
        .unwrap_err();
    TestClient::new(&fixture)
        .connect(certificates.chat_tls())
        .unwrap();
}

#[test]
fn an_authority_that_was_replaced_is_refused_and_a_missing_file_of_it_is_warned_of() {
    let (fixture, _) = Fixture::opened();
    let (other, _) = Fixture::opened();
    let warned = || Certificates::check(&fixture.config.tls, &fixture.config.admin).unwrap();
    for name in ["ca.key", "ca.pem"] {
        let kept = std::fs::read(fixture.file(name)).unwrap();
        std::fs::remove_file(fixture.file(name)).unwrap();
        let warnings = warned();
        assert!(
            matches!(&warnings[..], [one] if one.contains(&format!("{name} is missing"))),
            "{warnings:?}"
        );
        std::fs::write(fixture.file(name), kept).unwrap();
    }
    std::fs::copy(other.file("ca.key"), fixture.file("ca.key")).unwrap();
    let warnings = warned();
    assert!(
        matches!(&warnings[..], [one] if one.contains("ca.key is not the key of ")),
        "{warnings:?}"
    );
    std::fs::copy(other.file("ca.pem"), fixture.file("ca.pem")).unwrap();
    fixture.assert_refused("one of the two files was damaged or replaced");
}

#[test]
fn a_changed_byte_of_the_local_authority_is_warned_of() {
    let (fixture, _) = Fixture::opened();
    let intact = CertificateDer::from_pem_file(fixture.file("ca.pem")).unwrap();
    for position in 0..intact.len() {
        let mut damaged = intact.to_vec();
        damaged[position] ^= 1;
        write_certificate(&fixture.file("ca.pem"), &damaged);
        let warnings = Certificates::check(&fixture.config.tls, &fixture.config.admin).unwrap();
        assert!(
            matches!(&warnings[..], [one] if one.contains("cannot renew") && one.contains("ca.pem: ")),
            "byte {position}: {warnings:?}"
        );
    }
}

#[test]
fn a_damaged_certificate_of_another_authority_is_warned_of() {
    let (fixture, _) = Fixture::opened();
    let mut params = CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    let of_issuer = params.signed_by(&key, &issuer).unwrap();
    let of_itself = CertificateParams::new(["localhost".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    std::fs::write(fixture.file("server.key"), key.serialize_pem()).unwrap();
    for (certificate, next) in [(&of_issuer, issuer.pem()), (&of_itself, String::new())] {
        let mut der = certificate.der().to_vec();
        for is_intact in [true, false] {
            write_certificate(&fixture.file("server.pem"), &der);
            let mut chain = std::fs::read_to_string(fixture.file("server.pem")).unwrap();
            chain += &next;
            std::fs::write(fixture.file("server.pem"), chain).unwrap();
            let warnings = Certificates::check(&fixture.config.tls, &fixture.config.admin).unwrap();
            assert_eq!(warnings.is_empty(), is_intact, "{warnings:?}");
            *der.last_mut().unwrap() ^= 1;
        }
    }
}

#[test]
fn a_damaged_file_of_the_local_authority_is_warned_of_before_the_certificate_expires() {
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (file, content, words) in [
        (
            "ca.pem",
            damaged,
            "ca.pem: the text between BEGIN CERTIFICATE",
        ),
        ("ca.pem", "", "ca.pem: no certificate found"),
        ("ca.key", damaged, "ca.key: no private key found"),
        (
            "ca.key",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "ca.key: the text between BEGIN and END is not an RSA",
        ),
    ] {
        let (fixture, _) = Fixture::opened();
        std::fs::write(fixture.file(file), content).unwrap();
        let warned = Certificates::check(&fixture.config.tls, &fixture.config.admin).unwrap();
        assert!(warned.len() == 1 && warned[0].contains(words), "{warned:?}");
    }
}

#[test]
fn the_error_names_a_folder_that_cannot_be_created() {
    let fixture = Fixture::new();
    std::fs::write(fixture.folder.path().join("certs"), "a file in its place").unwrap();
    fixture.assert_refused("certs");
}

#[test]
fn an_unreadable_client_ca_is_an_error_at_start_and_at_reload() {
    let (mut fixture, certificates) = Fixture::opened();
    fixture.config.admin.client_ca = Some(fixture.file("none.pem"));
    fixture.assert_refused("admin.client_ca: ");
    let error = format!(
        "{:#}",
        certificates
            .reload(
                &fixture.config.tls,
                &fixture.config.admin,
                ClockRecord::default(),
            )
            .unwrap_err()
    );
    assert!(error.contains("admin.client_ca: "), "{error}");
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    std::fs::write(fixture.file("none.pem"), damaged).unwrap();
    fixture.assert_refused("none.pem: the text between BEGIN CERTIFICATE and END is not");
}
