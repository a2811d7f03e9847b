//! `rook tail`.

use crate::server::{Rook, Server, Session};

/// Plays the server's part of `rook tail #ops` up to its request for history.
fn start_tail(session: &mut Session) {
    greet(session);
    let label = session.expect_labelled("TOPIC #ops");
    session.send(&format!(
        "@label={label} :s 442 alice #ops :You're not on that channel"
    ));
    join(session);
}

/// Plays the server's part of the sign-in, with history.
fn greet(session: &mut Session) {
    session.authenticate();
    session.send(":s 001 alice :Welcome back, alice.");
    session.send(":s 005 alice CHATHISTORY=3 NETWORK=x :are supported by this server");
    session.send(":alice!a@h JOIN #lobby");
    session.answer_ready_ping();
}

fn join(session: &mut Session) {
    let label = session.expect_labelled("JOIN #ops");
    session.send(&format!("@label={label} :alice!a@h JOIN #ops"));
}

/// Returns a message from `bob` to `#ops` with a number, which is also the second it was sent at.
fn numbered(number: u32) -> String {
    format!(
        "msgid=m{number};time=2026-01-02T00:00:{number:02}.000Z :bob!b@h PRIVMSG #ops :number {number}"
    )
}

fn page(session: &mut Session, numbers: &[u32]) {
    session.send(":s BATCH +h chathistory #ops");
    for &number in numbers {
        session.send(&format!("@batch=h;{}", numbered(number)));
    }
    session.send(":s BATCH -h");
}

/// Sends a page of the history of a conversation.
fn page_of(session: &mut Session, name: &str, messages: &[&str]) {
    session.send(&format!(":s BATCH +h chathistory {name}"));
    for message in messages {
        session.send(&format!("@batch=h;{}", message.trim_start_matches('@')));
    }
    session.send(":s BATCH -h");
}

#[test]
fn tail_prints_history_and_new_messages_across_a_lost_connection_without_gaps_or_duplicates() {
    let server = Server::start();
    let mut rook = Rook::start(
        &server.known_home(),
        &[
            "tail",
            "#ops",
            "--lines",
            "4",
            "--server",
            &server.address(),
        ],
    );
    let mut session = server.accept();
    start_tail(&mut session);
    session.expect("CHATHISTORY LATEST #ops * 3");
    // New messages wait, although the page contains them too.
    session.send(&format!("@{}", numbered(6)));
    session.send(&format!("@{}", numbered(7)));
    page(&mut session, &[4, 5, 6]);
    session.expect("CHATHISTORY BEFORE #ops msgid=m4 3");
    page(&mut session, &[1, 2, 3]);
    session.send(":bob!b@h PRIVMSG #lobby :elsewhere");
    session.send(":bob!b@h PRIVMSG #ops :\u{1}VERSION\u{1}");
    session.send(&format!("@{}", numbered(8)));
    rook.expect_output("number 8");
    drop(session);

    // The channel has been found before, and may not have members yet.
    let mut session = server.accept();
    greet(&mut session);
    join(&mut session);
    session.expect("CHATHISTORY AFTER #ops timestamp=2026-01-02T00:00:07.999Z 3");
    page(&mut session, &[8, 9, 10]);
    session.expect("CHATHISTORY AFTER #ops msgid=m10 3");
    session.send(&format!("@{}", numbered(12)));
    page(&mut session, &[11, 12]);
    session.send(&format!("@{}", numbered(13)));
    rook.expect_output("number 13");
    rook.interrupt();
    session.expect("PART #ops");
    session.expect("QUIT");
    session.send("ERROR :Quit");
    let ended = rook.wait();
    assert_eq!(ended.code, 0, "{ended:?}");
    let wanted: Vec<String> = (3..=13)
        .map(|number| format!("2026-01-02 00:00:{number:02} <bob> number {number}"))
        .collect();
    assert_eq!(ended.stdout.lines().collect::<Vec<_>>(), wanted);
    assert_eq!(
        ended.stderr,
        "the server closed the connection; trying again in 1 s\n"
    );
}

#[test]
fn tail_prints_one_json_object_a_line_for_one_person() {
    let server = Server::start();
    let mut rook = Rook::start(
        &server.known_home(),
        &[
            "tail",
            "bob",
            "--json",
            "--lines",
            "0",
            "--server",
            &server.address(),
        ],
    );
    let mut session = server.accept();
    session.sign_in();
    // Without history there are only new messages.
    session.send(
        "@time=2026-01-02T14:03:05.678Z;msgid=a;account=Bob :bob!b@h PRIVMSG alice :\u{1}ACTION nods\u{1}",
    );
    session.send(":bob!b@h PRIVMSG #lobby :to all");
    session.send(":carol!b@h PRIVMSG alice :from another");
    session.send("@time=2026-01-02T14:03:06Z :alice!a@h PRIVMSG bob :said on another device");
    rook.expect_output("another device");
    session.send("ERROR :Kicked: enough");
    let ended = rook.wait();
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (4, "rook: You were kicked: enough. Run rook to rejoin.\n")
    );
    let wanted = [
        "{\"time\":\"2026-01-02T14:03:05.678Z\",\"msgid\":\"a\",\"sender\":\"bob\",\"account\":\"Bob\",\
         \"target\":\"alice\",\"kind\":\"action\",\"text\":\"nods\"}",
        "{\"time\":\"2026-01-02T14:03:06Z\",\"msgid\":null,\"sender\":\"alice\",\"account\":null,\
         \"target\":\"bob\",\"kind\":\"message\",\"text\":\"said on another device\"}",
    ];
    assert_eq!(ended.stdout.lines().collect::<Vec<_>>(), wanted);
}

#[test]
fn tail_interrupted_while_it_joins_leaves_the_channel() {
    let server = Server::start();
    let rook = Rook::start(
        &server.known_home(),
        &["tail", "#ops", "--create", "--server", &server.address()],
    );
    let mut session = server.accept();
    session.sign_in();
    let label = session.expect_labelled("JOIN #ops");
    rook.interrupt();
    session.expect("PART #ops");
    session.expect("QUIT");
    session.send(&format!("@label={label} :alice!a@h JOIN #ops"));
    session.send(":alice!a@h PART #ops");
    session.send("ERROR :Quit");
    let ended = rook.wait();
    assert_eq!(
        (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
        (0, "", "")
    );
}

#[test]
fn tail_ends_quietly_when_its_output_is_closed() {
    let server = Server::start();
    let mut rook = Rook::start(
        &server.known_home(),
        &["tail", "bob", "--server", &server.address()],
    );
    let mut session = server.accept();
    session.sign_in();
    session.send(":bob!b@h PRIVMSG alice :hi");
    rook.expect_output("hi");
    rook.close_output();
    rook.wait_while(|| session.try_send(":bob!b@h PRIVMSG alice :hi\r\n"));
    let ended = rook.wait();
    assert_eq!(ended.code, 0);
    assert_eq!(
        ended.stderr,
        "the server keeps no history: only new messages are printed\n"
    );
}

#[test]
fn tail_ends_when_its_output_is_closed_although_nobody_writes() {
    let server = Server::start();
    let mut rook = Rook::start_into_head(
        &server.known_home(),
        &["tail", "bob", "--server", &server.address()],
    );
    let mut session = server.accept();
    session.sign_in();
    session.send(":bob!b@h PRIVMSG alice :hi");
    rook.expect_output("hi");
    session.expect("QUIT");
    session.send("ERROR :Quit");
    let ended = rook.wait();
    assert!(ended.stderr.ends_with("exit code 0\n"), "{ended:?}");
}

#[test]
fn tail_fails_where_it_cannot_join_or_is_kicked() {
    let server = Server::start();
    let home = server.known_home();
    let start = || Rook::start(&home, &["tail", "#ops", "--server", &server.address()]);
    let rook = start();
    let mut session = server.accept();
    session.sign_in();
    let label = session.expect_labelled("TOPIC #ops");
    session.send(&format!(
        "@label={label} :s 403 alice #ops :No such channel"
    ));
    session.expect("QUIT");
    session.send("ERROR :Quit");
    let ended = rook.wait();
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (1, "rook: #ops: No such channel; --create creates it\n")
    );

    let rook = start();
    let mut session = server.accept();
    session.sign_in();
    let label = session.expect_labelled("TOPIC #ops");
    session.send(&format!("@label={label} :s 332 alice #ops :Plans"));
    let label = session.expect_labelled("JOIN #ops");
    session.send(&format!(
        "@label={label} :s 473 alice #ops :Cannot join channel (+i)"
    ));
    session.expect("QUIT");
    session.send("ERROR :Quit");
    let ended = rook.wait();
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (1, "rook: #ops: Cannot join channel (+i)\n")
    );

    let rook = start();
    let mut session = server.accept();
    start_tail(&mut session);
    session.expect("CHATHISTORY");
    session.send(":s FAIL CHATHISTORY MESSAGE_ERROR LATEST #ops :Please try again later");
    session.send(":bob!b@h KICK #ops alice :not here");
    session.expect("QUIT");
    drop(session);
    let ended = rook.wait();
    assert_eq!(ended.code, 1);
    assert_eq!(
        ended.stderr,
        "Please try again later\nrook: kicked from #ops (“not here”)\n"
    );
}

#[test]
fn tail_of_a_mistyped_nick_fails_unless_there_are_messages() {
    let server = Server::start();
    let home = server.known_home();
    let start = |args: &[&str]| {
        let address = server.address();
        Rook::start(
            &home,
            &[&["tail", "bbo", "--server", &address], args].concat(),
        )
    };
    let rook = start(&[]);
    let mut session = server.accept();
    greet(&mut session);
    session.expect("CHATHISTORY LATEST bbo * 3");
    page_of(&mut session, "bbo", &[]);
    session.expect("ISON bbo");
    session.send(":s 303 alice :");
    session.expect("QUIT");
    session.send("ERROR :Quit");
    let ended = rook.wait();
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (
            1,
            "rook: bbo is not here, and there are no messages with bbo; for a channel, write \
             '#bbo', in quotes\n"
        )
    );

    let said = "@time=2026-01-02T14:03:06Z;msgid=m1 :bbo!b@h PRIVMSG alice :hi";
    for (args, earlier) in [(&[] as &[_], Some(said)), (&["--create"], None)] {
        let mut rook = start(args);
        let mut session = server.accept();
        greet(&mut session);
        session.expect("CHATHISTORY LATEST bbo * 3");
        page_of(&mut session, "bbo", earlier.as_slice());
        session.send(":bbo!b@h PRIVMSG alice :here I am");
        rook.expect_output("here I am");
        rook.interrupt();
        session.expect("QUIT");
        session.send("ERROR :Quit");
        assert_eq!(rook.wait().code, 0);
    }
}
