//! Changing what an account is opened by: `SETPASS` and `SETEMAIL`, with real mails.

use rookery_tests::control::other_than;
use rookery_tests::irc::{Client, PASSWORD, starts};
use rookery_tests::server::Server;

const NEW: &str = "lantern kettle marble ox";

/// Whether the password opens the account.
async fn opens(server: &Server, account: &str, password: &str) -> bool {
    let mut client = Client::try_sign_in(server, "someone", account, password).await;
    let answer = client
        .expect("an answer", |message| {
            ["903", "904"].contains(&message.command.as_str())
        })
        .await;
    answer.command == "903"
}

#[tokio::test]
async fn a_password_is_changed_by_who_knows_it_and_the_owner_is_told() {
    let server = Server::start().await;
    let mut alice = Client::register(&server, "alice").await;
    let elsewhere = Client::sign_in(&server, "alice").await;
    alice.send(&format!("SETPASS wrong-one :{NEW}")).await;
    alice
        .expect("FAIL SETPASS", |message| starts(message, "FAIL", "SETPASS"))
        .await;
    alice.send(&format!("SETPASS :{PASSWORD}")).await;
    alice.expect_numeric("461").await;
    assert!(
        opens(&server, "alice", PASSWORD).await,
        "nothing has changed yet"
    );

    let mut alice = elsewhere;
    // The present password has spaces: only the last parameter may, so a code takes its place.
    alice.send(&format!("SETPASS * :{NEW}")).await;
    alice
        .expect("SETPASS VERIFICATION_REQUIRED", |message| {
            starts(message, "SETPASS", "VERIFICATION_REQUIRED")
        })
        .await;
    let code = server.mailbox().code_to("alice@example.org").await;
    alice
        .send(&format!("VERIFY alice {}", other_than(&code)))
        .await;
    alice
        .expect("FAIL VERIFY", |message| starts(message, "FAIL", "VERIFY"))
        .await;
    alice.send(&format!("VERIFY alice {code}")).await;
    alice
        .expect("SUCCESS", |message| {
            message.params.iter().any(|param| param == "SUCCESS")
        })
        .await;
    let told = server.mailbox().next_to("alice@example.org").await;
    assert!(told.contains("password"), "{told}");
    assert!(!opens(&server, "alice", PASSWORD).await && opens(&server, "alice", NEW).await);
    alice.say("#lobby", "still here").await;

    alice
        .send(&format!("SETPASS {} :another-good-one", "wrong"))
        .await;
    alice
        .expect("FAIL SETPASS", |message| starts(message, "FAIL", "SETPASS"))
        .await;
    let log = server.log();
    assert!(
        ![PASSWORD, NEW, &code]
            .iter()
            .any(|secret| log.contains(secret)),
        "secrets stay out of the log"
    );
}

#[tokio::test]
async fn a_password_of_one_word_is_changed_at_once() {
    let server = Server::start().await;
    let mut alice = Client::introduce(&server, "alice").await;
    alice
        .send("REGISTER alice alice@example.org a-good-password")
        .await;
    let code = server.mailbox().code_to("alice@example.org").await;
    alice.send(&format!("VERIFY alice {code}")).await;
    alice.admitted().await;
    alice.send("SETPASS a-good-password :short").await;
    let refused = alice
        .expect("FAIL SETPASS", |message| starts(message, "FAIL", "SETPASS"))
        .await;
    assert_eq!(refused.param(1), Some("WEAK_PASSWORD"));
    alice.send(&format!("SETPASS a-good-password :{NEW}")).await;
    alice
        .expect("SETPASS SUCCESS", |message| {
            starts(message, "SETPASS", "SUCCESS")
        })
        .await;
    assert!(
        !opens(&server, "alice", "a-good-password").await && opens(&server, "alice", NEW).await
    );
}

#[tokio::test]
async fn an_email_is_another_once_its_code_is_given_and_the_old_one_is_told() {
    let server = Server::start().await;
    let mut alice = Client::register(&server, "alice").await;
    drop(Client::register(&server, "bob").await);
    alice.send("SETEMAIL alice@new.example").await;
    alice
        .expect("SETEMAIL VERIFICATION_REQUIRED", |message| {
            starts(message, "SETEMAIL", "VERIFICATION_REQUIRED")
        })
        .await;
    let code = server.mailbox().code_to("alice@new.example").await;
    assert!(
        server
            .record()
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
            .record()
            .accounts()
            .contains(&("alice".to_owned(), "alice@new.example".to_owned()))
    );
    let told = server.mailbox().next_to("alice@example.org").await;
    assert!(told.contains("not the address of your account"), "{told}");
    assert!(opens(&server, "alice@new.example", PASSWORD).await);
    assert!(!opens(&server, "alice@example.org", PASSWORD).await);

    // Whose mailbox it is learns of it; whoever asked does not.
    alice.send("SETEMAIL bob@example.org").await;
    alice
        .expect("SETEMAIL", |message| {
            starts(message, "SETEMAIL", "VERIFICATION_REQUIRED")
        })
        .await;
    let told = server.mailbox().next_to("bob@example.org").await;
    assert!(told.contains("bob") && !told.contains("alice@"), "{told}");
}

#[tokio::test]
async fn neither_is_for_whoever_is_not_signed_in() {
    let server = Server::with(&["accounts.required = false"]).await;
    let mut guest = Client::introduce(&server, "gust").await;
    guest.admitted().await;
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
