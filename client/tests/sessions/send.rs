//! `rook send`.

use crate::server::{Rook, Server};

#[test]
fn send_joins_the_channel_and_waits_for_each_receipt() {
    let server = Server::start();
    let home = server.known_home();
    let rook = Rook::start(
        &home,
        &[
            "send",
            "#ops",
            "one\ntwo",
            "--create",
            "--server",
            &server.address(),
        ],
    );
    let mut session = server.accept();
    session.sign_in();
    let label = session.expect_labelled("PRIVMSG #ops one");
    session.send(&format!(
        "@label={label} :s 403 alice #ops :No such channel"
    ));
    let label = session.expect_labelled("JOIN #ops");
    session.send(&format!("@label={label} :alice!a@h JOIN #ops"));
    let label = session.expect_labelled("PRIVMSG #ops one");
    assert!(!session.receives_more(), "the next waits for the receipt");
    session.send(&format!("@label={label} :alice!a@h PRIVMSG #ops :one"));
    let label = session.expect_labelled("PRIVMSG #ops two");
    assert!(!session.receives_more());
    session.send(&format!("@label={label} :alice!a@h PRIVMSG #ops :two"));
    session.expect("PART #ops");
    session.expect("QUIT");
    session.send("ERROR :Quit");
    let ended = rook.wait();
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
    session.send(
        ":s CAP * LS :message-tags batch echo-message labeled-response sasl=PLAIN,X-EMAIL-CODE rookery/visitor",
    );
    let asked = session.expect("CAP REQ :");
    assert!(asked.contains("rookery/visitor"), "{asked}");
    session.send(&format!(":s CAP * ACK :{}", &asked["CAP REQ :".len()..]));
    session.accept_credential();
    session.send(":s 001 alice :Welcome back, alice.");
    session.answer_ready_ping();
    let label = session.expect_labelled("PRIVMSG #ops hi");
    session.send(&format!(
        "@label={label} :s 404 alice #ops :Cannot send to channel (+n: only its members can)"
    ));
    let label = session.expect_labelled("JOIN #ops");
    session.send(&format!("@label={label} :alice!a@h JOIN #ops"));
    let label = session.expect_labelled("PRIVMSG #ops hi");
    session.send(&format!("@label={label} :alice!a@h PRIVMSG #ops :hi"));
    session.expect("PART #ops");
    session.expect("QUIT");
    drop(session);
    let ended = rook.wait();
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
}

#[test]
fn send_interrupted_while_it_joins_leaves_the_channel() {
    let server = Server::start();
    let rook = Rook::start(
        &server.known_home(),
        &["send", "#ops", "hi", "--server", &server.address()],
    );
    let mut session = server.accept();
    session.sign_in();
    let label = session.expect_labelled("PRIVMSG #ops hi");
    session.send(&format!(
        "@label={label} :s 404 alice #ops :Cannot send to channel"
    ));
    session.expect_labelled("JOIN #ops");
    rook.interrupt();
    session.expect("PART #ops");
    session.expect("QUIT");
    session.send("ERROR :Quit");
    let ended = rook.wait();
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (1, "rook: interrupted\n")
    );
}

#[test]
fn send_without_a_text_reads_standard_input() {
    let server = Server::start();
    let home = server.known_home();
    let mut rook = Rook::start(&home, &["send", "bob", "--server", &server.address()]);
    rook.type_line("/not a command");
    rook.type_line("");
    rook.type_line("last");
    rook.close_input();
    let mut session = server.accept();
    session.sign_in();
    for text in ["/not a command", "last"] {
        let label = session.expect_labelled(&format!("PRIVMSG bob {text}"));
        session.send(&format!("@label={label} :alice!a@h PRIVMSG bob :{text}"));
    }
    session.expect("QUIT");
    drop(session);
    assert_eq!(rook.wait().code, 0);
}

#[test]
fn send_fails_with_the_servers_reason() {
    let server = Server::start();
    let home = server.known_home();
    for (target, command, refusal, output) in [
        (
            "bob",
            "PRIVMSG bob hi",
            "401 alice bob :No such nick",
            "rook: bob is not here; for a channel, write '#bob', in quotes\n",
        ),
        (
            "#ops",
            "JOIN #ops",
            "475 alice #ops :Wrong key",
            "rook: #ops: Wrong key\n",
        ),
        (
            "#nope",
            "PRIVMSG #nope hi",
            "403 alice #nope :No such channel",
            "rook: #nope: No such channel; --create creates it\n",
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
            session.send(&format!(
                "@label={label} :s 404 alice #ops :Cannot send to channel"
            ));
        }
        let label = session.expect_labelled(command);
        session.send(&format!("@label={label} :s {refusal}"));
        session.expect("QUIT");
        session.send("ERROR :Quit");
        let ended = rook.wait();
        assert_eq!((ended.code, ended.stderr.as_str()), (1, output));
    }
    let rook = Rook::start(&home, &["send", "bob", "hi", "--server", &server.address()]);
    let mut session = server.accept();
    session.sign_in();
    session.expect_labelled("PRIVMSG bob hi");
    drop(session);
    let ended = rook.wait();
    assert_eq!(
        ended.code, 1,
        "a message without a receipt is a failure: {ended:?}"
    );
    assert!(!server.has_connection());
}

#[test]
fn send_needs_an_earlier_sign_in_and_asks_no_questions() {
    let server = Server::start();
    let home = tempfile::tempdir().unwrap();
    let ended = Rook::start(&home, &["send", "bob", "hi", "--server", &server.address()]).wait();
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
    session.send("AUTHENTICATE +");
    session.expect("AUTHENTICATE");
    session.send(":s 904 alice :No such credential");
    let ended = rook.wait();
    assert_eq!(ended.code, 3);
    assert!(ended.stderr.contains("No such credential"), "{ended:?}");
}

#[test]
fn a_warning_about_a_message_is_printed() {
    let server = Server::start();
    let rook = Rook::start(
        &server.known_home(),
        &["send", "#ops", "hi", "--server", &server.address()],
    );
    let mut session = server.accept();
    session.sign_in();
    let label = session.expect_labelled("PRIVMSG #ops hi");
    session.send(&format!("@label={label} :s BATCH +1 labeled-response"));
    session.send("@batch=1 :s WARN PRIVMSG TEXT_TRUNCATED #ops :Your text was cut");
    session.send("@batch=1 :alice!a@h PRIVMSG #ops :h");
    session.send(":s BATCH -1");
    session.expect("QUIT");
    session.send("ERROR :Quit");
    let ended = rook.wait();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stderr.contains("Your text was cut"), "{ended:?}");
}

#[test]
fn send_refuses_text_for_a_channel_that_may_be_meant_for_one_person() {
    let server = Server::start();
    let home = server.known_home();
    let address = server.address();
    let start = |options: &[&str]| {
        Rook::start(
            &home,
            &[&["send", "#ops", "--server", &address], options].concat(),
        )
    };
    let ended = start(&["all\nmy secret is 42 /bob"]).wait();
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("rook send bob TEXT"), "{ended:?}");
    for text in ["/msg bob my secret", "my secret /bob.", "all\n/password 42"] {
        assert_eq!(start(&[text]).wait().code, 1, "{text}");
    }
    assert!(!server.has_connection(), "nothing was sent");

    let mut rook = start(&[]);
    let mut session = server.accept();
    session.sign_in();
    rook.type_line("my secret is 42 /bob");
    session.expect("QUIT");
    session.send("ERROR :Quit");
    let ended = rook.wait();
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("--literal"), "{ended:?}");

    let rook = start(&["look in /tmp", "--literal"]);
    let mut session = server.accept();
    session.sign_in();
    let label = session.expect_labelled("PRIVMSG #ops look in /tmp");
    session.send(&format!(
        "@label={label} :alice!a@h PRIVMSG #ops :look in /tmp"
    ));
    session.expect("QUIT");
    session.send("ERROR :Quit");
    assert_eq!(rook.wait().code, 0);

    // One person is not a channel.
    let rook = Rook::start(&home, &["send", "bob", "see /tmp", "--server", &address]);
    let mut session = server.accept();
    session.sign_in();
    let label = session.expect_labelled("PRIVMSG bob see /tmp");
    session.send(&format!("@label={label} :alice!a@h PRIVMSG bob :see /tmp"));
    session.expect("QUIT");
    session.send("ERROR :Quit");
    assert_eq!(rook.wait().code, 0);
}
