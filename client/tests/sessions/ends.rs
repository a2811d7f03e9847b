//! How a session ends: by a kick, a ban, a lost connection, or quitting.

use crate::server::{Rook, Server};

#[test]
fn a_kick_right_after_a_direct_message_exits_with_one_line() {
    let server = Server::start();
    let home = server.known_home();
    let mut rook = Rook::start(&home, &[&server.address()]);
    let mut session = server.accept();
    session.sign_in();
    rook.type_line("/msg bob hi");
    let label = session.expect_labelled("PRIVMSG bob hi");
    session.send(&format!("@label={label} :alice!a@h PRIVMSG bob :hi"));
    session.send("ERROR :Kicked: enough for today");
    // Messages that follow change nothing.
    session.try_send(&":bob!b@h PRIVMSG alice :are you there?\r\n".repeat(100));
    drop(session);
    let ended = rook.wait();
    assert_eq!(ended.code, 4, "{ended:?}");
    assert_eq!(
        ended.stderr,
        "rook: You were kicked: enough for today. Run rook to rejoin.\n"
    );
    assert!(ended.stdout.contains("[you → bob] hi"), "{ended:?}");
    assert!(
        !ended.stdout.contains("are you there"),
        "nothing is printed after the end: {ended:?}"
    );
    assert!(!server.has_connection(), "it does not reconnect");
}

#[test]
fn a_ban_exits_with_the_reason() {
    let server = Server::start();
    let rook = Rook::start(&server.known_home(), &[&server.address()]);
    let mut session = server.accept();
    session.authenticate();
    session.send(":s 465 alice :You are banned from this server: spam");
    session.send("ERROR :Banned: spam");
    drop(session);
    let ended = rook.wait();
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (
            4,
            "rook: You are banned: spam. Ask the server's operators.\n"
        )
    );
    assert!(
        !ended.stdout.contains("spam"),
        "it is reported once: {ended:?}"
    );
    assert!(!server.has_connection());
}

#[test]
fn a_lost_connection_is_replaced_and_its_channels_are_rejoined() {
    let server = Server::start();
    let home = server.known_home();
    let mut rook = Rook::start(&home, &[&server.address()]);
    let mut session = server.accept();
    session.sign_in();
    rook.type_line("/join #ops sesame");
    let label = session.expect_labelled("JOIN #ops sesame");
    session.send(&format!("@label={label} :alice!a@h JOIN #ops"));
    rook.expect_output("you joined #ops");
    rook.type_line("lost");
    session.expect_labelled("PRIVMSG #ops lost");
    drop(session);
    rook.expect_output("not confirmed, perhaps not sent, to #ops: lost");
    rook.expect_output("the server closed the connection; trying again in 1 s");
    let mut session = server.accept();
    session.sign_in();
    let label = session.expect_labelled("JOIN #ops sesame");
    session.send(&format!("@label={label} :alice!a@h JOIN #ops"));
    rook.type_line("back");
    let label = session.expect_labelled("PRIVMSG #ops back");
    session.send(&format!("@label={label} :alice!a@h PRIVMSG #ops :back"));
    rook.expect_output("#ops <alice> back");
    rook.type_line("/quit so long");
    session.expect("QUIT :so long");
    session.send("ERROR :Quit: so long");
    assert_eq!(rook.wait().code, 0);
}

#[test]
fn a_failure_before_the_first_sign_in_is_reported_and_not_retried() {
    let server = Server::start();
    let rook = Rook::start(&server.known_home(), &[&server.address()]);
    let mut session = server.accept();
    session.expect("CAP LS");
    session.send("ERROR :Too many connections from your address");
    drop(session);
    let ended = rook.wait();
    assert_eq!(ended.code, 1);
    assert!(
        ended
            .stderr
            .contains("Too many connections from your address"),
        "{ended:?}"
    );
    assert!(!server.has_connection());
    let nobody = Rook::start(&server.known_home(), &["localhost:1"]);
    let ended = nobody.wait();
    assert_eq!(ended.code, 1);
    assert!(
        ended
            .stderr
            .starts_with("rook: cannot connect to localhost:1"),
        "nothing is asked before: {ended:?}"
    );
}

#[test]
fn ctrl_c_quits() {
    let server = Server::start();
    let mut rook = Rook::start(&server.known_home(), &[&server.address()]);
    let mut session = server.accept();
    session.sign_in();
    rook.expect_output("you joined #lobby");
    rook.interrupt();
    session.expect("QUIT");
    session.send("ERROR :Quit");
    let ended = rook.wait();
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
}
