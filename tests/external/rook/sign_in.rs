//! Signing in, losing the connection, and being removed.

use rookery_tests::admin::Operator;
use rookery_tests::irc::{Client, email_of};
use rookery_tests::rook::Device;
use rookery_tests::screen::Screen;
use rookery_tests::server::Server;
use rookery_tests::wait_for;

/// Names alice and the email on the sign-in screen, once it asks for them, and waits until it asks
/// for the code.
async fn request_code(screen: &Screen, email: &str) {
    screen.expect("A new name").await;
    screen.enter_line("alice");
    screen.expect("Email").await;
    screen.enter_line(email);
    screen.expect("Code").await;
}

#[tokio::test]
async fn a_new_user_registers_talks_in_public_and_private_and_quits() {
    let server = Server::start().await;
    let mut bob = Client::register(&server, "bob").await;
    let device = Device::new();
    let screen = Screen::start(&device.command_without_ca(&server, &[]));
    let question = screen.expect("Trust").await;
    let shown: String = question.split_whitespace().collect();
    assert!(shown.contains(&server.fingerprint()), "{question}");
    screen.enter_line("yes");
    request_code(&screen, &email_of("alice")).await;
    screen.enter_line("000000");
    wait_for("the number of tries left", || {
        let now = screen.contents();
        (now.contains("4 tries") || now.contains("4 attempts")).then_some(())
    })
    .await;
    screen.enter_line(&server.mailbox().code_to(&email_of("alice")).await);
    screen.expect("you joined #lobby").await;
    screen.expect("/quit leaves").await;

    screen.enter_line("hello everyone");
    bob.expect_privmsg("alice", "#lobby", "hello everyone")
        .await;
    screen.expect("alice hello everyone").await;
    screen.type_text("bo");
    screen.press("Tab");
    screen.enter_line("there you are");
    bob.expect_privmsg("alice", "#lobby", "bob: there you are")
        .await;
    bob.say("alice", "just between us").await;
    screen.expect("bob         !1").await;
    screen.press("M-a");
    screen.expect("just between us").await;
    screen.enter_line("indeed");
    bob.expect_privmsg("alice", "bob", "indeed").await;
    screen.enter_line("/join #nest");
    screen.expect("you joined #nest").await;
    screen.enter_line("/quit");
    screen.expect_exit(0).await;

    // The next start needs no input and restores the channels.
    let screen = Screen::start(&device.command_without_ca(&server, &[]));
    screen.expect("you joined #lobby").await;
    screen.expect("3 #nest").await;
}

#[tokio::test]
async fn a_mistyped_email_can_be_corrected() {
    let server = Server::start().await;
    let device = Device::new();
    let screen = Screen::start(&device.command(&server, &[]));
    request_code(&screen, "alice@exmaple.org").await;
    screen.press("Up");
    screen.expect("Email").await;
    screen.press("C-u");
    screen.enter_line(&email_of("alice"));
    screen.expect(&email_of("alice")).await;
    screen.enter_line(&server.mailbox().code_to(&email_of("alice")).await);
    screen.expect("you joined #lobby").await;
    screen.enter_line("/quit");
    screen.expect_exit(0).await;
    // The stored credential is valid.
    let screen = Screen::start(&device.command(&server, &[]));
    screen.expect("you joined #lobby").await;
}

#[tokio::test]
async fn a_server_that_changes_its_authority_can_be_trusted_on_the_screen() {
    let mut server = Server::start().await;
    let device = Device::new();
    device.sign_in_and_quit(&server, "alice").await;
    // The authority that was named with `--ca` at the sign-in is stored.
    let screen = Screen::start(&device.command_without_ca(&server, &[]));
    screen.expect("lag").await;
    screen.enter_line("/trust");
    screen.expect("no certificate was refused").await;
    server.sigterm().await;
    std::fs::remove_dir_all(server.path("certs")).unwrap();
    server.restart().await;
    // What is typed meanwhile goes on being a draft, and is no answer.
    screen.type_text("a draft");
    screen.expect("goes on trying").await;
    screen.press("C-u");
    screen.enter_line("/trust");
    let question = screen.expect("Type yes").await;
    let shown: String = question.split_whitespace().collect();
    assert!(shown.contains(&server.fingerprint()), "{question}");
    screen.press("Escape");
    screen.expect("goes on trying").await;
    screen.enter_line("/trust");
    screen.expect("Type yes").await;
    screen.enter_line("yes");
    screen.expect("connected again").await;
}

#[tokio::test]
async fn the_question_about_a_certificate_keeps_what_is_typed_when_the_trusted_server_is_back() {
    let mut server = Server::start().await;
    let device = Device::new();
    device.sign_in_and_quit(&server, "alice").await;
    let screen = Screen::start(&device.command_without_ca(&server, &[]));
    screen.expect("lag").await;
    let (certs, others) = (server.path("certs"), server.path("other-certs"));
    server.sigterm().await;
    std::fs::rename(&certs, &others).unwrap();
    server.restart().await;
    screen.expect("goes on trying").await;
    screen.enter_line("/trust");
    screen.expect("Type yes").await;
    screen.type_text("ye");
    server.sigterm().await;
    std::fs::remove_dir_all(&certs).unwrap();
    std::fs::rename(&others, &certs).unwrap();
    server.restart().await;
    screen.expect("Connected again").await;
    screen.enter_line("s");
    screen.expect("lag").await;
    screen.enter_line("the end");
    let shown = screen.expect("alice the end").await;
    assert!(!shown.contains("alice s"), "{shown}");
}

#[tokio::test]
async fn rook_reconnects_when_the_server_is_back() {
    let mut server = Server::start().await;
    let device = Device::new();
    let screen = Screen::signed_in_as_alice(&server, &device).await;
    screen.enter_line("/join #nest");
    screen.expect("you joined #nest").await;
    server.kill9();
    screen.expect("NOT CONNECTED").await;
    screen.enter_line("typed meanwhile");
    screen.expect("typed meanwhile").await;
    server.restart().await;
    screen.expect("lag").await;
    screen.press("Enter");
    screen.expect("alice typed meanwhile").await;
    let restored = screen.contents();
    assert!(
        restored.contains("2 #lobby") && restored.contains("3›#nest"),
        "the channels are restored:\n{restored}"
    );
}

#[tokio::test]
async fn a_revoked_device_must_sign_in_again() {
    let server = Server::start().await;
    let (lost, kept) = (Device::new(), Device::new());
    let mut plain = lost.sign_in(&server, "alice").await;
    plain.type_line("/quit");
    plain.wait().await;
    let screen = Screen::signed_in_as_alice(&server, &kept).await;
    screen.enter_line("/devices");
    // Only the end of the list says this: the hint for a half-typed command names `/devices revoke`
    // as well.
    let listed = screen.expect("removes one").await;
    let first = listed
        .lines()
        .find_map(|line| line.split("device ").nth(1))
        .expect("a device is listed");
    let number: String = first.chars().take_while(char::is_ascii_digit).collect();
    screen.enter_line(&format!("/devices revoke {number}"));
    screen.expect("revoked").await;
    screen.enter_line("still signed in");
    screen.expect("alice still signed in").await;
    let screen = Screen::start(&lost.command(&server, &[]));
    let prompt = screen.expect("Code").await;
    assert!(prompt.contains("Name   alice"), "{prompt}");
    screen.enter_line(&server.mailbox().code_to(&email_of("alice")).await);
    screen.expect("you joined #lobby").await;
}

#[tokio::test]
async fn after_a_kick_or_ban_the_screen_stays_until_the_user_quits() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let device = Device::new();
    let screen = Screen::signed_in_as_alice(&server, &device).await;
    operator
        .run_ok(&["kick", "alice", "--reason", "too loud"])
        .await;
    let ended = screen.expect("You were kicked: too loud").await;
    assert!(ended.contains("you joined #lobby"), "{ended}");
    screen.type_text("r");
    screen.expect("connected again").await;
    screen.expect("lag").await;
    screen.enter_line("back again");
    screen.expect("alice back again").await;

    let ban = ["ban", "alice", "--reason", "spam", "--for", "7d"];
    operator.run_ok(&ban).await;
    let ended = screen.expect("You are banned: spam (until").await;
    assert!(ended.contains("alice back again"), "{ended}");
    screen.type_text("r");
    wait_for("the second refusal", || {
        (screen.contents().matches("are banned: spam").count() > 2).then_some(())
    })
    .await;
    screen.enter_line("/quit");
    let end = screen.expect_exit(4).await;
    assert_eq!(end.matches("banned: spam (until").count(), 1, "{end}");

    // A start while the ban lasts.
    let screen = Screen::start(&device.command(&server, &[]));
    screen.expect("You are banned: spam (until").await;
    screen.press("C-c");
    screen.expect("press Ctrl-C again").await;
    screen.press("C-c");
    screen.expect_exit(4).await;
}

#[tokio::test]
async fn the_last_wrong_code_leads_to_a_new_one() {
    let server = Server::start().await;
    let device = Device::new();
    let screen = Screen::start(&device.command(&server, &[]));
    request_code(&screen, &email_of("alice")).await;
    let first = server.mailbox().code_to(&email_of("alice")).await;
    let wrong = if first == "000000" {
        "111111"
    } else {
        "000000"
    };
    for left in ["4 tries", "3 tries", "2 tries", "one try"] {
        screen.enter_line(wrong);
        screen.expect(left).await;
    }
    screen.enter_line(wrong);
    let offer = screen.expect("send a new code").await;
    assert!(offer.contains("Name   alice"), "{offer}");
    screen.type_text("000006");
    screen.press("Enter");
    screen.expect("A code was mailed").await;
    let second = server.mailbox().code_to(&email_of("alice")).await;
    screen.enter_line(&second);
    screen.expect("you joined #lobby").await;
}
