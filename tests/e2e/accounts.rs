//! Registration and signing in, with real mails.

use rookery_protocol::Message;
use rookery_tests::control::other_than;
use rookery_tests::irc::{Client, PASSWORD, device_credential, email_of, starts};
use rookery_tests::server::Server;
use rookery_tests::tls::Identity;

fn is_fail(message: &Message, command: &str) -> bool {
    starts(message, "FAIL", command)
}

#[tokio::test]
async fn a_new_account_is_proved_with_the_code_from_the_mail_folder() {
    let server = Server::start().await;
    let mut alice = Client::introduce(&server, "alice").await;
    alice.expect_text("REGISTER").await;
    alice.ask_to_register("alice", "alice@example.org").await;
    let code = server.mailbox().code_to("alice@example.org").await;
    alice.send(&format!("VERIFY alice {code}")).await;
    alice.expect_text("Welcome, alice. You are new here.").await;
    alice.say("#lobby", "hello").await;
    assert_eq!(
        server.record().accounts(),
        [("alice".to_owned(), "alice@example.org".to_owned())]
    );
    assert!(!server.log().contains(&code), "a code is a secret");
    assert!(!server.log().contains(PASSWORD), "a password is a secret");
}

#[tokio::test]
async fn a_known_account_is_welcomed_back_by_name_and_by_email() {
    let server = Server::start().await;
    drop(Client::register(&server, "alice").await);
    for account in ["alice", "alice@example.org"] {
        let mut alice = Client::try_sign_in(&server, "alice", account, PASSWORD).await;
        alice.expect_numeric("903").await;
        alice.send("CAP END").await;
        alice.expect_text("Welcome back, alice.").await;
        alice.send("QUIT").await;
        alice.until_closed().await;
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_may_be_tried_again() {
    let server = Server::start().await;
    drop(Client::register(&server, "alice").await);
    let mut alice = Client::try_sign_in(&server, "alice", "alice", "not the password").await;
    alice.expect_numeric("904").await;
    alice.sign_in_with("alice", PASSWORD).await;
    let mut nobody = Client::try_sign_in(&server, "zed", "zed", PASSWORD).await;
    nobody.expect_numeric("904").await;
}

#[tokio::test]
async fn the_waiting_room_hears_and_says_nothing() {
    let server = Server::start().await;
    let mut alice = Client::register(&server, "alice").await;
    let mut stranger = Client::introduce(&server, "stranger").await;
    stranger.expect_text("REGISTER").await;
    stranger.send("JOIN #lobby").await;
    stranger.send("PRIVMSG #lobby :let me in").await;
    stranger.send("PRIVMSG alice :let me in").await;
    stranger.send("NAMES #lobby").await;
    stranger.send("LIST").await;
    stranger.send("WHO #lobby").await;
    alice.say("#lobby", "for members only").await;
    let heard = stranger.heard().await;
    assert!(
        heard
            .iter()
            .all(|message| !format!("{message}").contains("alice")),
        "{heard:?}"
    );
    let heard = alice.heard().await;
    assert!(
        heard
            .iter()
            .all(|message| !format!("{message}").contains("stranger")),
        "{heard:?}"
    );
}

#[tokio::test]
async fn a_wrong_code_five_times_and_even_the_right_one_is_refused() {
    let server = Server::start().await;
    let mut alice = Client::introduce(&server, "alice").await;
    alice.ask_to_register("alice", "alice@example.org").await;
    let code = server.mailbox().code_to("alice@example.org").await;
    for _ in 0..5 {
        alice
            .send(&format!("VERIFY alice {}", other_than(&code)))
            .await;
        alice
            .expect("FAIL VERIFY", |message| is_fail(message, "VERIFY"))
            .await;
    }
    alice.send(&format!("VERIFY alice {code}")).await;
    alice
        .expect("FAIL VERIFY", |message| is_fail(message, "VERIFY"))
        .await;
    assert!(server.record().accounts().is_empty());
}

#[tokio::test]
async fn a_code_is_good_for_its_own_registration_only() {
    let server = Server::start().await;
    let mut alice = Client::introduce(&server, "alice").await;
    alice.ask_to_register("alice", "alice@example.org").await;
    let mut mallory = Client::introduce(&server, "mallory").await;
    mallory
        .ask_to_register("mallory", "mallory@example.org")
        .await;
    let alices = server.mailbox().code_to("alice@example.org").await;
    let mallorys = server.mailbox().code_to("mallory@example.org").await;
    if alices != mallorys {
        mallory.send(&format!("VERIFY mallory {alices}")).await;
        mallory
            .expect("FAIL VERIFY", |message| is_fail(message, "VERIFY"))
            .await;
    }
    alice.send(&format!("VERIFY alice {alices}")).await;
    alice.admitted().await;
    // Used up, also for whoever says to be alice.
    mallory.send(&format!("VERIFY alice {alices}")).await;
    mallory
        .expect("FAIL VERIFY", |message| is_fail(message, "VERIFY"))
        .await;
    assert_eq!(server.record().accounts().len(), 1);
}

#[tokio::test]
async fn a_name_or_email_that_is_taken_is_refused_however_it_is_written() {
    let server = Server::start().await;
    drop(Client::register(&server, "alice").await);
    let mut other = Client::introduce(&server, "other").await;
    for taken in ["alice", "ALICE", "a1ice", "\u{430}lice"] {
        other
            .send(&format!("REGISTER {taken} other@example.org :{PASSWORD}"))
            .await;
        other
            .expect("FAIL REGISTER", |message| is_fail(message, "REGISTER"))
            .await;
    }
    // Whoever owns the address is told by mail; whoever asks learns nothing, or is refused.
    other
        .send(&format!("REGISTER other Alice@EXAMPLE.org :{PASSWORD}"))
        .await;
    other.heard().await;
    assert_eq!(server.record().accounts().len(), 1);
}

#[tokio::test]
async fn a_new_device_signs_in_with_a_mailed_code_and_then_with_its_credential() {
    let server = Server::start().await;
    drop(Client::register(&server, "alice").await);
    let credential = device_credential(7);

    let mut alice = Client::connect(&server, "alice").await;
    alice.negotiate("alice").await;
    alice
        .authenticate("X-EMAIL-CODE", b"alice\0alice@example.org")
        .await;
    alice
        .expect("an empty challenge", |message| {
            starts(message, "AUTHENTICATE", "+")
        })
        .await;
    let code = server.mailbox().code_to("alice@example.org").await;
    alice
        .respond(format!("{code}\0{}", credential.expose()).as_bytes())
        .await;
    alice.expect_numeric("903").await;
    alice.send("CAP END").await;
    alice.expect_text("Welcome back, alice.").await;
    drop(alice);

    let mut later = Client::connect(&server, "alice").await;
    later.negotiate("alice").await;
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
async fn a_mailed_code_opens_no_account_of_another_email() {
    let server = Server::start().await;
    drop(Client::register(&server, "alice").await);
    drop(Client::register(&server, "mallory").await);
    let mut mallory = Client::connect(&server, "mallory").await;
    mallory.negotiate("mallory").await;
    mallory
        .authenticate("X-EMAIL-CODE", b"alice\0mallory@example.org")
        .await;
    // The same as for an account that is right: whoever asks learns nothing.
    mallory
        .expect("an answer", |message| {
            message.command == "AUTHENTICATE" || message.command == "904"
        })
        .await;
    mallory
        .respond(format!("000000\0{}", device_credential(1).expose()).as_bytes())
        .await;
    mallory.expect_numeric("904").await;
}

#[tokio::test]
async fn a_client_certificate_opens_the_account_it_was_added_to_until_it_is_revoked() {
    let server = Server::start().await;
    drop(Client::register(&server, "alice").await);
    let identity = Identity::generate();

    // Nobody's yet.
    let mut early = Client::connect_as(&server, "alice", Some(&identity)).await;
    early.negotiate("alice").await;
    early.authenticate("EXTERNAL", b"").await;
    early.expect_numeric("904").await;
    early.sign_in_with("alice", PASSWORD).await;
    early.send("CREDENTIAL ADD").await;
    let added = early
        .expect("CREDENTIAL ADDED", |message| {
            starts(message, "CREDENTIAL", "ADDED")
        })
        .await;
    let number = added.param(1).unwrap().to_owned();

    let mut alice = Client::connect_as(&server, "alice", Some(&identity)).await;
    alice.negotiate("alice").await;
    alice.authenticate("EXTERNAL", b"").await;
    alice.expect_numeric("903").await;
    alice.send("CAP END").await;
    alice.admitted().await;

    let mut stranger = Client::connect_as(&server, "stranger", Some(&Identity::generate())).await;
    stranger.negotiate("stranger").await;
    stranger.authenticate("EXTERNAL", b"alice").await;
    stranger.expect_numeric("904").await;

    alice.send(&format!("CREDENTIAL REVOKE {number}")).await;
    alice
        .expect("CREDENTIAL REVOKED", |message| {
            starts(message, "CREDENTIAL", "REVOKED")
        })
        .await;
    let mut late = Client::connect_as(&server, "alice", Some(&identity)).await;
    late.negotiate("alice").await;
    late.authenticate("EXTERNAL", b"").await;
    late.expect_numeric("904").await;
}

#[tokio::test]
async fn guests_come_in_where_no_account_is_required_but_not_under_an_accounts_name() {
    let server = Server::with(&["accounts.required = false"]).await;
    let mut alice = Client::register_admitted(&server, "alice").await;
    let mut guest = Client::introduce(&server, "gust").await;
    guest.admitted().await;
    guest.say("#lobby", "just looking").await;
    alice.expect_said("gust", "#lobby", "just looking").await;

    let mut poser = Client::introduce(&server, "Alice").await;
    poser.expect_numeric("433").await;
    poser.send("NICK a1ice").await;
    poser.expect_numeric("433").await;
    poser.send("NICK other").await;
    poser.admitted().await;
    poser.send("NICK alice").await;
    poser.expect_numeric("433").await;
}

#[tokio::test]
async fn without_open_registration_nobody_new_comes_in() {
    let server = Server::with(&["accounts.open = false"]).await;
    let mut alice = Client::introduce(&server, "alice").await;
    alice
        .send(&format!("REGISTER alice {} :{PASSWORD}", email_of("alice")))
        .await;
    alice
        .expect("FAIL REGISTER", |message| is_fail(message, "REGISTER"))
        .await;
    assert!(server.record().accounts().is_empty());
}

#[tokio::test]
async fn mails_to_one_address_are_bounded() {
    let server = Server::with(&["limits.mails_per_hour = 3"]).await;
    let mut alice = Client::introduce(&server, "alice").await;
    for _ in 0..3 {
        alice
            .send(&format!("REGISTER alice {} :{PASSWORD}", email_of("alice")))
            .await;
        alice
            .expect("an answer", |message| message.command == "REGISTER")
            .await;
    }
    alice
        .send(&format!("REGISTER alice {} :{PASSWORD}", email_of("alice")))
        .await;
    alice
        .expect("FAIL REGISTER", |message| is_fail(message, "REGISTER"))
        .await;
}
