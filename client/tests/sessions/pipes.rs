//! Plain mode between pipes.

use crate::server::{Rook, Server};

#[test]
fn at_the_end_of_its_input_rook_waits_for_the_receipts() {
    let server = Server::start();
    let mut rook = Rook::start(&server.known_home(), &[&server.address(), "--plain"]);
    rook.type_line("one");
    rook.type_line("two /bob");
    rook.close_input();
    let mut session = server.accept();
    session.sign_in_with(":s 353 alice = #lobby :alice bob");
    let one = session.expect_labelled("PRIVMSG #lobby one");
    let two = session.expect_labelled("PRIVMSG bob two");
    assert!(!session.receives_more(), "no QUIT before the receipts");
    session.send(&format!("@label={one} :alice!a@h PRIVMSG #lobby :one"));
    assert!(!session.receives_more(), "no QUIT before the last receipt");
    session.send(&format!("@label={two} :alice!a@h PRIVMSG bob :two"));
    session.expect("QUIT");
    session.send("ERROR :Quit");
    let ended = rook.wait();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(
        ended.stdout.contains("<alice> one") && ended.stdout.contains("[you → bob] two"),
        "{ended:?}"
    );
    assert_eq!(ended.stderr, "");
}

#[test]
fn rook_fails_if_piped_lines_are_not_delivered() {
    let server = Server::start();
    let mut rook = Rook::start(&server.known_home(), &[&server.address(), "--plain"]);
    rook.type_line("refused");
    rook.type_line("/nonsense");
    rook.type_line("my secret is 42 /bob");
    rook.close_input();
    let mut session = server.accept();
    session.sign_in();
    let label = session.expect_labelled("PRIVMSG #lobby refused");
    session.send(&format!(
        "@label={label} :s 404 alice #lobby :Cannot send to channel"
    ));
    session.expect("QUIT");
    session.send("ERROR :Quit");
    let ended = rook.wait();
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(
        ended.stdout.contains("-- #lobby: Cannot send to channel")
            && ended
                .stdout
                .contains("-- bob is not here: nothing was sent"),
        "{ended:?}"
    );
    assert!(ended.stderr.contains("lines not delivered: 3"), "{ended:?}");
}

#[test]
fn a_line_typed_after_a_join_goes_to_the_channel_joined() {
    let server = Server::start();
    let mut rook = Rook::start(&server.known_home(), &[&server.address()]);
    rook.type_line("/join #ops");
    rook.type_line("hello");
    let mut session = server.accept();
    session.sign_in();
    let label = session.expect_labelled("JOIN #ops");
    assert!(!session.receives_more(), "the line waits for the answer");
    session.send(&format!("@label={label} :s BATCH +1 labeled-response"));
    session.send("@batch=1 :alice!a@h JOIN #ops");
    session.send("@batch=1 :s 353 alice = #ops :@alice");
    session.send("@batch=1 :s 366 alice #ops :End");
    session.send(":s BATCH -1");
    session.expect_labelled("PRIVMSG #ops hello");
}

#[test]
fn text_that_a_script_has_for_a_renamed_channel_is_sent_to_nobody() {
    let server = Server::start();
    let mut rook = Rook::start(&server.known_home(), &[&server.address(), "--plain"]);
    rook.type_line("/join #ops");
    rook.type_line("for ops");
    rook.close_input();
    let mut session = server.accept();
    session.sign_in();
    let renamed = |command: &str, label: &str| {
        let names = "CHANNEL_RENAMED #ops #team :#ops was renamed to #team";
        format!("@label={label} :s FAIL {command} {names}")
    };
    let join = session.expect_labelled("JOIN #ops");
    session.send(&renamed("JOIN", &join));
    let text = session.expect_labelled("PRIVMSG #ops for ops");
    session.send(&renamed("PRIVMSG", &text));
    session.expect("QUIT");
    session.send("ERROR :Quit");
    let ended = rook.wait();
    assert_eq!(ended.code, 1, "{ended:?}");
    let refusal = "#ops was renamed to #team and not joined; /join #team joins it";
    assert!(ended.stdout.contains(refusal), "{ended:?}");
    assert!(ended.stderr.contains("lines not delivered: 2"), "{ended:?}");
}

#[test]
fn rook_exits_quietly_when_its_output_is_closed() {
    let server = Server::start();
    let mut rook = Rook::start(&server.known_home(), &[&server.address()]);
    let mut session = server.accept();
    session.sign_in();
    rook.expect_output("you joined #lobby");
    rook.close_output();
    rook.wait_while(|| session.try_send(":bob!b@h PRIVMSG #lobby :hi\r\n"));
    let ended = rook.wait();
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
}
