//! `rook` in its plain line mode and in scripts: talking, and the ways in which it ends.

use rookery_tests::admin::Operator;
use rookery_tests::irc::Client;
use rookery_tests::process::Process;
use rookery_tests::rook::Device;
use rookery_tests::server::Server;

const ALICE: [&str; 5] = ["--plain", "--name", "alice", "--email", "alice@example.org"];

#[tokio::test]
async fn two_people_talk_in_the_lobby_and_in_private() {
    let server = Server::start().await;
    let (alices, bobs) = (Device::new(), Device::new());
    let mut alice = alices.sign_in(&server, "alice").await;
    let mut bob = bobs.sign_in(&server, "bob").await;
    let mut carol = Client::register(&server, "carol").await;
    alice.expect_line("bob").await;

    alice.type_line("good morning");
    let line = bob.expect_line("good morning").await;
    assert!(line.contains("alice"), "{line}");
    bob.type_line("/msg alice for you only");
    let line = alice.expect_line("for you only").await;
    assert!(line.contains("bob"), "{line}");
    // The syntax of the original program: the receiver at the end of the line.
    alice.type_line("How are you? /bob");
    let line = bob.expect_line("How are you?").await;
    assert!(line.contains("alice") && !line.contains("/bob"), "{line}");
    let received: Vec<_> = carol
        .sync()
        .await
        .into_iter()
        .filter(|message| message.command == "PRIVMSG")
        .collect();
    assert_eq!(
        received.len(),
        1,
        "only the message in the lobby: {received:?}"
    );

    alice.type_line("/quit");
    assert_eq!(alice.wait().await.code, Some(0));
}

#[tokio::test]
async fn a_device_that_has_signed_in_before_needs_no_input() {
    let server = Server::start().await;
    let device = Device::new();
    let mut alice = device.sign_in(&server, "alice").await;
    alice.type_line("/quit");
    alice.wait().await;
    let mut alice = device.start(&server, "alice");
    alice.expect_line("Welcome back, alice").await;
    // The owner and an operator see which device that is.
    alice.type_line("/devices");
    let line = alice.expect_line("this device").await;
    assert!(line.contains("device 1: rook on "), "{line}");
    let operator = Operator::sign_in(&server, "root").await;
    let shown = operator.run_ok(&["account", "credentials", "alice"]).await;
    assert!(shown.contains("rook on "), "{shown}");
}

#[tokio::test]
async fn a_kick_right_after_a_direct_message_ends_rook_with_one_line() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let bobs = Device::new();
    let mut alice = Client::register(&server, "alice").await;
    let mut bob = bobs.sign_in(&server, "bob").await;
    bob.type_line("/msg alice one last thing");
    alice.expect_privmsg("bob", "alice", "one last thing").await;
    operator
        .run_ok(&["kick", "bob", "--reason", "too loud"])
        .await;
    assert_ended_once(bob, "kicked: too loud").await;

    let mut bob = bobs.start(&server, "bob");
    bob.expect_line("Welcome back, bob").await;
}

#[tokio::test]
async fn a_ban_ends_rook_with_one_line_and_it_does_not_reconnect() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let bobs = Device::new();
    let bob = bobs.sign_in(&server, "bob").await;
    operator.run_ok(&["ban", "bob", "--reason", "spam"]).await;
    assert_ended_once(bob, "spam").await;
    assert_ended_once(bobs.start(&server, "bob"), "spam").await;
}

async fn assert_ended_once(rook: Process, reason: &str) {
    let ended = rook.wait().await;
    assert_eq!(ended.code, Some(4), "{}", ended.transcript);
    assert_eq!(
        ended.transcript.matches(reason).count(),
        1,
        "{}",
        ended.transcript
    );
    assert!(
        ended
            .transcript
            .trim_end()
            .lines()
            .last()
            .unwrap()
            .contains(reason),
        "{}",
        ended.transcript
    );
    assert!(
        ended.transcript.lines().count() < 40,
        "the output is not repeated: {}",
        ended.transcript
    );
}

#[tokio::test]
async fn rook_reconnects_by_itself_after_a_restart() {
    let mut server = Server::start().await;
    let device = Device::new();
    let mut alice = device.sign_in(&server, "alice").await;
    drop(Client::register(&server, "bob").await);
    server.kill9();
    server.restart().await;
    let mut bob = Client::sign_in(&server, "bob").await;
    alice.expect_line("Welcome back, alice").await;
    alice.type_line("where were we?");
    bob.expect_privmsg("alice", "#lobby", "where were we?")
        .await;
}

#[tokio::test]
async fn a_script_sends_one_message_and_learns_that_it_arrived() {
    let server = Server::start().await;
    let device = Device::new();
    let mut alice = device.sign_in(&server, "alice").await;
    alice.type_line("/quit");
    alice.wait().await;
    let mut bob = Client::register(&server, "bob").await;

    let send = Process::start(
        "rook send",
        &mut device.command(&server, &["send", "#lobby", "backup done"]),
    );
    let ended = send.wait().await;
    assert_eq!(ended.code, Some(0), "{}", ended.transcript);
    let received = bob.sync().await;
    let signed_in_as_alice = received
        .iter()
        .filter(|message| message.source_nick() == Some("alice"));
    let signed_in_as_alice: Vec<_> = signed_in_as_alice
        .map(|message| (message.command.as_str(), message.param(1)))
        .collect();
    assert_eq!(
        signed_in_as_alice,
        [("PRIVMSG", Some("backup done"))],
        "others do not see the script connect and disconnect: {received:?}"
    );

    let mut send = Process::start("rook send", &mut device.command(&server, &["send", "bob"]));
    send.type_line("from a pipe");
    send.close_input();
    let ended = send.wait().await;
    assert_eq!(ended.code, Some(0), "{}", ended.transcript);
    bob.expect_privmsg("alice", "bob", "from a pipe").await;

    let other = Device::new();
    let send = Process::start(
        "rook send",
        &mut other.command(&server, &["send", "#lobby", "x"]),
    );
    assert_eq!(
        send.wait().await.code,
        Some(3),
        "the other device is not signed in"
    );
}

#[tokio::test]
async fn a_script_sends_nothing_to_a_channel_that_was_renamed() {
    let server = Server::start().await;
    let device = Device::new();
    device.sign_in_and_quit(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    bob.send("JOIN #team").await;
    bob.send("RENAME #team #board").await;
    bob.sync().await;
    let mut mallory = Client::register(&server, "mallory").await;
    mallory.send("JOIN #team").await;
    mallory.send("MODE #team -n").await;
    mallory.sync().await;
    for arguments in [
        &["send", "#team", "secret"][..],
        &["send", "#team", "secret", "--create"],
    ] {
        let send = Process::start("rook send", &mut device.command(&server, arguments));
        let ended = send.wait().await;
        assert_eq!(ended.code, Some(1), "{}", ended.transcript);
        assert!(
            ended.transcript.contains("#team was renamed to #board"),
            "{}",
            ended.transcript
        );
    }
    let mut tail = Process::start(
        "rook tail",
        &mut device.command(&server, &["tail", "#team"]),
    );
    bob.expect("the reader", |message| {
        message.command == "JOIN" && message.source_nick() == Some("alice")
    })
    .await;
    bob.say("#board", "welcome").await;
    tail.expect_line("welcome").await;
    for client in [&mut bob, &mut mallory] {
        let received = client.sync().await;
        assert!(
            !received
                .iter()
                .any(|message| message.param(1) == Some("secret")),
            "{received:?}"
        );
    }
}

#[tokio::test]
async fn text_of_several_lines_is_one_message_for_scripts_and_in_the_history() {
    let server = Server::start().await;
    let device = Device::new();
    device.sign_in_and_quit(&server, "alice").await;
    let mut bob = Client::register(&server, "bob").await;
    let arguments = ["tail", "#lobby", "--json", "--lines", "9"];
    let mut tail = Process::start("rook tail", &mut device.command(&server, &arguments));
    let long = "word ".repeat(120) + "end";
    for text in ["fn main() {\n\n    // nothing\n}", &long] {
        let send = Process::start(
            "rook send",
            &mut device.command(&server, &["send", "#lobby", text]),
        );
        let ended = send.wait().await;
        assert_eq!(ended.code, Some(0), "{}", ended.transcript);
    }
    let texts = |transcript: &str| -> Vec<String> {
        let object = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok();
        let objects = transcript.lines().filter_map(object);
        let text = |object: serde_json::Value| object["text"].as_str().map(str::to_owned);
        objects.filter_map(text).collect()
    };
    let wanted = ["fn main() {\n\n    // nothing\n}", long.as_str()];
    tail.expect_line("word end").await;
    assert_eq!(texts(&tail.transcript()), wanted, "as it arrives");
    let mut later = Process::start("rook tail", &mut device.command(&server, &arguments));
    later.expect_line("word end").await;
    assert_eq!(texts(&later.transcript()), wanted, "from the history");
    // Clients without multi-line messages receive the lines that are not blank.
    bob.expect_privmsg("alice", "#lobby", "fn main() {").await;
    bob.expect_privmsg("alice", "#lobby", "    // nothing")
        .await;
    bob.expect_privmsg("alice", "#lobby", "}").await;
}

#[tokio::test]
async fn a_script_follows_a_channel_across_a_crash_without_gaps_or_repeats() {
    let mut server = Server::start().await;
    let device = Device::new();
    let mut alice = device.sign_in(&server, "alice").await;
    alice.type_line("/quit");
    alice.wait().await;
    let mut bob = Client::register(&server, "bob").await;
    for number in 1..=3 {
        bob.say("#lobby", &format!("number {number}")).await;
    }
    bob.sync().await;
    let arguments = ["tail", "#lobby", "--json", "--lines", "2"];
    let mut tail = Process::start("rook tail", &mut device.command(&server, &arguments));
    tail.expect_line("number 3").await;
    bob.say("#lobby", "number 4").await;
    tail.expect_line("number 4").await;
    server.kill9();
    server.restart().await;
    let mut bob = Client::sign_in(&server, "bob").await;
    for number in 5..=7 {
        bob.say("#lobby", &format!("number {number}")).await;
    }
    tail.expect_line("number 7").await;
    let transcript = tail.transcript();
    let numbers: Vec<&str> = transcript
        .lines()
        .filter_map(|line| line.split("number ").nth(1)?.strip_suffix("\"}"))
        .collect();
    assert_eq!(numbers, ["2", "3", "4", "5", "6", "7"], "{transcript}");
    let first = transcript
        .lines()
        .find(|line| line.starts_with('{'))
        .unwrap();
    let object: serde_json::Value = serde_json::from_str(first).unwrap();
    for (key, value) in [
        ("sender", "bob"),
        ("account", "bob"),
        ("target", "#lobby"),
        ("kind", "message"),
    ] {
        assert_eq!(object[key], value, "{first}");
    }
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let server = Server::start().await;
    let other = Server::start().await;
    let mut command = Device::new().command_without_ca(&server, &ALICE);
    command.arg("--ca").arg(other.ca());
    let ended = Process::start("rook", &mut command).wait().await;
    assert_eq!(ended.code, Some(1), "{}", ended.transcript);
    assert!(
        ended.transcript.contains("certificate"),
        "{}",
        ended.transcript
    );
}

#[tokio::test]
async fn a_certificate_is_trusted_by_its_fingerprint_and_a_changed_one_is_refused_loudly() {
    let mut server = Server::start().await;
    let device = Device::new();
    let start =
        |server: &Server| Process::start("rook", &mut device.command_without_ca(server, &ALICE));
    let ended = start(&server).wait().await;
    assert_eq!(ended.code, Some(1), "{}", ended.transcript);
    let fingerprint = server.fingerprint();
    assert!(
        ended.transcript.contains(&fingerprint) && server.log().contains(&fingerprint),
        "{}",
        ended.transcript
    );
    device.trust(&server, &fingerprint).await;
    let mut alice = start(&server);
    alice.type_line(&server.mailbox().code_to("alice@example.org").await);
    alice.expect_line("Welcome, alice").await;
    alice.type_line("/quit");
    assert_eq!(alice.wait().await.code, Some(0));

    server.sigterm().await;
    std::fs::remove_dir_all(server.path("certs")).unwrap();
    server.restart().await;
    let ended = start(&server).wait().await;
    assert_eq!(ended.code, Some(1), "{}", ended.transcript);
    assert!(
        ended.transcript.contains("HAS CHANGED"),
        "{}",
        ended.transcript
    );
    assert!(
        !server.log().contains("alice"),
        "nothing was sent: {}",
        server.log()
    );
    device.trust(&server, &server.fingerprint()).await;
    let mut alice = start(&server);
    alice.expect_line("Welcome back, alice").await;
}
