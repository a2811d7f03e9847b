//! Changing the password and email of an account with `SETPASS` and `SETEMAIL`, with real mails.

use rookery_tests::control::wrong_code;
use rookery_tests::irc::{Client, PASSWORD, is_command};
use rookery_tests::server::Server;

const NEW: &str = "lantern kettle marble ox";

/// Whether the account can be signed in to with this password.
async fn can_sign_in(server: &Server, account: &str, password: &str) -> bool {
    let mut client = Client::try_sign_in(server, "someone", account, password).await;
    let outcome = client
        .expect("an outcome", |message| {
            ["903", "904"].contains(&message.command.as_str())
        })
        .await;
    outcome.command == "903"
}

#[tokio::test]
async fn a_password_change_needs_proof_and_is_reported_by_mail() {
    let server = Server::start().await;
    let mut alice = Client::register(&server, "alice").await;
    let elsewhere = Client::sign_in(&server, "alice").await;
    alice.send(&format!("SETPASS wrong-one :{NEW}")).await;
    alice
        .expect("FAIL SETPASS", |message| {
            is_command(message, "FAIL", "SETPASS")
        })
        .await;
    alice.send(&format!("SETPASS :{PASSWORD}")).await;
    alice.expect_numeric("461").await;
    assert!(
        can_sign_in(&server, "alice", PASSWORD).await,
        "the password has not changed yet"
    );

    let mut alice = elsewhere;
    // The current password contains spaces, which only the last parameter may do, so it is replaced
    // by a mailed code.
    alice.send(&format!("SETPASS * :{NEW}")).await;
    alice
        .expect("SETPASS VERIFICATION_REQUIRED", |message| {
            is_command(message, "SETPASS", "VERIFICATION_REQUIRED")
        })
        .await;
    let code = server.mailbox().code_to("alice@example.org").await;
    alice
        .send(&format!("VERIFY alice {}", wrong_code(&code)))
        .await;
    alice
        .expect("FAIL VERIFY", |message| {
            is_command(message, "FAIL", "VERIFY")
        })
        .await;
    alice.send(&format!("VERIFY alice {code}")).await;
    alice
        .expect("SUCCESS", |message| {
            message.params.iter().any(|param| param == "SUCCESS")
        })
        .await;
    let mail = server.mailbox().next_mail_to("alice@example.org").await;
    assert!(mail.contains("password"), "{mail}");
    assert!(
        !can_sign_in(&server, "alice", PASSWORD).await && can_sign_in(&server, "alice", NEW).await
    );
    alice.say("#lobby", "still here").await;

    alice
        .send(&format!("SETPASS {} :another-good-one", "wrong"))
        .await;
    alice
        .expect("FAIL SETPASS", |message| {
            is_command(message, "FAIL", "SETPASS")
        })
        .await;
    let log = server.log();
    assert!(
        ![PASSWORD, NEW, &code]
            .iter()
            .any(|secret| log.contains(secret)),
        "secrets are not logged"
    );
}

#[tokio::test]
async fn a_password_of_one_word_is_changed_at_once() {
    let server = Server::start().await;
    let mut alice = Client::handshake(&server, "alice").await;
    alice
        .send("REGISTER alice alice@example.org a-good-password")
        .await;
    let code = server.mailbox().code_to("alice@example.org").await;
    alice.send(&format!("VERIFY alice {code}")).await;
    alice.wait_until_admitted().await;
    alice.send("SETPASS a-good-password :short").await;
    let refused = alice
        .expect("FAIL SETPASS", |message| {
            is_command(message, "FAIL", "SETPASS")
        })
        .await;
    assert_eq!(refused.param(1), Some("WEAK_PASSWORD"));
    alice.send(&format!("SETPASS a-good-password :{NEW}")).await;
    alice
        .expect("SETPASS SUCCESS", |message| {
            is_command(message, "SETPASS", "SUCCESS")
        })
        .await;
    assert!(
        !can_sign_in(&server, "alice", "a-good-password").await
            && can_sign_in(&server, "alice", NEW).await
    );
}

#[tokio::test]
async fn an_email_changes_once_its_code_is_entered_and_the_old_address_is_notified() {
    let server = Server::start().await;
    let mut alice = Client::register(&server, "alice").await;
    drop(Client::register(&server, "bob").await);
    alice
        .send(&format!("SETEMAIL alice@new.example :{PASSWORD}"))
        .await;
    alice
        .expect("SETEMAIL VERIFICATION_REQUIRED", |message| {
            is_command(message, "SETEMAIL", "VERIFICATION_REQUIRED")
        })
        .await;
    let code = server.mailbox().code_to("alice@new.example").await;
    assert!(
        server
            .database()
            .accounts()
            .contains(&("alice".to_owned(), "alice@example.org".to_owned()))
    );
    alice.send(&format!("VERIFY alice {code}")).await;
    alice
        .expect("SUCCESS", |message| {
            message.params.iter().any(|param| param == "SUCCESS")
        })
        .await;
    assert!(
        server
            .database()
            .accounts()
            .contains(&("alice".to_owned(), "alice@new.example".to_owned()))
    );
    let mail = server.mailbox().next_mail_to("alice@example.org").await;
    assert!(mail.contains("address"), "{mail}");
    assert!(can_sign_in(&server, "alice@new.example", PASSWORD).await);
    assert!(!can_sign_in(&server, "alice@example.org", PASSWORD).await);

    // The owner of the mailbox is notified; the client that asked learns nothing.
    alice
        .send(&format!("SETEMAIL bob@example.org :{PASSWORD}"))
        .await;
    alice
        .expect("SETEMAIL", |message| {
            is_command(message, "SETEMAIL", "VERIFICATION_REQUIRED")
        })
        .await;
    let mail = server.mailbox().next_mail_to("bob@example.org").await;
    assert!(mail.contains("bob") && !mail.contains("alice@"), "{mail}");
}

#[tokio::test]
async fn guests_cannot_change_credentials() {
    let server = Server::with(&["accounts.required = false"]).await;
    let mut guest = Client::handshake(&server, "gust").await;
    guest.wait_until_admitted().await;
    for line in [
        "SETPASS * new-password",
        "SETEMAIL gust@example.org",
        "CREDENTIAL LIST",
    ] {
        guest.send(line).await;
        let refused = guest
            .expect("FAIL", |message| message.command == "FAIL")
            .await;
        assert_eq!(refused.param(1), Some("ACCOUNT_REQUIRED"), "{refused:?}");
    }
}
