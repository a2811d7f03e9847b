//! `rook send`.

use crate::server::{Rook, Server};

#[test]
fn send_joins_the_channel_and_waits_for_each_receipt() {
    let server = Server::start();
    let home = server.known_home();
    let rook = Rook::start(
        &home,
        &["send", "#ops", "one\ntwo", "--server", &server.address()],
    );
    let mut session = server.accept();
    session.sign_in();
    let label = session.expect_labelled("PRIVMSG #ops one");
    session.sends(&format!(
        "@label={label} :s 403 alice #ops :No such channel"
    ));
    let label = session.expect_labelled("JOIN #ops");
    session.sends(&format!("@label={label} :alice!a@h JOIN #ops"));
    let label = session.expect_labelled("PRIVMSG #ops one");
    assert!(!session.says_more(), "the next waits for the receipt");
    session.sends(&format!("@label={label} :alice!a@h PRIVMSG #ops :one"));
    let label = session.expect_labelled("PRIVMSG #ops two");
    assert!(!session.says_more());
    session.sends(&format!("@label={label} :alice!a@h PRIVMSG #ops :two"));
    session.expect("PART #ops");
    session.expect("QUIT");
    session.sends("ERROR :Quit");
    let ended = rook.ends();
    assert_eq!(
        (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
        (0, "", "")
    );
}

#[test]
fn send_joins_only_if_necessary_and_as_a_visitor() {
    let server = Server::start();
    let rook = Rook::start(
        &server.known_home(),
        &["send", "#ops", "hi", "--server", &server.address()],
    );
    let mut session = server.accept();
    session.expect("CAP LS 302");
    session.sends(
        ":s CAP * LS :message-tags batch echo-message labeled-response sasl=PLAIN,X-EMAIL-CODE rookery/visitor",
    );
    let asked = session.expect("CAP REQ :");
    assert!(asked.contains("rookery/visitor"), "{asked}");
    session.sends(&format!(":s CAP * ACK :{}", &asked["CAP REQ :".len()..]));
    session.proves_itself();
    session.sends(":s 001 alice :Welcome back, alice.");
    session.settles();
    let label = session.expect_labelled("PRIVMSG #ops hi");
    session.sends(&format!(
        "@label={label} :s 404 alice #ops :Cannot send to channel (+n: only its members can)"
    ));
    let label = session.expect_labelled("JOIN #ops");
    session.sends(&format!("@label={label} :alice!a@h JOIN #ops"));
    let label = session.expect_labelled("PRIVMSG #ops hi");
    session.sends(&format!("@label={label} :alice!a@h PRIVMSG #ops :hi"));
    session.expect("PART #ops");
    session.expect("QUIT");
    drop(session);
    let ended = rook.ends();
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
}

#[test]
fn send_without_a_text_reads_standard_input() {
    let server = Server::start();
    let home = server.known_home();
    let mut rook = Rook::start(&home, &["send", "bob", "--server", &server.address()]);
    rook.types("/not a command");
    rook.types("");
    rook.types("last");
    rook.closes_input();
    let mut session = server.accept();
    session.sign_in();
    for text in ["/not a command", "last"] {
        let label = session.expect_labelled(&format!("PRIVMSG bob {text}"));
        session.sends(&format!("@label={label} :alice!a@h PRIVMSG bob :{text}"));
    }
    session.expect("QUIT");
    drop(session);
    assert_eq!(rook.ends().code, 0);
}

#[test]
fn send_fails_with_the_servers_reason() {
    let server = Server::start();
    let home = server.known_home();
    for (target, command, refusal, words) in [
        (
            "bob",
            "PRIVMSG bob hi",
            "401 alice bob :No such nick",
            "rook: bob is not here\n",
        ),
        (
            "#ops",
            "JOIN #ops",
            "475 alice #ops :Wrong key",
            "rook: #ops: Wrong key\n",
        ),
        (
            "bob",
            "PRIVMSG bob hi",
            "FAIL PRIVMSG STORE_FAILED :Not stored",
            "rook: Not stored\n",
        ),
    ] {
        let rook = Rook::start(
            &home,
            &["send", target, "hi", "--server", &server.address()],
        );
        let mut session = server.accept();
        session.sign_in();
        if command.starts_with("JOIN") {
            let label = session.expect_labelled("PRIVMSG #ops hi");
            session.sends(&format!(
                "@label={label} :s 404 alice #ops :Cannot send to channel"
            ));
        }
        let label = session.expect_labelled(command);
        session.sends(&format!("@label={label} :s {refusal}"));
        session.expect("QUIT");
        session.sends("ERROR :Quit");
        let ended = rook.ends();
        assert_eq!((ended.code, ended.stderr.as_str()), (1, words));
    }
    let rook = Rook::start(&home, &["send", "bob", "hi", "--server", &server.address()]);
    let mut session = server.accept();
    session.sign_in();
    session.expect_labelled("PRIVMSG bob hi");
    drop(session);
    let ended = rook.ends();
    assert_eq!(
        ended.code, 1,
        "a message without a receipt is a failure: {ended:?}"
    );
    assert!(!server.has_connection());
}

#[test]
fn send_needs_a_sign_in_and_asks_nothing() {
    let server = Server::start();
    let home = tempfile::tempdir().unwrap();
    let ended = Rook::start(&home, &["send", "bob", "hi", "--server", &server.address()]).ends();
    assert_eq!(ended.code, 3);
    assert!(
        ended
            .stderr
            .contains(&format!("run `rook {}`", server.address())),
        "{ended:?}"
    );

    let rook = Rook::start(
        &server.known_home(),
        &["send", "bob", "hi", "--server", &server.address()],
    );
    let mut session = server.accept();
    session.negotiate();
    session.expect("AUTHENTICATE PLAIN");
    session.sends("AUTHENTICATE +");
    session.expect("AUTHENTICATE");
    session.sends(":s 904 alice :No such credential");
    let ended = rook.ends();
    assert_eq!(ended.code, 3);
    assert!(ended.stderr.contains("No such credential"), "{ended:?}");
}
