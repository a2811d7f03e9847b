//! Registration and sign-in, with real mails.

use rookery_protocol::Message;
use rookery_tests::control::wrong_code;
use rookery_tests::irc::{Client, PASSWORD, device_credential, email_of, is_command};
use rookery_tests::server::Server;
use rookery_tests::tls::Identity;

fn is_fail(message: &Message, command: &str) -> bool {
    is_command(message, "FAIL", command)
}

#[tokio::test]
async fn a_new_account_is_verified_with_the_mailed_code() {
    let server = Server::start().await;
    let mut alice = Client::handshake(&server, "alice").await;
    alice.expect_text("REGISTER").await;
    alice.start_registration("alice", "alice@example.org").await;
    let code = server.mailbox().code_to("alice@example.org").await;
    alice.send(&format!("VERIFY alice {code}")).await;
    alice.expect_text("Welcome, alice").await;
    alice.say("#lobby", "hello").await;
    assert_eq!(
        server.database().accounts(),
        [("alice".to_owned(), "alice@example.org".to_owned())]
    );
    assert!(!server.log().contains(&code), "a code is a secret");
    assert!(!server.log().contains(PASSWORD), "a password is a secret");
}

#[tokio::test]
async fn a_returning_user_signs_in_by_name_or_by_email() {
    let server = Server::start().await;
    drop(Client::register(&server, "alice").await);
    for account in ["alice", "alice@example.org"] {
        let mut alice = Client::try_sign_in(&server, "alice", account, PASSWORD).await;
        alice.expect_numeric("903").await;
        alice.send("CAP END").await;
        alice.expect_text("Welcome back, alice").await;
        alice.send("QUIT").await;
        alice.read_until_closed().await;
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_another_attempt_is_allowed() {
    let server = Server::start().await;
    drop(Client::register(&server, "alice").await);
    let mut alice = Client::try_sign_in(&server, "alice", "alice", "not the password").await;
    alice.expect_numeric("904").await;
    alice.sign_in_with("alice", PASSWORD).await;
    let mut nobody = Client::try_sign_in(&server, "zed", "zed", PASSWORD).await;
    nobody.expect_numeric("904").await;
}

#[tokio::test]
async fn a_session_in_the_waiting_room_neither_receives_nor_sends_messages() {
    let server = Server::start().await;
    let mut alice = Client::register(&server, "alice").await;
    let mut mallory = Client::handshake(&server, "mallory").await;
    mallory.expect_text("REGISTER").await;
    mallory.send("JOIN #lobby").await;
    mallory.send("PRIVMSG #lobby :let me in").await;
    mallory.send("PRIVMSG alice :let me in").await;
    mallory.send("NAMES #lobby").await;
    mallory.send("LIST").await;
    mallory.send("WHO #lobby").await;
    alice.say("#lobby", "for members only").await;
    let received = mallory.sync().await;
    assert!(
        received
            .iter()
            .all(|message| !format!("{message}").contains("alice")),
        "{received:?}"
    );
    let received = alice.sync().await;
    assert!(
        received
            .iter()
            .all(|message| !format!("{message}").contains("mallory")),
        "{received:?}"
    );
}

#[tokio::test]
async fn after_five_wrong_codes_even_the_right_one_is_refused() {
    let server = Server::start().await;
    let mut alice = Client::handshake(&server, "alice").await;
    alice.start_registration("alice", "alice@example.org").await;
    let code = server.mailbox().code_to("alice@example.org").await;
    for _ in 0..5 {
        alice
            .send(&format!("VERIFY alice {}", wrong_code(&code)))
            .await;
        alice
            .expect("FAIL VERIFY", |message| is_fail(message, "VERIFY"))
            .await;
    }
    alice.send(&format!("VERIFY alice {code}")).await;
    alice
        .expect("FAIL VERIFY", |message| is_fail(message, "VERIFY"))
        .await;
    assert!(server.database().accounts().is_empty());
}

#[tokio::test]
async fn a_code_verifies_only_its_own_registration() {
    let server = Server::start().await;
    let mut alice = Client::handshake(&server, "alice").await;
    alice.start_registration("alice", "alice@example.org").await;
    let mut mallory = Client::handshake(&server, "mallory").await;
    mallory
        .start_registration("mallory", "mallory@example.org")
        .await;
    let alice_code = server.mailbox().code_to("alice@example.org").await;
    let mallory_code = server.mailbox().code_to("mallory@example.org").await;
    if alice_code != mallory_code {
        mallory.send(&format!("VERIFY mallory {alice_code}")).await;
        mallory
            .expect("FAIL VERIFY", |message| is_fail(message, "VERIFY"))
            .await;
    }
    alice.send(&format!("VERIFY alice {alice_code}")).await;
    alice.wait_until_admitted().await;
    // The code is used up, even for a client that claims to be alice.
    mallory.send(&format!("VERIFY alice {alice_code}")).await;
    mallory
        .expect("FAIL VERIFY", |message| is_fail(message, "VERIFY"))
        .await;
    assert_eq!(server.database().accounts().len(), 1);
}

#[tokio::test]
async fn a_taken_name_or_email_is_refused_in_any_spelling() {
    let server = Server::start().await;
    drop(Client::register(&server, "alice").await);
    let mut other = Client::handshake(&server, "other").await;
    let cyrillic = "\u{430}\u{4cf}\u{456}\u{441}\u{435}";
    for taken in ["alice", "ALICE", "a1ice", cyrillic] {
        other
            .send(&format!("REGISTER {taken} other@example.org :{PASSWORD}"))
            .await;
        other
            .expect("FAIL REGISTER", |message| is_fail(message, "REGISTER"))
            .await;
    }
    // The owner of the address is notified by mail. The client learns nothing, or is refused.
    other
        .send(&format!("REGISTER other Alice@EXAMPLE.org :{PASSWORD}"))
        .await;
    other.sync().await;
    assert_eq!(server.database().accounts().len(), 1);
}

#[tokio::test]
async fn a_new_device_signs_in_with_a_mailed_code_and_then_with_its_credential() {
    let server = Server::start().await;
    drop(Client::register(&server, "alice").await);
    let credential = device_credential(7);

    let mut alice = Client::negotiating(&server, "alice").await;
    alice
        .authenticate("X-EMAIL-CODE", b"alice\0alice@example.org")
        .await;
    alice
        .expect("an empty challenge", |message| {
            is_command(message, "AUTHENTICATE", "+")
        })
        .await;
    let code = server.mailbox().code_to("alice@example.org").await;
    alice
        .respond(format!("{code}\0{}", credential.expose()).as_bytes())
        .await;
    alice.expect_numeric("903").await;
    alice.send("CAP END").await;
    alice.expect_text("Welcome back, alice").await;
    drop(alice);

    let mut later = Client::negotiating(&server, "alice").await;
    later.sign_in_with("alice", credential.expose()).await;
    let mut other =
        Client::try_sign_in(&server, "other", "alice", device_credential(8).expose()).await;
    other.expect_numeric("904").await;
    assert!(
        !server.log().contains(credential.expose()),
        "a credential is a secret"
    );
}

#[tokio::test]
async fn a_mailed_code_does_not_sign_in_to_an_account_with_another_email() {
    let server = Server::start().await;
    drop(Client::register(&server, "alice").await);
    drop(Client::register(&server, "mallory").await);
    let mut mallory = Client::negotiating(&server, "mallory").await;
    mallory
        .authenticate("X-EMAIL-CODE", b"alice\0mallory@example.org")
        .await;
    // The same response as for the right account, so that the client learns nothing.
    mallory
        .expect("a response", |message| {
            message.command == "AUTHENTICATE" || message.command == "904"
        })
        .await;
    mallory
        .respond(format!("000000\0{}", device_credential(1).expose()).as_bytes())
        .await;
    mallory.expect_numeric("904").await;
}

#[tokio::test]
async fn a_client_certificate_signs_in_to_its_account_until_it_is_revoked() {
    let server = Server::start().await;
    drop(Client::register(&server, "alice").await);
    let identity = Identity::generate();

    // The certificate belongs to no account yet.
    let mut early = Client::connect_with_certificate(&server, "alice", Some(&identity)).await;
    early.negotiate("alice").await;
    early.authenticate("EXTERNAL", b"").await;
    early.expect_numeric("904").await;
    early.sign_in_with("alice", PASSWORD).await;
    early.send("CREDENTIAL ADD").await;
    let added = early
        .expect("CREDENTIAL ADDED", |message| {
            is_command(message, "CREDENTIAL", "ADDED")
        })
        .await;
    let number = added.param(1).unwrap().to_owned();

    let mut alice = Client::connect_with_certificate(&server, "alice", Some(&identity)).await;
    alice.negotiate("alice").await;
    alice.authenticate("EXTERNAL", b"").await;
    alice.expect_numeric("903").await;
    alice.send("CAP END").await;
    alice.wait_until_admitted().await;

    let mut other =
        Client::connect_with_certificate(&server, "other", Some(&Identity::generate())).await;
    other.negotiate("other").await;
    other.authenticate("EXTERNAL", b"alice").await;
    other.expect_numeric("904").await;

    alice.send(&format!("CREDENTIAL REVOKE {number}")).await;
    alice
        .expect("CREDENTIAL REVOKED", |message| {
            is_command(message, "CREDENTIAL", "REVOKED")
        })
        .await;
    let last = alice.read_until_closed().await;
    let error = last.last().unwrap();
    assert_eq!(error.command, "ERROR", "its own session ends: {last:?}");
    assert!(error.param(0).unwrap().contains("revoked"), "{error}");
    // The session that signed in with the password stays.
    early.say("#lobby", "still here").await;
    let mut late = Client::connect_with_certificate(&server, "alice", Some(&identity)).await;
    late.negotiate("alice").await;
    late.authenticate("EXTERNAL", b"").await;
    late.expect_numeric("904").await;
}

#[tokio::test]
async fn guests_are_admitted_where_no_account_is_required_but_not_under_an_account_name() {
    let server = Server::with(&["accounts.required = false"]).await;
    let mut alice = Client::register_as_guest(&server, "alice").await;
    let mut guest = Client::handshake(&server, "gust").await;
    guest.wait_until_admitted().await;
    guest.say("#lobby", "just looking").await;
    alice.expect_privmsg("gust", "#lobby", "just looking").await;

    let mut poser = Client::handshake(&server, "Alice").await;
    poser.expect_numeric("433").await;
    poser.send("NICK a1ice").await;
    poser.expect_numeric("433").await;
    poser.send("NICK other").await;
    poser.wait_until_admitted().await;
    poser.send("NICK alice").await;
    poser.expect_numeric("433").await;
}

#[tokio::test]
async fn while_registration_is_closed_no_account_can_be_registered() {
    let server = Server::with(&["accounts.open = false"]).await;
    let mut alice = Client::handshake(&server, "alice").await;
    alice
        .send(&format!("REGISTER alice {} :{PASSWORD}", email_of("alice")))
        .await;
    alice
        .expect("FAIL REGISTER", |message| is_fail(message, "REGISTER"))
        .await;
    assert!(server.database().accounts().is_empty());
}

#[tokio::test]
async fn mails_to_one_address_are_limited() {
    // One network gets a third of them.
    let server = Server::with(&["limits.mails_per_hour = 9"]).await;
    let mut alice = Client::handshake(&server, "alice").await;
    for _ in 0..3 {
        alice
            .send(&format!("REGISTER alice {} :{PASSWORD}", email_of("alice")))
            .await;
        alice
            .expect("a response", |message| message.command == "REGISTER")
            .await;
    }
    alice
        .send(&format!("REGISTER alice {} :{PASSWORD}", email_of("alice")))
        .await;
    alice
        .expect("FAIL REGISTER", |message| is_fail(message, "REGISTER"))
        .await;
}
