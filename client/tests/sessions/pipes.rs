//! Plain mode between pipes.

use crate::server::{Rook, Server};

#[test]
fn at_the_end_of_its_input_it_waits_for_the_receipts() {
    let server = Server::start();
    let mut rook = Rook::start(&server.known_home(), &[&server.address(), "--plain"]);
    rook.types("one");
    rook.types("two /bob");
    rook.closes_input();
    let mut session = server.accept();
    session.sign_in_with(":s 353 alice = #lobby :alice bob");
    let one = session.expect_labelled("PRIVMSG #lobby one");
    let two = session.expect_labelled("PRIVMSG bob two");
    assert!(!session.says_more(), "no QUIT before the receipts");
    session.sends(&format!("@label={one} :alice!a@h PRIVMSG #lobby :one"));
    assert!(!session.says_more(), "no QUIT before the last receipt");
    session.sends(&format!("@label={two} :alice!a@h PRIVMSG bob :two"));
    session.expect("QUIT");
    session.sends("ERROR :Quit");
    let ended = rook.ends();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(
        ended.stdout.contains("<alice> one") && ended.stdout.contains("[you → bob] two"),
        "{ended:?}"
    );
    assert_eq!(ended.stderr, "");
}

#[test]
fn undelivered_piped_lines_make_it_fail() {
    let server = Server::start();
    let mut rook = Rook::start(&server.known_home(), &[&server.address(), "--plain"]);
    rook.types("refused");
    rook.types("/nonsense");
    rook.closes_input();
    let mut session = server.accept();
    session.sign_in();
    let label = session.expect_labelled("PRIVMSG #lobby refused");
    session.sends(&format!(
        "@label={label} :s 404 alice #lobby :Cannot send to channel"
    ));
    session.expect("QUIT");
    session.sends("ERROR :Quit");
    let ended = rook.ends();
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(
        ended.stdout.contains("-- #lobby: Cannot send to channel"),
        "{ended:?}"
    );
    assert!(ended.stderr.contains("lines not delivered: 2"), "{ended:?}");
}

#[test]
fn a_line_typed_after_a_join_goes_to_the_channel_joined() {
    let server = Server::start();
    let mut rook = Rook::start(&server.known_home(), &[&server.address()]);
    rook.types("/join #ops");
    rook.types("hello");
    let mut session = server.accept();
    session.sign_in();
    let label = session.expect_labelled("JOIN #ops");
    assert!(!session.says_more(), "the line waits for the answer");
    session.sends(&format!("@label={label} :s BATCH +1 labeled-response"));
    session.sends("@batch=1 :alice!a@h JOIN #ops");
    session.sends("@batch=1 :s 353 alice = #ops :@alice");
    session.sends("@batch=1 :s 366 alice #ops :End");
    session.sends(":s BATCH -1");
    session.expect_labelled("PRIVMSG #ops hello");
}

#[test]
fn a_closed_output_ends_it_quietly() {
    let server = Server::start();
    let mut rook = Rook::start(&server.known_home(), &[&server.address()]);
    let mut session = server.accept();
    session.sign_in();
    rook.prints("you joined #lobby");
    rook.closes_output();
    rook.ends_while(|| session.sends_if_it_can(":bob!b@h PRIVMSG #lobby :hi\r\n"));
    let ended = rook.ends();
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
}
