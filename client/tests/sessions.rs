//! `rook` itself against a server that does as each test says: what people and scripts see of a session's ways to
//! begin and to end.

#![allow(clippy::unwrap_used)]

mod server;

use std::os::unix::fs::PermissionsExt as _;

use server::{Rook, Server};

#[test]
fn kicked_right_after_a_direct_message_it_ends_once_with_one_line() {
    let server = Server::start();
    let home = server.known_home();
    let mut rook = Rook::start(&home, &[&server.address()]);
    let mut session = server.accept();
    session.sign_in();
    rook.types("/msg bob hi");
    let label = session.expect_labelled("PRIVMSG bob hi");
    session.sends(&format!("@label={label} :alice!a@h PRIVMSG bob :hi"));
    session.sends("ERROR :Kicked: enough for today");
    // What a server might still have on its way changes nothing.
    session.sends_if_it_can(&":bob!b@h PRIVMSG alice :are you there?\r\n".repeat(100));
    drop(session);
    let ended = rook.ends();
    assert_eq!(ended.code, 4, "{ended:?}");
    assert_eq!(ended.stderr, "rook: Kicked: enough for today. You may come back: start rook again.\n");
    assert!(ended.stdout.contains("[you → bob] hi"), "{ended:?}");
    assert!(!ended.stdout.contains("are you there"), "nothing follows the end: {ended:?}");
    assert!(!server.has_visitor(), "it does not come back by itself");
}

#[test]
fn banned_it_ends_with_the_reason() {
    let server = Server::start();
    let rook = Rook::start(&server.known_home(), &[&server.address()]);
    let mut session = server.accept();
    session.authenticate();
    session.sends(":s 465 alice :You are banned from this server: spam");
    session.sends("ERROR :Banned: spam");
    drop(session);
    let ended = rook.ends();
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (4, "rook: Banned: spam. Only whoever runs the server can lift it.\n")
    );
    assert!(!ended.stdout.contains("spam"), "it is told once: {ended:?}");
    assert!(!server.has_visitor());
}

#[test]
fn a_lost_connection_is_replaced_and_its_channels_are_joined_again() {
    let server = Server::start();
    let home = server.known_home();
    let mut rook = Rook::start(&home, &[&server.address()]);
    let mut session = server.accept();
    session.sign_in();
    rook.types("/join #ops sesame");
    let label = session.expect_labelled("JOIN #ops sesame");
    session.sends(&format!("@label={label} :alice!a@h JOIN #ops"));
    rook.prints("you joined #ops");
    rook.types("lost");
    session.expect_labelled("PRIVMSG #ops lost");
    drop(session);
    rook.prints("not confirmed, perhaps not sent, to #ops: lost");
    rook.prints("the server closed the connection; trying again in 1 s");
    let mut session = server.accept();
    session.sign_in();
    let label = session.expect_labelled("JOIN #ops sesame");
    session.sends(&format!("@label={label} :alice!a@h JOIN #ops"));
    rook.types("back");
    let label = session.expect_labelled("PRIVMSG #ops back");
    session.sends(&format!("@label={label} :alice!a@h PRIVMSG #ops :back"));
    rook.prints("#ops <alice> back");
    rook.types("/quit so long");
    session.expect("QUIT :so long");
    session.sends("ERROR :Quit: so long");
    assert_eq!(rook.ends().code, 0);
}

#[test]
fn who_never_got_in_is_told_why_and_nothing_is_tried_again() {
    let server = Server::start();
    let rook = Rook::start(&server.known_home(), &[&server.address()]);
    let mut session = server.accept();
    session.expect("CAP LS");
    session.sends("ERROR :Too many connections from your address");
    drop(session);
    let ended = rook.ends();
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("Too many connections from your address"), "{ended:?}");
    assert!(!server.has_visitor());
    let nobody = Rook::start(&server.known_home(), &["localhost:1"]);
    let ended = nobody.types_and_ends(&["alice", "alice@example.org"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("cannot connect to localhost:1"), "{ended:?}");
}

#[test]
fn the_first_time_it_asks_registers_and_pins_and_the_second_time_it_asks_nothing() {
    let server = Server::start();
    let home = tempfile::tempdir().unwrap();
    let mut rook = Rook::start(&home, &[&server.address()]);
    for line in ["not a name", "alice", "nonsense", "alice@example.org", "000000", "123456"] {
        rook.types(line);
    }
    let mut session = server.accept();
    session.negotiate();
    session.expect("CAP END");
    session.sends(":s NOTICE alice :Type /quote REGISTER");
    let credential =
        session.expect("REGISTER alice alice@example.org ").rsplit(' ').next().unwrap().to_owned();
    session.sends(":s REGISTER VERIFICATION_REQUIRED alice :Mailed");
    session.expect("VERIFY alice 000000");
    session.sends(":s FAIL VERIFY INVALID_CODE alice :The code is not right");
    session.expect("VERIFY alice 123456");
    session.sends(":s VERIFY SUCCESS alice :Yours");
    session.sends(":s 900 alice alice!a@h alice :Signed in");
    session.admits();
    rook.prints("you joined #lobby");
    let file = home.path().join(format!("rookery/rook/{}.toml", server.address().replace(':', "%3A")));
    let kept = std::fs::read_to_string(&file).unwrap();
    assert!(kept.contains(&credential) && kept.contains(&server.fingerprint()), "{kept}");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let ended = rook.leaves(&mut session);
    assert!(ended.stderr.contains(&server.fingerprint()), "{ended:?}");
    assert!(ended.stderr.contains("The code is not right"), "{ended:?}");
    assert!(!ended.stderr.contains("/quote"), "{ended:?}");
    assert!(!format!("{ended:?}").contains(&credential));

    let rook = Rook::start(&home, &[&server.address()]);
    let mut session = server.accept();
    session.sign_in();
    let ended = rook.leaves(&mut session);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
}

#[test]
fn a_question_that_nobody_answers_ends_it() {
    let server = Server::start();
    let home = tempfile::tempdir().unwrap();
    let ended = Rook::start(&home, &[&server.address()]).types_and_ends(&["alice"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    let who = ["--name", "alice", "--email", "alice@example.org"];
    let rook = Rook::start(&home, &[&[server.address().as_str()] as &[_], &who].concat());
    let mut session = server.accept();
    session.negotiate();
    session.expect("REGISTER");
    session.sends(":s REGISTER VERIFICATION_REQUIRED alice :Mailed");
    let ended = rook.types_and_ends(&[]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.stderr.contains("A code was mailed to alice@example.org"), "{ended:?}");
}

#[test]
fn a_changed_certificate_is_refused_loudly_before_a_word_is_said() {
    let (pinned, server) = (Server::start(), Server::start());
    let home = server.home_with_pin(Some(&pinned.fingerprint()));
    let rook = Rook::start(&home, &[&server.address()]);
    assert!(server.refused_handshake(), "nothing is sent to a stranger");
    let ended = rook.ends();
    assert_eq!(ended.code, 1);
    let file = home.join("rookery/rook");
    for part in
        ["HAS CHANGED", &pinned.fingerprint(), &server.fingerprint(), file.to_str().unwrap(), "fingerprint"]
    {
        assert!(ended.stderr.contains(part), "{part} is missing: {ended:?}");
    }
}

#[test]
fn a_credential_won_from_a_vouched_server_is_not_shown_to_an_unknown_one() {
    let server = Server::start();
    let home = server.home_with_pin(None);
    let address = server.address();
    for arguments in [&["--server", &address] as &[_], &["--server", &address, "send", "bob", "hi"]] {
        let rook = Rook::start(&home, arguments);
        assert!(server.refused_handshake());
        let ended = rook.ends();
        assert_eq!(ended.code, 1);
        assert!(ended.stderr.contains("No authority vouches"), "{ended:?}");
    }
}

#[test]
fn with_an_authority_only_its_certificates_will_do() {
    let (server, other) = (Server::start(), Server::start());
    let home = server.home_with_pin(None);
    let rook = Rook::start(&home, &[&server.address(), "--ca", other.certificate().to_str().unwrap()]);
    assert!(server.refused_handshake());
    let ended = rook.ends();
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("is not trusted"), "{ended:?}");

    let rook = Rook::start(&home, &[&server.address(), "--ca", server.certificate().to_str().unwrap()]);
    let mut session = server.accept();
    session.sign_in();
    assert_eq!(rook.leaves(&mut session).code, 0);

    let rook = Rook::start(&home, &[&server.address(), "--ca", "/nowhere/ca.pem"]);
    let ended = rook.ends();
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("/nowhere/ca.pem"), "{ended:?}");
}

#[test]
fn an_authority_named_once_is_remembered_with_what_it_is_and_not_with_its_file() {
    let (server, other) = (Server::start(), Server::start());
    let home = server.home_with_pin(None);
    let file = home.join("named.pem");
    std::fs::copy(server.certificate(), &file).unwrap();
    let visit = |arguments: &[&str]| {
        let rook = Rook::start(&home, &[&[server.address().as_str()] as &[_], arguments].concat());
        let mut session = server.accept();
        session.sign_in();
        rook.leaves(&mut session)
    };
    let told = visit(&["--ca", file.to_str().unwrap()]).stderr;
    assert!(told.contains("only certificates of this authority") && told.lines().count() == 1, "{told}");
    std::fs::copy(other.certificate(), &file).unwrap();
    assert_eq!(visit(&[]).stderr, "", "what has been written into the file since decides nothing");

    // Whoever has the name of the server, but not its authority, is refused.
    let kept = home.join("rookery/rook").join(server.address().replace(':', "%3A") + ".toml");
    std::fs::rename(&kept, kept.with_file_name(other.address().replace(':', "%3A") + ".toml")).unwrap();
    for arguments in
        [&[other.address().as_str()] as &[_], &["--server", &other.address(), "send", "bob", "x"]]
    {
        let rook = Rook::start(&home, arguments);
        assert!(other.refused_handshake());
        let ended = rook.ends();
        assert_eq!(ended.code, 1);
        assert!(ended.stderr.contains("is not trusted") && ended.stderr.contains("--ca FILE"), "{ended:?}");
    }
}

#[test]
fn a_server_of_the_config_is_called_by_its_name_and_its_channels_are_joined() {
    let server = Server::start();
    let home = server.known_home();
    let config = format!(
        "[servers.home]\naddress = \"{}\"\njoin = [\"#ops\", \"#nest sesame\"]\n[servers.b]\naddress = \"b\"\n",
        server.address()
    );
    Server::configure(&home, &config);
    let mut rook = Rook::start(&home, &["home"]);
    let mut session = server.accept();
    session.sign_in();
    for join in ["JOIN #nest sesame", "JOIN #ops"] {
        let label = session.expect_labelled(join);
        let channel = join.split(' ').nth(1).unwrap();
        session.sends(&format!("@label={label} :alice!a@h JOIN {channel}"));
    }
    rook.prints("you joined #ops");
    rook.types("still in the lobby");
    session.expect_labelled("PRIVMSG #lobby still in the lobby");
    drop(rook);

    let rook = Rook::start(&home, &["send", "bob", "hi", "--server", "home"]);
    let mut session = server.accept();
    session.sign_in();
    let label = session.expect_labelled("PRIVMSG bob hi");
    session.sends(&format!("@label={label} :alice!a@h PRIVMSG bob :hi"));
    session.expect("QUIT");
    drop(session);
    assert_eq!(rook.ends().code, 0);
}

#[test]
fn a_mistake_in_the_config_is_named_by_file_line_and_key() {
    let home = tempfile::tempdir().unwrap();
    Server::configure(&home, "[servers.home]\naddress = \"a.example\"\nnickname = \"alice\"\n");
    let ended = Rook::start(&home, &["home"]).ends();
    assert_eq!(ended.code, 2, "{ended:?}");
    let file = home.path().join("config/rookery/rook.toml");
    let place = format!("rook: {}:3: unknown key `nickname`, ", file.display());
    assert!(ended.stderr.starts_with(&place), "{ended:?}");
    assert!(!std::fs::exists(home.path().join("rookery")).unwrap(), "nothing was begun");
}

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
    assert!(ended.stdout.contains("<alice> one") && ended.stdout.contains("[you → bob] two"), "{ended:?}");
    assert_eq!(ended.stderr, "");
}

#[test]
fn piped_lines_that_did_not_arrive_make_it_fail() {
    let server = Server::start();
    let mut rook = Rook::start(&server.known_home(), &[&server.address(), "--plain"]);
    rook.types("refused");
    rook.types("/nonsense");
    rook.closes_input();
    let mut session = server.accept();
    session.sign_in();
    let label = session.expect_labelled("PRIVMSG #lobby refused");
    session.sends(&format!("@label={label} :s 404 alice #lobby :Cannot send to channel"));
    session.expect("QUIT");
    session.sends("ERROR :Quit");
    let ended = rook.ends();
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stdout.contains("-- #lobby: Cannot send to channel"), "{ended:?}");
    assert!(ended.stderr.contains("lines that did not arrive: 2"), "{ended:?}");
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
fn ctrl_c_says_goodbye() {
    let server = Server::start();
    let mut rook = Rook::start(&server.known_home(), &[&server.address()]);
    let mut session = server.accept();
    session.sign_in();
    rook.prints("you joined #lobby");
    rook.interrupt();
    session.expect("QUIT");
    session.sends("ERROR :Quit");
    let ended = rook.ends();
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
}

#[test]
fn when_nobody_reads_its_output_it_ends_quietly() {
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

#[test]
fn send_joins_the_channel_and_waits_for_each_receipt() {
    let server = Server::start();
    let home = server.known_home();
    let rook = Rook::start(&home, &["send", "#ops", "one\ntwo", "--server", &server.address()]);
    let mut session = server.accept();
    session.sign_in();
    let label = session.expect_labelled("PRIVMSG #ops one");
    session.sends(&format!("@label={label} :s 403 alice #ops :No such channel"));
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
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (0, "", ""));
}

#[test]
fn send_joins_only_where_it_must_and_asks_not_to_be_seen() {
    let server = Server::start();
    let rook = Rook::start(&server.known_home(), &["send", "#ops", "hi", "--server", &server.address()]);
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
fn send_reads_its_text_from_standard_input_when_there_is_none() {
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
fn send_fails_in_the_servers_words() {
    let server = Server::start();
    let home = server.known_home();
    for (target, command, refusal, words) in [
        ("bob", "PRIVMSG bob hi", "401 alice bob :No such nick", "rook: bob is not here\n"),
        ("#ops", "JOIN #ops", "475 alice #ops :Wrong key", "rook: #ops: Wrong key\n"),
        ("bob", "PRIVMSG bob hi", "FAIL PRIVMSG STORE_FAILED :Not stored", "rook: Not stored\n"),
    ] {
        let rook = Rook::start(&home, &["send", target, "hi", "--server", &server.address()]);
        let mut session = server.accept();
        session.sign_in();
        if command.starts_with("JOIN") {
            let label = session.expect_labelled("PRIVMSG #ops hi");
            session.sends(&format!("@label={label} :s 404 alice #ops :Cannot send to channel"));
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
    assert_eq!(ended.code, 1, "a message without receipt is not said to have arrived: {ended:?}");
    assert!(!server.has_visitor());
}

#[test]
fn a_new_certificate_for_the_same_key_is_taken_with_one_line_and_for_another_key_it_is_not() {
    let mut server = Server::start();
    // The pin of an older version: the key is learned when it is first seen to fit.
    let home = server.known_home();
    let visit = |server: &Server| {
        let rook = Rook::start(&home, &[&server.address()]);
        let mut session = server.accept();
        session.sign_in();
        rook.leaves(&mut session).stderr
    };
    assert_eq!(visit(&server), "");
    server.renew_certificate();
    let told = visit(&server);
    assert!(told.contains("a new certificate for the same key") && told.contains(&server.fingerprint()));
    assert_eq!(told.lines().count(), 1, "{told}");
    assert_eq!(visit(&server), "", "it is said once");
    server.renew_key();
    let rook = Rook::start(&home, &[&server.address()]);
    assert!(server.refused_handshake());
    assert!(rook.ends().stderr.contains("HAS CHANGED"));
}

#[test]
fn send_needs_a_sign_in_and_asks_nothing() {
    let server = Server::start();
    let home = tempfile::tempdir().unwrap();
    let ended = Rook::start(&home, &["send", "bob", "hi", "--server", &server.address()]).ends();
    assert_eq!(ended.code, 3);
    assert!(ended.stderr.contains(&format!("run `rook {}`", server.address())), "{ended:?}");

    let rook = Rook::start(&server.known_home(), &["send", "bob", "hi", "--server", &server.address()]);
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

/// The way of `rook tail #ops` to where it asks for history.
fn tail_arrives(session: &mut server::Session) {
    session.authenticate();
    session.sends(":s 001 alice :Welcome back, alice.");
    session.sends(":s 005 alice CHATHISTORY=3 NETWORK=x :are supported by this server");
    session.sends(":alice!a@h JOIN #lobby");
    session.settles();
    let label = session.expect_labelled("JOIN #ops");
    session.sends(&format!("@label={label} :alice!a@h JOIN #ops"));
}

/// `bob` says a number to `#ops`, at a second of that number.
fn numbered(number: u32) -> String {
    format!("msgid=m{number};time=2026-01-02T00:00:{number:02}.000Z :bob!b@h PRIVMSG #ops :number {number}")
}

fn page(session: &mut server::Session, numbers: &[u32]) {
    session.sends(":s BATCH +h chathistory #ops");
    for &number in numbers {
        session.sends(&format!("@batch=h;{}", numbered(number)));
    }
    session.sends(":s BATCH -h");
}

#[test]
fn tail_prints_history_and_then_what_comes_through_a_lost_connection_without_gap_or_double() {
    let server = Server::start();
    let mut rook =
        Rook::start(&server.known_home(), &["tail", "#ops", "--lines", "4", "--server", &server.address()]);
    let mut session = server.accept();
    tail_arrives(&mut session);
    session.expect("CHATHISTORY LATEST #ops * 3");
    // What is said meanwhile waits its turn, though the page has it too.
    session.sends(&format!("@{}", numbered(6)));
    session.sends(&format!("@{}", numbered(7)));
    page(&mut session, &[4, 5, 6]);
    session.expect("CHATHISTORY BEFORE #ops msgid=m4 3");
    page(&mut session, &[1, 2, 3]);
    session.sends(":bob!b@h PRIVMSG #lobby :elsewhere");
    session.sends(":bob!b@h PRIVMSG #ops :\u{1}VERSION\u{1}");
    session.sends(&format!("@{}", numbered(8)));
    rook.prints("number 8");
    drop(session);

    let mut session = server.accept();
    tail_arrives(&mut session);
    session.expect("CHATHISTORY AFTER #ops timestamp=2026-01-02T00:00:07.999Z 3");
    page(&mut session, &[8, 9, 10]);
    session.expect("CHATHISTORY AFTER #ops msgid=m10 3");
    session.sends(&format!("@{}", numbered(12)));
    page(&mut session, &[11, 12]);
    session.sends(&format!("@{}", numbered(13)));
    rook.prints("number 13");
    rook.interrupt();
    session.expect("PART #ops");
    session.expect("QUIT");
    session.sends("ERROR :Quit");
    let ended = rook.ends();
    assert_eq!(ended.code, 0, "{ended:?}");
    let wanted: Vec<String> =
        (3..=13).map(|number| format!("2026-01-02 00:00:{number:02} <bob> number {number}")).collect();
    assert_eq!(ended.stdout.lines().collect::<Vec<_>>(), wanted);
    assert_eq!(ended.stderr, "the server closed the connection; trying again in 1 s\n");
}

#[test]
fn tail_gives_scripts_one_object_a_line_and_hears_one_person() {
    let server = Server::start();
    let mut rook = Rook::start(
        &server.known_home(),
        &["tail", "bob", "--json", "--lines", "0", "--server", &server.address()],
    );
    let mut session = server.accept();
    session.sign_in();
    // Without history there is only what comes.
    session.sends(
        "@time=2026-01-02T14:03:05.678Z;msgid=a;account=Bob :bob!b@h PRIVMSG alice :\u{1}ACTION nods\u{1}",
    );
    session.sends(":bob!b@h PRIVMSG #lobby :to all");
    session.sends(":carol!b@h PRIVMSG alice :from another");
    session.sends("@time=2026-01-02T14:03:06Z :alice!a@h PRIVMSG bob :said on another device");
    rook.prints("another device");
    session.sends("ERROR :Kicked: enough");
    let ended = rook.ends();
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (4, "rook: Kicked: enough. You may come back: start rook again.\n")
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
fn tail_ends_quietly_when_nobody_reads_it() {
    let server = Server::start();
    let mut rook = Rook::start(&server.known_home(), &["tail", "bob", "--server", &server.address()]);
    let mut session = server.accept();
    session.sign_in();
    session.sends(":bob!b@h PRIVMSG alice :hi");
    rook.prints("hi");
    rook.closes_output();
    rook.ends_while(|| session.sends_if_it_can(":bob!b@h PRIVMSG alice :hi\r\n"));
    let ended = rook.ends();
    assert_eq!(ended.code, 0);
    assert_eq!(ended.stderr, "the server keeps no history: only what is said from now on is shown\n");
}

#[test]
fn tail_fails_where_it_may_not_listen() {
    let server = Server::start();
    let home = server.known_home();
    let start = || Rook::start(&home, &["tail", "#ops", "--server", &server.address()]);
    let rook = start();
    let mut session = server.accept();
    session.sign_in();
    let label = session.expect_labelled("JOIN #ops");
    session.sends(&format!("@label={label} :s 473 alice #ops :Cannot join channel (+i)"));
    session.expect("QUIT");
    session.sends("ERROR :Quit");
    let ended = rook.ends();
    assert_eq!((ended.code, ended.stderr.as_str()), (1, "rook: #ops: Cannot join channel (+i)\n"));

    let rook = start();
    let mut session = server.accept();
    tail_arrives(&mut session);
    session.expect("CHATHISTORY");
    session.sends(":s FAIL CHATHISTORY MESSAGE_ERROR LATEST #ops :Please try again later");
    session.sends(":bob!b@h KICK #ops alice :not here");
    session.expect("QUIT");
    drop(session);
    let ended = rook.ends();
    assert_eq!(ended.code, 1);
    assert_eq!(ended.stderr, "Please try again later\nrook: removed from #ops (not here)\n");
}

/// Every exit code that the documentation names, for every way in which a script runs `rook`.
#[test]
fn exit_codes_are_as_documented() {
    let server = Server::start();
    let stranger = tempfile::tempdir().unwrap();
    let address = server.address();
    for command in [&["send", "bob", "hi"] as &[_], &["tail", "bob"]] {
        let start = |home: &std::path::Path, server: &str| {
            Rook::start(&home, &[command, &["--server", server]].concat())
        };
        assert_eq!(start(&server.known_home(), "localhost:1").ends().code, 3, "nobody is known there");
        assert_eq!(start(stranger.path(), &address).ends().code, 3, "{command:?}");
        assert_eq!(start(stranger.path(), "a b").ends().code, 2, "{command:?}");
        for (words, code) in [("Kicked: x", 4), ("Banned: x", 4), ("Server is full", 1)] {
            let rook = start(&server.known_home(), &address);
            let mut session = server.accept();
            session.expect("CAP LS");
            session.sends(&format!("ERROR :{words}"));
            drop(session);
            assert_eq!(rook.ends().code, code, "{command:?}: {words}");
        }
        let rook = start(&server.known_home(), &address);
        assert!(server.hangs_up(), "{command:?}");
        assert_eq!(rook.ends().code, 1, "{command:?}");
    }
}

#[test]
fn wrong_usage_is_told_apart() {
    let home = tempfile::tempdir().unwrap();
    for arguments in [
        &["--server", "a b"] as &[_],
        &["send"],
        &["send", "bob", "  "],
        &["tail"],
        &["tail", "#"],
        &["tail", "#ops", "--lines", "many"],
        &["--bogus"],
    ] {
        assert_eq!(Rook::start(&home, arguments).ends().code, 2, "{arguments:?}");
    }
}
