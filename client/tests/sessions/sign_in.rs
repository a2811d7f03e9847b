//! The first sign-in on a device, later ones, and the questions to the user.

use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::server::{Rook, Server};

#[test]
fn the_first_start_registers_and_the_second_asks_no_questions() {
    let server = Server::start();
    let home = tempfile::tempdir().unwrap();
    server.trust_in(&home);
    let mut rook = Rook::start(&home, &[&server.address()]);
    for line in [
        "not a name",
        "alice",
        "nonsense",
        "alice@example.org",
        "000000",
        "123456",
    ] {
        rook.type_line(line);
    }
    assert!(server.only_handshake(), "it connects before it asks");
    let mut session = server.accept();
    session.negotiate();
    session.expect("CAP END");
    session.send(":s NOTICE alice :Type /quote REGISTER");
    let credential = session
        .expect("REGISTER alice alice@example.org ")
        .rsplit(' ')
        .next()
        .unwrap()
        .to_owned();
    session.send(":s REGISTER VERIFICATION_REQUIRED alice :Mailed");
    session.expect("VERIFY alice 000000");
    session.send(":s FAIL VERIFY INVALID_CODE alice :The code is not right");
    session.expect("VERIFY alice 123456");
    session.send(":s VERIFY SUCCESS alice :Yours");
    session.send(":s 900 alice alice!a@h alice :Signed in");
    session.admit();
    rook.expect_output("you joined #lobby");
    let file = home.path().join(format!(
        "rookery/rook/{}.toml",
        server.address().replace(':', "%3A")
    ));
    let state = std::fs::read_to_string(&file).unwrap();
    assert!(
        state.contains(&credential) && state.contains(&server.fingerprint()),
        "{state}"
    );
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let ended = rook.quit(&mut session);
    assert!(ended.stderr.contains("The code is not right"), "{ended:?}");
    assert!(!ended.stderr.contains("/quote"), "{ended:?}");
    assert!(!format!("{ended:?}").contains(&credential));

    let rook = Rook::start(&home, &[&server.address()]);
    let mut session = server.accept();
    session.authenticate();
    session.send(":s 001 alice :Welcome back, alice.");
    session.expect("CREDENTIAL LABEL :rook on ");
    session.send(":s FAIL CREDENTIAL UNKNOWN_SUBCOMMAND LABEL :There is no such subcommand");
    session.answer_ready_ping();
    let ended = rook.quit(&mut session);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert!(!ended.stdout.contains("subcommand"), "{ended:?}");
}

#[test]
fn rook_exits_if_a_question_is_not_answered() {
    let server = Server::start();
    let home = tempfile::tempdir().unwrap();
    server.trust_in(&home);
    let rook = Rook::start(&home, &[&server.address()]);
    assert!(server.only_handshake());
    let ended = rook.finish_with(&["alice"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    let identity = ["--name", "alice", "--email", "alice@example.org"];
    let rook = Rook::start(
        &home,
        &[&[server.address().as_str()] as &[_], &identity].concat(),
    );
    let mut session = server.accept();
    session.negotiate();
    session.expect("REGISTER");
    session.send(":s REGISTER VERIFICATION_REQUIRED alice :Mailed");
    let ended = rook.finish_with(&[]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("A code was mailed to alice@example.org"),
        "{ended:?}"
    );
}

#[test]
fn a_reconnection_uses_the_credential_that_another_instance_has_stored() {
    let server = Server::start();
    let home = server.known_home();
    let mut rook = Rook::start(&home, &[&server.address()]);
    let mut session = server.accept();
    session.sign_in();
    rook.expect_output("you joined #lobby");
    let name = server.address().replace(':', "%3A") + ".toml";
    let file = home.join("rookery/rook").join(name);
    let state = std::fs::read_to_string(&file).unwrap();
    let (old, new) = ("ab".repeat(32), "cd".repeat(32));
    std::fs::write(&file, state.replace(&old, &new)).unwrap();
    drop(session);
    let mut session = server.accept();
    session.negotiate();
    session.expect("AUTHENTICATE PLAIN");
    session.send("AUTHENTICATE +");
    let response = session.expect("AUTHENTICATE ");
    let response = BASE64.decode(&response["AUTHENTICATE ".len()..]).unwrap();
    let response = String::from_utf8(response).unwrap();
    assert!(response.ends_with(&format!("rkd1_{new}")), "{response:?}");
    let stored = std::fs::read_to_string(&file).unwrap();
    assert!(stored.contains(&new) && !stored.contains(&old), "{stored}");
}
