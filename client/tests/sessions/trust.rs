//! Which certificates are trusted.

use crate::server::{Rook, Server};

#[test]
fn a_changed_certificate_is_refused_before_anything_is_sent() {
    let (pinned, server) = (Server::start(), Server::start());
    let home = server.home_with_pin(Some(&pinned.fingerprint()));
    let rook = Rook::start(&home, &[&server.address()]);
    assert!(server.refused_handshake(), "nothing is sent");
    let ended = rook.wait();
    assert_eq!(ended.code, 1);
    let remedy = format!("rook trust {} {}", server.address(), server.fingerprint());
    for part in ["HAS CHANGED", &pinned.fingerprint(), &remedy] {
        assert!(ended.stderr.contains(part), "{part} is missing: {ended:?}");
    }

    server.trust_in(&home);
    let rook = Rook::start(&home, &[&server.address()]);
    let mut session = server.accept();
    session.sign_in();
    assert_eq!(rook.quit(&mut session).stderr, "");
}

#[test]
fn in_a_pipe_an_unknown_certificate_is_refused_and_yes_is_no_answer() {
    let server = Server::start();
    let home = tempfile::tempdir().unwrap();
    let address = server.address();
    for arguments in [
        &["--plain", address.as_str()] as &[_],
        &["trust", address.as_str()],
    ] {
        let mut rook = Rook::start(&home, arguments);
        rook.type_line("yes");
        assert!(server.refused_handshake());
        let ended = rook.wait();
        assert_eq!(ended.code, 1, "{ended:?}");
        let remedy = format!("rook trust {address} {}", server.fingerprint());
        assert!(ended.stderr.contains(&remedy), "{ended:?}");
    }
    assert!(!home.path().join("rookery").exists(), "nothing is stored");
}

#[test]
fn trust_pins_only_the_certificate_with_the_given_fingerprint() {
    let (server, other) = (Server::start(), Server::start());
    let home = server.known_home();
    for server in [&server, &other] {
        let wrong = "00:".repeat(31) + "00";
        let rook = Rook::start(&home, &["trust", &server.address(), &wrong]);
        server.only_handshake();
        let ended = rook.wait();
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.stderr.contains(&server.fingerprint()), "{ended:?}");
    }
    let ended = Rook::start(&home, &["trust", &other.address(), "00:11"]).wait();
    assert_eq!(ended.code, 2, "{ended:?}");

    // A certificate takes the place of an authority.
    let named = [
        server.address(),
        "--ca".to_owned(),
        server.certificate().display().to_string(),
    ];
    let rook = Rook::start(&home, &named.each_ref().map(String::as_str));
    let mut session = server.accept();
    session.sign_in();
    rook.quit(&mut session);
    server.trust_in(&home);
    let rook = Rook::start(&home, &[&server.address()]);
    let mut session = server.accept();
    session.sign_in();
    assert_eq!(rook.quit(&mut session).code, 0);
}

#[test]
fn a_credential_issued_by_a_vouched_server_is_not_sent_to_an_unknown_one() {
    let server = Server::start();
    let home = server.home_with_pin(None);
    let address = server.address();
    for arguments in [
        &["--server", &address] as &[_],
        &["--server", &address, "send", "bob", "hi"],
    ] {
        let rook = Rook::start(&home, arguments);
        assert!(server.refused_handshake());
        let ended = rook.wait();
        assert_eq!(ended.code, 1);
        assert!(ended.stderr.contains("No authority vouches"), "{ended:?}");
    }
}

#[test]
fn with_an_authority_only_its_certificates_are_trusted() {
    let (server, other) = (Server::start(), Server::start());
    let home = server.home_with_pin(None);
    let rook = Rook::start(
        &home,
        &[
            &server.address(),
            "--ca",
            other.certificate().to_str().unwrap(),
        ],
    );
    assert!(server.refused_handshake());
    let ended = rook.wait();
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("is not trusted"), "{ended:?}");

    let rook = Rook::start(
        &home,
        &[
            &server.address(),
            "--ca",
            server.certificate().to_str().unwrap(),
        ],
    );
    let mut session = server.accept();
    session.sign_in();
    assert_eq!(rook.quit(&mut session).code, 0);

    let rook = Rook::start(&home, &[&server.address(), "--ca", "/nowhere/ca.pem"]);
    let ended = rook.wait();
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("/nowhere/ca.pem"), "{ended:?}");
}

#[test]
fn an_authority_is_stored_by_content_and_not_by_its_file() {
    let (server, other) = (Server::start(), Server::start());
    let home = server.home_with_pin(None);
    let file = home.join("named.pem");
    std::fs::copy(server.certificate(), &file).unwrap();
    let visit = |arguments: &[&str]| {
        let rook = Rook::start(
            &home,
            &[&[server.address().as_str()] as &[_], arguments].concat(),
        );
        let mut session = server.accept();
        session.sign_in();
        rook.quit(&mut session)
    };
    let output = visit(&["--ca", file.to_str().unwrap()]).stderr;
    assert!(
        output.contains("only certificates of this authority") && output.lines().count() == 1,
        "{output}"
    );
    std::fs::copy(other.certificate(), &file).unwrap();
    assert_eq!(
        visit(&[]).stderr,
        "",
        "the file's later content does not matter"
    );

    // A server with the right name but another authority is refused.
    let state = home
        .join("rookery/rook")
        .join(server.address().replace(':', "%3A") + ".toml");
    std::fs::rename(
        &state,
        state.with_file_name(other.address().replace(':', "%3A") + ".toml"),
    )
    .unwrap();
    for arguments in [
        &[other.address().as_str()] as &[_],
        &["--server", &other.address(), "send", "bob", "x"],
    ] {
        let rook = Rook::start(&home, arguments);
        assert!(other.refused_handshake());
        let ended = rook.wait();
        assert_eq!(ended.code, 1);
        assert!(
            ended.stderr.contains("is not trusted") && ended.stderr.contains("--ca FILE"),
            "{ended:?}"
        );
    }
}

#[test]
fn a_new_certificate_is_accepted_for_the_same_key_only() {
    let mut server = Server::start();
    // An older version pinned the certificate without its key, which is added when it is next
    // presented.
    let home = server.known_home();
    let visit = |server: &Server| {
        let rook = Rook::start(&home, &[&server.address()]);
        let mut session = server.accept();
        session.sign_in();
        rook.quit(&mut session).stderr
    };
    assert_eq!(visit(&server), "");
    server.renew_certificate();
    let output = visit(&server);
    assert!(
        output.contains("a new certificate for the same key")
            && output.contains(&server.fingerprint())
    );
    assert_eq!(output.lines().count(), 1, "{output}");
    assert_eq!(visit(&server), "", "it is reported once");
    server.renew_key();
    let rook = Rook::start(&home, &[&server.address()]);
    assert!(server.refused_handshake());
    assert!(rook.wait().stderr.contains("HAS CHANGED"));
}
